//! A host in this process, on free loopback ports, with what the test wants to hold in its hand.

use crate::clock::TestClock;
use crate::phone::{Line, Phone};
use crate::{Api, Browser, Installation, Page, SeededEntropy, paths};
use anyhow::{Context, Result};
use postern_admin::Password;
use postern_admin::definitions::Definitions;
use postern_admin::tenants::TenantDocuments;
use postern_login::application::{Application, Offer};
use postern_login::begin::ClientFacts;
use postern_login::ports::{FederatedLogin, Scope};
use postern_login::{Origin, TenantId};
use postern_server::assemble::{Backing, Furniture};
use postern_server::config::Config;
use postern_server::desk::{Asked, Change, Reply, Request};
use postern_server::host::{Doors, Host};
use postern_wasm::WorkerCommand;
use sms_gateway::Gateway;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

/// Who takes the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// The stand-in gateway: the real Twilio and Nexmo plugins over real sockets.
    StandIn,
    /// The host's test outbox behind the plugin `fake`: messages as values, answers by script.
    Outbox,
}

/// What a test exchanges. The defaults: a store in memory, the stand-in gateway, plugins in a worker
/// process, the system's clock and randomness.
#[derive(Debug)]
pub struct Builder {
    provider: Provider,
    own: Option<(String, String)>,
    backing: Backing,
    clock: Option<TestClock>,
    seed: Option<u64>,
    in_process: bool,
    plugins: Vec<String>,
    sms_otp: String,
    more: String,
    ports: Option<[u16; 2]>,
    files: Vec<(String, String)>,
    whole: Option<fn(&str) -> String>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            provider: Provider::StandIn,
            own: None,
            backing: Backing::Memory,
            clock: None,
            seed: None,
            in_process: false,
            plugins: Vec::new(),
            sms_otp: String::new(),
            more: String::new(),
            ports: None,
            files: Vec::new(),
            whole: None,
        }
    }
}

impl Builder {
    pub fn provider(mut self, provider: Provider) -> Self {
        self.provider = provider;
        self
    }

    /// The test's own senders instead of a provider's: their sections, and their names in the order of
    /// fail-over. Their plugins are added by `plugin`.
    pub fn senders(mut self, sections: &str, order: &[&str]) -> Self {
        self.own = Some((sections.to_owned(), format!("senders = {order:?}")));
        self
    }

    /// A store on disk, in the installation's folder.
    pub fn durable(mut self) -> Self {
        self.backing = Backing::Sqlite;
        self
    }

    /// The host's time is the test's from now on.
    pub fn clock(mut self, clock: TestClock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// The same seed, the same codes.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Plugins in the test's own process: quicker to start, without the wall.
    pub fn in_process(mut self) -> Self {
        self.in_process = true;
        self
    }

    /// A further plugin of `target/plugins`.
    pub fn plugin(mut self, plugin: &str) -> Self {
        self.plugins.push(plugin.to_owned());
        self
    }

    /// Lines of `[sms_otp]`.
    pub fn sms_otp(mut self, lines: &str) -> Self {
        self.sms_otp.push_str(lines);
        self.sms_otp.push('\n');
        self
    }

    /// Further sections of the configuration.
    pub fn config(mut self, text: &str) -> Self {
        self.more.push_str(text);
        self.more.push('\n');
        self
    }

    /// At these ports (`ports::free_port`), so that another host can be told of them.
    pub fn ports(mut self, ports: [u16; 2]) -> Self {
        self.ports = Some(ports);
        self
    }

    /// A file that is in the installation's folder when the host starts.
    pub fn file(mut self, name: &str, text: &str) -> Self {
        self.files.push((name.to_owned(), text.to_owned()));
        self
    }

    /// Senders and `[sms_otp]` as the test has them, made from the stand-in provider's origin.
    pub fn whole(mut self, text: fn(&str) -> String) -> Self {
        self.whole = Some(text);
        self
    }

    /// Boxed: what makes a host is compiled here once, and not again into every module that starts one.
    pub fn start(self) -> Pin<Box<dyn Future<Output = Result<TestHost>>>> {
        Box::pin(self.started())
    }

    async fn started(self) -> Result<TestHost> {
        let (gateway, senders, mut plugins) = match self.provider {
            _ if self.own.is_some() => (None, String::new(), Vec::new()),
            Provider::StandIn => {
                let gateway = Gateway::default();
                let running = gateway.start(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
                let senders = stand_in_senders(&running.origin());
                (Some((gateway, running)), senders, vec!["twilio", "nexmo"])
            }
            Provider::Outbox => (None, OUTBOX.to_owned(), vec!["fake"]),
        };
        plugins.extend(self.plugins.iter().map(String::as_str));
        let names = match self.provider {
            Provider::StandIn => "senders = [\"twilio\", \"vonage\"]",
            Provider::Outbox => "senders = [\"outbox\"]",
        };
        let (senders, names) = match &self.own {
            Some((senders, names)) => (senders.clone(), names.as_str()),
            None => (senders, names),
        };
        let isolation = if self.in_process {
            "in-process"
        } else {
            "worker"
        };
        let origin = gateway.as_ref().map(|(_, running)| running.origin());
        let (before, step) = match (self.whole, origin) {
            (Some(whole), Some(origin)) => (String::new(), whole(&origin)),
            _ => (
                format!("{senders}\n[sms_otp]\n{names}\ndefault_region = \"US\"\n"),
                self.sms_otp,
            ),
        };
        let before = format!("[plugins]\nisolation = \"{isolation}\"\n\n{before}");
        let text = format!("{before}{step}\n{}", self.more);
        let installation = match self.ports {
            Some(ports) => Installation::lay_out_at(ports, &plugins, &text)?,
            None => Installation::lay_out(&plugins, &text)?,
        };
        for (name, text) in &self.files {
            installation.keep(name, text)?;
        }
        let config = Config::load(&installation.config())?;
        let real = Furniture::real()?;
        let furniture = Furniture {
            backing: self.backing,
            clock: match self.clock {
                Some(clock) => Arc::new(clock),
                None => real.clock,
            },
            entropy: match self.seed {
                Some(seed) => Arc::new(SeededEntropy::new(seed)),
                None => real.entropy,
            },
            worker: WorkerCommand {
                program: paths::postern()?,
                arguments: vec!["plugin-worker".into()],
            },
            metrics: real.metrics,
        };
        let doors = Doors::bind(&config).await?;
        let host = Host::start(&config, furniture, doors).await?;
        Ok(TestHost {
            host: Some(host),
            installation,
            gateway,
            around: (before, self.more),
        })
    }
}

/// Twilio and Vonage at the stand-in gateway, under the accounts it knows.
pub fn stand_in_senders(origin: &str) -> String {
    let accounts = sms_gateway::Accounts::default();
    format!(
        r#"[sender.twilio]
plugin   = "twilio"
settings = {{ account_sid = "{}", auth_token = "{}", from = "+15005550006", base_url = "{origin}" }}
allow    = ["{origin}"]
allow_private_networks = true

[sender.vonage]
plugin   = "nexmo"
settings = {{ api_key = "{}", api_secret = "{}", from = "Postern", base_url = "{origin}" }}
allow    = ["{origin}"]
allow_private_networks = true
"#,
        accounts.twilio_sid, accounts.twilio_token, accounts.vonage_key, accounts.vonage_secret
    )
}

const OUTBOX: &str = "[outbox]\nenabled = true\n\n[sender.outbox]\nplugin = \"fake\"\n";

/// A host that runs in this process. It stops when it is dropped, or in good order by `stop`.
#[derive(Debug)]
pub struct TestHost {
    host: Option<Host>,
    pub installation: Installation,
    gateway: Option<(Gateway, sms_gateway::Running)>,
    /// What stands before and after the lines of `[sms_otp]` that a test chooses.
    around: (String, String),
}

impl TestHost {
    /// With all defaults.
    pub async fn start() -> Result<Self> {
        Builder::default().start().await
    }

    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The parts, for what no browser and no API shows.
    pub fn host(&self) -> &Host {
        self.host
            .as_ref()
            .expect("only `stop` takes it, and that consumes the whole")
    }

    /// The stand-in gateway, unless the provider is the outbox.
    pub fn gateway(&self) -> &Gateway {
        &self
            .gateway
            .as_ref()
            .expect("this host has no stand-in gateway")
            .0
    }

    /// Where it listens.
    pub fn gateway_origin(&self) -> String {
        let gateway = self.gateway.as_ref();
        gateway
            .expect("this host has no stand-in gateway")
            .1
            .origin()
    }

    /// The test outbox, unless the provider is the stand-in gateway.
    pub fn outbox(&self) -> &postern_gateway::Outbox {
        self.host()
            .parts
            .outbox
            .as_ref()
            .expect("this host has no outbox")
    }

    pub fn origin(&self) -> String {
        self.installation.origin()
    }

    pub fn browser(&self) -> Browser {
        Browser::new(self.host().public, &self.origin())
    }

    pub fn phone(&self, number: &str) -> Phone {
        let line = match &self.gateway {
            Some((gateway, _)) => Line::Gateway(gateway.clone()),
            None => Line::Outbox(self.outbox().clone()),
        };
        Phone::new(number, line)
    }

    pub async fn add_user(&self, name: &str, password: &str, number: &str) -> Result<()> {
        let change = Change {
            number: Some(Some(number.to_owned())),
            password: Some(Password::new(password.to_owned())),
            ..Change::default()
        };
        let request = Request::UserAdd {
            name: name.to_owned(),
            change,
        };
        self.host().parts.desk.answer(request).await.map(drop)
    }

    /// Asks the desk, as `postern --tenant` does.
    pub async fn ask_of(&self, tenant: &str, request: Request) -> Result<Reply> {
        let tenant = TenantId::parse(tenant)?;
        let asked = Asked { tenant, request };
        self.host().parts.desk.answer_for(asked).await
    }

    pub async fn add_user_of(
        &self,
        tenant: &str,
        name: &str,
        password: &str,
        number: &str,
    ) -> Result<()> {
        let change = Change {
            number: Some(Some(number.to_owned())),
            password: Some(Password::new(password.to_owned())),
            ..Change::default()
        };
        let name = name.to_owned();
        let added = self.ask_of(tenant, Request::UserAdd { name, change });
        added.await.map(drop)
    }

    /// Writes a tenant's settings document beside the configuration, whole or not at all, and lets
    /// the host read it.
    pub async fn document(&self, tenant: &str, text: &str) -> Result<()> {
        self.installation.write_document(tenant, text)?;
        Ok(self.host().parts.tenants.reload().await?)
    }

    /// Lines of `[sms_otp]` in place of those before, read from the file as a reload reads them.
    /// Logins under way see them at their next act.
    pub async fn set_sms_otp(&self, lines: &str) -> Result<()> {
        let (before, after) = &self.around;
        self.installation
            .configure(&format!("{before}{lines}\n{after}"))?;
        let config = Config::load(&self.installation.config())?;
        let parts = &self.host().parts;
        parts.defined.follow(&config);
        Ok(parts.defined.apply().await?)
    }

    /// Changes what the directory knows of a person.
    pub async fn change_user(&self, name: &str, change: Change) -> Result<()> {
        let name = name.to_owned();
        let request = Request::UserSet { name, change };
        self.host().parts.desk.answer(request).await.map(drop)
    }

    /// Takes the first step as somebody an identity provider vouched for, in a login of its own that
    /// the browser is at from then on; the page that follows.
    pub async fn federated(&self, browser: &mut Browser, said: FederatedLogin) -> Result<Page> {
        let page = browser.open("/sign-in").await?;
        let (cookie, _) = browser
            .cookies()
            .iter()
            .find(|(name, _)| name.contains("postern-login-"))
            .with_context(|| format!("no login began: {}", page.text()))?;
        let cookie = cookie.clone();
        let client = ClientFacts {
            address: "127.0.0.1".to_owned(),
            user_agent: "postern-kit".to_owned(),
            locale: "en".to_owned(),
        };
        let mut application = Application::account_page();
        application.sequence.identity_providers.push(Offer {
            name: said.identity_provider.clone(),
            display_name: said.identity_provider.clone(),
        });
        let origin = Origin::Browser {
            return_to: "/account".to_owned(),
        };
        let logins = &self.host().parts.logins;
        let begun = logins.begin_for(application, origin, &client).await?;
        let moved = logins.federated(&begun.id, said, &client).await?;
        browser.set_cookie(&cookie, moved.id.as_str());
        browser.open("/sign-in").await
    }

    /// A person of the directory with what the test says of them.
    pub async fn add_person(&self, name: &str, password: &str, change: Change) -> Result<()> {
        let change = Change {
            password: Some(Password::new(password.to_owned())),
            ..change
        };
        let name = name.to_owned();
        let request = Request::UserAdd { name, change };
        self.host().parts.desk.answer(request).await.map(drop)
    }

    /// The number in a person's profile.
    pub async fn number_of(&self, name: &str) -> Result<Option<String>> {
        let accounts = &self.host().parts.stores.accounts;
        let user = accounts.get(&TenantId::super_tenant(), name).await?;
        Ok(user
            .with_context(|| format!("there is no `{name}`"))?
            .number)
    }

    /// Links a person to an account at an identity provider.
    pub async fn link(&self, name: &str, identity_provider: &str, subject: &str) -> Result<()> {
        let accounts = &self.host().parts.stores.accounts;
        let tenant = TenantId::super_tenant();
        let linked = accounts
            .link(&tenant, name, identity_provider, subject)
            .await?;
        anyhow::ensure!(linked, "`{name}` could not be linked");
        Ok(())
    }

    /// Lifts the locks of everybody, as an administrator does; whose they were.
    pub async fn unlock_all(&self) -> Result<Vec<String>> {
        match self
            .host()
            .parts
            .desk
            .answer(Request::UserUnlockAll)
            .await?
        {
            Reply::Unlocked(names) => Ok(names),
            other => anyhow::bail!("expected names, got {other:?}"),
        }
    }

    pub async fn backup_codes(&self, name: &str) -> Result<Vec<String>> {
        let request = Request::UserBackupCodes {
            name: name.to_owned(),
        };
        match self.host().parts.desk.answer(request).await? {
            Reply::BackupCodes(codes) => Ok(codes),
            other => anyhow::bail!("expected backup codes, got {other:?}"),
        }
    }

    /// A client of the JSON API with a token of its own.
    pub async fn api(&self, name: &str) -> Result<Api> {
        self.api_with(name, &Scope::UNNAMED).await
    }

    /// The same with other scopes.
    pub async fn api_with(&self, name: &str, scopes: &[Scope]) -> Result<Api> {
        let request = Request::ClientAdd {
            name: name.to_owned(),
            scopes: scopes.to_vec(),
        };
        let Reply::Token(token) = self.host().parts.desk.answer(request).await? else {
            anyhow::bail!("expected a token");
        };
        Ok(Api::new(self.host().public, &self.origin(), &token))
    }

    pub async fn stop(mut self) -> Result<()> {
        self.host
            .take()
            .context("the host has stopped already")?
            .stop()
            .await;
        Ok(())
    }
}
