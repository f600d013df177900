//! The command line, as an operator and a plugin author type it.

use crate::ALICE;
use postern_kit::sms_gateway::{Accounts, Answer, Behaviour, Gateway};
use postern_kit::{Installation, anyhow::Result, paths};
use std::net::SocketAddr;
use std::process::{Command, Output};

fn postern(arguments: &[&str]) -> Output {
    Command::new(paths::postern().unwrap())
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn every_shipped_plugin_is_described_and_holds_its_vectors() -> Result<()> {
    for entry in std::fs::read_dir(paths::plugins()?)? {
        let file = entry?.path();
        if file.extension().is_none_or(|found| found != "wasm") {
            continue;
        }
        let file = file.display().to_string();
        let inspected = postern(&["plugin", "inspect", &file, "--json"]);
        assert!(
            inspected.status.success(),
            "{file}: {}",
            text(&inspected.stderr)
        );
        let inspected: serde_json::Value = serde_json::from_slice(&inspected.stdout)?;
        assert!(inspected["refusal"].is_null(), "{file}: {inspected}");
        let tested = postern(&["plugin", "test", &file]);
        assert!(
            tested.status.success(),
            "{file}: {}{}",
            text(&tested.stdout),
            text(&tested.stderr)
        );
    }
    Ok(())
}

#[test]
fn plugin_try_shows_the_request_and_sends_nothing() -> Result<()> {
    let twilio = paths::plugins()?.join("twilio.wasm").display().to_string();
    let shown = postern(&[
        "plugin",
        "try",
        &twilio,
        "--setting",
        "account_sid=AC0123456789abcdef0123456789abcdef",
        "--setting",
        "from=+15005550006",
        "--secret",
        "auth_token=x",
    ]);
    assert!(shown.status.success(), "{}", text(&shown.stderr));
    let request = text(&shown.stdout);
    assert!(
        request.starts_with("POST https://api.twilio.com/2010-04-01/Accounts/"),
        "{request}"
    );
    assert!(request.contains("To=%2B12025550123"), "{request}");
    Ok(())
}

/// The whole conversation, for real: what was shown is what arrived, and no credential is shown.
#[tokio::test(flavor = "multi_thread")]
async fn plugin_try_with_send_sends_and_says_what_came_of_it() -> Result<()> {
    let gateway = Gateway::default();
    let running = gateway.start(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let accounts = Accounts::default();
    let twilio = paths::plugins()?.join("twilio.wasm").display().to_string();
    let settings = [
        format!("account_sid={}", accounts.twilio_sid),
        "from=+15005550006".to_owned(),
        format!("base_url={}", running.origin()),
    ];
    let token = format!("auth_token={}", accounts.twilio_token);
    let origin = running.origin();
    let mut arguments = vec!["plugin", "try", &twilio, "--send", "--to", ALICE];
    arguments.extend(["--text", "Your code is 918273.", "--secret", &token]);
    for setting in &settings {
        arguments.extend(["--setting", setting]);
    }

    let refused = postern(&arguments);
    assert!(
        !refused.status.success(),
        "it is an address of this machine"
    );
    assert!(
        text(&refused.stderr).contains("127.0.0.1"),
        "{}",
        text(&refused.stderr)
    );
    assert_eq!(gateway.phone().count(), 0);

    arguments.push("--allow-private-networks");
    let sent = postern(&arguments);
    let said = text(&sent.stdout);
    assert!(sent.status.success(), "{said}{}", text(&sent.stderr));
    assert!(
        said.starts_with(&format!("POST {origin}/2010-04-01/Accounts/")),
        "{said}"
    );
    assert!(
        said.trim_end()
            .lines()
            .last()
            .unwrap()
            .starts_with("accepted, id "),
        "{said}"
    );
    assert!(!said.contains(&accounts.twilio_token), "{said}");
    let arrived = gateway.phone().messages(None);
    assert_eq!(arrived.len(), 1);
    assert_eq!(arrived[0].text, "Your code is 918273.");

    gateway.behave(Behaviour {
        answer: Answer::BadRecipient,
        ..Behaviour::default()
    });
    let refused = postern(&arguments);
    assert!(!refused.status.success());
    assert!(
        text(&refused.stderr).contains("InvalidRecipient"),
        "{}",
        text(&refused.stderr)
    );
    Ok(())
}

#[test]
fn the_initial_configuration_is_in_order_but_for_its_sender() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("postern.toml").display().to_string();
    assert!(postern(&["config", "init", &file]).status.success());
    assert!(
        !postern(&["config", "init", &file]).status.success(),
        "an existing file is never overwritten"
    );
    let checked = postern(&["check-config", "--config", &file]);
    let said = text(&checked.stderr);
    assert!(said.contains("no sender is named"), "{said}");
    Ok(())
}

#[test]
fn check_config_names_every_problem_and_exits_with_one() -> Result<()> {
    let installation = Installation::lay_out(
        &[],
        "[sms_otp]\nsenders = [\"nobody\"]\ntoken_length = 4\ntoken_expiry_time = 900\nmandatry = true\n\
         [sender.ghost]\nplugin = \"ghost\"\n",
    )?;
    let config = installation.config().display().to_string();
    let checked = postern(&["check-config", "--config", &config]);
    assert_eq!(checked.status.code(), Some(1));
    let said = text(&checked.stderr);
    for key in [
        "sms_otp.token_length",
        "sms_otp.token_expiry_time",
        "sms_otp.mandatry",
        "sms_otp.senders",
        // What the plugins say of their senders is not kept for later.
        "sender.ghost",
    ] {
        assert!(said.contains(key), "{key} is missing in:\n{said}");
    }
    assert!(said.contains("did you mean `mandatory`?"), "{said}");
    Ok(())
}

#[test]
fn a_resolver_is_told_that_it_has_no_message_to_try() -> Result<()> {
    let file = paths::plugins()?.join("local.wasm");
    let tried = postern(&[
        "plugin",
        "try",
        &file.display().to_string(),
        "--to",
        "+12025550142",
    ]);
    assert!(!tried.status.success());
    let said = text(&tried.stderr);
    assert!(said.contains("is a user-resolver"), "{said}");
    Ok(())
}

#[test]
fn a_password_is_never_an_argument() {
    let help = text(&postern(&["user", "add", "--help"]).stdout);
    assert!(!help.contains("--password "), "{help}");
}

/// The secret is where the host runs, not in the shell of whoever adds a user.
#[test]
fn a_sender_without_its_secret_keeps_nobody_from_the_store() -> Result<()> {
    let installation = Installation::lay_out(
        &["twilio"],
        "[sender.tw]\nplugin = \"twilio\"\n\
         settings = { account_sid = \"AC0123456789abcdef0123456789abcdef\", from = \"+15005550006\", \
         auth_token = { env = \"POSTERN_NOT_SET_ANYWHERE\" } }\n",
    )?;
    installation.add_user("alice", "correct horse battery", "+12025550142")?;
    assert!(
        installation
            .postern(&["user", "list"], "")?
            .contains("alice")
    );
    let refused = installation.postern(&["check-config"], "").unwrap_err();
    let refused = refused.to_string();
    assert!(refused.contains("POSTERN_NOT_SET_ANYWHERE"), "{refused}");
    Ok(())
}

#[test]
fn users_and_clients_can_be_managed_while_no_host_runs() -> Result<()> {
    let installation = Installation::lay_out(&[], "")?;
    installation.add_user("alice", "correct horse battery", "+12025550142")?;
    let listed = installation.postern(&["user", "list"], "")?;
    assert!(
        listed.contains("alice") && listed.contains("0142") && !listed.contains("12025550142"),
        "{listed}"
    );
    let again = installation.postern(&["user", "add", "alice"], "correct horse battery");
    let again = again.unwrap_err().to_string();
    assert!(again.contains("there is a user `alice` already"), "{again}");
    let token = installation.add_client("shop")?;
    assert!(token.starts_with("postern_"));
    assert!(
        installation
            .postern(&["client", "list"], "")?
            .contains("shop")
    );
    installation.postern(&["client", "revoke", "shop"], "")?;
    assert!(
        !installation
            .postern(&["client", "list"], "")?
            .contains("shop")
    );
    Ok(())
}
