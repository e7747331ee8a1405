//! A bell for each kind of job, so that what happens to one kind wakes nobody who does others: under a flood of callbacks
//! everybody else would look in vain for work thousands of times a second.

use crate::Kind;
use futures_util::future::select_all;
use tokio::sync::watch;

/// The bells.
pub(crate) struct Wake(Vec<watch::Sender<u64>>);

impl Default for Wake {
    fn default() -> Self {
        Self(Kind::ALL.iter().map(|_| watch::Sender::new(0)).collect())
    }
}

impl Wake {
    /// Wakes whoever waits for this kind.
    pub(crate) fn ring(&self, kind: Kind) {
        for (_, bell) in self.bells(&[kind]) {
            bell.send_modify(|times| *times = times.wrapping_add(1));
        }
    }

    pub(crate) fn of(&self, kinds: &[Kind]) -> Woken {
        Woken(self.bells(kinds).map(|(_, bell)| bell.subscribe()).collect())
    }

    fn bells<'a>(&'a self, kinds: &'a [Kind]) -> impl Iterator<Item = (&'a Kind, &'a watch::Sender<u64>)> {
        Kind::ALL.iter().zip(&self.0).filter(|(kind, _)| kinds.contains(kind))
    }
}

/// Hears the bells of some kinds.
#[derive(Debug)]
pub struct Woken(Vec<watch::Receiver<u64>>);

impl Woken {
    /// Forgets what rang until now.
    pub fn mark_unchanged(&mut self) {
        self.0.iter_mut().for_each(watch::Receiver::mark_unchanged);
    }

    /// Waits until one of them rings.
    pub async fn changed(&mut self) {
        if self.0.is_empty() {
            return std::future::pending().await;
        }
        // The queue outlives its workers, so no bell is taken down while somebody listens.
        let _rang = select_all(self.0.iter_mut().map(|bell| Box::pin(bell.changed()))).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    async fn hears(woken: &mut Woken) -> bool {
        tokio::time::timeout(Duration::ZERO, woken.changed()).await.is_ok()
    }

    #[tokio::test]
    async fn a_bell_wakes_who_waits_for_its_kind_and_nobody_else() {
        let wake = Wake::default();
        let mut both = wake.of(&[Kind::Callback, Kind::Enrollment]);
        let mut other = wake.of(&[Kind::Authentication]);
        wake.ring(Kind::Enrollment);
        assert!(hears(&mut both).await);
        assert!(!hears(&mut other).await);
        assert!(!hears(&mut both).await, "once for each time");
        wake.ring(Kind::Callback);
        both.mark_unchanged();
        assert!(!hears(&mut both).await);
    }
}
