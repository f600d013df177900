//! What a peer is told of one user or one group: how it is here now, or that it is gone.

use super::Provisioning;
use async_trait::async_trait;
use postern_federation::Secret;
use postern_federation::ports::PortError;
use postern_federation::scim::outbound::{Connector, Done, Failure, Holders, Outlook, Peer};
use postern_federation::scim::ports::{Deliveries, Delivery, Remote, What};

/// A peer, what it is to be told of, and what is remembered of that there.
struct Telling<'a> {
    peer: Peer<'a>,
    deliveries: &'a dyn Deliveries,
    tenant: &'a str,
    delivery: &'a Delivery,
    remote: Option<Remote>,
}

impl Provisioning {
    async fn telling<'a>(
        &'a self,
        connector: &'a Connector,
        delivery: &'a Delivery,
    ) -> Result<Telling<'a>, PortError> {
        let Some(outbound) = self.outbound.get() else {
            return Err(PortError::new("there is no way out"));
        };
        let (tenant, name) = (self.parts.tenant.as_str(), connector.name.as_str());
        let deliveries = self.parts.deliveries.as_ref();
        let remote = deliveries
            .remote(tenant, name, delivery.what, &delivery.subject)
            .await?;
        Ok(Telling {
            peer: Peer {
                connector,
                outbound: outbound.as_ref(),
            },
            deliveries,
            tenant,
            delivery,
            remote,
        })
    }

    /// The outer error is ours, the inner one the peer's.
    pub(super) async fn user(
        &self,
        connector: &Connector,
        delivery: &Delivery,
    ) -> Result<Result<(), Failure>, PortError> {
        let telling = self.telling(connector, delivery).await?;
        let (peer, remote) = (&telling.peer, telling.remote.as_ref());
        let account = delivery.subject.as_str();
        let person = if delivery.gone {
            None
        } else {
            let people = &self.parts.people;
            people.person_named(telling.tenant, account).await?
        };
        let others = telling.others(account);
        let done = match &person {
            Some(person) => {
                let password = delivery.password.as_ref().map(Secret::expose);
                peer.put_user(person, password, remote, &others).await
            }
            None if remote.is_some() => peer.delete_user(account, remote).await,
            None => match peer.user_id(account).await {
                Ok(Some(found)) if others.another_holds(&found).await? => {
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
        telling.concluded(done).await
    }

    pub(super) async fn group(
        &self,
        connector: &Connector,
        delivery: &Delivery,
    ) -> Result<Result<(), Failure>, PortError> {
        let telling = self.telling(connector, delivery).await?;
        let (peer, remote) = (&telling.peer, telling.remote.as_ref());
        let (tenant, name) = (telling.tenant, connector.name.as_str());
        let deliveries = telling.deliveries;
        let group = if delivery.gone {
            None
        } else {
            self.parts.groups.group(tenant, &delivery.subject).await?
        };
        let Some(group) = group else {
            // What was never told there is not there.
            if remote.is_none() {
                return Ok(Ok(()));
            }
            let done = peer.delete_group("", remote).await;
            return telling.concluded(done).await;
        };
        let mut members = Vec::with_capacity(group.members.len());
        for (_, account) in &group.members {
            let known = deliveries.remote(tenant, name, What::User, account).await?;
            let known = match known {
                Some(known) => Some(known.id),
                None => match peer.user_id(account).await {
                    // Another one's of ours is not this member.
                    Ok(Some(found)) if telling.others(account).another_holds(&found).await? => None,
                    Ok(found) => found,
                    Err(failure) => return Ok(Err(failure)),
                },
            };
            match known {
                Some(known) => members.push(known),
                None if deliveries.waits(tenant, name, What::User, account).await? => {
                    return Ok(Err(Failure {
                        words: "a member of the group is not at the peer yet".to_owned(),
                        outlook: Outlook::Passes,
                        source: None,
                    }));
                }
                None => tracing::warn!(
                    connector = %name,
                    "a member of a group is not at the peer and is left out"
                ),
            }
        }
        let done = peer.put_group(&group, &members, remote).await;
        telling.concluded(done).await
    }
}

impl<'a> Telling<'a> {
    fn others(&self, account: &'a str) -> Others<'a> {
        Others {
            deliveries: self.deliveries,
            tenant: self.tenant,
            connector: &self.peer.connector.name,
            account,
        }
    }

    /// What came of it is remembered, unless that is another one's of ours.
    async fn concluded(
        &self,
        done: Result<Done, Failure>,
    ) -> Result<Result<(), Failure>, PortError> {
        let done = match done {
            Ok(done) => done,
            Err(failure) => return Ok(Err(failure)),
        };
        if done.remote == self.remote {
            return Ok(Ok(()));
        }
        let (name, delivery) = (self.peer.connector.name.as_str(), self.delivery);
        let kept = self.deliveries.remember(
            self.tenant,
            name,
            delivery.what,
            &delivery.subject,
            done.remote.as_ref(),
        );
        Ok(if kept.await? {
            Ok(())
        } else {
            Err(Failure::held())
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
