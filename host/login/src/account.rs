//! What a person does with their own account. Anything that weakens or moves a factor needs a
//! session with a second factor that is at most 10 minutes old.

use crate::begin::{ClientFacts, Moved};
use crate::login::{LoginId, Notice};
use crate::ports::Association;
use crate::session::{Session, SessionId};
use crate::{LoginError, Logins};
use postern_otp::BackupCode;

#[derive(Debug)]
pub struct Overview {
    pub name: String,
    pub display_name: Option<String>,
    /// Masked.
    pub number: Option<String>,
    pub opted_out: bool,
    /// Switching SMS codes off is the tenant's to allow.
    pub opt_out_allowed: bool,
    pub backup_codes_allowed: bool,
    pub backup_codes_left: u32,
    pub sessions: Vec<Session>,
    pub associations: Vec<Association>,
    /// False: acts that move a factor will ask for a fresh sign-in.
    pub fresh: bool,
}

/// What became of an act that needs a code first.
#[derive(Debug)]
pub enum Proven {
    Done,
    /// The code page again.
    Again(Moved),
}

impl Logins {
    pub async fn overview(&self, session: &Session) -> Result<Overview, LoginError> {
        let _ = session;
        todo!()
    }

    /// Sends a code to the new number. `Err(Notice)` if the number cannot be used.
    pub async fn change_number(
        &self,
        session: &Session,
        typed: &str,
        client: &ClientFacts,
    ) -> Result<Result<Moved, Notice>, LoginError> {
        let _ = (session, typed, client);
        todo!()
    }

    /// The code came back: the very number it went to is stored, open challenges to the old one die,
    /// the old number is told, the change is audited.
    pub async fn confirm_number(
        &self,
        session: &Session,
        id: &LoginId,
        typed: &str,
        client: &ClientFacts,
    ) -> Result<Proven, LoginError> {
        let _ = (session, id, typed, client);
        todo!()
    }

    /// Refused where the factor is mandatory (attack B-06).
    pub async fn set_opt_out(
        &self,
        session: &Session,
        opted_out: bool,
        client: &ClientFacts,
    ) -> Result<(), LoginError> {
        let _ = (session, opted_out, client);
        todo!()
    }

    /// Ten new ones, shown once; all earlier ones are dead.
    pub async fn new_backup_codes(
        &self,
        session: &Session,
        client: &ClientFacts,
    ) -> Result<Vec<BackupCode>, LoginError> {
        let _ = (session, client);
        todo!()
    }

    pub async fn unlink(
        &self,
        session: &Session,
        association: &Association,
        client: &ClientFacts,
    ) -> Result<bool, LoginError> {
        let _ = (session, association, client);
        todo!()
    }

    /// By name, as listed; ends at once on the server.
    pub async fn end_session(
        &self,
        session: &Session,
        name: &str,
        client: &ClientFacts,
    ) -> Result<bool, LoginError> {
        let _ = (session, name, client);
        todo!()
    }

    pub async fn end_other_sessions(
        &self,
        session: &Session,
        client: &ClientFacts,
    ) -> Result<u64, LoginError> {
        let _ = (session, client);
        let _: Option<SessionId> = None;
        todo!()
    }
}
