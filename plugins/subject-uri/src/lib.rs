//! The local account that the subject identifier names.
//!
//! Owns: one rule: the identifier the identity provider asserts (the attribute that was chosen as
//! subject) is the account's name, in the user stores that are listed. Knows nothing of stores.

use postern_sdk::prelude::*;

fn queries(login: &FederatedLogin, settings: &Settings) -> Vec<Query> {
    in_user_stores(&login.subject_identifier, settings)
}

postern_sdk::user_resolver!(queries);
postern_sdk::conformance!(resolver);
