//! Telling a peer about our users and groups: SCIM 1.1 or 2.0, by the address and the credentials of a
//! connector. What a peer must be told, and when, is the caller's to know.
//!
//! A change is sent as PATCH, so that what the peer keeps beside it stays; a peer that does not know
//! PATCH gets PUT. Whatever is sent twice has the effect of once: a create that finds its user there
//! becomes a change, a delete that finds nobody is done.

use super::ports::Remote;
use super::schema::{GROUP, PATCH, USER};
use super::{Group, Person, user, v1};
use crate::identity_provider::Network;
use crate::name::{self, is_name};
use crate::ports::{Outbound, PortError};
use crate::{Problem, Secret};
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Request, Response, StatusCode, header};
use serde_json::{Map, Value, json};
use url::Url;
use zeroize::Zeroizing;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    One,
    Two,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    Basic { username: String, password: Secret },
    Bearer(Secret),
}

/// A peer as an operator writes it down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connector {
    pub tenant: String,
    pub name: String,
    /// Switched off it is told nothing, and what waits for it goes on waiting.
    pub enabled: bool,
    /// The identity provider the peer is. Switched off with it, and none to be deleted before it.
    pub identity_provider: Option<String>,
    pub version: Version,
    pub user_endpoint: String,
    /// Without one the peer is told of no groups.
    pub group_endpoint: Option<String>,
    pub credentials: Credentials,
    /// What stands before a name there, in place of what stands before it here.
    pub user_store_domain: Option<String>,
    pub password_provisioning: bool,
    pub default_password: Option<Secret>,
    /// Whoever changes a user waits for the peer, and is told if it does not take it.
    pub blocking: bool,
    pub network: Network,
}

impl Connector {
    /// Everything that is wrong, by key.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !is_name(&self.name) {
            let message = format!("`{}`: expected {}", self.name, name::EXPECTED);
            problems.push(Problem::new("name", message));
        }
        let mut address = |key: &str, text: &str| {
            let orderly = Url::parse(text).is_ok_and(|url| {
                matches!(url.scheme(), "https" | "http")
                    && url.host().is_some()
                    && url.query().is_none()
                    && url.fragment().is_none()
                    && url.username().is_empty()
                    && url.password().is_none()
            });
            let plain = text.starts_with("http:") && !self.network.allow_private_networks;
            if !orderly || plain {
                problems.push(Problem::new(
                    key,
                    "expected an https address without query (plain http only with `allow_private_networks`)",
                ));
            }
        };
        address("user_endpoint", &self.user_endpoint);
        if let Some(endpoint) = &self.group_endpoint {
            address("group_endpoint", endpoint);
        }
        if let Some(domain) = &self.user_store_domain
            && (domain.is_empty() || domain.len() > 63 || domain.contains(['/', '"', '\\']))
        {
            problems.push(Problem::new(
                "user_store_domain",
                "expected the name of a user store",
            ));
        }
        problems
    }

    /// What the peer calls the account.
    pub fn user_name(&self, account: &str) -> String {
        let bare = account.split_once('/').map_or(account, |(_, bare)| bare);
        match &self.user_store_domain {
            Some(domain) => format!("{domain}/{bare}"),
            None => account.to_owned(),
        }
    }

    /// The password a new user gets there (federation of passwords on: theirs if it is known, else the
    /// default one; off: the default one).
    pub fn first_password(&self, known: Option<&str>) -> Option<Zeroizing<String>> {
        let known = known.filter(|_| self.password_provisioning);
        known
            .map(|password| Zeroizing::new(password.to_owned()))
            .or_else(|| {
                let default = self.default_password.as_ref()?;
                Some(Zeroizing::new(default.expose().to_owned()))
            })
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// What is to be remembered of what was written; nothing of what was deleted.
    pub remote: Option<Remote>,
    pub operation: &'static str,
    pub status: u16,
}

const SEARCH: &str = "the search";

/// Why the peer was not told; fit for an administrator's page, without anything the peer said.
#[derive(Debug, thiserror::Error)]
#[error("{words}")]
pub struct Failure {
    pub words: String,
    /// The peer answered, and will answer the same again.
    pub refused: bool,
    #[source]
    pub source: Option<PortError>,
}

impl Failure {
    fn answered(what: &str, status: StatusCode) -> Self {
        let code = status.as_u16();
        // What passes with time: the peer's own faults, limits, and credentials an operator mends.
        let refused = status.is_client_error() && !matches!(code, 401 | 403 | 408 | 425 | 429);
        Self {
            words: format!("the peer answered {code} to {what}"),
            refused,
            source: None,
        }
    }

    /// Nobody was made or changed there: the peer said no, or it came to no more than a look. What got
    /// no answer may have been done.
    pub fn left_no_trace(&self) -> bool {
        self.refused || self.words.contains(SEARCH)
    }

    /// The peer has one account where there are two here.
    pub fn held() -> Self {
        Self {
            words: "the peer's account of that name is another user's of ours: give the two \
                    different names, or their stores a connector each"
                .to_owned(),
            refused: true,
            source: None,
        }
    }

    fn unreadable(what: &str) -> Self {
        Self {
            words: format!("the peer's answer to {what} cannot be read"),
            refused: false,
            source: None,
        }
    }
}

/// Whose the peer's accounts are here: two accounts of ours never become one there.
#[async_trait]
pub trait Holders: Send + Sync {
    async fn another_holds(&self, remote_id: &str) -> Result<bool, PortError>;
}

/// A connector with the way out.
pub struct Peer<'a> {
    pub connector: &'a Connector,
    pub outbound: &'a dyn Outbound,
}

impl std::fmt::Debug for Peer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Peer({})", self.connector.name)
    }
}

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
        if let Some(remote) = remote.filter(|known| usable(&known.id))
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
                .map_err(|source| Failure {
                    words: "it cannot be looked up here whose the peer's account is".to_owned(),
                    refused: false,
                    source: Some(source),
                })?
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
    pub async fn delete_user(
        &self,
        account: &str,
        remote: Option<&Remote>,
    ) -> Result<Done, Failure> {
        let name = self.connector.user_name(account);
        let endpoint = self.connector.user_endpoint.as_str();
        self.delete(endpoint, "userName", &name, remote, "delete user")
            .await
    }

    /// The group there as here; `members` are the peer's ids.
    pub async fn put_group(
        &self,
        group: &Group,
        members: &[String],
        remote: Option<&Remote>,
    ) -> Result<Done, Failure> {
        let endpoint = self.group_endpoint()?;
        let known = match remote.filter(|known| usable(&known.id)) {
            Some(known) => Some(known.clone()),
            None => {
                self.find(endpoint, "displayName", &group.display_name)
                    .await?
            }
        };
        let mut shown = super::group::attributes(group);
        let members = members.iter().map(|id| json!({ "value": id }));
        shown.insert("members".to_owned(), members.collect());
        shown.insert("schemas".to_owned(), self.schemas(GROUP));
        let whole = Value::Object(shown);
        // Groups are told whole: nothing of them stays behind that would have to be remembered.
        if let Some(known) = known {
            let address = below(endpoint, &known.id)?;
            let answer = self
                .send("the change", Method::PUT, address, Some(&whole))
                .await?;
            self.said("update group", answer.status());
            if answer.status() != StatusCode::NOT_FOUND {
                return changed(&known.id, "update group", answer.status(), String::new());
            }
        }
        let answer = self
            .send(
                "the creation",
                Method::POST,
                endpoint.to_owned(),
                Some(&whole),
            )
            .await?;
        self.said("create group", answer.status());
        created(&answer, "create group", String::new())
    }

    pub async fn delete_group(
        &self,
        display_name: &str,
        remote: Option<&Remote>,
    ) -> Result<Done, Failure> {
        let endpoint = self.group_endpoint()?;
        self.delete(
            endpoint,
            "displayName",
            display_name,
            remote,
            "delete group",
        )
        .await
    }

    fn group_endpoint(&self) -> Result<&str, Failure> {
        self.connector.group_endpoint.as_deref().ok_or(Failure {
            words: "the connector has no group endpoint".to_owned(),
            refused: true,
            source: None,
        })
    }

    /// The peer's id of whom it calls so.
    pub async fn user_id(&self, account: &str) -> Result<Option<String>, Failure> {
        let name = self.connector.user_name(account);
        let found = self
            .find(&self.connector.user_endpoint, "userName", &name)
            .await?;
        Ok(found.map(|found| found.id))
    }

    async fn find(
        &self,
        endpoint: &str,
        attribute: &str,
        name: &str,
    ) -> Result<Option<Remote>, Failure> {
        const WHAT: &str = SEARCH;
        let filter = format!("{attribute} eq {}", Value::String(name.to_owned()));
        let mut url = Url::parse(endpoint).map_err(|_| Failure::unreadable(WHAT))?;
        // A space as `%20`: older peers do not read `+`.
        let query: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
        url.set_query(Some(&format!("filter={}", query.replace('+', "%20"))));
        let answer = self.send(WHAT, Method::GET, url.into(), None).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            // Some of the older peers say so that nobody was found.
            return Ok(None);
        }
        if !answer.status().is_success() {
            return Err(Failure::answered(WHAT, answer.status()));
        }
        let body = read(&answer, WHAT)?;
        let found = body.get("Resources").and_then(Value::as_array);
        // Only the very name: a peer that does not know the filter answers with everybody.
        let named: Vec<(&str, &Value)> = found
            .into_iter()
            .flatten()
            .filter_map(|one| Some((one.get(attribute)?.as_str()?, one)))
            .collect();
        let very = if attribute == "userName" {
            same_name
        } else {
            same_text
        };
        let mut same = named.iter().filter(|(known, _)| very(known, name));
        let same = same.next().or_else(|| {
            // A peer with a store of its own for all that comes from us answers under that store's name.
            let elsewhere = attribute == "userName" && self.connector.user_store_domain.is_some();
            let mut alike = named.iter().filter(|(known, _)| same_in_store(known, name));
            match (elsewhere, alike.next(), alike.next()) {
                (true, Some(only), None) => Some(only),
                // Two of them: nobody knows which is meant.
                _ => None,
            }
        });
        match same.map(|(_, one)| one.get("id").and_then(Value::as_str)) {
            None => Ok(None),
            Some(Some(id)) if usable(id) => Ok(Some(Remote {
                id: id.to_owned(),
                told: String::new(),
            })),
            Some(_) => Err(Failure::unreadable(WHAT)),
        }
    }

    async fn delete(
        &self,
        endpoint: &str,
        attribute: &str,
        name: &str,
        remote: Option<&Remote>,
        operation: &'static str,
    ) -> Result<Done, Failure> {
        let known = match remote.filter(|known| usable(&known.id)) {
            Some(known) => Some(known.clone()),
            None => self.find(endpoint, attribute, name).await?,
        };
        let mut status = StatusCode::NOT_FOUND;
        if let Some(known) = known {
            let address = below(endpoint, &known.id)?;
            let answer = self
                .send("the deletion", Method::DELETE, address, None)
                .await?;
            status = answer.status();
            self.said(operation, status);
        }
        if status.is_success() || status == StatusCode::NOT_FOUND {
            return Ok(Done {
                remote: None,
                operation,
                status: status.as_u16(),
            });
        }
        Err(Failure::answered("the deletion", status))
    }

    fn said(&self, operation: &str, status: StatusCode) {
        tracing::info!(
            connector = %self.connector.name,
            "SCIM - {operation} operation returned with response code: {}",
            status.as_u16()
        );
    }

    fn schemas(&self, urn: &str) -> Value {
        match self.connector.version {
            Version::One => json!([v1::CORE]),
            Version::Two => json!([urn]),
        }
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

    async fn send(
        &self,
        what: &str,
        method: Method,
        address: String,
        body: Option<&Value>,
    ) -> Result<Response<Vec<u8>>, Failure> {
        let media_type = match self.connector.version {
            Version::One => "application/json",
            Version::Two => "application/scim+json",
        };
        let credentials = match &self.connector.credentials {
            Credentials::Basic { username, password } => {
                let pair = Zeroizing::new(format!("{username}:{}", password.expose()));
                format!("Basic {}", STANDARD.encode(pair.as_bytes()))
            }
            Credentials::Bearer(token) => format!("Bearer {}", token.expose()),
        };
        let mut request = Request::builder()
            .method(method)
            .uri(address)
            .header(header::AUTHORIZATION, credentials)
            .header(header::ACCEPT, media_type);
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, media_type);
        }
        let body = body.map_or_else(Vec::new, |body| body.to_string().into_bytes());
        let request = request.body(body).map_err(|_| Failure {
            words: format!("{what} cannot be put into a request"),
            refused: true,
            source: None,
        })?;
        let connector = self.connector;
        self.outbound
            .fetch(
                &connector.tenant,
                &connector.name,
                &connector.network,
                request,
            )
            .await
            .map_err(|source| Failure {
                words: format!("the peer cannot be reached for {what}"),
                refused: false,
                source: Some(source),
            })
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

fn created(
    answer: &Response<Vec<u8>>,
    operation: &'static str,
    told: String,
) -> Result<Done, Failure> {
    const WHAT: &str = "the creation";
    let status = answer.status();
    if !status.is_success() {
        return Err(Failure::answered(WHAT, status));
    }
    let body = read(answer, WHAT)?;
    let id = body.get("id").and_then(Value::as_str);
    let id = id.filter(|id| usable(id));
    let id = id.ok_or_else(|| Failure::unreadable(WHAT))?.to_owned();
    Ok(Done {
        remote: Some(Remote { id, told }),
        operation,
        status: status.as_u16(),
    })
}

fn changed(
    id: &str,
    operation: &'static str,
    status: StatusCode,
    told: String,
) -> Result<Done, Failure> {
    if !status.is_success() {
        return Err(Failure::answered("the change", status));
    }
    Ok(Done {
        remote: Some(Remote {
            id: id.to_owned(),
            told,
        }),
        operation,
        status: status.as_u16(),
    })
}

fn read(answer: &Response<Vec<u8>>, what: &str) -> Result<Value, Failure> {
    serde_json::from_slice(answer.body()).map_err(|_| Failure::unreadable(what))
}

fn same_text(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

/// Names in any case, and `PRIMARY/` is what no prefix is.
fn same_name(a: &str, b: &str) -> bool {
    let bare = |name: &str| {
        let lower = name.to_lowercase();
        lower
            .strip_prefix("primary/")
            .map_or(lower.clone(), str::to_owned)
    };
    bare(a) == bare(b)
}

/// The same name, in whatever store.
fn same_in_store(a: &str, b: &str) -> bool {
    let last = |name: &str| name.to_lowercase().rsplit('/').next().map(str::to_owned);
    last(a) == last(b)
}

/// An id that can be remembered and asked for.
fn usable(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= 256
        && id != "."
        && id != ".."
        && !id.chars().any(char::is_control)
}

/// The peer's id is a text of its own choice: one segment of a path, whatever is in it.
fn below(endpoint: &str, id: &str) -> Result<String, Failure> {
    let wrong = || Failure::unreadable("an earlier message");
    let mut url = Url::parse(endpoint).map_err(|_| wrong())?;
    if !usable(id) {
        return Err(wrong());
    }
    url.path_segments_mut()
        .map_err(|()| wrong())?
        .pop_if_empty()
        .push(id);
    Ok(url.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Moment;
    use std::sync::Mutex;

    fn connector(version: Version) -> Connector {
        Connector {
            tenant: "carbon.super".into(),
            name: "external".into(),
            enabled: true,
            identity_provider: None,
            version,
            user_endpoint: "https://peer.example/scim/Users".into(),
            group_endpoint: None,
            credentials: Credentials::Basic {
                username: "admin".into(),
                password: Secret::new("s3cret"),
            },
            user_store_domain: Some("WSO2".into()),
            password_provisioning: true,
            default_password: Some(Secret::new("Default-1")),
            blocking: false,
            network: Network::default(),
        }
    }

    fn alice() -> Person {
        Person {
            id: "local-1".into(),
            account: "CORP/alice".into(),
            display_name: Some("Alice".into()),
            number: Some("+94771234567".into()),
            locked: false,
            claims: Vec::new(),
            external_id: None,
            created_at: Moment(0),
            changed_at: Moment(0),
            groups: Vec::new(),
        }
    }

    /// Answers by a script, and keeps what it was asked.
    struct Script {
        answers: Mutex<Vec<(u16, Value)>>,
        asked: Mutex<Vec<(String, String, String)>>,
    }

    #[async_trait]
    impl Outbound for Script {
        async fn fetch(
            &self,
            _: &str,
            _: &str,
            _: &Network,
            request: Request<Vec<u8>>,
        ) -> Result<Response<Vec<u8>>, PortError> {
            assert_eq!(
                request.headers()["authorization"],
                format!("Basic {}", STANDARD.encode("admin:s3cret"))
            );
            self.asked.lock().unwrap().push((
                request.method().to_string(),
                request.uri().to_string(),
                String::from_utf8(request.body().clone()).unwrap(),
            ));
            let mut answers = self.answers.lock().unwrap();
            if answers.is_empty() {
                return Err(PortError::new("no answer"));
            }
            let (status, body) = answers.remove(0);
            Ok(Response::builder()
                .status(status)
                .body(body.to_string().into_bytes())
                .unwrap())
        }
    }

    fn remote(id: &str, told: &str) -> Remote {
        Remote {
            id: id.into(),
            told: told.into(),
        }
    }

    fn id(done: &Done) -> Option<&str> {
        done.remote.as_ref().map(|remote| remote.id.as_str())
    }

    fn script(answers: &[(u16, Value)]) -> Script {
        Script {
            answers: Mutex::new(answers.to_vec()),
            asked: Mutex::default(),
        }
    }

    #[tokio::test]
    async fn a_new_user_is_looked_for_and_created_under_the_peers_domain() {
        let (connector, script) = (
            connector(Version::One),
            script(&[(200, json!({"Resources": []})), (201, json!({"id": "r-1"}))]),
        );
        let peer = Peer {
            connector: &connector,
            outbound: &script,
        };
        let done = peer
            .put_user(&alice(), Some("pass word"), None, &Nobody)
            .await
            .unwrap();
        assert_eq!((id(&done), done.status), (Some("r-1"), 201));
        let asked = script.asked.lock().unwrap();
        assert_eq!(
            asked[0].1,
            "https://peer.example/scim/Users?filter=userName%20eq%20%22WSO2%2Falice%22"
        );
        let body: Value = serde_json::from_str(&asked[1].2).unwrap();
        assert_eq!(body["schemas"], json!(["urn:scim:schemas:core:1.0"]));
        assert_eq!(body["userName"], "WSO2/alice");
        assert_eq!(body["password"], "pass word");
        assert_eq!(body["phoneNumbers"][0]["value"], "+94771234567");
    }

    #[tokio::test]
    async fn a_change_is_a_patch_and_a_put_where_patch_is_not_known() {
        for (version, answers, methods) in [
            (Version::Two, vec![(200, json!({}))], vec!["PATCH"]),
            (
                Version::One,
                vec![(501, json!({})), (200, json!({}))],
                vec!["PATCH", "PUT"],
            ),
        ] {
            let (connector, script) = (connector(version), script(&answers));
            let peer = Peer {
                connector: &connector,
                outbound: &script,
            };
            let known = remote("r/../1", "");
            peer.put_user(&alice(), None, Some(&known), &Nobody)
                .await
                .unwrap();
            let asked = script.asked.lock().unwrap();
            let sent: Vec<_> = asked.iter().map(|(method, ..)| method.as_str()).collect();
            assert_eq!(sent, methods);
            assert!(
                asked[0].1.ends_with("/scim/Users/r%2F..%2F1"),
                "{}",
                asked[0].1
            );
            assert!(!asked[0].2.contains("password"), "{}", asked[0].2);
        }
    }

    /// What the peer was told and is gone here goes there, and nothing that is the peer's own.
    #[tokio::test]
    async fn what_is_taken_away_here_is_taken_away_there() {
        let mut person = alice();
        person.claims = vec![("http://wso2.org/claims/lastname".into(), "House".into())];
        let before = "displayName externalId name.familyName name.givenName title";
        let gone = json!(["name.givenName", "title"]);
        for version in [Version::One, Version::Two] {
            let (connector, script) = (connector(version), script(&[(200, json!({}))]));
            let peer = Peer {
                connector: &connector,
                outbound: &script,
            };
            let known = remote("r-1", before);
            let done = peer
                .put_user(&person, None, Some(&known), &Nobody)
                .await
                .unwrap();
            let told = done.remote.unwrap().told;
            assert_eq!(told, "displayName externalId name.familyName");
            let asked = script.asked.lock().unwrap();
            let body: Value = serde_json::from_str(&asked[0].2).unwrap();
            match version {
                Version::One => assert_eq!(
                    body["meta"]["attributes"],
                    json!(["emails", "phoneNumbers", "name.givenName", "title"])
                ),
                Version::Two => {
                    let operations = body["Operations"].as_array().unwrap();
                    let removed: Value = operations[1..]
                        .iter()
                        .map(|operation| {
                            assert_eq!(operation["op"], "remove");
                            operation["path"].clone()
                        })
                        .collect();
                    assert_eq!(removed, gone);
                }
            }
        }
        // Somebody who was found there, or nothing that is gone: nothing is taken away.
        for before in ["", "title", "displayName externalId name.familyName"] {
            let mut person = person.clone();
            person
                .claims
                .push(("http://wso2.org/claims/title".into(), "Boss".into()));
            let (connector, script) = (connector(Version::Two), script(&[(200, json!({}))]));
            let peer = Peer {
                connector: &connector,
                outbound: &script,
            };
            let known = remote("r-1", before);
            peer.put_user(&person, None, Some(&known), &Nobody)
                .await
                .unwrap();
            assert!(!script.asked.lock().unwrap()[0].2.contains("remove"));
        }
    }

    /// A peer may refuse to take away what somebody took away there before.
    #[tokio::test]
    async fn what_is_gone_there_already_is_not_asked_for_again() {
        let answers = [
            (400, json!({"scimType": "noTarget"})),
            (200, json!({"id": "r-1", "Title": "Boss", "nickName": null})),
            (200, json!({})),
        ];
        let (connector, script) = (connector(Version::Two), script(&answers));
        let peer = Peer {
            connector: &connector,
            outbound: &script,
        };
        let known = remote("r-1", "displayName externalId nickName title");
        peer.put_user(&alice(), None, Some(&known), &Nobody)
            .await
            .unwrap();
        let asked = script.asked.lock().unwrap();
        let methods: Vec<_> = asked.iter().map(|(method, ..)| method.as_str()).collect();
        assert_eq!(methods, ["PATCH", "GET", "PATCH"]);
        let body: Value = serde_json::from_str(&asked[2].2).unwrap();
        assert_eq!(
            body["Operations"].as_array().unwrap()[1..],
            [json!({"op": "remove", "path": "title"})]
        );
    }

    #[tokio::test]
    async fn whom_the_peer_lost_is_created_again_and_whom_it_has_is_changed() {
        // Known id gone, search finds nobody, created.
        let lost = [
            (404, json!({})),
            (200, json!({"Resources": []})),
            (201, json!({"id": "r-2"})),
        ];
        // Somebody else was quicker: conflict, found, changed.
        let conflict = [
            (200, json!({"totalResults": 0})),
            (409, json!({})),
            (
                200,
                json!({"Resources": [{"id": "r-3", "userName": "wso2/ALICE"}]}),
            ),
            (200, json!({})),
        ];
        for (answers, known, expected) in [
            (&lost[..], Some("r-1"), "r-2"),
            (&conflict[..], None, "r-3"),
        ] {
            let (connector, script) = (connector(Version::Two), script(answers));
            let peer = Peer {
                connector: &connector,
                outbound: &script,
            };
            let known = known.map(|id| remote(id, ""));
            let done = peer
                .put_user(&alice(), None, known.as_ref(), &Nobody)
                .await
                .unwrap();
            assert_eq!(id(&done), Some(expected));
        }
    }

    /// A peer that ignores the filter must not have somebody else changed or deleted.
    #[tokio::test]
    async fn only_the_very_name_is_found() {
        let everybody = (
            200,
            json!({"Resources": [{"id": "1", "userName": "WSO2/bob"}, {"id": "2", "userName": "WSO2/alice2"}]}),
        );
        let (connector, script) = (connector(Version::Two), script(&[everybody]));
        let peer = Peer {
            connector: &connector,
            outbound: &script,
        };
        let done = peer.delete_user("CORP/alice", None).await.unwrap();
        assert_eq!(done.status, 404);
        assert_eq!(script.asked.lock().unwrap().len(), 1);
    }

    /// Another store's user of the same name is somebody else, and so is a group below another's name.
    #[tokio::test]
    async fn a_name_in_another_store_is_nobodys_unless_the_connector_has_a_store_there() {
        for (domain, known, wanted, found) in [
            (None, "alice", "JDBC/alice", false),
            (None, "JDBC/alice", "alice", false),
            (None, "primary/Alice", "alice", true),
            (None, "jdbc/alice", "JDBC/alice", true),
            (Some("EXT"), "alice", "JDBC/alice", true),
            (Some("EXT"), "HR/alice", "alice", true),
            (Some("EXT"), "HR/alice2", "alice", false),
        ] {
            let mut connector = connector(Version::Two);
            connector.user_store_domain = domain.map(str::to_owned);
            let answer = (200, json!({"Resources": [{"id": "1", "userName": known}]}));
            let script = script(&[answer]);
            let peer = Peer {
                connector: &connector,
                outbound: &script,
            };
            let id = peer.user_id(wanted).await.unwrap();
            assert_eq!(id.is_some(), found, "{known} for {wanted} in {domain:?}");
        }
        // Two that could be meant are nobody; the very name is.
        for (names, found) in [
            (["HR/alice", "IT/alice"], None),
            (["HR/alice", "WSO2/alice"], Some("1")),
        ] {
            let both = json!({"Resources": [
                {"id": "0", "userName": names[0]}, {"id": "1", "userName": names[1]}
            ]});
            let (connector, script) = (connector(Version::Two), script(&[(200, both)]));
            let peer = Peer {
                connector: &connector,
                outbound: &script,
            };
            assert_eq!(peer.user_id("alice").await.unwrap().as_deref(), found);
        }
        let mut connector = connector(Version::Two);
        connector.group_endpoint = Some("https://peer.example/scim/Groups".into());
        let other = json!({"Resources": [{"id": "1", "displayName": "staff"}]});
        let script = script(&[(200, other), (201, json!({"id": "2"}))]);
        let peer = Peer {
            connector: &connector,
            outbound: &script,
        };
        let group = Group {
            id: "g".into(),
            display_name: "HR/staff".into(),
            external_id: None,
            created_at: Moment(0),
            changed_at: Moment(0),
            members: Vec::new(),
        };
        peer.put_group(&group, &[], None).await.unwrap();
        assert_eq!(script.asked.lock().unwrap()[1].0, "POST");
    }

    /// A peer that nobody is at yet.
    struct Nobody;

    #[async_trait]
    impl Holders for Nobody {
        async fn another_holds(&self, _: &str) -> Result<bool, PortError> {
            Ok(false)
        }
    }

    struct Another;

    #[async_trait]
    impl Holders for Another {
        async fn another_holds(&self, remote_id: &str) -> Result<bool, PortError> {
            Ok(remote_id == "r-1")
        }
    }

    #[tokio::test]
    async fn an_account_there_that_is_another_users_of_ours_is_left_alone() {
        let theirs = || json!({"Resources": [{"id": "r-1", "userName": "WSO2/alice"}]});
        for answers in [
            vec![(200, theirs())],
            vec![
                (200, json!({"Resources": []})),
                (409, json!({})),
                (200, theirs()),
            ],
        ] {
            let (connector, script) = (connector(Version::Two), script(&answers));
            let peer = Peer {
                connector: &connector,
                outbound: &script,
            };
            let alice = alice();
            let put = peer.put_user(&alice, Some("pass word"), None, &Another);
            let failure = put.await.unwrap_err();
            assert!(failure.refused, "{failure}");
            let asked = script.asked.lock().unwrap();
            assert!(
                asked
                    .iter()
                    .all(|(method, ..)| method != "PATCH" && method != "PUT")
            );
        }
    }

    /// A peer chooses its ids; one that cannot be asked for must not stop its user for ever.
    #[tokio::test]
    async fn an_id_that_cannot_be_asked_for_is_not_kept_and_not_used() {
        let long = "x".repeat(257);
        for bad in ["", ".", "..", "a\nb", long.as_str()] {
            let nobody = || (200, json!({"Resources": []}));
            let (connector, found) = (
                connector(Version::Two),
                json!({"Resources": [{"id": bad, "userName": "WSO2/alice"}]}),
            );
            for answers in [
                vec![nobody(), (201, json!({"id": bad}))],
                vec![(200, found)],
            ] {
                let script = script(&answers);
                let peer = Peer {
                    connector: &connector,
                    outbound: &script,
                };
                assert!(
                    peer.put_user(&alice(), None, None, &Nobody).await.is_err(),
                    "{bad}"
                );
            }
            // Remembered from before: the user is looked for.
            let script = script(&[nobody(), (201, json!({"id": "r-1"})), nobody()]);
            let peer = Peer {
                connector: &connector,
                outbound: &script,
            };
            let bad = Remote {
                id: bad.to_owned(),
                told: String::new(),
            };
            assert!(
                peer.put_user(&alice(), None, Some(&bad), &Nobody)
                    .await
                    .is_ok()
            );
            assert!(peer.delete_user("alice", Some(&bad)).await.is_ok());
        }
    }

    #[tokio::test]
    async fn what_passes_with_time_is_no_refusal() {
        for (status, refused) in [
            (400, true),
            (401, false),
            (429, false),
            (500, false),
            (503, false),
        ] {
            let (connector, script) = (
                connector(Version::Two),
                script(&[
                    (200, json!({"Resources": []})),
                    (status, json!({"detail": "secret"})),
                ]),
            );
            let peer = Peer {
                connector: &connector,
                outbound: &script,
            };
            let failure = peer
                .put_user(&alice(), None, None, &Nobody)
                .await
                .unwrap_err();
            assert_eq!(failure.refused, refused, "{status}");
            assert_eq!(
                failure.to_string(),
                format!("the peer answered {status} to the creation")
            );
        }
    }

    #[test]
    fn the_password_of_a_new_user_follows_the_connector() {
        let mut c = connector(Version::One);
        let first = |c: &Connector, known| c.first_password(known).map(|p| p.to_string());
        assert_eq!(first(&c, Some("mine")).as_deref(), Some("mine"));
        assert_eq!(first(&c, None).as_deref(), Some("Default-1"));
        c.password_provisioning = false;
        assert_eq!(first(&c, Some("mine")).as_deref(), Some("Default-1"));
        c.default_password = None;
        assert_eq!(first(&c, Some("mine")), None);
    }

    #[test]
    fn an_address_that_is_none_is_a_problem() {
        for bad in [
            "",
            "peer.example/Users",
            "ftp://peer.example/Users",
            "https://u:p@peer.example/Users",
            "https://peer.example/Users?x=1",
            "http://peer.example/Users",
        ] {
            let mut c = connector(Version::One);
            c.user_endpoint = bad.into();
            assert_eq!(c.check().len(), 1, "{bad}");
        }
        assert!(connector(Version::One).check().is_empty());
    }
}
