//! What happened: filter, page, export, check.

use super::{ConsoleForm, ConsoleFrame, Here, refused};
use crate::admin::api::Rows;
use crate::page;
use crate::tenant::{SuperTenant, TenantState};
use crate::time;
use askama::Template;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::response::{IntoResponse, Response};
use postern_admin::audit::{Row, Verified, details, names};

const HERE: &str = "/console/audit";
const ROWS: u32 = 50;

#[derive(Template)]
#[template(path = "console/audit.html")]
struct AuditPage<'a> {
    c: ConsoleFrame<'a>,
    notice: Option<String>,
    wanted: &'a Rows,
    rows: Vec<Line>,
    older: Option<String>,
    export: String,
    verified: Option<Verified>,
}

/// A row as the page shows it.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) seq: u64,
    pub(super) when: String,
    pub(super) who: String,
    pub(super) what: String,
    pub(super) on: String,
    pub(super) from: String,
    pub(super) details: String,
}

impl Line {
    pub(super) fn new(row: &Row) -> Self {
        let (event, act, on) = names(&row.event);
        let what = match act {
            Some(act) if event == "administered" => act,
            Some(act) => format!("{act} ({})", event.trim_start_matches("administration-")),
            None => event.replace('-', " "),
        };
        Self {
            seq: row.seq,
            when: time::second(row.event.at),
            who: row.event.who.clone().unwrap_or_default(),
            what,
            on: on.unwrap_or_default(),
            from: row.event.address.clone().unwrap_or_default(),
            details: details(&row.event).join(", "),
        }
    }
}

/// `GET /console/audit`
pub async fn list(
    SuperTenant(state): SuperTenant,
    here: Here,
    query: Result<Query<Rows>, QueryRejection>,
) -> Response {
    let Ok(Query(wanted)) = query else {
        return crate::error::PageError::Form.into_response();
    };
    draw(&state, &here.console, &wanted, None).await
}

async fn draw(
    state: &TenantState,
    console: &postern_admin::console::Console,
    wanted: &Rows,
    verified: Option<Verified>,
) -> Response {
    let (filter, notice) = match wanted.filter() {
        Ok(filter) => (filter, None),
        Err(field) => (
            postern_admin::audit::Filter::default(),
            Some(format!(
                "{} is no time: write 2026-11-01, or 2026-11-01T09:00:00Z.",
                if field == "since" { "Since" } else { "Until" }
            )),
        ),
    };
    let page = state
        .administration
        .audit_list(
            &console.actor,
            &console.tenant,
            &filter,
            wanted.before,
            ROWS,
        )
        .await;
    let page = match page {
        Ok(page) => page,
        Err(error) => return refused(state, error, HERE),
    };
    page::draw(&AuditPage {
        c: ConsoleFrame::new(state, console, HERE),
        notice,
        older: page
            .next
            .map(|next| format!("{HERE}?{}", query(wanted, Some(next)))),
        export: format!("{HERE}/export?{}", query(wanted, None)),
        rows: page.rows.iter().map(Line::new).collect(),
        wanted,
        verified,
    })
}

fn query(wanted: &Rows, before: Option<u64>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in [
        ("who", &wanted.who),
        ("event", &wanted.event),
        ("address", &wanted.address),
        ("since", &wanted.since),
        ("until", &wanted.until),
    ] {
        if !value.is_empty() {
            query.append_pair(name, value);
        }
    }
    if let Some(before) = before {
        query.append_pair("before", &before.to_string());
    }
    query.finish()
}

/// `GET /console/audit/export`
pub async fn export(
    SuperTenant(state): SuperTenant,
    here: Here,
    query: Result<Query<Rows>, QueryRejection>,
) -> Response {
    let Ok(Query(wanted)) = query else {
        return crate::error::PageError::Form.into_response();
    };
    let Ok(filter) = wanted.filter() else {
        return crate::error::PageError::Form.into_response();
    };
    let actor = here.console.actor;
    match crate::admin::api::export(&state, actor, filter, wanted.after.unwrap_or(0)).await {
        Ok(response) => response,
        Err(error) => refused(&state, error, HERE),
    }
}

/// `POST /console/audit/verify`: reads the whole log, so it is asked for by a button.
pub async fn verify(SuperTenant(state): SuperTenant, form: ConsoleForm) -> Response {
    match state
        .administration
        .audit_verify(&form.console.actor, None)
        .await
    {
        Ok(verified) => draw(&state, &form.console, &Rows::default(), Some(verified)).await,
        Err(error) => refused(&state, error, HERE),
    }
}
