//! What happens next, by the dice.

use crate::{
    cast::{ENROLLMENTS, PEOPLE},
    model::Scan,
    operations::Op,
    run::{AT_ONCE, Life, Run},
};
use model::AuthenticationResult;
use reauth::IfOpen;
use std::{sync::Arc, time::Duration};
use store::faulty::CommitFault;

impl Run {
    /// What happens next.
    pub(crate) fn choose(&mut self) {
        let waiting = self.ground.gates.waiting();
        let may_begin =
            self.left > 0 && self.flights.len() < AT_ONCE && matches!(self.life, Some(Life::Open(..)));
        if waiting > 0 && !self.dice.one_in(12) {
            let nth = self.dice.below(waiting);
            let line = format!("{}: {}", self.outcome.steps, self.ground.gates.let_go(nth));
            return self.trace(line);
        }
        match self.dice.below(10) {
            0..6 if may_begin => {
                self.left -= 1;
                if let Some(op) = self.draw() {
                    self.begin(&op);
                    if self.dice.one_in(4) {
                        self.likely.push_back(op);
                    }
                }
            }
            6 => self.something_at_jumio(),
            7 => self.plan_a_fault(),
            _ => self.time_passes(),
        }
    }

    fn time_passes(&mut self) {
        let seconds = match self.dice.below(12) {
            0..6 => 1 + self.dice.below(10),
            6..9 => 20 + self.dice.below(60),
            9 | 10 => 120 + self.dice.below(600),
            _ => 900 + self.dice.below(4000),
        };
        self.ground.clock.advance(Duration::from_secs(seconds as u64));
        self.trace(format!("{}: {seconds} s pass", self.outcome.steps));
    }

    fn plan_a_fault(&mut self) {
        if !self.dice.one_in(3) {
            return;
        }
        if self.dice.one_in(5) {
            return self.stop_the_vault_half_way();
        }
        let store = &self.ground.store.inner;
        let nth = 1 + self.dice.below(6) as u64;
        let fault = match self.dice.below(8) {
            0..3 => CommitFault::Conflict,
            3 | 4 => CommitFault::NoSpace,
            5 => CommitFault::AmbiguousBefore,
            6 => CommitFault::AmbiguousAfter,
            _ => {
                store.fail_read(1 + self.dice.below(20) as u64);
                self.outcome.store_faults += 1;
                return self.trace(format!("{}: a read will fail", self.outcome.steps));
            }
        };
        store.fail_commit(nth, fault);
        self.outcome.store_faults += 1;
        self.trace(format!("{}: the {nth}. commit from now will fail: {fault:?}", self.outcome.steps));
    }

    /// The next write of some kind stops half way, and the process ends soon after.
    fn stop_the_vault_half_way(&mut self) {
        let Some(Life::Open(process, _)) = &self.life else { return };
        let step = self.dice.pick(&vault::STEPS);
        process.vault.fail_at(Some(step));
        let soon = 5 + self.dice.below(60);
        self.dying.get_or_insert(soon);
        self.outcome.vault_faults += 1;
        self.trace(format!(
            "{}: the vault will stop at {step:?}, the process in {soon} steps",
            self.outcome.steps
        ));
    }

    /// Something that Jumio or a person does there.
    fn something_at_jumio(&mut self) {
        let of = self.dice.below(ENROLLMENTS);
        match self.model.people[of].scan {
            Scan::None => self.begin_scan(of),
            Scan::Pending => {
                let approved = !self.dice.one_in(5);
                self.finish_scan(of, approved);
            }
            Scan::Approved | Scan::Denied => {
                let posts = self.ground.peer.posts().len();
                if posts == 0 {
                    return;
                }
                let result = self.dice.pick(&[
                    AuthenticationResult::Passed,
                    AuthenticationResult::Passed,
                    AuthenticationResult::Passed,
                    AuthenticationResult::Failed,
                    AuthenticationResult::Invalid,
                    AuthenticationResult::Expired,
                ]);
                let nth = posts - 1 - self.dice.below(posts.min(3));
                let done = self.ground.peer.finish(nth, result);
                if done {
                    self.result_is_likely_asked_for(nth);
                }
                self.trace(format!("{}: post {nth} ends as {result:?}: {done}", self.outcome.steps));
            }
        }
    }

    /// Whoever finished at Jumio is asked about soon, and what came of it is accepted, more often than it should be.
    fn result_is_likely_asked_for(&mut self, nth: usize) {
        let Some(reference) = self.ground.peer.posts().get(nth).map(|post| post.reference) else { return };
        let told = self.model.told.iter().find(|told| told.reference == reference);
        let Some((id, user)) = told.map(|told| (told.id, told.user)) else { return };
        let redeem = || Op::Redeem { id, user };
        self.likely.extend([Op::ResultCallback(reference, "PASSED"), Op::Get(id), redeem(), redeem()]);
    }

    /// The next operation, if there is somebody for it.
    fn draw(&mut self) -> Option<Op> {
        let dice = Arc::clone(&self.dice);
        if dice.one_in(2)
            && let Some(op) = self.likely.pop_front()
        {
            return Some(op);
        }
        let (of, user) = (dice.below(ENROLLMENTS), dice.below(PEOPLE));
        let if_open = dice.pick(&[IfOpen::Tell, IfOpen::Tell, IfOpen::Reuse, IfOpen::Replace]);
        let told = || -> Option<(model::AuthenticationId, model::AuthenticationRef, usize)> {
            let all = &self.model.told;
            let told = all.get(all.len().checked_sub(1 + dice.below(3))?)?;
            Some((told.id, told.reference, told.user))
        };
        let link = || {
            let all: Vec<_> = self.model.links.iter().collect();
            let (id, (_, token)) = all.get(dice.below(all.len().max(1)))?;
            Some((**id, token.clone()))
        };
        Some(match dice.below(46) {
            0 | 1 => Op::Announce(of),
            2 | 3 => Op::Callback(of),
            4 | 5 => Op::Release { of, replaces: None, by_admin: false },
            6 => {
                let replaces = Some(dice.below(ENROLLMENTS));
                Op::Release { of, replaces, by_admin: dice.one_in(2) }
            }
            7..17 => Op::Ask { user, web: dice.one_in(3), if_open },
            17 | 18 => Op::Get(told()?.0),
            19..22 => {
                let (id, _, user) = told()?;
                Op::Redeem { id, user }
            }
            22 | 23 => {
                let posts = self.ground.peer.posts();
                let post = posts.get(posts.len().checked_sub(1 + dice.below(3))?)?;
                Op::ResultCallback(post.reference, dice.pick(&["PASSED", "FAILED", "EXPIRED"]))
            }
            24..28 => Op::Look(of),
            28 | 29 => Op::Purge(of),
            30 => Op::PurgeUser(user),
            31 => Op::Hold(of),
            32 => Op::EndHold(of),
            33 | 34 => Op::Link(user),
            35 | 36 => {
                let (id, token) = link()?;
                Op::Press(id, token)
            }
            37 => Op::Withdraw(link()?.0),
            38 => Op::Batch { users: vec![user, (user + 1) % PEOPLE], link: dice.one_in(2) },
            39..43 => Op::Ask { user, web: false, if_open: IfOpen::Tell },
            _ => {
                let again = self.flights.get(dice.below(self.flights.len().max(1)))?;
                again.op.clone()
            }
        })
    }
}
