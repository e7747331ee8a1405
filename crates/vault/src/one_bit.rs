//! One flipped bit is the damage that disks and memories do most. A sector's SHA-256 tells which bit it was, and that
//! nothing else changed.

use crate::sector::SECTOR;
use zeroize::Zeroizing;

/// The sector as it was before one of its bits was flipped: the only change with which `is_whole` says so. None when
/// more than that is wrong.
pub(crate) fn undone<T>(
    bytes: &[u8; SECTOR],
    is_whole: impl Fn(&[u8; SECTOR]) -> Option<T>,
) -> Option<(Zeroizing<[u8; SECTOR]>, T)> {
    let mut tried = Zeroizing::new(*bytes);
    for byte in 0..SECTOR {
        for bit in 0..8 {
            tried[byte] ^= 1 << bit;
            if let Some(whole) = is_whole(&tried) {
                return Some((tried, whole));
            }
            tried[byte] ^= 1 << bit;
        }
    }
    None
}
