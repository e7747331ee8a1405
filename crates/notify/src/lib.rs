#![doc = include_str!("../README.md")]

mod backoff;
mod deliver;
#[cfg(feature = "test-util")]
pub mod documented;
mod error;
mod event;
mod kind;
mod message;
mod outbox;
mod place;
mod pull;
mod receiver;
mod row;
mod settle;
mod shapes;
mod sign;
mod upkeep;

pub use deliver::{Messenger, ReceiverWatch};
pub use error::NotifyError;
pub use event::{Event, Field};
pub use kind::EventKind;
pub use message::{Delivery, EventId, ListedEvent, Message};
pub use outbox::{Outbox, OutboxConfig};
pub use pull::{Cursor, EventPage};
pub use receiver::{Receiver, ReceiverConfig, Secrets, SecretsUnreadable};
pub use row::State;
pub use shapes::shapes;
pub use sign::{NotASecret, SigningSecret, signatures};
pub use upkeep::OutboxStatus;
