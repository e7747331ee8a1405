//! Reading Jumio's JSON answers. Only what the vault needs is kept; personal data is skipped by the parser and never
//! becomes a value of ours.

use crate::{
    AuthenticationDetails, ScanDetails, ScanState, callback,
    quirks::{self, Unknowns},
};
use model::{AuthenticationResult, EnrollmentRef, Similarity, Timestamp, VerificationStatus};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::Value;
use std::{fmt, marker::PhantomData};

/// The fields of every answer, under all of their names. Leaves are untyped: a form that Jumio changes must not
/// make the whole answer unreadable.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Answer {
    pub(crate) timestamp: Option<Value>,
    scan_reference: Option<Value>,
    jumio_id_scan_reference: Option<Value>,
    pub(crate) transaction_reference: Option<Value>,
    pub(crate) authentication_transaction_reference: Option<Value>,
    pub(crate) redirect_url: Option<Value>,
    enrollment_transaction_reference: Option<Value>,
    status: Option<Value>,
    http_status: Option<Value>,
    document: Option<Object<Document>>,
    transaction: Option<Object<Transaction>>,
    verification: Option<Object<Verification>>,
    facemap: Option<Value>,
    transaction_result: Option<Value>,
    transaction_date: Option<Value>,
    user_reference: Option<Value>,
    customer_id: Option<Value>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Document {
    status: Option<Value>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Transaction {
    status: Option<Value>,
    customer_id: Option<Value>,
    user_reference: Option<Value>,
    merchant_scan_reference: Option<Value>,
    merchant_id_scan_reference: Option<Value>,
    customer_internal_reference: Option<Value>,
    date: Option<Value>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Verification {
    identity_verification: Option<Value>,
}

/// A JSON object: serde's structs would take an array for one, and its items for the fields in their order.
#[derive(Default)]
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members)).map(Object)
    }
}

impl Answer {
    /// Reads an answer's body. `None` when it is no JSON object.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok().map(|Object(answer)| answer)
    }

    /// The status of an error that came dressed as a success: a number, or a number as text.
    pub(crate) fn error_status(&self) -> Option<u16> {
        let number = |value: &Value| match value {
            Value::Number(number) => number.as_u64().and_then(|number| u16::try_from(number).ok()),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        let statuses = [&self.http_status, &self.status].into_iter().flatten();
        statuses.filter_map(number).find(|status| (400..=599).contains(status))
    }

    pub(crate) fn scan_reference(&self) -> Option<EnrollmentRef> {
        any(&[&self.scan_reference, &self.jumio_id_scan_reference, &self.transaction_reference])?.parse().ok()
    }

    /// The state of `GET …/scans/{reference}`.
    pub(crate) fn scan_state(&self) -> Option<ScanState> {
        quirks::text(self.status.as_ref()).map(ScanState::from_jumio)
    }

    /// The details of `GET …/scans/{reference}/data`.
    pub(crate) fn scan_details(&self, jumio_date: Option<Timestamp>) -> ScanDetails {
        let mut unknowns = Unknowns::default();
        let nothing = Object::default();
        let Object(transaction) = self.transaction.as_ref().unwrap_or(&nothing);
        let document = self.document.as_ref().and_then(|Object(document)| document.status.as_ref());
        let verification_status = quirks::text(document).map(VerificationStatus::from_jumio);
        let state =
            quirks::text(transaction.status.as_ref()).map_or(ScanState::Unknown, ScanState::from_jumio);
        if verification_status == Some(VerificationStatus::Unknown) {
            unknowns.count();
        }
        if state == ScanState::Unknown {
            unknowns.count();
        }
        let identified =
            self.verification.as_ref().and_then(|Object(found)| found.identity_verification.as_ref());
        let (similarity, validity) = identified.map_or((None, None), |value| identity(value, &mut unknowns));
        let user_fields = [&transaction.customer_id, &transaction.user_reference];
        let internal = any(&[
            &transaction.merchant_scan_reference,
            &transaction.merchant_id_scan_reference,
            &transaction.customer_internal_reference,
        ]);
        ScanDetails {
            reference: self.scan_reference(),
            state,
            verification_status,
            similarity,
            validity,
            user_reference: quirks::named_user(&user_fields, &mut unknowns),
            internal_reference: internal.map(str::to_owned),
            facemap_href: self.facemap.as_ref().and_then(href).map(str::to_owned),
            date: quirks::date(quirks::text(transaction.date.as_ref()), &mut unknowns),
            unknown_values: unknowns.0,
            jumio_date,
        }
    }

    /// The details of `GET …/authentications/{reference}`.
    pub(crate) fn authentication(&self, jumio_date: Option<Timestamp>) -> Option<AuthenticationDetails> {
        let mut unknowns = Unknowns::default();
        let result = AuthenticationResult::from_jumio(quirks::text(self.transaction_result.as_ref())?);
        if result == AuthenticationResult::Unknown {
            unknowns.count();
        }
        let reference = any(&[
            &self.transaction_reference,
            &self.authentication_transaction_reference,
            &self.scan_reference,
        ]);
        let user = quirks::named_user(&[&self.user_reference, &self.customer_id], &mut unknowns);
        Some(AuthenticationDetails {
            reference: reference.and_then(|text| text.parse().ok()),
            enrollment: quirks::text(self.enrollment_transaction_reference.as_ref())
                .and_then(|text| text.parse().ok()),
            user_reference: user.user().cloned(),
            result,
            date: quirks::date(quirks::text(self.transaction_date.as_ref()), &mut unknowns),
            unknown_values: unknowns.0,
            jumio_date,
        })
    }
}

/// The first of several names for the same thing that says something.
fn any<'a>(names: &[&'a Option<Value>]) -> Option<&'a str> {
    names.iter().find_map(|value| quirks::text(value.as_ref()))
}

/// An `identityVerification` as an object or as JSON text; `null`, empty and `N/A` say nothing.
fn identity(value: &Value, unknowns: &mut Unknowns) -> (Option<Similarity>, Option<bool>) {
    if value.is_null() || value.as_str().is_some_and(|text| quirks::said(text).is_none()) {
        return (None, None);
    }
    if let Some(object) = quirks::object(value) {
        return callback::identity(&object, unknowns);
    }
    unknowns.count();
    (None, None)
}

/// The facemap's link: in an object, in an array of such objects, or bare.
fn href(value: &Value) -> Option<&str> {
    match value {
        Value::Array(items) => items.iter().find_map(href),
        Value::Object(object) => quirks::text(object.get("href")),
        _ => quirks::text(Some(value)),
    }
}

#[cfg(test)]
#[path = "retrieval_tests.rs"]
mod tests;
