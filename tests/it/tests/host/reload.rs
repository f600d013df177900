//! The configuration file is read again, by itself and on SIGHUP: beside what the console has defined
//! since, and whole or not at all.

use crate::{ALICE, BOB, PASSWORD};
use postern_it::tenants::{A, to_outbox};
use postern_kit::anyhow::{Result, ensure};
use postern_kit::{Browser, Installation, Process};
use std::time::{Duration, Instant};

const NOT_TAKEN: &str = "the configuration was not taken over, the old one goes on: ";

const STORE: &str = "[user_store.hr]\nkind = \"local\"\n";
const CORP: &str =
    "[identity_provider.corp]\nissuer = \"https://idp.example\"\nclient_id = \"postern\"\n";
const LONG: &str = "[sms_otp.identity_provider.long]\nsenders = [\"outbox\"]\nsms_otp_length = 8\n";

/// The brand tells on every page which file is in effect. The file goes on after `[server]`, and
/// `sections` after `[sms_otp]`.
fn file(brand: &str, sections: &[&str]) -> String {
    format!(
        "brand = \"{brand}\"\n[plugins]\nisolation = \"in-process\"\n[outbox]\n[sender.outbox]\nplugin = \"fake\"\n[sms_otp]\nsenders = [\"outbox\"]\ndefault_region = \"US\"\n{}",
        sections.concat()
    )
}

async fn shows(installation: &Installation, brand: &str) -> Result<bool> {
    let mut browser = Browser::new(installation.public, &installation.origin());
    Ok(browser.open("/sign-in").await?.html.contains(brand))
}

/// Until the file with this brand is in effect.
async fn in_effect(installation: &Installation, brand: &str) -> Result<()> {
    let began = Instant::now();
    while !shows(installation, brand).await? {
        ensure!(
            began.elapsed() < Duration::from_secs(30),
            "`{brand}` is not in effect:\n{}",
            installation.log()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Until the log says so.
async fn until(installation: &Installation, says: impl Fn(&str) -> bool) -> Result<()> {
    let began = Instant::now();
    while !says(&installation.log()) {
        ensure!(
            began.elapsed() < Duration::from_secs(30),
            "the log does not say it:\n{}",
            installation.log()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// A file of these sections is refused with these sentences, and that of `brand` stays in effect.
async fn refuses(
    installation: &Installation,
    process: &Process,
    brand: &str,
    sections: &[&str],
    sentences: &[&str],
) -> Result<()> {
    installation.configure(&file("Refused House", sections))?;
    process.reload()?;
    for sentence in sentences {
        let words = format!("{NOT_TAKEN}{sentence}");
        installation.logged(&words).await?;
    }
    ensure!(shows(installation, brand).await?, "{sentences:?}");
    Ok(())
}

/// Defines something on the host that runs.
fn put(
    installation: &Installation,
    what: &str,
    name: &str,
    form: &str,
    values: &[&str],
) -> Result<()> {
    let mut arguments = vec![what, "put", name, "--form", form];
    for &value in values {
        arguments.extend(["--value", value]);
    }
    installation.postern(&arguments, "").map(drop)
}

/// What the console refers to is not taken away under it, and what it has is not defined a second
/// time: as the console itself would refuse it.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_breaks_what_the_console_has_is_refused_whole() -> Result<()> {
    let whole = [STORE, LONG, CORP];
    let installation = Installation::lay_out(&["fake"], &file("Old House", &whole))?;
    let process = installation.serve().await?;
    put(
        &installation,
        "sp",
        "till",
        "oidc",
        &[
            "first_step=password\ncorp",
            "sms_otp=long",
            "oidc.client_id=till",
            "oidc.public=true",
            "oidc.redirect_uris=https://till.example/callback",
        ],
    )?;
    put(
        &installation,
        "sp",
        "wiki",
        "saml",
        &[
            "saml.entity_id=urn:wiki",
            "saml.consumer_services=https://wiki.example/acs",
        ],
    )?;
    put(
        &installation,
        "connector",
        "external",
        "scim",
        &[
            "user_endpoint=https://peer.example/scim/v2/Users",
            "token=0123456789abcdef",
            "identity_provider=corp",
        ],
    )?;
    put(
        &installation,
        "inbound",
        "resident",
        "scim",
        &["user_store=HR"],
    )?;
    put(&installation, "idp", "own", "sms-otp/fake", &[])?;
    installation.postern(&["idp", "put", "own", "--default", "true"], "")?;

    let with = |section: &'static str| {
        let mut sections = whole.to_vec();
        sections.push(section);
        sections
    };
    let cases: [(Vec<&str>, &[&str]); 8] = [
        (
            vec![STORE, LONG],
            &[
                "the service provider `till` of the console: first_step: there is no `[identity_provider.corp]`",
                "the connector `external` of the console: identity_provider: there is no identity provider `corp`",
            ],
        ),
        (
            vec![STORE, CORP],
            &[
                "the service provider `till` of the console: sms_otp: there is no SMSOTP entry `long` that is enabled",
            ],
        ),
        (
            vec![LONG, CORP],
            &[
                "the inbound rule `resident` of the console: user_store: there is no user store `HR`",
            ],
        ),
        (
            with(
                "[relying_party.shop.oidc]\nclient_id = \"till\"\npublic = true\nredirect_uris = [\"https://shop.example/callback\"]\n",
            ),
            &[
                "the service provider `till` of the console: oidc.client_id: `relying_party.shop` has the same",
            ],
        ),
        // By name this one comes after the console's.
        (
            with(
                "[relying_party.zoo.saml]\nentity_id = \"urn:wiki\"\nconsumer_services = [\"https://zoo.example/acs\"]\n",
            ),
            &[
                "the service provider `wiki` of the console: saml.entity_id: `relying_party.zoo` has the same",
            ],
        ),
        (
            with("[sms_otp.identity_provider.own]\nsms_otp_length = 9\n"),
            &["the identity provider `own` is defined in the console already"],
        ),
        (
            with("[sms_otp.identity_provider.main]\ndefault = true\n"),
            &[
                "the identity provider `own` of the console: default: the file's SMSOTP entry `main` is the default already",
            ],
        ),
        (
            with(
                "[relying_party.till.oidc]\nclient_id = \"other\"\npublic = true\nredirect_uris = [\"https://other.example/callback\"]\n",
            ),
            &["the service provider `till` is defined in the console already"],
        ),
    ];
    for (sections, sentences) in cases {
        refuses(&installation, &process, "Old House", &sections, sentences).await?;
    }
    assert!(!installation.log().contains("was taken over"));
    installation.configure(&file("New House", &whole))?;
    process.reload()?;
    in_effect(&installation, "New House").await?;

    // A host starts with such a file all the same, and says what is wrong with it.
    process.terminate()?;
    let sentence = "the service provider `till` of the console: first_step: there is no `[identity_provider.corp]`";
    let told = |log: &str| {
        let mut lines = log.lines();
        lines.any(|line| line.contains(sentence) && !line.contains(NOT_TAKEN))
    };
    assert!(!told(&installation.log()));
    let without = [STORE, LONG];
    installation.configure(&file("Third House", &without))?;
    let process = installation.serve().await?;
    assert!(shows(&installation, "Third House").await?);
    until(&installation, told).await?;

    // What was wrong then keeps no other change out; what is new does.
    installation.configure(&file("Fourth House", &without))?;
    process.reload()?;
    in_effect(&installation, "Fourth House").await?;
    let sentence = "the inbound rule `resident` of the console: user_store: there is no user store `HR`: expected PRIMARY";
    let refused = |log: &str| log.matches(sentence).count();
    let before = refused(&installation.log());
    installation.configure(&file("Refused House", &[LONG]))?;
    process.reload()?;
    until(&installation, |log| refused(log) > before).await?;
    assert!(shows(&installation, "Fourth House").await?);
    Ok(())
}

/// Nobody has to ask: the file is looked at. What cannot be read, or is wrong, changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_taken_over_by_itself_and_a_broken_one_is_not() -> Result<()> {
    let installation = Installation::lay_out(&["fake"], &file("Old House", &[]))?;
    installation.add_user("alice", PASSWORD, ALICE)?;
    let _process = installation.serve().await?;
    let asks_for_code = async || -> Result<bool> {
        let mut browser = Browser::new(installation.public, &installation.origin());
        let page = browser.sign_in("alice", PASSWORD).await?;
        Ok(page.asks_for_code())
    };
    assert!(asks_for_code().await?);
    assert!(shows(&installation, "Old House").await?);

    installation.configure(&file("New House", &["token_length = 8\n"]))?;
    in_effect(&installation, "New House").await?;

    for (step, sentence) in [
        ("token_length = 99\n", "sms_otp.token_length: "),
        ("[sms_otp\n", "is not TOML"),
    ] {
        installation.configure(&file("Broken House", &[step]))?;
        installation.logged(sentence).await?;
        assert!(shows(&installation, "New House").await?, "{sentence}");
        assert!(asks_for_code().await?, "{sentence}");
    }
    installation.configure(&file("Mended House", &[]))?;
    in_effect(&installation, "Mended House").await
}

/// A new address waits for the next start, and so does the host that a message binds its code to:
/// where browsers find the one, they fill in the other.
#[tokio::test(flavor = "multi_thread")]
async fn messages_name_a_new_host_when_the_pages_are_there() -> Result<()> {
    let installation = Installation::lay_out(&["fake"], &file("Old House", &[]))?;
    installation.add_user("alice", PASSWORD, ALICE)?;
    installation.write_document(A, &to_outbox("acme", 6))?;
    let of_a = ["user", "add", "alice", "--tenant", A, "--number", BOB];
    installation.postern(&of_a, PASSWORD)?;
    // The last lines of all messages, after one more of each tenant, asked for at this origin.
    let last_lines = async |origin: &str| -> Result<Vec<String>> {
        let mut lines = Vec::new();
        for (tenant, mut browser) in [
            ("carbon.super", Browser::new(installation.public, origin)),
            (A, Browser::new(installation.public, origin).of_tenant(A)),
        ] {
            let page = browser.sign_in("alice", PASSWORD).await?;
            ensure!(page.asks_for_code(), "{tenant}: {}", page.text());
            let list = ["outbox", "list", "--json", "--tenant", tenant];
            let listed = installation.postern(&list, "")?;
            let listed: Vec<serde_json::Value> = serde_json::from_str(&listed)?;
            let texts = listed.iter().filter_map(|message| message["text"].as_str());
            lines.extend(texts.filter_map(|text| Some(text.lines().last()?.to_owned())));
        }
        Ok(lines)
    };
    let bound_to = |lines: &[String], host: &str| {
        let begins = format!("@{host} #");
        lines.iter().all(|line| line.starts_with(&begins))
    };

    let process = installation.serve().await?;
    let old = installation.origin();
    let new = old.replace("//localhost", "//new.localhost");
    let lines = last_lines(&old).await?;
    assert!(
        lines.len() == 2 && bound_to(&lines, "localhost"),
        "{lines:?}"
    );

    let text = std::fs::read_to_string(installation.config())?;
    std::fs::write(installation.config(), text.replace(&old, &new))?;
    process.reload()?;
    installation
        .logged("server.public_url takes effect at the next start")
        .await?;
    let lines = last_lines(&old).await?;
    assert!(
        lines.len() == 4 && bound_to(&lines, "localhost"),
        "{lines:?}"
    );

    process.terminate()?;
    let _process = installation.serve().await?;
    let lines = last_lines(&new).await?;
    assert!(
        lines.len() == 2 && bound_to(&lines, "new.localhost"),
        "{lines:?}"
    );
    Ok(())
}

const RECIPE: &str = r#"plugin = "http-recipe"
allow = ["https://sms.acme.example"]
[settings]
sms_url = "https://sms.acme.example/send"
http_method = "POST"
http_headers = "Authorization: Basic canary"
http_payload = "to=$ctx.num&text=$ctx.msg&key=$secret.key"
[secrets]
key = "canary-key"
"#;

/// What the console lists of the file is shown as it stands there now, without its secrets.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_file_defines_is_shown_by_its_values_and_without_its_secrets() -> Result<()> {
    let text = |issuer: &str| {
        format!(
            r#"
            [plugins]
            isolation = "in-process"
            [sms_otp]
            senders = ["acme"]
            default_region = "US"
            [identity_provider.corp]
            issuer = "{issuer}"
            client_id = "postern"
            client_secret = "canary-client"
            [relying_party.shop]
            first_step = ["password", "corp"]
            [relying_party.shop.oidc]
            client_id = "shop"
            client_secret = "canary-0123456789abcdef0123456789abcdef"
            redirect_uris = ["https://shop.example/callback"]
            [relying_party.shop.saml]
            entity_id = "urn:shop"
            consumer_services = ["https://shop.example/acs"]
            [provisioning.peer]
            user_endpoint = "https://peer.example/scim/v2/Users"
            token = "canary-token"
            "#
        )
    };
    let installation = Installation::lay_out(&["http-recipe"], &text("https://idp.example"))?;
    let senders = installation.path().join("senders");
    std::fs::create_dir(&senders)?;
    std::fs::write(senders.join("acme.toml"), RECIPE)?;
    let process = installation.serve().await?;
    let show = |what: &str, name: &str| -> Result<serde_json::Value> {
        let shown = installation.postern(&[what, "show", name], "")?;
        ensure!(!shown.contains("canary"), "{shown}");
        Ok(serde_json::from_str(&shown)?)
    };

    let corp = show("idp", "corp")?;
    assert_eq!(corp["place"], "postern.toml, [identity_provider.corp]");
    assert_eq!(corp["values"]["issuer"], "https://idp.example");
    assert_eq!(corp["set"], serde_json::json!(["client_secret"]));
    let acme = show("idp", "acme")?;
    assert_eq!(acme["place"], "senders/acme.toml");
    assert_eq!(acme["values"]["settings.http_method"], "POST");
    assert_eq!(acme["values"]["allow"], "https://sms.acme.example");
    let payload = &acme["values"]["settings.http_payload"];
    assert_eq!(payload, "to=$ctx.num&text=$ctx.msg&key=$secret.key");
    let hidden = serde_json::json!(["settings.http_headers", "secrets"]);
    assert_eq!(acme["set"], hidden);
    let shop = show("sp", "shop")?;
    assert_eq!(shop["values"]["first_step"], "password\ncorp");
    assert_eq!(shop["values"]["oidc.client_id"], "shop");
    assert_eq!(shop["values"]["saml.entity_id"], "urn:shop");
    assert_eq!(shop["set"], serde_json::json!(["oidc.client_secret"]));
    let peer = show("connector", "peer")?;
    let endpoint = "https://peer.example/scim/v2/Users";
    assert_eq!(peer["values"]["user_endpoint"], endpoint);
    assert_eq!(peer["set"], serde_json::json!(["token"]));

    installation.configure(&text("https://two.example"))?;
    process.reload()?;
    let began = Instant::now();
    while show("idp", "corp")?["values"]["issuer"] != "https://two.example" {
        ensure!(
            began.elapsed() < Duration::from_secs(30),
            "{}",
            installation.log()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
