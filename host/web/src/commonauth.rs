//! `POST /commonauth`: one address that two senders know from the older product. An identity provider
//! brings a SAML message there, a page of the operator's own the fields of the step; the field decides.
//!
//! Neither gains by the other's field: an answer is worth what its signature is worth, and a page's form
//! what its origin, cookie and key are worth.

use crate::error::PageError;
use crate::extract::Client;
use crate::extract::fields::whole;
use crate::saml;
use crate::sign_in::own_page;
use crate::tenant::Tenant;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};

/// An answer, and a request to sign somebody out.
const SAML: [&str; 2] = ["SAMLResponse", "SAMLRequest"];

pub(crate) async fn submit(
    Tenant(state): Tenant,
    Client(client): Client,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let form = match whole(body, saml::BODY_BYTES_MAX).await {
        Ok(form) => form,
        Err(failure) => return PageError::from(failure).into_response(),
    };
    if has_message(&form) {
        return saml::consumed(&state, &client, &head.headers, &form).await;
    }
    own_page::submit(&state, Request::from_parts(head, Body::from(form))).await
}

fn has_message(form: &[u8]) -> bool {
    form_urlencoded::parse(form).any(|(name, _)| SAML.contains(&&*name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_says_who_sent_it() {
        for (form, saml) in [
            ("SAMLResponse=PGEvPg%3D%3D&RelayState=k", true),
            ("RelayState=k&SAMLResponse=", true),
            ("OTPcode=123456&SAMLResponse=x", true),
            ("SAML%52esponse=x", true),
            ("SAMLRequest=x&RelayState=k", true),
            ("OTPcode=123456&sessionDataKey=k", false),
            ("sessionDataKey=SAMLResponse%3Dx", false),
            ("samlresponse=x", false),
            ("", false),
        ] {
            assert_eq!(has_message(form.as_bytes()), saml, "{form}");
        }
    }
}
