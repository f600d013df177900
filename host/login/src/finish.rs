//! The end of a login: it is taken exactly once, and a session opens.

use crate::begin::ClientFacts;
use crate::login::{LoginId, Origin};
use crate::session::Session;
use crate::{LoginError, Logins};

/// A session, and where the browser goes with it.
#[derive(Debug)]
pub struct Finished {
    pub session: Session,
    pub origin: Origin,
}

impl Logins {
    /// `Gone` for the second of two callers. An earlier session of the same browser is replaced.
    pub async fn finish(&self, id: &LoginId, client: &ClientFacts) -> Result<Finished, LoginError> {
        let _ = (id, client);
        todo!()
    }
}
