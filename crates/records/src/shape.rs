//! What a table looks like from outside, for whoever walks the whole store and holds its rows against each other. Every
//! room tells it of its own tables.

use crate::{Index, Key, Records, RecordsError, Table};
use serde::{Serialize, de::DeserializeOwned};
use store::{TableId, Versioned};

/// The place of a row: its table and the bytes of its key.
pub type RowPlace = (TableId, Vec<u8>);

/// A slot that a row names: index, generation, facemap id.
pub type SlotMark = (u32, u64, [u8; 16]);

/// How a row hangs together with others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ties {
    /// Rows that are there because of this one, and lead back to it: those of its indexes.
    pub indexed: Vec<RowPlace>,
    /// Rows that this one names and that must be there.
    pub needs: Vec<RowPlace>,
    /// The row that this one is there for: that one's `indexed` must hold this one.
    pub leads_to: Option<RowPlace>,
    /// Slots that it needs: they must be there, and not be burnt.
    pub slots: Vec<SlotMark>,
}

impl Ties {
    /// A row that has nothing to do with others.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// One more row of an index, of an encoded key.
    #[must_use]
    pub fn indexed(mut self, table: TableId, key: &impl Key) -> Self {
        self.indexed.push((table, key.encode()));
        self
    }

    /// One more row that must be there.
    #[must_use]
    pub fn needs(mut self, table: TableId, key: &impl Key) -> Self {
        self.needs.push((table, key.encode()));
        self
    }

    /// The row that this one is there for.
    #[must_use]
    pub fn leads_to(mut self, table: TableId, key: &impl Key) -> Self {
        self.leads_to = Some((table, key.encode()));
        self
    }

    /// One more slot that must be there, and not be burnt.
    #[must_use]
    pub fn slot(mut self, mark: SlotMark) -> Self {
        self.slots.push(mark);
        self
    }
}

type Look = Box<dyn Fn(&Records, &[u8], &Versioned) -> Result<Ties, RecordsError> + Send + Sync>;

/// A table as its room describes it.
pub struct Shape {
    id: TableId,
    name: &'static str,
    is_index: bool,
    look: Look,
}

impl Shape {
    /// A table of sealed records. `ties` says how a row hangs together with others.
    pub fn table<K, V>(table: &'static Table<K, V>, ties: fn(&K, &V) -> Ties) -> Self
    where
        K: Key + 'static,
        V: Serialize + DeserializeOwned + 'static,
    {
        let look = move |records: &Records, key: &[u8], stored: &Versioned| {
            let (key, record) = table.opened(records, key, stored)?;
            Ok(ties(&key, &record.value))
        };
        Self { id: table.id, name: table.name, is_index: false, look: Box::new(look) }
    }

    /// An index: keys alone. `ties` says which row a key leads to.
    pub fn index<K: Key + 'static>(
        index: &'static Index<K>,
        name: &'static str,
        ties: fn(&K) -> Ties,
    ) -> Self {
        let look = move |_: &Records, key: &[u8], stored: &Versioned| {
            let damaged = RecordsError::Damaged { table: name };
            let key = K::decode(key).ok_or(damaged.clone())?;
            if stored.value.is_empty() { Ok(ties(&key)) } else { Err(damaged) }
        };
        Self { id: index.id, name, is_index: true, look: Box::new(look) }
    }

    /// The table's number.
    #[must_use]
    pub const fn id(&self) -> TableId {
        self.id
    }

    /// Whether it is an index: keys alone.
    #[must_use]
    pub const fn is_index(&self) -> bool {
        self.is_index
    }

    /// The table's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Opens what is stored under `key`, and says what it hangs together with.
    ///
    /// # Errors
    /// [`RecordsError::Damaged`] when it does not open in its place, or is not of this table's form.
    pub fn look(&self, records: &Records, key: &[u8], stored: &Versioned) -> Result<Ties, RecordsError> {
        (self.look)(records, key, stored)
    }
}

impl std::fmt::Debug for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Shape({})", self.name)
    }
}
