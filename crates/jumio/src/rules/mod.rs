//! The rules of the seeds' tables. A request is checked as a whole, every violation is named, nothing is sent.

mod fields;
mod journey;
mod tables;
mod url;
mod verification;

pub use journey::WebFields;
pub use tables::{AUTHENTICATION_LOCALES, VERIFICATION_LOCALES};

/// What the configuration adds to Jumio's rules.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Whether Jumio is simulated: callback URLs may then be plain HTTP on this machine.
    pub simulated: bool,
    /// Hosts to which `successUrl` and `errorUrl` may lead; `None` for any.
    pub redirect_hosts: Option<Vec<String>>,
}
