//! The numbers of all tables, in one place, so that no two are alike. Table 0 belongs to the engines.

use store::TableId;

/// What the whole store is: format, vault id, simulated or real.
pub const META: TableId = TableId(1);
/// Enrollments, by the reference's pseudonym.
pub const ENROLLMENTS: TableId = TableId(10);
/// Index: the enrollments of a user, oldest first.
pub const ENROLLMENTS_BY_USER: TableId = TableId(11);
/// Index: the enrollments in a state, oldest first.
pub const ENROLLMENTS_BY_STATE: TableId = TableId(12);
/// Users, by the reference's pseudonym.
pub const USERS: TableId = TableId(13);
/// Authentications, by their id.
pub const AUTHENTICATIONS: TableId = TableId(20);
/// Index: the authentication with this reference of Jumio's.
pub const AUTHENTICATIONS_BY_TRANSACTION: TableId = TableId(21);
/// Index: the authentications of an enrollment, oldest first.
pub const AUTHENTICATIONS_BY_ENROLLMENT: TableId = TableId(22);
/// Index: the authentications of a user, oldest first.
pub const AUTHENTICATIONS_BY_USER: TableId = TableId(23);
/// Index: the authentications in a state, oldest first.
pub const AUTHENTICATIONS_BY_STATE: TableId = TableId(24);
/// The window of an enrollment.
pub const WINDOWS: TableId = TableId(25);
/// Callbacks, by their id.
pub const INBOX: TableId = TableId(30);
/// Index: the callbacks in a state, oldest first.
pub const INBOX_BY_STATE: TableId = TableId(31);
/// The rest of a sealed callback that is too large for one row, by its id and the position.
pub const INBOX_PARTS: TableId = TableId(33);
/// The hours whose callbacks are not all settled.
pub const INBOX_EPOCHS: TableId = TableId(32);
/// Jobs, by what they are about.
pub const JOBS: TableId = TableId(40);
/// Index: jobs by the time they are due.
pub const JOBS_DUE: TableId = TableId(41);
/// Calls sent to Jumio within the last minute.
pub const BUDGET: TableId = TableId(42);
/// Jobs that were given up.
pub const DEAD_LETTERS: TableId = TableId(43);
/// The audit chain, by position.
pub const AUDIT: TableId = TableId(50);
/// Audit entries that have no position yet.
pub const AUDIT_PENDING: TableId = TableId(51);
/// The head of the audit chain.
pub const AUDIT_HEAD: TableId = TableId(52);
/// Begins without a finish.
pub const AUDIT_OPEN: TableId = TableId(53);
