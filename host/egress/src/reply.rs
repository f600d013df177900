//! What came back, cleaned. A [`Reply`] exists only after [`crate::redact`] has been over it; the values it was asked to keep
//! were cut out before.

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderMap;

use crate::keep::{Cut, cut};
use crate::program::provenance::Label;
use crate::request::Finished;

/// A reply as everybody else reads it.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// The values the request asked to keep, for [`crate::KeptValues::put`].
    pub kept: Vec<Cut>,
}

impl Reply {
    /// Cleans a reply to a request, and cuts out what the request asked to keep.
    ///
    /// This is how every reply comes to be; it is public for a stand-in that answers instead of a provider.
    pub fn clean(finished: &Finished, status: u16, headers: &HeaderMap, body: Bytes) -> Reply {
        let kept = match status {
            200..=299 => cut(finished.keep(), &body),
            _ => Vec::new(),
        };
        let mut sensitive = Cow::Borrowed(finished.sensitive());
        for value in &kept {
            sensitive.to_mut().add(Label::Secret, value.expose());
        }
        let mut everything = Vec::with_capacity(body.len() + 64 * headers.len());
        for value in headers.values() {
            everything.extend_from_slice(value.as_bytes());
            everything.push(b'\n');
        }
        everything.extend_from_slice(&body);
        let needles = sensitive.needles(&everything);
        let echoes = needles.are_in(&everything);
        let clean = |bytes: &[u8]| if echoes { needles.clean(bytes) } else { None };
        let headers = headers
            .iter()
            .map(|(name, value)| {
                let value = needles
                    .clean(value.as_bytes())
                    .map_or_else(|| value.as_bytes().into(), Cow::from);
                (
                    name.as_str().to_owned(),
                    String::from_utf8_lossy(&value).into_owned(),
                )
            })
            .collect();
        let body = clean(&body).map_or(body, Bytes::from);
        Reply {
            status,
            headers,
            body,
            kept,
        }
    }

    /// The first header of a name, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text, if it is UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.body).ok()
    }
}
