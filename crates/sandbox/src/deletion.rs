//! The Delete API: immediate, irreversible, and 404 the second time.

use std::sync::Arc;

use axum::extract::{Path, State};

use crate::answer::Answer;
use crate::core::Core;
use crate::endpoint::Endpoint;
use crate::journal::Note;
use crate::retrieval::not_found;

/// `DELETE …/scans/{reference}`
pub(crate) async fn scan(State(core): State<Arc<Core>>, Path(reference): Path<String>) -> Answer {
    let mut world = core.world();
    match world.scans.get_mut(&reference).filter(|scan| !scan.deleted) {
        Some(scan) => scan.delete(),
        None => return not_found(Endpoint::DeleteScan, &reference),
    }
    Answer::empty(Note::default()).about(&reference)
}

/// `DELETE …/authentications/{reference}`
pub(crate) async fn authentication(State(core): State<Arc<Core>>, Path(reference): Path<String>) -> Answer {
    let mut world = core.world();
    match world.authentications.get_mut(&reference).filter(|one| !one.deleted) {
        Some(one) => one.delete(),
        None => return not_found(Endpoint::DeleteAuthentication, &reference),
    }
    Answer::empty(Note::default()).about(&reference)
}
