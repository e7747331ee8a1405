use super::*;

fn redirect(text: &str, max: usize) -> Vec<String> {
    let rules = Rules { simulated: true, redirect_hosts: Some(vec!["www.example.com".to_owned()]) };
    let mut violations = Violations::none();
    check_redirect(text, "/successUrl", max, &rules, &mut violations);
    violations.iter().map(|violation| violation.rule.clone()).collect()
}

fn callback(text: &str, simulated: bool) -> Vec<String> {
    let mut violations = Violations::none();
    check_callback(text, "/callbackUrl", &Rules { simulated, redirect_hosts: None }, &mut violations);
    violations.iter().map(|violation| violation.rule.clone()).collect()
}

#[test]
fn each_url_rule_of_jumio_is_named_when_it_is_broken() {
    for good in
        ["https://www.example.com", "https://www.example.com/a/b?x=1&y=%20", "HTTPS://WWW.EXAMPLE.COM/"]
    {
        assert_eq!(redirect(good, 255), [""; 0], "{good}");
    }
    let host = "must lead to one of the hosts in reauth.allowed_redirect_hosts";
    let ip = "must not have an IP address for a host";
    let port = "must not have a port";
    let url = "must be an absolute URL (RFC 3986)";
    let https = "must use https";
    let user = "must not have a user name or password";
    for (bad, rules) in [
        ("http://www.example.com/", &[https][..]),
        ("https://www.example.com:443/", &[port]),
        ("https://www.example.com:8443/", &[port]),
        ("https://www.example.com/#done", &["must not have a fragment"]),
        ("https://me@www.example.com/", &[user]),
        ("https://@www.example.com/", &[user]),
        ("https://other.example.com/", &[host]),
        ("https://127.0.0.1/", &[ip, host]),
        ("https://2130706433/", &[ip, host]),
        ("https://[::1]/", &[ip, host]),
        ("https://[::1]:8443/", &[ip, port, host]),
        ("http://127.0.0.1:80/#x", &["must not have a fragment", https, ip, port, host]),
        ("https://www.exämple.com/", &["must be in ASCII or punycode"]),
        ("www.example.com", &[url]),
        ("/done", &[url]),
        ("", &[url]),
        ("https://", &[url]),
        ("https:www.example.com", &[url]),
        ("https://www.example.com/a b", &[url]),
        ("https://www.example.com/%2", &[url]),
        ("https://www.example.com/%zz", &[url]),
        ("https://www.example.com/\"", &[url]),
        ("https://www.example.com\\x", &[url]),
        ("https://www.example.com/\n", &[url]),
        ("mailto:a@example.com", &[url]),
        ("https://www.example.com/?u=ines@example.com", &[PERSONAL_RULE]),
        ("https://www.example.com/ines%40example.com", &[PERSONAL_RULE]),
    ] {
        assert_eq!(redirect(bad, 255), rules, "{bad:?}");
    }
}

#[test]
fn names_that_jumio_appends_itself_are_taken() {
    for name in RESERVED {
        let rule = format!("must not use the query name {name}: Jumio appends it itself");
        assert_eq!(redirect(&format!("https://www.example.com/?a=1&{name}=x"), 255), [rule.as_str()]);
    }
    assert_eq!(redirect("https://www.example.com/?error%43ode=1", 255).len(), 1);
    assert_eq!(redirect("https://www.example.com/errorCode?x=errorCode", 255), [""; 0]);
}

#[test]
fn the_lengths_of_the_table_are_kept_to_the_character() {
    for max in [limits::SHORT_URL_CHARS, limits::SUCCESS_URL_CHARS] {
        let fits = format!("https://www.example.com/{}", "a".repeat(max - 24));
        assert_eq!(redirect(&fits, max), [""; 0]);
        assert_eq!(redirect(&format!("{fits}a"), max), [format!("must have at most {max} characters")]);
    }
}

#[test]
fn a_callback_on_this_machine_is_for_simulators_only() {
    for text in ["http://127.0.0.1:8080/callbacks/jumio/x", "http://localhost:8080/x", "http://[::1]/x"] {
        assert_eq!(callback(text, true), [""; 0], "{text}");
        assert!(!callback(text, false).is_empty(), "{text}");
    }
    assert_eq!(
        callback("http://10.0.0.1/x", true),
        ["must use https", "must not have an IP address for a host"]
    );
    assert_eq!(callback("https://vault.example.com/callbacks/jumio/x", false), [""; 0]);
}
