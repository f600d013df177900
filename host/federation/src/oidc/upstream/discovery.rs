//! An OpenID provider's own description: where its endpoints are (OpenID Connect Discovery 1.0).

use super::error::{Fault, TripError};
use crate::name::check_address;
use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Metadata {
    pub(super) issuer: String,
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    pub(super) jwks_uri: String,
    #[serde(default)]
    pub(super) userinfo_endpoint: Option<String>,
    /// RFC 9207: then an answer without `iss` is not its answer.
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

pub(super) fn address(issuer: &str) -> String {
    format!(
        "{}/.well-known/openid-configuration",
        issuer.trim_end_matches('/')
    )
}

/// The document says of itself whose it is; another issuer's is a mix-up (OpenID Connect Discovery
/// 1.0, 4.3).
pub(super) fn read(provider: &str, issuer: &str, body: &[u8]) -> Result<Metadata, TripError> {
    let broken = |detail: String| TripError::new(provider, Fault::Provider, detail);
    let metadata: Metadata = serde_json::from_slice(body)
        .map_err(|error| broken(format!("its discovery document cannot be read: {error}")))?;
    if metadata.issuer != issuer {
        let found = crate::problem::shown(&metadata.issuer);
        return Err(broken(format!(
            "its discovery document is of issuer `{found}`: expected `{issuer}`"
        )));
    }
    let mut problems = Vec::new();
    let endpoints = [
        (
            "authorization_endpoint",
            Some(&metadata.authorization_endpoint),
        ),
        ("token_endpoint", Some(&metadata.token_endpoint)),
        ("jwks_uri", Some(&metadata.jwks_uri)),
        ("userinfo_endpoint", metadata.userinfo_endpoint.as_ref()),
    ];
    for (key, endpoint) in endpoints {
        if let Some(endpoint) = endpoint {
            check_address(key, endpoint, &mut problems);
        }
    }
    match problems.first() {
        None => Ok(metadata),
        Some(problem) => Err(broken(format!("its discovery document: {problem}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(issuer: &str, token_endpoint: &str) -> Vec<u8> {
        serde_json::json!({
            "issuer": issuer,
            "authorization_endpoint": "https://idp.example/authorize",
            "token_endpoint": token_endpoint,
            "jwks_uri": "https://idp.example/jwks",
        })
        .to_string()
        .into_bytes()
    }

    /// mix-up begins with a document that speaks for somebody else.
    #[test]
    fn a_document_of_another_issuer_is_refused() {
        let read = |issuer: &str| {
            let document = document(issuer, "https://idp.example/token");
            read("idp", "https://idp.example", &document)
        };
        assert!(read("https://idp.example").is_ok());
        for other in ["https://evil.example", "https://idp.example/", ""] {
            assert!(read(other).is_err(), "{other}");
        }
    }

    #[test]
    fn a_document_with_a_plain_http_endpoint_is_refused() {
        let document = document("https://idp.example", "http://idp.example/token");
        assert!(read("idp", "https://idp.example", &document).is_err());
        assert!(read("idp", "https://idp.example", b"<html>").is_err());
    }
}
