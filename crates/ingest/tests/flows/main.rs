//! The flow from callback to ready, on a store in memory, a real vault, a mock clock and a Jumio that remembers.

#[cfg(test)]
mod claims;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod events;
#[cfg(test)]
mod forget;
#[cfg(test)]
mod forget_ends;
#[cfg(test)]
mod handover;
#[cfg(test)]
mod hints;
#[cfg(test)]
mod house;
#[cfg(test)]
mod import;
#[cfg(test)]
mod import_crash;
#[cfg(test)]
mod import_known;
#[cfg(test)]
mod import_slots;
#[cfg(test)]
mod inbox;
#[cfg(test)]
mod jumio;
#[cfg(test)]
mod late;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod start_up;
#[cfg(test)]
mod story;
mod strangers;
#[cfg(test)]
mod users;
