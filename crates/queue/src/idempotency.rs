//! Requests that came with a key of the caller's, so that repeating them does nothing twice.

use crate::{
    QueueError,
    desk::random,
    idempotency_digest::{BodyDigest, in_one},
    idempotency_rows::{BY_ENROLLMENT, BY_TIME, REQUESTS, RequestId, Row, State, put, remove},
    job,
};
use model::{Clock, Timestamp};
use records::{EnrollmentKey, Key as _, Records, RecordsError};
use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use store::{Range, StoreError};

/// How long a key is known.
const KNOWN_FOR: Duration = Duration::from_hours(24);
/// How long another process may take for a request before it is taken for dead.
const RUNS_FOR: Duration = Duration::from_mins(5);
/// Characters of an answer that is kept, as it is handed over, at most.
pub const ANSWER_CHARS: usize = 68 * 1024;
/// Rows that are looked at, or changed in one commit.
const PER_COMMIT: usize = 64;
/// Times that something is tried again because another commit came first.
const ATTEMPTS: u32 = 8;

/// A request that came with a key.
#[derive(Clone)]
pub struct KeyedRequest {
    id: RequestId,
    /// `None`: its body is read only while it is carried out.
    digest: Option<String>,
}

impl KeyedRequest {
    /// The bytes that name it wherever it rests.
    #[must_use]
    pub const fn id(&self) -> &[u8; 32] {
        &self.id.0
    }

    /// The same request, now that its body was read.
    #[must_use]
    pub fn with(self, digest: BodyDigest) -> Self {
        Self { digest: Some(digest.finish()), ..self }
    }
}

/// What is to be done with a request.
#[derive(Debug)]
pub enum Begun {
    /// Carry it out, then [`Idempotency::finish`] or [`Idempotency::free`].
    First(Running),
    /// It is being carried out.
    InUse,
    /// The key was used for another request.
    Differs,
    /// It was carried out; this is what was handed over.
    Answered(String),
    /// It was carried out with this HTTP status, and the answer was not kept.
    Done(u16),
    /// It was carried out, and somebody whom the answer named was purged since.
    Forgotten,
    /// The process that carried it out has died. Nobody was answered; whether it was done is not known.
    Interrupted,
}

/// A request that is being carried out. Dropped, it counts as interrupted.
pub struct Running {
    inner: Arc<Inner>,
    id: RequestId,
}

/// What came of a request.
#[derive(Debug)]
pub struct Finished {
    /// The HTTP status.
    pub status: u16,
    /// The answer as it is to be kept, sealed by whoever knows whom it is about; `None`: it is not kept.
    pub answer: Option<String>,
    /// The enrollments that it names.
    pub about: Vec<EnrollmentKey>,
    /// The digest of the body, where that was read only while the request was carried out.
    pub digest: Option<BodyDigest>,
}

struct Inner {
    records: Records,
    clock: Arc<dyn Clock>,
    process: u64,
    is_exclusive: bool,
    running: Mutex<HashSet<RequestId>>,
}

/// The book of requests with keys. Clones are the same book.
#[derive(Clone)]
pub struct Idempotency {
    inner: Arc<Inner>,
}

impl Idempotency {
    /// The book on these records. `is_exclusive`: no other process has this store open, so whatever an earlier one was
    /// carrying out is interrupted.
    #[must_use]
    pub fn new(records: Records, clock: Arc<dyn Clock>, is_exclusive: bool) -> Self {
        let process = random(&records);
        Self { inner: Arc::new(Inner { records, clock, process, is_exclusive, running: Mutex::default() }) }
    }

    /// A request of this caller to this route with this key, whose body was not read yet.
    #[must_use]
    pub fn request(&self, caller: &str, route: &str, key: &str) -> KeyedRequest {
        let pseudonyms = self.inner.records.keys().pseudonyms();
        let scope = in_one(&[caller.as_bytes(), route.as_bytes(), key.as_bytes()]);
        KeyedRequest { id: RequestId(*pseudonyms.of("idempotency-key", &scope).as_bytes()), digest: None }
    }

    /// Begins the digest of a request's body: of what belongs to the request beside it. A plain hash of a small body could
    /// be guessed; this one is keyed.
    #[must_use]
    pub fn digest(&self, beside: &[&[u8]]) -> BodyDigest {
        BodyDigest::beginning(self.inner.records.clone(), beside)
    }

    /// Whether this key is known. One that is not can be begun before the body was read.
    ///
    /// # Errors
    /// [`QueueError::Records`].
    pub async fn knows(&self, request: &KeyedRequest) -> Result<bool, QueueError> {
        let read = REQUESTS.get(&self.inner.records, &(request.id,)).await?;
        let now = self.inner.clock.now();
        Ok(read.is_some_and(|read| read.value.expires_at > now))
    }

    /// Begins a request, durably, or says what came of it before. One that `may_be_repeated` is carried out again where
    /// the process that was at it has died.
    ///
    /// # Errors
    /// [`QueueError::Records`]: nothing must be done.
    pub async fn begin(&self, request: &KeyedRequest, may_be_repeated: bool) -> Result<Begun, QueueError> {
        for _ in 0..ATTEMPTS {
            match self.try_begin(request, may_be_repeated).await {
                Err(QueueError::Records(error)) if error.is_conflict() => {}
                done => return done,
            }
        }
        Ok(Begun::InUse)
    }

    async fn try_begin(&self, request: &KeyedRequest, may_be_repeated: bool) -> Result<Begun, QueueError> {
        let inner = &self.inner;
        let now = inner.clock.now();
        let read = REQUESTS.get(&inner.records, &(request.id,)).await?;
        let known = read.as_ref().map(|read| &read.value).filter(|row| row.expires_at > now);
        if let Some(known) = known {
            match (&known.digest, &request.digest) {
                (Some(known), Some(digest)) if known != digest => return Ok(Begun::Differs),
                // It has become known just now, so somebody is at it.
                (_, None) => return Ok(Begun::InUse),
                _ => {}
            }
            match &known.state {
                State::Forgotten => return Ok(Begun::Forgotten),
                State::Answered { answer } => return Ok(Begun::Answered(answer.clone())),
                State::Done { status } => return Ok(Begun::Done(*status)),
                State::Running { process, since } if inner.runs(request.id, *process, *since, now) => {
                    return Ok(Begun::InUse);
                }
                State::Running { .. } if !may_be_repeated => return Ok(Begun::Interrupted),
                State::Running { .. } => {}
            }
        }
        if !inner.running().insert(request.id) {
            return Ok(Begun::InUse);
        }
        // From here on it is given up wherever this ends without success.
        let running = Running { inner: Arc::clone(inner), id: request.id };
        let mut commit = inner.records.commit();
        let row = Row {
            state: State::Running { process: inner.process, since: now },
            digest: request.digest.clone(),
            expires_at: job::whole(now + KNOWN_FOR),
            about: Vec::new(),
        };
        put(&mut commit, request.id, read.as_ref(), &row);
        commit.submit().await?;
        Ok(Begun::First(running))
    }

    /// Keeps what came of a request, before anybody is answered.
    ///
    /// # Errors
    /// [`QueueError::Records`]: it is not kept, and counts as interrupted.
    pub async fn finish(&self, running: Running, finished: Finished) -> Result<(), QueueError> {
        let Finished { status, answer, about, digest } = finished;
        let digest = digest.map(BodyDigest::finish);
        let state = match answer.filter(|answer| answer.len() <= ANSWER_CHARS) {
            Some(answer) => State::Answered { answer },
            None => State::Done { status },
        };
        self.settle(&running, |row| {
            let digest = digest.clone().or_else(|| row.digest.clone());
            Some(Row { state: state.clone(), about: about.clone(), digest, ..row.clone() })
        })
        .await
    }

    /// Lets the key be used anew: nothing was done that must not be done again.
    ///
    /// # Errors
    /// [`QueueError::Records`]: the request counts as interrupted.
    pub async fn free(&self, running: Running) -> Result<(), QueueError> {
        self.settle(&running, |_| None).await
    }

    async fn settle(
        &self,
        running: &Running,
        to: impl Fn(&Row) -> Option<Row> + Send + Sync,
    ) -> Result<(), QueueError> {
        for _ in 0..ATTEMPTS {
            let Some(read) = REQUESTS.get(&self.inner.records, &(running.id,)).await? else { return Ok(()) };
            // Somebody took this process for dead.
            if !matches!(read.value.state, State::Running { process, .. } if process == self.inner.process) {
                return Ok(());
            }
            let mut commit = self.inner.records.commit();
            match to(&read.value) {
                Some(row) => put(&mut commit, running.id, Some(&read), &row),
                None => remove(&mut commit, running.id, &read),
            }
            match commit.submit().await {
                Err(error) if error.is_conflict() => {}
                done => return Ok(done?),
            }
        }
        Err(RecordsError::Store(StoreError::Conflict).into())
    }

    /// Takes away every answer that names this enrollment. The keys stay known: a repetition is told so, and does
    /// nothing. How many there were.
    ///
    /// # Errors
    /// [`QueueError::Records`]: it is not sure that all are gone.
    pub async fn forget(&self, enrollment: EnrollmentKey) -> Result<u64, QueueError> {
        let (mut forgotten, mut conflicts) = (0, 0);
        loop {
            match self.forget_some(enrollment).await {
                Ok(0) => return Ok(forgotten),
                Ok(some) => forgotten += some,
                Err(QueueError::Records(error)) if error.is_conflict() && conflicts < ATTEMPTS => {
                    conflicts += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn forget_some(&self, enrollment: EnrollmentKey) -> Result<u64, QueueError> {
        let records = &self.inner.records;
        let rows = BY_ENROLLMENT.keys(records, (enrollment,).encode(), None, PER_COMMIT).await?;
        let mut commit = records.commit();
        for row in &rows {
            let read = REQUESTS.get(records, &(row.1,)).await?;
            match read {
                Some(read) if read.value.about.contains(&enrollment) => {
                    let gone = Row {
                        state: State::Forgotten,
                        digest: None,
                        about: Vec::new(),
                        expires_at: read.value.expires_at,
                    };
                    put(&mut commit, row.1, Some(&read), &gone);
                }
                read => {
                    commit.require(&REQUESTS, &(row.1,), read.as_ref());
                    commit.unindex(&BY_ENROLLMENT, row);
                }
            }
        }
        if !rows.is_empty() {
            commit.submit().await?;
        }
        Ok(rows.len() as u64)
    }

    /// Removes some of what is older than a day. Whether there may be more.
    ///
    /// # Errors
    /// [`QueueError::Records`].
    pub async fn expire(&self) -> Result<bool, QueueError> {
        let records = &self.inner.records;
        let before = Some((self.inner.clock.now(),).encode());
        let rows = BY_TIME.scan(records, &Range { before, ..Range::default() }, PER_COMMIT).await?;
        let mut commit = records.commit();
        for row in &rows {
            let read = REQUESTS.get(records, &(row.1,)).await?;
            match read {
                Some(read) if read.value.expires_at == row.0 => remove(&mut commit, row.1, &read),
                read => {
                    commit.require(&REQUESTS, &(row.1,), read.as_ref());
                    commit.unindex(&BY_TIME, row);
                }
            }
        }
        if !rows.is_empty() {
            commit.submit().await?;
        }
        Ok(rows.len() == PER_COMMIT)
    }
}

impl Inner {
    fn running(&self) -> MutexGuard<'_, HashSet<RequestId>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a request that is marked so is really being carried out.
    fn runs(&self, id: RequestId, process: u64, since: Timestamp, now: Timestamp) -> bool {
        if process == self.process {
            return self.running().contains(&id);
        }
        !self.is_exclusive && now < since + RUNS_FOR
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.inner.running().remove(&self.id);
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Running(..)")
    }
}

impl fmt::Debug for KeyedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyedRequest(..)")
    }
}

impl fmt::Debug for Idempotency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Idempotency(..)")
    }
}
