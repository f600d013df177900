//! `sms-gateway`: the stand-in as a program.

use anyhow::Context;
use clap::Parser;
use sms_gateway::{Accounts, Answer, Behaviour, Gateway};
use std::net::SocketAddr;

/// A stand-in SMS gateway that speaks Twilio's and Vonage's interfaces on loopback.
///
/// Example: sms-gateway --listen 127.0.0.1:9445, then open http://127.0.0.1:9445/phone
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Where to listen; port 0 takes a free one. Loopback only.
    #[arg(long, default_value = "127.0.0.1:9445")]
    listen: SocketAddr,
    /// Wait so many milliseconds before every answer.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    #[arg(long, default_value_t = Accounts::default().twilio_sid)]
    twilio_sid: String,
    #[arg(long, default_value_t = Accounts::default().twilio_token)]
    twilio_token: String,
    #[arg(long, default_value_t = Accounts::default().vonage_key)]
    vonage_key: String,
    #[arg(long, default_value_t = Accounts::default().vonage_secret)]
    vonage_secret: String,
}

#[tokio::main]
#[allow(
    clippy::print_stdout,
    reason = "the address is what whoever starts it waits for"
)]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    anyhow::ensure!(
        arguments.listen.ip().is_loopback(),
        "--listen {}: expected a loopback address such as 127.0.0.1:9445, because the phone page shows every code",
        arguments.listen
    );
    let gateway = Gateway::new(Accounts {
        twilio_sid: arguments.twilio_sid,
        twilio_token: arguments.twilio_token,
        vonage_key: arguments.vonage_key,
        vonage_secret: arguments.vonage_secret,
    });
    gateway.behave(Behaviour {
        latency_ms: arguments.latency_ms,
        answer: Answer::Normal,
        requests: 0,
    });
    let listener = tokio::net::TcpListener::bind(arguments.listen)
        .await
        .with_context(|| format!("cannot listen on {}", arguments.listen))?;
    println!("phone: http://{}/phone", listener.local_addr()?);
    gateway.serve(listener).await?;
    Ok(())
}
