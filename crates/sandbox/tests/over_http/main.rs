//! The sandbox from outside: everything over HTTP, on free ports of loopback.

mod journey;
mod support;
