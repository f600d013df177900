//! The steps of a user resolver.
//!
//! Owns: asking the directory once with all queries and taking the first hit; the domains of the
//! user stores, in order. Knows nothing of stores: a query that finds nothing is an answer, and
//! anything unorderly refuses the login.

use crate::settings::Settings;
use crate::wire::{Pair, Problem};

/// The most queries a lookup may have.
pub const QUERIES_MAX: usize = 32;

/// What the identity provider said about the person who signed in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FederatedLogin {
    pub identity_provider: String,
    /// The subject at that provider, without the tenant.
    pub subject: String,
    /// The subject identifier the provider asserted, as the service provider's settings chose it.
    pub subject_identifier: String,
    /// (claim URI or name, value); a name may occur more than once.
    pub attributes: Vec<Pair>,
    pub tenant: String,
    pub extra: Vec<Pair>,
}

impl FederatedLogin {
    /// The first value of an attribute that is not blank.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(key, value)| key == name && !value.trim().is_empty())
            .map(|(_, value)| value.as_str())
    }
}

/// A question to the user directory of the tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// An account by its name, `name` or `DOMAIN/name`.
    Name(String),
    /// The account linked to (identity provider, subject), in one user store or, with an empty
    /// domain, wherever it is.
    Association {
        identity_provider: String,
        subject: String,
        domain: String,
    },
}

/// An account the directory has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub name: String,
    pub extra: Vec<Pair>,
}

/// Why a step is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Start,
    /// The answers to the lookup, in the order of its queries.
    Found(Vec<Option<Account>>),
}

/// Whom a login is for.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// The account at this position of the last answer.
    Account(u32),
    /// There is no such account.
    NotFound,
    /// The login must not go on; the text is for the operator's log.
    Refuse(String),
}

/// What a step answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Lookup(Lookup),
    Done(Resolution),
}

/// Queries, and what the plugin wants to find again at the next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    pub queries: Vec<Query>,
    pub state: Vec<u8>,
}

/// A step of the ordinary resolver: one lookup, the first hit wins.
pub fn step(
    settings: &Settings,
    login: &FederatedLogin,
    event: &Event,
    queries: impl Fn(&FederatedLogin, &Settings) -> Vec<Query>,
) -> Action {
    match event {
        Event::Start => {
            let queries = queries(login, settings);
            if let Some(problem) = settings.problems().into_iter().next() {
                return Action::Done(Resolution::Refuse(format!(
                    "setting `{}` {}",
                    problem.setting, problem.message
                )));
            }
            if queries.is_empty() {
                return Action::Done(Resolution::NotFound);
            }
            if queries.len() > QUERIES_MAX {
                return Action::Done(Resolution::Refuse(
                    "more queries than a lookup may have".to_owned(),
                ));
            }
            Action::Lookup(Lookup {
                queries,
                state: Vec::new(),
            })
        }
        Event::Found(answers) => Action::Done(first_hit(answers)),
    }
}

/// The first account that was found.
pub fn first_hit(answers: &[Option<Account>]) -> Resolution {
    match answers.iter().position(Option::is_some).map(u32::try_from) {
        Some(Ok(position)) => Resolution::Account(position),
        Some(Err(_)) => Resolution::Refuse("more answers than a lookup may have".to_owned()),
        None => Resolution::NotFound,
    }
}

/// What is wrong with the settings, found by asking for a sample login.
pub fn check(
    settings: &Settings,
    queries: impl Fn(&FederatedLogin, &Settings) -> Vec<Query>,
) -> Vec<Problem> {
    let login = FederatedLogin {
        identity_provider: "example".to_owned(),
        subject: "sample".to_owned(),
        subject_identifier: "sample".to_owned(),
        tenant: "default".to_owned(),
        ..FederatedLogin::default()
    };
    if queries(&login, settings).len() > QUERIES_MAX {
        settings.problem("", "makes more than 32 queries of one login");
    }
    settings.problems()
}

/// The queries for a name in the user stores that the setting `secondary_userstore` lists, in its
/// order: `primary` (in any case) is the name as it is, every other item `ITEM/name` with the item
/// in upper case; a name that already has a domain is not given another. Last, unless `primary`
/// was listed, the name as it is. A blank name asks nothing.
pub fn in_user_stores(name: &str, settings: &Settings) -> Vec<Query> {
    let name = name.trim();
    let mut names: Vec<String> = Vec::new();
    if !name.contains('/') {
        names.extend(
            settings
                .list("secondary_userstore")
                .into_iter()
                .map(|store| {
                    if is_primary(store) {
                        name.to_owned()
                    } else {
                        format!("{}/{name}", store.to_uppercase())
                    }
                }),
        );
    }
    names.push(name.to_owned());
    let mut queries: Vec<Query> = Vec::new();
    for query in names.into_iter().map(Query::Name) {
        if !name.is_empty() && !queries.contains(&query) {
            queries.push(query);
        }
    }
    queries
}

/// Whether a listed user store is the primary one, which has no prefix.
pub fn is_primary(store: &str) -> bool {
    store.eq_ignore_ascii_case("primary")
}

/// Makes a plugin of the functions of a user resolver.
///
/// - `user_resolver!(queries)`: `queries(&FederatedLogin, &Settings) -> Vec<Query>` says what to
///   look up; the first hit wins.
/// - `user_resolver!(steps: converse, judge)`: for several lookups,
///   `converse(&Settings, &FederatedLogin, &Event, state: &[u8]) -> Action` and
///   `judge(&Settings) -> Vec<Problem>`. `step` and `check` are names of the module's own.
///
/// In wasm it exports the world `user-resolver` and carries the manifest that `build.rs` made.
/// Everywhere else it is the module `plugin` with the same functions, for tests.
#[macro_export]
macro_rules! user_resolver {
    (steps: $step:path, $check:path) => {
        #[doc(hidden)]
        pub mod plugin {
            use super::*;
            use $crate::{resolver, settings, wire};

            /// The manifest, as the component carries it.
            pub const MANIFEST: &str = include_str!(concat!(env!("OUT_DIR"), "/manifest.json"));

            pub fn step(
                settings: &settings::Settings,
                login: &resolver::FederatedLogin,
                event: &resolver::Event,
                state: &[u8],
            ) -> resolver::Action {
                $step(settings, login, event, state)
            }

            pub fn check(settings: &settings::Settings) -> Vec<wire::Problem> {
                $check(settings)
            }
        }

        $crate::__export!(resolver);
    };
    ($queries:path) => {
        #[doc(hidden)]
        pub mod plugin {
            use super::*;
            use $crate::{resolver, settings, wire};

            /// The manifest, as the component carries it.
            pub const MANIFEST: &str = include_str!(concat!(env!("OUT_DIR"), "/manifest.json"));

            pub fn step(
                settings: &settings::Settings,
                login: &resolver::FederatedLogin,
                event: &resolver::Event,
                _state: &[u8],
            ) -> resolver::Action {
                resolver::step(settings, login, event, $queries)
            }

            pub fn check(settings: &settings::Settings) -> Vec<wire::Problem> {
                resolver::check(settings, $queries)
            }
        }

        $crate::__export!(resolver);
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(name: &str, stores: &str) -> Vec<String> {
        let settings = Settings::new(vec![("secondary_userstore".to_owned(), stores.to_owned())]);
        in_user_stores(name, &settings)
            .into_iter()
            .map(|query| match query {
                Query::Name(name) => name,
                Query::Association { .. } => panic!("a name asks for a name"),
            })
            .collect()
    }

    #[test]
    fn stores_are_tried_in_the_order_they_are_listed() {
        assert_eq!(
            names("alice", "jdbc, abc ,xyz"),
            ["JDBC/alice", "ABC/alice", "XYZ/alice", "alice"]
        );
        assert_eq!(
            names("alice", "jdbc,Primary,abc"),
            ["JDBC/alice", "alice", "ABC/alice"]
        );
        assert_eq!(names("alice", ""), ["alice"]);
    }

    #[test]
    fn a_name_with_a_domain_is_not_given_another() {
        assert_eq!(names("LDAP/alice", "jdbc"), ["LDAP/alice"]);
    }

    #[test]
    fn a_blank_name_asks_nothing() {
        assert_eq!(names("  ", "jdbc"), [""; 0]);
    }

    #[test]
    fn the_first_hit_wins_and_none_is_not_found() {
        let account = || {
            Some(Account {
                name: "x".to_owned(),
                extra: Vec::new(),
            })
        };
        assert_eq!(
            first_hit(&[None, account(), account()]),
            Resolution::Account(1)
        );
        assert_eq!(first_hit(&[None, None]), Resolution::NotFound);
        assert_eq!(first_hit(&[]), Resolution::NotFound);
    }

    #[test]
    fn more_queries_than_a_lookup_may_have_refuse_the_login() {
        let many =
            |_: &FederatedLogin, _: &Settings| vec![Query::Name("a".to_owned()); QUERIES_MAX + 1];
        let settings = Settings::default();
        let action = step(&settings, &FederatedLogin::default(), &Event::Start, many);
        assert!(matches!(action, Action::Done(Resolution::Refuse(_))));
        assert_eq!(check(&settings, many).len(), 1);
    }
}
