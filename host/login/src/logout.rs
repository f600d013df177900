//! A session ends, on the server.

use crate::session::{Session, SessionId};
use crate::{LoginError, Logins};

impl Logins {
    pub async fn session(&self, id: &SessionId) -> Result<Option<Session>, LoginError> {
        let _ = id;
        todo!()
    }

    pub async fn logout(&self, id: &SessionId) -> Result<(), LoginError> {
        let _ = id;
        todo!()
    }
}
