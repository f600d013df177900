//! Applications that call the JSON API.

use crate::{Actor, AdminError, Administration, act};
use postern_login::TenantId;
use postern_login::ports::{Added, ApiClient, Scope};
use sha2::{Digest, Sha256};

impl Administration {
    pub async fn client_list(
        &self,
        actor: &Actor,
        tenant: &TenantId,
    ) -> Result<Vec<ApiClient>, AdminError> {
        self.allow(actor, tenant, act::CLIENT_LIST, None).await?;
        Ok(self.ports.clients.list(tenant).await?)
    }

    /// The token, told once: it is stored as a hash only.
    pub async fn client_add(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        name: &str,
        scopes: &[Scope],
    ) -> Result<String, AdminError> {
        let act = act::CLIENT_ADD;
        self.allow(actor, tenant, act, Some(name)).await?;
        let orderly = (1..=64).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if !orderly {
            return Err(AdminError::Invalid(format!(
                "`{}` is no name of a client: expected 1 to 64 of letters, digits, `-`, `_` and `.`",
                name.escape_debug()
            )));
        }
        let scopes: Vec<Scope> = Scope::ALL
            .into_iter()
            .filter(|scope| scopes.contains(scope))
            .collect();
        if scopes.is_empty() {
            return Err(AdminError::Invalid(
                "the client may do nothing: expected one or more of challenges, messages, \
                 scim:read, scim:write, scim:phone"
                    .to_owned(),
            ));
        }
        let scim = [Scope::ScimRead, Scope::ScimWrite, Scope::ScimPhone];
        if *tenant != TenantId::super_tenant() && scopes.iter().any(|scope| scim.contains(scope)) {
            return Err(AdminError::Invalid(format!(
                "users of tenant `{tenant}` are not looked after by SCIM: only those of the super tenant are"
            )));
        }
        // The prefix lets people and secret scanners tell what it is.
        let token = format!("postern_{}", hex::encode(self.random::<32>()?));
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let client = ApiClient {
            name: name.to_owned(),
            tenant: tenant.clone(),
            created_at: self.now(),
            scopes: scopes.clone(),
        };
        let details = scopes
            .iter()
            .map(|scope| format!("scope {}", scope.as_str()))
            .collect();
        self.announce(actor, tenant, act, Some(name), details)
            .await?;
        let outcome = match self.ports.clients.add(&client, &hash).await {
            Ok(Added::Added) => Ok(token),
            Ok(Added::NameTaken) => Err(AdminError::Exists {
                what: "client",
                name: name.to_owned(),
            }),
            Err(error) => Err(error.into()),
        };
        self.conclude(actor, tenant, act, Some(name), outcome).await
    }

    pub async fn client_revoke(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        name: &str,
    ) -> Result<(), AdminError> {
        let act = act::CLIENT_REVOKE;
        self.allow(actor, tenant, act, Some(name)).await?;
        let clients = self.ports.clients.list(tenant).await?;
        if !clients.iter().any(|client| client.name == name) {
            return Err(AdminError::NotFound {
                what: "client",
                name: name.to_owned(),
            });
        }
        self.announce(actor, tenant, act, Some(name), Vec::new())
            .await?;
        let outcome = self.ports.clients.revoke(tenant, name).await;
        let outcome = outcome.map(|_| ()).map_err(AdminError::from);
        self.conclude(actor, tenant, act, Some(name), outcome).await
    }
}
