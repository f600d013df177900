//! An identity provider that speaks OpenID Connect or plain OAuth 2.0, as an operator writes it down.

use crate::name::check_address;
use crate::{Problem, Secret};
use serde::{Deserialize, Serialize};

/// An OpenID provider. Its endpoints and keys come from its discovery document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenId {
    /// Compared byte by byte with what discovery, ID tokens and answers say.
    pub issuer: String,
    pub client: Registration,
    /// The member of the ID token that names the person. `sub` is the only one that is never given to another.
    pub subject: String,
    /// Whether attributes are asked for at the userinfo endpoint as well.
    pub userinfo: bool,
    /// Its addresses belong to the people although it does not say `email_verified`: a directory
    /// whose administrator writes them. Anywhere else a person could type somebody else's.
    pub trust_email: bool,
}

/// A provider without ID tokens: the person is who its userinfo says the access token belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OAuth2 {
    pub authorization_endpoint: String,
    pub token_endpoint: String,
    pub userinfo_endpoint: String,
    /// If it names itself in its answers (RFC 9207).
    pub issuer: Option<String>,
    pub client: Registration,
    /// The parameter in which the userinfo endpoint takes the access token (RFC 6750, section 2.3). `None`: the
    /// header, where no log of addresses has it.
    pub token_parameter: Option<String>,
    /// Where userinfo names the person; a dot goes one object down: `data.id`.
    pub subject: String,
}

/// What the provider knows us as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    pub client_id: String,
    /// `None`: we are a public client there.
    pub client_secret: Option<Secret>,
    pub authentication: ClientAuthentication,
    /// Off only for a provider that takes the verifier of a client with a secret for a wrong secret (LinkedIn): then a
    /// code that was stolen on its way can be brought by whoever stole it, unless an ID token with our nonce follows.
    pub pkce: bool,
    pub scopes: Vec<String>,
    /// Further parameters of the authorization request: `hd`, `resource`. One that a request says itself, as
    /// `login_hint` where an application names somebody, is left out of that one.
    pub parameters: Vec<(String, String)>,
}

/// How we prove ourselves at its token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthentication {
    #[default]
    ClientSecretBasic,
    ClientSecretPost,
}

impl Registration {
    fn check(&self, problems: &mut Vec<Problem>) {
        if self.client_id.trim().is_empty() {
            problems.push(Problem::new(
                "client_id",
                "missing: expected what the provider calls this application",
            ));
        }
        if self
            .client_secret
            .as_ref()
            .is_some_and(|secret| secret.expose().is_empty())
        {
            problems.push(Problem::new(
                "client_secret",
                "empty: expected the secret, or no such key for a public client",
            ));
        }
        if !self.pkce && self.client_secret.is_none() {
            problems.push(Problem::new(
                "pkce",
                "nothing else ties a code to a public client: expected `client_secret` beside it, or no such key",
            ));
        }
        let orderly = |scope: &String| {
            !scope.is_empty()
                && scope
                    .bytes()
                    .all(|b| (0x21..=0x7e).contains(&b) && b != b'"' && b != b'\\')
        };
        if !self.scopes.iter().all(orderly) {
            problems.push(Problem::new(
                "scopes",
                "expected a list of words such as [\"openid\", \"email\"]",
            ));
        }
        for (name, _) in &self.parameters {
            if OURS.contains(&name.as_str()) {
                let message = format!("`{name}` is a parameter of every request: expected others");
                problems.push(Problem::new("parameters", message));
            }
        }
    }
}

/// What every authorization request says by itself.
const OURS: [&str; 9] = [
    "response_type",
    "response_mode",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
];

impl OpenId {
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(url) = check_address("issuer", &self.issuer, &mut problems)
            && url.query().is_some()
        {
            problems.push(Problem::new(
                "issuer",
                "expected an address without a query",
            ));
        }
        self.client.check(&mut problems);
        if !self.client.scopes.iter().any(|scope| scope == "openid") {
            problems.push(Problem::new(
                "scopes",
                "without `openid` there is no ID token: expected it among them",
            ));
        }
        if self.subject.trim().is_empty() {
            problems.push(Problem::new(
                "subject",
                "empty: expected a member of the ID token such as `sub`",
            ));
        }
        problems
    }
}

impl OAuth2 {
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (key, address) in [
            ("authorization_endpoint", &self.authorization_endpoint),
            ("token_endpoint", &self.token_endpoint),
            ("userinfo_endpoint", &self.userinfo_endpoint),
        ] {
            check_address(key, address, &mut problems);
        }
        self.client.check(&mut problems);
        let orderly = |name: &String| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        };
        if !self.token_parameter.iter().all(orderly) {
            problems.push(Problem::new(
                "token_parameter",
                "expected the name of a parameter, such as `access_token`",
            ));
        }
        if self.subject.trim().is_empty() {
            problems.push(Problem::new(
                "subject",
                "missing: expected where userinfo names the person, such as `id`",
            ));
        }
        problems
    }
}
