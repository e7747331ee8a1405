//! What a group of commits comes to: who goes through, and what the rows are afterwards.

use crate::{
    layout::{self, SEQUENCE_KEY, full_key, unreadable},
    shared::Before,
};
use std::collections::BTreeMap;
use store::{Batch, Change, Condition, StoreError, Version, Versioned};

/// A row that a group looks at.
struct Planned {
    /// The raw entry in the tree.
    raw: Option<sled::IVec>,
    before: Option<Versioned>,
    after: Option<Versioned>,
    /// Tells the large values of one commit apart.
    number: u32,
    written: bool,
}

/// What is to be done for a group.
pub(crate) struct Plan {
    rows: BTreeMap<Vec<u8>, Planned>,
    /// The answers, once all is durable; in the order of the commits.
    pub(crate) outcomes: Vec<Result<Version, StoreError>>,
    /// The number of the last commit that goes through.
    pub(crate) sequence: u64,
}

impl Plan {
    /// Goes through the commits in their order; each sees what those before it have done.
    pub(crate) fn make<'a>(
        db: &sled::Db,
        sequence: u64,
        batches: impl Iterator<Item = &'a Batch>,
    ) -> Result<Self, StoreError> {
        let mut plan = Self { rows: BTreeMap::new(), outcomes: Vec::new(), sequence };
        for batch in batches {
            let outcome = plan.add(db, batch)?;
            plan.outcomes.push(outcome);
        }
        Ok(plan)
    }

    fn add(&mut self, db: &sled::Db, batch: &Batch) -> Result<Result<Version, StoreError>, StoreError> {
        let keys: Vec<_> = batch.writes.iter().map(|write| full_key(write.table, &write.key)).collect();
        let mut all_hold = true;
        for (key, write) in keys.iter().zip(&batch.writes) {
            all_hold &= holds(write.condition, self.look_at(db, key)?.after.as_ref());
        }
        if !all_hold {
            return Ok(Err(StoreError::Conflict));
        }
        self.sequence += 1;
        let version = Version(self.sequence);
        for (number, (key, write)) in (0..).zip(keys.iter().zip(&batch.writes)) {
            let row = self.look_at(db, key)?;
            row.after = match &write.change {
                Change::Nothing => continue,
                Change::Put(value) => Some(Versioned { version, value: value.clone() }),
                Change::Delete => None,
            };
            row.number = number;
            row.written = true;
        }
        Ok(Ok(version))
    }

    fn look_at(&mut self, db: &sled::Db, key: &[u8]) -> Result<&mut Planned, StoreError> {
        if !self.rows.contains_key(key) {
            let raw = db.get(key).map_err(|error| unreadable(&error))?;
            let before = raw.as_ref().map(|raw| layout::read(db, raw)).transpose()?;
            let planned = Planned { raw, after: before.clone(), before, number: 0, written: false };
            self.rows.insert(key.to_vec(), planned);
        }
        // Unwrap safety: it was put there just now, if it was not there before.
        Ok(self.rows.get_mut(key).expect("the row is planned"))
    }

    fn written(&self) -> impl Iterator<Item = (&Vec<u8>, &Planned)> {
        self.rows.iter().filter(|(_, row)| row.written)
    }

    /// The rows that will change, as they are now.
    pub(crate) fn before(&self) -> Before {
        self.written().map(|(key, row)| (key.clone(), row.before.clone())).collect()
    }

    /// All of it as one batch of sled's, which recovers it as a whole or not at all.
    pub(crate) fn batch(&self) -> sled::Batch {
        let mut batch = sled::Batch::default();
        for (key, row) in self.written() {
            if let Some(raw) = &row.raw {
                layout::remove_parts(&mut batch, raw);
            }
            match &row.after {
                Some(value) => layout::put(&mut batch, key, row.number, value),
                None if row.raw.is_some() => batch.remove(key.as_slice()),
                None => {}
            }
        }
        batch.insert(SEQUENCE_KEY, &self.sequence.to_be_bytes());
        batch
    }

    /// Whether the database holds the group as a whole (`Some(true)`), not at all (`Some(false)`), or something else.
    pub(crate) fn landed(&self, db: &sled::Db, sequence: u64) -> Result<Option<bool>, StoreError> {
        let (mut all, mut none) = (sequence == self.sequence, sequence < self.sequence);
        for (key, row) in self.written() {
            let raw = db.get(key).map_err(|error| unreadable(&error))?;
            let now = raw.as_ref().map(|raw| layout::read(db, raw)).transpose()?;
            all &= now == row.after;
            none &= now == row.before;
        }
        Ok(if all { Some(true) } else { none.then_some(false) })
    }
}

fn holds(condition: Condition, current: Option<&Versioned>) -> bool {
    match condition {
        Condition::Any => true,
        Condition::Absent => current.is_none(),
        Condition::Version(version) => current.is_some_and(|row| row.version == version),
    }
}
