//! `postern serve`.

use crate::config::Config;
use crate::{host, telemetry};
use anyhow::Context;
use std::path::Path;

pub(super) fn run(path: &Path) -> anyhow::Result<()> {
    let config = Config::load(path)?;
    let _last_lines = telemetry::log(&config.log)?;
    let metrics = telemetry::metrics()?;
    for warning in &config.warnings {
        tracing::warn!(config.key = warning.key, "{}", warning.message);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")?;
    runtime.block_on(host::serve(path, config, metrics))
}
