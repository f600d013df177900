//! How a login and a session look at rest: one byte of format, then postcard. The id is not in it.
//!
//! Postcard does not describe itself: a field added to a stored type is misread, not refused. So
//! the tests below hold the bytes of one value of each; whoever changes a stored type sees them
//! fail, raises [`FORMAT`] and adds a migration that drops the rows in progress.

use postern_login::application::Application;
use postern_login::error::StoreError;
use postern_login::login::{FirstFactor, Origin, Purpose, SecondFactor};
use postern_login::session::{Session, SessionId};
use postern_login::{Login, LoginId, State, TenantId};
use postern_otp::Timestamp;
use serde::{Deserialize, Serialize};

/// Raised with every change of the shape of `Login` or `Session`.
const FORMAT: u8 = 6;

#[derive(Serialize)]
struct LoginOut<'a> {
    name: &'a str,
    tenant: &'a TenantId,
    origin: &'a Origin,
    application: &'a Application,
    purpose: &'a Purpose,
    locale: &'a str,
    created_at: Timestamp,
    expires_at: Timestamp,
    state: &'a State,
}

#[derive(Deserialize)]
struct LoginIn {
    name: String,
    tenant: TenantId,
    origin: Origin,
    application: Application,
    purpose: Purpose,
    locale: String,
    created_at: Timestamp,
    expires_at: Timestamp,
    state: State,
}

#[derive(Serialize)]
struct SessionOut<'a> {
    name: &'a str,
    tenant: &'a TenantId,
    account: &'a str,
    has_local_account: bool,
    display: &'a str,
    first: &'a FirstFactor,
    second: &'a SecondFactor,
    authenticated_at: Timestamp,
    expires_at: Timestamp,
    user_agent: &'a str,
    address: &'a str,
    locale: &'a str,
    attributes: &'a [(String, String)],
}

#[derive(Deserialize)]
struct SessionIn {
    name: String,
    tenant: TenantId,
    account: String,
    has_local_account: bool,
    display: String,
    first: FirstFactor,
    second: SecondFactor,
    authenticated_at: Timestamp,
    expires_at: Timestamp,
    user_agent: String,
    address: String,
    locale: String,
    attributes: Vec<(String, String)>,
}

/// `state` stands apart because `advance` writes a login whose state is not yet its own.
pub(crate) fn of_login(login: &Login, state: &State) -> Result<Vec<u8>, StoreError> {
    write(&LoginOut {
        name: &login.name,
        tenant: &login.tenant,
        origin: &login.origin,
        application: &login.application,
        purpose: &login.purpose,
        locale: &login.locale,
        created_at: login.created_at,
        expires_at: login.expires_at,
        state,
    })
}

/// `expires_at` is the row's own column; a row whose two expiries differ is broken, and a login
/// without a sound expiry must not go on (attack N-03).
pub(crate) fn to_login(
    bytes: &[u8],
    id: LoginId,
    version: u64,
    expires_at: Timestamp,
) -> Result<Login, StoreError> {
    let row: LoginIn = read(bytes, "login")?;
    if row.expires_at != expires_at {
        return Err(StoreError::new(
            "the login's row is broken: its two expiries differ",
        ));
    }
    Ok(Login {
        id,
        name: row.name,
        version,
        tenant: row.tenant,
        origin: row.origin,
        application: row.application,
        purpose: row.purpose,
        locale: row.locale,
        created_at: row.created_at,
        expires_at,
        state: row.state,
    })
}

pub(crate) fn of_session(session: &Session) -> Result<Vec<u8>, StoreError> {
    write(&SessionOut {
        name: &session.name,
        tenant: &session.tenant,
        account: &session.account,
        has_local_account: session.has_local_account,
        display: &session.display,
        first: &session.first,
        second: &session.second,
        authenticated_at: session.authenticated_at,
        expires_at: session.expires_at,
        user_agent: &session.user_agent,
        address: &session.address,
        locale: &session.locale,
        attributes: &session.attributes,
    })
}

/// As [`to_login`].
pub(crate) fn to_session(
    bytes: &[u8],
    id: SessionId,
    expires_at: Timestamp,
) -> Result<Session, StoreError> {
    let row: SessionIn = read(bytes, "session")?;
    if row.expires_at != expires_at {
        return Err(StoreError::new(
            "the session's row is broken: its two expiries differ",
        ));
    }
    Ok(Session {
        id,
        name: row.name,
        tenant: row.tenant,
        account: row.account,
        has_local_account: row.has_local_account,
        display: row.display,
        first: row.first,
        second: row.second,
        authenticated_at: row.authenticated_at,
        expires_at,
        user_agent: row.user_agent,
        address: row.address,
        locale: row.locale,
        attributes: row.attributes,
    })
}

fn write(row: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::with_capacity(512);
    bytes.push(FORMAT);
    postcard::to_extend(row, bytes)
        .map_err(|error| StoreError::caused("a row cannot be written", error))
}

fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8], noun: &str) -> Result<T, StoreError> {
    let body = match bytes.split_first() {
        Some((&FORMAT, body)) => body,
        Some((other, _)) => {
            return Err(StoreError::new(format!(
                "the {noun}'s row has format {other}: expected {FORMAT}"
            )));
        }
        None => return Err(StoreError::new(format!("the {noun}'s row is empty"))),
    };
    let (row, rest) = postcard::take_from_bytes(body)
        .map_err(|error| StoreError::caused(format!("the {noun}'s row is broken"), error))?;
    if rest.is_empty() {
        Ok(row)
    } else {
        Err(StoreError::new(format!(
            "the {noun}'s row is broken: {} bytes too many",
            rest.len()
        )))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use postern_login::login::{Challenge, Challenged, Identified, Who};
    use postern_login::ports::{AccountRef, Subject};
    use postern_otp::challenge::Requested;
    use postern_otp::code::{Alphabet, CodeFormat};
    use postern_otp::hash::Binding;
    use postern_otp::{
        AttemptPolicy, ChallengePolicy, Code, HashKey, KeyRing, PhoneNumber, ResendPolicy,
    };
    use std::time::Duration;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn login() -> Login {
        let format = CodeFormat {
            length: 6,
            alphabet: Alphabet::Digits,
        };
        let number = PhoneNumber::parse("+94771234567", None).unwrap();
        let keys = KeyRing::new(vec![HashKey::new(7, [9; 32])]).unwrap();
        let code = Code::parse(format, "123456").unwrap();
        let binding = Binding {
            challenge: "k3x9",
            tenant: "t1.example",
            purpose: "login",
            number: &number,
        };
        let hash = keys.hash(&code, binding);
        let policy = ChallengePolicy {
            format,
            code_lifetime: Duration::from_secs(300),
            attempts: AttemptPolicy {
                attempts_max: 5,
                failures_max: 10,
                failure_window: Duration::from_secs(3600),
                lock_first: Duration::from_secs(900),
                lock_max: Duration::from_secs(86_400),
                failures_in_a_row_max: 100,
                backup_tries_when_locked: 5,
            },
            resend: ResendPolicy {
                allowed: true,
                waits: vec![Duration::from_secs(30)],
                resends_max: 3,
                block_person_for: None,
            },
        };
        let tenant = TenantId::parse("t1.example").unwrap();
        Login {
            id: LoginId::parse(&"i".repeat(43)).unwrap(),
            name: "k3x9".into(),
            version: 4,
            tenant: tenant.clone(),
            origin: Origin::Api {
                client: "shop".into(),
                address: Some("192.0.2.7".into()),
            },
            application: Application::account_page(),
            purpose: Purpose::Named("pay".into()),
            locale: "en".into(),
            created_at: NOW,
            expires_at: NOW.plus(Duration::from_secs(900)),
            state: State::Challenged(Challenged {
                who: Who {
                    subject: Subject::Account {
                        tenant,
                        account: "alice".into(),
                    },
                    account: Some(AccountRef {
                        name: "alice".into(),
                    }),
                    display: "alice".into(),
                    first: FirstFactor::Password,
                    attributes: vec![],
                },
                challenge: Challenge::Sent(Requested::new(number).delivered(hash, NOW, &policy)),
                pending_number: None,
                shown: Some("***4567".into()),
                attempts_left: 5,
                app_hash: None,
                notice: None,
            }),
        }
    }

    /// The same person, before a code is sent.
    fn identified(login: &Login) -> State {
        let who = login.state.who().unwrap().clone();
        State::Identified(Identified { who, at: NOW })
    }

    fn session() -> Session {
        Session {
            id: SessionId::parse(&"s".repeat(43)).unwrap(),
            name: "b7".into(),
            tenant: TenantId::parse("t1.example").unwrap(),
            account: "alice".into(),
            has_local_account: true,
            display: "alice".into(),
            first: FirstFactor::Federated {
                identity_provider: "idp".into(),
            },
            second: SecondFactor::BackupCode,
            authenticated_at: NOW,
            expires_at: NOW.plus(Duration::from_secs(28_800)),
            user_agent: "a browser".into(),
            address: "192.0.2.7".into(),
            locale: "de".into(),
            attributes: vec![("email".into(), "a@b.example".into())],
        }
    }

    /// If this fails, a stored type has changed its shape: raise `FORMAT`, and let a migration drop
    /// the rows of the old one.
    #[test]
    fn the_shape_of_a_row_is_the_one_that_format_names() {
        assert_eq!(FORMAT, 6);
        let login = login();
        let row = of_login(&login, &login.state).unwrap();
        assert_eq!(hex::encode(row), LOGIN_ROW);
        let row = of_login(&login, &identified(&login)).unwrap();
        assert_eq!(hex::encode(row), IDENTIFIED_ROW);
        assert_eq!(hex::encode(of_session(&session()).unwrap()), SESSION_ROW);
    }

    const LOGIN_ROW: &str = "06046b3378390a74312e6578616d706c65010473686f7001093139322e302e322e3700000100010000030370617902656e80a0f1c2b134a097a8c3b13403000a74312e6578616d706c6505616c6963650105616c69636505616c6963650000020c2b3934373731323334353637023934093737313233343536370a30373731323334353637024c4b0080a0f1c2b134e0c783c3b13400b08af3c2b1340730203918c139f2aedac056264cd686136b3d263725c6e1cbbed34ebb4e5e2e46000001072a2a2a34353637050000";
    const IDENTIFIED_ROW: &str = "06046b3378390a74312e6578616d706c65010473686f7001093139322e302e322e3700000100010000030370617902656e80a0f1c2b134a097a8c3b13401000a74312e6578616d706c6505616c6963650105616c69636505616c696365000080a0f1c2b134";
    const SESSION_ROW: &str = "060262370a74312e6578616d706c6505616c6963650105616c69636501036964700180a0f1c2b1348088cfd0b13409612062726f77736572093139322e302e322e370264650105656d61696c0b6140622e6578616d706c65";

    #[test]
    fn a_row_reads_back_as_it_was_written() {
        let login = login();
        let row = of_login(&login, &login.state).unwrap();
        let read = to_login(&row, login.id.clone(), 4, login.expires_at).unwrap();
        assert_eq!(format!("{login:?}"), format!("{read:?}"));
        let session = session();
        let row = of_session(&session).unwrap();
        let read = to_session(&row, session.id.clone(), session.expires_at).unwrap();
        assert_eq!(format!("{session:?}"), format!("{read:?}"));
    }

    #[test]
    fn a_row_that_is_cut_or_continued_is_refused() {
        let login = login();
        let row = of_login(&login, &login.state).unwrap();
        let read = |row: &[u8]| to_login(row, login.id.clone(), 4, login.expires_at);
        for length in 0..row.len() {
            assert!(read(&row[..length]).is_err(), "cut to {length}");
        }
        let mut longer = row.clone();
        longer.push(0);
        assert!(read(&longer).is_err());
        let mut other = row.clone();
        other[0] += 1;
        assert!(read(&other).is_err(), "another format");
    }

    /// N-03
    #[test]
    fn two_expiries_that_differ_are_refused() {
        let login = login();
        let row = of_login(&login, &login.state).unwrap();
        let later = Timestamp(login.expires_at.0 + 1);
        assert!(to_login(&row, login.id.clone(), 4, later).is_err());
    }
}
