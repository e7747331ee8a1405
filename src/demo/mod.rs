//! `demo`: the whole story on one machine, told in plain words. A simulator of Jumio and a real vault run in this
//! process; whatever the story says is checked, and what is not as it should be ends it with a failure.

mod backend;
mod claims;
mod end;
mod journal;
mod links;
mod story;
mod tell;

use crate::{
    cli::{self, init},
    config::Config,
    failure::Failure,
    service::Service,
    shutdown,
};
use backend::Backend;
use sandbox::{Running, Sandbox, SandboxConfig};
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
};
use tell::Tell;
use tokio::sync::mpsc;
use url::Url;

/// Both halves of the demo, running.
struct Stage {
    sandbox: Running,
    backend: Backend,
    dir: PathBuf,
    public: SocketAddr,
}

/// Tells the story; with `keep` it leaves simulator and vault running until it is interrupted.
pub(crate) fn run(keep: bool) -> Result<(), Failure> {
    let dir = temporary_folder()?;
    let told = set_up(&dir)
        .and_then(|(config, token, origin)| cli::block_on(play(&dir, config, token, origin, keep)));
    // Whatever was vaulted here are a simulator's people, and they go with the demo.
    let removed = fs::remove_dir_all(&dir);
    told.and_then(|()| removed.map_err(|error| Failure::failed(format!("{}: {error}", dir.display()))))
}

fn temporary_folder() -> Result<PathBuf, Failure> {
    let dir = std::env::temp_dir().join(format!("facemap-vault-demo-{}", std::process::id()));
    fs::create_dir(&dir)
        .map_err(|error| Failure::failed(format!("{} cannot be made: {error}", dir.display())))?;
    Ok(dir)
}

/// Makes the vault as `init --sandbox` does, on ports that are free now.
fn set_up(dir: &Path) -> Result<(Config, model::Secret, SocketAddr), Failure> {
    let [sandbox, public, private] = free_addresses()?;
    let origin = Url::parse(&format!("http://{sandbox}")).map_err(Failure::failed)?;
    let home = dir.join("vault");
    let made = init::set_up(&home, Some(&origin), &init::KeyArgs::default())?;
    let overlay = [
        ("FACEMAP_VAULT__SERVER__PUBLIC_LISTEN", public.to_string()),
        ("FACEMAP_VAULT__SERVER__PRIVATE_LISTEN", private.to_string()),
        ("FACEMAP_VAULT__JUMIO__CALLBACK_BASE_URL", format!("http://{public}")),
        ("FACEMAP_VAULT__STORE__MIN_FREE_BYTES", (64 * 1024 * 1024).to_string()),
    ];
    let text = fs::read_to_string(home.join("config.toml")).map_err(Failure::failed)?;
    let overlay = overlay.map(|(key, value)| (key.into(), value.into()));
    let config = Config::parse(&text, "config.toml", &home, overlay).map_err(Failure::failed)?;
    Ok((config, made.admin_token, sandbox))
}

fn free_addresses() -> Result<[SocketAddr; 3], Failure> {
    // All three are held at once, so that they differ.
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let held = [bind(), bind(), bind()];
    let mut addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); 3];
    for (address, listener) in addresses.iter_mut().zip(held) {
        *address = listener.and_then(|listener| listener.local_addr()).map_err(Failure::failed)?;
    }
    Ok(addresses)
}

async fn play(
    dir: &Path,
    config: Config,
    token: model::Secret,
    origin: SocketAddr,
    keep: bool,
) -> Result<(), Failure> {
    let sandbox = Sandbox::start(SandboxConfig { listen: origin, ..SandboxConfig::default() });
    let sandbox = sandbox.await.map_err(Failure::failed)?;
    let (stop, mut signals) = mpsc::channel(1);
    let service = Service::start(&config, &mut signals).await?;
    let service =
        service.ok_or_else(|| Failure::failed("the demo's vault was stopped before it was open"))?;
    let callback_url =
        format!("http://{}/callbacks/jumio/{}", service.public, service.portal_token().expose());
    let backend = Backend::new(service.private, token).map_err(Failure::failed)?;
    let stage = Stage { sandbox, backend, dir: dir.join("vault"), public: service.public };
    let running = tokio::spawn(service.run(signals));

    let mut tell = Tell::default();
    let told = story::tell(&stage, &callback_url, &mut tell).await;
    if keep && told.is_ok() {
        keep_running(&stage, &callback_url).await?;
    }
    // A service that has ended already is what is wanted, and `run` says why.
    let _ended = stop.send(()).await;
    let ended = running.await.map_err(Failure::failed)?;
    stage.sandbox.stop().await;
    ended.map_err(Failure::failed)?;
    told.map_err(Failure::failed)?;
    tell.end().map_err(Failure::failed)
}

async fn keep_running(stage: &Stage, callback_url: &str) -> Result<(), Failure> {
    let (api, jumio) = (stage.backend.base(), &stage.sandbox.base_url);
    println!("\nBoth are left running, until Ctrl-C.");
    println!("  the vault's API       {api}");
    println!("  its callbacks         {callback_url}");
    println!("  the simulated Jumio   {jumio}   (its journal: {jumio}/_sandbox/journal)");
    println!("  the vault's files     {}", stage.dir.display());
    println!("\nTo try in another terminal:");
    println!("  export TOKEN={}", stage.backend.token());
    println!("  curl -s -H \"Authorization: Bearer $TOKEN\" {api}/v1/status");
    println!("  curl -s -H \"Authorization: Bearer $TOKEN\" '{api}/v1/enrollments?state=ready'");
    println!(
        "  curl -s -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' \\\n    \
         -d '{{\"userReference\":\"you\",\"workflowId\":201}}' {api}/v1/verifications"
    );
    println!("  (open the answer's redirectUrl in a browser and pick how it ends)");
    let mut signals = shutdown::process_signals().map_err(Failure::failed)?;
    signals.recv().await;
    Ok(())
}
