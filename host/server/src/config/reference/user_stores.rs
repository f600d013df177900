//! Where people are kept who are not in Postern's own store; `docs/user-stores.md` tells it in full.

use super::Value::{Default, Example};
use super::{Key, Table};

pub(super) const TABLES: &[Table] = &[
    Table {
        path: "user_store.NAME",
        name: "corp",
        about: "People in an LDAP directory. `primary` is the store of names without a domain; every other one is in `sms_otp.secondary_userstore`.",
        keys: &[
            Key::new(
                "kind",
                Example("\"ldap\""),
                "`local` (the default), `ldap` or `sql`",
            ),
            Key::new(
                "read_only",
                Default("true"),
                "nothing is ever written there",
            ),
            Key::new(
                "servers",
                Example("[\"ldaps://ldap1.example.com\", \"ldaps://ldap2.example.com\"]"),
                "in the order in which they are tried",
            ),
            Key::new(
                "start_tls",
                Default("false"),
                "for `ldap://` servers: nothing is said before TLS is up",
            ),
            Key::new(
                "allow_plaintext",
                Default("false"),
                "`ldap://` without TLS, inside one machine",
            ),
            Key::new(
                "ca_files",
                Default("[]"),
                "certificate authorities, PEM files; with them no others are trusted",
            ),
            Key::new(
                "bind_dn",
                Example("\"cn=postern,ou=services,dc=example,dc=com\""),
                "who searches",
            ),
            Key::new(
                "bind_password",
                Example("{ env = \"LDAP_PASSWORD\" }"),
                "the password of `bind_dn`",
            ),
            Key::new(
                "base_dn",
                Example("\"ou=people,dc=example,dc=com\""),
                "where the people are",
            ),
            Key::new(
                "scope",
                Default("\"subtree\""),
                "`subtree`, or `one`: right below `base_dn` only",
            ),
            Key::new(
                "object_classes",
                Default("[\"inetOrgPerson\"]"),
                "the first one is searched for, new people get all",
            ),
            Key::new(
                "name_attribute",
                Default("\"uid\""),
                "holds the account's name",
            ),
            Key::new(
                "login_attributes",
                Default("[]"),
                "people may also sign in by these, such as `mail`",
            ),
            Key::new(
                "filter",
                Example("\"(employeeType=staff)\""),
                "who may sign in at all",
            ),
            Key::new("pool_size", Default("8"), "connections"),
            Key::new(
                "connect_timeout",
                Default("3"),
                "seconds to connect to one server",
            ),
            Key::new("timeout", Default("5"), "seconds for one answer"),
        ],
    },
    Table {
        path: "user_store.NAME.attributes",
        name: "corp",
        about: "Which attribute or column means what. What has none, or an empty text, Postern keeps itself.",
        keys: &[
            Key::new("mobile", Default("\"mobile\""), "the number"),
            Key::new(
                "display_name",
                Example("\"cn\""),
                "the name people see; by default `cn` in a directory, none in a database",
            ),
            Key::new(
                "opt_out",
                Default("\"\""),
                "`true`: no second factor is wanted",
            ),
            Key::new("locked", Default("\"\""), "`true`: the account is locked"),
            Key::new(
                "backup_codes",
                Default("\"\""),
                "codes of another system, `c1,c2,c3`, taken over once",
            ),
        ],
    },
    Table {
        path: "user_store.NAME.claims",
        name: "corp",
        about: "Further claims and the attributes that hold them.",
        keys: &[Key::new(
            "\"http://wso2.org/claims/emailaddress\"",
            Example("\"mail\""),
            "claim to attribute",
        )],
    },
    Table {
        path: "user_store.NAME.groups",
        name: "corp",
        about: "Where the groups of a directory are.",
        keys: &[
            Key::new(
                "base_dn",
                Example("\"ou=groups,dc=example,dc=com\""),
                "below which entry",
            ),
            Key::new(
                "object_class",
                Default("\"groupOfNames\""),
                "what a group is",
            ),
            Key::new("name_attribute", Default("\"cn\""), "holds its name"),
            Key::new(
                "member_attribute",
                Default("\"member\""),
                "holds the entry names of its members",
            ),
        ],
    },
    Table {
        path: "user_store.NAME",
        name: "jdbc",
        about: "People in somebody else's PostgreSQL or SQLite database.",
        keys: &[
            Key::new("kind", Example("\"sql\""), "in place of `ldap`"),
            Key::new(
                "url",
                Example("{ env = \"JDBC_URL\" }"),
                "`postgres://user:password@host/database?sslmode=verify-full` or `sqlite:///path`",
            ),
            Key::new(
                "password_scheme",
                Default("\"self-describing\""),
                "`self-describing`, `wso2-sha256`, `wso2-sha512`, `wso2-sha` or `wso2-md5`",
            ),
            Key::new(
                "new_hashes",
                Default("\"argon2id\""),
                "`argon2id`, or `as-stored` while another system reads the table as well",
            ),
        ],
    },
    Table {
        path: "user_store.NAME.queries",
        name: "jdbc",
        about: "The queries, with parameters; one that changes something may be a list. Only `find` is needed.",
        keys: &[
            Key::new(
                "find",
                Example("\"SELECT name, password, salt, mobile FROM people WHERE name = $1\""),
                "$1 name; columns `name`, `password`, `salt`, every other one an attribute",
            ),
            Key::new(
                "claims",
                Example("\"SELECT claim, value FROM claims WHERE name = $1\""),
                "$1 name; further attributes",
            ),
            Key::new(
                "list",
                Example("\"SELECT name FROM people WHERE name > $1 ORDER BY name LIMIT $2\""),
                "$1 the name after which to begin, $2 how many",
            ),
            Key::new(
                "groups",
                Example("\"SELECT role AS name FROM roles WHERE person = $1\""),
                "$1 name; column `name`",
            ),
            Key::new(
                "find_association",
                Example("\"SELECT name FROM links WHERE idp = $1 AND subject = $2\""),
                "$1 identity provider, $2 subject; without it Postern keeps links itself",
            ),
            Key::new(
                "associations",
                Example("\"SELECT idp AS identity_provider, subject FROM links WHERE name = $1\""),
                "$1 name",
            ),
            Key::new(
                "link",
                Example("\"INSERT INTO links VALUES ($2, $3, $1)\""),
                "$1 name, $2 identity provider, $3 subject",
            ),
            Key::new(
                "unlink",
                Example("\"DELETE FROM links WHERE name = $1 AND idp = $2 AND subject = $3\""),
                "$1 name, $2 identity provider, $3 subject",
            ),
            Key::new(
                "set_number",
                Example("\"UPDATE people SET mobile = $2 WHERE name = $1\""),
                "$1 name, $2 value or NULL",
            ),
            Key::new(
                "set_display_name",
                Example("\"UPDATE people SET called = $2 WHERE name = $1\""),
                "$1 name, $2 value or NULL",
            ),
            Key::new(
                "set_opt_out",
                Example("\"UPDATE people SET opted_out = $2 WHERE name = $1\""),
                "$1 name, $2 `true` or `false`",
            ),
            Key::new(
                "set_locked",
                Example("\"UPDATE people SET locked = $2 WHERE name = $1\""),
                "$1 name, $2 `true` or `false`",
            ),
            Key::new(
                "set_attribute",
                Example(
                    "[\"DELETE FROM claims WHERE name = $1 AND claim = $2\", \"INSERT INTO claims SELECT $1, $2, $3 WHERE $3 IS NOT NULL\"]",
                ),
                "$1 name, $2 attribute, $3 value or NULL; for attributes without a query of their own",
            ),
            Key::new(
                "set_password",
                Example("\"UPDATE people SET password = $2, salt = $3 WHERE name = $1\""),
                "$1 name, $2 hash, $3 salt",
            ),
            Key::new(
                "upgrade_password",
                Example(
                    "\"UPDATE people SET password = $2, salt = $3 WHERE name = $1 AND password = $4\"",
                ),
                "as `set_password`, and $4 the hash that it must still be: a better hash at the next right sign-in",
            ),
            Key::new(
                "take_backup_codes",
                Example("\"UPDATE people SET codes = '' WHERE name = $1 AND codes = $2\""),
                "$1 name, $2 the codes that it must still have",
            ),
            Key::new(
                "create",
                Example(
                    "\"INSERT INTO people (name, password, salt, called, mobile) VALUES ($1, $2, $3, $4, $5)\"",
                ),
                "$1 name, $2 hash, $3 salt, $4 display name, $5 number",
            ),
            Key::new(
                "delete",
                Example("\"DELETE FROM people WHERE name = $1\""),
                "$1 name",
            ),
        ],
    },
];
