//! The admin API: everything of the console for scripts, by the names of the command line. Bearer
//! token, JSON, problem details.

use crate::api::StrictJson;
use crate::api::bearer::token;
use crate::api::json::answer;
use crate::api::problem::{self as kinds, Problem};
use crate::extract::Client;
use crate::extract::authorization::authorization;
use crate::state::WebState;
use crate::tenant::{SuperTenant, Tenant, TenantState};
use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Query};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use postern_admin::audit::Filter;
use postern_admin::definitions::{Sort, Wanted};
use postern_admin::outbox::OutboxAnswer;
use postern_admin::users::UserEdit;
use postern_admin::{Actor, AdminError, Password, Role};
use postern_login::TenantId;
use postern_login::ports::Scope;
use postern_otp::Timestamp;
use serde::Deserialize;
use serde_json::json;

pub fn routes() -> Router<WebState> {
    Router::new()
        .merge(of_a_tenant())
        .route("/admin/api/v1/plugins", get(plugin_list))
        .route("/admin/api/v1/plugins/rescan", post(plugin_rescan))
        .route(
            "/admin/api/v1/plugins/{id}/roll-back",
            post(plugin_roll_back),
        )
        .route("/admin/api/v1/provisioning", get(provisioning_list))
        .route(
            "/admin/api/v1/provisioning/{name}/retry",
            post(provisioning_retry),
        )
        .route(
            "/admin/api/v1/provisioning/{name}/push",
            post(provisioning_push),
        )
        .route("/admin/api/v1/resident", get(resident_show))
        .route(
            "/admin/api/v1/provisioning/waiting/{id}",
            axum::routing::delete(provisioning_drop),
        )
        .route("/admin/api/v1/outbox", axum::routing::delete(outbox_clear))
        .route("/admin/api/v1/outbox/answers", post(outbox_answer))
        .route("/admin/api/v1/definitions/{of}", get(definition_list))
        .route(
            "/admin/api/v1/definitions/{of}/{name}",
            get(definition_show)
                .put(definition_put)
                .delete(definition_delete),
        )
        .route("/admin/api/v1/tenants", get(tenant_list).post(tenant_add))
        .route(
            "/admin/api/v1/tenants/{name}",
            get(tenant_show).delete(tenant_remove),
        )
        .route(
            "/admin/api/v1/tenants/{name}/document",
            axum::routing::put(tenant_set),
        )
        .route("/admin/api/v1/tenants/{name}/enable", post(tenant_enable))
        .route("/admin/api/v1/tenants/{name}/disable", post(tenant_disable))
        .route("/admin/api/v1/audit/verify", get(audit_verify))
        .route("/admin/api/v1/audit/prune", post(audit_prune))
        .route("/admin/api/v1/admins", get(admin_list))
        .route("/admin/api/v1/admins/{name}/invite", post(admin_invite))
        .route("/admin/api/v1/admins/{name}/appoint", post(admin_appoint))
        .route(
            "/admin/api/v1/admins/{name}",
            axum::routing::put(admin_role).delete(admin_remove),
        )
        .route("/admin/api/v1/openapi.json", get(super::openapi::serve))
}

/// What every tenant has, the super tenant too: a handler of these takes `Tenant`.
pub fn of_a_tenant() -> Router<WebState> {
    Router::new()
        .route("/admin/api/v1/users", get(user_list).post(user_add))
        .route(
            "/admin/api/v1/users/{name}",
            get(user_show).patch(user_set).delete(user_delete),
        )
        .route("/admin/api/v1/users/{name}/passwd", post(user_passwd))
        .route("/admin/api/v1/users/{name}/lock", post(user_lock))
        .route("/admin/api/v1/users/{name}/unlock", post(user_unlock))
        // Below `users` it would hide whoever has that name.
        .route("/admin/api/v1/unlock-all", post(user_unlock_all))
        .route(
            "/admin/api/v1/users/{name}/backup-codes",
            post(user_backup_codes),
        )
        .route(
            "/admin/api/v1/users/{name}/end-sessions",
            post(user_end_sessions),
        )
        .route("/admin/api/v1/clients", get(client_list).post(client_add))
        .route(
            "/admin/api/v1/clients/{name}",
            axum::routing::delete(client_revoke),
        )
        .route("/admin/api/v1/senders", get(sender_list))
        .route("/admin/api/v1/senders/{name}/test", post(sender_test))
        .route("/admin/api/v1/outbox", get(outbox_list))
        .route("/admin/api/v1/audit", get(audit_list))
        .route("/admin/api/v1/audit/export", get(audit_export))
}

/// A script with the administrator's token, or 401. Without a configured token nobody is one.
#[derive(Debug)]
pub struct Token(pub Actor);

impl FromRequestParts<WebState> for Token {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &WebState) -> Result<Self, Response> {
        let right = authorization(&parts.headers)
            .ok()
            .flatten()
            .and_then(token)
            .zip(web.admin_token.as_ref())
            .is_some_and(|(token, admin)| admin.matches(token));
        if !right {
            return Err(Problem::new(&kinds::UNAUTHORIZED).into_response());
        }
        let Client(client) = Client::from_request_parts(parts, web)
            .await
            .map_err(|_| Problem::new(&kinds::BROKEN).into_response())?;
        Ok(Self(Actor::token(Some(client.address))))
    }
}

/// An act that was not done, for a program.
pub fn problem(error: AdminError) -> Problem {
    let kind = match &error {
        AdminError::Denied | AdminError::Stale => &kinds::FORBIDDEN,
        AdminError::Invalid(_) | AdminError::Fields(_) => &kinds::NOT_VALID,
        AdminError::NotFound { .. } | AdminError::NoOutbox => &kinds::NOT_FOUND,
        AdminError::Exists { .. } => &kinds::EXISTS,
        AdminError::Changed { .. } => &kinds::CHANGED,
        AdminError::InUse { .. } => &kinds::IN_USE,
        AdminError::ReadOnly { .. } => &kinds::READ_ONLY,
        AdminError::NoHost | AdminError::Unavailable(_) => return Problem::unavailable(&error),
    };
    Problem::new(kind).detail(error.to_string())
}

type Answer = Result<Response, Problem>;

fn ok(body: &impl serde::Serialize) -> Answer {
    Ok(answer(StatusCode::OK, body))
}

fn done(outcome: Result<(), AdminError>) -> Answer {
    outcome.map_err(problem)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

// ---------------------------------------------------------------- users

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Search {
    search: String,
    from: Option<String>,
    rows: u32,
}

impl Default for Search {
    fn default() -> Self {
        Self {
            search: String::new(),
            from: None,
            rows: 100,
        }
    }
}

async fn user_list(
    Tenant(state): Tenant,
    Token(actor): Token,
    wanted: Result<Query<Search>, axum::extract::rejection::QueryRejection>,
) -> Answer {
    let Query(wanted) = wanted.map_err(|_| Problem::new(&kinds::INVALID_REQUEST))?;
    let found = state
        .administration
        .user_list(
            &actor,
            &state.tenant,
            &wanted.search,
            wanted.from.as_deref(),
            wanted.rows.clamp(1, 1000),
        )
        .await
        .map_err(problem)?;
    ok(&json!({ "users": found.users, "next": found.next }))
}

/// Written out, because a flattened body would take fields that nobody knows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewUser {
    name: String,
    password: Password,
    display_name: Option<String>,
    number: Option<String>,
    opted_out: Option<bool>,
    locked: Option<bool>,
    #[serde(default)]
    claims: Vec<(String, String)>,
}

async fn user_add(
    Tenant(state): Tenant,
    Token(actor): Token,
    StrictJson(new): StrictJson<NewUser>,
) -> Answer {
    let edit = UserEdit {
        password: Some(new.password),
        display_name: new.display_name,
        number: new.number.map(Some),
        opted_out: new.opted_out,
        locked: new.locked,
        claims: new.claims,
        ..UserEdit::default()
    };
    state
        .administration
        .user_add(&actor, &state.tenant, &new.name, &edit)
        .await
        .map_err(problem)?;
    Ok(answer(StatusCode::CREATED, &json!({ "name": new.name })))
}

async fn user_show(Tenant(state): Tenant, Token(actor): Token, Path(name): Path<String>) -> Answer {
    let shown = state
        .administration
        .user_shown(&actor, &state.tenant, &name)
        .await
        .map_err(problem)?;
    ok(&shown)
}

async fn user_set(
    Tenant(state): Tenant,
    Token(actor): Token,
    Path(name): Path<String>,
    StrictJson(edit): StrictJson<UserEdit>,
) -> Answer {
    done(
        state
            .administration
            .user_set(&actor, &state.tenant, &name, &edit)
            .await,
    )
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    password: Password,
}

async fn user_passwd(
    Tenant(state): Tenant,
    Token(actor): Token,
    Path(name): Path<String>,
    StrictJson(new): StrictJson<NewPassword>,
) -> Answer {
    done(
        state
            .administration
            .user_passwd(&actor, &state.tenant, &name, new.password)
            .await,
    )
}

async fn user_lock(Tenant(state): Tenant, Token(actor): Token, Path(name): Path<String>) -> Answer {
    done(
        state
            .administration
            .user_lock(&actor, &state.tenant, &name)
            .await,
    )
}

async fn user_unlock(
    Tenant(state): Tenant,
    Token(actor): Token,
    Path(name): Path<String>,
) -> Answer {
    done(
        state
            .administration
            .user_unlock(&actor, &state.tenant, &name)
            .await,
    )
}

async fn user_unlock_all(Tenant(state): Tenant, Token(actor): Token) -> Answer {
    let unlocked = state
        .administration
        .user_unlock_all(&actor, &state.tenant)
        .await
        .map_err(problem)?;
    ok(&json!({ "unlocked": unlocked }))
}

async fn user_backup_codes(
    Tenant(state): Tenant,
    Token(actor): Token,
    Path(name): Path<String>,
) -> Answer {
    let codes = state
        .administration
        .user_backup_codes(&actor, &state.tenant, &name)
        .await
        .map_err(problem)?;
    ok(&json!({ "codes": codes }))
}

async fn user_end_sessions(
    Tenant(state): Tenant,
    Token(actor): Token,
    Path(name): Path<String>,
) -> Answer {
    let ended = state
        .administration
        .user_end_sessions(&actor, &state.tenant, &name)
        .await
        .map_err(problem)?;
    ok(&json!({ "ended": ended }))
}

async fn user_delete(
    Tenant(state): Tenant,
    Token(actor): Token,
    Path(name): Path<String>,
) -> Answer {
    done(
        state
            .administration
            .user_delete(&actor, &state.tenant, &name)
            .await,
    )
}

// ---------------------------------------------------------------- clients

async fn client_list(Tenant(state): Tenant, Token(actor): Token) -> Answer {
    let clients = state
        .administration
        .client_list(&actor, &state.tenant)
        .await
        .map_err(problem)?;
    ok(&json!({ "clients": clients }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewClient {
    name: String,
    #[serde(default = "unnamed_scopes")]
    scopes: Vec<Scope>,
}

fn unnamed_scopes() -> Vec<Scope> {
    Scope::UNNAMED.to_vec()
}

async fn client_add(
    Tenant(state): Tenant,
    Token(actor): Token,
    StrictJson(new): StrictJson<NewClient>,
) -> Answer {
    let token = state
        .administration
        .client_add(&actor, &state.tenant, &new.name, &new.scopes)
        .await
        .map_err(problem)?;
    let body = json!({ "name": new.name, "token": token });
    Ok(answer(StatusCode::CREATED, &body))
}

async fn client_revoke(
    Tenant(state): Tenant,
    Token(actor): Token,
    Path(name): Path<String>,
) -> Answer {
    done(
        state
            .administration
            .client_revoke(&actor, &state.tenant, &name)
            .await,
    )
}

// ---------------------------------------------------------------- provisioning

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AfterNumber {
    #[serde(default)]
    after: u64,
}

async fn provisioning_list(
    SuperTenant(state): SuperTenant,
    Token(actor): Token,
    Query(page): Query<AfterNumber>,
) -> Answer {
    const ROWS: usize = 500;
    let queue = state
        .administration
        .provisioning_list(&actor, &state.tenant, page.after, ROWS)
        .await
        .map_err(problem)?;
    ok(&queue)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Again {
    number: Option<u64>,
}

async fn provisioning_retry(
    SuperTenant(state): SuperTenant,
    Token(actor): Token,
    Path(connector): Path<String>,
    StrictJson(again): StrictJson<Again>,
) -> Answer {
    let retried = state
        .administration
        .provisioning_retry(&actor, &state.tenant, &connector, again.number)
        .await
        .map_err(problem)?;
    ok(&json!({ "retried": retried }))
}

async fn provisioning_push(
    SuperTenant(state): SuperTenant,
    Token(actor): Token,
    Path(connector): Path<String>,
) -> Answer {
    state
        .administration
        .provisioning_push(&actor, &state.tenant, &connector)
        .await
        .map_err(problem)?;
    Ok(StatusCode::ACCEPTED.into_response())
}

async fn resident_show(SuperTenant(state): SuperTenant, Token(actor): Token) -> Answer {
    let resident = state
        .administration
        .resident_show(&actor, &state.tenant)
        .await;
    ok(&resident.map_err(problem)?)
}

async fn provisioning_drop(
    SuperTenant(state): SuperTenant,
    Token(actor): Token,
    Path(number): Path<u64>,
) -> Answer {
    done(
        state
            .administration
            .provisioning_drop(&actor, &state.tenant, number)
            .await,
    )
}

// ---------------------------------------------------------------- plugins, senders

async fn plugin_list(SuperTenant(state): SuperTenant, Token(actor): Token) -> Answer {
    let plugins = state.administration.plugin_list(&actor).await;
    ok(&json!({ "plugins": plugins.map_err(problem)? }))
}

async fn plugin_rescan(SuperTenant(state): SuperTenant, Token(actor): Token) -> Answer {
    state
        .administration
        .plugin_rescan(&actor)
        .await
        .map_err(problem)?;
    Ok(StatusCode::ACCEPTED.into_response())
}

async fn plugin_roll_back(
    SuperTenant(state): SuperTenant,
    Token(actor): Token,
    Path(id): Path<String>,
) -> Answer {
    let version = state.administration.plugin_roll_back(&actor, &id).await;
    ok(&json!({ "version": version.map_err(problem)? }))
}

async fn sender_list(Tenant(state): Tenant, Token(actor): Token) -> Answer {
    let senders = state
        .administration
        .sender_list(&actor, &state.tenant)
        .await
        .map_err(problem)?;
    ok(&json!({ "senders": senders }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct To {
    number: String,
}

async fn sender_test(
    Tenant(state): Tenant,
    Token(actor): Token,
    Path(name): Path<String>,
    StrictJson(to): StrictJson<To>,
) -> Answer {
    let outcome = state
        .administration
        .sender_test(&actor, &state.tenant, &name, &to.number)
        .await
        .map_err(problem)?;
    ok(&outcome)
}

// ---------------------------------------------------------------- the test outbox

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SentTo {
    to: Option<String>,
}

async fn outbox_list(
    Tenant(state): Tenant,
    Token(actor): Token,
    wanted: Result<Query<SentTo>, axum::extract::rejection::QueryRejection>,
) -> Answer {
    let Query(wanted) = wanted.map_err(|_| Problem::new(&kinds::INVALID_REQUEST))?;
    let messages = state
        .administration
        .outbox_list(&actor, &state.tenant, wanted.to.as_deref())
        .await
        .map_err(problem)?;
    ok(&json!({ "messages": messages }))
}

async fn outbox_answer(
    SuperTenant(state): SuperTenant,
    Token(actor): Token,
    StrictJson(answer): StrictJson<OutboxAnswer>,
) -> Answer {
    let told = state
        .administration
        .outbox_answer(&actor, &state.tenant, &answer);
    done(told.await)
}

async fn outbox_clear(SuperTenant(state): SuperTenant, Token(actor): Token) -> Answer {
    let cleared = state.administration.outbox_clear(&actor, &state.tenant);
    done(cleared.await)
}

// ---------------------------------------------------------------- tenants

async fn tenant_list(SuperTenant(state): SuperTenant, Token(actor): Token) -> Answer {
    let tenants = state.administration.tenant_list(&actor).await;
    ok(&tenants.map_err(problem)?)
}

async fn tenant_show(
    SuperTenant(state): SuperTenant,
    Token(actor): Token,
    Path(name): Path<String>,
) -> Answer {
    let tenant = tenant(&name)?;
    let shown = state.administration.tenant_show(&actor, &tenant).await;
    ok(&shown.map_err(problem)?)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTenant {
    tenant: String,
    document: Option<String>,
}

async fn tenant_add(
    SuperTenant(state): SuperTenant,
    Token(actor): Token,
    StrictJson(new): StrictJson<NewTenant>,
) -> Answer {
    let tenant = TenantId::parse(&new.tenant)
        .map_err(|error| problem(AdminError::Invalid(error.to_string())))?;
    let added = state
        .administration
        .tenant_add(&actor, &tenant, new.document)
        .await;
    let warnings = added.map_err(problem)?;
    let body = json!({ "tenant": tenant, "warnings": warnings });
    Ok(answer(StatusCode::CREATED, &body))
}

/// Without a document the tenant runs by the values of the configuration file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewDocument {
    document: Option<String>,
}

async fn tenant_set(
    SuperTenant(state): SuperTenant,
    Token(actor): Token,
    Path(name): Path<String>,
    StrictJson(new): StrictJson<NewDocument>,
) -> Answer {
    let tenant = tenant(&name)?;
    let set = state
        .administration
        .tenant_set(&actor, &tenant, new.document)
        .await;
    ok(&json!({ "warnings": set.map_err(problem)? }))
}

async fn tenant_enable(
    SuperTenant(state): SuperTenant,
    Token(actor): Token,
    Path(name): Path<String>,
) -> Answer {
    let tenant = tenant(&name)?;
    done(state.administration.tenant_enable(&actor, &tenant).await)
}

async fn tenant_disable(
    SuperTenant(state): SuperTenant,
    Token(actor): Token,
    Path(name): Path<String>,
) -> Answer {
    let tenant = tenant(&name)?;
    done(state.administration.tenant_disable(&actor, &tenant).await)
}

/// The tenant's name again: what it has cannot be brought back.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Confirmed {
    confirm: String,
}

async fn tenant_remove(
    SuperTenant(state): SuperTenant,
    Token(actor): Token,
    Path(name): Path<String>,
    StrictJson(confirmed): StrictJson<Confirmed>,
) -> Answer {
    let tenant = tenant(&name)?;
    let removed = state
        .administration
        .tenant_remove(&actor, &tenant, &confirmed.confirm)
        .await;
    ok(&json!({ "rows": removed.map_err(problem)? }))
}

fn tenant(name: &str) -> Result<TenantId, Problem> {
    // What is no name is nobody's.
    TenantId::parse(name).map_err(|_| {
        problem(AdminError::NotFound {
            what: "tenant",
            name: name.chars().take(63).collect(),
        })
    })
}

// ---------------------------------------------------------------- definitions

/// `idps`, `sps`, `claims`, `connectors` or `inbound` of the address.
fn sort(of: &str) -> Result<Sort, Problem> {
    match of {
        "idps" => Ok(Sort::IdentityProvider),
        "sps" => Ok(Sort::ServiceProvider),
        "claims" => Ok(Sort::ClaimDialect),
        "connectors" => Ok(Sort::Connector),
        "inbound" => Ok(Sort::Inbound),
        _ => Err(Problem::new(&kinds::NOT_FOUND)),
    }
}

async fn definition_list(
    SuperTenant(state): SuperTenant,
    Token(actor): Token,
    Path(of): Path<String>,
) -> Answer {
    let all = state
        .administration
        .definition_list(&actor, &state.tenant, sort(&of)?)
        .await
        .map_err(problem)?;
    if of == "claims" {
        let meanings = state
            .administration
            .claim_meanings(&actor, &state.tenant)
            .await
            .map_err(problem)?;
        return ok(&json!({ "definitions": all, "meanings": meanings }));
    }
    ok(&json!({ "definitions": all }))
}

async fn definition_show(
    SuperTenant(state): SuperTenant,
    Token(actor): Token,
    Path((of, name)): Path<(String, String)>,
) -> Answer {
    let shown = state
        .administration
        .definition_show(&actor, &state.tenant, sort(&of)?, &name)
        .await
        .map_err(problem)?;
    ok(&shown)
}

async fn definition_put(
    SuperTenant(state): SuperTenant,
    Token(actor): Token,
    Path((of, name)): Path<(String, String)>,
    StrictJson(wanted): StrictJson<Wanted>,
) -> Answer {
    done(
        state
            .administration
            .definition_put(&actor, &state.tenant, sort(&of)?, &name, &wanted)
            .await,
    )
}

async fn definition_delete(
    SuperTenant(state): SuperTenant,
    Token(actor): Token,
    Path((of, name)): Path<(String, String)>,
) -> Answer {
    done(
        state
            .administration
            .definition_delete(&actor, &state.tenant, sort(&of)?, &name)
            .await,
    )
}

// ---------------------------------------------------------------- audit

/// The filter as an address or a form holds it: empty is absent.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rows {
    pub who: String,
    pub event: String,
    pub address: String,
    pub since: String,
    pub until: String,
    pub before: Option<u64>,
    pub after: Option<u64>,
    pub rows: Option<u32>,
}

impl Rows {
    /// `Err` names the field that is no time.
    pub fn filter(&self) -> Result<Filter, &'static str> {
        let time = |name: &'static str, text: &str| match text.trim() {
            "" => Ok(None),
            text => crate::time::parse(text).map(Some).ok_or(name),
        };
        Ok(Filter {
            who: self.who.clone(),
            event: self.event.clone(),
            address: self.address.clone(),
            since: time("since", &self.since)?,
            until: time("until", &self.until)?,
        })
    }
}

type RowsQuery = Result<Query<Rows>, axum::extract::rejection::QueryRejection>;

fn rows(query: RowsQuery) -> Result<(Rows, Filter), Problem> {
    let Query(rows) = query.map_err(|_| Problem::new(&kinds::INVALID_REQUEST))?;
    let filter = rows.filter().map_err(|field| {
        Problem::new(&kinds::INVALID_REQUEST).detail(format!(
            "`{field}`: expected a time as 2026-11-01T00:00:00Z, or a day"
        ))
    })?;
    Ok((rows, filter))
}

async fn audit_list(Tenant(state): Tenant, Token(actor): Token, query: RowsQuery) -> Answer {
    let (wanted, filter) = rows(query)?;
    let page = state
        .administration
        .audit_list(
            &actor,
            &state.tenant,
            &filter,
            wanted.before,
            wanted.rows.unwrap_or(100),
        )
        .await
        .map_err(problem)?;
    ok(&page)
}

async fn audit_export(Tenant(state): Tenant, Token(actor): Token, query: RowsQuery) -> Answer {
    let (wanted, filter) = rows(query)?;
    let after = wanted.after.unwrap_or(0);
    export(&state, actor, filter, after).await.map_err(problem)
}

/// Every row as JSON lines, page after page while the reader reads.
pub async fn export(
    state: &TenantState,
    actor: Actor,
    filter: Filter,
    after: u64,
) -> Result<Response, AdminError> {
    // The first page here, so that a refusal is an answer and not a torn file.
    let first = state
        .administration
        .audit_export(&actor, &state.tenant, &filter, after)
        .await?;
    let (lines, body) = crate::console::lines::channel();
    let (administration, tenant) = (state.administration.clone(), state.tenant.clone());
    tokio::spawn(async move {
        let mut page = first;
        loop {
            let mut text = String::new();
            for row in &page.rows {
                // A row is plain data: it is always JSON.
                text.push_str(&serde_json::to_string(row).unwrap_or_default());
                text.push('\n');
            }
            if !lines.send(text).await {
                return;
            }
            let Some(next) = page.next else { return };
            match administration
                .audit_export(&actor, &tenant, &filter, next)
                .await
            {
                Ok(more) => page = more,
                Err(error) => {
                    tracing::error!(error = crate::error::chain(&error), "an export broke off");
                    // A reader must not take a part for the whole.
                    lines.fail().await;
                    return;
                }
            }
        }
    });
    let mut response = Response::new(Body::new(body));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/jsonl; charset=utf-8"),
    );
    headers.insert(
        header::CONTENT_DISPOSITION,
        HeaderValue::from_static("attachment; filename=\"postern-audit.jsonl\""),
    );
    Ok(response)
}

async fn audit_verify(SuperTenant(state): SuperTenant, Token(actor): Token) -> Answer {
    let verified = state.administration.audit_verify(&actor, None).await;
    ok(&verified.map_err(problem)?)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Before {
    before: String,
}

async fn audit_prune(
    SuperTenant(state): SuperTenant,
    Token(actor): Token,
    StrictJson(wanted): StrictJson<Before>,
) -> Answer {
    let before: Timestamp = crate::time::parse(&wanted.before).ok_or_else(|| {
        Problem::new(&kinds::INVALID_REQUEST)
            .detail("`before`: expected a time as 2026-11-01T00:00:00Z, or a day".to_owned())
    })?;
    let pruned = state.administration.audit_prune(&actor, before).await;
    ok(&json!({ "pruned": pruned.map_err(problem)? }))
}

// ---------------------------------------------------------------- administrators

async fn admin_list(SuperTenant(state): SuperTenant, Token(actor): Token) -> Answer {
    let administrators = state
        .administration
        .admin_list(&actor, &state.tenant)
        .await
        .map_err(problem)?;
    ok(&json!({ "administrators": administrators }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRole {
    role: Role,
}

async fn admin_invite(
    SuperTenant(state): SuperTenant,
    Token(actor): Token,
    Path(name): Path<String>,
    StrictJson(new): StrictJson<NewRole>,
) -> Answer {
    let invited = state
        .administration
        .admin_invite(&actor, &state.tenant, &name, new.role)
        .await
        .map_err(problem)?;
    let body = json!({
        "path": format!("/console/invitation/{}", invited.secret),
        "expires_at": invited.expires_at.unix_seconds(),
    });
    Ok(answer(StatusCode::CREATED, &body))
}

async fn admin_appoint(
    SuperTenant(state): SuperTenant,
    Token(actor): Token,
    Path(name): Path<String>,
    StrictJson(new): StrictJson<NewRole>,
) -> Answer {
    done(
        state
            .administration
            .admin_appoint(&actor, &state.tenant, &name, new.role)
            .await,
    )
}

async fn admin_role(
    SuperTenant(state): SuperTenant,
    Token(actor): Token,
    Path(name): Path<String>,
    StrictJson(new): StrictJson<NewRole>,
) -> Answer {
    done(
        state
            .administration
            .admin_role(&actor, &state.tenant, &name, new.role)
            .await,
    )
}

async fn admin_remove(
    SuperTenant(state): SuperTenant,
    Token(actor): Token,
    Path(name): Path<String>,
) -> Answer {
    done(
        state
            .administration
            .admin_remove(&actor, &state.tenant, &name)
            .await,
    )
}
