#![doc = include_str!("../README.md")]

mod about;
mod announce;
mod callbacks_list;
mod closing;
mod config;
mod confirm;
mod eligibility;
mod epoch;
mod error;
mod expiry;
mod fetch;
mod forget;
mod handover;
mod import;
mod import_slots;
mod inbox;
mod jobs;
mod late;
mod meter;
mod original;
mod poll;
mod receive;
mod release;
mod replay;
mod schedule;
mod service;
mod settle;
mod shapes;
mod start;
mod status;
mod step;
mod sweep;
mod tell;
mod view;

pub use about::ReceivedAbout;
pub use callbacks_list::{CallbackCursor, CallbackPage, CallbackView};
pub use config::{Accept, DeleteOriginal, IngestConfig, OnReplacement};
pub use error::IngestError;
pub use forget::Forgotten;
pub use import::{ATTESTATION_CHARS, Import, ImportClaims, Imported};
pub use inbox::{CallbackOutcome, CallbackState, InboxRow, TokenScope};
pub use meter::Meter;
pub use release::Release;
pub use replay::ReplayedMany;
pub use service::{Ingest, IngestParts};
pub use shapes::shapes;
pub use status::{Count, IngestStatus};
pub use sweep::StartReport;
pub use view::{EnrollmentPage, EnrollmentView, StartedView};

/// How often a decision is made anew when somebody else's commit came first.
pub(crate) const ATTEMPTS: usize = 16;
