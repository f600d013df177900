//! The tenants beside the super tenant, and their settings documents.

use super::{ConsoleForm, ConsoleFrame, Here, done, refused, segment};
use crate::page::{self, see_other};
use crate::tenant::{SuperTenant, TenantState};
use askama::Template;
use axum::extract::{Path, RawQuery};
use axum::response::Response;
use postern_admin::AdminError;
use postern_admin::tenants::{DocumentPlace, TenantReport};
use postern_login::TenantId;

const HERE: &str = "/console/tenants";

#[derive(Template)]
#[template(path = "console/tenants.html")]
struct TenantsPage<'a> {
    c: ConsoleFrame<'a>,
    done: Option<&'static str>,
    tenants: Vec<Row>,
}

#[derive(Template)]
#[template(path = "console/tenant.html")]
struct TenantPage<'a> {
    c: ConsoleFrame<'a>,
    done: Option<&'static str>,
    tenant: Row,
    document: Option<String>,
}

struct Row {
    name: String,
    path: String,
    enabled: bool,
    document: String,
    /// A file's document is changed in its file.
    here: bool,
    trouble: Option<String>,
}

impl Row {
    fn new(report: TenantReport) -> Self {
        let name = report.tenant.to_string();
        Self {
            path: format!("{HERE}/of/{}", segment(&name)),
            name,
            enabled: report.enabled,
            here: !matches!(report.document, DocumentPlace::File(_)),
            document: match report.document {
                DocumentPlace::None => "the configuration's values".to_owned(),
                DocumentPlace::File(file) => file,
                DocumentPlace::Store => "here".to_owned(),
            },
            trouble: report.trouble,
        }
    }
}

/// `GET /console/tenants`
pub async fn list(
    SuperTenant(state): SuperTenant,
    here: Here,
    RawQuery(query): RawQuery,
) -> Response {
    match state.administration.tenant_list(&here.console.actor).await {
        Ok(tenants) => page::draw(&TenantsPage {
            c: ConsoleFrame::new(&state, &here.console, HERE),
            done: done(query.as_deref()),
            tenants: tenants.into_iter().map(Row::new).collect(),
        }),
        Err(error) => refused(&state, error, HERE),
    }
}

/// `GET /console/tenants/of/{name}`
pub async fn show(
    SuperTenant(state): SuperTenant,
    here: Here,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let shown = match named(&name) {
        Ok(tenant) => {
            let actor = &here.console.actor;
            state.administration.tenant_show(actor, &tenant).await
        }
        Err(error) => Err(error),
    };
    match shown {
        Ok(shown) => page::draw(&TenantPage {
            c: ConsoleFrame::new(&state, &here.console, HERE),
            done: done(query.as_deref()),
            tenant: Row::new(shown.report),
            document: shown.document,
        }),
        Err(error) => refused(&state, error, HERE),
    }
}

/// `POST /console/tenants/add`
pub async fn add(SuperTenant(state): SuperTenant, form: ConsoleForm) -> Response {
    let added = match TenantId::parse(form.fields.text("name").trim()) {
        Ok(tenant) => state
            .administration
            .tenant_add(&form.console.actor, &tenant, document(&form))
            .await
            .map(drop),
        Err(error) => Err(AdminError::Invalid(error.to_string())),
    };
    after(&state, added, "tenant-added")
}

/// `POST /console/tenants/set`: the document whole; an empty one takes it away.
pub async fn set(SuperTenant(state): SuperTenant, form: ConsoleForm) -> Response {
    let set = match named(form.fields.text("name")) {
        Ok(tenant) => state
            .administration
            .tenant_set(&form.console.actor, &tenant, document(&form))
            .await
            .map(drop),
        Err(error) => Err(error),
    };
    after(&state, set, "defined")
}

/// `POST /console/tenants/enable`
pub async fn enable(SuperTenant(state): SuperTenant, form: ConsoleForm) -> Response {
    let enabled = match named(form.fields.text("name")) {
        Ok(tenant) => {
            let actor = &form.console.actor;
            state.administration.tenant_enable(actor, &tenant).await
        }
        Err(error) => Err(error),
    };
    after(&state, enabled, "tenant-on")
}

/// `POST /console/tenants/disable`
pub async fn disable(SuperTenant(state): SuperTenant, form: ConsoleForm) -> Response {
    let disabled = match named(form.fields.text("name")) {
        Ok(tenant) => {
            let actor = &form.console.actor;
            state.administration.tenant_disable(actor, &tenant).await
        }
        Err(error) => Err(error),
    };
    after(&state, disabled, "tenant-off")
}

/// `POST /console/tenants/remove`: with the tenant's name again.
pub async fn remove(SuperTenant(state): SuperTenant, form: ConsoleForm) -> Response {
    let removed = match named(form.fields.text("name")) {
        Ok(tenant) => {
            let confirmed = form.fields.text("confirm").trim();
            state
                .administration
                .tenant_remove(&form.console.actor, &tenant, confirmed)
                .await
                .map(drop)
        }
        Err(error) => Err(error),
    };
    after(&state, removed, "tenant-removed")
}

fn document(form: &ConsoleForm) -> Option<String> {
    let text = form.fields.text("document");
    (!text.trim().is_empty()).then(|| text.to_owned())
}

fn after(state: &TenantState, outcome: Result<(), AdminError>, word: &str) -> Response {
    match outcome {
        Ok(()) => see_other(&format!("{HERE}?done={word}")),
        Err(error) => refused(state, error, HERE),
    }
}

fn named(name: &str) -> Result<TenantId, AdminError> {
    TenantId::parse(name).map_err(|_| AdminError::NotFound {
        what: "tenant",
        name: name.chars().take(63).collect(),
    })
}
