//! A peer is told of everybody: a page at a time into its queue, and no further ahead than it keeps up.

use super::Provisioning;
use postern_federation::ports::PortError;
use postern_federation::scim::outbound::Connector;
use postern_federation::scim::ports::{Delivery, What};
use std::time::Duration;

/// Users put into the queue in one go when a peer is told of everybody, and groups, which have members.
const PAGE: usize = 500;
const PAGE_OF_GROUPS: usize = 20;
/// Beyond so many that wait, a push waits as well: the queue of a peer that is away does not grow with
/// the number of users.
const AHEAD_MAX: usize = 1000;
const AHEAD_WAIT: Duration = Duration::from_millis(500);
/// How far a push is: `users:` or `groups:`, and the name that was reached.
const USERS: &str = "users:";
const GROUPS: &str = "groups:";

impl Provisioning {
    /// The next page of everybody becomes due. Those whom the peer knows are told as changes.
    pub(super) async fn expand(
        &self,
        connector: &Connector,
        push: &Delivery,
    ) -> Result<(), PortError> {
        let (tenant, name) = (self.parts.tenant.as_str(), connector.name.as_str());
        let deliveries = &self.parts.deliveries;
        let now = self.now();
        if deliveries.queued(tenant, name, AHEAD_MAX).await? >= AHEAD_MAX {
            let later = now.plus(AHEAD_WAIT);
            let here = push.subject.as_str();
            return deliveries
                .expand(tenant, push, &[], Some(here), later, now)
                .await;
        }
        let (page, rest) = match push.subject.strip_prefix(GROUPS) {
            None => {
                let after = push.subject.strip_prefix(USERS);
                let page = self.parts.people.accounts(tenant, after, PAGE).await?;
                let rest = match page.last() {
                    Some(last) => Some(format!("{USERS}{last}")),
                    None if connector.group_endpoint.is_some() => Some(GROUPS.to_owned()),
                    None => None,
                };
                let page = page.into_iter().map(|account| (What::User, account));
                (page.collect::<Vec<_>>(), rest)
            }
            Some(after) => {
                let after = Some(after).filter(|after| !after.is_empty());
                let page = self
                    .parts
                    .groups
                    .groups(tenant, after, PAGE_OF_GROUPS)
                    .await?;
                let rest = page
                    .last()
                    .map(|last| format!("{GROUPS}{}", last.display_name));
                let page = page.into_iter().map(|group| (What::Group, group.id));
                (page.collect(), rest)
            }
        };
        deliveries
            .expand(tenant, push, &page, rest.as_deref(), now, now)
            .await
    }
}
