//! What control requests ask for; the same types over HTTP and from Rust.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::authentication::AuthenticationResult;
use crate::callback_forms::{ArrayForm, Field, ValidityForm};
use crate::error::SandboxError;
use crate::facemap::{Facemap, MAX_BYTES};
use crate::scan::{Identity, Outcome, Scan, Verdict};

/// How a verification ends: an outcome, and what shall differ from it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Judgement {
    /// What the rest starts from.
    pub outcome: Outcome,
    /// Another `verificationStatus`, any text.
    pub verification_status: Option<String>,
    /// Another scan status than `DONE` or `FAILED`, any text.
    pub scan_status: Option<String>,
    /// Another `similarity`, any text.
    pub similarity: Option<String>,
    /// Another `validity`.
    pub validity: Option<bool>,
    /// `reason` beside a validity of false.
    pub reason: Option<String>,
    /// `false` leaves `identityVerification` out.
    pub identity_verification: Option<bool>,
    /// How `validity` is written, instead of taking turns.
    pub validity_form: Option<ValidityForm>,
    /// Fraction digits of dates, 0 to 3, instead of taking turns.
    pub fraction_digits: Option<u8>,
    /// How arrays are written, instead of taking turns.
    pub array_form: Option<ArrayForm>,
    /// Absent values as `N/A` (`true`) or left out (`false`), instead of taking turns.
    pub not_available: Option<bool>,
    /// The facemap's bytes in base64.
    pub facemap: Option<String>,
    /// The size of a made-up facemap in bytes.
    pub facemap_bytes: Option<usize>,
    /// Whether the callback is sent.
    pub send_callback: bool,
}

impl Default for Judgement {
    fn default() -> Self {
        Self {
            outcome: Outcome::Approved,
            verification_status: None,
            scan_status: None,
            similarity: None,
            validity: None,
            reason: None,
            identity_verification: None,
            validity_form: None,
            fraction_digits: None,
            array_form: None,
            not_available: None,
            facemap: None,
            facemap_bytes: None,
            send_callback: true,
        }
    }
}

impl Judgement {
    /// The verdict and facemap for this scan; puts the forms into it.
    pub(crate) fn apply(&self, scan: &mut Scan) -> Result<(Verdict, Option<Facemap>), SandboxError> {
        let (mut verdict, mut facemap) = scan.judge(self.outcome);
        if let Some(text) = &self.facemap {
            let given = Facemap::from_base64(text);
            let why =
                || SandboxError::Invalid(format!("facemap is not base64, or more than {MAX_BYTES} bytes"));
            facemap = Some(given.ok_or_else(why)?);
        } else if let Some(size) = self.facemap_bytes {
            if size > MAX_BYTES {
                return Err(SandboxError::Invalid(format!("facemapBytes is more than {MAX_BYTES}")));
            }
            facemap = Some(Facemap::Made { reference: scan.reference.clone(), size });
        }
        if let Some(status) = &self.verification_status {
            verdict.verification_status.clone_from(status);
        }
        if self.similarity.is_some() || self.validity.is_some() {
            let usual = verdict.identity.get_or_insert_with(|| Identity {
                similarity: "MATCH".to_owned(),
                valid: true,
                reason: None,
            });
            usual.valid = self.validity.unwrap_or(usual.valid);
            if let Some(similarity) = &self.similarity {
                usual.similarity.clone_from(similarity);
            }
        }
        if let (Some(identity), Some(reason)) = (&mut verdict.identity, &self.reason) {
            identity.reason = Some(reason.clone());
        }
        if self.identity_verification == Some(false) {
            verdict.identity = None;
        }
        scan.status_override.clone_from(&self.scan_status);
        let forms = &mut scan.forms;
        forms.validity = self.validity_form.unwrap_or(forms.validity);
        forms.fraction_digits = self.fraction_digits.unwrap_or(forms.fraction_digits);
        forms.arrays = self.array_form.unwrap_or(forms.arrays);
        forms.not_available = self.not_available.unwrap_or(forms.not_available);
        Ok((verdict, facemap))
    }
}

/// A verification that is to be there, finished. In JSON its fields and those of the judgement stand side by side.
#[derive(Debug, Clone, Default)]
pub struct NewVerification {
    /// Jumio's reference; a fresh one if absent.
    pub transaction_reference: Option<String>,
    /// `userReference` of the initiate.
    pub user_reference: Option<String>,
    /// `customerInternalReference` of the initiate.
    pub customer_internal_reference: Option<String>,
    /// `reportingCriteria` of the initiate.
    pub reporting_criteria: Option<String>,
    /// `callbackUrl` of the initiate.
    pub callback_url: Option<String>,
    /// `workflowId` of the initiate.
    pub workflow_id: Option<i64>,
    /// How it ended.
    pub judgement: Judgement,
}

impl<'de> Deserialize<'de> for NewVerification {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let mut object = Map::deserialize(deserializer)?;
        let mut text = |name: &str| match object.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(D::Error::custom(format!("{name} is not a string"))),
        };
        let transaction_reference = text("transactionReference")?;
        let user_reference = text("userReference")?;
        let customer_internal_reference = text("customerInternalReference")?;
        let reporting_criteria = text("reportingCriteria")?;
        let callback_url = text("callbackUrl")?;
        let workflow_id = object.remove("workflowId").and_then(|value| value.as_i64());
        let judgement = Judgement::deserialize(Value::Object(object)).map_err(D::Error::custom)?;
        Ok(Self {
            transaction_reference,
            user_reference,
            customer_internal_reference,
            reporting_criteria,
            callback_url,
            workflow_id,
            judgement,
        })
    }
}

/// What became of a verification that was finished by control.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Finished {
    /// Jumio's reference.
    pub transaction_reference: String,
    /// The final status.
    pub verification_status: Option<String>,
    /// SHA-256 of the captured facemap in hex.
    pub facemap_digest: Option<String>,
    /// What the receiver of the callback answered; `None` if none was sent or no answer came.
    pub callback_status: Option<u16>,
}

/// How an authentication ends.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResultOrder {
    /// The result.
    pub result: AuthenticationResult,
    /// Whether the callback is sent.
    #[serde(default = "yes")]
    pub send_callback: bool,
    /// Lets a facemap pass that is not the enrollment's.
    #[serde(default)]
    pub force: bool,
}

impl From<AuthenticationResult> for ResultOrder {
    fn from(result: AuthenticationResult) -> Self {
        Self { result, send_callback: true, force: false }
    }
}

const fn yes() -> bool {
    true
}

/// A callback to send, whatever is true.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CallbackOrder {
    /// Starts from the true callback of this transaction, verification or authentication.
    pub reference: Option<String>,
    /// Fields put over it: text, a list of text for repeated keys, or `null` to leave one out.
    pub fields: Map<String, Value>,
    /// Where to, instead of the transaction's URL or the portal's.
    pub callback_url: Option<String>,
    /// How often, 1 to 100.
    pub count: u32,
    /// Another content type.
    pub content_type: Option<String>,
    /// Sent as it is, instead of the fields.
    pub body: Option<String>,
}

impl CallbackOrder {
    /// Puts the ordered fields over the true ones.
    pub(crate) fn put_over(&self, fields: &mut Vec<Field>) -> Result<(), SandboxError> {
        let wrong =
            |name: &str| SandboxError::Invalid(format!("fields.{name}: text, a list of text, or null"));
        for (name, value) in &self.fields {
            let place = fields.iter().position(|(found, _)| found == name).unwrap_or(fields.len());
            fields.retain(|(found, _)| found != name);
            let values: Vec<&str> = match value {
                Value::Null => Vec::new(),
                Value::String(text) => vec![text],
                Value::Array(list) => list
                    .iter()
                    .map(|one| one.as_str().ok_or_else(|| wrong(name)))
                    .collect::<Result<_, _>>()?,
                _ => return Err(wrong(name)),
            };
            for (offset, value) in values.into_iter().enumerate() {
                fields.insert((place + offset).min(fields.len()), (name.clone(), value.to_owned()));
            }
        }
        Ok(())
    }
}
