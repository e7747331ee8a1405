//! A single bit, anywhere: told by the walk, and never a facemap.

use crate::house::{House, Open, face, in_memory};
use model::{AuthenticationState, EnrollmentState as S, Rng as _, rng::SeededRng};
use records::tables;
use std::{fs, path::PathBuf, sync::Arc};
use store::{Store, memory::MemoryStore};

const FLIPS: usize = 100;

async fn peopled() -> (House, Arc<MemoryStore>) {
    let (house, store, open) = in_memory().await;
    for number in 1..=6 {
        open.enroll(number, number, if number % 3 == 0 { S::Vaulted } else { S::Ready }).await;
    }
    open.purge(5).await;
    open.authenticate(1, AuthenticationState::Passed).await;
    open.authenticate(2, AuthenticationState::Initiated).await;
    open.audit.close().await.unwrap();
    (house, store)
}

fn below(rng: &SeededRng, end: usize) -> usize {
    let mut bytes = [0; 8];
    rng.fill(&mut bytes);
    usize::try_from(u64::from_be_bytes(bytes) % end as u64).unwrap()
}

/// Opens every facemap that still opens: each must be the person's own, unchanged.
async fn nobody_elses(house: &House, store: &Arc<MemoryStore>) {
    // A start that is refused gives out nothing at all.
    let Ok(open) = house.open_over(Arc::new(store.snapshot()) as Arc<dyn Store>).await else { return };
    for number in 1..=6 {
        if let Ok(Some(_)) = open.register.enrollment(&crate::house::reference(number)).await
            && let Ok(facemap) = Open::facemap(&open, number).await
        {
            assert_eq!(facemap, face(number));
        }
    }
}

async fn is_told(house: &House, store: &Arc<MemoryStore>) -> bool {
    let records = house.ground().records(Arc::new(store.snapshot()) as Arc<dyn Store>);
    !house.verify_over(Ok(records)).await.clean
}

#[tokio::test]
async fn in_records_and_audit_entries_of_any_table() {
    let (house, store) = peopled().await;
    assert!(!is_told(&house, &store).await);
    let rng = SeededRng::new(77);
    let rows: Vec<_> = store.dump().into_iter().filter(|(_, _, value)| !value.value.is_empty()).collect();
    for _ in 0..FLIPS {
        let (table, key, value) = &rows[below(&rng, rows.len())];
        let mut flipped = value.value.to_vec();
        let bit = below(&rng, flipped.len() * 8);
        flipped[bit / 8] ^= 1 << (bit % 8);
        let mut changed = value.clone();
        changed.value = flipped.into();
        store.tamper(*table, key, changed);
        assert!(is_told(&house, &store).await, "table {}, bit {bit} of {} bytes", table.0, value.value.len());
        nobody_elses(&house, &store).await;
        store.tamper(*table, key, value.clone());
    }
    assert!(rows.iter().any(|row| row.0 == tables::AUDIT));
}

#[tokio::test]
async fn in_keys_of_records_and_of_indexes() {
    let (house, store) = peopled().await;
    let rng = SeededRng::new(78);
    let rows = store.dump();
    for _ in 0..FLIPS {
        let (table, key, value) = &rows[below(&rng, rows.len())];
        let copy = Arc::new(MemoryStore::new());
        let mut flipped = key.clone();
        let bit = below(&rng, flipped.len() * 8);
        flipped[bit / 8] ^= 1 << (bit % 8);
        for row in &rows {
            let key = if (&row.0, &row.1) == (table, key) { &flipped } else { &row.1 };
            copy.tamper(row.0, key, row.2.clone());
        }
        assert!(is_told(&house, &copy).await, "table {}, bit {bit} of the key", table.0);
        nobody_elses(&house, &copy).await;
        let _ = value;
    }
}

#[tokio::test]
async fn in_slots_contents_and_the_anchor() {
    let (house, store) = peopled().await;
    let rng = SeededRng::new(79);
    let mut files: Vec<PathBuf> = vec![house.at("slots/slots"), house.at("slots/anchor")];
    for folder in fs::read_dir(house.at("data/content")).unwrap().flatten() {
        files.extend(fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.path()));
    }
    assert!(files.len() >= 6);
    for turn in 0..3 * FLIPS {
        let file = &files[turn % files.len()];
        let whole = fs::read(file).unwrap();
        let mut flipped = whole.clone();
        // In the slot file: the header and the slots in use, free ones, and whatever lies between.
        let end = if turn % 4 == 0 { whole.len() } else { whole.len().min(8 * 512) };
        let bit = below(&rng, end * 8);
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(file, &flipped).unwrap();
        assert!(is_told(&house, &store).await, "{}, bit {bit}", file.display());
        nobody_elses(&house, &store).await;
        fs::write(file, &whole).unwrap();
    }
    assert!(!is_told(&house, &store).await);
}
