//! From what the configuration says of user stores to the directory that logins ask.

use crate::config::{PRIMARY, Problem, UserStore, UserStores};
use anyhow::Context;
use postern_login::TenantId;
use postern_login::ports::DirectoryError;
use postern_store::directory::hashing::Hashing;
use postern_store::directory::users::Users;
use postern_store::directory::{self, Ldap, Local, Secondary, Sql};
use postern_store::memory::Memory;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Postern's own users: the local stores, and what foreign ones have no place for.
#[derive(Clone)]
pub struct Own {
    pub users: Arc<dyn Users>,
    pub hashing: Hashing,
}

impl std::fmt::Debug for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Own")
    }
}

/// The directory of a tenant. Connects to nothing: a store that is down fails the sign-ins of its
/// people, not the start of the host.
pub fn directory_of(
    stores: &UserStores,
    tenant: &TenantId,
    own: &Own,
) -> anyhow::Result<Secondary> {
    let is_primary = |name: &str| name.eq_ignore_ascii_case(PRIMARY);
    let primary = store(PRIMARY, stores, tenant, own)?;
    let mut names: Vec<&str> = Vec::new();
    let mut seen = BTreeSet::new();
    let listed = stores.order.iter().map(String::as_str);
    // Those that are listed in their order, then those that are reached by their names only.
    for name in listed.chain(stores.stores.keys().map(String::as_str)) {
        if !is_primary(name) && seen.insert(name.to_ascii_uppercase()) {
            names.push(name);
        }
    }
    let others = names
        .into_iter()
        .map(|name| Ok((name.to_owned(), store(name, stores, tenant, own)?)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    Secondary::ordered(primary, others, &stores.order)
        .context("sms_otp.secondary_userstore cannot be used")
}

fn store(
    name: &str,
    stores: &UserStores,
    tenant: &TenantId,
    own: &Own,
) -> anyhow::Result<Arc<dyn directory::UserStore>> {
    let domain = if name.eq_ignore_ascii_case(PRIMARY) {
        ""
    } else {
        name
    };
    let store = stores.stores.get(&name.to_ascii_uppercase());
    let (users, hashing) = (own.users.clone(), own.hashing.clone());
    let made: Result<Arc<dyn directory::UserStore>, DirectoryError> =
        match store.unwrap_or(&UserStore::Local) {
            UserStore::Local => Local::shared(users, hashing, domain)
                .map(|store| Arc::new(store) as Arc<dyn directory::UserStore>)
                .map_err(Into::into),
            UserStore::Ldap(settings) => {
                Ldap::new(settings.as_ref().clone(), tenant.clone(), domain, users)
                    .map(|store| Arc::new(store) as Arc<dyn directory::UserStore>)
            }
            UserStore::Sql(settings) => Sql::new(
                settings.as_ref().clone(),
                tenant.clone(),
                domain,
                users,
                hashing,
            )
            .map(|store| Arc::new(store) as Arc<dyn directory::UserStore>),
        };
    made.with_context(|| format!("user_store.{}", name.to_ascii_lowercase()))
}

/// What is wrong with the stores, found out by asking each. Needs none of Postern's own, so that it
/// runs beside a host.
pub async fn problems(stores: &UserStores) -> Vec<Problem> {
    let memory = Memory::new();
    let own = Own {
        hashing: memory.hashing(),
        users: Arc::new(memory),
    };
    let directory = match directory_of(stores, &TenantId::super_tenant(), &own) {
        Ok(directory) => directory,
        Err(error) => {
            return vec![Problem {
                key: "user_store".into(),
                message: format!("{error:#}"),
            }];
        }
    };
    let mut problems = Vec::new();
    for (domain, answer) in directory.probe_each().await {
        let name = if domain.is_empty() { PRIMARY } else { &domain };
        if let Err(error) = answer {
            problems.push(Problem {
                key: format!("user_store.{}", name.to_ascii_lowercase()),
                message: format!("{:#}", anyhow::Error::from(error)),
            });
        }
    }
    problems
}
