//! `postern openapi`: the document of the JSON API, without a host.

use super::output;

pub(super) fn run() -> anyhow::Result<()> {
    output::line(postern_web::api::openapi::text());
    Ok(())
}
