//! A store and a slot file that do not belong together are refused, and nothing is changed.

use crate::house::{House, open_vault, paths, register_over};
use model::{EnrollmentState, rng::SeededRng};
use records::{RecordsError, tables};
use register::RegisterError;
use std::sync::Arc;
use store::{Range, Store as _, StoreError, memory::MemoryStore};
use vault::{Mode, Vault, VaultError};

fn reason(result: Result<(), RegisterError>) -> String {
    match result {
        Err(RegisterError::Records(RecordsError::Store(StoreError::Unusable(why)))) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_new_store_beside_new_slots_gets_its_identity_once() {
    let house = House::new().await;
    house.register.check_identity(&house.survey).await.unwrap();
    let written = house.store.dump();
    assert_eq!(written.len(), 1);
    house.register.check_identity(&house.survey).await.unwrap();
    assert_eq!(house.store.dump(), written);
}

#[tokio::test]
async fn a_lost_store_is_not_founded_anew() {
    let house = House::new().await;
    house.register.check_identity(&house.survey).await.unwrap();
    house.enroll(1, 1, EnrollmentState::Ready).await;
    let empty = Arc::new(MemoryStore::new());
    let survey = vault::Survey { live: 1, ..house.survey };
    let register = register_over(empty.clone(), house.vault.clone(), 7);
    assert!(reason(register.check_identity(&survey).await).contains("rebuild-index"));
    assert_eq!(empty.dump(), []);
}

#[tokio::test]
async fn a_store_whose_identity_was_taken_away_is_not_given_another() {
    let house = House::new().await;
    house.enroll(1, 1, EnrollmentState::Ready).await;
    let why = reason(house.register.check_identity(&house.survey).await);
    assert!(why.contains("does not say whose"));
    let meta = house.store.scan(tables::META, &Range::default(), 1).await.unwrap();
    assert_eq!(meta, []);
}

#[tokio::test]
async fn another_slot_file_another_mode_and_another_epoch_are_refused() {
    let house = House::new().await;
    house.register.check_identity(&house.survey).await.unwrap();
    let written = house.store.dump();
    for (mode, word) in [(Mode::Simulated, "another slot file"), (Mode::Real, "another slot file")] {
        let dir = tempfile::tempdir().unwrap();
        Vault::create(&paths(dir.path()), mode, &SeededRng::new(77)).unwrap();
        let (vault, survey) = open_vault(dir.path(), mode).await;
        let register = register_over(house.store.clone(), vault, 7);
        assert!(reason(register.check_identity(&survey).await).contains(word));
    }
    house.vault.raise_epoch().await.unwrap();
    let error = house.register.check_identity(&house.survey).await.unwrap_err();
    assert!(matches!(error, RegisterError::Vault(VaultError::WrongEpoch { store: 1, slots: 2 })));
    assert_eq!(house.store.dump(), written);
    assert!(house.dir.path().exists());
}

#[tokio::test]
async fn the_keys_of_another_vault_are_named_as_the_reason() {
    let house = House::new().await;
    house.register.check_identity(&house.survey).await.unwrap();
    let register = register_over(house.store.clone(), house.vault.clone(), 8);
    assert!(reason(register.check_identity(&house.survey).await).contains("keys.path"));
}
