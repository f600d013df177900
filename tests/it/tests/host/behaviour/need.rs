//! Is a second factor needed, and where does the code go? Row by row, after a password and after an
//! identity provider.

use super::{EN, Scene, go_on, said, says};
use crate::PASSWORD;
use postern_kit::anyhow::Result;
use postern_kit::{Browser, Change, FederatedLogin, Page};

/// What a row leads to.
#[derive(Debug, Clone, Copy)]
enum Then {
    /// A code goes to the account's own number.
    SentToOwn,
    /// A code goes to the number that the identity provider delivered.
    SentToFederated,
    /// The number page, nothing sent.
    AskNumber,
    /// The login has ended with this sentence, nothing sent.
    Stopped(&'static str),
    /// Signed in without a second factor, nothing sent.
    SignedIn,
}

/// What the directory knows of the row's person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Account {
    None,
    WithNumber,
    WithoutNumber,
    OptedOut,
    /// By an administrator.
    Locked,
}

struct Row {
    case: &'static str,
    settings: &'static str,
    account: Account,
    /// The identity provider delivers a number.
    federated_number: Option<&'static str>,
    then: Then,
}

const fn row(case: &'static str, settings: &'static str, account: Account, then: Then) -> Row {
    Row {
        case,
        settings,
        account,
        federated_number: None,
        then,
    }
}

const MANDATORY: &str = "mandatory = true\nenable_by_user_claim = true";
const CLAIM_IGNORED: &str = "mandatory = true\nenable_by_user_claim = false";
const CAPTURE: &str = "mandatory = true\ncapture_and_update_mobile_number = true";
const OPTIONAL: &str = "mandatory = false\nenable_by_user_claim = true";
const OPTIONAL_CLAIM_IGNORED: &str = "mandatory = false\nenable_by_user_claim = false";
const OPTIONAL_CAPTURE: &str = "mandatory = false\ncapture_and_update_mobile_number = true";

/// Rows for people who have an account: after a password and after an identity provider alike.
fn with_account() -> Vec<Row> {
    use Account::{OptedOut, WithNumber, WithoutNumber};
    vec![
        row(
            "mandatory, opted out",
            MANDATORY,
            OptedOut,
            Then::Stopped(EN.stopped_opted_out),
        ),
        row(
            "mandatory, opted out, claim not looked at",
            CLAIM_IGNORED,
            OptedOut,
            Then::SentToOwn,
        ),
        row(
            "mandatory, number present",
            MANDATORY,
            WithNumber,
            Then::SentToOwn,
        ),
        row(
            "mandatory, no number",
            MANDATORY,
            WithoutNumber,
            Then::Stopped(EN.stopped_no_number),
        ),
        row(
            "mandatory, no number, capture",
            CAPTURE,
            WithoutNumber,
            Then::AskNumber,
        ),
        row(
            "mandatory, number present, capture",
            CAPTURE,
            WithNumber,
            Then::SentToOwn,
        ),
        row("optional, opted out", OPTIONAL, OptedOut, Then::SignedIn),
        row(
            "optional, opted out, claim not looked at",
            OPTIONAL_CLAIM_IGNORED,
            OptedOut,
            Then::SentToOwn,
        ),
        row(
            "optional, number present",
            OPTIONAL,
            WithNumber,
            Then::SentToOwn,
        ),
        row(
            "optional, no number",
            OPTIONAL,
            WithoutNumber,
            Then::Stopped(EN.stopped_no_number),
        ),
        row(
            "optional, no number, capture",
            OPTIONAL_CAPTURE,
            WithoutNumber,
            Then::AskNumber,
        ),
    ]
}

const FEDERATED_NUMBER: &str = "mandatory = true\nsend_otp_to_federated_mobile = true\nfederated_mobile_attribute_key = \"mobile\"";
const DIRECT_BEFORE_FEDERATED: &str = "mandatory = true\nsend_otp_directly_to_mobile = true\nsend_otp_to_federated_mobile = true\nfederated_mobile_attribute_key = \"mobile\"";
const DIRECT: &str = "mandatory = true\nsend_otp_directly_to_mobile = true";
const OPTIONAL_DIRECT: &str = "mandatory = false\nsend_otp_directly_to_mobile = true";

/// Rows that only an identity provider can lead to.
fn without_account() -> Vec<Row> {
    use Account::None as Nobody;
    let federated = |row: Row, number| Row {
        federated_number: Some(number),
        ..row
    };
    vec![
        row(
            "mandatory, no account, number to be typed",
            DIRECT,
            Nobody,
            Then::AskNumber,
        ),
        federated(
            row(
                "mandatory, no account, the provider's number",
                FEDERATED_NUMBER,
                Nobody,
                Then::SentToFederated,
            ),
            "+447700900900",
        ),
        federated(
            row(
                "mandatory, no account, typed before the provider's",
                DIRECT_BEFORE_FEDERATED,
                Nobody,
                Then::AskNumber,
            ),
            "+447700900901",
        ),
        row(
            "mandatory, no account, the provider has none",
            FEDERATED_NUMBER,
            Nobody,
            Then::Stopped(EN.stopped_no_federated_number),
        ),
        federated(
            row(
                "mandatory, no account, the provider's is blank",
                FEDERATED_NUMBER,
                Nobody,
                Then::Stopped(EN.stopped_no_federated_number),
            ),
            " ",
        ),
        federated(
            row(
                "mandatory, no account, the provider's not asked for",
                MANDATORY,
                Nobody,
                Then::Stopped(EN.stopped_no_account),
            ),
            "+447700900902",
        ),
        row(
            "mandatory, no account",
            MANDATORY,
            Nobody,
            Then::Stopped(EN.stopped_no_account),
        ),
        row("optional, no account", OPTIONAL, Nobody, Then::SignedIn),
        row(
            "optional, no account, number to be typed",
            OPTIONAL_DIRECT,
            Nobody,
            Then::SignedIn,
        ),
        row(
            "mandatory, locked account",
            MANDATORY,
            Account::Locked,
            Then::Stopped(EN.stopped_failed),
        ),
        row(
            "optional, locked account",
            OPTIONAL,
            Account::Locked,
            Then::Stopped(EN.stopped_failed),
        ),
        row(
            "locked account, the reason is told",
            "mandatory = false\nshow_auth_failure_reason = true",
            Account::Locked,
            Then::Stopped(EN.stopped_locked),
        ),
    ]
}

#[tokio::test]
async fn after_a_password_every_row_of_the_table_leads_where_it_should() -> Result<()> {
    let scene = Scene::new().await?;
    for row in with_account() {
        scene.set(row.settings).await?;
        let (name, number) = account(&scene, row.account).await?;
        let before = scene.messages();
        let mut browser = scene.host.browser();
        let page = browser.sign_in(&name, PASSWORD).await?;
        check(&scene, &row, &mut browser, page, &number, before).await?;
    }
    Ok(())
}

#[tokio::test]
async fn after_an_identity_provider_every_row_of_the_table_leads_where_it_should() -> Result<()> {
    let scene = Scene::with(|builder| builder.plugin("local")).await?;
    for row in with_account().into_iter().chain(without_account()) {
        scene.set(row.settings).await?;
        let (name, number) = account(&scene, row.account).await?;
        let before = scene.messages();
        let mut browser = scene.host.browser();
        let attributes = row
            .federated_number
            .map(|number| ("mobile".to_owned(), number.to_owned()));
        let said = FederatedLogin {
            attributes: attributes.into_iter().collect(),
            ..said(&name)
        };
        let page = scene.host.federated(&mut browser, said).await?;
        check(&scene, &row, &mut browser, page, &number, before).await?;
    }
    Ok(())
}

/// An account that an administrator locked looks, to whoever has its password, like a wrong one.
#[tokio::test]
async fn a_locked_account_gets_no_message_in_either_branch() -> Result<()> {
    let scene = Scene::new().await?;
    for settings in [MANDATORY, OPTIONAL] {
        scene.set(settings).await?;
        let (name, number) = account(&scene, Account::Locked).await?;
        let mut browser = scene.host.browser();
        let page = browser.sign_in(&name, PASSWORD).await?;
        says(settings, &page, EN.notice_password);
        assert_eq!(scene.messages_to(&number), 0, "{settings}");
    }
    Ok(())
}

async fn account(scene: &Scene, account: Account) -> Result<(String, String)> {
    let (name, number) = scene.somebody();
    let change = Change {
        number: (account != Account::WithoutNumber).then(|| Some(number.clone())),
        opted_out: Some(account == Account::OptedOut),
        locked: Some(account == Account::Locked),
        ..Change::default()
    };
    if account != Account::None {
        scene.host.add_person(&name, PASSWORD, change).await?;
    }
    Ok((name, number))
}

async fn check(
    scene: &Scene,
    row: &Row,
    browser: &mut Browser,
    page: Page,
    own: &str,
    before: u64,
) -> Result<()> {
    let case = row.case;
    let sent = scene.messages() - before;
    match row.then {
        Then::SentToOwn | Then::SentToFederated => {
            let number = match row.then {
                Then::SentToFederated => row.federated_number.unwrap_or_default(),
                _ => own,
            };
            assert!(page.asks_for_code(), "{case}: {}", page.text());
            assert_eq!(sent, 1, "{case}");
            assert!(
                !browser.open("/account").await?.is_account(),
                "{case}: half a login"
            );
            let code = scene.newest_code(number)?;
            let page = browser.enter_code(&page, &code).await?;
            assert!(page.is_account(), "{case}: {}", page.text());
        }
        Then::AskNumber => {
            assert!(page.asks_for_number(), "{case}: {}", page.text());
            assert_eq!(sent, 0, "{case}");
            assert!(
                !browser.open("/account").await?.is_account(),
                "{case}: half a login"
            );
        }
        Then::Stopped(sentence) => {
            says(case, &page, sentence);
            assert_eq!(sent, 0, "{case}");
            assert!(
                !browser.open("/account").await?.is_account(),
                "{case}: a way round"
            );
        }
        Then::SignedIn => {
            let page = go_on(browser, page).await?;
            assert!(page.is_account(), "{case}: {}", page.text());
            assert_eq!(sent, 0, "{case}");
        }
    }
    Ok(())
}
