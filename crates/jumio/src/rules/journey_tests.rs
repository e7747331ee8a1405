use super::*;

fn fields() -> WebFields {
    WebFields {
        success_url: Some("https://www.example.com/success".to_owned()),
        error_url: Some("https://www.example.com/error".to_owned()),
        locale: Some("de".to_owned()),
        token_lifetime_in_minutes: Some(5),
    }
}

fn pointers(result: Result<Journey, Violations>) -> Vec<String> {
    result.err().map(|violations| violations.iter().map(|v| v.pointer.clone()).collect()).unwrap_or_default()
}

#[test]
fn a_web_journey_has_all_of_its_fields_and_a_mobile_one_none() {
    let Ok(Journey::Web(web)) = Journey::check(Channel::Web, &fields(), &Rules::default()) else {
        panic!("a web journey");
    };
    assert_eq!((web.success_url(), web.locale()), (Some("https://www.example.com/success"), Some("de")));
    assert_eq!(web.token_lifetime_minutes(), Some(5));
    let mobile = Journey::check(Channel::Mobile, &fields(), &Rules::default());
    assert_eq!(pointers(mobile), ["/successUrl", "/errorUrl", "/locale", "/tokenLifetimeInMinutes"]);
    assert_eq!(
        Journey::check(Channel::Mobile, &WebFields::default(), &Rules::default()),
        Ok(Journey::Mobile)
    );
}

#[test]
fn all_violations_of_a_web_journey_come_at_once() {
    let given = WebFields {
        success_url: Some(format!("https://www.example.com/{}", "a".repeat(2048))),
        error_url: Some(format!("https://www.example.com/{}", "a".repeat(256))),
        // A locale of ID Verifications only.
        locale: Some("ar".to_owned()),
        token_lifetime_in_minutes: Some(4),
    };
    let found = pointers(Journey::check(Channel::Web, &given, &Rules::default()));
    assert_eq!(found, ["/successUrl", "/errorUrl", "/locale", "/tokenLifetimeInMinutes"]);
}

#[test]
fn a_redirect_leads_to_configured_hosts_only() {
    let rules = Rules { simulated: false, redirect_hosts: Some(vec!["app.example.com".to_owned()]) };
    assert_eq!(pointers(Journey::check(Channel::Web, &fields(), &rules)), ["/successUrl", "/errorUrl"]);
    let none = Rules { simulated: false, redirect_hosts: Some(Vec::new()) };
    assert_eq!(pointers(Journey::check(Channel::Web, &fields(), &none)), ["/successUrl", "/errorUrl"]);
}
