//! Challenges: a code is sent, checked, sent again.

use crate::api::json::answer;
use crate::api::problem::{self, Problem};
use crate::api::{ChallengeCaller, StrictJson};
use crate::extract::client::well_formed;
use crate::tenant::Tenant;
use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use postern_login::LoginId;
use postern_login::challenges::{
    ChallengeError, Created, NewChallenge, RefusedReason, Target, Verification,
};
use postern_login::login::Purpose;
use postern_login::ports::ApiClient;
use postern_otp::Timestamp;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::Duration;
use utoipa::ToSchema;

/// Who gets a code: a user of the directory, or a number the application vouches for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChallengeRequest {
    user: Option<String>,
    mobile: Option<String>,
    tenant: Option<String>,
    purpose: Option<String>,
    locale: Option<String>,
    client_ip: Option<String>,
    app_hash: Option<String>,
}

/// A code is on its way.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChallengeCreated {
    /// A secret of this application: keep it out of addresses that others see.
    #[schema(pattern = "^[A-Za-z0-9_-]{43}$", min_length = 43, max_length = 43)]
    challenge_id: String,
    /// A fixed number of stars and the last digits.
    masked_mobile: String,
    /// Seconds.
    #[schema(minimum = 0)]
    expires_in: u64,
    /// Seconds until another code may be asked for; null if none may.
    #[schema(minimum = 0)]
    resend_in: Option<u64>,
}

/// What the person typed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyRequest {
    /// As typed; spaces and hyphens are forgiven.
    #[schema(min_length = 1, max_length = 64)]
    code: String,
}

/// Accepted, or why not and how many tries are left.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum VerifyAnswer {
    Accepted,
    Refused {
        reason: Reason,
        #[schema(minimum = 0)]
        attempts_left: u32,
    },
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    CodeMismatch,
    /// That was the earlier code, use the newest.
    CodeSuperseded,
    Expired,
    AttemptsExhausted,
    Locked,
    Used,
}

/// Another code is on its way; the earlier one is dead, the attempts stay spent.
#[derive(Debug, Serialize, ToSchema)]
pub struct Resent {
    /// Seconds until another code may be asked for; null if none may.
    #[schema(minimum = 0)]
    resend_in: Option<u64>,
}

/// Sends a code.
#[utoipa::path(
    post,
    path = "/api/v1/challenges",
    operation_id = "createChallenge",
    tag = "challenges",
    request_body(content_type = "application/json", content = ref("#/components/schemas/ChallengeRequest")),
    responses(
        (status = 201, description = "A code is on its way.", body = ChallengeCreated),
        (status = 404, description = "The tenant is not this application's."),
        (status = 422, description = "`unknown-user`, `no-number`, `opted-out`, `locked` or `number-refused`."),
    )
)]
pub async fn create(
    Tenant(state): Tenant,
    ChallengeCaller(client): ChallengeCaller,
    StrictJson(request): StrictJson<ChallengeRequest>,
) -> Result<Response, Problem> {
    let new = request.read(&client)?;
    let created = state
        .logins
        .create_challenge(&client, new)
        .await
        .map_err(|error| refusal(error, state.clock.now()))?;
    let Created {
        id,
        masked_mobile,
        expires_in,
        resend_in,
    } = created;
    Ok(answer(
        StatusCode::CREATED,
        &ChallengeCreated {
            challenge_id: id.as_str().to_owned(),
            masked_mobile,
            expires_in: expires_in.as_secs(),
            resend_in: resend_in.map(whole_seconds),
        },
    ))
}

/// Checks a code. Every check is paid for, whatever its outcome.
#[utoipa::path(
    post,
    path = "/api/v1/challenges/{id}/verify",
    operation_id = "verifyChallenge",
    tag = "challenges",
    params(("id" = String, Path, description = "The challenge.", pattern = "^[A-Za-z0-9_-]{43}$")),
    request_body = VerifyRequest,
    responses(
        (status = 200, description = "Accepted or refused.", body = VerifyAnswer),
        (status = 404, description = "No such challenge of this application."),
        (status = 422, description = "`locked`."),
    )
)]
pub async fn verify(
    Tenant(state): Tenant,
    ChallengeCaller(client): ChallengeCaller,
    Path(id): Path<String>,
    StrictJson(request): StrictJson<VerifyRequest>,
) -> Result<Response, Problem> {
    let id = challenge(&id)?;
    let code = bounded("code", &request.code, 1, 64)?;
    let verification = state
        .logins
        .verify_challenge(&client, &id, code)
        .await
        .map_err(|error| refusal(error, state.clock.now()))?;
    let said = match verification {
        Verification::Accepted => VerifyAnswer::Accepted,
        Verification::Refused {
            reason,
            attempts_left,
        } => VerifyAnswer::Refused {
            reason: reason.into(),
            attempts_left,
        },
    };
    Ok(answer(StatusCode::OK, &said))
}

/// Sends a new code.
#[utoipa::path(
    post,
    path = "/api/v1/challenges/{id}/resend",
    operation_id = "resendChallenge",
    tag = "challenges",
    params(("id" = String, Path, description = "The challenge.", pattern = "^[A-Za-z0-9_-]{43}$")),
    responses(
        (status = 202, description = "A new code is on its way.", body = Resent),
        (status = 404, description = "No such challenge of this application."),
        (status = 422, description = "`locked`."),
    )
)]
pub async fn resend(
    Tenant(state): Tenant,
    ChallengeCaller(client): ChallengeCaller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = challenge(&id)?;
    let resend_in = state
        .logins
        .resend_challenge(&client, &id)
        .await
        .map_err(|error| refusal(error, state.clock.now()))?;
    Ok(answer(
        StatusCode::ACCEPTED,
        &Resent {
            resend_in: resend_in.map(whole_seconds),
        },
    ))
}

impl ChallengeRequest {
    fn read(self, client: &ApiClient) -> Result<NewChallenge, Problem> {
        own_tenant(self.tenant.as_deref(), client)?;
        let target = match (self.user, self.mobile) {
            (Some(user), None) => {
                bounded("user", &user, 1, 256)?;
                Target::User(user)
            }
            (None, Some(mobile)) => {
                bounded("mobile", &mobile, 3, 32)?;
                Target::Mobile(mobile)
            }
            _ => return Err(unfit("either `user` or `mobile`")),
        };
        Ok(NewChallenge {
            target,
            purpose: purpose(self.purpose)?,
            locale: locale(self.locale)?,
            client_ip: client_ip(self.client_ip)?,
            app_hash: match self.app_hash {
                Some(hash) if !app_hash_fits(&hash) => {
                    return Err(unfit("`app_hash` is 11 characters of base64"));
                }
                other => other,
            },
        })
    }
}

fn app_hash_fits(hash: &str) -> bool {
    hash.len() == 11
        && hash
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
}

fn challenge(id: &str) -> Result<LoginId, Problem> {
    LoginId::parse(id).ok_or_else(|| Problem::new(&problem::NOT_FOUND))
}

/// An application belongs to one tenant. Another one is not there for it (attack E-04).
fn own_tenant(named: Option<&str>, client: &ApiClient) -> Result<(), Problem> {
    match named {
        Some(name) if name != client.tenant.as_str() => {
            Err(Problem::new(&problem::NOT_FOUND).detail("no such tenant for this application"))
        }
        _ => Ok(()),
    }
}

pub(super) fn bounded<'a>(
    name: &str,
    text: &'a str,
    chars_min: usize,
    chars_max: usize,
) -> Result<&'a str, Problem> {
    if (chars_min..=chars_max).contains(&text.chars().count()) {
        Ok(text)
    } else {
        Err(unfit(&format!(
            "`{name}` has {chars_min} to {chars_max} characters"
        )))
    }
}

pub(super) fn purpose(named: Option<String>) -> Result<Purpose, Problem> {
    match named {
        None => Ok(Purpose::Login),
        Some(name) if name == "login" => Ok(Purpose::Login),
        Some(name)
            if (1..=32).contains(&name.len())
                && name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') =>
        {
            Ok(Purpose::Named(name))
        }
        Some(_) => Err(unfit("`purpose` is 1 to 32 of a-z, 0-9 and `-`")),
    }
}

pub(super) fn locale(named: Option<String>) -> Result<Option<String>, Problem> {
    match named {
        Some(tag) if !well_formed(&tag) => Err(unfit("`locale` is a language tag such as `en-GB`")),
        other => Ok(other),
    }
}

pub(super) fn client_ip(named: Option<String>) -> Result<Option<String>, Problem> {
    named
        .map(|text| {
            text.parse::<IpAddr>()
                .map(|address| address.to_canonical().to_string())
                .map_err(|_| unfit("`client_ip` is an IPv4 or IPv6 address"))
        })
        .transpose()
}

pub(super) fn unfit(expectation: &str) -> Problem {
    Problem::new(&problem::INVALID_REQUEST).detail(format!("expected: {expectation}"))
}

fn whole_seconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis().div_ceil(1000)).unwrap_or(u64::MAX)
}

fn refusal(error: ChallengeError, now: Timestamp) -> Problem {
    match error {
        ChallengeError::UnknownUser => Problem::new(&problem::UNKNOWN_USER),
        ChallengeError::NoNumber => Problem::new(&problem::NO_NUMBER),
        ChallengeError::OptedOut => Problem::new(&problem::OPTED_OUT),
        ChallengeError::Locked { until } => {
            let problem = Problem::new(&problem::LOCKED);
            match until {
                Some(until) => problem.retry_at(until, now),
                None => problem,
            }
        }
        ChallengeError::NumberRefused => Problem::new(&problem::NUMBER_REFUSED),
        ChallengeError::NotFound => Problem::new(&problem::NOT_FOUND),
        ChallengeError::TooMany { at } => Problem::new(&problem::TOO_MANY).retry_at(at, now),
        ChallengeError::NotSent { reason } => Problem::not_sent(reason),
        ChallengeError::Unavailable(error) => Problem::unavailable(&error),
    }
}

impl From<RefusedReason> for Reason {
    fn from(reason: RefusedReason) -> Self {
        match reason {
            RefusedReason::CodeMismatch => Self::CodeMismatch,
            RefusedReason::CodeSuperseded => Self::CodeSuperseded,
            RefusedReason::Expired => Self::Expired,
            RefusedReason::AttemptsExhausted => Self::AttemptsExhausted,
            RefusedReason::Locked => Self::Locked,
            RefusedReason::Used => Self::Used,
        }
    }
}
