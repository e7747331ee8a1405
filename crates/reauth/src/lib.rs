#![doc = include_str!("../README.md")]

pub mod attempts;
mod batches;
mod error;
mod follow;
#[cfg(any(test, feature = "test-util"))]
pub mod fuzzing;
mod initiate;
pub mod judge;
mod links;
mod look_up;
mod post;
mod redeem;
mod request;
mod restart;
mod service;
mod settle;
mod single_flight;
mod tell;
mod view;
pub mod window;

pub use attempts::{Attempts, Unlocked};
pub use batches::{
    Accepted, BatchFilter, BatchItemView, BatchRequest, BatchView, Counted, ListOf, MOST_ITEMS, NewItem,
    Preparation, Who,
};
pub use error::ReauthError;
pub use links::{
    Busy, BusyWhy, LinkAuthentication, LinkPage, LinkPurpose, LinkView, LinksConfig, NewLink, Pressed, Shown,
};
pub use request::{AuthenticationRequest, IfOpen};
pub use service::{Reauth, ReauthConfig, ReauthParts};
pub use view::{AuthenticationView, Initiated};
