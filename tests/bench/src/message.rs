//! A message through the Twilio component with the provider's answer stubbed: two steps, each in a
//! fresh instance, and the request's program evaluated between them; in process, and across the
//! process boundary. Beside it a guest that does nothing, twice.

use crate::host::built;
use crate::table::Figure;
use anyhow::{Context, Result, ensure};
use postern_gateway::Rehearsal;
use postern_wasm::vectors::{Evaluate, StandIns};
use postern_wasm::{Isolation, Limits, Loaded, Plugins, Setup, WorkerCommand, provider, types};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Messages of one figure; the first tenth warms up.
const MESSAGES: usize = 20_000;

/// In a task, as the host sends: from outside the runtime's threads every answer would be one wake-up more.
pub(crate) async fn figures() -> Result<Vec<Figure>> {
    tokio::spawn(measured()).await?
}

async fn measured() -> Result<Vec<Figure>> {
    let here = place(Isolation::InProcess).await?;
    let worker = place(Isolation::Worker(WorkerCommand::this_executable()?)).await?;
    let empty = median(&here.empty_times().await?);
    let inside = median(&here.message_times().await?);
    let across = median(&worker.message_times().await?);
    let rate_inside = here.messages_per_second().await?;
    let rate_across = worker.messages_per_second().await?;
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let ratio = |time: Duration| time.as_secs_f64() / empty.as_secs_f64();
    Ok(vec![
        Figure::plain("message, empty guest in process, p50", micros(empty), "us"),
        Figure::at_most(
            "message, Twilio in process, p50",
            micros(inside),
            "us",
            30.0,
        ),
        Figure::at_most(
            "message, Twilio across processes, p50",
            micros(across),
            "us",
            60.0,
        ),
        Figure::at_most(
            "message, in process over the empty guest",
            ratio(inside),
            "times",
            3.0,
        ),
        Figure::at_most(
            "message, across processes over the empty guest",
            ratio(across),
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

impl Place {
    async fn message_times(&self) -> Result<Vec<Duration>> {
        let mut times = Vec::with_capacity(MESSAGES);
        for number in 0..MESSAGES {
            let start = Instant::now();
            send(&self.plugins, &self.twilio).await?;
            if number >= MESSAGES / 10 {
                times.push(start.elapsed());
            }
        }
        Ok(times)
    }

    async fn empty_times(&self) -> Result<Vec<Duration>> {
        let (message, mut times) = (message(), Vec::with_capacity(MESSAGES));
        for number in 0..MESSAGES {
            let start = Instant::now();
            for _ in 0..2 {
                let event = provider::Event::Start;
                drop(
                    self.plugins
                        .provider_step(&self.empty.handle, &[], &message, &event, &[])
                        .await?,
                );
            }
            if number >= MESSAGES / 10 {
                times.push(start.elapsed());
            }
        }
        Ok(times)
    }

    async fn messages_per_second(&self) -> Result<f64> {
        let each = MESSAGES / self.at_a_time;
        let start = Instant::now();
        let mut tasks = Vec::new();
        for _ in 0..self.at_a_time {
            let (plugins, twilio) = (self.plugins.clone(), self.twilio.clone());
            tasks.push(tokio::spawn(async move {
                for _ in 0..each {
                    send(&plugins, &twilio).await?;
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
async fn send(plugins: &Plugins, twilio: &Loaded) -> Result<()> {
    let (settings, message) = (settings(), message());
    let start = provider::Event::Start;
    let action = plugins
        .provider_step(&twilio.handle, &settings, &message, &start, &[])
        .await?;
    let provider::Action::Send(outgoing) = action else {
        anyhow::bail!("Twilio's plugin sends nothing: {action:?}");
    };
    let finished = Rehearsal
        .evaluate(&outgoing.request, &stand_ins())
        .map_err(anyhow::Error::msg)?;
    ensure!(finished.body.is_some(), "Twilio's request has no body");
    let reply = provider::Event::Reply(types::Reply {
        status: 201,
        headers: vec![("content-type".into(), "application/json".into())],
        body: types::TextOrBytes::Text(
            r#"{"sid":"SM00000000000000000000000000000000","status":"queued","num_segments":"1"}"#
                .into(),
        ),
    });
    let action = plugins
        .provider_step(&twilio.handle, &settings, &message, &reply, &outgoing.state)
        .await?;
    let accepted = matches!(
        action,
        provider::Action::Done(provider::Verdict::Accepted(_))
    );
    ensure!(accepted, "Twilio's plugin did not accept a 201: {action:?}");
    Ok(())
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

/// In place of what only the host has.
fn stand_ins() -> StandIns {
    StandIns {
        recipient: "+447700900123".into(),
        calling_code: "44".into(),
        text: "Your code is 123456. It is good for 5 minutes.\n\n@login.example #123456".into(),
        code: "123456".into(),
        receipt_url: String::new(),
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
