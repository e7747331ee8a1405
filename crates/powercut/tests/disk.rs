//! The power cut itself: a test that relies on it must know that it does cut.

use powercut::{Disk, SmallDisk};
use std::{
    fs::{self, File},
    io::Write,
    process::Command,
};

const SIZE: u64 = 16 * 1024 * 1024;

#[test]
fn what_was_synced_survives_the_cut_and_what_was_not_does_not() {
    let Some(mut disk) = Disk::new_or_explain(SIZE) else { return };
    let mut synced = File::create(disk.path().join("synced")).unwrap();
    synced.write_all(b"kept").unwrap();
    synced.sync_all().unwrap();
    File::open(disk.path()).unwrap().sync_all().unwrap();
    drop(synced);
    fs::write(disk.path().join("forgotten"), "lost").unwrap();
    disk.cut_power().unwrap();
    assert!(fs::write(disk.path().join("afterwards"), "refused").is_err());
    disk.restore_power().unwrap();
    assert_eq!(fs::read(disk.path().join("synced")).unwrap(), b"kept");
    assert!(!disk.path().join("forgotten").exists());
    fs::write(disk.path().join("afterwards"), "goes on").unwrap();
}

#[test]
fn a_dropped_disk_leaves_no_mount_no_loop_device_and_no_file() {
    let Some(disk) = Disk::new_or_explain(SIZE) else { return };
    let (mount_point, image) = (disk.path(), disk.image());
    disk.cut_power().unwrap();
    drop(disk);
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(mount_point.to_str().unwrap()));
    assert!(!image.exists());
    let loops = Command::new("losetup").arg("--list").output().unwrap();
    assert!(!String::from_utf8_lossy(&loops.stdout).contains(image.to_str().unwrap()));
}

#[test]
fn a_small_disk_is_full_when_it_was_filled_and_has_room_when_it_was_freed() {
    let Some(disk) = SmallDisk::new_or_explain(1024 * 1024) else { return };
    disk.fill().unwrap();
    let error = fs::write(disk.path().join("one more"), "byte").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    disk.free().unwrap();
    fs::write(disk.path().join("one more"), "byte").unwrap();
    let mount_point = disk.path();
    drop(disk);
    assert!(!fs::read_to_string("/proc/self/mounts").unwrap().contains(mount_point.to_str().unwrap()));
}
