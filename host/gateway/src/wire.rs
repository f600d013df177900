//! How a finished request leaves: to its provider, or to the test outbox.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use postern_egress::{Client, Finished, Reason, Reply, SendFailure, Sent};
use postern_login::ports::{Clock, Directory, Entropy};
use postern_wasm::Plugins;

use crate::conversation::Wire;
use crate::gateway::{Gateway, Parts};
use crate::outbox::{ORIGIN, Outbox, PLUGIN};
use crate::provider::Shipped;
use crate::registry::Bound;

/// What a gateway is made of.
pub struct Setup {
    /// The plugin folder. It need not exist yet.
    pub folder: PathBuf,
    pub plugins: Plugins,
    /// Through which requests leave.
    pub client: Client,
    pub directory: Arc<dyn Directory>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub shipped: Shipped,
    /// The test outbox, where the configuration switches it on.
    pub outbox: Option<Outbox>,
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl Gateway {
    /// A gateway without senders, which has not looked at its folder yet: [`Gateway::reconcile`]
    /// once, [`Gateway::configure`], then [`Gateway::watch`].
    pub fn new(setup: Setup) -> Self {
        let mut shipped = setup.shipped;
        if setup.outbox.is_some() {
            let fake = shipped.0.entry(PLUGIN.to_owned()).or_default();
            fake.origins = vec![ORIGIN.to_owned()];
            tracing::warn!("the test outbox is on: no message reaches a person");
        }
        let file_bytes_max = setup.plugins.limits().component_bytes as u64;
        Gateway::from_parts(Parts {
            folder: setup.folder,
            file_bytes_max,
            loader: Arc::new(setup.plugins),
            outbox: setup.outbox.is_some(),
            wire: Arc::new(Exits {
                client: setup.client,
                outbox: setup.outbox,
            }),
            directory: setup.directory,
            clock: setup.clock,
            entropy: setup.entropy,
            shipped,
        })
    }
}

struct Exits {
    client: Client,
    outbox: Option<Outbox>,
}

#[async_trait]
impl Wire for Exits {
    async fn send(
        &self,
        sender: &Bound,
        finished: &Finished,
        deadline: Instant,
    ) -> Result<Reply, SendFailure> {
        if Outbox::is_for(finished) {
            return match &self.outbox {
                Some(outbox) => outbox.take(sender, finished, deadline).await,
                None => Err(SendFailure {
                    reason: Reason::Denied,
                    sent: Sent::Nothing,
                    detail: "the test outbox is off".into(),
                }),
            };
        }
        self.client.send(&sender.route, finished, deadline).await
    }
}
