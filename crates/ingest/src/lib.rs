#![doc = include_str!("../README.md")]

mod announce;
mod config;
mod confirm;
mod eligibility;
mod epoch;
mod error;
mod expiry;
mod fetch;
mod handover;
mod inbox;
mod jobs;
mod poll;
mod receive;
mod release;
mod schedule;
mod service;
mod settle;
mod start;
mod status;
mod step;
mod sweep;
mod view;

pub use config::{Accept, DeleteOriginal, IngestConfig};
pub use error::IngestError;
pub use inbox::{CallbackOutcome, CallbackState, InboxRow, TokenScope};
pub use release::Release;
pub use service::{Ingest, IngestParts};
pub use status::{Count, IngestStatus};
pub use sweep::StartReport;
pub use view::{EnrollmentPage, EnrollmentView, StartedView};

/// How often a decision is made anew when somebody else's commit came first.
pub(crate) const ATTEMPTS: usize = 16;
