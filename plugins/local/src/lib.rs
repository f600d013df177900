//! The local account of the same name.
//!
//! Owns: one rule: the name the identity provider gives the person is the account's, in the user
//! stores that are listed. Knows nothing of stores.

use postern_sdk::prelude::*;

fn queries(login: &FederatedLogin, settings: &Settings) -> Vec<Query> {
    in_user_stores(&login.subject, settings)
}

postern_sdk::user_resolver!(queries);
postern_sdk::conformance!(resolver);
