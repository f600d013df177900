//! `[sms_otp]`: the second step, by the parameter names it has always had, in snake_case.

pub(in crate::config) mod entry;
mod own_page;
pub(super) mod text;

pub use entry::Entry;
pub(crate) use own_page::check as check_own_page;

use super::limits::{Limits, RESENDS_REASON};
use super::section::Section;
use super::server::Server;
use postern_login::text::Template;
use postern_otp::{
    Alphabet, ChallengePolicy, CodeFormat, FactorSettings, OwnPages, Pattern, ResendPolicy,
};
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct SmsOtp {
    /// With the default entry's values in place, if there is one.
    pub factor: FactorSettings,
    /// Without them: what an entry that an application names refines.
    pub step: FactorSettings,
    /// `[sms_otp.identity_provider.NAME]`, those that are enabled.
    pub entries: BTreeMap<String, Entry>,
    /// Templates by BCP 47 tag; `en` is always there.
    pub templates: Vec<Template>,
    /// User stores in the order in which they are tried, as they were written; the primary one comes
    /// first unless it is among them.
    pub user_stores: Vec<String>,
}

/// A code that is good for longer has been lying on the phone for longer (NIST SP 800-63B-4 3.1.3.2).
const VALIDITY_REASON: &str = "seconds; NIST SP 800-63B-4 3.1.3.2 ends a code after ten minutes";
const LENGTH_REASON: &str =
    "NIST SP 800-63B-4 3.1.3.2 asks for at least six digits: with fewer a guess hits too often";

impl SmsOtp {
    pub(super) fn read(mut section: Section<'_>, server: &Server, limits: &Limits) -> Self {
        let s = &mut section;
        let senders: Vec<String> = s.or("senders", "a list of sender names", Vec::new());
        let mandatory = s.flag("mandatory", true);
        if !mandatory {
            s.warning("mandatory", "off: who is not in the directory, and who opted out, signs in with the first step alone");
        }
        let enable_by_user_claim = s.flag("enable_by_user_claim", true);
        let who = read_who(s);
        let retry = s.flag("retry_enable", true);
        let backup_codes = s.flag("backup_code", true);
        if s.flag("backup_codes_use_identity_claims", false) {
            s.warning(
                "backup_codes_use_identity_claims",
                "without effect: codes are taken over from whichever of the two claims holds them, and both are emptied",
            );
        }
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
        let shown = read_shown(s);
        let (number_pattern, number_pattern_message) = read_number_pattern(s);
        let (default_region, regions) = read_regions(s);
        let challenge = read_challenge(s, limits);
        let otp_host = s
            .flag("origin_bound_line", true)
            .then(|| server.public_host());
        let lock_account = s.flag("enable_account_locking_for_failed_attempts", false);
        let show_failure_reason = s.flag("show_auth_failure_reason", false);
        let internal_error_codes = s.flag("use_internal_error_codes", true);
        let (show_error_detail, masked_in_errors) = read_error_detail(s);
        let choose_again_on_failure = s.flag("redirect_to_multi_option_page_on_failure", false);
        read_payload_encoding(s);
        let own_pages = OwnPages {
            code: own_page::read(s, "authentication_endpoint_url", server),
            error: own_page::read(s, "authentication_endpoint_error_page", server),
            number: own_page::read(s, "mobile_number_reg_page", server),
        };
        let notification = s.optional::<String>(
            "notification_template",
            "a text that stands before `Verification Code: `",
        );
        let templates = text::read(s.table("text"), notification.as_deref());
        if let Some(message) = notification
            .as_deref()
            .and_then(text::problem_of_notification)
        {
            s.problem("notification_template", message);
        }
        let step = FactorSettings {
            senders,
            mandatory,
            enable_by_user_claim,
            usecase: who.usecase,
            resolver_settings: who.resolver_settings,
            retry,
            backup_codes,
            capture_number,
            send_directly,
            screen_user_attribute: shown.attribute,
            screen_digits: shown.digits,
            screen_from_end: shown.from_end,
            default_region,
            regions,
            otp_host,
            lock_account,
            own_pages,
            resolver_settings_after: who.after,
            screen_mask: shown.mask,
            number_pattern,
            number_pattern_message,
            show_failure_reason,
            internal_error_codes,
            show_error_detail,
            masked_in_errors,
            choose_again_on_failure,
            challenge,
        };
        let entries = entry::read_all(s.table("identity_provider"), limits);
        let factor = match entry::the_default(s, &entries) {
            Some(default) => step.refined(&default.says),
            None => step.clone(),
        };
        if factor.senders.is_empty() {
            s.warning("senders", "no sender is named: no code can be sent");
        }
        section.finish();
        Self {
            factor,
            step,
            entries,
            templates,
            user_stores: who.user_stores,
        }
    }
}

impl SmsOtp {
    /// The step as each entry has it, where `step` is what no entry says.
    pub(crate) fn by_entry(&self, step: &FactorSettings) -> Vec<(String, FactorSettings)> {
        self.entries
            .iter()
            .map(|(name, entry)| (name.clone(), step.refined(&entry.says)))
            .collect()
    }
}

/// Resolver settings by the identity provider they are for.
type After = Vec<(String, Vec<(String, String)>)>;

/// Who a federated first step is, here.
struct WhoIsIt {
    usecase: String,
    resolver_settings: Vec<(String, String)>,
    after: After,
    user_stores: Vec<String>,
}

fn read_who(s: &mut Section<'_>) -> WhoIsIt {
    let usecase = read_usecase(s);
    let mut resolver_settings = Vec::new();
    let mut set = |name: &str, value: String| resolver_settings.push((name.to_owned(), value));
    if let Some(attribute) = read_attribute(s, "user_attribute") {
        set("user_attribute", attribute);
    }
    let after = read_after(s.table("after"));
    let stores = read_stores(s);
    if !stores.is_empty() {
        set("secondary_userstore", stores.join(","));
    }
    if s.flag("send_otp_to_federated_mobile", false) {
        set("send_otp_to_federated_mobile", "true".into());
        s.warning(
            "send_otp_to_federated_mobile",
            "on: an identity provider chooses the number of whoever has no account here",
        );
    }
    if let Some(attribute) = read_attribute(s, "federated_mobile_attribute_key") {
        set("federated_mobile_attribute_key", attribute);
    }
    WhoIsIt {
        usecase,
        resolver_settings,
        after,
        user_stores: stores,
    }
}

/// A list, or the older `a, b, c` in one text. Blanks around a name mean nothing.
fn read_stores(section: &mut Section<'_>) -> Vec<String> {
    const EXPECTED: &str = "a list of user store names such as [\"corp\", \"jdbc\"]";
    let value = section.optional::<toml::Value>("secondary_userstore", EXPECTED);
    let names: Option<Vec<String>> = match value {
        None => return Vec::new(),
        Some(toml::Value::String(text)) => Some(text.split(',').map(str::to_owned).collect()),
        Some(toml::Value::Array(list)) => list
            .into_iter()
            .map(|value| value.as_str().map(str::to_owned))
            .collect(),
        Some(_) => None,
    };
    let Some(names) = names else {
        section.problem("secondary_userstore", format!("expected {EXPECTED}"));
        return Vec::new();
    };
    let mut stores: Vec<String> = Vec::new();
    for name in names
        .iter()
        .map(|name| name.trim())
        .filter(|name| !name.is_empty())
    {
        let orderly = name.len() <= 63
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if orderly {
            stores.push(name.to_owned());
        } else {
            section.problem("secondary_userstore", format!("`{name}` is no name of a user store: expected 1 to 63 of A-Z, 0-9, `-`, `_` and `.`"));
        }
    }
    stores
}

/// `[sms_otp.after.NAME]`: what differs after a first step at this identity provider.
fn read_after(mut section: Section<'_>) -> After {
    let mut after = Vec::new();
    for (provider, value) in section.entries() {
        let path = section.key(&provider);
        let toml::Value::Table(table) = value else {
            section.problem(&provider, format!("expected a table, `[{path}]`"));
            continue;
        };
        let mut below = Section::at(path, table, section.findings());
        let mut settings = Vec::new();
        for name in ["user_attribute", "federated_mobile_attribute_key"] {
            if let Some(attribute) = read_attribute(&mut below, name) {
                settings.push((name.to_owned(), attribute));
            }
        }
        below.finish();
        after.push((provider, settings));
    }
    after
}

fn read_attribute(s: &mut Section<'_>, name: &str) -> Option<String> {
    let attribute = s.optional::<String>(name, "the name of an attribute such as `email`")?;
    if attribute.trim().is_empty() {
        s.problem(
            name,
            "empty: expected the name of an attribute, or no such key",
        );
    }
    Some(attribute.trim().to_owned())
}

/// The id of the resolver plugin. The older spellings are aliases; a blank one means `local`.
fn read_usecase(section: &mut Section<'_>) -> String {
    let usecase: String = section.or(
        "usecase",
        "a resolver plugin such as `local`",
        "local".to_owned(),
    );
    match usecase.trim() {
        "" => "local".into(),
        "userAttribute" => "user-attribute".into(),
        "subjectUri" => "subject-uri".into(),
        other => other.to_owned(),
    }
}

/// What the code page shows of the number, or of another attribute.
struct Shown {
    attribute: Option<String>,
    digits: u32,
    from_end: bool,
    mask: Option<Pattern>,
}

fn read_shown(s: &mut Section<'_>) -> Shown {
    Shown {
        attribute: s.optional::<String>(
            "screen_user_attribute",
            "a claim such as `http://wso2.org/claims/mobile`",
        ),
        digits: s.small("no_of_digits", 0..=8, "more would show the whole number", 4),
        from_end: s.word("order", &[("backward", true), ("forward", false)]),
        mask: read_pattern(s, "screen_user_attribute_mask_regex"),
    }
}

fn read_pattern(s: &mut Section<'_>, name: &str) -> Option<Pattern> {
    let text = s.optional::<String>(name, "a regular expression")?;
    match Pattern::parse(&text) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            s.problem(name, error.to_string());
            None
        }
    }
}

fn read_number_pattern(s: &mut Section<'_>) -> (Option<Pattern>, Option<String>) {
    const MESSAGE: &str = "mobile_number_pattern_failure_error_message";
    let pattern = read_pattern(s, "mobile_number_regex");
    let message = s.optional::<String>(MESSAGE, "one sentence");
    if let Some(message) = &message
        && (message.trim().is_empty()
            || message.chars().count() > 200
            || message.chars().any(char::is_control))
    {
        s.problem(MESSAGE, "expected 1 to 200 characters on one line");
    }
    (pattern, message)
}

fn read_error_detail(s: &mut Section<'_>) -> (bool, Vec<String>) {
    let show = s.flag("show_detailed_error_info", false);
    if show {
        s.warning(
            "show_detailed_error_info",
            "on: what a provider says about a failed message is shown to whoever signs in",
        );
    }
    let masked: Vec<String> = s.or("values_to_be_masked", "a list of texts", Vec::new());
    if masked.iter().any(|value| value.trim().is_empty()) {
        s.problem(
            "values_to_be_masked",
            "expected texts that are not empty: an empty one hides nothing",
        );
    }
    (show, masked)
}

fn read_regions(s: &mut Section<'_>) -> (Option<String>, Vec<String>) {
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
    (default_region, regions)
}

fn read_challenge(s: &mut Section<'_>, limits: &Limits) -> ChallengePolicy {
    let length = s.small("token_length", 6..=10, LENGTH_REASON, 6);
    let alphabet = if s.flag("enable_alphanumeric_token", false) {
        Alphabet::Alphanumeric
    } else {
        Alphabet::Digits
    };
    let code_lifetime = s.seconds("token_expiry_time", 30..=600, VALIDITY_REASON, 300);
    check_lifetime(s, "token_expiry_time", code_lifetime, limits);
    let allowed = s.flag("resend_enable", true);
    let resends_max = s.optional_small("maximum_resend_attempts", 0..=10, RESENDS_REASON);
    let block = s.flag("enable_user_based_resend_blocking", false);
    let minutes = s.number("resend_block_duration", 1..=1440, "minutes", 5);
    ChallengePolicy {
        format: CodeFormat {
            length: u8::try_from(length).unwrap_or(6),
            alphabet,
        },
        code_lifetime,
        attempts: limits.attempts.clone(),
        resend: ResendPolicy {
            allowed,
            resends_max: resends_max.unwrap_or(limits.resend.resends_max),
            block_person_for: block.then(|| Duration::from_secs(minutes * 60)),
            waits: limits.resend.waits.clone(),
        },
    }
}

fn check_lifetime(s: &mut Section<'_>, name: &str, lifetime: Duration, limits: &Limits) {
    if lifetime > limits.login_lifetime {
        s.problem(name, "longer than `limits.login_lifetime`: expected at most as many seconds, or the login ends before its code");
    }
}

/// Values are always escaped for the place they stand in: an unescaped one could break out of it
/// (attack T-01). The parameter is known so that a file that asks for the opposite is told.
fn read_payload_encoding(s: &mut Section<'_>) {
    const NAME: &str = "enable_payload_encoding_for_sms_otp";
    if !s.flag(NAME, true) {
        s.problem(NAME, "false: values in a recipe are always escaped for the place they stand in; expected true, or no such key");
    }
}
