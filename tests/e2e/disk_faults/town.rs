//! Everybody who asks while the disk fails, and what they were told.

use crate::house::{Answer, House, Role};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinSet;

/// What the vault has acknowledged.
#[derive(Default)]
pub(super) struct Acknowledged {
    pub(super) called_back: BTreeSet<String>,
    pub(super) released: BTreeSet<String>,
    /// Receipts.
    pub(super) purged: BTreeMap<String, String>,
    /// What was acknowledged although it was asked for after the fault had begun.
    pub(super) in_spite: Vec<&'static str>,
}

/// Who asks, and what they were told.
#[derive(Clone)]
pub(super) struct Town {
    pub(super) known: Arc<Mutex<Acknowledged>>,
    /// Whether the fault is on.
    pub(super) is_on: Arc<AtomicBool>,
    /// Requests that were answered 503 since it is.
    pub(super) refused: Arc<AtomicU64>,
}

impl Town {
    pub(super) fn new() -> Self {
        Self { known: Arc::default(), is_on: Arc::default(), refused: Arc::default() }
    }

    /// Sends requests for everybody at once, again and again, until told to stop: callbacks and releases of those who
    /// come, purges of those who go, and whoever else begins.
    pub(super) fn load(
        &self,
        house: &House,
        coming: &[String],
        going: &[String],
        stop: &Arc<AtomicBool>,
    ) -> JoinSet<()> {
        let mut clients = JoinSet::new();
        let acts = coming.iter().flat_map(|reference| [("callback", reference), ("release", reference)]);
        let nobody = String::new();
        let all = acts.chain(going.iter().map(|reference| ("purge", reference))).chain([("begin", &nobody)]);
        for (act, reference) in all {
            let (town, stop, reference) = (self.clone(), Arc::clone(stop), reference.clone());
            let client = Client {
                http: house.http.clone(),
                portal: house.portal(),
                api: house.api(""),
                token: house.token(Role::Admin).to_owned(),
            };
            clients.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let is_on = town.is_on.load(Ordering::SeqCst);
                    if let Some(answer) = client.ask(act, &reference).await {
                        town.heard(act, &reference, &answer, is_on);
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            });
        }
        clients
    }

    fn heard(&self, act: &'static str, reference: &str, answer: &Answer, is_on: bool) {
        let mut known = self.known.lock().unwrap();
        if !matches!(answer.status, 200 | 201) {
            // Not vaulted yet, purged already; or the disk's word.
            assert!(matches!(answer.status, 404 | 409 | 410 | 503), "{act}: {}", answer.text);
            // Who meets another request about the same thing is refused for that.
            let by_the_disk = answer.status == 503 && answer.str("code") != "in-progress";
            self.refused.fetch_add(u64::from(is_on && by_the_disk), Ordering::SeqCst);
            return;
        }
        // What was done before and is asked for again needs no disk.
        let is_new = match act {
            "release" => known.released.insert(reference.to_owned()),
            "purge" => {
                let receipt = answer.str("receipt").to_owned();
                let is_new = !known.purged.contains_key(reference);
                let first = known.purged.entry(reference.to_owned()).or_insert_with(|| receipt.clone());
                assert_eq!(*first, receipt, "another receipt");
                is_new
            }
            "callback" => {
                known.called_back.insert(reference.to_owned());
                true
            }
            _ => true,
        };
        if is_on && is_new {
            known.in_spite.push(act);
        }
    }
}

struct Client {
    http: reqwest::Client,
    portal: String,
    api: String,
    token: String,
}

impl Client {
    /// The answer, if there is one: the vault may be gone.
    async fn ask(&self, act: &str, reference: &str) -> Option<Answer> {
        let enrollment = format!("{}/v1/enrollments/{reference}", self.api);
        let request = match act {
            "callback" => {
                let body = format!("callBackType=NETVERIFYID&jumioIdScanReference={reference}");
                let form = "application/x-www-form-urlencoded";
                self.http.post(&self.portal).header("Content-Type", form).body(body)
            }
            "release" => self.http.post(format!("{enrollment}/release")),
            "purge" => self.http.delete(format!("{enrollment}?reason=erasure-request")),
            _ => {
                let body = json!({ "userReference": "somebody", "workflowId": 201 }).to_string();
                let url = format!("{}/v1/verifications", self.api);
                self.http.post(url).header("Content-Type", "application/json").body(body)
            }
        };
        Answer::of(request.bearer_auth(&self.token)).await.ok()
    }
}
