//! Tests of the whole engine.

mod conformance;
mod cut_import;
mod durability;
mod failures;
mod flipped;
mod full_disk;
mod gate;
mod kill;
mod large;
mod opening;
mod power_cut;
mod transfer;
mod witness;

use crate::SledConfig;
use std::path::Path;
use store::{Batch, Condition, TableId};

const TABLE: TableId = TableId(9);

/// A store for tests: nobody's disk has to have a gigabyte to spare.
fn config(folder: &Path) -> SledConfig {
    SledConfig { min_free_bytes: 0, ..SledConfig::new(folder.join("db")) }
}

fn put(key: &str, condition: Condition, value: &'static str) -> Batch {
    let mut batch = Batch::new();
    batch.put(TABLE, key.into(), condition, value);
    batch
}
