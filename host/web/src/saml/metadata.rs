//! `GET /saml/metadata`: what peers must know of us, in both roles.

use super::{CONSUMER, SSO, entity_id, security};
use crate::tenant::Tenant;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use postern_federation::saml::metadata::Own;

pub async fn serve(Tenant(state): Tenant) -> Response {
    let security = match security(&state) {
        Ok(security) => security,
        Err(response) => return response,
    };
    let (sso_url, consumer_url) = (state.address(SSO), state.address(CONSUMER));
    let metadata = Own {
        entity_id: &entity_id(&state),
        certificates: &security.certificates(),
        sso_url: &sso_url,
        logout_url: None,
        consumer_url: &consumer_url,
        // Each service provider's entry says whether its requests must be signed.
        wants_signed_requests: false,
    };
    (
        [(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/samlmetadata+xml"),
        )],
        metadata.write(),
    )
        .into_response()
}
