//! A new key, made and active.

use super::{Keys, RotatedView};
use crate::CustodyError;
use audit::{Action, Actor, Begin, Details, Outcome};
use seal::ProviderError;

impl Keys {
    /// Makes a new wrapping key, which wraps everything new from now on, and brings the held keys under it. What lies under
    /// other keys still opens; [`Keys::rewrap`] brings it under the new one.
    ///
    /// # Errors
    /// [`CustodyError::Keys`] when the provider made no key. [`CustodyError::Audit`] when the act, or its end, could not be
    /// written down: [`Keys::list`] shows whether it was done.
    pub async fn rotate(&self, actor: Actor) -> Result<RotatedView, CustodyError> {
        let keys = self.clone();
        self.to_the_end(async move { keys.rotate_now(actor).await }).await
    }

    async fn rotate_now(&self, actor: Actor) -> Result<RotatedView, CustodyError> {
        let _alone = self.0.acts.lock().await;
        let parts = self.parts();
        let previous = parts.provider.active();
        let begin = Begin::general(Action::KeyRotated, actor).with("previous", previous);
        let stroke = parts.audit.begin(begin).await?;
        let id = match parts.provider.rotate().await {
            Ok(id) => id,
            Err(error) => {
                parts.audit.finish_alone(&stroke, outcome(&error), Details::new()).await?;
                return Err(error.into());
            }
        };
        // The new key is the active one whatever comes of this: a rewrap tries again, and no key that the file names is
        // removed.
        let held_keys_rewrapped = match self.rewrap_held_keys().await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "the held keys stay under the previous key until a rewrap");
                false
            }
        };
        let details = Details::new().with("key", id).with("heldKeysRewrapped", held_keys_rewrapped);
        parts.audit.finish_alone(&stroke, Outcome::Done, details).await?;
        Ok(RotatedView { id, previous, held_keys_rewrapped })
    }
}

/// How an act ended that the provider did not do.
pub(super) const fn outcome(error: &ProviderError) -> Outcome {
    match error {
        ProviderError::ActiveKey(_)
        | ProviderError::NoSuchKey(_)
        | ProviderError::Unsupported(_)
        | ProviderError::ChangedElsewhere => Outcome::Refused,
        // A provider elsewhere may have done it and not been heard.
        ProviderError::Unavailable(_) => Outcome::Unknown,
        _ => Outcome::Failed,
    }
}
