#![doc = include_str!("../README.md")]

mod error;
mod follow;
mod initiate;
pub mod judge;
mod look_up;
mod post;
mod redeem;
mod request;
mod restart;
mod service;
mod settle;
mod single_flight;
mod view;
pub mod window;

pub use error::ReauthError;
pub use request::{AuthenticationRequest, IfOpen};
pub use service::{Reauth, ReauthConfig, ReauthParts};
pub use view::{AuthenticationView, Initiated};
