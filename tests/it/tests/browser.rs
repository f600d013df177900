//! The pages in a real browser: headless Chromium by chromedriver, at the width of a phone and of a
//! desktop. What it shows lies under `target/screenshots` afterwards.

use crate::{ALICE, PASSWORD};
use fantoccini::{Client, ClientBuilder, Locator};
use postern_admin::Role;
use postern_federation::ports::Peers;
use postern_kit::anyhow::{Context, Result, bail};
use postern_kit::{Provider, TestHost, paths};
use postern_server::desk::{Reply, Request};
use serde_json::json;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_on_a_phone() -> Result<()> {
    sign_in("phone", 390, 844).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_at_a_desk() -> Result<()> {
    sign_in("desktop", 1280, 800).await
}

async fn sign_in(name: &str, width: u32, height: u32) -> Result<()> {
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .start()
        .await?;
    host.add_user("alice", PASSWORD, ALICE).await?;
    let driver = Driver::start().await?;
    let browser = driver.browser(width, height).await?;
    let outcome = walk(&browser, &host, name).await;
    browser.close().await?;
    outcome
}

async fn walk(browser: &Client, host: &TestHost, name: &str) -> Result<()> {
    browser.goto(&format!("{}/sign-in", host.origin())).await?;
    picture(browser, &format!("{name}-1-password")).await?;
    fits(browser).await?;
    // The first field has the focus: a keyboard is enough.
    let focused = browser.active_element().await?;
    assert_eq!(focused.attr("name").await?.as_deref(), Some("username"));
    focused.send_keys("alice\t").await?;
    browser
        .active_element()
        .await?
        .send_keys(&format!("{PASSWORD}\n"))
        .await?;

    let field = browser
        .wait()
        .for_element(Locator::Css("input[name=code]"))
        .await?;
    assert_eq!(
        field.attr("autocomplete").await?.as_deref(),
        Some("one-time-code")
    );
    picture(browser, &format!("{name}-2-code")).await?;
    fits(browser).await?;
    let code = host.phone(ALICE).next_code().await?;
    let wrong = if code == "000000" { "000001" } else { "000000" };
    field.send_keys(&format!("{wrong}\n")).await?;
    let field = browser
        .wait()
        .for_element(Locator::Css("input[name=code][aria-describedby]"))
        .await?;
    picture(browser, &format!("{name}-3-wrong-code")).await?;
    fits(browser).await?;

    field.send_keys(&format!("{code}\n")).await?;
    browser
        .wait()
        .at_most(Duration::from_secs(10))
        .for_element(Locator::Css("form[action='/sign-out']"))
        .await?;
    picture(browser, &format!("{name}-4-account")).await?;
    fits(browser).await?;
    let text = browser.find(Locator::Css("main")).await?.text().await?;
    assert!(text.contains("alice"), "{text}");
    assert!(!text.contains(ALICE), "the number is masked: {text}");
    Ok(())
}

/// An invitation, both factors, a user, an identity provider, and what the log says of it.
#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_comes_in_by_a_link_and_administers_on_a_phone() -> Result<()> {
    administer("phone", 390, 844).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_comes_in_by_a_link_and_administers_at_a_desk() -> Result<()> {
    administer("desktop", 1280, 800).await
}

const ERIN: &str = "+12025550177";

async fn administer(name: &str, width: u32, height: u32) -> Result<()> {
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .start()
        .await?;
    let request = Request::AdminInvite {
        name: "erin".into(),
        role: Role::Administrator,
    };
    let Reply::Invited(invited) = host.host().parts.desk.answer(request).await? else {
        bail!("expected an invitation");
    };
    let origin = format!("http://{}", host.host().admin);
    let driver = Driver::start().await?;
    let browser = driver.browser(width, height).await?;
    let link = format!("{origin}/console/invitation/{}", invited.secret);
    let outcome = administration(&browser, &host, &origin, &link, name).await;
    browser.close().await?;
    outcome
}

async fn administration(
    browser: &Client,
    host: &TestHost,
    origin: &str,
    link: &str,
    name: &str,
) -> Result<()> {
    let look = async |page: &str| -> Result<()> {
        picture(browser, &format!("{name}-console-{page}")).await?;
        fits(browser).await
    };
    browser.goto(link).await?;
    look("1-invitation").await?;
    let mobile = browser
        .wait()
        .for_element(Locator::Css("input[name=mobile]"))
        .await?;
    mobile.send_keys(&format!("{ERIN}\n")).await?;
    let code = browser
        .wait()
        .for_element(Locator::Css("input[name=code]"))
        .await?;
    look("2-invitation-code").await?;
    code.send_keys(&host.phone(ERIN).next_code().await?).await?;
    for field in ["password", "again"] {
        let field = browser.find(Locator::Id(field)).await?;
        field.send_keys(PASSWORD).await?;
    }
    let open = "form[action$='/accept'] button";
    browser.find(Locator::Css(open)).await?.click().await?;
    browser
        .wait()
        .at_most(Duration::from_secs(10))
        .for_element(Locator::Css("nav.side"))
        .await?;
    look("3-overview").await?;

    // Out, and in again as on any other day.
    let out = "form[action='/console/sign-out'] button";
    browser.find(Locator::Css(out)).await?.click().await?;
    let user = browser
        .wait()
        .for_element(Locator::Css("input[name=username]"))
        .await?;
    look("4-sign-in").await?;
    user.send_keys("erin\t").await?;
    browser
        .active_element()
        .await?
        .send_keys(&format!("{PASSWORD}\n"))
        .await?;
    let code = browser
        .wait()
        .for_element(Locator::Css("input[name=code]"))
        .await?;
    let next = host.phone(ERIN).next_code().await?;
    code.send_keys(&format!("{next}\n")).await?;
    browser
        .wait()
        .at_most(Duration::from_secs(10))
        .for_element(Locator::Css("nav.side"))
        .await?;

    browser.goto(&format!("{origin}/console/users/new")).await?;
    look("5-new-user").await?;
    for (field, value) in [
        ("name", "frank"),
        ("display_name", "Frank <b>"),
        ("number", ALICE),
        ("password", PASSWORD),
    ] {
        let field = browser.find(Locator::Id(field)).await?;
        field.send_keys(value).await?;
    }
    let add = "form[action='/console/users/new'] button";
    browser.find(Locator::Css(add)).await?.click().await?;
    browser.wait().for_element(Locator::Css("#facts")).await?;
    look("6-user").await?;
    let text = browser.find(Locator::Css("main")).await?.text().await?;
    assert!(text.contains("Frank <b>"), "{text}");
    assert!(!text.contains(ALICE), "the number is masked: {text}");

    let new = format!("{origin}/console/identity-providers/new/oidc");
    browser.goto(&new).await?;
    look("7-new-provider").await?;
    for (field, value) in [
        ("name", "corp"),
        ("value.display_name", "Corporation"),
        ("value.issuer", "https://idp.example"),
        ("value.client_id", "postern"),
        ("value.client_secret", "drawn-at-random-0123456789"),
    ] {
        let css = format!("form.define [name='{field}']");
        let field = browser.find(Locator::Css(&css)).await?;
        field.send_keys(value).await?;
    }
    let save = "form.define .actions button";
    browser.find(Locator::Css(save)).await?.click().await?;
    browser
        .wait()
        .for_element(Locator::Css("form[action$='/delete']"))
        .await?;
    look("8-provider").await?;
    assert!(!browser.source().await?.contains("drawn-at-random"));
    // In effect, without a restart: its button is on the sign-in page once the file offers it.
    let known = host.host().parts.peers.identity_providers("carbon.super");
    let known = known.await.context("the peers")?;
    assert!(known.iter().any(|provider| provider.name == "corp"));

    for page in [
        "senders",
        "plugins",
        "administrators",
        "users",
        "identity-providers",
    ] {
        browser.goto(&format!("{origin}/console/{page}")).await?;
        look(&format!("9-{page}")).await?;
    }
    browser.goto(&format!("{origin}/console/audit")).await?;
    look("9-audit").await?;
    let text = browser.find(Locator::Css("main")).await?.text().await?;
    for said in ["user add", "frank", "idp put", "corp", "erin", "127.0.0.1"] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let verify = "form[action='/console/audit/verify'] button";
    browser.find(Locator::Css(verify)).await?.click().await?;
    let notice = browser.wait().for_element(Locator::Css("p.notice")).await?;
    let text = notice.text().await?;
    assert!(text.contains("all as they were written"), "{text}");
    Ok(())
}

/// Nothing has to be scrolled sideways.
async fn fits(browser: &Client) -> Result<()> {
    let widths =
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]";
    let widths = browser.execute(widths, Vec::new()).await?;
    assert!(
        widths[0].as_u64() <= widths[1].as_u64(),
        "the page is wider than the window: {widths}"
    );
    Ok(())
}

async fn picture(browser: &Client, name: &str) -> Result<()> {
    let folder = paths::target()?.join("screenshots");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(
        folder.join(format!("{name}.png")),
        browser.screenshot().await?,
    )?;
    Ok(())
}

/// A chromedriver of this test's own; it ends with it.
struct Driver {
    child: Child,
    url: String,
}

impl Driver {
    async fn start() -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("chromedriver is missing: `cargo xtask test` installs it, or `apt-get install chromium chromium-driver`")?;
        let driver = Self {
            child,
            url: format!("http://127.0.0.1:{port}"),
        };
        for _ in 0..500 {
            if tokio::net::TcpStream::connect(("127.0.0.1", port))
                .await
                .is_ok()
            {
                return Ok(driver);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("chromedriver does not answer at {}", driver.url)
    }

    async fn browser(&self, width: u32, height: u32) -> Result<Client> {
        let program = chromium()?;
        let options = json!({
            "binary": program,
            "args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--lang=en",
                format!("--window-size={width},{height}"),
            ],
            // A window cannot be narrower than 500 pixels; a device can.
            "mobileEmulation": { "deviceMetrics": { "width": width, "height": height, "pixelRatio": 1.0, "touch": width < 600 } },
        });
        let mut capabilities = serde_json::Map::new();
        capabilities.insert("goog:chromeOptions".into(), options);
        Ok(
            ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
                .capabilities(capabilities)
                .connect(&self.url)
                .await?,
        )
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn chromium() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").context("no PATH")?;
    ["chromium", "chromium-browser", "google-chrome"]
        .iter()
        .flat_map(|name| std::env::split_paths(&path).map(move |folder| folder.join(name)))
        .find(|file| file.is_file())
        .context("chromium is missing: `cargo xtask test` installs it, or `apt-get install chromium chromium-driver`")
}
