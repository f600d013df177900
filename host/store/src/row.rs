//! How a login and a session look at rest: one byte of format, then postcard. The id is not in it.
//!
//! Postcard does not describe itself: a field added to a stored type is misread, not refused. So
//! the tests below hold the bytes of one value of each; whoever changes a stored type sees them
//! fail, raises [`FORMAT`] and adds a migration that drops the rows in progress.

use postern_login::error::StoreError;
use postern_login::login::{FirstFactor, Origin, Purpose, SecondFactor};
use postern_login::session::{Session, SessionId};
use postern_login::{Login, LoginId, State, TenantId};
use postern_otp::Timestamp;
use serde::{Deserialize, Serialize};

/// Raised with every change of the shape of `Login` or `Session`.
const FORMAT: u8 = 1;

#[derive(Serialize)]
struct LoginOut<'a> {
    name: &'a str,
    tenant: &'a TenantId,
    origin: &'a Origin,
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
    first: &'a FirstFactor,
    second: &'a SecondFactor,
    authenticated_at: Timestamp,
    expires_at: Timestamp,
    user_agent: &'a str,
    address: &'a str,
    locale: &'a str,
}

#[derive(Deserialize)]
struct SessionIn {
    name: String,
    tenant: TenantId,
    account: String,
    has_local_account: bool,
    first: FirstFactor,
    second: SecondFactor,
    authenticated_at: Timestamp,
    expires_at: Timestamp,
    user_agent: String,
    address: String,
    locale: String,
}

/// `state` stands apart because `advance` writes a login whose state is not yet its own.
pub(crate) fn of_login(login: &Login, state: &State) -> Result<Vec<u8>, StoreError> {
    write(&LoginOut {
        name: &login.name,
        tenant: &login.tenant,
        origin: &login.origin,
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
        first: &session.first,
        second: &session.second,
        authenticated_at: session.authenticated_at,
        expires_at: session.expires_at,
        user_agent: &session.user_agent,
        address: &session.address,
        locale: &session.locale,
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
        first: row.first,
        second: row.second,
        authenticated_at: row.authenticated_at,
        expires_at,
        user_agent: row.user_agent,
        address: row.address,
        locale: row.locale,
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
