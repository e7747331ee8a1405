//! What the walk tells of, and what it does not.

use crate::house::{House, in_memory, reference};
use async_trait::async_trait;
use audit::Finding as BookFinding;
use model::{AuthenticationState, EnrollmentState as S};
use records::{Key as _, tables};
use repair::{ContentFault, Finding, RowFault, SlotFault};
use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use store::{Batch, Condition, Store as _, TableId};
use vault::{ContentListing, Found, PersonKey, SlotFileHeader, SlotRef, VaultError};

pub(crate) async fn peopled() -> (House, Arc<store::memory::MemoryStore>, crate::house::Open) {
    let (house, store, open) = in_memory().await;
    open.enroll(1, 1, S::Ready).await;
    open.enroll(2, 2, S::Vaulted).await;
    open.enroll(3, 3, S::AwaitingUser).await;
    open.enroll(4, 4, S::Ready).await;
    open.purge(4).await;
    open.authenticate(1, AuthenticationState::Passed).await;
    open.audit.close().await.unwrap();
    (house, store, open)
}

pub(crate) async fn findings(house: &House, open: crate::house::Open) -> Vec<Finding> {
    let records = open.records.clone();
    drop(open);
    house.verify_over(Ok(records)).await.findings
}

#[tokio::test]
async fn a_house_as_the_flows_leave_it_is_clean() {
    let (house, _, open) = peopled().await;
    let records = open.records.clone();
    drop(open);
    let report = house.verify_over(Ok(records)).await;
    assert!(report.clean, "{:?}", report.findings);
    assert_eq!((report.counts.contents, report.counts.slots), (2, 1024));
    assert!(report.counts.records > 15 && report.counts.audit_entries > 3);
    assert_eq!(report.information, ["1 slots are prepared for people whose facemap is not here yet"]);
}

/// A vault in use, in which somebody is purged and somebody enrolled between two looks of the walk.
struct InUse<'a> {
    open: &'a crate::house::Open,
    is_done: AtomicBool,
}

#[async_trait]
impl repair::Slots for InUse<'_> {
    fn header(&self) -> Result<SlotFileHeader, String> {
        repair::Slots::header(&*self.open.vault)
    }
    async fn sectors(&self, from: u32) -> Result<repair::SectorPage, VaultError> {
        repair::Slots::sectors(&*self.open.vault, from).await
    }
    async fn listing(&self) -> Result<ContentListing, VaultError> {
        let listing = repair::Slots::listing(&*self.open.vault).await;
        if !self.is_done.swap(true, Ordering::Relaxed) {
            self.open.purge(1).await;
            self.open.enroll(9, 9, S::Ready).await;
            self.open.purge(9).await;
            self.open.enroll(10, 10, S::Ready).await;
        }
        listing
    }
    async fn check(&self, slots: Vec<SlotRef>) -> Vec<Result<Found, VaultError>> {
        repair::Slots::check(&*self.open.vault, slots).await
    }
    async fn person_key(&self, slot: SlotRef) -> Result<PersonKey, VaultError> {
        repair::Slots::person_key(&*self.open.vault, slot).await
    }
}

#[tokio::test]
async fn what_changes_under_the_walk_is_looked_at_again_before_it_is_told() {
    let (house, _, open) = peopled().await;
    let ticking = house.clock.clone();
    let tick = tokio::spawn(async move {
        loop {
            ticking.advance(std::time::Duration::from_millis(5));
            tokio::task::yield_now().await;
        }
    });
    let open: &'static crate::house::Open = Box::leak(Box::new(open));
    let parts = repair::VerifyParts {
        records: Ok(Some(open.records.clone())),
        slots: Ok(Arc::new(InUse { open, is_done: AtomicBool::new(false) })),
        shapes: crate::house::shapes(),
        anchor: house.at("slots/anchor"),
        clock: Arc::new(house.clock.clone()),
        pause: Some(std::time::Duration::from_millis(1)),
    };
    let report = repair::verify(parts, &repair::Unwatched).await.unwrap();
    tick.abort();
    assert!(report.clean, "{:?}", report.findings);
    assert_eq!(open.state(1).await, Some(S::Purged));
}

#[tokio::test]
async fn a_row_of_a_table_that_nobody_knows_is_told() {
    let (house, store, open) = peopled().await;
    let mut batch = Batch::new();
    batch.put(TableId(200), vec![1], Condition::Any, vec![1]);
    store.commit(batch).await.unwrap();
    assert_eq!(findings(&house, open).await, [Finding::UnknownTable(TableId(200))]);
}

#[tokio::test]
async fn index_rows_that_are_missing_or_lead_elsewhere_are_told() {
    let (house, store, open) = peopled().await;
    let rows = store.scan(tables::ENROLLMENTS_BY_USER, &store::Range::default(), 9).await.unwrap();
    let mut moved = rows[0].key.to_vec();
    // The same enrollment under somebody else's user.
    moved[0] ^= 1;
    let mut batch = Batch::new();
    batch.delete(tables::ENROLLMENTS_BY_USER, rows[0].key.to_vec(), Condition::Any);
    batch.put(tables::ENROLLMENTS_BY_USER, moved, Condition::Any, Vec::new());
    store.commit(batch).await.unwrap();
    let told = findings(&house, open).await;
    let of = |wanted: RowFault| told.iter().any(|f| matches!(f, Finding::Row(_, fault) if *fault == wanted));
    assert!(of(RowFault::IndexMissing("enrollments-by-user")), "{told:?}");
    assert!(of(RowFault::LeadsToAnother), "{told:?}");
    assert_eq!(told.len(), 2);
}

#[tokio::test]
async fn a_record_that_is_gone_leaves_its_slot_its_index_and_its_user_behind() {
    let (house, store, open) = peopled().await;
    let mut batch = Batch::new();
    batch.delete(tables::ENROLLMENTS, (open.key(1),).encode(), Condition::Any);
    store.commit(batch).await.unwrap();
    let told = findings(&house, open).await;
    assert!(told.contains(&Finding::Slot(0, SlotFault::NoRecord)), "{told:?}");
    for wanted in [RowFault::LeadsNowhere, RowFault::Dangling("enrollments")] {
        assert!(told.iter().any(|f| matches!(f, Finding::Row(_, fault) if *fault == wanted)), "{told:?}");
    }
}

#[tokio::test]
async fn tombstones_holds_and_marks_are_held_against_the_slots() {
    let (house, _, open) = peopled().await;
    let (one, two) = (open.enrollment(1).await.unwrap(), open.enrollment(2).await.unwrap());
    open.vault.set_hold(one.row.slot, true).await.unwrap();
    // Somebody took its place, and its slot does not say so.
    let mut replaced = one.clone();
    replaced.row.replaced_by = Some(open.key(3));
    let mut commit = open.records.commit();
    open.register.update_enrollment(&mut commit, &replaced).await.unwrap();
    commit.submit().await.unwrap();
    // A tombstone whose slot still holds.
    let mut purging = two.clone();
    purging.row.enter(S::Purging, model::Clock::now(&house.clock));
    let mut commit = open.records.commit();
    open.register.update_enrollment(&mut commit, &purging).await.unwrap();
    commit.submit().await.unwrap();
    let purging = open.enrollment(2).await.unwrap();
    let mut commit = open.records.commit();
    open.register.tombstone(&mut commit, &purging, model::Clock::now(&house.clock)).await.unwrap();
    commit.submit().await.unwrap();
    let told = findings(&house, open).await;
    for fault in [SlotFault::HoldDiffers, SlotFault::ReplacedDiffers] {
        assert!(told.contains(&Finding::Slot(0, fault)), "{told:?}");
    }
    assert!(told.contains(&Finding::Slot(1, SlotFault::PurgedNotBurnt)), "{told:?}");
    assert_eq!(told.len(), 3, "{told:?}");
}

#[tokio::test]
async fn a_burnt_slot_whose_record_is_in_use_is_told() {
    let (house, _, open) = peopled().await;
    let one = open.enrollment(1).await.unwrap();
    open.vault.burn(one.row.slot).await.unwrap();
    let told = findings(&house, open).await;
    assert!(told.iter().any(|f| matches!(f, Finding::Row(_, RowFault::SlotGone))), "{told:?}");
}

#[tokio::test]
async fn contents_that_are_missing_exchanged_or_strange_are_told() {
    let (house, _, open) = peopled().await;
    let (one, two) = (open.enrollment(1).await.unwrap(), open.enrollment(2).await.unwrap());
    let path = |slot: vault::SlotRef| {
        let id = slot.facemap.to_string();
        house.at("data/content").join(&id[..2]).join(id)
    };
    let (first, second) = (path(one.row.slot), path(two.row.slot));
    let bytes = fs::read(&first).unwrap();
    fs::remove_file(&first).unwrap();
    fs::write(&second, &bytes).unwrap();
    fs::write(house.at("data/content/note"), "hello").unwrap();
    let stranger =
        second.with_file_name(format!("{}{}", &two.row.slot.facemap.to_string()[..2], "0".repeat(30)));
    fs::write(stranger, &bytes).unwrap();
    let told = findings(&house, open).await;
    let contents: Vec<_> = told
        .iter()
        .filter_map(|f| if let Finding::Content(_, fault) = f { Some(*fault) } else { None })
        .collect();
    assert!(contents.contains(&ContentFault::Damaged(vault::Damage::NoContent)), "{told:?}");
    assert!(contents.contains(&ContentFault::NoSlot), "{told:?}");
    assert!(told.contains(&Finding::Strangers(1)));
    assert_eq!(told.len(), 4, "{told:?}");
}

#[tokio::test]
async fn a_cut_book_and_a_missing_anchor_are_told() {
    let (house, store, open) = peopled().await;
    let last = open.audit.head().await.unwrap().position;
    let mut batch = Batch::new();
    batch.delete(tables::AUDIT, (last,).encode(), Condition::Any);
    store.commit(batch).await.unwrap();
    fs::remove_file(house.at("slots/anchor")).unwrap();
    let told = findings(&house, open).await;
    assert!(told.contains(&Finding::Audit(BookFinding::Missing { position: last })), "{told:?}");
    assert!(told.contains(&Finding::Audit(BookFinding::AnchorMissing)));
}

#[tokio::test]
async fn a_store_that_does_not_open_is_told_and_the_rest_is_looked_at() {
    let (house, _, open) = peopled().await;
    let slot = open.enrollment(1).await.unwrap().row.slot;
    drop(open);
    let id = slot.facemap.to_string();
    fs::remove_file(house.at("data/content").join(&id[..2]).join(id)).unwrap();
    let why = store::StoreError::Unusable("sled gave up".into());
    let report = house.verify_over(Err(why)).await;
    assert!(report.findings.iter().any(|f| matches!(f, Finding::Store { .. })));
    assert!(report.findings.iter().any(|f| matches!(f, Finding::Content(..))), "{:?}", report.findings);
}

#[tokio::test]
async fn a_store_that_turns_out_damaged_while_it_is_read_is_told_and_the_rest_is_looked_at() {
    for table in [tables::META, tables::USERS, tables::ENROLLMENTS, tables::AUDIT] {
        let (house, store, open) = peopled().await;
        let slot = open.enrollment(1).await.unwrap().row.slot;
        drop(open);
        let id = slot.facemap.to_string();
        fs::remove_file(house.at("data/content").join(&id[..2]).join(id)).unwrap();
        let damaged = Arc::new(store::faulty::FaultyStore::new(store.snapshot()));
        damaged.corrupt(table);
        let records = house.ground().records(damaged);
        let report = house.verify_over(Ok(records)).await;
        let told: Vec<_> = report.findings.iter().filter(|f| matches!(f, Finding::Store { .. })).collect();
        assert_eq!(told.len(), 1, "{:?}", report.findings);
        assert!(told[0].to_string().contains("rebuild-index"), "{told:?}");
        assert!(report.findings.iter().any(|f| matches!(f, Finding::Content(..))), "{:?}", report.findings);
    }
}

#[tokio::test]
async fn no_finding_names_a_person() {
    let (house, store, open) = peopled().await;
    for row in store.dump() {
        if row.0 != tables::META {
            let mut value = row.2.clone();
            value.value = value.value.iter().map(|byte| byte ^ 1).collect::<Vec<_>>().into();
            store.tamper(row.0, &row.1, value);
        }
    }
    let records = open.records.clone();
    drop(open);
    let report = house.verify_over(Ok(records)).await;
    let text = serde_json::to_string(&report).unwrap();
    assert!(report.found > 10 && !text.contains("user-1") && !text.contains(&reference(1).to_string()));
}

#[tokio::test]
async fn before_the_first_start_nothing_is_wrong_and_after_it_a_store_must_be_there() {
    let house = House::new();
    let without_store = || async {
        let ground = house.ground();
        let slots = ground.inspect().await.map(|slots| Arc::new(slots) as Arc<dyn repair::Slots>);
        let parts = repair::VerifyParts {
            records: Ok(None),
            slots,
            shapes: crate::house::shapes(),
            anchor: ground.anchor,
            clock: ground.clock,
            pause: None,
        };
        repair::verify(parts, &repair::Unwatched).await.unwrap()
    };
    assert!(without_store().await.clean);
    let open = house.open().await.unwrap();
    open.enroll(1, 1, S::Ready).await;
    house.close(open).await;
    assert!(matches!(without_store().await.findings[..], [Finding::Store { .. }]));
}
