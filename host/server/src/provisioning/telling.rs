//! What a peer is told of one user or one group: how it is here now, or that it is gone.

use super::Provisioning;
use async_trait::async_trait;
use postern_federation::Secret;
use postern_federation::ports::PortError;
use postern_federation::scim::outbound::{Connector, Failure, Holders, Peer};
use postern_federation::scim::ports::{Deliveries, Delivery, Remote, What};

impl Provisioning {
    /// The outer error is ours, the inner one the peer's.
    pub(super) async fn user(
        &self,
        connector: &Connector,
        delivery: &Delivery,
    ) -> Result<Result<(), Failure>, PortError> {
        let Some(outbound) = self.outbound.get() else {
            return Err(PortError::new("there is no way out"));
        };
        let peer = Peer {
            connector,
            outbound: outbound.as_ref(),
        };
        let (tenant, account) = (self.parts.tenant.as_str(), delivery.subject.as_str());
        let (name, what) = (connector.name.as_str(), What::User);
        let deliveries = &self.parts.deliveries;
        let remote = deliveries.remote(tenant, name, what, account).await?;
        let person = if delivery.gone {
            None
        } else {
            self.parts.people.person_named(tenant, account).await?
        };
        let holders = Others {
            deliveries: deliveries.as_ref(),
            tenant,
            connector: name,
            account,
        };
        let done = match &person {
            Some(person) => {
                let password = delivery.password.as_ref().map(Secret::expose);
                peer.put_user(person, password, remote.as_ref(), &holders)
                    .await
            }
            None if remote.is_some() => peer.delete_user(account, remote.as_ref()).await,
            None => match peer.user_id(account).await {
                Ok(Some(found)) if holders.another_holds(&found).await? => {
                    // Another one's of ours by that name: this one was never there.
                    return Ok(Ok(()));
                }
                Ok(Some(id)) => {
                    let there = Remote {
                        id,
                        told: String::new(),
                    };
                    peer.delete_user(account, Some(&there)).await
                }
                Ok(None) => return Ok(Ok(())),
                Err(failure) => Err(failure),
            },
        };
        Ok(match done {
            Ok(done) => {
                let there = done.remote.as_ref();
                let kept = done.remote == remote
                    || deliveries
                        .remember(tenant, name, what, account, there)
                        .await?;
                if kept { Ok(()) } else { Err(Failure::held()) }
            }
            Err(failure) => Err(failure),
        })
    }

    pub(super) async fn group(
        &self,
        connector: &Connector,
        delivery: &Delivery,
    ) -> Result<Result<(), Failure>, PortError> {
        let Some(outbound) = self.outbound.get() else {
            return Err(PortError::new("there is no way out"));
        };
        let peer = Peer {
            connector,
            outbound: outbound.as_ref(),
        };
        let (tenant, id) = (self.parts.tenant.as_str(), delivery.subject.as_str());
        let (name, what) = (connector.name.as_str(), What::Group);
        let deliveries = &self.parts.deliveries;
        let remote = deliveries.remote(tenant, name, what, id).await?;
        let group = if delivery.gone {
            None
        } else {
            self.parts.groups.group(tenant, id).await?
        };
        let Some(group) = group else {
            // What was never told there is not there.
            let Some(remote) = remote else {
                return Ok(Ok(()));
            };
            if let Err(failure) = peer.delete_group("", Some(&remote)).await {
                return Ok(Err(failure));
            }
            deliveries.remember(tenant, name, what, id, None).await?;
            return Ok(Ok(()));
        };
        let mut members = Vec::with_capacity(group.members.len());
        for (_, account) in &group.members {
            let known = deliveries.remote(tenant, name, What::User, account).await?;
            let known = match known {
                Some(known) => Some(known.id),
                None => match peer.user_id(account).await {
                    Ok(Some(found)) => {
                        let holder = deliveries.holder(tenant, name, What::User, &found).await?;
                        // Another one's of ours is not this member.
                        holder
                            .is_none_or(|holder| holder == *account)
                            .then_some(found)
                    }
                    Ok(None) => None,
                    Err(failure) => return Ok(Err(failure)),
                },
            };
            match known {
                Some(known) => members.push(known),
                None if deliveries.waits(tenant, name, What::User, account).await? => {
                    return Ok(Err(Failure {
                        words: "a member of the group is not at the peer yet".to_owned(),
                        refused: false,
                        source: None,
                    }));
                }
                None => tracing::warn!(
                    connector = %name,
                    "a member of a group is not at the peer and is left out"
                ),
            }
        }
        let put = peer.put_group(&group, &members, remote.as_ref()).await;
        Ok(match put {
            Ok(done) => {
                let kept = done.remote == remote
                    || deliveries
                        .remember(tenant, name, what, id, done.remote.as_ref())
                        .await?;
                if kept { Ok(()) } else { Err(Failure::held()) }
            }
            Err(failure) => Err(failure),
        })
    }
}

/// All of our accounts at a peer but one.
struct Others<'a> {
    deliveries: &'a dyn Deliveries,
    tenant: &'a str,
    connector: &'a str,
    account: &'a str,
}

#[async_trait]
impl Holders for Others<'_> {
    async fn another_holds(&self, remote_id: &str) -> Result<bool, PortError> {
        let holder = self
            .deliveries
            .holder(self.tenant, self.connector, What::User, remote_id)
            .await?;
        Ok(holder.is_some_and(|holder| holder != self.account))
    }
}
