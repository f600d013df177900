//! What the file says, and what is said about it.
#![allow(clippy::unwrap_used)]

use super::*;
use postern_login::text::Template;

const ORDERLY: &str = r#"
[sender.twilio]
plugin = "twilio"
settings = { account_sid = "AC1", auth_token = { env = "TOKEN" }, from = "+15005550006" }

[sms_otp]
senders = ["twilio"]
default_region = "LK"
"#;

/// What the examples refer to is set as well.
const VARIABLES: &[(&str, &str)] = &[
    ("TOKEN", "s3cret-value"),
    ("TWILIO_AUTH_TOKEN", "twilios"),
    ("ACME_TOKEN", "acmes"),
    ("POSTERN_ADMIN_TOKEN", "0123456789abcdef"),
    ("GOOGLE_SECRET", "googles"),
    ("LDAP_PASSWORD", "ldaps"),
    (
        "JDBC_URL",
        "postgres://u:p@db.example/x?sslmode=verify-full",
    ),
    ("EXTERNAL_PASSWORD", "externals"),
    ("EXTERNAL_FIRST_PASSWORD", "first of many"),
    ("DIRECTORY_TOKEN", "directories"),
    ("SHOP_SECRET", "0123456789abcdef0123456789abcdef"),
];

fn load(text: &str) -> Result<Config, ConfigError> {
    load_with(text, &[])
}

pub(super) fn load_with(text: &str, files: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let mut all = vec![("/etc/postern/postern.toml", text)];
    all.extend(files);
    let surroundings = Surroundings::pretended(VARIABLES, &all);
    Config::load_in(Path::new("/etc/postern/postern.toml"), &surroundings)
}

/// The problems, as key and message.
fn problems(text: &str) -> Vec<(String, String)> {
    let error = load(text).expect_err("something is wrong with it");
    error
        .problems()
        .iter()
        .map(|p| (p.key.clone(), p.message.clone()))
        .collect()
}

#[test]
fn an_orderly_file_has_the_documented_defaults() {
    let config = load(ORDERLY).unwrap();
    let factor = &config.sms_otp.factor;
    assert!(
        factor.mandatory && factor.retry && factor.backup_codes && factor.challenge.resend.allowed
    );
    assert!(!factor.capture_number && !factor.send_directly);
    assert_eq!(factor.challenge.format.length, 6);
    assert_eq!(factor.challenge.code_lifetime.as_secs(), 300);
    assert_eq!(factor.challenge.attempts.attempts_max, 5);
    assert_eq!(factor.otp_host.as_deref(), Some("localhost"));
    assert_eq!(config.plugins.isolation, Isolation::Worker);
    assert_eq!(config.server.data_dir, Path::new("/etc/postern/data"));
    assert_eq!(config.limits.plugin, postern_wasm::Limits::default());
}

#[test]
fn all_problems_are_told_at_once_each_with_its_key() {
    let found = problems(
        r#"
        [server]
        public_url = "http://login.example"
        lissten = "127.0.0.1:1"
        [sms_otp]
        senders = ["nobody"]
        token_length = 4
        token_expiry_time = 900
        mandatory = "yes"
        [limits]
        resend_waits = [1]
        [limits.plugin]
        state_bytes = "many"
        wasm_stack = 1
        [sender.x]
        settings = { token = { env = "MISSING" } }
        "#,
    );
    let keys: Vec<&str> = found.iter().map(|(key, _)| key.as_str()).collect();
    for key in [
        "server.public_url",
        "server.lissten",
        "sms_otp.senders",
        "sms_otp.token_length",
        "sms_otp.token_expiry_time",
        "sms_otp.mandatory",
        "limits.resend_waits",
        "limits.plugin.state_bytes",
        "limits.plugin.wasm_stack",
        "sender.x.plugin",
        "sender.x.settings.token",
    ] {
        assert!(keys.contains(&key), "{key} is not among {keys:#?}");
    }
}

#[test]
fn a_misspelt_key_is_refused_with_the_one_that_was_meant() {
    let found = problems("[sms_otp]\nmandatry = true\n");
    assert_eq!(
        found,
        [(
            "sms_otp.mandatry".to_owned(),
            "unknown key: did you mean `mandatory`?".to_owned()
        )]
    );
}

/// The older step stopped every login with such a value.
#[test]
fn a_maximum_of_resends_that_is_no_number_of_them_is_refused() {
    for value in ["-2", "11", "\"test\"", "1.5"] {
        let found = problems(&format!("[sms_otp]\nmaximum_resend_attempts = {value}\n"));
        assert_eq!(found[0].0, "sms_otp.maximum_resend_attempts", "{value}");
    }
    for (line, resends) in [
        ("maximum_resend_attempts = 0", 0),
        ("maximum_resend_attempts = 10", 10),
        ("", 3),
    ] {
        let config = load(&format!("[sms_otp]\n{line}\n")).unwrap();
        let resend = config.sms_otp.factor.challenge.resend;
        assert_eq!(resend.resends_max, resends, "{line}");
    }
}

#[test]
fn a_file_that_says_nothing_of_the_step_has_its_defaults() {
    let silent = load("").unwrap().sms_otp.factor;
    assert_eq!(silent, load("[sms_otp]\n").unwrap().sms_otp.factor);
    let orderly = load(ORDERLY).unwrap().sms_otp.factor;
    assert_eq!(silent.challenge, orderly.challenge);
    assert!(silent.mandatory && silent.senders.is_empty());
}

/// NIST SP 800-63B-4, 3.1.3.2
#[test]
fn a_code_that_lives_longer_than_ten_minutes_is_refused_with_the_reason() {
    assert!(load("[sms_otp]\ntoken_expiry_time = 600\n").is_ok());
    let found = problems("[sms_otp]\ntoken_expiry_time = 601\n");
    assert!(found[0].1.contains("ten minutes"), "{found:?}");
    assert!(
        problems("[sms_otp]\ntoken_expiry_time = 0\n")[0]
            .1
            .contains("from 30 to 600")
    );
}

#[test]
fn fewer_than_six_digits_are_refused_with_the_reason() {
    assert!(load("[sms_otp]\ntoken_length = 6\n").is_ok());
    let found = problems("[sms_otp]\ntoken_length = 5\n");
    assert!(found[0].1.contains("six digits"), "{found:?}");
}

/// L-04
#[test]
fn a_secret_is_resolved_and_never_printed() {
    let config = load(ORDERLY).unwrap();
    let (_, token) = &config.senders["twilio"]
        .settings
        .iter()
        .find(|(name, _)| name == "auth_token")
        .unwrap();
    assert_eq!(token.value.expose(), "s3cret-value");
    let printed = format!("{config:?}");
    assert!(!printed.contains("s3cret-value"), "{printed}");
}

#[test]
fn a_secret_comes_from_a_file_without_its_last_line_break() {
    let text = ORDERLY.replace("{ env = \"TOKEN\" }", "{ file = \"token\" }");
    let config = load_with(&text, &[("/etc/postern/token", "from-a-file\n")]).unwrap();
    let settings = &config.senders["twilio"].settings;
    assert!(
        settings
            .iter()
            .any(|(_, setting)| setting.value.expose() == "from-a-file")
    );
}

#[test]
fn a_syntax_error_does_not_quote_the_line_it_is_on() {
    let error = load("[sender.x]\nsettings = { token = \"hunter2\" ").unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn a_sender_may_have_a_file_of_its_own_but_not_two_homes() {
    let own = "plugin = \"twilio\"\n";
    let config = load_with(
        "[sms_otp]\nsenders = [\"other\"]\n",
        &[("/etc/postern/senders/other.toml", own)],
    )
    .unwrap();
    assert_eq!(config.senders["other"].plugin, "twilio");
    let error = load_with(ORDERLY, &[("/etc/postern/senders/twilio.toml", own)]).unwrap_err();
    assert!(
        error.problems()[0].message.contains("defined twice"),
        "{error}"
    );
}

#[test]
fn the_test_outbox_never_stands_beside_a_real_sender() {
    let found = problems(&format!("{ORDERLY}\n[outbox]\n"));
    assert!(found[0].1.contains("beside a real sender"), "{found:?}");
    let alone = "[outbox]\n[sender.test]\nplugin = \"fake\"\n[sms_otp]\nsenders = [\"test\"]\n";
    let config = load(alone).unwrap();
    assert!(config.outbox.is_some());
    assert!(
        config
            .warnings
            .iter()
            .any(|warning| warning.key == "outbox")
    );
    assert!(
        !problems(&alone.replace("[outbox]", "")).is_empty(),
        "`fake` needs the outbox"
    );
}

#[test]
fn an_outbox_that_is_switched_off_is_none() {
    const OFF: &str = "[outbox]\nenabled = false\n";
    let config = load(&format!("{ORDERLY}\n{OFF}")).unwrap();
    assert!(config.outbox.is_none(), "it stands beside a real sender");
    let warned = config.warnings.iter().any(|w| w.key == "outbox");
    assert!(!warned, "{:?}", config.warnings);
    let fake = format!("{OFF}[sender.test]\nplugin = \"fake\"\n[sms_otp]\nsenders = [\"test\"]\n");
    let found = problems(&fake);
    assert!(
        found.iter().any(|(key, _)| key == "sender.test.plugin"),
        "`fake` needs an outbox that is on: {found:?}"
    );
}

#[test]
fn what_weakens_a_check_is_warned_of() {
    let text = r#"
        [server]
        listen = "0.0.0.0:9443"
        public_url = "https://login.example"
        trusted_proxies = ["0.0.0.0/0"]
        [plugins]
        isolation = "in-process"
        [sms_otp]
        senders = ["acme"]
        mandatory = false
        capture_and_update_mobile_number = true
        send_otp_directly_to_mobile = true
        [sender.acme]
        plugin = "http-recipe"
        settings = { sms_url = "http://sms.example/?api_key=abc&to=$ctx.num", http_method = "GET" }
        allow_private_networks = true
        [sender.wide]
        plugin = "acme"
        allow_private_networks = ["10.1.2.0/24", "::/0"]
        [identity_provider.face]
        protocol = "oauth2"
        authorization_endpoint = "https://face.example/dialog"
        token_endpoint = "https://face.example/token"
        userinfo_endpoint = "https://face.example/me"
        client_id = "x"
        client_secret = { env = "TOKEN" }
        subject = "id"
        pkce = false
        token_parameter = "oauth_token"
    "#;
    let config = load(text).unwrap();
    let keys: Vec<&str> = config
        .warnings
        .iter()
        .map(|warning| warning.key.as_str())
        .collect();
    for key in [
        "server.trusted_proxies",
        "plugins.isolation",
        "sms_otp.mandatory",
        "sms_otp.capture_and_update_mobile_number",
        "sms_otp.send_otp_directly_to_mobile",
        "sender.acme.settings.sms_url",
        "sender.acme.settings.http_method",
        "sender.acme.allow_private_networks",
        "sender.wide.allow_private_networks",
        "identity_provider.face.pkce",
        "identity_provider.face.token_parameter",
    ] {
        assert!(keys.contains(&key), "{key} is not among {keys:#?}");
    }
}

#[test]
fn a_sender_reaches_the_networks_that_it_lists() {
    let text = |near: &str| {
        format!("{ORDERLY}\n[sender.near]\nplugin = \"acme\"\nallow_private_networks = {near}\n")
    };
    let config = load(&text("[\"10.1.2.0/24\", \"fd00::7\"]")).unwrap();
    let private = &config.senders["near"].private;
    for (address, reached) in [
        ("10.1.2.3", true),
        ("fd00::7", true),
        ("10.1.3.3", false),
        ("127.0.0.1", false),
    ] {
        let address = address.parse().unwrap();
        assert_eq!(private.permits(address), reached, "{address}");
    }
    let key = "sender.near.allow_private_networks";
    assert!(config.warnings.iter().all(|warning| warning.key != key));
    let nothing = load(&text("[]")).unwrap();
    assert_eq!(
        nothing.senders["near"].private,
        load(&text("false")).unwrap().senders["near"].private
    );
    for wrong in [
        "[\"10.1.2.0/33\"]",
        "[\"10.1.2.3/24\"]",
        "[\"::ffff:10.1.2.0/120\"]",
        "[\"sms.example\"]",
        "[7]",
        "\"yes\"",
        "1",
    ] {
        let found = problems(&text(wrong));
        assert!(
            found.iter().any(|(named, _)| named == key),
            "{wrong}: {found:?}"
        );
    }
}

#[test]
fn a_proxy_is_an_address_or_a_network() {
    let text = |proxies: &str| format!("{ORDERLY}\n[server]\ntrusted_proxies = {proxies}\n");
    let key = "server.trusted_proxies";
    let config = load(&text("[\"10.0.0.7\", \"10.1.0.0/16\", \"fd00::/8\"]")).unwrap();
    assert_eq!(config.server.trusted_proxies.len(), 3);
    assert!(config.warnings.iter().all(|warning| warning.key != key));
    for wrong in [
        "proxy.example",
        "10.0.0.0/33",
        "10.0.0.7/8",
        "::ffff:10.0.0.7",
    ] {
        let found = problems(&text(&format!("[\"{wrong}\"]")));
        assert!(
            matches!(found.as_slice(), [(named, said)] if named == key && said.contains(wrong)),
            "{wrong}: {found:?}"
        );
    }
}

/// Wherever in a recipe it stands, and by whatever name, also beside one that stands where it should.
#[test]
fn a_recipe_that_holds_a_credential_is_warned_of_and_one_that_names_it_is_not() {
    for (key, text, warned) in [
        ("sms_url", "https://sms.example/?api_key=k1", true),
        ("sms_url", "https://u:p@sms.example/", true),
        ("http_headers", "X-API-Key: k1", true),
        ("http_headers", "Authorization: Basic dTpw", true),
        ("http_payload", "user=u&pwd=p", true),
        ("http_payload", "key=$secret.key&api_secret=k1", true),
        ("http_payload", "{\"apiSecret\": \"s\"}", true),
        ("http_headers", "Authorization: Bearer $secret.token", false),
        ("http_payload", "{\"pin\": \"$ctx.otp\"}", false),
        ("http_payload", "to=$ctx.num&text=$ctx.msg", false),
    ] {
        let config = load(&format!(
            "[sender.acme]\nplugin = \"http-recipe\"\nsettings = {{ {key} = '{text}' }}\n"
        ));
        let warnings = config.unwrap().warnings;
        let told = warnings.iter().any(|warning| {
            warning.key == format!("sender.acme.settings.{key}")
                && warning.message.contains("credentials stand in the recipe")
        });
        assert_eq!(told, warned, "{text}: {warnings:?}");
    }
}

#[test]
fn the_older_spellings_of_usecase_are_aliases() {
    for (written, meant) in [
        ("subjectUri", "subject-uri"),
        ("", "local"),
        ("association", "association"),
    ] {
        let config = load(&format!("[sms_otp]\nusecase = \"{written}\"\n")).unwrap();
        assert_eq!(config.sms_otp.factor.usecase, meant);
    }
}

/// Of all identity providers, or of one: a login reads any of the three.
#[test]
fn the_rule_by_attribute_is_told_which_attribute() {
    let corp = |more: &str| {
        format!(
            "[identity_provider.corp]\ndisplay_name = \"Corp\"\nissuer = \"https://idp.corp.example\"\nclient_id = \"postern\"\nclient_secret = {{ env = \"TOKEN\" }}\n{more}"
        )
    };
    let rule = "[sms_otp]\nusecase = \"userAttribute\"\n";
    for told in [
        format!("{rule}user_attribute = \"email\"\n{}", corp("")),
        format!("{rule}[sms_otp.after.corp]\nuser_attribute = \"email\"\n"),
        format!("{rule}{}", corp("user_attribute = \"email\"\n")),
    ] {
        let config = load(&told).unwrap_or_else(|error| panic!("{told}{error}"));
        assert_eq!(config.sms_otp.factor.usecase, "user-attribute");
    }
    for untold in [rule.to_owned(), format!("{rule}{}", corp(""))] {
        let found = problems(&untold);
        let keys: Vec<_> = found.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["sms_otp.user_attribute"], "{untold}");
    }
}

#[test]
fn a_class_of_plugin_limits_may_name_only_what_it_changes() {
    let config = load("[limits.plugin]\nlog_lines = 7\nnative = { cpu_ms = 100 }\n").unwrap();
    assert_eq!(config.limits.plugin.log_lines, 7);
    assert_eq!(config.limits.plugin.native.cpu_ms, 100);
    assert_eq!(
        config.limits.plugin.native.memories,
        postern_wasm::Limits::default().native.memories
    );
}

/// A number beyond what comes first elsewhere would change nothing: it is refused, and says why.
#[test]
fn a_plugin_limit_that_would_have_no_effect_is_refused_with_the_reason() {
    for (written, key, says) in [
        ("state_bytes = 65537", "state_bytes", "promises no more"),
        (
            "queries = 33",
            "queries",
            "expected a whole number from 1 to 32",
        ),
        ("operations = 257", "operations", "no longer program"),
        (
            "request_bytes = 65537",
            "request_bytes",
            "no larger request",
        ),
        ("steps = 9", "steps", "from 4 to 8"),
        ("requests = 4", "requests", "the last step is a verdict"),
        (
            "native = { cpu_ms = 0 }",
            "native.cpu_ms",
            "from 1 to 10000",
        ),
        (
            "native = { cpu_ms = 2001 }",
            "native.wall_ms",
            "never be used up",
        ),
        (
            "host_call_bytes = 131072",
            "host_call_bytes",
            "`request_bytes` and `state_bytes`",
        ),
    ] {
        let found = problems(&format!("[limits.plugin]\n{written}\n"));
        let key = format!("limits.plugin.{key}");
        assert_eq!(found.len(), 1, "{written}: {found:?}");
        assert_eq!(found[0].0, key);
        assert!(found[0].1.contains(says), "{found:?}");
    }
    let config = load("[limits.plugin]\nsteps = 8\nrequests = 7\nqueries = 1\n").unwrap();
    let plugin = config.limits.plugin;
    assert_eq!((plugin.steps, plugin.requests, plugin.queries), (8, 7, 1));
}

/// What `[limits.plugin]` allows, the edge takes as well.
#[test]
fn the_edge_takes_the_largest_program_and_request_that_may_be_allowed() {
    use postern_egress::limits::{OPERATIONS_MAX, REQUEST_BYTES_MAX};
    for (key, most) in [
        ("operations", OPERATIONS_MAX),
        ("request_bytes", REQUEST_BYTES_MAX),
    ] {
        let written = |value| format!("[limits.plugin]\n{key} = {value}\n");
        assert!(load(&written(most)).is_ok(), "{key} = {most}");
        assert!(load(&written(most + 1)).is_err(), "{key} = {most} + 1");
    }
}

#[test]
fn a_reply_is_never_larger_than_plugins_were_promised() {
    assert!(load("[limits.request]\nreply_bytes = 262144\n").is_ok());
    let found = problems("[limits.request]\nreply_bytes = 262145\n");
    assert_eq!(found[0].0, "limits.request.reply_bytes");
}

#[test]
fn breaker_and_quarantine_are_the_operators_within_their_ranges() {
    use postern_gateway::HealthPolicy;
    assert_eq!(load("").unwrap().limits.health, HealthPolicy::default());
    let config = load(
        "[limits.breaker]\nfailures = 2\nopen = 5\n[limits.quarantine]\nfaults = 9\npause_first = 10\nnew_for = 0\n",
    )
    .unwrap();
    let HealthPolicy {
        breaker,
        quarantine,
    } = config.limits.health;
    assert_eq!((breaker.failures, breaker.open.as_secs()), (2, 5));
    assert_eq!(breaker.window.as_secs(), 60);
    assert_eq!((quarantine.faults, quarantine.new_for.as_secs()), (9, 0));
    assert_eq!(quarantine.pause_first.as_secs(), 10);
    for (written, key) in [
        ("[limits.breaker]\nfailures = 0", "limits.breaker.failures"),
        ("[limits.breaker]\nopen = 3601", "limits.breaker.open"),
        ("[limits.breaker]\ntrial = 1", "limits.breaker.trial"),
        (
            "[limits.quarantine]\nfaults = 1",
            "limits.quarantine.faults_when_new",
        ),
        (
            "[limits.quarantine]\npause_first = 301",
            "limits.quarantine.pause_max",
        ),
    ] {
        let found = problems(written);
        assert_eq!(found.len(), 1, "{written}: {found:?}");
        assert_eq!(found[0].0, key);
    }
}

const FEDERATED: &str = r#"
[sign_in]
first_step = ["password", "corp"]

[identity_provider.corp]
display_name = "Example Corp"
issuer = "https://idp.corp.example"
client_id = "postern"
client_secret = { env = "TOKEN" }
user_attribute = "email"
claims = { phone = "http://wso2.org/claims/mobile" }

[relying_party.shop]
display_name = "The Shop"
first_step = ["corp"]
second_step = "none"
claims = { mobile = "http://wso2.org/claims/mobile" }
[relying_party.shop.oidc]
client_id = "shop"
client_secret = "0123456789abcdef0123456789abcdef"
redirect_uris = ["https://shop.example/callback"]
"#;

#[test]
fn identity_providers_and_applications_are_read_with_their_defaults() {
    use postern_federation::identity_provider::Protocol;
    use postern_federation::relying_party::SecondStep;
    let config = load(&format!("{ORDERLY}{FEDERATED}")).unwrap();
    let federation = &config.federation;
    assert!(federation.own_sign_in.password);
    assert_eq!(federation.own_sign_in.identity_providers, ["corp"]);
    let corp = &federation.identity_providers[0];
    assert!(corp.enabled);
    assert_eq!(corp.user_attribute.as_deref(), Some("email"));
    let Protocol::Oidc(openid) = &corp.protocol else {
        panic!("{corp:?}");
    };
    assert_eq!(openid.client.scopes, ["openid"]);
    assert_eq!(openid.subject, "sub");
    assert!(openid.userinfo && !openid.trust_email && openid.client.pkce);
    assert!(!format!("{corp:?}").contains("s3cret-value"), "L-04");
    let shop = &federation.relying_parties[0];
    assert!(!shop.first_step.password);
    assert_eq!(shop.second_step, SecondStep::None);
    let client = shop.oidc.as_ref().unwrap();
    let secret = client.secret.unwrap();
    assert!(secret.matches("0123456789abcdef0123456789abcdef"));
    assert_eq!(client.access_token_lifetime.as_secs(), 300);
    let told: Vec<_> = config.warnings.iter().map(|w| w.key.as_str()).collect();
    assert!(told.contains(&"relying_party.shop.oidc.client_secret"));
    assert!(!told.contains(&"identity_provider.corp.client_secret"));
    assert!(!told.contains(&"identity_provider.corp.pkce"));
}

/// Enable Single Logout: nowhere without it; else what is written, else where the other messages go.
#[test]
fn logout_messages_go_where_the_others_go_unless_an_address_is_written() {
    use postern_federation::identity_provider::Protocol;
    use postern_federation::saml::Binding;
    let pem = include_str!("../../../federation/tests/saml/keys/sp.crt");
    let told = |more: &str| {
        let text = format!(
            r#"{ORDERLY}
            [identity_provider.partner]
            protocol = "saml"
            entity_id = "partner"
            sso_url = "https://partner.example/sso"
            certificates = ["partner.pem"]
            {more}
            [relying_party.shop.saml]
            entity_id = "shop"
            consumer_services = ["https://shop.example/acs", "https://shop.example/other"]
            {more}
            "#
        );
        let config = load_with(&text, &[("/etc/postern/partner.pem", pem)]).unwrap();
        let federation = &config.federation;
        let Protocol::Saml(partner) = &federation.identity_providers[0].protocol else {
            panic!("it speaks SAML");
        };
        let shop = federation.relying_parties[0].saml.as_ref().unwrap();
        [&partner.logout, &shop.logout]
            .map(|logout| logout.as_ref().map(|to| (to.binding, to.url.clone())))
    };
    let at = |binding, url: &str| Some((binding, url.to_owned()));
    let nowhere: [Option<(Binding, String)>; 2] = [None, None];
    assert_eq!(told(""), nowhere);
    let by_default = [
        at(Binding::Redirect, "https://partner.example/sso"),
        at(Binding::Post, "https://shop.example/acs"),
    ];
    assert_eq!(told("single_logout = true"), by_default);
    let address = "logout_url = \"https://x.example/slo\"\nlogout_binding = \"post\"";
    let written = at(Binding::Post, "https://x.example/slo");
    assert_eq!(
        told(&format!("single_logout = true\n{address}")),
        [written.clone(), written]
    );
    assert_eq!(told(address), nowhere);
}

#[test]
fn every_problem_of_a_peer_is_told_at_once_by_its_key() {
    let found = problems(&format!(
        r#"{ORDERLY}
        [sign_in]
        first_step = []

        [identity_provider.Corp]
        isuer = "https://idp.corp.example"
        scopes = ["email"]

        [identity_provider.face]
        protocol = "oauth2"
        authorization_endpoint = "http://face.example/dialog"
        token_endpoint = "https://face.example/token"
        userinfo_endpoint = "https://face.example/me"
        client_id = "x"
        pkce = false

        [relying_party.shop]
        first_step = ["nobody"]
        claims = {{ sub = "urn:x" }}
        [relying_party.shop.oidc]
        client_id = "shop"
        client_secret = "short"
        redirect_uris = ["http://shop.example/callback", "https://shop.example/*"]

        [relying_party.blog.oidc]
        client_id = "shop"
        public = true
        redirect_uris = []
        "#
    ));
    let keys: Vec<_> = found.iter().map(|(key, _)| key.as_str()).collect();
    for key in [
        "sign_in.first_step",
        "identity_provider.Corp.name",
        "identity_provider.Corp.isuer",
        "identity_provider.Corp.issuer",
        "identity_provider.Corp.client_id",
        "identity_provider.Corp.scopes",
        "identity_provider.face.authorization_endpoint",
        "identity_provider.face.subject",
        "identity_provider.face.pkce",
        "relying_party.shop.first_step",
        "relying_party.shop.claims",
        "relying_party.shop.oidc.client_secret",
        "relying_party.shop.oidc.redirect_uris",
        "relying_party.blog.oidc.redirect_uris",
        "relying_party.shop.oidc.client_id",
    ] {
        assert!(keys.contains(&key), "{key}: {keys:?}");
    }
    let misspelt = found.iter().find(|(key, _)| key.ends_with("isuer"));
    assert!(misspelt.unwrap().1.contains("`issuer`"));
}

const LDAP: &str = r#"
[user_store.corp]
kind = "ldap"
servers = ["ldaps://one.example", "ldaps://two.example:6360"]
bind_dn = "cn=postern,dc=example"
bind_password = { env = "TOKEN" }
base_dn = "ou=people,dc=example"
ca_files = ["ca.pem"]
claims = { "urn:mail" = "mail" }
groups = { base_dn = "ou=groups,dc=example" }
[sms_otp]
secondary_userstore = " corp , Primary,other"
"#;

const PEM: &str = "-----BEGIN CERTIFICATE-----\n";

#[test]
fn user_stores_are_read_with_their_order() {
    let config = load_with(LDAP, &[("/etc/postern/ca.pem", PEM)]).unwrap();
    assert_eq!(config.user_stores.order, ["CORP", "PRIMARY", "OTHER"]);
    let UserStore::Ldap(corp) = &config.user_stores.stores["CORP"] else {
        panic!("it is a directory");
    };
    assert!(corp.read_only && !corp.start_tls);
    assert_eq!(corp.servers.len(), 2);
    assert_eq!(corp.mapping.mobile.as_deref(), Some("mobile"));
    assert_eq!(corp.mapping.opt_out, None);
    assert_eq!(
        corp.mapping.claims,
        [("urn:mail".to_owned(), "mail".to_owned())]
    );
    assert_eq!(corp.ca_pems.len(), 1);
    assert!(!format!("{config:?}").contains("s3cret-value"));
    // Without a section it is Postern's own, under its name.
    assert!(!config.user_stores.stores.contains_key("OTHER"));
    assert!(load("").unwrap().user_stores.stores.is_empty());
}

#[test]
fn every_problem_of_a_user_store_is_told_with_its_key() {
    let found = problems(
        r#"
        [user_store."a b"]
        kind = "local"
        [user_store.one]
        kind = "ldap"
        servers = ["http://x", "ldap://y"]
        bind_dn = "postern"
        bind_password = ""
        base_dn = "people"
        name_attribute = "uid)(x"
        filter = "uid=*"
        ca_files = ["absent.pem"]
        readonly = true
        attributes = { mobile = "mobile)", mobil = "x" }
        groups = { object_class = "x" }
        [user_store.two]
        kind = "sql"
        url = "mysql://root:hunter2@db/x"
        new_hashes = "as-stored"
        read_only = false
        attributes = { backup_codes = "codes" }
        queries = { find = "SELECT name FROM people", set_number = "UPDATE a SET b = $2 WHERE c = $1 AND d = $3", creat = "x" }
        [user_store.three]
        kind = "oracle"
        [user_store.four]
        kind = "ldap"
        [user_store.five]
        kind = "sql"
        [sms_otp]
        secondary_userstore = ["one", "two", "three", "four", "five", "a/b"]
        "#,
    );
    let keys: Vec<&str> = found.iter().map(|(key, _)| key.as_str()).collect();
    for key in [
        "user_store.a b",
        "user_store.one.servers",
        "user_store.one.bind_dn",
        "user_store.one.bind_password",
        "user_store.one.base_dn",
        "user_store.one.name_attribute",
        "user_store.one.filter",
        "user_store.one.ca_files",
        "user_store.one.readonly",
        "user_store.one.attributes",
        "user_store.one.attributes.mobil",
        "user_store.one.groups.base_dn",
        "user_store.two.url",
        "user_store.two.new_hashes",
        "user_store.two.queries.find",
        "user_store.two.queries.set_number",
        "user_store.two.queries.take_backup_codes",
        "user_store.two.queries.creat",
        "user_store.three.kind",
        "user_store.four.servers",
        "user_store.four.base_dn",
        "user_store.five.url",
        "user_store.five.queries.find",
        "sms_otp.secondary_userstore",
    ] {
        assert!(keys.contains(&key), "{key} is not among {keys:#?}");
    }
    assert!(!format!("{found:?}").contains("hunter2"));
}

#[test]
fn users_of_several_stores_under_one_name_at_a_peer_are_warned_of() {
    let store = "[user_store.corp]\nkind = \"ldap\"\nservers = [\"ldap://x\"]\nbase_dn = \"dc=x\"\nstart_tls = true\n";
    let peer =
        "[provisioning.peer]\nuser_endpoint = \"https://peer.example/Users\"\ntoken = \"t\"\n";
    let domain = "user_store_domain = \"EXT\"\n";
    for (text, expected) in [
        (format!("{store}{peer}{domain}"), true),
        (format!("{store}{peer}"), false),
        (format!("{peer}{domain}"), false),
    ] {
        let config = load(&text).unwrap();
        let key = "provisioning.peer.user_store_domain";
        let warned = config.warnings.iter().any(|warning| warning.key == key);
        assert_eq!(warned, expected, "{text}");
    }
}

#[test]
fn what_weakens_a_user_store_is_warned_of_or_refused() {
    let plain =
        "[user_store.corp]\nkind = \"ldap\"\nservers = [\"ldap://x\"]\nbase_dn = \"dc=x\"\n";
    assert!(
        problems(plain)
            .iter()
            .any(|(key, _)| key == "user_store.corp.servers")
    );
    assert!(load(&format!("{plain}start_tls = true\n")).is_ok());
    let config = load(&format!("{plain}allow_plaintext = true\n")).unwrap();
    let warned = |key: &str| config.warnings.iter().any(|warning| warning.key == key);
    assert!(warned("user_store.corp.allow_plaintext"));
    assert!(warned("user_store.corp.bind_dn"), "anonymous");
    assert!(warned("user_store.corp"), "nobody is looked for in it");
    let sql = "[user_store.jdbc]\nkind = \"sql\"\nurl = \"postgres://u:p@db.example/x\"\nqueries = { find = \"SELECT name, password FROM people WHERE name = $1\" }\n";
    let config = load(sql).unwrap();
    let about_url = config
        .warnings
        .iter()
        .filter(|warning| warning.key == "user_store.jdbc.url");
    assert_eq!(
        about_url.count(),
        2,
        "a password in the file, and no check of the server"
    );
}

#[test]
fn the_examples_of_the_page_on_user_stores_are_in_order() {
    let page = include_str!("../../../../docs/user-stores.md");
    let mut examples = 0;
    for block in page.split("```toml\n").skip(1) {
        let text = block.split("```").next().unwrap();
        let surroundings = Surroundings::pretended(
            &[
                ("LDAP_PASSWORD", "x"),
                ("AD_PASSWORD", "x"),
                (
                    "JDBC_URL",
                    "postgres://u:p@db.example/x?sslmode=verify-full",
                ),
            ],
            &[
                ("/etc/postern/postern.toml", text),
                ("/etc/postern/tls/corp-ca.pem", PEM),
            ],
        );
        let config = Config::load_in(Path::new("/etc/postern/postern.toml"), &surroundings);
        assert_eq!(config.unwrap().user_stores.stores.len(), 1, "{text}");
        examples += 1;
    }
    assert_eq!(examples, 3);
}

/// An application's SMSOTP entry is one of those there are, and each entry's senders are as well.
#[test]
fn an_application_names_an_entry_that_there_is() {
    const PARTY: &str = "[relying_party.shop.oidc]\nclient_id = \"shop\"\npublic = true\nredirect_uris = [\"https://shop.example/cb\"]\n";
    let with = |entry: &str, party: &str| {
        format!(
            "{ORDERLY}\n[sms_otp.identity_provider.bank]\n{entry}\n[relying_party.shop]\n{party}\n{PARTY}"
        )
    };
    let config = load(&with("sms_otp_length = 8", "sms_otp = \"bank\"")).unwrap();
    let shop = &config.federation.relying_parties[0];
    assert_eq!(shop.sms_otp.as_deref(), Some("bank"));
    let by_entry = config.sms_otp.by_entry(&config.sms_otp.step);
    assert_eq!(by_entry[0].1.challenge.format.length, 8);
    assert_eq!(config.sms_otp.factor.challenge.format.length, 6);
    for (entry, party, key, message) in [
        (
            "",
            "sms_otp = \"corp\"",
            "relying_party.shop.sms_otp",
            "there is no SMSOTP entry `corp` that is enabled",
        ),
        (
            "enable = false",
            "sms_otp = \"bank\"",
            "relying_party.shop.sms_otp",
            "(there are: none)",
        ),
        (
            "senders = [\"gone\"]",
            "",
            "sms_otp.identity_provider.bank.senders",
            "there is no sender `gone`",
        ),
    ] {
        let found = problems(&with(entry, party));
        assert!(
            found.iter().any(|(k, m)| k == key && m.contains(message)),
            "{entry} {party}: {found:?}"
        );
    }
}

#[test]
fn a_text_may_say_what_it_is_registered_by() {
    let text = |value: &str| format!("{ORDERLY}\n[sms_otp.text]\nen = {value}\n");
    let config = load(&text(
        r#"{ text = "Code {code}", template_id = "1107", entity_id = "1101", last_line = true }"#,
    ))
    .unwrap();
    let expected = Template {
        template_id: Some("1107".to_owned()),
        entity_id: Some("1101".to_owned()),
        last_line: Some(true),
        ..Template::new("en", "Code {code}")
    };
    assert_eq!(config.sms_otp.templates, [expected]);
    for wrong in [
        "{ template_id = \"1107\" }",
        "{ text = \"Code {code}\", template = \"1107\" }",
        "{ text = \"Code {code}\", last_line = \"no\" }",
        "{ text = \"Code {code}\", entity_id = \"a b\" }",
        "{ text = \"Code\" }",
        "7",
    ] {
        let problems = problems(&text(wrong));
        assert_eq!(problems.len(), 1, "{wrong}: {problems:?}");
        assert_eq!(problems[0].0, "sms_otp.text.en", "{wrong}");
    }
}
