//! Another code: the old one is dead, the attempts stay spent, fifty clicks are one message.

use crate::begin::{ClientFacts, Moved};
use crate::login::LoginId;
use crate::{LoginError, Logins};

impl Logins {
    pub async fn resend(&self, id: &LoginId, client: &ClientFacts) -> Result<Moved, LoginError> {
        let _ = (id, client);
        todo!()
    }
}
