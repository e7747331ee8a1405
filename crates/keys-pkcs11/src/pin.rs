//! The file with the PIN.

use crate::Pkcs11Error;
use std::{fs::File, io::Read as _, os::unix::fs::PermissionsExt as _, path::Path};
use zeroize::Zeroizing;

/// Bytes of a PIN at most.
const MOST: usize = 255;
/// Everybody else, and the group's right to exchange it.
const EXPOSED: u32 = 0o027;

/// The PIN as the file holds it now. The mode is that of the very file that is read.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Pkcs11Error> {
    let unreadable = |source| Pkcs11Error::PinUnreadable { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o7777;
    if mode & EXPOSED != 0 {
        return Err(Pkcs11Error::PinExposed { path: path.to_owned(), mode });
    }
    // Sized once, so that no copy of it is left behind in a buffer that was too small. One line end, and one byte too many.
    let mut pin = Zeroizing::new(Vec::with_capacity(MOST + 3));
    file.by_ref().take(MOST as u64 + 3).read_to_end(&mut pin).map_err(unreadable)?;
    while pin.last().is_some_and(u8::is_ascii_whitespace) {
        pin.pop();
    }
    if pin.is_empty() || pin.len() > MOST || pin.iter().any(u8::is_ascii_control) {
        return Err(Pkcs11Error::NotAPin { path: path.to_owned() });
    }
    Ok(pin)
}
