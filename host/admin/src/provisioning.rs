//! Groups that clients look after, and what peers wait to be told.

use crate::{Act, Actor, AdminError, Administration, act};
use async_trait::async_trait;
use postern_federation::Moment;
use postern_federation::ports::PortError;
use postern_federation::scim::Group;
use postern_federation::scim::ports::{Delivery, What};
use postern_login::TenantId;
use postern_login::error::StoreError;
use serde::{Deserialize, Serialize};

/// The way to the peers.
#[async_trait]
pub trait Outgoing: Send + Sync {
    fn connectors(&self) -> Vec<ConnectorReport>;
    /// Before a group is changed; what it gives is handed back.
    async fn group_begins(&self, tenant: &TenantId, id: &str) -> Result<Vec<u64>, PortError>;
    /// After it; `done`: whether it came to something.
    async fn group_ends(
        &self,
        tenant: &TenantId,
        begun: Vec<u64>,
        done: bool,
        gone: bool,
    ) -> Result<(), PortError>;
    /// There is something to tell now.
    fn wake(&self);
    /// The connector is gone: what waits for it goes as well, once nothing is on its way to it.
    async fn forget(&self, tenant: &TenantId, connector: &str) -> Result<(), PortError>;
}

/// A connector as an administrator sees it; no secret is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectorReport {
    pub name: String,
    pub enabled: bool,
    /// The identity provider the peer is.
    #[serde(default)]
    pub identity_provider: Option<String>,
    /// `1.1` or `2.0`.
    pub version: String,
    pub user_endpoint: String,
    pub group_endpoint: Option<String>,
    pub user_store_domain: Option<String>,
    pub blocking: bool,
    /// How many changes wait.
    #[serde(default)]
    pub waiting: u64,
}

impl ConnectorReport {
    /// One that is not defined any more, while something waits for it.
    fn gone(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            enabled: false,
            identity_provider: None,
            version: String::new(),
            user_endpoint: String::new(),
            group_endpoint: None,
            user_store_domain: None,
            blocking: false,
            waiting: 0,
        }
    }

    pub fn is_gone(&self) -> bool {
        self.user_endpoint.is_empty()
    }
}

/// One that waits, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    pub seq: u64,
    pub connector: String,
    pub what: String,
    pub subject: String,
    pub gone: bool,
    pub attempts: u32,
    /// Milliseconds since 1970.
    pub due_at: u64,
    pub created_at: u64,
    pub trouble: Option<String>,
    pub given_up: bool,
}

/// The connectors, and a page of what waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    pub connectors: Vec<ConnectorReport>,
    pub waiting: Vec<Waiting>,
    /// Where the next page begins, if there may be one.
    pub next: Option<u64>,
}

impl Administration {
    /// As it is asked for, whole. Its name is nobody else's.
    pub async fn group_put(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        group: &Group,
        new: bool,
    ) -> Result<(), AdminError> {
        let act = if new { act::GROUP_ADD } else { act::GROUP_SET };
        let name = group.display_name.as_str();
        self.allow(actor, tenant, act, Some(name)).await?;
        let details = vec![format!("{} members", group.members.len())];
        self.announce(actor, tenant, act, Some(name), details)
            .await?;
        let outcome = self.put_group(tenant, group, new).await;
        self.conclude(actor, tenant, act, Some(name), outcome).await
    }

    async fn put_group(
        &self,
        tenant: &TenantId,
        group: &Group,
        new: bool,
    ) -> Result<(), AdminError> {
        let begun = self.ports.outgoing.group_begins(tenant, &group.id).await;
        let begun = begun.map_err(store)?;
        let put = self.ports.groups.put_group(tenant.as_str(), group, new);
        let put = put.await;
        let done = matches!(put, Ok(true));
        let ended = self.ports.outgoing.group_ends(tenant, begun, done, false);
        ended.await.map_err(store)?;
        match put.map_err(store)? {
            true => Ok(()),
            false => Err(AdminError::Exists {
                what: "group",
                name: group.display_name.clone(),
            }),
        }
    }

    pub async fn group_delete(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        group: &Group,
    ) -> Result<(), AdminError> {
        let act = act::GROUP_DELETE;
        let name = group.display_name.as_str();
        self.allow(actor, tenant, act, Some(name)).await?;
        self.announce(actor, tenant, act, Some(name), Vec::new())
            .await?;
        let outcome = self.delete_group(tenant, group).await;
        self.conclude(actor, tenant, act, Some(name), outcome).await
    }

    async fn delete_group(&self, tenant: &TenantId, group: &Group) -> Result<(), AdminError> {
        let begun = self.ports.outgoing.group_begins(tenant, &group.id).await;
        let begun = begun.map_err(store)?;
        let deleted = self.ports.groups.delete_group(tenant.as_str(), &group.id);
        let deleted = deleted.await;
        let done = matches!(deleted, Ok(true));
        let ended = self.ports.outgoing.group_ends(tenant, begun, done, true);
        ended.await.map_err(store)?;
        match deleted.map_err(store)? {
            true => Ok(()),
            false => Err(AdminError::NotFound {
                what: "group",
                name: group.display_name.clone(),
            }),
        }
    }

    pub async fn provisioning_list(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        after: u64,
        rows_max: usize,
    ) -> Result<Queue, AdminError> {
        self.allow(actor, tenant, act::PROVISIONING_LIST, None)
            .await?;
        let deliveries = &self.ports.deliveries;
        let counts = deliveries.counts(tenant.as_str()).await.map_err(store)?;
        let waiting = deliveries.waiting(tenant.as_str(), after, rows_max).await;
        let waiting = waiting.map_err(store)?;
        let mut connectors = self.ports.outgoing.connectors();
        for (name, _) in &counts {
            if !connectors.iter().any(|known| known.name == *name) {
                connectors.push(ConnectorReport::gone(name));
            }
        }
        for connector in &mut connectors {
            let count = counts.iter().find(|(name, _)| *name == connector.name);
            connector.waiting = count.map_or(0, |(_, count)| *count);
        }
        Ok(Queue {
            connectors,
            next: waiting
                .last()
                .filter(|_| waiting.len() == rows_max)
                .map(|row| row.seq),
            waiting: waiting.into_iter().map(shown).collect(),
        })
    }

    /// All of a connector's, or one, at once. How many there were.
    pub async fn provisioning_retry(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        connector: &str,
        seq: Option<u64>,
    ) -> Result<u64, AdminError> {
        let act = act::PROVISIONING_RETRY;
        self.act_on_queue(actor, tenant, act, connector, async {
            let now = Moment(self.now().0);
            let retried = self
                .ports
                .deliveries
                .retry(tenant.as_str(), connector, seq, now);
            let count = retried.await.map_err(store)?;
            self.ports.outgoing.wake();
            Ok(count)
        })
        .await
    }

    /// The peer is told of everybody there is: users that were there before it, or whom it lost.
    pub async fn provisioning_push(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        connector: &str,
    ) -> Result<(), AdminError> {
        let act = act::PROVISIONING_PUSH;
        self.allow(actor, tenant, act, Some(connector)).await?;
        let mut known = self.ports.outgoing.connectors().into_iter();
        if !known.any(|known| known.name == connector) {
            return Err(AdminError::NotFound {
                what: "connector",
                name: connector.to_owned(),
            });
        }
        self.act_on_queue(actor, tenant, act, connector, async {
            let now = Moment(self.now().0);
            let pushed = self.ports.deliveries.push(tenant.as_str(), connector, now);
            if !pushed.await.map_err(store)? {
                return Err(AdminError::Exists {
                    what: "push under way to",
                    name: connector.to_owned(),
                });
            }
            self.ports.outgoing.wake();
            Ok(())
        })
        .await
    }

    pub(crate) async fn forget_connector(
        &self,
        tenant: &TenantId,
        connector: &str,
    ) -> Result<(), AdminError> {
        let forgotten = self.ports.outgoing.forget(tenant, connector);
        forgotten.await.map_err(store)
    }

    /// The peer is not told: for what it will never take.
    pub async fn provisioning_drop(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        seq: u64,
    ) -> Result<(), AdminError> {
        let act = act::PROVISIONING_DROP;
        let name = seq.to_string();
        self.act_on_queue(actor, tenant, act, &name, async {
            let dropped = self.ports.deliveries.drop_one(tenant.as_str(), seq).await;
            match dropped.map_err(store)? {
                true => Ok(()),
                false => Err(AdminError::NotFound {
                    what: "waiting change",
                    name: name.clone(),
                }),
            }
        })
        .await
    }

    async fn act_on_queue<T>(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        act: Act,
        on: &str,
        done: impl Future<Output = Result<T, AdminError>>,
    ) -> Result<T, AdminError> {
        self.allow(actor, tenant, act, Some(on)).await?;
        self.announce(actor, tenant, act, Some(on), Vec::new())
            .await?;
        let outcome = done.await;
        self.conclude(actor, tenant, act, Some(on), outcome).await
    }
}

fn shown(row: Delivery) -> Waiting {
    Waiting {
        seq: row.seq,
        connector: row.connector,
        what: match row.what {
            What::User => "user",
            What::Group => "group",
            What::Everybody => "everybody",
        }
        .to_owned(),
        subject: match row.what {
            What::User | What::Group => row.subject,
            // How far it is.
            What::Everybody => match row.subject.split_once(':') {
                Some((_, reached)) if !reached.is_empty() => format!("after {reached}"),
                _ => String::new(),
            },
        },
        gone: row.gone,
        attempts: row.attempts,
        due_at: row.due_at.0,
        created_at: row.created_at.0,
        trouble: row.trouble,
        given_up: row.given_up,
    }
}

fn store(error: PortError) -> AdminError {
    AdminError::Unavailable(StoreError {
        what: error.what,
        source: error.source,
    })
}
