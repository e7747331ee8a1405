//! The messenger over the house: whom events are sent to, with which secrets, and for how long it works.

use crate::{
    boot::House,
    config::{Config, Notifications},
    failure::Failure,
    secret_file::SecretFile,
    shutdown::{Phase, Tasks},
};
use egress::Origin;
use notify::{Messenger, Receiver, ReceiverConfig, ReceiverWatch, Secrets, SecretsUnreadable, SigningSecret};
use std::sync::Arc;
use tokio::sync::watch;

/// The files that hold the secrets, as they are now.
struct ConfiguredSecrets(Vec<Arc<SecretFile>>);

impl Secrets for ConfiguredSecrets {
    fn current(&self) -> Result<Vec<SigningSecret>, SecretsUnreadable> {
        let unreadable = |error: &dyn std::error::Error| {
            tracing::error!("Events are not sent, because a secret that signs them cannot be used: {error}");
            SecretsUnreadable
        };
        let read = |file: &Arc<SecretFile>| {
            let text = file.current().map_err(|error| unreadable(&error))?;
            SigningSecret::parse(text.expose()).map_err(|error| unreadable(&error))
        };
        self.0.iter().map(read).collect()
    }
}

/// The receiver that the configuration names; none where events are only pulled.
///
/// # Errors
/// When its address or a file cannot be used.
fn receiver(wanted: &Notifications, simulated: bool) -> Result<Option<Receiver>, Failure> {
    let Some(url) = &wanted.url else { return Ok(None) };
    let what = |error: &dyn std::error::Error| Failure::configuration(format!("[notifications]: {error}"));
    let config = ReceiverConfig {
        origin: url.origin().ascii_serialization().parse::<Origin>().map_err(|error| what(&error))?,
        path: url.path().to_owned(),
        simulated,
        allowed_networks: wanted.allowed_networks.clone(),
        ca_file: wanted.ca_file.clone(),
    };
    let secrets = Box::new(ConfiguredSecrets(wanted.secrets.clone()));
    Receiver::new(&config, secrets).map(Some).map_err(|error| what(&error))
}

/// Starts to tell what happens. What is not told when the service stops is told after the next start.
///
/// # Errors
/// When the receiver's address or a file cannot be used.
pub(crate) fn start(tasks: &mut Tasks, config: &Config, house: &House) -> Result<ReceiverWatch, Failure> {
    let receiver = receiver(&config.notifications, config.jumio.simulated)?;
    let messenger = Messenger::new(house.outbox.clone(), receiver);
    let (watch, ending) = (messenger.watch(), tasks.ending());
    let (stop, stopped) = watch::channel(false);
    tasks.spawn("events", async move {
        let working = messenger.run(stopped);
        tokio::pin!(working);
        tokio::select! {
            // It never ends unasked.
            () = &mut working => return Ok(()),
            () = ending.reached(Phase::Soft) => {}
        }
        stop.send_replace(true);
        working.await;
        Ok(())
    });
    Ok(watch)
}
