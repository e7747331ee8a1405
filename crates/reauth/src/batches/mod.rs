//! Batches: many people, one after another, as fast as Jumio and the company allow. Jumio takes three requests a second
//! and a transaction dies after fifteen minutes: so a batch usually gives out links of the vault's own, and each becomes a
//! transaction when its person presses the button.
//!
//! A batch is a row, its items are rows, and one job goes through them. Before an item is posted, the id of its
//! transaction stands in its row: after a crash that id says what became of it, and nothing is posted a second time.

mod control;
mod judge;
mod link;
mod list;
mod order;
mod pace;
mod person;
mod post;
mod prepare;
mod run;
mod tally;
mod view;

pub use order::{BatchFilter, BatchRequest, ListOf, MOST_ITEMS, NewItem, Who};
pub use prepare::{Accepted, Counted, Preparation};
pub use view::{BatchItemView, BatchView};
