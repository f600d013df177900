//! The test outbox on a running host, as a tester uses it: what was sent is read and what comes next is
//! chosen, at the command line and by a script.

use crate::ALICE;
use http::Request;
use postern_kit::anyhow::{Result, ensure};
use postern_kit::http::{Answer, exchange};
use postern_kit::{Api, Installation};
use serde_json::json;

/// The file goes on after `[server]`.
const TOKEN: &str = "admin_token = \"0123456789abcdef0123456789abcdef\"";
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

struct Admin<'a>(&'a Installation);

impl Admin<'_> {
    async fn ask(&self, method: &str, path: &str, body: &str) -> Result<Answer> {
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
