//! Where the host listens, keeps its data, finds its plugins and sends.

use super::Value::{Default, Example};
use super::{Key, Table};

pub(super) const TABLES: &[Table] = &[
    Table {
        path: "server",
        name: "",
        about: "Where Postern listens, what browsers call it, where its data is.",
        keys: &[
            Key::new(
                "public_url",
                Default("\"http://localhost:9443\""),
                "what browsers see: scheme, host and port; https anywhere but on localhost",
            ),
            Key::new(
                "listen",
                Default("\"127.0.0.1:9443\""),
                "where the pages and the JSON API are",
            ),
            Key::new(
                "admin_listen",
                Default("\"127.0.0.1:9444\""),
                "the console, the admin API, health, metrics: never public",
            ),
            Key::new(
                "admin_url",
                Example("\"https://postern-admin.example\""),
                "how administrators' browsers reach it, if not at a loopback address",
            ),
            Key::new(
                "data_dir",
                Default("\"data\""),
                "the folder of the store, the keys and compiled plugins",
            ),
            Key::new(
                "brand",
                Default("\"Postern\""),
                "the name on pages and in messages, at most 40 characters",
            ),
            Key::new(
                "trusted_proxies",
                Default("[]"),
                "reverse proxies whose X-Forwarded-For is believed: addresses or networks",
            ),
            Key::new(
                "other_hosts",
                Default("[]"),
                "further host names that are answered",
            ),
            Key::new(
                "admin_token",
                Example("{ env = \"POSTERN_ADMIN_TOKEN\" }"),
                "bearer token of the administrator's API; by default one is drawn and kept in the data folder",
            ),
        ],
    },
    Table {
        path: "tls",
        name: "",
        about: "The certificate for browsers; without this table TLS ends in a proxy in front.",
        keys: &[
            Key::new(
                "certificate",
                Example("\"tls/chain.pem\""),
                "the certificate chain in PEM, the host's own first",
            ),
            Key::new("key", Example("\"tls/key.pem\""), "its private key in PEM"),
        ],
    },
    Table {
        path: "plugins",
        name: "",
        about: "The folder of the plugins, and how far they are kept from the host.",
        keys: &[
            Key::new(
                "folder",
                Default("\"plugins\""),
                "every .wasm file in it is loaded, and watched",
            ),
            Key::new(
                "isolation",
                Default("\"worker\""),
                "`worker`: in a process of their own; `in-process` is for tests",
            ),
        ],
    },
    Table {
        path: "sender.NAME",
        name: "twilio",
        about: "An account at an SMS provider, by the plugin that speaks to it. The name is free; a file `senders/NAME.toml` is the same.",
        keys: &[
            Key::new(
                "plugin",
                Example("\"twilio\""),
                "the id of a plugin; `postern plugin list` shows them",
            ),
            Key::new(
                "settings",
                Example(
                    "{ account_sid = \"AC...\", auth_token = { env = \"TWILIO_AUTH_TOKEN\" }, from = \"+15005550006\" }",
                ),
                "what the plugin needs; `postern plugin inspect` lists it",
            ),
            Key::new(
                "secrets",
                Example("{ token = { env = \"ACME_TOKEN\" } }"),
                "named credentials of a recipe: `$secret.token` stands for the value, which the plugin never sees",
            ),
            Key::new(
                "allow",
                Default("[]"),
                "origins it may send to, beside a shipped plugin's own: [\"https://sms.example\"]",
            ),
            Key::new(
                "allow_private_networks",
                Default("false"),
                "it may reach all loopback and private addresses, for test gateways; or these: [\"10.1.2.0/24\"]; a cloud's metadata address only where it is listed by itself",
            ),
            Key::new(
                "ca_files",
                Default("[]"),
                "further certificate authorities of the provider, PEM files",
            ),
            Key::new(
                "sha256",
                Example("\"0000000000000000000000000000000000000000000000000000000000000000\""),
                "the only content of the plugin file that this sender accepts",
            ),
        ],
    },
    Table {
        path: "outbox",
        name: "",
        about: "The test outbox of the plugin `fake`: finished messages are kept in memory, and none is sent. Never beside a real sender.",
        keys: &[
            Key::new("enabled", Default("true"), "the table alone switches it on"),
            Key::new(
                "messages",
                Default("1000"),
                "how many are kept; older ones are forgotten",
            ),
        ],
    },
    Table {
        path: "log",
        name: "",
        about: "How much is logged, and in which form.",
        keys: &[
            Key::new(
                "format",
                Default("\"text\""),
                "`text`, or `json` for one object a line",
            ),
            Key::new(
                "filter",
                Default("\"info\""),
                "a level, or a list such as \"info,postern_gateway=debug\"",
            ),
        ],
    },
    Table {
        path: "audit",
        name: "",
        about: "How long the audit log is kept.",
        keys: &[Key::new(
            "keep_days",
            Example("365"),
            "older rows are removed once a day, with a sealed note from which the log still verifies; 30 to 3650, for ever without it",
        )],
    },
];
