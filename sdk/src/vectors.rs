//! Vectors: what a plugin must answer to what, written by hand as JSON.
//!
//! Owns: the form of `vectors/*.json`, the stand-in values, and running a vector against a
//! plugin's functions. The same vectors travel in the manifest and are run again by the host when
//! it admits the component. Knows nothing of any provider.
//!
//! A file is an object with `vectors` and, optionally, `settings` that all of them share:
//!
//! ```json
//! {
//!   "settings": { "from": "+15005550006" },
//!   "vectors": [
//!     { "name": "a message becomes a form",
//!       "expect": { "request": { "method": "POST", "url": "https://api.example.com/messages",
//!                                "headers": { "authorization": "Bearer secret-token" },
//!                                "body": "to=%2B94771234567&text=Verification+Code%3A+123456" } } },
//!     { "name": "a bad number is told as such",
//!       "reply": { "status": 400, "body": { "code": 21211 } },
//!       "expect": { "refused": { "reason": "invalid-recipient" } } }
//!   ]
//! }
//! ```
//!
//! A vector without `reply` and `failed` is the start of a conversation. With either and without
//! `state`, the state is the one `start` gives for the same settings and message. Wherever the
//! request names a value only the host has, the stand-in of [`StandIns`] is expected.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::evaluate::{Rendered, render};
use crate::message::Message;
use crate::provider::{Action, Event};
use crate::reply::Reply;
use crate::resolver::{self, Account, FederatedLogin, Query, Resolution};
use crate::settings::Settings;
use crate::verdict::Verdict;
use crate::wire::{Problem, Request};

/// One file of `vectors/`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VectorFile {
    /// Settings all vectors of the file share; a vector's own of the same name win.
    #[serde(default)]
    settings: BTreeMap<String, String>,
    vectors: Vec<Vector>,
}

impl VectorFile {
    /// The vectors, each with all its settings.
    pub fn into_vectors(self) -> Vec<Vector> {
        let shared = self.settings;
        self.vectors
            .into_iter()
            .map(|mut vector| {
                for (name, value) in &shared {
                    vector
                        .settings
                        .entry(name.clone())
                        .or_insert_with(|| Some(value.clone()));
                }
                vector.settings.retain(|_, value| value.is_some());
                vector
            })
            .collect()
    }
}

/// One case: what goes in, and what must come out.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Vector {
    /// A sentence that can be false.
    pub name: String,
    /// Settings that are not secret; `null` takes away one the file shares.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, Option<String>>,
    /// What differs from the usual message. Providers only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageVector>,
    /// The person who signed in. Resolvers only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<LoginVector>,
    /// Calls with this reply instead of `start`. Providers only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<ReplyVector>,
    /// Calls with this failure instead of `start`. Providers only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// Calls with these answers to the lookup instead of `start`: account names, or null for none.
    /// Resolvers only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Vec<Option<String>>>,
    /// The state of the step before, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    pub expect: Expect,
}

/// What must come out. Exactly one of these.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Expect {
    /// The request, with stand-ins for the values only the host has.
    Request(RequestVector),
    /// The verdict `accepted`.
    Accepted(AcceptedVector),
    /// The verdict `refused`.
    Refused(RefusedVector),
    /// `check` names these settings, in this order (an empty list: they are in order).
    Problems(Vec<String>),
    /// A lookup with these queries.
    Lookup(Vec<QueryVector>),
    /// The account at this position of the answers.
    Account(u32),
    /// No such account.
    NotFound,
    /// The login must not go on; the text must contain this.
    Refuse(String),
}

/// A message; every field has a usual value.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct MessageVector {
    pub id: String,
    pub country: String,
    pub calling_code: String,
    pub number_type: String,
    pub encoding: String,
    pub segments: u8,
    pub validity: u32,
    pub attempt: u32,
    pub locale: String,
    pub purpose: String,
    pub kept: Vec<String>,
    pub extra: BTreeMap<String, String>,
    /// Stand-in for the number, as E.164. The plugin does not see it.
    pub recipient: String,
    /// Stand-in for the text. The plugin does not see it.
    pub text: String,
    /// Stand-in for the code. The plugin does not see it.
    pub code: String,
    /// Stand-in for the receipt address. The plugin does not see it.
    pub receipt_url: String,
}

impl Default for MessageVector {
    fn default() -> MessageVector {
        MessageVector {
            id: "m1".to_owned(),
            country: "LK".to_owned(),
            calling_code: "94".to_owned(),
            number_type: "mobile".to_owned(),
            encoding: "gsm-7".to_owned(),
            segments: 1,
            validity: 300,
            attempt: 1,
            locale: "en".to_owned(),
            purpose: "login".to_owned(),
            kept: Vec::new(),
            extra: BTreeMap::new(),
            recipient: "+94771234567".to_owned(),
            text: "Verification Code: 123456".to_owned(),
            code: "123456".to_owned(),
            receipt_url: String::new(),
        }
    }
}

/// A federated login; every field has a usual value.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoginVector {
    pub identity_provider: String,
    pub subject: String,
    pub subject_identifier: String,
    /// (claim URI or name, value); a name may occur more than once.
    pub attributes: Vec<(String, String)>,
    pub tenant: String,
    pub extra: BTreeMap<String, String>,
}

impl Default for LoginVector {
    fn default() -> LoginVector {
        LoginVector {
            identity_provider: "example".to_owned(),
            subject: "alice".to_owned(),
            subject_identifier: "alice@example.com".to_owned(),
            attributes: Vec::new(),
            tenant: "default".to_owned(),
            extra: BTreeMap::new(),
        }
    }
}

/// A reply.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ReplyVector {
    pub status: u16,
    /// Names in lower case.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Text as it stands, or JSON, which is sent without spaces; absent means empty.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub body: serde_json::Value,
}

impl ReplyVector {
    /// The body as it came over the wire.
    pub fn body_text(&self) -> String {
        match &self.body {
            serde_json::Value::Null => String::new(),
            serde_json::Value::String(text) => text.clone(),
            json => json.to_string(),
        }
    }
}

/// A request as it would go out, with stand-ins.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RequestVector {
    pub method: String,
    /// Origin, path and query.
    pub url: String,
    /// All headers the plugin sets, names in lower case; `content-type` is the body's media type.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The exact body. Without it and without `json` there must be none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The body as JSON, compared as a value: order and spaces do not matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<serde_json::Value>,
    /// Whether the request may be repeated.
    #[serde(default)]
    pub idempotent: bool,
    /// The names of the values kept from the reply, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<String>,
}

/// The verdict `accepted`; an absent field must be absent.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct AcceptedVector {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
}

/// The verdict `refused`; an absent `retry_after` must be absent, an absent `detail` may be any.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RefusedVector {
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
    /// The detail must contain this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A query of a lookup.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum QueryVector {
    Name(String),
    #[serde(rename_all = "snake_case")]
    Association {
        identity_provider: String,
        subject: String,
        domain: String,
    },
}

/// The values that stand in for what only the host has. A host that runs vectors uses the same.
///
/// | source | stand-in |
/// |---|---|
/// | `secret(NAME)` | `secret-NAME` |
/// | `kept(NAME)` | `kept-NAME` |
/// | `recipient` | of `message.recipient` (`+94771234567`) and `message.calling_code`: `digits` without `+`; `national` without `+` and calling code; `dialled` is `0` and `national` |
/// | `text(0)`, `text(1)` | `message.text` (`Verification Code: 123456`); other parts are empty |
/// | `code` | `message.code` (`123456`) |
/// | `receipt-url` | `message.receipt_url` (empty) |
/// | `time` | 2026-01-31T23:59:59Z |
/// | `nonce` | `uuid` 00112233-4455-4677-8899-aabbccddeeff; `hex` and `base64url` of the bytes 00 11 22 .. ff; `int31` 1234567890 |
/// | `sign(ALGORITHM, NAME, data)` | the text `ALGORITHM(NAME,` SHA-256 of data in hex `)` |
#[derive(Clone, Debug)]
pub struct StandIns {
    pub recipient: String,
    pub calling_code: String,
    pub text: String,
    pub code: String,
    pub receipt_url: String,
}

impl StandIns {
    /// The stand-ins for a message.
    pub fn of(message: &MessageVector) -> StandIns {
        StandIns {
            recipient: message.recipient.clone(),
            calling_code: message.calling_code.clone(),
            text: message.text.clone(),
            code: message.code.clone(),
            receipt_url: message.receipt_url.clone(),
        }
    }
}

/// A provider that is asked: the functions of this process, or a component that a host calls.
pub trait ProviderUnderTest {
    /// A step; the error says why there is no answer.
    fn step(
        &self,
        settings: &Settings,
        message: &Message,
        event: &Event,
        state: &[u8],
    ) -> Result<Action, String>;

    /// What it finds wrong with settings; the error says why there is no answer.
    fn check(&self, settings: &Settings) -> Result<Vec<Problem>, String>;

    /// What is wrong with a request of its, whatever its settings say. The reference evaluator works the
    /// request out, which takes as much memory as the program asks for: not for a plugin of a stranger's.
    fn judge_request(&self, request: &Request) -> Result<(), String> {
        crate::conformance::worked_out(request)
    }
}

/// A resolver that is asked, as [`ProviderUnderTest`].
pub trait ResolverUnderTest {
    /// A step; the error says why there is no answer.
    fn step(
        &self,
        settings: &Settings,
        login: &FederatedLogin,
        event: &resolver::Event,
        state: &[u8],
    ) -> Result<resolver::Action, String>;

    /// What it finds wrong with settings; the error says why there is no answer.
    fn check(&self, settings: &Settings) -> Result<Vec<Problem>, String>;
}

/// The functions of a provider.
#[derive(Clone, Copy, Debug)]
pub struct ProviderFunctions {
    pub step: fn(&Settings, &Message, &Event, &[u8]) -> Action,
    pub check: fn(&Settings) -> Vec<Problem>,
}

impl ProviderUnderTest for ProviderFunctions {
    fn step(
        &self,
        settings: &Settings,
        message: &Message,
        event: &Event,
        state: &[u8],
    ) -> Result<Action, String> {
        Ok((self.step)(settings, message, event, state))
    }

    fn check(&self, settings: &Settings) -> Result<Vec<Problem>, String> {
        Ok((self.check)(settings))
    }
}

/// The functions of a resolver.
#[derive(Clone, Copy, Debug)]
pub struct ResolverFunctions {
    pub step: fn(&Settings, &FederatedLogin, &resolver::Event, &[u8]) -> resolver::Action,
    pub check: fn(&Settings) -> Vec<Problem>,
}

impl ResolverUnderTest for ResolverFunctions {
    fn step(
        &self,
        settings: &Settings,
        login: &FederatedLogin,
        event: &resolver::Event,
        state: &[u8],
    ) -> Result<resolver::Action, String> {
        Ok((self.step)(settings, login, event, state))
    }

    fn check(&self, settings: &Settings) -> Result<Vec<Problem>, String> {
        Ok((self.check)(settings))
    }
}

impl Vector {
    /// The settings as the plugin receives them.
    pub fn settings(&self) -> Settings {
        Settings::new(
            self.settings
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), value.clone()?)))
                .collect(),
        )
    }

    /// The message, with what the vector says of it.
    pub fn message(&self) -> MessageVector {
        self.message.clone().unwrap_or_default()
    }

    /// Runs the vector against a provider; the error shows expectation and answer.
    pub fn run_provider(&self, plugin: &dyn ProviderUnderTest) -> Result<(), String> {
        if self.login.is_some() || self.found.is_some() {
            return Err("`login` and `found` are for resolvers".to_owned());
        }
        if let Expect::Problems(expected) = &self.expect {
            return self.same_problems(expected, &plugin.check(&self.settings())?);
        }
        let message = self.message();
        let told = message.to_message();
        let event = match (&self.reply, &self.failed) {
            (None, None) => Event::Start,
            (Some(reply), None) => Event::Reply(Reply::new(
                reply.status,
                reply.headers.clone().into_iter().collect(),
                reply.body_text(),
            )),
            (None, Some(how)) => Event::Failed(how.clone()),
            (Some(_), Some(_)) => return Err("`reply` and `failed` exclude each other".to_owned()),
        };
        let state = match (&self.state, &event) {
            (Some(state), _) => state.clone().into_bytes(),
            (None, Event::Start) => Vec::new(),
            (None, _) => match plugin.step(&self.settings(), &told, &Event::Start, &[])? {
                Action::Send(outgoing) => outgoing.state,
                Action::Done(verdict) => {
                    return Err(format!("there is no request to reply to: {verdict:?}"));
                }
            },
        };
        let action = plugin.step(&self.settings(), &told, &event, &state)?;
        match (&self.expect, &action) {
            (Expect::Request(expected), Action::Send(outgoing)) => {
                let rendered = render(&outgoing.request, &StandIns::of(&message))?;
                expected.compare(&outgoing.request, &rendered)
            }
            (Expect::Accepted(expected), Action::Done(Verdict::Accepted(receipt))) => {
                let found = AcceptedVector {
                    id: receipt.id.clone(),
                    parts: receipt.parts,
                    price: receipt.price.clone(),
                    currency: receipt.currency.clone(),
                };
                same("accepted", expected, &found)
            }
            (Expect::Refused(expected), Action::Done(Verdict::Refused(refusal))) => {
                same(
                    "reason",
                    &expected.reason.as_str(),
                    &refusal.reason.as_str(),
                )?;
                same("retry_after", &expected.retry_after, &refusal.retry_after)?;
                match &expected.detail {
                    Some(detail) if !refusal.detail.contains(detail) => Err(format!(
                        "detail: expected `{detail}` in it, found `{}`",
                        refusal.detail
                    )),
                    _ => Ok(()),
                }
            }
            (expected, found) => Err(format!("expected {expected:?}, found {found:?}")),
        }
    }

    /// Runs the vector against a resolver; the error shows expectation and answer.
    pub fn run_resolver(&self, plugin: &dyn ResolverUnderTest) -> Result<(), String> {
        if self.message.is_some() || self.reply.is_some() || self.failed.is_some() {
            return Err("`message`, `reply` and `failed` are for providers".to_owned());
        }
        if let Expect::Problems(expected) = &self.expect {
            return self.same_problems(expected, &plugin.check(&self.settings())?);
        }
        let login = self.login.clone().unwrap_or_default().to_login();
        let event = match &self.found {
            None => resolver::Event::Start,
            Some(names) => resolver::Event::Found(
                names
                    .iter()
                    .map(|name| {
                        name.clone().map(|name| Account {
                            name,
                            extra: Vec::new(),
                        })
                    })
                    .collect(),
            ),
        };
        let state = match (&self.state, &event) {
            (Some(state), _) => state.clone().into_bytes(),
            (None, resolver::Event::Start) => Vec::new(),
            (None, resolver::Event::Found(_)) => {
                match plugin.step(&self.settings(), &login, &resolver::Event::Start, &[])? {
                    resolver::Action::Lookup(lookup) => lookup.state,
                    resolver::Action::Done(done) => {
                        return Err(format!("there is no lookup to answer: {done:?}"));
                    }
                }
            }
        };
        let action = plugin.step(&self.settings(), &login, &event, &state)?;
        match (&self.expect, &action) {
            (Expect::Lookup(expected), resolver::Action::Lookup(lookup)) => {
                let found: Vec<QueryVector> =
                    lookup.queries.iter().map(QueryVector::from).collect();
                same("lookup", expected, &found)
            }
            (Expect::Account(expected), resolver::Action::Done(Resolution::Account(found))) => {
                same("account", expected, found)
            }
            (Expect::NotFound, resolver::Action::Done(Resolution::NotFound)) => Ok(()),
            (Expect::Refuse(expected), resolver::Action::Done(Resolution::Refuse(why)))
                if why.contains(expected) =>
            {
                Ok(())
            }
            (expected, found) => Err(format!("expected {expected:?}, found {found:?}")),
        }
    }

    fn same_problems(&self, expected: &[String], problems: &[Problem]) -> Result<(), String> {
        let found: Vec<&str> = problems
            .iter()
            .map(|problem| problem.setting.as_str())
            .collect();
        same(
            "problems",
            &expected,
            &found
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
                .as_slice(),
        )
        .map_err(|difference| format!("{difference}: {problems:?}"))
    }
}

impl MessageVector {
    /// What the plugin is told.
    pub fn to_message(&self) -> Message {
        Message {
            id: self.id.clone(),
            country: self.country.clone(),
            calling_code: self.calling_code.clone(),
            number_type: self.number_type.clone(),
            encoding: self.encoding.clone(),
            segments: self.segments,
            validity: self.validity,
            attempt: self.attempt,
            locale: self.locale.clone(),
            purpose: self.purpose.clone(),
            kept: self.kept.clone(),
            extra: self.extra.clone().into_iter().collect(),
        }
    }
}

impl LoginVector {
    /// What the plugin is told.
    pub fn to_login(&self) -> FederatedLogin {
        FederatedLogin {
            identity_provider: self.identity_provider.clone(),
            subject: self.subject.clone(),
            subject_identifier: self.subject_identifier.clone(),
            attributes: self.attributes.clone(),
            tenant: self.tenant.clone(),
            extra: self.extra.clone().into_iter().collect(),
        }
    }
}

impl RequestVector {
    fn compare(&self, request: &Request, rendered: &Rendered) -> Result<(), String> {
        same("method", &self.method, &rendered.method)?;
        same("url", &self.url, &rendered.url)?;
        same("headers", &self.headers, &rendered.headers)?;
        match (&self.body, &self.json, &rendered.body) {
            (None, None, None) => {}
            (Some(expected), None, Some(found)) => {
                same(
                    "body",
                    &expected.as_str(),
                    &String::from_utf8_lossy(found).as_ref(),
                )?;
            }
            (None, Some(expected), Some(found)) => {
                let found: serde_json::Value = serde_json::from_slice(found).map_err(|error| {
                    format!("body: {error}: {}", String::from_utf8_lossy(found))
                })?;
                same("body", expected, &found)?;
            }
            (None, None, Some(found)) => {
                return Err(format!(
                    "body: expected none, found {}",
                    String::from_utf8_lossy(found)
                ));
            }
            (Some(_), Some(_), _) => return Err("`body` and `json` exclude each other".to_owned()),
            (_, _, None) => return Err("body: there is none".to_owned()),
        }
        same("idempotent", &self.idempotent, &request.idempotent)?;
        same(
            "keep",
            &self.keep,
            &request.keep.iter().map(|keep| keep.name.clone()).collect(),
        )
    }
}

impl From<&Query> for QueryVector {
    fn from(query: &Query) -> QueryVector {
        match query {
            Query::Name(name) => QueryVector::Name(name.clone()),
            Query::Association {
                identity_provider,
                subject,
                domain,
            } => QueryVector::Association {
                identity_provider: identity_provider.clone(),
                subject: subject.clone(),
                domain: domain.clone(),
            },
        }
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, expected: &T, found: &T) -> Result<(), String> {
    if expected == found {
        Ok(())
    } else {
        Err(format!(
            "{what}:\n  expected {expected:?}\n     found {found:?}"
        ))
    }
}

/// The request a provider makes of a vector's settings and message, worked out with stand-ins:
/// what an author pastes into `expect.request` after reading it.
pub fn rendered(vector: &Vector, plugin: &dyn ProviderUnderTest) -> Result<Rendered, String> {
    let message = vector.message();
    let told = message.to_message();
    match plugin.step(&vector.settings(), &told, &Event::Start, &[])? {
        Action::Send(outgoing) => render(&outgoing.request, &StandIns::of(&message)),
        Action::Done(verdict) => Err(format!("no request: {verdict:?}")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn shared_settings_reach_every_vector_and_null_takes_one_away() {
        let file: VectorFile = serde_json::from_str(
            r#"{"settings":{"from":"A","log":"true"},
                "vectors":[{"name":"a","settings":{"log":null},"expect":{"problems":[]}},
                           {"name":"b","settings":{"from":"B"},"expect":"not-found"}]}"#,
        )
        .unwrap();
        let vectors = file.into_vectors();
        assert_eq!(vectors[0].settings.len(), 1);
        assert_eq!(vectors[1].settings["from"].as_deref(), Some("B"));
        assert_eq!(vectors[1].settings["log"].as_deref(), Some("true"));
        assert_eq!(vectors[1].expect, Expect::NotFound);
    }

    #[test]
    fn a_misspelt_field_is_refused() {
        for text in [
            r#"{"vectors":[{"name":"a","repyl":{"status":200},"expect":{"problems":[]}}]}"#,
            r#"{"vectors":[{"name":"a","expect":{"acepted":{}}}]}"#,
            r#"{"vectors":[{"name":"a","expect":{"request":{"method":"GET","url":"/","header":{}}}}]}"#,
        ] {
            assert!(serde_json::from_str::<VectorFile>(text).is_err(), "{text}");
        }
    }
}
