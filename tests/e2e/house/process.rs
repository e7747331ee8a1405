//! The vault as a process: started, watched, stopped, killed. Only processes that were started here are ever signalled.

use super::Answer;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs::{self, File, OpenOptions},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

/// How long a start or an orderly end may take before the test has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// How often something is looked at that is waited for.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The program with these arguments, in an empty environment.
pub(crate) fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_facemap-vault"));
    command.args(args).env_clear();
    command
}

/// Runs the program to its end.
pub(crate) fn run(args: &[&str]) -> Output {
    run_with(args, &[])
}

/// The same, with these variables in its environment.
pub(crate) fn run_with(args: &[&str], variables: &[(&str, &str)]) -> Output {
    program(args).envs(variables.iter().copied()).output().unwrap()
}

/// What it printed.
pub(crate) fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A port of this machine that nobody listens on. Below those that the system hands out to clients, so that it is still
/// free when the vault comes back to it.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FROM: u16 = 12_000;
    const COUNT: u16 = 18_000;
    let first = u16::try_from(std::process::id() % u32::from(COUNT)).unwrap();
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FROM + (first.wrapping_mul(17) % COUNT + step) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}

/// How to start a vault.
#[derive(Clone)]
pub(crate) struct Start {
    pub(crate) config: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) public: u16,
    pub(crate) private: u16,
    /// `SECTION__KEY` and value.
    pub(crate) settings: Vec<(String, String)>,
    /// Variables that are none of the vault's own.
    pub(crate) variables: Vec<(String, String)>,
}

impl Start {
    /// The command that serves this vault; both outputs go to the end of the log.
    pub(crate) fn command(&self) -> Command {
        let log = || OpenOptions::new().create(true).append(true).open(&self.log).unwrap();
        let mut command = program(&["serve", "--config", self.config.to_str().unwrap()]);
        command.stdin(Stdio::null()).stdout(Stdio::from(log())).stderr(Stdio::from(log()));
        let ours = [
            ("SERVER__PUBLIC_LISTEN", format!("127.0.0.1:{}", self.public)),
            ("SERVER__PRIVATE_LISTEN", format!("127.0.0.1:{}", self.private)),
            ("JUMIO__CALLBACK_BASE_URL", format!("http://127.0.0.1:{}", self.public)),
            ("LOG__FILTER", "debug".to_owned()),
        ];
        for (key, value) in ours {
            command.env(format!("FACEMAP_VAULT__{key}"), value);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        for (key, value) in &self.settings {
            command.env(format!("FACEMAP_VAULT__{key}"), value);
        }
        command
    }

    /// What the process has said so far.
    pub(crate) fn said(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Starts the vault and waits until it is ready.
    pub(crate) async fn ready(&self, http: &reqwest::Client) -> Vault {
        let mut vault = self.spawn();
        let url = format!("http://127.0.0.1:{}/readyz", self.private);
        let begin = Instant::now();
        loop {
            if let Some(ended) = vault.ended() {
                panic!("the vault did not start ({ended}):\n{}", tail(&self.said()));
            }
            if Answer::of(http.get(&url)).await.is_ok_and(|answer| answer.status == 200) {
                return vault;
            }
            assert!(begin.elapsed() < PATIENCE, "the vault is not ready:\n{}", tail(&self.said()));
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Starts the vault without waiting.
    pub(crate) fn spawn(&self) -> Vault {
        Vault { child: self.command().spawn().unwrap() }
    }

    /// Starts the vault and waits for it to refuse: its code and what it said. `None` when it came up after all.
    pub(crate) async fn refusal(&self, http: &reqwest::Client) -> Option<(i32, String)> {
        File::create(&self.log).unwrap();
        let mut vault = self.spawn();
        let url = format!("http://127.0.0.1:{}/readyz", self.private);
        let begin = Instant::now();
        // The limit of the contract's own: a refusal does not take longer than this.
        while begin.elapsed() < Duration::from_secs(15) {
            if let Some(ended) = vault.ended() {
                return Some((ended.code().unwrap_or(-1), self.said()));
            }
            // Somebody else may hold the port, and say nothing.
            let look = http.get(&url).timeout(Duration::from_millis(500));
            if Answer::of(look).await.is_ok_and(|answer| answer.status == 200) {
                return None;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        panic!("the vault neither refused nor came up within 15 seconds:\n{}", tail(&self.said()));
    }
}

/// The last lines of a log, without those that repeat themselves while a test waits.
pub(crate) fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().filter(|line| !line.contains("Answered a request. method=GET")).collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}

/// A vault's process. Dropping it kills it.
pub(crate) struct Vault {
    child: Child,
}

impl Vault {
    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop, as a service manager does.
    pub(crate) fn terminate(&self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
    }

    /// Waits for its end.
    pub(crate) async fn end(&mut self) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(begin.elapsed() < PATIENCE, "the vault does not end");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// `kill -9`, at once.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Vault {
    fn drop(&mut self) {
        // One that has ended already is reaped, no more.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Whether a file is a folder's own, by its path below it.
pub(crate) fn below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort();
    found
}
