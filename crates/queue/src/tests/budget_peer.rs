//! Hours of simulated time against a peer that counts as Jumio does: it never answers 429, the rate is used, and nobody
//! who stands at the door waits behind the batch. Several processes on one store included.

use super::budget_rates::{SlowStore, run};
use crate::{Budget, Lane, Limit};
use model::{Clock as _, Timestamp, clock::MockClock, rng::SeededRng};
use proptest::prelude::*;
use records::Records;
use seal::HeldKeys;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};
use tokio::task::JoinHandle;

const LIMITS: [Limit; 2] = [Limit::per_second(3), Limit::per_minute(180)];
/// The time between two sends at the full rate: a third of a second and its margin.
const GAP: Duration = Duration::from_millis(340);
/// A network that takes its time, sometimes: less than the margin of a second.
const MOST_JITTER_MS: u64 = 20;

/// Jumio as it counts: closed windows of a second and of a minute over the arrivals; what is refused does not count.
#[derive(Default)]
struct Peer {
    admitted: VecDeque<Timestamp>,
}

impl Peer {
    fn admits(&mut self, at: Timestamp) -> bool {
        let age = |earlier: &Timestamp| Duration::try_from(at.duration_since(*earlier)).unwrap();
        self.admitted.retain(|earlier| age(earlier) <= Duration::from_mins(1));
        let second = self.admitted.iter().filter(|earlier| age(earlier) <= Duration::from_secs(1)).count();
        let is_admitted = second < 3 && self.admitted.len() < 180;
        if is_admitted {
            self.admitted.push_back(at);
        }
        is_admitted
    }

    /// How many of these it refuses.
    fn refuses(mut arrivals: Vec<Timestamp>) -> usize {
        arrivals.sort_unstable();
        let mut peer = Self::default();
        arrivals.into_iter().filter(|at| !peer.admits(*at)).count()
    }
}

#[derive(Debug, Clone, Copy)]
struct Send {
    lane: Lane,
    asked: Timestamp,
    sent: Timestamp,
    arrived: Timestamp,
}

/// One store, one clock, and as many processes on it as one likes.
#[derive(Clone)]
struct Town {
    clock: MockClock,
    store: Arc<SlowStore>,
    rng: Arc<SeededRng>,
    sends: Arc<Mutex<Vec<Send>>>,
}

impl Town {
    fn new(seed: u64) -> Self {
        let clock = MockClock::at("2026-11-21T12:00:00Z");
        let store = Arc::new(SlowStore::new(clock.clone(), seed));
        Self { clock, store, rng: Arc::new(SeededRng::new(seed)), sends: Arc::default() }
    }

    async fn process(&self) -> Budget {
        let keys = Arc::new(HeldKeys::for_tests(1));
        let rng = SeededRng::new(self.rng.below(u64::MAX));
        let records = Records::new(self.store.clone(), keys, Arc::new(rng));
        Budget::open(records, Arc::new(self.clock.clone()), &LIMITS).await.unwrap()
    }

    /// Asks, makes ready for up to so long, and sends.
    async fn send(&self, budget: &Budget, lane: Lane, wait: Duration, ready_ms: u64) {
        let asked = self.clock.now();
        let Ok(reserved) = budget.reserve(lane, wait).await else { return };
        if ready_ms > 0 {
            self.clock.sleep(Duration::from_millis(self.rng.below(ready_ms))).await;
        }
        if reserved.used().await.is_ok() {
            let sent = self.clock.now();
            let arrived = sent + Duration::from_millis(self.rng.below(MOST_JITTER_MS));
            self.sends.lock().unwrap().push(Send { lane, asked, sent, arrived });
        }
    }

    fn ask(&self, budget: &Budget, lane: Lane, wait: Duration, ready_ms: u64) -> JoinHandle<()> {
        let (town, budget) = (self.clone(), budget.clone());
        tokio::spawn(async move { town.send(&budget, lane, wait, ready_ms).await })
    }

    /// So many workers of a batch that never ends.
    fn batch(&self, budget: &Budget, workers: usize, ready_ms: u64) -> Vec<JoinHandle<()>> {
        let worker = |_| {
            let (town, budget) = (self.clone(), budget.clone());
            tokio::spawn(async move {
                loop {
                    town.send(&budget, Lane::Batch, Duration::from_hours(1), ready_ms).await;
                }
            })
        };
        (0..workers).map(worker).collect()
    }

    async fn pass(&self, milliseconds: u64, step: u64) {
        for _ in 0..milliseconds.div_ceil(step) {
            self.clock.advance(Duration::from_millis(step));
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        }
    }

    fn sends(&self) -> Vec<Send> {
        let mut sends = self.sends.lock().unwrap().clone();
        sends.sort_by_key(|send| send.sent);
        sends
    }

    fn refused(&self) -> usize {
        Peer::refuses(self.sends().iter().map(|send| send.arrived).collect())
    }
}

#[derive(Debug, Clone, Copy)]
enum Act {
    /// So many ask in a process, wait for so many seconds at most, and take so many milliseconds to make ready.
    Ask(u8, bool, u8, u16),
    /// So many milliseconds pass, in small steps.
    Pass(u16),
    /// Minutes pass in which nobody asks.
    Rest(u8),
    /// From now on a commit takes up to twice so many milliseconds.
    Slow(u16),
    /// A process is killed and started again.
    Restart(bool),
    /// A caller goes away.
    GoAway,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => (1_u8..10, any::<bool>(), 0_u8..60, 0_u16..400).prop_map(|(n, p, wait, ready)| Act::Ask(n, p, wait, ready)),
        8 => (1_u16..3000).prop_map(Act::Pass),
        1 => (1_u8..20).prop_map(Act::Rest),
        1 => prop_oneof![Just(0), 1_u16..60].prop_map(Act::Slow),
        1 => any::<bool>().prop_map(Act::Restart),
        1 => Just(Act::GoAway),
    ];
    proptest::collection::vec(act, 40..160)
}

/// Plays the acts with two processes on one store: how many requests the peer refuses, and how many it gets.
async fn play(acts: &[Act], seed: u64) -> (usize, usize) {
    let town = Town::new(seed);
    let mut processes = [town.process().await, town.process().await];
    let mut callers: [Vec<JoinHandle<()>>; 2] = Default::default();
    for act in acts {
        match *act {
            Act::Ask(n, second, wait, ready) => {
                for n in 0..n {
                    let (lane, at) = (Lane::ALL[usize::from(n % 3)], usize::from(second));
                    let wait = Duration::from_secs(u64::from(wait));
                    callers[at].push(town.ask(&processes[at], lane, wait, u64::from(ready)));
                }
            }
            Act::Pass(milliseconds) => town.pass(u64::from(milliseconds), 5).await,
            Act::Rest(minutes) => {
                town.pass(61_000, 50).await;
                town.pass(u64::from(minutes) * 60_000, 10_000).await;
            }
            Act::Slow(slowest) => town.store.slowest_ms.store(u64::from(slowest), Ordering::SeqCst),
            Act::Restart(second) => {
                let at = usize::from(second);
                callers[at].drain(..).for_each(|caller| caller.abort());
                tokio::task::yield_now().await;
                town.store.slowest_ms.store(0, Ordering::SeqCst);
                processes[at] = town.process().await;
            }
            Act::GoAway => drop(callers[0].pop().map(|caller| caller.abort())),
        }
    }
    town.pass(61_000, 20).await;
    (town.refused(), town.sends().len())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn a_peer_that_counts_as_jumio_does_never_answers_429_to_two_processes(acts in acts(), seed: u64) {
        let (refused, _) = run(play(&acts, seed));
        prop_assert_eq!(refused, 0);
    }
}

#[test]
fn a_batch_alone_uses_97_percent_of_what_is_allowed_although_every_send_must_be_made_ready() {
    run(async {
        let town = Town::new(3);
        let budget = town.process().await;
        town.store.slowest_ms.store(8, Ordering::SeqCst);
        let workers = town.batch(&budget, 4, 60);
        town.pass(600_000, 2).await;
        workers.iter().for_each(JoinHandle::abort);
        let (sent, allowed) = (town.sends().len(), 10 * 180);
        println!("{sent} of {allowed} in ten minutes");
        assert!(sent * 100 >= allowed * 97, "{sent} of {allowed}");
        assert_eq!(town.refused(), 0);
    });
}

#[test]
fn two_processes_with_a_batch_each_share_the_rate_and_use_nearly_all_of_it() {
    run(async {
        let town = Town::new(4);
        let (one, two) = (town.process().await, town.process().await);
        town.store.slowest_ms.store(3, Ordering::SeqCst);
        let workers = town.batch(&one, 3, 40).into_iter().chain(town.batch(&two, 3, 40)).collect::<Vec<_>>();
        town.pass(180_000, 2).await;
        workers.iter().for_each(JoinHandle::abort);
        let (sent, allowed) = (town.sends().len(), 3 * 180);
        println!("{sent} of {allowed} in three minutes, by two");
        assert_eq!(town.refused(), 0);
        assert!(sent * 100 >= allowed * 90, "{sent} of {allowed}");
    });
}

/// Somebody asks at random moments beside a batch, in the same process or in another: what was sent of the batch between
/// the question and the sending, and how long it took, at the worst.
async fn beside_a_batch(lane: Lane, in_another: bool, seed: u64) -> (usize, Duration, usize) {
    let town = Town::new(seed);
    let one = town.process().await;
    let two = if in_another { town.process().await } else { one.clone() };
    let workers = town.batch(&one, 4, 40);
    let mut callers = Vec::new();
    for _ in 0..150 {
        town.pass(1_500 + town.rng.below(2_000), 5).await;
        callers.push(town.ask(&two, lane, Duration::from_mins(1), 0));
    }
    town.pass(5_000, 5).await;
    workers.iter().for_each(JoinHandle::abort);
    let sends = town.sends();
    let theirs: Vec<_> = sends.iter().filter(|send| send.lane == lane).collect();
    assert_eq!((theirs.len(), town.refused()), (150, 0));
    let between = |theirs: &Send| {
        sends
            .iter()
            .filter(|send| send.lane == Lane::Batch && send.sent > theirs.asked && send.sent < theirs.sent)
            .count()
    };
    let took = |send: &&Send| Duration::try_from(send.sent.duration_since(send.asked)).unwrap();
    let most = theirs.iter().map(|send| between(send)).max().unwrap();
    (most, theirs.iter().map(took).max().unwrap(), sends.len())
}

#[test]
fn whoever_stands_at_the_door_waits_for_one_send_of_the_batch_at_most() {
    for lane in [Lane::Authentication, Lane::Verification] {
        let (behind, longest, _) = run(beside_a_batch(lane, false, 11));
        println!("{lane:?}: behind {behind}, {longest:?}");
        assert!(behind <= 1, "{lane:?} came after {behind}");
        assert!(longest <= 2 * GAP, "{lane:?} waited {longest:?}");
    }
}

#[test]
fn nor_does_it_when_the_batch_runs_in_another_process() {
    let (behind, longest, _) = run(beside_a_batch(Lane::Authentication, true, 12));
    println!("behind {behind}, {longest:?}");
    assert!(behind <= 2 && longest <= 3 * GAP, "behind {behind}, {longest:?}");
}

#[test]
fn a_verification_leaves_the_last_place_of_a_second_to_an_authentication() {
    run(async {
        let town = Town::new(5);
        let budget = town.process().await;
        for _ in 0..2 {
            drop(budget.acquire(Lane::Verification, Duration::ZERO).await.unwrap());
        }
        assert!(budget.acquire(Lane::Verification, Duration::ZERO).await.is_err());
        drop(budget.acquire(Lane::Authentication, Duration::ZERO).await.unwrap());
        // At the even pace it may take all three.
        town.pass(2_000, 5).await;
        for _ in 0..3 {
            drop(budget.acquire(Lane::Verification, Duration::ZERO).await.unwrap());
            town.pass(335, 5).await;
        }
    });
}

#[test]
fn after_eight_authentications_in_a_row_a_verification_that_waits_goes_first() {
    run(async {
        let town = Town::new(6);
        let budget = town.process().await;
        let hour = Duration::from_hours(1);
        let lanes = std::iter::repeat_n(Lane::Authentication, 24).chain([Lane::Verification]);
        let callers: Vec<_> = lanes.map(|lane| town.ask(&budget, lane, hour, 0)).collect();
        town.pass(9_000, 5).await;
        let sends = town.sends();
        let before = sends.iter().position(|send| send.lane == Lane::Verification);
        assert_eq!(before, Some(8));
        callers.iter().for_each(JoinHandle::abort);
    });
}

#[test]
fn as_long_as_anybody_stands_at_the_door_nothing_of_the_batch_is_sent() {
    run(async {
        let town = Town::new(8);
        let budget = town.process().await;
        let lanes = [Lane::Authentication, Lane::Verification].into_iter().cycle().take(60);
        let mut callers: Vec<_> =
            lanes.map(|lane| town.ask(&budget, lane, Duration::from_hours(1), 0)).collect();
        callers.extend(town.batch(&budget, 2, 0));
        town.pass(30_000, 5).await;
        callers.iter().for_each(JoinHandle::abort);
        let of_the_batch = |send: &Send| send.lane == Lane::Batch;
        let sends = town.sends();
        assert_eq!(sends.iter().position(of_the_batch), Some(60));
        assert!(sends.iter().filter(|send| of_the_batch(send)).count() > 20, "and then it goes on");
    });
}

#[test]
fn a_place_that_is_not_used_is_somebody_elses() {
    run(async {
        let town = Town::new(7);
        let budget = town.process().await;
        for _ in 0..10 {
            drop(budget.reserve(Lane::Authentication, Duration::ZERO).await.unwrap());
        }
        assert_eq!(budget.wait(Lane::Authentication), Duration::ZERO);
        town.pass(61_500, 500).await;
        drop(budget.acquire(Lane::Authentication, Duration::ZERO).await.unwrap());
        assert_eq!(town.store.rows().await, 1, "and its row goes");
    });
}

#[test]
fn the_peer_refuses_what_comes_too_often() {
    let at = |ms: i64| Timestamp::from_millisecond(ms).unwrap();
    assert_eq!(Peer::refuses([0, 400, 800, 1000, 1001].map(at).to_vec()), 1);
}
