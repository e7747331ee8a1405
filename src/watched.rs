//! Something that is read from files and read again when they change. The last good reading stays in force.

use crate::files::{self, Stamp};
use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A value with the files it comes from.
pub(crate) struct Watched<T> {
    /// What it is, for the log.
    what: &'static str,
    paths: Vec<PathBuf>,
    state: Mutex<State<T>>,
}

struct State<T> {
    good: Option<Arc<T>>,
    /// The files' stamps before the last reading, whether or not that was any good.
    seen: Vec<Option<Stamp>>,
    trouble: Option<String>,
}

impl<T> Watched<T> {
    /// Nothing is read yet.
    pub(crate) const fn new(what: &'static str, paths: Vec<PathBuf>) -> Self {
        Self { what, paths, state: Mutex::new(State { good: None, seen: Vec::new(), trouble: None }) }
    }

    /// The value as it is now. The look at the files is one `stat` for each, a microsecond, so that nobody has to run
    /// in the background, and a change is noticed by the next use.
    ///
    /// # Errors
    /// That of `load`, as long as no reading was good. Later ones are logged, and [`Watched::trouble`] tells them.
    pub(crate) fn current<E: std::error::Error>(
        &self,
        load: impl FnOnce() -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        let mut state = self.lock();
        // Before the reading: a change during it is found by the next look.
        let now: Vec<_> = self.paths.iter().map(|path| files::stamp(path)).collect();
        let good = state.good.clone();
        if let Some(good) = good.as_ref().filter(|_| state.seen == now) {
            return Ok(Arc::clone(good));
        }
        state.seen = now;
        match (load(), good) {
            (Ok(value), before) => {
                if before.is_some() {
                    tracing::info!("{}: the file has changed and was read again", self.what);
                }
                let value = Arc::new(value);
                state.good = Some(Arc::clone(&value));
                state.trouble = None;
                Ok(value)
            }
            (Err(error), Some(good)) => {
                let what = self.what;
                tracing::error!(%error, "{what}: the file has changed and cannot be used; what was read before stays in force");
                state.trouble = Some(error.to_string());
                Ok(good)
            }
            (Err(error), None) => Err(error),
        }
    }

    /// What was wrong with the last reading, while an earlier one is in force.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.lock().trouble.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watched({}, {:?})", self.what, self.paths)
    }
}
