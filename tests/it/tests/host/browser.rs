//! The pages in a real browser: headless Chromium by chromedriver, at the width of a phone and of a
//! desktop. What it shows lies under `target/screenshots` afterwards.

use crate::{ALICE, PASSWORD};
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use postern_kit::anyhow::{Context, Error, Result, bail};
use postern_kit::phone::another_code;
use postern_kit::ports::free_port;
use postern_kit::{Provider, TestHost, paths};
use serde_json::json;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

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
    let wrong = another_code(&code);
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

/// S-06: a page of another site that frames the sign-in page shows nothing of it. What frames show
/// otherwise is looked at too, or the test could not fail.
#[tokio::test(flavor = "multi_thread")]
async fn another_site_cannot_frame_the_sign_in_page() -> Result<()> {
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .start()
        .await?;
    let elsewhere = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", elsewhere.local_addr()?);
    let page = format!(
        "<!doctype html><title>x</title><iframe id=own src=/own></iframe><iframe id=theirs src={}/sign-in></iframe>",
        host.origin()
    );
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = elsewhere.accept().await {
            let mut head = [0; 4096];
            let read = stream.read(&mut head).await.unwrap_or(0);
            let own = head[..read].starts_with(b"GET /own");
            let body = if own { "<form></form>" } else { page.as_str() };
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let driver = Driver::start().await?;
    let browser = driver.browser(1280, 800).await?;
    let outcome = async {
        let mut forms = Vec::new();
        for frame in ["#own", "#theirs"] {
            browser.goto(&origin).await?;
            browser
                .find(Locator::Css(frame))
                .await?
                .enter_frame()
                .await?;
            forms.push(browser.find_all(Locator::Css("form")).await?.len());
        }
        Ok::<_, Error>(forms)
    };
    let forms = outcome.await;
    browser.close().await?;
    assert_eq!(forms?, [1, 0]);
    Ok(())
}

/// WebOTP: the browser is asked for the code of a text message, and what it hands over is entered. The
/// browser's own dialogue needs a telephone; everything before and after it is real.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_the_browser_reads_from_the_message_signs_in() -> Result<()> {
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .start()
        .await?;
    host.add_user("alice", PASSWORD, ALICE).await?;
    let driver = Driver::start().await?;
    let browser = driver.browser(390, 844).await?;
    let outcome = by_web_otp(&browser, &host).await;
    browser.close().await?;
    outcome
}

async fn by_web_otp(browser: &Client, host: &TestHost) -> Result<()> {
    let on_every_page = Devtools {
        command: "Page.addScriptToEvaluateOnNewDocument",
        parameters: json!({ "source": TELEPHONE }),
    };
    browser.issue_cmd(on_every_page).await?;
    browser.goto(&format!("{}/sign-in", host.origin())).await?;
    // What the browser itself makes of the attribute: an unknown one would be empty.
    let said = "return [...document.querySelectorAll('input:not([type=hidden])')].map(i => i.autocomplete)";
    let said_of = async || browser.execute(said, Vec::new()).await;
    assert_eq!(said_of().await?, json!(["username", "current-password"]));
    let name = browser.find(Locator::Css("input[name=username]")).await?;
    name.send_keys("alice\t").await?;
    let password = browser.active_element().await?;
    password.send_keys(&format!("{PASSWORD}\n")).await?;
    let field = Locator::Css("input[name=code]");
    let field = browser.wait().for_element(field).await?;
    assert_eq!(
        field.prop("autocomplete").await?.as_deref(),
        Some("one-time-code")
    );
    let asked = browser.execute("return window.asked", Vec::new()).await?;
    assert_eq!(asked, json!(["sms"]));
    let code = host.phone(ALICE).next_code().await?;
    let deliver = "window.deliver(arguments[0])";
    browser.execute(deliver, vec![json!(code)]).await?;
    browser
        .wait()
        .at_most(Duration::from_secs(10))
        .for_element(Locator::Css("form[action='/sign-out']"))
        .await?;
    Ok(())
}

/// Stands where the telephone's dialogue would: it keeps what was asked, and hands over what it is given.
const TELEPHONE: &str = "
    window.OTPCredential = function () {};
    navigator.credentials.get = (options) => {
        window.asked = options.otp.transport;
        return new Promise((resolve) => { window.deliver = (code) => resolve({ code }); });
    };
";

/// A command of Chromium's own, beside those every browser has.
#[derive(Debug)]
pub(crate) struct Devtools {
    pub(crate) command: &'static str,
    pub(crate) parameters: serde_json::Value,
}

impl WebDriverCompatibleCommand for Devtools {
    fn endpoint(
        &self,
        base: &url::Url,
        session: Option<&str>,
    ) -> Result<url::Url, url::ParseError> {
        let session = session.unwrap_or_default();
        base.join(&format!("session/{session}/goog/cdp/execute"))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        let body = json!({ "cmd": self.command, "params": self.parameters });
        (http::Method::POST, Some(body.to_string()))
    }
}

/// Nothing has to be scrolled sideways.
pub(crate) async fn fits(browser: &Client) -> Result<()> {
    let widths =
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]";
    let widths = browser.execute(widths, Vec::new()).await?;
    assert!(
        widths[0].as_u64() <= widths[1].as_u64(),
        "the page is wider than the window: {widths}"
    );
    Ok(())
}

pub(crate) async fn picture(browser: &Client, name: &str) -> Result<()> {
    let folder = paths::target()?.join("screenshots");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(
        folder.join(format!("{name}.png")),
        browser.screenshot().await?,
    )?;
    Ok(())
}

/// A chromedriver of this test's own; it ends with it.
pub(crate) struct Driver {
    child: Child,
    url: String,
}

impl Driver {
    pub(crate) async fn start() -> Result<Self> {
        let port = free_port()?;
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

    pub(crate) async fn browser(&self, width: u32, height: u32) -> Result<Client> {
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
