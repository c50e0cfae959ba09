//! `download`, `run`, `renew`: whatever gets an identity or keeps it alive.

use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::mpsc;
use tracing::{error, info};

use super::wiring::Wiring;
use super::{Exit, answer, exit, status};
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::daemon::{Call, Daemon, Ended};
use crate::gateway::Gateway;
use crate::master::Client;
use crate::store::{Store, StoreError};
use crate::systemd;

pub(super) async fn download(wiring: Wiring, json: bool) -> Result<Exit> {
    wiring.begin_logging();
    let store = Store::open(&wiring.config.state_dir)?;
    let _lock = store.lock()?;
    once(&mut wiring.daemon(store)?, json).await
}

/// One step, and how things are after it.
pub(super) async fn once(daemon: &mut Daemon<Client>, json: bool) -> Result<Exit> {
    daemon.step().await;
    let status = daemon.status();
    answer(&status, json)?;
    Ok(exit(&status))
}

pub(super) async fn run(mut wiring: Wiring) -> Result<Exit> {
    wiring.begin_logging();
    let mut calls = calls()?;
    let mut gateway = None;
    loop {
        let store = Store::open(&wiring.config.state_dir)?;
        let _lock = store.lock()?;
        let mut daemon = wiring.daemon(store)?;
        gateway = Gateway::adjust(gateway, wiring.gateway()?).await;
        daemon.watch(gateway.as_ref().map(Gateway::tally));
        match daemon.run(&mut calls).await {
            Ended::Stopped => break,
            Ended::Reload => match wiring.reloaded() {
                Ok(anew) => wiring = anew,
                Err(error) => error!(error = format!("{error:#}"), "the configuration stays as it was"),
            },
        }
        systemd::reloading();
    }
    systemd::stopping();
    info!("stopped");
    Ok(Exit::Done)
}

/// Signals as calls: SIGTERM and SIGINT stop, SIGHUP reloads, SIGUSR1 renews.
fn calls() -> Result<mpsc::Receiver<Call>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (tell, calls) = mpsc::channel(4);
    let kinds = [
        (SignalKind::terminate(), Call::Stop),
        (SignalKind::interrupt(), Call::Stop),
        (SignalKind::hangup(), Call::Reload),
        (SignalKind::user_defined1(), Call::Renew),
    ];
    for (kind, call) in kinds {
        let (mut signals, tell) = (signal(kind)?, tell.clone());
        tokio::spawn(async move { while signals.recv().await.is_some() && tell.send(call).await.is_ok() {} });
    }
    Ok(calls)
}

/// Renews now. A running daemon holds the identity: it is asked to do it, and watched.
pub(super) async fn renew(wiring: Wiring, json: bool) -> Result<Exit> {
    wiring.begin_logging();
    let store = Store::open(&wiring.config.state_dir)?;
    let _lock = match store.lock() {
        Err(StoreError::Locked { holder, .. }) => return renew_by(&holder, &wiring.config, json).await,
        lock => lock?,
    };
    let mut daemon = wiring.daemon(store)?;
    daemon.renew_now();
    once(&mut daemon, json).await
}

/// The daemon keeps the floor between two calls: it may take that long.
async fn renew_by(holder: &str, config: &Config, json: bool) -> Result<Exit> {
    let store = Store::open(&config.state_dir)?;
    let before = store.current()?.map(|(number, _)| number);
    let pid = holder.parse().ok().and_then(Pid::from_raw).context("the daemon's lock names no process")?;
    kill_process(pid, Signal::USR1)
        .with_context(|| format!("the daemon (process {holder}) cannot be asked"))?;
    info!(pid = holder, "the daemon was asked to renew");
    let patience = config.renewal.pace().floor + config.http.timeout.duration();
    let clock = SystemClock;
    let end = clock.boot() + patience;
    while clock.boot() < end && store.current()?.map(|(number, _)| number) == before {
        clock.sleep(LOOK_AGAIN).await;
    }
    let renewed = store.current()?.map(|(number, _)| number) != before;
    let exit = status(config, json)?;
    Ok(if renewed { exit } else { Exit::Later })
}

/// While the daemon is watched.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
