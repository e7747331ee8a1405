//! Acts on keys: listed, rotated, everything wrapped anew, removed once nothing needs them.
//!
//! Wrapping keys belong to the provider; slots and the held keys lie under them, and nothing else does. Held keys (for
//! records, the audit chain, receipts and so on) never change: records and audit entries name them for ever.

mod remove;
mod rewrap;
mod rotate;
mod row;
mod service;
mod shelf;
mod view;

pub use remove::KeyUse;
pub(crate) use row::shape;
pub use service::{Keys, KeysParts};
pub use shelf::{HeldKeysShelf, ShelfError};
pub use view::{KeyView, KeysView, RewrapState, RewrapView, RotatedView};
