//! The forms of a callback: Jumio's fields with every quirk seen in the wild, taking turns.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::authentication::Authentication;
use crate::clock::date;
use crate::persona::Persona;
use crate::scan::{APPROVED, Identity, Scan};

/// A form field: name and value. Names may repeat.
pub(crate) type Field = (String, String);

/// How `validity` is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ValidityForm {
    /// A JSON boolean: `true`.
    Boolean,
    /// A JSON string: `"true"`.
    Text,
    /// A JSON string in capitals: `"TRUE"`.
    Capitals,
}

/// How an array is written into a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArrayForm {
    /// One field with JSON text.
    Json,
    /// The key once per element.
    RepeatedKeys,
}

/// Which forms one transaction's answers take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Forms {
    pub(crate) validity: ValidityForm,
    /// Fraction digits of dates, 0 to 3.
    pub(crate) fraction_digits: u8,
    /// Whether absent values are written as `N/A` rather than left out.
    pub(crate) not_available: bool,
    pub(crate) arrays: ArrayForm,
    /// Whether single details come as an object rather than as an array of one.
    pub(crate) bare_object: bool,
    /// Whether an identity verification that was not done comes as an empty field rather than not at all.
    pub(crate) empty_identity: bool,
}

impl Forms {
    /// The forms of the n-th transaction. The periods share no common divisor pattern that would hide a pair: twelve
    /// transactions see every validity form with every number of fraction digits.
    pub(crate) fn rotating(number: u64) -> Self {
        let validity = match number % 3 {
            1 => ValidityForm::Boolean,
            2 => ValidityForm::Text,
            _ => ValidityForm::Capitals,
        };
        Self {
            validity,
            fraction_digits: [3, 0, 1, 2][usize::try_from(number % 4).unwrap_or_default()],
            not_available: number % 5 < 2,
            arrays: if number % 2 == 1 { ArrayForm::RepeatedKeys } else { ArrayForm::Json },
            bare_object: number % 7 < 3,
            empty_identity: number.is_multiple_of(2),
        }
    }

    /// `validity` in this transaction's form.
    pub(crate) fn validity(self, valid: bool) -> Value {
        match self.validity {
            ValidityForm::Boolean => Value::Bool(valid),
            ValidityForm::Text => Value::String(valid.to_string()),
            ValidityForm::Capitals => Value::String(valid.to_string().to_uppercase()),
        }
    }

    /// The object `identityVerification`.
    pub(crate) fn identity(self, identity: &Identity) -> Value {
        let mut object = Map::new();
        object.insert("similarity".to_owned(), json!(identity.similarity));
        object.insert("validity".to_owned(), self.validity(identity.valid));
        if let Some(reason) = &identity.reason {
            object.insert("reason".to_owned(), json!(reason));
        }
        Value::Object(object)
    }

    fn date(self, moment: Timestamp) -> String {
        date(moment, self.fraction_digits, true)
    }
}

/// A callback in the making.
struct Sheet {
    fields: Vec<Field>,
    forms: Forms,
}

impl Sheet {
    fn put(&mut self, name: &str, value: impl Into<String>) {
        self.fields.push((name.to_owned(), value.into()));
    }

    /// A value that may be absent: left out, or written as `N/A`.
    fn maybe(&mut self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => self.put(name, value),
            None if self.forms.not_available => self.put(name, "N/A"),
            None => {}
        }
    }

    /// An array: one JSON text, or the key repeated.
    fn list(&mut self, name: &str, values: &[String]) {
        match self.forms.arrays {
            ArrayForm::Json => self.put(name, json!(values).to_string()),
            ArrayForm::RepeatedKeys => {
                for value in values {
                    self.put(name, value);
                }
            }
        }
    }
}

/// The callback of a finished verification.
pub(crate) fn verification(scan: &Scan, base_url: &str, now: Timestamp) -> Vec<Field> {
    let forms = scan.forms;
    let mut sheet = Sheet { fields: Vec::new(), forms };
    let status =
        scan.verdict.as_ref().map_or("NO_ID_UPLOADED", |verdict| verdict.verification_status.as_str());
    let approved = status == APPROVED;
    sheet.put("callBackType", "NETVERIFYID");
    sheet.put("jumioIdScanReference", &scan.reference);
    sheet.put("verificationStatus", status);
    sheet.put("idScanStatus", if approved { "SUCCESS" } else { "ERROR" });
    sheet.put("idScanSource", "WEB_CAM");
    sheet.put("transactionDate", forms.date(scan.created_at));
    sheet.put("callbackDate", forms.date(now));
    sheet.maybe("merchantIdScanReference", scan.order.customer_internal_reference.as_deref());
    sheet.maybe("customerId", scan.order.user_reference.as_deref());
    sheet.maybe("merchantReportingCriteria", scan.order.reporting_criteria.as_deref());
    for check in [
        "idCheckDataPositions",
        "idCheckDocumentValidation",
        "idCheckHologram",
        "idCheckMRZcode",
        "idCheckMicroprint",
        "idCheckSecurityFeatures",
        "idCheckSignature",
    ] {
        sheet.put(check, if approved { "OK" } else { "N/A" });
    }
    if approved {
        sheet.fields.extend(Persona::of(scan.number).fields());
        let images = ["front", "face"];
        let names = ["idScanImage", "idScanImageFace"];
        for (name, image) in names.into_iter().zip(images) {
            sheet.put(name, format!("{base_url}/api/netverify/v2/scans/{}/images/{image}", scan.reference));
        }
        sheet.maybe("idScanImageBackside", None);
        sheet.maybe("personalNumber", None);
    }
    if status == "DENIED_FRAUD" {
        let detail = json!({"detailsCode": "1001", "detailsDescription": "PHOTO"});
        let details = if forms.bare_object { detail } else { json!([detail]) };
        let reason = json!({
            "rejectReasonCode": "100",
            "rejectReasonDescription": "MANIPULATED_DOCUMENT",
            "rejectReasonDetails": details,
        });
        sheet.put("rejectReason", reason.to_string());
    }
    match scan.verdict.as_ref().and_then(|verdict| verdict.identity.as_ref()) {
        Some(identity) => sheet.put("identityVerification", forms.identity(identity).to_string()),
        None if forms.empty_identity => sheet.put("identityVerification", ""),
        None => {}
    }
    if scan.facemap.is_some() {
        sheet.list("livenessImages", &liveness_images(base_url, "scans", &scan.reference));
        sheet.put("facemap", facemap_url(base_url, &scan.reference));
    }
    sheet.fields
}

/// The callback of a finished authentication.
pub(crate) fn authentication(one: &Authentication, base_url: &str, now: Timestamp) -> Vec<Field> {
    let forms = Forms::rotating(one.number);
    let mut sheet = Sheet { fields: Vec::new(), forms };
    sheet.put("callBackType", "NETVERIFY_AUTHENTICATION");
    sheet.put("transactionReference", &one.reference);
    sheet.put("enrollmentTransactionReference", &one.metadata.enrollment);
    sheet.put("transactionResult", one.state());
    sheet.put("transactionDate", forms.date(one.created_at));
    sheet.put("callbackDate", forms.date(now));
    sheet.put("scanSource", one.source());
    sheet.maybe("userReference", one.metadata.user_reference.as_deref());
    if one.started {
        let face = format!("{base_url}/api/netverify/v2/authentications/{}/images/face", one.reference);
        sheet.put("idScanImageFace", face);
        sheet.list("livenessImages", &liveness_images(base_url, "authentications", &one.reference));
    } else {
        sheet.maybe("idScanImageFace", None);
    }
    sheet.fields
}

/// Where a verification's facemap is downloaded.
pub(crate) fn facemap_url(base_url: &str, reference: &str) -> String {
    format!("{base_url}/api/netverify/v2/scans/{reference}/data/facemap")
}

/// Form-urlencoded text of the fields.
pub(crate) fn encode(fields: &[Field]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

fn liveness_images(base_url: &str, kind: &str, reference: &str) -> Vec<String> {
    (1..=3).map(|n| format!("{base_url}/api/netverify/v2/{kind}/{reference}/images/liveness/{n}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn twelve_transactions_see_every_validity_form_with_every_number_of_fraction_digits() {
        let seen: HashSet<(String, u8)> = (1..=12)
            .map(Forms::rotating)
            .map(|forms| (forms.validity(true).to_string(), forms.fraction_digits))
            .collect();
        assert_eq!(seen.len(), 12);
    }
}
