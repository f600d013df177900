//! A server that says who somebody is, as an operator writes it down. Plain data; `check` tells what
//! is wrong with it, all at once.

use crate::name::{self, is_display_name, is_name};
use crate::{Problem, oidc, saml};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityProvider {
    pub tenant: String,
    /// Stands in addresses and in the key of whoever it vouches for; it must not change hands.
    pub name: String,
    /// On its button.
    pub display_name: String,
    /// Switched off it is refused at once, also for whoever is on the way back from it.
    pub enabled: bool,
    pub protocol: Protocol,
    /// What its attributes are called here. An attribute that is not listed keeps its name.
    pub claims: Vec<ClaimMapping>,
    /// `SMSOTP-userAttribute`: the attribute that names the local account, for logins through this
    /// provider.
    pub user_attribute: Option<String>,
    /// The attribute that holds the person's number, for logins through this provider.
    pub mobile_attribute: Option<String>,
    pub network: Network,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    Oidc(oidc::upstream::OpenId),
    OAuth2(oidc::upstream::OAuth2),
    Saml(saml::Upstream),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimMapping {
    /// As the provider calls it; a dot goes one object down.
    pub from: String,
    /// As we call it, a claim URI for instance.
    pub to: String,
}

/// How we reach it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Loopback and private addresses are refused unless this says otherwise.
    pub allow_private_networks: bool,
    /// Certificate authorities beside the system's, PEM.
    pub ca_pems: Vec<String>,
}

impl IdentityProvider {
    /// Everything that is wrong, by key.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !is_name(&self.name) {
            let message = format!("`{}`: expected {}", self.name, name::EXPECTED);
            problems.push(Problem::new("name", message));
        }
        if self.name == crate::relying_party::PASSWORD {
            problems.push(Problem::new(
                "name",
                "`password` means the password form: expected another name",
            ));
        }
        if !is_display_name(&self.display_name) {
            problems.push(Problem::new(
                "display_name",
                "expected 1 to 60 characters on one line",
            ));
        }
        for mapping in &self.claims {
            if mapping.from.trim().is_empty() || mapping.to.trim().is_empty() {
                problems.push(Problem::new(
                    "claims",
                    "an empty name: expected `their name = \"our name\"`",
                ));
            }
        }
        for (key, attribute) in [
            ("user_attribute", &self.user_attribute),
            ("mobile_attribute", &self.mobile_attribute),
        ] {
            if attribute
                .as_ref()
                .is_some_and(|name| name.trim().is_empty())
            {
                problems.push(Problem::new(
                    key,
                    "empty: expected the name of an attribute, or no such key",
                ));
            }
        }
        problems.extend(match &self.protocol {
            Protocol::Oidc(openid) => openid.check(),
            Protocol::OAuth2(oauth2) => oauth2.check(),
            Protocol::Saml(saml) => saml.check(),
        });
        problems
    }

    /// Attributes under the names we give them; one that is mapped keeps its own name as well.
    pub fn mapped(&self, attributes: Vec<(String, String)>) -> Vec<(String, String)> {
        let mut mapped = attributes;
        for mapping in &self.claims {
            let value = mapped
                .iter()
                .find(|(name, _)| *name == mapping.from)
                .map(|(_, value)| value.clone());
            if let Some(value) = value {
                mapped.retain(|(name, _)| *name != mapping.to);
                mapped.push((mapping.to.clone(), value));
            }
        }
        mapped
    }
}
