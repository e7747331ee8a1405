//! After a purge no stored row names the person, opened with every key that there still is.

use crate::house::{House, face, reference, seconds, transaction, user};
use jumio::scripted::{Endpoint, Script};
use model::{AuthenticationState, EnrollmentState as S};
use records::{Table, tables};
use serde_json::Value;
use store::{Range, Store as _, TableId};

/// A key of any form, so that every table can be read.
struct AnyKey(Vec<u8>);

impl records::Key for AnyKey {
    fn encode(&self) -> Vec<u8> {
        self.0.clone()
    }
    fn decode(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.to_vec()))
    }
}

/// Every table whose rows are sealed records, under the name that is part of the seal.
const SEALED: [(TableId, &str); 19] = [
    (tables::META, "meta"),
    (tables::ENROLLMENTS, "enrollments"),
    (tables::USERS, "users"),
    (tables::AUTHENTICATIONS, "authentications"),
    (tables::AUTHENTICATIONS_BY_TRANSACTION, "authentications-by-transaction"),
    (tables::WINDOWS, "windows"),
    (tables::JOBS, "jobs"),
    (tables::DEAD_LETTERS, "dead-letters"),
    (tables::AUDIT, "audit"),
    (tables::AUDIT_PENDING, "audit-pending"),
    (tables::AUDIT_HEAD, "audit-head"),
    (tables::AUDIT_OPEN, "audit-open"),
    (tables::PURGES, "purges"),
    (tables::PURGE_ITEMS, "purge-items"),
    (tables::ERASURES, "erasures"),
    (tables::ERASURE_REMOTE, "erasure-remote"),
    (tables::ERASURE_UNNAMED, "erasure-unnamed"),
    (tables::RECOVERY, "recovery"),
    (tables::HOLDS, "holds"),
];

/// Everything that the store holds, as it is and opened: rows, fields about people under slots that still open, the book.
pub(crate) async fn everything(house: &House) -> String {
    let mut seen = String::new();
    let records = house.register().records();
    for number in 1..=255 {
        let table = TableId(number);
        for row in house.store.scan(table, &Range::default(), 10_000).await.unwrap() {
            seen.push_str(&String::from_utf8_lossy(&row.key));
            seen.push_str(&String::from_utf8_lossy(&row.value.value));
            seen.push('\n');
        }
    }
    for (table, name) in SEALED {
        let table: Table<AnyKey, Value> = Table::new(table, name);
        for (_, read) in table.scan(records, &Range::default(), 10_000).await.unwrap() {
            seen.push_str(&read.value.to_string());
            seen.push('\n');
        }
    }
    for (key, _) in house.register().rows(None, 1000).await.unwrap() {
        let found = house.register().enrollment_to_purge(key).await.unwrap().unwrap();
        if let Some(person) = found.private {
            seen.push_str(&serde_json::to_string(&person).unwrap());
        }
        for gone in house.register().authentications_to_purge(key, 1000).await.unwrap() {
            let found = house.register().authentication_to_settle(gone.id).await.unwrap().unwrap();
            seen.push_str(&found.private.map(|p| serde_json::to_string(&p).unwrap()).unwrap_or_default());
        }
    }
    for listed in house.book().await {
        seen.push_str(&serde_json::to_string(&listed.entry).unwrap());
    }
    seen
}

fn names(number: u64) -> Vec<String> {
    let mut names = vec![
        reference(number).to_string(),
        user(number).as_str().to_owned(),
        format!("internal-{number}"),
        transaction(number).to_string(),
        format!("secret-{number}"),
        format!("welcome/{number}"),
        format!("request-{number}"),
        String::from_utf8(face(number)).unwrap(),
    ];
    names.push(String::from_utf8_lossy(reference(number).as_bytes()).into_owned());
    names
}

#[tokio::test]
async fn no_row_names_a_purged_person_under_any_key_that_there_still_is() {
    let house = House::new().await;
    house.enroll(1).await;
    house.enroll(2).await;
    // Number 3 was replaced by number 1, and names it among its own fields.
    house.enroll_as(3, 1, S::Ready, |_| {}).await;
    house.edit(3, |old| old.private.as_mut().unwrap().replaced_by = Some(reference(1))).await;
    let old = house.key(3);
    house.edit(1, |new| new.row.replaces = Some(old)).await;
    let open = everything(&house).await;
    for name in &names(1)[..7] {
        assert!(open.contains(name), "the search finds {name} before");
    }
    house.purge(1).await.unwrap();
    house.purge(3).await.unwrap();
    let left = everything(&house).await;
    for name in names(1) {
        assert!(!left.contains(&name), "{name} is left");
    }
    assert!(left.contains(&reference(2).to_string()), "and nobody else's is gone");
    assert!(left.contains(user(2).as_str()));
}

#[tokio::test]
async fn the_one_that_was_replaced_no_longer_names_the_purged_one() {
    let house = House::new().await;
    house.enroll(1).await;
    house.enroll_as(3, 3, S::Ready, |_| {}).await;
    let new = house.key(1);
    house
        .edit(3, |old| {
            old.private.as_mut().unwrap().replaced_by = Some(reference(1));
            old.row.replaced_by = Some(new);
        })
        .await;
    let old = house.key(3);
    house.edit(1, |new| new.row.replaces = Some(old)).await;
    house.purge(1).await.unwrap();
    let left = house.enrollment(3).await;
    assert_eq!(left.private.unwrap().replaced_by, None);
    assert_eq!(left.row.replaced_by, Some(new), "its place stays taken");
    assert!(!everything(&house).await.contains(&reference(1).to_string()));
}

#[tokio::test]
async fn while_jumio_still_has_something_its_references_open_under_the_erasures_slot_alone() {
    let house = House::new().await;
    house.enroll_as(1, 1, S::Vaulted, |_| {}).await;
    house.authenticate(1, Some(1), AuthenticationState::Passed).await;
    house.jumio.script(Endpoint::DeleteScan, Script::unavailable());
    house.purge(1).await.unwrap();
    let left = everything(&house).await;
    for name in names(1) {
        assert!(!left.contains(&name), "{name} is left");
    }
    house.pass(seconds(60)).await;
    let rows = house.store.scan(tables::ERASURE_REMOTE, &Range::default(), 10).await.unwrap();
    assert!(rows.is_empty());
}
