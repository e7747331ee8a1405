//! What this process does to itself before it touches a secret.

use rustix::{
    io::Errno,
    mm::{MlockAllFlags, mlockall},
    process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit},
    thread::{CapabilitySet, capabilities},
};
use std::{
    any::Any,
    backtrace::{Backtrace, BacktraceStatus},
    io::{Write as _, stderr},
    panic::{PanicHookInfo, set_hook},
};
use thiserror::Error;

/// Why memory is not locked against swapping.
#[derive(Debug, Error)]
enum NotLocked {
    /// With a limit, the kernel would refuse memory that is needed later.
    #[error("RLIMIT_MEMLOCK is {0} bytes")]
    Limited(u64),
    /// The kernel refuses.
    #[error("the system refuses: {0}")]
    Refused(#[from] Errno),
}

/// No core dumps, no other process of the same user may read this one's memory, and none of it goes to swap. A system
/// that refuses (a sandboxed one may) is told of, not a reason to stop.
pub(crate) fn guard_memory() {
    let limited = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let hidden = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    for refused in [limited, hidden].into_iter().filter_map(Result::err) {
        tracing::warn!(error = %refused, "core dumps could not be turned off; a crash may write secrets to disk");
    }
    if let Err(refused) = lock_memory() {
        tracing::warn!(
            error = %refused,
            "memory is not locked, so keys and facemaps may be written to swap; start the service with an unlimited \
             RLIMIT_MEMLOCK (LimitMEMLOCK=infinity) or CAP_IPC_LOCK, or use no swap or encrypted swap"
        );
    }
}

/// Locks every page from the moment it is used on, those of threads and mappings to come included: whatever passes through
/// the process, and not only what was thought of.
fn lock_memory() -> Result<(), NotLocked> {
    let limit = getrlimit(Resource::Memlock);
    if limit.maximum.is_none() {
        setrlimit(Resource::Memlock, Rlimit { current: None, maximum: None })?;
    } else if !capabilities(None)?.effective.contains(CapabilitySet::IPC_LOCK) {
        return Err(NotLocked::Limited(limit.maximum.unwrap_or_default()));
    }
    Ok(mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT)?)
}

/// Descriptors that are kept for files, and for connections that this process begins.
const KEPT_DESCRIPTORS: u64 = 512;
/// What a connection that may wait can cost: the listener's two threads each take as many, waiting or worked on, and each
/// is watched through a second descriptor; and there are two listeners.
const DESCRIPTORS_OF_A_CONNECTION: u64 = 2 * 2 * 2;

/// Takes all the descriptors that the system lets this process have, and says how many that is.
pub(crate) fn descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    if let Err(refused) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(error = %refused, "the limit of open files could not be raised");
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Connections of each listener that may wait at once, so that neither can use up the other's descriptors.
pub(crate) fn most_connections(descriptors: u64) -> usize {
    let most = descriptors.saturating_sub(KEPT_DESCRIPTORS) / DESCRIPTORS_OF_A_CONNECTION;
    usize::try_from(most).unwrap_or(usize::MAX).max(16)
}

/// Has a panic tell where it happened, and what only if that is a text of the program's own: a message that was put
/// together at that moment may hold what was being worked on.
pub(crate) fn guard_panics() {
    set_hook(Box::new(|panic| {
        // Nobody is left to be told if this cannot be written.
        drop(stderr().write_all(told(panic).as_bytes()));
    }));
}

fn told(panic: &PanicHookInfo<'_>) -> String {
    let thread = std::thread::current();
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let what = fixed_text(panic.payload());
    let mut told = format!("thread `{}` panicked at {place}: {what}\n", thread.name().unwrap_or("unnamed"));
    let trace = Backtrace::capture();
    if trace.status() == BacktraceStatus::Captured {
        told.push_str(&trace.to_string());
    }
    told
}

fn fixed_text(payload: &(dyn Any + Send)) -> &'static str {
    payload.downcast_ref().copied().unwrap_or("(the message is withheld: it may hold data)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{env, process::Command};

    #[test]
    fn no_core_is_dumped_once_the_memory_is_guarded() {
        guard_memory();
        assert_eq!(getrlimit(Resource::Core).current, Some(0));
        assert_eq!(rustix::process::dumpable_behavior(), Ok(DumpableBehavior::NotDumpable));
    }

    #[test]
    fn memory_is_locked_or_the_refusal_is_told() {
        let locked = lock_memory();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
        let kib: u64 = line.trim().strip_suffix("kB").unwrap().trim().parse().unwrap();
        assert_eq!(locked.is_ok(), kib > 0, "{locked:?}: {line}");
    }

    #[test]
    fn all_descriptors_that_may_be_had_are_taken_and_both_listeners_have_their_share() {
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(descriptors(), limit.maximum.unwrap_or(u64::MAX));
        assert_eq!(getrlimit(Resource::Nofile).current, limit.maximum);
        for (descriptors, most) in [(16_896, 2048), (16_895, 2047), (1024, 64), (512, 16), (0, 16)] {
            assert_eq!(most_connections(descriptors), most, "{descriptors}");
        }
    }

    /// Runs in a process of its own, for the test below.
    #[test]
    #[ignore = "panics on purpose; the next test starts it"]
    fn panics_with_data() {
        guard_panics();
        let name = env::var("NAME_OF_A_PERSON").unwrap();
        drop(std::panic::catch_unwind(|| assert!(name.is_empty(), "{name} is not welcome")));
        drop(std::panic::catch_unwind(|| name.parse::<u8>().expect(&name)));
        drop(std::panic::catch_unwind(|| name[..name.len() * 2].to_owned()));
        panic!("a text of the program's own");
    }

    #[test]
    fn a_panic_tells_its_place_and_no_data() {
        let child = Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                "process::tests::panics_with_data",
                "--ignored",
                "--nocapture",
                "--test-threads=1",
            ])
            .env("NAME_OF_A_PERSON", "Annegret Musterfrau")
            .output()
            .unwrap();
        let told = [child.stdout, child.stderr].concat();
        let told = String::from_utf8_lossy(&told);
        assert_eq!(told.matches("panicked at src/process.rs:").count(), 4, "{told}");
        assert!(told.contains("a text of the program's own"), "{told}");
        assert!(!told.contains("Annegret"), "{told}");
    }
}
