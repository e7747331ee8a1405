//! What a call must come to under a fault of its peer.

use crate::{
    calls::{Brought, Call},
    peer::Peer,
    support::client_of,
};
use jumio::{JumioClient, JumioError};
use std::time::Duration;

/// What a call must come to under a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It did not happen; again later, after so many seconds if they are named.
    Limited(Option<u64>),
    /// It did not happen and will not.
    Refused(u16),
    /// Nobody has seen a byte of it.
    Unsent,
    /// Nobody has seen a byte of it, or nobody knows: the fault and the first byte crossed.
    UnsentOrUnknown,
    /// Nobody knows whether it happened. An initiate is not repeated by itself.
    Unknown,
    /// The answer was cut at our limit. What can be asked again is given up; whether an initiate happened is unknown.
    TooLarge,
    /// The whole answer came before the fault, or it did not: both are true.
    DoneOrUnknown,
    /// As `Unknown`, where the answer has a form that can be checked. A facemap has none: its length is believed.
    Believed(usize),
}

use Fate::{Believed, DoneOrUnknown, Limited, Refused, TooLarge, Unknown, Unsent, UnsentOrUnknown};

/// Bytes of a facemap at most; the limit for JSON is a constant of the same size.
pub(crate) const CAP: usize = 1 << 20;
/// What the operating system takes in between peer and client.
const IN_THE_PIPE: usize = 16 << 20;
/// When a call has not come back at all.
const STUCK: Duration = Duration::from_mins(1);

/// One call, one fault.
pub(crate) async fn meets(call: Call, name: &str, peer: &Peer, jumio: &JumioClient, fate: Fate) {
    let Ok(brought) = tokio::time::timeout(STUCK, call.make(jumio)).await else {
        panic!("{call:?} under {name}: it hangs")
    };
    let what = format!("{call:?} under {name}: {brought:?}");
    judge(call, fate, &brought, &what);
    assert!(peer.written() <= CAP + IN_THE_PIPE, "{what}: {} bytes were read", peer.written());
    assert!(peer.requests() <= 1, "{what}: it was repeated");
    if fate == Unsent {
        assert_eq!(peer.requests(), 0, "{what}");
    }
}

/// A client with so much time that takes no larger facemap than `CAP`.
pub(crate) fn within(time: Duration, origin: &str) -> JumioClient {
    client_of(origin, |config| {
        config.timeout = time;
        config.max_facemap_bytes = CAP;
    })
}

fn judge(call: Call, fate: Fate, brought: &Result<Brought, JumioError>, what: &str) {
    // An answer of any kind shows that the facemap is still there, or says nothing: never that it is gone.
    if call == Call::Gone && *brought == Ok(Brought::StillThere) {
        assert!(!matches!(fate, Limited(_) | Refused(_) | Unsent), "{what}");
        return;
    }
    let error = match (fate, brought) {
        (DoneOrUnknown, Ok(_)) => return,
        (Believed(length), Ok(Brought::Done(came))) if call == Call::Facemap => {
            assert_eq!(*came, length, "{what}");
            return;
        }
        (_, Ok(_)) => panic!("{what}"),
        (_, Err(error)) => error,
    };
    let unknown = error.outcome_is_unknown();
    match fate {
        Limited(seconds) => {
            let retry_after = seconds.map(Duration::from_secs);
            assert_eq!(*error, JumioError::RateLimited { retry_after }, "{what}");
            assert!(!unknown && error.is_retryable() && error.is_outage(), "{what}");
        }
        Refused(status) => {
            assert_eq!(*error, JumioError::Refused { status }, "{what}");
            assert!(!unknown && !error.is_retryable(), "{what}");
        }
        UnsentOrUnknown => {
            assert!(unknown || matches!(error, JumioError::Unavailable { .. }), "{what}");
            assert!(error.is_retryable(), "{what}");
        }
        Unsent => {
            assert!(matches!(error, JumioError::Unavailable { .. }), "{what}");
            assert!(!unknown && error.is_retryable() && error.is_outage(), "{what}");
        }
        TooLarge if !call.is_initiate() => {
            assert!(matches!(error, JumioError::Guarded { .. }) && !unknown, "{what}");
        }
        TooLarge | Unknown | DoneOrUnknown | Believed(_) => {
            assert!(unknown && error.is_retryable(), "{what}");
        }
    }
}
