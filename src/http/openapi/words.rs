//! Types of the rooms below, as the description names them: the rooms themselves know nothing of it.

use super::shape::{Shape, digits, spelled, text, time, uuid, word};
use model::limits;
use std::borrow::Cow;
use utoipa::{PartialSchema, ToSchema, openapi::schema::Object};

macro_rules! words {
    ($($(#[doc = $doc:literal])+ $name:ident = $shape:expr;)+) => {
        $(
            $(#[doc = $doc])+
            pub(crate) enum $name {}

            impl PartialSchema for $name {
                fn schema() -> Shape {
                    let shape: Object = $shape.description(Some(concat!($($doc),+).trim())).build();
                    shape.into()
                }
            }

            impl ToSchema for $name {
                fn name() -> Cow<'static, str> {
                    stringify!($name).into()
                }
            }
        )+

        /// All of them, by name.
        pub(super) fn all() -> Vec<(&'static str, Shape)> {
            vec![$((stringify!($name), $name::schema())),+]
        }
    };
}

words! {
    /// The company's reference of a user: 1 to 100 printable ASCII characters without outer spaces.
    UserReference = text("").pattern(Some("^[!-~]([ -~]{0,98}[!-~])?$")).examples(["customer-7"]);
    /// Jumio's reference of an onboarding.
    EnrollmentReference = uuid("").examples(["11111111-2222-3333-4444-555555555555"]);
    /// A time, RFC 3339 in UTC.
    Time = time("").examples(["2027-01-31T12:00:00Z"]);
    /// The company's number of a case.
    CaseReference = text("").pattern(Some("^[A-Za-z0-9-]{1,64}$")).examples(["GDPR-2027-014"]);
    /// The company's own reference of a request: printable ASCII.
    RequestReference = text("").pattern(Some("^[ -~]{1,100}$")).examples(["payment-4711"]);
    /// Where an enrollment stands.
    EnrollmentState = word("", model::EnrollmentState::ALL.iter().map(|state| state.as_str()));
    /// Where an authentication stands.
    AuthenticationState = word("", model::AuthenticationState::ALL.iter().map(|state| state.as_str()));
    /// In a browser, or in an app.
    Channel = word("", spelled(&[model::Channel::Web, model::Channel::Mobile]));
    /// Where an item of a batch stands.
    ItemState = word("", register::ItemState::ALL.iter().map(|state| state.as_str()));
    /// Where a callback stands.
    CallbackState = word("", ingest::CallbackState::ALL.iter().map(|state| state.as_str()));
    /// Why somebody is destroyed.
    PurgeReason = word("", ["erasure-request", "consent-withdrawn", "retention", "error", "other"]);
    /// What the link is for, in the company's words to the person, at most 200 visible characters.
    LinkPurpose = text("").min_length(Some(1)).max_length(Some(200)).examples(["Confirm your new phone"]);
    /// A pseudonym: what stands in the place of a person or transaction in the book and on receipts.
    Pseudonym = digits("", 64);
    /// `reuse`: it is given out all the same; `replace`: another takes its place, at most 3 an hour.
    IfOpen = word("", ["reuse", "replace"]);
    /// A place in the book.
    Position = utoipa::openapi::ObjectBuilder::new()
        .schema_type(utoipa::openapi::Type::Integer)
        .minimum(Some(0));
    /// Minutes that Jumio's page can be opened.
    LifetimeMinutes = utoipa::openapi::ObjectBuilder::new()
        .schema_type(utoipa::openapi::Type::Integer)
        .minimum(Some(limits::TOKEN_LIFETIME_MINUTES.0))
        .maximum(Some(limits::TOKEN_LIFETIME_MINUTES.1));
    /// How many on one page, 1 to 500; 50 if not given.
    PageSize = utoipa::openapi::ObjectBuilder::new()
        .schema_type(utoipa::openapi::Type::Integer)
        .minimum(Some(1))
        .maximum(Some(500))
        .default(Some(50.into()));
    /// `nextCursor` of the page before.
    PageCursor = text("").min_length(Some(1));
}
