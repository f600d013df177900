//! The suite every plugin passes natively, run once more against the components that are shipped: what
//! a plugin promises must hold behind the boundary as well, where memory, time and panics are others.

use crate::manifests::document;
use postern_kit::{anyhow::Result, paths};
use postern_sdk::vectors::{ProviderUnderTest, ResolverUnderTest};
use postern_sdk::{conformance, message, provider, reply, resolver, settings, verdict, wire};
use postern_wasm::manifest::Kind;
use postern_wasm::{Isolation, Limits, Loaded, PluginHandle, Plugins, Setup, types};
use postern_wasm::{provider as told, resolver as asked};
use std::cell::RefCell;
use std::sync::Arc;
use tokio::runtime::{Handle, Runtime};

/// A component that is called as the native functions are.
#[derive(Clone)]
struct Component {
    plugins: Plugins,
    plugin: PluginHandle,
    runtime: Handle,
}

thread_local! {
    /// The suite takes plain functions, which hold nothing: each plugin has a thread.
    static COMPONENT: RefCell<Option<Component>> = const { RefCell::new(None) };
}

fn component() -> Component {
    let component = COMPONENT.with_borrow(Clone::clone);
    component.expect("the thread was given its component first")
}

/// Every rule of the suite for every shipped component. Only which settings the code asks for cannot be
/// seen from outside.
#[test]
fn every_shipped_component_passes_the_suite_its_code_passes_natively() -> Result<()> {
    let runtime = Runtime::new()?;
    let plugins = runtime.block_on(Plugins::start(Setup {
        isolation: Isolation::InProcess,
        limits: Limits::default(),
        cache: None,
    }))?;
    let mut threads = Vec::new();
    for entry in std::fs::read_dir(paths::plugins()?)? {
        let file = entry?.path();
        if file.extension().is_none_or(|found| found != "wasm") {
            continue;
        }
        let name = file.display().to_string();
        let bytes: Arc<[u8]> = std::fs::read(&file)?.into();
        let loaded = runtime.block_on(plugins.admit(Arc::clone(&bytes)))?;
        let component = Component {
            plugins: plugins.clone(),
            plugin: loaded.handle.clone(),
            runtime: runtime.handle().clone(),
        };
        let suite = std::thread::Builder::new()
            .name(name.clone())
            .spawn(move || pass(component, &loaded, &document(&bytes)))?;
        threads.push((name, suite));
    }
    assert!(threads.len() >= 11, "the ten plugins and the testers' one");
    let failed: Vec<String> = threads
        .into_iter()
        .filter_map(|(name, suite)| suite.join().is_err().then_some(name))
        .collect();
    assert_eq!(failed, Vec::<String>::new(), "each said why above");
    Ok(())
}

fn pass(component: Component, loaded: &Loaded, manifest: &str) {
    COMPONENT.set(Some(component));
    match loaded.manifest.kind {
        Kind::SmsProvider => {
            let plugin = ProviderUnderTest {
                step: provider_step,
                check,
            };
            conformance::provider_vectors(manifest, plugin);
            assert_eq!(loaded.handle.grown(), 0, "its arena is too small");
            conformance::provider_hostile_settings(manifest, plugin);
            conformance::provider_hostile_replies(manifest, plugin);
            conformance::provider_same_answer(manifest, plugin);
            conformance::provider_manifest(manifest, plugin);
        }
        Kind::UserResolver => {
            let plugin = ResolverUnderTest {
                step: resolver_step,
                check,
            };
            conformance::resolver_vectors(manifest, plugin);
            assert_eq!(loaded.handle.grown(), 0, "its arena is too small");
            conformance::resolver_hostile(manifest, plugin);
        }
    }
}

fn check(settings: &settings::Settings) -> Vec<wire::Problem> {
    let component = component();
    let checked = component.plugins.check(&component.plugin, settings.pairs());
    let problems = component
        .runtime
        .block_on(checked)
        .unwrap_or_else(|fault| panic!("check with {:?}: {fault}", settings.pairs()));
    let problem = |problem: types::Problem| wire::Problem {
        setting: problem.setting,
        message: problem.message,
    };
    problems.into_iter().map(problem).collect()
}

fn provider_step(
    settings: &settings::Settings,
    message: &message::Message,
    event: &provider::Event,
    state: &[u8],
) -> provider::Action {
    let component = component();
    let message = told::Message {
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
    };
    let event = match event {
        provider::Event::Start => told::Event::Start,
        provider::Event::Reply(reply) => told::Event::Reply(answered(reply)),
        provider::Event::Failed(how) => told::Event::Failed(how.clone()),
        provider::Event::Feedback(entered) => told::Event::Feedback(*entered),
        provider::Event::Probe => told::Event::Probe,
        provider::Event::Poll(ids) => told::Event::Poll(ids.clone()),
    };
    let pairs = settings.pairs();
    let step = component
        .plugins
        .provider_step(&component.plugin, pairs, &message, &event, state);
    let action = component
        .runtime
        .block_on(step)
        .unwrap_or_else(|fault| panic!("a step with {pairs:?}: {fault}"));
    match action {
        told::Action::Send(outgoing) => provider::Action::Send(provider::Outgoing {
            request: request(outgoing.request),
            state: outgoing.state,
        }),
        told::Action::Done(told::Verdict::Accepted(receipt)) => {
            provider::Action::Done(verdict::Verdict::Accepted(verdict::Receipt {
                id: receipt.id,
                parts: receipt.parts,
                price: receipt.price,
                currency: receipt.currency,
                extra: receipt.extra,
            }))
        }
        told::Action::Done(told::Verdict::Refused(refusal)) => {
            provider::Action::Done(verdict::Verdict::Refused(verdict::Refusal {
                reason: verdict::Reason::from_name(&refusal.reason),
                retry_after: refusal.retry_after,
                detail: refusal.detail,
                extra: refusal.extra,
            }))
        }
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

fn resolver_step(
    settings: &settings::Settings,
    login: &resolver::FederatedLogin,
    event: &resolver::Event,
    state: &[u8],
) -> resolver::Action {
    let component = component();
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
    let pairs = settings.pairs();
    let step = component
        .plugins
        .resolver_step(&component.plugin, pairs, &login, &event, state);
    let action = component
        .runtime
        .block_on(step)
        .unwrap_or_else(|fault| panic!("a step with {pairs:?}: {fault}"));
    match action {
        asked::Action::Lookup(lookup) => resolver::Action::Lookup(resolver::Lookup {
            queries: lookup.queries.into_iter().map(query).collect(),
            state: lookup.state,
        }),
        asked::Action::Done(resolution) => resolver::Action::Done(match resolution {
            asked::Resolution::Account(position) => resolver::Resolution::Account(position),
            asked::Resolution::NotFound => resolver::Resolution::NotFound,
            asked::Resolution::Refuse(why) => resolver::Resolution::Refuse(why),
        }),
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
