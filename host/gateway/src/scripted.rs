//! Plugins, providers and directories written as closures, for this crate's tests.

#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use postern_egress::{Finished, Reason, Reply, SendFailure, Sent};
use postern_login::error::StoreError;
use postern_login::login::Purpose;
use postern_login::ports::{
    AccountRef, Association, Clock, Directory, DirectoryError, Entropy, FirstNumber, Message,
    PasswordCheck, Profile,
};
use postern_login::tenant::TenantId;
use postern_login::text::MessageText;
use postern_otp::{PhoneNumber, Timestamp};
use postern_wasm::manifest::{Manifest, Wording};
use postern_wasm::{Fault, FaultKind, Refusal, Stage, provider, resolver, types};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::conversation::Wire;
use crate::guest::{Admitted, Guest, Loader, Trial};
use crate::registry::{Bound, held};

pub(crate) const NUMBER: &str = "+94771234567";
pub(crate) const TEXT: &str = "Verification Code: 123456";
pub(crate) const CODE: &str = "123456";
pub(crate) const KEY: &str = "hunter2-hunter2";
pub(crate) const ORIGIN: &str = "https://api.sms.example";

/// What a plugin does, as a function of what it is given.
pub(crate) type Behaviour = dyn Fn(&provider::Message, &provider::Event, &[u8]) -> Result<provider::Action, Fault>
    + Send
    + Sync;

pub(crate) struct Scripted {
    pub(crate) behaviour: Arc<Behaviour>,
    pub(crate) resolve: fn(&resolver::Event) -> Result<resolver::Action, Fault>,
    pub(crate) problems: Vec<types::Problem>,
    pub(crate) healthy: bool,
}

impl std::fmt::Debug for Scripted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scripted")
    }
}

#[async_trait]
impl Guest for Scripted {
    async fn provider_step(
        &self,
        _: &[types::Pair],
        message: &provider::Message,
        event: &provider::Event,
        state: &[u8],
    ) -> Result<provider::Action, Fault> {
        tokio::task::yield_now().await;
        (self.behaviour)(message, event, state)
    }
    async fn resolver_step(
        &self,
        _: &[types::Pair],
        _: &resolver::FederatedLogin,
        event: &resolver::Event,
        _: &[u8],
    ) -> Result<resolver::Action, Fault> {
        (self.resolve)(event)
    }
    async fn check(&self, _: &[types::Pair]) -> Result<Vec<types::Problem>, Fault> {
        Ok(self.problems.clone())
    }
    fn grown(&self) -> u64 {
        0
    }
    async fn self_test(&self) -> Result<(), String> {
        self.healthy
            .then_some(())
            .ok_or_else(|| "a vector does not hold".into())
    }
}

pub(crate) fn trap() -> Fault {
    Fault {
        kind: FaultKind::Trap,
        detail: "unreachable".into(),
    }
}

pub(crate) fn manifest(id: &str, version: &str, origins: &[&str]) -> Manifest {
    let manifest = json!({
        "id": id, "version": version, "kind": "sms-provider", "origins": origins,
        "settings": [
            { "name": "from" },
            { "name": "key", "secret": true },
            { "name": "base_url", "kind": "url" },
        ],
        "origin_settings": ["base_url"],
    });
    serde_json::from_value(manifest).unwrap()
}

/// A request: a program, a target, a body.
pub(crate) fn request(program: Vec<types::Op>, body: Option<u16>) -> types::Request {
    let mut program = program;
    program.push(types::Op::Lit("/messages".into()));
    types::Request {
        method: "POST".into(),
        origin: ORIGIN.into(),
        target: u16::try_from(program.len() - 1).unwrap(),
        headers: Vec::new(),
        body: body.map(|at| ("text/plain".into(), at)),
        program,
        keep: Vec::new(),
        idempotent: false,
        extra: Vec::new(),
    }
}

/// The message in the body: number, blank, text.
pub(crate) fn message_request() -> types::Request {
    use types::Op;
    let program = vec![
        Op::Recipient("e164".into()),
        Op::Lit(" ".into()),
        Op::Text(0),
        Op::Concat(vec![0, 1, 2]),
    ];
    request(program, Some(3))
}

pub(crate) fn send(request: types::Request) -> Result<provider::Action, Fault> {
    Ok(provider::Action::Send(provider::Outgoing {
        request,
        state: Vec::new(),
    }))
}

pub(crate) fn accepted() -> Result<provider::Action, Fault> {
    Ok(provider::Action::Done(provider::Verdict::Accepted(
        provider::Receipt {
            id: Some("m-1".into()),
            parts: Some(1),
            price: None,
            currency: None,
            extra: Vec::new(),
        },
    )))
}

pub(crate) fn refused(reason: &str) -> Result<provider::Action, Fault> {
    Ok(provider::Action::Done(provider::Verdict::Refused(
        provider::Refusal {
            reason: reason.into(),
            retry_after: None,
            detail: "as it says".into(),
            extra: Vec::new(),
        },
    )))
}

/// The ordinary plugin: one message, 2xx is accepted, a failure is the provider's.
pub(crate) fn ordinary(
    _: &provider::Message,
    event: &provider::Event,
    _: &[u8],
) -> Result<provider::Action, Fault> {
    match event {
        provider::Event::Start => send(message_request()),
        provider::Event::Reply(reply) if reply.status < 300 => accepted(),
        provider::Event::Reply(reply) if reply.status == 400 => refused("invalid-recipient"),
        _ => refused("provider-down"),
    }
}

/// Loads "plugins" whose file is their manifest and the name of what they do, as JSON.
#[derive(Default)]
pub(crate) struct ScriptedLoader {
    /// What each file had to show.
    pub(crate) admissions: Mutex<Vec<Trial>>,
}

/// The bytes of such a file.
pub(crate) fn file(id: &str, version: &str, does: &str) -> Vec<u8> {
    asking(id, version, does, &[ORIGIN])
}

pub(crate) fn asking(id: &str, version: &str, does: &str, origins: &[&str]) -> Vec<u8> {
    let manifest = serde_json::to_value(manifest(id, version, origins)).unwrap();
    json!({ "does": does, "manifest": manifest })
        .to_string()
        .into_bytes()
}

#[async_trait]
impl Loader for ScriptedLoader {
    async fn admit(&self, bytes: Arc<[u8]>, trial: Trial) -> Result<Admitted, Refusal> {
        held(&self.admissions).push(trial);
        let refuse = |stage, reason: &str| Refusal {
            stage,
            reason: reason.into(),
        };
        let file: serde_json::Value = serde_json::from_slice(&bytes)
            .map_err(|_| refuse(Stage::Format, "the file is damaged or incomplete"))?;
        let mut manifest: Manifest = serde_json::from_value(file["manifest"].clone()).unwrap();
        let behaviour: Arc<Behaviour> = match file["does"].as_str().unwrap() {
            "trap" => Arc::new(|_, _, _| Err(trap())),
            "fails-vectors" => return Err(refuse(Stage::SelfTest, "the vector `a` does not hold")),
            "host-trouble" => return Err(refuse(Stage::Host, "the worker was ended")),
            "words-itself" => {
                manifest.wording = Wording::Provider;
                Arc::new(ordinary)
            }
            "opens-the-key" => {
                manifest
                    .settings
                    .iter_mut()
                    .for_each(|setting| setting.secret = false);
                Arc::new(ordinary)
            }
            _ => Arc::new(ordinary),
        };
        Ok(Admitted {
            guest: Arc::new(Scripted {
                behaviour,
                resolve: |_| Err(trap()),
                problems: match file["does"].as_str() {
                    Some("complains") => vec![types::Problem {
                        setting: "from".into(),
                        message: "at most 11 characters".into(),
                    }],
                    _ => Vec::new(),
                },
                healthy: file["does"] != "trap",
            }),
            manifest: Arc::new(manifest),
            sha256: Sha256::digest(&bytes).into(),
            size: bytes.len(),
        })
    }
}

/// What a provider answers.
#[derive(Debug, Clone)]
pub(crate) enum Answers {
    Status(u16, &'static str),
    Fails(Sent),
    /// The request's body comes back.
    Echo,
    /// 200, once it is told to.
    Waits(Arc<tokio::sync::Notify>),
    Never,
}

/// A provider that answers from a list, and then always the last; it keeps what it saw.
#[derive(Default)]
pub(crate) struct ScriptedWire {
    pub(crate) answers: Mutex<VecDeque<Answers>>,
    pub(crate) seen: Mutex<Vec<(String, Vec<u8>)>>,
    pub(crate) count: AtomicU64,
}

impl ScriptedWire {
    pub(crate) fn answering(answers: impl IntoIterator<Item = Answers>) -> Self {
        ScriptedWire {
            answers: Mutex::new(answers.into_iter().collect()),
            ..Self::default()
        }
    }
}

#[async_trait]
impl Wire for ScriptedWire {
    async fn send(&self, _: &Bound, finished: &Finished, _: Instant) -> Result<Reply, SendFailure> {
        tokio::task::yield_now().await;
        self.count.fetch_add(1, Ordering::Relaxed);
        let answer = {
            let mut answers = held(&self.answers);
            match answers.len() {
                0 => Answers::Status(200, "{}"),
                1 => answers[0].clone(),
                _ => answers.pop_front().unwrap(),
            }
        };
        if !matches!(answer, Answers::Fails(Sent::Nothing)) {
            held(&self.seen).push((
                format!(
                    "{} {}{}",
                    finished.method(),
                    finished.origin(),
                    finished.uri()
                ),
                finished.body().to_vec(),
            ));
        }
        match answer {
            Answers::Status(status, body) => Ok(Reply::clean(
                finished,
                status,
                &http::HeaderMap::new(),
                body.into(),
            )),
            Answers::Echo => Ok(Reply::clean(
                finished,
                200,
                &http::HeaderMap::new(),
                finished.body().clone(),
            )),
            Answers::Fails(sent) => Err(SendFailure {
                reason: Reason::Connect,
                sent,
                detail: "scripted".into(),
            }),
            Answers::Waits(told) => {
                told.notified().await;
                Ok(Reply::clean(
                    finished,
                    200,
                    &http::HeaderMap::new(),
                    "{}".into(),
                ))
            }
            Answers::Never => std::future::pending().await,
        }
    }
}

pub(crate) struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp(1_769_903_999_000)
    }
}

pub(crate) struct Zeros;

impl Entropy for Zeros {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), StoreError> {
        bytes.fill(0);
        Ok(())
    }
}

pub(crate) fn message() -> Message {
    Message {
        id: "m1".into(),
        tenant: TenantId::super_tenant(),
        to: PhoneNumber::parse(NUMBER, None).unwrap(),
        text: MessageText::measured(TEXT.into()).unwrap(),
        without_line: None,
        code: None,
        validity: Duration::from_secs(300),
        attempt: 1,
        locale: "en".into(),
        purpose: Purpose::Login,
        extra: Vec::new(),
    }
}

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// A directory that knows some names, each in one tenant.
#[derive(Default)]
pub(crate) struct Names {
    pub(crate) known: Vec<(&'static str, &'static str)>,
    pub(crate) broken: bool,
    /// It never answers.
    pub(crate) silent: bool,
    pub(crate) asked: Mutex<Vec<(String, String)>>,
}

#[async_trait]
impl Directory for Names {
    async fn check_password(
        &self,
        _: &TenantId,
        _: &str,
        _: &str,
    ) -> Result<PasswordCheck, DirectoryError> {
        unreachable!()
    }
    async fn find(
        &self,
        tenant: &TenantId,
        name: &str,
    ) -> Result<Option<AccountRef>, DirectoryError> {
        if self.silent {
            std::future::pending::<()>().await;
        }
        if self.broken {
            return Err(StoreError::new("the store is down").into());
        }
        held(&self.asked).push((tenant.as_str().into(), name.into()));
        Ok(self
            .known
            .iter()
            .any(|known| *known == (tenant.as_str(), name))
            .then(|| AccountRef { name: name.into() }))
    }
    async fn find_association(
        &self,
        tenant: &TenantId,
        _: &str,
        subject: &str,
        _: &str,
    ) -> Result<Option<AccountRef>, DirectoryError> {
        self.find(tenant, subject).await
    }
    async fn profile(&self, _: &TenantId, _: &AccountRef) -> Result<Profile, DirectoryError> {
        unreachable!()
    }
    async fn save_first_number(
        &self,
        _: &TenantId,
        _: &AccountRef,
        _: &PhoneNumber,
    ) -> Result<FirstNumber, DirectoryError> {
        Err(DirectoryError::ReadOnly)
    }
    async fn save_number(
        &self,
        _: &TenantId,
        _: &AccountRef,
        _: &PhoneNumber,
    ) -> Result<(), DirectoryError> {
        unreachable!()
    }
    async fn save_opt_out(
        &self,
        _: &TenantId,
        _: &AccountRef,
        _: bool,
    ) -> Result<(), DirectoryError> {
        unreachable!()
    }
    async fn associations(
        &self,
        _: &TenantId,
        _: &AccountRef,
    ) -> Result<Vec<Association>, DirectoryError> {
        unreachable!()
    }
    async fn remove_association(
        &self,
        _: &TenantId,
        _: &AccountRef,
        _: &Association,
    ) -> Result<bool, DirectoryError> {
        unreachable!()
    }
    async fn set_password(
        &self,
        _: &TenantId,
        _: &AccountRef,
        _: &str,
    ) -> Result<(), DirectoryError> {
        unreachable!()
    }
}
