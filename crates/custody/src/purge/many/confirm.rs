//! The token of a dry run: proof that somebody has seen the total of this very order within the hour. Nothing is stored.

use crate::{Criterion, Custody};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use model::Timestamp;
use std::time::Duration;

/// How long a token is good for.
const VALID_FOR: Duration = Duration::from_hours(1);
/// What the held key for links says with these tokens, and with nothing else.
const LABEL: &str = "purge confirmation";
const TIME_BYTES: usize = 8;

impl Custody {
    /// The token for this order, and until when it is good.
    pub(crate) fn confirm_token(&self, criterion: &Criterion, total: u64) -> (String, Timestamp) {
        let until = self.now().as_second() + VALID_FOR.as_secs().cast_signed();
        let tag = self.records().keys().links().tag(LABEL, &message(criterion, total, until));
        let token = [&until.to_be_bytes()[..], &tag].concat();
        let until = Timestamp::from_second(until).unwrap_or(Timestamp::MAX);
        (BASE64_URL_SAFE_NO_PAD.encode(token), until)
    }

    /// Whether a token is of a dry run of this very order within the last hour.
    pub(crate) fn confirms(&self, token: &str, criterion: &Criterion, total: u64) -> bool {
        let Ok(token) = BASE64_URL_SAFE_NO_PAD.decode(token) else { return false };
        let Some((until, tag)) = token.split_first_chunk::<TIME_BYTES>() else { return false };
        let until = i64::from_be_bytes(*until);
        let now = self.now().as_second();
        // A token from the future is of before the clock was put back: how old it is, nobody knows.
        let is_young = (now..=now + VALID_FOR.as_secs().cast_signed()).contains(&until);
        let tag: Result<[u8; 32], _> = tag.try_into();
        let keys = self.records().keys();
        is_young && tag.is_ok_and(|tag| keys.links().verify(LABEL, &message(criterion, total, until), &tag))
    }
}

fn message(criterion: &Criterion, total: u64, until: i64) -> Vec<u8> {
    [&until.to_be_bytes()[..], &total.to_be_bytes(), &criterion.spelled()].concat()
}
