//! What the tests of batches share: ordering, and letting time pass while workers work.

use crate::house::{House, seconds, user};
use audit::Actor;
use model::{BatchId, Clock as _};
use queue::run_workers;
use reauth::{Accepted, BatchItemView, BatchRequest, BatchView, NewItem, ReauthError, Who};
use register::{ItemOutcome, ItemReason, ItemState};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// An order from JSON, as the API takes it.
pub(crate) fn order(json: serde_json::Value) -> BatchRequest {
    serde_json::from_value(json).unwrap()
}

/// An order about these users, for transactions of the mobile channel.
pub(crate) fn transactions() -> BatchRequest {
    order(serde_json::json!({ "delivery": "transaction", "channel": "mobile" }))
}

pub(crate) fn links() -> BatchRequest {
    order(serde_json::json!({ "purpose": "Confirm that it is you" }))
}

pub(crate) fn users(numbers: impl IntoIterator<Item = u64>) -> Vec<NewItem> {
    numbers.into_iter().map(|number| Who::User(user(number)).into()).collect()
}

pub(crate) async fn try_start(
    house: &House,
    wanted: &BatchRequest,
    items: Vec<NewItem>,
) -> Result<Accepted, ReauthError> {
    let (source, terms) = house.reauth().check_batch(wanted)?;
    let mut writing = house.reauth().prepare_batch(source, terms, wanted.dry_run, Actor::System).await?;
    for (number, item) in (1..).zip(items) {
        writing.add(number, item).await?;
    }
    if let Some(filter) = wanted.filter {
        writing.add_filtered(filter).await?;
    }
    writing.finish(wanted.expect_total).await
}

pub(crate) async fn start(house: &House, wanted: &BatchRequest, items: Vec<NewItem>) -> BatchId {
    try_start(house, wanted, items).await.unwrap().batch_id.unwrap()
}

pub(crate) async fn seen(house: &House, id: BatchId) -> BatchView {
    house.reauth().batch(id).await.unwrap()
}

pub(crate) async fn items(house: &House, id: BatchId) -> Vec<BatchItemView> {
    house.reauth().batch_items(id, None, None, 10_000, true).await.unwrap()
}

/// State, reason and outcome of each item.
pub(crate) async fn ends(
    house: &House,
    id: BatchId,
) -> Vec<(ItemState, Option<ItemReason>, Option<ItemOutcome>)> {
    items(house, id).await.iter().map(|item| (item.state, item.reason, item.outcome)).collect()
}

/// Lets workers work while time passes in steps; `each` is called after every one of them.
pub(crate) async fn work(house: &House, span: Duration, step: Duration, mut each: impl FnMut()) {
    let process = house.now();
    let (ending, until_stopped) = watch::channel(false);
    let handlers: Vec<Arc<dyn queue::Handler>> = vec![Arc::new(process.reauth.clone())];
    let workers = tokio::spawn(run_workers(process.queue.clone(), handlers, 3, until_stopped));
    let end = house.clock.now() + span;
    while house.clock.now() < end {
        rest(house).await;
        house.clock.advance(step);
        rest(house).await;
        each();
    }
    ending.send_replace(true);
    let ending = async {
        while !workers.is_finished() {
            house.clock.advance(step);
            rest(house).await;
            each();
        }
    };
    tokio::time::timeout(seconds(60), ending).await.unwrap();
    workers.await.unwrap().unwrap();
}

/// Lets everybody do what they can do at this moment: until nobody has touched the store for a while. What reads files
/// does so on threads of its own; one that is asked after it lets it come to its end.
pub(crate) async fn rest(house: &House) {
    let (mut last, mut quiet) = (u64::MAX, 0);
    for _ in 0..2000 {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        drop(tokio::task::spawn_blocking(|| ()).await);
        let touched = house.store.commits() + house.store.reads();
        quiet = if touched == last { quiet + 1 } else { 0 };
        last = touched;
        if quiet >= 4 && (house.reauth().posts_under_way() == 0 || quiet >= 40) {
            return;
        }
    }
}

/// As [`work`], in steps of a tenth of a second.
pub(crate) async fn go_on(house: &House, span: Duration) {
    work(house, span, Duration::from_millis(100), || {}).await;
}
