//! A callback about a transaction that nobody could name when its person was purged: it names it, so it is deleted at
//! Jumio. Nothing else of the callback counts.

use crate::{Ingest, IngestError, inbox::TokenScope};
use jumio::{Callback, JumioError};
use queue::{JobKey, Kind};
use records::{Commit, EnrollmentKey};
use register::UnnamedRow;
use serde_json::Value;

const DELETED: u16 = 200;
const NOT_FOUND: u16 = 404;

impl Ingest {
    /// Deletes at Jumio what such a callback names, and puts into the commit that it was. Until Jumio has answered the
    /// callback is not judged, and its body stays sealed in the inbox.
    ///
    /// It must come with the token of that very transaction, and name no other onboarding than the purged one: a claim
    /// destroys nothing of anybody else's.
    pub(crate) async fn delete_late(
        &self,
        commit: &mut Commit,
        scope: TokenScope,
        callback: &Callback,
    ) -> Result<(), IngestError> {
        let (TokenScope::Authentication(id), Callback::Authentication(claim)) = (scope, callback) else {
            return Ok(());
        };
        let Some(read) = self.register.unnamed(id, self.clock.now()).await? else { return Ok(()) };
        let is_of = |key: EnrollmentKey| key == read.value.enrollment;
        let is_theirs = claim.enrollment.is_none_or(|named| is_of(self.records().enrollment_key(&named)));
        if !is_theirs || self.register.authentication_by_reference(&claim.reference).await?.is_some() {
            return Ok(());
        }
        self.draw_known_retrieval().await?;
        let status = match self.heard(self.jumio.delete_authentication(claim.reference).await) {
            Ok(()) => DELETED,
            Err(IngestError::Jumio(JumioError::NotFound)) => NOT_FOUND,
            Err(error) => return Err(error),
        };
        let row = UnnamedRow { status: Some(status), ..read.value };
        self.register.put_unnamed(commit, id, Some(&read), &row);
        let job = JobKey::new(Kind::JumioDeletion, &read.value.enrollment);
        if !self.queue.nudge(commit, &job).await? {
            self.queue.schedule(commit, &job, self.clock.now(), Value::Null).await?;
        }
        Ok(())
    }
}
