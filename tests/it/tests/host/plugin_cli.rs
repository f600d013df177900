//! The command line, as an operator and a plugin author type it.

use crate::ALICE;
use crate::hot_swap::with_a_false_default;
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
        // The whole suite runs in `conformance`.
        let tested = postern(&["plugin", "test", &file, "--at-admission"]);
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
fn plugin_test_names_each_rule_and_the_case_that_breaks_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let whole = std::fs::read(paths::plugins()?.join("twilio.wasm"))?;
    let file = folder.path().join("twilio.wasm");
    std::fs::write(&file, with_a_false_default(&whole))?;
    let file = file.display().to_string();
    for arguments in [
        ["plugin", "test", &file].as_slice(),
        &["plugin", "test", &file, "--at-admission"],
    ] {
        let tested = postern(arguments);
        assert!(!tested.status.success());
        let said = text(&tested.stdout);
        for line in [
            "ok      a queued message is accepted",
            "ok      the same input gives the same answer",
            "FAILED  the manifest says what the code does",
            "a default in plugin.toml is not the code's",
        ] {
            assert!(said.contains(line), "{line}: {said}");
        }
    }
    Ok(())
}

#[test]
fn plugin_inspect_prints_the_kinds_and_the_choices_that_its_json_has() -> Result<()> {
    let twilio = paths::plugins()?.join("twilio.wasm").display().to_string();
    let inspected = postern(&["plugin", "inspect", &twilio]);
    assert!(inspected.status.success(), "{}", text(&inspected.stderr));
    let shown = text(&inspected.stdout);
    for (name, expected) in [
        ("kind", "sms-provider"),
        ("account_sid", "text, required"),
        ("auth_token", "text, required, secret"),
        ("api", "one of current | legacy, default current"),
        ("validity_period", "boolean, default true"),
        ("base_url", "url, default https://api.twilio.com"),
    ] {
        let row = shown
            .lines()
            .find(|line| line.split_whitespace().next() == Some(name));
        assert!(
            row.is_some_and(|row| row.contains(expected)),
            "`{name}` is not `{expected}`: {shown}"
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

#[test]
fn a_password_that_is_piped_in_twice_is_nobodys() -> Result<()> {
    let installation = Installation::lay_out(&[], "")?;
    installation.add_user("alice", "correct horse battery\n", "+12025550142")?;
    let twice = "another password\nanother password\n";
    for act in [["user", "add", "bob"], ["user", "passwd", "alice"]] {
        let refused = installation.postern(&act, twice).unwrap_err().to_string();
        assert!(refused.contains("more than one line"), "{refused}");
    }
    let listed = installation.postern(&["user", "list"], "")?;
    assert!(listed.contains("alice") && !listed.contains("bob"));
    Ok(())
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

/// From nothing to a plugin that a host admits, in a folder that knows nothing of this repository: the
/// program carries what it takes.
#[test]
fn a_plugin_is_made_built_and_tested_anywhere() -> Result<()> {
    let elsewhere = tempfile::tempdir()?;
    let kept = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugins-elsewhere");
    for kind in ["sms-provider", "user-resolver"] {
        let name = format!("made-{kind}");
        let run = |folder: &std::path::Path, arguments: &[&str]| -> Result<String> {
            let output = Command::new(paths::postern()?)
                .current_dir(folder)
                .env("CARGO_TARGET_DIR", &kept)
                .args(arguments)
                .output()?;
            let trouble = text(&output.stderr);
            assert!(output.status.success(), "{arguments:?}: {trouble}");
            Ok(text(&output.stdout))
        };
        run(elsewhere.path(), &["plugin", "new", &name, "--kind", kind])?;
        let folder = elsewhere.path().join(&name);
        // The versions that were tried; whoever makes a plugin gets the newest ones.
        std::fs::copy(
            paths::workspace().join("Cargo.lock"),
            folder.join("Cargo.lock"),
        )?;
        run(&folder, &["plugin", "build"])?;
        let file = format!("{name}.wasm");
        run(&folder, &["plugin", "test", &file])?;
        let inspected = run(&folder, &["plugin", "inspect", &file, "--json"])?;
        let inspected: serde_json::Value = serde_json::from_str(&inspected)?;
        assert_eq!(inspected["manifest"]["kind"], kind, "{inspected}");
        assert!(inspected["refusal"].is_null(), "{inspected}");
        assert!(
            !folder.join("target").exists(),
            "what was built went where it was told to"
        );
    }
    Ok(())
}

#[test]
fn a_user_is_found_and_shown_at_the_command_line_as_on_the_page() -> Result<()> {
    let installation = Installation::lay_out(&[], "")?;
    installation.add_user("alice", "correct horse battery", ALICE)?;
    installation.add_user("bob", "correct horse battery", "+12025550143")?;
    for (search, found) in [("ALI", "alice"), ("0143", "bob")] {
        let listed = installation.postern(&["user", "list", "--search", search, "--json"], "")?;
        let listed: serde_json::Value = serde_json::from_str(&listed)?;
        let names: Vec<_> = listed.as_array().into_iter().flatten().collect();
        assert_eq!(names.len(), 1, "{search}: {listed}");
        assert_eq!(names[0]["name"], found, "{search}");
    }
    let listed = installation.postern(&["user", "list", "--search", "carol"], "")?;
    assert_eq!(listed, "");

    installation.postern(&["user", "backup-codes", "alice"], "")?;
    installation.postern(&["user", "lock", "alice"], "")?;
    installation.postern(&["admin", "appoint", "bob"], "")?;
    let alice = installation.postern(&["user", "show", "alice"], "")?;
    for shown in [
        "0142",
        "locked by an administrator",
        "backup codes left  10",
    ] {
        assert!(alice.contains(shown), "{shown}: {alice}");
    }
    assert!(!alice.contains(ALICE), "the number is masked: {alice}");
    let bob = installation.postern(&["user", "show", "bob", "--json"], "")?;
    let bob: serde_json::Value = serde_json::from_str(&bob)?;
    assert_eq!(bob["role"], "administrator", "{bob}");
    assert_eq!(bob["codes_locked"], false, "{bob}");
    assert_eq!(bob["backup_codes_left"], 0, "{bob}");
    let nobody = installation.postern(&["user", "show", "nobody"], "");
    let nobody = nobody.unwrap_err().to_string();
    assert!(nobody.contains("there is no user `nobody`"), "{nobody}");
    Ok(())
}

/// The same table as on the page *Claims*.
#[tokio::test]
async fn what_a_login_reads_of_a_person_is_told_at_the_command_line() -> Result<()> {
    let installation = Installation::lay_out(
        &["fake"],
        "[outbox]\nenabled = true\n[sender.outbox]\nplugin = \"fake\"\n[plugins]\nisolation = \"in-process\"\n[sms_otp]\nsenders = [\"outbox\"]\n",
    )?;
    let process = installation.serve().await?;
    let listed = installation.postern(&["claim", "list"], "")?;
    for shown in [
        "openid",
        "http://wso2.org/claims/mobile",
        "PRIMARY: Postern",
    ] {
        assert!(listed.contains(shown), "{shown}: {listed}");
    }
    let listed = installation.postern(&["claim", "list", "--json"], "")?;
    let listed: serde_json::Value = serde_json::from_str(&listed)?;
    for part in ["definitions", "meanings"] {
        let rows = listed[part].as_array();
        assert!(
            rows.is_some_and(|rows| !rows.is_empty()),
            "{part}: {listed}"
        );
    }
    process.terminate().map(drop)
}
