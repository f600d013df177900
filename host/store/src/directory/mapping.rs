//! Which attribute of a foreign store holds what Postern knows of a user.
//!
//! One rule for everything: what has an attribute lives in the foreign store and is read and written
//! there; what has none Postern keeps itself (`kept`).

use super::claims::{self, says_yes};
use super::name;
use super::user_store::{Draft, Record};
use super::users::{Change, User};
use postern_login::ports::{AccountRef, DirectoryError, Profile};

/// Attribute names by meaning; `None`: Postern keeps it itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    pub mobile: Option<String>,
    pub display_name: Option<String>,
    /// `true`: no second factor is wanted.
    pub opt_out: Option<String>,
    /// `true`: an administrator locked the account.
    pub locked: Option<String>,
    /// `c1,c2,c3`, taken over once.
    pub backup_codes: Option<String>,
    /// Claim URI and attribute.
    pub claims: Vec<(String, String)>,
}

/// A user as a foreign store has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// As the store spells it, without a domain.
    pub(super) name: String,
    /// In the store's order; an attribute with several values is there several times.
    pub(super) attributes: Vec<(String, String)>,
}

impl Found {
    /// The values of an attribute that are not blank.
    pub(super) fn values<'a>(&'a self, attribute: &'a str) -> impl Iterator<Item = &'a str> {
        self.attributes
            .iter()
            .filter(move |(name, value)| {
                name.eq_ignore_ascii_case(attribute) && !value.trim().is_empty()
            })
            .map(|(_, value)| value.as_str())
    }

    fn first(&self, attribute: &Option<String>) -> Option<String> {
        let attribute = attribute.as_deref()?;
        self.values(attribute)
            .next()
            .map(|value| value.trim().to_owned())
    }
}

/// What a draft means for a foreign store: attributes to write (`None` removes), and what Postern
/// keeps.
pub(super) struct Split {
    pub(super) attributes: Vec<(String, Option<String>)>,
    pub(super) kept: Change,
}

impl Split {
    pub(super) fn keeps_something(&self) -> bool {
        let Change {
            display_name,
            number,
            opted_out,
            locked,
            password: _,
            claims,
        } = &self.kept;
        display_name.is_some()
            || number.is_some()
            || opted_out.is_some()
            || locked.is_some()
            || !claims.is_empty()
    }
}

impl Mapping {
    /// Every attribute that is read.
    pub(super) fn attributes(&self) -> impl Iterator<Item = &str> {
        [
            &self.mobile,
            &self.display_name,
            &self.opt_out,
            &self.locked,
            &self.backup_codes,
        ]
        .into_iter()
        .filter_map(|attribute| attribute.as_deref())
        .chain(self.claims.iter().map(|(_, attribute)| attribute.as_str()))
    }

    pub(super) fn number(&self, found: &Found, kept: Option<&User>) -> Option<String> {
        match &self.mobile {
            Some(_) => found.first(&self.mobile),
            None => kept.and_then(|kept| kept.number.clone()),
        }
    }

    pub(super) fn locked(&self, found: &Found, kept: Option<&User>) -> bool {
        self.flag(&self.locked, found, kept.is_some_and(|kept| kept.locked))
    }

    fn flag(&self, attribute: &Option<String>, found: &Found, kept: bool) -> bool {
        match attribute {
            Some(_) => found.first(attribute).is_some_and(|value| says_yes(&value)),
            None => kept,
        }
    }

    fn display_name(&self, found: &Found, kept: Option<&User>) -> Option<String> {
        match &self.display_name {
            Some(_) => found.first(&self.display_name),
            None => kept.and_then(|kept| kept.display_name.clone()),
        }
    }

    fn claims(&self, found: &Found, kept: Option<&User>) -> Vec<(String, String)> {
        let mut claims: Vec<(String, String)> = Vec::new();
        for (uri, attribute) in &self.claims {
            let values: Vec<&str> = found.values(attribute).collect();
            if !values.is_empty() {
                claims.push((uri.clone(), values.join(",")));
            }
        }
        let others = kept.into_iter().flat_map(|kept| &kept.claims);
        claims.extend(
            others
                .filter(|(uri, _)| !self.claims.iter().any(|(mapped, _)| mapped == uri))
                .cloned(),
        );
        // Codes are nobody's to see.
        claims.retain(|(uri, _)| !claims::BACKUP_CODES.contains(&uri.as_str()));
        claims
    }

    pub(super) fn profile(&self, domain: &str, found: &Found, kept: Option<&User>) -> Profile {
        let number = self.number(found, kept);
        let mut claims = self.claims(found, kept);
        let claim = |uri: &str| {
            let found = claims.iter().find(|(known, _)| known == uri);
            found.map(|(_, value)| value.clone())
        };
        let locale = claim(claims::LOCALE);
        if let (Some(number), None) = (&number, claim(claims::MOBILE)) {
            claims.push((claims::MOBILE.to_owned(), number.clone()));
        }
        Profile {
            account: Some(AccountRef {
                name: name::qualified(domain, &found.name),
            }),
            display_name: self.display_name(found, kept),
            had_factor: number.is_some() || kept.is_some_and(|kept| kept.had_factor),
            number,
            opted_out: self.flag(
                &self.opt_out,
                found,
                kept.is_some_and(|kept| kept.opted_out),
            ),
            locked: self.locked(found, kept),
            // The store's to say.
            password_changeable: false,
            locale,
            claims,
        }
    }

    pub(super) fn record(&self, domain: &str, found: &Found, kept: Option<&User>) -> Record {
        let profile = self.profile(domain, found, kept);
        Record {
            name: name::qualified(domain, &found.name),
            display_name: profile.display_name,
            number: profile.number,
            opted_out: profile.opted_out,
            locked: profile.locked,
            claims: self.claims(found, kept),
        }
    }

    /// `yes` and `no` as the store writes them.
    pub(super) fn split(
        &self,
        draft: &Draft,
        yes: &str,
        no: &str,
    ) -> Result<Split, DirectoryError> {
        let mut split = Split {
            attributes: Vec::new(),
            kept: Change::default(),
        };
        let word = |flag: bool| Some(if flag { yes } else { no }.to_owned());
        if let Some(number) = &draft.number {
            match &self.mobile {
                Some(attribute) => split.attributes.push((attribute.clone(), number.clone())),
                None => split.kept.number = Some(number.clone()),
            }
        }
        if let Some(display_name) = &draft.display_name {
            match &self.display_name {
                Some(attribute) => split
                    .attributes
                    .push((attribute.clone(), Some(display_name.clone()))),
                None => split.kept.display_name = Some(display_name.clone()),
            }
        }
        if let Some(opted_out) = draft.opted_out {
            match &self.opt_out {
                Some(attribute) => split.attributes.push((attribute.clone(), word(opted_out))),
                None => split.kept.opted_out = Some(opted_out),
            }
        }
        if let Some(locked) = draft.locked {
            match &self.locked {
                Some(attribute) => split.attributes.push((attribute.clone(), word(locked))),
                None => split.kept.locked = Some(locked),
            }
        }
        for (uri, value) in &draft.claims {
            let codes = claims::BACKUP_CODES.contains(&uri.as_str());
            let mapped = self.claims.iter().find(|(mapped, _)| mapped == uri);
            let attribute = match mapped {
                Some((_, attribute)) => Some(attribute),
                None if codes => Some(self.backup_codes.as_ref().ok_or_else(|| {
                    DirectoryError::Refused(
                        "it has no attribute for backup codes: let Postern issue them".to_owned(),
                    )
                })?),
                None => None,
            };
            match attribute {
                Some(attribute) => {
                    let value = (!value.is_empty()).then(|| value.clone());
                    split.attributes.push((attribute.clone(), value));
                }
                None => split.kept.claims.push((uri.clone(), value.clone())),
            }
        }
        Ok(split)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use postern_login::TenantId;

    fn mapping() -> Mapping {
        Mapping {
            mobile: Some("mobile".into()),
            opt_out: Some("optOut".into()),
            claims: vec![("urn:mail".into(), "mail".into())],
            ..Mapping::default()
        }
    }

    fn found(attributes: &[(&str, &str)]) -> Found {
        Found {
            name: "alice".into(),
            attributes: attributes
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect(),
        }
    }

    fn kept() -> User {
        User {
            tenant: TenantId::super_tenant(),
            domain: "~CORP".into(),
            key: "alice".into(),
            looks: "alice".into(),
            name: "alice".into(),
            display_name: Some("Alice".into()),
            number: Some("+12025550100".into()),
            opted_out: true,
            locked: true,
            had_factor: true,
            password: None,
            claims: vec![
                ("urn:mail".into(), "old@x".into()),
                ("urn:a".into(), "b".into()),
            ],
        }
    }

    #[test]
    fn what_has_an_attribute_is_the_stores_and_the_rest_is_kept() {
        let kept = kept();
        let profile = mapping().profile(
            "CORP",
            &found(&[("MOBILE", " +44 1 "), ("mail", "a@x"), ("mail", "b@x")]),
            Some(&kept),
        );
        assert_eq!(profile.account.unwrap().name, "CORP/alice");
        assert_eq!(profile.number.as_deref(), Some("+44 1"));
        assert!(!profile.opted_out, "an attribute that is absent says no");
        assert!(profile.locked, "kept");
        assert_eq!(profile.display_name.as_deref(), Some("Alice"));
        assert!(
            profile
                .claims
                .contains(&("urn:mail".into(), "a@x,b@x".into()))
        );
        assert!(profile.claims.contains(&("urn:a".into(), "b".into())));
        assert!(!profile.claims.iter().any(|(_, value)| value == "old@x"));
    }

    #[test]
    fn only_a_clear_yes_is_one() {
        for (value, yes) in [
            ("true", true),
            (" TRUE ", true),
            ("1", true),
            ("t", true),
            ("yes", false),
            ("false", false),
            ("0", false),
        ] {
            let profile = mapping().profile("", &found(&[("optOut", value)]), None);
            assert_eq!(profile.opted_out, yes, "{value}");
        }
    }

    #[test]
    fn a_draft_goes_where_the_mapping_says() {
        let draft = Draft {
            number: Some(None),
            opted_out: Some(true),
            locked: Some(true),
            claims: vec![
                ("urn:mail".into(), String::new()),
                ("urn:a".into(), "c".into()),
            ],
            ..Draft::default()
        };
        let split = mapping().split(&draft, "TRUE", "FALSE").unwrap();
        assert_eq!(
            split.attributes,
            [
                ("mobile".to_owned(), None),
                ("optOut".to_owned(), Some("TRUE".to_owned())),
                ("mail".to_owned(), None)
            ]
        );
        assert!(split.keeps_something());
        assert_eq!(split.kept.locked, Some(true));
        assert_eq!(split.kept.claims, [("urn:a".to_owned(), "c".to_owned())]);
    }
}
