//! What is asked of the house from outside, and what it answers.

use crate::{
    cast,
    world::{Process, rules},
};
use audit::Actor;
use custody::{Criterion, CustodyError, HoldOrder, HoldView, Order, PurgeId, PurgeReason, PurgeView};
use ingest::{EnrollmentView, IngestError, Release, TokenScope};
use jumio::{Journey, WebFields, WebJourney};
use model::{AuthenticationId, AuthenticationRef, CallbackId, EnrollmentRef, LinkId, UserReference};
use reauth::{
    Accepted, AuthenticationRequest, AuthenticationView, BatchRequest, IfOpen, Initiated, LinkView, NewItem,
    NewLink, Pressed, ReauthError, Who,
};
use std::time::Duration;
use vault::{Contents, SlotRef};

/// One thing that somebody asks for.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Announce(usize),
    /// A callback about an onboarding, whatever became of it.
    Callback(usize),
    /// A callback about an authentication, with a result that may be a lie.
    ResultCallback(AuthenticationRef, &'static str),
    Release {
        of: usize,
        replaces: Option<usize>,
        by_admin: bool,
    },
    Ask {
        user: usize,
        web: bool,
        if_open: IfOpen,
    },
    Get(AuthenticationId),
    Redeem {
        id: AuthenticationId,
        user: usize,
    },
    Look(usize),
    Purge(usize),
    PurgeUser(usize),
    Hold(usize),
    EndHold(usize),
    Link(usize),
    Press(LinkId, String),
    Withdraw(LinkId),
    Batch {
        users: Vec<usize>,
        link: bool,
    },
}

/// What somebody saw of an enrollment, and where its facemap lay.
pub(crate) struct Seen {
    pub(crate) view: EnrollmentView,
    pub(crate) place: Option<(SlotRef, Contents)>,
    /// What opened from the place where it was seen before.
    pub(crate) opened: Option<Vec<u8>>,
}

/// The answer.
pub(crate) enum Answer {
    Announced(Result<EnrollmentView, IngestError>),
    Received(Result<CallbackId, IngestError>),
    Released(Result<EnrollmentView, IngestError>),
    Asked(Result<Initiated, ReauthError>),
    Got(Result<AuthenticationView, ReauthError>),
    Redeemed(Result<AuthenticationView, ReauthError>),
    Looked(Box<Result<Seen, IngestError>>),
    Purged(Result<PurgeView, CustodyError>),
    OrderedPurge(Result<PurgeId, CustodyError>),
    Held(Result<HoldView, CustodyError>),
    HoldEnded(Result<(), CustodyError>),
    Linked(Result<LinkView, ReauthError>),
    Pressed(Pressed),
    Withdrawn(Result<LinkView, ReauthError>),
    Batched(Result<Accepted, ReauthError>),
}

fn told<T, E: std::fmt::Debug>(result: &Result<T, E>, ok: impl FnOnce(&T) -> String) -> String {
    match result {
        Ok(answer) => format!("ok {}", ok(answer)),
        Err(error) => format!("error {error:?}"),
    }
}

impl Answer {
    /// For the trace.
    pub(crate) fn told(&self) -> String {
        let nothing = String::new;
        let transaction = |view: &AuthenticationView| {
            format!(
                "{} {} {:?}",
                view.authentication_id, view.state, view.authentication_transaction_reference
            )
        };
        match self {
            Self::Announced(done) | Self::Released(done) => told(done, |view| view.state.to_string()),
            Self::Received(done) => told(done, ToString::to_string),
            Self::Asked(done) => {
                told(done, |asked| format!("{} {}", transaction(&asked.authentication), asked.deduplicated))
            }
            Self::Got(done) | Self::Redeemed(done) => told(done, transaction),
            Self::Looked(done) => told(done, |seen| seen.view.state.to_string()),
            Self::Purged(done) => told(done, |view| format!("{} {:?}", view.state, view.jumio_deletion)),
            Self::OrderedPurge(done) => told(done, ToString::to_string),
            Self::Held(done) => told(done, |_| nothing()),
            Self::HoldEnded(done) => told(done, |()| nothing()),
            Self::Linked(done) | Self::Withdrawn(done) => told(done, |link| format!("{}", link.link_id)),
            Self::Pressed(pressed) => format!("{pressed:?}"),
            Self::Batched(done) => told(done, |batch| format!("{:?}", batch.batch_id)),
        }
    }
}

fn actor() -> Actor {
    Actor::token("tok1", "simulation")
}

fn order() -> Order {
    Order { reason: PurgeReason::ErasureRequest, case_reference: None, actor: actor() }
}

fn journey(web: bool) -> Journey {
    if web { Journey::Web(web_journey()) } else { Journey::Mobile }
}

fn web_journey() -> WebJourney {
    WebJourney::check(&WebFields::default(), &rules()).expect("an empty journey follows the rules")
}

fn scan_callback(reference: EnrollmentRef, user: &UserReference) -> Vec<u8> {
    let user = user.as_str();
    let identity = "%7B%22similarity%22%3A%22MATCH%22%2C%22validity%22%3Atrue%7D";
    format!(
        "callBackType=NETVERIFYID&jumioIdScanReference={reference}&verificationStatus=APPROVED_VERIFIED\
         &identityVerification={identity}&customerId={user}&facemap=https%3A%2F%2Fevil.example%2Ffacemap"
    )
    .into_bytes()
}

fn result_callback(reference: AuthenticationRef, result: &str) -> Vec<u8> {
    format!(
        "callBackType=NETVERIFY_AUTHENTICATION&transactionReference={reference}&transactionResult={result}"
    )
    .into_bytes()
}

/// What an operation needs to know of the people, taken when it begins.
pub(crate) struct Known {
    /// Where facemaps were seen.
    pub(crate) places: Vec<Option<(SlotRef, Contents)>>,
}

impl Op {
    /// Does it.
    pub(crate) async fn run(self, process: Process, known: Known) -> Answer {
        let Process { ingest, reauth, custody, .. } = &process;
        match self {
            Self::Announce(of) => {
                let user = cast::user_of(of);
                Answer::Announced(ingest.announce(cast::reference(of), &user, actor()).await)
            }
            Self::Callback(of) => {
                let body = scan_callback(cast::reference(of), &cast::user_of(of));
                Answer::Received(ingest.receive(&body, TokenScope::Portal, None).await)
            }
            Self::ResultCallback(reference, result) => {
                let body = result_callback(reference, result);
                Answer::Received(ingest.receive(&body, TokenScope::Portal, None).await)
            }
            Self::Release { of, replaces, by_admin } => {
                let replaces = replaces.map(cast::reference);
                let release = Release { replaces, by_admin, by: actor() };
                Answer::Released(ingest.release(&cast::reference(of), &release).await)
            }
            Self::Ask { user, web, if_open } => {
                let request = AuthenticationRequest {
                    user_reference: cast::user(user),
                    enrollment: None,
                    journey: journey(web),
                    request_reference: None,
                    if_open,
                    batch: false,
                    link: None,
                };
                Answer::Asked(reauth.initiate(request, actor()).await)
            }
            Self::Get(id) => Answer::Got(reauth.get(&id.to_string(), Duration::ZERO).await),
            Self::Redeem { id, user } => {
                let (id, user) = (id.to_string(), cast::user(user));
                Answer::Redeemed(reauth.redeem(&id, &user, None, actor()).await)
            }
            Self::Look(of) => Answer::Looked(Box::new(look(&process, &known, of).await)),
            Self::Purge(of) => Answer::Purged(custody.purge(&cast::reference(of), order()).await),
            Self::PurgeUser(user) => {
                let criterion = Criterion::User(cast::user(user));
                Answer::OrderedPurge(custody.order_purge(&criterion, order(), None, None).await)
            }
            Self::Hold(of) => {
                let case_reference = "CASE-1".parse().expect("a case reference");
                let hold = HoldOrder { case_reference, until: None, actor: actor() };
                Answer::Held(custody.hold(&cast::reference(of), hold).await)
            }
            Self::EndHold(of) => Answer::HoldEnded(custody.release_hold(&cast::reference(of), actor()).await),
            Self::Link(user) => {
                let link = NewLink {
                    user_reference: cast::user(user),
                    purpose: None,
                    journey: web_journey(),
                    expires_at: None,
                    request_reference: None,
                };
                Answer::Linked(reauth.create_link(link, actor()).await)
            }
            Self::Press(_, token) => Answer::Pressed(reauth.press(&token).await),
            Self::Withdraw(id) => Answer::Withdrawn(reauth.withdraw_link(id, actor()).await),
            Self::Batch { users, link } => Answer::Batched(batch(&process, &users, link).await),
        }
    }
}

async fn look(process: &Process, known: &Known, of: usize) -> Result<Seen, IngestError> {
    let reference = cast::reference(of);
    let mut opened = None;
    if let Some((slot, contents)) = &known.places[of] {
        let facemap = process.vault.open_facemap(*slot, &reference, contents).await;
        opened = facemap.ok().map(|facemap| facemap.expose().to_vec());
    }
    let view = process.ingest.get(&reference).await?;
    let found = process.register.enrollment(&reference).await?;
    let place = found.and_then(|found| Some((found.row.slot, found.private?.contents?)));
    Ok(Seen { view, place, opened })
}

async fn batch(process: &Process, users: &[usize], link: bool) -> Result<Accepted, ReauthError> {
    let delivery = if link { "link" } else { "transaction" };
    let wanted = serde_json::json!({ "delivery": delivery });
    let wanted: BatchRequest = serde_json::from_value(wanted).expect("an order");
    let (source, terms) = process.reauth.check_batch(&wanted)?;
    let mut writing = process.reauth.prepare_batch(source, terms, false, actor()).await?;
    for (number, user) in (1..).zip(users) {
        writing.add(number, NewItem::from(Who::User(cast::user(*user)))).await?;
    }
    writing.finish(None).await
}
