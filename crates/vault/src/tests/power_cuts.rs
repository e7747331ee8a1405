//! The power goes: what was answered is there, what was burnt is not, not even on the raw disk.

use super::{
    Home, Person, contains, enrollment, facemap, opens, subject, sweep::committed, sweep::sweep, vaulted,
};
use crate::{
    Contents, SlotKind, SlotRef, SlotStatus, Vault, VaultError,
    sector::{SECRET_AT, WRAPPED_AT},
};
use model::{Clock as _, FacemapBytes, rng::SeededRng};
use powercut::Disk;
use seal::KeyProvider as _;
use std::{
    collections::HashMap,
    fs,
    io::Write as _,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::runtime::Runtime;

const DISK_BYTES: u64 = 64 * 1024 * 1024;

/// One disk at a time: while another test starts `mount`, its child has our files open for a moment, and ours cannot be
/// unmounted.
static ONE_DISK: Mutex<()> = Mutex::new(());

/// A disk with a vault on it.
struct Scene {
    disk: Disk,
    home: Home,
    _alone: MutexGuard<'static, ()>,
}

impl Scene {
    fn new() -> Option<Self> {
        let alone = ONE_DISK.lock().unwrap_or_else(PoisonError::into_inner);
        let disk = Disk::new_or_explain(DISK_BYTES)?;
        let home = Home::on(&disk.path());
        Some(Self { disk, home, _alone: alone })
    }

    /// Runs `work` on the opened vault, cuts the power the moment it answers, and mounts the disk again.
    fn until_the_power_goes<T>(&mut self, work: impl AsyncFnOnce(&Home, &Vault) -> T) -> T {
        let runtime = Runtime::new().unwrap();
        let told = runtime.block_on(async {
            let vault = self.home.open().await;
            let told = work(&self.home, &vault).await;
            self.disk.cut_power().unwrap();
            told
        });
        // Waits for all blocking work, so that no file is open any more.
        drop(runtime);
        self.disk.restore_power().unwrap();
        told
    }

    /// Looks at the vault after the power is back.
    fn after<T>(&self, look: impl AsyncFnOnce(&Home, &Vault) -> T) -> T {
        let runtime = Runtime::new().unwrap();
        runtime.block_on(async {
            let vault = self.home.open().await;
            look(&self.home, &vault).await
        })
    }
}

#[test]
fn a_slot_that_was_taken_is_taken_after_a_power_cut() {
    let Some(mut scene) = Scene::new() else { return };
    for number in 1..4 {
        let taken = scene.until_the_power_goes(async |_, vault| {
            vault.prepare(SlotKind::Facemap, subject(number)).await.unwrap()
        });
        let view = scene.after(async |_, vault| vault.view(taken).await.unwrap());
        assert_eq!((view.status, view.subject), (SlotStatus::Prepared, subject(number)));
    }
}

#[test]
fn a_facemap_that_was_put_is_there_after_a_power_cut_and_is_made_live() {
    let Some(mut scene) = Scene::new() else { return };
    for number in 1..4 {
        let person = scene.until_the_power_goes(async |_, vault| {
            let facemap = facemap(number.into(), 200_000);
            let slot = vault.prepare(SlotKind::Facemap, subject(number)).await.unwrap();
            let enrollment = enrollment(number.into());
            let contents =
                vault.put(slot, &enrollment, b"", FacemapBytes::new(facemap.clone())).await.unwrap();
            Person { enrollment, slot, contents, facemap }
        });
        scene.after(async |home, vault| {
            assert_eq!(sweep(vault, &HashMap::from([committed(&person)])).await.unwrap().made_live, 1);
            assert!(opens(vault, &person).await.unwrap());
            // So that the next round has one slot to speak of.
            vault.burn(person.slot).await.unwrap();
            vault.destroy_content(person.slot).await.unwrap();
            home.clock.advance(Duration::from_secs(1));
        });
    }
}

#[test]
fn what_a_slot_was_told_it_says_after_a_power_cut() {
    let Some(mut scene) = Scene::new() else { return };
    let person = scene.until_the_power_goes(async |_, vault| vaulted(vault, 1, 5000).await);
    scene.after(async |_, vault| assert!(opens(vault, &person).await.unwrap(), "live"));
    scene.until_the_power_goes(async |_, vault| vault.mark_original_deleted(person.slot).await.unwrap());
    scene.until_the_power_goes(async |_, vault| vault.set_hold(person.slot, true).await.unwrap());
    scene.until_the_power_goes(async |_, vault| vault.raise_epoch().await.unwrap());
    scene.after(async |_, vault| {
        let view = vault.view(person.slot).await.unwrap();
        assert_eq!((view.status, view.original_deleted, view.hold), (SlotStatus::Live, true, true));
        assert_eq!(vault.epoch(), 2);
    });
}

#[test]
fn what_was_burnt_and_destroyed_is_gone_after_a_power_cut_from_the_raw_disk_too() {
    let Some(mut scene) = Scene::new() else { return };
    let person = scene.until_the_power_goes(async |_, vault| vaulted(vault, 1, 50_000).await);
    let sector = scene.home.sector(person.slot);
    let content = fs::read(scene.home.content_file(person.slot)).unwrap();
    let (secret, wrapped) = (&sector[SECRET_AT..SECRET_AT + 16], &sector[WRAPPED_AT..WRAPPED_AT + 64]);
    let ciphertext = &content[4096..4096 + 64];
    let disk = fs::read(scene.disk.image()).unwrap();
    for piece in [secret, wrapped, ciphertext] {
        assert!(contains(&disk, piece), "the search finds what is there");
    }
    scene.until_the_power_goes(async |_, vault| vault.burn(person.slot).await.unwrap());
    scene.disk.unmount().unwrap();
    let disk = fs::read(scene.disk.image()).unwrap();
    for piece in [secret, wrapped, &person.facemap[..16]] {
        assert!(!contains(&disk, piece));
    }
    scene.disk.restore_power().unwrap();
    scene.until_the_power_goes(async |_, vault| vault.destroy_content(person.slot).await.unwrap());
    assert!(!scene.home.content_file(person.slot).exists(), "the name is gone");
    scene.disk.unmount().unwrap();
    assert!(!contains(&fs::read(scene.disk.image()).unwrap(), ciphertext));
    scene.disk.restore_power().unwrap();
    scene.until_the_power_goes(async |home, vault| {
        home.clock.advance(Duration::from_secs(1));
        assert_eq!(vault.release_burnt(0, home.clock.now()).await.unwrap().slots, 1);
    });
    scene.after(async |_, vault| assert!(vault.slots(0).await.unwrap().views.is_empty()));
}

#[test]
fn what_was_rewrapped_is_under_the_new_key_after_a_power_cut_and_the_raw_disk_forgot_the_old_wrapping() {
    let Some(mut scene) = Scene::new() else { return };
    let person = scene.until_the_power_goes(async |_, vault| vaulted(vault, 1, 5000).await);
    let old = scene.home.sector(person.slot);
    let wrapped = &old[WRAPPED_AT + 16..WRAPPED_AT + 200];
    assert!(contains(&fs::read(scene.disk.image()).unwrap(), wrapped), "the search finds what is there");
    let first = scene.home.provider.active();
    let second = scene.until_the_power_goes(async |home, vault| {
        let second = home.provider.rotate().await.unwrap();
        assert_eq!(vault.rewrap(0).await.unwrap().slots, 1);
        second
    });
    scene.disk.unmount().unwrap();
    let disk = fs::read(scene.disk.image()).unwrap();
    assert!(wrapped.chunks_exact(16).all(|piece| !contains(&disk, piece)));
    scene.disk.restore_power().unwrap();
    scene.after(async |home, vault| {
        assert_eq!(vault.wrapping_keys().await.unwrap().into_keys().collect::<Vec<_>>(), [second]);
        home.provider.remove(first).await.unwrap();
        assert!(opens(vault, &person).await.unwrap());
    });
}

#[test]
fn the_power_may_go_anywhere_in_a_rewrap_and_every_facemap_opens() {
    let Some(mut scene) = Scene::new() else { return };
    let people = scene.until_the_power_goes(async |_, vault| {
        let mut people = Vec::new();
        for number in 1..100 {
            people.push(vaulted(vault, number, 500).await);
        }
        people
    });
    for round in 0..4 {
        scene.until_the_power_goes(async |home, vault| {
            home.provider.rotate().await.unwrap();
            let rewrap = tokio::spawn({
                let vault = vault.clone();
                async move { vault.rewrap(0).await }
            });
            // Later in each round; what is in flight then is cut off.
            for _ in 0..round * 40 {
                tokio::task::yield_now().await;
            }
            drop(rewrap);
        });
        scene.after(async |_, vault| {
            for person in &people {
                assert!(opens(vault, person).await.unwrap(), "round {round}");
            }
        });
    }
}

#[test]
fn a_full_disk_loses_nothing_and_passes_when_there_is_room_again() {
    let Some(scene) = Scene::new() else { return };
    let filler = scene.disk.path().join("filler");
    let fill = || {
        let mut file = fs::File::create(&filler).unwrap();
        while file.write_all(&vec![1; 65_536]).is_ok() {}
        while file.write_all(&[1; 512]).is_ok() {}
        let _ = file.sync_all();
    };
    scene.after(async |home, vault| {
        fill();
        assert!(matches!(vault.prepare(SlotKind::Facemap, subject(1)).await, Err(VaultError::NoSpace)));
        fs::remove_file(&filler).unwrap();
        let person = vaulted(vault, 1, 50_000).await;
        let slot = vault.prepare(SlotKind::Facemap, subject(2)).await.unwrap();
        // Once before, so that its folder is there and it is the file that finds no room.
        vault.put(slot, &enrollment(2), b"", FacemapBytes::new(facemap(2, 100))).await.unwrap();
        fill();
        let put = vault.put(slot, &enrollment(2), b"", FacemapBytes::new(facemap(2, 200_000))).await;
        assert!(matches!(put, Err(VaultError::NoSpace)), "{put:?}");
        assert!(opens(vault, &person).await.unwrap());
        vault.burn(person.slot).await.unwrap();
        assert_eq!(home.bytes().keys().filter(|path| path.to_string_lossy().ends_with(".new")).count(), 0);
        fs::remove_file(&filler).unwrap();
        vault.put(slot, &enrollment(2), b"", FacemapBytes::new(facemap(2, 200_000))).await.unwrap();
    });
}

/// What a caller was told about a person, one step after the other.
#[derive(Clone, Copy, Default)]
struct Told {
    contents: Option<Contents>,
    live: bool,
    burning: bool,
    burnt: bool,
}

type Book = Arc<Mutex<HashMap<SlotRef, (u32, Told)>>>;

/// Vaults and burns until the power is gone, and writes down each answer.
async fn caller(vault: Vault, number: u32, book: Book, enough: Arc<AtomicBool>) {
    let told =
        |slot, change: &dyn Fn(&mut Told)| change(&mut book.lock().unwrap().entry(slot).or_default().1);
    for round in 0.. {
        let person = number * 10_000 + round;
        let Ok(slot) = vault.prepare(SlotKind::Facemap, subject(1)).await else { return };
        book.lock().unwrap().insert(slot, (person, Told::default()));
        let put = vault
            .put(slot, &enrollment(person), b"", FacemapBytes::new(facemap(person.into(), 20_000)))
            .await;
        let Ok(contents) = put else { return };
        told(slot, &|told| told.contents = Some(contents));
        if vault.make_live(slot).await.is_err() {
            return;
        }
        told(slot, &|told| told.live = true);
        if round % 3 == 2 {
            told(slot, &|told| told.burning = true);
            if vault.burn(slot).await.is_err() || vault.destroy_content(slot).await.is_err() {
                return;
            }
            told(slot, &|told| told.burnt = true);
        }
        if round > 4 {
            enough.store(true, Ordering::SeqCst);
        }
    }
}

#[test]
fn nothing_that_sixteen_callers_were_told_is_lost_in_a_power_cut() {
    for seed in 0..4 {
        let Some(mut scene) = Scene::new() else { return };
        let book = scene.until_the_power_goes(async |_, vault| {
            let (book, enough) = (Book::default(), Arc::new(AtomicBool::new(false)));
            for number in 1..=16 {
                tokio::spawn(caller(vault.clone(), number, Arc::clone(&book), Arc::clone(&enough)));
            }
            while !enough.load(Ordering::SeqCst) {
                tokio::time::sleep(Duration::from_millis(1 + SeededRng::new(seed).below(7))).await;
            }
            book
        });
        let told = book.lock().unwrap().clone();
        scene.after(async |_, vault| {
            let records = told.iter().filter_map(|(slot, (person, told))| {
                let contents = told.contents?;
                let named = crate::Named::RecordWithContent { enrollment: enrollment(*person), contents };
                Some((*slot, if told.burning { crate::Named::Purging } else { named }))
            });
            sweep(vault, &records.collect()).await.unwrap();
            for (slot, (person, told)) in &told {
                let view = vault.view(*slot).await.unwrap();
                assert!(!told.burnt || view.status == SlotStatus::Burnt, "{view:?}");
                if let (Some(contents), false) = (told.contents, told.burning) {
                    assert_eq!(view.status, SlotStatus::Live);
                    let opened = vault.open_facemap(*slot, &enrollment(*person), &contents).await.unwrap();
                    assert_eq!(opened.expose(), facemap((*person).into(), 20_000));
                }
            }
        });
        assert!(told.len() > 16);
    }
}
