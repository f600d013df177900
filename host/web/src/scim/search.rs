//! Lists, and the searches of `/.search`, which keep what is looked for out of addresses and logs.

use super::answer::{Answer, Dialect, Refused};
use super::{Asked, Inbound, body};
use axum::body::Body;
use postern_federation::scim::limits::LOOKED_AT_MAX;
use postern_federation::scim::schema::{Resource, SEARCH};
use postern_federation::scim::shape::{self, Shape, Window};
use postern_federation::scim::{
    Condition, Group, Page, ScimError, SearchError, group, json, user, v1,
};
use postern_login::ports::Scope;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// What is looked for.
struct Wanted {
    filter: Option<String>,
    window: Window,
    shape: Shape,
}

/// The shape of one resource, by the address.
pub(super) fn shape_of(asked: &Asked<'_>) -> Result<Shape, ScimError> {
    let pairs = body::query(&asked.head)?;
    shape_by(&pairs)
}

fn shape_by(pairs: &[(String, String)]) -> Result<Shape, ScimError> {
    let names = |name: &str| -> Vec<String> {
        let text = body::parameter(pairs, name).unwrap_or_default();
        text.split(',')
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty())
            .collect()
    };
    Shape::new(&names("attributes"), &names("excludedAttributes"))
}

pub(super) async fn list(asked: &Asked<'_>, resource: Resource) -> Result<Answer, Refused> {
    asked.needs(Scope::ScimRead)?;
    let pairs = body::query(&asked.head)?;
    let number = |name: &str| {
        body::parameter(&pairs, name)
            .map(|text| {
                // Longer than a number can be is as good as the largest.
                let digits = text.strip_prefix('-').unwrap_or(text);
                let orderly = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
                let most = if text.starts_with('-') {
                    i64::MIN
                } else {
                    i64::MAX
                };
                orderly
                    .then(|| text.parse().unwrap_or(most))
                    .ok_or_else(|| ScimError::value(format!("`{name}`: expected a number")))
            })
            .transpose()
    };
    let wanted = Wanted {
        filter: body::parameter(&pairs, "filter").map(str::to_owned),
        window: Window::new(number("startIndex")?, number("count")?),
        shape: shape_by(&pairs)?,
    };
    found(asked, &[resource], &wanted).await
}

pub(super) async fn search(
    asked: &Asked<'_>,
    resources: &[Resource],
    body: Body,
) -> Result<Answer, Refused> {
    asked.needs(Scope::ScimRead)?;
    let body = body::object(&asked.head, body).await?;
    let ours = json::member(&body, "schemas")
        .and_then(Value::as_array)
        .is_some_and(|schemas| schemas.iter().any(|one| one == SEARCH));
    if !ours {
        return Err(ScimError::syntax(format!("`schemas` must name `{SEARCH}`")).into());
    }
    let wanted = Wanted {
        filter: match json::member(&body, "filter") {
            None | Some(Value::Null) => None,
            Some(Value::String(filter)) => Some(filter.clone()),
            Some(_) => return Err(ScimError::filter("`filter` must be a text").into()),
        },
        window: Window::new(number(&body, "startIndex")?, number(&body, "count")?),
        shape: Shape::new(
            &texts(&body, "attributes")?,
            &texts(&body, "excludedAttributes")?,
        )?,
    };
    found(asked, resources, &wanted).await
}

fn number(body: &Map<String, Value>, name: &str) -> Result<Option<i64>, ScimError> {
    match json::member(body, name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match (value.as_i64(), value.as_u64()) {
            (Some(number), _) => Ok(Some(number)),
            (None, Some(_)) => Ok(Some(i64::MAX)),
            (None, None) => Err(ScimError::value(format!("`{name}`: expected a number"))),
        },
    }
}

fn texts(body: &Map<String, Value>, name: &str) -> Result<Vec<String>, ScimError> {
    let wrong = || ScimError::value(format!("`{name}`: expected a list of names"));
    match json::member(body, name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(values)) if values.len() <= 64 => values
            .iter()
            .map(|value| value.as_str().map(str::to_owned).ok_or_else(wrong))
            .collect(),
        Some(_) => Err(wrong()),
    }
}

/// One kind after the other, as if they were one list.
async fn found(
    asked: &Asked<'_>,
    resources: &[Resource],
    wanted: &Wanted,
) -> Result<Answer, Refused> {
    let mut conditions = Vec::new();
    let mut refusal = None;
    let inbound = asked.state.scim.inbound.now();
    let filter = wanted.filter.as_deref().map(|text| match asked.dialect {
        Dialect::One => v1::filter(text),
        Dialect::Two => Cow::Borrowed(text),
    });
    for resource in resources {
        match filter.as_deref() {
            None => conditions.push((*resource, Condition::Always)),
            Some(filter) => match Condition::parse(*resource, filter) {
                Ok(condition) => conditions.push((*resource, inbound.meant(condition))),
                // A kind that does not have the attribute has nobody who fits.
                Err(error) => refusal = refusal.or(Some(error)),
            },
        }
    }
    if let (true, Some(refusal)) = (conditions.is_empty(), refusal) {
        return Err(refusal.into());
    }
    let base = asked.base();
    let (skip, count) = (wanted.window.skip(), wanted.window.count);
    let (mut total, mut shown) = (0, Vec::new());
    for (resource, condition) in conditions {
        let start = skip.saturating_sub(total);
        let left = count - shown.len();
        let page = match resource {
            Resource::User => users(asked, &inbound, &condition, start, left, &base).await?,
            Resource::Group => groups(asked, &condition, start, left, &base).await?,
        };
        total += page.total;
        shown.extend(page.items.into_iter().map(|item| wanted.shape.of(item)));
    }
    let start_index = wanted.window.start_index;
    Ok(Answer::ok(match asked.dialect {
        Dialect::One => v1::list(total, start_index, shown),
        Dialect::Two => shape::list(total, start_index, shown),
    }))
}

async fn users(
    asked: &Asked<'_>,
    inbound: &Inbound,
    condition: &Condition,
    start: usize,
    count: usize,
    base: &str,
) -> Result<Page<Value>, Refused> {
    let people = &asked.state.scim.people;
    let page = people
        .people(asked.tenant(), inbound.domains(), condition, start, count)
        .await?;
    Ok(Page {
        total: page.total,
        items: page
            .items
            .iter()
            .map(|person| user::resource(person, base))
            .collect(),
    })
}

/// Groups are few, and looked at one by one.
async fn groups(
    asked: &Asked<'_>,
    condition: &Condition,
    start: usize,
    count: usize,
    base: &str,
) -> Result<Page<Value>, Refused> {
    // With their members, of which each may have 10,000.
    const PAGE: usize = 10;
    /// Members in one answer, of all its groups: some megabytes.
    const MEMBERS_SHOWN_MAX: usize = 50_000;
    let mut members = 0;
    let mut fitting: Vec<Group> = Vec::new();
    let mut after: Option<String> = None;
    let (mut total, mut looked_at) = (0, 0);
    loop {
        let page = asked
            .state
            .scim
            .groups
            .groups(asked.tenant(), after.as_deref(), PAGE)
            .await?;
        let full = page.len() == PAGE;
        looked_at += page.len();
        if looked_at > LOOKED_AT_MAX {
            return Err(SearchError::TooMany.into());
        }
        after = page.last().map(|group| group.display_name.clone());
        for group in page {
            if condition.holds_of_group(&group) {
                if total >= start && fitting.len() < count {
                    members += group.members.len();
                    if members > MEMBERS_SHOWN_MAX {
                        return Err(SearchError::TooMany.into());
                    }
                    fitting.push(group);
                }
                total += 1;
            }
        }
        if !full {
            break;
        }
    }
    Ok(Page {
        total,
        items: fitting
            .iter()
            .map(|one| group::resource(one, base))
            .collect(),
    })
}
