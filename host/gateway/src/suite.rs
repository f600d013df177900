//! The suite that a plugin passes where it is built, put to a component: a part of it whenever a file comes.
//!
//! Owns: the calls of a component in the SDK's own types, and how much of the suite runs at admission.
//! The rules and their cases are the SDK's (`postern_sdk::conformance`). Nothing is sent and no secret is
//! used. Knows nothing of folders and grants.

use std::cell::RefCell;
use std::fmt;

use postern_sdk::conformance::{self, Finding};
use postern_sdk::vectors::{ProviderUnderTest, ResolverUnderTest};
use postern_sdk::{manifest, message, provider, reply, resolver, settings, verdict, wire};
use postern_wasm::manifest::Kind;
use postern_wasm::provider as told;
use postern_wasm::resolver as asked;
use postern_wasm::{Blame, Fault, Loaded, Manifest, PluginHandle, Plugins, Refusal, Stage, types};
use tokio::runtime::Handle;

pub use postern_sdk::conformance::Extent;

/// What runs when a file comes, besides its vectors. A plugin has to be live within a second of its coming:
/// across the worker these calls take some 30 ms, a fifth of what compiling takes, and each rule is met from
/// several sides.
pub const AT_ADMISSION: Extent = Extent::Steps(128);

/// Every rule of the suite but the vectors, each with the case in which the component breaks it. Everything
/// is made from the plugin's own vectors and settings: without a vector there is nothing to ask.
///
/// # Errors
/// `Stage::Host` if the host failed, so that nothing is known.
pub async fn findings(
    plugins: &Plugins,
    loaded: &Loaded,
    extent: Extent,
) -> Result<Vec<Finding>, Refusal> {
    if loaded.manifest.vectors.is_empty() {
        return Ok(Vec::new());
    }
    let manifest = as_the_sdk_reads_it(&loaded.manifest)?;
    let kind = loaded.manifest.kind;
    let (plugins, plugin, runtime) = (plugins.clone(), loaded.handle.clone(), Handle::current());
    // The suite waits for each answer: it has a thread for itself.
    let judged = tokio::task::spawn_blocking(move || {
        let component = Component::new(plugins, plugin, runtime);
        let findings = match kind {
            Kind::SmsProvider => conformance::provider_findings(&manifest, &component, extent),
            Kind::UserResolver => conformance::resolver_findings(&manifest, &component, extent),
        };
        match component.host_fault.into_inner() {
            None => Ok(findings),
            Some(fault) => Err(Refusal::new(Stage::Host, fault.to_string())),
        }
    });
    judged.await.unwrap_or_else(|error| {
        let stage = if error.is_panic() {
            Stage::SelfTest
        } else {
            Stage::Host
        };
        Err(Refusal::new(stage, "the suite does not come to an end"))
    })
}

/// Whether no rule is broken, as far as the suite runs at admission.
///
/// # Errors
/// `Stage::SelfTest` with the first case; `Stage::Host` if the host failed.
pub(crate) async fn hold(plugins: &Plugins, loaded: &Loaded) -> Result<(), Refusal> {
    for (rule, judged) in findings(plugins, loaded, AT_ADMISSION).await? {
        if let Err(case) = judged {
            let why = format!("the rule `{rule}` does not hold: {case}");
            return Err(Refusal::new(Stage::SelfTest, why));
        }
    }
    Ok(())
}

/// Host and SDK have their own types for one document.
fn as_the_sdk_reads_it(manifest: &Manifest) -> Result<manifest::Manifest, Refusal> {
    serde_json::to_value(manifest)
        .and_then(serde_json::from_value)
        .map_err(|error| Refusal::new(Stage::Manifest, format!("it is not in order: {error}")))
}

/// A component that is called as a plugin's functions are, from a thread that may wait.
pub struct Component {
    plugins: Plugins,
    plugin: PluginHandle,
    runtime: Handle,
    /// The first fault that was not the plugin's.
    host_fault: RefCell<Option<Fault>>,
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.plugin.fmt(f)
    }
}

impl Component {
    pub fn new(plugins: Plugins, plugin: PluginHandle, runtime: Handle) -> Self {
        Component {
            plugins,
            plugin,
            runtime,
            host_fault: RefCell::new(None),
        }
    }

    fn answer<T>(&self, call: impl Future<Output = Result<T, Fault>>) -> Result<T, String> {
        self.runtime.block_on(call).map_err(|fault| {
            let words = fault.to_string();
            if fault.blame() == Blame::Host {
                self.host_fault.borrow_mut().get_or_insert(fault);
            }
            words
        })
    }

    fn found_wrong(&self, settings: &settings::Settings) -> Result<Vec<wire::Problem>, String> {
        let problem = |problem: types::Problem| wire::Problem {
            setting: problem.setting,
            message: problem.message,
        };
        let problems = self.answer(self.plugins.check(&self.plugin, settings.pairs()))?;
        Ok(problems.into_iter().map(problem).collect())
    }
}

impl ProviderUnderTest for Component {
    fn step(
        &self,
        settings: &settings::Settings,
        message: &message::Message,
        event: &provider::Event,
        state: &[u8],
    ) -> Result<provider::Action, String> {
        let message = told_of(message);
        let event = happened(event);
        let (plugin, pairs) = (&self.plugin, settings.pairs());
        let step = self
            .plugins
            .provider_step(plugin, pairs, &message, &event, state);
        Ok(match self.answer(step)? {
            told::Action::Send(outgoing) => provider::Action::Send(provider::Outgoing {
                request: request(outgoing.request),
                state: outgoing.state,
            }),
            told::Action::Done(verdict) => provider::Action::Done(judged(verdict)),
        })
    }

    fn check(&self, settings: &settings::Settings) -> Result<Vec<wire::Problem>, String> {
        self.found_wrong(settings)
    }

    /// The edge judges every request when it leaves, within its bounds; the reference evaluator has none.
    fn judge_request(&self, _: &wire::Request) -> Result<(), String> {
        Ok(())
    }
}

impl ResolverUnderTest for Component {
    fn step(
        &self,
        settings: &settings::Settings,
        login: &resolver::FederatedLogin,
        event: &resolver::Event,
        state: &[u8],
    ) -> Result<resolver::Action, String> {
        let login = asked::FederatedLogin {
            identity_provider: login.identity_provider.clone(),
            subject: login.subject.clone(),
            subject_identifier: login.subject_identifier.clone(),
            attributes: login.attributes.clone(),
            tenant: login.tenant.clone(),
            extra: login.extra.clone(),
        };
        let account = |account: &resolver::Account| asked::Account {
            name: account.name.clone(),
            extra: account.extra.clone(),
        };
        let event = match event {
            resolver::Event::Start => asked::Event::Start,
            resolver::Event::Found(answers) => asked::Event::Found(
                answers
                    .iter()
                    .map(|answer| answer.as_ref().map(account))
                    .collect(),
            ),
        };
        let (plugin, pairs) = (&self.plugin, settings.pairs());
        let step = self
            .plugins
            .resolver_step(plugin, pairs, &login, &event, state);
        Ok(match self.answer(step)? {
            asked::Action::Lookup(lookup) => resolver::Action::Lookup(resolver::Lookup {
                queries: lookup.queries.into_iter().map(query).collect(),
                state: lookup.state,
            }),
            asked::Action::Done(resolution) => resolver::Action::Done(match resolution {
                asked::Resolution::Account(position) => resolver::Resolution::Account(position),
                asked::Resolution::NotFound => resolver::Resolution::NotFound,
                asked::Resolution::Refuse(why) => resolver::Resolution::Refuse(why),
            }),
        })
    }

    fn check(&self, settings: &settings::Settings) -> Result<Vec<wire::Problem>, String> {
        self.found_wrong(settings)
    }
}

fn told_of(message: &message::Message) -> told::Message {
    told::Message {
        id: message.id.clone(),
        country: message.country.clone(),
        calling_code: message.calling_code.clone(),
        number_type: message.number_type.clone(),
        encoding: message.encoding.clone(),
        segments: message.segments,
        validity: message.validity,
        attempt: message.attempt,
        locale: message.locale.clone(),
        purpose: message.purpose.clone(),
        kept: message.kept.clone(),
        extra: message.extra.clone(),
    }
}

fn happened(event: &provider::Event) -> told::Event {
    match event {
        provider::Event::Start => told::Event::Start,
        provider::Event::Reply(reply) => told::Event::Reply(answered(reply)),
        provider::Event::Failed(how) => told::Event::Failed(how.clone()),
        provider::Event::Feedback(entered) => told::Event::Feedback(*entered),
        provider::Event::Probe => told::Event::Probe,
        provider::Event::Poll(ids) => told::Event::Poll(ids.clone()),
    }
}

fn judged(verdict: told::Verdict) -> verdict::Verdict {
    match verdict {
        told::Verdict::Accepted(receipt) => verdict::Verdict::Accepted(verdict::Receipt {
            id: receipt.id,
            parts: receipt.parts,
            price: receipt.price,
            currency: receipt.currency,
            extra: receipt.extra,
        }),
        told::Verdict::Refused(refusal) => verdict::Verdict::Refused(verdict::Refusal {
            reason: verdict::Reason::from_name(&refusal.reason),
            retry_after: refusal.retry_after,
            detail: refusal.detail,
            extra: refusal.extra,
        }),
    }
}

/// As the host hands a reply over: text where it is UTF-8.
fn answered(reply: &reply::Reply) -> types::Reply {
    let body = match String::from_utf8(reply.body().to_vec()) {
        Ok(text) => types::TextOrBytes::Text(text),
        Err(error) => types::TextOrBytes::Bytes(error.into_bytes()),
    };
    types::Reply {
        status: reply.status,
        headers: reply.headers().to_vec(),
        body,
    }
}

fn request(request: types::Request) -> wire::Request {
    let keep = |keep: types::Keep| wire::Keep {
        name: keep.name,
        pointer: keep.pointer,
        lifetime_pointer: keep.lifetime_pointer,
        lifetime: keep.lifetime,
    };
    wire::Request {
        method: request.method,
        origin: request.origin,
        target: request.target,
        headers: request.headers,
        body: request.body,
        program: request.program.into_iter().map(operation).collect(),
        keep: request.keep.into_iter().map(keep).collect(),
        idempotent: request.idempotent,
        extra: request.extra,
    }
}

fn operation(op: types::Op) -> wire::Op {
    use wire::Op;
    match op {
        types::Op::Lit(text) => Op::Lit(text),
        types::Op::Bytes(bytes) => Op::Bytes(bytes),
        types::Op::Secret(name) => Op::Secret(name),
        types::Op::Kept(name) => Op::Kept(name),
        types::Op::Recipient(form) => Op::Recipient(form),
        types::Op::Text(part) => Op::Text(part),
        types::Op::Code => Op::Code,
        types::Op::ReceiptUrl => Op::ReceiptUrl,
        types::Op::Time(format) => Op::Time(format),
        types::Op::Nonce(format) => Op::Nonce(format),
        types::Op::Concat(parts) => Op::Concat(parts),
        types::Op::Charset((name, of)) => Op::Charset(name, of),
        types::Op::Escape((place, of)) => Op::Escape(place, of),
        types::Op::Encode((how, of)) => Op::Encode(how, of),
        types::Op::Digest((algorithm, of)) => Op::Digest(algorithm, of),
        types::Op::Hmac((algorithm, key, data)) => Op::Hmac(algorithm, key, data),
        types::Op::Sign((algorithm, secret, data)) => Op::Sign(algorithm, secret, data),
    }
}

fn query(query: asked::Query) -> resolver::Query {
    match query {
        asked::Query::Name(name) => resolver::Query::Name(name),
        asked::Query::Association(association) => resolver::Query::Association {
            identity_provider: association.identity_provider,
            subject: association.subject,
            domain: association.domain,
        },
    }
}
