//! The second sink: the chain, entry by entry, handed to a collector outside of the vault.
//!
//! Every entry in the order of the chain, none left out. After a crash, or after trouble with the sink, those of about
//! the last second are handed on again: a collector knows an entry by epoch and position.

mod jsonl;
mod line;
mod syslog;

pub use syslog::SyslogAddress;

use crate::{
    Audit, AuditError, Head,
    chain::{CHAIN, HEAD, HEAD_KEY},
    walk::page,
};
use jsonl::JsonLines;
use model::Timestamp;
use records::{Index, Record, Records, RecordsError, Table, tables};
use serde::Serialize;
use std::{
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use syslog::Syslog;
use thiserror::Error;

/// How often a file is synced, and the place that was reached is noted, at most.
pub(crate) const SYNC_EVERY: Duration = Duration::from_secs(1);
/// The pause after trouble, which doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// How far each sink is: the last entry that it surely has.
pub(crate) const CURSORS: Table<(u8,), Head> = Table::new(tables::AUDIT_SINK, "audit-sink");
/// The same rows by their keys alone: one that does not open must be removable.
const CURSOR_KEYS: Index<(u8,)> = Index::new(tables::AUDIT_SINK);

/// Where entries are handed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sink {
    /// A file, a JSON object a line. Somebody else may rename it at any time: it is then made anew.
    JsonLines(PathBuf),
    /// A collector that takes RFC 5424 messages as datagrams.
    Syslog(SyslogAddress),
}

impl Sink {
    /// Its name in `/v1/status` and in logs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::JsonLines(_) => "jsonl",
            Self::Syslog(_) => "syslog",
        }
    }

    /// Its row in the table of cursors. Stored: never renumber.
    const fn key(&self) -> (u8,) {
        match self {
            Self::JsonLines(_) => (0,),
            Self::Syslog(_) => (1,),
        }
    }

    async fn open(&self, runtime: &tokio::runtime::Handle) -> io::Result<Output> {
        match self {
            Self::JsonLines(path) => Ok(Output::File(JsonLines::new(path.clone(), runtime.clone()))),
            Self::Syslog(address) => Syslog::connect(address).await.map(Output::Syslog),
        }
    }
}

/// How far behind the book a sink is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SinkLag {
    /// Which: see [`Sink::name`].
    pub sink: &'static str,
    /// Entries that it does not surely have.
    pub entries: u64,
    /// Since when it fails, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
}

/// How far a sink is, for whoever asks.
pub(crate) struct Progress {
    name: &'static str,
    reached: AtomicU64,
    failing_since: Mutex<Option<Timestamp>>,
}

impl Progress {
    fn failing(&self) -> std::sync::MutexGuard<'_, Option<Timestamp>> {
        self.failing_since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a sink did not take an entry.
#[derive(Debug, Error)]
enum SinkError {
    #[error("it could not be written: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Book(#[from] AuditError),
}

impl From<RecordsError> for SinkError {
    fn from(error: RecordsError) -> Self {
        Self::Book(error.into())
    }
}

enum Output {
    File(JsonLines),
    Syslog(Syslog),
}

impl Output {
    async fn write(&mut self, lines: Vec<line::Line>) -> io::Result<()> {
        match self {
            Self::File(file) => file.write(lines).await,
            Self::Syslog(socket) => socket.send(lines).await,
        }
    }

    async fn sync(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.sync().await,
            Self::Syslog(_) => Ok(()),
        }
    }
}

/// A sink that is open, and how far it is.
struct Pump {
    output: Output,
    /// What is durable about it.
    cursor: Option<Record<Head>>,
    /// What was written last, synced or not.
    written: Head,
    synced_at: Timestamp,
}

impl Audit {
    /// Hands every entry to `sink`, for as long as the future is kept. A sink that fails is tried again, ever more seldom
    /// up to once a minute; it never keeps an entry from being written down. May be dropped at any time.
    pub async fn run_sink(&self, sink: Sink) {
        let progress = self.progress_of(&sink);
        let mut grown = self.inner.grown.subscribe();
        let (mut pump, mut pause) = (None, FIRST_PAUSE);
        loop {
            grown.mark_unchanged();
            match self.pump_once(&sink, &mut pump, &progress).await {
                Ok(wait) => {
                    pause = FIRST_PAUSE;
                    if progress.failing().take().is_some() {
                        tracing::info!(sink = sink.name(), "the audit log is handed on again");
                    }
                    tokio::select! {
                        // The book itself holds the sender.
                        _ = grown.changed() => {}
                        () = self.wait(wait) => {}
                    }
                }
                Err(error) => {
                    // Whatever was not synced is written again.
                    pump = None;
                    progress.failing().get_or_insert(self.inner.clock.now());
                    tracing::warn!(sink = sink.name(), %error, "the audit log could not be handed on; trying again");
                    self.inner.clock.sleep(pause).await;
                    pause = (2 * pause).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// How far behind each sink is that was ever run.
    #[must_use]
    pub fn sink_lag(&self) -> Vec<SinkLag> {
        let head = *self.inner.grown.borrow();
        let sinks = self.inner.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        let lag = |sink: &Arc<Progress>| SinkLag {
            sink: sink.name,
            entries: head.saturating_sub(sink.reached.load(Ordering::Relaxed)),
            failing_since: *sink.failing(),
        };
        sinks.iter().map(lag).collect()
    }

    fn progress_of(&self, sink: &Sink) -> Arc<Progress> {
        let mut sinks = self.inner.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = sinks.iter().find(|known| known.name == sink.name()) {
            return Arc::clone(known);
        }
        let progress =
            Progress { name: sink.name(), reached: AtomicU64::new(0), failing_since: Mutex::default() };
        let progress = Arc::new(progress);
        sinks.push(Arc::clone(&progress));
        progress
    }

    async fn wait(&self, wait: Option<Duration>) {
        match wait {
            Some(wait) => self.inner.clock.sleep(wait).await,
            None => std::future::pending().await,
        }
    }

    /// Writes all there is. If something is not synced yet: how long until it may be.
    async fn pump_once(
        &self,
        sink: &Sink,
        pump: &mut Option<Pump>,
        progress: &Progress,
    ) -> Result<Option<Duration>, SinkError> {
        let records = &self.inner.records;
        let pump = if let Some(pump) = pump {
            pump
        } else {
            let opened = Pump::open(records, sink, &self.inner.runtime).await?;
            progress.reached.store(opened.written.position, Ordering::Relaxed);
            pump.insert(opened)
        };
        pump.write_all(records).await?;
        if pump.cursor.as_ref().map_or(0, |cursor| cursor.value.position) == pump.written.position {
            return Ok(None);
        }
        let now = self.inner.clock.now();
        let age = now.duration_since(pump.synced_at).unsigned_abs();
        if let Some(wait) = SYNC_EVERY.checked_sub(age).filter(|wait| !wait.is_zero()) {
            return Ok(Some(wait));
        }
        pump.note(records, sink).await?;
        pump.synced_at = now;
        progress.reached.store(pump.written.position, Ordering::Relaxed);
        Ok(None)
    }
}

impl Pump {
    async fn open(
        records: &Records,
        sink: &Sink,
        runtime: &tokio::runtime::Handle,
    ) -> Result<Self, SinkError> {
        let output = sink.open(runtime).await?;
        let mut cursor = match CURSORS.get(records, &sink.key()).await {
            Ok(cursor) => cursor,
            Err(RecordsError::Damaged { .. }) => {
                tracing::error!(
                    sink = sink.name(),
                    "how far the audit log was handed on is damaged; all is handed on again"
                );
                Self::forget(records, sink).await?;
                None
            }
            Err(error) => return Err(error.into()),
        };
        if let Some(read) = &cursor
            && !is_in_chain(records, &read.value).await?
        {
            tracing::warn!(
                sink = sink.name(),
                "the audit log is another one than was handed on; all of it is handed on"
            );
            Self::forget(records, sink).await?;
            cursor = None;
        }
        let written = cursor.as_ref().map_or_else(|| Head::genesis(records), |read| read.value);
        Ok(Self { output, cursor, written, synced_at: Timestamp::MIN })
    }

    async fn forget(records: &Records, sink: &Sink) -> Result<(), SinkError> {
        let mut commit = records.commit();
        commit.unindex(&CURSOR_KEYS, &sink.key());
        Ok(commit.submit().await?)
    }

    /// Writes every entry up to the chain's end as it is now.
    async fn write_all(&mut self, records: &Records) -> Result<(), SinkError> {
        let Some(head) = HEAD.get(records, &HEAD_KEY).await? else { return Ok(()) };
        let head = head.value;
        while self.written.position < head.position {
            let rows = page(records, self.written.position, head.position).await?;
            let mut lines = Vec::with_capacity(rows.len());
            for (position, row) in rows {
                if position > self.written.position + 1 {
                    lines.push(line::missing(self.written.position + 1, position - 1));
                }
                lines.push(line::of(records, position, row.as_ref()));
                let (epoch, link) =
                    row.map_or((self.written.epoch, self.written.link), |row| (row.epoch, row.link));
                self.written = Head { epoch, position, link };
            }
            if lines.is_empty() {
                lines.push(line::missing(self.written.position + 1, head.position));
                self.written = head;
            }
            self.output.write(lines).await?;
        }
        Ok(())
    }

    /// Makes sure that what was written stays, then notes how far it is.
    async fn note(&mut self, records: &Records, sink: &Sink) -> Result<(), SinkError> {
        self.output.sync().await?;
        let mut commit = records.commit();
        commit.upsert(&CURSORS, &sink.key(), self.cursor.as_ref(), &self.written);
        commit.submit().await?;
        self.cursor = CURSORS.get(records, &sink.key()).await?;
        Ok(())
    }
}

/// Whether the chain has this very entry. One that does not open may be it: [`crate::verify`] tells.
async fn is_in_chain(records: &Records, at: &Head) -> Result<bool, AuditError> {
    match CHAIN.get(records, &(at.position,)).await {
        Ok(row) => Ok(row.is_some_and(|row| (row.value.epoch, row.value.link) == (at.epoch, at.link))),
        Err(RecordsError::Damaged { .. }) => Ok(true),
        Err(error) => Err(error.into()),
    }
}
