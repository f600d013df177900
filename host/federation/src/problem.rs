//! What is wrong with an entry, by the key an operator would look under.

/// One of the list that a `check` returns: all of them, never only the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Dotted, below the entry: `oidc.redirect_uris`.
    pub key: String,
    /// What was found and what was expected.
    pub message: String,
}

impl Problem {
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            message: message.into(),
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.key, self.message)
    }
}

/// Somebody else's text in a message of ours: one short line without control characters.
pub(crate) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
