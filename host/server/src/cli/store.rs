//! Reaching the store: through the host that runs, or directly if none does.

use super::output;
use crate::assemble;
use crate::config::Config;
use crate::desk::{self, Reply, Request};
use anyhow::Context;
use std::path::Path;

/// Answers one request on the store of this configuration.
pub(super) fn ask(config: &Path, request: Request) -> anyhow::Result<Reply> {
    let config = Config::load(config)?;
    runtime()?.block_on(async {
        let data_dir = &config.server.data_dir;
        if let Some(reply) = desk::ask(data_dir, &request).await? {
            return Ok(reply);
        }
        let desk = assemble::desk(&config)?;
        desk.answer(request).await
    })
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
