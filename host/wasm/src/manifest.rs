//! What a plugin says about itself, read from its file without compiling or running anything.
//!
//! Owns: the manifest's form and the reading of a component's outer shape (magic, layers, imports,
//! exports). Knows nothing of grants: what a plugin asks for is not what it gets.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use wasmparser::{Parser, Payload};

use crate::error::{Refusal, Stage, one_line};
use crate::limits::Limits;
use crate::vectors::Vector;

/// What a plugin says about itself: JSON in the custom section `postern:manifest`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Its name in configuration, logs and file names: `[a-z][a-z0-9-]{0,63}`.
    pub id: String,
    /// Its own version.
    pub version: semver::Version,
    /// The version of the interface it was built for, as its author saw it; what counts is what
    /// the component exports.
    #[serde(default)]
    pub wit: String,
    /// Which world it implements.
    pub kind: Kind,
    /// What people call it, as in `Twilio`.
    #[serde(default)]
    pub title: String,
    /// One or two sentences for the operator.
    #[serde(default)]
    pub description: String,
    /// Other names a configuration may use for the id.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Where it wants to send requests: `https://host[:port]`, and perhaps a path that every
    /// request's path then starts with. Only an SMS provider may name any.
    #[serde(default)]
    pub origins: Vec<String>,
    /// Settings whose value is a URL that names a further origin.
    #[serde(default)]
    pub origin_settings: Vec<String>,
    /// HTTP methods it uses.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Which limits it needs.
    #[serde(default)]
    pub runtime: RuntimeClass,
    /// Who words the message.
    #[serde(default)]
    pub wording: Wording,
    /// Whether the text may end with the origin-bound line (`@host #code`).
    #[serde(default = "yes")]
    pub origin_bound_line: bool,
    /// Whether the operator may add secrets this manifest does not list.
    #[serde(default)]
    pub open_secrets: bool,
    /// The settings it reads, in the order in which a form shows them.
    #[serde(default)]
    pub settings: Vec<Setting>,
    /// What it must answer to what; [`crate::admission::self_test`] runs them.
    #[serde(default)]
    pub vectors: Vec<Vector>,
}

fn yes() -> bool {
    true
}

/// What a plugin is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Sends messages: world `sms-provider`.
    SmsProvider,
    /// Maps federated users to local accounts: world `user-resolver`.
    UserResolver,
}

impl Kind {
    /// The name of the world.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::SmsProvider => "sms-provider",
            Kind::UserResolver => "user-resolver",
        }
    }

    /// The interface a plugin of this kind exports.
    pub(crate) fn interface(self) -> &'static str {
        match self {
            Kind::SmsProvider => "postern:plugin/provider",
            Kind::UserResolver => "postern:plugin/resolver",
        }
    }
}

/// Which of the two sets of limits a plugin runs under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuntimeClass {
    /// Compiled ahead of time from a language without a runtime of its own.
    #[default]
    Native,
    /// Carries a language's interpreter.
    Language,
}

/// Who words the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wording {
    /// The host, from the templates of tenant and locale.
    #[default]
    Host,
    /// The provider; it is given the bare code.
    Provider,
}

/// A setting a plugin reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// `[a-z0-9_]{1,64}`.
    pub name: String,
    /// How its text is read.
    #[serde(default)]
    pub kind: SettingKind,
    /// A secret is never told to the plugin: it names it, and the host puts it in its place.
    #[serde(default)]
    pub secret: bool,
    /// Whether a sender without it is refused.
    #[serde(default)]
    pub required: bool,
    /// What the plugin assumes where the operator says nothing. Never for a secret.
    #[serde(default)]
    pub default: Option<String>,
    /// The permitted values of a `choice`.
    #[serde(default)]
    pub choices: Vec<String>,
    /// One line for the operator.
    #[serde(default)]
    pub help: String,
}

/// How a setting's text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SettingKind {
    /// One line.
    #[default]
    Text,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// An absolute http or https URL.
    Url,
    /// One of `choices`.
    Choice,
    /// Several lines: headers, a payload template.
    Lines,
}

/// What a component's file says of itself, before anything in it is trusted.
#[derive(Debug, Clone, PartialEq)]
pub struct Outline {
    /// The manifest.
    pub manifest: Manifest,
    /// Names of everything it imports.
    pub imports: Vec<String>,
    /// Names of everything it exports.
    pub exports: Vec<String>,
}

/// Reads the manifest of a component and nothing else.
///
/// # Errors
/// As [`outline`].
pub fn read(bytes: &[u8], limits: &Limits) -> Result<Manifest, Refusal> {
    outline(bytes, limits).map(|outline| outline.manifest)
}

/// Reads the outer shape of a component: manifest, imports and exports.
///
/// # Errors
/// `Stage::Format` if the bytes are not a whole component of acceptable size, `Stage::Manifest`
/// if they carry no manifest, more than one, or one that is not in order.
pub fn outline(bytes: &[u8], limits: &Limits) -> Result<Outline, Refusal> {
    check_magic(bytes, limits)?;

    let broken = |error: wasmparser::BinaryReaderError| {
        Refusal::new(
            Stage::Format,
            format!("the file is damaged or incomplete: {error}"),
        )
    };
    let (mut section, mut found) = (None, 0_usize);
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0_usize;
    let mut sections = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        sections += 1;
        if sections > limits.sections {
            return Err(Refusal::new(
                Stage::Format,
                format!("the file has more than {} sections", limits.sections),
            ));
        }
        match payload.map_err(broken)? {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            // The SDK's compiler writes the section into the core module, packers of other
            // languages into the component: both layers count, and only one section may be there.
            Payload::CustomSection(custom) if custom.name() == postern_wit::MANIFEST_SECTION => {
                found += 1;
                section = Some(custom.data());
            }
            Payload::ComponentImportSection(list) if depth == 1 => {
                for import in list {
                    imports.push(import.map_err(broken)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(list) if depth == 1 => {
                for export in list {
                    exports.push(export.map_err(broken)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }

    if found > 1 {
        return Err(Refusal::new(
            Stage::Manifest,
            "the file carries more than one manifest: exactly one is expected",
        ));
    }
    let section = section.ok_or_else(|| {
        Refusal::new(
            Stage::Manifest,
            format!(
                "the file carries no manifest: a custom section `{}` is expected",
                postern_wit::MANIFEST_SECTION
            ),
        )
    })?;
    let manifest = parse(section, limits)?;
    Ok(Outline {
        manifest,
        imports,
        exports,
    })
}

/// Reads a manifest from its JSON, as it stands in the section.
///
/// # Errors
/// `Stage::Manifest`, naming the field and the expectation.
pub fn parse(json: &[u8], limits: &Limits) -> Result<Manifest, Refusal> {
    let refuse = |reason: String| Refusal::new(Stage::Manifest, reason);
    if json.len() > limits.manifest_bytes {
        return Err(refuse(format!(
            "the manifest has {} bytes: at most {} are read",
            json.len(),
            limits.manifest_bytes
        )));
    }
    let manifest: Manifest = serde_json::from_slice(json)
        .map_err(|error| refuse(format!("the manifest is not in order: {error}")))?;
    manifest.check(limits).map_err(refuse)?;
    Ok(manifest)
}

impl Manifest {
    /// The setting of that name.
    pub fn setting(&self, name: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.name == name)
    }

    fn check(&self, limits: &Limits) -> Result<(), String> {
        let id = one_line(&self.id, 64);
        if !is_name(&self.id, b'-') || !self.id.starts_with(|c: char| c.is_ascii_lowercase()) {
            return Err(format!(
                "the plugin's id is `{id}`: a letter and up to 63 of a-z, 0-9 and - are expected"
            ));
        }
        let told = |reason: String| format!("plugin `{id}`: {reason}");
        if self.vectors.len() > limits.vectors {
            return Err(told(format!(
                "it has {} vectors: at most {} are run",
                self.vectors.len(),
                limits.vectors
            )));
        }
        // The seeds' spellings have capitals: `userAttribute`, `subjectUri`.
        if let Some(alias) = self
            .aliases
            .iter()
            .find(|alias| !is_name(&alias.to_ascii_lowercase(), b'-'))
        {
            return Err(told(format!(
                "the alias `{}` must be 1 to 64 letters, digits and -",
                one_line(alias, 64)
            )));
        }

        let mut names = HashSet::new();
        for setting in &self.settings {
            setting.check().map_err(told)?;
            if !names.insert(setting.name.as_str()) {
                return Err(told(format!(
                    "the setting `{}` is there twice",
                    setting.name
                )));
            }
        }

        let asks_for_any = !self.origins.is_empty() || !self.origin_settings.is_empty();
        if self.kind == Kind::UserResolver && asks_for_any {
            return Err(told(
                "a user-resolver names origins: only an sms-provider sends requests".into(),
            ));
        }
        for origin in &self.origins {
            check_origin(origin).map_err(|reason| {
                told(format!(
                    "it asks for the origin `{}`: {reason}",
                    one_line(origin, 200)
                ))
            })?;
        }
        for name in &self.origin_settings {
            let name = one_line(name, 64);
            match self.setting(&name) {
                None => {
                    return Err(told(format!(
                        "it takes an origin from the setting `{name}`, which it does not have"
                    )));
                }
                Some(setting) if setting.secret => {
                    return Err(told(format!(
                        "it takes an origin from the setting `{name}`, which is secret"
                    )));
                }
                Some(_) => {}
            }
        }
        const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
        if let Some(method) = self
            .methods
            .iter()
            .find(|method| !METHODS.contains(&method.as_str()))
        {
            return Err(told(format!(
                "it asks for the method `{}`: GET, POST, PUT, PATCH and DELETE are offered",
                one_line(method, 32)
            )));
        }
        Ok(())
    }
}

impl Setting {
    fn check(&self) -> Result<(), String> {
        let name = one_line(&self.name, 64);
        if !is_name(&self.name, b'_') {
            return Err(format!(
                "the setting `{name}` must be named by 1 to 64 of a-z, 0-9 and _"
            ));
        }
        let is_choice = self.kind == SettingKind::Choice;
        if is_choice == self.choices.is_empty() {
            return Err(format!(
                "the setting `{name}` needs `choices` exactly if its kind is `choice`"
            ));
        }
        let Some(default) = &self.default else {
            return Ok(());
        };
        if self.secret {
            // What everybody can read in the file is no secret.
            return Err(format!("the setting `{name}` is secret and has a default"));
        }
        let fits = match self.kind {
            SettingKind::Text => !default.contains(['\n', '\r']),
            SettingKind::Lines => true,
            SettingKind::Integer => default.is_empty() || default.parse::<i64>().is_ok(),
            SettingKind::Boolean => matches!(default.as_str(), "true" | "false"),
            SettingKind::Choice => self.choices.contains(default),
            SettingKind::Url => {
                default.is_empty()
                    || default.starts_with("https://")
                    || default.starts_with("http://")
            }
        };
        if fits {
            Ok(())
        } else {
            Err(format!(
                "the default of the setting `{name}` does not fit its kind"
            ))
        }
    }
}

fn is_name(text: &str, joint: u8) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == joint)
}

/// A first look at an origin, so that a wildcard or a login in it is refused with the file. What
/// the address is worth is decided where requests leave.
fn check_origin(text: &str) -> Result<(), &'static str> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .ok_or("it must begin with https://")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if authority.contains('*') {
        return Err("list the hosts it needs, without wildcards");
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
    };
    if host.len() > 253 || !host.split('.').all(label) {
        return Err("a host name in lower-case ASCII is expected");
    }
    let is_port = |port: &str| {
        port.bytes().all(|c| c.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    if !port.is_none_or(is_port) {
        return Err("the port must be a number from 1 to 65535");
    }
    let plain = |c: u8| c.is_ascii_alphanumeric() || b"/-._~".contains(&c);
    if !path.bytes().all(plain) || path.split('/').any(|part| part == "..") {
        return Err("after the host only a plain path may stand");
    }
    Ok(())
}

/// Says what the bytes are, where they are not a component, before a parser touches them.
fn check_magic(bytes: &[u8], limits: &Limits) -> Result<(), Refusal> {
    let refuse = |reason: String| Err(Refusal::new(Stage::Format, reason));
    if bytes.is_empty() {
        return refuse("the file is empty: a WebAssembly component is expected".into());
    }
    if bytes.len() > limits.component_bytes {
        return refuse(format!(
            "the file has {} bytes: at most {} are accepted (`component_bytes`)",
            bytes.len(),
            limits.component_bytes
        ));
    }
    let what = match bytes {
        [0x7f, b'E', b'L', b'F', ..] => {
            "compiled code (ELF): Postern compiles the component itself"
        }
        [0x1f, 0x8b, ..] => "a gzip file: unpack it first",
        [b'P', b'K', 3, 4, ..] => "a zip file: unpack it first",
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => return Ok(()),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => {
            "a core module: wrap it as a component (`postern plugin build`)"
        }
        [0, b'a', b's', b'm', _, _, _, _, ..] => "a WebAssembly file of an unknown version",
        [0, b'a', b's', b'm', ..] => "cut off after the magic number",
        _ if looks_like_text(bytes) => "text: build it to a component first",
        _ => "not WebAssembly",
    };
    refuse(format!(
        "the file is {what}; a WebAssembly component is expected"
    ))
}

fn looks_like_text(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(64)];
    head.iter()
        .all(|c| matches!(c, b'\t' | b'\n' | b'\r' | b' '..=b'~'))
}
