//! The configuration: one TOML file (and `senders/*.toml` beside it) becomes a checked [`Config`] or
//! the list of ALL its problems, each with its key and what was expected there.
//!
//! Owns: names, defaults and bounds of what an operator may set. Contains no rule of a login: it
//! fills in the types the other crates define. Unknown keys are refused, because a misspelt
//! protection is no protection.

mod audit;
mod credential;
pub(crate) mod defined;
mod identity_provider;
mod limits;
mod log;
mod network;
mod outbox;
mod plugins;
mod problems;
pub(crate) mod provisioning;
pub mod reference;
mod relying_party;
pub(crate) mod restart;
mod saml;
mod secret;
mod section;
mod sender;
mod server;
mod sign_in;
mod sms_otp;
mod tenant;
mod tls;
mod user_store;
mod written;

pub(crate) use credential::{holds_a_credential, names_a_secret};
pub use limits::Limits;
pub use log::{Log, LogFormat};
pub use outbox::Outbox;
pub use plugins::{Isolation, Plugins};
pub use problems::{ConfigError, Problem, Warning};
pub use secret::Surroundings;
pub use sender::{Sender, Setting};
pub use server::Server;
pub(crate) use sms_otp::check_own_page;
pub use sms_otp::{Entry, SmsOtp};
pub use tenant::TenantDocument;
pub(crate) use tenant::hide_secrets;
pub use tls::Tls;
pub use user_store::{PRIMARY, UserStore, UserStores};
pub(crate) use written::{SMS_OTP_ENTRY, Value, Written};

use postern_federation::Entries;
use postern_federation::scim::outbound::Connector;
use postern_web::scim::Inbound;
use problems::Findings;
use section::Section;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A file larger than this is not a configuration.
pub(crate) const FILE_BYTES_MAX: u64 = 1 << 20;

/// Everything the operator decided, checked.
#[derive(Debug, Clone)]
pub struct Config {
    pub server: Server,
    pub tls: Option<Tls>,
    pub plugins: Plugins,
    /// By name.
    pub senders: BTreeMap<String, Sender>,
    pub sms_otp: SmsOtp,
    /// Identity providers, applications, and how people begin who come by themselves.
    pub federation: Entries,
    /// What we call ourselves in SAML; `None` for the address of our metadata.
    pub saml_entity_id: Option<String>,
    /// Into which user store others put users.
    pub inbound: Option<Inbound>,
    /// The peers that are told of ours.
    pub connectors: Vec<Connector>,
    pub user_stores: UserStores,
    pub limits: Limits,
    /// The test outbox; absent in every real installation.
    pub outbox: Option<Outbox>,
    pub log: Log,
    /// How long the audit log is kept; `None`: for ever.
    pub audit_kept_for: Option<std::time::Duration>,
    /// What is allowed and yet unwise.
    pub warnings: Vec<Warning>,
    /// The files it was read from, for whoever watches them.
    pub files: Vec<PathBuf>,
    /// Where tenants have theirs, one file each.
    pub tenants_folder: PathBuf,
    /// What the console lists of it, as it stands there.
    pub(crate) written: Written,
}

impl Config {
    /// Reads and checks the file at `path`, with environment and files as they are now.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::load_in(path, &Surroundings::real())
    }

    /// As [`Config::load`], in surroundings of the caller's choice.
    pub fn load_in(path: &Path, surroundings: &Surroundings) -> Result<Self, ConfigError> {
        let text = surroundings
            .read(path, FILE_BYTES_MAX)
            .map_err(|reason| ConfigError::unreadable(path, reason))?;
        let base = path.parent().unwrap_or(Path::new("")).to_owned();
        let files = sender::files_beside(&base, surroundings)
            .map_err(|reason| ConfigError::unreadable(&base.join(sender::FOLDER), reason))?;
        Self::read(path, &text, files, &base, surroundings)
    }

    fn read(
        path: &Path,
        text: &str,
        sender_files: Vec<(PathBuf, String)>,
        base: &Path,
        surroundings: &Surroundings,
    ) -> Result<Self, ConfigError> {
        let table: toml::Table =
            toml::from_str(text).map_err(|error| ConfigError::syntax(path, &error))?;
        let mut written = Written::of(path, &table);
        let mut findings = Findings::default();
        let mut root = Section::root(table, &mut findings);

        let server = Server::read(root.table("server"), base, surroundings);
        let tls = root.optional_table("tls").map(|tls| Tls::read(tls, base));
        let plugins = Plugins::read(root.table("plugins"), base);
        let log = Log::read(root.table("log"));
        let audit_kept_for = audit::read(root.table("audit"));
        let limits = Limits::read(root.table("limits"));
        let sms_otp = SmsOtp::read(root.table("sms_otp"), &server, &limits);
        let user_stores = UserStores::read(
            root.table("user_store"),
            &sms_otp.user_stores,
            base,
            surroundings,
        );
        let outbox = root.optional_table("outbox").and_then(Outbox::read);
        let mut senders = sender::read_all(root.table("sender"), base, surroundings);
        let saml_entity_id = saml::read(root.table("saml"));
        let inbound = root.optional_table("scim").map(provisioning::read_inbound);
        let connectors = provisioning::read_all(root.table("provisioning"), base, surroundings);
        let federation = entries(&mut root, base, surroundings);
        root.finish();
        for problem in federation.check() {
            findings.problem(&problem.key, problem.message);
        }

        let mut files = vec![path.to_owned()];
        for (file, text) in sender_files {
            sender::read_file(
                &file,
                &text,
                &mut senders,
                base,
                surroundings,
                &mut findings,
            );
            written.add_sender(&file, &text);
            files.push(file);
        }
        entries_named(&federation, &sms_otp, &mut findings);
        account_attribute_named(&federation, &sms_otp, &mut findings);
        for message in inbound
            .iter()
            .flat_map(|inbound| provisioning::unknown_stores(inbound, &user_stores))
        {
            findings.problem("scim.user_store", message);
        }
        for connector in &connectors {
            if let Some(message) = provisioning::unknown_provider(connector, &federation) {
                let key = format!("provisioning.{}.identity_provider", connector.name);
                findings.problem(&key, message);
            }
        }
        for connector in &connectors {
            if let Some(domain) = &connector.user_store_domain
                && !user_stores.stores.is_empty()
            {
                findings.warning(
                    &format!("provisioning.{}.user_store_domain", connector.name),
                    format!("the users of every store go by `{domain}/` to this peer: of two with the same name it gets one, and the other one waits with its reason"),
                );
            }
        }
        together(
            &server,
            tls.as_ref(),
            &plugins,
            &senders,
            &sms_otp,
            outbox.as_ref(),
            &mut findings,
        );

        let Findings { problems, warnings } = findings;
        let config = Self {
            server,
            tls: tls.flatten(),
            plugins,
            senders,
            sms_otp,
            federation,
            saml_entity_id,
            inbound,
            connectors,
            user_stores,
            limits,
            outbox,
            log,
            audit_kept_for,
            warnings,
            files,
            tenants_folder: base.join(tenant::FOLDER),
            written,
        };
        if problems.is_empty() {
            return Ok(config);
        }
        Err(ConfigError::Wrong {
            file: path.to_owned(),
            problems,
            warnings: config.warnings.clone(),
            rest: Box::new(config),
        })
    }
}

/// What only shows when sections are looked at side by side.
fn together(
    server: &Server,
    tls: Option<&Option<Tls>>,
    plugins: &Plugins,
    senders: &BTreeMap<String, Sender>,
    sms_otp: &SmsOtp,
    outbox: Option<&Outbox>,
    findings: &mut Findings,
) {
    senders_named(senders, sms_otp, findings);
    senders_and_outbox(senders, outbox.is_some(), findings);
    if outbox.is_some() {
        findings.warning(
            "outbox",
            "the test outbox is on: finished messages are kept in memory and no SMS is sent",
        );
    }
    let behind_proxy = !server.trusted_proxies.is_empty();
    if server.public_url.starts_with("https:") && tls.is_none() && !behind_proxy {
        findings.warning(
            "server.public_url",
            "it says https, but there is neither a `[tls]` section nor `server.trusted_proxies`: browsers will only get through if something in front ends TLS",
        );
    }
    if !server.listen.ip().is_loopback() && tls.is_none() && !behind_proxy {
        findings.warning(
            "server.listen",
            "listens beyond this machine without TLS: passwords and codes are readable on the way",
        );
    }
    if plugins.isolation == Isolation::InProcess {
        findings.warning(
            "plugins.isolation",
            "plugins run inside the host process: a sandbox escape would find every secret; `worker` is the safe choice",
        );
    }
}

/// Every sender in an order of fail-over is one of those there are.
fn senders_named(senders: &BTreeMap<String, Sender>, sms_otp: &SmsOtp, findings: &mut Findings) {
    let known: Vec<_> = senders.keys().map(String::as_str).collect();
    let known = match known.is_empty() {
        true => "none".to_owned(),
        false => known.join(", "),
    };
    let mut named = |key: String, names: &[String]| {
        for name in names.iter().filter(|name| !senders.contains_key(*name)) {
            findings.problem(
                &key,
                format!("there is no sender `{name}`: expected names of `[sender.NAME]` sections (there are: {known})"),
            );
        }
    };
    named("sms_otp.senders".to_owned(), &sms_otp.step.senders);
    for (name, entry) in &sms_otp.entries {
        let key = format!("sms_otp.identity_provider.{name}.senders");
        named(key, entry.says.senders.as_deref().unwrap_or_default());
    }
}

/// Whom people come from and whom they go to: of the file, or of a tenant's document.
fn entries(root: &mut Section<'_>, base: &Path, surroundings: &Surroundings) -> Entries {
    Entries {
        own_sign_in: sign_in::read(root.table("sign_in")),
        identity_providers: identity_provider::read_all(
            root.table("identity_provider"),
            base,
            surroundings,
        ),
        relying_parties: relying_party::read_all(root.table("relying_party"), base, surroundings),
    }
}

/// Every SMSOTP entry that an application names is one of those there are, and is enabled.
fn entries_named(federation: &Entries, sms_otp: &SmsOtp, findings: &mut Findings) {
    for party in &federation.relying_parties {
        let Some(entry) = &party.sms_otp else {
            continue;
        };
        if !sms_otp.entries.contains_key(entry) {
            let known: Vec<_> = sms_otp.entries.keys().map(String::as_str).collect();
            findings.problem(
                &format!("relying_party.{}.sms_otp", party.name),
                format!(
                    "there is no SMSOTP entry `{entry}` that is enabled: expected the name of an `[sms_otp.identity_provider.NAME]` section (there are: {})",
                    if known.is_empty() { "none".to_owned() } else { known.join(", ") }
                ),
            );
        }
    }
}

/// The rule that reads the account from an attribute is told from which one, of all or of one identity provider.
fn account_attribute_named(federation: &Entries, sms_otp: &SmsOtp, findings: &mut Findings) {
    let step = &sms_otp.step;
    let mut settings = step.resolver_settings.iter();
    let of_all = settings.any(|(name, _)| name == "user_attribute");
    let mut providers = federation.identity_providers.iter();
    let of_one = providers.any(|provider| provider.user_attribute.is_some())
        || !step.resolver_settings_after.is_empty();
    if step.usecase == "user-attribute" && !of_all && !of_one {
        findings.problem(
            "sms_otp.user_attribute",
            "missing: `usecase` is `userAttribute`, which reads the account from this attribute, or from the one of an `[identity_provider.NAME]`",
        );
    }
}

/// A test outbox and a real provider are never on at once.
fn senders_and_outbox(senders: &BTreeMap<String, Sender>, outbox: bool, findings: &mut Findings) {
    if outbox {
        for sender in senders.values().filter(|sender| sender.plugin != "fake") {
            findings.problem(
                "outbox",
                format!(
                    "the test outbox never stands beside a real sender: remove `[outbox]`, or `[sender.{}]` with its plugin `{}`",
                    sender.name, sender.plugin
                ),
            );
        }
    } else if let Some(sender) = senders.values().find(|sender| sender.plugin == "fake") {
        findings.problem(
            &format!("sender.{}.plugin", sender.name),
            "the plugin `fake` sends to the test outbox only: add an `[outbox]` section that is enabled, or choose another plugin",
        );
    }
}

#[cfg(test)]
mod tests;
