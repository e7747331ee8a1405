//! Six hundred at Jumio's rate, with people at the door beside them.

use crate::{
    batch_house::{seen, start, transactions, users, work},
    house::{House, asks, config},
};
use model::{Clock as _, Timestamp};
use queue::Limit;
use register::{BatchState, ItemState as I};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

const ITEMS: u64 = 600;
const AT_THE_DOOR: u64 = 30;
const STEP: Duration = Duration::from_millis(10);

/// Whether some interval of this length holds more than `count`.
fn most_within(times: &[Timestamp], within: Duration) -> usize {
    let mut most = 0;
    for (n, from) in times.iter().enumerate() {
        let until = *from + within;
        most = most.max(times[n..].iter().take_while(|at| **at <= until).count());
    }
    most
}

/// With one thread for what reads files, [`crate::batch_house::rest`] stands behind all of it: however busy the machine
/// is, the clock stands still until everybody has done what can be done.
#[test]
fn six_hundred_keep_to_jumios_rate_use_it_and_nobody_at_the_door_waits_for_them() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build();
    runtime.unwrap().block_on(six_hundred());
}

async fn six_hundred() {
    let limits = vec![Limit::per_second(3), Limit::per_minute(180)];
    let house = House::with(config(), limits).await;
    for number in 1..=ITEMS + AT_THE_DOOR {
        house.enroll(number).await;
    }
    let id = start(&house, &transactions(), users(1..=ITEMS)).await;
    let (mut posts, mut times) = (0, Vec::new());
    let waited: Arc<Mutex<Vec<Duration>>> = Arc::default();
    let (mut step, mut next) = (0_u64, ITEMS + 1);
    let begin = house.clock.now();
    work(&house, Duration::from_secs(225), STEP, || {
        let now = house.posts();
        times.extend(std::iter::repeat_n(house.clock.now(), now - posts));
        posts = now;
        step += 1;
        // Somebody at the door every seven seconds.
        if step.is_multiple_of(700) && next <= ITEMS + AT_THE_DOOR {
            let (reauth, clock, waited) = (house.reauth().clone(), house.clock.clone(), Arc::clone(&waited));
            let request = asks(next);
            next += 1;
            tokio::spawn(async move {
                let asked = clock.now();
                reauth.initiate(request, audit::Actor::System).await.unwrap();
                let took = clock.now().duration_since(asked);
                waited.lock().unwrap().push(took.try_into().unwrap());
            });
        }
    })
    .await;
    let view = seen(&house, id).await;
    assert_eq!(view.states[&I::Initiated], ITEMS, "{view:?}");
    assert_eq!(view.state, BatchState::Issued);
    let most = [1, 60].map(|seconds| most_within(&times, Duration::from_secs(seconds)));
    assert!(most[0] <= 3 && most[1] <= 180, "{most:?} within a second and a minute");
    let waited = waited.lock().unwrap().clone();
    assert!(waited.len() >= 20, "{}", waited.len());
    let longest = waited.iter().max().unwrap();
    // One gap, after what was granted just before: a third of a second and the lead of a grant.
    assert!(*longest <= Duration::from_millis(500), "somebody at the door waited {longest:?}");
    let span = times.last().unwrap().duration_since(begin).as_secs_f64();
    let used = f64::from(u32::try_from(times.len() - 1).unwrap()) / (span * 3.0);
    println!(
        "{} posts in {span:.1} s: {:.1} % of the rate; the longest wait at the door {longest:?}",
        times.len(),
        used * 100.0
    );
    assert!(used >= 0.97, "only {:.1} % of the rate was used", used * 100.0);
}
