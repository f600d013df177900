//! Filters and distinguished names, built from parts: what a person typed is always a value, never a
//! piece of syntax (attack Q-02).

use ldap3::{dn_escape, ldap_escape};
use std::fmt;

/// A search filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Filter {
    Equal(String, String),
    /// It has a value.
    Present(String),
    /// A value with this in it; where it begins or ends, if so said.
    Part {
        attribute: String,
        text: String,
        begins: bool,
        ends: bool,
    },
    /// No entry: every one has a class.
    Nobody,
    And(Vec<Filter>),
    Or(Vec<Filter>),
    /// The operator's own, checked when the configuration was read.
    Given(String),
}

impl Filter {
    pub(super) fn equal(attribute: &str, value: &str) -> Self {
        Self::Equal(attribute.to_owned(), value.to_owned())
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, sign: char, parts: &[Self]| {
            write!(f, "({sign}")?;
            for part in parts {
                part.fmt(f)?;
            }
            f.write_str(")")
        };
        match self {
            Self::Equal(attribute, value) => {
                write!(f, "({attribute}={})", ldap_escape(value.as_str()))
            }
            Self::Present(attribute) => write!(f, "({attribute}=*)"),
            Self::Part {
                attribute,
                text,
                begins,
                ends,
            } => {
                let star = |fixed: &bool| if *fixed { "" } else { "*" };
                let text = ldap_escape(text.as_str());
                write!(f, "({attribute}={}{text}{})", star(begins), star(ends))
            }
            Self::Nobody => f.write_str("(!(objectClass=*))"),
            Self::And(parts) => list(f, '&', parts),
            Self::Or(parts) => list(f, '|', parts),
            Self::Given(text) => f.write_str(text),
        }
    }
}

/// The name of an entry right below another one.
pub(super) fn child(attribute: &str, value: &str, parent: &str) -> String {
    format!("{attribute}={},{parent}", dn_escape(value))
}

/// Whether this is the name of an attribute: the operator's, and yet nothing that could end a filter.
pub fn is_attribute(text: &str) -> bool {
    text.len() <= 128
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b';'))
}

/// Whether this is a whole filter, such as `(employeeType=staff)`.
pub fn is_filter(text: &str) -> bool {
    text.starts_with('(') && text.ends_with(')') && ldap3::parse_filter(text).is_ok()
}

/// Whether this may be the name of an entry, such as `ou=people,dc=example,dc=com`.
pub fn is_entry_name(text: &str) -> bool {
    // A comma after a backslash belongs to a value.
    let mut continued = false;
    let orderly = text.split(',').all(|part| {
        let whole = continued || part.contains('=');
        continued = part.ends_with('\\');
        whole
    });
    orderly && !continued && !text.contains(['\0', '\n', '\r'])
}

#[cfg(test)]
mod tests {
    use super::*;

    ///
    #[test]
    fn what_a_person_types_is_a_value_in_a_filter() {
        for (typed, expected) in [
            ("alice", "(uid=alice)"),
            ("*", "(uid=\\2a)"),
            ("*)(uid=*", "(uid=\\2a\\29\\28uid=\\2a)"),
            ("\\2a", "(uid=\\5c2a)"),
            ("a\0b", "(uid=a\\00b)"),
            ("cn=a,dc=b", "(uid=cn=a,dc=b)"),
            ("jos\u{e9}", "(uid=jos\u{e9})"),
        ] {
            let filter = Filter::equal("uid", typed).to_string();
            assert_eq!(filter, expected);
            assert!(is_filter(&filter), "{filter}");
        }
        let nested = Filter::And(vec![
            Filter::equal("objectClass", "person"),
            Filter::Or(vec![
                Filter::equal("uid", "a)"),
                Filter::equal("mail", "|(b"),
            ]),
            Filter::Given("(employeeType=staff)".into()),
        ]);
        assert_eq!(
            nested.to_string(),
            "(&(objectClass=person)(|(uid=a\\29)(mail=|\\28b))(employeeType=staff))"
        );
    }

    ///
    #[test]
    fn what_a_person_types_is_one_value_in_a_name() {
        for (typed, expected) in [
            ("alice", "uid=alice,dc=x"),
            ("cn=a,dc=b", "uid=cn\\3da\\2cdc\\3db,dc=x"),
            ("a+uid=b", "uid=a\\2buid\\3db,dc=x"),
            ("#x", "uid=\\23x,dc=x"),
            (" x ", "uid=\\20x\\20,dc=x"),
            ("a\0", "uid=a\\00,dc=x"),
            ("\\2a", "uid=\\5c2a,dc=x"),
        ] {
            assert_eq!(child("uid", typed, "dc=x"), expected);
        }
    }

    #[test]
    fn an_operators_words_are_checked() {
        assert!(
            is_attribute("uid")
                && is_attribute("1.2.840.113556.1.4.8")
                && is_attribute("cn;lang-de")
        );
        for wrong in ["", "uid=", "a b", "(uid)", "*", "\u{fc}id"] {
            assert!(!is_attribute(wrong), "{wrong}");
        }
        assert!(is_filter("(&(a=b)(!(c=d)))"));
        for wrong in ["", "a=b", "(a=b", "(a=b)(c=d)", "((a=b)"] {
            assert!(!is_filter(wrong), "{wrong}");
        }
        assert!(is_entry_name("ou=a\\,b,dc=example"));
        for wrong in ["", "people", "ou=a,,dc=b", "ou=a\n"] {
            assert!(!is_entry_name(wrong), "{wrong:?}");
        }
    }
}
