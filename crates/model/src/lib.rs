#![doc = include_str!("../README.md")]

pub mod clock;
pub mod hex;
pub mod ids;
pub mod limits;
pub mod outcome;
pub mod rng;
pub mod secret;
pub mod state;
pub mod text;

pub use clock::{Clock, SystemClock};
pub use ids::{
    AuthenticationId, AuthenticationRef, BatchId, CallbackId, EnrollmentRef, InvalidReference, LinkId,
    UserReference,
};
pub use jiff::Timestamp;
pub use outcome::{AuthenticationResult, Channel, Similarity, VerificationStatus};
pub use rng::Rng;
pub use secret::{FacemapBytes, Secret};
pub use state::{AuthenticationState, EnrollmentOrigin, EnrollmentState, LinkState};
