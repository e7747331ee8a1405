//! The person behind an item: how things stand when it is ordered, and what is asked when its turn comes.

use super::order::Who;
use crate::{Reauth, error::ReauthError};
use jumio::{Journey, WebFields, WebJourney};
use model::{Channel, EnrollmentRef, EnrollmentState, UserReference, limits};
use records::EnrollmentKey;
use register::{BatchTerms, Delivery, EnrollmentRow, Item, ItemReason, RegisterError};

/// How things stand with somebody, without a look at the person.
pub(super) enum Standing {
    /// Nothing is known.
    Unknown,
    /// What is known does not open, or is not this one's.
    Damaged,
    /// This is known.
    Found(EnrollmentKey, Box<EnrollmentRow>),
}

impl Standing {
    /// Whether nothing is left of the person.
    pub(super) const fn is_purged(row: &EnrollmentRow) -> bool {
        matches!(row.state, EnrollmentState::Purging | EnrollmentState::Purged)
    }
}

/// Who is asked, and how.
pub(super) struct Asked {
    pub(super) user: UserReference,
    /// Given where the list named the enrollment.
    pub(super) enrollment: Option<EnrollmentRef>,
    pub(super) request_reference: Option<String>,
    pub(super) locale: Option<String>,
}

impl Reauth {
    pub(super) async fn standing(&self, who: &Who) -> Result<Standing, ReauthError> {
        match self.look_for(who).await {
            Err(ReauthError::Register(error)) if error.is_damage() => {
                tracing::error!(%error, "somebody in a batch cannot be read; run `facemap-vault verify`");
                Ok(Standing::Damaged)
            }
            found => found,
        }
    }

    async fn look_for(&self, who: &Who) -> Result<Standing, ReauthError> {
        let register = &self.parts.register;
        let (key, user) = match who {
            Who::Enrollment(reference) => (register.records().enrollment_key(reference), None),
            Who::User(user) => {
                let user = register.records().user_key(user);
                let row = register.user(user).await?.map(|read| read.value);
                let Some(key) = row.and_then(|row| row.current) else {
                    // Nobody to use now; one that is on its way may be there when its turn comes.
                    let newest = register.rows_of_user(user, None, 100).await?.pop();
                    return Ok(match newest {
                        None => Standing::Unknown,
                        Some((_, None)) => Standing::Damaged,
                        Some((place, Some(row))) => Standing::Found(place.2, Box::new(row)),
                    });
                };
                (key, Some(user))
            }
        };
        let Some(row) = register.enrollment_row(key).await? else { return Ok(Standing::Unknown) };
        if user.is_some() && row.user != user {
            return Err(RegisterError::WrongPerson.into());
        }
        Ok(Standing::Found(key, Box::new(row)))
    }

    /// Jumio's reference of an enrollment, if there is still a person behind it. One that does not open is left out.
    pub(super) async fn reference_of(
        &self,
        key: EnrollmentKey,
    ) -> Result<Option<EnrollmentRef>, ReauthError> {
        match self.parts.register.enrollment_by_key(key).await {
            Ok(found) => Ok(found.and_then(|found| found.private).map(|person| person.reference)),
            Err(error) if error.is_damage() => {
                tracing::error!(enrollment = %key.0, %error, "somebody is left out of a batch; run `facemap-vault verify`");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Who is asked for an item; or why nobody can be.
    pub(super) async fn asked(
        &self,
        item: &Item,
        terms: &BatchTerms,
    ) -> Result<Result<Asked, ItemReason>, ReauthError> {
        let register = &self.parts.register;
        let Some(key) = item.row.enrollment else { return Ok(Err(ItemReason::Purged)) };
        let Some(found) = register.enrollment_by_key(key).await? else { return Ok(Err(ItemReason::Unknown)) };
        let Some(person) = found.private else { return Ok(Err(ItemReason::Purged)) };
        let Some(user) = person.user_reference else { return Ok(Err(ItemReason::NotReady)) };
        let own = register.item_private(item).await?;
        let (locale, reference) = own.map_or((None, None), |own| (own.locale, own.request_reference));
        let numbered =
            || terms.request_reference.as_ref().map(|text| format!("{text}-{}", item.place.number));
        Ok(Ok(Asked {
            user,
            enrollment: (!item.row.by_user).then_some(person.reference),
            request_reference: reference.or_else(numbered),
            locale: locale.or_else(|| terms.locale.clone()),
        }))
    }

    /// The journey of an item, checked again: the hosts that are allowed may be others than when it was ordered.
    pub(super) fn journey_of(
        &self,
        terms: &BatchTerms,
        locale: Option<String>,
    ) -> Result<Journey, ReauthError> {
        if terms.channel == Channel::Mobile {
            return Ok(Journey::Mobile);
        }
        // Jumio drops the facemap after this time: a page that lives longer leads nowhere.
        let lifetime =
            (terms.delivery == Delivery::Transaction).then_some(limits::JUMIO_WINDOW_MINUTES.into());
        let web = WebFields {
            success_url: terms.success_url.clone(),
            error_url: terms.error_url.clone(),
            locale,
            token_lifetime_in_minutes: lifetime,
        };
        WebJourney::check(&web, &self.config.links.rules).map(Journey::Web).map_err(ReauthError::Invalid)
    }
}
