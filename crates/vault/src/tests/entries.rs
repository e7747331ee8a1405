//! Entering and draining.

use super::{Home, opens, vaulted};
use crate::VaultError;
use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

/// Whether it has ended, asked once.
fn is_done(future: Pin<&mut impl Future<Output = ()>>) -> bool {
    future.poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
}

#[tokio::test]
async fn a_drain_waits_until_everybody_who_is_inside_has_left() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 100).await;
    let first = vault.enter(person.slot).await.unwrap();
    let second = vault.enter(person.slot).await.unwrap();
    let mut drain = pin!(vault.drain(person.slot));
    assert!(!is_done(drain.as_mut()));
    assert!(opens(&vault, &person).await.unwrap(), "who is inside still opens what he came for");
    drop(first);
    assert!(!is_done(drain.as_mut()), "one is still inside");
    drop(second);
    drain.await;
}

#[tokio::test]
async fn nobody_enters_from_the_first_moment_of_a_drain_on_even_if_nobody_waits_for_its_end() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 100).await;
    let inside = vault.enter(person.slot).await.unwrap();
    {
        let mut drain = pin!(vault.drain(person.slot));
        assert!(!is_done(drain.as_mut()));
    }
    assert!(matches!(vault.enter(person.slot).await, Err(VaultError::Closing)), "the drain's future is gone");
    drop(inside);
    assert!(matches!(vault.enter(person.slot).await, Err(VaultError::Closing)), "closed stays closed");
    vault.drain(person.slot).await;
}

#[tokio::test]
async fn two_drains_of_a_slot_both_end_and_another_slot_is_not_touched() {
    let home = Home::new();
    let vault = home.open().await;
    let (one, other) = (vaulted(&vault, 1, 100).await, vaulted(&vault, 2, 100).await);
    let inside = vault.enter(one.slot).await.unwrap();
    let elsewhere = vault.enter(other.slot).await.unwrap();
    let drains =
        [tokio::spawn(drained(vault.clone(), one.slot)), tokio::spawn(drained(vault.clone(), one.slot))];
    tokio::task::yield_now().await;
    assert!(drains.iter().all(|drain| !drain.is_finished()));
    drop(inside);
    for drain in drains {
        drain.await.unwrap();
    }
    drop(vault.enter(other.slot).await.unwrap());
    drop(elsewhere);
}

async fn drained(vault: crate::Vault, slot: crate::SlotRef) {
    vault.drain(slot).await;
}

#[tokio::test]
async fn a_drain_ends_also_when_the_slot_is_burnt_meanwhile_and_then_the_disk_refuses_who_enters() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 100).await;
    let inside = vault.enter(person.slot).await.unwrap();
    let mut drain = pin!(vault.drain(person.slot));
    assert!(!is_done(drain.as_mut()));
    vault.burn(person.slot).await.unwrap();
    assert!(!is_done(drain.as_mut()), "a burnt slot says nothing about who still holds the facemap");
    assert!(matches!(vault.enter(person.slot).await, Err(VaultError::Burnt)));
    drop(inside);
    drain.await;
    assert!(matches!(vault.enter(person.slot).await, Err(VaultError::Burnt)));
    assert_eq!(vault.0.entries.known(), 0, "what the disk says need not be remembered");
}

#[tokio::test]
async fn nothing_is_remembered_of_slots_that_everybody_left_or_that_are_burnt() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 100).await;
    drop(vault.enter(person.slot).await.unwrap());
    assert_eq!(vault.0.entries.known(), 0);
    vault.drain(person.slot).await;
    assert_eq!(vault.0.entries.known(), 1, "closed until it is burnt");
    vault.burn(person.slot).await.unwrap();
    assert_eq!(vault.0.entries.known(), 0);
    // An erasure that goes on after a start drains and burns once more.
    vault.drain(person.slot).await;
    vault.burn(person.slot).await.unwrap();
    assert_eq!(vault.0.entries.known(), 0);
}

#[tokio::test]
async fn a_slot_whose_burning_is_refused_stays_closed() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 100).await;
    vault.set_hold(person.slot, true).await.unwrap();
    vault.drain(person.slot).await;
    assert!(matches!(vault.burn(person.slot).await, Err(VaultError::Held)));
    assert!(matches!(vault.enter(person.slot).await, Err(VaultError::Closing)));
}

#[tokio::test]
async fn an_entry_ends_with_the_task_that_held_it() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 100).await;
    let entry = vault.enter(person.slot).await.unwrap();
    let holder = tokio::spawn(async move {
        let _entry = entry;
        std::future::pending::<()>().await;
    });
    tokio::task::yield_now().await;
    let mut drain = pin!(vault.drain(person.slot));
    assert!(!is_done(drain.as_mut()));
    holder.abort();
    drain.await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_entered_before_a_drain_ended_has_left_by_then() {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };
    let home = Home::new();
    let vault = home.open().await;
    for number in 1..20 {
        let person = vaulted(&vault, number, 100).await;
        let inside = Arc::new(AtomicUsize::new(0));
        let callers: Vec<_> = (0..8)
            .map(|_| {
                let (vault, inside) = (vault.clone(), Arc::clone(&inside));
                tokio::spawn(async move {
                    for _ in 0..10_000 {
                        let Ok(entry) = vault.enter(person.slot).await else { return true };
                        inside.fetch_add(1, Ordering::SeqCst);
                        tokio::task::yield_now().await;
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(entry);
                    }
                    false
                })
            })
            .collect();
        tokio::task::yield_now().await;
        vault.drain(person.slot).await;
        assert_eq!(inside.load(Ordering::SeqCst), 0);
        vault.burn(person.slot).await.unwrap();
        for caller in callers {
            assert!(caller.await.unwrap(), "each was refused in the end");
        }
    }
}
