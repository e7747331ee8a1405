//! Every sample in `config/` is a configuration that the binary takes, once the files that it names are there.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn samples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let mut samples: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    samples.sort();
    samples
}

fn check(config: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_facemap-vault"))
        .args(["check-config", "--config"])
        .arg(config)
        .env_clear()
        .output()
        .unwrap()
}

fn private(path: &Path, content: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Puts the sample into a folder of its own, with the files that it names. Absolute paths are made relative, so that
/// nothing of this machine is touched.
fn lay_out(sample: &Path) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(sample).unwrap();
    let relative = |line: &str| match line.split_once('=').map(|(key, _)| key.trim()) {
        Some("authentication_path") | None => line.to_owned(),
        Some(_) => line.replace("= \"/", "= \""),
    };
    let text = text.lines().map(relative).collect::<Vec<_>>().join("\n");
    let certified = rcgen::generate_simple_self_signed(vec!["vault.example".to_owned()]).unwrap();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((key, value)) = line.split_once('=') else { continue };
        let (key, path) = (key.trim(), dir.path().join(value.trim().trim_matches('"')));
        match key {
            "tokens_file" => private(&path, b"format = 1\n"),
            "tls_key_file" => private(&path, certified.signing_key.serialize_pem().as_bytes()),
            "tls_cert_file" | "private_client_ca_file" => private(&path, certified.cert.pem().as_bytes()),
            _ if key.ends_with("_file") => private(&path, b"a-credential\n"),
            _ => {}
        }
    }
    let config = dir.path().join("config.toml");
    fs::write(&config, text).unwrap();
    (dir, config)
}

#[test]
fn every_sample_can_be_served() {
    let samples = samples();
    assert!(samples.len() >= 4, "{samples:?}");
    for sample in samples {
        let (_dir, config) = lay_out(&sample);
        let output = check(&config);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{}: {told}", sample.display());
    }
}

#[test]
fn what_is_printed_is_a_configuration_with_the_same_meaning() {
    let (_dir, config) = lay_out(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config/production.toml"));
    let without_notes = |output: &Output| -> Vec<String> {
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        text.lines()
            .filter_map(|line| line.split("  # ").next())
            .filter(|l| !l.starts_with('#'))
            .map(str::to_owned)
            .collect()
    };
    let first = check(&config);
    fs::write(&config, without_notes(&first).join("\n")).unwrap();
    let second = check(&config);
    assert_eq!(second.status.code(), Some(0), "{}", String::from_utf8_lossy(&second.stderr));
    assert_eq!(without_notes(&first), without_notes(&second));
}
