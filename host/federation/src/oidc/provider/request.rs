//! An authorization request, judged before anybody is asked to sign in.

use super::error::ErrorCode;
use super::{ACR_MFA, ACR_SFA};
use crate::Moment;
use crate::RelyingParty;
use serde::{Deserialize, Serialize};

/// A request that may be answered. It waits, parked, while the person signs in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    pub client_id: String,
    /// One of those registered.
    pub redirect_uri: String,
    pub state: Option<String>,
    pub nonce: Option<String>,
    /// S256 of the verifier.
    pub code_challenge: String,
    /// Those we know, `openid` among them.
    pub scopes: Vec<String>,
    pub prompt: Prompt,
    /// Seconds.
    pub max_age: Option<u64>,
    /// `acr_values` asks for a second factor before it asks for less.
    pub wants_second_factor: bool,
    pub login_hint: Option<String>,
    pub ui_locales: Option<String>,
    pub id_token_hint: Option<String>,
    pub received_at: Moment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Prompt {
    AsNeeded,
    /// Nobody may be shown a page.
    Never,
    /// Everything is asked again.
    Login,
}

/// Why it is not answered as asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestError {
    /// Nobody to answer to: the person is told, and the browser stays here (RFC 6749, 4.1.2.1).
    Unanswerable(&'static str),
    /// The application is told, at its registered address.
    Answer {
        redirect_uri: String,
        state: Option<String>,
        code: ErrorCode,
        why: &'static str,
    },
}

const STATE_CHARS_MAX: usize = 2048;
const NONCE_CHARS_MAX: usize = 512;
const HINT_CHARS_MAX: usize = 8 * 1024;

/// `get` gives a parameter that was there exactly once and is not empty. `party` is whoever has the
/// `client_id`, if anybody.
pub fn read<'q>(
    get: impl Fn(&str) -> Option<&'q str>,
    party: Option<&RelyingParty>,
    now: Moment,
) -> Result<AuthorizationRequest, RequestError> {
    use RequestError::Unanswerable;
    let client_id = get("client_id").ok_or(Unanswerable("no `client_id`"))?;
    let client = party
        .filter(|party| party.enabled)
        .and_then(|party| party.oidc.as_ref())
        .filter(|client| client.client_id == client_id)
        .ok_or(Unanswerable("an unknown `client_id`"))?;
    let redirect_uri = get("redirect_uri").ok_or(Unanswerable("no `redirect_uri`"))?;
    // As it is, byte by byte: a prefix, another case, another port or a trailing slash is another
    // address (attack X-36).
    if !client
        .redirect_uris
        .iter()
        .any(|known| known == redirect_uri)
    {
        return Err(Unanswerable("a `redirect_uri` that is not registered"));
    }
    let state = get("state").map(str::to_owned);
    let refuse = |code, why| RequestError::Answer {
        redirect_uri: redirect_uri.to_owned(),
        // One that is too long to be given back is not cut: the application could not know it again.
        state: state
            .clone()
            .filter(|state| state.chars().count() <= STATE_CHARS_MAX),
        code,
        why,
    };
    let invalid = |why| refuse(ErrorCode::InvalidRequest, why);
    if state
        .as_ref()
        .is_some_and(|state| state.chars().count() > STATE_CHARS_MAX)
    {
        return Err(invalid("a `state` of more than 2048 characters"));
    }
    if get("request").is_some() {
        return Err(refuse(
            ErrorCode::RequestNotSupported,
            "`request` is not understood",
        ));
    }
    if get("request_uri").is_some() {
        return Err(refuse(
            ErrorCode::RequestUriNotSupported,
            "`request_uri` is not understood",
        ));
    }
    match get("response_type") {
        Some("code") => {}
        Some(_) => {
            return Err(refuse(
                ErrorCode::UnsupportedResponseType,
                "`response_type` must be `code`",
            ));
        }
        None => return Err(invalid("no `response_type`")),
    }
    if get("response_mode").is_some_and(|mode| mode != "query") {
        return Err(invalid("`response_mode` must be `query`"));
    }
    let mut scopes: Vec<String> = Vec::new();
    for scope in get("scope").unwrap_or_default().split(' ') {
        let known = ["openid", "profile", "email", "phone"].contains(&scope);
        if known && !scopes.iter().any(|have| have == scope) {
            scopes.push(scope.to_owned());
        }
    }
    if !scopes.iter().any(|scope| scope == "openid") {
        return Err(refuse(
            ErrorCode::InvalidScope,
            "`scope` must have `openid` in it",
        ));
    }
    // Of every client, and nothing weaker: `plain` protects from nobody who saw the request, and an
    // absent one is what a downgrade looks like (RFC 9700, 2.1.1; attack X-36).
    if get("code_challenge_method") != Some("S256") {
        return Err(invalid("`code_challenge_method` must be `S256`"));
    }
    let code_challenge = get("code_challenge").unwrap_or_default();
    let orderly = code_challenge.len() == 43
        && code_challenge
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if !orderly {
        return Err(invalid(
            "`code_challenge` must be the base64url of a SHA-256",
        ));
    }
    let nonce = get("nonce").map(str::to_owned);
    if nonce
        .as_ref()
        .is_some_and(|nonce| nonce.chars().count() > NONCE_CHARS_MAX)
    {
        return Err(invalid("a `nonce` of more than 512 characters"));
    }
    let prompt = read_prompt(get("prompt").unwrap_or_default())
        .ok_or_else(|| invalid("`prompt` has `none` beside another word"))?;
    let max_age = match get("max_age") {
        None => None,
        Some(text) => match text.parse::<u64>() {
            Ok(seconds) if text.bytes().all(|b| b.is_ascii_digit()) => Some(seconds),
            _ => return Err(invalid("`max_age` must be a number of seconds")),
        },
    };
    // In order of preference; of several that are known the first counts.
    let known = |acr: &&str| [ACR_MFA, ACR_SFA].contains(acr);
    let acr = get("acr_values").unwrap_or_default().split(' ').find(known);
    let hint = |name: &str| {
        get(name)
            .filter(|hint| hint.len() <= HINT_CHARS_MAX)
            .map(str::to_owned)
    };
    Ok(AuthorizationRequest {
        client_id: client_id.to_owned(),
        redirect_uri: redirect_uri.to_owned(),
        nonce,
        code_challenge: code_challenge.to_owned(),
        scopes,
        prompt,
        max_age,
        wants_second_factor: acr == Some(ACR_MFA),
        login_hint: hint("login_hint"),
        ui_locales: hint("ui_locales"),
        id_token_hint: hint("id_token_hint"),
        received_at: now,
        state,
    })
}

impl AuthorizationRequest {
    /// The steps must have been taken at this moment or later.
    pub fn since(&self) -> Option<Moment> {
        let aged = self.max_age.map(|seconds| {
            Moment(
                self.received_at
                    .0
                    .saturating_sub(seconds.saturating_mul(1000)),
            )
        });
        match self.prompt {
            Prompt::Login => Some(self.received_at),
            Prompt::AsNeeded | Prompt::Never => aged,
        }
    }
}

/// `consent` asks for a page we do not have, and what an application gets is the operator's to say.
fn read_prompt(text: &str) -> Option<Prompt> {
    let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
    if words.contains(&"none") {
        return (words.len() == 1).then_some(Prompt::Never);
    }
    let again = words
        .iter()
        .any(|word| *word == "login" || *word == "select_account");
    Some(if again {
        Prompt::Login
    } else {
        Prompt::AsNeeded
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::oidc::client::{Client, SigningAlgorithm};
    use crate::relying_party::{FirstStep, SecondStep};
    use std::time::Duration;

    const NOW: Moment = Moment(1_800_000_000_000);

    fn party() -> RelyingParty {
        RelyingParty {
            tenant: "t".into(),
            name: "shop".into(),
            display_name: "Shop".into(),
            enabled: true,
            saml: None,
            oidc: Some(Client {
                client_id: "shop".into(),
                secret: None,
                redirect_uris: vec!["https://shop.example/cb".into()],
                post_logout_redirect_uris: vec![],
                access_token_lifetime: Duration::from_secs(300),
                id_token_alg: SigningAlgorithm::RS256,
            }),
            first_step: FirstStep::default(),
            second_step: SecondStep::SmsOtp,
            sms_otp: None,
            claims: vec![],
        }
    }

    fn good() -> Vec<(&'static str, String)> {
        vec![
            ("client_id", "shop".into()),
            ("redirect_uri", "https://shop.example/cb".into()),
            ("response_type", "code".into()),
            ("scope", "openid profile unknown".into()),
            ("state", "s".into()),
            ("nonce", "n".into()),
            (
                "code_challenge",
                "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".into(),
            ),
            ("code_challenge_method", "S256".into()),
        ]
    }

    fn with(name: &'static str, value: Option<&str>) -> Result<AuthorizationRequest, RequestError> {
        let mut all = good();
        all.retain(|(known, _)| *known != name);
        if let Some(value) = value {
            all.push((name, value.to_owned()));
        }
        let get = |name: &str| {
            let found = all.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.as_str())
        };
        read(get, Some(&party()), NOW)
    }

    fn answered(refused: Result<AuthorizationRequest, RequestError>) -> ErrorCode {
        match refused {
            Err(RequestError::Answer { code, state, .. }) => {
                assert_eq!(state.as_deref(), Some("s"), "the state goes back");
                code
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_request_in_order_is_taken_and_unknown_scopes_are_passed_over() {
        let request = with("max_age", Some("60")).unwrap();
        assert_eq!(request.scopes, ["openid", "profile"]);
        assert_eq!(request.since(), Some(Moment(NOW.0 - 60_000)));
        assert!(!request.wants_second_factor);
        let wants = |acr| with("acr_values", Some(acr)).unwrap().wants_second_factor;
        assert!(wants("x https://refeds.org/profile/mfa"));
        assert!(!wants(
            "https://refeds.org/profile/sfa https://refeds.org/profile/mfa"
        ));
    }

    /// near misses of the redirect URI go nowhere at all.
    #[test]
    fn only_the_very_redirect_uri_is_answered() {
        for near in [
            "https://shop.example/cb/",
            "https://shop.example/CB",
            "https://shop.example/cb?x=1",
            "https://shop.example/cb#",
            "https://shop.example:443/cb",
            "https://SHOP.example/cb",
            "https://shop.example/cb/../evil",
            "https://shop.example.evil.example/cb",
            "https://shop.example@evil.example/cb",
            "http://shop.example/cb",
            "https://shop.example/cb%20",
            " https://shop.example/cb",
            "//shop.example/cb",
            "javascript:alert(1)",
        ] {
            let refused = with("redirect_uri", Some(near));
            assert!(
                matches!(refused, Err(RequestError::Unanswerable(_))),
                "{near}"
            );
        }
        for (name, value) in [
            ("redirect_uri", None),
            ("client_id", None),
            ("client_id", Some("else")),
        ] {
            let refused = with(name, value);
            assert!(
                matches!(refused, Err(RequestError::Unanswerable(_))),
                "{name}"
            );
        }
    }

    /// no way around PKCE, and nothing weaker.
    #[test]
    fn without_a_challenge_of_s256_there_is_no_code() {
        for (name, value) in [
            ("code_challenge", None),
            ("code_challenge", Some("short")),
            (
                "code_challenge",
                Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM"),
            ),
            ("code_challenge_method", None),
            ("code_challenge_method", Some("plain")),
            ("code_challenge_method", Some("s256")),
        ] {
            assert_eq!(
                answered(with(name, value)),
                ErrorCode::InvalidRequest,
                "{name} {value:?}"
            );
        }
    }

    #[test]
    fn what_is_not_supported_is_told_to_the_application_by_its_name() {
        for (name, value, code) in [
            (
                "response_type",
                Some("token"),
                ErrorCode::UnsupportedResponseType,
            ),
            (
                "response_type",
                Some("code id_token"),
                ErrorCode::UnsupportedResponseType,
            ),
            ("response_type", None, ErrorCode::InvalidRequest),
            ("response_mode", Some("fragment"), ErrorCode::InvalidRequest),
            ("scope", Some("profile"), ErrorCode::InvalidScope),
            ("scope", None, ErrorCode::InvalidScope),
            ("prompt", Some("none login"), ErrorCode::InvalidRequest),
            ("max_age", Some("-1"), ErrorCode::InvalidRequest),
            ("max_age", Some("+1"), ErrorCode::InvalidRequest),
            ("request", Some("x.y.z"), ErrorCode::RequestNotSupported),
            (
                "request_uri",
                Some("https://x"),
                ErrorCode::RequestUriNotSupported,
            ),
        ] {
            assert_eq!(answered(with(name, value)), code, "{name} {value:?}");
        }
    }

    #[test]
    fn a_party_that_is_switched_off_is_unknown() {
        let mut off = party();
        off.enabled = false;
        let all = good();
        let get = |name: &str| {
            let found = all.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.as_str())
        };
        let refused = read(get, Some(&off), NOW);
        assert!(matches!(refused, Err(RequestError::Unanswerable(_))));
    }
}
