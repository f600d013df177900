//! `[user_store.NAME]`: where people are kept. `primary` is the store of names without a domain;
//! every other one is reached as `NAME/name`, and by a name alone if `sms_otp.secondary_userstore`
//! lists it. Without a section a store is Postern's own.

use super::credential::names_a_secret;
use super::secret::{self, Surroundings};
use super::section::Section;
use postern_store::directory::{Mapping, ldap, sql};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use url::Url;
use zeroize::Zeroizing;

/// All user stores of a tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserStores {
    /// By name, upper case; `PRIMARY` is the primary one.
    pub stores: BTreeMap<String, UserStore>,
    /// Where a name alone is looked for, in this order. Without `PRIMARY` in it, that comes first.
    pub order: Vec<String>,
}

/// One user store. Settings of foreign ones are large and few.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserStore {
    Local,
    Ldap(Box<ldap::Settings>),
    Sql(Box<sql::Settings>),
}

/// The primary store's name.
pub const PRIMARY: &str = "PRIMARY";

/// Bounds of a certificate file.
const PEM_BYTES_MAX: u64 = 1 << 20;
/// A person waits for these.
const WAITS: &str = "seconds; a person waits";

impl UserStores {
    /// Those that are Postern's own, by their names and in their order.
    pub(crate) fn local(&self) -> Self {
        let own = |name: &str| {
            !matches!(
                self.stores.get(name),
                Some(UserStore::Ldap(_) | UserStore::Sql(_))
            )
        };
        let stores = self.stores.iter().filter(|(name, _)| own(name));
        let order = self.order.iter().filter(|name| own(name));
        Self {
            stores: stores
                .map(|(name, store)| (name.clone(), store.clone()))
                .collect(),
            order: order.cloned().collect(),
        }
    }

    /// The stores that name a file of this machine.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        let in_files = self.stores.iter().filter(|(_, store)| match store {
            UserStore::Sql(settings) => settings.url.starts_with("sqlite:"),
            UserStore::Local | UserStore::Ldap(_) => false,
        });
        in_files.map(|(name, _)| name.as_str())
    }

    /// `order` is `sms_otp.secondary_userstore`.
    pub(super) fn read(
        mut section: Section<'_>,
        order: &[String],
        base: &Path,
        surroundings: &Surroundings,
    ) -> Self {
        let mut stores = BTreeMap::new();
        for (name, value) in section.entries() {
            let toml::Value::Table(table) = value else {
                section.problem(&name, format!("expected a table, `[user_store.{name}]`"));
                continue;
            };
            let upper = name.to_ascii_uppercase();
            if !is_name(&upper) {
                section.problem(
                    &name,
                    format!("`{name}` is no name of a user store: expected 1 to 63 of A-Z, 0-9, `-`, `_` and `.`"),
                );
                continue;
            }
            if stores.contains_key(&upper) {
                section.problem(
                    &name,
                    "defined twice: names of user stores are the same in any case",
                );
                continue;
            }
            let listed = upper == PRIMARY
                || order
                    .iter()
                    .any(|listed| listed.trim().eq_ignore_ascii_case(&upper));
            if !listed {
                section.warning(
                    &name,
                    format!("it is not in `sms_otp.secondary_userstore`: its people sign in as `{upper}/name` only"),
                );
            }
            let below = Section::at(section.key(&name), table, section.findings());
            if let Some(store) = UserStore::read(below, base, surroundings) {
                stores.insert(upper, store);
            }
        }
        let order: Vec<String> = order
            .iter()
            .map(|name| name.trim().to_ascii_uppercase())
            .filter(|name| !name.is_empty())
            .collect();
        Self { stores, order }
    }
}

impl UserStore {
    /// `None` if something without a default is missing, which is a problem already.
    fn read(mut section: Section<'_>, base: &Path, surroundings: &Surroundings) -> Option<Self> {
        #[derive(Clone, Copy)]
        enum Kind {
            Local,
            Ldap,
            Sql,
        }
        let kind = section.word(
            "kind",
            &[
                ("local", Kind::Local),
                ("ldap", Kind::Ldap),
                ("sql", Kind::Sql),
            ],
        );
        match kind {
            Kind::Local => {
                section.finish();
                Some(Self::Local)
            }
            Kind::Ldap => {
                let read = read_ldap(&mut section, base, surroundings);
                section.finish();
                read.map(|settings| Self::Ldap(Box::new(settings)))
            }
            Kind::Sql => {
                let read = read_sql(&mut section, base, surroundings);
                section.finish();
                read.map(|settings| Self::Sql(Box::new(settings)))
            }
        }
    }
}

fn is_name(upper: &str) -> bool {
    (1..=63).contains(&upper.len())
        && upper
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn read_ldap(
    s: &mut Section<'_>,
    base: &Path,
    surroundings: &Surroundings,
) -> Option<ldap::Settings> {
    let read_only = s.flag("read_only", true);
    let start_tls = s.flag("start_tls", false);
    let servers = read_servers(s, start_tls);
    let ca_pems = read_pems(s, base, surroundings);
    let bind = read_bind(s, base, surroundings);
    let people = required(
        s,
        "base_dn",
        "where the people are, such as `ou=people,dc=example,dc=com`",
    );
    if let Some(name) = people.as_deref().filter(|name| !ldap::is_entry_name(name)) {
        let message = format!(
            "`{name}`: expected the name of an entry such as `ou=people,dc=example,dc=com`"
        );
        s.problem("base_dn", message);
    }
    let scope = s.word(
        "scope",
        &[
            ("subtree", ldap::Scope::Subtree),
            ("one", ldap::Scope::Children),
        ],
    );
    let object_classes: Vec<String> = s.or(
        "object_classes",
        "a list of object classes such as [\"inetOrgPerson\"]",
        vec!["inetOrgPerson".to_owned()],
    );
    let name_attribute: String = s.or(
        "name_attribute",
        "an attribute such as `uid`",
        "uid".to_owned(),
    );
    let login_attributes: Vec<String> = s.or(
        "login_attributes",
        "a list of attributes such as [\"mail\"]",
        Vec::new(),
    );
    let filter = s.optional::<String>("filter", "a filter such as `(employeeType=staff)`");
    if let Some(text) = filter.as_deref().filter(|text| !ldap::is_filter(text)) {
        let message = format!("`{text}`: expected one whole filter such as `(employeeType=staff)`");
        s.problem("filter", message);
    }
    let mapping = read_mapping(s, "mobile", "cn");
    let groups = s.optional_table("groups").map(read_groups);
    let pool_size = s.small("pool_size", 1..=100, "connections that search", 8);
    let connect = s.seconds("connect_timeout", 1..=15, WAITS, 3);
    let answer = s.seconds("timeout", 1..=20, WAITS, 5);

    let attributes = object_classes
        .iter()
        .map(|name| ("object_classes", name))
        .chain([("name_attribute", &name_attribute)])
        .chain(
            login_attributes
                .iter()
                .map(|name| ("login_attributes", name)),
        )
        .collect::<Vec<_>>();
    for (key, name) in attributes {
        if !ldap::is_attribute(name) {
            s.problem(key, format!("`{name}`: expected letters, digits and `-`"));
        }
    }
    for attribute in mapped(&mapping) {
        if !ldap::is_attribute(&attribute) {
            let message =
                format!("`{attribute}` is no attribute: expected letters, digits and `-`");
            s.problem("attributes", message);
        }
    }
    Some(ldap::Settings {
        servers: servers?,
        start_tls,
        ca_pems,
        bind,
        base: people?,
        scope,
        object_classes,
        name_attribute,
        login_attributes,
        filter,
        mapping,
        read_only,
        groups: groups.flatten(),
        pool_size: pool_size as usize,
        connect,
        answer,
    })
}

fn read_servers(s: &mut Section<'_>, start_tls: bool) -> Option<Vec<Url>> {
    let texts: Vec<String> = s.or(
        "servers",
        "a list of addresses such as [\"ldaps://ldap.example\"]",
        Vec::new(),
    );
    let allow_plaintext = s.flag("allow_plaintext", false);
    if texts.is_empty() {
        s.problem("servers", "missing: expected addresses such as [\"ldaps://ldap.example\"], in the order in which they are tried");
        return None;
    }
    let mut servers = Vec::new();
    for text in &texts {
        match Url::parse(text) {
            Ok(url)
                if matches!(url.scheme(), "ldap" | "ldaps")
                    && url.host_str().is_some_and(|host| !host.is_empty())
                    && matches!(url.path(), "" | "/")
                    && url.query().is_none()
                    && url.username().is_empty() =>
            {
                servers.push(url);
            }
            _ => s.problem(
                "servers",
                format!("`{text}`: expected `ldaps://host`, `ldap://host`, or either with a port"),
            ),
        }
    }
    let plain = servers.iter().any(|url| url.scheme() == "ldap") && !start_tls;
    if plain && !allow_plaintext {
        s.problem(
            "servers",
            "plain ldap shows passwords to everybody on the way: use `ldaps://`, or `start_tls = true`, or, inside one machine, `allow_plaintext = true`",
        );
    }
    if plain && allow_plaintext {
        s.warning(
            "allow_plaintext",
            "on: passwords go to the directory in the clear",
        );
    }
    if start_tls && servers.iter().any(|url| url.scheme() == "ldaps") {
        s.problem(
            "start_tls",
            "it is for `ldap://` servers: `ldaps://` begins with TLS",
        );
    }
    (servers.len() == texts.len()).then_some(servers)
}

fn read_bind(
    s: &mut Section<'_>,
    base: &Path,
    surroundings: &Surroundings,
) -> Option<(String, Zeroizing<String>)> {
    let who = s.optional::<String>("bind_dn", "the name of an entry");
    let password = read_secret(s, "bind_password", base, surroundings);
    if let Some(who) = who.as_deref().filter(|who| !ldap::is_entry_name(who)) {
        let message = format!(
            "`{who}`: expected the name of an entry such as `cn=postern,dc=example,dc=com`"
        );
        s.problem("bind_dn", message);
    }
    match (who, password) {
        (Some(who), Some(password)) => {
            if password.is_empty() {
                s.problem(
                    "bind_password",
                    "it is empty: a server takes that for nobody",
                );
            }
            Some((who, password))
        }
        (Some(_), None) => {
            s.problem("bind_password", "missing: expected the password of `bind_dn`, as `{ env = \"NAME\" }` or `{ file = \"PATH\" }`");
            None
        }
        (None, Some(_)) => {
            s.problem("bind_dn", "missing: expected whose `bind_password` it is");
            None
        }
        (None, None) => {
            s.warning(
                "bind_dn",
                "nobody binds: the directory is searched anonymously, if it lets itself be",
            );
            None
        }
    }
}

fn read_groups(mut section: Section<'_>) -> Option<ldap::Groups> {
    let s = &mut section;
    let base = required(
        s,
        "base_dn",
        "where the groups are, such as `ou=groups,dc=example,dc=com`",
    );
    let object_class: String = s.or("object_class", "an object class", "groupOfNames".to_owned());
    let name_attribute: String = s.or("name_attribute", "an attribute", "cn".to_owned());
    let member_attribute: String = s.or("member_attribute", "an attribute", "member".to_owned());
    if let Some(name) = base.as_deref().filter(|name| !ldap::is_entry_name(name)) {
        let message = format!("`{name}`: expected the name of an entry");
        s.problem("base_dn", message);
    }
    for (key, name) in [
        ("object_class", &object_class),
        ("name_attribute", &name_attribute),
        ("member_attribute", &member_attribute),
    ] {
        if !ldap::is_attribute(name) {
            s.problem(key, format!("`{name}`: expected letters, digits and `-`"));
        }
    }
    section.finish();
    Some(ldap::Groups {
        base: base?,
        object_class,
        name_attribute,
        member_attribute,
    })
}

fn read_sql(
    s: &mut Section<'_>,
    base: &Path,
    surroundings: &Surroundings,
) -> Option<sql::Settings> {
    let read_only = s.flag("read_only", true);
    let url = read_secret(s, "url", base, surroundings);
    match &url {
        None => s.problem("url", "missing: expected `postgres://user:password@host/database` or `sqlite:///path`, as `{ env = \"NAME\" }` where a password is in it"),
        Some(url) => warn_of_address(s, url),
    }
    let ca_pems = read_pems(s, base, surroundings);
    if ca_pems.len() > 1 {
        s.problem(
            "ca_files",
            "expected one file; it may hold several certificates",
        );
    }
    use sql::{NewHashes, Scheme, Wso2Digest};
    let scheme = s.word(
        "password_scheme",
        &[
            ("self-describing", Scheme::SelfDescribing),
            ("wso2-sha256", Scheme::Wso2(Wso2Digest::Sha256)),
            ("wso2-sha512", Scheme::Wso2(Wso2Digest::Sha512)),
            ("wso2-sha", Scheme::Wso2(Wso2Digest::Sha1)),
            ("wso2-md5", Scheme::Wso2(Wso2Digest::Md5)),
        ],
    );
    let new_hashes = s.word(
        "new_hashes",
        &[
            ("argon2id", NewHashes::Argon2id),
            ("as-stored", NewHashes::AsStored),
        ],
    );
    if new_hashes == NewHashes::AsStored {
        if scheme == Scheme::SelfDescribing {
            s.problem(
                "new_hashes",
                "`as-stored` needs a `password_scheme` that says how",
            );
        } else {
            s.warning(
                "new_hashes",
                "`as-stored`: new passwords get a fast hash, which a stolen table gives away",
            );
        }
    }
    let mapping = read_mapping(s, "mobile", "");
    let pool_size = s.small("pool_size", 1..=100, "connections", 8);
    let connect = s.seconds("connect_timeout", 1..=15, WAITS, 3);
    let answer = s.seconds("timeout", 1..=20, WAITS, 5);
    let queries = read_queries(s.table("queries"));
    if mapping.backup_codes.is_some() && !read_only && queries.take_backup_codes.is_empty() {
        s.problem("queries.take_backup_codes", "missing: `attributes.backup_codes` is read and the store can be written, so its codes are taken out once");
    }
    Some(sql::Settings {
        url: url?,
        ca_pem: ca_pems.into_iter().next(),
        queries,
        scheme,
        new_hashes,
        mapping,
        read_only,
        pool_size,
        connect,
        answer,
    })
}

/// What only this file can know to be unwise.
fn warn_of_address(s: &mut Section<'_>, url: &str) {
    if url.starts_with("sqlite:") {
        return;
    }
    let Ok(parsed) = Url::parse(url) else {
        s.problem("url", "it cannot be read: expected `postgres://user:password@host/database` or `sqlite:///path`");
        return;
    };
    if !matches!(parsed.scheme(), "postgres" | "postgresql") {
        let message = format!("`{}:`: expected `postgres:` or `sqlite:`", parsed.scheme());
        s.problem("url", message);
        return;
    }
    let loopback = match parsed.host_str() {
        None | Some("" | "localhost") => true,
        Some(host) => host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback()),
    };
    let verified = parsed
        .query_pairs()
        .any(|(key, value)| key == "sslmode" && value == "verify-full");
    if !loopback && !verified {
        s.warning("url", "the database is on another machine: without `?sslmode=verify-full` or `ca_files` whoever is on the way can be it");
    }
}

fn read_queries(mut section: Section<'_>) -> sql::Queries {
    const EXPECTED: &str = "a query, or a list of statements that run in one transaction";
    let s = &mut section;
    let one = |s: &mut Section<'_>, name: &str| s.optional::<String>(name, "a query");
    let several = |s: &mut Section<'_>, name: &str| match s.optional::<toml::Value>(name, EXPECTED)
    {
        None => Vec::new(),
        Some(toml::Value::String(text)) => vec![text],
        Some(toml::Value::Array(list)) => {
            let texts: Option<Vec<String>> = list
                .into_iter()
                .map(|value| value.as_str().map(str::to_owned))
                .collect();
            texts.unwrap_or_else(|| {
                s.problem(name, format!("expected {EXPECTED}"));
                Vec::new()
            })
        }
        Some(_) => {
            s.problem(name, format!("expected {EXPECTED}"));
            Vec::new()
        }
    };
    let queries = sql::Queries {
        find: one(s, "find").unwrap_or_default(),
        claims: one(s, "claims"),
        list: one(s, "list"),
        groups: one(s, "groups"),
        find_association: one(s, "find_association"),
        associations: one(s, "associations"),
        link: several(s, "link"),
        unlink: several(s, "unlink"),
        set_number: several(s, "set_number"),
        set_display_name: several(s, "set_display_name"),
        set_opt_out: several(s, "set_opt_out"),
        set_locked: several(s, "set_locked"),
        set_attribute: several(s, "set_attribute"),
        set_password: several(s, "set_password"),
        upgrade_password: several(s, "upgrade_password"),
        take_backup_codes: several(s, "take_backup_codes"),
        create: several(s, "create"),
        delete: several(s, "delete"),
    };
    for (name, message) in queries.problems() {
        s.problem(name, message);
    }
    section.finish();
    queries
}

/// `[user_store.NAME.attributes]` and `[user_store.NAME.claims]`. An empty text says that there is no
/// such attribute, and Postern keeps the thing itself.
fn read_mapping(s: &mut Section<'_>, mobile: &str, display_name: &str) -> Mapping {
    let mut mapping = {
        let mut section = s.table("attributes");
        let a = &mut section;
        let mut attribute = |name: &str, default: &str| {
            let given: String = a.or(name, "the name of an attribute", default.to_owned());
            let given = given.trim();
            (!given.is_empty()).then(|| given.to_owned())
        };
        let mapping = Mapping {
            mobile: attribute("mobile", mobile),
            display_name: attribute("display_name", display_name),
            opt_out: attribute("opt_out", ""),
            locked: attribute("locked", ""),
            backup_codes: attribute("backup_codes", ""),
            claims: Vec::new(),
        };
        section.finish();
        mapping
    };
    let mut claims = s.table("claims");
    for (uri, value) in claims.entries() {
        match value {
            toml::Value::String(attribute) if !attribute.trim().is_empty() => {
                mapping.claims.push((uri, attribute.trim().to_owned()));
            }
            _ => claims.problem(&uri, "expected the name of an attribute"),
        }
    }
    mapping
}

fn mapped(mapping: &Mapping) -> Vec<String> {
    [
        &mapping.mobile,
        &mapping.display_name,
        &mapping.opt_out,
        &mapping.locked,
        &mapping.backup_codes,
    ]
    .into_iter()
    .flatten()
    .chain(mapping.claims.iter().map(|(_, attribute)| attribute))
    .cloned()
    .collect()
}

fn required(s: &mut Section<'_>, name: &str, expected: &str) -> Option<String> {
    let found = s.optional::<String>(name, expected);
    if found.is_none() {
        s.problem(name, format!("missing: expected {expected}"));
    }
    found
}

fn read_secret(
    s: &mut Section<'_>,
    name: &str,
    base: &Path,
    surroundings: &Surroundings,
) -> Option<Zeroizing<String>> {
    let value = s.optional::<toml::Value>(
        name,
        "a text, `{ env = \"NAME\" }` or `{ file = \"PATH\" }`",
    )?;
    match secret::resolve(&value, base, surroundings) {
        Ok(resolved) => {
            let text = resolved.value.expose();
            let is_one =
                names_a_secret(name) || Url::parse(text).is_ok_and(|url| url.password().is_some());
            if is_one && !resolved.referenced {
                s.warning(name, "the secret stands in the file: `{ env = \"NAME\" }` or `{ file = \"PATH\" }` keeps it out of copies and backups");
            }
            Some(Zeroizing::new(text.to_owned()))
        }
        Err(message) => {
            s.problem(name, message);
            None
        }
    }
}

/// Read now, so that a new configuration is taken over with its certificates or not at all.
fn read_pems(s: &mut Section<'_>, base: &Path, surroundings: &Surroundings) -> Vec<Vec<u8>> {
    let files: Vec<PathBuf> = s.or("ca_files", "a list of PEM files", Vec::new());
    let mut pems = Vec::new();
    for file in files {
        let path = base.join(file);
        match surroundings.read(&path, PEM_BYTES_MAX) {
            Ok(pem) if pem.contains("-----BEGIN CERTIFICATE-----") => pems.push(pem.into_bytes()),
            Ok(_) => s.problem(
                "ca_files",
                format!("`{}` holds no certificate: expected PEM", path.display()),
            ),
            Err(reason) => s.problem(
                "ca_files",
                format!("cannot read `{}`: {reason}", path.display()),
            ),
        }
    }
    pems
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::Config;

    ///
    #[test]
    fn without_a_document_nobody_of_a_foreign_store_is_the_tenants() {
        let text = "[sms_otp]\nsecondary_userstore = [\"west\", \"corp\", \"east\"]\n[user_store.primary]\nkind = \"sql\"\nurl = \"sqlite:///people.db\"\nqueries = { find = \"SELECT name FROM people WHERE name = $1\" }\n[user_store.corp]\nkind = \"ldap\"\nservers = [\"ldaps://ldap.example\"]\nbase_dn = \"dc=example\"\n[user_store.east]\nkind = \"local\"\n";
        let surroundings = Surroundings::pretended(&[], &[("postern.toml", text)]);
        let config = Config::load_in(Path::new("postern.toml"), &surroundings).unwrap();
        let own = config.user_stores.local();
        assert_eq!(own.order, ["WEST", "EAST"]);
        assert_eq!(own.stores.keys().collect::<Vec<_>>(), ["EAST"]);
        assert_eq!(config.user_stores.files().collect::<Vec<_>>(), [PRIMARY]);
    }
}
