//! Reaching the store: through the host that runs, or directly if none does.

use super::{OfTenant, output};
use crate::assemble;
use crate::config::{Config, ConfigError};
use crate::desk::{self, Asked, Reply, Request};
use anyhow::Context;
use postern_login::TenantId;
use std::path::Path;

/// Answers one request on the store of this configuration; where it is about users or clients, the
/// super tenant's.
pub(super) fn ask(config: &Path, request: Request) -> anyhow::Result<Reply> {
    ask_for(config, TenantId::super_tenant(), request)
}

/// As `ask`, for the tenant that was named.
pub(super) fn ask_of(of: &OfTenant, request: Request) -> anyhow::Result<Reply> {
    let tenant = of.tenant.clone();
    ask_for(
        &of.config,
        tenant.unwrap_or_else(TenantId::super_tenant),
        request,
    )
}

fn ask_for(config: &Path, tenant: TenantId, request: Request) -> anyhow::Result<Reply> {
    let asked = Asked { tenant, request };
    let config = load(config)?;
    runtime()?.block_on(async {
        let data_dir = &config.server.data_dir;
        if let Some(reply) = desk::ask(data_dir, &asked).await? {
            return Ok(reply);
        }
        let desk = assemble::desk(&config).await?;
        desk.answer_for(asked).await
    })
}

/// A sender that is not in order, because its secret is in the environment of the host and not in this
/// shell, say, is nothing to the store.
fn load(config: &Path) -> Result<Config, ConfigError> {
    match Config::load(config) {
        Err(ConfigError::Wrong { problems, rest, .. })
            if problems.iter().all(|p| p.key.starts_with("sender.")) =>
        {
            Ok(*rest)
        }
        other => other,
    }
}

pub(super) fn migrate(config: &Path) -> anyhow::Result<()> {
    let config = Config::load(config)?;
    let runtime = runtime()?;
    let _inside = runtime.enter();
    drop(assemble::store(&config)?);
    output::line(format!(
        "the store in `{}` is up to date",
        config.server.data_dir.display()
    ));
    Ok(())
}

/// A runtime for one short command.
pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")
}
