//! Folders: whose they are, who may look, how much room there is, and how long a real fsync takes.

use super::Seen::{self, Attention, Well};
use crate::config::{Config, Provider};
use rustix::{fs::statvfs, process::geteuid};
use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// The file that is written and removed again.
const TRIAL: &str = ".facemap-vault-doctor";
/// Syncs of which the middle one counts.
const SYNCS: usize = 9;
/// Above this every callback and every post waits noticeably.
const SLOW: Duration = Duration::from_millis(100);
/// Below this nothing was written to anything that survives a power cut, as a rule.
const TOO_FAST: Duration = Duration::from_micros(15);

/// A folder that the vault writes to.
pub(super) struct Place {
    key: &'static str,
    path: PathBuf,
    min_free: u64,
}

pub(super) fn places(config: &Config) -> Vec<Place> {
    let min_free = config.store.min_free_bytes;
    vec![
        Place { key: "store.path", path: config.store.path.clone(), min_free },
        Place { key: "store.slots_path", path: config.store.slots_path.clone(), min_free: 0 },
    ]
}

/// Whether the folders are there, ours, and closed to others.
pub(super) fn permissions(config: &Config) -> Vec<Seen> {
    let mut folders =
        vec![("store.path", &config.store.path), ("store.slots_path", &config.store.slots_path)];
    if config.keys.provider == Provider::File {
        folders.push(("keys.path", &config.keys.path));
    }
    let seen: Vec<Seen> =
        folders.iter().filter_map(|(key, path)| wrong_with(key, path)).map(Attention).collect();
    if seen.is_empty() { vec![Well("the folders are this user's and closed to others".into())] } else { seen }
}

fn wrong_with(key: &str, path: &Path) -> Option<String> {
    let meta = match fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound && key == "store.path" => {
            // `serve` makes it.
            return None;
        }
        Err(error) => return Some(format!("{key} ({}) cannot be looked at: {error}", path.display())),
    };
    let (mode, owner) = (meta.permissions().mode() & 0o777, meta.uid());
    if !meta.is_dir() {
        return Some(format!("{key} ({}) is no folder", path.display()));
    }
    if owner != geteuid().as_raw() {
        return Some(format!(
            "{key} ({}) belongs to user {owner}; run this as the user that the vault runs as, or give it the folder",
            path.display()
        ));
    }
    (mode & 0o077 != 0)
        .then(|| format!("{key} ({}) is open to others ({mode:03o}): chmod 700", path.display()))
}

pub(super) fn look(places: &[Place]) -> Vec<Seen> {
    places
        .iter()
        .map(|place| one(place).unwrap_or_else(|text| Attention(format!("{}: {text}", place.key))))
        .collect()
}

fn one(place: &Place) -> Result<Seen, String> {
    // What is not there yet will lie where its parent does.
    let folder = place.path.ancestors().find(|folder| folder.is_dir()).unwrap_or(&place.path);
    let free = statvfs(folder).map_err(|error| format!("its free space is not known: {error}"))?;
    let free = free.f_bavail.saturating_mul(free.f_frsize);
    if free < place.min_free {
        let wanted = place.min_free;
        return Err(format!(
            "{free} bytes are free, and store.min_free_bytes wants {wanted}: callbacks would be refused"
        ));
    }
    let took =
        sync_time(folder).map_err(|error| format!("{} cannot be written: {error}", folder.display()))?;
    let told =
        format!("{}: {free} bytes free, an fsync takes {:.3} ms", place.key, took.as_secs_f64() * 1000.0);
    if took > SLOW {
        return Err(format!(
            "an fsync takes {} ms: every callback waits that long; use a faster disk",
            took.as_millis()
        ));
    }
    if took < TOO_FAST {
        return Err(format!(
            "an fsync takes {} µs: this is memory, or a disk that only says it has written; a power cut loses what was \
             acknowledged",
            took.as_micros()
        ));
    }
    Ok(Well(told))
}

/// The middle one of some real syncs of a page that was just written.
fn sync_time(folder: &Path) -> io::Result<Duration> {
    let path = folder.join(TRIAL);
    let _left_behind = fs::remove_file(&path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    let timed = (|| {
        let mut times = Vec::with_capacity(SYNCS);
        for _ in 0..SYNCS {
            file.write_all(&[0x5a; 4096])?;
            let began = Instant::now();
            file.sync_all()?;
            times.push(began.elapsed());
        }
        times.sort_unstable();
        Ok(times[SYNCS / 2])
    })();
    fs::remove_file(&path)?;
    timed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_others_can_read_needs_attention() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(wrong_with("keys.path", dir.path()), None);
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o750)).unwrap();
        assert!(wrong_with("keys.path", dir.path()).unwrap().contains("chmod 700"));
        assert!(wrong_with("keys.path", &dir.path().join("absent")).unwrap().contains("absent"));
    }

    #[test]
    fn a_sync_is_timed_and_nothing_is_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        assert!(sync_time(dir.path()).unwrap() > Duration::ZERO);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn too_little_room_needs_attention() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place { key: "store.path", path: dir.path().join("not/yet"), min_free: u64::MAX };
        assert!(matches!(&look(&[place])[..], [Attention(text)] if text.contains("min_free_bytes")));
    }
}
