//! A configured sender: what the operator says about it, whether the plugin's manifest agrees, and
//! what it is granted.
//!
//! Owns: the meeting of three parties: what a manifest asks, what the operator allows, and what is
//! shipped with Postern. The grant is what is asked AND allowed, and the sender's secrets go to
//! origins of that grant only. Knows nothing of how a message is sent.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;

use http::Method;
use postern_egress::address::{Private, classify};
use postern_egress::grant::{Entry, Grant, OriginPattern};
use postern_egress::{Host, NamedSecret, Origin, Route, Secret, Secrets, Trust};
use postern_login::tenant::TenantId;
use postern_wasm::manifest::{Manifest, Setting, SettingKind};
use postern_wasm::one_line;
use postern_wasm::types::Pair;
use zeroize::Zeroizing;

use crate::folder::Sha;

/// Bytes of one setting: a recipe's payload template is a few KiB.
const SETTING_BYTES_MAX: usize = 16 * 1024;

/// A sender as the configuration has it.
#[derive(Clone)]
pub struct SenderConfig {
    /// `[sender.NAME]`.
    pub name: String,
    pub tenant: TenantId,
    /// A manifest's id, or one of its aliases.
    pub plugin: String,
    /// The table `settings`. Values that the manifest calls secret are never told to the plugin.
    pub settings: Vec<(String, String)>,
    /// The table `[sender.NAME.secrets]`: never told to the plugin, whatever its manifest says.
    pub secrets: Vec<(String, Zeroizing<String>)>,
    /// Origins, perhaps with a path prefix: `https://api.example.com/v1`, `https://*.example.com`.
    pub allow: Vec<String>,
    /// Where its provider may be beside addresses that everybody reaches: on this machine, in a private
    /// network.
    pub private: Private,
    /// Further certificate authorities, in PEM.
    pub ca_pems: Vec<Vec<u8>>,
    /// The only content of the plugin file this sender accepts.
    pub expected_sha256: Option<Sha>,
}

impl fmt::Debug for SenderConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Any setting may turn out to be a secret: only the manifest knows.
        f.debug_struct("SenderConfig")
            .field("name", &self.name)
            .field("tenant", &self.tenant)
            .field("plugin", &self.plugin)
            .field("allow", &self.allow)
            .finish_non_exhaustive()
    }
}

/// What needs no `allow` line because it comes with Postern: by manifest id, so that a stranger's
/// file that borrows the id gets the shipped plugin's own origins and no others.
#[derive(Debug, Clone, Default)]
pub struct Shipped(pub BTreeMap<String, ShippedPlugin>);

/// The part of a shipped plugin's wishes that is granted unasked.
#[derive(Debug, Clone, Default)]
pub struct ShippedPlugin {
    /// Its provider's own origins.
    pub origins: Vec<String>,
    /// Settings, such as `base_url`, that only an operator fills in: what they name is allowed by
    /// that. Not for `http-recipe`, where naming an address is the whole plugin.
    pub origin_settings: Vec<String>,
}

/// Something in a sender's configuration that keeps it from sending.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("sender `{sender}`{}: {message}", .setting.as_ref().map(|s| format!(", `{s}`")).unwrap_or_default())]
pub struct Problem {
    pub sender: String,
    pub setting: Option<String>,
    pub message: String,
}

/// A sender's configuration that fits a manifest.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    /// What the plugin is told, in the manifest's order.
    pub(crate) settings: Vec<Pair>,
    pub(crate) secrets: Secrets,
    pub(crate) route: Route,
}

/// A sender's configuration that does not fit a manifest.
#[derive(Debug)]
pub(crate) struct Disagreement {
    /// The settings that are in order: the plugin may find more in them.
    pub(crate) settings: Vec<Pair>,
    /// Everything that is wrong at once, each with the setting it is about.
    pub(crate) problems: Vec<Problem>,
}

/// Brings a configuration and a manifest together.
pub(crate) fn agree(
    config: &SenderConfig,
    manifest: &Manifest,
    shipped: &Shipped,
) -> Result<Terms, Disagreement> {
    let mut findings = Findings {
        sender: &config.name,
        problems: Vec::new(),
    };
    let (settings, secrets) = sort_settings(config, manifest, &mut findings);
    let entries = grant(config, manifest, &settings, shipped, &mut findings);
    let bound: Vec<OriginPattern> = entries.iter().map(|entry| entry.origin.clone()).collect();
    let named = secrets
        .into_iter()
        .map(|(name, value)| NamedSecret::new(name, Secret::from(value.as_str()), bound.clone()))
        .collect();
    let secrets = match Secrets::new(named) {
        Ok(secrets) => secrets,
        Err(error) => {
            findings.add(None, error.to_string());
            Secrets::default()
        }
    };
    let trust = Trust::system_and(&config.ca_pems);
    if let Err(error) = &trust {
        findings.add(Some("ca"), error.to_string());
    }
    match trust {
        Ok(trust) if findings.problems.is_empty() => Ok(Terms {
            settings,
            secrets,
            route: Route {
                sender: config.name.as_str().into(),
                tenant: config.tenant.as_str().into(),
                grant: Arc::new(Grant {
                    entries,
                    private: config.private.clone(),
                }),
                trust,
            },
        }),
        _ => Err(Disagreement {
            settings,
            problems: findings.problems,
        }),
    }
}

/// Refuses a new version that would read what the one before could only name: a secret that became
/// an ordinary setting.
pub(crate) fn secrets_that_would_be_read(
    config: &SenderConfig,
    before: &Manifest,
    after: &Manifest,
) -> Option<Problem> {
    let opened = before.settings.iter().find(|setting| {
        setting.secret
            && config
                .settings
                .iter()
                .any(|(name, _)| *name == setting.name)
            && after
                .setting(&setting.name)
                .is_some_and(|setting| !setting.secret)
    })?;
    Some(Problem {
        sender: config.name.clone(),
        setting: Some(opened.name.clone()),
        message: format!(
            "version {} of plugin `{}` wants to read what is a secret for version {}: remove the setting, or the new file",
            after.version, after.id, before.version
        ),
    })
}

struct Findings<'a> {
    sender: &'a str,
    problems: Vec<Problem>,
}

impl Findings<'_> {
    fn add(&mut self, setting: Option<&str>, message: impl Into<String>) {
        self.problems.push(Problem {
            sender: self.sender.to_owned(),
            setting: setting.map(|name| one_line(name, 64)),
            message: message.into(),
        });
    }
}

type SecretPairs = Vec<(String, Zeroizing<String>)>;

/// Settings the plugin reads and secrets it can only name.
fn sort_settings(
    config: &SenderConfig,
    manifest: &Manifest,
    findings: &mut Findings<'_>,
) -> (Vec<Pair>, SecretPairs) {
    let (mut told, mut secrets) = (Vec::new(), SecretPairs::new());
    for setting in &manifest.settings {
        let name = &setting.name;
        let listed = config.settings.iter().find(|(given, _)| given == name);
        let as_secret = config.secrets.iter().find(|(given, _)| given == name);
        if listed.is_some() && as_secret.is_some() {
            findings.add(Some(name), "given both as a setting and as a secret");
            continue;
        }
        match (setting.secret, listed, as_secret) {
            (true, None, Some((_, value))) => {
                if judge_value(setting, value, findings) {
                    secrets.push((name.clone(), value.clone()));
                }
            }
            (true, Some((_, value)), None) => {
                if judge_value(setting, value, findings) {
                    secrets.push((name.clone(), Zeroizing::new(value.clone())));
                }
            }
            (false, Some((_, value)), None) => {
                if judge_value(setting, value, findings) {
                    told.push((name.clone(), value.clone()));
                }
            }
            (false, None, Some(_)) => findings.add(
                Some(name),
                "given as a secret, but the plugin reads it: move it to `settings` if it is none",
            ),
            (_, None, None) if setting.required => {
                let help = one_line(&setting.help, 200);
                findings.add(
                    Some(name),
                    format!("missing: plugin `{}` needs it ({help})", manifest.id),
                );
            }
            (_, None, None) => {}
            (_, Some(_), Some(_)) => {}
        }
    }
    for (name, _) in &config.settings {
        if manifest.setting(name).is_none() {
            findings.add(Some(name), unknown(manifest));
        }
    }
    for (name, value) in &config.secrets {
        if manifest.setting(name).is_some() {
            continue;
        }
        if !manifest.open_secrets {
            findings.add(Some(name), unknown(manifest));
        } else if breaks_lines(value) && !value.starts_with("-----BEGIN ") {
            findings.add(Some(name), LINE_BREAK);
        } else {
            secrets.push((name.clone(), value.clone()));
        }
    }
    (told, secrets)
}

/// T-13: a credential with a line break would end a header and begin another.
const LINE_BREAK: &str =
    "the value has a line break or another control character: one line is expected";

fn breaks_lines(value: &str) -> bool {
    value.chars().any(char::is_control)
}

fn unknown(manifest: &Manifest) -> String {
    let known: Vec<&str> = manifest
        .settings
        .iter()
        .map(|setting| setting.name.as_str())
        .collect();
    format!(
        "plugin `{}` has no such setting; it has: {}",
        manifest.id,
        known.join(", ")
    )
}

/// Whether a value is of its kind. The value itself is never repeated.
fn judge_value(setting: &Setting, value: &str, findings: &mut Findings<'_>) -> bool {
    let name = Some(setting.name.as_str());
    let wrong = if value.len() > SETTING_BYTES_MAX {
        Some(format!("the value has more than {SETTING_BYTES_MAX} bytes"))
    } else if setting.required && value.is_empty() {
        Some("the value is empty".to_owned())
    } else if setting.kind != SettingKind::Lines && breaks_lines(value) {
        Some(LINE_BREAK.to_owned())
    } else {
        // An optional setting may be blank, as the seeds' files have it.
        match setting.kind {
            _ if value.is_empty() => None,
            SettingKind::Text => None,
            SettingKind::Lines => value
                .chars()
                .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
                .then(|| "the value has a control character".to_owned()),
            SettingKind::Integer => value
                .parse::<i64>()
                .is_err()
                .then(|| "a whole number is expected".to_owned()),
            SettingKind::Boolean => (!matches!(value, "true" | "false"))
                .then(|| "`true` or `false` is expected".to_owned()),
            SettingKind::Choice => (!setting.choices.iter().any(|choice| choice == value))
                .then(|| format!("one of these is expected: {}", setting.choices.join(", "))),
            SettingKind::Url => split_url(value).err(),
        }
    };
    match wrong {
        None => true,
        Some(message) => {
            findings.add(name, message);
            false
        }
    }
}

/// Why no connection will ever go to an origin whose address stands in it. Where a name leads is seen
/// when it is called.
fn unreachable(origin: &Origin, private: &Private) -> Option<String> {
    let address = match &origin.host {
        Host::Address(address) => address.to_canonical(),
        // RFC 6761, section 6.3.
        Host::Name(name) if &**name == "localhost" || name.ends_with(".localhost") => {
            Ipv4Addr::LOCALHOST.into()
        }
        Host::Name(_) => return None,
    };
    if private.permits(address) {
        return None;
    }
    let class = classify(address);
    Some(match class.is_local_network() {
        true => format!(
            "`{origin}` is {class}, which takes `allow_private_networks` for this sender: true, or a list with `{address}`"
        ),
        false => {
            format!("`{origin}` is {class}, which no sender reaches that does not list `{address}`")
        }
    })
}

/// An origin somebody named, and the path after it.
struct Named {
    origin: Origin,
    path: String,
}

impl Named {
    fn as_text(&self) -> String {
        format!("{}{}", self.origin, self.path)
    }
}

/// Origin and path of a URL, without looking at its query: a recipe's address holds placeholders.
fn split_url(text: &str) -> Result<Named, String> {
    let after = text
        .find("://")
        .map(|at| at + 3)
        .ok_or("an address that begins with `https://` is expected")?;
    let end = text[after..]
        .find(['/', '?', '#'])
        .map_or(text.len(), |at| after + at);
    let origin = Origin::parse(&text[..end]).map_err(|error| error.to_string())?;
    let rest = &text[end..];
    let path = rest[..rest.find(['?', '#']).unwrap_or(rest.len())].trim_end_matches('/');
    Ok(Named {
        origin,
        path: path.to_owned(),
    })
}

/// What is asked AND allowed; what is asked and not allowed becomes a problem with the line to paste.
fn grant(
    config: &SenderConfig,
    manifest: &Manifest,
    settings: &[Pair],
    shipped: &Shipped,
    findings: &mut Findings<'_>,
) -> Vec<Entry> {
    let unasked = shipped.0.get(&manifest.id);
    let mut allowed: Vec<(Entry, String)> = Vec::new();
    for line in &config.allow {
        match line.parse::<Entry>() {
            Ok(entry) => allowed.push((entry, path_of(line))),
            Err(error) => {
                findings.add(Some("allow"), format!("`{}`: {error}", one_line(line, 200)))
            }
        }
    }
    for line in unasked.iter().flat_map(|plugin| &plugin.origins) {
        if let Ok(entry) = line.parse::<Entry>() {
            allowed.push((entry, path_of(line)));
        }
    }

    let mut asked: Vec<Named> = Vec::new();
    for text in &manifest.origins {
        match split_url(text) {
            Ok(named) => {
                if let Some(problem) = unreachable(&named.origin, &config.private) {
                    findings.add(None, problem);
                }
                asked.push(named);
            }
            Err(error) => findings.add(
                None,
                format!(
                    "plugin `{}` asks for `{}`: {error}",
                    manifest.id,
                    one_line(text, 200)
                ),
            ),
        }
    }
    for name in &manifest.origin_settings {
        let given = settings
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str());
        let default = || {
            manifest
                .setting(name)
                .and_then(|setting| setting.default.as_deref())
        };
        let Some(url) = given.or_else(default).filter(|url| !url.is_empty()) else {
            continue;
        };
        match split_url(url) {
            Ok(named) => {
                // The address is the operator's own word; its path is a template, not a limit.
                let named = Named {
                    path: String::new(),
                    ..named
                };
                // Only what the operator wrote is the operator's word: a default is the file's own, and a
                // stranger's file may borrow a shipped id.
                let written = given.is_some();
                if written && unasked.is_some_and(|plugin| plugin.origin_settings.contains(name)) {
                    allowed.push((Entry::from(named.origin.clone()), String::new()));
                }
                if let Some(problem) = unreachable(&named.origin, &config.private) {
                    findings.add(Some(name), problem);
                }
                asked.push(named);
            }
            Err(error) => findings.add(Some(name), error),
        }
    }

    let methods: Vec<Method> = manifest
        .methods
        .iter()
        .filter_map(|method| Method::from_bytes(method.as_bytes()).ok())
        .collect();
    let mut entries: Vec<Entry> = Vec::new();
    let mut missing = false;
    for ask in &asked {
        let narrowest = allowed
            .iter()
            .filter(|(entry, _)| entry.origin.matches(&ask.origin))
            .find_map(|(_, path)| both(&ask.path, path));
        match narrowest {
            None => missing = true,
            Some(path) => match format!("{}{path}", ask.origin).parse::<Entry>() {
                Ok(entry) => entries.push(entry.with_methods(methods.clone())),
                Err(error) => findings.add(
                    None,
                    format!("`{}`: {error}", one_line(&ask.as_text(), 200)),
                ),
            },
        }
    }
    if missing {
        let list = |texts: Vec<String>| match texts.is_empty() {
            true => "nothing".to_owned(),
            false => texts
                .iter()
                .map(|text| format!("`{text}`"))
                .collect::<Vec<_>>()
                .join(", "),
        };
        let asks: Vec<String> = asked.iter().map(Named::as_text).collect();
        let mut paste = config.allow.clone();
        for ask in &asks {
            if !paste.contains(ask) {
                paste.push(ask.clone());
            }
        }
        let paste: Vec<String> = paste
            .iter()
            .map(|text| format!("\"{}\"", one_line(text, 300)))
            .collect();
        findings.add(
            Some("allow"),
            format!(
                "plugin `{}` asks for {}; allowed is {}. to allow it, write: allow = [{}]",
                manifest.id,
                list(asks.clone()),
                list(allowed.iter().map(|(entry, _)| entry.to_string()).collect()),
                paste.join(", ")
            ),
        );
    }
    entries
}

fn path_of(line: &str) -> String {
    let after = line.find("://").map_or(0, |at| at + 3);
    match line[after..].find('/') {
        Some(at) => line[after + at..].trim_end_matches('/').to_owned(),
        None => String::new(),
    }
}

/// The narrower of two path prefixes, if one lies under the other.
fn both<'a>(one: &'a str, other: &'a str) -> Option<&'a str> {
    let under = |long: &str, short: &str| {
        long.strip_prefix(short)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if under(one, other) {
        Some(one)
    } else if under(other, one) {
        Some(other)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
