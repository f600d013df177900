//! Is a second factor needed, and where does the code go?

use crate::begin::{ClientFacts, Moved};
use crate::login::LoginId;
use crate::{LoginError, Logins};

impl Logins {
    /// The person typed a number where one was asked for.
    pub async fn give_number(
        &self,
        id: &LoginId,
        typed: &str,
        client: &ClientFacts,
    ) -> Result<Moved, LoginError> {
        let _ = (id, typed, client);
        todo!()
    }
}
