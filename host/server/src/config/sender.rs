//! `[sender.NAME]`, or one file each in `senders/`: a provider's account, by the plugin that speaks
//! to it. What the settings must be is the plugin's manifest's business; here they are resolved.

use super::credential::{holds_a_credential, names_a_secret};
use super::problems::Findings;
use super::secret::{self, Surroundings};
use super::section::Section;
use postern_egress::address::{Network, Private};
use postern_federation::Secret;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The folder beside the configuration file.
pub(super) const FOLDER: &str = "senders";
const FILE_BYTES_MAX: u64 = 256 * 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    pub name: String,
    /// Id in the plugin's manifest.
    pub plugin: String,
    /// Which of them are secret the manifest says; so none prints.
    pub settings: Vec<(String, Setting)>,
    /// Named credentials for recipes: `$secret.NAME`.
    pub secrets: Vec<(String, Secret)>,
    /// Origins beside those the plugin asks for itself.
    pub allow: Vec<String>,
    /// What it may reach beside the addresses that everybody does: all loopback and private ones, or
    /// those listed.
    pub private: Private,
    /// Further certificate authorities, PEM.
    pub ca_files: Vec<PathBuf>,
    /// The only content of the plugin file this sender accepts.
    pub sha256: Option<[u8; 32]>,
}

/// One setting's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    pub value: Secret,
    /// It does not stand in the configuration file.
    pub referenced: bool,
}

pub(super) fn read_all(
    mut section: Section<'_>,
    base: &Path,
    surroundings: &Surroundings,
) -> BTreeMap<String, Sender> {
    let mut senders = BTreeMap::new();
    for (name, value) in section.entries() {
        let toml::Value::Table(table) = value else {
            section.problem(&name, format!("expected a table, `[sender.{name}]`"));
            continue;
        };
        let path = section.key(&name);
        let below = Section::at(path, table, section.findings());
        if let Some(sender) = read(&name, below, base, surroundings) {
            senders.insert(name, sender);
        }
    }
    senders
}

/// One file of the folder; its name is the sender's.
pub(super) fn read_file(
    file: &Path,
    text: &str,
    senders: &mut BTreeMap<String, Sender>,
    base: &Path,
    surroundings: &Surroundings,
    findings: &mut Findings,
) {
    let name = file
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let key = format!("sender.{name}");
    if senders.contains_key(&name) {
        findings.problem(
            &key,
            format!(
                "defined twice: expected it either in the configuration file or in `{}`",
                file.display()
            ),
        );
        return;
    }
    match toml::from_str::<toml::Table>(text) {
        Ok(table) => {
            if let Some(sender) = read(&name, Section::at(key, table, findings), base, surroundings)
            {
                senders.insert(name, sender);
            }
        }
        Err(error) => findings.problem(
            &key,
            format!("`{}` is not TOML: {}", file.display(), error.message()),
        ),
    }
}

/// The files of the folder with their texts.
pub(super) fn files_beside(
    base: &Path,
    surroundings: &Surroundings,
) -> Result<Vec<(PathBuf, String)>, String> {
    surroundings
        .list(&base.join(FOLDER), "toml")?
        .into_iter()
        .map(|path| {
            let text = surroundings
                .read(&path, FILE_BYTES_MAX)
                .map_err(|reason| format!("`{}`: {reason}", path.display()))?;
            Ok((path, text))
        })
        .collect()
}

pub(super) fn read(
    name: &str,
    mut section: Section<'_>,
    base: &Path,
    surroundings: &Surroundings,
) -> Option<Sender> {
    let s = &mut section;
    let orderly = !name.is_empty()
        && name.len() <= 32
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
    if !orderly {
        s.problem(
            "",
            format!("`{name}` is no name of a sender: expected 1 to 32 of a-z, 0-9, `-` and `_`"),
        );
    }
    let plugin = s.optional::<String>("plugin", "the id of a plugin such as `twilio`");
    if plugin.is_none() {
        s.problem(
            "plugin",
            "missing: expected the id of a plugin such as `twilio`",
        );
    }
    let settings = read_values(s.table("settings"), base, surroundings);
    for (key, setting) in &settings {
        if !setting.referenced && names_a_secret(key) {
            s.warning(&format!("settings.{key}"), "the secret stands in the file: `{ env = \"NAME\" }` or `{ file = \"PATH\" }` keeps it out of copies and backups");
        }
        if setting.value.expose().starts_with("http://") {
            s.warning(
                &format!("settings.{key}"),
                "plain http: the message and the credentials are readable on the way",
            );
        }
    }
    if plugin.as_deref() == Some("http-recipe") {
        warn_of_recipe(s, &settings);
    }
    let secrets = read_values(s.table("secrets"), base, surroundings)
        .into_iter()
        .map(|(key, setting)| (key, setting.value))
        .collect();
    let allow = s.or(
        "allow",
        "a list of origins such as [\"https://sms.example\"]",
        Vec::new(),
    );
    let private = private(s);
    let ca_files: Vec<PathBuf> = s.or("ca_files", "a list of PEM files", Vec::new());
    let sha256 = s
        .optional::<String>("sha256", "64 hexadecimal digits")
        .and_then(|text| {
            let mut sha256 = [0; 32];
            if hex::decode_to_slice(&text, &mut sha256).is_err() {
                s.problem(
                    "sha256",
                    "expected 64 hexadecimal digits, as `postern plugin inspect` prints them",
                );
                return None;
            }
            Some(sha256)
        });
    section.finish();
    Some(Sender {
        name: name.to_owned(),
        plugin: plugin?,
        settings,
        secrets,
        allow,
        private,
        ca_files: ca_files.into_iter().map(|file| base.join(file)).collect(),
        sha256,
    })
}

/// `true` for everything near, or a list of networks.
fn private(s: &mut Section<'_>) -> Private {
    const NAME: &str = "allow_private_networks";
    const EXPECTED: &str = "true, false, or a list of networks such as [\"10.1.2.0/24\"]";
    let mut private = Private::default();
    match s.optional::<toml::Value>(NAME, EXPECTED) {
        None => {}
        Some(toml::Value::Boolean(networks)) => private.networks = networks,
        Some(toml::Value::Array(listed)) => {
            for network in &listed {
                match network.as_str().map(str::parse::<Network>) {
                    Some(Ok(network)) => {
                        if network.is_everything() {
                            s.warning(NAME, format!("`{network}` is every address of its kind: this sender may reach all that is near, metadata addresses alone excepted; list the provider's network"));
                        }
                        private.listed.push(network);
                    }
                    Some(Err(error)) => s.problem(NAME, error.to_string()),
                    None => s.problem(NAME, format!("expected {EXPECTED}")),
                }
            }
        }
        Some(_) => s.problem(NAME, format!("expected {EXPECTED}")),
    }
    if private.networks {
        s.warning(
            NAME,
            "this sender may reach all loopback and private addresses: meant for test gateways; a provider in your own network is let in by a list",
        );
    }
    private
}

fn read_values(
    mut section: Section<'_>,
    base: &Path,
    surroundings: &Surroundings,
) -> Vec<(String, Setting)> {
    let mut values = Vec::new();
    for (key, value) in section.entries() {
        match secret::resolve(&value, base, surroundings) {
            Ok(resolved) => values.push((
                key,
                Setting {
                    value: resolved.value,
                    referenced: resolved.referenced,
                },
            )),
            Err(message) => section.problem(&key, message),
        }
    }
    values
}

/// A recipe hides credentials in addresses and headers, and its GET form puts them into every log
/// between here and the provider.
fn warn_of_recipe(section: &mut Section<'_>, settings: &[(String, Setting)]) {
    let value = |name: &str| {
        settings
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, setting)| setting.value.expose())
    };
    for name in ["sms_url", "http_headers", "http_payload"] {
        if holds_a_credential(value(name)) {
            section.warning(&format!("settings.{name}"), "credentials stand in the recipe: put them under `[sender.NAME.secrets]` and write `$secret.NAME` here");
        }
    }
    if value("http_method").eq_ignore_ascii_case("get") {
        section.warning("settings.http_method", "GET puts number, text and credentials into the address, which logs and proxies keep: use POST if the provider takes it");
    }
    if crate::import::puts_text_into_address(value("sms_url")) {
        section.warning("settings.sms_url", "insecure_get: the text of the message is part of the address, which the provider's logs and proxies keep (Postern never logs it): a payload is better if the provider takes one");
    }
}
