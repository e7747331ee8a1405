//! Fetching: the facemap comes here and is durable before anything says so (DESIGN §3.6).

use crate::{
    Ingest, IngestError,
    step::{Step, Then},
};
use audit::{Action, Actor, Note};
use model::EnrollmentState;
use register::Enrollment;

impl Ingest {
    /// Downloads the facemap, puts it into the vault, and commits that it is there. The slot is made live by the step
    /// that follows, and by the sweep if the process ends in between.
    pub(crate) async fn fetch(&self, mut enrollment: Enrollment) -> Result<Step, IngestError> {
        let reference = Self::person(&enrollment)?.reference;
        self.draw_retrieval().await?;
        // The address is built from the reference: nothing that came in a request is ever called.
        let facemap = self.heard(self.jumio.facemap(reference, None).await)?;
        let contents = self.vault.put(enrollment.row.slot, &reference, facemap).await?;
        let now = self.clock.now();
        enrollment.row.enter(EnrollmentState::Vaulted, now);
        enrollment.row.vaulted_at = Some(now);
        enrollment.row.facemap_bytes = Some(contents.bytes);
        enrollment.row.trouble = None;
        Self::person_mut(&mut enrollment)?.contents = Some(contents);
        let mut commit = self.records().commit();
        let note = Note::about(Action::Vaulted, enrollment.key.0, Actor::System);
        self.audit.note(&mut commit, note.with("bytes", contents.bytes));
        self.register.update_enrollment(&mut commit, &enrollment).await?;
        Ok(Step::new(commit, Then::At(now)))
    }
}
