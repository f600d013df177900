//! A login begins: nothing is known yet but where it came from.

use crate::login::{LoginId, Origin};
use crate::{LoginError, Logins, Step, TenantId};

/// What the edge knows about whoever asks. The address is the one the host trusts (attack A-06).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientFacts {
    pub address: String,
    pub user_agent: String,
    /// BCP 47, from Accept-Language among the locales there are.
    pub locale: String,
}

/// Where a login stands after an act; the id may have changed and the cookie with it.
#[derive(Debug)]
pub struct Moved {
    pub id: LoginId,
    pub step: Step,
}

impl Logins {
    pub async fn begin(
        &self,
        tenant: &TenantId,
        origin: Origin,
        client: &ClientFacts,
    ) -> Result<Moved, LoginError> {
        let _ = (tenant, origin, client);
        todo!()
    }

    /// The page a browser that comes back shall see.
    pub async fn step(&self, id: &LoginId) -> Result<Step, LoginError> {
        let _ = id;
        todo!()
    }

    pub async fn abandon(&self, id: &LoginId) -> Result<(), LoginError> {
        let _ = id;
        todo!()
    }
}
