//! The first step: a password, or what an identity provider said.

use crate::begin::{ClientFacts, Moved};
use crate::login::LoginId;
use crate::ports::FederatedLogin;
use crate::{LoginError, Logins};

impl Logins {
    /// Right: the login continues under a new id, at the second step. Wrong, unknown and locked look
    /// alike and cost alike.
    pub async fn password(
        &self,
        id: &LoginId,
        name: &str,
        password: &str,
        client: &ClientFacts,
    ) -> Result<Moved, LoginError> {
        let _ = (id, name, password, client);
        todo!()
    }

    /// An upstream identity provider vouched; the resolver plugin named by `usecase` maps the person.
    pub async fn federated(
        &self,
        id: &LoginId,
        said: FederatedLogin,
        client: &ClientFacts,
    ) -> Result<Moved, LoginError> {
        let _ = (id, said, client);
        todo!()
    }
}
