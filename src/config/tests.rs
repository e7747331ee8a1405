//! The configuration as a whole.

use super::{presets::RateLimits, *};
use ::ingest::Accept;

const LEAST: &str =
    "[jumio]\nuser_agent = \"Muster Bank vault/1\"\ncallback_base_url = \"https://vault.example.com\"\n";
const SIMULATED: &str = "[jumio]\nsimulated = true\nbase_url = \"http://127.0.0.1:9090\"\nuser_agent = \"A b/1\"\n\
                         callback_base_url = \"http://127.0.0.1:8080\"\n";

fn parse_with(text: &str, variables: &[(&str, &str)]) -> Result<Config, Problems> {
    let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
    Config::parse(text, "c.toml", Path::new("/etc/vault"), variables.collect::<Vec<_>>())
}

fn parse(text: &str) -> Result<Config, Problems> {
    parse_with(text, &[])
}

/// The keys that are complained about.
fn refused(text: &str) -> Vec<String> {
    parse(text).map_or_else(|problems| problems.0.into_iter().map(|p| p.key).collect(), |_| Vec::new())
}

#[test]
fn two_keys_are_enough_and_everything_else_has_the_contracts_defaults() {
    let config = parse(LEAST).unwrap();
    assert_eq!(config.server.public_listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.jumio.base_url.as_str(), "https://netverify.com/");
    assert_eq!(
        config.jumio.rate_limits,
        RateLimits { initiate_per_second: 3, initiate_per_minute: 180, retrieve_per_5s: 75 }
    );
    assert_eq!(config.callbacks.allowed_sources.unwrap().len(), 9);
    assert_eq!(config.callbacks.source_host, Some("callback.jumio.com"));
    assert_eq!(config.ingest.accept, Accept::Known);
    assert_eq!(config.ingest.poll_schedule.len(), 10);
    assert_eq!(config.reauth.window.as_secs(), 900);
    assert_eq!(config.store.slots_path, Path::new("/etc/vault/slots"));
}

#[test]
fn the_example_holds_the_defaults_and_names_every_key() {
    let text = include_str!("../../config/example.toml");
    let example = parse(text).unwrap();
    let defaults = parse(LEAST).unwrap();
    for (written, default) in example.settings.iter().zip(&defaults.settings) {
        assert_eq!((written.section, written.key), (default.section, default.key));
        let required = ["user_agent", "callback_base_url"].contains(&written.key);
        assert!(required || written.value == default.value, "{written:?} is not the default {default:?}");
        let section = text.split("\n[").find(|part| part.starts_with(written.section)).unwrap();
        let named = |line: &str| line.trim_start_matches("# ").starts_with(&format!("{} = ", written.key));
        assert!(
            section.lines().any(named),
            "{}.{} is not in config/example.toml",
            written.section,
            written.key
        );
    }
}

#[test]
fn events_are_sent_signed_or_not_at_all_and_inside_only_where_configured() {
    let with = |text: &str| format!("{LEAST}[notifications]\n{text}\n");
    let config = parse(&with(
        "url = \"https://10.1.2.3:8443/events\"\nsecret_file = [\"new\", \"old\"]\nallowed_networks = [\"10.1.0.0/16\"]",
    ));
    let events = config.unwrap().notifications;
    assert_eq!((events.secrets.len(), events.max_age.as_secs()), (2, 7 * 86_400));
    assert_eq!(events.allowed_networks, ["10.1.0.0/16".parse().unwrap()]);
    assert!(parse(LEAST).unwrap().notifications.url.is_none());
    for (text, key) in [
        ("url = \"https://b.example/e\"", "notifications.secret_file"),
        ("secret_file = \"s\"", "notifications.url"),
        ("url = \"http://b.example/e\"\nsecret_file = \"s\"", "notifications.url"),
        ("url = \"https://b.example/e?x=1\"\nsecret_file = \"s\"", "notifications.url"),
        ("url = \"https://b.example/e\"\nsecret_file = [\"a\", \"b\", \"c\"]", "notifications.secret_file"),
        ("allowed_networks = [\"10.1.2.3/8\"]", "notifications.allowed_networks"),
        ("max_age_days = 0", "notifications.max_age_days"),
    ] {
        assert_eq!(refused(&with(text)), [key], "{text}");
    }
}

#[test]
fn every_problem_is_told_at_once_with_its_place() {
    let text = "[jumio]\nregion = \"mars\"\ncallback_base_url = \"http://vault\"\nmore = 1\n[serveur]\nx = 1\n\
                [reauth]\nwindow_seconds = 60\nwait_seconds = \"10\"\n";
    let problems = parse(text).unwrap_err();
    let told: Vec<_> = problems.0.iter().map(|p| (p.place.as_str(), p.key.as_str())).collect();
    assert_eq!(
        told,
        [
            ("c.toml:2", "jumio.region"),
            ("c.toml", "jumio.user_agent"),
            ("c.toml:3", "jumio.callback_base_url"),
            ("c.toml:4", "jumio.more"),
            ("c.toml:8", "reauth.window_seconds"),
            ("c.toml:9", "reauth.wait_seconds"),
            ("c.toml:6", "[serveur]"),
        ]
    );
    assert!(problems.to_string().contains("must be 900 to 86400 seconds"));
}

#[test]
fn the_environment_sets_every_kind_of_key() {
    let config = parse_with(
        LEAST,
        &[
            ("FACEMAP_VAULT__JUMIO__REGION", "sgp"),
            ("FACEMAP_VAULT__SERVER__TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.1"),
            ("FACEMAP_VAULT__REAUTH__ALLOWED_REDIRECT_HOSTS", "[\"www.example.com\"]"),
            ("FACEMAP_VAULT__CALLBACKS__REQUIRE_TOKEN", "false"),
            ("FACEMAP_VAULT__INGEST__POLL_SCHEDULE_SECONDS", "50,60"),
            ("FACEMAP_VAULT__RETENTION__MAX_FRACTION_PER_DAY", "0.5"),
            ("FACEMAP_VAULT__KEYS__PATH", "other/keys"),
        ],
    )
    .unwrap();
    assert_eq!(config.jumio.region, Region::Sgp);
    assert_eq!(config.server.trusted_proxies.len(), 2);
    assert_eq!(config.reauth.allowed_redirect_hosts, ["www.example.com"]);
    assert!(!config.callbacks.require_token);
    assert_eq!(config.ingest.poll_schedule.len(), 2);
    assert_eq!(config.keys.path, Path::new("/etc/vault/other/keys"));
    let problems = parse_with(LEAST, &[("FACEMAP_VAULT__JUMIO__REGOIN", "eu")]).unwrap_err();
    assert_eq!(problems.0[0].place, "environment FACEMAP_VAULT__JUMIO__REGOIN");
}

#[test]
fn a_secret_in_the_configuration_is_for_a_simulated_vault_and_never_shown() {
    assert_eq!(refused(&format!("{LEAST}api_secret = \"hunter2\"\n")), ["jumio.api_secret"]);
    assert!(
        !parse(&format!("{LEAST}api_secret = \"hunter2\"\n")).unwrap_err().to_string().contains("hunter2")
    );
    let config = parse(&format!("{SIMULATED}api_secret = \"hunter2\"\n")).unwrap();
    assert_eq!(config.jumio.credentials.secret.current().unwrap().expose(), "hunter2");
    assert!(!format!("{config:?}").contains("hunter2"));
    assert_eq!(
        refused(&format!("{SIMULATED}api_secret = \"x\"\napi_secret_file = \"y\"\n")),
        ["jumio.api_secret"]
    );
}

#[test]
fn another_host_than_jumio_is_called_by_a_simulated_vault_only_and_then_no_other() {
    assert_eq!(refused(&format!("{LEAST}base_url = \"http://127.0.0.1:9090\"\n")), ["jumio.base_url"]);
    assert_eq!(refused(&format!("{LEAST}simulated = true\n")), ["jumio.base_url"]);
    assert_eq!(parse(SIMULATED).unwrap().jumio.base_url.as_str(), "http://127.0.0.1:9090/");
}

#[test]
fn a_listener_that_others_can_reach_needs_tls() {
    let open = format!("{LEAST}[server]\nprivate_listen = \"0.0.0.0:8081\"\n");
    assert_eq!(refused(&open), ["server.private_listen"]);
    assert_eq!(refused(&format!("{open}tls_terminated_upstream = true\n")), [""; 0]);
    assert_eq!(refused(&format!("{open}tls_cert_file = \"c\"\ntls_key_file = \"k\"\n")), [""; 0]);
    assert_eq!(refused(&format!("{open}tls_cert_file = \"c\"\n")), ["server.tls_cert_file"]);
    let same = format!("{LEAST}[server]\nprivate_listen = \"127.0.0.1:8080\"\n");
    assert_eq!(refused(&same), ["server.private_listen"]);
}

#[test]
fn what_would_break_a_rule_of_jumios_is_refused() {
    for (section, key, value) in [
        ("reauth", "window_seconds", "899"),
        ("reauth", "settle_seconds", "20"),
        ("reauth", "result_poll_seconds", "[30, 30]"),
        ("reauth", "allowed_redirect_hosts", "[\"*.example.com\"]"),
        ("ingest", "poll_schedule_seconds", "[10, 60]"),
        ("ingest", "poll_schedule_seconds", "[40, 50, 60, 70, 80, 90, 100, 110, 120, 130, 140]"),
        ("links", "default_days", "31"),
        ("links", "base_url", "\"http://vault.example.com\""),
        ("retention", "max_fraction_per_day", "0.0"),
        ("audit", "syslog", "\"collector:514\""),
        ("audit", "jsonl_file", "\"\""),
        ("callbacks", "allowed_sources", "[\"jumio\", \"10.0.0.1/8\"]"),
        ("store", "slots_path", "\"data\""),
    ] {
        let text = format!("{LEAST}[{section}]\n{key} = {value}\n");
        assert_eq!(refused(&text), [format!("{section}.{key}")], "{text}");
    }
}

#[test]
fn half_a_pair_of_admin_credentials_is_refused() {
    for half in ["admin_token_file", "admin_secret_file"] {
        assert_eq!(refused(&format!("{LEAST}{half} = \"x\"\n")), [format!("jumio.{half}")]);
    }
    let both = format!("{LEAST}admin_token_file = \"t\"\nadmin_secret_file = \"s\"\n");
    assert!(parse(&both).unwrap().jumio.admin_credentials.is_some());
}

#[test]
fn keys_that_act_later_are_checked_now_and_named_when_they_are_set() {
    let config = parse(&format!("{LEAST}[reauth]\ndelete_result = \"after-event\"\n")).unwrap();
    assert_eq!(set_but_later(&config.settings), ["reauth.delete_result"]);
    assert!(warnings(&config).iter().any(|text| text.contains("reauth.delete_result")));
}

#[test]
fn retention_purge_and_audit_are_read_into_what_acts_on_them() {
    let config = parse(&format!(
        "{LEAST}[retention]\nmax_age_days = 30\nmax_idle_days = 0\nsweep_interval_seconds = 60\n\
         max_fraction_per_day = 0.5\n[purge]\nconfirm_above = 7\n\
         [audit]\njsonl_file = \"log/audit.jsonl\"\nsyslog = \"udp:10.0.0.5:514\"\n"
    ))
    .unwrap();
    let retention = custody::RetentionConfig {
        max_age_days: 30,
        max_idle_days: 0,
        sweep_interval: std::time::Duration::from_mins(1),
        max_fraction_per_day: 0.5,
    };
    assert_eq!(config.retention, retention);
    assert_eq!(config.purge.confirm_above, 7);
    let file = ::audit::Sink::JsonLines("/etc/vault/log/audit.jsonl".into());
    let syslog = ::audit::Sink::Syslog("udp:10.0.0.5:514".parse().unwrap());
    assert_eq!(config.audit.sinks, [file, syslog]);
    let defaults = parse(LEAST).unwrap();
    assert_eq!(
        (defaults.retention, defaults.purge.confirm_above),
        (custody::RetentionConfig::default(), 100)
    );
    assert!(defaults.audit.sinks.is_empty() && set_but_later(&config.settings).is_empty());
}

#[test]
fn what_this_version_cannot_serve_is_refused_not_ignored() {
    let config = parse(&format!("{LEAST}[store]\nengine = \"postgres\"\n")).unwrap();
    let keys: Vec<_> = unsupported(&config).into_iter().map(|problem| problem.key).collect();
    assert_eq!(keys, ["store.engine"]);
}

#[test]
fn risky_choices_are_warned_of() {
    let risky = format!(
        "{LEAST}[callbacks]\nrequire_token = false\nallowed_sources = []\n[ingest]\ndelete_original = \"never\"\n"
    );
    let text = warnings(&parse(&risky).unwrap()).join("\n");
    for part in [
        "trusted_proxies",
        "allowed_sources",
        "require_token",
        "delete_original",
        "one file system",
        "redirect",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
}

#[test]
fn a_receiver_at_an_address_that_is_never_called_is_warned_of() {
    let warned = |host: &str, more: &str| {
        let text =
            format!("{LEAST}[notifications]\nurl = \"https://{host}/hook\"\nsecret_file = \"s\"\n{more}\n");
        warnings(&parse(&text).unwrap()).iter().any(|text| text.contains("dead letter"))
    };
    for host in ["10.1.2.3", "127.0.0.1:8443", "[fd00::7]", "169.254.169.254"] {
        assert!(warned(host, ""), "{host}");
        assert!(warned(host, "allowed_networks = [\"192.168.7.0/24\"]"), "{host}");
    }
    assert!(!warned("10.1.2.3", "allowed_networks = [\"10.0.0.0/8\"]"));
    assert!(!warned("9.9.9.9", "") && !warned("backend.internal", ""));
}

/// The configuration with these lines in `[keys]`.
fn with_keys(lines: &str) -> String {
    format!("{LEAST}[keys]\n{lines}\n")
}

const TRANSIT: &str =
    "provider = \"transit\"\ntransit_address = \"https://10.1.2.3:8200\"\ntransit_token_file = \"t\"\n";

#[test]
fn a_transit_engine_needs_its_address_and_its_token_and_has_defaults_for_the_rest() {
    let Provider::Transit(transit) = parse(&with_keys(TRANSIT)).unwrap().keys.provider else { panic!() };
    assert_eq!(origin_of(&transit.address), "https://10.1.2.3:8200");
    assert_eq!((transit.mount.as_str(), transit.key.as_str()), ("transit", "facemap-vault"));
    assert_eq!(transit.token_file, Path::new("/etc/vault/t"));
    assert_eq!((transit.namespace, transit.ca_file, transit.timeout.as_secs()), (None, None, 5));
    let missing = refused(&with_keys("provider = \"transit\""));
    assert_eq!(missing, ["keys.transit_address", "keys.transit_token_file"]);
    for (key, bad) in [
        ("transit_address", "\"http://10.1.2.3:8200\""),
        ("transit_address", "\"https://10.1.2.3:8200/v1\""),
        ("transit_mount", "\"a/../b\""),
        ("transit_key", "\"a/b\""),
        ("transit_namespace", "\"a b\""),
        ("transit_timeout_seconds", "0"),
    ] {
        let text = TRANSIT.lines().filter(|line| !line.starts_with(key)).collect::<Vec<_>>().join("\n");
        let refused = refused(&with_keys(&format!("{text}\n{key} = {bad}")));
        assert!(refused.contains(&format!("keys.{key}")), "{key} = {bad}: {refused:?}");
    }
}

#[test]
fn a_token_of_a_security_module_needs_all_three_of_its_keys() {
    let all = "provider = \"pkcs11\"\npkcs11_module = \"/usr/lib/m.so\"\npkcs11_token_label = \"fv\"\n\
               pkcs11_pin_file = \"pin\"";
    let Provider::Pkcs11(pkcs11) = parse(&with_keys(all)).unwrap().keys.provider else { panic!() };
    assert_eq!((pkcs11.module.as_path(), pkcs11.token_label.as_str()), (Path::new("/usr/lib/m.so"), "fv"));
    assert_eq!(pkcs11.pin_file, Path::new("/etc/vault/pin"));
    let missing = refused(&with_keys("provider = \"pkcs11\""));
    assert_eq!(missing, ["keys.pkcs11_module", "keys.pkcs11_token_label", "keys.pkcs11_pin_file"]);
    let long = all.replace("\"fv\"", &format!("\"{}\"", "x".repeat(33)));
    assert_eq!(refused(&with_keys(&long)), ["keys.pkcs11_token_label"; 2][..1]);
}

#[test]
fn a_key_of_another_provider_is_not_ignored() {
    assert_eq!(refused(&with_keys("transit_key = \"x\"")), ["keys.transit_key"]);
    assert_eq!(refused(&with_keys(&format!("{TRANSIT}pkcs11_module = \"m\""))), ["keys.pkcs11_module"]);
}
