//! Users: made, shown, changed, deleted.

use super::Asked;
use super::answer::{Answer, Dialect, Refused};
use super::body::{Change, known, unchanged};
use super::inbound::full;
use super::search::shape_of;
use http::StatusCode;
use postern_admin::Password;
use postern_admin::users::UserEdit;
use postern_federation::scim::schema::Resource;
use postern_federation::scim::user::{self, Wanted};
use postern_federation::scim::{Person, ScimError, patch, v1};
use postern_login::ports::Scope;
use serde_json::{Map, Value};

pub(super) async fn create(
    asked: &Asked<'_>,
    body: &Map<String, Value>,
) -> Result<Answer, Refused> {
    let wanted = Wanted::read(body)?;
    let shape = shape_of(asked)?;
    let account = asked.state.scim.inbound.now().account(&wanted.user_name)?;
    if wanted.number.is_some() {
        asked.needs(Scope::ScimPhone)?;
    }
    let edit = UserEdit {
        display_name: wanted.display_name.clone(),
        number: wanted.number.clone().map(Some),
        locked: (wanted.active == Some(false)).then_some(true),
        password: password(&wanted),
        claims: wanted
            .claims
            .iter()
            .map(|(uri, value)| ((*uri).to_owned(), value.clone()))
            .collect(),
        ..UserEdit::default()
    };
    let (actor, tenant) = (&asked.caller.actor, &asked.caller.client.tenant);
    asked
        .state
        .administration
        .user_add(actor, tenant, &account, &edit)
        .await?;
    tracing::info!(client = %asked.caller.client.name, "User: {account} is created through SCIM.");
    let people = &asked.state.scim.people;
    if let Some(id) = &wanted.external_id {
        name_outside(asked, &account, Some(id)).await?;
    }
    let person = people.person_named(asked.tenant(), &account).await?;
    let person = person.ok_or_else(ScimError::not_found)?;
    let whole = user::resource(&person, &asked.base());
    let shown = shape.of(whole.clone());
    Ok(Answer::resource(StatusCode::CREATED, &whole, shown))
}

pub(super) async fn show(asked: &Asked<'_>, id: &str) -> Result<Answer, Refused> {
    let shape = shape_of(asked)?;
    let person = person(asked, id).await?;
    let whole = user::resource(&person, &asked.base());
    let version = whole["meta"]["version"].as_str().unwrap_or_default();
    if known(&asked.head, version) {
        let etag = Some(version.to_owned());
        return Ok(Answer::empty(StatusCode::NOT_MODIFIED, etag));
    }
    let shown = shape.of(whole.clone());
    Ok(Answer::resource(StatusCode::OK, &whole, shown))
}

pub(super) async fn change(
    asked: &Asked<'_>,
    id: &str,
    change: &Change,
) -> Result<Answer, Refused> {
    let shape = shape_of(asked)?;
    let _turn = asked.state.scim.turns.of(id).await;
    let person = person(asked, id).await?;
    let current = user::attributes(&person);
    let version = version(asked, &person);
    unchanged(&asked.head, &version)?;
    let (wanted, whole) = match change {
        Change::Whole(body) => (Wanted::read(body)?, true),
        Change::Part(body) => {
            let patched = match asked.dialect {
                Dialect::Two => patch::apply(Resource::User, Some(id), current, body)?,
                Dialect::One => v1::patch(Resource::User, current, body)?,
            };
            (Wanted::read(&patched)?, false)
        }
    };
    let account = full(&person);
    let named = asked.state.scim.inbound.now().account(&wanted.user_name)?;
    if named.to_lowercase() != account.to_lowercase() {
        return Err(ScimError::mutability("`userName` does not change").into());
    }
    let edit = edit(asked, &person, &wanted, whole)?;
    let (actor, tenant) = (&asked.caller.actor, &asked.caller.client.tenant);
    if let Some(edit) = edit {
        asked
            .state
            .administration
            .user_set(actor, tenant, &account, &edit)
            .await?;
        tracing::info!(client = %asked.caller.client.name, "User: {account} is updated through SCIM.");
    }
    if wanted.external_id != person.external_id {
        name_outside(asked, &account, wanted.external_id.as_deref()).await?;
    }
    let person = self::person(asked, id).await?;
    let whole = user::resource(&person, &asked.base());
    let shown = shape.of(whole.clone());
    Ok(Answer::resource(StatusCode::OK, &whole, shown))
}

pub(super) async fn delete(asked: &Asked<'_>, id: &str) -> Result<Answer, Refused> {
    let _turn = asked.state.scim.turns.of(id).await;
    let person = person(asked, id).await?;
    unchanged(&asked.head, &version(asked, &person))?;
    // Who may not touch the number may not get rid of it either: an account that is made anew in its
    // place has none, and takes whatever number proves itself first.
    if person.number.is_some() {
        asked.needs(Scope::ScimPhone)?;
    }
    let account = full(&person);
    let (actor, tenant) = (&asked.caller.actor, &asked.caller.client.tenant);
    asked
        .state
        .administration
        .user_delete(actor, tenant, &account)
        .await?;
    tracing::info!(client = %asked.caller.client.name, "User: {account} is deleted through SCIM.");
    Ok(Answer::empty(StatusCode::NO_CONTENT, None))
}

async fn name_outside(
    asked: &Asked<'_>,
    account: &str,
    external_id: Option<&str>,
) -> Result<(), Refused> {
    let (actor, tenant) = (&asked.caller.actor, &asked.caller.client.tenant);
    let people = asked.state.scim.people.as_ref();
    let named =
        asked
            .state
            .administration
            .user_name_outside(actor, tenant, account, people, external_id);
    Ok(named.await?)
}

/// Whoever is in a store that is open; anybody else is not there (attack E-04).
async fn person(asked: &Asked<'_>, id: &str) -> Result<Person, Refused> {
    let scim = &asked.state.scim;
    let found = scim.people.person(asked.tenant(), id).await?;
    let found = found.filter(|person| scim.inbound.now().has(person));
    Ok(found.ok_or_else(ScimError::not_found)?)
}

fn version(asked: &Asked<'_>, person: &Person) -> String {
    let whole = user::resource(person, &asked.base());
    whole["meta"]["version"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// What must be done for the user to be as wanted; `None` if they are.
fn edit(
    asked: &Asked<'_>,
    person: &Person,
    wanted: &Wanted,
    whole: bool,
) -> Result<Option<UserEdit>, ScimError> {
    let display_name = wanted.display_name.clone().unwrap_or_default();
    let was = person.display_name.clone().unwrap_or_default();
    let may = asked.caller.client.may(Scope::ScimPhone);
    let number = if wanted.number == person.number {
        None
    } else if may {
        Some(wanted.number.clone())
    } else if whole && wanted.number.is_none() {
        // A client that may not touch the number does not know it either, perhaps.
        None
    } else {
        asked.needs(Scope::ScimPhone)?;
        None
    };
    let edit = UserEdit {
        display_name: (display_name != was).then_some(display_name),
        number,
        locked: wanted
            .active
            .map(|active| !active)
            .filter(|locked| *locked != person.locked),
        password: password(wanted),
        claims: wanted.claims_over(person),
        ..UserEdit::default()
    };
    let nothing = edit.display_name.is_none()
        && edit.number.is_none()
        && edit.locked.is_none()
        && edit.password.is_none()
        && edit.claims.is_empty();
    Ok((!nothing).then_some(edit))
}

fn password(wanted: &Wanted) -> Option<Password> {
    let password = wanted.password.as_ref()?;
    Some(Password::new(password.as_str().to_owned()))
}
