//! A SoftHSM2 token of a test's own, in a process of its own: the library reads `SOFTHSM2_CONF` when it is loaded, and is
//! loaded once for a process.

use keys_pkcs11::{Pkcs11Config, Pkcs11Error, Pkcs11Provider};
use seal::SystemRng;
use std::{
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};
use tempfile::TempDir;

pub(crate) const TOKEN: &str = "facemap-vault";
pub(crate) const PIN: &str = "4711-token-user";
const SO_PIN: &str = "0815-officer";
const CONF: &str = "SOFTHSM2_CONF";

/// Where Debian's and other packages put the library.
pub(crate) fn module() -> Option<PathBuf> {
    let places = [
        "/usr/lib/softhsm/libsofthsm2.so",
        "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
        "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
        "/usr/lib64/pkcs11/libsofthsm2.so",
    ];
    places.map(PathBuf::from).into_iter().find(|path| path.exists())
}

/// A folder with a token in it.
pub(crate) struct House {
    folder: PathBuf,
}

impl House {
    pub(crate) fn pin_file(&self) -> PathBuf {
        self.folder.join("pin")
    }

    /// Where SoftHSM2 keeps its tokens: taking it away is what pulling out a token is.
    pub(crate) fn tokens(&self) -> PathBuf {
        self.folder.join("tokens")
    }

    pub(crate) fn config(&self) -> Pkcs11Config {
        Pkcs11Config::new(module().unwrap(), TOKEN, self.pin_file())
    }

    pub(crate) async fn create(&self) -> Result<Pkcs11Provider, Pkcs11Error> {
        Pkcs11Provider::create(self.config(), Arc::new(SystemRng::new())).await
    }

    pub(crate) async fn open(&self) -> Result<Pkcs11Provider, Pkcs11Error> {
        Pkcs11Provider::open(self.config(), Arc::new(SystemRng::new())).await
    }

    pub(crate) fn write_pin(&self, pin: &str, mode: u32) {
        fs::write(self.pin_file(), format!("{pin}\n")).unwrap();
        fs::set_permissions(self.pin_file(), fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn add_token(&self, label: &str) {
        let mut util = Command::new("softhsm2-util");
        util.args(["--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", SO_PIN]);
        let output = util.env(CONF, self.folder.join("softhsm2.conf")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn set_up(folder: &Path) {
        let house = Self { folder: folder.to_owned() };
        fs::create_dir(house.tokens()).unwrap();
        let conf = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            house.tokens().display()
        );
        fs::write(folder.join("softhsm2.conf"), conf).unwrap();
        house.add_token(TOKEN);
        house.write_pin(PIN, 0o600);
    }
}

/// Runs the test `name` in a process of its own with a token of its own; `test` is what that process does.
pub(crate) fn with_a_token<F: Future<Output = ()>>(name: &str, test: impl FnOnce(House) -> F) {
    if module().is_none() {
        println!("SKIPPED {name}: SoftHSM2 is not installed (Debian: softhsm2)");
        return;
    }
    if let Some(conf) = env::var_os(CONF).filter(|_| env::var_os("KEYS_PKCS11_TEST").is_some()) {
        let folder = Path::new(&conf).parent().unwrap().to_owned();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(test(House { folder }));
        return;
    }
    let folder = TempDir::new().unwrap();
    House::set_up(folder.path());
    let mut child = Command::new(env::current_exe().unwrap());
    child.args([name, "--exact", "--nocapture"]).env(CONF, folder.path().join("softhsm2.conf"));
    let output = child.env("KEYS_PKCS11_TEST", "1").output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.contains("1 passed"), "{name}:\n{said}");
    assert!(!said.contains(PIN), "the PIN was shown");
}
