//! What a plugin says about itself: identity, wishes, settings and vectors.
//!
//! Owns: the form of `plugin.toml`, which a person writes, and of the JSON that the component
//! carries in its custom section `postern:manifest`, which the host reads without running
//! anything. The two have the same fields; [`build`], called from a plugin's `build.rs`, turns the
//! first into the second, adds the version of the package and every file of `vectors/`, and stops
//! the build with a sentence when something is wrong. Knows nothing of grants: a manifest asks,
//! the operator decides.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::vectors::{Vector, VectorFile};

/// The version of the interface a plugin built with this SDK speaks.
pub const WIT_VERSION: &str = "0.1.0";

/// The manifest of a plugin.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// How configurations name the plugin: 1 to 64 of `a-z`, `0-9` and `-`.
    pub id: String,
    /// Semantic version; [`build`] takes the package's when the file names none.
    #[serde(default)]
    pub version: String,
    /// Version of the interface; [`build`] fills it in.
    #[serde(default)]
    pub wit: String,
    pub kind: Kind,
    /// What people call it, as in `Twilio`.
    pub title: String,
    /// One or two sentences for the operator.
    pub description: String,
    /// Other names a configuration may use for the id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Where it wants to send to: `https://host[:port]`, optionally with a path that every
    /// request's path then starts with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<String>,
    /// Settings whose value is a URL that names a further origin, such as `base_url`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origin_settings: Vec<String>,
    /// HTTP methods it uses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// Which class of limits it needs.
    #[serde(default)]
    pub runtime: Runtime,
    /// Who words the message: the host (`text` carries it) or the provider (`code` goes out bare).
    #[serde(default)]
    pub wording: Wording,
    /// Whether the text may end in the origin-bound line `@host #code`.
    #[serde(default = "yes")]
    pub origin_bound_line: bool,
    /// Whether the operator may add secrets this manifest does not list (`[sender.NAME.secrets]`).
    #[serde(default)]
    pub open_secrets: bool,
    /// The settings, in the order in which a form shows them.
    #[serde(default)]
    pub settings: Vec<Setting>,
    /// What the plugin must answer to what; [`build`] collects them from `vectors/*.json`.
    #[serde(default)]
    pub vectors: Vec<Vector>,
}

fn yes() -> bool {
    true
}

/// Which world the plugin implements.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    SmsProvider,
    UserResolver,
}

/// Which class of limits applies.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Runtime {
    /// Compiled ahead of time to wasm: Rust, C, Zig, Go.
    #[default]
    Native,
    /// Carries a language's interpreter: JavaScript, Python.
    Language,
}

/// Who words the message.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wording {
    #[default]
    Host,
    Provider,
}

/// One setting of a sender or resolver.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// 1 to 64 of `a-z`, `0-9` and `_`.
    pub name: String,
    #[serde(default)]
    pub kind: SettingKind,
    /// A secret is never told to the plugin; it names it with `secret(name)`.
    #[serde(default)]
    pub secret: bool,
    #[serde(default)]
    pub required: bool,
    /// What the plugin assumes when the setting is absent, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// The permitted values of a `choice`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// One line for the operator.
    #[serde(default)]
    pub help: String,
}

/// How a setting's text is read.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SettingKind {
    #[default]
    Text,
    /// A decimal number without sign.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// An `https://` or `http://` address.
    Url,
    /// One of `choices`.
    Choice,
    /// Text of several lines.
    Lines,
}

/// Why a manifest or a vector file cannot be used.
#[derive(Debug)]
pub struct ManifestError(String);

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ManifestError {}

impl Manifest {
    /// Reads a plugin's folder: `plugin.toml` and `vectors/*.json` in the order of their names.
    /// `version` is the package's, for a file that names none.
    pub fn read(folder: &Path, version: &str) -> Result<Manifest, ManifestError> {
        let file = folder.join("plugin.toml");
        let text = std::fs::read_to_string(&file)
            .map_err(|error| ManifestError(format!("{}: {error}", file.display())))?;
        let mut manifest: Manifest = toml::from_str(&text)
            .map_err(|error| ManifestError(format!("plugin.toml: {error}")))?;
        if manifest.version.is_empty() {
            manifest.version = version.to_owned();
        }
        if manifest.wit.is_empty() {
            manifest.wit = WIT_VERSION.to_owned();
        }
        for path in vector_files(folder)? {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let text = std::fs::read_to_string(&path)
                .map_err(|error| ManifestError(format!("vectors/{name}: {error}")))?;
            let file: VectorFile = serde_json::from_str(&text)
                .map_err(|error| ManifestError(format!("vectors/{name}: {error}")))?;
            manifest.vectors.extend(file.into_vectors());
        }
        manifest.judge()?;
        Ok(manifest)
    }

    /// Reads the JSON of a component's section.
    pub fn parse(json: &str) -> Result<Manifest, ManifestError> {
        let manifest: Manifest = serde_json::from_str(json)
            .map_err(|error| ManifestError(format!("manifest: {error}")))?;
        manifest.judge()?;
        Ok(manifest)
    }

    /// The JSON a component carries.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self)
            .expect("a manifest holds only strings, lists and maps with string keys")
    }

    /// Refuses what no host would accept, with the sentence the author needs.
    fn judge(&self) -> Result<(), ManifestError> {
        let refuse =
            |message: String| Err(ManifestError(format!("plugin `{}`: {message}", self.id)));
        if !is_name(&self.id, '-') {
            return refuse("the id must be 1 to 64 of a-z, 0-9 and -".to_owned());
        }
        for setting in &self.settings {
            let name = &setting.name;
            if !is_name(name, '_') {
                return refuse(format!(
                    "setting `{name}`: a name is 1 to 64 of a-z, 0-9 and _"
                ));
            }
            if self
                .settings
                .iter()
                .filter(|other| other.name == *name)
                .count()
                > 1
            {
                return refuse(format!("setting `{name}` is listed twice"));
            }
            if setting.secret && setting.default.is_some() {
                return refuse(format!("setting `{name}`: a secret cannot have a default"));
            }
            if (setting.kind == SettingKind::Choice) == setting.choices.is_empty() {
                return refuse(format!(
                    "setting `{name}`: `choices` belong to kind `choice`, and only there"
                ));
            }
        }
        for name in &self.origin_settings {
            if !self
                .settings
                .iter()
                .any(|setting| setting.name == *name && !setting.secret)
            {
                return refuse(format!(
                    "origin setting `{name}`: list it under settings, not secret"
                ));
            }
        }
        for origin in &self.origins {
            if crate::settings::Base::parse(origin).is_none() {
                return refuse(format!(
                    "origin `{origin}`: expected https://host, perhaps with port and path"
                ));
            }
        }
        for (index, vector) in self.vectors.iter().enumerate() {
            if self.vectors[..index]
                .iter()
                .any(|other| other.name == vector.name)
            {
                return refuse(format!("vector `{}` is there twice", vector.name));
            }
        }
        Ok(())
    }
}

fn is_name(name: &str, joint: char) -> bool {
    (1..=64).contains(&name.len())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == joint)
}

fn vector_files(folder: &Path) -> Result<Vec<std::path::PathBuf>, ManifestError> {
    let folder = folder.join("vectors");
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(&folder)
        .map_err(|error| ManifestError(format!("{}: {error}", folder.display())))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry
            .map_err(|error| ManifestError(format!("{}: {error}", folder.display())))?
            .path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The whole of a plugin's `build.rs`: `fn main() { postern_sdk::manifest::build() }`.
///
/// # Panics
/// With the reason, which stops the build, if the manifest or a vector file is not in order.
#[allow(
    clippy::print_stdout,
    reason = "this is how a build script speaks to cargo"
)]
pub fn build() {
    let variable = |name: &str| {
        std::env::var(name).unwrap_or_else(|_| panic!("{name} is set by cargo for build scripts"))
    };
    let folder = variable("CARGO_MANIFEST_DIR");
    println!("cargo::rerun-if-changed=plugin.toml");
    println!("cargo::rerun-if-changed=vectors");
    let manifest = match Manifest::read(Path::new(&folder), &variable("CARGO_PKG_VERSION")) {
        Ok(manifest) => manifest,
        Err(error) => panic!("{error}"),
    };
    let out = Path::new(&variable("OUT_DIR")).join("manifest.json");
    if let Err(error) = std::fs::write(&out, manifest.to_json()) {
        panic!("{}: {error}", out.display());
    }
}
