//! Whether a facemap is whole, asked of slot and content file alone: no record is needed. GCM proves every byte, so
//! nothing is hashed; whole files are read in one piece, into buffers that are used again, by all processors.

use crate::{
    content_dir::ContentDir,
    content_form,
    error::{Damage, VaultError},
    sector::Sector,
    slot_keys::SlotSecret,
    types::{Contents, SlotKind, SlotRef, VaultId},
    vault::{Vault, in_use, of_kind, stopped},
};
use model::EnrollmentRef;
use seal::{KeyProvider, SealingKey};
use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    thread,
};
use tokio::task::JoinSet;
use zeroize::Zeroizing;

/// Data keys that are unwrapped at the same time.
const UNWRAPS: usize = 16;

/// What a whole facemap says about itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Found {
    /// The enrollment whose facemap it is.
    pub reference: EnrollmentRef,
    /// The note that was put with it.
    pub note: Zeroizing<Vec<u8>>,
    /// What its record must say about it.
    pub contents: Contents,
}

/// A slot's secret and what is wrapped in it.
pub(crate) struct Locked {
    slot: SlotRef,
    secret: SlotSecret,
    wrapped: Vec<u8>,
}

type Numbered<T> = (usize, Result<T, VaultError>);
type Keyed = (SlotRef, SealingKey);

impl Vault {
    /// Proves that slot and content file of a prepared or live facemap are whole, and says what they are.
    ///
    /// # Errors
    /// [`VaultError::Damaged`] with the reason; [`VaultError::Burnt`], [`VaultError::NoSuchSlot`],
    /// [`VaultError::WrongKind`], [`VaultError::Keys`], [`VaultError::Io`].
    pub async fn check(&self, slot: SlotRef) -> Result<Found, VaultError> {
        self.check_many(vec![slot]).await.pop().unwrap_or(Err(VaultError::Stopping))
    }

    /// As [`Vault::check`], for many slots at once, answered in their order. As many facemaps are in memory as the
    /// machine has processors.
    pub async fn check_many(&self, slots: Vec<SlotRef>) -> Vec<Result<Found, VaultError>> {
        let count = slots.len();
        let read = self.run(move |inner| {
            let vault = inner.slots.vault();
            let read = |slot: SlotRef| Locked::of(&inner.slots.read(slot)?, vault);
            Ok(slots.into_iter().map(read).collect::<Vec<_>>())
        });
        let locked = read.await.unwrap_or_else(|_| unanswered(count).collect());
        let (provider, contents) = (Arc::clone(&self.0.provider), Arc::clone(&self.0.contents));
        check_all(provider, contents, self.id(), locked).await
    }
}

impl Locked {
    /// Takes out of a facemap's sector what opens its content.
    pub(crate) fn of(sector: &Sector, vault: VaultId) -> Result<Self, VaultError> {
        in_use(sector)?;
        of_kind(sector, SlotKind::Facemap)?;
        if sector.wrapped().is_empty() {
            return Err(VaultError::Damaged(Damage::NoKey));
        }
        let secret = SlotSecret::of(sector, vault);
        Ok(Self { slot: sector.slot, secret, wrapped: sector.wrapped().to_vec() })
    }
}

/// Unwraps the keys, some at a time, then opens the files, one for each processor. In the order of `locked`.
pub(crate) async fn check_all(
    provider: Arc<dyn KeyProvider>,
    contents: Arc<ContentDir>,
    vault: VaultId,
    locked: Vec<Result<Locked, VaultError>>,
) -> Vec<Result<Found, VaultError>> {
    let count = locked.len();
    let queue = Queue::new(locked.into_iter().enumerate());
    let mut tasks = JoinSet::new();
    for _ in 0..UNWRAPS.min(count) {
        tasks.spawn(unwrap_some(Arc::clone(&provider), queue.clone()));
    }
    let queue = Queue::new(gathered(tasks).await);
    let mut tasks = JoinSet::new();
    let processors = thread::available_parallelism().map_or(1, usize::from);
    for _ in 0..processors.min(count) {
        let (contents, queue) = (Arc::clone(&contents), queue.clone());
        tasks.spawn_blocking(move || open_some(&contents, vault, &queue));
    }
    let mut answers: Vec<_> = unanswered(count).collect();
    for (number, found) in gathered(tasks).await {
        answers[number] = found;
    }
    answers
}

/// What is said of slots whose work was cut off by the end of the process.
fn unanswered<T>(count: usize) -> impl Iterator<Item = Result<T, VaultError>> {
    (0..count).map(|_| Err(VaultError::Stopping))
}

async fn gathered<T: 'static>(mut tasks: JoinSet<Vec<Numbered<T>>>) -> Vec<Numbered<T>> {
    let mut all = Vec::new();
    while let Some(some) = tasks.join_next().await {
        all.extend(some.unwrap_or_else(|error| stopped(error).unwrap_or_default()));
    }
    all
}

async fn unwrap_some(provider: Arc<dyn KeyProvider>, queue: Queue<Numbered<Locked>>) -> Vec<Numbered<Keyed>> {
    let mut keyed = Vec::new();
    while let Some((number, locked)) = queue.take() {
        let key = match locked {
            Ok(locked) => {
                let key = locked.secret.data_key(&*provider, &locked.wrapped).await;
                key.map(|key| (locked.slot, key))
            }
            Err(error) => Err(error),
        };
        keyed.push((number, key));
    }
    keyed
}

fn open_some(contents: &ContentDir, vault: VaultId, queue: &Queue<Numbered<Keyed>>) -> Vec<Numbered<Found>> {
    let mut found = Vec::new();
    let mut buffer = Zeroizing::default();
    while let Some((number, keyed)) = queue.take() {
        let opened = keyed.and_then(|(slot, key)| {
            let file = contents.read_whole(slot.facemap, std::mem::take(&mut buffer))?;
            content_form::open_unknown(&key, vault, slot, file).map_err(VaultError::Damaged)
        });
        found.push((
            number,
            opened.map(|opened| {
                // What is in it is overwritten by the next file, and wiped after the last.
                buffer = opened.facemap.into_buffer();
                Found { reference: opened.enrollment, note: opened.note, contents: opened.contents }
            }),
        ));
    }
    found
}

/// Work that several tasks take from.
pub(crate) struct Queue<T>(Arc<Mutex<VecDeque<T>>>);

impl<T> Queue<T> {
    pub(crate) fn new(work: impl IntoIterator<Item = T>) -> Self {
        Self(Arc::new(Mutex::new(work.into_iter().collect())))
    }

    pub(crate) fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Without the note: somebody's name is in it.
impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found").field("contents", &self.contents).finish_non_exhaustive()
    }
}
