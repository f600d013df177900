//! Several tenants in one host: users of one name, senders and settings of their own, documents that
//! change, break and go.

use crate::{ALICE, BOB, PASSWORD};
use postern_it::tenants::{A, B, to_outbox};
use postern_kit::anyhow::{self, Result, bail};
use postern_kit::desk::{Reply, Request};
use postern_kit::identity_provider::challenge_of;
use postern_kit::{Browser, Installation, Provider, TestClock, TestHost};
use std::time::Duration;

/// What a tenant of the older product has in its registry.
const REGISTRY: &str = r#"<?xml version="1.0"?>
<AuthenticatorConfig name="SMSOTP" enabled="true">
<Parameter name="SMSOTPMandatory">true</Parameter>
<Parameter name="TokenLength">8</Parameter>
</AuthenticatorConfig>
"#;

fn twilio(host: &TestHost, token: &str) -> String {
    let accounts = postern_kit::sms_gateway::Accounts::default();
    let origin = host.gateway_origin();
    format!(
        "[sms_otp]\nsenders = [\"main\"]\n[sender.main]\nplugin = \"twilio\"\nsettings = {{ account_sid = \"{}\", auth_token = \"{token}\", from = \"+15005550006\", base_url = \"{origin}\" }}\nallow = [\"{origin}\"]\nallow_private_networks = true\n",
        accounts.twilio_sid
    )
}

#[tokio::test]
async fn users_of_one_name_sign_in_at_their_own_tenants_by_their_own_settings() -> Result<()> {
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .start()
        .await?;
    host.document(A, &to_outbox("acme", 8)).await?;
    host.document(B, &to_outbox("bravo", 6)).await?;
    host.add_user_of(A, "alice", "the password at acme", ALICE)
        .await?;
    host.add_user_of(B, "alice", "the password at bravo", BOB)
        .await?;

    let mut at_a = host.browser().of_tenant(A);
    let refused = at_a.sign_in("alice", "the password at bravo").await?;
    assert!(refused.asks_for_password(), "{}", refused.text());
    let page = at_a.sign_in("alice", "the password at acme").await?;
    assert!(page.html.contains("acme"), "the tenant's own brand");
    let code_a = host.phone(ALICE).next_code().await?;
    assert_eq!(code_a.len(), 8);
    let mut at_b = host.browser().of_tenant(B);
    let page_b = at_b.sign_in("alice", "the password at bravo").await?;
    let code_b = host.phone(BOB).next_code().await?;
    assert_eq!(code_b.len(), 6);

    let account = at_a.enter_code(&page, &code_a).await?;
    assert_eq!(account.path, "/t/a.example/account", "{}", account.text());
    let account = at_b.enter_code(&page_b, &code_b).await?;
    assert_eq!(account.path, "/t/b.example/account", "{}", account.text());
    for message in host.outbox().messages() {
        let expected = match message.to.as_str() {
            ALICE => (A, "acme-own"),
            _ => (B, "bravo-own"),
        };
        assert_eq!((message.tenant.as_str(), message.sender.as_str()), expected);
    }
    // Each one's rows of the audit log are its own.
    for tenant in [A, B, "carbon.super"] {
        let list = Request::AuditList {
            filter: Default::default(),
            before: None,
            rows: 100,
        };
        let Reply::Rows(page) = host.ask_of(tenant, list).await? else {
            bail!("expected rows");
        };
        assert_eq!(page.rows.is_empty(), tenant == "carbon.super");
        let strange = page
            .rows
            .iter()
            .find(|row| row.event.tenant.as_str() != tenant);
        assert!(strange.is_none(), "{tenant}: {strange:?}");
    }
    // Nobody of that name is the super tenant's.
    let stranger = host
        .browser()
        .sign_in("alice", "the password at acme")
        .await?;
    assert!(stranger.asks_for_password());
    host.stop().await
}

/// Q-10: two senders of one name and one plugin. The one with a wrong token stays refused, however
/// often the other's right one was used just before.
#[tokio::test]
async fn a_tenants_credentials_send_for_nobody_else() -> Result<()> {
    let host = TestHost::start().await?;
    let right = postern_kit::sms_gateway::Accounts::default().twilio_token;
    host.document(A, &twilio(&host, &right)).await?;
    host.document(B, &twilio(&host, "not-the-token-of-anybody"))
        .await?;
    host.add_user_of(A, "alice", PASSWORD, ALICE).await?;
    host.add_user_of(B, "bob", PASSWORD, BOB).await?;
    for round in 1..=2 {
        let page = host
            .browser()
            .of_tenant(A)
            .sign_in("alice", PASSWORD)
            .await?;
        assert!(page.asks_for_code(), "{}", page.text());
        assert_eq!(host.phone(ALICE).count(), round);
        let page = host.browser().of_tenant(B).sign_in("bob", PASSWORD).await?;
        assert!(!page.asks_for_code(), "{}", page.text());
        assert_eq!(host.phone(BOB).count(), 0);
    }
    host.stop().await
}

/// Q-09: an application, its codes and what peers are told of us are one tenant's.
#[tokio::test]
async fn an_application_of_one_tenant_is_unknown_to_the_others() -> Result<()> {
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CALLBACK: &str = "http%3A%2F%2F127.0.0.1%3A1%2Fcallback";
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .start()
        .await?;
    let shop = "[relying_party.shop]\n[relying_party.shop.oidc]\nclient_id = \"shop\"\npublic = true\nredirect_uris = [\"http://127.0.0.1:1/callback\"]\n";
    host.document(A, &format!("{}{shop}", to_outbox("acme", 6)))
        .await?;
    host.document(B, &to_outbox("bravo", 6)).await?;
    host.add_user_of(A, "alice", PASSWORD, ALICE).await?;

    let ours = format!("{}/t/{A}", host.origin());
    let mut browser = host.browser().of_tenant(A);
    let metadata = browser.open("/saml/metadata").await?.html;
    for said in [
        format!("entityID=\"{ours}/saml/metadata\""),
        format!("\"{ours}/samlsso\""),
        format!("\"{ours}/commonauth\""),
    ] {
        assert!(metadata.contains(&said), "{said}: {metadata}");
    }
    let discovery = browser
        .open("/.well-known/openid-configuration")
        .await?
        .html;
    let discovery: serde_json::Value = serde_json::from_str(&discovery)?;
    assert_eq!(discovery["issuer"], ours);
    assert_eq!(discovery["token_endpoint"], format!("{ours}/oauth2/token"));

    let ask = format!(
        "/oauth2/authorize?client_id=shop&redirect_uri={CALLBACK}&response_type=code&scope=openid&state=s&code_challenge={}&code_challenge_method=S256",
        challenge_of(VERIFIER)
    );
    for mut elsewhere in [host.browser(), host.browser().of_tenant(B)] {
        let page = elsewhere.open(&ask).await?;
        assert_eq!(page.status, 400, "{}", page.text());
    }
    let page = browser.open(&ask).await?;
    assert_eq!(page.path, format!("/t/{A}/sign-in"), "{}", page.text());
    let filled = [("username", "alice"), ("password", PASSWORD)];
    let page = browser.submit(&page, "/sign-in/password", &filled).await?;
    let code = host.phone(ALICE).next_code().await?;
    let page = browser.enter_code(&page, &code).await?;
    let onward = page.onward().unwrap_or_default();
    let code = onward
        .split(['?', '&'])
        .find_map(|pair| pair.strip_prefix("code="))
        .unwrap_or_else(|| panic!("no code in {onward}: {}", page.html));
    let redeem = async |base: &str| -> Result<u16> {
        let body = format!(
            "grant_type=authorization_code&client_id=shop&redirect_uri={CALLBACK}&code={code}&code_verifier={VERIFIER}"
        );
        let request = http::Request::post(format!("{base}/oauth2/token"))
            .header("host", host.origin().trim_start_matches("http://"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.into())?;
        let answer = postern_kit::http::exchange(host.host().public, request).await?;
        Ok(answer.status.as_u16())
    };
    for elsewhere in ["", "/t/b.example"] {
        let status = redeem(elsewhere).await?;
        assert!((400..500).contains(&status), "{elsewhere}: {status}");
    }
    assert_eq!(redeem("/t/a.example").await?, 200);
    host.stop().await
}

/// A store that a document lists holds that tenant's people and nobody else's.
#[tokio::test]
async fn user_stores_are_those_of_the_tenants_document() -> Result<()> {
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .start()
        .await?;
    let west = to_outbox("acme", 6).replace(
        "token_length",
        "secondary_userstore = [\"west\"]\ntoken_length",
    );
    host.document(A, &west).await?;
    host.document(B, &to_outbox("bravo", 6)).await?;
    host.add_user_of(A, "WEST/walt", PASSWORD, ALICE).await?;
    let refused = host.add_user_of(B, "WEST/walt", PASSWORD, BOB).await;
    assert!(refused.is_err(), "B has no such store");
    let page = host
        .browser()
        .of_tenant(A)
        .sign_in("walt", PASSWORD)
        .await?;
    assert!(page.asks_for_code(), "{}", page.text());
    for mut elsewhere in [host.browser(), host.browser().of_tenant(B)] {
        for name in ["walt", "WEST/walt"] {
            let page = elsewhere.sign_in(name, PASSWORD).await?;
            assert!(page.asks_for_password(), "{}", page.text());
        }
    }
    host.stop().await
}

/// sms-otp 6, case "change picked up without restart".
#[tokio::test]
async fn a_changed_document_holds_for_the_next_login() -> Result<()> {
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .start()
        .await?;
    host.document(A, &to_outbox("acme", 6)).await?;
    host.add_user_of(A, "alice", PASSWORD, ALICE).await?;
    let mut phone = host.phone(ALICE);
    host.browser()
        .of_tenant(A)
        .sign_in("alice", PASSWORD)
        .await?;
    assert_eq!(phone.next_code().await?.len(), 6);
    // Written and left alone: the host itself looks at the folder.
    host.installation
        .write_document(A, &to_outbox("renamed", 10))?;
    let seen = async {
        loop {
            let page = host.browser().of_tenant(A).open("/sign-in").await?;
            if page.html.contains("renamed") {
                return Ok::<_, anyhow::Error>(());
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), seen).await??;
    host.browser()
        .of_tenant(A)
        .sign_in("alice", PASSWORD)
        .await?;
    assert_eq!(phone.next_code().await?.len(), 10);
    host.stop().await
}

/// sms-otp 6: a tenant without a document runs by the local file's values; with one, nothing of the
/// local file is merged in.
#[tokio::test]
async fn without_a_document_the_configurations_values_hold_and_with_one_none_of_them() -> Result<()>
{
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .sms_otp("token_length = 9")
        .start()
        .await?;
    let add = Request::TenantAdd {
        tenant: A.parse()?,
        document: None,
    };
    host.ask_of("carbon.super", add).await?;
    host.add_user_of(A, "alice", PASSWORD, ALICE).await?;
    let mut phone = host.phone(ALICE);
    host.browser()
        .of_tenant(A)
        .sign_in("alice", PASSWORD)
        .await?;
    assert_eq!(phone.next_code().await?.len(), 9);
    let set = Request::TenantSet {
        tenant: A.parse()?,
        document: Some("[sms_otp]\nsenders = [\"own\"]\n[sender.own]\nplugin = \"fake\"\n".into()),
    };
    host.ask_of("carbon.super", set).await?;
    host.browser()
        .of_tenant(A)
        .sign_in("alice", PASSWORD)
        .await?;
    assert_eq!(phone.next_code().await?.len(), 6, "the default, not 9");
    host.stop().await
}

#[tokio::test]
async fn a_broken_document_fails_its_tenant_and_tells_the_operator_where() -> Result<()> {
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .start()
        .await?;
    host.document(A, &to_outbox("acme", 6)).await?;
    host.document(B, &to_outbox("bravo", 6)).await?;
    for (tenant, number) in [(A, ALICE), (B, BOB)] {
        host.add_user_of(tenant, "alice", PASSWORD, number).await?;
    }
    host.document(
        A,
        "[sms_otp]\nsenders = [\"gone\"]\ntoken_length = 99 # k-canary\n",
    )
    .await?;
    let page = host.browser().of_tenant(A).open("/sign-in").await?;
    assert_eq!(page.status, 503);
    for inward in ["gone", "token_length", "canary", "toml"] {
        assert!(!page.text().contains(inward), "{}", page.text());
    }
    let trouble = trouble_of(&host, A).await?.unwrap_or_default();
    assert!(trouble.contains("sms_otp.token_length"), "{trouble}");
    assert!(trouble.contains("there is no sender `gone`"), "{trouble}");
    assert!(!trouble.contains("canary"), "{trouble}");

    // A document that cannot be used is not taken into the store in the first place.
    let add = Request::TenantAdd {
        tenant: "c.example".parse()?,
        document: Some("[sms_otp]\nsenders = [\"gone\"]\n".into()),
    };
    let refused = host.ask_of("carbon.super", add).await.unwrap_err();
    assert!(
        refused.to_string().contains("there is no sender `gone`"),
        "{refused}"
    );

    assert_eq!(trouble_of(&host, B).await?, None);
    let page = host
        .browser()
        .of_tenant(B)
        .sign_in("alice", PASSWORD)
        .await?;
    assert!(page.asks_for_code(), "{}", page.text());
    host.document(A, &to_outbox("acme", 6)).await?;
    let page = host
        .browser()
        .of_tenant(A)
        .sign_in("alice", PASSWORD)
        .await?;
    assert!(page.asks_for_code(), "{}", page.text());
    host.stop().await
}

#[tokio::test]
async fn a_removed_tenant_leaves_nothing_and_one_that_is_off_keeps_all() -> Result<()> {
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .start()
        .await?;
    let ask = |request| host.ask_of("carbon.super", request);
    let add = || -> Result<Request> {
        Ok(Request::TenantAdd {
            tenant: A.parse()?,
            document: Some(to_outbox("acme", 6)),
        })
    };
    ask(add()?).await?;
    host.add_user_of(A, "alice", PASSWORD, ALICE).await?;
    let mut browser = host.browser().of_tenant(A);
    let page = browser.sign_in("alice", PASSWORD).await?;
    let code = host.phone(ALICE).next_code().await?;
    browser.enter_code(&page, &code).await?;
    let enable = |enabled| -> Result<Request> {
        Ok(Request::TenantEnable {
            tenant: A.parse()?,
            enabled,
        })
    };
    ask(enable(false)?).await?;
    let nobody = host
        .browser()
        .of_tenant("nobody.example")
        .open("/account")
        .await?;
    let off = browser.open("/account").await?;
    assert_eq!((off.status.as_u16(), off.text()), (404, nobody.text()));
    ask(enable(true)?).await?;
    assert_eq!(
        browser.open("/account").await?.status,
        200,
        "its session was kept"
    );

    let remove = |confirmed: &str| -> Result<Request> {
        Ok(Request::TenantRemove {
            tenant: A.parse()?,
            confirmed: confirmed.to_owned(),
        })
    };
    let refused = ask(remove("")?).await.unwrap_err();
    assert!(refused.to_string().contains("confirm"), "{refused}");
    assert_eq!(browser.open("/account").await?.status, 200);
    let Reply::Removed(rows) = ask(remove(A)?).await? else {
        bail!("expected a count");
    };
    assert!(rows >= 2, "a user and a session: {rows}");
    assert_eq!(browser.open("/account").await?.status, 404);
    ask(add()?).await?;
    assert!(browser.open("/account").await?.asks_for_password());
    let page = browser.sign_in("alice", PASSWORD).await?;
    assert!(page.asks_for_password(), "nobody is there: {}", page.text());
    host.stop().await
}

/// The command line without a host, on the bare store.
#[test]
fn the_command_line_keeps_tenants_and_takes_no_half_document() -> Result<()> {
    let installation = Installation::lay_out(
        &["fake"],
        "[outbox]\nenabled = true\n[sender.outbox]\nplugin = \"fake\"\n[sms_otp]\nsenders = [\"outbox\"]\n",
    )?;
    let run = |arguments: &[&str], input: &str| installation.postern(arguments, input);
    run(&["tenant", "add", A], "")?;
    run(
        &["tenant", "set", A, "--document", "-"],
        &to_outbox("acme", 7),
    )?;
    let shown = run(&["tenant", "show", A], "")?;
    assert!(shown.contains("token_length = 7"), "{shown}");
    for (bad, expected) in [
        ("[sms_otp]\ntoken_length = 99\n", "sms_otp.token_length"),
        ("[sms_otp\n", "line 1: not TOML"),
        ("[server]\n", "server: unknown key"),
    ] {
        let refused = run(&["tenant", "set", A, "--document", "-"], bad).unwrap_err();
        assert!(refused.to_string().contains(expected), "{refused}");
    }
    assert_eq!(
        run(&["tenant", "show", A], "")?,
        shown,
        "nothing was half taken"
    );

    // The older product's files, the tenant's registry file among them.
    installation.keep("registry.xml", REGISTRY)?;
    let registry = installation.path().join("registry.xml");
    let registry = registry.to_string_lossy();
    run(&["tenant", "import", "c.example", &registry], "")?;
    let imported = run(&["tenant", "show", "c.example"], "")?;
    assert!(imported.contains("token_length = 8"), "{imported}");
    assert!(!imported.contains("[server]"), "{imported}");
    run(&["tenant", "import", A, &registry], "")?;
    let replaced = run(&["tenant", "show", A], "")?;
    assert!(!replaced.contains("acme"), "replaced whole: {replaced}");

    run(
        &["user", "add", "alice", "--number", ALICE, "--tenant", A],
        PASSWORD,
    )?;
    run(&["client", "add", "shop", "--tenant", A], "")?;
    run(&["client", "add", "shop"], "")?;
    // Whoever names no scope gets none that looks after users, and another tenant has none of these.
    let clients = run(&["client", "list"], "")?;
    assert!(clients.contains("challenges, messages"), "{clients}");
    assert!(!clients.contains("scim"), "{clients}");
    let hr = ["client", "add", "hr", "--scope", "scim:read", "--tenant", A];
    let refused = run(&hr, "").unwrap_err();
    assert!(
        refused.to_string().contains("not looked after by SCIM"),
        "{refused}"
    );
    assert!(run(&["user", "list", "--tenant", A], "")?.contains("alice"));
    assert!(!run(&["user", "list"], "")?.contains("alice"));
    let refused = run(&["user", "list", "--tenant", B], "").unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("there is no tenant `b.example`"),
        "{refused}"
    );
    for name in ["carbon.super", "UPPER", "a..b", "../x", ""] {
        assert!(run(&["tenant", "add", name], "").is_err(), "{name}");
    }
    assert!(run(&["tenant", "remove", A], "").is_err());
    run(&["tenant", "remove", A, "--confirm", A], "")?;
    assert!(!run(&["tenant", "list", "--json"], "")?.contains(A));
    assert!(
        run(&["client", "list"], "")?.contains("shop"),
        "the super tenant's own stays"
    );
    Ok(())
}

/// The same digits are one number at a login and at an administrator's, whatever changed meanwhile.
#[tokio::test]
async fn an_administrator_types_a_number_as_the_tenant_reads_it_at_that_moment() -> Result<()> {
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .start()
        .await?;
    let of_region = |region: &str| {
        let line = format!("default_region = \"{region}\"\ntoken_length");
        to_outbox("acme", 6).replace("token_length", &line)
    };
    host.document(A, &of_region("LK")).await?;
    host.add_user_of(A, "alice", PASSWORD, "0771234567").await?;
    assert_eq!(number_of(&host, A, "alice").await?, "+94771234567");
    // The configuration's region is the super tenant's alone.
    let refused = host.add_user("bob", PASSWORD, "0771234567").await;
    assert!(refused.is_err(), "it is no number of the United States");
    host.add_user("bob", PASSWORD, "2025550143").await?;
    assert_eq!(number_of(&host, "carbon.super", "bob").await?, BOB);

    host.document(A, &of_region("GB")).await?;
    host.add_user_of(A, "carol", PASSWORD, "07700900123")
        .await?;
    assert_eq!(number_of(&host, A, "carol").await?, "+447700900123");
    host.document(A, &to_outbox("acme", 6)).await?;
    let refused = host.add_user_of(A, "dave", PASSWORD, "07700900123").await;
    assert!(refused.is_err(), "nobody says which country that is");

    // Switched off, it is administered by what it will run by.
    let add = Request::TenantAdd {
        tenant: B.parse()?,
        document: Some(of_region("LK")),
    };
    host.ask_of("carbon.super", add).await?;
    let disable = Request::TenantEnable {
        tenant: B.parse()?,
        enabled: false,
    };
    host.ask_of("carbon.super", disable).await?;
    host.add_user_of(B, "alice", PASSWORD, "0771234567").await?;
    assert_eq!(number_of(&host, B, "alice").await?, "+94771234567");
    host.stop().await
}

/// The configuration's own region, after it was read again and where no host runs.
#[tokio::test]
async fn the_command_line_reads_a_number_by_the_configuration_in_effect() -> Result<()> {
    let of_region = |region: &str| {
        format!(
            "[outbox]\nenabled = true\n[sender.outbox]\nplugin = \"fake\"\n[plugins]\nisolation = \"in-process\"\n[sms_otp]\nsenders = [\"outbox\"]\ndefault_region = \"{region}\"\n"
        )
    };
    let installation = Installation::lay_out(&["fake"], &of_region("US"))?;
    installation.add_user("alice", PASSWORD, "2025550142")?;
    installation.write_document(
        A,
        &to_outbox("acme", 6).replace("token_length", "default_region = \"LK\"\ntoken_length"),
    )?;
    let of_a = ["user", "add", "alice", "--tenant", A, "--number"];
    installation.postern(&[&of_a[..], &["0771234567"][..]].concat(), PASSWORD)?;

    let process = installation.serve().await?;
    let refused = installation.add_user("bob", PASSWORD, "0771234567");
    assert!(refused.is_err(), "it is no number of the United States");
    installation.configure(&of_region("LK"))?;
    process.reload()?;
    installation
        .logged("the configuration was taken over")
        .await?;
    installation.add_user("bob", PASSWORD, "0771234567")?;
    for (tenant, name, number) in [
        ("carbon.super", "alice", ALICE),
        ("carbon.super", "bob", "+94771234567"),
        (A, "alice", "+94771234567"),
    ] {
        let arguments = ["user", "show", name, "--json", "--tenant", tenant];
        let shown = installation.postern(&arguments, "")?;
        let shown: serde_json::Value = serde_json::from_str(&shown)?;
        assert_eq!(shown["user"]["number"], number, "{name} of {tenant}");
    }
    process.terminate().map(drop)
}

async fn number_of(host: &TestHost, tenant: &str, name: &str) -> Result<String> {
    let show = Request::UserShow { name: name.into() };
    let Reply::User(shown) = host.ask_of(tenant, show).await? else {
        bail!("expected a user");
    };
    Ok(shown.user.number.unwrap_or_default())
}

async fn trouble_of(host: &TestHost, tenant: &str) -> Result<Option<String>> {
    let Reply::Tenants(tenants) = host.ask_of("carbon.super", Request::TenantList).await? else {
        bail!("expected a list");
    };
    let found = tenants
        .into_iter()
        .find(|one| one.tenant.as_str() == tenant);
    Ok(found.and_then(|one| one.trouble))
}

const ERIN: &str = "+12025550177";

/// The host's administrator, at the console.
pub(crate) async fn administrator(host: &TestHost) -> Result<Browser> {
    let invite = Request::AdminInvite {
        name: "erin".into(),
        role: postern_admin::Role::Administrator,
    };
    let Reply::Invited(invited) = host.host().parts.desk.answer(invite).await? else {
        bail!("expected an invitation");
    };
    let address = host.host().admin;
    let mut browser = Browser::new(address, &format!("http://{address}"));
    let link = format!("/console/invitation/{}", invited.secret);
    let page = browser.open(&link).await?;
    let number = format!("{link}/number");
    let page = browser.submit(&page, &number, &[("mobile", ERIN)]).await?;
    let code = host.phone(ERIN).next_code().await?;
    let filled = [
        ("code", code.as_str()),
        ("password", PASSWORD),
        ("again", PASSWORD),
    ];
    let page = browser
        .submit(&page, &format!("{link}/accept"), &filled)
        .await?;
    assert_eq!(page.path, "/console", "{}", page.text());
    Ok(browser)
}

/// Q-09, U-04: the host's administrators look after each tenant's people on pages of its own, and what
/// is the host's is on none of them.
#[tokio::test]
async fn an_administrator_looks_after_the_users_of_one_tenant_at_a_time() -> Result<()> {
    let clock = TestClock::default();
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .clock(clock.clone())
        .start()
        .await?;
    host.document(A, &to_outbox("acme", 6)).await?;
    host.document(B, &to_outbox("bravo", 6)).await?;
    let address = host.host().admin;
    let mut stranger = Browser::new(address, &format!("http://{address}"));
    let page = stranger.open("/t/a.example/console/users").await?;
    assert_eq!(page.path, "/console/sign-in?to=/t/a.example/console/users");

    let mut here = administrator(&host).await?;
    let tenant = here.open("/console/tenants/of/a.example").await?;
    assert!(tenant.html.contains("href=\"/t/a.example/console/users\""));
    let mut at_a = here.clone().of_tenant(A);
    let page = at_a.open("/console/users/new").await?;
    // Somebody has the administrator's own name.
    let filled = [("name", "erin"), ("password", PASSWORD), ("number", ALICE)];
    let page = at_a.submit(&page, "/console/users/new", &filled).await?;
    assert_eq!(page.path, "/t/a.example/console/users/of/erin?done=added");
    let locked = at_a
        .submit(&page, "/console/users/of/erin/lock", &[])
        .await?;
    assert!(locked.path.ends_with("done=locked"), "{}", locked.text());
    let page = at_a.open("/console/users").await?;
    assert!(
        page.html
            .contains("href=\"/t/a.example/console/users/of/erin\"")
    );
    let page = here.clone().of_tenant(B).open("/console/users").await?;
    assert!(!page.html.contains("users/of/erin"), "{}", page.text());
    // The administrator is not the one who was locked.
    let own = here.open("/console/users/of/erin").await?;
    assert!(own.answer.status.is_success() && !own.html.contains("Unlock"));

    let page = at_a.open("/console/clients").await?;
    assert!(!page.html.contains("scim"), "{}", page.text());
    let filled = [("name", "shop"), ("scope.challenges", "yes")];
    let page = at_a.submit(&page, "/console/clients/add", &filled).await?;
    assert!(page.html.contains("postern_"), "{}", page.text());
    assert!(!here.open("/console/clients").await?.html.contains("shop"));
    let senders = at_a.open("/console/senders").await?;
    assert!(senders.html.contains("acme-own") && !senders.html.contains("bravo-own"));
    let log = at_a.open("/console/audit").await?;
    assert!(log.html.contains("user add") && !log.html.contains("Verify the chain"));
    assert!(!here.open("/console/audit").await?.html.contains("user add"));

    // What is the host's has no address there; nor has a tenant nobody has, or one in disguise.
    for path in [
        "/t/a.example/console/tenants",
        "/t/a.example/console/administrators",
        "/t/a.example/console/plugins",
        "/t/a.example/console/identity-providers",
        "/t/a.example/console/audit/verify",
        "/t/a.example/admin/api/v1/plugins",
        "/t/a.example/metrics",
        "/t/c.example/console/users",
        "/t/carbon.super/console/users",
        "/t/a.example/t/b.example/console/users",
        "/t/A.example/console/users",
    ] {
        assert_eq!(here.open(path).await?.answer.status, 404, "{path}");
    }

    // What moves a factor asks for both again, and comes back to the tenant's page.
    let page = at_a.open("/console/users/of/erin").await?;
    clock.advance(Duration::from_secs(16 * 60));
    let number = [("number", BOB)];
    let page = at_a
        .submit(&page, "/console/users/of/erin/number", &number)
        .await?;
    assert_eq!(
        page.path,
        "/console/sign-in?again&to=/t/a.example/console/users"
    );
    host.stop().await
}
