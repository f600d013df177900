//! Who each tenant federates with: the super tenant as the configuration file and the console say now,
//! another one as its document says.

use async_trait::async_trait;
use postern_federation::ports::{Peers, PortError};
use postern_federation::relying_party::FirstStep;
use postern_federation::{Entries, IdentityProvider, RelyingParty};
use postern_login::TenantId;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

#[derive(Debug)]
pub struct FilePeers {
    of: RwLock<Of>,
}

#[derive(Debug)]
struct Of {
    super_tenant: Arc<Entries>,
    others: HashMap<TenantId, Arc<Entries>>,
}

impl FilePeers {
    pub fn new(entries: Entries) -> Self {
        Self {
            of: RwLock::new(Of {
                super_tenant: Arc::new(entries),
                others: HashMap::new(),
            }),
        }
    }

    /// The super tenant's, whole: nobody sees half of two configurations.
    pub fn replace(&self, entries: Entries) {
        let mut of = self.of.write().unwrap_or_else(PoisonError::into_inner);
        of.super_tenant = Arc::new(entries);
    }

    /// Those of all other tenants.
    pub fn replace_others(&self, entries: HashMap<TenantId, Entries>) {
        let entries = entries.into_iter();
        let others = entries
            .map(|(tenant, entries)| (tenant, Arc::new(entries)))
            .collect();
        let mut of = self.of.write().unwrap_or_else(PoisonError::into_inner);
        of.others = others;
    }

    /// Who is in no document federates with nobody.
    fn now(&self, tenant: &str) -> Arc<Entries> {
        let of = self.of.read().unwrap_or_else(PoisonError::into_inner);
        if tenant == TenantId::super_tenant().as_str() {
            return of.super_tenant.clone();
        }
        let tenant = TenantId::parse(tenant).ok();
        let entries = tenant.and_then(|tenant| of.others.get(&tenant).cloned());
        entries.unwrap_or_default()
    }
}

#[async_trait]
impl Peers for FilePeers {
    async fn identity_providers(
        &self,
        tenant: &str,
    ) -> Result<Vec<Arc<IdentityProvider>>, PortError> {
        self.now(tenant).identity_providers(tenant).await
    }

    async fn relying_parties(&self, tenant: &str) -> Result<Vec<Arc<RelyingParty>>, PortError> {
        self.now(tenant).relying_parties(tenant).await
    }

    async fn own_sign_in(&self, tenant: &str) -> Result<FirstStep, PortError> {
        self.now(tenant).own_sign_in(tenant).await
    }
}
