//! Into which user store a client's user goes (the resident service provider's inbound provisioning).

use postern_federation::scim::filter::{Compared, Operator};
use postern_federation::scim::{Condition, Field, Person, ScimError};
use std::sync::{Arc, PoisonError, RwLock};

/// The primary store where a name is expected.
const PRIMARY: &str = "PRIMARY";

/// What is open to provisioning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbound {
    /// Everybody goes here, whatever stands before the name.
    domain: Option<String>,
    /// Without that: what may stand before a name. Upper case.
    domains: Vec<String>,
}

/// The one in effect. A request under way stays with the one it began with.
#[derive(Debug, Clone, Default)]
pub struct Rule(Arc<RwLock<Arc<Inbound>>>);

impl Rule {
    pub fn new(inbound: Inbound) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(inbound))))
    }

    pub fn now(&self) -> Arc<Inbound> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn replace(&self, inbound: Inbound) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(inbound);
    }
}

impl Default for Inbound {
    fn default() -> Self {
        Self::new(None, &[])
    }
}

impl Inbound {
    /// With neither, the primary store.
    pub fn new(domain: Option<&str>, domains: &[String]) -> Self {
        let mut domains: Vec<String> = domains
            .iter()
            .map(|name| name.to_ascii_uppercase())
            .collect();
        let domain = domain.map(str::to_ascii_uppercase);
        if let Some(domain) = &domain {
            domains = vec![domain.clone()];
        } else if domains.is_empty() {
            domains = vec![PRIMARY.to_owned()];
        }
        Self { domain, domains }
    }

    /// Where everybody goes, if that is set.
    pub fn domain(&self) -> Option<&str> {
        self.domain.as_deref()
    }

    pub fn domains(&self) -> &[String] {
        &self.domains
    }

    /// The full name of the account a client means, `PRIMARY/` included.
    pub(super) fn account(&self, user_name: &str) -> Result<String, ScimError> {
        let (prefix, bare) = match user_name.split_once('/') {
            Some((prefix, bare)) => (Some(prefix.to_ascii_uppercase()), bare),
            None => (None, user_name),
        };
        let malformed = bare.is_empty()
            || bare.contains('/')
            || bare.chars().any(|c| c.is_control() || c.is_whitespace());
        if malformed {
            return Err(ScimError::value(
                "`userName`: expected a name without blanks and `/`",
            ));
        }
        let domain = match (&self.domain, prefix) {
            (Some(domain), _) => domain.clone(),
            (None, Some(prefix)) => prefix,
            (None, None) => PRIMARY.to_owned(),
        };
        if !self.domains.contains(&domain) {
            return Err(ScimError::value(
                "`userName` names a user store that is not open to provisioning",
            ));
        }
        Ok(format!("{domain}/{bare}"))
    }

    /// A condition whose `userName eq` finds who a client means by that name: the one that a creation
    /// under it has made, or runs into. A name that means nobody stays, and finds nobody.
    pub(super) fn meant(&self, condition: Condition) -> Condition {
        let all = |conditions: Vec<Condition>| {
            let meant = conditions.into_iter().map(|one| self.meant(one));
            meant.collect()
        };
        match condition {
            Condition::Compare(Field::UserName, Operator::Equal, Compared::Text(name)) => {
                let account = self.account(&name).unwrap_or(name);
                let shown = match account.split_once('/') {
                    Some((PRIMARY, bare)) => bare.to_owned(),
                    Some(_) | None => account,
                };
                Condition::Compare(Field::UserName, Operator::Equal, Compared::Text(shown))
            }
            Condition::Not(inner) => Condition::Not(Box::new(self.meant(*inner))),
            Condition::All(conditions) => Condition::All(all(conditions)),
            Condition::Any(conditions) => Condition::Any(all(conditions)),
            other @ (Condition::Always
            | Condition::Never
            | Condition::Present(_)
            | Condition::Compare(..)
            | Condition::OneOf(..)) => other,
        }
    }

    /// Whether a user is in a store that is open.
    pub(super) fn has(&self, person: &Person) -> bool {
        let domain = person
            .account
            .split_once('/')
            .map_or(PRIMARY, |(domain, _)| domain);
        self.domains
            .iter()
            .any(|known| known.eq_ignore_ascii_case(domain))
    }
}

/// The account in full, `PRIMARY/` included: a name alone is looked for in several stores.
pub(super) fn full(person: &Person) -> String {
    if person.account.contains('/') {
        person.account.clone()
    } else {
        format!("{PRIMARY}/{}", person.account)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_domain_that_is_set_takes_everybody_and_another_prefix_must_be_open() {
        let set = Inbound::new(Some("PRIMARY"), &["JDBC".to_owned()]);
        let open = Inbound::new(None, &["PRIMARY".to_owned(), "jdbc".to_owned()]);
        let neither = Inbound::default();
        for (inbound, name, expected) in [
            (&set, "alice", Some("PRIMARY/alice")),
            (&set, "WSO2/alice", Some("PRIMARY/alice")),
            (&set, "JDBC/alice", Some("PRIMARY/alice")),
            (&open, "alice", Some("PRIMARY/alice")),
            (&open, "jdbc/alice", Some("JDBC/alice")),
            (&open, "WSO2/alice", None),
            (&neither, "primary/alice", Some("PRIMARY/alice")),
            (&neither, "JDBC/alice", None),
            (&neither, "", None),
            (&neither, "PRIMARY/", None),
            (&neither, "PRIMARY/a/b", None),
            (&neither, "a b", None),
            (&neither, "a\nb", None),
        ] {
            assert_eq!(inbound.account(name).ok().as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn a_search_by_name_finds_whom_a_creation_by_that_name_makes() {
        let set = Inbound::new(Some("PRIMARY"), &[]);
        let elsewhere = Inbound::new(Some("JDBC"), &[]);
        let open = Inbound::new(None, &["PRIMARY".to_owned(), "JDBC".to_owned()]);
        let by = |name: &str| {
            let name = Compared::Text(name.to_owned());
            Condition::Compare(Field::UserName, Operator::Equal, name)
        };
        for (inbound, name, expected) in [
            (&set, "WSO2/alice", "alice"),
            (&set, "PRIMARY/alice", "alice"),
            (&set, "alice", "alice"),
            (&elsewhere, "WSO2/alice", "JDBC/alice"),
            (&elsewhere, "alice", "JDBC/alice"),
            (&open, "primary/alice", "alice"),
            (&open, "JDBC/alice", "JDBC/alice"),
            (&open, "WSO2/alice", "WSO2/alice"),
        ] {
            assert_eq!(inbound.meant(by(name)), by(expected), "{name}");
            let within = |name| {
                let both = Condition::All(vec![Condition::Always, by(name)]);
                Condition::Not(Box::new(both))
            };
            assert_eq!(inbound.meant(within(name)), within(expected));
        }
    }
}
