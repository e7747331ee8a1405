//! How fast the walk reads, beside `cat` over the same files. `cargo run --release -p repair --example reading -- [people] [bytes]`
//! makes a house in a folder of TMPDIR, then prints megabytes of files per second for `cat` and for the walk, three
//! times each in turns, with the files in the kernel's memory. With `--cold` it drops them before each turn (as root).

use audit::Audit;
use model::{Clock, EnrollmentOrigin, EnrollmentState, FacemapBytes, Rng, SystemClock};
use records::Records;
use register::{EnrollmentPrivate, EnrollmentRow, FacemapNote, Register, UserRow};
use repair::{Slots, Unwatched, VerifyParts, verify};
use seal::{HeldKeys, KeyProvider, MemoryProvider, SystemRng};
use std::{error::Error, fs, path::Path, process::Command, sync::Arc, time::Instant};
use store::{Store, memory::MemoryStore};
use vault::{Inspection, Mode, SlotKind, Vault, VaultPaths};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Vec<u64> = words.iter().filter_map(|word| word.parse().ok()).collect();
    let people = numbers.first().copied().unwrap_or(4000);
    let bytes = numbers.get(1).copied().unwrap_or(200_000);
    let is_cold = words.iter().any(|word| word == "--cold");
    let dir = tempfile::tempdir()?;
    let paths = VaultPaths { slots_dir: dir.path().join("slots"), content_dir: dir.path().join("content") };
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let keys = Arc::new(HeldKeys::for_tests(7));
    let provider: Arc<dyn KeyProvider> = Arc::new(MemoryProvider::new(7));
    let rng: Arc<dyn Rng> = Arc::new(SystemRng::new());
    let records = Records::new(Arc::clone(&store), Arc::clone(&keys), Arc::clone(&rng));
    let anchor = dir.path().join("slots/anchor");
    Vault::create(&paths, Mode::Simulated, &*rng)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    {
        let opening =
            Vault::open(paths.clone(), Mode::Simulated, Arc::clone(&provider), Arc::clone(&keys), rng, clock);
        let (vault, survey) = opening.await?;
        let register = Register::new(records.clone(), Arc::new(vault.clone()));
        register.check_identity(&survey).await?;
        let book = Audit::open(records.clone(), anchor.clone(), Arc::new(SystemClock)).await?;
        for number in 0..people {
            enroll(&register, &vault, number, usize::try_from(bytes)?).await?;
        }
        book.close().await?;
    }
    let size = size_of(&paths.content_dir)?;
    println!("{people} people, {size} bytes of content files");
    for turn in 0..3 {
        let cat = timed(is_cold, || async {
            let folder = paths.content_dir.display().to_string();
            // Through a pipe: with nobody to read it, `cat` would not even copy.
            let status = Command::new("sh")
                .args(["-c", "find \"$0\" -type f -print0 | xargs -0 cat | wc -c > /dev/null", &folder])
                .status()?;
            if status.success() { Ok(()) } else { Err("cat failed".into()) }
        })
        .await?;
        let walk = timed(is_cold, || async {
            let opening = Inspection::open(paths.clone(), Arc::clone(&provider), Arc::clone(&keys));
            let shapes = [register::shapes(), audit::shapes()].into_iter().flatten().collect();
            let parts = VerifyParts {
                records: Ok(Some(records.clone())),
                slots: Ok(Arc::new(opening.await?) as Arc<dyn Slots>),
                shapes,
                anchor: anchor.clone(),
                clock: Arc::new(SystemClock),
                pause: None,
            };
            let report = verify(parts, &Unwatched).await?;
            if report.clean { Ok(()) } else { Err(format!("{:?}", report.findings).into()) }
        })
        .await?;
        let megabytes = f64::from(u32::try_from(size / 1_000_000)?);
        let rate = |seconds: f64| megabytes / seconds;
        println!(
            "turn {turn}: cat {:.0} MB/s, verify {:.0} MB/s, {:.2} of it",
            rate(cat),
            rate(walk),
            cat / walk
        );
    }
    Ok(())
}

async fn timed<F: Future<Output = Result<()>>>(is_cold: bool, work: impl FnOnce() -> F) -> Result<f64> {
    if is_cold {
        fs::write("/proc/sys/vm/drop_caches", "3")?;
    }
    let began = Instant::now();
    work().await?;
    Ok(began.elapsed().as_secs_f64())
}

async fn enroll(register: &Register, vault: &Vault, number: u64, bytes: usize) -> Result<()> {
    let records = register.records();
    let reference = format!("00000000-0000-4000-8000-{number:012x}").parse()?;
    let user = format!("user-{number}").parse()?;
    let key = records.enrollment_key(&reference);
    let user_key = records.user_key(&user);
    let slot = vault.prepare(SlotKind::Facemap, key.0).await?;
    let mut row = EnrollmentRow::new(
        EnrollmentState::Ready,
        EnrollmentOrigin::Started,
        SystemClock.now(),
        slot,
        Some(user_key),
    );
    let mut private = EnrollmentPrivate {
        reference,
        user_reference: Some(user),
        customer_internal_reference: None,
        contents: None,
        replaced_by: None,
        attestation: None,
    };
    let note = FacemapNote::of(&row, &private).ok_or("no user")?.to_bytes();
    let facemap = FacemapBytes::new(vec![u8::try_from(number % 251)?; bytes]);
    let contents = vault.put(slot, &reference, &note, facemap).await?;
    private.contents = Some(contents);
    row.facemap_bytes = Some(contents.bytes);
    let mut commit = records.commit();
    register.insert_enrollment(&mut commit, row, &private).await?;
    let user_row = UserRow { current: Some(key), claimed: None };
    register.put_user(&mut commit, user_key, None, &user_row);
    commit.submit().await?;
    vault.make_live(slot).await?;
    Ok(vault.mark_original_deleted(slot).await?)
}

fn size_of(folder: &Path) -> Result<u64> {
    let mut size = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        size += if path.is_dir() { size_of(&path)? } else { fs::metadata(path)?.len() };
    }
    Ok(size)
}
