//! One run of one seed: operations, faults and crashes in the order of the dice, then the calm, then the reckoning.

use crate::{
    cast::{self, ENROLLMENTS},
    dice::Dice,
    model::{Model, Scan},
    operations::{Answer, Known, Op},
    stage::Stage,
    world::{Ground, Process},
};
use model::Clock as _;
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::task::JoinHandle;

/// Operations of a run.
const OPERATIONS: usize = 14;
/// Operations that are under way at the same time, at most.
pub(crate) const AT_ONCE: usize = 4;
/// Steps of a run at most: more means that something turns in circles.
const MOST_STEPS: u64 = 50_000;
/// One step in so many is the process's last.
const STEPS_TO_A_CRASH: usize = 250;

/// What a run came to.
#[derive(Debug, Default, Clone)]
pub(crate) struct Outcome {
    pub(crate) wrong: Vec<String>,
    pub(crate) trace: Vec<String>,
    pub(crate) operations: u64,
    pub(crate) steps: u64,
    pub(crate) crashes: u64,
    pub(crate) store_faults: u64,
    pub(crate) vault_faults: u64,
    pub(crate) jumio_faults: u64,
    pub(crate) posts: u64,
    pub(crate) purges: u64,
}

impl Outcome {
    /// Adds another run's numbers.
    pub(crate) fn add(&mut self, other: &Self) {
        self.operations += other.operations;
        self.steps += other.steps;
        self.crashes += other.crashes;
        self.store_faults += other.store_faults;
        self.vault_faults += other.vault_faults;
        self.jumio_faults += other.jumio_faults;
        self.posts += other.posts;
        self.purges += other.purges;
    }

    /// The numbers, for people.
    pub(crate) fn told(&self) -> String {
        let Self {
            operations, steps, crashes, store_faults, vault_faults, jumio_faults, posts, purges, ..
        } = self;
        format!(
            "{operations} operations in {steps} steps, {crashes} crashes, {store_faults} planned store faults, \
             {vault_faults} writes of the vault's cut short, {jumio_faults} faults of Jumio's, {posts} transactions, {purges} purges"
        )
    }
}

/// An operation under way.
pub(crate) struct Flight {
    pub(crate) op: Op,
    began: u64,
    task: JoinHandle<Answer>,
}

/// The process that lives now.
pub(crate) enum Life {
    Opening(JoinHandle<Result<Process, String>>),
    Open(Box<Process>, JoinHandle<String>),
}

/// A run under way.
pub(crate) struct Run {
    pub(crate) ground: Ground,
    pub(crate) model: Model,
    pub(crate) outcome: Outcome,
    pub(crate) dice: Arc<Dice>,
    stage: Option<Stage>,
    pub(crate) life: Option<Life>,
    pub(crate) flights: Vec<Flight>,
    pub(crate) left: usize,
    /// What may well come next.
    pub(crate) likely: VecDeque<Op>,
    /// Steps until the process ends because its store is poisoned, as the service does.
    pub(crate) dying: Option<usize>,
}

impl Run {
    /// Runs a seed to its end.
    pub(crate) fn of(seed: u64) -> Outcome {
        let ground = Ground::new(seed);
        let dice = Arc::clone(&ground.dice);
        let mut run = Self {
            ground,
            model: Model::new(),
            outcome: Outcome::default(),
            dice,
            stage: None,
            life: None,
            flights: Vec::new(),
            left: OPERATIONS,
            likely: VecDeque::new(),
            dying: None,
        };
        run.some_are_enrolled_already();
        run.chaos();
        if run.outcome.wrong.is_empty() {
            run.calm();
        }
        if let Some(stage) = run.stage.take() {
            run.life = None;
            run.flights.clear();
            stage.crash(false);
        }
        run.outcome.wrong.extend(run.ground.peer.wrong());
        run.outcome.jumio_faults = run.ground.peer.faults();
        run.outcome.posts = run.ground.peer.posts().len() as u64;
        run.outcome
    }

    pub(crate) fn trace(&mut self, line: String) {
        self.outcome.trace.push(line);
    }

    /// Begins a process on what is durable.
    pub(crate) fn start(&mut self) {
        self.ground.store.restart();
        let stage = Stage::new(Arc::clone(&self.ground.gates));
        let start = self.ground.next_start();
        let opening = async move { start.open().await.map_err(|error| format!("{error}: {error:?}")) };
        self.life = Some(Life::Opening(stage.spawn(opening)));
        self.stage = Some(stage);
        self.dying = None;
        self.trace("a process begins".to_owned());
    }

    /// Ends it, wherever it is.
    fn crash(&mut self, mid: bool) {
        let Some(stage) = self.stage.take() else { return };
        self.life = None;
        // Whoever got no answer asks again.
        let unanswered = self.flights.drain(..).map(|flight| flight.op);
        self.likely.extend(unanswered);
        stage.crash(mid);
        self.outcome.crashes += 1;
        self.model.crashed(self.outcome.steps, self.ground.clock.now());
        self.trace(format!("a process ends, mid {mid}"));
    }

    /// Whoever is onboarded in peace, so that the rest begins with people who can be re-authenticated.
    fn some_are_enrolled_already(&mut self) {
        self.ground.gates.be_in_peace(true);
        self.start();
        for of in 0..ENROLLMENTS {
            if self.dice.one_in(4) {
                continue;
            }
            self.begin_scan(of);
            self.finish_scan(of, true);
            let release = Op::Release { of, replaces: None, by_admin: false };
            for op in [Op::Announce(of), Op::Callback(of), release] {
                self.in_peace(&op);
            }
        }
        self.pass(Duration::from_mins(1));
        self.ground.gates.be_in_peace(false);
        self.ground.peer.be_faulty(true);
    }

    pub(crate) fn begin_scan(&mut self, of: usize) {
        self.ground.peer.begin_scan(cast::reference(of), &cast::user_of(of), &cast::face(of));
        self.model.people[of].scan = Scan::Pending;
    }

    pub(crate) fn finish_scan(&mut self, of: usize, approved: bool) {
        self.ground.peer.finish_scan(cast::reference(of), &cast::user_of(of), approved);
        self.model.people[of].scan = if approved { Scan::Approved } else { Scan::Denied };
    }

    /// Does one operation while nothing else is asked and nothing fails.
    fn in_peace(&mut self, op: &Op) {
        self.step();
        self.begin(op);
        for _ in 0..100 {
            self.step();
            if self.flights.is_empty() {
                return;
            }
            self.ground.clock.advance(Duration::from_secs(1));
        }
        self.outcome.wrong.push("an operation does not end although nothing is in its way".to_owned());
    }

    /// Lets time pass in peace.
    fn pass(&mut self, span: Duration) {
        let end = self.ground.clock.now() + span;
        while self.ground.clock.now() < end {
            self.ground.clock.advance(Duration::from_secs(5));
            self.step();
        }
    }

    fn chaos(&mut self) {
        while (self.left > 0 || !self.flights.is_empty()) && self.outcome.wrong.is_empty() {
            if self.outcome.steps > MOST_STEPS {
                self.outcome.wrong.push("it turns in circles".to_owned());
            }
            if self.stage.is_none() {
                self.start();
            }
            // Between file operations, too.
            let cut = self.dice.one_in(STEPS_TO_A_CRASH * 2).then(|| 1 + self.dice.below(3));
            if self.settle(cut) {
                self.crash(true);
                continue;
            }
            self.look_around();
            if self.ends_now() {
                self.crash(false);
                continue;
            }
            self.choose();
        }
    }

    /// Whether the process ends here: by the dice, or because its store has failed for good.
    fn ends_now(&mut self) -> bool {
        if self.ground.store.is_poisoned() && self.dying.is_none() {
            self.dying = Some(self.dice.below(6));
        }
        match &mut self.dying {
            Some(0) => return true,
            Some(left) => *left -= 1,
            None => {}
        }
        self.dice.one_in(STEPS_TO_A_CRASH)
    }

    /// One step in peace.
    fn step(&mut self) {
        self.settle(None);
        self.let_all_go();
        self.look_around();
    }

    /// In peace, everybody who waits goes, one after another.
    fn let_all_go(&mut self) {
        for _ in 0..MOST_STEPS {
            if self.ground.gates.waiting() == 0 {
                return;
            }
            self.ground.gates.let_go(0);
            if let Some(stage) = &mut self.stage {
                stage.settle(None);
            }
        }
        self.outcome.wrong.push("it turns in circles in the calm".to_owned());
    }

    fn settle(&mut self, cut: Option<usize>) -> bool {
        self.outcome.steps += 1;
        self.ground.peer.note(self.outcome.steps);
        self.stage.as_mut().is_some_and(|stage| stage.settle(cut))
    }

    /// Sees what has ended.
    fn look_around(&mut self) {
        self.ground.peer.expire();
        self.look_at_life();
        let step = self.outcome.steps;
        let (mut ended, mut going_on) = (Vec::new(), Vec::new());
        let Some(stage) = &self.stage else { return };
        for mut flight in self.flights.drain(..) {
            match stage.ended(&mut flight.task) {
                Some(answer) => ended.push((flight, answer)),
                None => going_on.push(flight),
            }
        }
        self.flights = going_on;
        for (Flight { op, began, .. }, answer) in ended {
            match answer {
                Ok(answer) => {
                    self.outcome.trace.push(format!("{step}: {op:?} of {began}: {}", answer.told()));
                    let (posts, now) = (self.ground.peer.posts(), self.ground.clock.now());
                    if let (Op::Hold(of), Answer::Held(Ok(_))) = (&op, &answer) {
                        self.likely.extend([Op::Purge(*of), Op::PurgeUser(cast::owner(*of))]);
                    }
                    self.outcome.wrong.extend(self.model.ends(&op, answer, (began, step, now), &posts));
                }
                Err(died) => self.outcome.wrong.push(format!("{op:?}: {died}")),
            }
        }
    }

    fn look_at_life(&mut self) {
        let Some(stage) = &self.stage else { return };
        match self.life.take() {
            Some(Life::Opening(mut opening)) => match stage.ended(&mut opening) {
                Some(Ok(Ok(process))) => {
                    let working = stage.spawn(process.clone().work());
                    self.life = Some(Life::Open(Box::new(process), working));
                    self.trace("the process is open".to_owned());
                }
                // A store that fails in this very moment is a reason to begin again, and the only one.
                Some(Ok(Err(_))) if self.ground.store.has_refused() => self.crash(false),
                Some(Ok(Err(error)) | Err(error)) => {
                    self.outcome.wrong.push(format!("the house does not open: {error}"));
                }
                None => self.life = Some(Life::Opening(opening)),
            },
            Some(Life::Open(process, mut working)) => match stage.ended(&mut working) {
                None => self.life = Some(Life::Open(process, working)),
                Some(ended) if self.ground.store.has_failed() => {
                    self.trace(format!("{ended:?}"));
                    self.crash(false);
                }
                Some(ended) => self.outcome.wrong.push(format!("{ended:?} without a reason")),
            },
            None => {}
        }
    }

    pub(crate) fn begin(&mut self, op: &Op) {
        let Some(Life::Open(process, _)) = &self.life else { return };
        let began = self.outcome.steps;
        self.model.begins(op, began);
        let places = self.model.people.iter().map(|person| person.place).collect();
        let known = Known { places };
        let task = op.clone().run((**process).clone(), known);
        let Some(stage) = &self.stage else { return };
        self.flights.push(Flight { task: stage.spawn(task), op: op.clone(), began });
        self.outcome.operations += 1;
        self.outcome.trace.push(format!("{began}: {op:?} begins"));
    }

    /// The last process works without faults until nothing is left to do.
    fn calm(&mut self) {
        self.crash(false);
        self.ground.peer.be_faulty(false);
        self.ground.gates.be_in_peace(true);
        self.start();
        self.step();
        let Some(Life::Open(process, _)) = &self.life else {
            return self.outcome.wrong.push("the house does not open in the calm".to_owned());
        };
        let process = (**process).clone();
        self.jumio_says_it_again();
        let end = self.ground.clock.now() + CALM;
        loop {
            self.step();
            let queue = process.queue.clone();
            let next = self.ask(async move { queue.next_due(&queue::Kind::ALL).await });
            let now = self.ground.clock.now();
            let next = next.and_then(Result::ok).flatten().unwrap_or(end).min(end);
            let wait = Duration::try_from(next.duration_since(now)).unwrap_or_default();
            self.ground.clock.advance(wait.max(Duration::from_secs(1)));
            if now >= end || !self.outcome.wrong.is_empty() {
                break;
            }
        }
        self.step();
        self.reckon(&process);
    }

    /// In the calm no callback is lost.
    fn jumio_says_it_again(&mut self) {
        for of in 0..ENROLLMENTS {
            if matches!(self.model.people[of].scan, Scan::Approved | Scan::Denied) {
                self.in_peace(&Op::Callback(of));
            }
        }
    }

    /// The answer to a question in the calm.
    pub(crate) fn ask<T: Send + 'static>(
        &mut self,
        question: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let stage = self.stage.as_mut()?;
        let mut task = stage.spawn(question);
        for _ in 0..100 {
            self.stage.as_mut()?.settle(None);
            self.let_all_go();
            if let Some(answer) = self.stage.as_ref()?.ended(&mut task) {
                return answer.map_err(|died| self.outcome.wrong.push(died)).ok();
            }
            self.ground.clock.advance(Duration::from_secs(1));
        }
        self.outcome.wrong.push("a question in the calm is not answered".to_owned());
        None
    }
}

/// How long everything has in the end.
const CALM: Duration = Duration::from_hours(2);
