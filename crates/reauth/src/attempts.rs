//! How often a person may be sent to Jumio: counted when a transaction is initiated, over all channels. Each attempt is
//! one more chance for somebody who is not that person.

use crate::{Reauth, error::ReauthError, initiate::until, service::until_no_conflict};
use audit::{Action, Actor, Note, Outcome};
use jiff::{SignedDuration, Timestamp};
use model::UserReference;
use notify::{Event, EventKind, Field};
use records::{Commit, UserKey};
use register::{AttemptsRow, Enrollment};
use serde::Serialize;
use std::time::Duration;

/// How many, within which time.
#[derive(Debug, Clone, Copy)]
pub struct Attempts {
    /// Transactions of a user at most, at least one.
    pub most: usize,
    /// Within this time.
    pub within: SignedDuration,
}

impl Attempts {
    /// Whether one more is allowed, and if not, from when on.
    ///
    /// # Errors
    /// The time from which on it is allowed.
    pub fn permit(self, row: &AttemptsRow, now: Timestamp) -> Result<(), Timestamp> {
        let recent = self.recent(row, now);
        match recent.len().checked_sub(self.most.max(1)) {
            Some(over) => Err(recent[over] + self.within),
            None => Ok(()),
        }
    }

    /// The row with one more. What no longer counts is forgotten, and so is that somebody was refused.
    #[must_use]
    pub fn count(self, row: &AttemptsRow, now: Timestamp) -> AttemptsRow {
        let mut at = self.recent(row, now);
        at.push(now);
        AttemptsRow { at, locked_at: None }
    }

    fn recent(self, row: &AttemptsRow, now: Timestamp) -> Vec<Timestamp> {
        // One from the future is a clock that was put back: it counts as of now.
        let from = now - self.within;
        row.at.iter().map(|at| (*at).min(now)).filter(|at| *at > from).collect()
    }
}

/// A user's attempts after they were forgiven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unlocked {
    /// The user.
    pub user_reference: UserReference,
    /// Attempts that were forgiven.
    pub forgiven: usize,
    /// Whether somebody had been refused because of them.
    pub was_locked: bool,
}

impl Reauth {
    /// Refuses a user with too many attempts. The first refusal is written down and told.
    pub(crate) async fn permit(&self, enrollment: &Enrollment, actor: &Actor) -> Result<(), ReauthError> {
        match until_no_conflict!(self.permit_once(enrollment, actor))? {
            None => Ok(()),
            Some(at) => Err(ReauthError::TooManyAttempts { retry_after: until(self.now(), at) }),
        }
    }

    /// `None`: it is allowed.
    async fn permit_once(
        &self,
        enrollment: &Enrollment,
        actor: &Actor,
    ) -> Result<Option<Timestamp>, ReauthError> {
        let register = &self.parts.register;
        let Some(user) = enrollment.row.user else { return Ok(None) };
        let Some(stored) = register.attempts(user).await? else { return Ok(None) };
        let Err(at) = self.config.attempts.permit(&stored.value, self.now()) else { return Ok(None) };
        if stored.value.locked_at.is_none() {
            let mut commit = register.records().commit();
            let row = AttemptsRow { locked_at: Some(self.now()), ..stored.value.clone() };
            register.put_attempts(&mut commit, user, Some(&stored), &row);
            let note = Note::about(Action::UserLocked, user.0, actor.clone()).of_user(user.0);
            let note = note.ended(Outcome::Refused).with("attempts", row.at.len()).with("until", at);
            self.parts.audit.note(&mut commit, note);
            self.parts.outbox.put(&mut commit, locked(enrollment, row.at.len(), at)).await?;
            commit.submit().await?;
        }
        Ok(Some(at))
    }

    /// Puts one more attempt into the commit that says that Jumio has created the transaction.
    pub(crate) async fn count_attempt(
        &self,
        commit: &mut Commit,
        user: UserKey,
        now: Timestamp,
    ) -> Result<(), ReauthError> {
        let register = &self.parts.register;
        let stored = register.attempts(user).await?;
        let before = stored.as_ref().map(|read| read.value.clone()).unwrap_or_default();
        register.put_attempts(commit, user, stored.as_ref(), &self.config.attempts.count(&before, now));
        Ok(())
    }

    /// How long a user has to wait for the next attempt; `None`: not at all.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub async fn locked_for(&self, user: &UserReference) -> Result<Option<Duration>, ReauthError> {
        let key = self.parts.register.records().user_key(user);
        let Some(stored) = self.parts.register.attempts(key).await? else { return Ok(None) };
        let now = self.now();
        Ok(self.config.attempts.permit(&stored.value, now).err().map(|at| until(now, at)))
    }

    /// Forgives a user's attempts.
    ///
    /// # Errors
    /// [`ReauthError::UnknownUser`]; others when a record cannot be read or changed.
    pub async fn unlock(&self, user: &UserReference, actor: Actor) -> Result<Unlocked, ReauthError> {
        until_no_conflict!(self.unlock_once(user, &actor))
    }

    async fn unlock_once(&self, user: &UserReference, actor: &Actor) -> Result<Unlocked, ReauthError> {
        let register = &self.parts.register;
        let key = register.records().user_key(user);
        let Some(stored) = register.attempts(key).await? else {
            if register.rows_of_user(key, None, 1).await?.is_empty() {
                return Err(ReauthError::UnknownUser);
            }
            return Ok(Unlocked { user_reference: user.clone(), forgiven: 0, was_locked: false });
        };
        let forgiven = self.config.attempts.recent(&stored.value, self.now()).len();
        let was_locked = self.config.attempts.permit(&stored.value, self.now()).is_err();
        let mut commit = register.records().commit();
        register.remove_attempts(&mut commit, key, &stored);
        let note = Note::about(Action::UserUnlocked, key.0, actor.clone()).of_user(key.0);
        self.parts.audit.note(&mut commit, note.with("attempts", forgiven).with("wasLocked", was_locked));
        commit.submit().await?;
        Ok(Unlocked { user_reference: user.clone(), forgiven, was_locked })
    }
}

fn locked(enrollment: &Enrollment, attempts: usize, until: Timestamp) -> Event {
    let person = enrollment.private.as_ref();
    Event::about(EventKind::UserLocked, enrollment.key, enrollment.row.slot)
        .with(Field::UserReference, person.and_then(|person| person.user_reference.as_ref()))
        .with(Field::EnrollmentTransactionReference, person.map(|person| person.reference))
        .with(Field::Attempts, attempts)
        .with(Field::Until, until)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Attempts = Attempts { most: 3, within: SignedDuration::from_hours(1) };

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + minute * 60).unwrap()
    }

    fn row(minutes: &[i64]) -> AttemptsRow {
        AttemptsRow { at: minutes.iter().copied().map(at).collect(), locked_at: None }
    }

    #[test]
    fn as_many_as_allowed_and_the_next_when_the_oldest_no_longer_counts() {
        assert_eq!(RULES.permit(&row(&[]), at(0)), Ok(()));
        assert_eq!(RULES.permit(&row(&[0, 10]), at(20)), Ok(()));
        assert_eq!(RULES.permit(&row(&[0, 10, 20]), at(20)), Err(at(60)));
        assert_eq!(RULES.permit(&row(&[0, 10, 20]), at(59)), Err(at(60)));
        assert_eq!(RULES.permit(&row(&[0, 10, 20]), at(60)), Ok(()));
        // More than are allowed now, because the limit was lowered meanwhile.
        assert_eq!(RULES.permit(&row(&[0, 10, 20, 30]), at(40)), Err(at(70)));
    }

    #[test]
    fn what_no_longer_counts_is_forgotten_and_so_is_the_refusal() {
        let locked = AttemptsRow { locked_at: Some(at(30)), ..row(&[0, 10, 20]) };
        let counted = RULES.count(&locked, at(65));
        assert_eq!(counted, row(&[10, 20, 65]));
    }

    #[test]
    fn a_clock_that_was_put_back_locks_nobody_for_longer() {
        assert_eq!(RULES.permit(&row(&[500, 500, 500]), at(0)), Err(at(60)));
    }
}
