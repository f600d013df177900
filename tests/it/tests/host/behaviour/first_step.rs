//! Who is it, and is it anybody at all: the first step, the rules that map a federated person to an
//! account, and the second factor asked for without a first.

use super::{EN, Scene, another_code, go_on, said, says};
use crate::PASSWORD;
use postern_admin::Password;
use postern_kit::anyhow::{Context, Result};
use postern_kit::{Change, FederatedLogin};
use postern_login::begin::ClientFacts;
use postern_login::{LoginId, Step};
use std::collections::BTreeMap;

/// Case 5, 6, 29 and first-factor use: a code, a wish for one, a number, before anybody has signed in.
#[tokio::test]
async fn a_second_factor_without_a_first_is_refused_politely() -> Result<()> {
    let scene = Scene::new().await?;
    let (name, _) = scene.person().await?;
    for (action, field) in [
        ("/sign-in/code", ("code", "123456")),
        ("/sign-in/resend", ("resendCode", "true")),
        ("/sign-in/number", ("mobile", "+447700900999")),
        ("/sign-in/backup-code", ("backup_code", "ABCDEFGHJK")),
    ] {
        let mut browser = scene.host.browser();
        let page = browser.open("/sign-in").await?;
        let fields = [("username", name.as_str()), field];
        let page = browser
            .submit_as(&page, "/sign-in/password", action, &fields)
            .await?;
        assert!(page.asks_for_password(), "{action}: {}", page.text());
        says(action, &page, EN.notice_first_step);
    }
    assert_eq!(scene.messages(), 0);
    Ok(())
}

/// U-04: a tenant is never read from a name, nor a name from a path.
#[tokio::test]
async fn a_name_says_nothing_but_who_it_is() -> Result<()> {
    let scene = Scene::new().await?;
    let (name, _) = scene.person().await?;
    scene
        .host
        .add_user("bob@shop.example", PASSWORD, "+447700900998")
        .await?;
    let huge = "a".repeat(1 << 20);
    for typed in [
        format!("{name}@carbon.super"),
        format!("{name}@carbon.super@carbon.super"),
        format!("carbon.super!{name}"),
        format!("OTHER/{name}"),
        format!("{name}/"),
        format!("../{name}"),
        String::new(),
        "bob".to_owned(),
        "bob@shop.example@shop.example".to_owned(),
        huge,
    ] {
        let page = scene.host.browser().sign_in(&typed, PASSWORD).await?;
        assert!(!page.asks_for_code(), "{:.40}: {}", typed, page.text());
    }
    assert_eq!(scene.messages(), 0);
    // An address is a name like any other; `PRIMARY/` says the first store.
    for (typed, number) in [
        ("bob@shop.example".to_owned(), "+447700900998".to_owned()),
        (
            format!("PRIMARY/{name}"),
            scene_number(&scene, &name).await?,
        ),
    ] {
        scene.at_the_code(&typed, &number).await?;
    }
    Ok(())
}

async fn scene_number(scene: &Scene, name: &str) -> Result<String> {
    Ok(scene.host.number_of(name).await?.unwrap_or_default())
}

struct Row {
    case: &'static str,
    settings: &'static str,
    said: FederatedLogin,
    /// Whose number gets the code; `None`: nobody was found.
    account: Option<&'static str>,
}

/// Table of the use cases: which account a federated person is.
#[tokio::test]
async fn every_use_case_finds_the_account_it_should() -> Result<()> {
    let scene = Scene::with(|builder| {
        builder
            .plugin("local")
            .plugin("association")
            .plugin("user-attribute")
            .plugin("subject-uri")
    })
    .await?;
    let mut numbers = BTreeMap::new();
    for name in ["ann", "ben", "cat"] {
        let (_, number) = scene.somebody();
        scene.host.add_user(name, PASSWORD, &number).await?;
        numbers.insert(name, number);
    }
    scene.host.link("ben", "idp", "sub-7").await?;

    let with = |subject: &str, identifier: &str, attributes: &[(&str, &str)]| FederatedLogin {
        subject_identifier: identifier.to_owned(),
        attributes: attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..said(subject)
    };
    let other_provider = |login: FederatedLogin| FederatedLogin {
        identity_provider: "other".to_owned(),
        ..login
    };
    let email: &[(&str, &str)] = &[("email", "cat"), ("http://claims/screen", "ann")];
    let rows = vec![
        Row {
            case: "unset is local",
            settings: "",
            said: said("ann"),
            account: Some("ann"),
        },
        Row {
            case: "blank is local",
            settings: "usecase = \"\"",
            said: said("ann"),
            account: Some("ann"),
        },
        Row {
            case: "local, unknown",
            settings: "usecase = \"local\"",
            said: said("nobody"),
            account: None,
        },
        Row {
            case: "local takes no attribute",
            settings: "usecase = \"local\"",
            said: with("nobody", "ann", email),
            account: None,
        },
        Row {
            case: "association",
            settings: "usecase = \"association\"",
            said: said("sub-7"),
            account: Some("ben"),
        },
        Row {
            case: "association, unknown subject",
            settings: "usecase = \"association\"",
            said: said("sub-8"),
            account: None,
        },
        Row {
            case: "association of another provider",
            settings: "usecase = \"association\"",
            said: other_provider(said("sub-7")),
            account: None,
        },
        Row {
            case: "association takes no equal name",
            settings: "usecase = \"association\"",
            said: said("ben"),
            account: None,
        },
        Row {
            case: "attribute",
            settings: "usecase = \"userAttribute\"\nuser_attribute = \"email\"",
            said: with("x", "y", email),
            account: Some("cat"),
        },
        Row {
            case: "attribute by claim",
            settings: "usecase = \"userAttribute\"\nuser_attribute = \"http://claims/screen\"",
            said: with("x", "y", email),
            account: Some("ann"),
        },
        Row {
            case: "attribute that was not delivered",
            settings: "usecase = \"userAttribute\"\nuser_attribute = \"id\"",
            said: with("ann", "ann", email),
            account: None,
        },
        Row {
            case: "attribute that is blank",
            settings: "usecase = \"userAttribute\"\nuser_attribute = \"id\"",
            said: with("ann", "ann", &[("id", "")]),
            account: None,
        },
        Row {
            case: "subject identifier",
            settings: "usecase = \"subjectUri\"",
            said: with("x", "ben", &[]),
            account: Some("ben"),
        },
        Row {
            case: "subject identifier, unknown",
            settings: "usecase = \"subjectUri\"",
            said: with("ben", "x", &[]),
            account: None,
        },
    ];
    for row in rows {
        for mandatory in [true, false] {
            let case = format!("{}, mandatory: {mandatory}", row.case);
            scene
                .set(&format!("mandatory = {mandatory}\n{}", row.settings))
                .await?;
            let before = scene.messages();
            let mut browser = scene.host.browser();
            let page = scene.host.federated(&mut browser, row.said.clone()).await?;
            match row.account {
                Some(name) => {
                    assert!(page.asks_for_code(), "{case}: {}", page.text());
                    let number = &numbers[name];
                    let code = scene.newest_code(number)?;
                    let page = browser.enter_code(&page, &code).await?;
                    assert!(page.is_account(), "{case}: {}", page.text());
                }
                None if mandatory => says(&case, &page, EN.stopped_no_account),
                None => assert!(page.has_form("/sign-in/finish"), "{case}: {}", page.text()),
            }
            let sent = u64::from(row.account.is_some());
            assert_eq!(scene.messages() - before, sent, "{case}");
            scene.pass(700);
        }
    }
    Ok(())
}

/// A rule that is missing or breaks is a refusal, never "nobody", which could mean no second factor.
#[tokio::test]
async fn a_use_case_without_its_plugin_lets_nobody_in() -> Result<()> {
    let scene = Scene::new().await?;
    scene.set("mandatory = false\nusecase = \"local\"").await?;
    let mut browser = scene.host.browser();
    let page = scene.host.federated(&mut browser, said("ann")).await?;
    says("no plugin", &page, EN.stopped_no_account);
    assert!(!browser.open("/account").await?.is_account());
    Ok(())
}

/// The second factor changes nothing about who it is: the subject stays the first step's.
#[tokio::test]
async fn wrong_codes_after_either_first_step_are_counted_together() -> Result<()> {
    let scene = Scene::with(|builder| builder.plugin("local")).await?;
    let (name, number) = scene.person().await?;
    let mut at = scene.at_the_code(&name, &number).await?;
    let (form, wrong) = (at.page.clone(), another_code(&at.code));
    for _ in 0..5 {
        at.browser.enter_code(&form, &wrong).await?;
    }
    let mut browser = scene.host.browser();
    let page = scene.host.federated(&mut browser, said(&name)).await?;
    assert!(page.asks_for_code(), "{}", page.text());
    for _ in 0..5 {
        browser
            .enter_code(&page, &another_code(&scene.newest_code(&number)?))
            .await?;
    }
    let page = scene.host.browser().sign_in(&name, PASSWORD).await?;
    says("locked", &page, EN.stopped_failed);
    Ok(())
}

/// An account of one organisation in the sign-in of another.
#[tokio::test]
async fn somebody_of_another_tenant_is_told_to_go_there() -> Result<()> {
    let scene = Scene::with(|builder| builder.plugin("local")).await?;
    let (name, _) = scene.person().await?;
    let elsewhere = FederatedLogin {
        tenant: postern_login::TenantId::parse("other.example")?,
        ..said(&name)
    };
    let mut browser = scene.host.browser();
    let page = scene.host.federated(&mut browser, elsewhere).await?;
    says("elsewhere", &page, EN.stopped_tenant);
    assert_eq!(scene.messages(), 0);
    assert!(!browser.open("/account").await?.is_account());
    Ok(())
}

/// Case 79: a claim that says false is no opting out.
#[tokio::test]
async fn a_claim_that_says_false_disables_nothing() -> Result<()> {
    let scene = Scene::new().await?;
    let (name, number) = scene.somebody();
    let change = Change {
        number: Some(Some(number.clone())),
        opted_out: Some(false),
        ..Change::default()
    };
    scene.host.add_person(&name, PASSWORD, change).await?;
    scene
        .set("mandatory = false\nenable_by_user_claim = true")
        .await?;
    scene.at_the_code(&name, &number).await?;
    Ok(())
}

/// B-01: a new password ends a sign-in that needs no code and has not opened its session yet.
#[tokio::test]
async fn a_new_password_ends_a_sign_in_that_needs_no_code() -> Result<()> {
    let scene = Scene::with(|builder| builder.plugin("local")).await?;
    scene.set("mandatory = false").await?;
    for changes in [false, true] {
        let (name, number) = scene.somebody();
        let opted_out = Change {
            number: Some(Some(number)),
            opted_out: Some(true),
            ..Change::default()
        };
        scene.host.add_person(&name, PASSWORD, opted_out).await?;
        let mut browser = scene.host.browser();
        let page = scene.host.federated(&mut browser, said(&name)).await?;
        assert!(page.has_form("/sign-in/finish"), "{}", page.text());
        if changes {
            let change = Change {
                password: Some(Password::new("another one altogether".to_owned())),
                ..Change::default()
            };
            scene.host.change_user(&name, change).await?;
        }
        let page = go_on(&mut browser, page).await?;
        assert_eq!(page.is_account(), !changes, "{}", page.text());
    }
    Ok(())
}

/// B-01: so does a lock, and neither minds that the code was right.
#[tokio::test]
async fn a_new_password_and_a_lock_end_a_sign_in_whose_code_was_right() -> Result<()> {
    let scene = Scene::new().await?;
    let locked = Change {
        locked: Some(true),
        ..Change::default()
    };
    let password = Change {
        password: Some(Password::new("another one altogether".to_owned())),
        ..Change::default()
    };
    let client = ClientFacts {
        address: "127.0.0.1".to_owned(),
        user_agent: "test".to_owned(),
        locale: "en".to_owned(),
    };
    for change in [None, Some(locked), Some(password)] {
        let (name, number) = scene.person().await?;
        let mut at = scene.at_the_code(&name, &number).await?;
        let mut cookies = at.browser.cookies().iter();
        let login = cookies.find(|(name, _)| name.contains("postern-login-"));
        let id = login.and_then(|(_, id)| LoginId::parse(id));
        let id = id.context("the browser has no login")?;
        // As if the answer to the code had been lost: the session is not open yet.
        let logins = &scene.host.host().parts.logins;
        let moved = logins.submit_code(&id, &at.code, &client).await?;
        assert_eq!(moved.step, Step::Authenticated);
        let lets_in = change.is_none();
        if let Some(change) = change {
            scene.host.change_user(&name, change).await?;
        }
        let page = at.browser.open("/sign-in").await?;
        assert_eq!(page.has_form("/sign-in/finish"), lets_in, "{}", page.text());
        if !lets_in {
            // Nor does the page tell a lock from a new password.
            says("ended", &page, EN.stopped_overtaken);
        }
        let page = go_on(&mut at.browser, page).await?;
        assert_eq!(page.is_account(), lets_in, "{}", page.text());
    }
    Ok(())
}
