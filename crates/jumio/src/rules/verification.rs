//! Seed 000's table of request fields.

use super::{
    Rules,
    fields::{Fields, PERSONAL_RULE, looks_like_an_address},
    tables, url,
};
use crate::{NewVerification, Violations, verification::Preset};
use model::{UserReference, limits};
use serde_json::Value;

const WORKFLOW_RULE: &str = "must be 100, 101, 102, 200, 201 or 202";
const PRESETS_RULE: &str = "must be an array of one preset object";

impl NewVerification {
    /// Checks a request's JSON against seed 000: names, types, lengths, values, URLs, presets, locales. `callbackUrl`
    /// is not the caller's to set: see [`Self::with_callback_url`].
    ///
    /// # Errors
    /// All violations, in the order of the table, unknown fields last.
    pub fn check(body: &Value, rules: &Rules) -> Result<Self, Violations> {
        let mut violations = Violations::none();
        let Value::Object(object) = body else {
            violations.add("", "must be a JSON object");
            return Err(violations);
        };
        let mut fields = Fields::new(object, String::new());
        let v = &mut violations;
        let customer_internal_reference = fields.reference("customerInternalReference", v);
        let user_reference = user_reference(&mut fields, v);
        let reporting_criteria = fields.reference("reportingCriteria", v);
        let success_url = fields.redirect_url("successUrl", limits::SUCCESS_URL_CHARS, rules, v);
        let error_url = fields.redirect_url("errorUrl", limits::SHORT_URL_CHARS, rules, v);
        if fields.value("callbackUrl").is_some() {
            v.add("/callbackUrl", "must not be given: Jumio is told the vault's own address");
        }
        let workflow_id = workflow(&mut fields, v);
        let presets = presets(&mut fields, v);
        let locale = fields.locale("locale", tables::VERIFICATION_LOCALES, v);
        let token_lifetime_in_minutes = fields.lifetime("tokenLifetimeInMinutes", v);
        fields.finish(v);
        match user_reference {
            Some(user_reference) => violations.or(Self {
                customer_internal_reference,
                user_reference,
                reporting_criteria,
                success_url,
                error_url,
                callback_url: None,
                workflow_id,
                presets,
                locale,
                token_lifetime_in_minutes,
            }),
            None => Err(violations),
        }
    }

    /// Sets where Jumio reports to: the vault's own address with this transaction's token.
    ///
    /// # Errors
    /// The URL rules that it breaks.
    pub fn with_callback_url(mut self, callback_url: String, rules: &Rules) -> Result<Self, Violations> {
        let mut violations = Violations::none();
        url::check_callback(&callback_url, "/callbackUrl", rules, &mut violations);
        self.callback_url = Some(callback_url);
        violations.or(self)
    }

    /// Sets the company's reference of the transaction if the caller gave none: Jumio's own table requires one.
    /// Anything in `reference` beyond 100 characters is cut off.
    #[must_use]
    pub fn or_internal_reference(mut self, reference: &str) -> Self {
        self.customer_internal_reference
            .get_or_insert_with(|| reference.chars().take(limits::USER_REFERENCE_CHARS).collect());
        self
    }
}

fn user_reference(fields: &mut Fields<'_>, violations: &mut Violations) -> Option<UserReference> {
    let pointer = fields.pointer("userReference");
    if fields.value("userReference").is_none() {
        violations.add(pointer, "is required");
        return None;
    }
    let text = fields.text("userReference", violations)?;
    if looks_like_an_address(text) {
        violations.add(pointer.clone(), PERSONAL_RULE);
    }
    match text.parse::<UserReference>() {
        Ok(reference) => Some(reference),
        Err(error) => {
            violations.add(pointer, format!("must be {}", error.rule()));
            None
        }
    }
}

fn workflow(fields: &mut Fields<'_>, violations: &mut Violations) -> Option<u16> {
    let value = fields.value("workflowId")?;
    let known =
        value.as_u64().and_then(|id| tables::WORKFLOWS.iter().copied().find(|known| u64::from(*known) == id));
    if known.is_none() {
        violations.add(fields.pointer("workflowId"), WORKFLOW_RULE);
    }
    known
}

fn presets(fields: &mut Fields<'_>, violations: &mut Violations) -> Vec<Preset> {
    let Some(value) = fields.value("presets") else { return Vec::new() };
    let pointer = fields.pointer("presets");
    let Some(list) = value.as_array().filter(|list| !list.is_empty()) else {
        violations.add(pointer, PRESETS_RULE);
        return Vec::new();
    };
    if list.len() > 1 {
        // Seed 000 describes one preset (index 1), so a second one can only repeat it.
        violations.add(pointer.clone(), PRESETS_RULE);
    }
    list.iter()
        .enumerate()
        .filter_map(|(i, item)| preset(item, format!("{pointer}/{i}"), violations))
        .collect()
}

/// One preset: all of its values must be there.
fn preset(item: &Value, at: String, violations: &mut Violations) -> Option<Preset> {
    let Value::Object(object) = item else {
        violations.add(at, "must be an object");
        return None;
    };
    let mut fields = Fields::new(object, at);
    let index = fields.value("index").and_then(Value::as_u64).filter(|index| *index == 1);
    if index.is_none() {
        violations.add(fields.pointer("index"), "is required and must be 1");
    }
    let mut choice = |name, known: &[&'static str], rule: &str| {
        let found = fields.value(name).and_then(Value::as_str).filter(|text| known.contains(text));
        if found.is_none() {
            violations.add(fields.pointer(name), rule);
        }
        found.map(str::to_owned)
    };
    let country =
        choice("country", tables::COUNTRIES, "is required and must be an ISO 3166-1 alpha-3 code or XKX");
    let kind =
        choice("type", tables::DOCUMENTS, "is required and must be PASSPORT, DRIVING_LICENSE or ID_CARD");
    fields.finish(violations);
    Some(Preset { index: 1, country: country?, kind: kind? })
}

#[cfg(test)]
#[path = "verification_tests.rs"]
mod tests;
