//! A user at the peer as here.

use super::lookup::below;
use super::{Done, Failure, Holders, Peer, Version, changed, created, read};
use crate::scim::ports::Remote;
use crate::scim::schema::{PATCH, USER};
use crate::scim::{Person, user};
use http::{Method, Response, StatusCode};
use serde_json::{Map, Value, json};

impl Peer<'_> {
    /// The user there as here. `remote` is what is remembered of it; an account there that another one of
    /// ours holds is left alone.
    pub async fn put_user(
        &self,
        person: &Person,
        password: Option<&str>,
        remote: Option<&Remote>,
        holders: &dyn Holders,
    ) -> Result<Done, Failure> {
        let name = self.connector.user_name(&person.account);
        let endpoint = self.connector.user_endpoint.as_str();
        if let Some(remote) = remote
            && let Some(done) = self.change_user(remote, &name, person, password).await?
        {
            return Ok(done);
        }
        if let Some(found) = self.free(&name, holders).await?
            && let Some(done) = self.change_user(&found, &name, person, password).await?
        {
            return Ok(done);
        }
        let first = self.connector.first_password(password);
        if first.is_none() {
            tracing::warn!(
                connector = %self.connector.name,
                "a user is provisioned without a password: there is none to give"
            );
        }
        let body = self.user(&name, person, first.as_ref().map(|p| p.as_str()));
        let answer = self
            .send(
                "the creation",
                Method::POST,
                endpoint.to_owned(),
                Some(&body),
            )
            .await?;
        let status = answer.status();
        tracing::info!(
            connector = %self.connector.name,
            "SCIM - create user operation returned with response code: {}",
            status.as_u16()
        );
        if status == StatusCode::CONFLICT
            && let Some(found) = self.free(&name, holders).await?
            && let Some(done) = self.change_user(&found, &name, person, password).await?
        {
            return Ok(done);
        }
        created(&answer, "create user", told(&body))
    }

    /// The peer's id of whom it calls so, unless that is another user's of ours.
    async fn free(&self, name: &str, holders: &dyn Holders) -> Result<Option<Remote>, Failure> {
        let endpoint = self.connector.user_endpoint.as_str();
        let found = self.find(endpoint, "userName", name).await?;
        if let Some(there) = &found
            && holders
                .another_holds(&there.id)
                .await
                .map_err(Failure::whose)?
        {
            return Err(Failure::held());
        }
        Ok(found)
    }

    /// `None`: the peer has nobody of that id any more.
    async fn change_user(
        &self,
        remote: &Remote,
        name: &str,
        person: &Person,
        password: Option<&str>,
    ) -> Result<Option<Done>, Failure> {
        const OPERATION: &str = "update user";
        let address = below(&self.connector.user_endpoint, &remote.id)?;
        let password = password.filter(|_| self.connector.password_provisioning);
        let whole = self.user(name, person, password);
        let now = told(&whole);
        // Only what the peer has from us: what it says beside that is its own.
        let mut gone: Vec<&str> = remote
            .told
            .split_ascii_whitespace()
            .filter(|known| now.split_ascii_whitespace().all(|still| still != *known))
            .collect();
        let mut answer = self.patch(&address, &whole, &gone).await?;
        if answer.status() == StatusCode::BAD_REQUEST && !gone.is_empty() {
            // Some peers refuse to take away what is not there any more.
            let there = self
                .send("the look at it", Method::GET, address.clone(), None)
                .await?;
            let there = read(&there, "the look at it")?;
            let asked = gone.len();
            gone.retain(|path| has(&there, path));
            if gone.len() < asked {
                answer = self.patch(&address, &whole, &gone).await?;
            }
        }
        let mut status = answer.status();
        if matches!(status.as_u16(), 405 | 501) {
            // The whole resource: what is not in it goes.
            let answer = self
                .send("the change", Method::PUT, address, Some(&whole))
                .await?;
            status = answer.status();
        }
        self.said(OPERATION, status);
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        changed(&remote.id, OPERATION, status, now).map(Some)
    }

    /// The user's attributes as a part of a resource, and which are gone.
    async fn patch(
        &self,
        address: &str,
        whole: &Value,
        gone: &[&str],
    ) -> Result<Response<Vec<u8>>, Failure> {
        let mut parts = whole.clone();
        let body = match self.connector.version {
            Version::One => {
                // There lists are added to: what is there goes first.
                let lists = ["emails", "phoneNumbers"];
                let going: Vec<&str> = lists.iter().chain(gone).copied().collect();
                parts["meta"] = json!({ "attributes": going });
                parts
            }
            Version::Two => {
                if let Some(parts) = parts.as_object_mut() {
                    parts.retain(|name, _| !matches!(name.as_str(), "userName" | "schemas"));
                }
                let mut operations = vec![json!({ "op": "replace", "value": parts })];
                operations.extend(
                    gone.iter()
                        .map(|path| json!({ "op": "remove", "path": path })),
                );
                json!({ "schemas": [PATCH], "Operations": operations })
            }
        };
        self.send("the change", Method::PATCH, address.to_owned(), Some(&body))
            .await
    }

    /// Nobody there any more.
    pub async fn delete_user(&self, remote: &Remote) -> Result<Done, Failure> {
        let endpoint = self.connector.user_endpoint.as_str();
        self.delete(endpoint, remote, "delete user").await
    }

    /// The peer's id of whom it calls so.
    pub async fn user_id(&self, account: &str) -> Result<Option<String>, Failure> {
        let name = self.connector.user_name(account);
        let found = self
            .find(&self.connector.user_endpoint, "userName", &name)
            .await?;
        Ok(found.map(|found| found.id))
    }

    /// The user in the peer's words. What is gone here is said to be gone.
    fn user(&self, name: &str, person: &Person, password: Option<&str>) -> Value {
        let mut shown = user::attributes(person);
        shown.insert("schemas".to_owned(), self.schemas(USER));
        shown.insert("userName".to_owned(), name.into());
        shown.insert("externalId".to_owned(), person.id.clone().into());
        if self.connector.version == Version::Two {
            for list in ["emails", "phoneNumbers"] {
                shown.entry(list).or_insert_with(|| json!([]));
            }
        }
        if let Some(password) = password {
            shown.insert("password".to_owned(), password.into());
        }
        Value::Object(shown)
    }
}

/// The attributes a resource of ours says, by name. Lists are always told whole, and the lock is never
/// unsaid: neither has to be remembered.
fn told(whole: &Value) -> String {
    const APART: [&str; 6] = [
        "schemas",
        "userName",
        "password",
        "active",
        "emails",
        "phoneNumbers",
    ];
    let attributes = whole.as_object().map(Map::iter).into_iter().flatten();
    let names = attributes
        .filter(|(name, _)| !APART.contains(&name.as_str()))
        .flat_map(|(name, value)| match value {
            Value::Object(parts) => parts
                .keys()
                .map(|part| format!("{name}.{part}"))
                .collect::<Vec<_>>(),
            _ => vec![name.clone()],
        });
    let mut names: Vec<_> = names.collect();
    names.sort();
    names.join(" ")
}

/// Whether a resource of the peer says something at this path.
fn has(resource: &Value, path: &str) -> bool {
    let mut at = resource;
    for part in path.split('.') {
        let found = at.as_object().and_then(|object| {
            object
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(part))
        });
        match found {
            Some((_, value)) if !value.is_null() => at = value,
            _ => return false,
        }
    }
    true
}
