//! What this process does to itself before it touches a secret.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// No core dumps, and no other process of the same user may read this one's memory. A system that refuses (a sandboxed
/// one may) is told of, not a reason to stop.
pub(crate) fn guard_memory() {
    let limited = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let hidden = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    for refused in [limited, hidden].into_iter().filter_map(Result::err) {
        tracing::warn!(error = %refused, "core dumps could not be turned off; a crash may write secrets to disk");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_core_is_dumped_once_the_memory_is_guarded() {
        guard_memory();
        assert_eq!(rustix::process::getrlimit(Resource::Core).current, Some(0));
        assert_eq!(rustix::process::dumpable_behavior(), Ok(DumpableBehavior::NotDumpable));
    }
}
