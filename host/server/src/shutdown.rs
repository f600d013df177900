//! When the host stops: SIGTERM, SIGINT, and whoever else has a reason.

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Told once, heard by everybody. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shutdown {
    begun: watch::Sender<bool>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self {
            begun: watch::Sender::new(false),
        }
    }
}

impl Shutdown {
    /// Begins it. A second time changes nothing.
    pub fn begin(&self) {
        self.begun.send_replace(true);
    }

    /// Resolves when it has begun.
    pub fn begun(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut begun = self.begun.subscribe();
        async move {
            // An error means that nobody can begin it any more, which is an end too.
            let _ = begun.wait_for(|begun| *begun).await;
        }
    }

    /// Begins it when the process is asked to end. A second request ends the process at once.
    pub fn on_signals(&self) -> anyhow::Result<()> {
        let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
        let shutdown = self.clone();
        tokio::spawn(async move {
            for round in 0.. {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                if round > 0 {
                    std::process::exit(130);
                }
                tracing::info!("stopping: requests under way have 10 s");
                shutdown.begin();
            }
        });
        Ok(())
    }
}
