//! `http-recipe` on the wire: the recipes people have, sent through the whole host to raw sockets, and
//! compared byte for byte with what each provider's page asks for.

use postern_kit::{Api, TestHost, anyhow::Result};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const NUMBER: &str = "+94771234567";
const TEXT: &str = "Verification Code: 123456";

/// A provider that reads bytes, answers with one status, and understands nothing.
struct Wire {
    origin: String,
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Wire {
    async fn answering(status: u16) -> Result<Self> {
        let socket = TcpListener::bind("127.0.0.1:0").await?;
        let origin = format!("http://{}", socket.local_addr()?);
        let seen: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let keeps = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = socket.accept().await {
                let keeps = Arc::clone(&keeps);
                tokio::spawn(async move {
                    let Some(request) = one_request(&mut stream).await else {
                        return;
                    };
                    keeps.lock().unwrap().push(request);
                    let answer = format!(
                        "HTTP/1.1 {status} X\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}"
                    );
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        Ok(Self { origin, seen })
    }

    /// The one request that came, as text.
    fn request(&self) -> String {
        let seen = self.seen.lock().unwrap();
        assert_eq!(seen.len(), 1, "one request to {}", self.origin);
        String::from_utf8(seen[0].clone()).unwrap()
    }

    /// With the port, which differs from run to run, written as `PORT`.
    fn golden(&self) -> String {
        let port = self.origin.rsplit(':').next().unwrap();
        self.request().replace(port, "PORT")
    }
}

/// Head and body, exactly as they came.
async fn one_request(stream: &mut tokio::net::TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
            let length = text
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .map_or(0, |value| value.trim().parse().unwrap());
            if bytes.len() >= head + 4 + length {
                return Some(bytes);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// The five recipes as the operators of the seeds' systems have them, at five sockets. All but the last
/// are down, so that one message is asked of each of them in turn.
struct Scene {
    /// Runs as long as the scene is looked at.
    _host: TestHost,
    api: Api,
    wires: BTreeMap<&'static str, Wire>,
}

const ORDER: [&str; 5] = ["nexmo", "clickatell", "plivo", "bulksms", "twilio"];

impl Scene {
    async fn set() -> Result<Self> {
        let mut wires = BTreeMap::new();
        for name in ORDER {
            let status = if name == "twilio" { 201 } else { 503 };
            wires.insert(name, Wire::answering(status).await?);
        }
        let sections: String = ORDER
            .iter()
            .map(|name| section(name, &wires[name].origin))
            .collect();
        let host = TestHost::builder()
            .plugin("http-recipe")
            .senders(&sections, &ORDER)
            .config("[limits]\ncalls_per_message = 10")
            .in_process()
            .start()
            .await?;
        let api = host.api("identity-server").await?;
        Ok(Self {
            _host: host,
            api,
            wires,
        })
    }

    async fn relay(&self, to: &str, text: &str) -> Result<u16> {
        let message = serde_json::json!({ "to": to, "text": text });
        let answer = self.api.post("/api/v1/messages", &message).await?;
        Ok(answer.status.as_u16())
    }
}

fn section(name: &str, origin: &str) -> String {
    let settings = match name {
        "nexmo" => format!(
            r#"sms_url = "{origin}/sms/json?api_key=K&api_secret=S&from=NEXMO&to=$ctx.num&text=$ctx.msg"
http_method = "GET"
http_response_code = "200"
number_format = "digits""#
        ),
        "clickatell" => format!(
            r#"sms_url = "{origin}/rest/message"
http_method = "POST"
http_headers = "X-Version: 1,Authorization: bearer T,Accept: application/json,Content-Type: application/json"
http_payload = '{{"text":" $ctx.msg ","to":[" $ctx.num "]}}'
http_response_code = "202"
number_format = "digits""#
        ),
        "plivo" => format!(
            r#"sms_url = "{origin}/v1/Account/MAXX/Message/"
http_method = "POST"
http_headers = "Authorization: Basic WA==,Content-Type: application/json"
http_payload = '{{"src":"+94770000000","dst":"$ctx.num","text":"$ctx.msg"}}'
http_response_code = "202""#
        ),
        "bulksms" => format!(
            r#"sms_url = "{origin}/eapi/submission/send_sms/2/2.0?username=U&password=P&message=$ctx.msg&msisdn=$ctx.num"
http_method = "POST"
http_headers = "Content-Type: application/x-www-form-urlencoded"
http_response_code = "200"
number_format = "digits""#
        ),
        _ => format!(
            r#"sms_url = "{origin}/2010-04-01/Accounts/AC0/SMS/Messages.json"
http_method = "POST"
http_headers = "Authorization: Basic WA=="
http_payload = "Body=$ctx.msg&To=$ctx.num&From=%2B15005550006"
http_response_code = """#
        ),
    };
    format!(
        "[sender.{name}]\nplugin = \"http-recipe\"\nallow = [\"{origin}\"]\nallow_private_networks = true\n[sender.{name}.settings]\n{settings}\n\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn every_recipe_arrives_byte_for_byte() -> Result<()> {
    let scene = Scene::set().await?;
    assert_eq!(scene.relay(NUMBER, TEXT).await?, 202);
    let json = r#"{"text":" Verification Code: 123456 ","to":[" 94771234567 "]}"#;
    let plivo = r#"{"src":"+94770000000","dst":"+94771234567","text":"Verification Code: 123456"}"#;
    let form = "Body=Verification+Code%3A+123456&To=%2B94771234567&From=%2B15005550006";
    for (name, first, headers, body) in [
        (
            "nexmo",
            "GET /sms/json?api_key=K&api_secret=S&from=NEXMO&to=94771234567&text=Verification+Code%3A+123456",
            "",
            None,
        ),
        (
            "clickatell",
            "POST /rest/message",
            "x-version: 1|authorization: bearer T|accept: application/json|content-type: application/json",
            Some(json),
        ),
        (
            "plivo",
            "POST /v1/Account/MAXX/Message/",
            "authorization: Basic WA==|content-type: application/json",
            Some(plivo),
        ),
        (
            "bulksms",
            "POST /eapi/submission/send_sms/2/2.0?username=U&password=P&message=Verification+Code%3A+123456&msisdn=94771234567",
            "content-type: application/x-www-form-urlencoded",
            Some(""),
        ),
        (
            "twilio",
            "POST /2010-04-01/Accounts/AC0/SMS/Messages.json",
            "authorization: Basic WA==|content-type: application/x-www-form-urlencoded",
            Some(form),
        ),
    ] {
        let golden = golden(first, headers, body);
        assert_eq!(scene.wires[name].golden(), golden, "{name}");
    }
    Ok(())
}

/// A whole request: what the recipe says, what every request of the host has, the length, the body.
fn golden(first: &str, headers: &str, body: Option<&str>) -> String {
    let mut lines = vec![format!("{first} HTTP/1.1")];
    lines.extend(
        headers
            .split('|')
            .filter(|line| !line.is_empty())
            .map(str::to_owned),
    );
    lines.push("host: 127.0.0.1:PORT".to_owned());
    lines.push(format!("user-agent: postern/{}", env!("CARGO_PKG_VERSION")));
    if let Some(body) = body {
        lines.push(format!("content-length: {}", body.len()));
    }
    format!("{}\r\n\r\n{}", lines.join("\r\n"), body.unwrap_or_default())
}

/// W1 to W4 of the original: a value that closes its string and adds a recipient, a value that adds a
/// header, a `$` that the template engine reads, and a value that is a template itself. The text is the
/// one value somebody else may choose freely.
#[tokio::test(flavor = "multi_thread")]
async fn no_text_becomes_more_than_a_text_on_the_wire() -> Result<()> {
    let scene = Scene::set().await?;
    let text =
        "\",\"+999\r\nX-Evil: 1, X-Evil: 2&to=999&Body=x $1 \\$ctx.otp $ctx.num &num;</x>%26";
    assert_eq!(scene.relay("+94771234568", text).await?, 202);
    // A message has one kind of line end, whatever the application sent.
    let text = &*text.replace("\r\n", "\n");
    for (name, wire) in &scene.wires {
        let request = wire.request();
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(
            head.lines()
                .all(|line| !line.to_ascii_lowercase().starts_with("x-evil")),
            "{name}: {head}"
        );
        let query = head
            .lines()
            .next()
            .and_then(|line| line.split(' ').nth(1)?.split_once('?'))
            .map_or("", |(_, query)| query);
        let to = match *name {
            "plivo" | "twilio" => "+94771234568",
            "clickatell" => " 94771234568 ",
            _ => "94771234568",
        };
        let spaced = format!(" {text} ");
        match *name {
            "nexmo" => assert_eq!(
                fields(query),
                [
                    ("api_key", "K"),
                    ("api_secret", "S"),
                    ("from", "NEXMO"),
                    ("to", to),
                    ("text", text)
                ]
                .map(owned)
            ),
            "bulksms" => assert_eq!(
                (fields(query), body),
                (
                    [
                        ("username", "U"),
                        ("password", "P"),
                        ("message", text),
                        ("msisdn", to)
                    ]
                    .map(owned)
                    .to_vec(),
                    ""
                )
            ),
            "twilio" => assert_eq!(
                fields(body),
                [("Body", text), ("To", to), ("From", "+15005550006")].map(owned)
            ),
            "clickatell" => assert_eq!(
                serde_json::from_str::<serde_json::Value>(body)?,
                serde_json::json!({ "text": spaced, "to": [to] })
            ),
            _ => assert_eq!(
                serde_json::from_str::<serde_json::Value>(body)?,
                serde_json::json!({ "src": "+94770000000", "dst": to, "text": text })
            ),
        }
    }
    Ok(())
}

/// W1 and W2 through the number: it is a number, or it is not sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_is_more_than_a_number_is_sent_to_nobody() -> Result<()> {
    let scene = Scene::set().await?;
    for number in [
        "+94771234567\",\"+94771234568",
        "+94771234567,X-Evil: 1",
        "+94771234567$1",
        "+94771234567\\$ctx.otp",
        "+94771234567&to=+94771234568",
    ] {
        assert_eq!(scene.relay(number, TEXT).await?, 422, "{number}");
    }
    for wire in scene.wires.values() {
        assert!(wire.seen.lock().unwrap().is_empty());
    }
    Ok(())
}

/// A form's fields, decoded as a provider decodes them.
fn fields(form: &str) -> Vec<(String, String)> {
    form.split('&')
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap();
            (decoded(name), decoded(value))
        })
        .collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    String::from_utf8(bytes).unwrap()
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}
