//! What follows a rebuild: somebody says that the losses are known, or that the book is to go on.

use crate::house::{House, WINDOW};
use audit::{Action, Actor, Filter, Outcome};
use model::{Clock as _, EnrollmentState as S};
use register::RecoveryKind;
use repair::{Acknowledged, RepairError, accept_book, acknowledge};
use std::fs;

async fn peopled() -> House {
    let house = House::new();
    let open = house.open().await.unwrap();
    for number in 1..4 {
        open.enroll(number, number, S::Ready).await;
    }
    house.close(open).await;
    house
}

#[tokio::test]
async fn an_acknowledgement_is_written_down_and_counts_once() {
    let house = peopled().await;
    house.rebuild(true).await.unwrap();
    let open = house.open().await.unwrap();
    let by = || acknowledge(&open.register, &open.audit, Actor::Operator, &house.clock);
    assert!(open.register.recovery().await.unwrap().unwrap().value.forbids_destruction());
    assert!(matches!(by().await.unwrap(), Acknowledged::Now(row) if row.acknowledged_at.is_some()));
    assert!(!open.register.recovery().await.unwrap().unwrap().value.forbids_destruction());
    assert!(matches!(by().await.unwrap(), Acknowledged::Before(_)));
    open.audit.close().await.unwrap();
    let filter = Filter { action: Some(Action::RecoveryAcknowledged), ..Filter::default() };
    let entries = open.audit.entries(0, None, &filter, 9).await.unwrap().items;
    let outcomes: Vec<_> = entries.iter().map(|listed| listed.entry.outcome).collect();
    assert_eq!(outcomes, [None, Some(Outcome::Done)]);
    house.close(open).await;
}

#[tokio::test]
async fn where_nothing_was_rebuilt_there_is_nothing_to_acknowledge() {
    let house = peopled().await;
    let open = house.open().await.unwrap();
    let done = acknowledge(&open.register, &open.audit, Actor::Operator, &house.clock).await.unwrap();
    assert_eq!(done, Acknowledged::Nothing);
    house.close(open).await;
}

#[tokio::test]
async fn a_book_whose_anchor_is_gone_or_ahead_goes_on_by_order_only() {
    let house = peopled().await;
    assert!(matches!(accept_book(&house.ground()).await, Err(RepairError::Refused(_))), "it fits");
    // An older store under the same epoch: its book ends before the anchor.
    crate::rebuilds::fs_copy(&house.at("data/db"), &house.at("older"));
    let open = house.open().await.unwrap();
    open.audit.begin(audit::Begin::general(Action::KeyUse, Actor::System)).await.map(drop).unwrap();
    house.close(open).await;
    fs::remove_dir_all(house.at("data/db")).unwrap();
    crate::rebuilds::fs_copy(&house.at("older"), &house.at("data/db"));
    for anchor_is_there in [true, false] {
        if !anchor_is_there {
            fs::remove_file(house.at("slots/anchor")).unwrap();
        }
        assert!(house.open().await.unwrap_err().contains("verify"));
        assert!(!house.verify().await.clean);
        let border = accept_book(&house.ground()).await.unwrap();
        assert_eq!(border.old.is_some(), anchor_is_there);
        assert!(house.verify().await.clean);
        let open = house.open().await.unwrap();
        let recovery = open.register.recovery().await.unwrap().unwrap().value;
        assert_eq!(recovery.kind, RecoveryKind::Book);
        assert_eq!(recovery.blocked_for(house.clock.now()), Some(WINDOW), "the store may be an older one");
        house.close(open).await;
    }
}
