//! The start: what a crash left is put right, what contradicts is refused and stays as it is.

use super::{Home, Person, enrollment, opens, subject, vaulted};
use crate::{Damage, Finding, Named, SlotKind, SlotRef, SlotStatus, SweepReport, Vault, VaultError};
use model::FacemapBytes;
use std::{collections::HashMap, fs, time::Duration};

type Records = HashMap<SlotRef, Named>;

pub(super) async fn sweep(vault: &Vault, records: &Records) -> Result<SweepReport, VaultError> {
    vault
        .sweep(|view| {
            let named = records.get(&view.slot).cloned().unwrap_or(Named::NoRecord);
            async move { Ok(named) }
        })
        .await
}

pub(super) fn committed(person: &Person) -> (SlotRef, Named) {
    (person.slot, Named::RecordWithContent { enrollment: person.enrollment, contents: person.contents })
}

/// Prepared and put, not live.
async fn put_only(vault: &Vault, number: u8) -> Person {
    let facemap = super::facemap(number.into(), 500);
    let slot = vault.prepare(SlotKind::Facemap, subject(number)).await.unwrap();
    let enrollment = enrollment(number.into());
    let contents = vault.put(slot, &enrollment, b"", FacemapBytes::new(facemap.clone())).await.unwrap();
    Person { enrollment, slot, contents, facemap }
}

/// Sweeps and expects exactly these findings, and that nothing on the disk has changed.
async fn refused(home: &Home, vault: &Vault, records: &Records, expected: &[Finding]) {
    home.clock.advance(Duration::from_hours(48));
    let before = home.bytes();
    match sweep(vault, records).await {
        Err(error @ VaultError::Mismatch(_)) => {
            assert!(error.to_string().contains("facemap-vault verify"), "{error}");
            let VaultError::Mismatch(refusal) = error else { unreachable!() };
            assert_eq!(refusal.findings, expected);
            assert_eq!(refusal.total, expected.len() as u64);
        }
        other => panic!("{expected:?} was not refused: {other:?}"),
    }
    assert_eq!(home.bytes(), before, "a refusal moves nothing");
}

#[tokio::test]
async fn a_vault_in_order_is_left_as_it_is() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 100).await;
    vault.prepare(SlotKind::InboxEpoch, subject(7)).await.unwrap();
    home.clock.advance(Duration::from_hours(48));
    let before = home.bytes();
    assert_eq!(sweep(&vault, &Records::from([committed(&person)])).await.unwrap(), SweepReport::default());
    assert_eq!(home.bytes(), before);
}

#[tokio::test]
async fn a_prepared_slot_whose_record_is_committed_is_made_live() {
    let home = Home::new();
    let vault = home.open().await;
    let person = put_only(&vault, 1).await;
    let report = sweep(&vault, &Records::from([committed(&person)])).await.unwrap();
    assert_eq!(report, SweepReport { made_live: 1, ..SweepReport::default() });
    assert!(opens(&vault, &person).await.unwrap());
}

#[tokio::test]
async fn a_prepared_slot_whose_content_does_not_open_is_not_made_live() {
    let home = Home::new();
    let vault = home.open().await;
    let person = put_only(&vault, 1).await;
    let path = home.content_file(person.slot);
    let mut content = fs::read(&path).unwrap();
    *content.last_mut().unwrap() ^= 1;
    fs::write(&path, content).unwrap();
    let found = Finding::ContentDamaged(person.slot, Damage::Payload);
    refused(&home, &vault, &Records::from([committed(&person)]), &[found]).await;
    assert_eq!(vault.view(person.slot).await.unwrap().status, SlotStatus::Prepared);
}

#[tokio::test]
async fn what_no_record_names_goes_after_a_day_and_not_before() {
    let home = Home::new();
    let vault = home.open().await;
    let person = put_only(&vault, 1).await;
    let bare = vault.prepare(SlotKind::Facemap, subject(2)).await.unwrap();
    home.clock.advance(Duration::from_hours(24));
    let before = home.bytes();
    let report = sweep(&vault, &Records::new()).await.unwrap();
    assert_eq!(report, SweepReport { left_prepared: 2, ..SweepReport::default() });
    assert_eq!(home.bytes(), before);
    home.clock.advance(Duration::from_secs(1));
    let report = sweep(&vault, &Records::new()).await.unwrap();
    assert_eq!(report, SweepReport { burnt: 2, contents_destroyed: 1, ..SweepReport::default() });
    assert!(!home.content_file(person.slot).exists());
    for slot in [person.slot, bare] {
        assert_eq!(vault.view(slot).await.unwrap().status, SlotStatus::Burnt);
    }
}

#[tokio::test]
async fn a_clock_turned_back_destroys_nothing() {
    let home = Home::new();
    let vault = home.open().await;
    put_only(&vault, 1).await;
    home.clock.turn_back(Duration::from_hours(1000));
    assert_eq!(sweep(&vault, &Records::new()).await.unwrap().left_prepared, 1);
}

#[tokio::test]
async fn a_slot_that_a_record_names_is_kept_however_old_it_is() {
    let home = Home::new();
    let vault = home.open().await;
    let person = put_only(&vault, 1).await;
    home.clock.advance(Duration::from_hours(1000));
    let records = Records::from([(person.slot, Named::RecordWithoutContent)]);
    assert_eq!(sweep(&vault, &records).await.unwrap().left_prepared, 1);
    assert!(home.content_file(person.slot).exists());
}

#[tokio::test]
async fn a_purge_cut_short_is_left_to_the_purge_and_its_burnt_contents_are_finished() {
    let home = Home::new();
    let vault = home.open().await;
    let (begun, burnt) = (vaulted(&vault, 1, 100).await, vaulted(&vault, 2, 100).await);
    vault.burn(burnt.slot).await.unwrap();
    let records = Records::from([(begun.slot, Named::Purging), (burnt.slot, Named::RecordGone)]);
    let report = sweep(&vault, &records).await.unwrap();
    assert_eq!(report, SweepReport { contents_destroyed: 1, ..SweepReport::default() });
    assert!(!home.content_file(burnt.slot).exists());
    assert!(opens(&vault, &begun).await.unwrap());
}

#[tokio::test]
async fn what_interrupted_writes_left_is_removed() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 100).await;
    let folder = home.content_file(person.slot).parent().unwrap().to_owned();
    fs::write(folder.join(format!("{}.00000000.new", person.slot.facemap)), b"half").unwrap();
    let report = sweep(&vault, &Records::from([committed(&person)])).await.unwrap();
    assert_eq!(report, SweepReport { temporaries_removed: 1, ..SweepReport::default() });
    assert_eq!(fs::read_dir(folder).unwrap().count(), 1);
}

#[tokio::test]
async fn a_live_slot_without_its_record_is_refused() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 100).await;
    refused(&home, &vault, &Records::new(), &[Finding::LiveWithoutRecord(person.slot)]).await;
    let records = Records::from([(person.slot, Named::RecordWithoutContent)]);
    refused(&home, &vault, &records, &[Finding::LiveWithoutCommit(person.slot)]).await;
}

#[tokio::test]
async fn a_tombstone_whose_slot_is_not_burnt_is_refused() {
    let home = Home::new();
    let vault = home.open().await;
    let (live, prepared) = (vaulted(&vault, 1, 100).await, put_only(&vault, 2).await);
    let records = Records::from([(live.slot, Named::RecordGone), (prepared.slot, Named::RecordGone)]);
    let found = [Finding::PurgedNotBurnt(live.slot), Finding::PurgedNotBurnt(prepared.slot)];
    refused(&home, &vault, &records, &found).await;
}

#[tokio::test]
async fn a_store_older_than_a_purge_is_refused() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 100).await;
    vault.burn(person.slot).await.unwrap();
    refused(&home, &vault, &Records::from([committed(&person)]), &[Finding::BurntButNamed(person.slot)])
        .await;
}

#[tokio::test]
async fn a_missing_or_shortened_content_is_refused_and_what_could_be_healed_waits() {
    let home = Home::new();
    let vault = home.open().await;
    let (whole, person, unnamed) =
        (put_only(&vault, 1).await, vaulted(&vault, 2, 100).await, put_only(&vault, 3).await);
    let records = Records::from([committed(&whole), committed(&person)]);
    let path = home.content_file(person.slot);
    let content = fs::read(&path).unwrap();
    fs::write(&path, &content[1..]).unwrap();
    refused(&home, &vault, &records, &[Finding::ContentLength(person.slot)]).await;
    fs::remove_file(&path).unwrap();
    refused(&home, &vault, &records, &[Finding::ContentMissing(person.slot)]).await;
    assert_eq!(vault.view(whole.slot).await.unwrap().status, SlotStatus::Prepared);
    assert_eq!(vault.view(unnamed.slot).await.unwrap().status, SlotStatus::Prepared);
    fs::write(&path, &content).unwrap();
    let report = sweep(&vault, &records).await.unwrap();
    assert_eq!((report.made_live, report.burnt, report.contents_destroyed), (1, 1, 1));
}

#[tokio::test]
async fn a_content_without_a_slot_and_anything_strange_are_refused() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 100).await;
    let records = Records::from([committed(&person)]);
    let id = crate::FacemapId([0xab; 16]);
    let folder = home.paths().content_dir.join("ab");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(id.to_string()), b"somebody's").unwrap();
    refused(&home, &vault, &records, &[Finding::ContentWithoutSlot(id)]).await;
    fs::rename(folder.join(id.to_string()), folder.join("notes.txt")).unwrap();
    refused(&home, &vault, &records, &[Finding::Strangers(1)]).await;
    fs::remove_file(folder.join("notes.txt")).unwrap();
    fs::create_dir(home.paths().content_dir.join("lost+found")).unwrap();
    assert_eq!(
        sweep(&vault, &records).await.unwrap(),
        SweepReport::default(),
        "a volume's own folder is no stranger"
    );
}

#[tokio::test]
async fn a_content_of_an_epochs_slot_belongs_to_nobody() {
    let home = Home::new();
    let vault = home.open().await;
    let epoch = vault.prepare(SlotKind::InboxEpoch, subject(1)).await.unwrap();
    let path = home.content_file(epoch);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, b"x").unwrap();
    refused(&home, &vault, &Records::new(), &[Finding::ContentWithoutSlot(epoch.facemap)]).await;
}

#[tokio::test]
async fn two_slots_with_one_facemap_id_are_refused() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 100).await;
    let other = vault.prepare(SlotKind::Facemap, subject(2)).await.unwrap();
    let mut sector = home.sector(other);
    sector[24..40].copy_from_slice(person.slot.facemap.as_bytes());
    super::recompute(&vault, &mut sector);
    home.write_sector(other.index, &sector);
    let twin = SlotRef { facemap: person.slot.facemap, ..other };
    refused(&home, &vault, &Records::from([committed(&person)]), &[Finding::RepeatedId(twin)]).await;
}

#[tokio::test]
async fn many_findings_are_all_counted_and_not_all_listed() {
    let home = Home::new();
    let vault = home.open().await;
    let folder = home.paths().content_dir.join("00");
    fs::create_dir_all(&folder).unwrap();
    for number in 0..150_u8 {
        let mut id = [0; 16];
        id[15] = number;
        fs::write(folder.join(crate::FacemapId(id).to_string()), b"x").unwrap();
    }
    let Err(VaultError::Mismatch(refusal)) = sweep(&vault, &Records::new()).await else {
        panic!("not refused")
    };
    assert_eq!((refusal.findings.len(), refusal.total), (100, 150));
}

#[tokio::test]
async fn records_that_cannot_be_read_stop_the_sweep_and_move_nothing() {
    let home = Home::new();
    let vault = home.open().await;
    put_only(&vault, 1).await;
    home.clock.advance(Duration::from_hours(48));
    let before = home.bytes();
    let swept = vault.sweep(|_| async { Err("the store is away".into()) }).await;
    assert!(matches!(swept, Err(VaultError::Records(_))));
    assert_eq!(home.bytes(), before);
}

#[tokio::test]
async fn what_nobody_named_for_a_day_goes_with_a_mark_of_a_hold_on_it_too() {
    let home = Home::new();
    let vault = home.open().await;
    let person = put_only(&vault, 1).await;
    vault.set_hold(person.slot, true).await.unwrap();
    home.clock.advance(Duration::from_hours(25));
    let report = sweep(&vault, &Records::new()).await.unwrap();
    assert_eq!(report, SweepReport { burnt: 1, contents_destroyed: 1, ..SweepReport::default() });
    assert!(vault.view(person.slot).await.unwrap().given_back);
}

#[tokio::test]
async fn a_second_slot_of_somebody_who_is_here_or_was_purged_goes_at_once() {
    let home = Home::new();
    let vault = home.open().await;
    let (here, gone) = (put_only(&vault, 1).await, put_only(&vault, 2).await);
    vault.set_hold(gone.slot, true).await.unwrap();
    let records = Records::from([(here.slot, Named::Elsewhere), (gone.slot, Named::PurgedElsewhere)]);
    let report = sweep(&vault, &records).await.unwrap();
    assert_eq!(report, SweepReport { burnt: 2, contents_destroyed: 2, ..SweepReport::default() });
    assert!(vault.view(here.slot).await.unwrap().given_back);
    assert!(!vault.view(gone.slot).await.unwrap().given_back, "a tombstone like the person's own");
}
