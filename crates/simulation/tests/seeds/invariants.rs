//! The reckoning at the end of a run: everything that was promised, held against what the house shows and what Jumio's
//! journal says.

use crate::{
    cast,
    jumio::{Post, WINDOW},
    model::{Hold, Scan},
    run::Run,
    world::{Process, SETTLE_SECONDS},
};
use audit::{Action, Filter, Listed, Part};
use jumio::scripted::Endpoint;
use model::{AuthenticationState, EnrollmentState, EnrollmentState as S};
use records::EnrollmentKey;
use register::Authentication;
use seal::Pseudonym;
use std::{collections::BTreeMap, time::Duration};
use vault::{SlotKind, SlotStatus};

impl Run {
    /// Holds everything against everything.
    pub(crate) fn reckon(&mut self, process: &Process) {
        self.people_are_where_they_belong(process);
        self.purged_is_purged(process);
        self.nothing_told_is_lost(process);
        self.one_open_at_a_time(process);
        self.the_book_is_complete(process);
    }

    fn wrong(&mut self, what: String) {
        self.outcome.wrong.push(what);
    }

    /// Every onboarding that was acknowledged is where Jumio's verdict and the company's release have brought it.
    fn people_are_where_they_belong(&mut self, process: &Process) {
        for of in 0..self.model.people.len() {
            let (ingest, reference) = (process.ingest.clone(), cast::reference(of));
            let Some(found) = self.ask(async move { ingest.get(&reference).await }) else { return };
            let person = &self.model.people[of];
            if person.purge_asked.is_some() {
                continue;
            }
            let Ok(view) = found else {
                if person.announced {
                    self.wrong(format!("enrollment {of} was announced, and is lost"));
                }
                continue;
            };
            let alone = cast::enrollments_of(cast::owner(of)).count() == 1;
            let fits = match person.scan {
                Scan::None => matches!(view.state, S::AwaitingUser | S::Abandoned | S::Foreign),
                Scan::Pending => matches!(view.state, S::AwaitingUser | S::Abandoned | S::Foreign),
                Scan::Denied => matches!(view.state, S::Ineligible | S::Abandoned | S::Foreign),
                Scan::Approved if person.released && alone => matches!(view.state, S::Ready | S::Abandoned),
                Scan::Approved if person.announced => {
                    matches!(view.state, S::Vaulted | S::Ready | S::Abandoned)
                }
                Scan::Approved => matches!(view.state, S::Vaulted | S::Ready | S::Foreign | S::Abandoned),
            };
            if !fits || (person.announced && view.state == S::Foreign) {
                let what =
                    format!("enrollment {of} is {} in the end; {:?} at Jumio", view.state, person.scan);
                self.wrong(what);
            }
            let is_vaulted = matches!(view.state, S::Vaulted | S::Ready);
            if is_vaulted {
                self.it_opens(process, of);
            }
        }
    }

    fn it_opens(&mut self, process: &Process, of: usize) {
        let (register, vault) = (process.register.clone(), process.vault.clone());
        let reference = cast::reference(of);
        let opened = self.ask(async move {
            let found = register.enrollment(&reference).await.ok()??;
            let contents = found.private?.contents?;
            let facemap = vault.open_facemap(found.row.slot, &reference, &contents).await.ok()?;
            Some(facemap.expose().to_vec())
        });
        if opened.flatten() != Some(cast::face(of)) {
            self.wrong(format!("the facemap of enrollment {of} does not open"));
        }
    }

    /// Nothing of whoever was purged can be read, and Jumio has nothing of them.
    fn purged_is_purged(&mut self, process: &Process) {
        let vault = process.vault.clone();
        let page = self.ask(async move { vault.slots(0).await }).and_then(Result::ok);
        let slots = page.map(|page| page.views).unwrap_or_default();
        for of in 0..self.model.people.len() {
            let reference = cast::reference(of);
            let key = process.register.records().enrollment_key(&reference);
            let register = process.register.clone();
            let row = self.ask(async move { register.enrollment_row(key).await });
            let state = row.and_then(Result::ok).flatten().map(|row| row.state);
            let (was_purged, place) = {
                let person = &self.model.people[of];
                (person.purged.is_some() || person.purge_seen.is_some(), person.place)
            };
            if state == Some(EnrollmentState::Purging) {
                self.wrong(format!("the purge of enrollment {of} does not end"));
            }
            if was_purged && state != Some(EnrollmentState::Purged) {
                self.wrong(format!("enrollment {of} was purged and is {state:?} in the end"));
            }
            if state != Some(EnrollmentState::Purged) {
                continue;
            }
            self.outcome.purges += 1;
            // A hold that was set was set on somebody who was not being purged, and nobody has ended it.
            if matches!(self.model.people[of].hold, Hold::Held { .. }) {
                self.wrong(format!("enrollment {of} is held, and was purged"));
            }
            let in_use = |view: &vault::SlotView| {
                view.subject == key.0 && matches!(view.status, SlotStatus::Prepared | SlotStatus::Live)
            };
            if slots.iter().any(|view| in_use(view) && view.kind == SlotKind::Facemap) {
                self.wrong(format!("enrollment {of} was purged, and a slot of it is in use"));
            }
            if let Some((slot, contents)) = place {
                let vault = process.vault.clone();
                let opened = self.ask(async move { vault.open_facemap(slot, &reference, &contents).await });
                if opened.is_some_and(|opened| opened.is_ok()) {
                    self.wrong(format!("the facemap of enrollment {of} opens after its purge"));
                }
            }
            let asked = self.model.people[of].purge_asked;
            let was_at_jumio = asked.is_some_and(|scan| scan != Scan::None);
            if was_at_jumio && self.ground.peer.has_scan(reference) {
                self.wrong(format!("enrollment {of} was purged, and Jumio still has its original"));
            }
        }
        self.nothing_posted_after_a_purge();
    }

    fn nothing_posted_after_a_purge(&mut self) {
        for call in self.ground.peer.calls() {
            let of = call.enrollment.and_then(cast::number);
            let Some(of) = of.filter(|_| call.endpoint == Endpoint::InitiateAuthentication) else { continue };
            let purged = self.model.people[of].purged.as_ref().map(|(at, _)| *at);
            if purged.is_some_and(|at| at < call.at_step) {
                self.wrong(format!("a facemap of enrollment {of} was posted after its purge"));
            }
        }
    }

    /// Whatever was acknowledged is there: callbacks, authentications, links, batches.
    fn nothing_told_is_lost(&mut self, process: &Process) {
        for id in self.model.callbacks.clone() {
            let ingest = process.ingest.clone();
            match self.ask(async move { ingest.callback(id).await }) {
                Some(Ok(Some(row))) if row.outcome.is_some() => {}
                found => self.wrong(format!("callback {id} was acknowledged, and is {found:?} in the end")),
            }
        }
        let posts = self.ground.peer.posts();
        for nth in 0..self.model.told.len() {
            let told = &self.model.told[nth];
            let (id, enrollment) = (told.id, told.enrollment);
            let reauth = process.reauth.clone();
            let found = self.ask(async move { reauth.get(&id.to_string(), Duration::ZERO).await });
            let may_be_gone =
                cast::number(enrollment).is_some_and(|of| self.model.people[of].purge_asked.is_some());
            match found {
                Some(Ok(view)) => {
                    let mut wrong = Vec::new();
                    self.model.shown(&mut wrong, &view, &posts);
                    if !view.state.is_final() && view.state != AuthenticationState::Superseded {
                        wrong.push(format!("{id} is still {} after a day", view.state));
                    }
                    self.outcome.wrong.extend(wrong);
                }
                Some(Err(_)) if may_be_gone => {}
                Some(Err(error)) => self.wrong(format!("{id} was handed out, and is lost: {error}")),
                None => return,
            }
        }
        self.no_link_is_lost(process);
        for (id, total) in self.model.batches.clone() {
            let reauth = process.reauth.clone();
            match self.ask(async move { reauth.batch_items(id, None, None, 100, false).await }) {
                Some(Ok(items)) if items.len() as u64 >= total => {}
                Some(found) => {
                    let has = found.map(|items| items.len());
                    self.wrong(format!("batch {id} of {total} has {has:?}"));
                }
                None => return,
            }
        }
    }

    fn no_link_is_lost(&mut self, process: &Process) {
        for (id, user) in self.model.links.iter().map(|(id, (user, _))| (*id, *user)).collect::<Vec<_>>() {
            let reauth = process.reauth.clone();
            let Some(found) = self.ask(async move { reauth.link(id).await }) else { return };
            let may_be_gone =
                cast::enrollments_of(user).any(|of| self.model.people[of].purge_asked.is_some());
            match found {
                Ok(link) if self.model.withdrawn.contains(&id) && link.url.is_some() => {
                    self.wrong(format!("link {id} was withdrawn, and is {:?}", link.state));
                }
                Ok(_) => {}
                Err(_) if may_be_gone => {}
                Err(error) => self.wrong(format!("link {id} was made, and is lost: {error}")),
            }
        }
    }

    /// Of two transactions of one enrollment within a window the first was over, or unknown to the vault and settled, or
    /// replaced knowingly, or a batch's that yielded.
    fn one_open_at_a_time(&mut self, process: &Process) {
        let posts = self.ground.peer.posts();
        for (at, post) in posts.iter().enumerate() {
            let earlier = posts[..at].iter().rev().find(|earlier| earlier.enrollment == post.enrollment);
            let Some(earlier) = earlier else { continue };
            let apart = post.at.duration_since(earlier.at).as_secs();
            if apart >= WINDOW {
                continue;
            }
            let register = process.register.clone();
            let reference = earlier.reference;
            let known = self.ask(async move { register.authentication_by_reference(&reference).await });
            let known = known.and_then(Result::ok).flatten();
            if let Some(why) = self.is_one_too_many(earlier, post, apart, known.as_ref()) {
                let what =
                    format!("{} and {} of {}: {why}", earlier.reference, post.reference, post.enrollment);
                self.wrong(what);
            }
        }
    }

    fn is_one_too_many(
        &self,
        earlier: &Post,
        post: &Post,
        apart: i64,
        known: Option<&Authentication>,
    ) -> Option<String> {
        let ended_before = earlier.ended.is_some_and(|(at, _)| at <= post.at) && !earlier.is_superseded;
        if ended_before {
            return None;
        }
        let of = cast::number(post.enrollment)?;
        let asks = |wanted: &dyn Fn(&crate::model::Asking) -> bool| {
            self.model.asking.iter().any(|asking| {
                cast::enrollments_of(asking.user).any(|own| own == of)
                    && asking.began <= post.at_step
                    && asking.ended.is_none_or(|ended| ended >= post.at_step)
                    && wanted(asking)
            })
        };
        if asks(&|asking| asking.replaces) {
            return None;
        }
        // One that was to take the place of the first may have done so: the next may follow once that is settled.
        let perhaps_replaced = self.model.asking.iter().any(|asking| {
            cast::enrollments_of(asking.user).any(|own| own == of)
                && asking.ended.is_some_and(|ended| ended > earlier.at_step)
                && asking.unsettled_until.is_some_and(|until| asking.replaces && until <= post.at)
        });
        if perhaps_replaced {
            return None;
        }
        let may_be_a_batchs =
            self.model.asking.iter().any(|asking| asking.is_batch && asking.began <= earlier.at_step);
        if may_be_a_batchs && asks(&|asking| !asking.is_batch) {
            return None;
        }
        let purge_asked = self.model.people[of].purge_asked.is_some();
        if known.is_none() && !purge_asked && apart < SETTLE_SECONDS {
            return Some(format!("only {apart} s after an unknown outcome"));
        }
        if known.is_some() {
            return Some(format!("the first was open, {apart} s apart"));
        }
        if !asks(&|_| true) {
            return Some("nobody asked for the second".to_owned());
        }
        None
    }

    /// Every disclosure and deletion was written down before; whatever was begun has an end; the chain holds.
    fn the_book_is_complete(&mut self, process: &Process) {
        let audit = process.audit.clone();
        let read = self.ask(async move {
            audit.append_pending().await?;
            let found = audit.verify().await?;
            let entries = audit.entries(0, None, &Filter::default(), 100_000).await?.items;
            Ok::<_, audit::AuditError>((found, entries))
        });
        let (found, entries) = match read {
            Some(Ok(read)) => read,
            other => {
                return self.wrong(format!("the book cannot be read: {:?}", other.map(Result::err)));
            }
        };
        if !found.is_clean() {
            self.wrong(format!("the book is damaged: {:?}", found.findings));
        }
        let mut open = BTreeMap::new();
        for Listed { position, entry, .. } in &entries {
            match entry.part {
                Part::Begin => {
                    open.insert(*position, entry.action);
                }
                Part::Finish { begin } => {
                    if open.remove(&begin).is_none() {
                        self.wrong(format!(
                            "entry {position} finishes what was not begun, or finished before"
                        ));
                    }
                }
                Part::Note => {}
            }
        }
        if !open.is_empty() {
            self.wrong(format!("begun and never finished: {open:?}"));
        }
        self.calls_come_after_their_begin(process, &entries);
    }

    fn calls_come_after_their_begin(&mut self, process: &Process, entries: &[Listed]) {
        let begun = |action: Action, subject: Pseudonym, until: u64| {
            let is_one = |listed: &&Listed| {
                listed.position <= until
                    && listed.entry.part == Part::Begin
                    && listed.entry.action == action
                    && listed.entry.subject == Some(subject)
            };
            entries.iter().filter(is_one).count()
        };
        let mut counted: BTreeMap<(Endpoint, EnrollmentKey), usize> = BTreeMap::new();
        for call in self.ground.peer.calls() {
            let Some(reference) = call.enrollment else { continue };
            let key = process.register.records().enrollment_key(&reference);
            let calls = counted.entry((call.endpoint, key)).or_default();
            *calls += 1;
            let purges = begun(Action::Purge, key.0, call.book);
            let is_written_down = match call.endpoint {
                Endpoint::InitiateAuthentication => {
                    begun(Action::AuthenticationPosted, key.0, call.book) >= *calls
                }
                Endpoint::DeleteScan => {
                    purges > 0 || begun(Action::OriginalDeletion, key.0, call.book) >= *calls
                }
                Endpoint::DeleteAuthentication => purges > 0,
                _ => true,
            };
            if !is_written_down {
                let what = format!("{:?} of {reference} came before it was written down", call.endpoint);
                self.outcome.wrong.push(what);
            }
        }
    }
}
