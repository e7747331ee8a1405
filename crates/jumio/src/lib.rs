#![doc = include_str!("../README.md")]

pub mod api;
pub mod authentication;
pub mod callback;
pub mod client;
pub mod credentials;
mod date;
pub mod error;
#[cfg(any(test, feature = "test-util"))]
pub mod fuzzing;
mod quirks;
mod redirect;
pub mod region;
mod retrieval;
pub mod rules;
pub mod scan;
#[cfg(feature = "test-util")]
pub mod scripted;
pub mod verification;
pub mod violation;

pub use api::JumioApi;
pub use authentication::{
    AuthenticationDetails, Journey, NewAuthentication, StartedAuthentication, WebJourney,
};
pub use callback::{AuthenticationCallback, Callback, CallbackError, Subject, VerificationCallback};
pub use client::{JumioClient, JumioConfig, MetadataLayout, SetupError};
pub use credentials::{CredentialPair, Credentials, CredentialsUnreadable, FixedCredentials};
pub use date::DateSeen;
pub use error::JumioError;
pub use redirect::RedirectHosts;
pub use region::Region;
pub use rules::{Rules, WebFields};
pub use scan::{NamedUser, Progress, ScanDetails, ScanState};
pub use verification::{NewVerification, StartedVerification, Warning};
pub use violation::{Violation, Violations};
