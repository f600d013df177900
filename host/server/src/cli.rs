//! The command line. Each command is one file; here are their names, and how an error is told.
//!
//! Owns: arguments, what is printed, exit codes: 0 done, 1 not done, 2 wrong usage (clap's own).

mod admin;
mod audit;
mod client;
mod config;
mod definition;
mod import;
mod openapi;
mod outbox;
mod output;
mod plugin;
mod provisioning;
mod resident;
mod saml;
mod sender;
mod serve;
mod store;
mod tenant;
mod user;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// SMS one-time passwords, with every provider a sandboxed plugin.
#[derive(Debug, Parser)]
#[command(
    name = "postern",
    version,
    arg_required_else_help = true,
    after_help = "\
First steps:
  postern config init > postern.toml       a commented configuration
  postern check-config                     everything that is wrong with it, at once
  postern user add alice --number +12025550142
  postern serve"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the host until it is told to stop (SIGTERM, Ctrl-C). SIGHUP reads the configuration again.
    #[command(after_help = "Example: postern serve --config /etc/postern/postern.toml")]
    Serve(ConfigFile),
    /// Say everything that is wrong with the configuration and its senders, and what is unwise.
    #[command(after_help = "Example: postern check-config --config postern.toml")]
    CheckConfig(config::Check),
    /// Write a first configuration.
    #[command(subcommand)]
    Config(config::Command),
    /// The people of the embedded user store.
    #[command(subcommand)]
    User(user::Command),
    /// Applications that call the JSON API.
    #[command(subcommand)]
    Client(client::Command),
    /// Identity providers: those of the file, and those defined here and in the console.
    #[command(subcommand)]
    Idp(definition::Command),
    /// Service providers: applications that Postern signs people in for.
    #[command(subcommand)]
    Sp(definition::Command),
    /// Claim dialects: what others call the claims that are known here.
    #[command(subcommand)]
    Claim(definition::Command),
    /// What this host is to SAML peers.
    #[command(subcommand)]
    Saml(saml::Command),
    /// Who administers, and the way in for them.
    #[command(subcommand)]
    Admin(admin::Command),
    /// The audit log: look, export, check that nobody changed it.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Connectors: peers that are told of users and groups here.
    #[command(subcommand)]
    Connector(definition::Command),
    /// The rule of inbound provisioning, called `resident`: into which user store others put users.
    #[command(subcommand)]
    Inbound(definition::Command),
    /// What this host is to its peers.
    #[command(subcommand)]
    Resident(resident::Command),
    /// The peers that are told of users and groups, and what waits for them.
    #[command(subcommand)]
    Provisioning(provisioning::Command),
    /// The test outbox of the plugin `fake`: what it was sent, what it answers.
    #[command(subcommand)]
    Outbox(outbox::Command),
    /// How the senders stand, and a test message.
    #[command(subcommand)]
    Sender(sender::Command),
    /// Tenants beside the super tenant, and their settings documents.
    #[command(subcommand)]
    Tenant(tenant::Command),
    /// Write, build, test and look at plugins.
    #[command(subcommand)]
    Plugin(plugin::Command),
    /// Bring the store to the schema of this version. `serve` does it too; this does only that.
    #[command(after_help = "Example: postern migrate --config postern.toml")]
    Migrate(ConfigFile),
    /// Print the OpenAPI document of the JSON API.
    #[command(after_help = "Example: postern openapi > postern-api.json")]
    Openapi,
}

/// Which configuration.
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigFile {
    /// The configuration file.
    #[arg(long, default_value = "postern.toml")]
    config: PathBuf,
}

/// Which configuration, and whose users, clients, senders or rows.
#[derive(Debug, clap::Args)]
pub(crate) struct OfTenant {
    /// The configuration file.
    #[arg(long, default_value = "postern.toml")]
    config: PathBuf,
    /// The tenant; without it the super tenant.
    #[arg(long)]
    tenant: Option<postern_login::TenantId>,
}

/// Runs one command; what went wrong is one sentence on standard error.
pub fn run() -> ExitCode {
    // Before anything else of the process exists: the worker builds walls around its first thread.
    let mut arguments = std::env::args_os().skip(1);
    if arguments
        .next()
        .is_some_and(|first| first == "plugin-worker")
    {
        return postern_wasm::worker::main(arguments);
    }
    let outcome = match Arguments::parse().command {
        Command::Serve(file) => serve::run(&file.config),
        Command::CheckConfig(check) => config::check(&check),
        Command::Config(command) => config::run(&command),
        Command::User(command) => user::run(command),
        Command::Client(command) => client::run(command),
        Command::Idp(command) => {
            definition::run(postern_admin::definitions::Sort::IdentityProvider, command)
        }
        Command::Sp(command) => {
            definition::run(postern_admin::definitions::Sort::ServiceProvider, command)
        }
        Command::Claim(command) => {
            definition::run(postern_admin::definitions::Sort::ClaimDialect, command)
        }
        Command::Connector(command) => {
            definition::run(postern_admin::definitions::Sort::Connector, command)
        }
        Command::Inbound(command) => {
            definition::run(postern_admin::definitions::Sort::Inbound, command)
        }
        Command::Resident(command) => resident::run(command),
        Command::Saml(command) => saml::run(command),
        Command::Admin(command) => admin::run(command),
        Command::Audit(command) => audit::run(command),
        Command::Provisioning(command) => provisioning::run(command),
        Command::Outbox(command) => outbox::run(command),
        Command::Sender(command) => sender::run(command),
        Command::Tenant(command) => tenant::run(command),
        Command::Plugin(command) => plugin::run(command),
        Command::Migrate(file) => store::migrate(&file.config),
        Command::Openapi => openapi::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&error);
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use std::collections::BTreeSet;

    /// Of the machine, not of a host: files that are read and written, forms, plugins that are made.
    const NO_ACT: [&str; 15] = [
        "claim form",
        "config import",
        "config init",
        "config reference",
        "connector form",
        "idp form",
        "inbound form",
        "plugin build",
        "plugin inspect",
        "plugin new",
        "plugin test",
        "plugin try",
        "saml metadata",
        "sp form",
        "tenant import",
    ];

    /// The admin API is held to the same names by its own test, and the console's pages by theirs.
    #[test]
    fn every_act_is_a_command_of_its_name_and_every_other_command_is_known() {
        let mut commands = BTreeSet::new();
        for group in Arguments::command().get_subcommands() {
            for command in group.get_subcommands() {
                commands.insert(format!("{} {}", group.get_name(), command.get_name()));
            }
        }
        for act in postern_admin::act::ALL {
            assert!(
                commands.remove(act.name),
                "there is no `postern {}`",
                act.name
            );
        }
        assert_eq!(commands.into_iter().collect::<Vec<_>>(), NO_ACT);
    }

    #[test]
    fn the_help_of_every_command_has_an_example() {
        let root = Arguments::command();
        let mut groups = vec![(root.get_name().to_owned(), &root)];
        let (mut commands, mut without) = (0, Vec::new());
        while let Some((name, command)) = groups.pop() {
            if command.has_subcommands() {
                let below = command.get_subcommands();
                groups.extend(below.map(|one| (format!("{name} {}", one.get_name()), one)));
                continue;
            }
            commands += 1;
            let help = command.get_after_help().map(ToString::to_string);
            if !help.is_some_and(|help| help.contains("Example")) {
                without.push(name);
            }
        }
        assert_eq!(without, Vec::<String>::new());
        assert!(commands > 50, "{commands}");
    }
}
