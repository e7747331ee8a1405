//! Tests of the whole engine.

mod conformance;

use crate::SledConfig;
use std::path::Path;

/// A store for tests: nobody's disk has to have a gigabyte to spare.
fn config(folder: &Path) -> SledConfig {
    SledConfig { min_free_bytes: 0, ..SledConfig::new(folder.join("db")) }
}
