//! What is loaded, what it asks for and gets, how it does; the version before.

use super::{ConsoleForm, ConsoleFrame, Here, done, refused};
use crate::page::{self, see_other};
use crate::tenant::SuperTenant;
use askama::Template;
use axum::extract::RawQuery;
use axum::response::Response;
use postern_admin::plugins::PluginReport;

const HERE: &str = "/console/plugins";

#[derive(Template)]
#[template(path = "console/plugins.html")]
struct PluginsPage<'a> {
    c: ConsoleFrame<'a>,
    done: Option<&'static str>,
    plugins: Vec<PluginReport>,
}

/// `GET /console/plugins`
pub async fn list(
    SuperTenant(state): SuperTenant,
    here: Here,
    RawQuery(query): RawQuery,
) -> Response {
    match state.administration.plugin_list(&here.console.actor).await {
        Ok(plugins) => page::draw(&PluginsPage {
            c: ConsoleFrame::new(&state, &here.console, HERE),
            done: done(query.as_deref()),
            plugins,
        }),
        Err(error) => refused(&state, error, HERE),
    }
}

/// `POST /console/plugins/rescan`
pub async fn rescan(SuperTenant(state): SuperTenant, form: ConsoleForm) -> Response {
    match state
        .administration
        .plugin_rescan(&form.console.actor)
        .await
    {
        Ok(()) => see_other(&format!("{HERE}?done=rescan")),
        Err(error) => refused(&state, error, HERE),
    }
}

/// `POST /console/plugins/roll-back`
pub async fn roll_back(SuperTenant(state): SuperTenant, form: ConsoleForm) -> Response {
    let id = form.fields.text("id");
    match state
        .administration
        .plugin_roll_back(&form.console.actor, id)
        .await
    {
        Ok(_) => see_other(&format!("{HERE}?done=rolled-back")),
        Err(error) => refused(&state, error, HERE),
    }
}
