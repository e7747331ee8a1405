//! The sandbox's state: transactions in order of their making, capped; limits; faults; settings.

use std::collections::{HashMap, VecDeque};

use jiff::Timestamp;

use crate::authentication::Authentication;
use crate::config::Settings;
use crate::facemap::MAX_BYTES;
use crate::faults::Faults;
use crate::limits::SlidingLog;
use crate::scan::Scan;

/// Most verifications, and most authentications, remembered; the oldest make room.
pub(crate) const MAX_TRANSACTIONS: usize = 20_000;
/// Most bytes of handed-in facemaps held at once.
pub(crate) const MAX_HELD_BYTES: usize = 8 * MAX_BYTES;

/// Everything behind the one lock. No remote call is made while it is held.
pub(crate) struct World {
    pub(crate) scans: Shelf<Scan>,
    pub(crate) authentications: Shelf<Authentication>,
    pub(crate) limits: SlidingLog,
    pub(crate) faults: Faults,
    pub(crate) settings: Settings,
    /// When the next transaction ends by itself; nothing has to be looked through before.
    pub(crate) due: Option<Timestamp>,
    sequence: u64,
}

/// Whose page an authorisation token opens.
pub(crate) enum Journey {
    Verification(String),
    Authentication(String),
}

impl World {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            scans: Shelf::default(),
            authentications: Shelf::default(),
            limits: SlidingLog::default(),
            faults: Faults::default(),
            settings,
            due: None,
            sequence: 0,
        }
    }

    /// The next transaction's number; the forms of its callback rotate with it.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    /// Remembers that something ends by itself then.
    pub(crate) fn expect_end(&mut self, at: Timestamp) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// The journey that a token opens, used up or not.
    pub(crate) fn journey(&self, token: &str) -> Option<Journey> {
        let scan = self.scans.iter().find(|scan| scan.token.as_deref() == Some(token));
        if let Some(scan) = scan {
            return Some(Journey::Verification(scan.reference.clone()));
        }
        let found = self.authentications.iter().find(|one| one.token.as_deref() == Some(token))?;
        Some(Journey::Authentication(found.reference.clone()))
    }

    /// Bytes of facemaps that tests handed in and nobody deleted yet.
    pub(crate) fn held_bytes(&self) -> usize {
        self.scans
            .iter()
            .filter_map(|scan| scan.facemap.as_ref())
            .map(crate::facemap::Facemap::held_bytes)
            .sum()
    }
}

/// Things by reference, in the order of their making, at most [`MAX_TRANSACTIONS`].
pub(crate) struct Shelf<T> {
    things: HashMap<String, T>,
    order: VecDeque<String>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { things: HashMap::new(), order: VecDeque::new() }
    }
}

impl<T> Shelf<T> {
    pub(crate) fn put(&mut self, reference: &str, thing: T) {
        if self.things.insert(reference.to_owned(), thing).is_some() {
            return;
        }
        self.order.push_back(reference.to_owned());
        if self.order.len() > MAX_TRANSACTIONS
            && let Some(oldest) = self.order.pop_front()
        {
            self.things.remove(&oldest);
        }
    }

    pub(crate) fn get(&self, reference: &str) -> Option<&T> {
        self.things.get(reference)
    }

    pub(crate) fn get_mut(&mut self, reference: &str) -> Option<&mut T> {
        self.things.get_mut(reference)
    }

    /// Oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.order.iter().filter_map(|reference| self.things.get(reference))
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_transactions_make_room() {
        let mut shelf = Shelf::default();
        for number in 0..=MAX_TRANSACTIONS {
            shelf.put(&number.to_string(), number);
        }
        assert_eq!(shelf.len(), MAX_TRANSACTIONS);
        assert!(shelf.get("0").is_none());
        assert_eq!(shelf.iter().next(), Some(&1));
    }
}
