//! Faults of the disk, switched on and off in a running process (libfiu, Debian's packages `fiu-utils` and `libfiu0`).

use super::{House, Vault};
use std::{path::Path, process::Command};

/// Where Debian puts what is loaded before the program.
const FOLDER: &str = "/usr/lib/fiu";

/// The means to have the vault's own calls of the system fail.
pub(crate) struct Libfiu {
    pipes: String,
}

impl Libfiu {
    /// Has every later start of the vault load what makes calls fail. `None`, and a line on standard error, where libfiu
    /// is not installed.
    ///
    /// # Panics
    /// When `LIBFIU_REQUIRED` is set, so that no test run skips these tests unnoticed.
    pub(crate) fn new_or_explain(house: &mut House) -> Option<Self> {
        let parts = ["fiu_run_preload.so", "fiu_posix_preload.so"].map(|file| format!("{FOLDER}/{file}"));
        if !parts.iter().all(|part| Path::new(part).exists()) || Command::new("fiu-ctrl").output().is_err() {
            assert!(std::env::var_os("LIBFIU_REQUIRED").is_none(), "libfiu is not installed");
            eprintln!("SKIPPED: libfiu is not installed (Debian: fiu-utils, libfiu0)");
            return None;
        }
        let pipes = house.dir.with_file_name("fiu").to_str().unwrap().to_owned();
        house.start.variables.push(("LD_PRELOAD".to_owned(), parts.join(" ")));
        house.start.variables.push(("FIU_CTRL_FIFO".to_owned(), pipes.clone()));
        Some(Self { pipes })
    }

    /// From now on this call fails with this error number.
    pub(crate) fn enable(&self, vault: &Vault, point: &str, errno: i32) {
        assert!(
            self.tell(vault, &format!("enable name={point},failinfo={errno}")),
            "{point} cannot be enabled"
        );
    }

    /// The call goes through again. False when the process has ended.
    pub(crate) fn disable(&self, vault: &Vault, point: &str) -> bool {
        self.tell(vault, &format!("disable name={point}"))
    }

    fn tell(&self, vault: &Vault, command: &str) -> bool {
        // A pipe that nobody reads any more would keep it waiting.
        let mut ctrl = Command::new("timeout");
        ctrl.args(["5", "fiu-ctrl", "-f", &self.pipes, "-c", command, &vault.id().to_string()]);
        ctrl.output().unwrap().status.success()
    }
}
