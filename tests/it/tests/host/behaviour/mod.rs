//! The second step, branch by branch: the tables of what it must do as data, each row driven through
//! the whole host as a browser and a phone would. `tests/behaviour.md` maps every case to its test.
//!
//! One host a table: rows change the settings as a reload does, and each has people of its own.

mod backup;
mod code;
mod cost;
mod events;
mod first_step;
mod lock;
mod need;
mod number;
mod own_pages;
mod pages;
mod resend;
mod table;

use crate::PASSWORD;
use postern_kit::anyhow::{Context, Result, ensure};
use postern_kit::{Browser, Builder, Change, FederatedLogin, Page, Provider, TestClock, TestHost};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub(crate) use postern_kit::phone::another_code;
pub(crate) use postern_kit::postern_web::texts::EN;

/// What would stop a table of many people from one address: those limits have tests of their own.
const WIDE: &str = "[limits]
sends_per_address = 100000
sends_per_prefix = 1000000
sends_per_account = 100
sends_per_number = 100

[limits.conversion]
percent_min = 0
";

/// A host for a table.
pub(crate) struct Scene {
    pub(crate) host: TestHost,
    pub(crate) clock: TestClock,
    people: AtomicUsize,
}

impl Scene {
    pub(crate) async fn new() -> Result<Self> {
        Self::with(|builder| builder).await
    }

    pub(crate) async fn with(change: impl FnOnce(Builder) -> Builder) -> Result<Self> {
        Self::limited(WIDE, change).await
    }

    pub(crate) async fn limited(
        limits: &str,
        change: impl FnOnce(Builder) -> Builder,
    ) -> Result<Self> {
        let clock = TestClock::default();
        let builder = TestHost::builder()
            .provider(Provider::Outbox)
            .clock(clock.clone())
            .in_process()
            .config(limits);
        Ok(Self {
            host: change(builder).start().await?,
            clock,
            people: AtomicUsize::new(0),
        })
    }

    pub(crate) async fn set(&self, sms_otp: &str) -> Result<()> {
        self.host
            .set_sms_otp(sms_otp)
            .await
            .with_context(|| format!("settings:\n{sms_otp}"))
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// A name and a number nobody else of this scene has (+44 7700 900000 to 900999).
    pub(crate) fn somebody(&self) -> (String, String) {
        let n = self.people.fetch_add(1, Ordering::SeqCst);
        (format!("person{n}"), format!("+447700900{n:03}"))
    }

    /// A person with a number, in the directory.
    pub(crate) async fn person(&self) -> Result<(String, String)> {
        let (name, number) = self.somebody();
        self.host.add_user(&name, PASSWORD, &number).await?;
        Ok((name, number))
    }

    /// A person without one, who never had any.
    pub(crate) async fn person_without_number(&self) -> Result<String> {
        let (name, _) = self.somebody();
        self.host
            .add_person(&name, PASSWORD, Change::default())
            .await?;
        Ok(name)
    }

    /// Password given, code sent: the page that asks for it, and the code.
    pub(crate) async fn at_the_code(&self, name: &str, number: &str) -> Result<AtCode> {
        let mut browser = self.host.browser();
        let page = browser.sign_in(name, PASSWORD).await?;
        ensure!(page.asks_for_code(), "no code page: {}", page.text());
        let code = self.newest_code(number)?;
        Ok(AtCode {
            browser,
            page,
            code,
        })
    }

    pub(crate) fn newest_code(&self, number: &str) -> Result<String> {
        let message = self.host.outbox().newest_to(number);
        let message = message.with_context(|| format!("nothing was sent to {number}"))?;
        postern_kit::phone::code_in(&message.text).context("the message has no code")
    }

    pub(crate) fn messages_to(&self, number: &str) -> usize {
        self.host.phone(number).count()
    }

    /// The audit log as it is on the disk of a durable host.
    pub(crate) fn audit(&self) -> Result<Vec<Value>> {
        let file = self.host.installation.data().join("postern.db");
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let db = rusqlite::Connection::open_with_flags(file, flags)?;
        let mut statement =
            db.prepare("SELECT at, tenant, who, address, what FROM audit ORDER BY seq")?;
        let mut rows = statement.query([])?;
        let mut events = Vec::new();
        while let Some(row) = rows.next()? {
            let at: i64 = row.get(0)?;
            let text = |column: usize| row.get::<usize, Option<String>>(column);
            let what: Value = serde_json::from_str(&row.get::<usize, String>(4)?)?;
            events.push(json!({
                "at": at, "tenant": text(1)?, "who": text(2)?, "address": text(3)?, "what": what
            }));
        }
        Ok(events)
    }

    /// Everything that was sent to anybody.
    pub(crate) fn messages(&self) -> u64 {
        self.host.outbox().count()
    }
}

/// A browser in front of the code page.
pub(crate) struct AtCode {
    pub(crate) browser: Browser,
    pub(crate) page: Page,
    pub(crate) code: String,
}

impl AtCode {
    pub(crate) async fn enter(&mut self, code: &str) -> Result<Page> {
        let page = self.browser.enter_code(&self.page, code).await?;
        if page.asks_for_code() {
            self.page = page.clone();
        }
        Ok(page)
    }

    pub(crate) async fn enter_right(&mut self) -> Result<Page> {
        let code = self.code.clone();
        self.enter(&code).await
    }

    pub(crate) async fn enter_wrong(&mut self) -> Result<Page> {
        let wrong = another_code(&self.code);
        self.enter(&wrong).await
    }

    pub(crate) async fn ask_again(&mut self) -> Result<Page> {
        let page = self.browser.ask_for_another_code(&self.page).await?;
        if page.asks_for_code() {
            self.page = page.clone();
        }
        Ok(page)
    }
}

/// What an identity provider says of somebody.
pub(crate) fn said(subject: &str) -> FederatedLogin {
    FederatedLogin {
        tenant: postern_login::TenantId::super_tenant(),
        identity_provider: "idp".to_owned(),
        subject: subject.to_owned(),
        subject_identifier: subject.to_owned(),
        attributes: Vec::new(),
        settings: Vec::new(),
    }
}

/// The end of a step without a second factor, or of one whose answer was lost: on to the session.
pub(crate) async fn go_on(browser: &mut Browser, page: Page) -> Result<Page> {
    if page.has_form("/sign-in/finish") {
        return browser.submit(&page, "/sign-in/finish", &[]).await;
    }
    Ok(page)
}

/// Fails with the page's words if the sentence is not on it.
pub(crate) fn says(case: &str, page: &Page, sentence: &str) {
    assert!(
        page.text().contains(sentence),
        "{case}: expected `{sentence}`, the page says: {}",
        page.text()
    );
}
