//! Jumio's callbacks (jumio-api §3, §7, §8). Nothing in them is signed: whatever is read here is a claim, and a hint
//! to ask the Retrieval API.

use crate::quirks::{self, Unknowns};
use model::{
    AuthenticationRef, AuthenticationResult, EnrollmentRef, Similarity, Timestamp, UserReference,
    VerificationStatus,
};
use serde_json::Value;
use std::{borrow::Cow, fmt};
use thiserror::Error;

/// Fields of a callback at most. Jumio's largest has some sixty; images repeat.
const MAX_FIELDS: usize = 512;

/// Characters of a facemap link at most that are kept (jumio-api §3: 255).
const MAX_HREF: usize = 2048;

/// A callback that cannot be used. Nothing of its content is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CallbackError {
    /// It names no transaction in the form that Jumio's references have.
    #[error("the callback names no transaction reference of Jumio's form")]
    NoReference,
    /// It names several transactions under names that mean the same.
    #[error("the callback names more than one transaction")]
    Contradictory,
    /// It has more fields than any callback of Jumio's.
    #[error("the callback has more than {MAX_FIELDS} fields")]
    TooManyFields,
}

impl CallbackError {
    /// The same bytes fail again.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        false
    }
}

/// A callback, reduced to what the vault needs. Names, document data and images are dropped unread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Callback {
    /// `NETVERIFYID`.
    Verification(VerificationCallback),
    /// `NETVERIFY_AUTHENTICATION`.
    Authentication(AuthenticationCallback),
    /// A type that this version does not know, or none: not for us.
    Other,
}

/// What a callback claims about an ID Verification.
#[derive(Clone, PartialEq, Eq)]
pub struct VerificationCallback {
    /// The scan it is about.
    pub reference: EnrollmentRef,
    /// `customerId`.
    pub user_reference: Option<UserReference>,
    /// `merchantIdScanReference`: the company's own reference.
    pub internal_reference: Option<String>,
    /// `verificationStatus`.
    pub verification_status: Option<VerificationStatus>,
    /// `identityVerification.similarity`.
    pub similarity: Option<Similarity>,
    /// `identityVerification.validity`.
    pub validity: Option<bool>,
    /// `facemap`: hostile text until [`crate::JumioApi::facemap`] has checked it.
    pub facemap_href: Option<String>,
    /// `transactionDate`.
    pub transaction_date: Option<Timestamp>,
    /// `callbackDate`.
    pub callback_date: Option<Timestamp>,
    /// Values and fields that this version does not know.
    pub unknown_values: u32,
}

/// What a callback claims about an Authentication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticationCallback {
    /// The transaction it is about.
    pub reference: AuthenticationRef,
    /// The onboarding it was made for.
    pub enrollment: Option<EnrollmentRef>,
    /// `userReference`.
    pub user_reference: Option<UserReference>,
    /// `transactionResult`.
    pub result: Option<AuthenticationResult>,
    /// `transactionDate`.
    pub transaction_date: Option<Timestamp>,
    /// `callbackDate`.
    pub callback_date: Option<Timestamp>,
    /// Values and fields that this version does not know.
    pub unknown_values: u32,
}

impl fmt::Debug for VerificationCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerificationCallback")
            .field("reference", &self.reference)
            .field("verification_status", &self.verification_status)
            .field("similarity", &self.similarity)
            .field("validity", &self.validity)
            .field("has_facemap_href", &self.facemap_href.is_some())
            .field("unknown_values", &self.unknown_values)
            .finish_non_exhaustive()
    }
}

/// Which transaction a callback is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// An ID Verification.
    Scan(EnrollmentRef),
    /// An Authentication.
    Authentication(AuthenticationRef),
}

impl Callback {
    /// Which transaction it is about.
    #[must_use]
    pub const fn subject(&self) -> Option<Subject> {
        match self {
            Self::Verification(callback) => Some(Subject::Scan(callback.reference)),
            Self::Authentication(callback) => Some(Subject::Authentication(callback.reference)),
            Self::Other => None,
        }
    }
}

/// Which transaction the form in `body` is about: for the porch, which compares it with the token's.
#[must_use]
pub fn subject_of(body: &[u8]) -> Option<Subject> {
    parse(body).ok()?.subject()
}

/// Reads a form-urlencoded callback. Never panics, and never fails for something new in it.
///
/// # Errors
/// [`CallbackError`] when it cannot be said which transaction it is about.
pub fn parse(body: &[u8]) -> Result<Callback, CallbackError> {
    let fields: Vec<(Cow<'_, str>, Cow<'_, str>)> =
        form_urlencoded::parse(body).take(MAX_FIELDS + 1).filter(|(name, _)| !name.is_empty()).collect();
    if fields.len() > MAX_FIELDS {
        return Err(CallbackError::TooManyFields);
    }
    let form = Form { fields };
    match form.first("callBackType") {
        Some("NETVERIFYID") => form.verification().map(Callback::Verification),
        Some("NETVERIFY_AUTHENTICATION") => form.authentication().map(Callback::Authentication),
        _ => Ok(Callback::Other),
    }
}

struct Form<'a> {
    fields: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl Form<'_> {
    /// The first value that says something, as it was sent.
    fn raw(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_ref());
        values.find(|value| quirks::said(value).is_some())
    }

    fn first(&self, name: &str) -> Option<&str> {
        self.raw(name).and_then(quirks::said)
    }

    /// The first of several names for the same thing.
    fn any(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.raw(name))
    }

    /// The one reference that all of `names` agree on.
    fn reference<T: std::str::FromStr + PartialEq + Copy>(&self, names: &[&str]) -> Result<T, CallbackError> {
        let values = self.fields.iter().filter(|(key, _)| names.contains(&key.as_ref()));
        let mut found: Option<T> = None;
        for text in values.filter_map(|(_, value)| quirks::said(value)) {
            let reference = text.parse().map_err(|_| CallbackError::NoReference)?;
            if found.is_some_and(|earlier| earlier != reference) {
                return Err(CallbackError::Contradictory);
            }
            found = Some(reference);
        }
        found.ok_or(CallbackError::NoReference)
    }

    fn unknown_fields(&self) -> Unknowns {
        let mut unknowns = Unknowns::default();
        for _ in self.fields.iter().filter(|(name, _)| !KNOWN_FIELDS.contains(&name.as_ref())) {
            unknowns.count();
        }
        unknowns
    }

    fn verification(&self) -> Result<VerificationCallback, CallbackError> {
        let reference = self.reference(&["jumioIdScanReference", "scanReference", "transactionReference"])?;
        let mut unknowns = self.unknown_fields();
        let status = self.first("verificationStatus").map(VerificationStatus::from_jumio);
        if status == Some(VerificationStatus::Unknown) {
            unknowns.count();
        }
        let (similarity, validity) = self.identity(&mut unknowns);
        let internal = ["merchantIdScanReference", "merchantScanReference", "customerInternalReference"];
        Ok(VerificationCallback {
            reference,
            user_reference: quirks::user_reference(self.any(&["customerId", "userReference"]), &mut unknowns),
            internal_reference: self.any(&internal).map(str::to_owned),
            verification_status: status,
            similarity,
            validity,
            facemap_href: self.first("facemap").filter(|href| href.len() <= MAX_HREF).map(str::to_owned),
            transaction_date: quirks::date(self.first("transactionDate"), &mut unknowns),
            callback_date: quirks::date(self.first("callbackDate"), &mut unknowns),
            unknown_values: unknowns.0,
        })
    }

    /// The JSON object inside the form field. Absent, empty, and not JSON at all are all possible.
    fn identity(&self, unknowns: &mut Unknowns) -> (Option<Similarity>, Option<bool>) {
        let Some(text) = self.first("identityVerification") else { return (None, None) };
        match serde_json::from_str::<Value>(text) {
            Ok(value) if value.is_object() => identity(&value, unknowns),
            _ => {
                unknowns.count();
                (None, None)
            }
        }
    }

    fn authentication(&self) -> Result<AuthenticationCallback, CallbackError> {
        let reference = self.reference(&["transactionReference", "jumioIdScanReference", "scanReference"])?;
        let mut unknowns = self.unknown_fields();
        let enrollment = match self.reference(&["enrollmentTransactionReference"]) {
            Ok(enrollment) => Some(enrollment),
            Err(CallbackError::Contradictory) => return Err(CallbackError::Contradictory),
            Err(_) => None,
        };
        let result = self.first("transactionResult").map(AuthenticationResult::from_jumio);
        if result == Some(AuthenticationResult::Unknown) {
            unknowns.count();
        }
        Ok(AuthenticationCallback {
            reference,
            enrollment,
            user_reference: quirks::user_reference(self.any(&["userReference", "customerId"]), &mut unknowns),
            result,
            transaction_date: quirks::date(self.first("transactionDate"), &mut unknowns),
            callback_date: quirks::date(self.first("callbackDate"), &mut unknowns),
            unknown_values: unknowns.0,
        })
    }
}

/// Similarity and validity of an `identityVerification` object.
pub(crate) fn identity(value: &Value, unknowns: &mut Unknowns) -> (Option<Similarity>, Option<bool>) {
    let similarity = quirks::text(value.get("similarity")).map(Similarity::from_jumio);
    if similarity == Some(Similarity::Unknown) {
        unknowns.count();
    }
    (similarity, quirks::flag(value.get("validity"), unknowns))
}

/// The fields of both callback types as far as they are published. Others are counted, so that an operator learns
/// that Jumio has added something.
#[rustfmt::skip]
const KNOWN_FIELDS: &[&str] = &[
    "callBackType", "callbackDate", "clientIp", "cpf", "curp", "customerId", "customerInternalReference",
    "dlCarPermission", "dlCategories", "dni", "durationOfStay", "enrollmentTransactionReference", "facemap",
    "fathersName", "firstAttemptDate", "gender", "idAddress", "idCheckDataPositions", "idCheckDocumentValidation",
    "idCheckHologram", "idCheckMRZcode", "idCheckMicroprint", "idCheckSecurityFeatures", "idCheckSignature",
    "idCountry", "idDob", "idExpiry", "idFaceMatch", "idFirstName", "idLastName", "idNumber", "idScanImage",
    "idScanImageBackside", "idScanImageFace", "idScanSource", "idScanStatus", "idSubtype", "idType", "idUsState",
    "identityVerification", "images", "issuingAuthority", "issuingDate", "issuingPlace", "jumioIdScanReference",
    "livenessImages", "merchantIdScanReference", "merchantReportingCriteria", "merchantScanReference", "mothersName",
    "nationality", "numberOfEntries", "optionalData1", "optionalData2", "originDob", "passportNumber",
    "personalIdentificationNumber", "personalNumber", "placeOfBirth", "presetCountry", "presetIdType",
    "registrationNumber", "rejectReason", "reportingCriteria", "rgNumber", "scanReference", "scanSource", "taxNumber",
    "transactionDate", "transactionReference", "transactionResult", "userReference", "verificationStatus",
    "visaCategory",
];

#[cfg(test)]
#[path = "callback_tests.rs"]
mod tests;
