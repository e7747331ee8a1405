//! The first sector of the slot file: which vault this is, of which version, epoch and mode, and how many sectors
//! follow that are whole.
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | magic |
//! | 8..10 | format version |
//! | 10 | real or simulated |
//! | 11..16 | zero |
//! | 16..32 | the vault's random id |
//! | 32..40 | epoch |
//! | 40..44 | number of slots |
//! | 44..480 | zero |
//! | 480..512 | SHA-256 of the vault's id and bytes 0..480 |

use crate::{
    sector::{CHECKSUM_AT, SECTOR, checksum, field},
    types::{Mode, VaultId},
};

const MAGIC: [u8; 8] = *b"FMVSLOTS";
const VERSION: u16 = 1;

/// Why a header is refused, and what to do.
#[derive(Debug)]
pub(crate) enum HeaderError {
    /// It is not what it was when it was written.
    Damaged(String),
    /// It is of a format that this program does not know.
    Foreign(String),
}

impl HeaderError {
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Damaged(what) | Self::Foreign(what) => what,
        }
    }
}

/// What the first sector says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) vault: VaultId,
    pub(crate) mode: Mode,
    /// Grows with every rebuild and restore.
    pub(crate) epoch: u64,
    /// Sectors that were synced before this header was written. What lies behind them is an unfinished growth.
    pub(crate) slots: u32,
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; SECTOR] {
        let mut bytes = [0; SECTOR];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_be_bytes());
        bytes[10] = match self.mode {
            Mode::Real => b'R',
            Mode::Simulated => b'S',
        };
        bytes[16..32].copy_from_slice(&self.vault.0);
        bytes[32..40].copy_from_slice(&self.epoch.to_be_bytes());
        bytes[40..44].copy_from_slice(&self.slots.to_be_bytes());
        let checksum = checksum(self.vault, &bytes);
        bytes[CHECKSUM_AT..].copy_from_slice(&checksum);
        bytes
    }

    /// Reads it, or says in words what is wrong and what to do.
    pub(crate) fn decode(bytes: &[u8; SECTOR]) -> Result<Self, HeaderError> {
        if bytes[..8] != MAGIC {
            return Err(HeaderError::Foreign(
                "it is not a slot file; point `store.slots_path` to the right folder, or restore the file"
                    .into(),
            ));
        }
        let vault = VaultId(field(bytes, 16));
        if bytes[CHECKSUM_AT..] != checksum(vault, bytes) {
            let what =
                "its header does not have its checksum; run `facemap-vault verify`, or restore the file";
            return Err(HeaderError::Damaged(what.into()));
        }
        let version = u16::from_be_bytes(field(bytes, 8));
        if version != VERSION {
            return Err(HeaderError::Foreign(format!(
                "it has format {version}, this program knows format {VERSION}; use the program that wrote it, or a newer one"
            )));
        }
        let mode = match bytes[10] {
            b'R' => Mode::Real,
            b'S' => Mode::Simulated,
            _ => {
                let what = "its header says neither real nor simulated; restore the file from its backup";
                return Err(HeaderError::Damaged(what.into()));
            }
        };
        let header = Self {
            vault,
            mode,
            epoch: u64::from_be_bytes(field(bytes, 32)),
            slots: u32::from_be_bytes(field(bytes, 40)),
        };
        // Whatever is written back from memory would lose what stands there.
        if header.encode() != *bytes {
            let what = "its header says something that nobody wrote; restore the file from its backup";
            return Err(HeaderError::Damaged(what.into()));
        }
        Ok(header)
    }
}
