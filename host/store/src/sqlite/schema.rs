//! The tables, and how an older store becomes a newer one.
//!
//! The version stands in the file's own header (`user_version`), so it changes in the transaction
//! that changes the tables. Postern's mark (`application_id`) tells its stores from other files.

use super::Options;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, TransactionBehavior};

/// The schema this version writes.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// `PSTN`.
const APPLICATION: i64 = 0x5053_544e;

/// Step n makes schema n+1 of schema n. Steps are never edited, only added.
const MIGRATIONS: [&str; 14] = [
    FIRST,
    FEDERATION,
    CONSOLE,
    SESSIONS_BY_SUBJECT,
    REASONS_OF_NOT_SENT,
    TENANTS,
    SCOPES_AND_PRUNING,
    PROVISIONING,
    ENTRIES_OF_APPLICATIONS,
    TOLD,
    REMOTE_IDS_ONCE,
    REFUSALS,
    TIMES_OF_FIRST_STEPS,
    FAULTS,
];

pub(super) enum Refused {
    Newer { found: i64 },
    Foreign,
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for Refused {
    fn from(error: rusqlite::Error) -> Self {
        if error.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) {
            Self::Foreign
        } else {
            Self::Database(error)
        }
    }
}

/// The schema from which on every row of the audit log has its link.
pub(super) const CHAINED: i64 = 3;

/// Sets the writer's connection up, and the tables. Returns the schema that was there.
pub(super) fn prepare(db: &mut Connection, options: &Options) -> Result<i64, Refused> {
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let application: i64 = db.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION && (version != 0 || tables != 0) {
        return Err(Refused::Foreign);
    }
    if version > VERSION {
        return Err(Refused::Newer { found: version });
    }

    // FULL: a commit is on disk before anyone is told; the writer takes that back for some. The log is
    // written back by the writer alone, neither by a commit when it is long nor at the close: SQLite would
    // tell nobody of a sync that failed there. 8 MiB of page cache hold the rows in use; what does not fit is
    // read from the system's. What is deleted is overwritten in the pages that are written anyway.
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = FULL;
         PRAGMA fullfsync = ON; PRAGMA secure_delete = FAST; PRAGMA cache_size = -8192;
         PRAGMA temp_store = MEMORY; PRAGMA busy_timeout = 5000;
         PRAGMA journal_size_limit = 67108864;",
    )?;
    if let Some(pages) = options.pages_max {
        db.execute_batch(&format!("PRAGMA max_page_count = {pages}"))?;
    }
    db.set_prepared_statement_cache_capacity(96);

    if version < VERSION {
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for step in MIGRATIONS
            .iter()
            .skip(usize::try_from(version).unwrap_or(0))
        {
            transaction.execute_batch(step)?;
        }
        transaction.execute_batch(&format!(
            "PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION};"
        ))?;
        transaction.commit()?;
    }
    Ok(version)
}

/// Rows are kept in the order they came (the implicit rowid): the ones in use share pages, so a
/// commit writes few. Times are milliseconds since 1970.
const FIRST: &str = "
CREATE TABLE logins (
    id         BLOB NOT NULL CHECK (length(id) = 32),
    version    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    account    INTEGER,
    attempts   INTEGER NOT NULL DEFAULT 0,
    body       BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX logins_by_id ON logins (id);
CREATE INDEX logins_by_expiry ON logins (expires_at);
CREATE INDEX logins_by_account ON logins (account) WHERE account IS NOT NULL;

CREATE TABLE ledgers (
    subject      TEXT PRIMARY KEY,
    failures     INTEGER NOT NULL,
    window_start INTEGER,
    in_a_row     INTEGER NOT NULL,
    locks        INTEGER NOT NULL,
    locked_until INTEGER,
    disabled     INTEGER NOT NULL,
    backup_tries INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE backup_sets (
    subject    TEXT PRIMARY KEY,
    salt       BLOB NOT NULL CHECK (length(salt) = 16),
    memory_kib INTEGER NOT NULL,
    passes     INTEGER NOT NULL,
    lanes      INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE backup_codes (
    subject TEXT NOT NULL,
    hash    BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (subject, hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    id         BLOB NOT NULL CHECK (length(id) = 32),
    name       TEXT NOT NULL,
    tenant     TEXT NOT NULL,
    account    TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    body       BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX sessions_by_id ON sessions (id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
CREATE INDEX sessions_by_account ON sessions (tenant, account);

CREATE TABLE counters (
    key     TEXT NOT NULL,
    window  INTEGER NOT NULL,
    count   INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    PRIMARY KEY (key, window)
) STRICT, WITHOUT ROWID;
CREATE INDEX counters_by_end ON counters (ends_at);

CREATE TABLE clients (
    name       TEXT PRIMARY KEY,
    tenant     TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    token      BLOB NOT NULL UNIQUE CHECK (length(token) = 32)
) STRICT, WITHOUT ROWID;

CREATE TABLE replies (
    client      TEXT NOT NULL,
    key         TEXT NOT NULL,
    fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32),
    answer      TEXT,
    expires_at  INTEGER NOT NULL,
    PRIMARY KEY (client, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX replies_by_expiry ON replies (expires_at);

CREATE TABLE audit (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    tenant  TEXT NOT NULL,
    login   TEXT,
    who     TEXT,
    address TEXT,
    what    TEXT NOT NULL
) STRICT;

CREATE TABLE users (
    id           INTEGER PRIMARY KEY,
    tenant       TEXT NOT NULL,
    domain       TEXT NOT NULL,
    key          TEXT NOT NULL,
    looks        TEXT NOT NULL,
    name         TEXT NOT NULL,
    display_name TEXT,
    number       TEXT,
    opted_out    INTEGER NOT NULL,
    locked       INTEGER NOT NULL,
    had_factor   INTEGER NOT NULL,
    password     TEXT,
    UNIQUE (tenant, domain, key),
    UNIQUE (tenant, domain, looks)
) STRICT;
CREATE TABLE claims (
    user  INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    uri   TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (user, uri)
) STRICT, WITHOUT ROWID;
CREATE TABLE associations (
    tenant            TEXT NOT NULL,
    identity_provider TEXT NOT NULL,
    subject           TEXT NOT NULL,
    user              INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (tenant, identity_provider, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX associations_by_user ON associations (user);
";

/// What waits for browsers, and what was used once. Logins and sessions learned which application
/// they are for and what is told about a person: the rows in progress, of the old shape, go.
const FEDERATION: &str = "
CREATE TABLE parked (
    key        BLOB NOT NULL CHECK (length(key) = 32),
    tenant     TEXT NOT NULL,
    kind       TEXT NOT NULL,
    grouped    TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    body       BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX parked_by_key ON parked (key);
CREATE INDEX parked_by_expiry ON parked (expires_at);
CREATE INDEX parked_by_group ON parked (tenant, kind, grouped) WHERE grouped <> '';

CREATE TABLE used_once (
    id         BLOB NOT NULL CHECK (length(id) = 32),
    tenant     TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX used_once_by_id ON used_once (id);
CREATE INDEX used_once_by_expiry ON used_once (expires_at);

DELETE FROM logins;
DELETE FROM sessions;
";

/// The console: what is defined there, and the chain of the audit log. Rows from before get their
/// links when the store is opened, which has the key.
const CONSOLE: &str = "
CREATE TABLE documents (
    tenant     TEXT NOT NULL,
    kind       TEXT NOT NULL,
    name       TEXT NOT NULL,
    version    INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    body       BLOB NOT NULL,
    PRIMARY KEY (tenant, kind, name)
) STRICT, WITHOUT ROWID;
ALTER TABLE audit ADD COLUMN link BLOB CHECK (link IS NULL OR length(link) = 32);
";

/// A person's sessions go by their subject's key: an account's name alone is also what somebody of an
/// identity provider may be called. What is in progress is of the row format before and goes.
const SESSIONS_BY_SUBJECT: &str = "
DELETE FROM logins;
DROP TABLE sessions;
CREATE TABLE sessions (
    id         BLOB NOT NULL CHECK (length(id) = 32),
    name       TEXT NOT NULL,
    subject    TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    body       BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX sessions_by_id ON sessions (id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
CREATE INDEX sessions_by_subject ON sessions (subject);
";

/// A challenge that was not sent says why: logins of before cannot be read and are dropped, sessions
/// have the shape they had. The audit log is left as it was written: its rows form a chain.
const REASONS_OF_NOT_SENT: &str = "
DELETE FROM logins;
UPDATE sessions SET body = CAST(x'04' || substr(body, 2) AS BLOB);
";

/// Several tenants: every row says whose it is, a client's name is its tenant's own, and tenants have
/// a table. Until here there was one.
const TENANTS: &str = "
ALTER TABLE logins ADD COLUMN tenant TEXT NOT NULL DEFAULT 'carbon.super';
ALTER TABLE sessions ADD COLUMN tenant TEXT NOT NULL DEFAULT 'carbon.super';

CREATE TABLE tenants (
    tenant     TEXT PRIMARY KEY,
    enabled    INTEGER NOT NULL,
    document   BLOB,
    changed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE clients_of_tenants (
    tenant     TEXT NOT NULL,
    name       TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    token      BLOB NOT NULL UNIQUE CHECK (length(token) = 32),
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;
INSERT INTO clients_of_tenants (tenant, name, created_at, token)
    SELECT tenant, name, created_at, token FROM clients;
DROP TABLE clients;
ALTER TABLE clients_of_tenants RENAME TO clients;

CREATE TABLE replies_of_tenants (
    tenant      TEXT NOT NULL,
    client      TEXT NOT NULL,
    key         TEXT NOT NULL,
    fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32),
    answer      TEXT,
    expires_at  INTEGER NOT NULL,
    PRIMARY KEY (tenant, client, key)
) STRICT, WITHOUT ROWID;
INSERT INTO replies_of_tenants (tenant, client, key, fingerprint, answer, expires_at)
    SELECT 'carbon.super', client, key, fingerprint, answer, expires_at FROM replies;
DROP TABLE replies;
ALTER TABLE replies_of_tenants RENAME TO replies;
CREATE INDEX replies_by_expiry ON replies (expires_at);
";

/// What a client's token is good for, where all were good for everything; and where the audit log
/// begins once its oldest rows were removed.
const SCOPES_AND_PRUNING: &str = "
ALTER TABLE clients ADD COLUMN scopes TEXT NOT NULL DEFAULT 'challenges messages';
CREATE TABLE audit_anchor (
    only    INTEGER PRIMARY KEY CHECK (only = 1),
    seq     INTEGER NOT NULL,
    link    BLOB NOT NULL CHECK (length(link) = 32),
    at      INTEGER NOT NULL,
    seal    BLOB NOT NULL CHECK (length(seal) = 32)
) STRICT;
";

/// Who users are to those who provision them; groups; what peers wait to be told.
const PROVISIONING: &str = "
CREATE TABLE identities (
    tenant      TEXT NOT NULL,
    id          TEXT NOT NULL,
    account     TEXT NOT NULL,
    external_id TEXT,
    created_at  INTEGER NOT NULL,
    changed_at  INTEGER NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX identities_by_account ON identities (tenant, account);

CREATE TABLE groups (
    tenant      TEXT NOT NULL,
    id          TEXT NOT NULL,
    key         TEXT NOT NULL,
    name        TEXT NOT NULL,
    external_id TEXT,
    created_at  INTEGER NOT NULL,
    changed_at  INTEGER NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX groups_by_key ON groups (tenant, key);
CREATE TABLE group_members (
    tenant   TEXT NOT NULL,
    group_id TEXT NOT NULL,
    member   TEXT NOT NULL,
    PRIMARY KEY (tenant, group_id, member)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_members_by_member ON group_members (tenant, member);

CREATE TABLE deliveries (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant     TEXT NOT NULL,
    connector  TEXT NOT NULL,
    kind       TEXT NOT NULL,
    subject    TEXT NOT NULL,
    gone       INTEGER NOT NULL,
    password   BLOB,
    attempts   INTEGER NOT NULL,
    due_at     INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    trouble    TEXT,
    given_up   INTEGER NOT NULL
) STRICT;
CREATE INDEX deliveries_by_subject ON deliveries (tenant, connector, kind, subject, seq);
CREATE INDEX deliveries_by_due ON deliveries (due_at);
CREATE TABLE remote_ids (
    tenant    TEXT NOT NULL,
    connector TEXT NOT NULL,
    kind      TEXT NOT NULL,
    subject   TEXT NOT NULL,
    remote_id TEXT NOT NULL,
    PRIMARY KEY (tenant, connector, kind, subject)
) STRICT, WITHOUT ROWID;
";

/// A login knows the SMSOTP entry of its application: logins of before cannot be read and are dropped,
/// sessions have the shape they had.
const ENTRIES_OF_APPLICATIONS: &str = "
DELETE FROM logins;
UPDATE sessions SET body = CAST(x'05' || substr(body, 2) AS BLOB);
";

/// What a peer was told last, so that what is gone here is taken away there; and the next that is due
/// found without looking at the whole queue.
const TOLD: &str = "
ALTER TABLE remote_ids ADD COLUMN told TEXT NOT NULL DEFAULT '';
DROP INDEX deliveries_by_due;
CREATE INDEX deliveries_by_turn ON deliveries (tenant, connector, given_up, due_at, seq);
";

/// A peer's id is one subject's of ours and no other's: where it was two's, both are looked for anew.
/// Passwords on their way were sealed for no row in particular.
const REMOTE_IDS_ONCE: &str = "
DELETE FROM remote_ids WHERE (tenant, connector, kind, remote_id) IN
    (SELECT tenant, connector, kind, remote_id FROM remote_ids
     GROUP BY tenant, connector, kind, remote_id HAVING count(*) > 1);
CREATE UNIQUE INDEX remote_ids_once ON remote_ids (tenant, connector, kind, remote_id);
UPDATE deliveries SET password = NULL;
";

/// What a peer refused is counted apart from what it was not there for. How many there were of what waits
/// nobody knows: it starts anew.
const REFUSALS: &str = "
ALTER TABLE deliveries ADD COLUMN refusals INTEGER NOT NULL DEFAULT 0;
";

/// A login that goes on from a session knows when that was proven: logins of before cannot be read and are
/// dropped, sessions have the shape they had.
const TIMES_OF_FIRST_STEPS: &str = "
DELETE FROM logins;
UPDATE sessions SET body = CAST(x'06' || substr(body, 2) AS BLOB);
";

/// What was no matter of the peer's is counted apart from the peer's failures. How many there were of what
/// waits nobody knows: all were the peer's, unless it would have been given up for so many. And a change that
/// was made is told from one that is only announced.
const FAULTS: &str = "
ALTER TABLE deliveries ADD COLUMN faults INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN made INTEGER NOT NULL DEFAULT 1;
UPDATE deliveries SET faults = attempts - refusals WHERE given_up = 0 AND attempts >= 60;
";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// From before each step that gives the rows of sessions another format: the bytes behind it stay.
    #[test]
    fn an_older_store_with_sessions_in_it_opens_and_keeps_them() {
        for (before, tenant) in [
            (REASONS_OF_NOT_SENT, None),
            (ENTRIES_OF_APPLICATIONS, Some("t1.example")),
            (TIMES_OF_FIRST_STEPS, Some("t1.example")),
        ] {
            let steps: Vec<_> = MIGRATIONS
                .iter()
                .take_while(|step| **step != before)
                .collect();
            let version = steps.len();
            let mut db = Connection::open_in_memory().unwrap();
            for step in steps {
                db.execute_batch(step).unwrap();
            }
            db.execute_batch(&format!(
                "PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {version};
                 INSERT INTO sessions (id, name, subject, expires_at, body{}) VALUES
                 (zeroblob(32), 's', 'a', 1, x'03007b80ff'{});",
                tenant.map_or("", |_| ", tenant"),
                tenant.map_or(String::new(), |tenant| format!(", '{tenant}'")),
            ))
            .unwrap();
            let found = prepare(&mut db, &Options::default());
            assert!(matches!(found, Ok(found) if found == version as i64));
            let body: Vec<u8> = db
                .query_row("SELECT body FROM sessions", [], |row| row.get(0))
                .unwrap();
            assert_eq!(body, [6, 0, 0x7b, 0x80, 0xff], "from schema {version}");
        }
    }

    /// As the last version of a store that did not count our own faults apart wrote it.
    #[test]
    fn what_waited_for_a_peer_before_goes_on_from_the_attempts_it_had() {
        let mut db = Connection::open_in_memory().unwrap();
        for step in &MIGRATIONS[..13] {
            db.execute_batch(step).unwrap();
        }
        db.execute_batch(&format!(
            "PRAGMA application_id = {APPLICATION}; PRAGMA user_version = 13;
             INSERT INTO deliveries (tenant, connector, kind, subject, gone, attempts, due_at,
                                     created_at, given_up, refusals)
             VALUES ('carbon.super', 'peer', 'user', 'alice', 0, 7, 9, 1, 0, 2),
                    ('carbon.super', 'peer', 'user', 'AWAY/bob', 0, 400, 9, 1, 0, 3),
                    ('carbon.super', 'peer', 'user', 'carol', 0, 60, 9, 1, 1, 0);"
        ))
        .unwrap();
        assert!(matches!(prepare(&mut db, &Options::default()), Ok(13)));
        let mut counts = db
            .prepare("SELECT attempts, refusals, faults FROM deliveries ORDER BY seq")
            .unwrap();
        let counts: Vec<(u32, u32, u32)> = counts
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .unwrap()
            .collect::<rusqlite::Result<_>>()
            .unwrap();
        // No peer that failed so often was asked again.
        assert_eq!(counts, [(7, 2, 0), (400, 3, 397), (60, 0, 0)]);
    }

    #[test]
    fn a_store_of_one_tenant_becomes_one_of_several_and_keeps_what_it_has() {
        let mut db = Connection::open_in_memory().unwrap();
        db.execute_batch(FIRST).unwrap();
        db.execute_batch(&format!(
            "PRAGMA application_id = {APPLICATION}; PRAGMA user_version = 1;
             INSERT INTO clients VALUES ('shop', 'carbon.super', 1, zeroblob(32));
             INSERT INTO replies VALUES ('shop', 'order-1', zeroblob(32), '{{}}', 2);"
        ))
        .unwrap();
        assert!(matches!(prepare(&mut db, &Options::default()), Ok(1)));
        let again = prepare(&mut db, &Options::default());
        assert!(matches!(again, Ok(VERSION)));
        assert_eq!(MIGRATIONS[CHAINED as usize - 1], CONSOLE);
        let client: (String, String) = db
            .query_row("SELECT tenant, name FROM clients", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap();
        assert_eq!(client, ("carbon.super".into(), "shop".into()));
        let reply: (String, String) = db
            .query_row("SELECT tenant, client FROM replies", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap();
        assert_eq!(reply, ("carbon.super".into(), "shop".into()));
        let version: i64 = db
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .unwrap();
        assert_eq!(version, VERSION);
        // The same name for another tenant, and not twice for one.
        let add = "INSERT INTO clients (tenant, name, created_at, token)
                   VALUES (?, 'shop', 1, randomblob(32))";
        assert!(db.execute(add, ["a.example"]).is_ok());
        assert!(db.execute(add, ["carbon.super"]).is_err());
    }
}
