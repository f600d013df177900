//! The test outbox on a running host, as a tester uses it: what was sent is read and what comes next is
//! chosen, at the command line and by a script.

use crate::ALICE;
use http::Request;
use postern_kit::anyhow::{Result, ensure};
use postern_kit::http::{Answer, exchange};
use postern_kit::{Api, Installation};
use serde_json::json;

/// The file goes on after `[server]`.
pub(crate) const TOKEN: &str = "admin_token = \"0123456789abcdef0123456789abcdef\"";
const OUTBOX: &str = r#"
[outbox]
[sender.fake]
plugin = "fake"
[sender.second]
plugin = "fake"
[sms_otp]
senders = ["fake", "second"]
default_region = "US"
"#;

/// Neither may go unnoticed where real people sign in.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_the_outbox_on_or_over_plain_http_says_so() -> Result<()> {
    let installation = Installation::lay_out(&["fake"], &format!("{TOKEN}\n{OUTBOX}"))?;
    let _host = installation.serve().await?;
    installation.logged("the test outbox is on").await?;
    installation.logged("cookies go without `Secure`").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tester_reads_what_was_sent_and_says_what_comes_next() -> Result<()> {
    let installation = Installation::lay_out(&["fake"], &format!("{TOKEN}\n{OUTBOX}"))?;
    let _host = installation.serve().await?;
    let token = installation.add_client("shop")?;
    let api = Api::new(installation.public, &installation.origin(), &token);
    let finished = json!({ "to": ALICE, "text": "Your table is ready" });

    // A message whose text is finished has no code, and is sent all the same.
    let sent = api.post("/api/v1/messages", &finished).await?;
    ensure!(sent.status == 202, "{} {}", sent.status, sent.text());
    let listed = installation.postern(&["outbox", "list", "--to", ALICE], "")?;
    assert!(listed.contains("Your table is ready"), "{listed}");
    assert!(
        !installation
            .postern(&["outbox", "list", "--to", "+12025550199"], "")?
            .contains("table")
    );

    // The first sender fails once, and only it.
    installation.postern(
        &[
            "outbox",
            "answer",
            "provider-down",
            "--times",
            "1",
            "--sender",
            "fake",
        ],
        "",
    )?;
    let sent = api.post("/api/v1/messages", &finished).await?.json()?;
    assert_eq!(sent["sender"], "second", "{sent}");

    // From now on nobody takes a message.
    installation.postern(&["outbox", "answer", "--status", "401"], "")?;
    let refused = api.post("/api/v1/messages", &finished).await?;
    assert_eq!(refused.status, 503, "{}", refused.text());

    let wrong = installation.postern(&["outbox", "answer", "sent"], "");
    let wrong = wrong.unwrap_err().to_string();
    assert!(wrong.contains("`accepted`, `silence`"), "{wrong}");

    // The same for a script, which starts anew.
    let admin = Admin(&installation);
    assert_eq!(admin.ask("DELETE", "/outbox", "").await?.status, 204);
    let always = r#"{"verdict":"accepted"}"#;
    let answer = admin.ask("POST", "/outbox/answers", always).await?;
    assert_eq!(answer.status, 204, "{}", answer.text());
    let answer = admin.ask("POST", "/outbox/answers", "{}").await?;
    assert_eq!(answer.status, 422, "{}", answer.text());
    api.post("/api/v1/messages", &finished).await?;
    let listed = admin
        .ask("GET", "/outbox?to=%2B12025550142", "")
        .await?
        .json()?;
    let messages = listed["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 1, "{listed}");
    assert_eq!(messages[0]["text"], "Your table is ready");
    assert_eq!(messages[0]["sender"], "fake");
    Ok(())
}

/// What a `text_id` means stands in the configuration file.
#[tokio::test(flavor = "multi_thread")]
async fn a_relayed_message_takes_the_words_the_file_has_for_its_id_and_language() -> Result<()> {
    const WORDS: &str = r#"
[sms_otp.text]
en = "Sign in with {code}"
"reset:en" = "Reset with {code}"
"reset:de" = "Neues Kennwort mit {code}"
"#;
    let installation = Installation::lay_out(&["fake"], &format!("{TOKEN}\n{OUTBOX}{WORDS}"))?;
    let _host = installation.serve().await?;
    let token = installation.add_client("shop")?;
    let api = Api::new(installation.public, &installation.origin(), &token);
    let admin = Admin(&installation);
    for (text_id, locale, expected) in [
        ("code", "en", "Sign in with 4711"),
        ("reset", "en", "Reset with 4711"),
        ("reset", "de-AT", "Neues Kennwort mit 4711"),
        ("reset", "fr", "Reset with 4711"),
    ] {
        let message = json!({ "to": ALICE, "text_id": text_id, "code": "4711", "locale": locale });
        let sent = api.post("/api/v1/messages", &message).await?;
        ensure!(sent.status == 202, "{text_id}: {}", sent.text());
        let listed = admin.ask("GET", "/outbox", "").await?.json()?;
        let found = listed["messages"].as_array().is_some_and(|messages| {
            messages.iter().any(|message| {
                message["locale"] == locale
                    && message["text"]
                        .as_str()
                        .is_some_and(|text| text.starts_with(expected))
            })
        });
        ensure!(found, "{text_id} in {locale}: {listed}");
        let cleared = admin.ask("DELETE", "/outbox", "").await?;
        ensure!(cleared.status == 204, "{}", cleared.text());
    }
    let nobodys = json!({ "to": ALICE, "text_id": "farewell", "code": "4711" });
    let refused = api.post("/api/v1/messages", &nobodys).await?;
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(
        refused.text().contains("text-refused"),
        "{}",
        refused.text()
    );
    Ok(())
}

/// A real installation has none, and says how one is switched on.
#[tokio::test(flavor = "multi_thread")]
async fn without_an_outbox_there_is_nothing_to_read() -> Result<()> {
    let senders = postern_kit::host::stand_in_senders("http://127.0.0.1:1");
    let more = format!("{TOKEN}\n{senders}\n[sms_otp]\nsenders = [\"twilio\"]\n");
    let installation = Installation::lay_out(&["twilio", "nexmo"], &more)?;
    let _host = installation.serve().await?;
    let refused = installation.postern(&["outbox", "list"], "").unwrap_err();
    assert!(refused.to_string().contains("`[outbox]`"), "{refused}");
    let answer = Admin(&installation).ask("GET", "/outbox", "").await?;
    assert_eq!(answer.status, 404, "{}", answer.text());
    Ok(())
}

pub(crate) struct Admin<'a>(pub(crate) &'a Installation);

impl Admin<'_> {
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &str) -> Result<Answer> {
        let request = Request::builder()
            .method(method)
            .uri(format!("/admin/api/v1{path}"))
            .header("host", self.0.admin.to_string())
            .header("authorization", "Bearer 0123456789abcdef0123456789abcdef")
            .header("content-type", "application/json")
            .body(body.to_owned().into())?;
        exchange(self.0.admin, request).await
    }
}
