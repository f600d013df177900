//! Filters (RFC 7644, 3.4.2.2): scim_v2 parses, and what comes out is a condition over the attributes we
//! keep, which a store translates into its own language or evaluates.
//!
//! There is no condition on a password (attack Q-08), and every bound is checked before anything is
//! read (attack Q-05). Refusals never repeat the filter.

use super::limits::{FILTER_BYTES_MAX, FILTER_DEPTH_MAX, FILTER_TERMS_MAX, TEXT_BYTES_MAX};
use super::schema::Resource;
use super::user::{claim_of, emails, phones};
use super::{Group, Person, ScimError};
use crate::Moment;
use scim_v2::filter::{AttrExp, AttrPath, CompValue, CompareOp, Filter, ValFilter};
use serde_json::{Map, Value};

/// What a user or a group is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    Id,
    ExternalId,
    UserName,
    DisplayName,
    Active,
    Created,
    Changed,
    /// A text kept as a claim, by its URI.
    Claim(&'static str),
    Email,
    Number,
    /// The groups of a user, the members of a group: by id.
    Related,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compared {
    Text(String),
    Truth(bool),
    Time(Moment),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Equal,
    Contains,
    StartsWith,
    EndsWith,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// A condition. `Equal` and its kin hold if one of several values does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    Always,
    Never,
    Present(Field),
    Compare(Field, Operator, Compared),
    /// One value of an attribute with several satisfies all of it at once.
    OneOf(Several, Box<Part>),
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Several {
    Emails,
    Phones,
}

/// A condition on one value of several, by the name of its part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Present(&'static str),
    Compare(&'static str, Operator, Compared),
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
}

impl Condition {
    pub fn parse(resource: Resource, text: &str) -> Result<Self, ScimError> {
        condition(resource, &parsed(text)?)
    }

    pub fn holds(&self, person: &Person) -> bool {
        self.holds_for(
            &|field| values_of(person, field),
            &|several| match several {
                Several::Emails => emails(person),
                Several::Phones => phones(person),
            },
        )
    }

    pub fn holds_of_group(&self, group: &Group) -> bool {
        self.holds_for(&|field| group_values(group, field), &|_| Vec::new())
    }

    fn holds_for(
        &self,
        values: &dyn Fn(Field) -> Vec<Compared>,
        several: &dyn Fn(Several) -> Vec<Map<String, Value>>,
    ) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Present(field) => !values(*field).is_empty(),
            Self::Compare(field, operator, with) => values(*field)
                .iter()
                .any(|value| compare(value, *operator, with, exact(*field))),
            Self::OneOf(which, part) => several(*which).iter().any(|value| part.holds(value)),
            Self::Not(inner) => !inner.holds_for(values, several),
            Self::All(all) => all.iter().all(|one| one.holds_for(values, several)),
            Self::Any(any) => any.iter().any(|one| one.holds_for(values, several)),
        }
    }
}

impl Part {
    /// A condition inside brackets, on the values of this attribute.
    pub(super) fn of(
        filter: &ValFilter,
        resource: Resource,
        attribute: &str,
    ) -> Result<Self, ScimError> {
        let list = |items: &[ValFilter]| {
            items
                .iter()
                .map(|item| Self::of(item, resource, attribute))
                .collect::<Result<Vec<_>, _>>()
        };
        match filter {
            ValFilter::Not(inner) => Ok(Self::Not(Box::new(Self::of(inner, resource, attribute)?))),
            ValFilter::And(items) => Ok(Self::All(list(items.as_slice())?)),
            ValFilter::Or(items) => Ok(Self::Any(list(items.as_slice())?)),
            ValFilter::Attr(AttrExp::Present(path)) => {
                Ok(Self::Present(part_name(resource, attribute, path)?))
            }
            ValFilter::Attr(AttrExp::Comparison(path, op, value)) => {
                let name = part_name(resource, attribute, path)?;
                let compared = match value {
                    CompValue::True => Compared::Truth(true),
                    CompValue::False => Compared::Truth(false),
                    CompValue::Str(text) => Compared::Text(operand(op, text)?),
                    CompValue::Null => {
                        let present = Self::Present(name);
                        return match op {
                            CompareOp::Eq => Ok(Self::Not(Box::new(present))),
                            CompareOp::Ne => Ok(present),
                            _ => Err(unfit()),
                        };
                    }
                    CompValue::Number(_) => return Err(unfit()),
                };
                if matches!(compared, Compared::Truth(_))
                    && !matches!(op, CompareOp::Eq | CompareOp::Ne)
                {
                    return Err(unfit());
                }
                Ok(match operator(op) {
                    Some(operator) => Self::Compare(name, operator, compared),
                    None => Self::Not(Box::new(Self::Compare(name, Operator::Equal, compared))),
                })
            }
        }
    }

    pub(super) fn holds(&self, value: &Map<String, Value>) -> bool {
        match self {
            Self::Present(name) => value.get(*name).is_some_and(|found| !found.is_null()),
            Self::Compare(name, operator, with) => match value.get(*name) {
                Some(Value::String(text)) => compare(
                    &Compared::Text(text.clone()),
                    *operator,
                    with,
                    *name == "$ref",
                ),
                Some(Value::Bool(truth)) => {
                    compare(&Compared::Truth(*truth), *operator, with, true)
                }
                // A flag nobody set is not set.
                None if *with == Compared::Truth(false) => *operator == Operator::Equal,
                _ => false,
            },
            Self::Not(inner) => !inner.holds(value),
            Self::All(all) => all.iter().all(|one| one.holds(value)),
            Self::Any(any) => any.iter().any(|one| one.holds(value)),
        }
    }
}

/// Within the bounds that are told; the parser has wider ones of its own.
fn parsed(text: &str) -> Result<Filter, ScimError> {
    if text.len() > FILTER_BYTES_MAX {
        return Err(ScimError::filter(format!(
            "the filter is longer than {FILTER_BYTES_MAX} bytes"
        )));
    }
    bounded(text)?;
    text.parse()
        .map_err(|_| ScimError::filter("not a filter of RFC 7644, section 3.4.2.2"))
}

/// Brackets open at once, outside of quotes: counted before anything recurses.
pub(super) fn bounded(text: &str) -> Result<(), ScimError> {
    let (mut open, mut quoted, mut escaped) = (0_usize, false, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '(' | '[' if !quoted => {
                open += 1;
                if open > FILTER_DEPTH_MAX {
                    return Err(ScimError::filter(format!(
                        "more than {FILTER_DEPTH_MAX} brackets are open at once"
                    )));
                }
            }
            ')' | ']' if !quoted => open = open.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

fn condition(resource: Resource, filter: &Filter) -> Result<Condition, ScimError> {
    let mut terms = 0;
    translated(resource, filter, 0, &mut terms)
}

fn translated(
    resource: Resource,
    filter: &Filter,
    depth: usize,
    terms: &mut usize,
) -> Result<Condition, ScimError> {
    if depth > FILTER_DEPTH_MAX {
        return Err(ScimError::filter(format!(
            "the filter is nested more than {FILTER_DEPTH_MAX} deep"
        )));
    }
    let mut list = |items: &[Filter]| {
        items
            .iter()
            .map(|item| translated(resource, item, depth + 1, terms))
            .collect::<Result<Vec<_>, _>>()
    };
    match filter {
        Filter::And(items) => Ok(Condition::All(list(items.as_slice())?)),
        Filter::Or(items) => Ok(Condition::Any(list(items.as_slice())?)),
        Filter::Not(inner) => {
            let inner = translated(resource, inner, depth + 1, terms)?;
            Ok(Condition::Not(Box::new(inner)))
        }
        Filter::Attr(expression) => {
            count(terms, 1)?;
            term(resource, expression)
        }
        Filter::ValuePath(path) => {
            count(terms, inside(&path.filter))?;
            let several = several(resource, &path.attr)?;
            let name = match several {
                Several::Emails => "emails",
                Several::Phones => "phoneNumbers",
            };
            let part = Part::of(&path.filter, resource, name)?;
            Ok(Condition::OneOf(several, Box::new(part)))
        }
    }
}

fn count(terms: &mut usize, more: usize) -> Result<(), ScimError> {
    *terms += more;
    if *terms > FILTER_TERMS_MAX {
        return Err(ScimError::filter(format!(
            "the filter has more than {FILTER_TERMS_MAX} comparisons"
        )));
    }
    Ok(())
}

fn inside(filter: &ValFilter) -> usize {
    match filter {
        ValFilter::Attr(_) => 1,
        ValFilter::Not(inner) => inside(inner),
        ValFilter::And(items) | ValFilter::Or(items) => items.as_slice().iter().map(inside).sum(),
    }
}

fn several(resource: Resource, path: &AttrPath) -> Result<Several, ScimError> {
    if resource == Resource::User && path.sub_attr.is_none() && of_schema(resource, path) {
        if path.name.eq_ignore_ascii_case("emails") {
            return Ok(Several::Emails);
        }
        if path.name.eq_ignore_ascii_case("phoneNumbers") {
            return Ok(Several::Phones);
        }
    }
    Err(unknown())
}

fn of_schema(resource: Resource, path: &AttrPath) -> bool {
    let urn = resource.urn();
    path.uri
        .as_deref()
        .is_none_or(|uri| uri.eq_ignore_ascii_case(urn))
}

fn part_name(
    resource: Resource,
    attribute: &str,
    path: &AttrPath,
) -> Result<&'static str, ScimError> {
    let known = resource
        .attribute(attribute)
        .and_then(|attribute| attribute.part(&path.name));
    match (known, &path.uri, &path.sub_attr) {
        (Some(part), None, None) => Ok(part.name),
        _ => Err(unknown()),
    }
}

fn term(resource: Resource, expression: &AttrExp) -> Result<Condition, ScimError> {
    let (AttrExp::Present(path) | AttrExp::Comparison(path, ..)) = expression;
    if !of_schema(resource, path) {
        return Err(unknown());
    }
    // The kind of a value is no field of its own.
    if let Some(sub) = &path.sub_attr
        && let Ok(several) = several(
            resource,
            &AttrPath {
                sub_attr: None,
                ..path.clone()
            },
        )
        && !sub.eq_ignore_ascii_case("value")
    {
        let inner = AttrPath::with_name(sub.clone());
        let expression = match expression {
            AttrExp::Present(_) => AttrExp::Present(inner),
            AttrExp::Comparison(_, op, value) => {
                AttrExp::Comparison(inner, op.clone(), value.clone())
            }
        };
        let part = Part::of(&ValFilter::Attr(expression), resource, &path.name)?;
        return Ok(Condition::OneOf(several, Box::new(part)));
    }
    let field = field(resource, path)?;
    match expression {
        AttrExp::Present(_) => Ok(Condition::Present(field)),
        AttrExp::Comparison(_, op, CompValue::Null) => {
            let present = Condition::Present(field);
            match op {
                CompareOp::Eq => Ok(Condition::Not(Box::new(present))),
                CompareOp::Ne => Ok(present),
                _ => Err(unfit()),
            }
        }
        AttrExp::Comparison(_, op, value) => {
            let compared = compared(field, op, value)?;
            Ok(match operator(op) {
                Some(operator) => Condition::Compare(field, operator, compared),
                None => Condition::Not(Box::new(Condition::Compare(
                    field,
                    Operator::Equal,
                    compared,
                ))),
            })
        }
    }
}

/// `None` is `ne`.
fn operator(op: &CompareOp) -> Option<Operator> {
    match op {
        CompareOp::Eq => Some(Operator::Equal),
        CompareOp::Ne => None,
        CompareOp::Co => Some(Operator::Contains),
        CompareOp::Sw => Some(Operator::StartsWith),
        CompareOp::Ew => Some(Operator::EndsWith),
        CompareOp::Gt => Some(Operator::Greater),
        CompareOp::Ge => Some(Operator::GreaterOrEqual),
        CompareOp::Lt => Some(Operator::Less),
        CompareOp::Le => Some(Operator::LessOrEqual),
    }
}

fn field(resource: Resource, path: &AttrPath) -> Result<Field, ScimError> {
    let name = match &path.sub_attr {
        Some(sub) => format!("{}.{sub}", path.name),
        None => path.name.clone(),
    }
    .to_ascii_lowercase();
    let field = match (resource, name.as_str()) {
        (_, "id") => Field::Id,
        (_, "externalid") => Field::ExternalId,
        (_, "displayname") => Field::DisplayName,
        (_, "meta.created") => Field::Created,
        (_, "meta.lastmodified") => Field::Changed,
        (Resource::User, "username") => Field::UserName,
        (Resource::User, "active") => Field::Active,
        (Resource::User, "emails" | "emails.value") => Field::Email,
        (Resource::User, "phonenumbers" | "phonenumbers.value") => Field::Number,
        (Resource::User, "groups" | "groups.value") => Field::Related,
        (Resource::User, name) => Field::Claim(claim_of(name).ok_or_else(unknown)?),
        (Resource::Group, "members" | "members.value") => Field::Related,
        (Resource::Group, _) => return Err(unknown()),
    };
    Ok(field)
}

fn compared(field: Field, op: &CompareOp, value: &CompValue) -> Result<Compared, ScimError> {
    match (field, value) {
        (Field::Active, CompValue::True | CompValue::False) => match op {
            CompareOp::Eq | CompareOp::Ne => Ok(Compared::Truth(*value == CompValue::True)),
            _ => Err(unfit()),
        },
        (Field::Created | Field::Changed, CompValue::Str(text)) => match op {
            CompareOp::Co | CompareOp::Sw | CompareOp::Ew => Err(unfit()),
            _ => text
                .parse::<jiff::Timestamp>()
                .ok()
                .and_then(|at| u64::try_from(at.as_millisecond()).ok())
                .map(|at| Compared::Time(Moment(at)))
                .ok_or_else(unfit),
        },
        (Field::Active | Field::Created | Field::Changed, _) => Err(unfit()),
        (_, CompValue::Str(text)) => Ok(Compared::Text(operand(op, text)?)),
        _ => Err(unfit()),
    }
}

/// An empty operand of `co`, `sw` and `ew` is in everything: nobody means it.
fn operand(op: &CompareOp, text: &str) -> Result<String, ScimError> {
    let within = matches!(op, CompareOp::Co | CompareOp::Sw | CompareOp::Ew);
    if (within && text.is_empty()) || text.len() > TEXT_BYTES_MAX || text.contains('\0') {
        return Err(unfit());
    }
    Ok(text.to_owned())
}

fn unknown() -> ScimError {
    ScimError::filter("the filter names an attribute that cannot be searched")
}

fn unfit() -> ScimError {
    ScimError::filter("an attribute is compared with a value it cannot have")
}

/// Whether upper and lower case are two things.
pub fn exact(field: Field) -> bool {
    matches!(field, Field::Id | Field::ExternalId | Field::Related)
}

/// How texts of an attribute are compared: ASCII's two cases are one, as in SQLite; a user's name is
/// compared as names are.
pub fn folded(field: Field, text: &str) -> String {
    match field {
        Field::UserName => text.to_lowercase(),
        _ if exact(field) => text.to_owned(),
        _ => text.to_ascii_lowercase(),
    }
}

fn compare(value: &Compared, operator: Operator, with: &Compared, exact: bool) -> bool {
    match (value, with) {
        (Compared::Truth(a), Compared::Truth(b)) => operator == Operator::Equal && a == b,
        (Compared::Time(a), Compared::Time(b)) => ordered(operator, a.0.cmp(&b.0)),
        (Compared::Text(a), Compared::Text(b)) => {
            let fold = |text: &str| {
                if exact {
                    text.to_owned()
                } else {
                    text.to_ascii_lowercase()
                }
            };
            let (a, b) = (fold(a), fold(b));
            match operator {
                Operator::Contains => a.contains(&b),
                Operator::StartsWith => a.starts_with(&b),
                Operator::EndsWith => a.ends_with(&b),
                other => ordered(other, a.cmp(&b)),
            }
        }
        _ => false,
    }
}

fn ordered(operator: Operator, order: std::cmp::Ordering) -> bool {
    match operator {
        Operator::Equal => order.is_eq(),
        Operator::Greater => order.is_gt(),
        Operator::GreaterOrEqual => order.is_ge(),
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
        Operator::Contains | Operator::StartsWith | Operator::EndsWith => false,
    }
}

fn values_of(person: &Person, field: Field) -> Vec<Compared> {
    let text = |text: Option<&str>| -> Vec<Compared> {
        text.filter(|text| !text.is_empty())
            .map(|text| Compared::Text(text.to_owned()))
            .into_iter()
            .collect()
    };
    let listed = |values: Vec<Map<String, Value>>| {
        values
            .iter()
            .filter_map(|value| value.get("value")?.as_str())
            .map(|value| Compared::Text(value.to_owned()))
            .collect()
    };
    match field {
        Field::Id => text(Some(&person.id)),
        Field::ExternalId => text(person.external_id.as_deref()),
        Field::UserName => vec![Compared::Text(person.account.to_lowercase())],
        Field::DisplayName => text(person.display_name.as_deref()),
        Field::Active => vec![Compared::Truth(!person.locked)],
        Field::Created => vec![Compared::Time(person.created_at)],
        Field::Changed => vec![Compared::Time(person.changed_at)],
        Field::Claim(uri) => text(person.claim(uri)),
        Field::Email => listed(emails(person)),
        Field::Number => listed(phones(person)),
        Field::Related => person
            .groups
            .iter()
            .map(|(id, _)| Compared::Text(id.clone()))
            .collect(),
    }
}

fn group_values(group: &Group, field: Field) -> Vec<Compared> {
    match field {
        Field::Id => vec![Compared::Text(group.id.clone())],
        Field::ExternalId => group
            .external_id
            .iter()
            .map(|id| Compared::Text(id.clone()))
            .collect(),
        Field::DisplayName => vec![Compared::Text(group.display_name.clone())],
        Field::Created => vec![Compared::Time(group.created_at)],
        Field::Changed => vec![Compared::Time(group.changed_at)],
        Field::Related => group
            .members
            .iter()
            .map(|(id, _)| Compared::Text(id.clone()))
            .collect(),
        Field::UserName | Field::Active | Field::Claim(_) | Field::Email | Field::Number => {
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::time::{Duration, Instant};

    fn alice() -> Person {
        Person {
            id: "0a1b".into(),
            account: "Alice".into(),
            display_name: Some("Alice A".into()),
            number: Some("+94771234567".into()),
            locked: false,
            claims: vec![
                ("http://wso2.org/claims/givenname".into(), "Alice".into()),
                (
                    "http://wso2.org/claims/emailaddress".into(),
                    "a@example.com".into(),
                ),
            ],
            external_id: Some("Ext-1".into()),
            created_at: Moment(1_700_000_000_000),
            changed_at: Moment(1_700_000_000_000),
            groups: vec![("g1".into(), "staff".into())],
        }
    }

    fn holds(filter: &str) -> bool {
        Condition::parse(Resource::User, filter)
            .unwrap()
            .holds(&alice())
    }

    /// The operators of RFC 7644, table 3, and the shapes of its figure 1.
    #[test]
    fn filters_mean_what_the_rfc_says() {
        for (filter, expected) in [
            (r#"userName eq "alice""#, true),
            (r#"userName Eq "ALICE""#, true),
            (r#"userName eq "bob""#, false),
            (
                r#"urn:ietf:params:scim:schemas:core:2.0:User:userName sw "AL""#,
                true,
            ),
            (r#"userName ne "alice""#, false),
            (r#"title ne "boss""#, true),
            (r#"name.givenName co "LIC""#, true),
            (r#"displayName ew " a""#, true),
            ("title pr", false),
            ("title eq null", true),
            ("displayName pr", true),
            (r#"externalId eq "Ext-1""#, true),
            (r#"externalId eq "ext-1""#, false),
            ("active eq true", true),
            ("active ne true", false),
            (r#"emails eq "A@example.com""#, true),
            (r#"emails.value co "@example.com""#, true),
            (
                r#"emails[type eq "work" and value co "@example.com"]"#,
                false,
            ),
            (r#"emails[value co "@example.com"]"#, true),
            (r#"phoneNumbers[type eq "mobile"]"#, true),
            (r#"phoneNumbers.type eq "mobile""#, true),
            (r#"phoneNumbers.value eq "+94771234567""#, true),
            (r#"groups.value eq "g1""#, true),
            (r#"meta.lastModified gt "2023-11-14T22:13:19Z""#, true),
            (r#"meta.lastModified gt "2023-11-14T22:13:20Z""#, false),
            (r#"meta.lastModified ge "2023-11-14T22:13:20Z""#, true),
            (r#"userName gt "aa" and userName lt "b""#, true),
            (r#"not (userName eq "alice")"#, false),
            (
                r#"userName eq "x" or (active eq true and displayName pr)"#,
                true,
            ),
            (
                r#"title pr and userName eq "x" or userName eq "alice""#,
                true,
            ),
        ] {
            assert_eq!(holds(filter), expected, "{filter}");
        }
    }

    /// Q-05, Q-07, Q-08
    #[test]
    fn a_filter_that_cannot_be_is_refused_soon() {
        let deep = format!("{}title pr{}", "(".repeat(41), ")".repeat(41));
        let many = vec!["title pr"; 1000].join(" or ");
        let long = format!(r#"userName eq "{}""#, "a".repeat(1_000_000));
        let not = format!("{}title pr{}", "not (".repeat(30), ")".repeat(30));
        let brackets = "(".repeat(100_000);
        let inner = format!(r#"emails[{}type eq "x"{}]"#, "(".repeat(40), ")".repeat(40));
        for bad in [
            deep.as_str(),
            &many,
            &long,
            &not,
            &brackets,
            &inner,
            r#"userName co """#,
            r#"userName sw """#,
            r#"password eq "x""#,
            "password pr",
            r#"urn:ietf:params:scim:schemas:core:2.0:User:password sw "a""#,
            r#"http://wso2.org/claims/otpbackupcodes eq "x""#,
            r#"otpbackupcodes pr"#,
            r#"userName'; DROP TABLE users; -- eq "x""#,
            r#"user"Name eq "x""#,
            r#"userName eq 'x'"#,
            r#"userName eq "x" garbage"#,
            r#"/userName eq "x""#,
            r#"userName re "a(a+)+$""#,
            r#"active gt true"#,
            r#"active eq "yes""#,
            r#"meta.created co "2""#,
            r#"meta.created gt "yesterday""#,
            r#"userName eq 1"#,
            r#"members pr"#,
            r#"groups[value eq "g"]"#,
            r#"emails[secret eq "x"]"#,
            r#"emails.secret eq "x""#,
            r#"name.givenName.x eq "x""#,
            "",
        ] {
            let began = Instant::now();
            let refused = Condition::parse(Resource::User, bad).unwrap_err();
            assert_eq!(refused.status, 400);
            assert_eq!(refused.scim_type, Some("invalidFilter"));
            assert!(refused.detail.len() < 100, "it repeats the filter");
            assert!(
                began.elapsed() < Duration::from_millis(500),
                "{} bytes took {:?}",
                bad.len(),
                began.elapsed()
            );
        }
    }
}
