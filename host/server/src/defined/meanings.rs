//! What the second step reads of a person, and where each user store keeps it.

use crate::config::{Config, PRIMARY, UserStore};
use postern_admin::definitions::Meaning;
use postern_store::directory::Mapping;

/// Who keeps what has no attribute in a foreign store, and everything of a local one.
const OWN: &str = "Postern";

type Attribute = fn(&Mapping) -> Option<&String>;

const MEANINGS: [(&str, &str, Attribute); 4] = [
    (
        "Mobile number: where codes go",
        "http://wso2.org/claims/mobile",
        |mapping| mapping.mobile.as_ref(),
    ),
    (
        "Opt-out: no code is wanted",
        "http://wso2.org/claims/identity/smsotp_disabled",
        |mapping| mapping.opt_out.as_ref(),
    ),
    (
        "Backup codes: taken over once, then kept as hashes",
        "http://wso2.org/claims/otpbackupcodes",
        |mapping| mapping.backup_codes.as_ref(),
    ),
    (
        "Display name",
        "http://wso2.org/claims/displayName",
        |mapping| mapping.display_name.as_ref(),
    ),
];

pub(super) fn of(config: &Config) -> Vec<Meaning> {
    let stores = &config.user_stores.stores;
    // The primary one is there without a section, too.
    let others = stores.keys().map(String::as_str);
    let names: Vec<&str> = std::iter::once(PRIMARY)
        .chain(others.filter(|name| *name != PRIMARY))
        .collect();
    let mut all: Vec<Meaning> = MEANINGS
        .iter()
        .map(|(what, claim, attribute)| Meaning {
            what: (*what).to_owned(),
            claim: (*claim).to_owned(),
            kept: names
                .iter()
                .map(|name| {
                    let mapping = stores.get(*name).and_then(mapping);
                    let place = mapping.and_then(attribute).map_or_else(
                        || OWN.to_owned(),
                        |attribute| format!("attribute {attribute}"),
                    );
                    ((*name).to_owned(), place)
                })
                .collect(),
        })
        .collect();
    // Every other claim that a foreign store has an attribute for.
    for (name, store) in stores {
        for (claim, attribute) in mapping(store).into_iter().flat_map(|m| &m.claims) {
            let kept = (name.clone(), format!("attribute {attribute}"));
            match all.iter_mut().find(|one| one.claim == *claim) {
                Some(known) if known.kept.iter().any(|(store, _)| store == name) => {}
                Some(known) => known.kept.push(kept),
                None => all.push(Meaning {
                    what: String::new(),
                    claim: claim.clone(),
                    kept: vec![kept],
                }),
            }
        }
    }
    all
}

fn mapping(store: &UserStore) -> Option<&Mapping> {
    match store {
        UserStore::Local => None,
        UserStore::Ldap(settings) => Some(&settings.mapping),
        UserStore::Sql(settings) => Some(&settings.mapping),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn kept(config: &Config, claim: &str) -> Vec<(String, String)> {
        let all = of(config);
        all.into_iter().find(|one| one.claim == claim).unwrap().kept
    }

    #[test]
    fn each_store_is_named_with_where_it_keeps_a_claim() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("postern.toml");
        let text = r#"
            [outbox]
            [sender.test]
            plugin = "fake"
            [sms_otp]
            senders = ["test"]
            [user_store.corp]
            kind = "ldap"
            servers = ["ldaps://ldap.example"]
            bind_dn = "cn=postern,dc=example"
            bind_password = "drawn at random"
            base_dn = "ou=people,dc=example"
            attributes = { mobile = "telephoneNumber", opt_out = "noSms" }
            claims = { "http://wso2.org/claims/emailaddress" = "mail" }
        "#;
        std::fs::write(&file, text).unwrap();
        let config = Config::load(&file).unwrap();
        let pair = |store: &str, place: &str| (store.to_owned(), place.to_owned());
        assert_eq!(
            kept(&config, "http://wso2.org/claims/mobile"),
            [
                pair("PRIMARY", OWN),
                pair("CORP", "attribute telephoneNumber")
            ]
        );
        assert_eq!(
            kept(&config, "http://wso2.org/claims/otpbackupcodes"),
            [pair("PRIMARY", OWN), pair("CORP", OWN)]
        );
        assert_eq!(
            kept(&config, "http://wso2.org/claims/emailaddress"),
            [pair("CORP", "attribute mail")]
        );
    }
}
