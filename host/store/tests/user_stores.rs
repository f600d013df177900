//! Every kind of user store that needs no server, through the suite of all of them; and what only
//! databases have: queries, hash schemes, a table that another system reads as well.
#![allow(clippy::unwrap_used)]

use postern_login::TenantId;
use postern_login::ports::{AccountRef, Directory, DirectoryError, FirstNumber, PasswordCheck};
use postern_store::conformance::directory::Subject;
use postern_store::directory::sql::{NewHashes, Queries, Scheme, Settings, Wso2Digest};
use postern_store::directory::{Draft, Local, Mapping, Sql, UserStore};
use postern_store::memory::Memory;
use rusqlite::Connection;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use zeroize::Zeroizing;

mod local {
    use super::*;
    postern_store::directory_conformance_tests!({
        let store = Memory::new();
        let local = Local::new(store.clone(), store.hashing());
        (subject(Arc::new(local), ""), ())
    });
}

mod local_secondary {
    use super::*;
    postern_store::directory_conformance_tests!({
        let store = Memory::new();
        let local = Local::secondary(store.clone(), store.hashing(), "corp").unwrap();
        (subject(Arc::new(local), "CORP"), ())
    });
}

mod sqlite {
    use super::*;
    postern_store::directory_conformance_tests!({
        let table = Table::new();
        (
            subject(Arc::new(table.store("jdbc", settings())), "JDBC"),
            table,
        )
    });
}

mod sqlite_primary {
    use super::*;
    postern_store::directory_conformance_tests!({
        let table = Table::new();
        (subject(Arc::new(table.store("", settings())), ""), table)
    });
}

fn subject(store: Arc<dyn UserStore>, domain: &str) -> Subject {
    Subject {
        store,
        tenant: tenant(),
        domain: domain.into(),
    }
}

fn tenant() -> TenantId {
    TenantId::super_tenant()
}

/// A database of somebody else's.
struct Table {
    folder: TempDir,
    own: Memory,
}

const SCHEMA: &str = "CREATE TABLE people (
    name TEXT PRIMARY KEY, hash TEXT, salt TEXT, called TEXT, mobile TEXT, opted_out TEXT,
    locked INTEGER, codes TEXT);
  CREATE TABLE facts (name TEXT, fact TEXT, value TEXT);";

impl Table {
    fn new() -> Self {
        let table = Self {
            folder: tempfile::tempdir().unwrap(),
            own: Memory::new(),
        };
        table.run(SCHEMA);
        table
    }

    fn path(&self) -> String {
        self.folder.path().join("people.db").display().to_string()
    }

    fn run(&self, sql: &str) {
        Connection::open(self.path())
            .unwrap()
            .execute_batch(sql)
            .unwrap();
    }

    fn text(&self, sql: &str) -> Option<String> {
        let db = Connection::open(self.path()).unwrap();
        db.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    fn store(&self, domain: &str, settings: Settings) -> Sql {
        let settings = Settings {
            url: Zeroizing::new(format!("sqlite://{}", self.path())),
            ..settings
        };
        let users = Arc::new(self.own.clone());
        Sql::new(settings, tenant(), domain, users, self.own.hashing()).unwrap()
    }
}

fn settings() -> Settings {
    let one = |sql: &str| vec![sql.to_owned()];
    Settings {
        url: Zeroizing::new(String::new()),
        ca_pem: None,
        queries: Queries {
            find: "SELECT name, hash AS password, salt, called, mobile, opted_out, locked, codes
                   FROM people WHERE name = $1"
                .into(),
            claims: Some("SELECT fact AS claim, value FROM facts WHERE name = $1".into()),
            list: Some(
                "SELECT name, called, mobile, opted_out, locked FROM people
                 WHERE name > $1 ORDER BY name LIMIT $2"
                    .into(),
            ),
            set_number: one("UPDATE people SET mobile = $2 WHERE name = $1"),
            set_display_name: one("UPDATE people SET called = $2 WHERE name = $1"),
            set_opt_out: one("UPDATE people SET opted_out = $2 WHERE name = $1"),
            set_locked: one("UPDATE people SET locked = ($2 = 'true') WHERE name = $1"),
            set_attribute: vec![
                "UPDATE people SET codes = $3 WHERE name = $1 AND $2 = 'codes'".into(),
                "DELETE FROM facts WHERE name = $1 AND fact = $2".into(),
                "INSERT INTO facts SELECT $1, $2, $3 WHERE $3 IS NOT NULL AND $2 <> 'codes'".into(),
            ],
            set_password: one("UPDATE people SET hash = $2, salt = $3 WHERE name = $1"),
            upgrade_password: one(
                "UPDATE people SET hash = $2, salt = $3 WHERE name = $1 AND hash = $4",
            ),
            take_backup_codes: one("UPDATE people SET codes = '' WHERE name = $1 AND codes = $2"),
            create: one(
                "INSERT INTO people (name, hash, salt, called, mobile) VALUES ($1, $2, $3, $4, $5)",
            ),
            delete: vec![
                "DELETE FROM people WHERE name = $1".into(),
                "DELETE FROM facts WHERE name = $1".into(),
            ],
            ..Queries::default()
        },
        scheme: Scheme::SelfDescribing,
        new_hashes: NewHashes::Argon2id,
        mapping: Mapping {
            mobile: Some("mobile".into()),
            display_name: Some("called".into()),
            opt_out: Some("opted_out".into()),
            locked: Some("locked".into()),
            backup_codes: Some("codes".into()),
            claims: vec![("urn:example:colour".into(), "colour".into())],
        },
        read_only: false,
        pool_size: 4,
        connect: Duration::from_secs(5),
        answer: Duration::from_secs(5),
    }
}

/// As WSO2 made it: base64(SHA-256("pässwörd 1" + salt)).
const WSO2: &str = "INSERT INTO people (name, hash, salt)
    VALUES ('alice', '+KmWLUKyVqwOiJzE08HwD1fltAuI0xOzlemB+nyOoyA=', 'Zm9vYmFyc2FsdA==')";

fn wso2(new_hashes: NewHashes) -> Settings {
    Settings {
        scheme: Scheme::Wso2(Wso2Digest::Sha256),
        new_hashes,
        ..settings()
    }
}

async fn right(store: &impl Directory, name: &str, password: &str) -> bool {
    let check = store.check_password(&tenant(), name, password).await;
    matches!(check.unwrap(), PasswordCheck::Right(_))
}

fn alice(domain: &str) -> AccountRef {
    AccountRef {
        name: format!("{domain}/alice"),
    }
}

#[tokio::test]
async fn the_two_columns_of_a_wso2_table_are_read_and_replaced_at_the_first_right_sign_in() {
    let table = Table::new();
    table.run(WSO2);
    let store = table.store("jdbc", wso2(NewHashes::Argon2id));
    let stored = || table.text("SELECT hash FROM people").unwrap();
    assert!(!right(&store, "alice", "wrong").await);
    assert!(
        stored().starts_with("+KmW"),
        "a wrong password replaces nothing"
    );
    assert!(right(&store, "jdbc/alice", "pässwörd 1").await);
    assert!(stored().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    assert_eq!(table.text("SELECT salt FROM people").as_deref(), Some(""));
    assert!(right(&store, "alice", "pässwörd 1").await);
    assert!(!right(&store, "alice", "wrong").await);
}

#[tokio::test]
async fn a_table_that_another_system_reads_keeps_its_hashes() {
    let table = Table::new();
    table.run(WSO2);
    let store = table.store("jdbc", wso2(NewHashes::AsStored));
    assert!(right(&store, "alice", "pässwörd 1").await);
    assert!(
        table
            .text("SELECT hash FROM people")
            .unwrap()
            .starts_with("+KmW")
    );
    store
        .set_password(&tenant(), &alice("JDBC"), "new password")
        .await
        .unwrap();
    let (hash, salt) = (
        table.text("SELECT hash FROM people").unwrap(),
        table.text("SELECT salt FROM people").unwrap(),
    );
    assert_eq!(
        (hash.len(), salt.len()),
        (44, 24),
        "base64 of SHA-256 and of 16 bytes"
    );
    assert!(right(&store, "alice", "new password").await);
    assert!(!right(&store, "alice", "pässwörd 1").await);
}

#[tokio::test]
async fn a_hash_nobody_knows_signs_nobody_in() {
    let table = Table::new();
    table.run(
        "INSERT INTO people (name, hash) VALUES ('a', 'secret'), ('b', '{PLAIN}secret'), ('c', NULL),
         ('d', ''), ('e', '$1$salt$qJH7.N4xYta3aEG/dfqo/0')",
    );
    let store = table.store("jdbc", settings());
    for name in ["a", "b", "c", "d", "e"] {
        assert!(!right(&store, name, "secret").await, "{name}");
        assert!(!right(&store, name, "").await, "{name}");
    }
}

/// E-01
#[tokio::test]
async fn an_unknown_name_costs_a_hash_as_a_known_one_does() {
    use postern_store::directory::hashing::Hashing;
    let table = Table::new();
    table.run(WSO2);
    let full = Settings {
        url: Zeroizing::new(format!("sqlite://{}", table.path())),
        ..wso2(NewHashes::AsStored)
    };
    // No queue: whoever needs a hash is refused.
    let users = Arc::new(table.own.clone());
    let store = Sql::new(full, tenant(), "", users, Hashing::new(1, 0)).unwrap();
    for name in ["alice", "nobody", "' OR 1=1 --", ""] {
        let check = store.check_password(&tenant(), name, "secret").await;
        assert!(matches!(check, Err(DirectoryError::Busy)), "{name}");
    }
}

/// Q-01, U-03: whatever a query finds, a name is only ever its own.
#[tokio::test]
async fn a_query_that_finds_too_much_signs_in_nobody_else() {
    let table = Table::new();
    table.run("INSERT INTO people (name, hash, salt) SELECT 'admin', hash, salt FROM (SELECT '+KmWLUKyVqwOiJzE08HwD1fltAuI0xOzlemB+nyOoyA=' AS hash, 'Zm9vYmFyc2FsdA==' AS salt)");
    let careless = Settings {
        queries: Queries {
            find: "SELECT name, hash AS password, salt FROM people WHERE name LIKE $1".into(),
            ..Queries::default()
        },
        ..wso2(NewHashes::Argon2id)
    };
    let store = table.store("jdbc", careless);
    assert!(right(&store, "admin", "pässwörd 1").await);
    assert!(right(&store, "ADMIN", "pässwörd 1").await, "the same name");
    for name in ["%", "a%", "adm_n", "_____"] {
        assert!(!right(&store, name, "pässwörd 1").await, "{name}");
        assert_eq!(store.find(&tenant(), name).await.unwrap(), None, "{name}");
    }
    // Two rows for one name are nobody.
    table.run("INSERT INTO people (name, hash, salt) SELECT 'Admin', hash, salt FROM people");
    assert!(!right(&store, "admin", "pässwörd 1").await);
}

#[tokio::test]
async fn a_read_only_table_is_read_and_never_written() {
    let table = Table::new();
    table.run(WSO2);
    table.run("UPDATE people SET mobile = '+12025550142', codes = '123456,abcdef'");
    let read_only = Settings {
        read_only: true,
        ..wso2(NewHashes::Argon2id)
    };
    let store = table.store("jdbc", read_only.clone());
    assert!(right(&store, "alice", "pässwörd 1").await);
    assert!(
        table
            .text("SELECT hash FROM people")
            .unwrap()
            .starts_with("+KmW"),
        "no hash is replaced"
    );
    let (tenant, account) = (tenant(), alice("JDBC"));
    let number = postern_otp::PhoneNumber::parse("+12025550143", None).unwrap();
    let password = Draft {
        password: Some(Zeroizing::new("battery staple".into())),
        ..Draft::default()
    };
    let refused = [
        store.save_number(&tenant, &account, &number).await,
        store.save_opt_out(&tenant, &account, true).await,
        store
            .set_password(&tenant, &account, "battery staple")
            .await,
        store.create(&tenant, "bob", &password).await.map(drop),
        store.change(&tenant, "alice", &password).await.map(drop),
        store.delete(&tenant, "alice").await.map(drop),
    ];
    for refusal in refused {
        assert!(
            matches!(refusal, Err(DirectoryError::ReadOnly)),
            "{refusal:?}"
        );
    }
    // Links are Postern's own; so is what stands for the codes that were taken over.
    assert!(store.link(&tenant, "alice", "idp", "sub").await.unwrap());
    let codes = store.take_backup_codes(&tenant, &account).await.unwrap();
    assert_eq!(codes.map(|codes| codes.len()), Some(2));
    let again = table.store("jdbc", read_only);
    assert!(
        again
            .take_backup_codes(&tenant, &account)
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(
        table.text("SELECT codes FROM people").as_deref(),
        Some("123456,abcdef")
    );
    // Another set is another set.
    table.run("UPDATE people SET codes = '777777'");
    let new = again.take_backup_codes(&tenant, &account).await.unwrap();
    assert_eq!(new.unwrap()[0].as_str(), "777777");
}

/// What there is no query for is refused, never half done.
#[tokio::test]
async fn a_change_without_its_query_changes_nothing() {
    let table = Table::new();
    table.run(WSO2);
    let store = table.store(
        "jdbc",
        Settings {
            queries: Queries {
                set_display_name: Vec::new(),
                set_attribute: Vec::new(),
                ..settings().queries
            },
            ..settings()
        },
    );
    let draft = Draft {
        number: Some(Some("+12025550142".into())),
        display_name: Some("Alice".into()),
        ..Draft::default()
    };
    let changed = store.change(&tenant(), "alice", &draft).await;
    assert!(matches!(changed, Err(DirectoryError::ReadOnly)));
    assert_eq!(table.text("SELECT mobile FROM people"), None);
}

/// sms-otp 3.9: a number that the store does not take is nobody's, and another one is still a first one.
#[tokio::test]
async fn a_first_number_that_is_refused_leaves_the_way_to_another() {
    let table = Table::new();
    let checked = SCHEMA.replace("mobile TEXT", "mobile TEXT CHECK (mobile LIKE '+44%')");
    table.run(&format!("DROP TABLE people; DROP TABLE facts; {checked}"));
    table.run(WSO2);
    let number = |text: &str| postern_otp::PhoneNumber::parse(text, None).unwrap();
    let (foreign, good) = (number("+12025550143"), number("+447700900123"));
    let (tenant, account) = (tenant(), alice("JDBC"));
    let read_only = Settings {
        read_only: true,
        ..wso2(NewHashes::AsStored)
    };
    let store = table.store("jdbc", read_only);
    let saved = store.save_first_number(&tenant, &account, &good).await;
    assert!(matches!(saved, Err(DirectoryError::ReadOnly)), "{saved:?}");

    let store = table.store("jdbc", wso2(NewHashes::AsStored));
    let saved = store.save_first_number(&tenant, &account, &foreign).await;
    assert!(
        matches!(saved, Err(DirectoryError::Refused(_))),
        "{saved:?}"
    );
    let profile = store.profile(&tenant, &account).await.unwrap();
    assert!(profile.number.is_none() && !profile.had_factor);
    let saved = store.save_first_number(&tenant, &account, &good).await;
    assert!(matches!(saved, Ok(FirstNumber::Saved)), "{saved:?}");
    assert_eq!(
        table.text("SELECT mobile FROM people").as_deref(),
        Some("+447700900123")
    );

    // B-01: one that was taken, and went, stays the first one.
    table.run("UPDATE people SET mobile = NULL");
    let saved = store.save_first_number(&tenant, &account, &good).await;
    assert!(matches!(saved, Ok(FirstNumber::Taken)), "{saved:?}");
}

/// B-01: were the row looked for once more, and the database gone by then, the account would be left marked
/// and without a number.
#[tokio::test]
async fn a_first_number_is_written_to_the_row_that_was_found_without_one() {
    let table = Table::new();
    table.run(WSO2);
    table.run(
        "ALTER TABLE people ADD COLUMN looks INTEGER NOT NULL DEFAULT 0;
         CREATE TRIGGER once BEFORE UPDATE OF looks ON people WHEN NEW.looks > 1
         BEGIN SELECT RAISE(ABORT, 'looked at twice'); END;",
    );
    let counted = "UPDATE people SET looks = looks + 1 WHERE name = $1
                   RETURNING name, hash AS password, salt, called, mobile, opted_out, locked, codes";
    let store = table.store(
        "jdbc",
        Settings {
            queries: Queries {
                find: counted.into(),
                ..settings().queries
            },
            ..wso2(NewHashes::AsStored)
        },
    );
    let number = postern_otp::PhoneNumber::parse("+447700900123", None).unwrap();
    let (tenant, account) = (tenant(), alice("JDBC"));
    let saved = store.save_first_number(&tenant, &account, &number).await;
    assert!(matches!(saved, Ok(FirstNumber::Saved)), "{saved:?}");
    assert_eq!(
        table.text("SELECT mobile FROM people").as_deref(),
        Some("+447700900123")
    );
    let again = store.find(&tenant, &account.name).await;
    assert!(again.is_err(), "every look is counted");
}

/// What has no attribute Postern keeps itself, even where the table cannot be written.
#[tokio::test]
async fn what_a_table_has_no_place_for_is_kept_by_postern() {
    let table = Table::new();
    table.run(WSO2);
    let store = table.store(
        "jdbc",
        Settings {
            read_only: true,
            mapping: Mapping::default(),
            ..wso2(NewHashes::Argon2id)
        },
    );
    let (tenant, account) = (tenant(), alice("JDBC"));
    let number = postern_otp::PhoneNumber::parse("+12025550143", None).unwrap();
    store.save_number(&tenant, &account, &number).await.unwrap();
    store.save_opt_out(&tenant, &account, true).await.unwrap();
    let profile = store.profile(&tenant, &account).await.unwrap();
    assert_eq!(profile.number.as_deref(), Some("+12025550143"));
    assert!(profile.opted_out && profile.had_factor);
    assert_eq!(table.text("SELECT mobile FROM people"), None);
    let lock = Draft {
        locked: Some(true),
        ..Draft::default()
    };
    assert!(store.change(&tenant, "alice", &lock).await.unwrap());
    let check = store.check_password(&tenant, "alice", "pässwörd 1").await;
    assert!(matches!(check, Ok(PasswordCheck::Locked(_))));
}

/// Nobody signs in to Postern's own store by the row in which it keeps something of a foreign user.
#[tokio::test]
async fn what_is_kept_of_a_foreign_user_is_no_user_of_ours() {
    let table = Table::new();
    table.run(WSO2);
    let store = table.store("", wso2(NewHashes::Argon2id));
    assert!(store.link(&tenant(), "alice", "idp", "sub").await.unwrap());
    let ours = Local::new(table.own.clone(), table.own.hashing());
    assert_eq!(ours.find(&tenant(), "alice").await.unwrap(), None);
    assert!(!right(&ours, "alice", "*").await);
    let linked = ours.find_association(&tenant(), "idp", "sub", "").await;
    assert_eq!(linked.unwrap(), None);
}

#[tokio::test]
async fn a_database_that_is_not_there_is_an_error_and_no_wrong_password() {
    let table = Table::new();
    let store = table.store("jdbc", settings());
    std::fs::remove_file(table.path()).unwrap();
    assert!(store.check_password(&tenant(), "alice", "x").await.is_err());
    assert!(store.find(&tenant(), "alice").await.is_err());
    assert!(store.probe().await.is_err());
}

#[tokio::test]
async fn an_address_nobody_understands_is_refused_without_being_quoted() {
    let own = Memory::new();
    for url in [
        "",
        "mysql://root:hunter2@db/x",
        "postgres://u:hunter2@[/x",
        "people.db",
    ] {
        let settings = Settings {
            url: Zeroizing::new(url.into()),
            ..settings()
        };
        let refused = Sql::new(settings, tenant(), "", Arc::new(own.clone()), own.hashing());
        let words = refused.expect_err(url).to_string();
        assert!(!words.contains("hunter2"), "{words}");
    }
}
