//! A condition on users as SQL: our own words, and every value that came from outside as a parameter
//! (attacks ).

use postern_federation::scim::filter::{Compared, Condition, Field, Operator, folded};
use postern_federation::scim::user::{EMAIL_CLAIMS, PHONE_CLAIM};
use rusqlite::types::Value;

/// The account's name as identities have it.
pub(super) const ACCOUNT: &str =
    "(CASE u.domain WHEN '' THEN u.key ELSE u.domain || '/' || u.key END)";
/// The same as names are compared: in lower case.
const USER_NAME: &str =
    "(CASE u.domain WHEN '' THEN u.key ELSE lower(u.domain) || '/' || u.key END)";

/// `WHERE` over `users u LEFT JOIN identities i`, with its parameters. `None` for what looks at one of
/// several values at once: those users are looked at one by one.
pub(super) fn condition(condition: &Condition) -> Option<(String, Vec<Value>)> {
    let mut values = Vec::new();
    let sql = written(condition, &mut values)?;
    Some((sql, values))
}

fn written(condition: &Condition, values: &mut Vec<Value>) -> Option<String> {
    match condition {
        Condition::Always => Some("1".to_owned()),
        Condition::Never => Some("0".to_owned()),
        Condition::OneOf(..) => None,
        Condition::Not(inner) => Some(format!("NOT {}", written(inner, values)?)),
        Condition::All(all) => list(all, " AND ", values),
        Condition::Any(any) => list(any, " OR ", values),
        Condition::Present(field) => Some(present(*field, values)),
        Condition::Compare(field, operator, with) => compare(*field, *operator, with, values),
    }
}

fn list(items: &[Condition], word: &str, values: &mut Vec<Value>) -> Option<String> {
    let parts: Option<Vec<_>> = items.iter().map(|item| written(item, values)).collect();
    Some(format!("({})", parts?.join(word)))
}

fn present(field: Field, values: &mut Vec<Value>) -> String {
    match field {
        Field::Id | Field::UserName | Field::Active | Field::Created | Field::Changed => {
            "1".to_owned()
        }
        Field::ExternalId => "(coalesce(i.external_id, '') <> '')".to_owned(),
        Field::DisplayName => "(coalesce(u.display_name, '') <> '')".to_owned(),
        Field::Claim(uri) => claim(uri, "1", values),
        Field::Email => format!(
            "({} OR {})",
            claim(EMAIL_CLAIMS.0, "1", values),
            claim(EMAIL_CLAIMS.1, "1", values)
        ),
        Field::Number => format!(
            "(u.number IS NOT NULL OR {})",
            claim(PHONE_CLAIM, "1", values)
        ),
        Field::Related => {
            "EXISTS (SELECT 1 FROM group_members m WHERE m.tenant = u.tenant AND m.member = i.id)"
                .to_owned()
        }
    }
}

fn claim(uri: &str, test: &str, values: &mut Vec<Value>) -> String {
    // The parameter of the claim stands before those of the test.
    values.push(uri.to_owned().into());
    format!("EXISTS (SELECT 1 FROM claims c WHERE c.user = u.id AND c.uri = ? AND {test})")
}

fn compare(
    field: Field,
    operator: Operator,
    with: &Compared,
    values: &mut Vec<Value>,
) -> Option<String> {
    let sql = match (field, with) {
        (Field::Active, Compared::Truth(truth)) => {
            values.push(i64::from(!*truth).into());
            "u.locked = ?".to_owned()
        }
        (Field::Created | Field::Changed, Compared::Time(at)) => {
            let column = if field == Field::Created {
                "i.created_at"
            } else {
                "i.changed_at"
            };
            values.push(i64::try_from(at.0).unwrap_or(i64::MAX).into());
            format!("{column} {} ?", sign(operator)?)
        }
        (_, Compared::Text(text)) => {
            let text = folded(field, text);
            let one = |column: &str, values: &mut Vec<Value>| test(column, operator, &text, values);
            match field {
                Field::Id => one("i.id", values)?,
                Field::ExternalId => one("i.external_id", values)?,
                Field::UserName => one(USER_NAME, values)?,
                Field::DisplayName => one("lower(u.display_name)", values)?,
                Field::Claim(uri) => {
                    values.push(uri.to_owned().into());
                    let test = one("lower(c.value)", values)?;
                    format!(
                        "EXISTS (SELECT 1 FROM claims c WHERE c.user = u.id AND c.uri = ? AND {test})"
                    )
                }
                Field::Email => {
                    values.push(EMAIL_CLAIMS.0.to_owned().into());
                    let single = one("lower(c.value)", values)?;
                    let listed = in_list(EMAIL_CLAIMS.1, operator, &text, values)?;
                    format!(
                        "(EXISTS (SELECT 1 FROM claims c WHERE c.user = u.id AND c.uri = ? AND {single}) OR {listed})"
                    )
                }
                Field::Number => {
                    let single = one("u.number", values)?;
                    let listed = in_list(PHONE_CLAIM, operator, &text, values)?;
                    format!("(coalesce({single}, 0) OR {listed})")
                }
                Field::Related => {
                    let test = one("m.group_id", values)?;
                    format!(
                        "EXISTS (SELECT 1 FROM group_members m
                                 WHERE m.tenant = u.tenant AND m.member = i.id AND {test})"
                    )
                }
                Field::Active | Field::Created | Field::Changed => return None,
            }
        }
        _ => return None,
    };
    // What is not there satisfies nothing, and its opposite everything.
    Some(format!("coalesce(({sql}), 0)"))
}

/// One of the values of a list that is kept as JSON.
fn in_list(uri: &str, operator: Operator, text: &str, values: &mut Vec<Value>) -> Option<String> {
    values.push(uri.to_owned().into());
    let test = test("lower(e.value ->> '$.value')", operator, text, values)?;
    Some(format!(
        "EXISTS (SELECT 1 FROM claims c,
                     json_each(CASE WHEN json_valid(c.value) THEN c.value ELSE '[]' END) e
                 WHERE c.user = u.id AND c.uri = ? AND e.type = 'object' AND {test})"
    ))
}

fn test(column: &str, operator: Operator, text: &str, values: &mut Vec<Value>) -> Option<String> {
    let mut push = || values.push(text.to_owned().into());
    Some(match operator {
        Operator::Contains => {
            push();
            format!("instr({column}, ?) > 0")
        }
        Operator::StartsWith => {
            push();
            push();
            format!("substr({column}, 1, length(?)) = ?")
        }
        Operator::EndsWith => {
            push();
            push();
            push();
            format!("(length({column}) >= length(?) AND substr({column}, -length(?)) = ?)")
        }
        other => {
            push();
            format!("{column} {} ?", sign(other)?)
        }
    })
}

fn sign(operator: Operator) -> Option<&'static str> {
    match operator {
        Operator::Equal => Some("="),
        Operator::Greater => Some(">"),
        Operator::GreaterOrEqual => Some(">="),
        Operator::Less => Some("<"),
        Operator::LessOrEqual => Some("<="),
        Operator::Contains | Operator::StartsWith | Operator::EndsWith => None,
    }
}
