#![doc = include_str!("../README.md")]

mod error;
#[cfg(any(test, feature = "test-util"))]
pub mod fuzzing;
mod jws;
mod key;
mod statement;

pub use error::ReceiptError;
pub use jws::{Fingerprint, check, fingerprint, sign, verified};
pub use key::{Jwk, PublicKey, jwk};
pub use statement::{
    AuditPlace, BackupHorizon, Batch, By, Destroyed, Evidence, HOW, JumioDeletion, JumioState, Statement,
    StatementKind, VERSION,
};
