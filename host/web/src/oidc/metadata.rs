//! What applications read before they ask: our description and our public keys. Open to every page
//! of every site: there is nothing secret in them, and no cookie changes them.

use super::now;
use crate::error::chain;
use crate::tenant::Tenant;
use crate::texts::LANGUAGES;
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use postern_federation::oidc::provider::discovery;

const FOR_AN_HOUR: HeaderValue = HeaderValue::from_static("public, max-age=3600");

/// `GET /.well-known/openid-configuration`
pub async fn configuration(Tenant(state): Tenant) -> Response {
    let locales: Vec<&str> = LANGUAGES.iter().map(|texts| texts.lang).collect();
    open(Json(discovery::document(&state.issuer(), &locales)).into_response())
}

/// `GET /oauth2/jwks`
pub async fn jwks(Tenant(state): Tenant) -> Response {
    match state.federation.signing_keys.ring(now(&state)) {
        Ok(ring) => open(Json(ring.jwks()).into_response()),
        Err(error) => {
            tracing::error!(error = chain(&error), "the public keys could not be served");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

fn open(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, FOR_AN_HOUR);
    response
}
