#![doc = include_str!("../README.md")]

pub mod api;
pub mod authentication;
pub mod error;
pub mod scan;
pub mod verification;
pub mod violation;

pub use api::JumioApi;
pub use authentication::{
    AuthenticationDetails, Journey, NewAuthentication, StartedAuthentication, WebJourney,
};
pub use error::JumioError;
pub use scan::{Progress, ScanDetails, ScanState};
pub use verification::{NewVerification, StartedVerification, Warning};
pub use violation::{Violation, Violations};
