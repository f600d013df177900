//! The token endpoint and userinfo: applications speak here, not browsers.

use super::now;
use crate::error::{PageError, chain};
use crate::extract::authorization::authorization;
use crate::extract::fields::Fields;
use crate::tenant::Tenant;
use axum::Json;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use postern_federation::oidc::provider::{TokenError, TokenRequest};
use serde_json::json;

/// `POST /oauth2/token`
pub async fn token(Tenant(state): Tenant, request: Request) -> Response {
    let headers = request.headers().clone();
    let fields = match Fields::read(request).await {
        Ok(fields) => fields,
        Err(error) => return unreadable(&error),
    };
    let Ok(authorization) = authorization(&headers) else {
        return refused(
            &TokenError::InvalidRequest("two `Authorization` headers"),
            false,
        );
    };
    let mut entropy = [0; 64];
    if let Err(error) = state.federation.entropy.fill(&mut entropy) {
        tracing::error!(error = chain(&error), "a token could not be made");
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let asked = TokenRequest {
        authorization,
        grant_type: fields.text("grant_type"),
        code: fields.text("code"),
        redirect_uri: fields.text("redirect_uri"),
        code_verifier: fields.text("code_verifier"),
        client_id: fields.text("client_id"),
        client_secret: fields.text("client_secret"),
    };
    let provider = state.federation.provider();
    let issuer = &state.issuer();
    let redeemed = provider.redeem(state.tenant.as_str(), issuer, &asked, &entropy, now(&state));
    match redeemed.await {
        Ok(redeemed) => secret(Json(redeemed).into_response()),
        Err(error) => refused(&error, authorization.is_some()),
    }
}

/// `GET` and `POST /oauth2/userinfo`: the token in the header, and nowhere else (RFC 9700, 4.3.2).
pub async fn userinfo(Tenant(state): Tenant, headers: HeaderMap) -> Response {
    let bearer = authorization(&headers).ok().flatten().and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then_some(token.trim())
    });
    let Some(token) = bearer else {
        let mut response = StatusCode::UNAUTHORIZED.into_response();
        let challenge = HeaderValue::from_static("Bearer");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
        return response;
    };
    let provider = state.federation.provider();
    match provider
        .userinfo(state.tenant.as_str(), token, now(&state))
        .await
    {
        Ok(said) => secret(Json(said).into_response()),
        Err(TokenError::InvalidToken) => {
            let mut response = StatusCode::UNAUTHORIZED.into_response();
            let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
            response
        }
        Err(error) => {
            tracing::error!(error = chain(&error), "userinfo could not be read");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

fn unreadable(error: &PageError) -> Response {
    let status = match error {
        PageError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        PageError::Slow => StatusCode::REQUEST_TIMEOUT,
        _ => StatusCode::BAD_REQUEST,
    };
    let body = json!({"error": "invalid_request", "error_description": "expected a form, each field once"});
    (status, Json(body)).into_response()
}

/// RFC 6749, 5.2. `basic`: the client used that header, and is told by a header.
fn refused(error: &TokenError, basic: bool) -> Response {
    let status = match error {
        TokenError::InvalidClient(_) => StatusCode::UNAUTHORIZED,
        TokenError::Failed(_) | TokenError::Signing(_) => StatusCode::SERVICE_UNAVAILABLE,
        TokenError::InvalidRequest(_)
        | TokenError::InvalidGrant(_)
        | TokenError::UnsupportedGrantType
        | TokenError::InvalidToken => StatusCode::BAD_REQUEST,
    };
    if status.is_server_error() {
        tracing::error!(error = chain(error), "a token could not be issued");
    } else {
        tracing::warn!(error = chain(error), "a token request was refused");
    }
    let mut response = (status, Json(json!({"error": error.code()}))).into_response();
    if status == StatusCode::UNAUTHORIZED && basic {
        let challenge = HeaderValue::from_static("Basic realm=\"token\"");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
    }
    secret(response)
}

/// RFC 6749, 5.1.
fn secret(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
