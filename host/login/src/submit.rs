//! A code or a backup code comes in: pay, compare, advance.

use crate::begin::{ClientFacts, Moved};
use crate::login::LoginId;
use crate::{LoginError, Logins};

impl Logins {
    pub async fn submit_code(
        &self,
        id: &LoginId,
        typed: &str,
        client: &ClientFacts,
    ) -> Result<Moved, LoginError> {
        let _ = (id, typed, client);
        todo!()
    }

    /// A form of its own: never tried because an SMS code did not match (attack C-06).
    pub async fn submit_backup_code(
        &self,
        id: &LoginId,
        typed: &str,
        client: &ClientFacts,
    ) -> Result<Moved, LoginError> {
        let _ = (id, typed, client);
        todo!()
    }
}
