//! What the company's backend is told of an authentication, in the commit that brings it there. Never its link: whoever
//! has that can use it.

use crate::{Reauth, error::ReauthError};
use notify::{Event, EventKind, Field};
use records::Commit;
use register::Authentication;

impl Reauth {
    /// Tells where an authentication has come.
    pub(crate) async fn tell(
        &self,
        commit: &mut Commit,
        kind: EventKind,
        authentication: &Authentication,
    ) -> Result<(), ReauthError> {
        let Some(person) = &authentication.private else { return Ok(()) };
        let row = &authentication.row;
        let event = Event::about(kind, row.enrollment, row.slot)
            .with(Field::AuthenticationId, authentication.id)
            .with(Field::AuthenticationTransactionReference, person.reference)
            .with(Field::EnrollmentTransactionReference, person.enrollment_reference)
            .with(Field::UserReference, &person.user_reference)
            .with(Field::RequestReference, person.request_reference.as_ref())
            .with(Field::Channel, row.channel)
            .with(Field::State, row.state)
            .with(Field::InitiatedAt, row.initiated_at);
        let event = match kind {
            EventKind::AuthenticationInitiated => event.with(Field::WindowEndsAt, row.window_ends_at),
            _ => event.with(Field::CompletedAt, row.completed_at),
        };
        Ok(self.parts.outbox.put(commit, event).await?)
    }
}
