//! What all targets share: an allocator with an end. Whatever a stranger sends may make the vault hold a few times its
//! size, never more, so a target that goes beyond this aborts, which the fuzzer reports with the input.

use cap::Cap;
use std::alloc::System;

/// Bytes that Rust's side of a target may hold at a time. Inputs have at most some kilobytes; the rest is what stays
/// allocated between inputs, such as tables of the URL parser.
const MOST_BYTES: usize = 16 << 20;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, MOST_BYTES);

/// A target: hands every input to the property of this path, `crate::property`.
#[macro_export]
macro_rules! hold {
    ($property:path) => {
        libfuzzer_sys::fuzz_target!(|input: &[u8]| {
            $crate::run($property, input);
        });
    };
}

/// Runs a property on an input. Whether the input was accepted is of no interest here.
pub fn run(property: fn(&[u8]) -> bool, input: &[u8]) {
    let _accepted = property(input);
}
