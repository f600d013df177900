//! Who administers.

use super::{ConsoleForm, ConsoleFrame, Here, done, refused};
use crate::page::{self, see_other};
use crate::tenant::SuperTenant;
use crate::time;
use askama::Template;
use axum::extract::RawQuery;
use axum::response::Response;
use postern_admin::administrators::Administrator;
use postern_admin::{AdminError, Role};

const HERE: &str = "/console/administrators";

#[derive(Template)]
#[template(path = "console/administrators.html")]
struct AdministratorsPage<'a> {
    c: ConsoleFrame<'a>,
    done: Option<&'static str>,
    all: Vec<Row>,
}

struct Row {
    account: String,
    role: &'static str,
    other_role: &'static str,
    by: String,
    since: String,
    this: bool,
}

impl Row {
    fn new(one: Administrator, who: &str) -> Self {
        let other = match one.role {
            Role::Administrator => Role::Auditor,
            Role::Auditor => Role::Administrator,
        };
        Self {
            this: one.account == who,
            role: one.role.as_str(),
            other_role: other.as_str(),
            since: time::minute(one.since),
            account: one.account,
            by: one.by,
        }
    }
}

/// `GET /console/administrators`
pub async fn list(
    SuperTenant(state): SuperTenant,
    here: Here,
    RawQuery(query): RawQuery,
) -> Response {
    let actor = &here.console.actor;
    match state
        .administration
        .admin_list(actor, &here.console.tenant)
        .await
    {
        Ok(all) => page::draw(&AdministratorsPage {
            c: ConsoleFrame::new(&state, &here.console, HERE),
            done: done(query.as_deref()),
            all: all
                .into_iter()
                .map(|one| Row::new(one, &actor.who))
                .collect(),
        }),
        Err(error) => refused(&state, error, HERE),
    }
}

fn role_of(form: &ConsoleForm) -> Result<Role, AdminError> {
    Role::parse(form.fields.text("role")).ok_or_else(|| {
        AdminError::Invalid("the role is missing: expected administrator or auditor".to_owned())
    })
}

#[derive(Template)]
#[template(path = "console/invited.html")]
struct InvitedPage<'a> {
    c: ConsoleFrame<'a>,
    name: &'a str,
    link: String,
    until: String,
}

/// `POST /console/administrators/invite`: the link is shown in the answer, once.
pub async fn invite(SuperTenant(state): SuperTenant, form: ConsoleForm) -> Response {
    let name = form.fields.text("name").trim();
    let invited = match role_of(&form) {
        Ok(role) => {
            state
                .administration
                .admin_invite(&form.console.actor, &form.console.tenant, name, role)
                .await
        }
        Err(error) => Err(error),
    };
    match invited {
        Ok(invited) => {
            let origin = state.console_url.as_ref().map_or("", |url| url.origin());
            page::draw(&InvitedPage {
                c: ConsoleFrame::new(&state, &form.console, HERE),
                name,
                link: format!("{origin}/console/invitation/{}", invited.secret),
                until: time::minute(invited.expires_at),
            })
        }
        Err(error) => refused(&state, error, HERE),
    }
}

/// `POST /console/administrators/role`
pub async fn role(SuperTenant(state): SuperTenant, form: ConsoleForm) -> Response {
    let account = form.fields.text("account");
    let changed = match role_of(&form) {
        Ok(role) => {
            state
                .administration
                .admin_role(&form.console.actor, &form.console.tenant, account, role)
                .await
        }
        Err(error) => Err(error),
    };
    match changed {
        Ok(()) => see_other(&format!("{HERE}?done=role")),
        Err(error) => refused(&state, error, HERE),
    }
}

/// `POST /console/administrators/remove`
pub async fn remove(SuperTenant(state): SuperTenant, form: ConsoleForm) -> Response {
    let account = form.fields.text("account");
    let removed = state
        .administration
        .admin_remove(&form.console.actor, &form.console.tenant, account)
        .await;
    match removed {
        Ok(()) => see_other(&format!("{HERE}?done=removed")),
        Err(error) => refused(&state, error, HERE),
    }
}
