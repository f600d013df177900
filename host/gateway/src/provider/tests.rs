#![allow(clippy::unwrap_used)]
use super::*;
use serde_json::json;

fn manifest() -> Manifest {
    let manifest = json!({
        "id": "acme", "version": "1.0.0", "kind": "sms-provider",
        "origins": ["https://api.acme.example/v1", "https://auth.acme.example"],
        "origin_settings": ["base_url"],
        "settings": [
            { "name": "from", "required": true, "help": "the sender" },
            { "name": "token", "secret": true, "required": true },
            { "name": "pem", "secret": true, "kind": "lines" },
            { "name": "retries", "kind": "integer" },
            { "name": "flash", "kind": "boolean" },
            { "name": "route", "kind": "choice", "choices": ["gold", "silver"] },
            { "name": "headers", "kind": "lines" },
            { "name": "base_url", "kind": "url" },
        ],
    });
    serde_json::from_value(manifest).unwrap()
}

fn config(settings: &[(&str, &str)], allow: &[&str]) -> SenderConfig {
    SenderConfig {
        name: "main".into(),
        tenant: TenantId::super_tenant(),
        plugin: "acme".into(),
        settings: settings
            .iter()
            .map(|(n, v)| ((*n).into(), (*v).into()))
            .collect(),
        secrets: Vec::new(),
        allow: allow.iter().map(|line| (*line).into()).collect(),
        private: Private::default(),
        ca_pems: Vec::new(),
        expected_sha256: None,
    }
}

const BOTH: [&str; 2] = ["https://api.acme.example", "https://auth.acme.example"];

fn problems(settings: &[(&str, &str)]) -> Vec<String> {
    match agree(&config(settings, &BOTH), &manifest(), &Shipped::default()) {
        Ok(_) => Vec::new(),
        Err(found) => found.problems.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn settings_are_sorted_into_those_told_and_those_only_named() {
    let config = config(
        &[("token", "hunter2"), ("from", "Acme"), ("flash", "true")],
        &BOTH,
    );
    let terms = agree(&config, &manifest(), &Shipped::default()).unwrap();
    assert_eq!(
        terms.settings,
        [
            ("from".into(), "Acme".into()),
            ("flash".into(), "true".into())
        ]
    );
    assert!(!format!("{terms:?} {config:?}").contains("hunter2"));
}

#[test]
fn everything_that_is_wrong_is_said_at_once_with_its_setting() {
    let found = problems(&[
        ("retries", "many"),
        ("flash", "yes"),
        ("route", "bronze"),
        ("base_url", "api.acme.example"),
        ("colour", "red"),
    ]);
    for expected in [
        "sender `main`, `from`: missing",
        "sender `main`, `token`: missing",
        "sender `main`, `retries`: a whole number",
        "sender `main`, `flash`: `true` or `false`",
        "sender `main`, `route`: one of these is expected: gold, silver",
        "sender `main`, `base_url`: an address that begins",
        "sender `main`, `colour`: plugin `acme` has no such setting",
    ] {
        assert!(
            found.iter().any(|line| line.starts_with(expected)),
            "{expected} in {found:#?}"
        );
    }
    assert_eq!(found.len(), 7, "{found:#?}");
}

/// T-13
#[test]
fn a_credential_with_a_line_break_is_refused_and_not_repeated() {
    for value in ["a\r\nX-Evil: 1", "a\n", "a\r", "a\0b", "a\u{7f}"] {
        let found = problems(&[("from", "Acme"), ("token", value)]);
        assert_eq!(found.len(), 1, "{value:?}");
        assert!(
            found[0].contains("line break") && !found[0].contains("Evil"),
            "{found:?}"
        );
    }
    let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    assert_eq!(
        problems(&[
            ("from", "Acme"),
            ("token", "t"),
            ("pem", key),
            ("headers", "A: 1\nB: 2")
        ]),
        [""; 0]
    );
}

#[test]
fn further_secrets_only_where_the_manifest_is_open_to_them() {
    let mut with_secret = config(&[("from", "Acme"), ("token", "t")], &BOTH);
    with_secret.secrets = vec![("apikey".into(), Zeroizing::new("hunter2".into()))];
    let mut open = manifest();
    assert!(agree(&with_secret, &open, &Shipped::default()).is_err());
    open.open_secrets = true;
    assert!(agree(&with_secret, &open, &Shipped::default()).is_ok());
    with_secret.secrets[0].1 = Zeroizing::new("hunter2\r\nX: 1".into());
    assert!(agree(&with_secret, &open, &Shipped::default()).is_err());
    with_secret.secrets = vec![("from".into(), Zeroizing::new("hunter2".into()))];
    with_secret.settings.retain(|(name, _)| name != "from");
    let found = agree(&with_secret, &open, &Shipped::default())
        .unwrap_err()
        .problems;
    assert!(
        found[0].message.contains("the plugin reads it"),
        "{found:?}"
    );
}

#[test]
fn a_secret_that_a_new_version_would_read_is_found() {
    let before = manifest();
    let mut after = manifest();
    after.version = "2.0.0".parse().unwrap();
    after.settings[1].secret = false;
    let config = config(&[("from", "Acme"), ("token", "t")], &BOTH);
    let problem = secrets_that_would_be_read(&config, &before, &after).unwrap();
    assert_eq!(problem.setting.as_deref(), Some("token"));
    assert_eq!(secrets_that_would_be_read(&config, &before, &before), None);
}

fn granted(
    allow: &[&str],
    extra: &[(&str, &str)],
    shipped: &Shipped,
) -> Result<Vec<String>, String> {
    let settings: Vec<_> = [("from", "Acme"), ("token", "t")]
        .iter()
        .chain(extra)
        .copied()
        .collect();
    agree(&config(&settings, allow), &manifest(), shipped)
        .map(|terms| {
            terms
                .route
                .grant
                .entries
                .iter()
                .map(ToString::to_string)
                .collect()
        })
        .map_err(|found| {
            found
                .problems
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("; ")
        })
}

#[test]
fn an_address_that_no_connection_may_go_to_is_said_before_anybody_sends() {
    let found = |url: &str, private: bool| {
        let mut config = config(
            &[("from", "Acme"), ("token", "t"), ("base_url", url)],
            &[&BOTH[..], &[url]].concat(),
        );
        config.private.networks = private;
        match agree(&config, &manifest(), &Shipped::default()) {
            Ok(_) => String::new(),
            Err(found) => found.problems[0].to_string(),
        }
    };
    for local in [
        "http://127.0.0.1:8080",
        "https://[::1]",
        "https://[::ffff:10.0.0.7]",
        "https://192.168.1.1",
        "http://localhost:8080",
        "http://sms.localhost",
    ] {
        let said = found(local, false);
        assert!(said.contains("`base_url`"), "{local}: {said}");
        assert!(said.contains("allow_private_networks"), "{local}: {said}");
        assert_eq!(found(local, true), "", "{local}");
    }
    for nowhere in [
        "http://169.254.169.254",
        "https://0.0.0.0",
        "https://224.0.0.1",
    ] {
        for private in [false, true] {
            let said = found(nowhere, private);
            assert!(said.contains("no sender reaches"), "{nowhere}: {said}");
        }
    }
    for public in [
        "https://sms.example",
        "https://8.8.8.8",
        "https://localhost.example",
    ] {
        assert_eq!(found(public, false), "", "{public}");
    }
}

/// What the list does not name stays out of reach, be it as near.
#[test]
fn of_addresses_in_a_network_of_ones_own_the_listed_ones_are_reached() {
    let agreed = |url: &str| {
        let mut config = config(
            &[("from", "Acme"), ("token", "t"), ("base_url", url)],
            &[&BOTH[..], &[url]].concat(),
        );
        config.private.listed = vec!["10.1.2.0/24".parse().unwrap()];
        agree(&config, &manifest(), &Shipped::default())
    };
    let terms = agreed("https://10.1.2.3").unwrap();
    let private = &terms.route.grant.private;
    for (address, reached) in [
        ("10.1.2.3", true),
        ("10.1.3.3", false),
        ("127.0.0.1", false),
        ("169.254.169.254", false),
    ] {
        assert_eq!(
            private.permits(address.parse().unwrap()),
            reached,
            "{address}"
        );
    }
    let found = agreed("https://[::ffff:10.1.3.3]").unwrap_err();
    let said = found.problems[0].to_string();
    assert!(said.contains("a list with `10.1.3.3`"), "{said}");
}

#[test]
fn the_grant_is_what_is_asked_and_allowed() {
    let none = Shipped::default();
    let asked = vec![
        "https://api.acme.example/v1".to_owned(),
        "https://auth.acme.example".to_owned(),
    ];
    assert_eq!(granted(&BOTH, &[], &none), Ok(asked.clone()));
    assert_eq!(
        granted(&["https://*.acme.example"], &[], &none),
        Ok(asked.clone())
    );
    let wide = [&BOTH[..], &["https://unasked.example"]].concat();
    assert_eq!(
        granted(&wide, &[], &none),
        Ok(asked),
        "what nobody asks for is not granted"
    );
    let narrow = [
        "https://api.acme.example/v1/messages",
        "https://auth.acme.example",
    ];
    let narrowed = vec![
        "https://api.acme.example/v1/messages".to_owned(),
        "https://auth.acme.example".to_owned(),
    ];
    assert_eq!(granted(&narrow, &[], &none), Ok(narrowed));
}

#[test]
fn a_refusal_shows_both_lists_and_the_line_to_paste() {
    let error = granted(&["https://auth.acme.example"], &[], &Shipped::default()).unwrap_err();
    assert_eq!(
        error,
        "sender `main`, `allow`: plugin `acme` asks for `https://api.acme.example/v1`, `https://auth.acme.example`; \
         allowed is `https://auth.acme.example`. to allow it, write: \
         allow = [\"https://auth.acme.example\", \"https://api.acme.example/v1\"]"
    );
    assert!(
        granted(
            &["https://api.acme.example/v2", "https://auth.acme.example"],
            &[],
            &Shipped::default()
        )
        .is_err()
    );
    assert!(
        granted(&["*"], &[], &Shipped::default())
            .unwrap_err()
            .contains("`*`")
    );
    // The line it prints is the line that works.
    let pasted = ["https://auth.acme.example", "https://api.acme.example/v1"];
    assert!(granted(&pasted, &[], &Shipped::default()).is_ok());
}

#[test]
fn what_is_shipped_needs_no_line_for_its_own_origins_and_only_for_them() {
    let plugin = ShippedPlugin {
        origins: BOTH.iter().map(|origin| (*origin).into()).collect(),
        origin_settings: Vec::new(),
    };
    let shipped = |plugin: &ShippedPlugin| Shipped([("acme".to_owned(), plugin.clone())].into());
    assert!(granted(&[], &[], &shipped(&plugin)).is_ok());
    let elsewhere = [("base_url", "http://gateway.example:8080/sms?x=$ctx.num")];
    let error = granted(&[], &elsewhere, &shipped(&plugin)).unwrap_err();
    assert!(error.contains("allow = ["), "{error}");
    assert!(
        granted(
            &["http://gateway.example:8080"],
            &elsewhere,
            &shipped(&plugin)
        )
        .is_ok()
    );
    let trusting = ShippedPlugin {
        origin_settings: vec!["base_url".into()],
        ..plugin
    };
    let entries = granted(&[], &elsewhere, &shipped(&trusting)).unwrap();
    assert_eq!(
        entries.last().map(String::as_str),
        Some("http://gateway.example:8080")
    );
}

/// A stranger's file may borrow the id of a shipped plugin and bring a default of its own.
#[test]
fn a_default_of_the_file_is_not_the_operators_word() {
    let trusting = ShippedPlugin {
        origins: BOTH.iter().map(|origin| (*origin).into()).collect(),
        origin_settings: vec!["base_url".into()],
    };
    let shipped = Shipped([("acme".to_owned(), trusting)].into());
    let mut stranger = manifest();
    let base_url = stranger
        .settings
        .iter_mut()
        .find(|setting| setting.name == "base_url");
    base_url.unwrap().default = Some("https://evil.example".into());
    let config = config(&[("from", "Acme"), ("token", "t")], &[]);
    let problems = agree(&config, &stranger, &shipped).unwrap_err().problems;
    let refused = problems
        .iter()
        .any(|problem| problem.to_string().contains("https://evil.example"));
    assert!(refused, "{problems:?}");
}

#[test]
fn an_address_that_hides_its_host_is_refused() {
    for url in [
        "https://user:pass@evil.example/",
        "https://0x7f000001/",
        "https://api.acme.example\\@evil.example/",
        "ftp://api.acme.example/",
        "https:///x",
        "https://$ctx.num.example/",
    ] {
        let found = problems(&[("from", "Acme"), ("token", "t"), ("base_url", url)]);
        assert!(
            found.iter().any(|line| line.contains("`base_url`")),
            "{url}: {found:?}"
        );
    }
}
