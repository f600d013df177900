//! `[sms_otp]`: the second step, by the parameter names it has always had, in snake_case.

use super::limits::Limits;
use super::section::Section;
use super::server::Server;
use postern_otp::{Alphabet, ChallengePolicy, CodeFormat, FactorSettings, ResendPolicy};

#[derive(Debug, Clone)]
pub struct SmsOtp {
    pub factor: FactorSettings,
    /// Templates by BCP 47 tag; `en` is always there.
    pub templates: Vec<(String, String)>,
    /// User stores after the primary one, in the order in which they are tried.
    pub user_stores: Vec<String>,
}

/// What is sent where the operator wrote nothing.
const TEMPLATE_EN: &str = "Your {brand} code is {code}. It is valid for {minutes} minutes.";

/// A code that is good for longer has been lying on the phone for longer (NIST SP 800-63B-4 3.1.3.2).
const VALIDITY_REASON: &str = "seconds; NIST SP 800-63B-4 3.1.3.2 ends a code after ten minutes";
const LENGTH_REASON: &str =
    "NIST SP 800-63B-4 3.1.3.2 asks for at least six digits: with fewer a guess hits too often";

impl SmsOtp {
    pub(super) fn read(mut section: Section<'_>, server: &Server, limits: &Limits) -> Self {
        let s = &mut section;
        let senders: Vec<String> = s.or("senders", "a list of sender names", Vec::new());
        if senders.is_empty() {
            s.warning("senders", "no sender is named: no code can be sent");
        }
        let mandatory = s.flag("mandatory", true);
        if !mandatory {
            s.warning("mandatory", "off: who is not in the directory, and who opted out, signs in with the first step alone");
        }
        let enable_by_user_claim = s.flag("enable_by_user_claim", true);
        let usecase = read_usecase(s);
        let mut resolver_settings = Vec::new();
        if let Some(attribute) = s.optional::<String>("user_attribute", "the name of an attribute")
        {
            resolver_settings.push(("user_attribute".to_owned(), attribute));
        }
        let stores: Vec<String> = s.or(
            "secondary_userstore",
            "a list of user store names",
            Vec::new(),
        );
        if !stores.is_empty() {
            resolver_settings.push(("secondary_userstore".to_owned(), stores.join(",")));
        }
        if usecase == "user-attribute"
            && !resolver_settings
                .iter()
                .any(|(name, _)| name == "user_attribute")
        {
            s.problem("user_attribute", "missing: `usecase` is `userAttribute`, which reads the account from this attribute");
        }
        let retry = s.flag("retry_enable", true);
        let resend = s.flag("resend_enable", true);
        let backup_codes = s.flag("backup_code", true);
        let capture_number = s.flag("capture_and_update_mobile_number", false);
        if capture_number {
            s.warning(
                "capture_and_update_mobile_number",
                "on: whoever has the password of an account without a number chooses the number",
            );
        }
        let send_directly = s.flag("send_otp_directly_to_mobile", false);
        if send_directly {
            s.warning(
                "send_otp_directly_to_mobile",
                "on: who is not in the directory chooses the number the code goes to",
            );
        }
        let screen_user_attribute = s.optional::<String>(
            "screen_user_attribute",
            "a claim such as `http://wso2.org/claims/mobile`",
        );
        let screen_digits = s.small("no_of_digits", 0..=8, "more would show the whole number", 4);
        let screen_from_end = s.word("order", &[("backward", true), ("forward", false)]);
        let length = s.small("token_length", 6..=10, LENGTH_REASON, 6);
        let alphabet = if s.flag("enable_alphanumeric_token", false) {
            Alphabet::Alphanumeric
        } else {
            Alphabet::Digits
        };
        let code_lifetime = s.seconds("token_expiry_time", 30..=600, VALIDITY_REASON, 300);
        if code_lifetime > limits.login_lifetime {
            s.problem("token_expiry_time", "longer than `limits.login_lifetime`: expected at most as many seconds, or the login ends before its code");
        }
        let region = |s: &mut Section<'_>, name: &str, text: &str| {
            let known = postern_otp::Region::parse(text).is_ok();
            if !known {
                s.problem(name, format!("`{text}`: expected two letters such as `LK`"));
            }
            known
        };
        let mut default_region = s.optional::<String>("default_region", "two letters such as `LK`");
        if let Some(text) = &default_region
            && !region(s, "default_region", text)
        {
            default_region = None;
        }
        let regions: Vec<String> = s.or(
            "allowed_regions",
            "a list of regions such as [\"LK\"]",
            Vec::new(),
        );
        for text in &regions {
            region(s, "allowed_regions", text);
        }
        let otp_host = s
            .flag("origin_bound_line", true)
            .then(|| server.public_host());
        let lock_account = s.flag("enable_account_locking_for_failed_attempts", false);
        let templates = read_templates(s.table("text"));
        section.finish();
        Self {
            factor: FactorSettings {
                senders,
                mandatory,
                enable_by_user_claim,
                usecase,
                resolver_settings,
                retry,
                backup_codes,
                capture_number,
                send_directly,
                screen_user_attribute,
                screen_digits,
                screen_from_end,
                default_region,
                regions,
                otp_host,
                lock_account,
                challenge: ChallengePolicy {
                    format: CodeFormat {
                        length: u8::try_from(length).unwrap_or(6),
                        alphabet,
                    },
                    code_lifetime,
                    attempts: limits.attempts.clone(),
                    resend: ResendPolicy {
                        allowed: resend,
                        ..limits.resend.clone()
                    },
                },
            },
            templates,
            user_stores: stores
                .into_iter()
                .filter(|name| !name.eq_ignore_ascii_case("primary"))
                .collect(),
        }
    }
}

/// The id of the resolver plugin. The older spellings are aliases; a blank one means `local`.
fn read_usecase(section: &mut Section<'_>) -> String {
    let usecase: String = section.or(
        "usecase",
        "a resolver plugin such as `local`",
        String::new(),
    );
    match usecase.trim() {
        "" => "local".into(),
        "userAttribute" => "user-attribute".into(),
        "subjectUri" => "subject-uri".into(),
        other => other.to_owned(),
    }
}

/// `[sms_otp.text]`: language to words.
fn read_templates(mut section: Section<'_>) -> Vec<(String, String)> {
    let mut templates = Vec::new();
    for (language, value) in section.entries() {
        let toml::Value::String(text) = value else {
            section.problem(&language, "expected a text with `{code}` in it");
            continue;
        };
        if !text.contains("{code}") {
            section.problem(
                &language,
                "expected a text with `{code}` in it, or nobody learns the code",
            );
        }
        if text.chars().count() > 300 {
            section.problem(
                &language,
                "expected at most 300 characters: every 160 cost one more SMS",
            );
        }
        templates.push((language, text));
    }
    if !templates.iter().any(|(language, _)| language == "en") {
        templates.push(("en".into(), TEMPLATE_EN.into()));
    }
    templates
}
