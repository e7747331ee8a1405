//! The porch: who may enter, size caps, ids parsed; no logic.

mod authentications;
mod body;
pub(crate) mod callback_token;
mod callbacks;
mod caller;
mod cursor;
mod enrollments;
mod health;
pub(crate) mod private;
mod problem;
pub(crate) mod public;
pub(crate) mod refused;
pub(crate) mod server;
pub(crate) mod source;
pub(crate) mod status;
mod strict;
pub(crate) mod tls;
mod verifications;
