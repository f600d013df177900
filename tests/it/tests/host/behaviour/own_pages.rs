//! Pages of the operator's own in place of ours: what each is told in its address, and that the step
//! goes on with what they post back.

use super::{Scene, another_code};
use crate::PASSWORD;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use postern_kit::anyhow::{Context, Result, ensure};
use postern_kit::{Browser, OutboxAnswer, OutboxAnswerKind};
use url::Url;

/// Nobody listens there: what matters is where the browser is sent.
const PAGES: &str = "http://localhost:1";

const OWN: &str = r#"
authentication_endpoint_url = "http://localhost:1/code.html?theme=dark"
authentication_endpoint_error_page = "http://localhost:1/error.html"
mobile_number_reg_page = "http://localhost:1/number.html"
"#;

/// What every page is told.
const ALWAYS: [&str; 2] = ["authenticators", "sessionDataKey"];
/// The spellings of older and newer pages.
const SHOWN: [&str; 2] = ["screenvalue", "screenValue"];
const FAILED: [&str; 2] = ["authFailure", "authFailureMsg"];

async fn scene(more: &str) -> Result<Scene> {
    let scene = Scene::new().await?;
    scene.set(&format!("{OWN}{more}")).await?;
    Ok(scene)
}

/// A browser that was sent to one of the pages.
struct AtPage {
    browser: Browser,
    page: String,
    /// What the page reads out of its address.
    told: Vec<(String, String)>,
}

impl AtPage {
    /// Name and password are given on a page of ours.
    async fn after_password(scene: &Scene, name: &str) -> Result<Self> {
        let mut browser = scene.host.browser();
        let page = browser.open("/sign-in").await?;
        let form = page.form("/sign-in/password")?;
        let hidden = form.iter().map(|(name, value)| (&**name, &**value));
        let typed = [("username", name), ("password", PASSWORD)];
        let fields: Vec<(&str, &str)> = hidden.chain(typed).collect();
        let origin = scene.host.origin();
        let answer = browser
            .post_from(&origin, "/sign-in/password", &fields)
            .await?;
        ensure!(answer.status.is_redirection(), "{}", answer.text());
        let mut at = Self {
            browser,
            page: String::new(),
            told: Vec::new(),
        };
        at.look().await?;
        Ok(at)
    }

    async fn look(&mut self) -> Result<()> {
        let address = self.browser.leave("/sign-in").await?;
        let address = Url::parse(&address)?;
        let origin = address.origin().ascii_serialization();
        ensure!(origin == PAGES, "{address}");
        self.page = address.path().trim_start_matches('/').to_owned();
        self.told = address.query_pairs().into_owned().collect();
        Ok(())
    }

    fn told(&self, name: &str) -> &str {
        let mut told = self.told.iter();
        let value = told.find(|(known, _)| known == name);
        value.map_or("", |(_, value)| value.as_str())
    }

    /// It is this page, and is told this and nothing else.
    fn is(&self, page: &str, names: &[&[&str]]) {
        assert_eq!(self.page, page, "{:?}", self.told);
        let told: Vec<&str> = self.told.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(told, names.concat(), "{page}");
        assert_eq!(self.told("authenticators"), "SMSOTP");
    }

    /// The page posts these fields; where the answer leads.
    async fn post(&mut self, fields: &[(&str, &str)]) -> Result<String> {
        let key = self.told("sessionDataKey").to_owned();
        let mut all = vec![("sessionDataKey", key.as_str())];
        all.extend(fields);
        let answer = self.browser.post_from(PAGES, "/commonauth", &all).await?;
        let to = answer.header("location");
        to.map(str::to_owned).with_context(|| answer.text())
    }

    /// And the browser goes there, to one of the pages again.
    async fn go_on(&mut self, fields: &[(&str, &str)]) -> Result<()> {
        let to = self.post(fields).await?;
        ensure!(to == "/sign-in", "{to}");
        self.look().await
    }

    /// The page posts this, and somebody is signed in.
    async fn signs_in(&mut self, code: &str) -> Result<()> {
        let to = self.post(&[("OTPcode", code)]).await?;
        ensure!(to == "/account", "{to}");
        let account = self.browser.open("/account").await?;
        ensure!(account.is_account(), "{}", account.text());
        Ok(())
    }
}

fn decoded(text: &str) -> Result<String> {
    Ok(String::from_utf8(STANDARD.decode(text)?)?)
}

/// `SMSOTPAuthenticationEndpointURL`
#[tokio::test]
async fn the_code_page_is_told_how_the_step_stands_and_signs_somebody_in() -> Result<()> {
    let scene = scene("").await?;
    let (name, number) = scene.person().await?;
    let mut at = AtPage::after_password(&scene, &name).await?;
    let asks = [&["theme"][..], &ALWAYS, &SHOWN, &["resendCode"]];
    let failed = [asks[0], asks[1], asks[2], asks[3], &FAILED];
    at.is("code.html", &asks);
    assert_eq!(at.told("theme"), "dark");
    assert_eq!(at.told("resendCode"), "true");
    let shown = at.told("screenvalue");
    assert_eq!(shown, at.told("screenValue"));
    assert!(shown.ends_with(&number[number.len() - 4..]), "{shown}");
    assert!(!shown.contains(&number[1..]), "{shown}");

    let code = scene.newest_code(&number)?;
    let wrong = another_code(&code);
    at.go_on(&[("OTPcode", &wrong), ("resendCode", "false")])
        .await?;
    at.is("code.html", &failed);
    assert_eq!(at.told("authFailure"), "true");
    assert_eq!(at.told("authFailureMsg"), "authentication.fail.message");

    scene.pass(31);
    let again = [("OTPcode", ""), ("resendCode", "true")];
    at.go_on(&again).await?;
    at.is("code.html", &asks);
    assert_eq!(scene.messages_to(&number), 2);
    let code = scene.newest_code(&number)?;
    scene.pass(301);
    at.go_on(&[("OTPcode", &code)]).await?;
    at.is("code.html", &failed);
    assert_eq!(at.told("authFailureMsg"), "token.expired");

    at.go_on(&again).await?;
    let code = scene.newest_code(&number)?;
    // A page of somebody else, with everything it could have learnt.
    let key = at.told("sessionDataKey").to_owned();
    let fields = [("sessionDataKey", &*key), ("OTPcode", &*code)];
    let elsewhere = "http://localhost:2";
    let answer = at.browser.post_from(elsewhere, "/commonauth", &fields);
    assert_eq!(answer.await?.status, 403);
    at.signs_in(&code).await
}

/// `MobileNumberRegPage`
#[tokio::test]
async fn the_number_page_is_told_what_a_number_looks_like_and_takes_one() -> Result<()> {
    let scene = scene(
        r"capture_and_update_mobile_number = true
        mobile_number_regex = '\+44\d{10}'
        mobile_number_pattern_failure_error_message = 'Expected a number of Britain.'",
    )
    .await?;
    let name = scene.person_without_number().await?;
    let mut at = AtPage::after_password(&scene, &name).await?;
    let pattern = [
        "mobileNumberRegexPattern",
        "mobileNumberPatternPolicyFailureErrorMessage",
    ];
    at.is("number.html", &[&ALWAYS, &pattern]);
    assert_eq!(decoded(at.told(pattern[0]))?, r"\+44\d{10}");
    let message = "Expected a number of Britain.";
    assert_eq!(decoded(at.told(pattern[1]))?, message);

    at.go_on(&[("MOBILE_NUMBER", "+12025550142")]).await?;
    at.is("number.html", &[&ALWAYS, &pattern, &FAILED]);
    assert_eq!(at.told("authFailureMsg"), "authentication.fail.message");
    assert_eq!(scene.messages(), 0);
    let (_, number) = scene.somebody();
    at.go_on(&[("MOBILE_NUMBER", &number)]).await?;
    assert_eq!(at.page, "code.html");
    let code = scene.newest_code(&number)?;
    at.signs_in(&code).await?;
    assert_eq!(scene.host.number_of(&name).await?, Some(number));
    Ok(())
}

/// `SMSOTPAuthenticationEndpointErrorPage`, `show_detailed_error_info`
#[tokio::test]
async fn the_error_page_is_told_why_nothing_was_sent() -> Result<()> {
    let scene = scene("").await?;
    let words = "no route for account 4711 <b>";
    let mut answer = OutboxAnswer::refuse("unroutable");
    answer.kind = OutboxAnswerKind::Refuse {
        reason: "unroutable".to_owned(),
        retry_after: None,
        detail: words.to_owned(),
    };
    scene.host.outbox().otherwise(answer);
    for detailed in [false, true] {
        let detail = format!("show_detailed_error_info = {detailed}");
        scene.set(&format!("{OWN}{detail}")).await?;
        let (name, _) = scene.person().await?;
        let at = AtPage::after_password(&scene, &name).await?;
        let info: &[&str] = if detailed { &["authFailureInfo"] } else { &[] };
        let names = [&ALWAYS[..], &SHOWN, &["resendCode"], &FAILED, info];
        at.is("error.html", &names);
        assert_eq!(at.told("authFailureMsg"), "SMSOTP-60005");
        if detailed {
            assert_eq!(decoded(at.told("authFailureInfo"))?, words);
        }
    }
    Ok(())
}

/// `RetryEnable` off, `showAuthFailureReason` and the account's lock. Where backup codes are taken, a lock
/// stays on our page, which takes them.
#[tokio::test]
async fn the_error_page_is_told_how_a_sign_in_ended_and_how_long_a_lock_lasts() -> Result<()> {
    let scene =
        scene("retry_enable = false\nshow_auth_failure_reason = true\nbackup_code = false").await?;
    let (name, number) = scene.person().await?;
    let ended = [&ALWAYS[..], &["resendCode"], &FAILED];
    for _ in 0..10 {
        let mut at = AtPage::after_password(&scene, &name).await?;
        assert_eq!(at.page, "code.html");
        let wrong = another_code(&scene.newest_code(&number)?);
        at.go_on(&[("OTPcode", &wrong)]).await?;
        at.is("error.html", &ended);
        assert_eq!(at.told("resendCode"), "false");
        assert_eq!(at.told("authFailureMsg"), "code.mismatch");
    }
    let at = AtPage::after_password(&scene, &name).await?;
    at.is(
        "error.html",
        &[ended[0], ended[1], ended[2], &["unlockTime"]],
    );
    assert_eq!(at.told("authFailureMsg"), "user.account.locked");
    assert_eq!(at.told("unlockTime"), "15");
    Ok(())
}

/// A path is below the public address, and below the tenant's for one that has an address of its own.
#[tokio::test]
async fn a_page_by_its_path_is_below_the_tenants_address() -> Result<()> {
    const TENANT: &str = "a.example";
    const PAGE: &str = "authentication_endpoint_url = \"pages/code.html\"";
    let scene = Scene::new().await?;
    scene.set(PAGE).await?;
    let document =
        format!("[sms_otp]\nsenders = [\"a-own\"]\n{PAGE}\n[sender.a-own]\nplugin = \"fake\"\n");
    scene.host.document(TENANT, &document).await?;
    let (name, number) = scene.person().await?;
    let (other, others) = scene.somebody();
    let added = scene.host.add_user_of(TENANT, &other, PASSWORD, &others);
    added.await?;
    for (mut browser, base, name, number) in [
        (scene.host.browser(), "", name, number),
        (
            scene.host.browser().of_tenant(TENANT),
            "/t/a.example",
            other,
            others,
        ),
    ] {
        let page = browser.sign_in(&name, PASSWORD).await?;
        let told = page.path.strip_prefix(&format!("{base}/pages/code.html?"));
        let told = told.with_context(|| page.path.clone())?;
        let address = Url::parse(&format!("{PAGES}/?{told}"))?;
        let key = address.query_pairs().find(|(name, _)| name == ALWAYS[1]);
        let key = key.context("no key")?.1.into_owned();
        let code = scene.newest_code(&number)?;
        let fields = [
            ("sessionDataKey".to_owned(), key),
            ("OTPcode".to_owned(), code),
        ];
        let page = browser.post("/commonauth", &fields).await?;
        assert!(page.is_account(), "{base}: {}", page.text());
    }
    Ok(())
}
