//! Who is meant at the peer: by the name it has there, and below which address.

use super::failure::SEARCH;
use super::{Failure, Peer, read};
use crate::scim::ports::Remote;
use http::{Method, StatusCode};
use serde_json::Value;
use url::Url;

impl Peer<'_> {
    pub(super) async fn find(
        &self,
        endpoint: &str,
        attribute: &str,
        name: &str,
    ) -> Result<Option<Remote>, Failure> {
        let found = self.look_up(endpoint, attribute, name).await?;
        Ok(found.map(|(found, _)| found))
    }

    /// With the `externalId` it has there.
    pub(super) async fn look_up(
        &self,
        endpoint: &str,
        attribute: &str,
        name: &str,
    ) -> Result<Option<(Remote, Option<Value>)>, Failure> {
        const WHAT: &str = SEARCH;
        let filter = format!("{attribute} eq {}", Value::String(name.to_owned()));
        let mut url = Url::parse(endpoint).map_err(|_| Failure::unreadable(WHAT))?;
        // A space as `%20`: older peers do not read `+`.
        let query: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
        url.set_query(Some(&format!("filter={}", query.replace('+', "%20"))));
        let answer = self.send(WHAT, Method::GET, url.into(), None).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            // Some of the older peers say so that nobody was found.
            return Ok(None);
        }
        if !answer.status().is_success() {
            return Err(Failure::answered(WHAT, answer.status()));
        }
        let body = read(&answer, WHAT)?;
        let found = body.get("Resources").and_then(Value::as_array);
        // Only the very name: a peer that does not know the filter answers with everybody.
        let named: Vec<(&str, &Value)> = found
            .into_iter()
            .flatten()
            .filter_map(|one| Some((one.get(attribute)?.as_str()?, one)))
            .collect();
        let very: fn(&str, &str) -> bool = match attribute {
            "userName" => same_name,
            "externalId" => same_id,
            _ => same_text,
        };
        let of = |very: fn(&str, &str) -> bool| -> Vec<_> {
            let meant = named.iter().filter(|(known, _)| very(known, name));
            meant.collect()
        };
        let mut same = of(very);
        // A peer with a store of its own for all that comes from us answers under that store's name.
        let elsewhere = attribute == "userName" && self.connector.user_store_domain.is_some();
        if same.is_empty() && elsewhere {
            same = of(same_in_store);
        }
        let same = match same.as_slice() {
            [] => None,
            [one] => Some(*one),
            // Nobody is no answer either: the user would be made once more beside them.
            several => {
                let letter_by_letter = several.iter().copied().filter(|(known, _)| *known == name);
                Some(only(letter_by_letter).ok_or_else(Failure::several)?)
            }
        };
        let Some((_, one)) = same else {
            return Ok(None);
        };
        let id = one.get("id").and_then(Value::as_str);
        let id = id.filter(|id| usable(id));
        let found = Remote {
            id: id.ok_or_else(|| Failure::unreadable(WHAT))?.to_owned(),
            told: String::new(),
        };
        let external_id = one.get("externalId").filter(|id| id.is_string());
        Ok(Some((found, external_id.cloned())))
    }
}

/// Of two nobody knows which is meant.
fn only<T>(mut of: impl Iterator<Item = T>) -> Option<T> {
    let one = of.next()?;
    of.next().is_none().then_some(one)
}

fn same_text(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

/// An id of ours is nothing but itself.
fn same_id(a: &str, b: &str) -> bool {
    a == b
}

/// Names in any case, and `PRIMARY/` is what no prefix is.
fn same_name(a: &str, b: &str) -> bool {
    let bare = |name: &str| {
        let lower = name.to_lowercase();
        lower
            .strip_prefix("primary/")
            .map_or(lower.clone(), str::to_owned)
    };
    bare(a) == bare(b)
}

/// The same name, in whatever store.
fn same_in_store(a: &str, b: &str) -> bool {
    let last = |name: &str| name.to_lowercase().rsplit('/').next().map(str::to_owned);
    last(a) == last(b)
}

/// An id that can be remembered and asked for.
pub fn usable(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= 256
        && id != "."
        && id != ".."
        && !id.chars().any(char::is_control)
}

/// The peer's id is a text of its own choice: one segment of a path, whatever is in it.
pub(super) fn below(endpoint: &str, id: &str) -> Result<String, Failure> {
    let wrong = || Failure::unreadable("an earlier message");
    let mut url = Url::parse(endpoint).map_err(|_| wrong())?;
    if !usable(id) {
        return Err(wrong());
    }
    url.path_segments_mut()
        .map_err(|()| wrong())?
        .pop_if_empty()
        .push(id);
    Ok(url.into())
}
