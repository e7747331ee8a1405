//! Re-authentication on a store in memory, a real vault, a mock clock and a Jumio that remembers.

mod barred;
mod crash;
mod exchange;
mod house;
mod one_post;
mod open;
mod redeem;
mod result;
mod unknown;
