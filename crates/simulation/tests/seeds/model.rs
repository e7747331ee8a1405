//! The model: what the world may rely on, from what it was told and from what happened at Jumio. It shares no code with
//! what it judges, and says at each answer whether that could be given.

use crate::{
    cast,
    jumio::{Post, WINDOW},
    operations::{Answer, Op, Seen},
    world::SETTLE_SECONDS,
};
use custody::CustodyError;
use jiff::SignedDuration;
use model::{
    AuthenticationId, AuthenticationRef, AuthenticationResult, AuthenticationState, CallbackId,
    EnrollmentRef, EnrollmentState, LinkId, Timestamp,
};
use reauth::{AuthenticationView, IfOpen, Pressed, ReauthError};
use std::collections::{BTreeMap, BTreeSet};
use vault::{Contents, SlotRef};

/// How far somebody is at Jumio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scan {
    None,
    Pending,
    Approved,
    Denied,
}

/// Whether an enrollment is held: told so, told otherwise, or nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    No,
    Held { since: u64 },
    Perhaps,
}

/// One enrollment.
pub(crate) struct Person {
    pub(crate) scan: Scan,
    pub(crate) announced: bool,
    pub(crate) released: bool,
    /// A purge was asked for, whatever came of it, when the person was so far at Jumio.
    pub(crate) purge_asked: Option<Scan>,
    /// A purge was answered, in this step, with this receipt.
    pub(crate) purged: Option<(u64, Option<String>)>,
    /// Somebody saw it being purged, or purged.
    pub(crate) purge_seen: Option<u64>,
    pub(crate) place: Option<(SlotRef, Contents)>,
    pub(crate) hold: Hold,
}

impl Person {
    fn is_to_be_purged(&mut self) {
        self.purge_asked.get_or_insert(self.scan);
    }
}

/// Somebody who asks for an authentication, and when.
#[derive(Debug, Clone)]
pub(crate) struct Asking {
    pub(crate) user: usize,
    pub(crate) began: u64,
    pub(crate) ended: Option<u64>,
    pub(crate) replaces: bool,
    pub(crate) is_batch: bool,
    /// Until when nothing may be posted after it, because nobody knows what came of it.
    pub(crate) unsettled_until: Option<Timestamp>,
}

/// An authentication that somebody was told of.
pub(crate) struct Told {
    pub(crate) id: AuthenticationId,
    pub(crate) reference: AuthenticationRef,
    pub(crate) enrollment: EnrollmentRef,
    pub(crate) user: usize,
}

/// What is known.
pub(crate) struct Model {
    pub(crate) people: Vec<Person>,
    pub(crate) asking: Vec<Asking>,
    pub(crate) told: Vec<Told>,
    pub(crate) redeemed: BTreeSet<AuthenticationId>,
    pub(crate) callbacks: Vec<CallbackId>,
    pub(crate) links: BTreeMap<LinkId, (usize, String)>,
    pub(crate) withdrawn: BTreeSet<LinkId>,
    pub(crate) batches: Vec<(model::BatchId, u64)>,
}

impl Model {
    pub(crate) fn new() -> Self {
        let person = || Person {
            scan: Scan::None,
            announced: false,
            released: false,
            purge_asked: None,
            purged: None,
            purge_seen: None,
            place: None,
            hold: Hold::No,
        };
        Self {
            people: (0..cast::ENROLLMENTS).map(|_| person()).collect(),
            asking: Vec::new(),
            told: Vec::new(),
            redeemed: BTreeSet::new(),
            callbacks: Vec::new(),
            links: BTreeMap::new(),
            withdrawn: BTreeSet::new(),
            batches: Vec::new(),
        }
    }

    /// Somebody begins to ask. What is remembered of it now is true whatever becomes of it.
    pub(crate) fn begins(&mut self, op: &Op, step: u64) {
        let mut asks = |user, replaces, is_batch| {
            self.asking.push(Asking {
                user,
                began: step,
                ended: None,
                replaces,
                is_batch,
                unsettled_until: None,
            });
        };
        match op {
            Op::Ask { user, if_open, .. } => asks(*user, *if_open == IfOpen::Replace, false),
            Op::Press(id, _) => asks(self.links[id].0, false, false),
            Op::Batch { users, .. } => users.iter().for_each(|user| asks(*user, false, true)),
            Op::Purge(of) => self.people[*of].is_to_be_purged(),
            Op::PurgeUser(user) => {
                for of in cast::enrollments_of(*user) {
                    self.people[of].is_to_be_purged();
                }
            }
            Op::Hold(of) | Op::EndHold(of) => self.people[*of].hold = Hold::Perhaps,
            _ => {}
        }
    }

    /// The process died: whoever asked in it is gone.
    pub(crate) fn crashed(&mut self, step: u64, now: Timestamp) {
        for asking in self.asking.iter_mut().filter(|asking| !asking.is_batch && asking.ended.is_none()) {
            asking.ended = Some(step);
            asking.unsettled_until = Some(now + SignedDuration::from_secs(SETTLE_SECONDS));
        }
    }

    /// Whether an enrollment was certainly being purged before a step.
    pub(crate) fn is_gone_before(&self, of: usize, step: u64) -> bool {
        let person = &self.people[of];
        let purged = person.purged.as_ref().map(|(at, _)| *at);
        purged.into_iter().chain(person.purge_seen).any(|at| at <= step)
    }

    fn is_gone(&self, reference: Option<EnrollmentRef>, step: u64) -> bool {
        let of = reference.and_then(cast::number);
        of.is_some_and(|of| self.is_gone_before(of, step))
    }

    /// Takes an answer in. What it could not have been is said.
    pub(crate) fn ends(
        &mut self,
        op: &Op,
        answer: Answer,
        (began, step, now): (u64, u64, Timestamp),
        posts: &[Post],
    ) -> Vec<String> {
        if let Op::Ask { .. } | Op::Press(..) = op {
            let own = self.asking.iter_mut().find(|asking| asking.began == began && !asking.is_batch);
            if let Some(own) = own {
                own.ended = Some(step);
                if let Answer::Asked(Err(ReauthError::OutcomeUnknown { retry_after })) = &answer {
                    own.unsettled_until = Some(now + *retry_after);
                }
            }
        }
        let mut wrong = Vec::new();
        match (op, answer) {
            (Op::Announce(of), Answer::Announced(Ok(view))) => {
                self.came_back(&mut wrong, *of, view.state, began);
                self.people[*of].announced = true;
            }
            (Op::Release { of, .. }, Answer::Released(Ok(view))) => {
                self.came_back(&mut wrong, *of, view.state, began);
                self.people[*of].released = true;
            }
            (_, Answer::Received(Ok(id))) => self.callbacks.push(id),
            (Op::Ask { user, .. }, Answer::Asked(Ok(asked))) => {
                self.handed(&mut wrong, *user, &asked.authentication, began, posts);
            }
            (Op::Press(id, _), Answer::Pressed(Pressed::Redirect(_)))
                if self.withdrawn_before(*id, began) =>
            {
                wrong.push("a link that was withdrawn led somewhere".to_owned());
            }
            (_, Answer::Got(Ok(view))) => self.shown(&mut wrong, &view, posts),
            (Op::Redeem { id, user }, Answer::Redeemed(Ok(view))) => {
                self.shown(&mut wrong, &view, posts);
                if !self.redeemed.insert(*id) {
                    wrong.push(format!("{id} was redeemed twice"));
                }
                let passed = Self::result_of(&view, posts) == Some(AuthenticationResult::Passed);
                if !passed || view.user_reference != Some(cast::user(*user)) {
                    wrong.push(format!("{id} was redeemed, and its person did not pass"));
                }
                if self.is_gone(view.enrollment_transaction_reference, began) {
                    wrong.push(format!("{id} was redeemed after its person's purge"));
                }
            }
            (Op::Look(of), Answer::Looked(seen)) => {
                if let Ok(seen) = *seen {
                    self.looked(&mut wrong, *of, &seen, began, step);
                }
            }
            (Op::Purge(of), Answer::Purged(done)) => self.purge_answered(&mut wrong, *of, done, began, step),
            (Op::Hold(of), Answer::Held(Ok(_))) => self.people[*of].hold = Hold::Held { since: step },
            (Op::EndHold(of), Answer::HoldEnded(Ok(()))) => self.people[*of].hold = Hold::No,
            (Op::Link(user), Answer::Linked(Ok(link))) => {
                let token = link.url.and_then(|url| Some(url.rsplit_once("/r/")?.1.to_owned()));
                self.links.insert(link.link_id, (*user, token.unwrap_or_default()));
            }
            (Op::Withdraw(id), Answer::Withdrawn(Ok(_))) => {
                self.withdrawn.insert(*id);
            }
            (_, Answer::Batched(Ok(batch))) => {
                self.batches.extend(batch.batch_id.map(|id| (id, batch.counted.total)));
            }
            _ => {}
        }
        wrong
    }

    fn withdrawn_before(&self, id: LinkId, _began: u64) -> bool {
        self.withdrawn.contains(&id)
    }

    /// Whoever was purged before this was asked for is told of as purged, or not at all.
    fn came_back(&self, wrong: &mut Vec<String>, of: usize, state: EnrollmentState, began: u64) {
        let is_gone = matches!(state, EnrollmentState::Purging | EnrollmentState::Purged);
        if !is_gone && self.is_gone_before(of, began) {
            wrong.push(format!("enrollment {of} was purged, and came back as {state}"));
        }
    }

    fn looked(&mut self, wrong: &mut Vec<String>, of: usize, seen: &Seen, began: u64, step: u64) {
        self.came_back(wrong, of, seen.view.state, began);
        if let Some(opened) = &seen.opened {
            if self.is_gone_before(of, began)
                && self.people[of].purged.as_ref().is_some_and(|(at, _)| *at <= began)
            {
                wrong.push(format!("the facemap of enrollment {of} opened after its purge"));
            }
            if *opened != cast::face(of) {
                wrong.push(format!("another facemap opened for enrollment {of}"));
            }
        }
        let person = &mut self.people[of];
        if matches!(seen.view.state, EnrollmentState::Purging | EnrollmentState::Purged) {
            person.purge_seen.get_or_insert(step);
        }
        person.place = seen.place.or(person.place);
    }

    fn purge_answered(
        &mut self,
        wrong: &mut Vec<String>,
        of: usize,
        done: Result<custody::PurgeView, CustodyError>,
        began: u64,
        step: u64,
    ) {
        let person = &mut self.people[of];
        let Ok(view) = done else { return };
        if matches!(person.hold, Hold::Held { since } if since <= began)
            && person.purge_seen.is_none()
            && person.purged.is_none()
        {
            wrong.push(format!("enrollment {of} was destroyed although it is held"));
        }
        if view.state != EnrollmentState::Purged {
            wrong.push(format!("the purge of enrollment {of} was answered while it is {}", view.state));
        }
        match &person.purged {
            None => person.purged = Some((step, view.receipt)),
            Some((_, receipt)) if *receipt != view.receipt => {
                wrong.push(format!("enrollment {of} has two receipts"));
            }
            Some(_) => {}
        }
    }

    /// What an initiate gave out.
    fn handed(
        &mut self,
        wrong: &mut Vec<String>,
        user: usize,
        view: &AuthenticationView,
        began: u64,
        posts: &[Post],
    ) {
        let id = view.authentication_id;
        if self.is_gone(view.enrollment_transaction_reference, began) {
            wrong.push(format!("{id} was handed out after its person's purge"));
        }
        let (Some(reference), Some(enrollment)) =
            (view.authentication_transaction_reference, view.enrollment_transaction_reference)
        else {
            return wrong.push(format!("{id} was handed out without its references"));
        };
        let Some(at) = posts.iter().position(|post| post.reference == reference) else {
            return wrong.push(format!("{id} was handed out, and Jumio has never heard of {reference}"));
        };
        let own = &posts[at];
        if own.enrollment != enrollment || own.user != Some(cast::user(user)) {
            wrong.push(format!("{id} was handed out to another person"));
        }
        let later = posts[at + 1..].iter().find(|post| {
            let open = post.at.duration_since(own.at).as_secs() < WINDOW;
            post.enrollment == enrollment && post.at_step < began && open
        });
        if let Some(later) = later {
            wrong.push(format!("{id} was handed out after {} had taken its place at Jumio", later.reference));
        }
        self.shown(wrong, view, posts);
        self.told.push(Told { id, reference, enrollment, user });
    }

    /// Jumio's result of what a view shows.
    fn result_of(view: &AuthenticationView, posts: &[Post]) -> Option<AuthenticationResult> {
        let reference = view.authentication_transaction_reference?;
        let post = posts.iter().find(|post| post.reference == reference)?;
        post.ended.map(|(_, result)| result)
    }

    /// What is shown of an authentication is what Jumio said.
    pub(crate) fn shown(&self, wrong: &mut Vec<String>, view: &AuthenticationView, posts: &[Post]) {
        let id = view.authentication_id;
        let is = Self::result_of(view, posts);
        if view.state == AuthenticationState::Passed && is != Some(AuthenticationResult::Passed) {
            wrong.push(format!("{id} passed, and Jumio says {is:?}"));
        }
        let told = self.told.iter().find(|told| told.id == id);
        if let Some(told) =
            told.filter(|told| Some(told.reference) != view.authentication_transaction_reference)
        {
            wrong.push(format!("{id} was {} and is another one now", told.reference));
        }
    }
}
