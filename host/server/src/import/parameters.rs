//! The parameters of the step, old name by old name. What is absent means what it meant there: a
//! flag is off.

use super::document::Document;
use super::report::Report;
use postern_otp::Pattern;
use toml::Value;
use url::Url;

/// What a file says about the step, before anything is made of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    /// `enabled` of the authenticator.
    pub(super) enabled: Option<bool>,
    pub(super) own: Vec<(String, String)>,
    /// Name of another authenticator, and those of its parameters that are about this step.
    pub(super) of_others: Vec<(String, Vec<(String, String)>)>,
}

const IDENTITY_CLAIMS: &str = "OTPBackupCodes.UseIdentityClaims";

/// On or off; absent is off.
const FLAGS: &[(&str, &str)] = &[
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
    (
        "redirectToMultiOptionPageOnFailure",
        "redirect_to_multi_option_page_on_failure",
    ),
    (IDENTITY_CLAIMS, "backup_codes_use_identity_claims"),
];

/// A text that is taken as it stands.
const TEXTS: &[(&str, &str)] = &[
    ("userAttribute", "user_attribute"),
    (
        "federatedMobileAttributeKey",
        "federated_mobile_attribute_key",
    ),
    ("screenUserAttribute", "screen_user_attribute"),
    ("notificationTemplate", "notification_template"),
];

const PAGES: &[(&str, &str)] = &[
    (
        "SMSOTPAuthenticationEndpointURL",
        "authentication_endpoint_url",
    ),
    (
        "SMSOTPAuthenticationEndpointErrorPage",
        "authentication_endpoint_error_page",
    ),
    ("MobileNumberRegPage", "mobile_number_reg_page"),
];

const OTHERS: &[&str] = &[
    "usecase",
    "secondaryUserstore",
    "noOfDigits",
    "order",
    "TokenExpiryTime",
    "TokenLength",
    "MaximumResendAttempts",
    "ResendBlockDuration",
    "UseInternalErrorCodes",
    "enable_payload_encoding_for_sms_otp",
    "screenUserAttributeMaskRegex",
    "EnableTenantAuthenticatorOverrideForAuthSequence",
];

/// The parameters of other authenticators that are about this step.
pub(super) const OF_OTHERS: &[(&str, &str)] = &[
    ("SMSOTP-userAttribute", "user_attribute"),
    (
        "federatedMobileAttributeKey",
        "federated_mobile_attribute_key",
    ),
];

const SECONDS: (u64, u64) = (30, 600);
const LENGTH: (u64, u64) = (6, 10);

/// Writes `[sms_otp]` and what belongs to it.
pub(super) fn convert(
    parameters: &Parameters,
    public_url: &Url,
    document: &mut Document,
    report: &mut Report,
) {
    let mut step = Step {
        parameters,
        document,
        report,
    };
    step.say_whether_enabled();
    step.flags();
    step.usecase();
    step.texts();
    step.user_stores();
    step.shown();
    step.code();
    step.resends();
    step.errors();
    step.pages(public_url);
    step.message();
    step.others();
    step.unknown();
}

struct Step<'a> {
    parameters: &'a Parameters,
    document: &'a mut Document,
    report: &'a mut Report,
}

impl Step<'_> {
    fn of(&self, name: &str) -> Option<String> {
        let own = &self.parameters.own;
        own.iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.trim().to_owned())
    }

    /// Present and not blank.
    fn said(&self, name: &str) -> Option<String> {
        self.of(name).filter(|value| !value.is_empty())
    }

    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.document.table(&["sms_otp"]).set(name, value);
    }

    fn say_whether_enabled(&mut self) {
        if self.parameters.enabled == Some(false) {
            self.report.left(
                "AuthenticatorConfig enabled=\"false\"",
                "the step is part of every login here: an application that shall do without it has `second_step = \"none\"`",
            );
        }
    }

    fn flags(&mut self) {
        for (old, new) in FLAGS {
            match self.of(old) {
                // Only the text `true` was true, in any case of its letters.
                Some(text) => {
                    let value = text.eq_ignore_ascii_case("true");
                    self.set(new, value);
                    if value && *old == IDENTITY_CLAIMS {
                        self.report.changed(
                            old,
                            new,
                            "true has no effect: codes are taken over from either claim",
                        );
                    } else if value || text.eq_ignore_ascii_case("false") {
                        self.report
                            .taken(old, new, if value { "true" } else { "false" });
                    } else {
                        self.report
                            .changed(old, new, format!("`{text}` was never true: false"));
                    }
                }
                None => {
                    self.set(new, false);
                    self.report
                        .changed(old, new, "absent, which was false: false");
                }
            }
        }
        match self.of("UseInternalErrorCodes") {
            Some(text) => {
                let value = text.eq_ignore_ascii_case("true");
                self.set("use_internal_error_codes", value);
                let said = if value { "true" } else { "false" };
                self.report
                    .taken("UseInternalErrorCodes", "use_internal_error_codes", said);
            }
            None => self.set("use_internal_error_codes", true),
        }
    }

    fn usecase(&mut self) {
        let usecase = self.said("usecase");
        let usecase = match usecase.as_deref() {
            None => {
                self.report
                    .changed("usecase", "usecase", "absent, which means local");
                "local"
            }
            Some(known @ ("local" | "association" | "userAttribute" | "subjectUri")) => {
                self.report.taken("usecase", "usecase", known);
                known
            }
            Some(other) => {
                let message = format!(
                    "`{other}` is none of local, association, userAttribute, subjectUri: local"
                );
                self.report.changed("usecase", "usecase", message);
                "local"
            }
        };
        let usecase = usecase.to_owned();
        let names_one = |pairs: &[(String, String)]| {
            pairs
                .iter()
                .any(|(name, value)| name == "SMSOTP-userAttribute" && !value.trim().is_empty())
        };
        let others = &self.parameters.of_others;
        let has_attribute = self.said("userAttribute").is_some()
            || others.iter().any(|(_, pairs)| names_one(pairs));
        if usecase == "userAttribute" && !has_attribute {
            self.set("user_attribute", "email");
            self.report.changed(
                "userAttribute",
                "user_attribute",
                "absent, so that nobody was ever found: `email` stands there for you to check",
            );
        }
        self.set("usecase", usecase);
    }

    fn texts(&mut self) {
        for (old, new) in TEXTS {
            if let Some(text) = self.said(old) {
                self.report.taken(old, new, &text);
                self.set(new, text);
            }
        }
    }

    /// A list with commas, whatever stands around them.
    fn user_stores(&mut self) {
        const OLD: &str = "secondaryUserstore";
        const NEW: &str = "secondary_userstore";
        let Some(text) = self.said(OLD) else { return };
        let mut stores = Vec::new();
        for name in text
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
        {
            let orderly = name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
            if orderly {
                stores.push(name.to_owned());
            } else {
                let message = format!("`{name}` is no name of a user store");
                self.report.left(OLD, message);
            }
        }
        self.report.taken(OLD, NEW, &stores.join(", "));
        if stores
            .iter()
            .any(|name| !name.eq_ignore_ascii_case("primary"))
        {
            self.report.note(
                NEW,
                "say where each of these user stores is before people of theirs sign in",
            );
        }
        let stores: Vec<Value> = stores.into_iter().map(Value::from).collect();
        self.set(NEW, stores);
    }

    fn shown(&mut self) {
        const DIGITS: (&str, &str) = ("noOfDigits", "no_of_digits");
        let digits = match self.of(DIGITS.0) {
            None => {
                self.report.changed(
                    DIGITS.0,
                    DIGITS.1,
                    "absent, which was 0: nothing stays visible",
                );
                0
            }
            Some(text) => match text.parse::<i64>() {
                Ok(number @ 0..=8) => {
                    self.report.taken(DIGITS.0, DIGITS.1, &text);
                    number
                }
                Ok(number) if number > 8 => {
                    let message = format!("{number} would show the whole number: 8");
                    self.report.changed(DIGITS.0, DIGITS.1, message);
                    8
                }
                Ok(_) | Err(_) => {
                    let message = format!("`{text}` is no number of characters: 0");
                    self.report.changed(DIGITS.0, DIGITS.1, message);
                    0
                }
            },
        };
        self.set(DIGITS.1, digits);
        let order = match self.of("order").as_deref() {
            Some("backward") => "backward",
            _ => "forward",
        };
        match self.of("order").as_deref() {
            Some("backward" | "forward") => self.report.taken("order", "order", order),
            Some(other) => {
                let message = format!("`{other}` was not exactly `backward`: forward");
                self.report.changed("order", "order", message);
            }
            None => self
                .report
                .changed("order", "order", "absent, which was forward"),
        }
        self.set("order", order);
        self.pattern(
            "screenUserAttributeMaskRegex",
            "screen_user_attribute_mask_regex",
        );
    }

    fn pattern(&mut self, old: &str, new: &str) {
        let Some(text) = self.said(old) else { return };
        match Pattern::parse(&text) {
            Ok(_) => {
                self.report.taken(old, new, &text);
                self.set(new, text);
            }
            Err(error) => self.report.left(old, error.to_string()),
        }
    }

    fn code(&mut self) {
        self.bounded("TokenExpiryTime", "token_expiry_time", SECONDS, 300);
        self.bounded("TokenLength", "token_length", LENGTH, 6);
    }

    /// Only digits were ever a number there; anything else meant the built-in value.
    fn bounded(&mut self, old: &str, new: &str, (least, most): (u64, u64), built_in: u64) {
        let Some(text) = self.said(old) else {
            self.set(new, whole(built_in));
            return;
        };
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        let value = if digits {
            text.parse().unwrap_or(u64::MAX)
        } else {
            built_in
        };
        let bounded = value.clamp(least, most);
        if !digits {
            let message = format!("`{text}` is no number, which meant {built_in}");
            self.report.changed(old, new, message);
        } else if bounded != value {
            let message = format!("{text} is outside of {least} to {most}: {bounded}");
            self.report.changed(old, new, message);
        } else {
            self.report.taken(old, new, &text);
        }
        self.set(new, whole(bounded));
    }

    fn resends(&mut self) {
        const MOST: u64 = 10;
        const MAX: (&str, &str) = ("MaximumResendAttempts", "maximum_resend_attempts");
        match self.said(MAX.0) {
            None => self.report.changed(
                MAX.0,
                MAX.1,
                "absent, which was without end: `limits.resends_per_challenge` holds, 3 unless you set it",
            ),
            Some(text) => match text.parse::<u64>() {
                Ok(number) if number <= MOST => {
                    self.report.taken(MAX.0, MAX.1, &text);
                    self.set(MAX.1, whole(number));
                }
                Ok(number) => {
                    let message = format!("{number} is more than {MOST}: {MOST}");
                    self.report.changed(MAX.0, MAX.1, message);
                    self.set(MAX.1, whole(MOST));
                }
                Err(_) => {
                    let message = format!("`{text}` stopped every login: expected 0 to {MOST}");
                    self.report.left(MAX.0, message);
                }
            },
        }
        const BLOCK: (&str, &str) = ("ResendBlockDuration", "resend_block_duration");
        if let Some(text) = self.said(BLOCK.0) {
            let minutes = text.parse::<u64>().ok().filter(|minutes| *minutes > 0);
            let bounded = minutes.unwrap_or(5).min(1440);
            match minutes {
                Some(minutes) if minutes == bounded => self.report.taken(BLOCK.0, BLOCK.1, &text),
                _ => {
                    let message = format!("`{text}` minutes: {bounded}");
                    self.report.changed(BLOCK.0, BLOCK.1, message);
                }
            }
            self.set(BLOCK.1, whole(bounded));
        }
    }

    fn errors(&mut self) {
        const ENCODING: &str = "enable_payload_encoding_for_sms_otp";
        if let Some(text) = self.of(ENCODING) {
            if text.eq_ignore_ascii_case("true") {
                self.report.taken(ENCODING, ENCODING, "true");
                self.set(ENCODING, true);
            } else {
                self.report.left(
                    ENCODING,
                    "values are always escaped for the place they stand in; the recipes it was off for work as they are",
                );
            }
        }
    }

    fn pages(&mut self, public_url: &Url) {
        for (old, new) in PAGES {
            let Some(text) = self.said(old) else { continue };
            // A page that came with the product stays there; ours does its work.
            let shipped = ["smsotpauthenticationendpoint/", "authenticationendpoint/"];
            if shipped.iter().any(|place| text.contains(place)) {
                self.report.left(
                    old,
                    "the page that came with the older product: Postern has one of its own",
                );
            } else if let Err(problem) =
                crate::config::check_own_page(&text, public_url.as_str().trim_end_matches('/'))
            {
                let message = format!("{problem}. Set `{new}` once `server.public_url` is right");
                self.report.left(old, message);
            } else {
                self.report.taken(old, new, &text);
                self.set(new, text);
            }
        }
    }

    /// The text was fixed, and nothing came after it.
    fn message(&mut self) {
        self.set("origin_bound_line", false);
        self.report.changed(
            "",
            "origin_bound_line",
            "the message was never followed by anything: false; true lets telephones fill the code in on your pages only, if your provider lets the line pass",
        );
        if self.said("notificationTemplate").is_none() {
            self.document
                .table(&["sms_otp", "text"])
                .set("en", "Verification Code: {code}");
        }
    }

    fn others(&mut self) {
        for (authenticator, pairs) in &self.parameters.of_others {
            let name = provider_name(authenticator);
            let mut any = false;
            for (old, new) in OF_OTHERS {
                let value = pairs
                    .iter()
                    .find(|(known, _)| known == old)
                    .map(|(_, value)| value.trim());
                let old = format!("{authenticator}/{old}");
                match value {
                    Some("") => self.report.left(&old, "blank"),
                    Some(value) => {
                        any = true;
                        self.document
                            .table(&["sms_otp", "after", &name])
                            .set(new, value);
                        self.report
                            .taken(&old, &format!("sms_otp.after.{name}.{new}"), value);
                    }
                    None => {}
                }
            }
            if any {
                self.report.note(
                    &format!("sms_otp.after.{name}"),
                    format!("holds after a first step at `[identity_provider.{name}]`: give the two tables the same name"),
                );
            }
        }
        if self
            .said("EnableTenantAuthenticatorOverrideForAuthSequence")
            .is_some()
        {
            self.report.left(
                "EnableTenantAuthenticatorOverrideForAuthSequence",
                "always so: each tenant's settings are its own, whatever other steps it has",
            );
        }
    }

    fn unknown(&mut self) {
        let known = |name: &str| {
            [FLAGS, TEXTS, PAGES]
                .iter()
                .any(|table| table.iter().any(|(old, _)| *old == name))
                || OTHERS.contains(&name)
        };
        let own: Vec<String> = self.parameters.own.iter().map(|(n, _)| n.clone()).collect();
        for name in own {
            if !known(&name) {
                self.report.left(
                    &name,
                    "no parameter of this step: names are told apart by case",
                );
            }
        }
    }
}

fn whole(number: u64) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

/// A name for an identity provider's table: `FacebookAuthenticator` is `facebook`.
pub(super) fn provider_name(text: &str) -> String {
    let lower = text.trim().to_ascii_lowercase();
    let short = [
        "oidcauthenticator",
        "openidconnectauthenticator",
        "authenticator",
    ]
    .iter()
    .find_map(|end| lower.strip_suffix(end))
    .filter(|short| !short.is_empty())
    .unwrap_or(&lower);
    let words = short
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    let mut name = words.collect::<Vec<_>>().join("-");
    name.truncate(32);
    let name = name.trim_matches('-');
    if name.is_empty() {
        "imported".into()
    } else {
        name.into()
    }
}
