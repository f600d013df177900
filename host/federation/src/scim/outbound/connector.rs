//! A peer as an operator writes it down: where it is, how it knows us, what it is told.

use crate::identity_provider::Network;
use crate::name::{self, is_name};
use crate::{Problem, Secret};
use url::Url;
use zeroize::Zeroizing;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    One,
    Two,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    Basic { username: String, password: Secret },
    Bearer(Secret),
}

/// A peer as an operator writes it down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connector {
    pub tenant: String,
    pub name: String,
    /// Switched off it is told nothing, and what waits for it goes on waiting.
    pub enabled: bool,
    /// The identity provider the peer is. Switched off with it, and none to be deleted before it.
    pub identity_provider: Option<String>,
    pub version: Version,
    pub user_endpoint: String,
    /// Without one the peer is told of no groups.
    pub group_endpoint: Option<String>,
    pub credentials: Credentials,
    /// What stands before a name there, in place of what stands before it here.
    pub user_store_domain: Option<String>,
    pub password_provisioning: bool,
    pub default_password: Option<Secret>,
    /// Whoever changes a user waits for the peer, and is told if it does not take it.
    pub blocking: bool,
    pub network: Network,
}

impl Connector {
    /// Everything that is wrong, by key.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !is_name(&self.name) {
            let message = format!("`{}`: expected {}", self.name, name::EXPECTED);
            problems.push(Problem::new("name", message));
        }
        let mut address = |key: &str, text: &str| {
            let orderly = Url::parse(text).is_ok_and(|url| {
                matches!(url.scheme(), "https" | "http")
                    && url.host().is_some()
                    && url.query().is_none()
                    && url.fragment().is_none()
                    && url.username().is_empty()
                    && url.password().is_none()
            });
            let plain = text.starts_with("http:") && !self.network.allow_private_networks;
            if !orderly || plain {
                problems.push(Problem::new(
                    key,
                    "expected an https address without query (plain http only with `allow_private_networks`)",
                ));
            }
        };
        address("user_endpoint", &self.user_endpoint);
        if let Some(endpoint) = &self.group_endpoint {
            address("group_endpoint", endpoint);
        }
        if let Some(domain) = &self.user_store_domain
            && (domain.is_empty() || domain.len() > 63 || domain.contains(['/', '"', '\\']))
        {
            problems.push(Problem::new(
                "user_store_domain",
                "expected the name of a user store",
            ));
        }
        problems
    }

    /// What the peer calls the account.
    pub fn user_name(&self, account: &str) -> String {
        let bare = account.split_once('/').map_or(account, |(_, bare)| bare);
        match &self.user_store_domain {
            Some(domain) => format!("{domain}/{bare}"),
            None => account.to_owned(),
        }
    }

    /// The password a new user gets there (federation of passwords on: theirs if it is known, else the
    /// default one; off: the default one).
    pub fn first_password(&self, known: Option<&str>) -> Option<Zeroizing<String>> {
        let known = known.filter(|_| self.password_provisioning);
        known
            .map(|password| Zeroizing::new(password.to_owned()))
            .or_else(|| {
                let default = self.default_password.as_ref()?;
                Some(Zeroizing::new(default.expose().to_owned()))
            })
    }
}
