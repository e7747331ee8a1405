//! Seed 003's fields of the web journey.

use super::{Rules, fields, tables, url};
use crate::{Journey, NewAuthentication, Violations, WebJourney};
use model::{Channel, limits};
use serde::Deserialize;

/// The fields of a web journey as a caller gives them, unchecked.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WebFields {
    /// Where Jumio sends the person after success.
    pub success_url: Option<String>,
    /// Where Jumio sends the person after an error.
    pub error_url: Option<String>,
    /// The page's language.
    pub locale: Option<String>,
    /// Minutes for which the `redirectUrl` may be used.
    pub token_lifetime_in_minutes: Option<i64>,
}

impl std::fmt::Debug for WebFields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebFields(..)")
    }
}

impl Journey {
    /// Checks the channel's fields: the mobile journey has none.
    ///
    /// # Errors
    /// All violations, in the order of seed 003's table.
    pub fn check(channel: Channel, given: &WebFields, rules: &Rules) -> Result<Self, Violations> {
        match channel {
            Channel::Web => WebJourney::check(given, rules).map(Self::Web),
            Channel::Mobile => {
                let present = [
                    ("/successUrl", given.success_url.is_some()),
                    ("/errorUrl", given.error_url.is_some()),
                    ("/locale", given.locale.is_some()),
                    ("/tokenLifetimeInMinutes", given.token_lifetime_in_minutes.is_some()),
                ];
                let mut violations = Violations::none();
                for (pointer, _) in present.into_iter().filter(|(_, present)| *present) {
                    violations.add(pointer, "is for the channel web only");
                }
                violations.or(Self::Mobile)
            }
        }
    }
}

impl WebJourney {
    /// Checks the fields of a web journey.
    ///
    /// # Errors
    /// All violations, in the order of seed 003's table.
    pub fn check(given: &WebFields, rules: &Rules) -> Result<Self, Violations> {
        let mut violations = Violations::none();
        if let Some(text) = &given.success_url {
            url::check_redirect(text, "/successUrl", limits::SUCCESS_URL_CHARS, rules, &mut violations);
        }
        if let Some(text) = &given.error_url {
            url::check_redirect(text, "/errorUrl", limits::SHORT_URL_CHARS, rules, &mut violations);
        }
        if let Some(text) = &given.locale {
            fields::check_locale(text, "/locale", tables::AUTHENTICATION_LOCALES, &mut violations);
        }
        let token_lifetime_minutes = given
            .token_lifetime_in_minutes
            .and_then(|minutes| fields::check_lifetime(minutes, "/tokenLifetimeInMinutes", &mut violations));
        violations.or(Self {
            success_url: given.success_url.clone(),
            error_url: given.error_url.clone(),
            locale: given.locale.clone(),
            token_lifetime_minutes,
        })
    }
}

impl NewAuthentication {
    /// Checks what was not checked when it was built: the callback URL.
    pub(crate) fn check(&self, rules: &Rules) -> Result<(), Violations> {
        let mut violations = Violations::none();
        if let Some(text) = &self.callback_url {
            url::check_callback(text, "/callbackUrl", rules, &mut violations);
        }
        violations.or(())
    }
}

#[cfg(test)]
#[path = "journey_tests.rs"]
mod tests;
