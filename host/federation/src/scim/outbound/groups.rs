//! A group at the peer as here. Groups are told whole.

use super::lookup::below;
use super::{Done, Failure, Outlook, Peer, changed, created};
use crate::scim::Group;
use crate::scim::ports::Remote;
use crate::scim::schema::GROUP;
use http::{Method, StatusCode};
use serde_json::{Value, json};

impl Peer<'_> {
    /// The group there as here; `members` are the peer's ids.
    pub async fn put_group(
        &self,
        group: &Group,
        members: &[String],
        remote: Option<&Remote>,
    ) -> Result<Done, Failure> {
        let endpoint = self.group_endpoint()?;
        let ours = Value::from(group.id.clone());
        // What is found by its name alone may be a stranger's. By our id in it it would be deleted with ours,
        // and an answer that is lost leaves nobody to know of it: it keeps the one that it has until then.
        let known = match remote {
            Some(known) => Some((known.id.clone(), Some(ours.clone()))),
            None => self
                .look_up(endpoint, "displayName", &group.display_name)
                .await?
                .map(|(found, theirs)| (found.id, theirs)),
        };
        let mut shown = crate::scim::group::attributes(group);
        let members = members.iter().map(|id| json!({ "value": id }));
        shown.insert("members".to_owned(), members.collect());
        shown.insert("schemas".to_owned(), self.schemas(GROUP));
        // Groups are told whole: nothing of them stays behind that would have to be remembered.
        let whole = |external_id: Option<Value>| {
            let mut whole = shown.clone();
            match external_id {
                Some(external_id) => whole.insert("externalId".to_owned(), external_id),
                None => whole.remove("externalId"),
            };
            Value::Object(whole)
        };
        if let Some((id, external_id)) = known {
            let address = below(endpoint, &id)?;
            let body = whole(external_id);
            let answer = self
                .send("the change", Method::PUT, address, Some(&body))
                .await?;
            self.said("update group", answer.status());
            if answer.status() != StatusCode::NOT_FOUND {
                return changed(&id, "update group", answer.status(), String::new());
            }
        }
        let body = whole(Some(ours));
        let answer = self
            .send(
                "the creation",
                Method::POST,
                endpoint.to_owned(),
                Some(&body),
            )
            .await?;
        self.said("create group", answer.status());
        created(&answer, "create group", String::new())
    }

    /// The group there that was told under this id of ours. Not by its name: that may be a stranger's.
    pub async fn group_of(&self, id: &str) -> Result<Option<Remote>, Failure> {
        self.find(self.group_endpoint()?, "externalId", id).await
    }

    pub async fn delete_group(&self, remote: &Remote) -> Result<Done, Failure> {
        let endpoint = self.group_endpoint()?;
        self.delete(endpoint, remote, "delete group").await
    }

    fn group_endpoint(&self) -> Result<&str, Failure> {
        self.connector.group_endpoint.as_deref().ok_or(Failure {
            words: "the connector has no group endpoint".to_owned(),
            outlook: Outlook::Never,
            source: None,
        })
    }
}
