//! The token: its library, its sessions, the login.

use crate::{Pkcs11Config, Pkcs11Error, error::words, pin};
use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Pkcs11},
    error::{Error, RvError},
    object::ObjectHandle,
    session::{Session, SessionState, UserType},
    slot::Slot,
    types::RawAuthPin,
};
use seal::{KeyId, ProviderError};
use std::{
    cell::RefCell,
    collections::BTreeMap,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard},
};
use zeroize::Zeroizing;

/// A session that is logged in, and the objects it has found.
pub(crate) struct Open {
    pub(crate) session: Session,
    pub(crate) handles: RefCell<BTreeMap<KeyId, ObjectHandle>>,
}

/// Why something that was asked of a session was not done.
pub(crate) enum Trouble {
    /// The session, the login or the token may be gone: a new session is worth a try.
    Lost(Pkcs11Error),
    /// What was found on the token, or in the PIN file, does not let it go on; another session would find the same.
    Found(Pkcs11Error),
    /// An answer like any other.
    Answer(ProviderError),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Lost(error.into())
    }
}

impl From<Trouble> for ProviderError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Lost(error) | Trouble::Found(error) => error.into(),
            Trouble::Answer(error) => error,
        }
    }
}

impl From<Trouble> for Pkcs11Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Lost(error) | Trouble::Found(error) => error,
            Trouble::Answer(error) => Self::Token(error.to_string()),
        }
    }
}

impl From<Pkcs11Error> for Trouble {
    fn from(error: Pkcs11Error) -> Self {
        Self::Found(error)
    }
}

pub(crate) struct Token {
    context: Pkcs11,
    label: String,
    pin_file: PathBuf,
    idle: Mutex<Vec<Open>>,
    /// Held for reading while a session is at work.
    life: RwLock<()>,
    /// The PIN that the token has refused. Whoever logs in holds the lock, so that nobody else tries it at the same time.
    refused: Mutex<Option<Zeroizing<Vec<u8>>>>,
}

impl Token {
    /// Loads the library. The token itself is looked for when it is needed.
    pub(crate) fn load(config: &Pkcs11Config) -> Result<Self, Pkcs11Error> {
        let not_loaded = |why| Pkcs11Error::NotLoaded { path: config.module.clone(), why };
        let context = Pkcs11::new(&config.module).map_err(|error| not_loaded(words(&error)))?;
        Ok(Self {
            context,
            label: config.token_label.clone(),
            pin_file: config.pin_file.clone(),
            idle: Mutex::default(),
            life: RwLock::default(),
            refused: Mutex::default(),
        })
    }

    /// Does work in a session, and again if the session or the token turns out to be lost: in a new session, and with the
    /// library started anew. The work must be such that doing it twice does no harm.
    pub(crate) fn with<T>(&self, mut work: impl FnMut(&Open) -> Result<T, Trouble>) -> Result<T, Trouble> {
        let (mut renewed, mut restarted) = (false, false);
        loop {
            match self.once(&mut work) {
                Err(Trouble::Lost(_)) if !renewed => {
                    renewed = true;
                    // All of them were opened in the same life of the token.
                    let _life = self.life();
                    self.idle().clear();
                }
                Err(Trouble::Found(Pkcs11Error::NoToken { .. })) if !restarted && self.restart() => {
                    restarted = true;
                }
                outcome => return outcome,
            }
        }
    }

    /// Does work in a session, once.
    pub(crate) fn once<T>(&self, work: impl FnOnce(&Open) -> Result<T, Trouble>) -> Result<T, Trouble> {
        // Taken first, so that the session is closed before it is given back.
        let _life = self.life();
        let idle = self.idle().pop();
        let open = match idle {
            Some(open) => open,
            None => self.open()?,
        };
        let outcome = work(&open);
        if !matches!(outcome, Err(Trouble::Lost(_))) {
            self.idle().push(open);
        }
        outcome
    }

    /// Ends the library and starts it again: some look for tokens only then. Not while anybody is at work in it, which is not
    /// allowed, and with no session left, whose number might come again and be another's.
    fn restart(&self) -> bool {
        let Ok(_alone) = self.life.try_write() else { return false };
        self.idle().clear();
        // One that has not been started yet says so, and is started all the same.
        let _not_started = self.context.clone().finalize();
        self.initialize().is_ok()
    }

    /// A new session, logged in.
    fn open(&self) -> Result<Open, Pkcs11Error> {
        let slot = match self.slot() {
            // It has not been initialized yet, or not since it lost itself.
            Err(Pkcs11Error::Token(_)) => {
                self.initialize()?;
                self.slot()?
            }
            found => found?,
        };
        let session = self.context.open_rw_session(slot)?;
        self.log_in(&session)?;
        Ok(Open { session, handles: RefCell::default() })
    }

    /// The library is initialized once for a process, whoever does it, and again when it has lost itself.
    fn initialize(&self) -> Result<(), Pkcs11Error> {
        match self.context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Where the token is now: a token that was taken out may come back in another slot.
    fn slot(&self) -> Result<Slot, Pkcs11Error> {
        let mut found = Vec::new();
        for slot in self.context.get_slots_with_token()? {
            // A slot of which nothing can be told has not our token.
            let label = self.context.get_token_info(slot).map(|info| info.label().to_owned());
            if label.is_ok_and(|label| label.trim_end() == self.label.trim_end()) {
                found.push(slot);
            }
        }
        let label = self.label.clone();
        match found.as_slice() {
            [slot] => Ok(*slot),
            [] => Err(Pkcs11Error::NoToken { label }),
            several => Err(Pkcs11Error::SeveralTokens { label, count: several.len() }),
        }
    }

    fn log_in(&self, session: &Session) -> Result<(), Pkcs11Error> {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        // A login is the whole process's: another session may have done it.
        if matches!(session.get_session_info()?.session_state(), SessionState::RwUser) {
            return Ok(());
        }
        let pin = pin::read(&self.pin_file)?;
        let not_taken = |why: String| Pkcs11Error::PinRefused { path: self.pin_file.clone(), why };
        if refused.as_ref() == Some(&pin) {
            return Err(not_taken("as before".into()));
        }
        match session.login_with_raw(UserType::User, &RawAuthPin::new(Box::new(pin.to_vec()))) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {
                *refused = None;
                Ok(())
            }
            Err(error @ Error::Pkcs11(value, _)) if is_about_the_pin(value) => {
                *refused = Some(pin);
                Err(not_taken(words(&error)))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn life(&self) -> RwLockReadGuard<'_, ()> {
        self.life.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Open>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn is_about_the_pin(value: RvError) -> bool {
    matches!(
        value,
        RvError::PinIncorrect
            | RvError::PinInvalid
            | RvError::PinLenRange
            | RvError::PinExpired
            | RvError::PinLocked
            | RvError::UserPinNotInitialized
    )
}
