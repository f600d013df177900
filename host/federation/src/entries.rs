//! The entries of one source at one moment, such as those of the configuration file.

use crate::name::EXPECTED;
use crate::ports::{Peers, PortError};
use crate::relying_party::FirstStep;
use crate::{IdentityProvider, Problem, RelyingParty};
use async_trait::async_trait;
use std::sync::Arc;

#[derive(Debug, Clone, Default)]
pub struct Entries {
    pub identity_providers: Vec<Arc<IdentityProvider>>,
    pub relying_parties: Vec<Arc<RelyingParty>>,
    /// How people sign in who come for their own account page.
    pub own_sign_in: FirstStep,
}

impl Entries {
    /// What only shows when entries are looked at side by side. Keys begin with the entry's section.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        self.check_options("sign_in", None, &self.own_sign_in, &mut problems);
        for (at, party) in self.relying_parties.iter().enumerate() {
            let section = format!("relying_party.{}", party.name);
            let tenant = Some(party.tenant.as_str());
            self.check_options(&section, tenant, &party.first_step, &mut problems);
            let earlier = self.relying_parties[..at]
                .iter()
                .filter(|other| other.tenant == party.tenant);
            for other in earlier {
                let same = |a: Option<&String>, b: Option<&String>| a.is_some() && a == b;
                let client_id =
                    |party: &'_ RelyingParty| party.oidc.as_ref().map(|c| c.client_id.clone());
                let entity_id =
                    |party: &'_ RelyingParty| party.saml.as_ref().map(|s| s.entity_id.clone());
                if same(client_id(party).as_ref(), client_id(other).as_ref()) {
                    let message = format!(
                        "`relying_party.{}` has the same: expected one of its own",
                        other.name
                    );
                    problems.push(Problem::new(format!("{section}.oidc.client_id"), message));
                }
                if same(entity_id(party).as_ref(), entity_id(other).as_ref()) {
                    let message = format!(
                        "`relying_party.{}` has the same: expected one of its own",
                        other.name
                    );
                    problems.push(Problem::new(format!("{section}.saml.entity_id"), message));
                }
            }
        }
        problems
    }

    fn check_options(
        &self,
        section: &str,
        tenant: Option<&str>,
        first: &FirstStep,
        problems: &mut Vec<Problem>,
    ) {
        for name in &first.identity_providers {
            let known = self.identity_providers.iter().any(|provider| {
                provider.name == *name && tenant.is_none_or(|tenant| provider.tenant == tenant)
            });
            if !known {
                let message = if crate::name::is_name(name) {
                    format!(
                        "there is no `[identity_provider.{name}]`: expected `password` or names of such sections"
                    )
                } else {
                    format!(
                        "`{name}`: expected `password` or names of identity providers ({EXPECTED})"
                    )
                };
                problems.push(Problem::new(format!("{section}.first_step"), message));
            }
        }
    }
}

#[async_trait]
impl Peers for Entries {
    async fn identity_providers(
        &self,
        tenant: &str,
    ) -> Result<Vec<Arc<IdentityProvider>>, PortError> {
        let all = self.identity_providers.iter();
        Ok(all
            .filter(|provider| provider.tenant == tenant)
            .cloned()
            .collect())
    }

    async fn relying_parties(&self, tenant: &str) -> Result<Vec<Arc<RelyingParty>>, PortError> {
        let all = self.relying_parties.iter();
        Ok(all
            .filter(|party| party.tenant == tenant)
            .cloned()
            .collect())
    }

    async fn own_sign_in(&self, _tenant: &str) -> Result<FirstStep, PortError> {
        Ok(self.own_sign_in.clone())
    }
}
