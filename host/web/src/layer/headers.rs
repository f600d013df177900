//! The headers that keep a page a page: no scripts but ours, no frames, no cache, no guessing.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Everything from here, nothing inline, forms only to us, in no frame (attacks S-06, S-07).
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Two years, the value that browsers' preload lists ask for.
const STRICT_TRANSPORT: HeaderValue =
    HeaderValue::from_static("max-age=63072000; includeSubDomains");

/// What a page must not use. `otp-credentials` is WebOTP, which the code page uses.
const PERMISSIONS: HeaderValue = HeaderValue::from_static(
    "otp-credentials=(self), camera=(), geolocation=(), microphone=(), payment=(), usb=()",
);

/// `elsewhere`: origins that a form of ours may lead to by a redirect, which browsers judge as if the
/// form went there.
pub fn page(headers: &mut HeaderMap, https: bool, elsewhere: &[String]) {
    for (name, value) in [
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        // Not `no-referrer`: browsers would then send `Origin: null` with our own forms.
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("same-origin"),
        ),
        (HeaderName::from_static("permissions-policy"), PERMISSIONS),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            HeaderValue::from_static("same-origin"),
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            HeaderValue::from_static("same-origin"),
        ),
    ] {
        headers.insert(name, value);
    }
    // A page that posts to another site says so itself.
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert_with(|| policy(elsewhere));
    // Assets say themselves how long they keep.
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    if https {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, STRICT_TRANSPORT);
    }
}

fn policy(elsewhere: &[String]) -> HeaderValue {
    let mut wider = CONTENT_SECURITY_POLICY.to_owned();
    if !elsewhere.is_empty() {
        let forms = format!("form-action 'self' {}", elsewhere.join(" "));
        wider = wider.replace("form-action 'self'", &forms);
    }
    HeaderValue::from_str(&wider).unwrap_or(HeaderValue::from_static(CONTENT_SECURITY_POLICY))
}

/// Data for programs: less to say.
pub fn api(headers: &mut HeaderMap, https: bool) {
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    if https {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, STRICT_TRANSPORT);
    }
}
