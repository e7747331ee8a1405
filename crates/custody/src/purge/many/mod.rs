//! Many on one order: counted first, then destroyed by a job that goes on after a restart.

mod chosen;
mod close;
mod confirm;
mod id;
mod order;
mod plan;
mod row;
mod run;
mod view;

pub use id::PurgeId;
pub(crate) use order::drop_unfinished;
pub use plan::{Plan, PlannedEnrollment};
pub(crate) use row::{ITEMS, PURGES, PurgeRow};
pub use view::{PurgeItemState, PurgeItemView, PurgeJobState, PurgeJobView};
