//! What people see.

use crate::Settings;
use crate::people::Person;
use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

/// Nothing from elsewhere; the one script is ours, for the form that posts itself.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";

#[derive(Template)]
#[template(path = "home.html")]
struct Home<'a> {
    settings: &'a Settings,
    /// IdP-initiated.
    begin_there: String,
    person: Option<&'a Person>,
    notice: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "post.html")]
struct Post<'a> {
    action: &'a str,
    fields: &'a [(&'static str, String)],
}

#[derive(Template)]
#[template(path = "trouble.html")]
struct Failed<'a> {
    what: &'a str,
}

pub(crate) fn home(settings: &Settings, person: Option<&Person>, query: Option<&str>) -> Response {
    let notice = match query {
        Some("signed-out" | "signed-out=") => Some("You are signed out everywhere."),
        Some("signed-out=partly") => {
            Some("You are signed out here, but not every application confirmed it.")
        }
        Some("signed-out=here") => Some("You are signed out here."),
        _ => None,
    };
    draw(&Home {
        settings,
        begin_there: format!(
            "{}/samlsso?spEntityID={}",
            settings.identity_provider,
            crate::encoded(&settings.entity_id)
        ),
        person,
        notice: notice.filter(|_| person.is_none()),
    })
}

/// A message that goes by form.
pub(crate) fn post(action: &str, fields: &[(&'static str, String)]) -> Response {
    draw(&Post { action, fields })
}

fn draw(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => {
            let mut response = Html(html).into_response();
            let headers = response.headers_mut();
            headers.insert(
                header::CONTENT_SECURITY_POLICY,
                HeaderValue::from_static(POLICY),
            );
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Err(error) => {
            tracing::error!(%error, "a page could not be drawn");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Something was not in order. A sample says what; an application for strangers would write it to its log only.
pub(crate) struct Trouble(String);

impl Trouble {
    pub(crate) fn new(what: &str) -> Self {
        Self(what.to_owned())
    }
    /// With all its causes.
    pub(crate) fn of(error: impl std::error::Error) -> Self {
        let mut what = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            what += &format!(": {error}");
            cause = error.source();
        }
        Self(what)
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        tracing::warn!(cause = self.0, "a sign-in did not work");
        let mut response = draw(&Failed { what: &self.0 });
        *response.status_mut() = StatusCode::BAD_REQUEST;
        response
    }
}
