//! Nothing is destroyed by itself on a clock that is not believed.

use crate::{
    house::House,
    keep::{all_vaulted, days, house, purged, retention, state, told, upkeep, vaulted},
};
use audit::{Action, Outcome};
use custody::RetentionState as R;
use jiff::SignedDuration;
use jumio::{
    JumioError,
    scripted::{Endpoint, Script},
};
use model::Clock as _;
use register::{RecoveryKind, RecoveryRow};
use std::time::Duration;

const HOUR: Duration = Duration::from_mins(61);

/// One whose time is over, one whose is not.
async fn two() -> House {
    let house = house(custody::RetentionConfig { max_fraction_per_day: 1.0, ..retention() }).await;
    vaulted(&house, 1, days(31)).await;
    vaulted(&house, 2, days(1)).await;
    house
}

fn refused(why: &str) -> Vec<(Option<Outcome>, Option<String>)> {
    vec![(Some(Outcome::Refused), Some(why.to_owned()))]
}

#[tokio::test]
async fn a_clock_that_differs_from_jumios_by_more_than_an_hour_destroys_nobody() {
    for (ahead, runs) in [(3590, true), (-3590, true), (3610, false), (-3610, false)] {
        let house = two().await;
        house.jumio.be_ahead(SignedDuration::from_secs(ahead));
        upkeep(&house).await;
        assert_eq!(purged(&house, 1, 3).await == [1], runs, "{ahead} seconds");
        if !runs {
            assert_eq!(state(&house).await, R::ClockDiffers);
            assert_eq!(told(&house, Action::RetentionSweep).await, refused("clock-differs"));
            house.jumio.be_ahead(SignedDuration::ZERO);
            house.pass(days(2)).await;
            assert_eq!(purged(&house, 1, 3).await, [1], "once the clocks agree it goes on");
        }
    }
}

#[tokio::test]
async fn while_nobody_knows_jumios_time_nobody_is_destroyed_and_one_question_is_asked() {
    let house = two().await;
    house.jumio.script(
        Endpoint::ScanStatus,
        Script::fail(JumioError::Unavailable { what: "connection" }).for_ever(),
    );
    upkeep(&house).await;
    assert_eq!(state(&house).await, R::ClockUnknown);
    assert!(purged(&house, 1, 3).await.is_empty());
    assert_eq!(told(&house, Action::RetentionSweep).await, refused("clock-unknown"));
    // One question by the sweep, one by the housekeeping.
    assert_eq!(house.jumio.count(Endpoint::ScanStatus), 2);
    house.jumio.clear_scripts();
    house.pass(HOUR).await;
    assert_eq!(purged(&house, 1, 3).await, [1]);
    assert_eq!(told(&house, Action::RetentionSweep).await.len(), 2, "it is told once, and then the end");
}

#[tokio::test]
async fn a_date_of_jumios_is_believed_for_a_day() {
    let house = two().await;
    upkeep(&house).await;
    let asked = house.jumio.count(Endpoint::ScanStatus);
    assert_eq!(asked, 1, "the one question serves both jobs");
    house.pass(Duration::from_hours(23)).await;
    assert_eq!(house.jumio.count(Endpoint::ScanStatus), asked);
    house.pass(Duration::from_hours(2)).await;
    assert_eq!(house.jumio.count(Endpoint::ScanStatus), asked + 1);
}

#[tokio::test]
async fn a_clock_that_jumped_since_the_last_run_leaves_a_round_out() {
    for back in [false, true] {
        let house = two().await;
        upkeep(&house).await;
        assert_eq!(purged(&house, 1, 3).await, [1]);
        all_vaulted(&house, 3, 6, days(31)).await;
        if back {
            house.clock.turn_back(Duration::from_mins(50));
            house.clock.advance(Duration::from_mins(50));
        } else {
            house.clock.jump(Duration::from_mins(50));
        }
        house.pass(Duration::from_mins(15)).await;
        if back {
            house.pass(Duration::from_mins(50)).await;
        }
        assert_eq!(state(&house).await, R::ClockJumped, "back: {back}");
        assert_eq!(purged(&house, 3, 6).await, [0_u64; 0]);
        house.pass(HOUR).await;
        assert_eq!(purged(&house, 3, 6).await.len(), 3, "the next look finds nothing more");
    }
}

#[tokio::test]
async fn a_jump_while_the_process_was_down_leaves_a_round_out() {
    for (jump, runs) in [(20, true), (30, false)] {
        let mut house = two().await;
        upkeep(&house).await;
        all_vaulted(&house, 3, 6, days(31)).await;
        house.clock.advance(Duration::from_hours(jump));
        house.restart().await;
        upkeep(&house).await;
        assert_eq!(purged(&house, 3, 6).await.is_empty(), !runs, "{jump} hours");
        house.pass(HOUR).await;
        assert_eq!(purged(&house, 3, 6).await.len(), 3);
    }
    let mut house = two().await;
    upkeep(&house).await;
    all_vaulted(&house, 3, 6, days(31)).await;
    house.clock.turn_back(days(1));
    house.restart().await;
    upkeep(&house).await;
    house.pass(days(1) + HOUR).await;
    let told = told(&house, Action::RetentionSweep).await;
    assert!(told.contains(&refused("clock-jumped")[0]), "{told:?}");
}

#[tokio::test]
async fn nothing_is_destroyed_by_itself_before_a_recovery_is_acknowledged() {
    let house = two().await;
    let now = house.clock.now();
    let mut recovery = RecoveryRow {
        since: now,
        kind: RecoveryKind::Rebuild,
        reauth_blocked_until: now,
        acknowledged_at: None,
        lost: Vec::new(),
    };
    let mut commit = house.register().records().commit();
    house.register().put_recovery(&mut commit, None, &recovery);
    commit.submit().await.unwrap();
    upkeep(&house).await;
    assert_eq!(state(&house).await, R::Recovering);
    assert!(purged(&house, 1, 3).await.is_empty());
    recovery.acknowledged_at = Some(now);
    let read = house.register().recovery().await.unwrap();
    let mut commit = house.register().records().commit();
    house.register().put_recovery(&mut commit, read.as_ref(), &recovery);
    commit.submit().await.unwrap();
    house.pass(HOUR).await;
    assert_eq!(purged(&house, 1, 3).await, [1]);
}
