//! Which slots are whose, in memory: a purge asks for all of a person's at the rate at which it burns them, and must not
//! read the whole file for each.
//!
//! Sixteen bytes for every slot that is not free. It only says where to look; whose a slot is, its sector says.

use seal::Pseudonym;
use std::collections::BTreeSet;

/// The first bytes of the subject, then the slot's place. Pseudonyms are evenly spread, so these few bytes tell them
/// apart; where they do not, a sector of somebody else's is read in vain.
#[derive(Debug, Default)]
pub(crate) struct Subjects(BTreeSet<(u64, u32)>);

impl Subjects {
    pub(crate) fn add(&mut self, subject: &[u8; 32], index: u32) {
        self.0.insert((start(subject), index));
    }

    pub(crate) fn remove(&mut self, subject: &Pseudonym, index: u32) {
        self.0.remove(&(start(subject.as_bytes()), index));
    }

    /// Where slots of the subject may be.
    pub(crate) fn places(&self, subject: &Pseudonym) -> impl Iterator<Item = u32> {
        let start = start(subject.as_bytes());
        self.0.range((start, 0)..=(start, u32::MAX)).map(|(_, index)| *index)
    }

    pub(crate) fn has(&self, subject: &Pseudonym, index: u32) -> bool {
        self.0.contains(&(start(subject.as_bytes()), index))
    }
}

fn start(subject: &[u8; 32]) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&subject[..8]);
    u64::from_be_bytes(first)
}
