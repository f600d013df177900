//! `GET /saml/metadata`: what peers must know of us, in both roles.

use super::{CONSUMER, SSO, entity_id, security};
use crate::tenant::Tenant;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use postern_federation::saml::Certificate;
use postern_federation::saml::metadata::Own;

pub async fn serve(Tenant(state): Tenant) -> Response {
    let security = match security(&state) {
        Ok(security) => security,
        Err(response) => return response,
    };
    let metadata = document(
        &entity_id(&state),
        &state.address(""),
        &security.certificates(),
    );
    (
        [(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/samlmetadata+xml"),
        )],
        metadata,
    )
        .into_response()
}

/// The same without a host that runs.
pub fn document(entity_id: &str, base: &str, certificates: &[Certificate]) -> String {
    Own {
        entity_id,
        certificates,
        sso_url: &format!("{base}{SSO}"),
        consumer_url: &format!("{base}{CONSUMER}"),
        // Each service provider's entry says whether its requests must be signed.
        wants_signed_requests: false,
    }
    .write()
}
