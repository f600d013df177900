//! Logs to standard error, metrics to the administrator's listener. What is said is the business of
//! whoever says it; here is only how.

mod lines;

pub use lines::LastLines;

use crate::config::{Log, LogFormat};
use anyhow::Context;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// Installs the log for the whole process. Control characters are escaped in both forms, so that one
/// event is one line whatever a user name holds (attack L-01). Whoever holds what it gives back holds
/// the end of the process up until the last lines are out.
pub fn log(log: &Log) -> anyhow::Result<LastLines> {
    let filter = EnvFilter::try_new(&log.filter)
        .with_context(|| format!("`log.filter`: `{}` is no filter", log.filter))?;
    // The file watcher tells of every write beside the plugin folder. A log file there would be told
    // of its own lines, without end.
    let filter = ["notify=info", "mio=info"]
        .into_iter()
        .fold(filter, |filter, quiet| {
            filter.add_directive(quiet.parse().expect("a directive"))
        });
    let (lines, last) =
        lines::Lines::to(std::io::stderr()).context("the log's thread cannot be started")?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(lines)
        .with_span_events(FmtSpan::NONE)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    let installed = match log.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    installed.map_err(|error| anyhow::anyhow!("the log cannot be installed: {error}"))?;
    Ok(last)
}

/// Installs the recorder of metrics; the handle renders them as Prometheus text.
pub fn metrics() -> anyhow::Result<PrometheusHandle> {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).context("the metrics cannot be installed")?;
    Ok(handle)
}
