//! How the store is run.

use std::{path::PathBuf, time::Duration};
use store::Limits;

/// Settings of a [`SledStore`](crate::SledStore).
#[derive(Debug, Clone)]
pub struct SledConfig {
    /// The folder of the database. It is made, readable for its owner only, if it is not there.
    pub path: PathBuf,
    /// What one key, value and commit may have. Keys of more than 512 bytes are refused at opening.
    pub limits: Limits,
    /// Bytes that must be free on the folder's file system for a commit to be accepted.
    pub min_free_bytes: u64,
    /// Bytes that sled keeps of what it has read.
    pub cache_bytes: u64,
    /// Commits that share one `fsync` at most.
    pub group_commits: usize,
    /// Bytes after which a group takes no further commit. It keeps a group well within two of sled's segments of
    /// 512 KiB, so that no segment is freed and used again between two of our syncs.
    pub group_bytes: usize,
    /// How long sled may take to open it, at least: a database whose files take long to read gets several times as long as
    /// that. Also how long a disk may give nothing while they are read.
    pub open_timeout: Duration,
    /// After how long a commit that does not come back is reported as trouble. sled's `flush()` may wait for ever when
    /// one of its own threads has met an error of the disk.
    pub stalled_after: Duration,
}

impl SledConfig {
    /// The usual settings for the database in `path`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            limits: Limits::default(),
            min_free_bytes: 1024 * 1024 * 1024,
            cache_bytes: 16 * 1024 * 1024,
            group_commits: 256,
            group_bytes: 256 * 1024,
            open_timeout: Duration::from_secs(8),
            stalled_after: Duration::from_secs(30),
        }
    }
}
