//! User stores on real servers: OpenLDAP and PostgreSQL through the suite of all user stores, and
//! what only servers do: policies, referrals, silence, death.

use postern_kit::anyhow::{Result, ensure};
use postern_kit::peers::slapd::{GROUPS, PEOPLE, SERVICE, SERVICE_PASSWORD, person};
use postern_kit::peers::{Postgres, Proxy, Slapd};
use postern_login::TenantId;
use postern_login::ports::{AccountRef, Directory, DirectoryError, PasswordCheck};
use postern_store::conformance::directory::{self, Subject};
use postern_store::directory::ldap::{Groups, Scope, Settings};
use postern_store::directory::sql::{self, NewHashes, Queries, Scheme};
use postern_store::directory::{Draft, Ldap, Mapping, Secondary, Sql, UserStore};
use postern_store::memory::Memory;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use url::Url;
use zeroize::Zeroizing;

fn tenant() -> TenantId {
    TenantId::super_tenant()
}

fn settings(servers: &[String]) -> Settings {
    Settings {
        servers: servers.iter().map(|url| Url::parse(url).unwrap()).collect(),
        start_tls: false,
        ca_pems: Vec::new(),
        bind: Some((SERVICE.into(), Zeroizing::new(SERVICE_PASSWORD.into()))),
        base: PEOPLE.into(),
        scope: Scope::Subtree,
        object_classes: vec!["inetOrgPerson".into()],
        name_attribute: "uid".into(),
        login_attributes: vec!["mail".into()],
        filter: None,
        mapping: Mapping {
            mobile: Some("mobile".into()),
            display_name: Some("displayName".into()),
            opt_out: Some("employeeType".into()),
            locked: Some("departmentNumber".into()),
            backup_codes: Some("carLicense".into()),
            claims: vec![
                ("urn:example:colour".into(), "roomNumber".into()),
                ("urn:example:mail".into(), "mail".into()),
            ],
        },
        read_only: false,
        groups: Some(Groups {
            base: GROUPS.into(),
            object_class: "groupOfNames".into(),
            name_attribute: "cn".into(),
            member_attribute: "member".into(),
        }),
        pool_size: 4,
        connect: Duration::from_secs(3),
        answer: Duration::from_secs(5),
    }
}

/// Over TLS, by the server's own CA.
fn secure(slapd: &Slapd) -> Settings {
    Settings {
        ca_pems: vec![std::fs::read(slapd.ca()).unwrap()],
        ..settings(&[slapd.tls_url()])
    }
}

fn store(settings: Settings, domain: &str) -> Ldap {
    Ldap::new(settings, tenant(), domain, Arc::new(Memory::new())).unwrap()
}

async fn check(store: &impl Directory, name: &str, password: &str) -> PasswordCheck {
    let check = store.check_password(&tenant(), name, password).await;
    check.unwrap()
}

async fn right(store: &impl Directory, name: &str, password: &str) -> Option<String> {
    match check(store, name, password).await {
        PasswordCheck::Right(account) => Some(account.name),
        PasswordCheck::Wrong => None,
        PasswordCheck::Locked(account) => panic!("{} is locked", account.name),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ldap_directory_does_what_every_user_store_does() -> Result<()> {
    let slapd = Slapd::start()?;
    for domain in ["CORP", ""] {
        directory::conformance(&Subject {
            store: Arc::new(store(secure(&slapd), domain)),
            tenant: tenant(),
            domain: domain.into(),
        })
        .await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_table_does_what_every_user_store_does() -> Result<()> {
    let postgres = Postgres::start()?;
    postgres.run(
        "CREATE TABLE people (name text PRIMARY KEY, hash text, salt text, called text, mobile varchar(20),
                              opted_out boolean, locked boolean NOT NULL DEFAULT false, codes text);
         CREATE TABLE facts (name text, fact text, value text);
         CREATE TABLE links (idp text, subject text, name text, PRIMARY KEY (idp, subject));",
    )?;
    let own = Memory::new();
    let one = |sql: &str| vec![sql.to_owned()];
    let settings = sql::Settings {
        url: Zeroizing::new(postgres.url()),
        ca_pem: None,
        queries: Queries {
            find: "SELECT name, hash AS password, salt, called, mobile, opted_out, locked, codes
                   FROM people WHERE name = $1"
                .into(),
            claims: Some("SELECT fact AS claim, value FROM facts WHERE name = $1".into()),
            list: Some("SELECT name, called, mobile, opted_out, locked FROM people WHERE name > $1 ORDER BY name LIMIT $2".into()),
            groups: None,
            find_association: Some("SELECT name FROM links WHERE idp = $1 AND subject = $2".into()),
            associations: Some("SELECT idp AS identity_provider, subject FROM links WHERE name = $1".into()),
            link: one("INSERT INTO links VALUES ($2, $3, $1)"),
            unlink: one("DELETE FROM links WHERE name = $1 AND idp = $2 AND subject = $3"),
            set_number: one("UPDATE people SET mobile = $2 WHERE name = $1"),
            set_display_name: one("UPDATE people SET called = $2 WHERE name = $1"),
            set_opt_out: one("UPDATE people SET opted_out = CAST($2 AS boolean) WHERE name = $1"),
            set_locked: one("UPDATE people SET locked = CAST($2 AS boolean) WHERE name = $1"),
            set_attribute: vec![
                "UPDATE people SET codes = $3 WHERE name = $1 AND $2 = 'codes'".into(),
                "DELETE FROM facts WHERE name = $1 AND fact = $2".into(),
                "INSERT INTO facts SELECT $1, $2, $3 WHERE $3 IS NOT NULL AND $2 <> 'codes'".into(),
            ],
            set_password: one("UPDATE people SET hash = $2, salt = $3 WHERE name = $1"),
            upgrade_password: one("UPDATE people SET hash = $2, salt = $3 WHERE name = $1 AND hash = $4"),
            take_backup_codes: one("UPDATE people SET codes = '' WHERE name = $1 AND codes = $2"),
            create: one("INSERT INTO people (name, hash, salt, called, mobile) VALUES ($1, $2, $3, $4, $5)"),
            delete: vec![
                "DELETE FROM people WHERE name = $1".into(),
                "DELETE FROM facts WHERE name = $1".into(),
                "DELETE FROM links WHERE name = $1".into(),
            ],
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
        answer: Duration::from_secs(10),
    };
    for domain in ["JDBC", ""] {
        let users = Arc::new(own.clone());
        let store = Sql::new(settings.clone(), tenant(), domain, users, own.hashing())?;
        directory::conformance(&Subject {
            store: Arc::new(store),
            tenant: tenant(),
            domain: domain.into(),
        })
        .await;
    }
    // A server that is gone is an error, never a wrong password.
    let users = Arc::new(own.clone());
    let store = Sql::new(settings, tenant(), "", users, own.hashing())?;
    drop(postgres);
    ensure!(store.check_password(&tenant(), "alice", "x").await.is_err());
    Ok(())
}

#[tokio::test]
async fn tls_is_spoken_with_the_right_server_only() -> Result<()> {
    let slapd = Slapd::with(&person("alice", "secret", ""))?;
    let ca = std::fs::read(slapd.ca())?;
    let start_tls = Settings {
        start_tls: true,
        ca_pems: vec![ca.clone()],
        ..settings(&[slapd.url()])
    };
    assert!(
        right(&store(start_tls.clone(), ""), "alice", "secret")
            .await
            .is_some()
    );
    assert!(
        right(&store(secure(&slapd), ""), "alice", "secret")
            .await
            .is_some()
    );

    let other = Slapd::start()?;
    let stranger = vec![std::fs::read(other.ca())?];
    for untrusted in [
        Settings {
            ca_pems: stranger.clone(),
            ..secure(&slapd)
        },
        Settings {
            ca_pems: stranger,
            ..start_tls
        },
        // The system's authorities do not know it either.
        Settings {
            ca_pems: Vec::new(),
            ..secure(&slapd)
        },
    ] {
        let refused = store(untrusted, "")
            .check_password(&tenant(), "alice", "secret")
            .await;
        assert!(refused.is_err());
    }
    let nonsense = Settings {
        ca_pems: vec![b"no certificate".to_vec()],
        ..secure(&slapd)
    };
    assert!(Ldap::new(nonsense, tenant(), "", Arc::new(Memory::new())).is_err());
    Ok(())
}

const STRICT: &str = "pwdPolicySubentry: cn=strict,ou=policies,dc=example,dc=com";

#[tokio::test]
async fn whom_the_directorys_policy_refuses_nobody_lets_in() -> Result<()> {
    let long_ago = "pwdChangedTime: 20200101000000Z";
    let people = [
        person("free", "correct horse", ""),
        person(
            "locked",
            "correct horse",
            "pwdAccountLockedTime: 000001010000Z",
        ),
        person("expired", "correct horse", &format!("{STRICT}\n{long_ago}")),
        person("new", "correct horse", &format!("{STRICT}\npwdReset: TRUE")),
        person("guessed", "correct horse", STRICT),
        person("none", "correct horse", "").replace("userPassword: correct horse\n", ""),
    ];
    let slapd = Slapd::with(&people.concat())?;
    let store = store(secure(&slapd), "");
    assert!(right(&store, "free", "correct horse").await.is_some());
    for name in ["locked", "expired", "new", "none"] {
        let refused = check(&store, name, "correct horse").await;
        assert!(!matches!(refused, PasswordCheck::Right(_)), "{name}");
        assert!(
            matches!(check(&store, name, "wrong").await, PasswordCheck::Wrong),
            "{name}"
        );
    }
    // Whoever is locked by the directory looks like whoever mistyped.
    assert!(matches!(
        check(&store, "locked", "correct horse").await,
        PasswordCheck::Wrong
    ));
    // Three wrong ones lock: by the directory's count, not by ours.
    for _ in 0..3 {
        assert!(matches!(
            check(&store, "guessed", "wrong").await,
            PasswordCheck::Wrong
        ));
    }
    assert!(matches!(
        check(&store, "guessed", "correct horse").await,
        PasswordCheck::Wrong
    ));
    Ok(())
}

#[tokio::test]
async fn a_password_the_policy_does_not_take_is_refused_with_its_reason() -> Result<()> {
    let slapd = Slapd::with(&person("alice", "correct horse", STRICT))?;
    let store = store(secure(&slapd), "");
    let account = AccountRef {
        name: "alice".into(),
    };
    let refused = store.set_password(&tenant(), &account, "short").await;
    let Err(DirectoryError::Refused(why)) = refused else {
        panic!("{refused:?}");
    };
    assert!(why.contains("too short"), "{why}");
    store
        .set_password(&tenant(), &account, "long enough by far")
        .await?;
    assert!(right(&store, "alice", "long enough by far").await.is_some());
    assert_eq!(right(&store, "alice", "correct horse").await, None);
    Ok(())
}

/// the server would say yes, so it is not asked.
#[tokio::test]
async fn an_empty_password_is_refused_before_anybody_is_asked() -> Result<()> {
    let slapd = Slapd::with(&person("alice", "secret", ""))?;
    let proxy = Proxy::to(slapd.port()).await?;
    let store = store(
        settings(&[format!("ldap://127.0.0.1:{}", proxy.port())]),
        "",
    );
    for name in ["alice", "nobody", ""] {
        assert_eq!(right(&store, name, "").await, None);
    }
    assert_eq!(proxy.connections(), 0);
    assert!(right(&store, "alice", "secret").await.is_some());
    Ok(())
}

/// E-01: a name nobody has takes the same connections, and no less time than a bind usually does.
#[tokio::test]
async fn an_unknown_name_costs_a_bind_as_a_known_one_does() -> Result<()> {
    let slapd = Slapd::with(&person("alice", "secret", ""))?;
    let proxy = Proxy::to(slapd.port()).await?;
    let store = store(
        settings(&[format!("ldap://127.0.0.1:{}", proxy.port())]),
        "",
    );
    let cost = async |name: &str| {
        let before = proxy.connections();
        assert_eq!(right(&store, name, "wrong").await, None);
        proxy.connections() - before
    };
    // The first one also opens what is kept for searching.
    cost("alice").await;
    let known = cost("alice").await;
    assert_eq!(known, 1, "one connection for one password");
    for name in ["nobody", "alice)(uid=*", "\u{430}lice", "two words"] {
        assert_eq!(cost(name).await, known, "{name}");
    }
    Ok(())
}

/// A directory that sends its users in no order and in many pages is listed to its last one.
#[tokio::test]
async fn a_large_directory_is_listed_to_its_end() -> Result<()> {
    const USERS: usize = 12_000;
    // Loaded backwards: no page of the directory is a page of the list.
    let everybody: String = (0..USERS)
        .rev()
        .map(|number| person(&format!("u{number:05}"), "secret", ""))
        .collect();
    let slapd = Slapd::with(&everybody)?;
    let store = store(secure(&slapd), "");
    let mut listed = Vec::new();
    loop {
        let from = listed.last().cloned();
        let page = store.list(&tenant(), from.as_deref(), 5000).await?;
        if page.is_empty() {
            break;
        }
        listed.extend(page.into_iter().map(|user| user.name));
    }
    assert_eq!(listed.len(), USERS);
    assert!(listed.is_sorted());
    Ok(())
}

/// Two directories that refer to each other, and one that refers to itself, hold nobody.
#[tokio::test]
async fn referrals_are_not_followed() -> Result<()> {
    let slapd = Slapd::with(&person("alice", "secret", ""))?;
    let itself = format!("{}/{PEOPLE}", slapd.url());
    slapd.write(&format!(
        "dn: ou=loop,{PEOPLE}\nobjectClass: referral\nobjectClass: extensibleObject\nou: loop\nref: {itself}\n"
    ))?;
    // Below the base: what is there beside the referral counts.
    let store_here = store(secure(&slapd), "");
    assert!(right(&store_here, "alice", "secret").await.is_some());
    assert_eq!(right(&store_here, "nobody", "secret").await, None);
    let names: Vec<_> = store_here
        .list(&tenant(), None, 10)
        .await?
        .into_iter()
        .map(|user| user.name)
        .collect();
    assert_eq!(names, ["alice"]);
    // The base itself is a referral: an error that says so.
    let elsewhere = store(
        Settings {
            base: format!("ou=loop,{PEOPLE}"),
            ..secure(&slapd)
        },
        "",
    );
    let refused = elsewhere.find(&tenant(), "alice").await;
    let words = refused
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default();
    assert!(words.contains("referrals are not followed"), "{words}");
    Ok(())
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_in_time() -> Result<()> {
    let slapd = Slapd::with(&person("alice", "secret", ""))?;
    let proxy = Proxy::to(slapd.port()).await?;
    proxy.fall_silent();
    let silent = format!("ldap://127.0.0.1:{}", proxy.port());
    let short = |servers: &[String]| Settings {
        connect: Duration::from_millis(500),
        answer: Duration::from_millis(500),
        start_tls: true,
        ca_pems: vec![std::fs::read(slapd.ca()).unwrap()],
        ..settings(servers)
    };
    let began = Instant::now();
    let alone = store(short(std::slice::from_ref(&silent)), "");
    let refused = alone.check_password(&tenant(), "alice", "secret").await;
    assert!(refused.is_err(), "silence is no wrong password");
    assert!(began.elapsed() < Duration::from_secs(20));
    // Another server answers: the second one is asked in time.
    let both = store(
        Settings {
            answer: Duration::from_secs(5),
            ..short(&[silent, slapd.url()])
        },
        "",
    );
    assert!(right(&both, "alice", "secret").await.is_some());
    let before = proxy.connections();
    assert!(right(&both, "alice", "secret").await.is_some());
    assert_eq!(
        proxy.connections(),
        before,
        "the one that answers is asked first from now on"
    );
    Ok(())
}

/// A storm of sign-ins is no storm of connections: as many search as the pool has, twice as many try
/// passwords, and whoever waits too long for one of them hears that the directory is busy.
#[tokio::test]
async fn a_storm_of_sign_ins_opens_no_more_connections_than_the_pool_has() -> Result<()> {
    const POOL: usize = 2;
    const STORM: usize = 12;
    let slapd = Slapd::with(&person("alice", "secret", ""))?;
    let proxy = Proxy::to(slapd.port()).await?;
    // A connection to a silent server is held for longer than anybody waits for it.
    let settings = Settings {
        start_tls: true,
        ca_pems: vec![std::fs::read(slapd.ca())?],
        pool_size: POOL,
        connect: Duration::from_secs(60),
        answer: Duration::from_secs(2),
        ..settings(&[format!("ldap://127.0.0.1:{}", proxy.port())])
    };
    let storm = |store: &Arc<Ldap>| {
        let mut sign_ins = JoinSet::new();
        for _ in 0..STORM {
            let store = store.clone();
            sign_ins.spawn(async move { store.check_password(&tenant(), "alice", "secret").await });
        }
        sign_ins
    };
    let warm = Arc::new(store(settings.clone(), ""));
    for outcome in storm(&warm).join_all().await {
        assert!(
            matches!(outcome, Ok(PasswordCheck::Right(_))),
            "{outcome:?}"
        );
    }
    assert_eq!(proxy.connections(), POOL + STORM, "one for each password");

    proxy.fall_silent();
    let cold = Arc::new(store(settings, ""));
    // The first one searches on the connections it has kept, the other one has none.
    for (store, held) in [(warm, 2 * POOL), (cold, POOL)] {
        let before = proxy.connections();
        let mut sign_ins = storm(&store);
        for _ in held..STORM {
            let outcome = sign_ins.join_next().await.unwrap()?;
            assert!(matches!(outcome, Err(DirectoryError::Busy)), "{outcome:?}");
        }
        assert_eq!(proxy.connections() - before, held);
        assert_eq!(sign_ins.len(), held, "the others wait for the server");
    }
    Ok(())
}

#[tokio::test]
async fn a_directory_that_comes_back_is_used_again() -> Result<()> {
    let mut slapd = Slapd::with(&person("alice", "secret", ""))?;
    let store = store(secure(&slapd), "");
    assert!(right(&store, "alice", "secret").await.is_some());
    slapd.kill();
    assert!(
        store
            .check_password(&tenant(), "alice", "secret")
            .await
            .is_err()
    );
    slapd.restart()?;
    assert!(right(&store, "alice", "secret").await.is_some());
    assert!(store.probe().await.is_ok());
    Ok(())
}

/// Whoever can write their own mail address becomes nobody else by it, and locks nobody out.
#[tokio::test]
async fn a_borrowed_mail_address_opens_nothing() -> Result<()> {
    let people = [
        person("alice", "secret", "mail: alice@example.com"),
        person("bob", "bobs secret", "mail: bob@example.com"),
        // Mallory took alice's name and bob's address for an address.
        person(
            "mallory",
            "mallorys secret",
            "mail: alice\nmail: bob@example.com",
        ),
    ];
    let slapd = Slapd::with(&people.concat())?;
    let store = store(secure(&slapd), "");
    assert_eq!(
        right(&store, "alice@example.com", "secret")
            .await
            .as_deref(),
        Some("alice")
    );
    assert_eq!(
        right(&store, "alice", "secret").await.as_deref(),
        Some("alice")
    );
    assert_eq!(right(&store, "alice", "mallorys secret").await, None);
    assert_eq!(
        right(&store, "bob", "bobs secret").await.as_deref(),
        Some("bob")
    );
    for password in ["bobs secret", "mallorys secret"] {
        assert_eq!(
            right(&store, "bob@example.com", password).await,
            None,
            "it means two people"
        );
    }
    Ok(())
}

#[tokio::test]
async fn the_groups_of_a_user_are_told() -> Result<()> {
    let tricky = format!(
        "dn: uid=b\\2c(ob)*,{PEOPLE}\nobjectClass: inetOrgPerson\nuid: b,(ob)*\ncn: b\nsn: b\n\n"
    );
    let group = |name: &str, member: &str| {
        format!(
            "dn: cn={name},{GROUPS}\nobjectClass: groupOfNames\ncn: {name}\nmember: {member}\n\n"
        )
    };
    let alice = format!("uid=alice,{PEOPLE}");
    let bob = format!("uid=b\\2c(ob)*,{PEOPLE}");
    let entries = [
        person("alice", "secret", ""),
        tricky,
        group("staff", &format!("{alice}\nmember: {bob}")),
        group("admins", &alice),
        group("others", SERVICE),
    ];
    let slapd = Slapd::with(&entries.concat())?;
    let store = store(secure(&slapd), "corp");
    let groups = async |name: &str| store.groups(&tenant(), name).await.unwrap();
    assert_eq!(groups("alice").await, ["admins", "staff"]);
    assert_eq!(
        groups("CORP/b,(ob)*").await,
        ["staff"],
        "its name is a value in the filter"
    );
    assert!(groups("nobody").await.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_read_only_directory_is_never_written() -> Result<()> {
    let slapd = Slapd::with(&person(
        "alice",
        "secret",
        "mobile: +12025550142\ncarLicense: 123456,abcdef",
    ))?;
    let own = Memory::new();
    let read_only = Settings {
        read_only: true,
        ..secure(&slapd)
    };
    let store = Ldap::new(read_only.clone(), tenant(), "", Arc::new(own.clone()))?;
    let account = AccountRef {
        name: "alice".into(),
    };
    let number = postern_otp::PhoneNumber::parse("+12025550143", None)?;
    let password = Draft {
        password: Some(Zeroizing::new("battery staple".into())),
        ..Draft::default()
    };
    for refusal in [
        store.save_number(&tenant(), &account, &number).await,
        store.save_opt_out(&tenant(), &account, true).await,
        store
            .set_password(&tenant(), &account, "battery staple")
            .await,
        store.create(&tenant(), "bob", &password).await.map(drop),
        store.change(&tenant(), "alice", &password).await.map(drop),
        store.delete(&tenant(), "alice").await.map(drop),
    ] {
        assert!(
            matches!(refusal, Err(DirectoryError::ReadOnly)),
            "{refusal:?}"
        );
    }
    let profile = store.profile(&tenant(), &account).await?;
    assert_eq!(profile.number.as_deref(), Some("+12025550142"));
    let codes = store.take_backup_codes(&tenant(), &account).await?;
    assert_eq!(codes.map(|codes| codes.len()), Some(2));
    // Another start of the host remembers.
    let again = Ldap::new(read_only, tenant(), "", Arc::new(own))?;
    assert!(
        again
            .take_backup_codes(&tenant(), &account)
            .await?
            .is_none()
    );
    let entry = format!("uid=alice,{PEOPLE}");
    assert_eq!(slapd.read(&entry, "carLicense")?, ["123456,abcdef"]);
    assert_eq!(slapd.read(&entry, "mobile")?, ["+12025550142"]);
    Ok(())
}

/// A writable directory whose claim cannot be emptied hands over no codes.
#[tokio::test]
async fn codes_that_cannot_be_taken_out_are_not_taken_over() -> Result<()> {
    let slapd = Slapd::with(&person("alice", "secret", "carLicense: 123456"))?;
    // Whoever is bound may read, and write nothing of others.
    let powerless = Settings {
        bind: Some((
            format!("uid=alice,{PEOPLE}"),
            Zeroizing::new("secret".into()),
        )),
        ..secure(&slapd)
    };
    let store = store(powerless, "");
    let account = AccountRef {
        name: "alice".into(),
    };
    assert!(store.take_backup_codes(&tenant(), &account).await.is_err());
    Ok(())
}

/// E-01 over several kinds of stores: no refusal is quicker than the slowest store's usually is.
#[tokio::test]
async fn a_refusal_takes_as_long_whichever_store_has_the_name() -> Result<()> {
    use postern_store::directory::Local;
    let slapd = Slapd::with(&person("lena", "secret", ""))?;
    let own = Memory::new();
    let local = Local::new(own.clone(), own.hashing());
    let password = Draft {
        password: Some(Zeroizing::new("secret".into())),
        ..Draft::default()
    };
    local.create(&tenant(), "alice", &password).await?;
    let ldap = Ldap::new(secure(&slapd), tenant(), "corp", Arc::new(own))?;
    let all = Secondary::new(Arc::new(local), vec![("corp".into(), Arc::new(ldap))])?;
    // In turn, so that whatever else the machine does meets all of them.
    let names = ["alice", "nobody", "lena"];
    let mut fastest = [Duration::MAX; 3];
    for round in 0..8 {
        for (name, fastest) in names.iter().zip(&mut fastest) {
            let began = Instant::now();
            assert_eq!(right(&all, name, "wrong").await, None);
            // The directory waits for what the local store took, once that is known.
            if round > 0 || *name != "lena" {
                *fastest = began.elapsed().min(*fastest);
            }
        }
    }
    // A hash of Argon2id takes many times what a bind takes.
    let [alice, nobody, lena] = fastest;
    assert!(
        nobody * 2 > alice && lena * 10 > alice.min(nobody) * 9,
        "{fastest:?}"
    );
    Ok(())
}

// ---------------------------------------------------------------- searching

/// Values as directories hold them: accents in both spellings, blanks, commas, characters of filters.
const SURNAMES: [&str; 12] = [
    "House",
    "house-Smith",
    "van  Dam",
    "O\u{2019}Brien",
    "Caf\u{e9}",
    "Cafe\u{301}s",
    "*)(uid=*",
    "\\2a",
    "a,b",
    "(&(sn=x))",
    "\u{130}stanbul",
    "Stra\u{df}e",
];

/// Deterministic: a failure comes again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// A filter as a client may send it.
fn random_filter(dice: &mut Dice, depth: usize) -> String {
    match dice.below(if depth == 0 { 5 } else { 9 }) {
        0 => {
            let name = *dice.one(&["title", "displayName", "emails", "phoneNumbers", "nickName"]);
            format!("{name} pr")
        }
        1 => {
            let value = operand(dice);
            let operator = *dice.one(&["eq", "co", "sw"]);
            let list = *dice.one(&["emails", "phoneNumbers"]);
            let kind = *dice.one(&["type eq \"work\" and ", "", "not (type eq \"home\") and "]);
            format!("{list}[{kind}value {operator} {value}]")
        }
        2..=4 => {
            let name = *dice.one(&[
                "userName",
                "name.familyName",
                "title",
                "displayName",
                "emails.value",
                "phoneNumbers.value",
                "profileUrl",
                "nickName",
                "externalId",
            ]);
            let operator = *dice.one(&["eq", "ne", "co", "sw", "ew", "gt", "le"]);
            format!("{name} {operator} {}", operand(dice))
        }
        5 => format!("not ({})", random_filter(dice, depth - 1)),
        6 | 7 => format!(
            "({} and {})",
            random_filter(dice, depth - 1),
            random_filter(dice, depth - 1)
        ),
        _ => format!(
            "({} or {})",
            random_filter(dice, depth - 1),
            random_filter(dice, depth - 1)
        ),
    }
}

/// A value somebody has, or a piece of one, in some case; or nobody's.
fn operand(dice: &mut Dice) -> String {
    let mut values: Vec<String> = SURNAMES.iter().map(|name| (*name).to_owned()).collect();
    values.extend(
        [
            "user07",
            "user1",
            "Boss of 3",
            "user05@example.com",
            "work@example.com,second@example.com",
            "+1202555010",
            "202-555",
            "http://Example/5",
            "Nick 4",
            "nobody at all",
            "*",
            "))(|(uid=*",
        ]
        .map(str::to_owned),
    );
    let value = dice.one(&values).clone();
    let letters: Vec<char> = value.chars().collect();
    let from = dice.below(letters.len());
    let to = from + 1 + dice.below(letters.len() - from);
    let piece: String = match dice.below(3) {
        0 => letters[from..to].iter().collect(),
        _ => value,
    };
    let piece = match dice.below(3) {
        0 => piece.to_uppercase(),
        1 => piece.to_ascii_lowercase(),
        _ => piece,
    };
    serde_json::Value::String(piece).to_string()
}

/// whatever is asked, the directory's answer leaves nobody out and lets nobody in whom our
/// own rule would not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_finds_the_same_in_a_directory_as_looking_at_everybody() -> Result<()> {
    use base64::Engine;
    use postern_federation::scim::schema::Resource;
    use postern_federation::scim::{Condition, People};
    use postern_store::directory::Provisionable;
    use postern_store::sqlite::{Options, Sqlite};
    let encoded = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let mut people = String::new();
    for (number, surname) in SURNAMES.iter().cycle().take(36).enumerate() {
        let name = format!("user{number:02}");
        let mut more = String::new();
        if number % 2 == 0 {
            more.push_str(&format!("title: Boss of {}\n", number % 5));
        }
        if number % 3 == 0 {
            more.push_str(&format!(
                "mail: {name}@example.com\nmail: second@example.com\n"
            ));
        }
        if number % 4 == 0 {
            more.push_str(&format!("mobile: +12025550{:03}\n", 100 + number));
        }
        if number % 5 == 0 {
            more.push_str(&format!("labeledURI: http://Example/{number}\n"));
        }
        if number % 7 == 0 {
            more.push_str(&format!(
                "displayName:: {}\n",
                encoded(&format!("{surname} {number}"))
            ));
        }
        let entry = person(&name, "secret", &more);
        let plain = format!("sn: {name}\n");
        let named = format!("sn:: {}\n", encoded(surname));
        people.push_str(&entry.replace(&plain, &named));
    }
    let slapd = Slapd::with(&people)?;
    let claim = |uri: &str, attribute: &str| (uri.to_owned(), attribute.to_owned());
    let settings = Settings {
        mapping: Mapping {
            mobile: Some("mobile".into()),
            display_name: Some("displayName".into()),
            claims: vec![
                claim("http://wso2.org/claims/lastname", "sn"),
                claim("http://wso2.org/claims/title", "title"),
                claim("http://wso2.org/claims/url", "labeledURI"),
                claim("http://wso2.org/claims/emailaddress", "mail"),
            ],
            ..Mapping::default()
        },
        ..secure(&slapd)
    };
    let folder = tempfile::tempdir()?;
    let own = Sqlite::open(folder.path(), Options::default())?;
    let ldap = Arc::new(Ldap::new(settings, tenant(), "", Arc::new(own.clone()))?);
    // What the directory has no attribute for is kept here, of some.
    for number in [3, 4, 9] {
        let list = format!(
            "[{{\"value\":\"work@example.com\",\"type\":\"work\"}},{{\"value\":\"User{number:02}@Home.example\"}}]"
        );
        let draft = Draft {
            claims: vec![
                claim("http://wso2.org/claims/nickname", &format!("Nick {number}")),
                claim("urn:ietf:params:scim:schemas:core:2.0:User:emails", &list),
            ],
            ..Draft::default()
        };
        let name = format!("user{number:02}");
        let known = ldap.change(&tenant(), &name, &draft).await?;
        ensure!(known, "nobody was changed");
    }
    let all = Arc::new(Secondary::new(ldap.clone(), Vec::new())?);
    let clock = Arc::new(postern_server::clock::SystemClock);
    let people = Provisionable::new(all, Arc::new(own), clock);
    let domains = [String::new()];
    let whose = tenant();
    let everybody = people
        .people(whose.as_str(), &domains, &Condition::Always, 0, 1000)
        .await?
        .items;
    ensure!(everybody.len() == 36, "{} people", everybody.len());

    let mut dice = Dice(7);
    let (mut narrowed, mut fewer, mut found_some) = (0, 0, 0);
    for round in 0..300 {
        let text = random_filter(&mut dice, 3);
        let Ok(condition) = Condition::parse(Resource::User, &text) else {
            continue;
        };
        let names = |people: &[postern_federation::scim::Person]| -> Vec<String> {
            people.iter().map(|person| person.account.clone()).collect()
        };
        let mut expected = everybody.clone();
        expected.retain(|person| condition.holds(person));
        let found = people
            .people(whose.as_str(), &domains, &condition, 0, 1000)
            .await?;
        assert_eq!(names(&found.items), names(&expected), "{round}: {text}");
        assert_eq!(found.total, expected.len());
        found_some += usize::from(!expected.is_empty());
        if let Some(candidates) = ldap.candidates(&tenant(), &condition, 1000).await? {
            narrowed += 1;
            fewer += usize::from(candidates.records.len() < everybody.len());
        }
    }
    // Else it proves nothing.
    assert!(
        narrowed > 60 && fewer > 40 && found_some > 60,
        "{narrowed}, {fewer}, {found_some}"
    );
    // More than are looked at is said, and no page of some of them is given.
    let condition = Condition::parse(Resource::User, "userName sw \"user\"").unwrap();
    let cut = ldap.candidates(&tenant(), &condition, 10).await?;
    let cut = cut.expect("it can be narrowed");
    assert!(!cut.all && cut.records.len() == 10);
    Ok(())
}
