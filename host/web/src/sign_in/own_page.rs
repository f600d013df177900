//! Pages of the operator's own, in place of ours: where the browser is sent, what it is told in the
//! address, and what such a page may send back.
//!
//! The page posts the field names it has always posted to `/commonauth`. It is believed if it comes
//! from an origin that was configured, with the login's cookie, and with the `sessionDataKey` that was
//! made for that cookie: the same binding as the token in our own forms (attacks S-04, S-05).

use super::{entered, went_on};
use crate::error::PageError;
use crate::extract::fields::Fields;
use crate::extract::{Client, LoginForm};
use crate::message_key;
use crate::page::see_other;
use crate::public_url::PublicUrl;
use crate::tenant::TenantState;
use axum::extract::{FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, header};
use postern_login::login::StopReason;
use postern_login::pages::PageSettings;
use postern_login::step::Told;
use postern_login::{LoginId, Step, TenantId};
use postern_otp::{OwnPages, Timestamp};

/// What all pages of the step are told.
const AUTHENTICATORS: (&str, &str) = ("authenticators", "SMSOTP");
/// Where nothing else is known of why there is no code.
const NOT_SENT: &str = "unable.send.code";

/// Where the operator's page for this step is, with everything it is told; `None` if ours does it.
pub(super) fn address(
    state: &TenantState,
    id: &LoginId,
    step: &Step,
    settings: &PageSettings,
) -> Option<String> {
    let page = page_of(step, &settings.own)?;
    let base = absolute(page, &state.public_url, &state.tenant);
    let key = state.form_key.token(id.as_str());
    Some(with_query(
        &base,
        &told(step, &key, settings, state.clock.now()),
    ))
}

/// A message that was not sent leads to the error page, as it always did; a lock that backup codes
/// open stays on our page, which takes them.
fn page_of<'p>(step: &Step, own: &'p OwnPages) -> Option<&'p str> {
    let page = match step {
        Step::AskNumber { .. } => &own.number,
        Step::AskCode(ask) if ask.sent => &own.code,
        Step::AskCode(_) => &own.error,
        Step::Stopped {
            backup_codes: false,
            ..
        } => &own.error,
        Step::Stopped { .. }
        | Step::FirstStep { .. }
        | Step::SecondStepWanted { .. }
        | Step::Authenticated => return None,
    };
    page.as_deref()
}

/// An absolute address as it stands; a path below the public one, and below the tenant's unless it is
/// the first one.
fn absolute(page: &str, public: &PublicUrl, tenant: &TenantId) -> String {
    if page.contains("://") {
        return page.to_owned();
    }
    let path = page.trim_start_matches('/');
    let origin = public.origin();
    if *tenant == TenantId::super_tenant() {
        format!("{origin}/{path}")
    } else {
        format!("{origin}/t/{tenant}/{path}")
    }
}

fn with_query(base: &str, pairs: &[(&str, String)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    let joint = if base.contains('?') { '&' } else { '?' };
    format!("{base}{joint}{}", query.finish())
}

fn told(
    step: &Step,
    key: &str,
    settings: &PageSettings,
    now: Timestamp,
) -> Vec<(&'static str, String)> {
    let mut pairs = vec![
        (AUTHENTICATORS.0, AUTHENTICATORS.1.to_owned()),
        ("sessionDataKey", key.to_owned()),
    ];
    let failed = |pairs: &mut Vec<(&'static str, String)>, message: &str| {
        pairs.push(("authFailure", "true".to_owned()));
        pairs.push(("authFailureMsg", message.to_owned()));
    };
    match step {
        Step::AskNumber { notice } => {
            let encoded = |text: &str| STANDARD.encode(text);
            if let Some(pattern) = &settings.number_pattern {
                pairs.push(("mobileNumberRegexPattern", encoded(pattern.as_str())));
            }
            if let Some(message) = &settings.number_pattern_message {
                pairs.push((
                    "mobileNumberPatternPolicyFailureErrorMessage",
                    encoded(message),
                ));
            }
            if let Some(message) = notice.and_then(message_key::of_notice) {
                failed(&mut pairs, message);
            }
        }
        Step::AskCode(ask) => {
            if let Some(number) = &ask.number {
                // Newer pages read the second spelling, older ones the first.
                pairs.push(("screenvalue", number.clone()));
                pairs.push(("screenValue", number.clone()));
            }
            pairs.push(("resendCode", ask.resend_at.is_some().to_string()));
            let notice = ask.notice.and_then(message_key::of_notice);
            match &ask.not_sent {
                _ if ask.sent => {
                    if let Some(message) = notice {
                        failed(&mut pairs, message);
                    }
                }
                Some(Told { reason, words }) => {
                    let code = reason.map(message_key::of_failure);
                    failed(&mut pairs, code.or(notice).unwrap_or(NOT_SENT));
                    if let Some(words) = words {
                        pairs.push(("authFailureInfo", STANDARD.encode(words)));
                    }
                }
                None => failed(&mut pairs, notice.unwrap_or(NOT_SENT)),
            }
        }
        // A lock comes here as one only where it may be told (`showAuthFailureReason`).
        Step::Stopped { reason, .. } => {
            pairs.push(("resendCode", "false".to_owned()));
            failed(&mut pairs, message_key::of_stop(*reason));
            if let StopReason::Locked { until } = reason {
                let minutes = until.since(now).as_secs().div_ceil(60);
                pairs.push(("unlockTime", minutes.to_string()));
            }
        }
        Step::FirstStep { .. } | Step::SecondStepWanted { .. } | Step::Authenticated => {}
    }
    pairs
}

// ---------------------------------------------------------------- back

/// What a page sent back, by the fields it has always had.
#[derive(Debug, PartialEq, Eq)]
pub enum Act {
    Number,
    Resend,
    Code,
    /// Ours: the older page had one field for both, which doubles what a guess may hit (attack C-06).
    BackupCode,
    /// A code that is empty: the step is shown again.
    Look,
}

/// Number before resend before code; `None` if nothing of the step is in it.
pub fn recognise(fields: &Fields) -> Option<Act> {
    let has = |name: &str| !fields.text(name).trim().is_empty();
    let resend = fields
        .text("resendCode")
        .trim()
        .eq_ignore_ascii_case("true");
    if has("MOBILE_NUMBER") {
        Some(Act::Number)
    } else if resend {
        Some(Act::Resend)
    } else if has("OTPcode") {
        Some(Act::Code)
    } else if has("backupCode") {
        Some(Act::BackupCode)
    } else if has("resendCode") {
        Some(Act::Look)
    } else {
        None
    }
}

/// `POST /commonauth`, from a page of the operator's own.
pub(crate) async fn submit(state: &TenantState, request: Request) -> Response {
    let (mut head, body) = request.into_parts();
    let client = match Client::from_request_parts(&mut head, state.web()).await {
        Ok(Client(client)) => client,
        Err(error) => return error.into_response(),
    };
    let headers = head.headers.clone();
    let settings = match state.logins.page_settings(&state.tenant).await {
        Ok(settings) => settings,
        Err(error) => return PageError::busy(&error).into_response(),
    };
    if !may_post(&headers, &state.public_url, &settings.own) {
        return PageError::Refused.into_response();
    }
    let fields = match Fields::read(Request::from_parts(head, body)).await {
        Ok(fields) => fields,
        Err(error) => return error.into_response(),
    };
    let bound = state.cookies().login(&headers).filter(|id| {
        state
            .form_key
            .matches(id.as_str(), fields.text("sessionDataKey"))
    });
    let Some(id) = bound else {
        return PageError::Stale.into_response();
    };
    let form = LoginForm {
        id,
        fields,
        client,
        headers,
    };
    let logins = &state.logins;
    let outcome = match recognise(&form.fields) {
        None => return PageError::Form.into_response(),
        Some(Act::Look) => return see_other("/sign-in"),
        Some(Act::Number) => {
            let typed = form.fields.text("MOBILE_NUMBER");
            logins.give_number(&form.id, typed, &form.client).await
        }
        Some(Act::Resend) => logins.resend(&form.id, &form.client).await,
        Some(Act::Code) => return entered(state, &form, form.fields.text("OTPcode")).await,
        Some(Act::BackupCode) => {
            let typed = form.fields.text("backupCode");
            logins
                .submit_backup_code(&form.id, typed, &form.client)
                .await
        }
    };
    went_on(state, &form.id, &form.client, &form.headers, outcome).await
}

/// The browser names the page it posts from; one that does not is not believed.
fn may_post(headers: &HeaderMap, public: &PublicUrl, own: &OwnPages) -> bool {
    let mut lines = headers.get_all(header::ORIGIN).iter();
    let (Some(from), None) = (lines.next(), lines.next()) else {
        return false;
    };
    let Ok(from) = from.to_str() else {
        return false;
    };
    origins(own, public).iter().any(|known| known == from)
}

/// Where own pages are: our own origin, and those of absolute addresses.
pub(crate) fn origins(own: &OwnPages, public: &PublicUrl) -> Vec<String> {
    let pages = [&own.code, &own.error, &own.number];
    let mut origins: Vec<String> = Vec::new();
    for page in pages.into_iter().flatten() {
        let origin = if page.contains("://") {
            match url::Url::parse(page) {
                Ok(url) => url.origin().ascii_serialization(),
                Err(_) => continue,
            }
        } else {
            public.origin().to_owned()
        };
        if !origins.contains(&origin) {
            origins.push(origin);
        }
    }
    origins
}

#[cfg(test)]
mod tests;
