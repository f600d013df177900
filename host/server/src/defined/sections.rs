//! A definition as a section of the file: the way from the values of a form to what the file's reader
//! makes of them. The way back is `filed`.

use super::Defined;
use super::dialects::{self, Dialects};
use crate::assemble;
use crate::config::{Limits, Problem, defined as reader};
use postern_admin::definitions::{Definition, SMS, Sort};
use postern_admin::form::{self, Field, FieldKind, Values};
use postern_federation::{IdentityProvider, RelyingParty};
use postern_gateway::SenderConfig;
use postern_login::TenantId;
use postern_otp::Refinement;

/// Their fields that are no sender's, but the entry's.
pub(super) const ENTRY: &str = "entry";

impl Defined {
    pub(super) fn sender(
        &self,
        name: &str,
        definition: &Definition,
    ) -> Result<SenderConfig, Vec<(String, String)>> {
        let plugin = definition.form.strip_prefix(SMS).unwrap_or_default();
        let fields = self.fields(Sort::IdentityProvider, &definition.form)?;
        let mut table = table(&fields, &definition.values);
        table.remove(ENTRY);
        // The gateway takes texts only, as the plugin's own reader does.
        if let Some(toml::Value::Table(settings)) = table.get_mut("settings") {
            for value in settings.iter_mut() {
                if !value.1.is_str() {
                    *value.1 = toml::Value::String(value.1.to_string());
                }
            }
        }
        table.insert("plugin".to_owned(), plugin.into());
        let sender = reader::sender(name, table).map_err(told)?;
        assemble::sender(&sender, &TenantId::super_tenant())
            .map_err(|error| vec![(String::new(), format!("{error:#}"))])
    }

    /// What the entry says of codes and words.
    pub(super) fn entry(
        &self,
        definition: &Definition,
        limits: &Limits,
    ) -> Result<Refinement, Vec<(String, String)>> {
        let fields = self.fields(Sort::IdentityProvider, &definition.form)?;
        let mut table = table(&fields, &definition.values);
        let entry = match table.remove(ENTRY) {
            Some(toml::Value::Table(entry)) => entry,
            _ => toml::Table::new(),
        };
        let read = reader::entry(entry, limits);
        read.map_err(|problems| {
            let problems = told(problems).into_iter();
            problems
                .map(|(key, words)| (format!("{ENTRY}.{key}"), words))
                .collect()
        })
    }

    pub(super) fn identity_provider(
        &self,
        name: &str,
        definition: &Definition,
        dialects: &Dialects,
    ) -> Result<IdentityProvider, Vec<(String, String)>> {
        let fields = self.fields(Sort::IdentityProvider, &definition.form)?;
        let mut table = table(&fields, &definition.values);
        dialects::spell_out(&mut table, dialects)?;
        table.insert("protocol".to_owned(), definition.form.clone().into());
        table.insert("enabled".to_owned(), definition.enabled.into());
        reader::identity_provider(name, table).map_err(told)
    }

    pub(super) fn relying_party(
        &self,
        name: &str,
        definition: &Definition,
        dialects: &Dialects,
    ) -> Result<RelyingParty, Vec<(String, String)>> {
        let fields = self.fields(Sort::ServiceProvider, &definition.form)?;
        let mut table = table(&fields, &definition.values);
        dialects::spell_out(&mut table, dialects)?;
        table.insert("enabled".to_owned(), definition.enabled.into());
        reader::relying_party(name, table).map_err(told)
    }
}

pub(super) fn told(problems: Vec<Problem>) -> Vec<(String, String)> {
    problems
        .into_iter()
        .map(|problem| (problem.key, problem.message))
        .collect()
}

/// The values as a section of the file has them: a dot in a name goes one table down.
pub(super) fn table(fields: &[Field], values: &Values) -> toml::Table {
    let mut root = toml::Table::new();
    for field in fields {
        let Some(text) = values.get(&field.name) else {
            continue;
        };
        let value = match &field.kind {
            FieldKind::Text
            | FieldKind::Url
            | FieldKind::Choice(_)
            | FieldKind::Lines
            | FieldKind::Document => text.clone().into(),
            FieldKind::Integer { .. } => text
                .parse::<i64>()
                .map_or_else(|_| text.clone().into(), toml::Value::Integer),
            FieldKind::Boolean => (text == "true").into(),
            FieldKind::List => toml::Value::Array(form::lines(text).map(Into::into).collect()),
            FieldKind::Pairs => toml::Value::Table(
                form::pairs(text)
                    .map(|(name, value)| (name.to_owned(), value.into()))
                    .collect(),
            ),
        };
        let mut below = &mut root;
        let mut parts = field.name.split('.').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                below.insert(part.to_owned(), value);
                break;
            }
            let next = below
                .entry(part)
                .or_insert_with(|| toml::Value::Table(toml::Table::new()));
            let toml::Value::Table(next) = next else {
                break;
            };
            below = next;
        }
    }
    root
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn values_become_the_section_that_the_file_would_have() {
        let fields = vec![
            Field::text("oidc.client_id", "", ""),
            Field::text("oidc.redirect_uris", "", "").of(FieldKind::List),
            Field::text("oidc.public", "", "").of(FieldKind::Boolean),
            Field::text("oidc.access_token_lifetime", "", "")
                .of(FieldKind::Integer { min: 0, max: 1000 }),
            Field::text("claims", "", "").of(FieldKind::Pairs),
            Field::text("absent", "", ""),
        ];
        let values: Values = [
            ("oidc.client_id", "shop"),
            ("oidc.redirect_uris", "https://a/cb\n\n https://b/cb "),
            ("oidc.public", "true"),
            ("oidc.access_token_lifetime", "60"),
            ("claims", "mail = http://claims/mail\nphone=x=y"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        let expected: toml::Table = toml::from_str(
            r#"
            [oidc]
            client_id = "shop"
            redirect_uris = ["https://a/cb", "https://b/cb"]
            public = true
            access_token_lifetime = 60
            [claims]
            mail = "http://claims/mail"
            phone = "x=y"
            "#,
        )
        .unwrap();
        assert_eq!(table(&fields, &values), expected);
    }
}
