//! A signed AuthnRequest to a signed Response, whose person has signed in already: what an application costs that comes
//! for somebody who is known. Beside it, in the same run, the bare RSA signatures of such an answer: that of the
//! assertion and that of the response.

use crate::host::Host;
use crate::operator::resident;
use crate::process;
use crate::table::Figure;
use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use postern_federation::saml::sp::{Endpoint, Here, Upstream, Wish};
use postern_federation::saml::{
    Bergshamra, Binding, MessageId, Outgoing, SamlKeys, SigningKey, XmlSecurity,
};
use postern_kit::Browser;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const CLIENTS: usize = 8;
const PASSWORD: &str = "correct horse battery";
/// Of an answer: the assertion's and the response's.
const SIGNATURES: u32 = 2;

/// The application's entry, and its key.
pub(crate) fn configure(folder: &Path) -> Result<SigningKey> {
    let key = SigningKey::generate("bench", Timestamp::now())?;
    std::fs::write(folder.join("bench.crt"), key.certificate().to_pem())?;
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(folder.join("template.toml"))?;
    file.write_all(
        br#"
[relying_party.bench]
second_step = "none"
claims = { mobile = "http://wso2.org/claims/mobile" }

[relying_party.bench.saml]
entity_id = "bench"
consumer_services = ["http://localhost:1/acs"]
certificates = ["bench.crt"]
signed_requests = true
response_signing = true
attribute_profile = true
attributes_always = true
"#,
    )?;
    Ok(key)
}

pub(crate) async fn figures(host: &Host, key: SigningKey, time: Duration) -> Result<Vec<Figure>> {
    add_user(&host.folder)?;
    let path = request(host, key)?;
    let cookies = sign_in(host, &path).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let pids = process::tree(host.pid());
    let cpu = || -> Result<Duration> { pids.iter().map(|pid| process::cpu(*pid)).sum() };
    let mut tasks = Vec::new();
    let (before, began) = (cpu()?, Instant::now());
    for _ in 0..CLIENTS {
        let (stop, path, cookies) = (stop.clone(), path.clone(), cookies.clone());
        let address = host.address;
        tasks.push(tokio::spawn(async move {
            let mut client = Client::open(address).await?;
            let mut times = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let began = Instant::now();
                client.answer(&path, &cookies).await?;
                times.push(began.elapsed());
            }
            anyhow::Ok(times)
        }));
    }
    tokio::time::sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await??);
    }
    let (used, wall) = (cpu()?.saturating_sub(before), began.elapsed());
    times.sort_unstable();
    ensure!(!times.is_empty(), "no answer within {time:?}");
    let done = u32::try_from(times.len())?;
    let bare = bare(&host.folder)? * SIGNATURES;
    let name = |what: &str| format!("SAML request to answer, {CLIENTS} clients: {what}");
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    Ok(vec![
        Figure::plain(
            name("responses/s"),
            f64::from(done) / wall.as_secs_f64(),
            "responses/s",
        ),
        Figure::plain(name("p50"), millis(times[times.len() / 2]), "ms"),
        Figure::plain(name("p99"), millis(times[times.len() * 99 / 100]), "ms"),
        Figure::plain(name("CPU"), millis(used / done), "ms/response"),
        Figure::plain(name("its two RSA signatures, bare"), millis(bare), "ms"),
        Figure::at_most(
            name("CPU over the bare signatures'"),
            (used / done).as_secs_f64() / bare.as_secs_f64(),
            "times",
            2.0,
        ),
    ])
}

/// Documents that nobody means well with, by form, as anybody may send them.
pub(crate) async fn refusals(host: &Host) -> Result<Vec<Figure>> {
    let attributes: String = (0..10_000).map(|n| format!(" a{n}=''")).collect();
    let entities: String = (0..9)
        .map(|n| format!("<!ENTITY e{} '{}'>", n + 1, format!("&e{n};").repeat(10)))
        .collect();
    let documents = [
        format!("<a>{}</a>", "x".repeat(300 * 1024)),
        format!("<!DOCTYPE a [<!ENTITY e0 'x'>{entities}]><a>&e9;</a>"),
        "<?xml-stylesheet href='x'?><a/>".to_owned(),
        "<a>".repeat(80_000),
        format!("<a{attributes}/>"),
    ];
    let mut client = Client::open(host.address).await?;
    // Whatever the first of a kind makes the host allocate is there before memory is read.
    for document in &documents {
        client.refuse(document).await?;
    }
    let before = resident(host)?;
    let mut slowest = Duration::ZERO;
    for _ in 0..40 {
        for document in &documents {
            let began = Instant::now();
            client.refuse(document).await?;
            slowest = slowest.max(began.elapsed());
        }
    }
    let more = resident(host)? - before;
    Ok(vec![
        Figure::at_most(
            "hostile SAML documents: the slowest refusal",
            slowest.as_secs_f64() * 1e3,
            "ms",
            100.0,
        ),
        Figure::at_most("more memory after 200 of them", more.max(0.0), "MiB", 4.0),
    ])
}

/// One signature with the host's own key, on one core.
fn bare(folder: &Path) -> Result<Duration> {
    let keys = folder.join("data/keys");
    let read = |name: &str| {
        std::fs::read_to_string(keys.join(name)).with_context(|| format!("the host has no {name}"))
    };
    let key = SigningKey::from_pem(&read("saml.key")?, &read("saml.crt")?)?;
    let security = Bergshamra::new(SamlKeys::one(key))?;
    let octets = [7; 512];
    security.sign_octets(&octets)?;
    let (began, rounds) = (Instant::now(), 500);
    for _ in 0..rounds {
        security.sign_octets(&octets)?;
    }
    Ok(began.elapsed() / rounds)
}

fn request(host: &Host, key: SigningKey) -> Result<String> {
    let certificate = key.certificate().clone();
    let security = Bergshamra::new(SamlKeys::one(key))?;
    let origin = format!("http://{}", host.address);
    let upstream = Upstream {
        entity_id: format!("{origin}/saml/metadata"),
        our_entity_id: None,
        sign_on: Endpoint {
            binding: Binding::Redirect,
            url: format!("{origin}/samlsso"),
        },
        logout: None,
        certificates: vec![certificate],
        sign_requests: true,
        signed_response: true,
        signed_assertion: true,
        encrypted_assertion: false,
        unsolicited: false,
        name_id_format: None,
        context: None,
    };
    let here = Here {
        entity_id: "bench",
        consumer_url: "http://localhost:1/acs",
    };
    let wish = Wish {
        force_authn: false,
        is_passive: false,
        relay_state: Some("bench"),
    };
    let id = MessageId::from_entropy(&[7; 20]);
    match upstream.ask(here, wish, &id, &security, Timestamp::now())? {
        Outgoing::Redirect(address) => {
            let path = address.strip_prefix(&origin).context("its own address")?;
            Ok(path.to_owned())
        }
        Outgoing::Post { .. } => anyhow::bail!("the request goes by redirect"),
    }
}

/// The first factor, once.
async fn sign_in(host: &Host, path: &str) -> Result<String> {
    let mut browser = Browser::new(host.address, &format!("http://{}", host.address));
    let page = browser.open(path).await?;
    let filled = [("username", "bench"), ("password", PASSWORD)];
    let page = browser.submit(&page, "/sign-in/password", &filled).await?;
    ensure!(page.posts_itself().is_some(), "no answer: {}", page.text());
    let cookies = browser.cookies().iter();
    let cookies: Vec<_> = cookies
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    Ok(cookies.join("; "))
}

fn add_user(folder: &Path) -> Result<()> {
    let postern = std::env::current_exe()?.with_file_name("postern");
    let mut child = Command::new(postern)
        .current_dir(folder)
        .args(["user", "add", "bench", "--number", "+94770000001"])
        .args(["--config", "postern.toml"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    let mut input = child.stdin.take().context("no pipe to the child")?;
    input.write_all(PASSWORD.as_bytes())?;
    drop(input);
    ensure!(child.wait()?.success(), "`postern user add` failed");
    Ok(())
}

struct Client {
    sender: hyper::client::conn::http1::SendRequest<Full<Bytes>>,
    host: String,
}

impl Client {
    async fn open(address: std::net::SocketAddr) -> Result<Self> {
        let stream = tokio::net::TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self {
            sender,
            host: address.to_string(),
        })
    }

    async fn refuse(&mut self, document: &str) -> Result<()> {
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("SAMLRequest", &STANDARD.encode(document))
            .finish();
        let request = http::Request::post("/samlsso")
            .header("host", &self.host)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Full::from(body))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        response.into_body().collect().await?;
        ensure!(
            status.is_client_error(),
            "a hostile document was answered with {status}"
        );
        Ok(())
    }

    async fn answer(&mut self, path: &str, cookies: &str) -> Result<()> {
        let request = http::Request::get(path)
            .header("host", &self.host)
            .header("cookie", cookies)
            .body(Full::default())?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        let answered = body.windows(12).any(|part| part == b"SAMLResponse");
        ensure!(
            status == 200 && answered,
            "a request was answered with {status}"
        );
        Ok(())
    }
}
