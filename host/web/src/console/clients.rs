//! Applications that call the JSON API: their tokens, shown once, and what these are good for.

use super::{ConsoleForm, ConsoleFrame, Here, done, refused, sentence};
use crate::page::{self, see_other};
use crate::tenant::{Tenant, TenantState};
use crate::time;
use askama::Template;
use axum::extract::RawQuery;
use axum::response::Response;
use http::StatusCode;
use postern_admin::AdminError;
use postern_admin::console::Console;
use postern_login::ports::{ApiClient, Scope};

const HERE: &str = "/console/clients";

#[derive(Template)]
#[template(path = "console/clients.html")]
struct ClientsPage<'a> {
    c: ConsoleFrame<'a>,
    done: Option<&'static str>,
    notice: Option<String>,
    clients: Vec<Row>,
    name: &'a str,
    scopes: Vec<Choice>,
}

struct Row {
    name: String,
    scopes: String,
    since: String,
}

impl Row {
    fn new(client: ApiClient) -> Self {
        let scopes: Vec<_> = client.scopes.iter().map(|scope| scope.as_str()).collect();
        Self {
            scopes: scopes.join(", "),
            since: time::minute(client.created_at),
            name: client.name,
        }
    }
}

struct Choice {
    word: &'static str,
    what: &'static str,
    chosen: bool,
}

fn what(scope: Scope) -> &'static str {
    match scope {
        Scope::Challenges => "Codes: send and check them for its own people",
        Scope::Messages => "Messages: send finished ones to any number",
        Scope::ScimRead => "SCIM: read users and groups",
        Scope::ScimWrite => {
            "SCIM: make, change and delete them, but for the number that takes the codes"
        }
        Scope::ScimPhone => "SCIM: set that number; whoever does gets the codes",
    }
}

/// `GET /console/clients`
pub async fn list(Tenant(state): Tenant, here: Here, RawQuery(query): RawQuery) -> Response {
    let said = done(query.as_deref());
    draw(&state, &here.console, said, None, "", &[Scope::Challenges]).await
}

async fn draw(
    state: &TenantState,
    console: &Console,
    done: Option<&'static str>,
    notice: Option<String>,
    name: &str,
    chosen: &[Scope],
) -> Response {
    let wrong = notice.is_some();
    let clients = state
        .administration
        .client_list(&console.actor, &state.tenant)
        .await;
    let clients = match clients {
        Ok(clients) => clients,
        Err(error) => return refused(state, error, HERE),
    };
    let mut response = page::draw(&ClientsPage {
        c: ConsoleFrame::new(state, console, HERE),
        done,
        notice,
        clients: clients.into_iter().map(Row::new).collect(),
        name,
        scopes: Scope::ALL
            .into_iter()
            // Provisioning is the super tenant's.
            .filter(|scope| match scope {
                Scope::Challenges | Scope::Messages => true,
                Scope::ScimRead | Scope::ScimWrite | Scope::ScimPhone => {
                    state.other_tenant().is_none()
                }
            })
            .map(|scope| Choice {
                word: scope.as_str(),
                what: what(scope),
                chosen: chosen.contains(&scope),
            })
            .collect(),
    });
    if wrong {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    response
}

#[derive(Template)]
#[template(path = "console/client_token.html")]
struct TokenPage<'a> {
    c: ConsoleFrame<'a>,
    name: &'a str,
    token: &'a str,
}

/// `POST /console/clients/add`: the answer shows the token, and no other page ever does.
pub async fn add(Tenant(state): Tenant, form: ConsoleForm) -> Response {
    let name = form.fields.text("name").trim();
    let scopes: Vec<Scope> = Scope::ALL
        .into_iter()
        .filter(|scope| form.fields.text(&format!("scope.{}", scope.as_str())) == "yes")
        .collect();
    let added = state
        .administration
        .client_add(&form.console.actor, &state.tenant, name, &scopes)
        .await;
    match added {
        Ok(token) => page::draw(&TokenPage {
            c: ConsoleFrame::new(&state, &form.console, HERE),
            name,
            token: &token,
        }),
        Err(error @ (AdminError::Invalid(_) | AdminError::Exists { .. })) => {
            let notice = Some(sentence(&error));
            draw(&state, &form.console, None, notice, name, &scopes).await
        }
        Err(error) => refused(&state, error, HERE),
    }
}

/// `POST /console/clients/revoke`
pub async fn revoke(Tenant(state): Tenant, form: ConsoleForm) -> Response {
    let name = form.fields.text("name");
    let revoked = state
        .administration
        .client_revoke(&form.console.actor, &state.tenant, name)
        .await;
    match revoked {
        Ok(()) => see_other(&format!("{HERE}?done=revoked")),
        Err(error) => refused(&state, error, HERE),
    }
}
