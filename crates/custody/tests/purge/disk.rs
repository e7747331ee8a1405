//! A disk that fails under a purge: it is never said to be done before it is, and is done in the end.

use crate::{
    crash::{completes, goes_on, house},
    house::seconds,
};
use custody::CustodyError;
use model::EnrollmentState as S;
use std::sync::Arc;
use store::faulty::CommitFault;
use vault::{Step, VaultError};

/// `ENOSPC`, `EIO`.
const REFUSALS: [i32; 2] = [28, 5];

#[tokio::test]
async fn a_burning_that_is_not_durable_is_no_purge() {
    let (mut house, slot) = house().await;
    let vault = Arc::downgrade(&house.now().vault);
    // The sector is written, and its own sync fails.
    house.now().vault.at_step(Step::Burnt, move || vault.upgrade().unwrap().fail_sync(1));
    for _ in 0..2 {
        let done = house.purge(1).await;
        let is_poisoned = |error: &CustodyError| matches!(error, CustodyError::Vault(error) if matches!(**error, VaultError::Poisoned));
        assert!(done.as_ref().is_err_and(is_poisoned), "{done:?}");
        assert_eq!(house.state(1).await, S::Purging, "nobody knows whether the slot is burnt on the disk");
        assert!(matches!(house.now().vault.trouble(), Some(VaultError::Poisoned)));
    }
    completes(&mut house, slot, "the burning's sync").await;
}

#[tokio::test]
async fn whichever_sync_of_the_slots_fails_it_completes_after_the_restart() {
    for nth in 1.. {
        let (mut house, slot) = house().await;
        house.now().vault.fail_sync(nth);
        let done = house.purge(1).await;
        if house.now().vault.trouble().is_none() {
            done.unwrap();
            assert!(nth > 2, "{nth}: there are that many syncs at least");
            break;
        }
        completes(&mut house, slot, &format!("sync {nth}")).await;
    }
}

#[tokio::test]
async fn a_content_that_cannot_be_destroyed_keeps_the_purge_open_until_it_can() {
    for errno in REFUSALS {
        let (house, slot) = house().await;
        house.now().vault.refuse_at(Step::Overwritten, errno);
        let done = house.purge(1).await;
        assert!(matches!(done, Err(CustodyError::Vault(_))), "{done:?}");
        house.pass(seconds(3600)).await;
        assert_eq!(house.state(1).await, S::Purging);
        house.now().vault.fail_at(None);
        house.pass(seconds(3600)).await;
        goes_on(&house, slot, &errno.to_string()).await;
    }
}

#[tokio::test]
async fn a_full_disk_at_any_commit_puts_it_off_and_it_goes_on_without_a_restart() {
    for nth in 1.. {
        let (house, slot) = house().await;
        house.store.fail_commit(nth, CommitFault::NoSpace);
        let before = house.store.commits();
        let done = house.purge(1).await;
        if house.store.commits() - before < nth {
            done.unwrap();
            assert!(nth > 7, "{nth}: there are that many commits at least");
            break;
        }
        goes_on(&house, slot, &format!("commit {nth}")).await;
    }
}

#[tokio::test]
async fn a_read_that_fails_anywhere_puts_it_off_and_it_completes_after_the_restart() {
    for nth in 1.. {
        let (mut house, slot) = house().await;
        house.store.fail_read(nth);
        let before = house.store.reads();
        let done = house.purge(1).await;
        if house.store.reads() - before < nth {
            done.unwrap();
            assert!(nth > 15, "{nth}: there are that many reads at least");
            break;
        }
        completes(&mut house, slot, &format!("read {nth}")).await;
    }
}
