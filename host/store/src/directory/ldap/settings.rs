//! Where an LDAP directory is and how its people are told.

use crate::directory::mapping::Mapping;
use std::fmt;
use std::time::Duration;
use url::Url;
use zeroize::Zeroizing;

/// One directory, checked: attribute names, filters and entry names have been looked at.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// `ldap:` or `ldaps:`, in the order in which they are tried.
    pub servers: Vec<Url>,
    /// Over `ldap:`, nothing is said before TLS is up.
    pub start_tls: bool,
    /// Certificate authorities, PEM; the system's if there are none.
    pub ca_pems: Vec<Vec<u8>>,
    /// Who searches; anonymous if absent.
    pub bind: Option<(String, Zeroizing<String>)>,
    /// Where the people are.
    pub base: String,
    pub scope: Scope,
    /// New people get these; one that is searched for must have the first.
    pub object_classes: Vec<String>,
    /// Holds the account's name, and names its entry.
    pub name_attribute: String,
    /// Further attributes a person may sign in by, such as `mail`.
    pub login_attributes: Vec<String>,
    /// What else must hold of whoever may sign in.
    pub filter: Option<String>,
    pub mapping: Mapping,
    pub read_only: bool,
    pub groups: Option<Groups>,
    /// Connections that search.
    pub pool_size: usize,
    /// To connect to one server, TLS included.
    pub connect: Duration,
    /// For one answer.
    pub answer: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Subtree,
    /// Right below the base only.
    Children,
}

/// Where groups are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    pub base: String,
    pub object_class: String,
    pub name_attribute: String,
    /// Holds the entry names of its members.
    pub member_attribute: String,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<_> = self.servers.iter().map(Url::as_str).collect();
        f.debug_struct("Settings")
            .field("servers", &servers)
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}
