//! The row of a rewrap: there is one, the last.

use super::{RewrapState, RewrapView};
use audit::Actor;
use model::Timestamp;
use records::{Shape, Table, Ties, tables};
use seal::KeyId;
use serde::{Deserialize, Serialize};

pub(super) const REWRAP: Table<(u8,), RewrapRow> = Table::new(tables::REWRAP, "rewrap");
/// There is one rewrap.
pub(super) const THE_ONE: (u8,) = (0,);

/// The shape of this table, for a walk over the whole store.
pub(crate) fn shape() -> Shape {
    Shape::table(&REWRAP, |_, _| Ties::none())
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RewrapRow {
    pub(super) state: RewrapState,
    pub(super) key: KeyId,
    /// The sector at which the next page begins.
    pub(super) next: u32,
    pub(super) done: u64,
    pub(super) total: u64,
    pub(super) damaged: u64,
    pub(super) by: Actor,
    pub(super) started_at: Timestamp,
    pub(super) finished_at: Option<Timestamp>,
}

impl RewrapRow {
    pub(super) const fn is_running(&self) -> bool {
        matches!(self.state, RewrapState::Running)
    }

    pub(super) const fn view(&self) -> RewrapView {
        RewrapView {
            state: self.state,
            key: self.key,
            done: self.done,
            total: self.total,
            damaged: self.damaged,
            started_at: self.started_at,
            finished_at: self.finished_at,
        }
    }
}
