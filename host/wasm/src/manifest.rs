//! What a plugin says about itself, read from its file without compiling or running anything.
//!
//! Owns: the manifest's form and the reading of a component's outer shape (magic, layers, imports,
//! exports). Knows nothing of grants: what a plugin asks for is not what it gets.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use wasmparser::{Parser, Payload};

use crate::error::{Refusal, Stage, one_line};
use crate::limits::Limits;

/// What a plugin says about itself: JSON in the custom section `postern:manifest`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Its name in configuration, logs and file names: `[a-z][a-z0-9-]{0,63}`.
    pub id: String,
    /// Its own version.
    pub version: semver::Version,
    /// Which world it implements.
    pub kind: Kind,
    /// Where it wants to send requests. Only an SMS provider may name any.
    #[serde(default)]
    pub origins: Vec<Origin>,
    /// Which limits it needs.
    #[serde(default)]
    pub runtime: RuntimeClass,
    /// Who words the message.
    #[serde(default)]
    pub wording: Wording,
    /// Whether the text may end with the origin-bound line (`@host #code`).
    #[serde(default = "yes")]
    pub origin_bound_line: bool,
    /// The settings it reads; forms and checks are made from them.
    #[serde(default)]
    pub settings: Vec<Setting>,
    /// Rows of its self-test (`admission::Vector`), run whenever the file is admitted.
    #[serde(default)]
    pub vectors: Vec<serde_json::Value>,
    /// One sentence for the operator.
    #[serde(default)]
    pub description: Option<String>,
    /// Where to read more.
    #[serde(default)]
    pub homepage: Option<String>,
    /// SPDX expression.
    #[serde(default)]
    pub license: Option<String>,
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
    /// Compiled from a language without a runtime of its own.
    #[default]
    Native,
    /// Carries an interpreter.
    LanguageRuntime,
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

/// Where a plugin wants to send requests.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Origin {
    /// Scheme, host and port: `https://api.example.com`.
    Literal(String),
    /// Whatever origin the URL in this setting has.
    #[serde(with = "named_setting")]
    Setting(String),
}

/// `{"setting": "base_url"}`, and nothing beside it.
mod named_setting {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Named<S> {
        setting: S,
    }

    pub(super) fn serialize<S: Serializer>(name: &str, to: S) -> Result<S::Ok, S::Error> {
        Named { setting: name }.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
        Named::<String>::deserialize(from).map(|named| named.setting)
    }
}

/// A setting a plugin reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// `[A-Za-z][A-Za-z0-9_.-]{0,63}`.
    pub name: String,
    /// What its value looks like.
    pub kind: SettingKind,
    /// Whether a sender without it is refused.
    #[serde(default)]
    pub required: bool,
    /// What holds where the operator says nothing. Never for a secret.
    #[serde(default)]
    pub default: Option<String>,
    /// One sentence for the form.
    #[serde(default)]
    pub help: Option<String>,
    /// The values of a `choice`.
    #[serde(default)]
    pub choices: Vec<String>,
}

/// What a setting's value looks like. Whatever it is, the plugin reads it as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SettingKind {
    /// One line.
    Text,
    /// Several lines: headers, a payload template.
    Lines,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// One of `choices`.
    Choice,
    /// An absolute http or https URL; the only kind an origin may name.
    Url,
    /// A value the plugin never reads: it names it, and the host puts it in its place.
    Secret,
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
    let mut section: Option<&[u8]> = None;
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
                if section.replace(custom.data()).is_some() {
                    return Err(Refusal::new(
                        Stage::Manifest,
                        "the file carries more than one manifest: exactly one is expected",
                    ));
                }
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
        if !is_name(&self.id, |c| c.is_ascii_lowercase(), b"-") || self.id.bytes().any(|c| c.is_ascii_uppercase()) {
            return Err(format!(
                "the plugin's id is `{id}`: a lower-case letter, then up to 63 lower-case letters, digits or hyphens are expected"
            ));
        }
        if self.vectors.len() > limits.vectors {
            return Err(format!(
                "plugin `{id}` has {} vectors: at most {} are run",
                self.vectors.len(),
                limits.vectors
            ));
        }

        let mut names = HashSet::new();
        for setting in &self.settings {
            setting.check().map_err(|reason| format!("plugin `{id}`: {reason}"))?;
            if !names.insert(setting.name.as_str()) {
                return Err(format!("plugin `{id}` has the setting `{}` twice", setting.name));
            }
        }

        if self.kind == Kind::UserResolver && !self.origins.is_empty() {
            return Err(format!(
                "plugin `{id}` is a user-resolver and names origins: only an sms-provider sends requests"
            ));
        }
        for origin in &self.origins {
            match origin {
                Origin::Literal(text) => {
                    check_origin(text).map_err(|reason| format!("plugin `{id}` asks for the origin `{}`: {reason}", one_line(text, 200)))?;
                }
                Origin::Setting(name) => {
                    let name = one_line(name, 64);
                    match self.setting(&name) {
                        None => return Err(format!("plugin `{id}` takes an origin from the setting `{name}`, which it does not have")),
                        Some(setting) if setting.kind != SettingKind::Url => {
                            return Err(format!("plugin `{id}` takes an origin from the setting `{name}`: its kind must be `url`"));
                        }
                        Some(_) => {}
                    }
                }
            }
        }
        Ok(())
    }
}

impl Setting {
    fn check(&self) -> Result<(), String> {
        let name = one_line(&self.name, 64);
        if !is_name(&self.name, |c| c.is_ascii_alphabetic(), b"_.-") {
            return Err(format!(
                "a setting is named `{name}`: a letter, then up to 63 letters, digits or `_.-` are expected"
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
        let fits = match self.kind {
            SettingKind::Text => !default.contains(['\n', '\r']),
            SettingKind::Lines => true,
            SettingKind::Integer => default.parse::<i64>().is_ok(),
            SettingKind::Boolean => matches!(default.as_str(), "true" | "false"),
            SettingKind::Choice => self.choices.contains(default),
            SettingKind::Url => default.is_empty() || default.starts_with("https://") || default.starts_with("http://"),
            // A default that everybody can read in the file is no secret.
            SettingKind::Secret => false,
        };
        if fits {
            Ok(())
        } else {
            Err(format!("the default of the setting `{name}` does not fit its kind"))
        }
    }
}

fn is_name(text: &str, first: impl Fn(u8) -> bool, also: &[u8]) -> bool {
    const LENGTH: RangeInclusive<usize> = 1..=64;
    LENGTH.contains(&text.len())
        && text.bytes().next().is_some_and(first)
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || also.contains(&c))
}

/// A first look at a literal origin, so that a wildcard or a path is refused with the file. What
/// the address is worth is decided where requests leave.
fn check_origin(text: &str) -> Result<(), &'static str> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .ok_or("it must begin with https://")?;
    if rest.contains('*') {
        return Err("list the hosts it needs, without wildcards");
    }
    if rest.contains(['/', '?', '#', '@', '\\']) {
        return Err("scheme, host and port are expected, and nothing after them");
    }
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (rest, None),
    };
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
    };
    if host.len() > 253 || !host.split('.').all(label) {
        return Err("a host name in lower-case ASCII is expected");
    }
    match port {
        Some(port) if port.len() > 5 || !port.bytes().all(|c| c.is_ascii_digit()) || port.parse::<u16>().map_or(true, |port| port == 0) => {
            Err("the port must be a number from 1 to 65535")
        }
        _ => Ok(()),
    }
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
        [0x7f, b'E', b'L', b'F', ..] => "compiled code (ELF): Postern compiles the component itself",
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
    refuse(format!("the file is {what}; a WebAssembly component is expected"))
}

fn looks_like_text(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(64)];
    head.iter().all(|c| matches!(c, b'\t' | b'\n' | b'\r' | b' '..=b'~'))
}
