//! How an answer rests until its request is repeated: sealed under the slot of everybody whom it names, so that it goes
//! with them in every copy; and under the key of records, as every row.

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::{StatusCode, header},
    web::Bytes,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use model::{EnrollmentRef, EnrollmentState};
use queue::{Finished, KeyedRequest};
use records::EnrollmentKey;
use register::{Register, RegisterError, Sealed};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use vault::{SlotRef, VaultError};

/// The field under which answers are sealed.
const FIELD: &str = "idempotent-answer";
/// References and ids in an answer that are looked up. One with more is a list, and is not kept.
const MOST_NAMES: usize = 24;
/// People whom an answer that is kept may name.
const MOST_PEOPLE: usize = 4;
/// Headers that belong to an answer. All others are the listener's.
const HEADERS: [header::HeaderName; 4] =
    [header::CONTENT_TYPE, header::LOCATION, header::CONTENT_DISPOSITION, header::CONTENT_LANGUAGE];

/// An answer as it was given.
#[derive(Serialize, Deserialize)]
pub(super) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

/// What rests: the answer, or, with slots, the innermost of envelopes around it.
#[derive(Serialize, Deserialize)]
struct Kept {
    slots: Vec<SlotRef>,
    answer: Value,
}

/// What a kept answer opened as.
pub(super) enum Opened {
    Answer(Answer),
    /// Somebody whom it names was purged.
    Gone,
}

/// Whom an answer names.
type People = BTreeMap<EnrollmentKey, SlotRef>;

impl Answer {
    fn of(head: &HttpResponse<()>, body: &Bytes) -> Self {
        let headers = HEADERS.iter().filter_map(|name| {
            let value = head.headers().get(name)?.to_str().ok()?;
            Some((name.to_string(), value.to_owned()))
        });
        Self {
            status: head.status().as_u16(),
            headers: headers.collect(),
            body: BASE64_STANDARD.encode(body),
        }
    }

    pub(super) fn into_response(self) -> HttpResponse {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = HttpResponseBuilder::new(status);
        for (name, value) in self.headers {
            response.insert_header((name, value));
        }
        response.body(BASE64_STANDARD.decode(self.body).unwrap_or_default())
    }
}

/// Makes of an answer what is kept of it. Where it cannot be found out whom it names, or one of them is gone already,
/// that is its status alone.
pub(super) async fn seal(
    register: &Register,
    keyed: &KeyedRequest,
    path: &str,
    asked: &[u8],
    head: &HttpResponse<()>,
    body: &Bytes,
) -> Finished {
    let status = head.status().as_u16();
    let sealed = async {
        let Some(people) = people_in(register, path, asked, head.status(), body).await? else {
            return Ok(None);
        };
        let mut kept = Kept { slots: Vec::new(), answer: serde_json::to_value(Answer::of(head, body))? };
        for slot in people.values() {
            let sealed = register.seal_private(*slot, FIELD, keyed.id(), &kept.answer).await?;
            kept.answer = serde_json::to_value(sealed)?;
            kept.slots.push(*slot);
        }
        let about = people.into_keys().collect();
        Ok::<_, NotKept>(Some((serde_json::to_string(&kept)?, about)))
    };
    let (answer, about) = match sealed.await {
        Ok(Some((answer, about))) => (Some(answer), about),
        Ok(None) => (None, Vec::new()),
        Err(error) => {
            tracing::warn!(%error, "the answer to a request with an idempotency key is not kept");
            (None, Vec::new())
        }
    };
    Finished { status, answer, about, digest: None }
}

/// Why an answer is not kept.
#[derive(Debug, thiserror::Error)]
enum NotKept {
    #[error(transparent)]
    Register(#[from] RegisterError),
    #[error("it could not be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Opens what is kept.
pub(super) async fn open(
    register: &Register,
    keyed: &KeyedRequest,
    kept: &str,
) -> Result<Opened, RegisterError> {
    let Kept { slots, mut answer } = serde_json::from_str(kept).map_err(|_| RegisterError::Damaged)?;
    for slot in slots.into_iter().rev() {
        let sealed: Sealed = serde_json::from_value(answer).map_err(|_| RegisterError::Damaged)?;
        answer = match register.open_private(slot, FIELD, keyed.id(), &sealed).await {
            Ok(inner) => inner,
            Err(RegisterError::Vault(VaultError::Burnt | VaultError::NoSuchSlot)) => return Ok(Opened::Gone),
            Err(error) => return Err(error),
        };
    }
    serde_json::from_value(answer).map(Opened::Answer).map_err(|_| RegisterError::Damaged)
}

/// Everybody whom an answer names: by any reference or id in it, or, when there is none, by the user whom the request
/// names. `None`: it must not be kept, because it is a list, or names somebody who is gone or has no slot.
async fn people_in(
    register: &Register,
    path: &str,
    asked: &[u8],
    status: StatusCode,
    body: &Bytes,
) -> Result<Option<People>, RegisterError> {
    let mut names = Names::default();
    if let Ok(answer) = serde_json::from_slice::<Value>(body) {
        names.collect(&answer);
    }
    if status.is_success() {
        path.split('/').for_each(|part| names.note(part));
    }
    if names.ids.len() > MOST_NAMES || names.users.len() > MOST_PEOPLE {
        return Ok(None);
    }
    let mut people = People::new();
    for name in &names.ids {
        if !find(register, name, &mut people).await? {
            return Ok(None);
        }
    }
    if people.is_empty() {
        let is_named = !names.users.is_empty();
        if status.is_success()
            && let Ok(Value::Object(asked)) = serde_json::from_slice::<Value>(asked)
        {
            names.users.extend(asked.get("userReference").and_then(Value::as_str).map(str::to_owned));
        }
        for user in &names.users {
            if !find_user(register, user, &mut people).await? {
                return Ok(None);
            }
        }
        if is_named && people.is_empty() {
            return Ok(None);
        }
    }
    Ok((people.len() <= MOST_PEOPLE).then_some(people))
}

/// What in an answer may name somebody.
#[derive(Default)]
struct Names {
    ids: Vec<EnrollmentRef>,
    users: Vec<String>,
}

impl Names {
    fn collect(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value {
                        Value::String(user) if name == "userReference" => self.users.push(user.clone()),
                        value => self.collect(value),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.collect(item)),
            Value::String(text) => self.note(text),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// All ids and references have the same form; which one it is shows where it is found.
    fn note(&mut self, text: &str) {
        if let Ok(id) = text.parse()
            && !self.ids.contains(&id)
        {
            self.ids.push(id);
        }
    }
}

/// Finds the enrollment that an id leads to, if it leads to one. Whether an answer that names it may be kept.
async fn find(register: &Register, id: &EnrollmentRef, people: &mut People) -> Result<bool, RegisterError> {
    let bytes = *id.as_bytes();
    if let Some(found) = register.enrollment(id).await? {
        return Ok(add(people, found.key, found.row.state, found.row.slot));
    }
    let id = model::AuthenticationId::from_bytes(bytes);
    let reference = model::AuthenticationRef::from_bytes(bytes);
    let mut key = register.authentication(id).await?.map(|found| found.row.enrollment);
    if key.is_none() {
        key = register.authentication_by_reference(&reference).await?.map(|found| found.row.enrollment);
    }
    if key.is_none() {
        let link = register.link(model::LinkId::from_bytes(bytes)).await?;
        key = link.map(|link| link.row.enrollment);
    }
    let Some(key) = key else { return Ok(true) };
    find_enrollment(register, key, people).await
}

async fn find_user(register: &Register, user: &str, people: &mut People) -> Result<bool, RegisterError> {
    let Ok(user) = user.parse() else { return Ok(true) };
    let row = register.user(register.records().user_key(&user)).await?;
    let key = row.and_then(|row| row.value.current.or(row.value.claimed));
    match key {
        Some(key) => find_enrollment(register, key, people).await,
        None => Ok(true),
    }
}

async fn find_enrollment(
    register: &Register,
    key: EnrollmentKey,
    people: &mut People,
) -> Result<bool, RegisterError> {
    Ok(match register.enrollment_row(key).await? {
        Some(row) => add(people, key, row.state, row.slot),
        None => false,
    })
}

fn add(people: &mut People, key: EnrollmentKey, state: EnrollmentState, slot: SlotRef) -> bool {
    people.insert(key, slot);
    !matches!(state, EnrollmentState::Purging | EnrollmentState::Purged)
}

#[cfg(test)]
#[path = "kept_answers_tests.rs"]
mod tests;
