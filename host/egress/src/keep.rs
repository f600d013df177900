//! Values cut out of a provider's replies and kept for later requests of the same sender: access tokens, mostly. Owns their
//! cutting, their lifetime and their bounds. A plugin learns the names of what is kept, never a value.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use crate::limits::{KEPT_BYTES_MAX, KEPT_LIFETIME_MAX, KEPT_PER_SENDER_MAX, KEPT_TOTAL_MAX};
use crate::material::KeptValue;
use crate::origin::Origin;
use crate::secret::Secret;

/// What shall be cut out of a 2xx JSON reply (`keep` in `plugin.wit`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keep {
    pub name: String,
    /// A JSON Pointer (RFC 6901) to the value.
    pub pointer: String,
    /// One to its lifetime in seconds, if the reply says it.
    pub lifetime_pointer: Option<String>,
    /// Its lifetime in seconds if the reply does not say it.
    pub lifetime: u32,
}

impl Keep {
    /// Whether a name can be told to a plugin and printed in a log as it is.
    pub(crate) fn has_plain_name(&self) -> bool {
        (1..=64).contains(&self.name.len())
            && self
                .name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    }
}

/// A value cut out of a reply.
#[derive(Clone)]
pub struct Cut {
    pub name: String,
    value: Secret,
    /// In seconds.
    pub lifetime: u32,
}

impl Cut {
    pub(crate) fn expose(&self) -> &[u8] {
        self.value.expose()
    }
}

impl fmt::Debug for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {} s: [secret]", self.name, self.lifetime)
    }
}

/// Cuts values out of a body. What is not there, or is no string or number, is not kept: the reply's reader finds out by the
/// name that is missing.
pub(crate) fn cut(keep: &[Keep], body: &[u8]) -> Vec<Cut> {
    if keep.is_empty() {
        return Vec::new();
    }
    let Ok(json) = serde_json::from_slice::<Value>(body) else {
        return Vec::new();
    };
    keep.iter()
        .filter_map(|keep| {
            let value = match json.pointer(&keep.pointer)? {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
            };
            if value.is_empty()
                || value.len() > KEPT_BYTES_MAX
                || value.bytes().any(|b| b.is_ascii_control())
            {
                return None;
            }
            let said = keep
                .lifetime_pointer
                .as_ref()
                .and_then(|pointer| seconds(json.pointer(pointer)?));
            let lifetime = said.unwrap_or(keep.lifetime).min(KEPT_LIFETIME_MAX);
            Some(Cut {
                name: keep.name.clone(),
                value: value.into(),
                lifetime,
            })
        })
        .collect()
}

/// Seconds as a number or, as some say it, as a string.
fn seconds(value: &Value) -> Option<u32> {
    let seconds = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.parse().ok()?,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    // A float becomes an integer by saturation; not-a-number and what is negative become 0.
    Some(seconds as u32)
}

/// The kept values of all senders. Cloning shares them.
#[derive(Clone, Default)]
pub struct KeptValues(Arc<Mutex<HashMap<Owner, Vec<Entry>>>>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Owner {
    sender: String,
    tenant: String,
}

struct Entry {
    value: KeptValue,
    expires_unix_ms: i64,
}

impl KeptValues {
    /// Keeps what was cut out of a reply from an origin, replacing what had the same name.
    ///
    /// A value is used until a tenth of its life, at most 30 s, is left: a request that carries it must arrive before it ends.
    pub fn put(
        &self,
        sender: &str,
        tenant: &str,
        origin: &Origin,
        cut: Vec<Cut>,
        now_unix_ms: i64,
    ) {
        if cut.is_empty() {
            return;
        }
        let mut all = self.lock();
        let mut total = all.values().map(Vec::len).sum::<usize>();
        if total + cut.len() > KEPT_TOTAL_MAX {
            all.retain(|_, entries| {
                entries.retain(|entry| entry.expires_unix_ms > now_unix_ms);
                !entries.is_empty()
            });
            total = all.values().map(Vec::len).sum();
        }
        let entries = all
            .entry(Owner {
                sender: sender.into(),
                tenant: tenant.into(),
            })
            .or_default();
        entries.retain(|entry| entry.expires_unix_ms > now_unix_ms);
        for Cut {
            name,
            value,
            lifetime,
        } in cut
        {
            let margin = (lifetime / 10).min(30);
            let expires_unix_ms = now_unix_ms + i64::from(lifetime - margin) * 1000;
            let value = KeptValue {
                name,
                value,
                origin: origin.clone(),
            };
            let entry = Entry {
                value,
                expires_unix_ms,
            };
            match entries
                .iter()
                .position(|known| known.value.name == entry.value.name)
            {
                Some(at) => entries[at] = entry,
                None if entries.len() < KEPT_PER_SENDER_MAX && total < KEPT_TOTAL_MAX => {
                    entries.push(entry);
                    total += 1;
                }
                None => tracing::warn!(
                    sender.name = sender,
                    "no room to keep another value of this sender"
                ),
            }
        }
    }

    /// The values of a sender that have not expired, for [`crate::Material::kept`].
    pub fn of(&self, sender: &str, tenant: &str, now_unix_ms: i64) -> Vec<KeptValue> {
        let all = self.lock();
        if all.is_empty() {
            return Vec::new();
        }
        let owner = Owner {
            sender: sender.into(),
            tenant: tenant.into(),
        };
        let entries = all.get(&owner).map(Vec::as_slice).unwrap_or_default();
        entries
            .iter()
            .filter(|entry| entry.expires_unix_ms > now_unix_ms)
            .map(|entry| entry.value.clone())
            .collect()
    }

    /// Forgets one value, as after a 401.
    pub fn forget(&self, sender: &str, tenant: &str, name: &str) {
        let mut all = self.lock();
        if let Some(entries) = all.get_mut(&Owner {
            sender: sender.into(),
            tenant: tenant.into(),
        }) {
            entries.retain(|entry| entry.value.name != name);
        }
    }

    /// Forgets everything of a sender in every tenant: its settings changed, or it is gone.
    pub fn forget_sender(&self, sender: &str) {
        self.lock().retain(|owner, _| owner.sender != sender);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Owner, Vec<Entry>>> {
        // Nothing in here panics half-way; a poisoned map is a whole map.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for KeptValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptValues").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn keep(name: &str, pointer: &str, lifetime_pointer: Option<&str>) -> Keep {
        Keep {
            name: name.into(),
            pointer: pointer.into(),
            lifetime_pointer: lifetime_pointer.map(Into::into),
            lifetime: 60,
        }
    }

    #[test]
    fn a_token_is_cut_out_with_its_lifetime() {
        let body = br#"{"access_token":"tok","expires_in":3600,"nested":[{"a/b":"deep","t":"120"}],"n":42,"none":null,"far":1e12,"neg":-5}"#;
        for (pointer, lifetime, expected) in [
            ("/access_token", Some("/expires_in"), Some(("tok", 3600))),
            ("/access_token", None, Some(("tok", 60))),
            ("/access_token", Some("/missing"), Some(("tok", 60))),
            ("/access_token", Some("/none"), Some(("tok", 60))),
            (
                "/access_token",
                Some("/far"),
                Some(("tok", KEPT_LIFETIME_MAX)),
            ),
            ("/access_token", Some("/neg"), Some(("tok", 0))),
            ("/nested/0/a~1b", Some("/nested/0/t"), Some(("deep", 120))),
            ("/n", None, Some(("42", 60))),
            ("/missing", None, None),
            ("/none", None, None),
            ("/nested", None, None),
            ("", None, None),
        ] {
            let cut = cut(&[keep("t", pointer, lifetime)], body);
            let cut = cut
                .first()
                .map(|c| (std::str::from_utf8(c.expose()).unwrap(), c.lifetime));
            assert_eq!(cut, expected, "{pointer}");
        }
        assert!(cut(&[keep("t", "/a", None)], b"not json").is_empty());
        assert!(cut(&[keep("t", "/a", None)], br#"{"a":"b\r\nc"}"#).is_empty());
        let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(KEPT_BYTES_MAX + 1));
        assert!(cut(&[keep("t", "/a", None)], long.as_bytes()).is_empty());
    }

    fn a_cut(name: &str, lifetime: u32) -> Cut {
        Cut {
            name: name.into(),
            value: Secret::from("tok"),
            lifetime,
        }
    }

    fn names(kept: &KeptValues, sender: &str, tenant: &str, now: i64) -> Vec<String> {
        kept.of(sender, tenant, now)
            .into_iter()
            .map(|k| k.name)
            .collect()
    }

    #[test]
    fn a_kept_value_belongs_to_one_sender_and_tenant_until_it_expires_or_is_forgotten() {
        let origin = Origin::parse("https://a.example").unwrap();
        let kept = KeptValues::default();
        kept.put(
            "s",
            "t",
            &origin,
            vec![a_cut("token", 100), a_cut("other", 3600)],
            0,
        );
        assert_eq!(names(&kept, "s", "t", 0), ["token", "other"]);
        assert_eq!(kept.of("s", "t", 0)[0].origin, origin);
        assert!(names(&kept, "s", "u", 0).is_empty());
        assert!(names(&kept, "r", "t", 0).is_empty());
        assert_eq!(names(&kept, "s", "t", 89_999), ["token", "other"]);
        assert_eq!(names(&kept, "s", "t", 90_000), ["other"]);
        assert_eq!(names(&kept, "s", "t", 3_569_999), ["other"]);
        assert!(names(&kept, "s", "t", 3_570_000).is_empty());
        kept.forget("s", "t", "other");
        assert_eq!(names(&kept, "s", "t", 0), ["token"]);
        kept.forget_sender("s");
        assert!(names(&kept, "s", "t", 0).is_empty());
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let origin = Origin::parse("https://a.example").unwrap();
        let kept = KeptValues::default();
        for n in 0..100 {
            kept.put("s", "t", &origin, vec![a_cut(&format!("n{n}"), 100)], 0);
        }
        assert_eq!(names(&kept, "s", "t", 0).len(), KEPT_PER_SENDER_MAX);
        kept.put("s", "t", &origin, vec![a_cut("n0", 500)], 0);
        assert_eq!(
            names(&kept, "s", "t", 200_000),
            ["n0"],
            "a name that is there is replaced"
        );
        for n in 0..2 * KEPT_TOTAL_MAX {
            kept.put(&format!("s{n}"), "t", &origin, vec![a_cut("n", 100)], 0);
        }
        assert_eq!(
            kept.lock().values().map(Vec::len).sum::<usize>(),
            KEPT_TOTAL_MAX
        );
        kept.put("late", "t", &origin, vec![a_cut("n", 100)], 1_000_000);
        assert_eq!(
            names(&kept, "late", "t", 1_000_000),
            ["n"],
            "expired values make room"
        );
    }

    /// L-04
    #[test]
    fn a_cut_value_is_not_printed() {
        assert_eq!(
            format!("{:?}", a_cut("token", 5)),
            "token for 5 s: [secret]"
        );
    }
}
