//! Is the request meant for us? A name we do not know gets no page that could carry it (attack S-10).

use crate::state::WebState;
use axum::extract::Request;
use http::header;

/// `Host`, or the authority of HTTP/2, is the public address or one the operator named. Forwarded
/// names (`X-Forwarded-Host`, `Forwarded`) are never looked at.
pub fn known(request: &Request, state: &WebState) -> bool {
    let Some(host) = named(request) else {
        return false;
    };
    host.eq_ignore_ascii_case(state.public_url.authority())
        || state
            .other_hosts
            .iter()
            .any(|other| host.eq_ignore_ascii_case(other))
}

/// One name: two `Host` lines, or none, are no name.
fn named(request: &Request) -> Option<&str> {
    if let Some(authority) = request.uri().authority() {
        return Some(authority.as_str());
    }
    let mut lines = request.headers().get_all(header::HOST).iter();
    let first = lines.next()?.to_str().ok()?;
    lines.next().is_none().then_some(first)
}
