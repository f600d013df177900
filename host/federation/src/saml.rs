//! SAML 2.0. The entries of both roles as an operator writes them.

use crate::Problem;
use serde::{Deserialize, Serialize};

/// An application that is told by SAML who signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceProvider {
    /// Its `Issuer`.
    pub entity_id: String,
}

impl ServiceProvider {
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.entity_id.trim().is_empty() {
            problems.push(Problem::new(
                "entity_id",
                "missing: expected the application's entity id",
            ));
        }
        problems
    }
}

/// An identity provider that tells us by SAML who signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upstream {
    pub entity_id: String,
}

impl Upstream {
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.entity_id.trim().is_empty() {
            problems.push(Problem::new(
                "entity_id",
                "missing: expected the provider's entity id",
            ));
        }
        problems
    }
}
