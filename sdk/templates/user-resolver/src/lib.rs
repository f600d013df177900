//! {{name}}: which local accounts to ask for. The first that exists is the one.

use postern_sdk::prelude::*;

fn queries(login: &FederatedLogin, settings: &Settings) -> Vec<Query> {
    match login.attribute(settings.text_or("user_attribute", "employee_id")) {
        Some(name) => in_user_stores(name, settings),
        // Nobody to ask for: there is no such account.
        None => Vec::new(),
    }
}

postern_sdk::user_resolver!(queries);
postern_sdk::conformance!(resolver);
