//! What a peer is told of one user or one group: how it is here now, or that it is gone.

use super::{JOINED_WAIT, Provisioning, printable};
use async_trait::async_trait;
use postern_federation::Secret;
use postern_federation::ports::PortError;
use postern_federation::scim::outbound::{
    Connector, Done, Failure, Holders, Outlook, Peer, usable,
};
use postern_federation::scim::ports::{Deliveries, Delivery, Person, Remote, Waits, What};

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
        let remote = remembered(deliveries, tenant, name, delivery.what, &delivery.subject).await?;
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
        let done = match (&person, remote) {
            (Some(person), _) => {
                let password = delivery.password.as_ref().map(Secret::expose);
                peer.put_user(person, password, remote, &others).await
            }
            (None, Some(there)) => peer.delete_user(there).await,
            (None, None) => match peer.user_id(account).await {
                Ok(Some(found)) if others.another_holds(&found).await? => {
                    // Another one's of ours by that name: this one was never there.
                    return Ok(Ok(()));
                }
                Ok(Some(_)) if self.ambiguous(&telling, account).await? => {
                    Err(Failure::ambiguous())
                }
                Ok(Some(id)) => {
                    let there = Remote {
                        id,
                        told: String::new(),
                    };
                    peer.delete_user(&there).await
                }
                Ok(None) => return Ok(Ok(())),
                Err(failure) => Err(failure),
            },
        };
        if let (Ok(done), Some(person)) = (&done, &person)
            && done.remote.as_ref().map(|there| &there.id) != remote.map(|there| &there.id)
        {
            // Written down before the id is remembered: a host that dies in between tells it once more.
            self.tell_groups_of(&telling, person).await?;
        }
        telling.concluded(done).await
    }

    /// Whether what is found there by the account's name alone may be another one's of ours: one that is
    /// here, would be looked for by the same name, and has no id that is remembered.
    async fn ambiguous(&self, telling: &Telling<'_>, account: &str) -> Result<bool, PortError> {
        if telling.peer.connector.user_store_domain.is_none() {
            // Names there are as here: no two are one.
            return Ok(false);
        }
        let people = &self.parts.people;
        for other in people.namesakes(telling.tenant, account).await? {
            if telling.known(&other).await?.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Groups name their members by the peer's ids: it hears of a new one from each that it has, and soon
    /// from each that waits, or waits no more for it was given up.
    async fn tell_groups_of(
        &self,
        telling: &Telling<'_>,
        person: &Person,
    ) -> Result<(), PortError> {
        let Telling {
            deliveries, tenant, ..
        } = telling;
        let connector = telling.peer.connector;
        if connector.group_endpoint.is_none() {
            return Ok(());
        }
        let (name, now) = (connector.name.as_str(), self.now());
        let (one, due) = ([name.to_owned()], now.plus(JOINED_WAIT));
        for (group, _) in &person.groups {
            let there = deliveries.remote(tenant, name, What::Group, group).await?;
            let waits = deliveries.waits(tenant, name, What::Group, group).await?;
            match waits {
                // It may have waited for them, ever longer.
                Waits::Comes => {
                    deliveries
                        .hasten(tenant, name, What::Group, group, due)
                        .await?;
                }
                Waits::Nothing if there.is_none() => {}
                // What was given up, for it waited too long for them or had an id of theirs that is no
                // more, is tried anew as with any other change.
                Waits::Nothing | Waits::GivenUp => {
                    let announced = deliveries
                        .announce(tenant, &one, What::Group, group, due, now)
                        .await?;
                    deliveries
                        .confirm(tenant, &announced, false, None, due)
                        .await?;
                }
            }
        }
        Ok(())
    }

    pub(super) async fn group(
        &self,
        connector: &Connector,
        delivery: &Delivery,
    ) -> Result<Result<(), Failure>, PortError> {
        let telling = self.telling(connector, delivery).await?;
        let group = if delivery.gone {
            None
        } else {
            let groups = &self.parts.groups;
            groups.group(telling.tenant, &delivery.subject).await?
        };
        let Some(group) = group else {
            return telling.group_is_gone().await;
        };
        let mut members = Vec::with_capacity(group.members.len());
        for (_, key) in &group.members {
            match self.member(&telling, key).await? {
                Ok(Some(id)) => members.push(id),
                Ok(None) => {}
                Err(failure) => return Ok(Err(failure)),
            }
        }
        let remote = telling.remote.as_ref();
        let done = telling.peer.put_group(&group, &members, remote).await;
        telling.concluded(done).await
    }

    /// The peer's id of a member. `None`: the group is told without them, for they are not there and do
    /// not come by themselves; if they come later, it is told again.
    async fn member(
        &self,
        telling: &Telling<'_>,
        key: &str,
    ) -> Result<Result<Option<String>, Failure>, PortError> {
        if let Some(known) = telling.known(key).await? {
            return Ok(Ok(Some(known)));
        }
        // A group knows them by the key of their name, what is told of them goes by how it is spelled.
        let person = self.parts.people.person_named(telling.tenant, key).await?;
        let account = person.map_or_else(|| key.to_owned(), |person| person.account);
        if let Some(known) = telling.known(&account).await? {
            return Ok(Ok(Some(known)));
        }
        let name = telling.peer.connector.name.as_str();
        // Before the search: whoever is told in between is found by it.
        let waits = telling
            .deliveries
            .waits(telling.tenant, name, What::User, &account)
            .await?;
        let why = match telling.peer.user_id(&account).await {
            // Another one's of ours is not this member.
            Ok(Some(found)) if telling.others(&account).another_holds(&found).await? => {
                Failure::held().words
            }
            Ok(Some(_)) if self.ambiguous(telling, &account).await? => Failure::ambiguous().words,
            Ok(Some(found)) => return Ok(Ok(Some(found))),
            Ok(None) => "nobody there has the name".to_owned(),
            Err(failure) if failure.outlook == Outlook::Passes => return Ok(Err(failure)),
            Err(failure) => failure.words,
        };
        let who = printable(&account);
        if waits == Waits::Comes {
            return Ok(Err(Failure {
                words: format!("its member {who} is not at the peer yet: {why}"),
                outlook: Outlook::Ours,
                source: None,
            }));
        }
        tracing::warn!(
            connector = %name,
            "SCIM - group {} is told without its member {who}: {why}",
            printable(&telling.delivery.subject)
        );
        Ok(Ok(None))
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

    /// The id that is remembered of a user.
    async fn known(&self, account: &str) -> Result<Option<String>, PortError> {
        let name = self.peer.connector.name.as_str();
        let known = remembered(self.deliveries, self.tenant, name, What::User, account).await?;
        Ok(known.map(|known| known.id))
    }

    /// Nothing of the group there any more. One whose creation got no answer may have been made: it is
    /// looked for, and known before it goes, so that whoever takes it over meanwhile sees whose it is.
    async fn group_is_gone(mut self) -> Result<Result<(), Failure>, PortError> {
        let subject = self.delivery.subject.as_str();
        let there = match self.remote.take() {
            Some(known) => known,
            None if self.peer.connector.group_endpoint.is_none() => {
                tracing::warn!(
                    connector = %self.peer.connector.name,
                    "SCIM - group {} is gone, and its connector is told of groups no more: if it was made at \
                     the peer and that got no answer, it is left there",
                    printable(subject)
                );
                return Ok(Ok(()));
            }
            None => {
                let found = match self.peer.group_of(subject).await {
                    Ok(Some(found)) => found,
                    Ok(None) => return Ok(Ok(())),
                    Err(failure) => return Ok(Err(failure)),
                };
                let name = self.peer.connector.name.as_str();
                let kept =
                    self.deliveries
                        .remember(self.tenant, name, What::Group, subject, Some(&found));
                if !kept.await? {
                    // Another one of ours is told in its place.
                    return Ok(Ok(()));
                }
                found
            }
        };
        let done = self.peer.delete_group(&there).await;
        self.remote = Some(there);
        self.concluded(done).await
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

/// What is remembered of something at a peer. An id that cannot be asked for is as good as none, and is
/// forgotten: what it stood for is looked for.
async fn remembered(
    deliveries: &dyn Deliveries,
    tenant: &str,
    connector: &str,
    what: What,
    subject: &str,
) -> Result<Option<Remote>, PortError> {
    let remote = deliveries.remote(tenant, connector, what, subject).await?;
    match remote {
        Some(known) if !usable(&known.id) => {
            deliveries
                .remember(tenant, connector, what, subject, None)
                .await?;
            Ok(None)
        }
        remote => Ok(remote),
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
