//! What is looked after as long as the service runs: the store, the key provider, Jumio's addresses, answers whose day is
//! over.

use crate::{
    boot::House,
    config::Config,
    http::source::Sources,
    shutdown::{Phase, Tasks},
};
use model::Clock;
use std::{sync::Arc, time::Duration};
use store::{Store as _, StoreError};
use vault::VaultError;

/// How often Jumio's name is looked up for the addresses that callbacks come from.
const LOOK_UP_EVERY: Duration = Duration::from_mins(5);
/// How often idempotency keys are looked at whose day is over.
const EXPIRE_EVERY: Duration = Duration::from_mins(10);
/// How often the store's state of health is looked at.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// Starts all of it.
pub(crate) fn start(tasks: &mut Tasks, config: &Config, house: &Arc<House>, sources: Arc<Sources>) {
    watch_store(tasks, house);
    expire_answers(tasks, house);
    if config.keys.provider.can_be_away() {
        watch_keys(tasks, house);
    }
    if let Some(host) = config.callbacks.source_host {
        watch_source(tasks, house, host, sources);
    }
}

/// Ends the process once the store or the slot file has failed for good: nothing is retried on it, and the next start
/// finds out what is durable. A full disk passes, and ends nothing.
fn watch_store(tasks: &mut Tasks, house: &House) {
    let (store, vault) = (Arc::clone(&house.store), Arc::clone(&house.vault));
    let (clock, ending) = (Arc::clone(&house.clock), tasks.ending());
    tasks.spawn("store", async move {
        loop {
            if let Some(error @ VaultError::Poisoned) = vault.trouble() {
                return Err(error.into());
            }
            if let Some(error @ (StoreError::Poisoned(_) | StoreError::Ambiguous(_))) = store.trouble() {
                return Err(error.into());
            }
            tokio::select! {
                () = clock.sleep(WATCH_EVERY) => {}
                () = ending.reached(Phase::Soft) => return Ok(()),
            }
        }
    });
}

/// Removes the answers to requests with keys once their day is over.
fn expire_answers(tasks: &mut Tasks, house: &House) {
    let (book, clock, ending) = (house.idempotency.clone(), Arc::clone(&house.clock), tasks.ending());
    tasks.spawn("idempotency keys", async move {
        loop {
            // What cannot be removed now goes the next time: an expired key counts as unknown anyway.
            let has_more = book.expire().await.unwrap_or_else(|error| {
                tracing::debug!(%error, "expired idempotency keys could not be removed");
                false
            });
            let pause = if has_more { Duration::ZERO } else { EXPIRE_EVERY };
            tokio::select! {
                () = clock.sleep(pause) => {}
                () = ending.reached(Phase::Soft) => return Ok(()),
            }
        }
    });
}

/// Finds out whether the key provider is away before somebody needs it.
fn watch_keys(tasks: &mut Tasks, house: &House) {
    let (provider, clock, rng) =
        (Arc::clone(&house.watched), Arc::clone(&house.clock), Arc::clone(&house.rng));
    let ending = tasks.ending();
    tasks.spawn("key provider", async move {
        tokio::select! {
            () = provider.probe(&*clock, &*rng) => {}
            () = ending.reached(Phase::Soft) => {}
        }
        Ok(())
    });
}

fn watch_source(tasks: &mut Tasks, house: &House, host: &'static str, sources: Arc<Sources>) {
    let (clock, ending) = (Arc::clone(&house.clock), tasks.ending());
    tasks.spawn("source look-up", async move {
        tokio::select! {
            () = look_up(host, &sources, clock.as_ref()) => {}
            () = ending.reached(Phase::Soft) => {}
        }
        Ok(())
    });
}

/// Keeps the addresses of Jumio's callback host up to date. What is pinned in the configuration stays allowed whatever a
/// look-up says.
async fn look_up(host: &str, sources: &Sources, clock: &dyn Clock) {
    loop {
        match tokio::net::lookup_host((host, 443)).await {
            Ok(found) => sources.learn(found.map(|address| address.ip().to_canonical()).collect()),
            Err(error) => tracing::debug!("{host} could not be looked up: {error}"),
        }
        clock.sleep(LOOK_UP_EVERY).await;
    }
}
