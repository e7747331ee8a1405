#![doc = include_str!("../README.md")]

mod dossier;
mod error;
mod hold;
mod keys;
mod purge;
mod retention;
mod service;
mod shapes;
mod tell;

pub use dossier::{
    Cut, Dossier, DossierAuthentication, DossierCallbacks, DossierDisclosure, DossierEnrollment,
    DossierEntry, DossierLink,
};
pub use error::CustodyError;
pub use hold::{HoldOrder, HoldView};
pub use keys::{
    HeldKeysShelf, KeyUse, KeyView, Keys, KeysParts, KeysView, RewrapState, RewrapView, RotatedView,
    ShelfError,
};
pub use purge::{
    CaseReference, Criterion, CriterionKind, Forget, ForgetError, Forgotten, InvalidOrder, Order, Plan,
    PlannedEnrollment, PurgeId, PurgeItemState, PurgeItemView, PurgeJobState, PurgeJobView, PurgeReason,
    PurgeRequest, PurgeView, Received, StartReport,
};
pub use retention::{DueEnrollment, RetentionConfig, RetentionPage, RetentionState, RetentionStatus, WhyDue};
pub use service::{Custody, CustodyConfig, CustodyParts};
pub use shapes::shapes;
