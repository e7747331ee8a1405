//! Fetching: the facemap comes here and is durable before anything says so (DESIGN §3.6).

use crate::{
    Ingest, IngestError,
    step::{Step, Then},
};
use audit::{Action, Actor, Note};
use model::EnrollmentState;
use notify::EventKind;
use register::{Enrollment, FacemapNote};

impl Ingest {
    /// Downloads the facemap, puts it into the vault, and commits that it is there. The slot is made live by the step
    /// that follows, and by the sweep if the process ends in between.
    pub(crate) async fn fetch(&self, mut enrollment: Enrollment) -> Result<Step, IngestError> {
        let person = Self::person(&enrollment)?;
        let reference = person.reference;
        let state = enrollment.row.state;
        let note = FacemapNote::of(&enrollment.row, person).ok_or(IngestError::Inconsistent { state })?;
        self.draw_retrieval(&enrollment).await?;
        // The address is built from the reference: nothing that came in a request is ever called.
        let facemap = self.heard(self.jumio.facemap(reference, None).await)?;
        let contents = self.vault.put(enrollment.row.slot, &reference, &note.to_bytes(), facemap).await?;
        let now = self.clock.now();
        enrollment.row.enter(EnrollmentState::Vaulted, now);
        enrollment.row.vaulted_at = Some(now);
        enrollment.row.facemap_bytes = Some(contents.bytes);
        enrollment.row.trouble = None;
        Self::person_mut(&mut enrollment)?.contents = Some(contents);
        let mut commit = self.records().commit();
        let note = Note::about(Action::Vaulted, enrollment.key.0, Actor::System);
        let note = note.of_user(enrollment.row.user.map(|user| user.0));
        self.audit.note(&mut commit, note.with("bytes", contents.bytes));
        self.register.update_enrollment(&mut commit, &enrollment).await?;
        self.count_vaulted(&mut commit, &enrollment.row);
        self.tell(&mut commit, EventKind::EnrollmentVaulted, &enrollment).await?;
        Ok(Step::new(commit, Then::At(now)))
    }
}
