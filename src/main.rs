//! facemap-vault.
fn main() {}
