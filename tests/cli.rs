//! The command line as scripts see it: what is printed where, and with which code it ends.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

fn vault(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_facemap-vault"));
    command.args(args).env_clear();
    command
}

fn run(args: &[&str]) -> Output {
    vault(args).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Every file below a folder with its mode and content.
fn contents(dir: &Path) -> Vec<(String, u32, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let mode = fs::symlink_metadata(&path).unwrap().permissions().mode() & 0o777;
            if path.is_dir() {
                found.push((text(&path).to_owned(), mode, Vec::new()));
                folders.push(path);
            } else {
                found.push((text(&path).to_owned(), mode, fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn wrong_usage_ends_with_64_and_help_with_0() {
    for wrong in [
        &[][..],
        &["fly"],
        &["serve"],
        &["init", "--dir"],
        &["init", "--dir", "/nowhere", "--sandbox", "ftp://x"],
        &["sandbox", "--listen", "somewhere"],
        &["tokens"],
        &["tokens", "create", "--role", "king", "--name", "x", "--tokens-file", "/nowhere"],
        &["tokens", "create", "--role", "app", "--name", "x", "--tokens-file", "/nowhere", "--expires", "1w"],
    ] {
        assert_eq!(code(&run(wrong)), 64, "{wrong:?}");
    }
    for asked in [&["--help"][..], &["--version"], &["serve", "--help"], &["tokens", "create", "--help"]] {
        let output = run(asked);
        assert_eq!((code(&output), out(&output).is_empty()), (0, false), "{asked:?}");
    }
}

#[test]
fn every_command_is_offered_and_what_is_none_is_wrong_usage() {
    let help = out(&run(&["--help"]));
    let commands = [
        "demo",
        "init",
        "serve",
        "sandbox",
        "check-config",
        "tokens",
        "verify",
        "rebuild-index",
        "recovery",
        "backup",
        "restore",
        "keys",
        "purge",
        "batch",
        "audit",
        "status",
        "callbacks",
        "links",
        "receipt",
        "enrollments",
        "doctor",
        "completions",
    ];
    for command in commands {
        assert!(help.contains(&format!("\n  {command}")), "{command}:\n{help}");
        assert_eq!(code(&run(&[command, "--nonsense"])), 64, "{command}");
    }
}

#[test]
fn completions_are_printed_for_every_shell_and_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let printed = run(&["completions", shell]);
        assert_eq!(code(&printed), 0, "{shell}: {}", err(&printed));
        for command in ["rebuild-index", "callbacks", "doctor"] {
            assert!(out(&printed).contains(command), "{shell} {command}");
        }
    }
    assert_eq!(code(&run(&["completions", "tcl"])), 64);
}

#[test]
fn a_wrong_configuration_ends_with_78_and_tells_everything_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config.toml");
    fs::write(&config, "[jumio]\nregion = \"mars\"\nfoo = 1\n[reauth]\nwindow_seconds = 1\n").unwrap();
    for command in ["check-config", "serve"] {
        let output = run(&[command, "--config", text(&config)]);
        assert_eq!(code(&output), 78, "{}", err(&output));
        for part in ["jumio.region", "jumio.foo", "reauth.window_seconds", "config.toml:2", "config.toml:5"] {
            assert!(err(&output).contains(part), "{part}: {}", err(&output));
        }
        assert_eq!(code(&run(&[command, "--config", "/nowhere/config.toml"])), 78);
    }
}

#[test]
fn init_with_a_sandbox_makes_a_vault_that_can_be_served() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("vault");
    let made = run(&["init", "--dir", text(&target), "--sandbox", "http://127.0.0.1:9191"]);
    assert_eq!(code(&made), 0, "{}", err(&made));
    let token = out(&made).lines().find(|line| line.starts_with("fmv_")).unwrap().to_owned();
    assert!(out(&made).contains("http://127.0.0.1:8080/callbacks/jumio/"), "{}", out(&made));
    for file in ["jumio-token", "jumio-secret", "tokens.toml", "config.toml"] {
        assert_eq!(fs::metadata(target.join(file)).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    }
    assert_eq!(fs::read_to_string(target.join("jumio-token")).unwrap().trim(), "sandbox-token");
    let all = contents(&target);
    assert!(all.iter().all(|(_, mode, _)| matches!(mode, 0o600 | 0o700)), "{all:?}");
    assert!(
        !all.iter().any(|(_, _, content)| content.windows(token.len()).any(|part| part == token.as_bytes()))
    );
    assert!(!all.iter().any(|(path, ..)| path.contains(".facemap-vault-init")), "{all:?}");

    let checked = run(&["check-config", "--config", text(&target.join("config.toml"))]);
    assert_eq!(code(&checked), 0, "{}", err(&checked));
    assert!(out(&checked).contains("base_url = \"http://127.0.0.1:9191/\""), "{}", out(&checked));
    assert!(err(&checked).contains("one file system"), "{}", err(&checked));
    let listed = out(&run(&["tokens", "list", "--tokens-file", text(&target.join("tokens.toml"))]));
    assert!(listed.starts_with("first-admin\tadmin\tvalid\t"), "{listed}");
}

#[test]
fn init_for_jumio_asks_for_the_credentials_and_for_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let made = run(&["init", "--dir", text(dir.path())]);
    assert_eq!(code(&made), 0, "{}", err(&made));
    let config = dir.path().join("config.toml");
    let checked = run(&["check-config", "--config", text(&config)]);
    assert_eq!(code(&checked), 78);
    assert_eq!(err(&checked).lines().count(), 2, "{}", err(&checked));
    assert!(
        err(&checked).contains("jumio-token is empty") && err(&checked).contains("jumio-secret is empty")
    );
    for file in ["jumio-token", "jumio-secret"] {
        fs::write(dir.path().join(file), "credential\n").unwrap();
    }
    assert_eq!(code(&run(&["check-config", "--config", text(&config)])), 0);
}

#[test]
fn init_overwrites_nothing() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(code(&run(&["init", "--dir", text(dir.path())])), 0);
    let before = contents(dir.path());
    let again = run(&["init", "--dir", text(dir.path())]);
    assert_eq!(code(&again), 1);
    assert!(err(&again).contains("nothing was changed"), "{}", err(&again));
    assert_eq!(contents(dir.path()), before);

    // One piece of ours is enough, a folder with other people's files is not.
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("jumio-token"), b"precious").unwrap();
    let before = contents(other.path());
    assert_eq!(code(&run(&["init", "--dir", text(other.path())])), 1);
    assert_eq!(contents(other.path()), before);
    let shared = tempfile::tempdir().unwrap();
    fs::write(shared.path().join("README"), b"theirs").unwrap();
    assert_eq!(code(&run(&["init", "--dir", text(shared.path())])), 0);
}

#[test]
fn a_token_is_printed_alone_and_once_and_ends_when_it_is_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens.toml");
    let create = |name: &str| {
        run(&["tokens", "create", "--role", "app", "--name", name, "--tokens-file", text(&file)])
    };
    let made = create("backend");
    assert_eq!(code(&made), 0, "{}", err(&made));
    let token = out(&made);
    assert!(token.starts_with("fmv_") && token.ends_with('\n') && token.len() == 48, "{token}");
    assert_eq!(code(&create("backend")), 1);
    assert_eq!(code(&create("two words")), 64);
    let list = || out(&run(&["tokens", "list", "--tokens-file", text(&file)]));
    assert!(list().starts_with("backend\tapp\tvalid\t"), "{}", list());
    assert!(!fs::read_to_string(&file).unwrap().contains(&token.trim()[4..]));
    let revoke = |name: &str| run(&["tokens", "revoke", "--name", name, "--tokens-file", text(&file)]);
    assert_eq!(code(&revoke("backend")), 0);
    assert!(list().starts_with("backend\tapp\trevoked\t"), "{}", list());
    assert_eq!(code(&revoke("nobody")), 1);
    let absent = dir.path().join("absent");
    assert_eq!(code(&run(&["tokens", "list", "--tokens-file", text(&absent)])), 1);
}

#[test]
fn a_secret_that_others_can_read_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(code(&run(&["init", "--dir", text(dir.path()), "--sandbox", "http://127.0.0.1:9191"])), 0);
    fs::set_permissions(dir.path().join("jumio-secret"), fs::Permissions::from_mode(0o644)).unwrap();
    let checked = run(&["check-config", "--config", text(&dir.path().join("config.toml"))]);
    assert_eq!(code(&checked), 78);
    assert!(err(&checked).contains("chmod 600"), "{}", err(&checked));
}

#[test]
fn the_environment_reaches_the_configuration_and_a_wrong_name_in_it_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(code(&run(&["init", "--dir", text(dir.path()), "--sandbox", "http://127.0.0.1:9191"])), 0);
    let config = dir.path().join("config.toml");
    let with = |name: &str, value: &str| {
        vault(&["check-config", "--config", text(&config)]).env(name, value).output().unwrap()
    };
    let checked = with("FACEMAP_VAULT__REAUTH__WAIT_SECONDS", "7");
    assert!(
        out(&checked).contains("wait_seconds = 7  # FACEMAP_VAULT__REAUTH__WAIT_SECONDS"),
        "{}",
        out(&checked)
    );
    assert_eq!(code(&with("FACEMAP_VAULT__REAUTH__WAIT", "7")), 78);
    assert_eq!(code(&with("FACEMAP_VAULT_TOKEN", "not of the configuration")), 0);
}

#[test]
fn the_sandbox_runs_alone_until_it_is_asked_to_stop() {
    let mut child = vault(&["sandbox", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("simulator at http://").unwrap_or_else(|| panic!("{line}"));
    std::net::TcpStream::connect(address).unwrap();
    assert_eq!(terminated(&mut child), Some(0));
}

/// Asks a process to stop, and waits for its code.
fn terminated(child: &mut Child) -> Option<i32> {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    child.wait().unwrap().code()
}

#[test]
fn the_service_stops_softly_when_it_is_asked_to_and_that_is_no_failure() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(code(&run(&["init", "--dir", text(dir.path()), "--sandbox", "http://127.0.0.1:9191"])), 0);
    let mut child = vault(&["serve", "--config", text(&dir.path().join("config.toml"))])
        .env("FACEMAP_VAULT__SERVER__PUBLIC_LISTEN", "127.0.0.1:0")
        .env("FACEMAP_VAULT__SERVER__PRIVATE_LISTEN", "127.0.0.1:0")
        .env("FACEMAP_VAULT__STORE__MIN_FREE_BYTES", "0")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(log.by_ref().any(|line| line.unwrap().contains("Listening.")), "it ended before it listened");
    assert_eq!(terminated(&mut child), Some(0));
    assert!(log.any(|line| line.unwrap().contains("asked to stop")));
}

#[test]
fn a_look_of_the_links_pages_that_cannot_be_used_is_found_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(code(&run(&["init", "--dir", text(dir.path()), "--sandbox", "http://127.0.0.1:9191"])), 0);
    let config = dir.path().join("config.toml");
    let before = fs::read_to_string(&config).unwrap();
    fs::write(dir.path().join("logo.png"), "<svg onload=\"alert(1)\"/>").unwrap();
    fs::create_dir(dir.path().join("texts")).unwrap();
    fs::write(dir.path().join("texts/de.toml"), "titel = \"Hallo\"").unwrap();
    for (set, parts) in [
        ("logo_file = \"logo.png\"", ["links.logo_file", "not a PNG"]),
        ("texts_dir = \"texts\"", ["links.texts_dir", "`titel` is not a text"]),
        ("brand_color = \"#ffff00\"", ["links.brand_color", "too light"]),
    ] {
        let lines: Vec<_> = before.lines().filter(|line| *line != "[links]").collect();
        fs::write(&config, format!("{}\n\n[links]\n{set}\n", lines.join("\n"))).unwrap();
        for command in ["check-config", "serve"] {
            let output = run(&[command, "--config", text(&config)]);
            assert_eq!(code(&output), 78, "{set}: {}", err(&output));
            assert!(parts.iter().all(|part| err(&output).contains(part)), "{set}: {}", err(&output));
        }
    }
}
