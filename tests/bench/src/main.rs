//! `cargo xtask bench`: the figures, in one run, as ratios where a machine's speed would otherwise
//! decide. Nothing here is a test: a figure that is missed is reported, not failed.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for people at a terminal"
)]

mod bare;
mod cycle;
mod host;
mod ldap;
mod load;
mod message;
mod operator;
mod process;
mod provider;
mod saml;
mod scim;
mod sign_in;
mod table;

use anyhow::{Context, Result, bail, ensure};
use cycle::Numbers;
use host::Host;
use provider::Provider;
use std::io::BufRead;
use std::net::SocketAddr;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// What is measured, in this order.
const PARTS: [&str; 7] = [
    "messages", "cycles", "sign-in", "operator", "ldap", "saml", "scim",
];
const USAGE: &str = "postern-bench all [--json] | messages | cycles | sign-in | operator | ldap | saml | scim [--small]";

fn main() -> ExitCode {
    let arguments: Vec<std::ffi::OsString> = std::env::args_os().skip(1).collect();
    // The worker locks itself down and must be alone in its process: before any thread is started.
    if arguments
        .first()
        .is_some_and(|word| word == "plugin-worker")
    {
        return postern_wasm::worker::main(arguments.into_iter().skip(1));
    }
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[std::ffi::OsString]) -> Result<()> {
    let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let parts: &[&str] = match words.as_slice() {
            ["bare", provider] => return bare::serve(provider.parse()?).await,
            ["all", ..] => &PARTS,
            [part, ..] if PARTS.contains(part) => &[part],
            _ => bail!("expected {USAGE}"),
        };
        let (mut figures, mut failed) = (Vec::new(), Vec::new());
        for part in parts {
            match measure(part, words.contains(&"--small")).await {
                Ok(of_part) => figures.extend(of_part),
                // An hour of the others is not lost with it.
                Err(error) => failed.push(format!("{part}: {error:#}")),
            }
        }
        if words.contains(&"--json") {
            println!("{}", serde_json::to_string_pretty(&figures)?);
        } else {
            print!("{}", table::render(&figures));
        }
        ensure!(failed.is_empty(), "{}", failed.join("\n"));
        Ok(())
    })
}

async fn measure(part: &str, small: bool) -> Result<Vec<table::Figure>> {
    match part {
        "messages" => message::figures().await,
        "cycles" => cycles().await,
        "sign-in" => sign_in().await,
        "operator" => operator().await,
        "ldap" => ldap().await,
        "saml" => saml().await,
        "scim" if small => scim(scim::Extent::SMALL).await,
        "scim" => scim(scim::Extent::FULL).await,
        _ => bail!("expected {USAGE}"),
    }
}

async fn cycles() -> Result<Vec<table::Figure>> {
    let folder = tempfile::tempdir()?;
    let provider = Provider::default();
    let address = provider.clone().start().await?;
    host::lay_out(folder.path(), address)?;
    let host = Host::start(folder.path()).await?;
    let yardstick = Yardstick::start(address)?;
    let numbers = Arc::new(Numbers::new());
    let mut figures = Vec::new();
    for clients in [1, 8, 64] {
        eprintln!("measuring {clients} client(s)");
        let time = Duration::from_secs(8);
        let ours = cycle::postern(&host, &provider, &numbers, clients, time).await?;
        let bare = cycle::bare(yardstick.child.id(), yardstick.address, clients, time).await?;
        figures.extend(cycle::figures(clients, &ours, &bare));
    }
    Ok(figures)
}

async fn sign_in() -> Result<Vec<table::Figure>> {
    let folder = tempfile::tempdir()?;
    let provider = Provider::default();
    let address = provider.clone().start().await?;
    host::lay_out(folder.path(), address)?;
    // The first start writes the configuration; people are added while no host holds the store.
    drop(Host::start(folder.path()).await?);
    sign_in::people(folder.path())?;
    let host = Host::start(folder.path()).await?;
    eprintln!("signing in through the pages");
    sign_in::figures(&host, &provider).await
}

async fn operator() -> Result<Vec<table::Figure>> {
    let folder = tempfile::tempdir()?;
    let provider = Provider::default();
    let address = provider.clone().start().await?;
    host::lay_out(folder.path(), address)?;
    drop(Host::start(folder.path()).await?);
    let mut figures = vec![operator::warm_start(folder.path()).await?];
    let host = Host::start(folder.path()).await?;
    let numbers = Arc::new(Numbers::new());
    eprintln!("opening {} challenges", operator::PENDING);
    figures.extend(operator::memory(&host, &numbers).await?);
    figures.push(operator::rename_to_live(&host).await?);
    eprintln!("swapping a plugin a hundred times");
    figures.extend(operator::swaps(&host, &numbers, &provider).await?);
    Ok(figures)
}

async fn ldap() -> Result<Vec<table::Figure>> {
    let folder = tempfile::tempdir()?;
    let provider = Provider::default();
    let address = provider.clone().start().await?;
    host::lay_out(folder.path(), address)?;
    let slapd = ldap::directory()?;
    ldap::configure(folder.path(), &slapd)?;
    let host = Host::start(folder.path()).await?;
    eprintln!("signing in with an LDAP directory");
    ldap::figures(&host, &provider, Duration::from_secs(8)).await
}

async fn saml() -> Result<Vec<table::Figure>> {
    let folder = tempfile::tempdir()?;
    let address = Provider::default().start().await?;
    host::lay_out(folder.path(), address)?;
    let key = saml::configure(folder.path())?;
    let host = Host::start(folder.path()).await?;
    eprintln!("answering signed requests of a SAML application");
    let mut figures = saml::figures(&host, key, Duration::from_secs(8)).await?;
    eprintln!("refusing hostile SAML documents");
    figures.extend(saml::refusals(&host).await?);
    Ok(figures)
}

async fn scim(extent: scim::Extent) -> Result<Vec<table::Figure>> {
    let folder = tempfile::tempdir()?;
    let address = Provider::default().start().await?;
    host::lay_out(folder.path(), address)?;
    let host = Host::start(folder.path()).await?;
    let yardstick = Yardstick::start(address)?;
    let bare = (yardstick.child.id(), yardstick.address);
    let mut figures = scim::creations(&host, bare, extent).await?;
    drop(host);
    // Another store: those that were created are no part of the run.
    let folder = tempfile::tempdir()?;
    host::lay_out(folder.path(), address)?;
    let host = Host::start(folder.path()).await?;
    figures.extend(scim::outbound(&host, extent).await?);
    Ok(figures)
}

/// The bare server, in a process of its own.
struct Yardstick {
    address: SocketAddr,
    child: Child,
}

impl Yardstick {
    fn start(provider: SocketAddr) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["bare", &provider.to_string()])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let out = child
            .stdout
            .take()
            .context("no pipe from the bare server")?;
        std::io::BufReader::new(out).read_line(&mut line)?;
        Ok(Self {
            address: line
                .trim()
                .parse()
                .context("the bare server said no address")?,
            child,
        })
    }
}

impl Drop for Yardstick {
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}
