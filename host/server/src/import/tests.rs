//! Files shaped like the older product's, and what becomes of them. The results lie beside the files;
//! `REWRITE_GOLDEN` in the environment writes them anew, for a person to read.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::config::{Config, Surroundings};
use postern_login::text::Template;
use std::path::Path;

const STEP: &str = include_str!("golden/application-authentication.xml");
const BULKSMS: &str = include_str!("golden/bulksms.xml");
const CLICKATELL: &str = include_str!("golden/clickatell.json");
const DEPLOYMENT: &str = include_str!("golden/deployment.toml");
const REGISTRY: &str = include_str!("golden/registry.xml");

fn imported(texts: &[&str]) -> Result<Imported, String> {
    with(texts, Secrets::Literal)
}

fn with(texts: &[&str], keep: Secrets) -> Result<Imported, String> {
    let inputs: Vec<Input<'_>> = texts
        .iter()
        .map(|text| Input { name: "file", text })
        .collect();
    let url = Url::parse("http://localhost:9443").unwrap();
    import(&inputs, &url, keep)
}

/// As `check-config` would, but for the plugins.
fn load(imported: &Imported) -> Config {
    let path = "/etc/postern/postern.toml";
    let text = imported.document.to_toml();
    let files: Vec<(String, String)> = imported
        .secrets
        .iter()
        .map(|secret| {
            let file = format!("/etc/postern/secrets/{}", secret_file(secret));
            (file, secret.value.to_string())
        })
        .collect();
    let mut all = vec![(path, text.as_str())];
    all.extend(files.iter().map(|(a, b)| (a.as_str(), b.as_str())));
    let surroundings = Surroundings::pretended(&[], &all);
    Config::load_in(Path::new(path), &surroundings)
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn golden(name: &str, imported: &Imported) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/import/golden");
    for (end, text) in [
        ("toml", imported.document.to_toml()),
        ("report", imported.report.to_string()),
    ] {
        let file = format!("{folder}/{name}.out.{end}");
        if std::env::var_os("REWRITE_GOLDEN").is_some() {
            std::fs::write(&file, &text).unwrap();
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(text, expected, "{file}");
    }
}

/// The messages about an old name.
fn about<'a>(imported: &'a Imported, old: &str) -> Vec<(What, &'a str)> {
    imported
        .report
        .lines
        .iter()
        .filter(|line| line.old == old)
        .map(|line| (line.what, line.message.as_str()))
        .collect()
}

#[test]
fn the_step_and_its_entries_import_whole_and_are_a_configuration() {
    let imported = imported(&[STEP, BULKSMS, CLICKATELL]).unwrap();
    golden("whole", &imported);
    let config = load(&imported);
    let factor = &config.sms_otp.factor;
    assert!(factor.mandatory && factor.retry && factor.capture_number);
    assert!(!factor.send_directly, "`yes` was never true");
    assert!(!factor.enable_by_user_claim);
    assert_eq!(factor.usecase, "association");
    assert_eq!(
        factor.own_pages.number.as_deref(),
        Some("mysmsotp/mobile.jsp")
    );
    assert_eq!(factor.own_pages.code, None);
    // The default entry wins over the step.
    assert_eq!(factor.senders, ["sms-bulk"]);
    assert_eq!(factor.challenge.format.length, 6);
    assert_eq!(factor.challenge.code_lifetime.as_secs(), 600);
    assert_eq!(
        factor.challenge.format.alphabet,
        postern_otp::Alphabet::Alphanumeric
    );
    assert_eq!(factor.otp_host, None);
    assert_eq!(
        config.sms_otp.templates,
        [Template::new("en", "Verification Code: {code}")]
    );
    assert_eq!(config.sms_otp.user_stores, ["jdbc", "abc"]);
    assert_eq!(
        config.sms_otp.entries["clickatell"]
            .says
            .senders
            .as_deref()
            .unwrap(),
        ["clickatell"]
    );
}

#[test]
fn the_section_of_deployment_toml_imports() {
    let imported = imported(&[DEPLOYMENT]).unwrap();
    golden("deployment", &imported);
    let config = load(&imported);
    let factor = &config.sms_otp.factor;
    assert!(factor.mandatory && factor.retry && factor.show_failure_reason);
    assert!(!factor.internal_error_codes);
    assert_eq!(factor.challenge.code_lifetime.as_secs(), 120);
    assert_eq!(
        factor.resolver_settings_after,
        [(
            "google".to_owned(),
            vec![("user_attribute".to_owned(), "email".to_owned())]
        )]
    );
    let text = imported.document.to_toml() + &imported.report.to_string();
    assert!(!text.contains("not-ours"), "{text}");
}

/// What is not in a registry's file is not looked for in another: its flags are off.
#[test]
fn what_is_absent_is_off_as_it_was() {
    let imported = imported(&[REGISTRY]).unwrap();
    golden("registry", &imported);
    let factor = load(&imported).sms_otp.factor;
    assert!(factor.mandatory);
    assert!(!factor.retry && !factor.backup_codes && !factor.challenge.resend.allowed);
    assert!(!factor.capture_number && !factor.send_directly && !factor.enable_by_user_claim);
    assert!(factor.internal_error_codes, "the one that was on");
    assert_eq!(factor.usecase, "local", "blank is local");
    assert_eq!((factor.screen_digits, factor.screen_from_end), (0, false));
    assert_eq!(factor.challenge.code_lifetime.as_secs(), 300);
}

fn step(parameters: &[(&str, &str)]) -> Imported {
    let parameters: String = parameters
        .iter()
        .map(|(name, value)| format!("<Parameter name=\"{name}\">{value}</Parameter>"))
        .collect();
    imported(&[&format!(
        "<AuthenticatorConfig name=\"SMSOTP\">{parameters}</AuthenticatorConfig>"
    )])
    .unwrap()
}

/// N-01: what is weaker than our bounds is brought to them, and listed.
#[test]
fn what_is_weaker_than_our_bounds_is_brought_to_them_and_listed() {
    for (name, value, what, seconds, length) in [
        ("TokenExpiryTime", "600", What::Taken, 600, 6),
        ("TokenExpiryTime", "601", What::Changed, 600, 6),
        (
            "TokenExpiryTime",
            "99999999999999999999",
            What::Changed,
            600,
            6,
        ),
        ("TokenExpiryTime", "5", What::Changed, 30, 6),
        ("TokenExpiryTime", "-5", What::Changed, 300, 6),
        ("TokenExpiryTime", "ten", What::Changed, 300, 6),
        ("TokenLength", "5", What::Changed, 300, 6),
        ("TokenLength", "8", What::Taken, 300, 8),
        ("TokenLength", "12", What::Changed, 300, 10),
    ] {
        let imported = step(&[(name, value)]);
        assert_eq!(about(&imported, name)[0].0, what, "{name} {value}");
        let challenge = load(&imported).sms_otp.factor.challenge;
        assert_eq!(challenge.code_lifetime.as_secs(), seconds, "{name} {value}");
        assert_eq!(u32::from(challenge.format.length), length, "{name} {value}");
    }
}

#[test]
fn a_number_that_was_a_mistake_is_told() {
    for (value, what, max) in [
        ("2", What::Taken, 2),
        ("0", What::Taken, 0),
        ("99", What::Changed, 10),
        ("-2", What::Left, 3),
        ("test", What::Left, 3),
    ] {
        let imported = step(&[("MaximumResendAttempts", value)]);
        let told = about(&imported, "MaximumResendAttempts");
        assert_eq!(told[0].0, what, "{value}");
        let resend = load(&imported).sms_otp.factor.challenge.resend;
        assert_eq!(resend.resends_max, max, "{value}");
    }
    let imported = step(&[("noOfDigits", "many")]);
    assert_eq!(about(&imported, "noOfDigits")[0].0, What::Changed);
}

#[test]
fn a_pattern_that_is_none_is_left_and_told() {
    let imported = step(&[("screenUserAttributeMaskRegex", "(")]);
    assert_eq!(
        about(&imported, "screenUserAttributeMaskRegex")[0].0,
        What::Left
    );
    assert_eq!(load(&imported).sms_otp.factor.screen_mask, None);
}

fn recipe(properties: &[(&str, &str)]) -> Imported {
    let properties: Vec<serde_json::Value> = properties
        .iter()
        .map(|(name, value)| serde_json::json!({ "name": name, "value": value }))
        .collect();
    let entry = serde_json::json!({
        "identityProviderName": "acme",
        "federatedAuthenticatorConfigs": [{ "name": "SMSOTP", "enabled": true, "properties": properties }],
    });
    imported(&[&entry.to_string()]).unwrap()
}

fn setting(imported: &Imported, name: &str) -> String {
    let config = load(imported);
    let settings = &config.senders["acme"].settings;
    let setting = settings.iter().find(|(known, _)| known == name).unwrap();
    setting.1.value.expose().to_owned()
}

/// L-04: the plugin and its listing see where a credential goes, not the credential.
#[test]
fn a_credential_in_a_recipe_becomes_a_secret_and_is_in_no_report() {
    for (properties, place, written, name, value) in [
        (
            [
                ("sms_url", "https://a.example/s?api_key=k%201&to=$ctx.num"),
                ("http_method", "GET"),
            ],
            "sms_url",
            "https://a.example/s?api_key=$secret.api_key&to=$ctx.num",
            "api_key",
            "k 1",
        ),
        (
            [
                ("sms_url", "https://a.example/s"),
                ("headers", "Authorization: Basic abc==,X-A: b"),
            ],
            "http_headers",
            "Authorization: Basic $secret.authorization,X-A: b",
            "authorization",
            "abc==",
        ),
        (
            [
                ("sms_url", "https://a.example/s"),
                ("payload", "pass=p&msg=$ctx.msg"),
            ],
            "http_payload",
            "pass=$secret.pass&msg=$ctx.msg",
            "pass",
            "p",
        ),
    ] {
        let mut properties = properties.to_vec();
        if !properties.iter().any(|(name, _)| *name == "http_method") {
            properties.push(("http_method", "POST"));
        }
        let imported = recipe(&properties);
        assert_eq!(setting(&imported, place), written);
        let secret = &imported.secrets[0];
        assert_eq!((secret.name.as_str(), secret.value.as_str()), (name, value));
        let report = imported.report.to_string();
        assert!(!report.contains("abc=="), "{report}");
        assert!(report.contains(&format!("$secret.{name}")), "{report}");
        assert!(!format!("{:?}", imported.secrets).contains("abc=="));
    }
    let json = recipe(&[
        ("sms_url", "https://a.example/s"),
        ("http_method", "POST"),
        ("headers", "Content-Type: application/json"),
        (
            "payload",
            r#"{"token":"t\"1","to":"$ctx.num","text":"$ctx.msg"}"#,
        ),
    ]);
    assert_eq!(
        setting(&json, "http_payload"),
        r#"{"token":"$secret.token","to":"$ctx.num","text":"$ctx.msg"}"#
    );
    assert_eq!(json.secrets[0].value.as_str(), "t\"1");
}

#[test]
fn split_secrets_stand_in_files_of_their_own() {
    let imported = with(&[BULKSMS], Secrets::Files("secrets")).unwrap();
    let text = imported.document.to_toml();
    assert!(
        !text.contains("pass word") && !text.contains("pass%20word"),
        "{text}"
    );
    let config = load(&imported);
    let secrets = &config.senders["sms-bulk"].secrets;
    let password = secrets.iter().find(|(name, _)| name == "password").unwrap();
    assert_eq!(password.1.expose(), "pass word");
}

/// T-14
#[test]
fn a_recipe_that_puts_the_text_into_the_address_is_marked() {
    for (url, marked) in [
        ("https://a.example/?to=$ctx.num&text=$ctx.msg", true),
        ("https://a.example/?to=$ctx.num&otp=$ctx.otp", true),
        ("https://a.example/?to=&num&text=&msg", true),
        ("https://a.example/$ctx.msg", true),
        ("https://a.example/?to=$ctx.num", false),
        ("https://a.example/?a=1&msgtype=2&msg=x", false),
    ] {
        let imported = recipe(&[("sms_url", url), ("http_method", "POST")]);
        let text = imported.document.to_toml();
        assert_eq!(text.contains("# insecure_get"), marked, "{url}");
        let notes = imported.report.of(What::Note);
        let told = notes
            .filter(|line| line.message.contains("insecure_get"))
            .count();
        assert_eq!(told > 0, marked, "{url}");
        let warnings = load(&imported).warnings;
        let warned = warnings.iter().any(|w| w.message.contains("insecure_get"));
        assert_eq!(warned, marked, "{url}");
    }
}

#[test]
fn a_provider_we_have_a_plugin_for_is_pointed_at_and_the_recipe_is_kept() {
    for (url, plugin, format) in [
        (
            "https://api.twilio.com/2010-04-01/Accounts/AC/SMS/Messages.json",
            "twilio",
            "e164",
        ),
        (
            "https://rest.nexmo.com/sms/json?to=$ctx.num",
            "nexmo",
            "digits",
        ),
        (
            "https://api.plivo.com/v1/Account/A/Message/",
            "plivo",
            "e164",
        ),
        ("https://eviltwilio.com/", "", "e164"),
    ] {
        let imported = recipe(&[("sms_url", url), ("http_method", "POST")]);
        let pointed = imported
            .report
            .of(What::Note)
            .any(|line| line.message.contains(&format!("`{plugin}`")));
        assert_eq!(pointed, !plugin.is_empty(), "{url}");
        assert_eq!(load(&imported).senders["acme"].plugin, "http-recipe");
        assert_eq!(setting(&imported, "number_format"), format, "{url}");
    }
}

#[test]
fn an_address_that_is_none_makes_no_sender() {
    for url in [
        "",
        "ftp://a.example/",
        "a.example/x",
        "https://$ctx.num.example/",
        "https://user:pw@a.example/",
        "javascript:alert(1)",
    ] {
        let imported = recipe(&[("sms_url", url), ("http_method", "GET")]);
        assert!(load(&imported).senders.is_empty(), "{url}");
        assert_eq!(about(&imported, "sms_url")[0].0, What::Left, "{url}");
    }
}

/// Cases 59 to 74 of the specification's list: each from a registry's file.
#[test]
fn each_parameter_is_taken_both_ways() {
    let flags: &[(&str, &str)] = &[
        ("SMSOTPMandatory", "mandatory"),
        ("SMSOTPEnableByUserClaim", "enable_by_user_claim"),
        ("RetryEnable", "retry_enable"),
        ("ResendEnable", "resend_enable"),
        ("BackupCode", "backup_code"),
        (
            "CaptureAndUpdateMobileNumber",
            "capture_and_update_mobile_number",
        ),
        ("SendOTPDirectlyToMobile", "send_otp_directly_to_mobile"),
        ("SendOtpToFederatedMobile", "send_otp_to_federated_mobile"),
        ("EnableAlphanumericToken", "enable_alphanumeric_token"),
        (
            "EnableUserBasedResendBlocking",
            "enable_user_based_resend_blocking",
        ),
        (
            "EnableAccountLockingForFailedAttempts",
            "enable_account_locking_for_failed_attempts",
        ),
        ("showAuthFailureReason", "show_auth_failure_reason"),
        ("UseInternalErrorCodes", "use_internal_error_codes"),
        (
            "redirectToMultiOptionPageOnFailure",
            "redirect_to_multi_option_page_on_failure",
        ),
        (
            "OTPBackupCodes.UseIdentityClaims",
            "backup_codes_use_identity_claims",
        ),
    ];
    for (old, new) in flags {
        for (text, meant) in [
            ("true", true),
            (" True ", true),
            ("false", false),
            ("1", false),
        ] {
            let imported = step(&[(old, text)]);
            let written: toml::Table = toml::from_str(&imported.document.to_toml()).unwrap();
            assert_eq!(
                written["sms_otp"][*new].as_bool(),
                Some(meant),
                "{old} {text}"
            );
            load(&imported);
        }
    }
    let without_effect = step(&[("OTPBackupCodes.UseIdentityClaims", "true")]);
    let told = about(&without_effect, "OTPBackupCodes.UseIdentityClaims");
    assert_eq!(told[0].0, What::Changed, "{told:?}");
    for (old, new, text) in [
        ("userAttribute", "user_attribute", "email"),
        (
            "federatedMobileAttributeKey",
            "federated_mobile_attribute_key",
            "mobile",
        ),
        (
            "screenUserAttribute",
            "screen_user_attribute",
            "http://wso2.org/claims/mobile",
        ),
        ("notificationTemplate", "notification_template", "Acme."),
        ("order", "order", "backward"),
        (
            "MobileNumberRegPage",
            "mobile_number_reg_page",
            "my/mobile.jsp",
        ),
        (
            "SMSOTPAuthenticationEndpointURL",
            "authentication_endpoint_url",
            "my/smsOtp.jsp",
        ),
        (
            "SMSOTPAuthenticationEndpointErrorPage",
            "authentication_endpoint_error_page",
            "my/smsOtpError.jsp",
        ),
        (
            "screenUserAttributeMaskRegex",
            "screen_user_attribute_mask_regex",
            "[0-9]",
        ),
    ] {
        let imported = step(&[(old, text)]);
        let written: toml::Table = toml::from_str(&imported.document.to_toml()).unwrap();
        assert_eq!(written["sms_otp"][new].as_str(), Some(text), "{old}");
        assert_eq!(about(&imported, old)[0].0, What::Taken, "{old}");
        load(&imported);
    }
    for usecase in ["local", "association", "userAttribute", "subjectUri"] {
        let imported = step(&[("usecase", usecase)]);
        load(&imported);
        assert_eq!(about(&imported, "usecase")[0], (What::Taken, usecase));
    }
    assert_eq!(
        about(&step(&[("usecase", "Local")]), "usecase")[0].0,
        What::Changed
    );
}

/// S-08
#[test]
fn a_page_of_another_site_is_left_and_told() {
    for page in [
        "https://evil.example/x",
        "//evil.example/x",
        "javascript:alert(1)",
    ] {
        let imported = step(&[("MobileNumberRegPage", page)]);
        assert_eq!(
            about(&imported, "MobileNumberRegPage")[0].0,
            What::Left,
            "{page}"
        );
        assert_eq!(
            load(&imported).sms_otp.factor.own_pages.number,
            None,
            "{page}"
        );
    }
}

#[test]
fn a_file_that_contradicts_itself_or_another_is_refused() {
    let of = |parameters: &str| {
        format!("<AuthenticatorConfig name=\"SMSOTP\">{parameters}</AuthenticatorConfig>")
    };
    let on = of("<Parameter name=\"RetryEnable\">true</Parameter>");
    let off = of("<Parameter name=\"RetryEnable\">false</Parameter>");
    let both = of(
        "<Parameter name=\"RetryEnable\">true</Parameter><Parameter name=\"RetryEnable\">false</Parameter>",
    );
    assert!(imported(&[&both]).unwrap_err().contains("twice"));
    assert!(
        imported(&[&on, &off])
            .unwrap_err()
            .contains("another value")
    );
    assert!(imported(&[&on, &on]).is_ok());
    let two = format!("<AuthenticatorConfigs>{on}{on}</AuthenticatorConfigs>");
    assert!(imported(&[&two]).is_err());
    assert!(imported(&[BULKSMS, BULKSMS]).is_err());
}

/// Case 78 of the specification's list, and what is no such file at all.
#[test]
fn what_is_none_of_these_files_is_told() {
    for (text, told) in [
        (
            "<AuthenticatorConfigs><AuthenticatorConfig name=\"X\"/></AuthenticatorConfigs>",
            "SMSOTP",
        ),
        ("<Server/>", "expected `ApplicationAuthentication`"),
        (
            "<IdentityProvider><Name>x</Name></IdentityProvider>",
            "no SMSOTP entry",
        ),
        ("{}", "no SMSOTP entry"),
        ("{", "not JSON"),
        ("[server]\n", "sms_otp"),
        ("password = hunter2", "neither XML"),
        ("", "empty"),
        ("<!DOCTYPE x><x/>", "DTD"),
    ] {
        let error = imported(&[text]).unwrap_err();
        assert!(error.contains(told), "{text}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

/// sms-otp 1.1: the entry's value, else the step's, else the built-in one; a value of the entry's that
/// was never accepted is the built-in one, not the step's.
#[test]
fn an_entrys_value_wins_over_the_steps_and_one_out_of_range_is_the_built_in_one() {
    let effective = |step: (&str, &str), entry: (&str, &str)| {
        let parameter = match step.1 {
            "" => String::new(),
            value => format!("<Parameter name=\"{}\">{value}</Parameter>", step.0),
        };
        let step =
            format!("<AuthenticatorConfig name=\"SMSOTP\">{parameter}</AuthenticatorConfig>");
        let entry = serde_json::json!({
            "identityProviderName": "acme",
            "federatedAuthenticatorConfigs": [{ "name": "SMSOTP", "enabled": true, "isDefault": true, "properties": [
                { "name": "sms_url", "value": "https://a.example/s" },
                { "name": "http_method", "value": "POST" },
                { "name": entry.0, "value": entry.1 },
            ]}],
        });
        let imported = imported(&[&step, &entry.to_string()]).unwrap();
        load(&imported).sms_otp.factor.challenge
    };
    for (step, entry, length) in [
        ("", "", 6),
        ("8", "", 8),
        ("8", "7", 7),
        ("", "7", 7),
        ("8", "10", 10),
        ("8", "11", 6),
        ("8", "3", 6),
        ("8", "six", 6),
        // Accepted there, and brought to our bound.
        ("8", "4", 6),
    ] {
        let challenge = effective(("TokenLength", step), ("SmsOtpLength", entry));
        assert_eq!(challenge.format.length, length, "`{step}` `{entry}`");
    }
    for (step, entry, seconds) in [
        ("", "", 300),
        ("120", "", 120),
        ("120", "1", 60),
        ("120", "10", 600),
        ("120", "0", 300),
        ("120", "1441", 300),
        ("120", "-1", 300),
        ("120", "1440", 600),
    ] {
        let challenge = effective(("TokenExpiryTime", step), ("SmsOtpExpiryTime", entry));
        let lifetime = challenge.code_lifetime.as_secs();
        assert_eq!(lifetime, seconds, "`{step}` `{entry}`");
    }
    for (step, entry, letters) in [
        ("", "", false),
        ("true", "", true),
        ("true", "true", false),
        ("true", "false", true),
        ("false", "false", true),
        ("false", "", false),
    ] {
        let only = ("OnlyNumericCharactersForSmsOtp", entry);
        let challenge = effective(("EnableAlphanumericToken", step), only);
        let has_letters = challenge.format.alphabet == postern_otp::Alphabet::Alphanumeric;
        assert_eq!(has_letters, letters, "`{step}` `{entry}`");
    }
}

/// Each property of an entry, given and not given.
#[test]
fn each_property_of_an_entry_is_taken_both_ways() {
    let base = [("sms_url", "https://a.example/s"), ("http_method", "POST")];
    let entry = |name: &str, value: &str| {
        let mut properties = base.to_vec();
        properties.push((name, value));
        load(&recipe(&properties)).sms_otp.entries["acme"]
            .says
            .clone()
    };
    let without = load(&recipe(&base)).sms_otp.entries["acme"].says.clone();
    assert_eq!(without.senders.as_deref().unwrap(), ["acme"]);
    assert_eq!(without.show_error_detail, None);
    for (text, shown) in [
        ("true", true),
        ("True", true),
        ("false", false),
        ("yes", false),
    ] {
        let said = entry("show_detailed_error_info", text);
        assert_eq!(said.show_error_detail, Some(shown), "{text}");
    }
    assert_eq!(without.masked_in_errors, None);
    let masked = entry("values_to_be_masked", "a.b, c ,");
    assert_eq!(masked.masked_in_errors.unwrap(), ["a.b", "c"]);
    assert!(without.number_pattern.is_none());
    let pattern = entry("mobile_number_regex", "[0-9]+").number_pattern;
    assert_eq!(pattern.unwrap().as_str(), "[0-9]+");
    assert_eq!(without.number_pattern_message, None);
    let words = entry(
        "mobile_number_pattern_failure_error_message",
        "Digits, please.",
    );
    assert_eq!(words.number_pattern_message.unwrap(), "Digits, please.");
    for (name, value, setting_name, expected) in [
        ("http_response", "201", "http_response_code", "201"),
        ("http_response", "", "http_response_code", ""),
        ("http_response", "abc", "http_response_code", ""),
        ("headers", "X-A: b", "http_headers", "X-A: b"),
        ("headers", "", "http_headers", ""),
        ("payload", "to=$ctx.num", "http_payload", "to=$ctx.num"),
        ("payload", "", "http_payload", ""),
    ] {
        let mut properties = base.to_vec();
        properties.push((name, value));
        let imported = recipe(&properties);
        assert_eq!(setting(&imported, setting_name), expected, "{name} {value}");
    }
    for (method, meant) in [
        ("GET", "GET"),
        ("post", "POST"),
        ("", "GET"),
        ("PUT", "GET"),
    ] {
        let imported = recipe(&[base[0], ("http_method", method)]);
        assert_eq!(setting(&imported, "http_method"), meant, "{method}");
    }
}

/// The parameters that hold a number, a list or a word, each given and not given.
#[test]
fn each_number_and_list_of_the_step_is_taken_both_ways() {
    let factor = |name: &str, value: &str| load(&step(&[(name, value)])).sms_otp.factor;
    for (value, minutes) in [
        ("10", 10),
        (" 42 ", 42),
        ("+7", 7),
        ("", 5),
        (" ", 5),
        ("0", 5),
        ("-1", 5),
        ("x", 5),
        ("9999", 1440),
    ] {
        let pairs = [
            ("EnableUserBasedResendBlocking", "true"),
            ("ResendBlockDuration", value),
        ];
        let resend = load(&step(&pairs)).sms_otp.factor.challenge.resend;
        let blocked = resend.block_person_for.unwrap();
        assert_eq!(blocked.as_secs(), minutes * 60, "{value}");
    }
    let alone = factor("ResendBlockDuration", "10");
    assert_eq!(alone.challenge.resend.block_person_for, None);
    for (value, digits) in [("4", 4), ("0", 0), ("9", 8), ("-1", 0), ("", 0)] {
        assert_eq!(factor("noOfDigits", value).screen_digits, digits, "{value}");
    }
    for (value, from_end) in [("backward", true), ("forward", false), ("Backward", false)] {
        assert_eq!(factor("order", value).screen_from_end, from_end, "{value}");
    }
    for (value, stores) in [
        ("jdbc, abc , xyz", vec!["jdbc", "abc", "xyz"]),
        ("primary", vec!["primary"]),
        (" , ", vec![]),
    ] {
        let imported = step(&[("secondaryUserstore", value)]);
        let said: toml::Table = toml::from_str(&imported.document.to_toml()).unwrap();
        let said = said["sms_otp"].get("secondary_userstore");
        let said = said.and_then(|list| list.as_array()).cloned();
        let said: Vec<_> = said.iter().flatten().filter_map(|v| v.as_str()).collect();
        assert_eq!(said, stores, "{value}");
    }
    for (value, what) in [("true", What::Taken), ("false", What::Left)] {
        let imported = step(&[("enable_payload_encoding_for_sms_otp", value)]);
        let told = about(&imported, "enable_payload_encoding_for_sms_otp");
        assert_eq!(told[0].0, what, "{value}");
        load(&imported);
    }
}
