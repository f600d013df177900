//! People of somebody else's directory or database sign in with a code, through the whole host.

use crate::{ALICE, BOB, PASSWORD};
use postern_kit::anyhow::Result;
use postern_kit::peers::slapd::{PEOPLE, person};
use postern_kit::peers::{Postgres, Proxy, Slapd};
use postern_kit::postern_web::texts::EN;
use postern_kit::{Browser, Builder, Installation, Page, Provider, TestHost};

fn host() -> Builder {
    // Many sign-ins of one person: their budget is not what is tested here.
    TestHost::builder()
        .provider(Provider::Outbox)
        .in_process()
        .config("[limits]\nsends_per_account = 100\nsends_per_number = 100")
}

/// With `corp` after the primary store.
fn with_corp(section: &str) -> Builder {
    host()
        .sms_otp("secondary_userstore = [\"corp\"]")
        .config(section)
}

async fn code_page(host: &TestHost, name: &str, password: &str) -> Result<(Browser, Page)> {
    let mut browser = host.browser();
    let page = browser.sign_in(name, password).await?;
    Ok((browser, page))
}

async fn signs_in(host: &TestHost, name: &str, password: &str, number: &str) -> Result<Page> {
    let mut phone = host.phone(number);
    // What came before is not for this sign-in.
    for _ in 0..phone.count() {
        phone.next_code().await?;
    }
    let (mut browser, page) = code_page(host, name, password).await?;
    assert!(page.asks_for_code(), "{}", page.text());
    let code = phone.next_code().await?;
    let page = browser.enter_code(&page, &code).await?;
    assert!(page.has_form("/sign-out"), "{}", page.text());
    Ok(page)
}

#[tokio::test]
async fn a_person_of_an_ldap_directory_signs_in_with_a_code() -> Result<()> {
    let slapd = Slapd::with(&person(
        "lena",
        PASSWORD,
        &format!("mobile: {ALICE}\nmail: lena@example.com"),
    ))?;
    let section = slapd.section("corp", "login_attributes = [\"mail\"]");
    let host = with_corp(&section).start().await?;
    let page = signs_in(&host, "lena", PASSWORD, ALICE).await?;
    assert!(page.text().contains("lena"), "{}", page.text());
    assert_eq!(host.outbox().count(), 1);
    signs_in(&host, "corp/LENA", PASSWORD, ALICE).await?;
    signs_in(&host, "lena@example.com", PASSWORD, ALICE).await?;

    // Refused alike, and nothing is sent (Q-02, Q-03, E-01).
    let sent = host.outbox().count();
    let (_, unknown) = code_page(&host, "nobody", PASSWORD).await?;
    for (name, password) in [
        ("lena", "wrong"),
        ("lena", ""),
        ("*", PASSWORD),
        ("lena)(objectClass=*", PASSWORD),
        ("lena\u{200b}", PASSWORD),
        ("elsewhere/lena", PASSWORD),
    ] {
        let (_, refused) = code_page(&host, name, password).await?;
        assert!(refused.asks_for_password(), "{name}");
        assert_eq!(refused.status, unknown.status, "{name}");
        assert_eq!(refused.text(), unknown.text(), "{name}");
    }
    assert_eq!(host.outbox().count(), sent);
    Ok(())
}

#[tokio::test]
async fn a_person_of_a_database_signs_in_with_a_code() -> Result<()> {
    let postgres = Postgres::start()?;
    // The columns of a WSO2 store; the password is "pässwörd 1".
    postgres.run(&format!(
        "CREATE TABLE um_user (um_user_name text, um_user_password text, um_salt_value text);
         CREATE TABLE um_user_attribute (um_user_name text, um_attr_name text, um_attr_value text);
         INSERT INTO um_user VALUES ('berta', '+KmWLUKyVqwOiJzE08HwD1fltAuI0xOzlemB+nyOoyA=', 'Zm9vYmFyc2FsdA==');
         INSERT INTO um_user_attribute VALUES ('berta', 'mobile', '{BOB}');"
    ))?;
    let section = format!(
        r#"
[user_store.jdbc]
kind = "sql"
url = "{}"
read_only = false
password_scheme = "wso2-sha256"

[user_store.jdbc.queries]
find = "SELECT um_user_name AS name, um_user_password AS password, um_salt_value AS salt FROM um_user WHERE um_user_name = $1"
claims = "SELECT um_attr_name AS claim, um_attr_value AS value FROM um_user_attribute WHERE um_user_name = $1"
upgrade_password = "UPDATE um_user SET um_user_password = $2, um_salt_value = $3 WHERE um_user_name = $1 AND um_user_password = $4"
"#,
        postgres.url()
    );
    let host = host()
        .sms_otp("secondary_userstore = \"jdbc, primary\"")
        .config(&section)
        .start()
        .await?;
    signs_in(&host, "berta", "pässwörd 1", BOB).await?;
    let stored = postgres.run("SELECT um_user_password FROM um_user")?;
    assert!(
        stored.starts_with("$argon2id$"),
        "its hash is of today: {stored}"
    );
    signs_in(&host, "JDBC/berta", "pässwörd 1", BOB).await?;
    // Q-01
    for name in ["' OR '1'='1", "berta'; DROP TABLE um_user; --", "berta' --"] {
        let (_, page) = code_page(&host, name, "pässwörd 1").await?;
        assert!(page.asks_for_password(), "{name}");
    }
    assert_eq!(postgres.run("SELECT count(*) FROM um_user")?, "1");
    Ok(())
}

#[tokio::test]
async fn stores_are_asked_in_their_order() -> Result<()> {
    let slapd = Slapd::with(
        &[
            person("alice", "the directory's", &format!("mobile: {BOB}")),
            person("lena", "the directory's", &format!("mobile: {BOB}")),
        ]
        .concat(),
    )?;
    // The primary store comes first unless the list says otherwise.
    for (order, first, first_number) in [
        ("\"corp\"", PASSWORD, ALICE),
        ("\"corp, primary\"", "the directory's", BOB),
    ] {
        let host = host()
            .sms_otp(&format!("secondary_userstore = {order}"))
            .config(&slapd.section("corp", ""))
            .start()
            .await?;
        host.add_user("primary/alice", PASSWORD, ALICE).await?;
        signs_in(&host, "alice", first, first_number).await?;
        let second = if first == PASSWORD {
            "the directory's"
        } else {
            PASSWORD
        };
        let (_, page) = code_page(&host, "alice", second).await?;
        assert!(
            page.asks_for_password(),
            "one store's password opens another's account"
        );
        signs_in(&host, "corp/alice", "the directory's", BOB).await?;
        signs_in(&host, "primary/alice", PASSWORD, ALICE).await?;
        signs_in(&host, "lena", "the directory's", BOB).await?;
    }
    Ok(())
}

#[tokio::test]
async fn when_a_directory_server_dies_the_next_one_takes_over() -> Result<()> {
    let entry = person("lena", PASSWORD, &format!("mobile: {ALICE}"));
    let (mut first, second) = (Slapd::with(&entry)?, Slapd::with(&entry)?);
    let proxy = Proxy::to(second.port()).await?;
    let section = format!(
        "[user_store.corp]\nkind = \"ldap\"\nservers = [\"{}\", \"ldap://127.0.0.1:{}\"]\nallow_plaintext = true\n{}",
        first.url(),
        proxy.port(),
        Slapd::keys()
    );
    let host = with_corp(&section).start().await?;
    signs_in(&host, "lena", PASSWORD, ALICE).await?;
    assert_eq!(proxy.connections(), 0, "the first one serves");
    let (mut browser, page) = code_page(&host, "lena", PASSWORD).await?;
    first.kill();
    // Whoever is under way goes on, and whoever comes is served by the second.
    let mut phone = host.phone(ALICE);
    let _ = phone.next_code().await?;
    let code = phone.next_code().await?;
    let page = browser.enter_code(&page, &code).await?;
    assert!(page.has_form("/sign-out"), "{}", page.text());
    signs_in(&host, "lena", PASSWORD, ALICE).await?;
    assert!(proxy.connections() > 0);

    // None is left: an error that says nothing, and no second factor is skipped.
    drop(proxy);
    drop(second);
    let (_, page) = code_page(&host, "lena", PASSWORD).await?;
    assert_eq!(page.status, 503, "{}", page.text());
    Ok(())
}

#[tokio::test]
async fn an_account_the_directory_locked_looks_like_a_wrong_password() -> Result<()> {
    let slapd = Slapd::with(
        &[
            person("lena", PASSWORD, &format!("mobile: {ALICE}")),
            person(
                "locked",
                PASSWORD,
                &format!("mobile: {ALICE}\npwdAccountLockedTime: 000001010000Z"),
            ),
            person("new", PASSWORD, &format!("mobile: {ALICE}\npwdReset: TRUE\npwdPolicySubentry: cn=strict,ou=policies,dc=example,dc=com")),
        ]
        .concat(),
    )?;
    let host = with_corp(&slapd.section("corp", "")).start().await?;
    let (_, wrong) = code_page(&host, "lena", "wrong").await?;
    for name in ["locked", "new"] {
        let (_, refused) = code_page(&host, name, PASSWORD).await?;
        assert!(refused.asks_for_password(), "{name}");
        assert_eq!(
            (refused.status, refused.text()),
            (wrong.status, wrong.text())
        );
    }
    assert_eq!(host.outbox().count(), 0);
    Ok(())
}

#[tokio::test]
async fn a_number_that_was_proven_is_written_into_the_directory() -> Result<()> {
    let slapd = Slapd::with(&person("lena", PASSWORD, ""))?;
    let section = slapd.section("corp", "read_only = false");
    let host = with_corp(&section)
        .sms_otp("capture_and_update_mobile_number = true")
        .start()
        .await?;
    let entry = format!("uid=lena,{PEOPLE}");
    let (mut browser, page) = code_page(&host, "lena", PASSWORD).await?;
    let page = browser
        .submit(&page, "/sign-in/number", &[("mobile", ALICE)])
        .await?;
    assert!(page.asks_for_code(), "{}", page.text());
    assert!(
        slapd.read(&entry, "mobile")?.is_empty(),
        "not before its code was right (B-03)"
    );
    let code = host.phone(ALICE).next_code().await?;
    let page = browser.enter_code(&page, &code).await?;
    assert!(page.has_form("/sign-out"), "{}", page.text());
    assert_eq!(slapd.read(&entry, "mobile")?, [ALICE]);

    // B-01: the number goes, the memory that there was one stays.
    slapd.write(&format!(
        "dn: {entry}\nchangetype: modify\ndelete: mobile\n"
    ))?;
    let (_, page) = code_page(&host, "lena", PASSWORD).await?;
    assert!(!page.has_form("/sign-in/number"), "{}", page.text());
    Ok(())
}

/// sms-otp 3.9: the store's own policy takes no such number; another one may be proven in its place.
#[tokio::test]
async fn a_number_that_the_store_does_not_take_may_be_replaced_by_another() -> Result<()> {
    const REFUSED: &str = ALICE;
    const TAKEN: &str = "+447700900123";
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("people.db");
    let db = rusqlite::Connection::open(&file)?;
    // The password is "pässwörd 1".
    db.execute_batch(
        "CREATE TABLE people (name TEXT, hash TEXT, salt TEXT, mobile TEXT CHECK (mobile LIKE '+44%'));
         INSERT INTO people VALUES ('berta', '+KmWLUKyVqwOiJzE08HwD1fltAuI0xOzlemB+nyOoyA=', 'Zm9vYmFyc2FsdA==', NULL);",
    )?;
    let section = format!(
        r#"
[user_store.jdbc]
kind = "sql"
url = "sqlite://{}"
read_only = false
password_scheme = "wso2-sha256"
new_hashes = "as-stored"
attributes = {{ mobile = "mobile" }}

[user_store.jdbc.queries]
find = "SELECT name, hash AS password, salt, mobile FROM people WHERE name = $1"
set_number = "UPDATE people SET mobile = $2 WHERE name = $1"
"#,
        file.display()
    );
    let settings = "secondary_userstore = [\"jdbc\"]\ncapture_and_update_mobile_number = true";
    let host = host().sms_otp(settings).config(&section).start().await?;
    let (mut browser, mut page) = code_page(&host, "berta", "pässwörd 1").await?;
    for number in [REFUSED, TAKEN] {
        assert!(page.asks_for_number(), "{number}: {}", page.text());
        let given = [("mobile", number)];
        page = browser.submit(&page, "/sign-in/number", &given).await?;
        let code = host.phone(number).next_code().await?;
        page = browser.enter_code(&page, &code).await?;
        let refused = page.text().contains(EN.notice_number_not_saved);
        assert_eq!(refused, number == REFUSED, "{number}: {}", page.text());
    }
    assert!(page.has_form("/sign-out"), "{}", page.text());
    let stored: String = db.query_row("SELECT mobile FROM people", [], |row| row.get(0))?;
    assert_eq!(stored, TAKEN);
    Ok(())
}

#[tokio::test]
async fn backup_codes_of_a_read_only_directory_work_once() -> Result<()> {
    let slapd = Slapd::with(&person(
        "lena",
        PASSWORD,
        &format!("mobile: {ALICE}\ncarLicense: 246810, abc"),
    ))?;
    let section = slapd.section("corp", "attributes = { backup_codes = \"carLicense\" }");
    let host = with_corp(&section).start().await?;
    let enter = async |code: &str| {
        let (mut browser, page) = code_page(&host, "lena", PASSWORD).await?;
        browser.enter_backup_code(&page, code).await
    };
    for wrong in ["2468", "246810,abc", "ABC", ","] {
        assert!(!enter(wrong).await?.has_form("/sign-out"), "{wrong}");
    }
    assert!(enter("246810").await?.has_form("/sign-out"));
    assert!(
        !enter("246810").await?.has_form("/sign-out"),
        "it is spent, although the claim still has it"
    );
    assert!(enter(" abc ").await?.has_form("/sign-out"));
    assert_eq!(
        slapd.read(&format!("uid=lena,{PEOPLE}"), "carLicense")?,
        ["246810, abc"]
    );

    // Ten new ones: Postern's own store holds them, and the claim's are dead.
    let codes = host.backup_codes("corp/lena").await?;
    assert!(enter(&codes[0]).await?.has_form("/sign-out"));
    assert!(!enter("246810").await?.has_form("/sign-out"));
    Ok(())
}

#[tokio::test]
async fn a_directory_is_part_of_the_administrators_work() -> Result<()> {
    use postern_admin::users::UserChange;
    let slapd = Slapd::start()?;
    let section = slapd.section("corp", "read_only = false");
    let host = with_corp(&section).start().await?;
    let accounts = &host.host().parts.stores.accounts;
    let tenant = postern_login::TenantId::super_tenant();
    let new = UserChange {
        number: Some(Some(ALICE.into())),
        password: Some(PASSWORD.into()),
        display_name: Some("Lena Example".into()),
        ..UserChange::default()
    };
    assert!(accounts.create(&tenant, "corp/lena", &new).await?);
    assert!(!accounts.create(&tenant, "CORP/lena", &new).await?);
    assert!(
        accounts
            .create(&tenant, "elsewhere/lena", &new)
            .await
            .is_err()
    );
    signs_in(&host, "lena", PASSWORD, ALICE).await?;
    let lock = UserChange {
        locked: Some(true),
        ..UserChange::default()
    };
    assert!(accounts.change(&tenant, "lena", &lock).await?);
    let (_, page) = code_page(&host, "lena", PASSWORD).await?;
    assert!(
        page.asks_for_password(),
        "the directory has no attribute for it: Postern keeps the lock"
    );
    host.add_user("alice", PASSWORD, ALICE).await?;
    let names: Vec<_> = accounts
        .list(&tenant, None, 10)
        .await?
        .into_iter()
        .map(|user| user.name)
        .collect();
    assert_eq!(names, ["alice", "CORP/lena"]);
    assert!(accounts.delete(&tenant, "lena").await?);
    assert!(slapd.read(PEOPLE, "uid")?.is_empty());
    Ok(())
}

/// A changed configuration connects the stores anew, and `check-config` says before what is wrong.
#[tokio::test]
async fn a_directory_that_is_configured_later_is_asked_without_a_restart() -> Result<()> {
    let slapd = Slapd::with(&person("lena", PASSWORD, &format!("mobile: {ALICE}")))?;
    let corp = slapd.section("corp", "");
    let rest = "[outbox]\nenabled = true\n[sender.outbox]\nplugin = \"fake\"\n[plugins]\nisolation = \"in-process\"\n[sms_otp]\nsenders = [\"outbox\"]\n";
    let with_corp = |section: &str| format!("{rest}secondary_userstore = [\"corp\"]\n{section}");
    let installation = Installation::lay_out(&["fake"], rest)?;
    let process = installation.serve().await?;
    let mut browser = Browser::new(installation.public, &installation.origin());
    assert!(browser.sign_in("lena", PASSWORD).await?.asks_for_password());

    installation.configure(&with_corp(&corp.replace("service-secret", "wrong")))?;
    let refused = installation.postern(&["check-config"], "");
    let words = refused
        .err()
        .map(|error| format!("{error:#}"))
        .unwrap_or_default();
    assert!(
        words.contains("user_store.corp") && words.contains("cannot bind"),
        "{words}"
    );

    installation.configure(&with_corp(&corp))?;
    installation.postern(&["check-config"], "")?;
    process.reload()?;
    installation
        .logged("the user stores are connected anew")
        .await?;
    let page = browser.sign_in("lena", PASSWORD).await?;
    assert!(page.asks_for_code(), "{}", page.text());
    Ok(())
}
