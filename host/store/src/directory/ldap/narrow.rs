//! A condition on users as a filter of a directory that is never too narrow: whoever the condition fits
//! is found, and who is found is looked at by our own rule.
//!
//! A directory compares by rules of its own: it folds what we tell apart and tells apart what it keeps
//! by other rules. So nothing is asked of it but what its answer cannot leave anybody out by, and what
//! cannot be asked so is not asked (attacks ).

use super::filter::Filter;
use crate::directory::kept::Kept;
use crate::directory::mapping::Mapping;
use postern_federation::scim::filter::{Compared, Field, Operator, Part, Several};
use postern_federation::scim::user::{EMAIL_CLAIMS, PHONE_CLAIM};
use postern_federation::scim::{Condition, filter};
use postern_login::error::StoreError;
use std::future::Future;
use std::pin::Pin;

/// Users of whom Postern itself keeps what is looked for: with more the filter would be longer than
/// what it saves.
const KEPT_MAX: usize = 50;

/// Attributes whose values the standards (RFC 4519, RFC 2798, RFC 4524, and the schema of Active
/// Directory) compare without regard to case, whole and in part. Of any other nothing is asked but
/// whether it has a value.
const CASE_IGNORED: [&str; 30] = [
    "carlicense",
    "cn",
    "departmentnumber",
    "description",
    "displayname",
    "employeenumber",
    "employeetype",
    "generationqualifier",
    "givenname",
    "initials",
    "l",
    "mail",
    "o",
    "ou",
    "personaltitle",
    "physicaldeliveryofficename",
    "postaladdress",
    "postalcode",
    "preferredlanguage",
    "roomnumber",
    "samaccountname",
    "sn",
    "st",
    "street",
    "surname",
    "title",
    "uid",
    "userid",
    "userprincipalname",
    "commonname",
];
/// And those where blanks and hyphens are nothing either.
const NUMBERS: [&str; 5] = [
    "facsimiletelephonenumber",
    "homephone",
    "mobile",
    "pager",
    "telephonenumber",
];

pub(super) struct Narrow<'a> {
    pub(super) naming: &'a str,
    pub(super) mapping: &'a Mapping,
    pub(super) kept: &'a Kept,
}

/// What is asked of one field.
#[derive(Clone, Copy)]
enum Test<'a> {
    Present,
    Compare(Operator, &'a str),
}

type Narrowed<'a> = Pin<Box<dyn Future<Output = Result<Option<Filter>, StoreError>> + Send + 'a>>;

impl Narrow<'_> {
    /// `None`: everybody.
    pub(super) fn filter<'a>(&'a self, condition: &'a Condition) -> Narrowed<'a> {
        Box::pin(async move {
            match condition {
                // What is not so is found by looking: the opposite of too many is too few.
                Condition::Always | Condition::Not(_) => Ok(None),
                Condition::Never => Ok(Some(Filter::Nobody)),
                Condition::All(all) => {
                    let mut parts = Vec::new();
                    for one in all {
                        parts.extend(self.filter(one).await?);
                    }
                    Ok((!parts.is_empty()).then_some(Filter::And(parts)))
                }
                Condition::Any(any) => {
                    let mut parts = vec![Filter::Nobody];
                    for one in any {
                        match self.filter(one).await? {
                            Some(part) => parts.push(part),
                            None => return Ok(None),
                        }
                    }
                    Ok(Some(Filter::Or(parts)))
                }
                Condition::Present(field) => self.field(*field, Test::Present).await,
                Condition::Compare(field, operator, Compared::Text(text)) => {
                    self.field(*field, Test::Compare(*operator, text)).await
                }
                Condition::Compare(..) => Ok(None),
                Condition::OneOf(which, part) => {
                    let field = match which {
                        Several::Emails => Field::Email,
                        Several::Phones => Field::Number,
                    };
                    self.field(field, value_of(part)).await
                }
            }
        })
    }

    async fn field(&self, field: Field, test: Test<'_>) -> Result<Option<Filter>, StoreError> {
        let mapped = |uri: &str| {
            let all = self.mapping.claims.iter();
            all.filter(|(known, _)| known == uri)
                .map(|(_, attribute)| attribute.as_str())
                .collect::<Vec<_>>()
        };
        // Attributes that hold it, and whether it may be kept here as well.
        let (attributes, kept) = match field {
            Field::UserName => (vec![self.naming], false),
            Field::DisplayName => {
                let attribute = self.mapping.display_name.as_deref();
                (attribute.into_iter().collect(), attribute.is_none())
            }
            Field::Claim(uri) => {
                let attributes = mapped(uri);
                let kept = attributes.is_empty();
                (attributes, kept)
            }
            // A list in an attribute of the directory is a text of ours: nothing to look for.
            Field::Email if !mapped(EMAIL_CLAIMS.1).is_empty() => return Ok(None),
            Field::Number if !mapped(PHONE_CLAIM).is_empty() => return Ok(None),
            Field::Email => (mapped(EMAIL_CLAIMS.0), true),
            Field::Number => (self.mapping.mobile.as_deref().into_iter().collect(), true),
            Field::Id
            | Field::ExternalId
            | Field::Active
            | Field::Created
            | Field::Changed
            | Field::Related => return Ok(None),
        };
        let mut any = vec![Filter::Nobody];
        any.extend(
            attributes
                .into_iter()
                .map(|attribute| asked(attribute, field, test)),
        );
        if kept {
            let condition = match test {
                Test::Present => Condition::Present(field),
                Test::Compare(operator, text) => {
                    Condition::Compare(field, operator, Compared::Text(text.to_owned()))
                }
            };
            let Some(names) = self.kept.names(&condition, KEPT_MAX).await? else {
                return Ok(None);
            };
            any.extend(names.iter().map(|name| Filter::equal(self.naming, name)));
        }
        Ok(Some(Filter::Or(any)))
    }
}

/// What a condition on one of several values says of the value itself.
fn value_of(part: &Part) -> Test<'_> {
    match part {
        Part::Compare("value", operator, Compared::Text(text)) => Test::Compare(*operator, text),
        Part::All(all) => all
            .iter()
            .map(value_of)
            .find(|test| matches!(test, Test::Compare(..)))
            .unwrap_or(Test::Present),
        // Some value there is.
        Part::Present(_) | Part::Compare(..) | Part::Not(_) | Part::Any(_) => Test::Present,
    }
}

/// A filter on one attribute that leaves nobody out.
fn asked(attribute: &str, field: Field, test: Test<'_>) -> Filter {
    let present = Filter::Present(attribute.to_owned());
    let Test::Compare(operator, text) = test else {
        return present;
    };
    let lower = attribute.to_ascii_lowercase();
    let number = NUMBERS.contains(&lower.as_str());
    if !number && !CASE_IGNORED.contains(&lower.as_str()) {
        return present;
    }
    let text = filter::folded(field, text);
    // A claim of several values is one text with commas; a name may have its store's before it.
    let apart = match field {
        Field::UserName => Some('/'),
        Field::Claim(_) | Field::Email => Some(','),
        _ => None,
    };
    let plain = |c: char| match number {
        true => c.is_ascii_digit() || c == '+',
        false => c.is_ascii_graphic() && Some(c) != apart,
    };
    let whole = !text.is_empty()
        && text.chars().all(|c| plain(c) || (c == ' ' && !number))
        && !text.starts_with(' ')
        && !text.ends_with(' ')
        && !text.contains("  ");
    match operator {
        Operator::Equal if whole => Filter::Equal(attribute.to_owned(), text),
        Operator::Equal => part(attribute, &text, plain, true, true),
        Operator::Contains => part(attribute, &text, plain, false, false),
        Operator::StartsWith => part(attribute, &text, plain, true, false),
        Operator::EndsWith => part(attribute, &text, plain, false, true),
        Operator::Greater | Operator::GreaterOrEqual | Operator::Less | Operator::LessOrEqual => {
            present
        }
    }
}

/// The longest piece of the text that the directory has in the same letters. A letter that an accent
/// may follow is no piece: with it, it is another letter.
fn part(
    attribute: &str,
    text: &str,
    plain: impl Fn(char) -> bool,
    begins: bool,
    ends: bool,
) -> Filter {
    let mut best: (usize, usize) = (0, 0);
    let mut from = 0;
    let mut offer = |from: usize, to: usize| {
        let next = text[to..].chars().next();
        let accent = match next {
            Some(next) => !next.is_ascii(),
            None => !ends,
        };
        let to = if accent && to > from { to - 1 } else { to };
        if to - from > best.1 - best.0 {
            best = (from, to);
        }
    };
    for (at, c) in text.char_indices() {
        if !plain(c) {
            offer(from, at);
            from = at + c.len_utf8();
        }
    }
    offer(from, text.len());
    let (from, to) = best;
    if from == to {
        return Filter::Present(attribute.to_owned());
    }
    Filter::Part {
        attribute: attribute.to_owned(),
        text: text[from..to].to_owned(),
        begins: begins && from == 0,
        ends: ends && to == text.len(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    ///
    #[test]
    fn what_is_looked_for_is_a_value_and_never_too_narrow() {
        use Operator::{Contains, EndsWith, Equal, Greater, StartsWith};
        let claim = Field::Claim("urn:x");
        for (attribute, field, operator, text, expected) in [
            ("sn", claim, Equal, "House", "(sn=house)"),
            ("sn", claim, Equal, "van  Dam", "(sn=van*)"),
            ("sn", claim, Equal, "*)(uid=*", "(sn=\\2a\\29\\28uid=\\2a)"),
            ("sn", claim, Contains, "*)(uid=*", "(sn=*\\2a\\29\\28uid=*)"),
            ("sn", claim, StartsWith, "hou", "(sn=ho*)"),
            ("sn", claim, EndsWith, "use", "(sn=*use)"),
            ("sn", claim, Contains, "h", "(sn=*)"),
            ("sn", claim, Contains, "caf\u{e9}s", "(sn=*ca*)"),
            ("sn", claim, Equal, "e\u{301}a", "(sn=*a)"),
            ("sn", claim, Equal, "a,bcd", "(sn=*bcd)"),
            ("sn", claim, Greater, "a", "(sn=*)"),
            ("labeledURI", claim, Equal, "http://x", "(labeledURI=*)"),
            ("uid", Field::UserName, Equal, "CORP/alice", "(uid=*alice)"),
            ("uid", Field::UserName, StartsWith, "al", "(uid=a*)"),
            ("mobile", Field::Number, Equal, "+9477", "(mobile=+9477)"),
            ("mobile", Field::Number, Contains, "94-771", "(mobile=*94*)"),
            ("mobile", Field::Number, Equal, "- -", "(mobile=*)"),
        ] {
            let filter = asked(attribute, field, Test::Compare(operator, text)).to_string();
            assert_eq!(filter, expected, "{text}");
            assert!(super::super::is_filter(&filter), "{filter}");
        }
    }
}
