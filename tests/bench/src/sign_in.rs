//! A whole sign-in through the pages: name and password (Argon2id at the shipped cost), the code of the
//! message, the session. Beside it, in the same run, the bare cost of the hash: what a login costs
//! beyond that is ours.

use crate::cycle::{self, Cycle, Measured};
use crate::host::Host;
use crate::process;
use crate::provider::Provider;
use crate::table::Figure;
use anyhow::{Context, Result, ensure};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// People who sign in, each again and again, others in each turn. No limit on an account or a number is met:
/// what is measured is the path behind the limits.
const PEOPLE: usize = 16;
const PASSWORD: &str = "correct horse battery staple";
const TIME: Duration = Duration::from_secs(2);

/// Logins and bare hashes take turns: others share the machine, and what a hash costs changes by a third
/// within a minute. The middle of the turns is told; of five long ones it was anything from 1.05 to 1.18.
const TURNS: usize = 15;

/// As `host/store` hashes a new password.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Adds the people, before the host starts.
pub(crate) fn people(folder: &Path) -> Result<()> {
    for person in 0..TURNS * PEOPLE {
        crate::host::add_user(folder, &name(person), PASSWORD, &number(person))?;
    }
    Ok(())
}

fn name(person: usize) -> String {
    format!("person{person}")
}

/// +94 77 and seven digits, one block a person.
fn number(person: usize) -> String {
    format!("+9477{person:03}0000")
}

pub(crate) async fn figures(host: &Host, provider: &Provider) -> Result<Vec<Figure>> {
    let mut turns = Vec::new();
    for turn in 0..TURNS {
        let mut people = Vec::new();
        for person in turn * PEOPLE..(turn + 1) * PEOPLE {
            people.push(Person {
                host: host.address.to_string(),
                sender: connect(host.address).await?,
                cookies: BTreeMap::new(),
                provider: provider.clone(),
                name: name(person),
                digits: number(person).trim_start_matches('+').to_owned(),
            });
        }
        let logins = cycle::run(host.pid(), people, TIME).await?;
        turns.push((logins, bare_hashes()?));
    }
    let middle = |of: fn(&(Measured, Bare)) -> f64| {
        let mut all: Vec<f64> = turns.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all[TURNS / 2]
    };
    let plain = |name: &str, of, unit| Figure::plain(name, middle(of), unit);
    Ok(vec![
        plain(
            "sign-in with password and code: logins/s",
            |(logins, _)| logins.cycles_per_second,
            "logins/s",
        ),
        plain(
            "sign-in: p50",
            |(logins, _)| logins.p50.as_secs_f64() * 1e3,
            "ms",
        ),
        plain(
            "sign-in: p99",
            |(logins, _)| logins.p99.as_secs_f64() * 1e3,
            "ms",
        ),
        plain(
            "sign-in: CPU",
            |(logins, _)| logins.cpu_per_cycle.as_secs_f64() * 1e6,
            "us/login",
        ),
        plain(
            "bare Argon2id on two cores: hashes/s",
            |(_, bare)| bare.per_second,
            "hashes/s",
        ),
        plain(
            "bare Argon2id: CPU",
            |(_, bare)| bare.cpu.as_secs_f64() * 1e6,
            "us/hash",
        ),
        Figure::at_most(
            "sign-in: CPU over the bare hash's",
            middle(|(logins, bare)| logins.cpu_per_cycle.as_secs_f64() / bare.cpu.as_secs_f64()),
            "times",
            1.15,
        ),
    ])
}

struct Bare {
    per_second: f64,
    cpu: Duration,
}

/// Two threads that do nothing but hash, as long as the logins had.
fn bare_hashes() -> Result<Bare> {
    let params = argon2::Params::new(MEMORY_KIB, PASSES, LANES, Some(32))
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let own = std::process::id();
    let before = process::cpu(own)?;
    let start = Instant::now();
    let done: u32 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2_u8)
            .map(|thread| {
                let argon2 = argon2.clone();
                scope.spawn(move || {
                    let (mut done, mut out) = (0_u32, [0; 32]);
                    while start.elapsed() < TIME {
                        let salt = [thread; 16];
                        if argon2
                            .hash_password_into(PASSWORD.as_bytes(), &salt, &mut out)
                            .is_ok()
                        {
                            done += 1;
                        }
                    }
                    done
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or(0))
            .sum()
    });
    ensure!(done > 0, "not one password was hashed");
    let wall = start.elapsed();
    Ok(Bare {
        per_second: f64::from(done) / wall.as_secs_f64(),
        cpu: process::cpu(own)?.saturating_sub(before) / done,
    })
}

/// A browser with one person at it.
struct Person {
    host: String,
    sender: SendRequest<Full<Bytes>>,
    cookies: BTreeMap<String, String>,
    provider: Provider,
    name: String,
    digits: String,
}

async fn connect(address: std::net::SocketAddr) -> Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

impl Cycle for Person {
    async fn once(&mut self) -> Result<()> {
        self.cookies.clear();
        let token = self.page().await?;
        let filled = [
            ("username", self.name.clone()),
            ("password", PASSWORD.into()),
        ];
        self.form("/sign-in/password", &token, &filled, "/sign-in")
            .await?;
        let token = self.page().await?;
        let code = self.provider.code(&self.digits);
        let code = code.context("no code arrived")?;
        self.form("/sign-in/code", &token, &[("code", code)], "/account")
            .await
    }
}

impl Person {
    /// The token of the form on the sign-in page.
    async fn page(&mut self) -> Result<String> {
        let (status, _, body) = self.exchange("/sign-in", None).await?;
        ensure!(status == 200, "the sign-in page answered {status}");
        let html = String::from_utf8_lossy(&body);
        let (_, rest) = html
            .split_once("name=\"token\" value=\"")
            .context("the page has no form")?;
        Ok(rest.split('"').next().unwrap_or_default().to_owned())
    }

    async fn form(
        &mut self,
        path: &str,
        token: &str,
        fields: &[(&str, String)],
        leads_to: &str,
    ) -> Result<()> {
        let mut body = format!("token={token}");
        for (name, value) in fields {
            body.push_str(&format!("&{name}={}", value.replace(' ', "+")));
        }
        let (status, location, _) = self.exchange(path, Some(body)).await?;
        ensure!(
            status == 303 && location == leads_to,
            "{path} answered {status} and leads to `{location}`"
        );
        Ok(())
    }

    async fn exchange(&mut self, path: &str, body: Option<String>) -> Result<(u16, String, Bytes)> {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut request = http::Request::builder()
            .uri(path)
            .header("host", &self.host);
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        let request = match body {
            None => request.method("GET").body(Full::default())?,
            Some(body) => request
                .method("POST")
                .header("content-type", "application/x-www-form-urlencoded")
                .header("origin", format!("http://{}", self.host))
                .header("sec-fetch-site", "same-origin")
                .body(Full::from(body))?,
        };
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let (head, body) = response.into_parts();
        for cookie in head.headers.get_all("set-cookie") {
            let cookie = cookie.to_str()?;
            let pair = cookie
                .split(';')
                .next()
                .and_then(|pair| pair.split_once('='));
            if let Some((name, value)) = pair {
                match cookie.contains("Max-Age=0") {
                    true => self.cookies.remove(name),
                    false => self.cookies.insert(name.to_owned(), value.to_owned()),
                };
            }
        }
        let location = head.headers.get("location");
        let location = location.and_then(|value| value.to_str().ok());
        let location = location.unwrap_or_default().to_owned();
        Ok((
            head.status.as_u16(),
            location,
            body.collect().await?.to_bytes(),
        ))
    }
}
