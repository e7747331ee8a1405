//! Custody over the house: purges, holds, retention, acts on keys; and the two adapters that it asks for, because it
//! knows neither the inbox nor files.

use crate::{boot::House, config::Config};
use async_trait::async_trait;
use custody::{
    Custody, CustodyConfig, CustodyParts, Forget, ForgetError, Forgotten, Keys, KeysParts, Received,
};
use ingest::Ingest;
use model::{AuthenticationRef, EnrollmentRef};
use queue::Idempotency;
use records::Records;
use seal::Pseudonym;
use std::sync::Arc;

/// The inbox, as whoever forgets raw callbacks.
struct Inbox(Arc<Ingest>);

#[async_trait]
impl Forget for Inbox {
    async fn forget(
        &self,
        enrollment: &EnrollmentRef,
        authentications: &[AuthenticationRef],
    ) -> Result<Forgotten, ForgetError> {
        let forgotten = self.0.forget(enrollment, authentications).await.map_err(ForgetError::new)?;
        Ok(Forgotten { bodies: forgotten.bodies })
    }

    async fn received(&self, about: &[Pseudonym]) -> Result<Received, ForgetError> {
        let received = self.0.received_about(about).await.map_err(ForgetError::new)?;
        Ok(Received { times: received.times, complete: received.complete })
    }
}

/// Answers to requests that came with a key, as whoever forgets them.
struct KeptAnswers {
    book: Idempotency,
    records: Records,
}

#[async_trait]
impl Forget for KeptAnswers {
    async fn forget(
        &self,
        enrollment: &EnrollmentRef,
        _authentications: &[AuthenticationRef],
    ) -> Result<Forgotten, ForgetError> {
        self.book.forget(self.records.enrollment_key(enrollment)).await.map_err(ForgetError::new)?;
        Ok(Forgotten::default())
    }

    async fn received(&self, _about: &[Pseudonym]) -> Result<Received, ForgetError> {
        Ok(Received { times: Vec::new(), complete: true })
    }
}

/// Everybody who has something to forget, one after another.
struct All(Vec<Box<dyn Forget>>);

#[async_trait]
impl Forget for All {
    async fn forget(
        &self,
        enrollment: &EnrollmentRef,
        authentications: &[AuthenticationRef],
    ) -> Result<Forgotten, ForgetError> {
        let mut all = Forgotten::default();
        for one in &self.0 {
            all.bodies += one.forget(enrollment, authentications).await?.bodies;
        }
        Ok(all)
    }

    async fn received(&self, about: &[Pseudonym]) -> Result<Received, ForgetError> {
        let mut all = Received { times: Vec::new(), complete: true };
        for one in &self.0 {
            let received = one.received(about).await?;
            all.times.extend(received.times);
            all.complete &= received.complete;
        }
        all.times.sort_unstable();
        Ok(all)
    }
}

fn forgetters(house: &House, ingest: &Arc<Ingest>) -> All {
    let records = house.register.records().clone();
    let answers = KeptAnswers { book: house.idempotency.clone(), records };
    All(vec![Box::new(Inbox(Arc::clone(ingest))), Box::new(answers)])
}

/// Purges, holds, retention.
pub(crate) fn custody(config: &Config, house: &House, ingest: &Arc<Ingest>) -> Custody {
    Custody::new(CustodyParts {
        register: house.register.clone(),
        vault: Arc::clone(&house.vault),
        jumio: Arc::clone(&house.jumio),
        audit: house.audit.clone(),
        queue: house.queue.clone(),
        outbox: house.outbox.clone(),
        retrievals: house.retrievals.clone(),
        peer: house.peer.clone(),
        clock: Arc::clone(&house.clock),
        rng: Arc::clone(&house.rng),
        provider: Arc::clone(&house.provider),
        forget: Arc::new(forgetters(house, ingest)),
        config: CustodyConfig {
            slot_backup_horizon_days: config.store.slot_backup_horizon_days,
            confirm_above: config.purge.confirm_above,
            retention: config.retention,
            ..CustodyConfig::default()
        },
    })
}

/// Acts on keys.
pub(crate) fn keys(house: &House) -> Keys {
    Keys::new(KeysParts {
        records: house.register.records().clone(),
        vault: Arc::clone(&house.vault),
        audit: house.audit.clone(),
        queue: house.queue.clone(),
        provider: Arc::clone(&house.provider),
        shelf: Arc::clone(&house.shelf),
        clock: Arc::clone(&house.clock),
    })
}
