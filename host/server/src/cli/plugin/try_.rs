//! `postern plugin try`: one message through one plugin, without a host. By default nothing is sent
//! and the request is shown with stand-ins; with `--send` it really goes out.

use super::super::store::runtime;
use super::output;
use crate::assemble::shipped;
use crate::clock::SystemClock;
use crate::entropy::SystemEntropy;
use anyhow::{Context, bail};
use postern_egress::Client;
use postern_egress::SystemResolver;
use postern_egress::address::Private;
use postern_gateway::{Gateway, HealthPolicy, Rehearsal, SenderConfig};
use postern_login::TenantId;
use postern_login::login::Purpose;
use postern_login::ports::{Clock, Delivery, Message};
use postern_login::text::{Encoding, MessageText};
use postern_otp::{Alphabet, Code, CodeFormat, PhoneNumber};
use postern_store::directory::Local;
use postern_store::memory::Memory;
use postern_wasm::manifest::Kind;
use postern_wasm::vectors::{Evaluate, StandIns};
use postern_wasm::{Loaded, Plugins, provider, types};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

const VALIDITY: Duration = Duration::from_secs(300);
const PATIENCE: Duration = Duration::from_secs(20);
const SENDER: &str = "try";

#[derive(Debug, clap::Args)]
pub(in super::super) struct Try {
    file: PathBuf,
    /// A setting of the sender; may be given more than once.
    #[arg(
        long = "setting",
        visible_alias = "settings",
        value_name = "NAME=VALUE"
    )]
    settings: Vec<String>,
    /// A secret of the sender. Arguments can be read by others on this machine: use test credentials,
    /// or NAME=@FILE.
    #[arg(long = "secret", value_name = "NAME=VALUE")]
    secrets: Vec<String>,
    /// The number the message goes to.
    #[arg(long, default_value = "+12025550123")]
    to: String,
    /// The message.
    #[arg(long, default_value = "Your code is 123456.")]
    text: String,
    /// The bare code, for providers that word the message themselves.
    #[arg(long, default_value = "123456")]
    code: String,
    /// Really send it, and show the requests and the verdict.
    #[arg(long)]
    send: bool,
    /// With --send: an origin the plugin may reach, beside its own if it is a shipped one.
    #[arg(long, requires = "send")]
    allow: Vec<String>,
    /// With --send: loopback and private addresses may be reached.
    #[arg(long, requires = "send")]
    allow_private_networks: bool,
}

pub(super) fn run(arguments: Try) -> anyhow::Result<()> {
    let bytes = super::read(&arguments.file)?;
    let settings = pairs(&arguments.settings, "--setting")?;
    let secrets = pairs(&arguments.secrets, "--secret")?;
    let to = PhoneNumber::parse(&arguments.to, None)
        .with_context(|| format!("--to `{}`", arguments.to))?;
    let text =
        MessageText::measured(arguments.text.clone()).context("--text is too long for ten SMS")?;
    runtime()?.block_on(async {
        let (plugins, loaded) = super::admitted(&bytes, &arguments.file).await?;
        if loaded.manifest.kind != Kind::SmsProvider {
            bail!(
                "`{}` is a {}: only an sms-provider has a message to try; `postern plugin test` runs the vectors of either",
                arguments.file.display(),
                loaded.manifest.kind.as_str()
            );
        }
        if arguments.send {
            send(
                &arguments, &bytes, plugins, &loaded, settings, secrets, to, text,
            )
            .await
        } else {
            show(&arguments, &plugins, &loaded, &settings, &to, &text).await
        }
    })
}

fn pairs(given: &[String], flag: &str) -> anyhow::Result<Vec<(String, String)>> {
    given
        .iter()
        .map(|pair| {
            let (name, value) = pair
                .split_once('=')
                .with_context(|| format!("{flag} `{pair}`: expected NAME=VALUE"))?;
            let value = match value.strip_prefix('@') {
                Some(file) => {
                    let text = std::fs::read_to_string(file)
                        .with_context(|| format!("{flag} {name}: cannot read `{file}`"))?;
                    text.trim_end_matches(['\r', '\n']).to_owned()
                }
                None => value.to_owned(),
            };
            Ok((name.to_owned(), value))
        })
        .collect()
}

/// The plugin's first request, worked out as the edge would, nothing sent.
async fn show(
    arguments: &Try,
    plugins: &Plugins,
    loaded: &Loaded,
    settings: &[types::Pair],
    to: &PhoneNumber,
    text: &MessageText,
) -> anyhow::Result<()> {
    for problem in plugins.check(&loaded.handle, settings).await? {
        output::aside(format!("setting {}: {}", problem.setting, problem.message));
    }
    let message = provider::Message {
        id: "try0000000000000000000000000000".into(),
        country: to.country().into(),
        calling_code: to.calling_code().into(),
        number_type: "mobile".into(),
        encoding: match text.encoding {
            Encoding::Gsm7 => "gsm-7",
            Encoding::Ucs2 => "ucs-2",
        }
        .into(),
        segments: text.segments,
        validity: VALIDITY.as_secs() as u32,
        attempt: 1,
        locale: "en".into(),
        purpose: "login".into(),
        kept: Vec::new(),
        extra: Vec::new(),
    };
    let action = plugins
        .provider_step(
            &loaded.handle,
            settings,
            &message,
            &provider::Event::Start,
            &[],
        )
        .await?;
    let outgoing = match action {
        provider::Action::Send(outgoing) => outgoing,
        provider::Action::Done(provider::Verdict::Refused(refusal)) => {
            bail!(
                "the plugin refuses before it asks for anything: {}: {}",
                refusal.reason,
                refusal.detail
            )
        }
        provider::Action::Done(provider::Verdict::Accepted(_)) => {
            bail!("the plugin says accepted without a request")
        }
    };
    let stand_ins = StandIns {
        recipient: to.e164().into(),
        calling_code: to.calling_code().into(),
        text: arguments.text.clone(),
        code: arguments.code.clone(),
        receipt_url: String::new(),
    };
    let request = Rehearsal
        .evaluate(&outgoing.request, &stand_ins)
        .map_err(|reason| anyhow::anyhow!("a host would not send this request: {reason}"))?;
    output::line(format!("{} {}", outgoing.request.method, request.url));
    for (name, value) in &request.headers {
        output::line(format!("{name}: {value}"));
    }
    if let Some(body) = &request.body {
        output::line("");
        output::line(String::from_utf8_lossy(body));
    }
    output::aside("\nNothing was sent. Secrets show as secret-NAME; --send sends it.");
    Ok(())
}

/// The whole conversation, for real, in a gateway of its own.
#[allow(
    clippy::too_many_arguments,
    reason = "each is one thing the command line said"
)]
async fn send(
    arguments: &Try,
    bytes: &[u8],
    plugins: Plugins,
    loaded: &Loaded,
    settings: Vec<(String, String)>,
    secrets: Vec<(String, String)>,
    to: PhoneNumber,
    text: MessageText,
) -> anyhow::Result<()> {
    let folder = Folder::make()?;
    std::fs::write(folder.0.join("try.wasm"), bytes)?;
    let tenant = TenantId::super_tenant();
    let store = Memory::new();
    let hashing = store.hashing();
    let gateway = Gateway::new(postern_gateway::Setup {
        folder: folder.0.clone(),
        last_good: None,
        plugins,
        health: HealthPolicy::default(),
        client: Client::new(postern_egress::Limits::default(), Arc::new(SystemResolver)),
        directory: Arc::new(Local::new(store, hashing)),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        shipped: shipped(),
        outbox: None,
        kept: None,
    });
    gateway.reconcile().await;
    let problems = gateway
        .configure(vec![SenderConfig {
            name: SENDER.into(),
            tenant: tenant.clone(),
            plugin: loaded.manifest.id.clone(),
            settings,
            secrets: secrets
                .into_iter()
                .map(|(name, value)| (name, Zeroizing::new(value)))
                .collect(),
            allow: arguments.allow.clone(),
            private: Private {
                networks: arguments.allow_private_networks,
                listed: Vec::new(),
            },
            ca_pems: Vec::new(),
            expected_sha256: None,
        }])
        .await;
    if !problems.is_empty() {
        let words: Vec<_> = problems.iter().map(ToString::to_string).collect();
        bail!("{}", words.join("\n       "));
    }
    let format = CodeFormat {
        length: u8::try_from(arguments.code.len()).unwrap_or(6),
        alphabet: Alphabet::Digits,
    };
    let message = Message {
        id: format!("try{}", SystemClock.now().0),
        tenant,
        to,
        text,
        without_line: None,
        code: Code::parse(format, &arguments.code),
        validity: VALIDITY,
        attempt: 1,
        locale: "en".into(),
        purpose: Purpose::Login,
        extra: Vec::new(),
    };
    let report = gateway
        .test_message(SENDER, &message, Instant::now() + PATIENCE)
        .await;
    for shown in &report.requests {
        output::line(format!("{} {}", shown.method, shown.url));
        for (name, value) in &shown.headers {
            output::line(format!("{name}: {value}"));
        }
        output::line(format!("\n{}\n", shown.body));
    }
    match report.delivery {
        Delivery::Accepted { provider_id, parts } => {
            let id = provider_id
                .map(|id| format!(", id {id}"))
                .unwrap_or_default();
            let parts = parts
                .map(|parts| format!(", {parts} part(s)"))
                .unwrap_or_default();
            output::line(format!("accepted{id}{parts}"));
            Ok(())
        }
        Delivery::Failed(failure) => {
            bail!("not accepted: {:?}: {}", failure.reason, failure.detail)
        }
    }
}

/// A folder of this command's own, gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn make() -> anyhow::Result<Self> {
        let name = format!("postern-try-{}", hex::encode(&crate::entropy::key()?[..8]));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).with_context(|| format!("cannot make `{}`", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
