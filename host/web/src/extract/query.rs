//! The query of an address: each name once, and not too much of it.

use crate::error::PageError;
use axum::extract::FromRequestParts;
use http::request::Parts;

/// Requests of applications carry a hint, which is a token.
const QUERY_BYTES_MAX: usize = 16 * 1024;
const NAMES_MAX: usize = 40;

#[derive(Debug, Clone, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// A name that comes twice makes the whole unreadable: two readers could pick two values
    /// (RFC 6749, 3.1).
    pub fn parse(text: &str) -> Result<Self, PageError> {
        if text.len() > QUERY_BYTES_MAX {
            return Err(PageError::TooLarge);
        }
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            if pairs.iter().any(|(known, _)| *known == name) || pairs.len() == NAMES_MAX {
                return Err(PageError::Form);
            }
            pairs.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(pairs))
    }

    /// An empty value is as good as none (RFC 6749, 3.1).
    pub fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// Whether the name is there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, PageError> {
        Self::parse(parts.uri.query().unwrap_or_default())
    }
}
