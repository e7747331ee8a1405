//! Time as an argument, so that tests run hours in milliseconds.

use jiff::Timestamp;
use std::{future::Future, pin::Pin, time::Duration};

/// A future that is done when the time has passed.
pub type Sleep<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// The wall clock, and the waiting that goes with it.
pub trait Clock: Send + Sync + 'static {
    /// The time now, in UTC.
    fn now(&self) -> Timestamp;

    /// Waits for `duration` of this clock's time.
    fn sleep(&self, duration: Duration) -> Sleep<'_>;

    /// The time since a moment that stays the same while the process lives. It never jumps and never runs back, whatever
    /// somebody does to the wall clock; it may stand still while the machine sleeps.
    fn uptime(&self) -> Duration;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the machine's time comes in")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, duration: Duration) -> Sleep<'_> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn uptime(&self) -> Duration {
        static BEGAN: std::sync::LazyLock<std::time::Instant> =
            std::sync::LazyLock::new(std::time::Instant::now);
        BEGAN.elapsed()
    }
}

/// A clock that stands still until a test moves it.
#[cfg(feature = "test-util")]
#[derive(Debug, Clone)]
pub struct MockClock {
    now: std::sync::Arc<tokio::sync::watch::Sender<Timestamp>>,
    uptime: std::sync::Arc<std::sync::Mutex<Duration>>,
}

#[cfg(feature = "test-util")]
impl MockClock {
    /// A clock that shows `start`, an RFC 3339 time.
    ///
    /// # Panics
    /// When `start` is not such a time.
    #[must_use]
    pub fn at(start: &str) -> Self {
        let start = start.parse().expect("a mock clock starts at an RFC 3339 time");
        Self {
            now: std::sync::Arc::new(tokio::sync::watch::Sender::new(start)),
            uptime: std::sync::Arc::default(),
        }
    }

    /// Lets time pass; sleepers whose time has come wake up.
    pub fn advance(&self, by: Duration) {
        *self.uptime.lock().unwrap_or_else(std::sync::PoisonError::into_inner) += by;
        self.now.send_modify(|now| *now += by);
    }

    /// Moves the wall clock forward without any time passing: clocks do jump.
    pub fn jump(&self, by: Duration) {
        self.now.send_modify(|now| *now += by);
    }

    /// Moves the wall clock back: clocks do jump.
    pub fn turn_back(&self, by: Duration) {
        self.now.send_modify(|now| *now -= by);
    }
}

#[cfg(feature = "test-util")]
impl Clock for MockClock {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    fn sleep(&self, duration: Duration) -> Sleep<'_> {
        let mut watch = self.now.subscribe();
        let until = self.now() + duration;
        Box::pin(async move {
            // Unwrap safety: the sender lives in self, which this future borrows, so the channel cannot be closed.
            watch.wait_for(|now| *now >= until).await.expect("the clock outlives its sleepers");
        })
    }

    fn uptime(&self) -> Duration {
        *self.uptime.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(feature = "test-util")]
    #[tokio::test]
    async fn a_sleeper_wakes_when_the_mock_clock_has_passed_its_time_and_not_before() {
        use super::*;
        let clock = MockClock::at("2026-11-21T12:00:00Z");
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(Duration::from_mins(1)).await }
        });
        tokio::task::yield_now().await;
        clock.advance(Duration::from_secs(59));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_secs(1));
        sleeper.await.unwrap();
    }
}
