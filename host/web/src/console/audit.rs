//! What happened: filter, page, export, check.

use super::{ConsoleForm, ConsoleFrame, Here, refused, sentence};
use crate::admin::api::Rows;
use crate::page;
use crate::tenant::{SuperTenant, Tenant, TenantState};
use crate::time;
use askama::Template;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use postern_admin::AdminError;
use postern_admin::audit::{Pruned, Row, Verified, details, names};

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
    pruned: Option<Option<Pruned>>,
    /// What was typed for the oldest day to keep.
    before: &'a str,
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
    Tenant(state): Tenant,
    here: Here,
    query: Result<Query<Rows>, QueryRejection>,
) -> Response {
    let Ok(Query(wanted)) = query else {
        return crate::error::PageError::Form.into_response();
    };
    draw(&state, &here.console, &wanted, Said::Nothing).await
}

/// What an act of this page came to.
enum Said<'a> {
    Nothing,
    Verified(Verified),
    Pruned(Option<Pruned>),
    /// The rows stay, and why; with what was typed.
    NotPruned(String, &'a str),
}

async fn draw(
    state: &TenantState,
    console: &postern_admin::console::Console,
    wanted: &Rows,
    said: Said<'_>,
) -> Response {
    let wrong = matches!(said, Said::NotPruned(..));
    let (verified, pruned, refusal, before) = match said {
        Said::Nothing => (None, None, None, ""),
        Said::Verified(verified) => (Some(verified), None, None, ""),
        Said::Pruned(pruned) => (None, Some(pruned), None, ""),
        Said::NotPruned(words, before) => (None, None, Some(words), before),
    };
    let (filter, notice) = match wanted.filter() {
        Ok(filter) => (filter, refusal),
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
        .audit_list(&console.actor, &state.tenant, &filter, wanted.before, ROWS)
        .await;
    let page = match page {
        Ok(page) => page,
        Err(error) => return refused(state, error, HERE),
    };
    let mut response = page::draw(&AuditPage {
        c: ConsoleFrame::new(state, console, HERE),
        notice,
        older: page
            .next
            .map(|next| format!("{HERE}?{}", query(wanted, Some(next)))),
        export: format!("{HERE}/export?{}", query(wanted, None)),
        rows: page.rows.iter().map(Line::new).collect(),
        wanted,
        verified,
        pruned,
        before,
    });
    if wrong {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    response
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
    Tenant(state): Tenant,
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
        Ok(verified) => {
            let said = Said::Verified(verified);
            draw(&state, &form.console, &Rows::default(), said).await
        }
        Err(error) => refused(&state, error, HERE),
    }
}

/// `POST /console/audit/prune`
pub async fn prune(SuperTenant(state): SuperTenant, form: ConsoleForm) -> Response {
    let typed = form.fields.text("before").trim();
    let all = Rows::default();
    let Some(before) = time::parse(typed) else {
        let words = "That is no time: write 2026-01-01, or 2026-01-01T09:00:00Z.".to_owned();
        return draw(&state, &form.console, &all, Said::NotPruned(words, typed)).await;
    };
    let pruned = state
        .administration
        .audit_prune(&form.console.actor, before)
        .await;
    match pruned {
        Ok(pruned) => draw(&state, &form.console, &all, Said::Pruned(pruned)).await,
        Err(error @ AdminError::Invalid(_)) => {
            let words = sentence(&error);
            draw(&state, &form.console, &all, Said::NotPruned(words, typed)).await
        }
        Err(error) => refused(&state, error, HERE),
    }
}
