//! Answers and refusals in the two dialects.

use crate::error::{Reference, chain};
use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use postern_admin::AdminError;
use postern_federation::ports::PortError;
use postern_federation::scim::{ScimError, SearchError, v1};
use postern_login::error::StoreError;
use serde_json::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// 1.1
    One,
    /// 2.0
    Two,
}

impl Dialect {
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::One => "/wso2/scim",
            Self::Two => "/scim/v2",
        }
    }

    fn media_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::One => "application/json",
            Self::Two => "application/scim+json",
        })
    }
}

#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    body: Option<Value>,
    etag: Option<String>,
    location: Option<String>,
}

impl Answer {
    pub(super) fn ok(body: Value) -> Self {
        Self {
            status: StatusCode::OK,
            body: Some(body),
            etag: None,
            location: None,
        }
    }

    /// A resource, with its version and its address.
    pub(super) fn resource(status: StatusCode, whole: &Value, shown: Value) -> Self {
        let meta = |name: &str| whole["meta"][name].as_str().map(str::to_owned);
        Self {
            status,
            etag: meta("version"),
            location: meta("location"),
            body: Some(shown),
        }
    }

    pub(super) fn empty(status: StatusCode, etag: Option<String>) -> Self {
        Self {
            status,
            body: None,
            etag,
            location: None,
        }
    }

    pub(super) fn response(self, dialect: Dialect) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        for (name, text) in [(header::ETAG, self.etag), (header::LOCATION, self.location)] {
            if let Some(value) = text.and_then(|text| HeaderValue::from_str(&text).ok()) {
                headers.insert(name, value);
            }
        }
        if let Some(body) = self.body {
            let body = match dialect {
                Dialect::One if body.get("userName").is_some() => v1::resource(body),
                Dialect::One if body.get("displayName").is_some() => v1::resource(body),
                Dialect::One | Dialect::Two => body,
            };
            headers.insert(header::CONTENT_TYPE, dialect.media_type());
            *response.body_mut() = Body::from(body.to_string());
        }
        response
    }
}

/// Why it was not done.
#[derive(Debug)]
pub(super) struct Refused {
    error: ScimError,
    allow: Option<&'static str>,
}

impl Refused {
    pub(super) fn method(allow: &'static str) -> Self {
        Self {
            error: ScimError::new(405, "this address does not take that method"),
            allow: Some(allow),
        }
    }

    /// For nobody's credentials.
    pub(super) fn unauthorized() -> Self {
        ScimError::new(401, "a client's token is needed, as `Bearer` or `Basic`").into()
    }

    pub(super) fn unavailable(error: &(dyn std::error::Error + 'static)) -> Self {
        let reference = Reference::new();
        tracing::error!(%reference, "a SCIM request failed: {}", chain(error));
        ScimError::new(503, format!("not now; the log says why under {reference}")).into()
    }

    pub(super) fn response(self, dialect: Dialect) -> Response {
        let status =
            StatusCode::from_u16(self.error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = match dialect {
            Dialect::One => self.error.body_v1(),
            Dialect::Two => self.error.body(),
        };
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, dialect.media_type());
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        match status {
            StatusCode::UNAUTHORIZED => {
                for challenge in ["Bearer realm=\"scim\"", "Basic realm=\"scim\""] {
                    headers.append(
                        header::WWW_AUTHENTICATE,
                        HeaderValue::from_static(challenge),
                    );
                }
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            }
            _ => {}
        }
        response
    }
}

impl From<ScimError> for Refused {
    fn from(error: ScimError) -> Self {
        Self { error, allow: None }
    }
}

impl From<PortError> for Refused {
    fn from(error: PortError) -> Self {
        Self::unavailable(&error)
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::unavailable(&error)
    }
}

impl From<SearchError> for Refused {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::TooMany => ScimError::too_many().into(),
            SearchError::Failed(error) => error.into(),
        }
    }
}

impl From<AdminError> for Refused {
    fn from(error: AdminError) -> Self {
        let words = error.to_string();
        let error = match error {
            AdminError::Unavailable(error) => return error.into(),
            AdminError::Denied | AdminError::Stale | AdminError::ReadOnly { .. } => {
                ScimError::forbidden(words)
            }
            // An account that administers is not a client's to change.
            AdminError::InUse { .. } => {
                ScimError::forbidden("the name administers this service: no client changes it")
            }
            AdminError::Invalid(_) | AdminError::Fields(_) => ScimError::value(words),
            AdminError::NotFound { .. } | AdminError::NoOutbox => ScimError::not_found(),
            AdminError::Exists { what, .. } => ScimError::uniqueness(format!(
                "there is a {what} of that name, or one that looks like it"
            )),
            AdminError::Changed { .. } => ScimError::new(412, words),
            AdminError::NoHost => ScimError::new(503, words),
        };
        error.into()
    }
}
