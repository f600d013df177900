//! Vectors: what a plugin says it answers to what, and whether it does.
//!
//! Owns: the form of a vector in the manifest (that of the SDK's `vectors/*.json`), the stand-in
//! values, and the comparison. Working a request out needs the evaluator of the place where
//! requests leave; whoever runs vectors lends it ([`Evaluate`]).

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::{Deserialize, Serialize};

use crate::plugins::{PluginHandle, Plugins};
use crate::{provider, resolver, types};

/// Works requests out, with stand-ins for what only the host has.
pub trait Evaluate: Send + Sync {
    /// The request as it would go out.
    ///
    /// # Errors
    /// Why it would not.
    fn evaluate(&self, request: &types::Request, stand_ins: &StandIns)
    -> Result<Evaluated, String>;
}

/// A request with all its values worked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluated {
    /// Origin, path and query.
    pub url: String,
    /// All headers the plugin set, names in lower case; `content-type` is the body's media type.
    pub headers: BTreeMap<String, String>,
    /// The body, if there is one.
    pub body: Option<Vec<u8>>,
}

/// The values that stand in for what only the host has.
///
/// | source | stand-in |
/// |---|---|
/// | `secret(NAME)` | `secret-NAME` |
/// | `kept(NAME)` | `kept-NAME` |
/// | `recipient` | `recipient` as E.164; `digits` without `+`; `national` without `+` and calling code; `dialled` is `0` and `national` |
/// | `text(0)`, `text(1)` | `text`; other parts are empty |
/// | `code`, `receipt-url` | the field |
/// | `time` | 2026-01-31T23:59:59Z |
/// | `nonce` | `uuid` 00112233-4455-4677-8899-aabbccddeeff; `hex` and `base64url` of the bytes 00 11 22 .. ff; `int31` 1234567890 |
/// | `sign(ALGORITHM, NAME, data)` | the text `ALGORITHM(NAME,` SHA-256 of data in hex `)` |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandIns {
    /// The number, as E.164.
    pub recipient: String,
    /// Its calling code, without `+`.
    pub calling_code: String,
    /// The text of the message.
    pub text: String,
    /// The code.
    pub code: String,
    /// The receipt address.
    pub receipt_url: String,
}

/// One case: what goes in, and what must come out. Without `reply`, `failed` and `found` it is the
/// start of a conversation; with one of them and without `state`, the state is the one that
/// `start` gives for the same values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vector {
    /// A sentence that can be false.
    pub name: String,
    /// Settings that are not secret.
    #[serde(default)]
    pub settings: BTreeMap<String, Option<String>>,
    /// What differs from the usual message. Providers only.
    #[serde(default)]
    pub message: Option<MessageVector>,
    /// The person who signed in. Resolvers only.
    #[serde(default)]
    pub login: Option<LoginVector>,
    /// Calls with this reply instead of `start`. Providers only.
    #[serde(default)]
    pub reply: Option<ReplyVector>,
    /// Calls with this failure instead of `start`. Providers only.
    #[serde(default)]
    pub failed: Option<String>,
    /// Calls with these answers to the lookup instead of `start`. Resolvers only.
    #[serde(default)]
    pub found: Option<Vec<Option<String>>>,
    /// The state of the step before, as text.
    #[serde(default)]
    pub state: Option<String>,
    /// What must come out.
    pub expect: Expect,
}

/// What must come out: exactly one of these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Expect {
    /// The request, with stand-ins for the values only the host has.
    Request(RequestVector),
    /// The verdict `accepted`.
    Accepted(AcceptedVector),
    /// The verdict `refused`.
    Refused(RefusedVector),
    /// `check` names these settings, in this order.
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(
    missing_docs,
    reason = "the fields are those of `message` in plugin.wit"
)]
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
    fn default() -> Self {
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

impl MessageVector {
    fn told(&self) -> provider::Message {
        provider::Message {
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

    fn stand_ins(&self) -> StandIns {
        StandIns {
            recipient: self.recipient.clone(),
            calling_code: self.calling_code.clone(),
            text: self.text.clone(),
            code: self.code.clone(),
            receipt_url: self.receipt_url.clone(),
        }
    }
}

/// A federated login; every field has a usual value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(
    missing_docs,
    reason = "the fields are those of `federated-login` in plugin.wit"
)]
pub struct LoginVector {
    pub identity_provider: String,
    pub subject: String,
    pub subject_identifier: String,
    pub attributes: Vec<(String, String)>,
    pub tenant: String,
    pub extra: BTreeMap<String, String>,
}

impl Default for LoginVector {
    fn default() -> Self {
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

impl LoginVector {
    fn told(&self) -> resolver::FederatedLogin {
        resolver::FederatedLogin {
            identity_provider: self.identity_provider.clone(),
            subject: self.subject.clone(),
            subject_identifier: self.subject_identifier.clone(),
            attributes: self.attributes.clone(),
            tenant: self.tenant.clone(),
            extra: self.extra.clone().into_iter().collect(),
        }
    }
}

/// A reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplyVector {
    /// HTTP status.
    pub status: u16,
    /// Names in lower case.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Text as it stands, or JSON, which is sent without spaces; absent means empty.
    #[serde(default)]
    pub body: serde_json::Value,
}

impl ReplyVector {
    fn told(&self) -> types::Reply {
        let body = match &self.body {
            serde_json::Value::Null => String::new(),
            serde_json::Value::String(text) => text.clone(),
            json => json.to_string(),
        };
        types::Reply {
            status: self.status,
            headers: self.headers.clone().into_iter().collect(),
            body: types::TextOrBytes::Text(body),
        }
    }
}

/// A request as it would go out, with stand-ins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestVector {
    /// HTTP method.
    pub method: String,
    /// Origin, path and query.
    pub url: String,
    /// All headers the plugin sets, names in lower case; `content-type` is the body's media type.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The exact body. Without it and without `json` there must be none.
    #[serde(default)]
    pub body: Option<String>,
    /// The body as JSON, compared as a value.
    #[serde(default)]
    pub json: Option<serde_json::Value>,
    /// Whether the request may be repeated.
    #[serde(default)]
    pub idempotent: bool,
    /// The names of the values kept from the reply, in order.
    #[serde(default)]
    pub keep: Vec<String>,
}

/// The verdict `accepted`; an absent field must be absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(
    missing_docs,
    reason = "the fields are those of `receipt` in plugin.wit"
)]
pub struct AcceptedVector {
    pub id: Option<String>,
    pub parts: Option<u32>,
    pub price: Option<String>,
    pub currency: Option<String>,
}

/// The verdict `refused`; an absent `retry_after` must be absent, an absent `detail` may be any.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusedVector {
    /// The reason's code.
    pub reason: String,
    /// Seconds.
    #[serde(default)]
    pub retry_after: Option<u32>,
    /// The detail must contain this.
    #[serde(default)]
    pub detail: Option<String>,
}

/// A query of a lookup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[allow(missing_docs, reason = "the cases are those of `query` in plugin.wit")]
pub enum QueryVector {
    Name(String),
    #[serde(rename_all = "snake_case")]
    Association {
        identity_provider: String,
        subject: String,
        domain: String,
    },
}

impl From<&resolver::Query> for QueryVector {
    fn from(query: &resolver::Query) -> Self {
        match query {
            resolver::Query::Name(name) => QueryVector::Name(name.clone()),
            resolver::Query::Association(association) => QueryVector::Association {
                identity_provider: association.identity_provider.clone(),
                subject: association.subject.clone(),
                domain: association.domain.clone(),
            },
        }
    }
}

/// Why a vector does not hold.
pub(crate) enum Failure {
    /// The plugin does something else.
    Differs(String),
    /// The plugin failed, or the host did.
    Fault(crate::Fault),
}

impl From<String> for Failure {
    fn from(difference: String) -> Self {
        Failure::Differs(difference)
    }
}

impl From<crate::Fault> for Failure {
    fn from(fault: crate::Fault) -> Self {
        Failure::Fault(fault)
    }
}

impl Vector {
    /// Runs the vector against a provider.
    pub(crate) async fn run_provider(
        &self,
        plugins: &Plugins,
        plugin: &PluginHandle,
        evaluate: &dyn Evaluate,
    ) -> Result<(), Failure> {
        if self.login.is_some() || self.found.is_some() {
            return Err("`login` and `found` are for resolvers".to_owned().into());
        }
        let settings = self.settings();
        if let Expect::Problems(expected) = &self.expect {
            return Ok(same_problems(
                expected,
                &plugins.check(plugin, &settings).await?,
            )?);
        }
        let message = self.message.clone().unwrap_or_default();
        let told = message.told();
        let event = match (&self.reply, &self.failed) {
            (None, None) => provider::Event::Start,
            (Some(reply), None) => provider::Event::Reply(reply.told()),
            (None, Some(how)) => provider::Event::Failed(how.clone()),
            (Some(_), Some(_)) => {
                return Err("`reply` and `failed` exclude each other".to_owned().into());
            }
        };
        let state = match (&self.state, &event) {
            (Some(state), _) => state.clone().into_bytes(),
            (None, provider::Event::Start) => Vec::new(),
            (None, _) => {
                let start = provider::Event::Start;
                match plugins
                    .provider_step(plugin, &settings, &told, &start, &[])
                    .await?
                {
                    provider::Action::Send(outgoing) => outgoing.state,
                    provider::Action::Done(verdict) => {
                        return Err(format!("there is no request to reply to: {verdict:?}").into());
                    }
                }
            }
        };
        let action = plugins
            .provider_step(plugin, &settings, &told, &event, &state)
            .await?;
        Ok(self.compare_provider(&action, &message.stand_ins(), evaluate)?)
    }

    fn compare_provider(
        &self,
        action: &provider::Action,
        stand_ins: &StandIns,
        evaluate: &dyn Evaluate,
    ) -> Result<(), String> {
        match (&self.expect, action) {
            (Expect::Request(expected), provider::Action::Send(outgoing)) => {
                let evaluated = evaluate.evaluate(&outgoing.request, stand_ins)?;
                expected.compare(&outgoing.request, &evaluated)
            }
            (
                Expect::Accepted(expected),
                provider::Action::Done(provider::Verdict::Accepted(receipt)),
            ) => {
                let found = AcceptedVector {
                    id: receipt.id.clone(),
                    parts: receipt.parts,
                    price: receipt.price.clone(),
                    currency: receipt.currency.clone(),
                };
                same("accepted", expected, &found)
            }
            (
                Expect::Refused(expected),
                provider::Action::Done(provider::Verdict::Refused(refusal)),
            ) => {
                same("reason", &expected.reason, &refusal.reason)?;
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

    /// Runs the vector against a resolver.
    pub(crate) async fn run_resolver(
        &self,
        plugins: &Plugins,
        plugin: &PluginHandle,
    ) -> Result<(), Failure> {
        if self.message.is_some() || self.reply.is_some() || self.failed.is_some() {
            return Err("`message`, `reply` and `failed` are for providers"
                .to_owned()
                .into());
        }
        let settings = self.settings();
        if let Expect::Problems(expected) = &self.expect {
            return Ok(same_problems(
                expected,
                &plugins.check(plugin, &settings).await?,
            )?);
        }
        let login = self.login.clone().unwrap_or_default().told();
        let event = match &self.found {
            None => resolver::Event::Start,
            Some(names) => {
                let account = |name: &Option<String>| {
                    name.clone().map(|name| resolver::Account {
                        name,
                        extra: Vec::new(),
                    })
                };
                resolver::Event::Found(names.iter().map(account).collect())
            }
        };
        let state = match (&self.state, &event) {
            (Some(state), _) => state.clone().into_bytes(),
            (None, resolver::Event::Start) => Vec::new(),
            (None, resolver::Event::Found(_)) => {
                let start = resolver::Event::Start;
                match plugins
                    .resolver_step(plugin, &settings, &login, &start, &[])
                    .await?
                {
                    resolver::Action::Lookup(lookup) => lookup.state,
                    resolver::Action::Done(done) => {
                        return Err(format!("there is no lookup to answer: {done:?}").into());
                    }
                }
            }
        };
        let action = plugins
            .resolver_step(plugin, &settings, &login, &event, &state)
            .await?;
        Ok(self.compare_resolver(&action)?)
    }

    fn compare_resolver(&self, action: &resolver::Action) -> Result<(), String> {
        use resolver::{Action, Resolution};
        match (&self.expect, action) {
            (Expect::Lookup(expected), Action::Lookup(lookup)) => {
                let found: Vec<QueryVector> =
                    lookup.queries.iter().map(QueryVector::from).collect();
                same("lookup", expected, &found)
            }
            (Expect::Account(expected), Action::Done(Resolution::Account(found))) => {
                same("account", expected, found)
            }
            (Expect::NotFound, Action::Done(Resolution::NotFound)) => Ok(()),
            (Expect::Refuse(expected), Action::Done(Resolution::Refuse(why)))
                if why.contains(expected) =>
            {
                Ok(())
            }
            (expected, found) => Err(format!("expected {expected:?}, found {found:?}")),
        }
    }

    fn settings(&self) -> Vec<types::Pair> {
        self.settings
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), value.clone()?)))
            .collect()
    }
}

impl RequestVector {
    fn compare(&self, request: &types::Request, evaluated: &Evaluated) -> Result<(), String> {
        same("method", &self.method, &request.method)?;
        same("url", &self.url, &evaluated.url)?;
        same("headers", &self.headers, &evaluated.headers)?;
        match (&self.body, &self.json, &evaluated.body) {
            (None, None, None) => {}
            (Some(expected), None, Some(found)) => {
                same(
                    "body",
                    expected,
                    &String::from_utf8_lossy(found).into_owned(),
                )?;
            }
            (None, Some(expected), Some(found)) => {
                let found: serde_json::Value = serde_json::from_slice(found)
                    .map_err(|error| format!("body: it is not JSON: {error}"))?;
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
        let kept: Vec<String> = request.keep.iter().map(|keep| keep.name.clone()).collect();
        same("keep", &self.keep, &kept)
    }
}

fn same_problems(expected: &[String], problems: &[types::Problem]) -> Result<(), String> {
    let found: Vec<String> = problems
        .iter()
        .map(|problem| problem.setting.clone())
        .collect();
    if expected == found {
        Ok(())
    } else {
        Err(format!(
            "problems: expected {expected:?}, found {problems:?}"
        ))
    }
}

fn same<T: PartialEq + Debug>(what: &str, expected: &T, found: &T) -> Result<(), String> {
    if expected == found {
        Ok(())
    } else {
        Err(format!("{what}: expected {expected:?}, found {found:?}"))
    }
}
