#![doc = include_str!("../README.md")]

mod address;
mod body;
mod error;
mod guard;
mod origin;
mod request;
mod resolver;
mod tls;

pub use address::is_public;
pub use error::{EgressError, Refusal, Unsent};
pub use guard::{Egress, EgressConfig};
pub use origin::{CheckedUrl, Origin};
pub use request::{Body, BodyCap, Part, Request, Response};
#[cfg(feature = "test-util")]
pub use resolver::ScriptedResolver;
pub use resolver::{Resolver, SystemResolver};
