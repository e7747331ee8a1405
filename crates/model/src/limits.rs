//! Every limit that is not configuration, with its unit.

/// Characters of a Jumio transaction reference.
pub const JUMIO_REFERENCE_CHARS: usize = 36;

/// Characters of a user reference, `customerInternalReference` or `reportingCriteria` at most (seed 000).
pub const USER_REFERENCE_CHARS: usize = 100;

/// Characters of a `successUrl` at most (seed 000).
pub const SUCCESS_URL_CHARS: usize = 2047;

/// Characters of an `errorUrl` or `callbackUrl` at most (seed 000).
pub const SHORT_URL_CHARS: usize = 255;

/// Minutes that Jumio's authorization token may live: from, to (seed 000).
pub const TOKEN_LIFETIME_MINUTES: (u32, u32) = (5, 86_400);

/// Minutes that Jumio keeps a facemap for an authentication, and within which only the last transaction of an
/// enrollment works (seed 003).
pub const JUMIO_WINDOW_MINUTES: u32 = 15;

/// Seconds by which Jumio's clock and ours may differ before a result counts as older than its transaction.
pub const CLOCK_SKEW_SECONDS: i64 = 300;

/// Bytes of a sealed value in the store at most: sled holds small records only (values above 128 KiB go to files that
/// it never syncs).
pub const STORE_VALUE_BYTES: usize = 96 * 1024;

/// Bytes of a key in the store at most.
pub const STORE_KEY_BYTES: usize = 512;

/// Bytes of a JSON body on the private listener at most.
pub const API_BODY_BYTES: usize = 64 * 1024;

/// Bytes of an order to purge at most: 10 000 references, however they are laid out.
pub const PURGE_BODY_BYTES: usize = 1024 * 1024;

/// Bytes of an order for a batch as JSON at most: some 200 000 references. Longer lists come as a file.
pub const BATCH_JSON_BYTES: usize = 8 * 1024 * 1024;

/// Bytes of a batch's file at most: a million lines of the longest references.
pub const BATCH_FILE_BYTES: usize = 256 * 1024 * 1024;

/// Bytes of any JSON answer of Jumio at most. The largest documented one is a few kilobytes.
pub const JUMIO_JSON_BYTES: usize = 1024 * 1024;

/// Hours for which a PASSED against the old enrollment proves that the same person asks for a replacement.
pub const REPLACEMENT_PROOF_HOURS: i64 = 24;

/// Seconds that a caller may wait for a result in one request (`waitSeconds`).
pub const RESULT_WAIT_SECONDS: u64 = 25;

/// Seconds between two questions to Jumio for the same authentication, whoever waits for it.
pub const RESULT_ASK_SECONDS: i64 = 3;
