//! The one system call that the safe interfaces do not offer.

use rustix::ioctl::{Opcode, Setter, ioctl, opcode};
use std::{fs::File, io};

/// `EXT4_IOC_SHUTDOWN`, by its number: `_IOR('X', 125, __u32)`.
const SHUTDOWN: Opcode = opcode::read::<u32>(b'X', 125);
/// `EXT4_GOING_FLAGS_NOLOGFLUSH`: the journal is not flushed.
const WITHOUT_FLUSHING_THE_LOG: u32 = 2;

/// Stops the file system that `file` lies on, at once.
pub(crate) fn without_flushing(file: &File) -> io::Result<()> {
    #[expect(
        unsafe_code,
        reason = "ext4's shutdown is an ioctl, and rustix has no safe call for it; tests only"
    )]
    // Safety: ext4 reads one u32 behind the pointer, which is what `Setter` passes for a u32, and keeps nothing.
    let done = unsafe { ioctl(file, Setter::<SHUTDOWN, u32>::new(WITHOUT_FLUSHING_THE_LOG)) };
    Ok(done?)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_number_is_that_of_the_kernels_header() {
        assert_eq!(super::SHUTDOWN, 0x8004_587d);
    }
}
