//! What the user stores say of their users: announced before, and due after.

use super::blocking::Blocked;
use super::{Provisioning, printable};
use async_trait::async_trait;
use postern_federation::ports::PortError;
use postern_federation::scim::ports::What;
use postern_login::TenantId;
use postern_login::error::StoreError;
use postern_login::ports::DirectoryError;
use postern_store::directory::watched::BLOCKED;
use postern_store::directory::{Happened, Journal};
use std::time::Duration;
use tokio::time::Instant;

/// How long whoever made a change waits for a blocking peer.
const BLOCKS_FOR: Duration = Duration::from_secs(10);

#[async_trait]
impl Journal for Provisioning {
    async fn begin(&self, tenant: &TenantId, account: &str) -> Result<Vec<u64>, DirectoryError> {
        let begun = self.announce(tenant, What::User, account).await;
        begun.map_err(directory)
    }

    async fn happened(
        &self,
        tenant: &TenantId,
        account: &str,
        begun: Vec<u64>,
        what: Happened<'_>,
    ) -> Result<(), DirectoryError> {
        let (gone, password) = match what {
            Happened::Created(password) | Happened::Changed(password) => (false, password),
            Happened::Deleted => (true, None),
        };
        if begun.is_empty() {
            return Ok(());
        }
        let until = Instant::now() + BLOCKS_FOR;
        let finish = self.finish(tenant, &begun, gone, password);
        let (held, finished) = if matches!(what, Happened::Created(_)) {
            // Before the user is due: each peer is asked once, and what it did is known.
            let held = self.hold(until).await;
            (held, finish.await)
        } else {
            // What stands here waits for nobody to be written down.
            let finished = finish.await;
            (self.hold(until).await, finished)
        };
        let blocked = match finished {
            Ok(()) => self.block(account, &begun, &held, until).await.err(),
            Err(error) => Some(Blocked {
                words: error.what,
                untouched: None,
                late: None,
            }),
        };
        let Some(blocked) = blocked else {
            return Ok(());
        };
        if !matches!(what, Happened::Created(_)) {
            // Done here. It goes on waiting for the peer, and is no reason to leave out what follows.
            tracing::error!(
                "a change of {} stands here and waits for a peer that must agree: {}",
                printable(account),
                blocked.words
            );
            return Ok(());
        }
        if let Err(error) = self
            .taken_back(tenant, account, &begun, &blocked, &held)
            .await
        {
            tracing::error!(
                "the creation of {} is undone, and peers that took it may keep the account: {error}",
                printable(account)
            );
            return Err(directory(PortError::caused(
                "a peer refused the user, and others could not be told that it is undone: look for \
                 the account there",
                error,
            )));
        }
        Err(DirectoryError::Refused(format!(
            "{BLOCKED} {}",
            blocked.words
        )))
    }

    async fn nothing(&self, tenant: &TenantId, begun: Vec<u64>) -> Result<(), DirectoryError> {
        if begun.is_empty() {
            return Ok(());
        }
        let withdrawn = self.parts.deliveries.withdraw(tenant.as_str(), &begun);
        withdrawn.await.map_err(directory)
    }
}

fn directory(error: PortError) -> DirectoryError {
    StoreError {
        what: error.what,
        source: error.source,
    }
    .into()
}
