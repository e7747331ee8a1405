//! What can go wrong with the sandbox itself. What it answers to its callers is in `answer`.

/// Why the sandbox could not start, or refused a control request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The address could not be listened on.
    #[error("the sandbox cannot listen on that address: {0}; choose a free port, or port 0")]
    Listen(#[source] std::io::Error),
    /// The sandbox speaks plain HTTP and checks nothing that protects people, so it stays on this machine.
    #[error("the sandbox listens on loopback only; choose an address like 127.0.0.1:9090")]
    NotLoopback,
    /// The client for sending callbacks could not be built.
    #[error("the client that sends callbacks could not be built: {0}")]
    CallbackClient(String),
    /// No transaction of that reference is known, or it was deleted.
    #[error(
        "no such transaction in the sandbox; it was never made, was deleted, or fell out of the capped list"
    )]
    UnknownReference,
    /// The transaction has its outcome already; outcomes never change.
    #[error("the transaction is final already; start another one")]
    AlreadyFinal,
    /// A control request that makes no sense; says why.
    #[error("{0}")]
    Invalid(String),
    /// A cap of the sandbox is reached.
    #[error("the sandbox holds as many facemap bytes as it may; delete transactions or use `facemapBytes`")]
    Full,
}

impl SandboxError {
    /// Whether the same request may succeed later without being changed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Full)
    }

    /// The status with which the control routes answer this error.
    pub(crate) fn status(&self) -> http::StatusCode {
        match self {
            Self::UnknownReference => http::StatusCode::NOT_FOUND,
            Self::AlreadyFinal => http::StatusCode::CONFLICT,
            Self::Full => http::StatusCode::INSUFFICIENT_STORAGE,
            Self::Listen(_) | Self::NotLoopback | Self::CallbackClient(_) => {
                http::StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::Invalid(_) => http::StatusCode::BAD_REQUEST,
        }
    }
}
