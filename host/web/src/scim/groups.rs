//! Groups of Postern's own: made, shown, changed, deleted.

use super::Asked;
use super::answer::{Answer, Dialect, Refused};
use super::body::{Change, known, unchanged};
use super::search::shape_of;
use http::StatusCode;
use postern_federation::Moment;
use postern_federation::scim::group::{self, Wanted};
use postern_federation::scim::schema::Resource;
use postern_federation::scim::{Group, ScimError, patch, v1};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

pub(super) async fn create(
    asked: &Asked<'_>,
    body: &Map<String, Value>,
) -> Result<Answer, Refused> {
    let wanted = Wanted::read(body)?;
    let shape = shape_of(asked)?;
    let mut id = [0; 16];
    asked.state.federation.entropy.fill(&mut id)?;
    let now = Moment(asked.state.clock.now().0);
    let new = Group {
        id: hex::encode(id),
        display_name: wanted.display_name,
        external_id: wanted.external_id,
        created_at: now,
        changed_at: now,
        members: members(asked, &wanted.members, &[], Strangers::Refused).await?,
    };
    put(asked, &new, true).await?;
    let whole = resource(asked, &new.id).await?;
    let shown = shape.of(whole.clone());
    Ok(Answer::resource(StatusCode::CREATED, &whole, shown))
}

pub(super) async fn show(asked: &Asked<'_>, id: &str) -> Result<Answer, Refused> {
    let shape = shape_of(asked)?;
    let whole = resource(asked, id).await?;
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
    let known = find(asked, id).await?;
    unchanged(&asked.head, &version(asked, &known))?;
    let wanted = match change {
        Change::Whole(body) => Wanted::read(body)?,
        Change::Part(body) => {
            let current = group::attributes(&known);
            let patched = match asked.dialect {
                Dialect::Two => patch::apply(Resource::Group, Some(id), current, body)?,
                Dialect::One => v1::patch(Resource::Group, current, body)?,
            };
            Wanted::read(&patched)?
        }
    };
    let strangers = match change {
        Change::Whole(_) => Strangers::Refused,
        Change::Part(_) => Strangers::PassedOver,
    };
    let members = members(asked, &wanted.members, &known.members, strangers).await?;
    let ids = |members: &[(String, String)]| -> BTreeSet<String> {
        members.iter().map(|(id, _)| id.clone()).collect()
    };
    let same = wanted.display_name == known.display_name
        && wanted.external_id == known.external_id
        && ids(&members) == ids(&known.members);
    if !same {
        let next = Group {
            display_name: wanted.display_name,
            external_id: wanted.external_id,
            changed_at: Moment(asked.state.clock.now().0),
            members,
            ..known
        };
        put(asked, &next, false).await?;
    }
    let whole = resource(asked, id).await?;
    let shown = shape.of(whole.clone());
    Ok(Answer::resource(StatusCode::OK, &whole, shown))
}

pub(super) async fn delete(asked: &Asked<'_>, id: &str) -> Result<Answer, Refused> {
    let _turn = asked.state.scim.turns.of(id).await;
    let known = find(asked, id).await?;
    unchanged(&asked.head, &version(asked, &known))?;
    let (actor, tenant) = (&asked.caller.actor, &asked.caller.client.tenant);
    asked
        .state
        .administration
        .group_delete(actor, tenant, &known)
        .await?;
    Ok(Answer::empty(StatusCode::NO_CONTENT, None))
}

async fn put(asked: &Asked<'_>, group: &Group, new: bool) -> Result<(), Refused> {
    let (actor, tenant) = (&asked.caller.actor, &asked.caller.client.tenant);
    let put = asked
        .state
        .administration
        .group_put(actor, tenant, group, new);
    Ok(put.await?)
}

async fn find(asked: &Asked<'_>, id: &str) -> Result<Group, Refused> {
    let found = asked.state.scim.groups.group(asked.tenant(), id).await?;
    Ok(found.ok_or_else(ScimError::not_found)?)
}

async fn resource(asked: &Asked<'_>, id: &str) -> Result<Value, Refused> {
    Ok(group::resource(&find(asked, id).await?, &asked.base()))
}

fn version(asked: &Asked<'_>, group: &Group) -> String {
    let whole = group::resource(group, &asked.base());
    whole["meta"]["version"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// What becomes of an id that is nobody's.
#[derive(Clone, Copy)]
enum Strangers {
    Refused,
    /// Somebody who was deleted meanwhile must not stop a change of the others.
    PassedOver,
}

/// With their accounts; whoever is in the group already is not looked up again.
async fn members(
    asked: &Asked<'_>,
    wanted: &[String],
    known: &[(String, String)],
    strangers: Strangers,
) -> Result<Vec<(String, String)>, Refused> {
    let scim = &asked.state.scim;
    let accounts: std::collections::HashMap<&str, &str> = known
        .iter()
        .map(|(id, account)| (id.as_str(), account.as_str()))
        .collect();
    let mut members = Vec::with_capacity(wanted.len());
    for id in wanted {
        if let Some(account) = accounts.get(id.as_str()) {
            members.push((id.clone(), (*account).to_owned()));
            continue;
        }
        let person = scim.people.person(asked.tenant(), id).await?;
        match (
            person.filter(|person| scim.inbound.now().has(person)),
            strangers,
        ) {
            (Some(person), _) => members.push((person.id, person.account)),
            (None, Strangers::PassedOver) => {}
            (None, Strangers::Refused) => {
                let words = "`members`: there is no user of one of the ids";
                return Err(ScimError::value(words).into());
            }
        }
    }
    Ok(members)
}
