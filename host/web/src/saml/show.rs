//! How a message of ours leaves: by a redirect, or by a form that posts itself where scripts run and has a button
//! where they do not.

use crate::page::{self, Frame, see_other};
use crate::tenant::TenantState;
use askama::Template;
use axum::response::Response;
use http::{HeaderValue, header};
use postern_federation::saml::Outgoing;
use postern_login::begin::ClientFacts;
use url::Url;

#[derive(Template)]
#[template(path = "saml/post.html")]
struct PostPage<'a> {
    f: Frame<'a>,
    action: &'a str,
    fields: &'a [(&'static str, String)],
}

pub(super) fn send(state: &TenantState, client: &ClientFacts, outgoing: &Outgoing) -> Response {
    match outgoing {
        Outgoing::Redirect(location) => see_other(location),
        Outgoing::Post { action, fields } => {
            let f = state.frame(&client.locale);
            let mut response = page::draw(&PostPage { f, action, fields });
            if let Some(policy) = policy(action) {
                response
                    .headers_mut()
                    .insert(header::CONTENT_SECURITY_POLICY, policy);
            }
            response
        }
    }
}

/// As on every page, but the form may go to that one origin, and from there to where its owner sends it on: browsers
/// hold redirects after a form to the same rule.
pub(super) fn policy(action: &str) -> Option<HeaderValue> {
    let origin = Url::parse(action).ok()?.origin().ascii_serialization();
    HeaderValue::from_str(&format!(
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self' {origin} https:; frame-ancestors 'none'; base-uri 'none'"
    ))
    .ok()
}
