//! An application that lets us sign its people in, as an operator writes it down. Plain data; `check`
//! tells what is wrong with it, all at once.

use crate::name::{self, is_display_name, is_name};
use crate::{Problem, oidc, saml};
use serde::{Deserialize, Serialize};

/// In a list of first-step options: the form for name and password.
pub const PASSWORD: &str = "password";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelyingParty {
    pub tenant: String,
    pub name: String,
    /// What people are told they sign in to.
    pub display_name: String,
    pub enabled: bool,
    pub saml: Option<saml::ServiceProvider>,
    pub oidc: Option<oidc::client::Client>,
    pub first_step: FirstStep,
    pub second_step: SecondStep,
    /// The SMSOTP entry whose senders and words its codes have; `None`: the host's order. It holds as
    /// well where the second step is none and a request asks for a code all the same.
    pub sms_otp: Option<String>,
    /// What the application is told about a person, beside who it is.
    pub claims: Vec<ReleasedClaim>,
}

/// How a person may begin. At least one way is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstStep {
    pub password: bool,
    /// Names of identity providers, in the order of their buttons.
    pub identity_providers: Vec<String>,
}

impl FirstStep {
    /// Reads the list an operator writes: `password` and names of identity providers.
    pub fn of(options: &[impl AsRef<str>]) -> Self {
        let names = options.iter().map(AsRef::as_ref);
        Self {
            password: names.clone().any(|name| name == PASSWORD),
            identity_providers: names
                .filter(|name| *name != PASSWORD)
                .map(str::to_owned)
                .collect(),
        }
    }

    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !self.password && self.identity_providers.is_empty() {
            problems.push(Problem::new("first_step", "empty: nobody could sign in; expected `password`, names of `[identity_provider.NAME]` sections, or both"));
        }
        for (at, name) in self.identity_providers.iter().enumerate() {
            if self.identity_providers[..at].contains(name) {
                problems.push(Problem::new(
                    "first_step",
                    format!("`{name}` stands there twice"),
                ));
            }
        }
        problems
    }
}

impl Default for FirstStep {
    fn default() -> Self {
        Self {
            password: true,
            identity_providers: Vec::new(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecondStep {
    None,
    #[default]
    SmsOtp,
}

/// A claim of ours, and what the application calls it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleasedClaim {
    /// A claim URI of the account, or an attribute of the identity provider.
    pub claim: String,
    /// The attribute's name in SAML, the member's in OpenID Connect.
    pub name: String,
}

impl RelyingParty {
    /// Everything that is wrong, by key. Whether the identity providers exist is the caller's to say.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !is_name(&self.name) {
            let message = format!("`{}`: expected {}", self.name, name::EXPECTED);
            problems.push(Problem::new("name", message));
        }
        if !is_display_name(&self.display_name) {
            problems.push(Problem::new(
                "display_name",
                "expected 1 to 60 characters on one line",
            ));
        }
        if self.saml.is_none() && self.oidc.is_none() {
            problems.push(Problem::new(
                "",
                "speaks no protocol: expected an `oidc` or a `saml` table",
            ));
        }
        problems.extend(self.first_step.check());
        for (at, released) in self.claims.iter().enumerate() {
            if released.claim.trim().is_empty() || released.name.trim().is_empty() {
                problems.push(Problem::new(
                    "claims",
                    "an empty name: expected `name = \"claim\"`",
                ));
            }
            let taken = self.claims[..at]
                .iter()
                .any(|other| other.name == released.name);
            if taken {
                problems.push(Problem::new(
                    "claims",
                    format!("`{}` stands there twice", released.name),
                ));
            }
        }
        let below = |of: &str, found: Vec<Problem>| {
            found
                .into_iter()
                .map(|problem| Problem::new(format!("{of}.{}", problem.key), problem.message))
                .collect::<Vec<_>>()
        };
        if let Some(client) = &self.oidc {
            problems.extend(below("oidc", client.check()));
            for released in &self.claims {
                if oidc::client::is_ours(&released.name) {
                    let message = format!(
                        "`{}` is a member the protocol defines: expected another name",
                        released.name
                    );
                    problems.push(Problem::new("claims", message));
                }
            }
        }
        if let Some(provider) = &self.saml {
            problems.extend(below("saml", provider.check()));
        }
        problems
    }
}
