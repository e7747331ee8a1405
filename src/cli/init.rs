//! `init`: sets a vault up in a folder, whole or not at all.

use super::{block_on, tokens};
use crate::failure::Failure;
use crate::{
    boot::keys::create_keys,
    config::{Config, simulator_origin},
    files,
    http::callback_token,
    tokens::{Role, TokensFile},
};
use clap::{Args, ValueEnum};
use model::{Clock as _, Rng, Secret, SystemClock};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use seal::SystemRng;
use std::{
    fs, io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};
use url::Url;
use vault::{Mode, Vault, VaultPaths};

#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// The folder; it is made when it is not there
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Talk to a simulator at this address instead of Jumio; such a vault stays simulated for ever
    #[arg(long, value_name = "URL", value_parser = simulator_origin)]
    sandbox: Option<Url>,
    #[command(flatten)]
    keys: KeyArgs,
}

/// Who holds the wrapping keys; as in `[keys]` of the configuration, which holds what is given here.
#[derive(Debug, Default, Args)]
pub(crate) struct KeyArgs {
    /// Who holds the wrapping keys; any but `file` must be reachable now
    #[arg(long, value_enum, default_value_t)]
    provider: ProviderName,
    /// The security module's library
    #[arg(long, value_name = "FILE")]
    pkcs11_module: Option<PathBuf>,
    /// The label of the security module's token
    #[arg(long, value_name = "LABEL")]
    pkcs11_token_label: Option<String>,
    /// The file with the security module's PIN
    #[arg(long, value_name = "FILE")]
    pkcs11_pin_file: Option<PathBuf>,
    /// The transit engine's server
    #[arg(long, value_name = "URL")]
    transit_address: Option<String>,
    /// Where the transit engine is mounted [default: transit]
    #[arg(long, value_name = "PATH")]
    transit_mount: Option<String>,
    /// The transit key, of type aes256-gcm96 [default: facemap-vault]
    #[arg(long, value_name = "NAME")]
    transit_key: Option<String>,
    /// The file with the token for the transit engine
    #[arg(long, value_name = "FILE")]
    transit_token_file: Option<PathBuf>,
    /// The namespace of the transit engine
    #[arg(long, value_name = "PATH")]
    transit_namespace: Option<String>,
    /// The only authorities that may name the transit engine's server, in PEM
    #[arg(long, value_name = "FILE")]
    transit_ca_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum ProviderName {
    /// Key files in the folder `keys`
    #[default]
    File,
    /// A hardware security module
    Pkcs11,
    /// The transit engine of a secrets server
    Transit,
}

impl KeyArgs {
    /// What to write behind `[keys]`, which stands at the end of the samples. Paths are made absolute: they were given
    /// from here, and the configuration lies elsewhere.
    fn lines(&self) -> Result<String, Failure> {
        let provider = match self.provider {
            ProviderName::File => None,
            ProviderName::Pkcs11 => Some("pkcs11".to_owned()),
            ProviderName::Transit => Some("transit".to_owned()),
        };
        let path = |path: &Option<PathBuf>| -> Result<Option<String>, Failure> {
            let Some(path) = path else { return Ok(None) };
            let path = std::path::absolute(path).map_err(Failure::failed)?;
            let text = path.into_os_string().into_string();
            text.map(Some).map_err(|_| Failure::usage("a path given here is not in UTF-8"))
        };
        let given = [
            ("provider", provider),
            ("pkcs11_module", path(&self.pkcs11_module)?),
            ("pkcs11_token_label", self.pkcs11_token_label.clone()),
            ("pkcs11_pin_file", path(&self.pkcs11_pin_file)?),
            ("transit_address", self.transit_address.clone()),
            ("transit_mount", self.transit_mount.clone()),
            ("transit_key", self.transit_key.clone()),
            ("transit_token_file", path(&self.transit_token_file)?),
            ("transit_namespace", self.transit_namespace.clone()),
            ("transit_ca_file", path(&self.transit_ca_file)?),
        ];
        let line = |(key, value): (&str, Option<String>)| {
            value.map(|value| format!("{key} = {}\n", toml::Value::String(value)))
        };
        Ok(given.into_iter().filter_map(line).collect())
    }
}

/// What the folder holds in the end. The configuration comes last: without it nothing can be started.
const PIECES: [&str; 7] =
    ["keys", "slots", "data", "tokens.toml", "jumio-token", "jumio-secret", "config.toml"];

/// Everything is made in here first. As long as it is there, another `init` is at work, or one was interrupted.
const WORKSHOP: &str = ".facemap-vault-init";

/// The configuration for Jumio, as in `config/`.
const REAL: &str = include_str!("../../config/init.toml");
/// The configuration for a simulator, as in `config/`.
const SIMULATED: &str = include_str!("../../config/simulated.toml");
/// The simulator's origin in [`SIMULATED`].
const SAMPLE_ORIGIN: &str = "http://127.0.0.1:9090";

/// What is shown once.
pub(crate) struct Made {
    /// The first token, with the role admin.
    pub(crate) admin_token: Secret,
    /// For Jumio's portal.
    pub(crate) callback_url: Secret,
}

pub(super) fn run(args: &InitArgs) -> Result<(), Failure> {
    let dir = std::path::absolute(&args.dir).map_err(Failure::failed)?;
    let made = set_up(&dir, args.sandbox.as_ref(), &args.keys)?;
    tell(&dir, args.sandbox.as_ref(), args.keys.provider, &made);
    Ok(())
}

/// Sets a vault up in this folder, whole or not at all.
///
/// # Errors
/// When there is something of a vault in it already, or it cannot be made. Nothing is left behind then.
pub(crate) fn set_up(dir: &Path, sandbox: Option<&Url>, keys: &KeyArgs) -> Result<Made, Failure> {
    let there: Vec<_> = PIECES.iter().filter(|piece| dir.join(piece).symlink_metadata().is_ok()).collect();
    if !there.is_empty() {
        let there = there.iter().map(|piece| format!("`{piece}`")).collect::<Vec<_>>().join(", ");
        let dir = dir.display();
        let text =
            format!("{dir} holds {there} already; nothing was changed. Give an empty folder with --dir");
        return Err(Failure::failed(text));
    }
    let is_new = !dir.exists();
    let made = (|| {
        make_folder(dir, true).map_err(not_made(dir))?;
        let workshop = dir.join(WORKSHOP);
        make_folder(&workshop, false).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Failure::failed(format!(
                "{} is there: another init is at work, or one was interrupted; then remove it",
                workshop.display()
            )),
            _ => not_made(&workshop)(error),
        })?;
        let made = make(&workshop, sandbox, keys).and_then(|made| {
            move_all(&workshop, dir)?;
            Ok(made)
        });
        let cleared = fs::remove_dir_all(&workshop).map_err(not_made(&workshop));
        made.and_then(|made| cleared.map(|()| made))
    })();
    if made.is_err() && is_new {
        // Only when it is empty: what somebody else has put there meanwhile stays.
        drop(fs::remove_dir(dir));
    }
    made
}

fn not_made(path: &Path) -> impl Fn(io::Error) -> Failure + '_ {
    |error| Failure::failed(format!("{} cannot be made: {error}", path.display()))
}

fn make_folder(path: &Path, with_parents: bool) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).recursive(with_parents).create(path)
}

/// Makes every piece in the workshop.
fn make(workshop: &Path, sandbox: Option<&Url>, keys: &KeyArgs) -> Result<Made, Failure> {
    let at = |piece: &str| workshop.join(piece);
    let rng: Arc<dyn Rng> = Arc::new(SystemRng::new());
    let (text, credentials) = match sandbox {
        Some(origin) => {
            let origin = origin.as_str().trim_end_matches('/');
            (SIMULATED.replace(SAMPLE_ORIGIN, origin), ["sandbox-token\n", "sandbox-secret\n"])
        }
        None => (REAL.to_owned(), ["", ""]),
    };
    let text = text + &keys.lines()?;
    let config = Config::parse(&text, "config.toml", workshop, []).map_err(Failure::usage)?;
    let mut portal_token = None;
    block_on(async {
        let held = create_keys(&config.keys, &rng).await?;
        portal_token = Some(callback_token::portal(held.callback_tokens()));
        Ok(())
    })?;
    make_folder(&at("data"), false).map_err(not_made(&at("data")))?;
    let mode = if sandbox.is_some() { Mode::Simulated } else { Mode::Real };
    let paths = VaultPaths { slots_dir: at("slots"), content_dir: at("data").join("content") };
    Vault::create(&paths, mode, &*rng).map_err(Failure::failed)?;

    let lifetime = tokens::default_lifetime();
    let admin_token = TokensFile::new(at("tokens.toml"))
        .create("first-admin", Role::Admin, lifetime, SystemClock.now(), &*rng)
        .map_err(Failure::from)?;
    for (piece, content) in
        [("jumio-token", credentials[0]), ("jumio-secret", credentials[1]), ("config.toml", text.as_str())]
    {
        files::create_private(&at(piece), content.as_bytes()).map_err(Failure::failed)?;
    }
    let base = config.jumio.callback_base_url.as_str().trim_end_matches('/');
    let token = portal_token.ok_or_else(|| Failure::failed("the callback token was not made"))?;
    let callback_url = Secret::new(format!("{base}/callbacks/jumio/{}", token.expose()));
    Ok(Made { admin_token, callback_url })
}

/// Moves every piece from the workshop to its place. Nothing is replaced: what has appeared there meanwhile stops it, and
/// what was moved before goes back.
fn move_all(workshop: &Path, dir: &Path) -> Result<(), Failure> {
    for (n, piece) in PIECES.iter().enumerate() {
        let moved = renameat_with(CWD, workshop.join(piece), CWD, dir.join(piece), RenameFlags::NOREPLACE);
        if let Err(error) = moved {
            for piece in &PIECES[..n] {
                drop(fs::rename(dir.join(piece), workshop.join(piece)));
            }
            return Err(not_made(&dir.join(piece))(error.into()));
        }
    }
    files::sync_parent(&dir.join(WORKSHOP)).map_err(not_made(dir))
}

/// Tells what was made, with the two secrets that are shown only now.
fn tell(dir: &Path, sandbox: Option<&Url>, provider: ProviderName, made: &Made) {
    let config = dir.join("config.toml");
    println!("A vault is set up in {}.\n", dir.display());
    println!("The first admin token (shown only now; it expires in {}):", tokens::LIFETIME);
    println!("{}\n", made.admin_token.expose());
    println!("The callback URL to enter in Jumio's portal (it holds a token: keep it to yourself):");
    println!("{}\n", made.callback_url.expose());
    let config = config.display();
    println!("Next:");
    if let Some(origin) = sandbox {
        // What `--listen` takes: an address, not a name.
        let host = origin.host_str().map_or("", |host| if host == "localhost" { "127.0.0.1" } else { host });
        let port = origin.port_or_known_default().unwrap_or_default();
        println!("  1. facemap-vault sandbox --listen {host}:{port}");
        println!("  2. facemap-vault serve --config {config}   (in another terminal)");
    } else {
        println!("  1. Put your own names into {config}: user_agent, callback_base_url");
        println!("     (and its host name into the URL above).");
        println!("  2. Put Jumio's API token and API secret into jumio-token and jumio-secret beside it.");
        println!("  3. facemap-vault check-config --config {config}");
        println!("  4. Copy the folder keys to a place apart: without it nothing can ever be opened.");
        if provider != ProviderName::File {
            println!(
                "     It needs the key of your provider as well: see that there is a backup of that one."
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_simulated_sample_names_the_origin_that_init_replaces_once() {
        let as_value = format!("\"{SAMPLE_ORIGIN}\"");
        assert_eq!(SIMULATED.matches(&as_value).count(), 1);
        assert_eq!(SIMULATED.matches(SAMPLE_ORIGIN).count(), 1);
    }

    #[test]
    fn what_appears_meanwhile_is_not_replaced_and_what_was_moved_goes_back() {
        let dir = tempfile::tempdir().unwrap();
        let workshop = dir.path().join(WORKSHOP);
        fs::create_dir(&workshop).unwrap();
        for piece in PIECES {
            fs::write(workshop.join(piece), b"new").unwrap();
        }
        fs::write(dir.path().join("config.toml"), b"theirs").unwrap();
        assert!(move_all(&workshop, dir.path()).is_err());
        assert_eq!(fs::read(dir.path().join("config.toml")).unwrap(), b"theirs");
        assert!(!dir.path().join("keys").exists() && workshop.join("keys").exists());
    }
}
