//! What a slot file is, as far as its header, its sectors and its contents say. Every sector's checksum begins with the
//! vault's id, so an id that somebody remembers can be tried where the header is lost.

use crate::{
    content_dir::ContentDir,
    error::VaultError,
    header::{Header, HeaderError},
    inspect::SlotFileHeader,
    one_bit,
    sector::{SECTOR, Sector, field},
    slot_file::{GROWTH, SCAN, position},
    types::VaultId,
};
use std::{fs::File, io, os::unix::fs::FileExt as _};
use zeroize::Zeroizing;

/// Sectors on which an id is tried, spread over the file.
const TRIED: u32 = 64;
/// Content files that are asked.
const ASKED: usize = 64;

/// A slot file in outline.
pub(crate) struct Outline {
    /// What the header says, or what is wrong with it.
    pub(crate) header: Result<SlotFileHeader, String>,
    /// What it said before one of its bits was flipped.
    pub(crate) before_damage: Option<SlotFileHeader>,
    pub(crate) vault: Option<VaultId>,
    pub(crate) slots: u32,
}

impl Outline {
    pub(crate) fn of(file: &File, known: Option<VaultId>, contents: &ContentDir) -> Result<Self, VaultError> {
        let bytes = file.metadata().map_err(VaultError::io("look at the slot file"))?.len();
        let in_file = u32::try_from((bytes / SECTOR as u64).saturating_sub(1)).unwrap_or(u32::MAX);
        let mut first = [0; SECTOR];
        let read = file.read_exact_at(&mut first, 0).map_err(|_| {
            HeaderError::Damaged("it is shorter than its header, or its header cannot be read".into())
        });
        let header = read.and_then(|()| Header::decode(&first)).map_err(HeaderError::into_text);
        let header = header.map(SlotFileHeader::from);
        let before_damage = match header {
            Ok(_) => None,
            Err(_) => one_bit::undone(&first, |bytes| Header::decode(bytes).ok()),
        };
        let before_damage = before_damage.map(|(_, header)| SlotFileHeader::from(header));
        let said = header.as_ref().ok().copied().or(before_damage);
        let (vault, slots) = if let Some(said) = said {
            (Some(said.vault), said.slots)
        } else {
            let vault = find_vault(file, in_file, &first, known, contents);
            (vault, slots_by_size(file, in_file, vault))
        };
        Ok(Self { header, before_damage, vault, slots })
    }
}

/// The id with which a sector is whole: as it stands in the damaged header, as somebody knows it from elsewhere, or as
/// content files say it.
fn find_vault(
    file: &File,
    slots: u32,
    header: &[u8; SECTOR],
    known: Option<VaultId>,
    contents: &ContentDir,
) -> Option<VaultId> {
    let sectors = sample(file, slots);
    let written = VaultId(field(header, 16));
    let of_contents = contents.claimed_vaults(ASKED);
    std::iter::once(written)
        .chain(known)
        .chain(of_contents)
        .find(|id| sectors.iter().any(|(index, bytes)| Sector::decode(bytes, *id, *index).is_ok()))
}

fn sample(file: &File, slots: u32) -> Vec<(u32, Zeroizing<[u8; SECTOR]>)> {
    let step = (slots / TRIED).max(1);
    let read = |index: u32| {
        let mut bytes = Zeroizing::new([0; SECTOR]);
        file.read_exact_at(&mut *bytes, position(index)).ok()?;
        Some((index, bytes))
    };
    (0..slots).step_by(step as usize).filter_map(read).collect()
}

/// How many sectors a file without a header has. It grows by whole pieces: what is behind the last whole one is a
/// growth that was cut short, unless somebody has a slot there; then the file was cut off.
fn slots_by_size(file: &File, in_file: u32, vault: Option<VaultId>) -> u32 {
    let whole = in_file - in_file % GROWTH;
    let mut used = false;
    each_sector(file, vault, whole, in_file, |_, sector| {
        used |= sector.is_some_and(|sector| sector.slot.generation > 0);
    });
    if used { whole.saturating_add(GROWTH) } else { whole }
}

/// Reads the sectors `from..end` in one piece, or one by one where a disk gives back only some of them.
pub(crate) fn each_sector(
    file: &File,
    vault: Option<VaultId>,
    from: u32,
    end: u32,
    mut visit: impl FnMut(u32, Option<&Sector>),
) {
    let mut buffer = Zeroizing::new(vec![0; SCAN as usize * SECTOR]);
    for start in (from..end).step_by(SCAN as usize) {
        let count = SCAN.min(end - start) as usize;
        let whole = file.read_exact_at(&mut buffer[..count * SECTOR], position(start)).is_ok();
        for (index, bytes) in (start..end).zip(buffer.as_chunks_mut::<SECTOR>().0.iter_mut().take(count)) {
            let read: io::Result<()> =
                if whole { Ok(()) } else { file.read_exact_at(bytes, position(index)) };
            let sector = match (read, vault) {
                (Ok(()), Some(vault)) => Sector::decode(bytes, vault, index).ok(),
                _ => None,
            };
            visit(index, sector.as_ref());
        }
    }
}
