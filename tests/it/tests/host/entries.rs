//! An application chooses by which SMSOTP entry its people get their codes.

use crate::outbox::{Admin, TOKEN};
use crate::{ALICE, PASSWORD};
use postern_admin::definitions::{Listed, Shown, Sort};
use postern_kit::desk::{Reply, Request};
use postern_kit::identity_provider::challenge_of;
use postern_kit::sms_gateway::{self, Answer, Behaviour};
use postern_kit::{
    Browser, Installation, Page, Phone, TestHost,
    anyhow::{Context, Result, bail},
};

const SETTINGS: &str = r#"
[sms_otp.identity_provider.long]
senders = ["vonage"]
sms_otp_length = 8
sms_otp_expiry_time = 2

[sms_otp.identity_provider.letters]
senders = ["vonage", "twilio"]
sms_otp_length = 7
only_numeric_characters_for_sms_otp = false
mobile_number_regex = '\+1202\d{7}'
mobile_number_pattern_failure_error_message = "A number of Washington, please."

[relying_party.bank]
sms_otp = "long"
[relying_party.bank.oidc]
client_id = "bank"
public = true
redirect_uris = ["http://127.0.0.1:1/callback"]

[relying_party.shop]
sms_otp = "letters"
[relying_party.shop.oidc]
client_id = "shop"
public = true
redirect_uris = ["http://127.0.0.1:1/callback"]

[relying_party.blog.oidc]
client_id = "blog"
public = true
redirect_uris = ["http://127.0.0.1:1/callback"]
"#;

/// Before the line of the stand-in's senders, Twilio comes first.
async fn host() -> Result<TestHost> {
    let host = TestHost::builder()
        .sms_otp("capture_and_update_mobile_number = true")
        .config("[limits]\nsends_per_account = 100\nsends_per_number = 100\n")
        .config(SETTINGS)
        .start()
        .await?;
    host.add_user("alice", PASSWORD, ALICE).await?;
    Ok(host)
}

fn at(client: &str) -> String {
    let challenge = challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    format!(
        "/oauth2/authorize?client_id={client}&redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2Fcallback&response_type=code&scope=openid&state=s&nonce=n&code_challenge={challenge}&code_challenge_method=S256"
    )
}

async fn first_step(browser: &mut Browser, client: &str, name: &str) -> Result<Page> {
    let page = browser.open(&at(client)).await?;
    let filled = [("username", name), ("password", PASSWORD)];
    browser.submit(&page, "/sign-in/password", &filled).await
}

/// The code as it stands in the text, whatever its characters.
async fn code(phone: &mut Phone) -> Result<String> {
    let text = phone.next().await?;
    let (_, rest) = text.split_once("code is ").context("no code")?;
    let (code, _) = rest.split_once('.').context("no end")?;
    Ok(code.to_owned())
}

/// By which provider, and how long a code: as the entry of each says, and where none is named as the
/// host's order does.
#[tokio::test]
async fn each_applications_code_comes_by_the_sender_of_its_entry_and_as_its_entry_says()
-> Result<()> {
    let host = host().await?;
    let mut phone = host.phone(ALICE);
    for (client, api, length, only_digits) in [
        ("bank", "vonage", 8, true),
        ("shop", "vonage", 7, false),
        ("blog", "twilio", 6, true),
    ] {
        let mut browser = host.browser();
        let page = first_step(&mut browser, client, "alice").await?;
        assert!(page.asks_for_code(), "{client}: {}", page.text());
        let code = code(&mut phone).await?;
        let arrived = host.gateway().phone().messages(Some(ALICE));
        let newest = &arrived[arrived.len() - 1];
        assert_eq!(newest.api, api, "{client}");
        assert_eq!(code.len(), length, "{client}: {code}");
        let digits = code.bytes().all(|b| b.is_ascii_digit());
        assert_eq!(digits, only_digits, "{client}: {code}");
        let page = browser.enter_code(&page, &code).await?;
        let onward = page.onward();
        let onward = onward.unwrap_or_else(|| panic!("{client}: {}", page.text()));
        assert!(onward.contains("code="), "{client}: {onward}");
    }
    Ok(())
}

/// One sender fails: the next one of the same entry is tried, and none beside them.
#[tokio::test]
async fn fail_over_stays_within_the_list_of_the_entry() -> Result<()> {
    let host = host().await?;
    for (client, arrives_by) in [
        ("shop", Some("twilio")),
        ("bank", None),
        ("blog", Some("vonage")),
    ] {
        host.gateway().behave(Behaviour {
            answer: Answer::Down,
            requests: 1,
            ..Behaviour::default()
        });
        let before = host.gateway().phone().messages(Some(ALICE)).len();
        let mut browser = host.browser();
        let page = first_step(&mut browser, client, "alice").await?;
        let arrived = host.gateway().phone().messages(Some(ALICE));
        let by = arrived.get(before).map(|message| message.api.as_str());
        assert_eq!(by, arrives_by, "{client}: {}", page.text());
        assert!(arrived.len() <= before + 1, "{client}");
    }
    Ok(())
}

/// What a number must look like is the entry's as well, with its own words.
#[tokio::test]
async fn a_typed_number_must_look_as_the_applications_entry_says() -> Result<()> {
    const WORDS: &str = "A number of Washington, please.";
    let host = host().await?;
    for (client, told) in [("shop", true), ("blog", false)] {
        let name = format!("newcomer-{client}");
        let nothing = postern_kit::Change::default();
        host.add_person(&name, PASSWORD, nothing).await?;
        let mut browser = host.browser();
        let page = first_step(&mut browser, client, &name).await?;
        assert!(page.asks_for_number(), "{client}: {}", page.text());
        let typed = [("mobile", "+442079460000")];
        let page = browser.submit(&page, "/sign-in/number", &typed).await?;
        assert_eq!(
            page.text().contains(WORDS),
            told,
            "{client}: {}",
            page.text()
        );
    }
    Ok(())
}

fn put(sort: &str, name: &str, wanted: serde_json::Value) -> Result<Request> {
    let request = serde_json::json!({
        "definition-put": { "sort": sort, "name": name, "wanted": wanted }
    });
    Ok(serde_json::from_value(request)?)
}

fn delete(sort: &str, name: &str) -> Result<Request> {
    let request = serde_json::json!({ "definition-delete": { "sort": sort, "name": name } });
    Ok(serde_json::from_value(request)?)
}

/// An SMSOTP entry of the console: Vonage, at the stand-in.
fn entry(host: &TestHost, enabled: bool, seen: Option<u64>) -> serde_json::Value {
    let origin = host.gateway_origin();
    let accounts = sms_gateway::Accounts::default();
    serde_json::json!({
        "form": "sms-otp/nexmo", "enabled": enabled, "seen": seen,
        "values": {
            "settings.api_key": accounts.vonage_key,
            "settings.api_secret": accounts.vonage_secret,
            "settings.from": "Postern",
            "settings.base_url": origin,
            "allow": origin,
            "allow_private_networks": "true",
            "entry.sms_otp_length": "9",
        }
    })
}

/// The same as the default one.
fn default_entry(host: &TestHost, enabled: bool, seen: Option<u64>) -> serde_json::Value {
    let mut wanted = entry(host, enabled, seen);
    wanted["default"] = true.into();
    wanted
}

/// An application of the console.
fn till(first_step: &str, entry: &str, seen: Option<u64>) -> serde_json::Value {
    serde_json::json!({
        "form": "oidc", "seen": seen,
        "values": {
            "first_step": first_step, "second_step": "sms-otp", "sms_otp": entry,
            "oidc.client_id": "till", "oidc.public": "true",
            "oidc.redirect_uris": "http://127.0.0.1:1/callback",
        }
    })
}

/// A server that says who somebody is.
fn corp(seen: Option<u64>) -> serde_json::Value {
    serde_json::json!({
        "form": "oidc", "seen": seen,
        "values": { "issuer": "https://idp.example", "client_id": "postern" }
    })
}

async fn ask(host: &TestHost, request: Result<Request>) -> Result<()> {
    host.ask_of("carbon.super", request?).await.map(drop)
}

async fn refuses(host: &TestHost, request: Result<Request>, words: &str) {
    let error = ask(host, request).await.expect_err(words);
    let error = format!("{error:#}");
    assert!(error.contains(words), "{error}");
}

const OURS: &str = "identity-provider";
const THEIRS: &str = "service-provider";

/// The console's entries and applications: named, used, and not taken away under an application.
#[tokio::test]
async fn an_entry_that_an_application_names_is_neither_deleted_nor_switched_off() -> Result<()> {
    let host = host().await?;
    let naming = |entry: &str, seen| put(THEIRS, "till", till("password", entry, seen));
    refuses(
        &host,
        naming("vonage-two", None),
        "there is no SMSOTP entry `vonage-two`",
    )
    .await;
    ask(&host, put(OURS, "vonage-two", entry(&host, true, None))).await?;
    ask(&host, naming("vonage-two", None)).await?;
    refuses(&host, delete(OURS, "vonage-two"), "service provider `till`").await;
    refuses(
        &host,
        put(OURS, "vonage-two", entry(&host, false, Some(1))),
        "the service provider `till` names this entry",
    )
    .await;

    let mut browser = host.browser();
    let page = first_step(&mut browser, "till", "alice").await?;
    let code = code(&mut host.phone(ALICE)).await?;
    assert_eq!(code.len(), 9);
    let arrived = host.gateway().phone().messages(Some(ALICE));
    assert_eq!(arrived[0].api, "vonage");
    let page = browser.enter_code(&page, &code).await?;
    assert!(page.onward().is_some(), "{}", page.text());

    // An entry of the file does for the console's application as well; then the other one is free.
    ask(&host, naming("long", Some(1))).await?;
    ask(&host, delete(OURS, "vonage-two")).await?;
    let mut browser = host.browser();
    first_step(&mut browser, "till", "alice").await?;
    let arrived = host.gateway().phone().messages(Some(ALICE));
    assert_eq!(arrived.len(), 2);
    Ok(())
}

/// Two would be a matter of chance, wherever the other one is defined.
#[tokio::test]
async fn a_second_default_entry_is_refused() -> Result<()> {
    let host = host().await?;
    let taken = "`first` is the default already";
    ask(&host, put(OURS, "first", default_entry(&host, true, None))).await?;
    let second = |enabled, seen| put(OURS, "second", default_entry(&host, enabled, seen));
    refuses(&host, second(true, None), taken).await;
    // One that is off is nobody's default, until somebody switches it on.
    ask(&host, second(false, None)).await?;
    refuses(&host, second(true, Some(1)), taken).await;
    // The default one may be changed, and stay what it is; then another takes its place.
    let same = default_entry(&host, true, Some(1));
    ask(&host, put(OURS, "first", same)).await?;
    ask(&host, put(OURS, "first", entry(&host, true, Some(2)))).await?;
    ask(&host, second(true, Some(1))).await?;

    let filed = TestHost::builder()
        .config("[sms_otp.identity_provider.filed]\nsenders = [\"vonage\"]\ndefault = true\n")
        .start()
        .await?;
    refuses(
        &filed,
        put(OURS, "first", default_entry(&filed, true, None)),
        "the file's SMSOTP entry `filed` is the default already",
    )
    .await;
    ask(&filed, put(OURS, "first", entry(&filed, true, None))).await
}

/// Entries of the file: of senders, beside a sender of the same name, and one that is off.
const FILED: &str = r#"
[sms_otp.identity_provider.long]
senders = ["vonage", "twilio"]
sms_otp_length = 8
show_detailed_error_info = true
values_to_be_masked = ["account 17"]

[sms_otp.identity_provider.vonage]
default = true
senders = ["vonage"]
sms_otp_expiry_time = 2

[sms_otp.identity_provider.idle]
enable = false
mobile_number_regex = '\+1202\d{7}'

[relying_party.bank]
sms_otp = "long"
[relying_party.bank.oidc]
client_id = "bank"
public = true
redirect_uris = ["http://127.0.0.1:1/callback"]
"#;

const PUT: &str = "/console/identity-providers/put";

/// Name, form, enabled, default, and where it is defined.
const LISTED: [(&str, &str, bool, bool, &str); 3] = [
    (
        "long",
        "sms-otp",
        true,
        false,
        "postern.toml, [sms_otp.identity_provider.long]",
    ),
    (
        "vonage",
        "sms-otp/nexmo",
        true,
        true,
        "postern.toml, [sender.vonage] and postern.toml, [sms_otp.identity_provider.vonage]",
    ),
    (
        "idle",
        "sms-otp",
        false,
        false,
        "postern.toml, [sms_otp.identity_provider.idle]",
    ),
];

/// Each once, as the file has it.
fn lists_those_of_the_file(all: &[Listed]) {
    for (name, form, enabled, default, place) in LISTED {
        let here: Vec<_> = all.iter().filter(|one| one.name == name).collect();
        let [one] = here[..] else {
            panic!("{name}: {here:?}");
        };
        let found = (one.form.as_str(), one.enabled, one.default);
        assert_eq!(found, (form, enabled, default), "{name}");
        assert_eq!(one.place.as_deref(), Some(place));
    }
}

async fn show(host: &TestHost, name: &str) -> Result<Shown> {
    let request = Request::DefinitionShow {
        sort: Sort::IdentityProvider,
        name: name.to_owned(),
    };
    match host.ask_of("carbon.super", request).await? {
        Reply::Definition(shown) => Ok(*shown),
        other => bail!("{other:?}"),
    }
}

/// Like everything of the file: listed, shown by its values, read-only. One name is one page, on which
/// an entry stands beside the sender that is called so.
#[tokio::test]
async fn an_entry_of_the_file_is_shown_by_its_values_and_changed_there() -> Result<()> {
    let host = TestHost::builder().config(FILED).start().await?;
    let sort = Sort::IdentityProvider;
    let list = Request::DefinitionList { sort };
    let Reply::Definitions(all) = host.ask_of("carbon.super", list).await? else {
        bail!("expected a list");
    };
    lists_those_of_the_file(&all);

    let long = show(&host, "long").await?;
    let expected = [
        ("senders", "vonage\ntwilio"),
        ("show_detailed_error_info", "true"),
        ("sms_otp_length", "8"),
        ("values_to_be_masked", "account 17"),
    ];
    let values: Vec<_> = long.values.iter().map(|(a, b)| (&**a, &**b)).collect();
    assert_eq!(values, expected);
    assert_eq!((long.set.len(), long.version), (0, None));
    assert_eq!(long.used_by, ["service provider `bank`"]);
    let idle = show(&host, "idle").await?;
    assert_eq!(idle.values["mobile_number_regex"], r"\+1202\d{7}");
    let vonage = show(&host, "vonage").await?;
    for (key, value) in [
        ("settings.from", "Postern"),
        ("entry.sms_otp_expiry_time", "2"),
        ("entry.senders", "vonage"),
        ("entry.enable", "true"),
    ] {
        assert_eq!(vonage.values[key], value, "{key}");
    }
    assert_eq!(vonage.set, ["settings.api_key", "settings.api_secret"]);

    for (name, ..) in LISTED {
        for wanted in [entry(&host, true, None), corp(None)] {
            refuses(&host, put(OURS, name, wanted), "change it there").await;
        }
        refuses(&host, delete(OURS, name), "change it there").await;
    }
    // What has no connector is no form of the console: it is drawn for the file's entries only.
    let form = serde_json::json!({ "form": "sms-otp", "values": { "senders": "vonage" } });
    refuses(&host, put(OURS, "another", form), "form: only in the file").await;
    let form = |form: &str| Request::DefinitionForm {
        sort,
        form: form.to_owned(),
    };
    ask(&host, Ok(form("sms-otp/nexmo"))).await?;
    refuses(&host, Ok(form("sms-otp")), "there is no form `sms-otp`").await;

    let mut browser = crate::tenants::administrator(&host).await?;
    for (form, status) in [("sms-otp%2Fnexmo", 200_u16), ("sms-otp", 404)] {
        let path = format!("/console/identity-providers/new/{form}");
        let page = browser.open(&path).await?;
        assert_eq!(page.status, status, "{form}: {}", page.text());
    }
    let page = browser.open("/console/identity-providers").await?;
    for (name, _, _, _, place) in LISTED {
        let link = format!("href=\"/console/identity-providers/of/{name}\"");
        assert!(page.html.contains(&link), "{name}: {}", page.text());
        assert!(page.text().contains(place), "{name}: {}", page.text());
    }
    for (name, words) in [
        ("long", "Senders vonage twilio"),
        ("long", "SMS OTP length 8"),
        ("long", "Used by service provider `bank`"),
        ("vonage", "State enabled, default"),
        ("vonage", "SMS OTP expiry time (minutes) 2"),
        ("vonage", "Only in the file"),
        ("idle", "State off"),
    ] {
        let path = format!("/console/identity-providers/of/{name}");
        let page = browser.open(&path).await?;
        assert!(page.text().contains(words), "{name}: {}", page.text());
        assert!(!page.has_form(PUT), "{name}");
        assert!(!page.html.contains("its settings have no names"), "{name}");
    }
    let page = browser.open("/console/identity-providers/new/oidc").await?;
    let filled = [
        ("name", "long"),
        ("enabled", "yes"),
        ("value.issuer", "https://idp.example"),
        ("value.client_id", "postern"),
    ];
    let page = browser.submit(&page, PUT, &filled).await?;
    assert!(page.text().contains("change it there"), "{}", page.text());
    Ok(())
}

/// At the command line and in the admin API it is the same list and the same refusal.
#[tokio::test(flavor = "multi_thread")]
async fn commands_and_admin_api_list_the_files_entries_and_change_none() -> Result<()> {
    let senders = postern_kit::host::stand_in_senders("http://127.0.0.1:1");
    let more = format!(
        "{TOKEN}\n[plugins]\nisolation = \"in-process\"\n{senders}\n[sms_otp]\nsenders = [\"vonage\"]\n{FILED}"
    );
    let installation = Installation::lay_out(&["twilio", "nexmo"], &more)?;
    let _process = installation.serve().await?;
    let listed = installation.postern(&["idp", "list", "--json"], "")?;
    lists_those_of_the_file(&serde_json::from_str::<Vec<Listed>>(&listed)?);
    let shown = installation.postern(&["idp", "show", "long"], "")?;
    let shown: Shown = serde_json::from_str(&shown)?;
    let wanted = [
        "idp",
        "put",
        "long",
        "--form",
        "oidc",
        "--value",
        "issuer=https://idp.example",
        "--value",
        "client_id=postern",
    ];
    let refused = installation.postern(&wanted, "").unwrap_err();
    assert!(refused.to_string().contains("change it there"), "{refused}");

    let api = Admin(&installation);
    let answer = api.ask("GET", "/definitions/idps", "").await?;
    let all: serde_json::Value = serde_json::from_str(&answer.text())?;
    let all: Vec<Listed> = serde_json::from_value(all["definitions"].clone())?;
    lists_those_of_the_file(&all);
    let answer = api.ask("GET", "/definitions/idps/long", "").await?;
    assert_eq!(serde_json::from_str::<Shown>(&answer.text())?, shown);
    let body = corp(None).to_string();
    let answer = api.ask("PUT", "/definitions/idps/long", &body).await?;
    assert_eq!(answer.status, 409, "{}", answer.text());
    Ok(())
}

/// Whatever refers to a name would find something else under it: that is as good as deleting it.
#[tokio::test]
async fn a_provider_that_is_referred_to_becomes_no_entry_and_an_entry_no_provider() -> Result<()> {
    let host = host().await?;
    ask(&host, put(OURS, "corp", corp(None))).await?;
    let both = "password\ncorp";
    ask(&host, put(THEIRS, "till", till(both, "", None))).await?;
    let peer = serde_json::json!({
        "form": "scim",
        "values": {
            "user_endpoint": "https://peer.example/scim/v2/Users",
            "token": "0123456789abcdef",
            "identity_provider": "corp",
        }
    });
    ask(&host, put("connector", "peer", peer)).await?;
    let sends = |seen| put(OURS, "corp", entry(&host, true, Some(seen)));
    refuses(
        &host,
        sends(1),
        "service provider `till`, connector `peer` of the resident service provider",
    )
    .await;
    // A server that speaks another protocol is still one that says who somebody is.
    let other = serde_json::json!({
        "form": "oauth2", "seen": 1,
        "values": {
            "authorization_endpoint": "https://idp.example/authorize",
            "token_endpoint": "https://idp.example/token",
            "userinfo_endpoint": "https://idp.example/me",
            "client_id": "postern",
            "subject": "id",
        }
    });
    ask(&host, put(OURS, "corp", other)).await?;

    ask(&host, put(OURS, "vonage-two", entry(&host, true, None))).await?;
    let naming = till("password", "vonage-two", Some(1));
    ask(&host, put(THEIRS, "till", naming)).await?;
    refuses(
        &host,
        put(OURS, "vonage-two", corp(Some(1))),
        "`vonage-two` is used by service provider `till`",
    )
    .await;
    refuses(&host, sends(2), "connector `peer`").await;
    ask(&host, delete("connector", "peer")).await?;
    ask(&host, sends(2)).await
}

/// Each key of a document that names an entry is checked as in the file, and the entries are the
/// tenant's own.
#[tokio::test]
async fn a_tenants_document_has_entries_and_applications_of_its_own() -> Result<()> {
    const TENANT: &str = "acme.example";
    let host = host().await?;
    let senders = postern_kit::host::stand_in_senders(&host.gateway_origin());
    let document = |entry: &str| {
        format!(
            "[sms_otp]\nsenders = [\"twilio\"]\n[sms_otp.identity_provider.own]\nsenders = [\"vonage\"]\nsms_otp_length = 10\n{senders}\n[relying_party.till]\nsms_otp = \"{entry}\"\n[relying_party.till.oidc]\nclient_id = \"till\"\npublic = true\nredirect_uris = [\"http://127.0.0.1:1/callback\"]\n"
        )
    };
    host.document(TENANT, &document("own")).await?;
    host.add_user_of(TENANT, "alice", PASSWORD, ALICE).await?;
    let mut browser = host.browser().of_tenant(TENANT);
    let page = first_step(&mut browser, "till", "alice").await?;
    assert!(page.asks_for_code(), "{}", page.text());
    let code = code(&mut host.phone(ALICE)).await?;
    assert_eq!(code.len(), 10);
    let arrived = host.gateway().phone().messages(Some(ALICE));
    assert_eq!(arrived[0].api, "vonage");

    // The super tenant's entry is none of the tenant's: its document is refused, its logins fail.
    host.document(TENANT, &document("long")).await?;
    let mut browser = host.browser().of_tenant(TENANT);
    let page = browser.open(&at("till")).await?;
    assert!(!page.asks_for_password(), "{}", page.text());
    let mut of_the_host = host.browser();
    let page = of_the_host.open(&at("bank")).await?;
    assert!(page.asks_for_password(), "{}", page.text());
    Ok(())
}
