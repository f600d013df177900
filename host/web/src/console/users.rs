//! Users: find one, see what hangs on it, change it.

use super::{ConsoleForm, ConsoleFrame, Here, done, refused, segment, sentence};
use crate::account::sessions::browser;
use crate::page::{self, see_other};
use crate::tenant::{Tenant, TenantState};
use crate::time;
use askama::Template;
use axum::extract::{Path, RawQuery};
use axum::response::Response;
use http::StatusCode;
use postern_admin::console::Console;
use postern_admin::users::{UserEdit, UserRecord, UserView};
use postern_admin::{AdminError, Password};
use postern_otp::PhoneNumber;
use postern_otp::lock::Standing;

const HERE: &str = "/console/users";
const ROWS: u32 = 50;

#[derive(Template)]
#[template(path = "console/users.html")]
struct UsersPage<'a> {
    c: ConsoleFrame<'a>,
    done: Option<&'static str>,
    search: &'a str,
    users: Vec<Row>,
    next: Option<String>,
}

struct Row {
    name: String,
    path: String,
    display_name: String,
    number: String,
    locked: bool,
    opted_out: bool,
}

impl Row {
    fn new(user: UserRecord) -> Self {
        Self {
            path: path_of(&user.name),
            display_name: user.display_name.unwrap_or_default(),
            number: masked(user.number.as_deref()),
            name: user.name,
            locked: user.locked,
            opted_out: user.opted_out,
        }
    }
}

fn path_of(name: &str) -> String {
    format!("{HERE}/of/{}", segment(name))
}

/// Administrators tell numbers apart by their end; nobody needs to read them off a page.
fn masked(number: Option<&str>) -> String {
    let Some(number) = number else {
        return String::new();
    };
    PhoneNumber::parse(number, None)
        .map_or_else(|_| "cannot be read".to_owned(), |number| number.masked())
}

/// `GET /console/users?search=&from=`
pub async fn list(Tenant(state): Tenant, here: Here, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let value = |name: &str| {
        form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    };
    let (search, from) = (value("search"), value("from"));
    let from = (!from.is_empty()).then_some(from.as_str());
    let found = state
        .administration
        .user_list(&here.console.actor, &state.tenant, &search, from, ROWS)
        .await;
    let found = match found {
        Ok(found) => found,
        Err(error) => return refused(&state, error, HERE),
    };
    let next = found.next.map(|next| {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("search", &search)
            .append_pair("from", &next)
            .finish();
        format!("{HERE}?{query}")
    });
    page::draw(&UsersPage {
        c: ConsoleFrame::new(&state, &here.console, HERE),
        done: done(Some(&query)),
        search: &search,
        users: found.users.into_iter().map(Row::new).collect(),
        next,
    })
}

#[derive(Template)]
#[template(path = "console/user_new.html")]
struct NewPage<'a> {
    c: ConsoleFrame<'a>,
    notice: Option<String>,
    /// To choose from, if there is more than one: the domain, what it is called, whether it is chosen.
    stores: Vec<(String, String, bool)>,
    name: &'a str,
    display_name: &'a str,
    number: &'a str,
}

/// `GET /console/users/new`
pub async fn new(Tenant(state): Tenant, here: Here) -> Response {
    let stores = match stores(&state, &here.console, "").await {
        Ok(stores) => stores,
        Err(error) => return refused(&state, error, HERE),
    };
    page::draw(&NewPage {
        c: ConsoleFrame::new(&state, &here.console, HERE),
        notice: None,
        stores,
        name: "",
        display_name: "",
        number: "",
    })
}

/// Those that take users.
async fn stores(
    state: &TenantState,
    console: &Console,
    chosen: &str,
) -> Result<Vec<(String, String, bool)>, AdminError> {
    let all = state
        .administration
        .user_stores(&console.actor, &state.tenant)
        .await?;
    let mut stores: Vec<_> = all
        .into_iter()
        .filter(|store| store.takes_users)
        .map(|store| {
            let label = match store.domain.as_str() {
                "" => "PRIMARY".to_owned(),
                domain => domain.to_owned(),
            };
            let is_chosen = store.domain == chosen;
            (store.domain, label, is_chosen)
        })
        .collect();
    if stores.len() == 1 && stores[0].0.is_empty() {
        stores.clear();
    }
    Ok(stores)
}

/// `POST /console/users/new`
pub async fn add(Tenant(state): Tenant, form: ConsoleForm) -> Response {
    let text = |name: &str| form.fields.text(name);
    let given = |name: &str| {
        let text = text(name).trim();
        (!text.is_empty()).then(|| text.to_owned())
    };
    let domain = text("store").trim();
    let name = match (domain, text("name").trim()) {
        ("", name) => name.to_owned(),
        (domain, name) => format!("{domain}/{name}"),
    };
    let name = name.as_str();
    let edit = UserEdit {
        display_name: given("display_name"),
        number: given("number").map(Some),
        password: (!text("password").is_empty())
            .then(|| Password::new(text("password").to_owned())),
        ..UserEdit::default()
    };
    let added = state
        .administration
        .user_add(&form.console.actor, &state.tenant, name, &edit)
        .await;
    match added {
        Ok(()) => see_other(&format!("{}?done=added", path_of(name))),
        // What was typed is not lost; but for the password, which no page repeats.
        Err(
            error @ (AdminError::Invalid(_) | AdminError::Fields(_) | AdminError::Exists { .. }),
        ) => {
            let stores = match stores(&state, &form.console, domain).await {
                Ok(stores) => stores,
                Err(error) => return refused(&state, error, HERE),
            };
            let mut response = page::draw(&NewPage {
                c: ConsoleFrame::new(&state, &form.console, HERE),
                notice: Some(sentence(&error)),
                stores,
                name: text("name"),
                display_name: text("display_name"),
                number: text("number"),
            });
            *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
            response
        }
        Err(error) => refused(&state, error, "/console/users/new"),
    }
}

#[derive(Template)]
#[template(path = "console/user.html")]
struct UserPage<'a> {
    c: ConsoleFrame<'a>,
    done: Option<&'static str>,
    path: String,
    user: &'a UserView,
    display_name: &'a str,
    number: String,
    codes_locked: Option<String>,
    sessions: Vec<Line>,
}

struct Line {
    browser: String,
    address: String,
    since: String,
}

/// `GET /console/users/of/{name}`
pub async fn show(
    Tenant(state): Tenant,
    here: Here,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let user = state
        .administration
        .user_show(&here.console.actor, &state.tenant, &name)
        .await;
    let user = match user {
        Ok(user) => user,
        Err(error) => return refused(&state, error, HERE),
    };
    let record = &user.record;
    let codes_locked = match user.ledger.standing(state.clock.now()) {
        Standing::Free => None,
        Standing::Locked { until } => Some(format!(
            "Locked by wrong codes until {}",
            time::minute(until)
        )),
        Standing::Disabled => Some("Disabled by too many wrong codes in a row".to_owned()),
    };
    page::draw(&UserPage {
        c: ConsoleFrame::new(&state, &here.console, HERE),
        done: done(query.as_deref()),
        path: path_of(&record.name),
        display_name: record.display_name.as_deref().unwrap_or_default(),
        number: masked(record.number.as_deref()),
        codes_locked,
        sessions: user
            .sessions
            .iter()
            .map(|session| Line {
                browser: browser(&session.user_agent),
                address: session.address.clone(),
                since: time::minute(session.authenticated_at),
            })
            .collect(),
        user: &user,
    })
}

/// What became of an act on a user.
fn after(state: &TenantState, name: &str, outcome: Result<(), AdminError>, word: &str) -> Response {
    let path = path_of(name);
    match outcome {
        Ok(()) => see_other(&format!("{path}?done={word}")),
        Err(error) => refused(state, error, HERE),
    }
}

/// `POST /console/users/of/{name}`
pub async fn set(Tenant(state): Tenant, Path(name): Path<String>, form: ConsoleForm) -> Response {
    let edit = UserEdit {
        display_name: Some(form.fields.text("display_name").trim().to_owned()),
        opted_out: Some(form.fields.text("opted_out") == "yes"),
        ..UserEdit::default()
    };
    let set = state
        .administration
        .user_set(&form.console.actor, &state.tenant, &name, &edit)
        .await;
    after(&state, &name, set, "changed")
}

/// `POST /console/users/of/{name}/number`: empty removes it.
pub async fn number(
    Tenant(state): Tenant,
    Path(name): Path<String>,
    form: ConsoleForm,
) -> Response {
    let typed = form.fields.text("number").trim();
    let edit = UserEdit {
        number: Some((!typed.is_empty()).then(|| typed.to_owned())),
        ..UserEdit::default()
    };
    let set = state
        .administration
        .user_set(&form.console.actor, &state.tenant, &name, &edit)
        .await;
    after(&state, &name, set, "number")
}

/// `POST /console/users/of/{name}/claim`: an empty value removes it.
pub async fn claim(Tenant(state): Tenant, Path(name): Path<String>, form: ConsoleForm) -> Response {
    let value = |name: &str| form.fields.text(name).trim().to_owned();
    let edit = UserEdit {
        claims: vec![(value("uri"), value("value"))],
        ..UserEdit::default()
    };
    let set = state
        .administration
        .user_set(&form.console.actor, &state.tenant, &name, &edit)
        .await;
    after(&state, &name, set, "claim")
}

/// `POST /console/users/of/{name}/passwd`
pub async fn passwd(
    Tenant(state): Tenant,
    Path(name): Path<String>,
    form: ConsoleForm,
) -> Response {
    let password = Password::new(form.fields.text("password").to_owned());
    let set = state
        .administration
        .user_passwd(&form.console.actor, &state.tenant, &name, password)
        .await;
    after(&state, &name, set, "password")
}

/// `POST /console/users/of/{name}/lock`
pub async fn lock(Tenant(state): Tenant, Path(name): Path<String>, form: ConsoleForm) -> Response {
    let locked = state
        .administration
        .user_lock(&form.console.actor, &state.tenant, &name)
        .await;
    after(&state, &name, locked, "locked")
}

/// `POST /console/users/of/{name}/unlock`
pub async fn unlock(
    Tenant(state): Tenant,
    Path(name): Path<String>,
    form: ConsoleForm,
) -> Response {
    let unlocked = state
        .administration
        .user_unlock(&form.console.actor, &state.tenant, &name)
        .await;
    after(&state, &name, unlocked, "unlocked")
}

/// `POST /console/users/unlock-all`: who that was is in the audit log.
pub async fn unlock_all(Tenant(state): Tenant, form: ConsoleForm) -> Response {
    let unlocked = state
        .administration
        .user_unlock_all(&form.console.actor, &state.tenant)
        .await;
    match unlocked {
        Ok(_) => see_other("/console/users?done=unlocked-all"),
        Err(error) => refused(&state, error, HERE),
    }
}

/// `POST /console/users/of/{name}/end-sessions`
pub async fn end_sessions(
    Tenant(state): Tenant,
    Path(name): Path<String>,
    form: ConsoleForm,
) -> Response {
    let ended = state
        .administration
        .user_end_sessions(&form.console.actor, &state.tenant, &name)
        .await;
    after(&state, &name, ended.map(|_| ()), "sessions")
}

/// `POST /console/users/of/{name}/delete`: the name is typed again, so that nobody deletes by a slip.
pub async fn delete(
    Tenant(state): Tenant,
    Path(name): Path<String>,
    form: ConsoleForm,
) -> Response {
    if form.fields.text("name").trim() != name {
        let differ = AdminError::Invalid(format!("type `{name}` to delete this user"));
        return refused(&state, differ, HERE);
    }
    let deleted = state
        .administration
        .user_delete(&form.console.actor, &state.tenant, &name)
        .await;
    match deleted {
        Ok(()) => see_other("/console/users?done=deleted"),
        Err(error) => refused(&state, error, HERE),
    }
}

#[derive(Template)]
#[template(path = "console/backup_codes.html")]
struct BackupCodesPage<'a> {
    c: ConsoleFrame<'a>,
    name: &'a str,
    path: String,
    codes: &'a [String],
}

/// `POST /console/users/of/{name}/backup-codes`: shown in the answer, once; they are in no address
/// and no history.
pub async fn backup_codes(
    Tenant(state): Tenant,
    Path(name): Path<String>,
    form: ConsoleForm,
) -> Response {
    let codes = state
        .administration
        .user_backup_codes(&form.console.actor, &state.tenant, &name)
        .await;
    match codes {
        Ok(codes) => page::draw(&BackupCodesPage {
            c: ConsoleFrame::new(&state, &form.console, HERE),
            path: path_of(&name),
            name: &name,
            codes: &codes,
        }),
        Err(error) => refused(&state, error, HERE),
    }
}
