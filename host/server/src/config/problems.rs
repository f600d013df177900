//! What is wrong with a configuration, and what is merely unwise. Knows no section.

use std::fmt;
use std::path::{Path, PathBuf};

/// One thing that is wrong, where, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Dotted, as in `sms_otp.token_length`.
    pub key: String,
    pub message: String,
}

/// Allowed, and yet worth a second thought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    pub key: String,
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.message)
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.message)
    }
}

/// Why there is no configuration.
#[derive(Debug)]
pub enum ConfigError {
    Unreadable {
        file: PathBuf,
        reason: String,
    },
    /// Not TOML; nothing more can be said until it is.
    Syntax {
        file: PathBuf,
        reason: String,
    },
    Wrong {
        file: PathBuf,
        problems: Vec<Problem>,
        warnings: Vec<Warning>,
        /// What could be read in spite of them; nothing is started by it.
        rest: Box<super::Config>,
    },
}

impl ConfigError {
    pub(super) fn unreadable(file: &Path, reason: String) -> Self {
        Self::Unreadable {
            file: file.to_owned(),
            reason,
        }
    }

    pub(super) fn syntax(file: &Path, error: &toml::de::Error) -> Self {
        // The error's own display quotes the line, which may hold a secret: place and message only.
        Self::Syntax {
            file: file.to_owned(),
            reason: error.message().to_owned(),
        }
    }

    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Wrong { problems, .. } => problems,
            Self::Unreadable { .. } | Self::Syntax { .. } => &[],
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { file, reason } => {
                write!(f, "cannot read `{}`: {reason}", file.display())
            }
            Self::Syntax { file, reason } => {
                write!(f, "`{}` is not TOML: {reason}", file.display())
            }
            Self::Wrong { file, problems, .. } => {
                let count = problems.len();
                let noun = if count == 1 { "problem" } else { "problems" };
                write!(f, "`{}` has {count} {noun}:", file.display())?;
                for problem in problems {
                    write!(f, "\n  {problem}")?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for ConfigError {}

/// Collects while sections are read.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Warning>,
}

impl Findings {
    pub(super) fn problem(&mut self, key: &str, message: impl Into<String>) {
        self.problems.push(Problem {
            key: key.to_owned(),
            message: message.into(),
        });
    }

    pub(super) fn warning(&mut self, key: &str, message: impl Into<String>) {
        self.warnings.push(Warning {
            key: key.to_owned(),
            message: message.into(),
        });
    }
}
