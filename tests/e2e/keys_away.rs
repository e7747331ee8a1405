//! A vault whose keys are in the transit engine of a real OpenBao server, or on a token of SoftHSM2, which goes away and comes
//! back: decryption stops, and nothing else.

use crate::house::{Answer, House, LOOK_EVERY, PATIENCE, Vault, run, tail};
use keys_transit::TestServer;
use sandbox::Endpoint;
use serde_json::json;
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A vault that does not run yet, and its key provider, which does.
struct Stage {
    house: House,
    bao: TestServer,
    dir: TempDir,
}

async fn stage() -> Option<Stage> {
    let bao = TestServer::start()?;
    let dir = tempfile::tempdir().unwrap();
    let token_file = dir.path().join("transit-token");
    put_private(&token_file, &bao.working_token());
    let args = ["--provider", "transit", "--transit-address", &bao.address(), "--transit-token-file"];
    let args = [&args[..], &[token_file.to_str().unwrap()]].concat();
    let house = House::set_up_with(&[], None, &args, &[]).await;
    Some(Stage { house, bao, dir })
}

fn put_private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Waits until `/readyz` answers with this status and reason.
async fn readyz(house: &House, status: u16, reason: Option<&str>) -> Answer {
    let begin = Instant::now();
    loop {
        let asked = Answer::of(house.http.get(house.api("/readyz"))).await;
        if let Ok(answer) = &asked
            && answer.status == status
            && answer.body["reason"] == json!(reason)
        {
            return asked.unwrap();
        }
        assert!(begin.elapsed() < PATIENCE, "{asked:?}\n{}", tail(&house.start.said()));
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn stops(mut vault: Vault) {
    vault.terminate();
    assert_eq!(vault.end().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_keys_a_vault_listens_and_waits_and_nobody_finds_a_closed_port_when_they_come() {
    let Some(Stage { mut house, mut bao, dir: _dir }) = stage().await else { return };
    bao.stop();
    house.vault = Some(house.start.spawn());
    let waiting = readyz(&house, 503, Some("keys-unavailable")).await;
    assert!(waiting.text.contains("transit engine"), "{}", waiting.text);
    let alive = Answer::of(house.http.get(house.api("/livez"))).await.unwrap();
    assert_eq!(alive.status, 200);
    for path in ["/v1/status", "/v1/enrollments/x", "/anything"] {
        let refused = house.get(path).await;
        assert_eq!(refused.code(), (503, "keys-unavailable"), "{path}: {}", refused.text);
        assert!(refused.headers.contains_key("retry-after"), "{path}");
    }
    let form = [("callBackType", "NETVERIFYID"), ("jumioIdScanReference", "a-reference")];
    let called = house.http.post(house.portal()).header("Content-Type", "application/x-www-form-urlencoded");
    let called = Answer::of(called.body("callBackType=NETVERIFYID")).await.unwrap();
    assert_eq!(called.status, 503);
    assert!(called.headers.contains_key("retry-after"));

    // Somebody calls all the time, each time over a connection of its own, while the keys come and the vault opens.
    let (open, told) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    let (url, done, kept) = (house.portal(), Arc::clone(&open), Arc::clone(&told));
    let calling = tokio::spawn(async move {
        while !done.load(Ordering::SeqCst) {
            let body = "callBackType=NETVERIFYID&jumioIdScanReference=a-reference";
            let client = crate::house::client();
            let asked =
                client.post(&url).header("Content-Type", "application/x-www-form-urlencoded").body(body);
            let answered = asked.send().await.map(|answer| answer.status().as_u16()).ok();
            kept.lock().unwrap().push(answered);
        }
    });
    bao.restart();
    readyz(&house, 200, None).await;
    assert_eq!(house.callback(&form).await, 200);
    let begin = Instant::now();
    while !told.lock().unwrap().contains(&Some(200)) {
        assert!(begin.elapsed() < PATIENCE);
        tokio::time::sleep(LOOK_EVERY).await;
    }
    open.store(true, Ordering::SeqCst);
    calling.await.unwrap();
    let told = told.lock().unwrap().clone();
    assert!(told.iter().all(|status| matches!(status, Some(200 | 503))), "{told:?}");
    let opened = told.iter().position(|status| *status == Some(200)).unwrap();
    assert!(opened > 0 && told[opened..].iter().all(|status| *status == Some(200)), "{told:?}");
    house.enrolled("user-ines", b"the face of ines").await;
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_that_waits_for_its_keys_stops_in_order_when_it_is_asked_to() {
    let Some(Stage { house, mut bao, dir: _dir }) = stage().await else { return };
    bao.stop();
    let vault = house.start.spawn();
    readyz(&house, 503, Some("keys-unavailable")).await;
    let begin = Instant::now();
    stops(vault).await;
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_goes_away_stops_decryption_and_nothing_else() {
    let Some(Stage { mut house, mut bao, dir }) = stage().await else { return };
    house.start().await;
    let (ines, digest) = house.enrolled("user-ines", b"the face of ines").await;
    let unused = house.begin("user-jonas").await;
    bao.stop();

    // The first who needs a facemap finds out; nothing was sent, and it may be asked again.
    let refused = house.authenticate("user-ines").await;
    assert_eq!(refused.code(), (503, "keys-unavailable"), "{}", refused.text);
    assert!(refused.headers.contains_key("retry-after"));
    readyz(&house, 503, Some("keys-unavailable")).await;
    let status = house.get("/v1/status").await;
    assert_eq!((status.status, status.str("keyProvider")), (200, "transit"));
    assert!(status.body["troubles"].to_string().contains("key provider"), "{}", status.text);

    // Records, audit and callbacks go on: an onboarding is called back, judged, and waits with its facemap at Jumio.
    assert_eq!(house.enrollment(&ines).await.str("state"), "ready");
    let finished = house.sandbox.control.finish_verification(&unused, sandbox::Judgement::default()).await;
    assert_eq!(finished.unwrap().callback_status, Some(200));
    house.reaches(&unused, "fetching").await;
    let late = house.begin("user-late").await;
    assert_eq!(house.enrollment(&late).await.status, 200);

    // It is noticed by itself that the provider is back, and what waited is done.
    bao.restart();
    readyz(&house, 200, None).await;
    let jonas = house.reaches(&unused, "vaulted").await;
    assert_eq!(jonas.status, 200);
    let answer = house.authenticate("user-ines").await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let journal = house.journal();
    let posts =
        journal.about(&ines).into_iter().filter(|entry| entry.endpoint == Endpoint::InitiateAuthentication);
    let posted: Vec<_> = posts.filter_map(|entry| entry.note.facemap_digest.clone()).collect();
    assert_eq!(posted, [digest], "once, and the right one");
    house.stop().await;
    let token = fs::read_to_string(dir.path().join("transit-token")).unwrap();
    house.tells_nobody(&[token.trim()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_nobody_needs_is_found_away_all_the_same() {
    let Some(Stage { mut house, bao, dir: _dir }) = stage().await else { return };
    house.start().await;
    bao.seal();
    let found = readyz(&house, 503, Some("keys-unavailable")).await;
    assert!(found.text.contains("503"), "{}", found.text);
    bao.unseal();
    readyz(&house, 200, None).await;
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wrong_keys_end_the_start_and_are_not_waited_for() {
    let Some(Stage { house, bao, dir: _dir }) = stage().await else { return };
    // Another key of the same name: what was there before does not open under it.
    bao.must("POST", "transit/keys/facemap-vault/config", &json!({ "deletion_allowed": true }));
    bao.must("DELETE", "transit/keys/facemap-vault", &json!(null));
    bao.must("POST", "transit/keys/facemap-vault", &json!({ "type": "aes256-gcm96" }));
    let (code, said) = house.start.refusal(&house.http).await.unwrap();
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("not the keys this vault was made with"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_is_not_made_with_a_provider_that_is_away_or_half_named() {
    let dir = tempfile::tempdir().unwrap();
    let token_file = dir.path().join("token");
    put_private(&token_file, "s.token");
    let home = dir.path().join("vault");
    let init = |more: &[&str]| {
        let args = [
            "init",
            "--dir",
            home.to_str().unwrap(),
            "--sandbox",
            "http://127.0.0.1:9",
            "--provider",
            "transit",
        ];
        let made = run(&[&args[..], more].concat());
        (made.status.code(), String::from_utf8(made.stderr).unwrap())
    };
    let port = crate::house::free_port();
    let address = format!("http://127.0.0.1:{port}");
    let away = ["--transit-address", &address, "--transit-token-file", token_file.to_str().unwrap()];
    let (code, said) = init(&away);
    assert!(code == Some(1) && said.contains("not available"), "{code:?} {said}");
    let (code, said) = init(&["--transit-address", &address]);
    assert!(code == Some(64) && said.contains("transit_token_file"), "{code:?} {said}");
    assert!(!home.exists(), "nothing is left behind");
}

const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
const PIN: &str = "4711-of-the-user";

/// Makes a token below `dir`; gives the configuration of SoftHSM2 that names it.
fn make_token(dir: &Path) -> String {
    fs::create_dir(dir.join("tokens")).unwrap();
    let conf = dir.join("softhsm2.conf");
    let text =
        format!("directories.tokendir = {}\nobjectstore.backend = file\n", dir.join("tokens").display());
    fs::write(&conf, text).unwrap();
    let mut util = std::process::Command::new("softhsm2-util");
    util.args([
        "--init-token",
        "--free",
        "--label",
        "facemap-vault",
        "--pin",
        PIN,
        "--so-pin",
        "0815-of-others",
    ]);
    let made = util.env("SOFTHSM2_CONF", &conf).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    conf.to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_security_module_holds_the_keys_and_is_waited_for_at_the_start() {
    if !Path::new(MODULE).exists() {
        eprintln!("SKIPPED: SoftHSM2 is not installed (Debian: softhsm2); scripts/test installs it.");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (conf, pin_file) = (make_token(dir.path()), dir.path().join("pin"));
    put_private(&pin_file, PIN);
    let pin_file = pin_file.to_str().unwrap();
    let args = ["--provider", "pkcs11", "--pkcs11-module", MODULE, "--pkcs11-token-label", "facemap-vault"];
    let args = [&args[..], &["--pkcs11-pin-file", pin_file]].concat();
    let mut house = House::set_up_with(&[], None, &args, &[("SOFTHSM2_CONF", &conf)]).await;
    house.start().await;
    house.enrolled("user-ines", b"the face of ines").await;
    assert_eq!(house.get("/v1/status").await.str("keyProvider"), "pkcs11");
    house.stop().await;

    // The token is pulled out, and put in again.
    let (here, away) = (dir.path().join("tokens"), dir.path().join("pulled-out"));
    fs::rename(&here, &away).unwrap();
    fs::create_dir(&here).unwrap();
    house.vault = Some(house.start.spawn());
    readyz(&house, 503, Some("keys-unavailable")).await;
    assert_eq!(house.callback(&[("callBackType", "NETVERIFYID")]).await, 503);
    fs::remove_dir(&here).unwrap();
    fs::rename(&away, &here).unwrap();
    readyz(&house, 200, None).await;
    assert_eq!(house.authenticate("user-ines").await.status, 201);
    house.stop().await;
    house.tells_nobody(&[PIN]);
}
