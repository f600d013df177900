//! Is the request meant for us? A name we do not know gets no page that could carry it (attack S-10).

use crate::state::WebState;
use axum::extract::Request;
use http::header;
use std::net::IpAddr;

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

/// The origin of the console as this request names it, if it may: the address that was configured,
/// `localhost`, or an address in digits. A name that somebody else's name server turns into this
/// machine's address is none of these (DNS rebinding).
pub fn console(request: &Request, state: &WebState) -> Option<String> {
    let host = named(request)?;
    if let Some(url) = &state.console_url
        && host.eq_ignore_ascii_case(url.authority())
    {
        return Some(url.origin().to_owned());
    }
    let authority: http::uri::Authority = host.parse().ok()?;
    let name = authority.host();
    let digits = name.trim_start_matches('[').trim_end_matches(']');
    let safe = name.eq_ignore_ascii_case("localhost") || digits.parse::<IpAddr>().is_ok();
    (safe && !host.contains('@')).then(|| format!("http://{host}"))
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
