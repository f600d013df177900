//! The local account that was linked to the person.
//!
//! Owns: one rule: the link of (identity provider, subject), in the user stores that are listed,
//! then wherever it is. Knows nothing of stores.

use postern_sdk::prelude::*;
use postern_sdk::resolver::is_primary;

fn queries(login: &FederatedLogin, settings: &Settings) -> Vec<Query> {
    if login.identity_provider.is_empty() || login.subject.is_empty() {
        return Vec::new();
    }
    let listed = settings.list("secondary_userstore");
    let domains = listed.into_iter().map(|store| {
        if is_primary(store) {
            "PRIMARY".to_owned()
        } else {
            store.to_uppercase()
        }
    });
    let mut queries: Vec<Query> = Vec::new();
    for domain in domains.chain([String::new()]) {
        let query = Query::Association {
            identity_provider: login.identity_provider.clone(),
            subject: login.subject.clone(),
            domain,
        };
        if !queries.contains(&query) {
            queries.push(query);
        }
    }
    queries
}

postern_sdk::user_resolver!(queries);
postern_sdk::conformance!(resolver);
