//! The flow from callback to ready, on a store in memory, a real vault, a mock clock and a Jumio that remembers.

#[cfg(test)]
mod claims;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod handover;
#[cfg(test)]
mod hints;
#[cfg(test)]
mod house;
#[cfg(test)]
mod inbox;
#[cfg(test)]
mod jumio;
#[cfg(test)]
mod start_up;
#[cfg(test)]
mod story;
#[cfg(test)]
mod users;
