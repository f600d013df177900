//! The pages few people see, in a real browser: a number that is asked for, a sign-in that stopped, backup
//! codes, another number. At the width of a phone and of a desk, by day and by night; what it shows lies
//! under `target/screenshots` afterwards.

use crate::browser::{Devtools, Driver, fits, picture};
use crate::{ALICE, BOB, PASSWORD};
use fantoccini::{Client, Locator};
use postern_kit::anyhow::Result;
use postern_kit::phone::another_code;
use postern_kit::{Change, Provider, TestHost};
use serde_json::json;
use std::time::Duration;

const ANOTHER: &str = "+12025550151";

#[tokio::test(flavor = "multi_thread")]
async fn the_rarer_pages_fit_a_phone_and_can_be_read_in_the_light() -> Result<()> {
    look("phone", 390, 844, "light").await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rarer_pages_fit_a_phone_and_can_be_read_in_the_dark() -> Result<()> {
    look("phone", 390, 844, "dark").await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rarer_pages_fit_a_desk_and_can_be_read_in_the_light() -> Result<()> {
    look("desktop", 1280, 800, "light").await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rarer_pages_fit_a_desk_and_can_be_read_in_the_dark() -> Result<()> {
    look("desktop", 1280, 800, "dark").await
}

async fn look(device: &str, width: u32, height: u32, scheme: &'static str) -> Result<()> {
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .sms_otp("capture_and_update_mobile_number = true")
        .config("[limits]\nattempts_per_challenge = 1\n")
        .start()
        .await?;
    host.add_person("nina", PASSWORD, Change::default()).await?;
    host.add_user("stan", PASSWORD, ALICE).await?;
    let driver = Driver::start().await?;
    let browser = driver.browser(width, height).await?;
    let walk = Walk {
        browser: &browser,
        host: &host,
        name: format!("{device}-{scheme}"),
        scheme,
    };
    let outcome = walk.whole().await;
    browser.close().await?;
    outcome
}

struct Walk<'a> {
    browser: &'a Client,
    host: &'a TestHost,
    name: String,
    scheme: &'static str,
}

impl Walk<'_> {
    async fn whole(&self) -> Result<()> {
        let scheme = Devtools {
            command: "Emulation.setEmulatedMedia",
            parameters: json!({
                "features": [{ "name": "prefers-color-scheme", "value": self.scheme }],
            }),
        };
        self.browser.issue_cmd(scheme).await?;

        // Nina has no number: it is asked for, and its code signs her in.
        self.sign_in("nina").await?;
        self.seen("input[name=mobile]", "number").await?;
        self.type_into("input[name=mobile]", BOB).await?;
        self.seen("input[name=code]", "number-code").await?;
        self.type_code(BOB).await?;
        self.seen("form[action='/sign-out']", "account").await?;

        self.press("form[action='/account/backup-codes'] button")
            .await?;
        self.seen("ol.codes", "backup-codes").await?;
        let codes = self.browser.find_all(Locator::Css("ol.codes li")).await?;
        assert_eq!(codes.len(), 10);
        self.press("main a.button").await?;

        self.press("a[href='/account/number']").await?;
        self.seen("input[name=mobile]", "change-number").await?;
        self.type_into("input[name=mobile]", ANOTHER).await?;
        self.seen("input[name=code]", "change-number-code").await?;
        self.type_code(ANOTHER).await?;
        self.seen(".notice.calm", "number-changed").await?;
        self.browser.delete_all_cookies().await?;

        // Stan has one attempt, and it is wrong.
        self.sign_in("stan").await?;
        self.wait_for("input[name=code]").await?;
        let code = self.host.phone(ALICE).next_code().await?;
        let wrong = another_code(&code);
        self.type_into("input[name=code]", &wrong).await?;
        self.seen("form[action='/sign-in/abandon'] .button", "stopped")
            .await
    }

    async fn sign_in(&self, who: &str) -> Result<()> {
        let address = format!("{}/sign-in", self.host.origin());
        self.browser.goto(&address).await?;
        let name = self.wait_for("input[name=username]").await?;
        name.send_keys(who).await?;
        self.type_into("input[name=password]", PASSWORD).await
    }

    async fn type_code(&self, number: &str) -> Result<()> {
        let code = self.host.phone(number).next_code().await?;
        self.type_into("input[name=code]", &code).await
    }

    /// Types it and sends the form, as the return key does.
    async fn type_into(&self, field: &str, text: &str) -> Result<()> {
        let field = self.wait_for(field).await?;
        field.send_keys(&format!("{text}\n")).await?;
        Ok(())
    }

    async fn press(&self, what: &str) -> Result<()> {
        self.wait_for(what).await?.click().await?;
        Ok(())
    }

    async fn wait_for(&self, what: &str) -> Result<fantoccini::elements::Element> {
        let wait = self.browser.wait().at_most(Duration::from_secs(10));
        Ok(wait.for_element(Locator::Css(what)).await?)
    }

    /// The page that has `mark` is there: it fits, can be read, and has the colours that were asked for.
    async fn seen(&self, mark: &str, page: &str) -> Result<()> {
        self.wait_for(mark).await?;
        picture(self.browser, &format!("{}-{page}", self.name)).await?;
        fits(self.browser).await?;
        let found = self.browser.execute(JUDGE, Vec::new()).await?;
        assert_eq!(found["faint"], json!([]), "{} {page}", self.name);
        assert!(found["texts"].as_u64() > Some(3), "{found}");
        let dark = self.scheme == "dark";
        assert_eq!(found["dark"], json!(dark), "{} {page}", self.name);
        Ok(())
    }
}

/// Looks at every text that is shown, and at what is typed into fields. WCAG 2.2, 1.4.3: the contrast to
/// what lies behind is at least 4.5, or 3 for large letters; what cannot be used is excepted.
const JUDGE: &str = r#"
const parse = (colour) => {
    const [red, green, blue, alpha = 1] = colour.match(/[\d.]+/g).map(Number);
    return [red, green, blue, alpha];
};
const over = (front, back) => {
    const mixed = [0, 1, 2].map((i) => front[i] * front[3] + back[i] * (1 - front[3]));
    return [...mixed, 1];
};
const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
        const layer = parse(getComputedStyle(at).backgroundColor);
        layers.push(layer);
        if (layer[3] === 1) break;
    }
    const canvas = [255, 255, 255, 1];
    return layers.reduceRight((back, front) => over(front, back), canvas);
};
const luminance = (colour) => {
    const [red, green, blue] = colour.slice(0, 3).map((part) => {
        const share = part / 255;
        return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const contrast = (one, other) => {
    const [dim, bright] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (bright + 0.05) / (dim + 0.05);
};
const hasText = (element) =>
    element.matches('input:not([type=hidden])') ||
    [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
const shown = [...document.body.querySelectorAll('*')].filter(
    (element) => hasText(element) && !element.matches(':disabled') && element.getClientRects().length);
const faint = [];
for (const element of shown) {
    const style = getComputedStyle(element);
    const back = behind(element);
    const ratio = contrast(over(parse(style.color), back), back);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) {
        faint.push(`${element.tagName} ${element.textContent.trim()}: ${ratio.toFixed(2)}`);
    }
}
const page = parse(getComputedStyle(document.body).backgroundColor);
return { faint, texts: shown.length, dark: luminance(page) < 0.2 };
"#;
