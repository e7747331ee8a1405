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
/// Who granted the last call to Jumio: every grant replaces it.
pub const BUDGET_HEAD: TableId = TableId(44);
/// The audit chain, by position.
pub const AUDIT: TableId = TableId(50);
/// Audit entries that have no position yet.
pub const AUDIT_PENDING: TableId = TableId(51);
/// The head of the audit chain.
pub const AUDIT_HEAD: TableId = TableId(52);
/// Begins without a finish.
pub const AUDIT_OPEN: TableId = TableId(53);
/// Index: the audit entries about a pseudonym, by position.
pub const AUDIT_BY_SUBJECT: TableId = TableId(54);
/// How far the audit chain was handed to its second sink.
pub const AUDIT_SINK: TableId = TableId(55);
/// Orders to purge many.
pub const PURGES: TableId = TableId(60);
/// Whom such an order is about.
pub const PURGE_ITEMS: TableId = TableId(61);
/// The erasure of an enrollment: how far it is, and its receipts.
pub const ERASURES: TableId = TableId(62);
/// What is still to be deleted at Jumio, sealed under the erasure's own slot.
pub const ERASURE_REMOTE: TableId = TableId(63);
/// Legal holds.
pub const HOLDS: TableId = TableId(64);
/// How far the retention sweep is, and what it destroyed lately.
pub const RETENTION: TableId = TableId(65);
/// A rebuild or restore that nobody has acknowledged yet.
pub const RECOVERY: TableId = TableId(66);
/// How far a rewrap is.
pub const REWRAP: TableId = TableId(67);
/// Authentications of purged people that nobody can name at Jumio yet.
pub const ERASURE_UNNAMED: TableId = TableId(68);
/// Events for the company's backend, in the order of their cursor.
pub const EVENTS: TableId = TableId(70);
/// Index: events that wait to be delivered.
pub const EVENTS_DUE: TableId = TableId(71);
/// Events that have no place in the order yet.
pub const EVENTS_PENDING: TableId = TableId(72);
/// Index: events that wait or were given up, by their place.
pub const EVENTS_BY_STATE: TableId = TableId(73);
/// Where the places of events end.
pub const EVENTS_STATE: TableId = TableId(74);
/// Index: the events of an enrollment, by their place.
pub const EVENTS_BY_ORDER: TableId = TableId(75);
/// The vault's own links to re-authentication.
pub const LINKS: TableId = TableId(80);
/// Index: the links of a user, oldest first.
pub const LINKS_BY_USER: TableId = TableId(81);
/// Index: the links of an enrollment.
pub const LINKS_BY_ENROLLMENT: TableId = TableId(82);
/// How often a user was sent to Jumio lately.
pub const ATTEMPTS: TableId = TableId(85);
/// Batches.
pub const BATCHES: TableId = TableId(90);
/// The items of a batch, by their place in it.
pub const BATCH_ITEMS: TableId = TableId(91);
/// Index: the items of a batch in a state.
pub const BATCH_ITEMS_BY_STATE: TableId = TableId(92);
/// Index: the items whose link or authentication has changed since it was last looked at.
pub const BATCH_ITEMS_CHANGED: TableId = TableId(93);
/// Index: the items that are about an enrollment.
pub const BATCH_ITEMS_BY_ENROLLMENT: TableId = TableId(94);
/// Answers to requests that came with an `Idempotency-Key`.
pub const IDEMPOTENCY: TableId = TableId(95);
/// Index: those answers by the time when they go.
pub const IDEMPOTENCY_BY_TIME: TableId = TableId(96);
/// Index: those answers by the enrollments that they name.
pub const IDEMPOTENCY_BY_ENROLLMENT: TableId = TableId(97);
