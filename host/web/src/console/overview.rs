//! The first page: whether all is well, and what happened last.

use super::audit::Line;
use super::{ConsoleFrame, HOME, Here, refused};
use crate::page;
use crate::tenant::SuperTenant;
use askama::Template;
use axum::response::Response;
use postern_admin::audit::Filter;
use postern_admin::plugins::PluginReport;
use postern_admin::senders::SenderReport;

/// Rows of the log on this page.
const ROWS: u32 = 8;

#[derive(Template)]
#[template(path = "console/overview.html")]
struct OverviewPage<'a> {
    c: ConsoleFrame<'a>,
    store: bool,
    senders: Vec<SenderReport>,
    plugins: Vec<PluginReport>,
    rows: Vec<Line>,
}

/// `GET /console`
pub async fn show(SuperTenant(state): SuperTenant, here: Here) -> Response {
    let (acts, actor) = (&state.administration, &here.console.actor);
    let tenant = &here.console.tenant;
    let all = Filter::default();
    let (ready, senders, plugins, page) = tokio::join!(
        state.readiness.check(),
        acts.sender_list(actor, tenant),
        acts.plugin_list(actor),
        acts.audit_list(actor, tenant, &all, None, ROWS),
    );
    let drawn = (|| {
        Ok(OverviewPage {
            c: ConsoleFrame::new(&state, &here.console, HOME),
            store: ready.store,
            senders: senders?,
            plugins: plugins?,
            rows: page?.rows.iter().map(Line::new).collect(),
        })
    })();
    match drawn {
        Ok(drawn) => page::draw(&drawn),
        Err(error) => refused(&state, error, HOME),
    }
}

impl OverviewPage<'_> {
    fn serving(&self) -> usize {
        self.plugins
            .iter()
            .filter(|plugin| plugin.state == "serving")
            .count()
    }

    fn troubled(&self) -> Vec<&PluginReport> {
        self.plugins
            .iter()
            .filter(|plugin| plugin.refused.is_some() || plugin.state == "quarantined")
            .collect()
    }

    fn ready(&self) -> usize {
        self.senders.iter().filter(|sender| sender.ready).count()
    }
}
