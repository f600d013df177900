//! The administrator's console: pages on the administrator's listener, over the use cases of
//! administration.
//!
//! Owns: their addresses, forms and words. Whether somebody may do what a form asks is decided by the
//! use cases, never here: a page only leaves out what would be refused.

pub mod administrators;
pub mod audit;
pub mod clients;
pub mod definitions;
pub mod forms;
pub mod invitation;
pub mod lines;
pub mod overview;
pub mod plugins;
pub mod provisioning;
pub mod resident;
pub mod senders;
pub mod sign_in;
pub mod tenants;
pub mod users;

pub use forms::{ConsoleForm, Here};

use crate::error::PageError;
use crate::page::{self, Frame, see_other};
use crate::state::WebState;
use crate::tenant::{TenantState, see_outside};
use askama::Template;
use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use http::StatusCode;
use postern_admin::console::Console;
use postern_admin::{AdminError, Role};

pub const HOME: &str = "/console";

pub fn routes() -> Router<WebState> {
    Router::new()
        .route("/", get(async || see_other(HOME)))
        .route("/console", get(overview::show))
        // the way in
        .route("/console/sign-in", get(sign_in::show))
        .route("/console/sign-in/password", post(sign_in::password))
        .route("/console/sign-in/code", post(sign_in::code))
        .route("/console/sign-in/resend", post(sign_in::resend))
        .route("/console/sign-in/backup-code", post(sign_in::backup_code))
        .route("/console/sign-in/abandon", post(sign_in::abandon))
        .route("/console/sign-in/finish", post(sign_in::finish))
        .route("/console/sign-out", post(sign_in::sign_out))
        .route("/console/again", get(sign_in::again))
        .route("/console/invitation/{secret}", get(invitation::show))
        .route(
            "/console/invitation/{secret}/number",
            post(invitation::number),
        )
        .route(
            "/console/invitation/{secret}/resend",
            post(invitation::resend),
        )
        .route(
            "/console/invitation/{secret}/accept",
            post(invitation::accept),
        )
        // people
        .merge(people())
        .route("/console/administrators", get(administrators::list))
        .route(
            "/console/administrators/invite",
            post(administrators::invite),
        )
        .route("/console/administrators/role", post(administrators::role))
        .route(
            "/console/administrators/remove",
            post(administrators::remove),
        )
        // whom we trust
        .route("/console/{of}", get(definitions::list))
        .route("/console/{of}/new/{form}", get(definitions::new))
        .route("/console/{of}/of/{name}", get(definitions::show))
        .route("/console/{of}/put", post(definitions::put))
        .route("/console/{of}/delete", post(definitions::delete))
        // other systems
        .route(
            "/console/resident-service-provider",
            get(resident::service_provider),
        )
        .route(
            "/console/resident-identity-provider",
            get(resident::identity_provider),
        )
        .route("/console/provisioning/push", post(provisioning::push))
        .route("/console/provisioning/retry", post(provisioning::retry))
        .route("/console/provisioning/drop", post(provisioning::drop_one))
        // sending
        .route("/console/plugins", get(plugins::list))
        .route("/console/plugins/rescan", post(plugins::rescan))
        .route("/console/plugins/roll-back", post(plugins::roll_back))
        // tenants
        .route("/console/tenants", get(tenants::list))
        .route("/console/tenants/of/{name}", get(tenants::show))
        .route("/console/tenants/add", post(tenants::add))
        .route("/console/tenants/set", post(tenants::set))
        .route("/console/tenants/enable", post(tenants::enable))
        .route("/console/tenants/disable", post(tenants::disable))
        .route("/console/tenants/remove", post(tenants::remove))
        // what happened
        .route("/console/audit/verify", post(audit::verify))
        .route("/console/audit/prune", post(audit::prune))
        .route("/console/{of}/{*rest}", any(not_found))
}

/// What every tenant has, the super tenant too: a handler of these takes `Tenant`.
fn people() -> Router<WebState> {
    Router::new()
        .route("/console/users", get(users::list))
        .route("/console/users/new", get(users::new).post(users::add))
        .route("/console/users/unlock-all", post(users::unlock_all))
        .route(
            "/console/users/of/{name}",
            get(users::show).post(users::set),
        )
        .route("/console/users/of/{name}/number", post(users::number))
        .route("/console/users/of/{name}/claim", post(users::claim))
        .route("/console/users/of/{name}/passwd", post(users::passwd))
        .route("/console/users/of/{name}/lock", post(users::lock))
        .route("/console/users/of/{name}/unlock", post(users::unlock))
        .route(
            "/console/users/of/{name}/backup-codes",
            post(users::backup_codes),
        )
        .route(
            "/console/users/of/{name}/end-sessions",
            post(users::end_sessions),
        )
        .route("/console/users/of/{name}/delete", post(users::delete))
        .route("/console/clients", get(clients::list))
        .route("/console/clients/add", post(clients::add))
        .route("/console/clients/revoke", post(clients::revoke))
        .route("/console/senders", get(senders::list))
        .route("/console/senders/test", post(senders::test))
        .route("/console/audit", get(audit::list))
        .route("/console/audit/export", get(audit::export))
}

/// The console of a tenant that is not the super tenant, under its prefix.
pub fn of_a_tenant() -> Router<WebState> {
    people()
        .route(HOME, get(async || see_other("/console/users")))
        .fallback(not_found)
}

async fn not_found() -> PageError {
    PageError::NotFound
}

/// What the console's pages have in common.
#[derive(Debug)]
pub struct ConsoleFrame<'a> {
    pub f: Frame<'a>,
    pub who: &'a str,
    pub role: &'static str,
    /// An administrator's page has forms; an auditor's has none.
    pub changes: bool,
    /// Acts that move a factor will ask for both factors again.
    pub stale: bool,
    pub token: String,
    /// The section of the navigation this page belongs to.
    pub here: &'static str,
    /// Whose page it is, if it is not the super tenant's.
    pub tenant: Option<&'a str>,
}

/// A section of the navigation.
#[derive(Debug)]
pub struct Section {
    pub path: &'static str,
    pub name: &'static str,
    /// Else it is the host's.
    pub of_every_tenant: bool,
}

/// In the order of the page. A further page is a further line.
const SECTIONS: &[Section] = &[
    Section {
        path: HOME,
        name: "Overview",
        of_every_tenant: false,
    },
    Section {
        path: "/console/users",
        name: "Users",
        of_every_tenant: true,
    },
    Section {
        path: "/console/identity-providers",
        name: "Identity providers",
        of_every_tenant: false,
    },
    Section {
        path: "/console/service-providers",
        name: "Service providers",
        of_every_tenant: false,
    },
    Section {
        path: "/console/resident-service-provider",
        name: "Resident service provider",
        of_every_tenant: false,
    },
    Section {
        path: "/console/resident-identity-provider",
        name: "Resident identity provider",
        of_every_tenant: false,
    },
    Section {
        path: "/console/claims",
        name: "Claims",
        of_every_tenant: false,
    },
    Section {
        path: "/console/clients",
        name: "API clients",
        of_every_tenant: true,
    },
    Section {
        path: "/console/senders",
        name: "Senders",
        of_every_tenant: true,
    },
    Section {
        path: "/console/plugins",
        name: "Plugins",
        of_every_tenant: false,
    },
    Section {
        path: "/console/tenants",
        name: "Tenants",
        of_every_tenant: false,
    },
    Section {
        path: "/console/administrators",
        name: "Administrators",
        of_every_tenant: false,
    },
    Section {
        path: "/console/audit",
        name: "Audit log",
        of_every_tenant: true,
    },
];

impl<'a> ConsoleFrame<'a> {
    pub fn new(state: &'a TenantState, console: &'a Console, here: &'static str) -> Self {
        let actor = &console.actor;
        Self {
            f: frame(state),
            who: &actor.who,
            role: actor.role.as_str(),
            changes: actor.role == Role::Administrator,
            stale: !actor.fresh(state.clock.now()),
            // The console is the host's, whichever tenant the page is about.
            token: state
                .web()
                .super_tenant()
                .form_key
                .token(console.id.as_str()),
            here,
            tenant: state.other_tenant(),
        }
    }

    pub fn sections(&self) -> impl Iterator<Item = &'static Section> {
        let all = self.of_host();
        SECTIONS
            .iter()
            .filter(move |section| all || section.of_every_tenant)
    }

    /// Else the page is another tenant's.
    pub fn of_host(&self) -> bool {
        self.tenant.is_none()
    }
}

/// The console speaks English; its pages are for few people, whose documentation is English.
pub fn frame(state: &TenantState) -> Frame<'_> {
    state.frame("en")
}

/// An act that was not done and has no page of its own: the page that says why. `back` is where the
/// act was asked for, to which both factors lead again.
pub fn refused(state: &TenantState, error: AdminError, back: &str) -> Response {
    let (status, title) = match &error {
        AdminError::Stale => return see_outside(&again(&format!("{}{back}", state.base))),
        AdminError::Unavailable(_) => return PageError::busy(&error).into_response(),
        AdminError::Denied => (StatusCode::FORBIDDEN, "Your role does not allow this"),
        AdminError::NotFound { .. } | AdminError::NoOutbox => {
            (StatusCode::NOT_FOUND, "There is nothing by that name")
        }
        AdminError::Exists { .. } => (StatusCode::CONFLICT, "There is one already"),
        AdminError::Changed { .. } => (StatusCode::CONFLICT, "Somebody else was faster"),
        AdminError::InUse { .. } => (StatusCode::CONFLICT, "It is in use"),
        AdminError::ReadOnly { .. } => (StatusCode::CONFLICT, "It cannot be changed here"),
        AdminError::Invalid(_) | AdminError::Fields(_) => {
            (StatusCode::UNPROCESSABLE_ENTITY, "This cannot be used")
        }
        AdminError::NoHost => (StatusCode::SERVICE_UNAVAILABLE, "No host runs"),
    };
    let mut response = page::draw(&RefusedPage {
        f: frame(state),
        title,
        sentence: &sentence(&error),
        back: page::local_path(back).unwrap_or(HOME),
    });
    *response.status_mut() = status;
    response
}

/// The error as a sentence of a page.
pub fn sentence(error: &AdminError) -> String {
    let words = error.to_string();
    let mut letters = words.chars();
    let mut text: String = letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .chain(letters)
        .collect();
    if !text.ends_with('.') {
        text.push('.');
    }
    text
}

/// The way to prove both factors again and come back.
fn again(back: &str) -> String {
    match page::local_path(back) {
        Some(path) => format!("/console/again?to={path}"),
        None => "/console/again".to_owned(),
    }
}

/// A failure of the layers around the console, on a page without navigation: nobody may be signed in.
pub fn draw_error(error: &PageError, f: Frame<'_>) -> Response {
    error.draw_with(f, HOME)
}

#[derive(Template)]
#[template(path = "console/refused.html")]
struct RefusedPage<'a> {
    f: Frame<'a>,
    title: &'a str,
    sentence: &'a str,
    back: &'a str,
}

/// Who did it and how it went, in one fixed sentence after a redirect: the address cannot put words
/// of its own on the page.
pub fn done(query: Option<&str>) -> Option<&'static str> {
    let word = query?
        .split('&')
        .find_map(|pair| pair.strip_prefix("done="))?;
    Some(match word {
        "added" => "The user was added.",
        "changed" => "The change was saved.",
        "number" => "The number was saved. A code on its way to the old one is dead.",
        "password" => "The password was changed. Every session of this account has ended.",
        "locked" => "The account is locked. Every session has ended.",
        "unlocked" => "The account is unlocked.",
        "unlocked-all" => "Whoever wrong codes had locked may try again.",
        "sessions" => "Every session of this account has ended.",
        "deleted" => "The user was deleted.",
        "defined" => "Saved, and in effect.",
        "undefined" => "Deleted.",
        "revoked" => "The token was revoked: it is refused from now on.",
        "claim" => "The claim was saved.",
        "rescan" => "The plugin folder is being looked at. Load this page again in a moment.",
        "rolled-back" => "The version before was put back. Load this page again in a moment.",
        "tenant-added" => "The tenant was added.",
        "tenant-on" => "The tenant is switched on.",
        "tenant-off" => "The tenant is switched off.",
        "tenant-removed" => "The tenant was removed with everything it had.",
        "retried" => "The peers are being told again. Load this page again in a moment.",
        "pushed" => "The peer is being told of everybody. The table below shows how far that is.",
        "dropped" => "That change was given up: the peer is not told.",
        "role" => "The role was changed. Open consoles of that account have closed.",
        "removed" => "That account administers no more.",
        _ => return None,
    })
}

/// A name as one part of a path.
pub fn segment(name: &str) -> String {
    use std::fmt::Write;
    let mut path = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            let _ = write!(path, "%{byte:02X}");
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_part_of_a_path_whatever_it_holds() {
        assert_eq!(segment("alice"), "alice");
        assert_eq!(segment("JDBC/alice"), "JDBC%2Falice");
        assert_eq!(segment("a?b#c%d é"), "a%3Fb%23c%25d%20%C3%A9");
    }

    #[test]
    fn an_address_cannot_put_words_on_a_page_of_the_console() {
        assert!(done(Some("done=locked")).is_some());
        assert!(done(Some("x=1&done=locked")).is_some());
        for bad in [None, Some(""), Some("done=<b>"), Some("locked")] {
            assert_eq!(done(bad), None);
        }
    }
}
