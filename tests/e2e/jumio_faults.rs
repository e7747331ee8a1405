//! Every call to Jumio × every fault of Jumio's. While the faults last, nothing partial is kept, nothing is posted twice and
//! nothing is deleted too early; when they are over, everything that was begun is finished by itself.

use crate::house::{Answer, House, Journal, LOOK_EVERY, Recorder, Role};
use sandbox::{AuthenticationResult, Endpoint, Entry, Fault, FaultBody, Judgement, Moment, NewVerification};
use serde_json::json;
use std::{
    fs,
    time::{Duration, Instant},
};

/// Longer than any two failures in a row keep a job waiting.
const PATIENCE: Duration = Duration::from_mins(3);
/// The settle time of these tests, in seconds.
const SETTLE: &str = "5";
/// Bytes that the vault may have resident at most, whatever it is sent.
const MEMORY: usize = 300 << 20;

/// What a caller hears about an initiate under a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// Jumio did not act: later.
    Later,
    /// Jumio did not act, and will not.
    Refused,
    /// Nobody knows.
    Unknown,
}

/// A fault, what an initiate comes to under it, and how it is ordered; the text is where a redirect leads.
struct Kind {
    heard: Heard,
    order: fn(&mut Fault, &str),
}

const fn kind(heard: Heard, order: fn(&mut Fault, &str)) -> Kind {
    Kind { heard, order }
}

fn body(fault: &mut Fault, body: FaultBody) {
    fault.body = Some(body);
}

/// Answers and silences that are no 200.
const NO_SUCCESS: [Kind; 9] = [
    kind(Heard::Later, |fault, _| (fault.status, fault.retry_after) = (Some(429), Some("1".to_owned()))),
    kind(Heard::Unknown, |fault, _| fault.status = Some(500)),
    kind(Heard::Unknown, |fault, _| (fault.status, fault.retry_after) = (Some(503), Some("1".to_owned()))),
    kind(Heard::Unknown, |fault, _| fault.delay_ms = 2500),
    kind(Heard::Unknown, |fault, _| (fault.delay_ms, fault.at) = (2500, Moment::After)),
    kind(Heard::Unknown, |fault, _| fault.reset = Some(Moment::Before)),
    kind(Heard::Unknown, |fault, _| fault.reset = Some(Moment::After)),
    kind(Heard::Refused, |fault, place| fault.location = Some(place.to_owned())),
    kind(Heard::Refused, |fault, place| (fault.location, fault.status) = (Some(place.to_owned()), Some(307))),
];

/// Answers that call themselves a success.
const SUCCESS: [Kind; 9] = [
    kind(Heard::Unknown, |fault, _| body(fault, FaultBody::Truncated)),
    kind(Heard::Unknown, |fault, _| body(fault, FaultBody::Endless)),
    kind(Heard::Unknown, |fault, _| body(fault, FaultBody::Oversized)),
    kind(Heard::Unknown, |fault, _| body(fault, FaultBody::GzipBomb)),
    kind(Heard::Unknown, |fault, _| body(fault, FaultBody::Slow)),
    kind(Heard::Unknown, |fault, _| body(fault, FaultBody::Html)),
    kind(Heard::Unknown, |fault, _| body(fault, FaultBody::Empty)),
    kind(Heard::Unknown, |fault, _| body(fault, FaultBody::Malformed)),
    // The one that tells nobody how long to wait comes last: it stops all calls of its kind for five seconds.
    kind(Heard::Later, |fault, _| fault.status = Some(429)),
];

const PEOPLE: usize = NO_SUCCESS.len() + SUCCESS.len();

fn every_kind() -> impl Iterator<Item = &'static Kind> {
    NO_SUCCESS.iter().chain(&SUCCESS)
}

struct Person {
    user: String,
    reference: String,
    digest: String,
}

/// A vault that waits a second for Jumio, and one that must never hear of it.
struct Stage {
    house: House,
    thief: Recorder,
}

impl Stage {
    /// Lets each of these faults hit one call. Whoever is hit comes back when the others have been hit too.
    fn order<'a>(&self, endpoint: Endpoint, kinds: impl Iterator<Item = &'a Kind>) {
        let faults = kinds.map(|kind| {
            let mut fault = Fault::on(endpoint);
            (kind.order)(&mut fault, &self.thief.url);
            // An empty 200 is how Jumio says that it has deleted: then it must have.
            let deletes = matches!(endpoint, Endpoint::DeleteScan | Endpoint::DeleteAuthentication);
            if deletes && fault.body == Some(FaultBody::Empty) {
                fault.at = Moment::After;
            }
            fault
        });
        self.house.sandbox.control.set_faults(faults.collect());
    }

    /// Waits until each of these answers says so, and no fault is left.
    async fn until(&self, paths: &[String], field: &str, value: &str) {
        let begin = Instant::now();
        for path in paths {
            loop {
                let seen = self.house.get(path).await;
                if seen.str(field) == value {
                    break;
                }
                assert!(begin.elapsed() < PATIENCE, "{path}: {field} is not {value}: {}", seen.text);
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        eprintln!("{field} = {value} for {} after {:?}", paths.len(), begin.elapsed());
        assert!(self.house.sandbox.control.faults().is_empty(), "a fault has hit nobody");
    }

    /// Waits until Jumio has written so many requests down (a late one after its delay), and no more.
    async fn were_sent(&self, endpoint: Endpoint, count: usize) {
        let begin = Instant::now();
        while self.posts(endpoint) < count {
            assert!(begin.elapsed() < PATIENCE, "{endpoint:?}: {} of {count}", self.posts(endpoint));
            tokio::time::sleep(LOOK_EVERY).await;
        }
        assert_eq!(self.posts(endpoint), count, "{endpoint:?}");
    }

    fn posts(&self, endpoint: Endpoint) -> usize {
        self.house.journal().requests().filter(|entry| entry.endpoint == endpoint).count()
    }
}

/// What a caller must hear.
fn is_heard(answer: &Answer, heard: Heard) {
    let expected = match heard {
        Heard::Later => (429, "jumio-budget"),
        Heard::Refused => (502, "jumio-refused"),
        Heard::Unknown => (504, "outcome-unknown"),
    };
    assert_eq!(answer.code(), expected, "{}", answer.text);
    assert_eq!(answer.headers.contains_key("retry-after"), heard != Heard::Refused, "{:?}", answer.headers);
}

fn enrollments(people: &[Person]) -> Vec<String> {
    people.iter().map(|person| format!("/v1/enrollments/{}", person.reference)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn under_every_fault_of_every_call_nothing_is_half_done_and_afterwards_all_is_finished() {
    let settings = [("JUMIO__TIMEOUT_SECONDS", "1"), ("REAUTH__SETTLE_SECONDS", SETTLE)];
    let stage = Stage { house: House::with(&settings).await, thief: Recorder::start().await };
    nobody_starts_a_verification_twice(&stage).await;
    let people = everybody_is_vaulted(&stage).await;
    everybody_gets_ready(&stage, &people).await;
    let people = &people[..PEOPLE];
    let initiated = nobody_is_posted_twice(&stage, people).await;
    everybody_passes(&stage, &initiated).await;
    everybody_is_purged(&stage, people).await;
    for person in people {
        each_step_came_after_the_one_it_depends_on(&stage.house.journal(), person);
    }
    assert_eq!(stage.thief.heard(), Vec::<String>::new(), "a redirect was followed");
    let peak = peak(stage.house.vault.as_ref().unwrap().id());
    eprintln!("the most memory: {peak} bytes");
    assert!(peak <= MEMORY, "{peak} bytes");
    stage.house.tells_nobody(&[]);
}

/// The most memory that a process has had resident, in bytes.
fn peak(process: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse::<usize>().unwrap() * 1024
}

async fn nobody_starts_a_verification_twice(stage: &Stage) {
    for (number, kind) in every_kind().enumerate() {
        stage.order(Endpoint::InitiateVerification, std::iter::once(kind));
        let order = json!({ "userReference": format!("starter-{number}"), "workflowId": 201 });
        let answer = stage.house.post("/v1/verifications", &order).await;
        is_heard(&answer, kind.heard);
    }
    stage.were_sent(Endpoint::InitiateVerification, PEOPLE).await;
    // Nothing is known here of what Jumio may have created.
    let status = stage.house.get("/v1/status").await.body;
    assert!(status["enrollments"].as_object().unwrap().values().all(|state| state["count"] == 0), "{status}");
    stage.house.begin("starter").await;
}

/// Status, details and facemap. There are three times as many people as faults of a kind, so that few are hit twice and have to
/// wait twice as long.
async fn everybody_is_vaulted(stage: &Stage) -> Vec<Person> {
    let mut people = Vec::new();
    for number in 0..3 * PEOPLE {
        let user = format!("user-{number}");
        let judgement = Judgement { send_callback: false, ..Judgement::default() };
        let new =
            NewVerification { user_reference: Some(user.clone()), judgement, ..NewVerification::default() };
        let made = stage.house.sandbox.control.add_verification(new).await.unwrap();
        let digest = made.facemap_digest.unwrap();
        people.push(Person { user, reference: made.transaction_reference, digest });
    }
    for endpoint in [Endpoint::ScanStatus, Endpoint::ScanDetails, Endpoint::Facemap] {
        stage.order(endpoint, every_kind());
    }
    for person in &people {
        let answer = stage.house.announce(&person.reference, &person.user).await;
        assert!(answer.status < 300, "{}", answer.text);
    }
    stage.until(&enrollments(&people), "state", "vaulted").await;
    assert_eq!(stage.posts(Endpoint::DeleteScan), 0, "nobody was released");
    people
}

/// The deletion of the original, and the look at where it was.
async fn everybody_gets_ready(stage: &Stage, people: &[Person]) {
    stage.order(Endpoint::DeleteScan, every_kind());
    stage.order(Endpoint::Facemap, NO_SUCCESS.iter());
    for person in people {
        stage.house.release(&person.reference).await;
    }
    stage.until(&enrollments(people), "state", "ready").await;
}

/// Each of them is hit by one fault; gives the ids and Jumio's references of those that were initiated in the end.
async fn nobody_is_posted_twice(stage: &Stage, people: &[Person]) -> Vec<(String, String)> {
    let (house, endpoint) = (&stage.house, Endpoint::InitiateAuthentication);
    for (person, kind) in people.iter().zip(every_kind()) {
        stage.order(endpoint, std::iter::once(kind));
        let asked = Instant::now();
        is_heard(&house.authenticate(&person.user).await, kind.heard);
        let list = house.get(&format!("/v1/authentications?userReference={}", person.user)).await;
        let states: Vec<_> =
            list.body["items"].as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap()).collect();
        let expected = if kind.heard == Heard::Unknown { "unknown" } else { "refused" };
        assert_eq!(states, [expected], "{}", list.text);
        if kind.heard != Heard::Unknown {
            continue;
        }
        // Whoever asks again at once gets the same, and Jumio hears nothing of it, until the settle time is over.
        let again = house.authenticate(&person.user).await;
        let settled = asked.elapsed() >= Duration::from_secs(SETTLE.parse().unwrap());
        if !settled {
            is_heard(&again, Heard::Unknown);
        }
    }
    let mut initiated = Vec::new();
    let begin = Instant::now();
    for person in people {
        loop {
            let answer = house.authenticate(&person.user).await;
            if answer.status < 300 {
                let reference = answer.str("authenticationTransactionReference").to_owned();
                initiated.push((answer.str("authenticationId").to_owned(), reference));
                break;
            }
            assert!(begin.elapsed() < PATIENCE, "{}", answer.text);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
    // The one that was hit, and the one that was not; none in between.
    stage.were_sent(endpoint, 2 * PEOPLE).await;
    initiated
}

async fn everybody_passes(stage: &Stage, initiated: &[(String, String)]) {
    stage.order(Endpoint::Authentication, every_kind());
    for (_, reference) in initiated {
        let passed = AuthenticationResult::Passed.into();
        stage.house.sandbox.control.authentication_result(reference, passed).await.unwrap();
    }
    let paths: Vec<_> = initiated.iter().map(|(id, _)| format!("/v1/authentications/{id}")).collect();
    stage.until(&paths, "state", "passed").await;
}

/// What is left at Jumio of everybody is deleted: Jumio says so, not a page with status 200.
async fn everybody_is_purged(stage: &Stage, people: &[Person]) {
    let house = &stage.house;
    stage.order(Endpoint::DeleteAuthentication, every_kind());
    let begin = Instant::now();
    // Each is hit by one fault; only then is anybody waited for.
    for person in people {
        let path = format!("/v1/enrollments/{}?reason=erasure-request", person.reference);
        let purged = house.ask(Role::Admin, house.http.delete(house.api(&path))).await;
        assert_eq!((purged.status, purged.str("state")), (200, "purged"), "{}", purged.text);
    }
    for (person, kind) in people.iter().zip(every_kind()) {
        // Jumio may have one whose name was lost with the answer: then the purge must not say that all is deleted.
        let last = if kind.heard == Heard::Unknown { "incomplete" } else { "done" };
        // Asked for again, it is the same purge, and says how far Jumio is.
        let path = format!("/v1/enrollments/{}?reason=erasure-request", person.reference);
        loop {
            let purged = house.ask(Role::Admin, house.http.delete(house.api(&path))).await;
            if purged.str("jumioDeletion") == last {
                break;
            }
            assert!(begin.elapsed() < PATIENCE, "{}", purged.text);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
    eprintln!("purged after {:?}", begin.elapsed());
    assert!(house.sandbox.control.faults().is_empty(), "a fault has hit nobody");
    let at_jumio = house.sandbox.control.state(10_000);
    let theirs = |one: &&serde_json::Value| {
        people.iter().any(|person| one["enrollmentTransactionReference"] == person.reference)
    };
    let list = at_jumio["authentications"].as_array().unwrap();
    // What Jumio made of a post whose answer was lost has no name here: nobody can ask for its deletion.
    let known = list.iter().filter(theirs).filter(|one| one["transactionResult"] == "PASSED");
    assert_eq!(known.clone().count(), people.len(), "{list:?}");
    assert!(known.clone().all(|one| one["deleted"] == true), "{list:?}");
}

/// Fetched whole, then deleted, then seen gone, then posted with that facemap; whatever was hit in between.
fn each_step_came_after_the_one_it_depends_on(journal: &Journal, person: &Person) {
    let about = journal.about(&person.reference);
    let first = |what: &str, is_it: &dyn Fn(&Entry) -> bool| {
        let place = about.iter().position(|entry| is_it(entry));
        place.unwrap_or_else(|| panic!("{}: never {what}: {about:?}", person.user))
    };
    let is =
        |entry: &Entry, endpoint, status| entry.endpoint == endpoint && entry.note.status == Some(status);
    let fetched = first("fetched", &|entry| is(entry, Endpoint::Facemap, 200) && entry.note.fault.is_none());
    let deleted = first("deleted", &|entry| entry.endpoint == Endpoint::DeleteScan);
    let gone = first("seen gone", &|entry| is(entry, Endpoint::Facemap, 404) && entry.note.fault.is_none());
    let posted = first("posted", &|entry| entry.endpoint == Endpoint::InitiateAuthentication);
    assert!(fetched < deleted && deleted < gone && gone < posted, "{about:?}");
    let posts = about.iter().filter(|entry| entry.endpoint == Endpoint::InitiateAuthentication);
    for post in posts {
        assert_eq!(
            post.note.facemap_digest.as_deref(),
            Some(person.digest.as_str()),
            "another facemap, or half"
        );
    }
}
