//! A message through the Twilio component with the provider's answer stubbed: two steps, each in a
//! fresh instance, and the request's program evaluated between them; in process, and across the
//! process boundary. Beside it a guest that does nothing, twice: in blocks that take turns, so that both meet
//! the same hour of a machine that others share, and each finds its own code and data in the caches.

use crate::host::built;
use crate::table::Figure;
use anyhow::{Context, Result, ensure};
use postern_egress::grant::Entry;
use postern_egress::{
    Grant, Material, NamedSecret, Nonce, Origin, Recipient, Secret, Secrets, Text, finish,
};
use postern_gateway::outgoing;
use postern_wasm::{Isolation, Limits, Loaded, Plugins, Setup, WorkerCommand, provider, types};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Messages of one figure.
const MESSAGES: usize = 20_000;

/// Messages of one block; the first tenth warms up.
const BLOCK: usize = 1_000;

/// In a task, as the host sends: from outside the runtime's threads every answer would be one wake-up more.
pub(crate) async fn figures() -> Result<Vec<Figure>> {
    tokio::spawn(measured()).await?
}

async fn measured() -> Result<Vec<Figure>> {
    let here = place(Isolation::InProcess).await?;
    let worker = place(Isolation::Worker(WorkerCommand::this_executable()?)).await?;
    let inside = here.times().await?;
    let across = worker.times().await?;
    let rate_inside = here.messages_per_second().await?;
    let rate_across = worker.messages_per_second().await?;
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let ratio = |times: &Times| times.whole.as_secs_f64() / inside.empty.as_secs_f64();
    let of_it = |part: &str, time| {
        Figure::plain(
            format!("message, Twilio in process, {part}"),
            micros(time),
            "us",
        )
    };
    Ok(vec![
        Figure::plain(
            "message, empty guest in process, p50",
            micros(inside.empty),
            "us",
        ),
        Figure::at_most(
            "message, Twilio in process, p50",
            micros(inside.whole),
            "us",
            30.0,
        ),
        of_it("its first step", inside.request),
        of_it("its program", inside.program),
        of_it("its second step", inside.verdict),
        Figure::at_most(
            "message, Twilio across processes, p50",
            micros(across.whole),
            "us",
            60.0,
        ),
        Figure::at_most(
            "message, in process over the empty guest",
            ratio(&inside),
            "times",
            3.0,
        ),
        Figure::at_most(
            "message, across processes over the empty guest",
            ratio(&across),
            "times",
            5.0,
        ),
        Figure::plain(
            "message, in process, two at a time",
            rate_inside,
            "messages/s",
        ),
        Figure::plain(
            "message, across processes, 16 at a time",
            rate_across,
            "messages/s",
        ),
    ])
}

/// Plugins in one place, with the two guests loaded.
struct Place {
    plugins: Plugins,
    twilio: Loaded,
    empty: Loaded,
    at_a_time: usize,
}

async fn place(isolation: Isolation) -> Result<Place> {
    let at_a_time = if isolation == Isolation::InProcess {
        2
    } else {
        16
    };
    let plugins = Plugins::start(Setup {
        isolation,
        limits: Limits::default(),
        cache: None,
    })
    .await?;
    let file = std::fs::read(built("twilio")?)?;
    let twilio = plugins
        .admit(Arc::from(file))
        .await
        .map_err(|refusal| anyhow::anyhow!("{refusal}"))?;
    let empty = plugins
        .admit(empty_guest()?)
        .await
        .map_err(|refusal| anyhow::anyhow!("{refusal}"))?;
    Ok(Place {
        plugins,
        twilio,
        empty,
        at_a_time,
    })
}

/// The middle of all times of each part.
struct Times {
    empty: Duration,
    whole: Duration,
    request: Duration,
    program: Duration,
    verdict: Duration,
}

/// When the parts of one message were done.
struct Done {
    requested: Instant,
    evaluated: Instant,
    judged: Instant,
}

impl Place {
    async fn times(&self) -> Result<Times> {
        let edge = Edge::new()?;
        let mut times: [Vec<Duration>; 5] = Default::default();
        for _ in 0..MESSAGES / BLOCK {
            for number in 0..BLOCK {
                let start = Instant::now();
                self.nothing_twice().await?;
                if number >= BLOCK / 10 {
                    times[0].push(start.elapsed());
                }
            }
            for number in 0..BLOCK {
                let start = Instant::now();
                let done = send(&self.plugins, &self.twilio, &edge).await?;
                if number < BLOCK / 10 {
                    continue;
                }
                let parts = [
                    done.judged - start,
                    done.requested - start,
                    done.evaluated - done.requested,
                    done.judged - done.evaluated,
                ];
                for (times, part) in times[1..].iter_mut().zip(parts) {
                    times.push(part);
                }
            }
        }
        let [empty, whole, request, program, verdict] = times.map(|times| median(&times));
        Ok(Times {
            empty,
            whole,
            request,
            program,
            verdict,
        })
    }

    async fn nothing_twice(&self) -> Result<()> {
        for _ in 0..2 {
            let event = provider::Event::Start;
            let message = message();
            drop(
                self.plugins
                    .provider_step(&self.empty.handle, &[], &message, &event, &[])
                    .await?,
            );
        }
        Ok(())
    }

    async fn messages_per_second(&self) -> Result<f64> {
        let each = MESSAGES / self.at_a_time;
        let start = Instant::now();
        let mut tasks = Vec::new();
        for _ in 0..self.at_a_time {
            let (plugins, twilio) = (self.plugins.clone(), self.twilio.clone());
            tasks.push(tokio::spawn(async move {
                let edge = Edge::new()?;
                for _ in 0..each {
                    send(&plugins, &twilio, &edge).await?;
                }
                anyhow::Ok(())
            }));
        }
        for task in tasks {
            task.await??;
        }
        let sent = u32::try_from(each * self.at_a_time)?;
        Ok(f64::from(sent) / start.elapsed().as_secs_f64())
    }
}

/// Request, program, verdict.
async fn send(plugins: &Plugins, twilio: &Loaded, edge: &Edge) -> Result<Done> {
    let (settings, message) = (settings(), message());
    let start = provider::Event::Start;
    let action = plugins
        .provider_step(&twilio.handle, &settings, &message, &start, &[])
        .await?;
    let requested = Instant::now();
    let provider::Action::Send(asked) = action else {
        anyhow::bail!("Twilio's plugin sends nothing: {action:?}");
    };
    let finished = finish(&outgoing(asked.request), &edge.grant, &edge.material)?;
    ensure!(!finished.body().is_empty(), "Twilio's request has no body");
    let evaluated = Instant::now();
    let reply = provider::Event::Reply(types::Reply {
        status: 201,
        headers: vec![("content-type".into(), "application/json".into())],
        body: types::TextOrBytes::Text(
            r#"{"sid":"SM00000000000000000000000000000000","status":"queued","num_segments":"1"}"#
                .into(),
        ),
    });
    let action = plugins
        .provider_step(&twilio.handle, &settings, &message, &reply, &asked.state)
        .await?;
    let accepted = matches!(
        action,
        provider::Action::Done(provider::Verdict::Accepted(_))
    );
    ensure!(accepted, "Twilio's plugin did not accept a 201: {action:?}");
    Ok(Done {
        requested,
        evaluated,
        judged: Instant::now(),
    })
}

/// The guest that says "accepted" and nothing else.
fn empty_guest() -> Result<Arc<[u8]>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../guests/ok.wat");
    let mut module = wat::parse_file(path)?;
    let mut resolve = wit_parser::Resolve::default();
    let package = resolve.push_str("plugin.wit", postern_wit::PLUGIN_WIT)?;
    let world = resolve.select_world(&[package], Some("sms-provider"))?;
    wit_component::embed_component_metadata(
        &mut module,
        &resolve,
        world,
        wit_component::StringEncoding::UTF8,
    )?;
    let mut component = wit_component::ComponentEncoder::default()
        .module(&module)?
        .encode()?;
    let manifest = br#"{"id": "empty", "version": "1.0.0", "kind": "sms-provider"}"#;
    let name = postern_wit::MANIFEST_SECTION;
    // A custom section: id 0, size, length of the name, name, data. All lengths are below 128.
    let size = u8::try_from(1 + name.len() + manifest.len())
        .context("the manifest outgrew its section")?;
    ensure!(size < 128, "the manifest outgrew a length of one byte");
    component.extend([0, size, u8::try_from(name.len())?]);
    component.extend(name.as_bytes());
    component.extend(manifest);
    Ok(component.into())
}

/// What a sender is configured with and what only the host has: made once, as the host does.
struct Edge {
    grant: Grant,
    material: Material,
}

impl Edge {
    fn new() -> Result<Self> {
        let twilio = Origin::parse("https://api.twilio.com")?;
        let token = NamedSecret::new(
            "auth_token",
            "0123456789abcdef0123456789abcdef",
            vec![twilio.clone().into()],
        );
        let text = "Your code is 123456. It is good for 5 minutes.\n\n@login.example #123456";
        Ok(Self {
            grant: Grant {
                entries: vec![Entry::from(twilio)],
                ..Grant::default()
            },
            material: Material {
                secrets: Secrets::new(vec![token])?,
                kept: vec![],
                recipient: Some(Recipient {
                    e164: "+447700900123".into(),
                    calling_code: "44".into(),
                    national: "7700900123".into(),
                    dialled: "07700900123".into(),
                }),
                text: Some(Text {
                    whole: text.into(),
                    parts: vec![text.into()],
                }),
                code: Some(Secret::from("123456")),
                receipt_url: None,
                now_unix_ms: 1_767_225_600_000,
                nonce: Nonce {
                    bytes: [7; 16],
                    int31: 1_234_567_890,
                },
            },
        })
    }
}

fn settings() -> Vec<types::Pair> {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    vec![
        pair("account_sid", "AC0123456789abcdef0123456789abcdef"),
        pair("from", "+15005550006"),
    ]
}

fn message() -> provider::Message {
    provider::Message {
        id: "m1".into(),
        country: "GB".into(),
        calling_code: "44".into(),
        number_type: "mobile".into(),
        encoding: "gsm-7".into(),
        segments: 1,
        validity: 300,
        attempt: 1,
        locale: "en".into(),
        purpose: "login".into(),
        kept: vec![],
        extra: vec![],
    }
}

fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}
