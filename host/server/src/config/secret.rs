//! Values nobody prints, and where they come from: literal, `{ env = "NAME" }` or
//! `{ file = "PATH" }`, resolved once.

use postern_federation::Secret;
use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A secret of a file; more is not a secret.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// Environment and files, so that a configuration can be read without them in tests.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// `None`: the environment and the files of this process.
    pretended: Option<Pretended>,
    /// Nothing may be referred to.
    closed: bool,
}

#[derive(Debug, Clone, Default)]
struct Pretended {
    environment: HashMap<String, String>,
    files: HashMap<PathBuf, String>,
}

impl Surroundings {
    pub fn real() -> Self {
        Self::default()
    }

    /// Nothing but what is listed.
    pub fn pretended(environment: &[(&str, &str)], files: &[(&str, &str)]) -> Self {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self {
            pretended: Some(Pretended {
                environment: environment.iter().map(own).collect(),
                files: files
                    .iter()
                    .map(|(path, text)| (PathBuf::from(path), (*text).to_owned()))
                    .collect(),
            }),
            closed: false,
        }
    }

    /// For a text that did not come with the host's own files: a reference in it is refused, or
    /// whoever may write it could read the host's environment and files (attack Q-10).
    pub fn closed() -> Self {
        Self {
            closed: true,
            ..Self::pretended(&[], &[])
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn variable(&self, name: &str) -> Option<String> {
        match &self.pretended {
            Some(pretended) => pretended.environment.get(name).cloned(),
            None => std::env::var(name).ok(),
        }
    }

    pub(crate) fn read(&self, path: &Path, bytes_max: u64) -> Result<String, String> {
        if let Some(pretended) = &self.pretended {
            return pretended
                .files
                .get(path)
                .cloned()
                .ok_or_else(|| "no such file".to_owned());
        }
        let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
        let mut text = String::new();
        file.take(bytes_max + 1)
            .read_to_string(&mut text)
            .map_err(|error| error.to_string())?;
        if text.len() as u64 > bytes_max {
            return Err(format!("larger than {bytes_max} bytes"));
        }
        Ok(text)
    }

    /// The files with this extension in a folder, in order of their names; none if there is no folder.
    pub(crate) fn list(&self, folder: &Path, extension: &str) -> Result<Vec<PathBuf>, String> {
        let fits = |path: &PathBuf| path.extension().is_some_and(|found| found == extension);
        let mut paths: Vec<PathBuf> = match &self.pretended {
            Some(pretended) => pretended
                .files
                .keys()
                .filter(|path| path.parent() == Some(folder) && fits(path))
                .cloned()
                .collect(),
            None => match std::fs::read_dir(folder) {
                Ok(entries) => entries
                    .map(|entry| entry.map(|entry| entry.path()))
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|error| error.to_string())?
                    .into_iter()
                    .filter(fits)
                    .collect(),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
                Err(error) => return Err(error.to_string()),
            },
        };
        paths.sort();
        Ok(paths)
    }
}

/// How a value was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) value: Secret,
    /// By reference, so that it does not stand in the file.
    pub(super) referenced: bool,
}

/// Resolves a literal (text, number, flag) or a reference. The error completes "KEY: ...".
pub(super) fn resolve(
    value: &toml::Value,
    base: &Path,
    surroundings: &Surroundings,
) -> Result<Resolved, String> {
    const EXPECTED: &str =
        "expected a text, a number, true or false, `{ env = \"NAME\" }` or `{ file = \"PATH\" }`";
    let literal = |text: String| Resolved {
        value: Secret::new(text),
        referenced: false,
    };
    match value {
        toml::Value::String(text) => Ok(literal(text.clone())),
        toml::Value::Integer(number) => Ok(literal(number.to_string())),
        toml::Value::Boolean(flag) => Ok(literal(flag.to_string())),
        toml::Value::Table(table) => {
            let mut entries = table.iter();
            let (Some((kind, toml::Value::String(name))), None) = (entries.next(), entries.next())
            else {
                return Err(EXPECTED.into());
            };
            if surroundings.closed {
                return Err("a reference: expected the value itself, because a document in the store cannot refer to the host's environment or files".into());
            }
            let value = match kind.as_str() {
                "env" => surroundings.variable(name).ok_or_else(|| {
                    format!("the environment variable `{name}` is not set: export it, or give the value in another way")
                })?,
                "file" => {
                    let path = base.join(name);
                    let text = surroundings
                        .read(&path, SECRET_BYTES_MAX)
                        .map_err(|reason| format!("cannot read `{}`: {reason}", path.display()))?;
                    // Editors end a file with a line break; no secret does.
                    text.trim_end_matches(['\r', '\n']).to_owned()
                }
                _ => return Err(EXPECTED.into()),
            };
            Ok(Resolved {
                value: Secret::new(value),
                referenced: true,
            })
        }
        _ => Err(EXPECTED.into()),
    }
}

/// What stands under a key of a section about another server. A warning tells one that stands there in
/// the clear.
pub(super) fn read(
    s: &mut super::section::Section<'_>,
    key: &str,
    base: &Path,
    surroundings: &Surroundings,
) -> Option<Secret> {
    let value = s.optional::<toml::Value>(key, "a text or a reference")?;
    match resolve(&value, base, surroundings) {
        Ok(resolved) => {
            if !resolved.referenced {
                s.warning(key, "the secret stands in the file: `{ env = \"NAME\" }` or `{ file = \"PATH\" }` keeps it out of copies and backups");
            }
            Some(resolved.value)
        }
        Err(message) => {
            s.problem(key, message);
            None
        }
    }
}
