//! The chain of the audit log: each row's link is HMAC-SHA-256 over the link before it and the row.
//! A row that is changed, moved or taken out breaks the chain at that row; without the key nobody
//! writes another one.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A row as it is hashed: every column, as it is stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Content<'a> {
    pub(crate) seq: u64,
    pub(crate) at: u64,
    pub(crate) tenant: &'a str,
    pub(crate) login: Option<&'a str>,
    pub(crate) who: Option<&'a str>,
    pub(crate) address: Option<&'a str>,
    pub(crate) what: &'a str,
}

pub(crate) type Link = [u8; 32];

/// What the first row follows.
pub(crate) const START: Link = [0; 32];

/// The key, ready: a row costs one pass over it.
#[derive(Clone)]
pub(crate) struct Chain(Hmac<Sha256>);

impl Chain {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length"))
    }

    pub(crate) fn link(&self, before: &Link, row: Content<'_>) -> Link {
        let mut mac = self.0.clone();
        mac.update(b"postern audit\0");
        mac.update(before);
        mac.update(&row.seq.to_be_bytes());
        mac.update(&row.at.to_be_bytes());
        for text in [
            Some(row.tenant),
            row.login,
            row.who,
            row.address,
            Some(row.what),
        ] {
            // Absent and empty are two things, and no text runs into the next one.
            match text {
                Some(text) => {
                    mac.update(&[1]);
                    mac.update(&(text.len() as u64).to_be_bytes());
                    mac.update(text.as_bytes());
                }
                None => mac.update(&[0]),
            }
        }
        mac.finalize().into_bytes().into()
    }

    /// The seal of the note that says what was removed: without the key nobody moves it onward.
    pub(crate) fn seal(&self, seq: u64, link: &Link, at: u64) -> Link {
        let mut mac = self.0.clone();
        mac.update(b"postern audit begins after\0");
        mac.update(&seq.to_be_bytes());
        mac.update(link);
        mac.update(&at.to_be_bytes());
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_and_the_row_before_are_in_the_link() {
        let row = Content {
            seq: 7,
            at: 1000,
            tenant: "carbon.super",
            login: Some("k3x9"),
            who: Some("alice"),
            address: None,
            what: "{}",
        };
        let chain = Chain::new(&[1; 32]);
        let link = chain.link(&START, row);
        let others = [
            chain.link(&[1; 32], row),
            chain.link(&START, Content { seq: 8, ..row }),
            chain.link(&START, Content { at: 1001, ..row }),
            chain.link(&START, Content { tenant: "b", ..row }),
            chain.link(&START, Content { login: None, ..row }),
            chain.link(
                &START,
                Content {
                    login: Some(""),
                    who: Some("k3x9alice"),
                    ..row
                },
            ),
            chain.link(
                &START,
                Content {
                    who: Some("bob"),
                    ..row
                },
            ),
            chain.link(
                &START,
                Content {
                    address: Some(""),
                    ..row
                },
            ),
            chain.link(&START, Content { what: "{ }", ..row }),
            Chain::new(&[2; 32]).link(&START, row),
        ];
        assert!(others.iter().all(|other| *other != link));
        assert_eq!(chain.link(&START, row), link);
    }

    #[test]
    fn everything_of_a_note_is_in_its_seal() {
        let chain = Chain::new(&[1; 32]);
        let seal = chain.seal(7, &[2; 32], 1000);
        for other in [
            chain.seal(8, &[2; 32], 1000),
            chain.seal(7, &[3; 32], 1000),
            chain.seal(7, &[2; 32], 1001),
            Chain::new(&[9; 32]).seal(7, &[2; 32], 1000),
        ] {
            assert_ne!(other, seal);
        }
    }
}
