//! The limits hold in every sliding second and minute, over long random schedules, restarts and slow disks included;
//! and nearly all of the rate is used.

use crate::{Budget, Lane, Limit};
use async_trait::async_trait;
use model::{Clock as _, Rng as _, Timestamp, clock::MockClock, rng::SeededRng};
use proptest::prelude::*;
use records::Records;
use seal::HeldKeys;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use store::{Batch, Range, Row, Store, StoreError, TableId, Version, Versioned, memory::MemoryStore};

const LIMITS: [Limit; 2] = [Limit::per_second(3), Limit::per_minute(180)];

/// At 3 per second the limit of 180 per minute is never the one that binds; here it is.
const BURSTS: [Limit; 2] = [Limit::per_second(10), Limit::per_minute(60)];

/// A store whose commits take as long as they are told to.
pub(super) struct SlowStore {
    inner: MemoryStore,
    clock: MockClock,
    pub(super) slowest_ms: AtomicU64,
    rng: SeededRng,
}

impl SlowStore {
    pub(super) fn new(clock: MockClock, seed: u64) -> Self {
        Self { inner: MemoryStore::new(), clock, slowest_ms: AtomicU64::new(0), rng: SeededRng::new(seed) }
    }

    /// Durable rows of the budget.
    pub(super) async fn rows(&self) -> usize {
        self.inner.scan(records::tables::BUDGET, &Range::default(), 1000).await.unwrap().len()
    }
}

#[async_trait]
impl Store for SlowStore {
    async fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Versioned>, StoreError> {
        self.inner.get(table, key).await
    }

    async fn scan(&self, table: TableId, range: &Range, limit: usize) -> Result<Vec<Row>, StoreError> {
        self.inner.scan(table, range, limit).await
    }

    async fn commit(&self, batch: Batch) -> Result<Version, StoreError> {
        let slowest = self.slowest_ms.load(Ordering::SeqCst);
        if slowest > 0 {
            self.clock.sleep(Duration::from_millis(self.rng.below(slowest))).await;
        }
        let version = self.inner.commit(batch).await;
        if slowest > 0 {
            self.clock.sleep(Duration::from_millis(self.rng.below(slowest))).await;
        }
        version
    }

    async fn export(&self, sink: Box<dyn store::ExportSink>) -> Result<store::Transferred, StoreError> {
        self.inner.export(sink).await
    }

    async fn import(
        &self,
        last: Version,
        source: Box<dyn store::ImportSource>,
    ) -> Result<store::Transferred, StoreError> {
        self.inner.import(last, source).await
    }
}

/// Whether some interval of this length holds more than `count` sends.
fn exceeds(sends: &[Timestamp], limit: Limit) -> bool {
    sends
        .windows(limit.count + 1)
        .any(|some| Duration::try_from(some[limit.count].duration_since(some[0])).unwrap() <= limit.within)
}

#[derive(Debug, Clone, Copy)]
enum Act {
    /// So many ask at once, and wait for up to so many seconds.
    Ask(u8, u8),
    /// So many milliseconds pass.
    Pass(u16),
    /// The process is killed and started again.
    Restart,
    /// From now on a commit takes up to twice so many milliseconds.
    Slow(u16),
    /// A caller goes away.
    GoAway,
    /// The clock is put back by so many milliseconds.
    Back(u16),
}

fn acts(clock_jumps: bool) -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => (1_u8..12, 0_u8..90).prop_map(|(n, wait)| Act::Ask(n, wait)),
        8 => (1_u16..3000).prop_map(Act::Pass),
        2 => (1_u16..200).prop_map(Act::Pass),
        1 => Just(Act::Restart),
        1 => prop_oneof![Just(0), 1_u16..1500].prop_map(Act::Slow),
        1 => Just(Act::GoAway),
        u32::from(clock_jumps) => (1_u16..5000).prop_map(Act::Back),
    ];
    proptest::collection::vec(act, 20..200)
}

#[derive(Clone)]
struct World {
    limits: [Limit; 2],
    clock: MockClock,
    store: Arc<SlowStore>,
    records: Records,
    /// True time, which never jumps: milliseconds.
    passed: Arc<AtomicU64>,
    sends: Arc<Mutex<Vec<Timestamp>>>,
}

impl World {
    fn new(limits: [Limit; 2]) -> Self {
        let clock = MockClock::at("2026-11-21T12:00:00Z");
        let store = Arc::new(SlowStore::new(clock.clone(), 5));
        let records =
            Records::new(store.clone(), Arc::new(HeldKeys::for_tests(1)), Arc::new(SeededRng::new(6)));
        Self { limits, clock, store, records, passed: Arc::default(), sends: Arc::default() }
    }

    async fn budget(&self) -> Budget {
        Budget::open(self.records.clone(), Arc::new(self.clock.clone()), &self.limits).await.unwrap()
    }

    async fn send(&self, budget: &Budget, lane: Lane, wait: Duration) {
        if budget.acquire(lane, wait).await.is_ok() {
            let now = i64::try_from(self.passed.load(Ordering::SeqCst)).unwrap();
            self.sends.lock().unwrap().push(Timestamp::from_millisecond(now).unwrap());
        }
    }

    fn ask(&self, budget: &Budget, lane: Lane, wait: Duration) -> tokio::task::JoinHandle<()> {
        let (world, budget) = (self.clone(), budget.clone());
        tokio::spawn(async move { world.send(&budget, lane, wait).await })
    }

    async fn pass(&self, milliseconds: u64, at_once: u64) {
        for _ in 0..milliseconds.div_ceil(at_once) {
            self.clock.advance(Duration::from_millis(at_once));
            self.passed.fetch_add(at_once, Ordering::SeqCst);
            for _ in 0..30 {
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Plays the acts and returns when something was sent, in true time.
async fn play(acts: &[Act], limits: [Limit; 2]) -> Vec<Timestamp> {
    let world = World::new(limits);
    let mut budget = world.budget().await;
    let mut callers = Vec::new();
    for act in acts {
        match act {
            Act::Ask(n, wait) => {
                for n in 0..*n {
                    let lane = Lane::ALL[usize::from(n % 3)];
                    callers.push(world.ask(&budget, lane, Duration::from_secs(u64::from(*wait))));
                }
            }
            Act::Pass(milliseconds) => world.pass(u64::from(*milliseconds), 10).await,
            Act::Slow(slowest) => world.store.slowest_ms.store(u64::from(*slowest), Ordering::SeqCst),
            Act::GoAway => {
                if let Some(caller) = callers.pop() {
                    caller.abort();
                }
            }
            Act::Back(milliseconds) => world.clock.turn_back(Duration::from_millis(u64::from(*milliseconds))),
            Act::Restart => {
                abort(&callers);
                callers.clear();
                tokio::task::yield_now().await;
                world.store.slowest_ms.store(0, Ordering::SeqCst);
                budget = world.budget().await;
            }
        }
    }
    world.pass(5_000, 10).await;
    world.sends.lock().unwrap().clone()
}

fn abort(callers: &[tokio::task::JoinHandle<()>]) {
    for caller in callers {
        caller.abort();
    }
}

pub(super) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn no_second_and_no_minute_ever_holds_more_than_it_may(acts in acts(false), bursts: bool) {
        let limits = if bursts { BURSTS } else { LIMITS };
        let sends = run(play(&acts, limits));
        for limit in limits {
            prop_assert!(!exceeds(&sends, limit), "{:?}: {:?}", limit, sends);
        }
    }

    #[test]
    fn a_clock_that_is_put_back_lets_nothing_more_through(acts in acts(true), bursts: bool) {
        let limits = if bursts { BURSTS } else { LIMITS };
        let sends = run(play(&acts, limits));
        for limit in limits {
            prop_assert!(!exceeds(&sends, limit), "{:?}: {:?}", limit, sends);
        }
    }
}

#[test]
fn the_minute_binds_where_the_second_does_not_and_is_used() {
    run(async {
        let world = World::new(BURSTS);
        let budget = world.budget().await;
        let callers: Vec<_> =
            (0..200).map(|_| world.ask(&budget, Lane::Authentication, Duration::from_hours(1))).collect();
        world.pass(130_000, 10).await;
        let sends = world.sends.lock().unwrap().clone();
        assert!(BURSTS.iter().all(|limit| !exceeds(&sends, *limit)));
        assert_eq!(sends.len(), 3 * 60, "three minutes have begun");
        abort(&callers);
    });
}

#[test]
fn under_constant_demand_at_least_97_percent_of_the_rate_is_used() {
    run(async {
        let world = World::new(LIMITS);
        let budget = world.budget().await;
        let callers: Vec<_> = (0..8)
            .map(|_| {
                let (world, budget) = (world.clone(), budget.clone());
                tokio::spawn(async move {
                    loop {
                        world.send(&budget, Lane::Batch, Duration::from_hours(1)).await;
                    }
                })
            })
            .collect();
        world.pass(180_000, 2).await;
        let sends = world.sends.lock().unwrap().clone();
        assert!(LIMITS.iter().all(|limit| !exceeds(&sends, *limit)));
        let allowed = 3 * 180;
        assert!(sends.len() * 100 >= allowed * 97, "{} of {allowed}", sends.len());
        abort(&callers);
    });
}

#[test]
fn at_a_restart_in_full_flow_the_minute_is_not_begun_anew() {
    run(async {
        let world = World::new(LIMITS);
        let mut budget = world.budget().await;
        for _ in 0..30 {
            let callers: Vec<_> =
                (0..20).map(|_| world.ask(&budget, Lane::Authentication, Duration::from_mins(2))).collect();
            world.pass(1_000, 10).await;
            abort(&callers);
            budget = world.budget().await;
        }
        let sends = world.sends.lock().unwrap().clone();
        assert!(LIMITS.iter().all(|limit| !exceeds(&sends, *limit)), "{sends:?}");
        assert!(sends.len() >= 30, "it must not come to a halt either: {}", sends.len());
    });
}

/// The check itself: what one would first write instead of a log does not pass it.
#[test]
fn a_bucket_of_three_sends_more_than_three_within_a_second() {
    let rng = SeededRng::new(1);
    let (mut tokens, mut sends) = (3.0_f64, Vec::new());
    for millisecond in 0..120_000_i64 {
        tokens = (tokens + 0.003).min(3.0);
        let mut coin = [0];
        rng.fill(&mut coin);
        if tokens >= 1.0 && coin[0] > 100 {
            tokens -= 1.0;
            sends.push(Timestamp::from_millisecond(millisecond).unwrap());
        }
    }
    assert!(exceeds(&sends, LIMITS[0]));
}
