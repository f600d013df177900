//! `relying-party`: the sample application as a program.

use anyhow::Context;
use clap::Parser;
use postern_federation::Secret;
use relying_party::{App, Settings};
use std::net::SocketAddr;
use std::path::PathBuf;

/// A sample application that signs its people in through Postern, by SAML 2.0 and by OpenID Connect.
///
/// Example: relying-party --identity-provider http://localhost:9443, then open http://localhost:8080/
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Where to listen. Loopback only.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// How browsers reach it; by default `http://localhost` and the port.
    #[arg(long)]
    public_url: Option<String>,
    /// The public URL of the Postern it is registered at.
    #[arg(long, default_value = "http://localhost:9443")]
    identity_provider: String,
    /// Issuer: what its entry there calls it.
    #[arg(long, default_value = "travelocity.com")]
    entity_id: String,
    #[arg(long, default_value = "sample")]
    client_id: String,
    /// Without one it is a public client.
    #[arg(long)]
    client_secret: Option<String>,
    /// A folder for its key and its certificate, `saml.key` and `saml.crt`; made if they are not there.
    #[arg(long, default_value = "relying-party-keys")]
    keys: PathBuf,
}

#[tokio::main]
#[allow(
    clippy::print_stdout,
    reason = "the address is what whoever starts it waits for"
)]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    anyhow::ensure!(
        arguments.listen.ip().is_loopback(),
        "--listen {}: expected a loopback address such as 127.0.0.1:8080, because this is a sample without TLS",
        arguments.listen
    );
    let listener = tokio::net::TcpListener::bind(arguments.listen)
        .await
        .with_context(|| format!("cannot listen on {}", arguments.listen))?;
    let port = listener.local_addr()?.port();
    let key = relying_party::keys::in_folder(&arguments.keys)?;
    let app = App::new(Settings {
        public_url: arguments
            .public_url
            .unwrap_or_else(|| format!("http://localhost:{port}")),
        identity_provider: arguments.identity_provider,
        entity_id: arguments.entity_id,
        client_id: arguments.client_id,
        client_secret: arguments.client_secret.map(Secret::new),
        key,
    })?;
    println!("application: {}/", app.settings().public_url);
    axum::serve(listener, app.router()).await?;
    Ok(())
}
