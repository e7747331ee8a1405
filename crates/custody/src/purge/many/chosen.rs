//! Whom a criterion is about, a page at a time, without opening anybody.

use crate::{Criterion, Custody, CustodyError, purge::condition::is_before};
use model::{EnrollmentRef, EnrollmentState, Timestamp};
use records::{EnrollmentKey, UserKey};
use register::{EnrollmentRow, UserPlace};

/// Rows that are read together.
const PAGE: usize = 512;

/// What an order means for one of those that it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// To be destroyed.
    Due,
    /// Left because of a hold.
    Held,
    /// Destroyed already, or about to be.
    Already,
}

/// Goes through those that a criterion is about.
pub(crate) struct Chosen<'a> {
    custody: &'a Custody,
    source: Source<'a>,
    /// References of a list that nothing is known under.
    pub(crate) unknown: Vec<EnrollmentRef>,
}

enum Source<'a> {
    User { user: UserKey, after: Option<UserPlace> },
    List(std::slice::Iter<'a, EnrollmentRef>),
    Rows { after: Option<EnrollmentKey>, before: Timestamp, by_use: bool },
    Over,
}

impl<'a> Chosen<'a> {
    pub(crate) fn by(custody: &'a Custody, criterion: &'a Criterion) -> Self {
        let rows = |before: &Timestamp, by_use| Source::Rows { after: None, before: *before, by_use };
        let source = match criterion {
            Criterion::User(user) => Source::User { user: custody.records().user_key(user), after: None },
            Criterion::Enrollments(list) => Source::List(list.iter()),
            Criterion::VaultedBefore(before) => rows(before, false),
            Criterion::LastUsedBefore(before) => rows(before, true),
        };
        Self { custody, source, unknown: Vec::new() }
    }

    /// The next of them; `None` at the end. A page may be empty.
    pub(crate) async fn page(&mut self) -> Result<Option<Vec<(EnrollmentKey, Standing)>>, CustodyError> {
        let register = &self.custody.parts.register;
        let mut page = Vec::new();
        match &mut self.source {
            Source::Over => return Ok(None),
            Source::User { user, after } => {
                let rows = register.rows_of_user(*user, after.as_ref(), PAGE).await?;
                let is_last = rows.len() < PAGE;
                *after = rows.last().map(|(place, _)| *place).or(*after);
                // A row that does not open is still the user's: it must not be missed silently.
                page.extend(rows.into_iter().map(|((_, _, key), row)| (key, standing(row.as_ref()))));
                if is_last {
                    self.source = Source::Over;
                }
            }
            Source::List(list) => {
                for reference in list.by_ref().take(PAGE) {
                    let key = self.custody.records().enrollment_key(reference);
                    match register.enrollment_row(key).await {
                        Ok(Some(row)) => page.push((key, standing(Some(&row)))),
                        Ok(None) => self.unknown.push(*reference),
                        // It was named: that it could not be destroyed must be seen.
                        Err(error) if error.is_damage() => page.push((key, standing(None))),
                        Err(error) => return Err(error.into()),
                    }
                }
                if list.as_slice().is_empty() {
                    self.source = Source::Over;
                }
            }
            Source::Rows { after, before, by_use } => {
                let rows = register.rows(*after, PAGE).await?;
                let is_last = rows.len() < PAGE;
                *after = rows.last().map(|(key, _)| *key).or(*after);
                let rows = rows.into_iter().filter(|(_, row)| is_before(row, *before, *by_use));
                page.extend(rows.map(|(key, row)| (key, standing(Some(&row)))));
                if is_last {
                    self.source = Source::Over;
                }
            }
        }
        Ok(Some(page))
    }
}

fn standing(row: Option<&EnrollmentRow>) -> Standing {
    match row {
        Some(row) if matches!(row.state, EnrollmentState::Purging | EnrollmentState::Purged) => {
            Standing::Already
        }
        Some(row) if row.hold => Standing::Held,
        _ => Standing::Due,
    }
}
