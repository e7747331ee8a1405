//! Destroying for good, with proof.

mod at_jumio;
mod begin;
mod condition;
mod erase;
mod flight;
mod forget;
mod late;
mod many;
mod order;
mod replaced;
mod row;
mod shapes;
mod slots;
mod start;
mod statement;
mod view;

pub(crate) use begin::Beginning;
pub(crate) use condition::Condition;
pub(crate) use flight::Flights;
pub use forget::{Forget, ForgetError, Forgotten, Received};
pub(crate) use many::PurgeRow;
pub use many::{
    Plan, PlannedEnrollment, PurgeId, PurgeItemState, PurgeItemView, PurgeJobState, PurgeJobView,
};
pub use order::{CaseReference, Criterion, CriterionKind, InvalidOrder, Order, PurgeReason, PurgeRequest};
pub(crate) use row::ErasureRow;
pub(crate) use shapes::shapes;
pub use start::StartReport;
pub(crate) use statement::state;
pub use view::PurgeView;
