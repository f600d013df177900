//! `[log]`: how much, and in which form.

use super::section::Section;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    pub format: LogFormat,
    /// A level, or directives of tracing's EnvFilter: `info,postern_gateway=debug`.
    pub filter: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    /// One JSON object a line.
    Json,
}

impl Log {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let format = section.word(
            "format",
            &[("text", LogFormat::Text), ("json", LogFormat::Json)],
        );
        let filter: String = section.or("filter", "a level such as `info`", "info".to_owned());
        if filter
            .parse::<tracing_subscriber::filter::Targets>()
            .is_err()
        {
            section.problem("filter", format!("`{filter}`: expected `error`, `warn`, `info`, `debug`, `trace`, or a list such as `info,postern_gateway=debug`"));
        }
        section.finish();
        Self { format, filter }
    }
}
