//! Every sentence a person reads in a browser. A language is one value of `Texts`: the compiler
//! asks for a sentence that is missing.

mod de;

pub use de::DE;

use postern_login::login::{Notice, StopReason};
use postern_otp::challenge::Closed;
use postern_otp::need::Refusal;

macro_rules! texts {
    ($($name:ident,)*) => {
        /// The sentences of one language. `{n}`, `{minutes}`, `{number}` and `{name}` are filled in.
        #[derive(Debug)]
        pub struct Texts {
            /// BCP 47, for the `lang` attribute.
            pub lang: &'static str,
            $(pub $name: &'static str,)*
        }
        #[cfg(test)]
        impl Texts {
            fn all(&self) -> Vec<(&'static str, &'static str)> {
                vec![$((stringify!($name), self.$name),)*]
            }
        }
    };
}

texts! {
    skip_to_content, footer,
    // the first step
    sign_in_title, sign_in_to, sign_in_lead, sign_in_elsewhere_lead, user_name, password, sign_in,
    sign_in_or, sign_in_with,
    // one more step for an application that asks for it
    step_up_title, step_up_lead, step_up_lead_to, step_up_button, step_up_other,
    // the number
    number_title, number_lead, number_label, number_hint, number_send, number_restricted,
    // the code
    code_title, code_not_sent_title, code_sent_to, code_sent, code_label, code_valid, code_check,
    resend, resend_wait_one, resend_wait_many, resend_ready, resend_none,
    backup_summary, backup_lead, backup_label, backup_hint, backup_check, start_over,
    tries_left_one, tries_left_many,
    // the end of a login
    continue_title, continue_lead, continue_button, onward_title, onward_lead, stopped_title,
    stopped_opted_out, stopped_no_account, stopped_no_number, stopped_no_federated_number, stopped_tenant, stopped_locked, stopped_locked_minutes,
    stopped_failed, stopped_code_wrong, stopped_code_expired, stopped_attempts, stopped_used, stopped_overtaken, stopped_abandoned, stopped_disabled, start_again, back_to,
    // what the last act came to
    notice_password, notice_elsewhere_refused, notice_elsewhere_failed, notice_code_wrong, notice_code_expired, notice_code_superseded, notice_backup_wrong,
    notice_not_sent, notice_not_sent_code, notice_not_sent_words, notice_new_code, notice_too_soon, notice_too_often,
    notice_resend_off, notice_send_limit, notice_quota, notice_number_invalid, notice_number_refused,
    notice_number_not_saved, notice_choose_again, notice_first_step, notice_ended,
    // the account
    account_title, account_signed_in_as, account_profile, account_name, account_display_name,
    account_number, account_no_number, account_number_change, account_number_add, account_sms, account_sms_on, account_sms_off,
    account_sms_disable, account_sms_enable, account_sms_mandatory,
    account_backup, account_backup_lead, account_backup_left_none, account_backup_left_one, account_backup_left_many,
    account_backup_make, account_backup_replace, account_backup_dead,
    account_links, account_links_none, account_link_remove,
    account_sessions, account_session_this, account_session_since, account_session_from, account_session_end, account_sessions_end_others,
    account_sign_out, account_not_fresh, account_back,
    account_password_change,
    done_number, done_password, done_sms_off, done_sms_on, done_unlinked, done_session_ended, done_others_ended, done_nothing,
    change_title, change_lead, change_code_title, change_confirm, change_cancel,
    password_title, password_lead, password_current, password_new, password_again, password_hint, password_save,
    password_wrong, password_differ, password_short, password_long, password_same, password_elsewhere,
    codes_title, codes_lead, codes_once, codes_done,
    logout_title, logout_lead, logout_partly_lead, logout_asked, logout_ended, logout_refused, logout_silent, logout_not_told,
    signed_out_title, signed_out_lead, sign_out_title, sign_out_lead, sign_out_stay,
    // what went wrong
    error_not_found_title, error_not_found, error_method_title, error_method, error_stale_title, error_stale,
    error_refused_title, error_refused, error_too_large_title, error_too_large, error_form_title, error_form,
    error_busy_title, error_busy, error_broken_title, error_broken, error_slow_title, error_slow,
    error_application_title, error_application,
    error_wait_title, error_wait_one, error_wait_many, error_fresh_title, error_fresh, error_host_title, error_host,
    error_reference, error_home,
}

pub static EN: Texts = Texts {
    lang: "en",
    skip_to_content: "Skip to the content",
    footer: "Your code is yours alone. Nobody will ever ask you for it.",

    sign_in_title: "Sign in",
    sign_in_to: "Sign in to {name}",
    sign_in_elsewhere_lead: "Choose where you have your account.",
    sign_in_lead: "Use the name and password of your account.",
    user_name: "User name",
    password: "Password",
    sign_in: "Sign in",
    sign_in_or: "or",
    sign_in_with: "Continue with {name}",

    step_up_title: "One more step",
    step_up_lead: "You are signed in. To go on, a code is needed as well.",
    step_up_lead_to: "You are signed in. {name} asks for a code as well.",
    step_up_button: "Send me a code",
    step_up_other: "Sign in as somebody else",

    number_title: "Enter your mobile number",
    number_lead: "Your account has no mobile number yet. We send a code to the number you enter here.",
    number_label: "Mobile number",
    number_hint: "With the country code, for example +94 77 123 4567.",
    number_send: "Send the code",
    number_restricted: "Codes by text message are less safe than other ways: a message can be read or redirected by others. Print backup codes after signing in, or ask your administrator for another way.",

    code_title: "Enter the code",
    code_not_sent_title: "We could not send a code",
    code_sent_to: "We sent a text message with a code to {number}.",
    code_sent: "We sent a text message with a code to your mobile phone.",
    code_label: "Code from the message",
    code_valid: "The code is good for {minutes} more minutes.",
    code_check: "Continue",
    resend: "Send a new code",
    resend_wait_one: "You can ask for a new code in 1 second.",
    resend_wait_many: "You can ask for a new code in {n} seconds.",
    resend_ready: "No message? You can ask for a new code now.",
    resend_none: "No further code can be sent for this sign-in.",
    backup_summary: "Use a backup code instead",
    backup_lead: "One of the codes you printed. Each works once.",
    backup_label: "Backup code",
    backup_hint: "Ten letters and digits. Hyphens, spaces and case do not matter.",
    backup_check: "Use the backup code",
    start_over: "Cancel and start over",
    tries_left_one: "1 try is left.",
    tries_left_many: "{n} tries are left.",

    continue_title: "You are signed in",
    continue_lead: "One more step takes you on.",
    continue_button: "Continue",
    onward_title: "One moment",
    onward_lead: "You are going on to another site.",
    stopped_title: "This sign-in has ended",
    stopped_opted_out: "Text message codes are switched off in your profile, and signing in is not possible without them. Ask your administrator.",
    stopped_no_account: "There is no account here that belongs to you, and signing in is not possible without one. Ask your administrator.",
    stopped_no_number: "Your profile has no mobile number to send a code to. Ask your administrator to add it.",
    stopped_no_federated_number: "The service you signed in with gave us no mobile number to send a code to. Ask your administrator.",
    stopped_tenant: "Your account belongs to another organisation than this sign-in. Begin at your own organisation.",
    stopped_locked: "This account is locked for now. Please try again later.",
    stopped_locked_minutes: "Too many wrong codes: this account is locked for now. Please try again in {minutes} minutes.",
    stopped_failed: "Signing in did not succeed. Please try again later.",
    stopped_code_wrong: "The code that was entered is not right. For your safety this sign-in was ended.",
    stopped_code_expired: "The code that was entered is no longer valid. For your safety this sign-in was ended.",
    stopped_attempts: "Too many wrong codes were entered. For your safety this sign-in was ended.",
    stopped_used: "This code was used already. Please sign in again.",
    stopped_overtaken: "Your account was changed in the meantime, so this sign-in has ended. Please sign in again.",
    stopped_abandoned: "You cancelled this sign-in.",
    stopped_disabled: "Text message codes are disabled for this account after too many wrong ones. Ask your administrator.",
    start_again: "Start again",
    back_to: "Back to {name}",

    notice_password: "The user name or the password is not right.",
    notice_elsewhere_refused: "You were not signed in there. Try again, or choose another way.",
    notice_elsewhere_failed: "Signing in there is not possible just now. Try again later, or choose another way.",
    notice_code_wrong: "That code is not right. Look at the newest message and try again.",
    notice_code_expired: "That code is no longer valid. Ask for a new one.",
    notice_code_superseded: "That was the earlier code. Use the one from the newest message.",
    notice_backup_wrong: "That backup code is not right, or it was used before.",
    notice_not_sent: "No text message could be sent just now. Wait a moment and ask for a new code.",
    notice_not_sent_code: "Error code: {name}.",
    notice_not_sent_words: "The provider says: {name}",
    notice_new_code: "A new code is on its way. The earlier one no longer works.",
    notice_too_soon: "It is too soon for a new code. The last message may still be on its way.",
    notice_too_often: "No further code can be sent for this sign-in.",
    notice_resend_off: "No further code can be asked for here.",
    notice_send_limit: "Too many messages were sent to this account. Please try again later.",
    notice_quota: "No further text messages are sent just now. Please try again later, or use a backup code.",
    notice_number_invalid: "That is not a valid mobile number. Write it with its country code.",
    notice_number_refused: "Codes cannot be sent to that number.",
    notice_number_not_saved: "The number could not be saved in your profile. Try again, or with another number.",
    notice_choose_again: "The code was not right, and that sign-in has ended. Choose once more how to sign in.",
    notice_first_step: "Please sign in with your name and password first.",
    notice_ended: "That sign-in took too long and has ended. Please start again.",

    account_title: "Your account",
    account_signed_in_as: "Signed in as",
    account_profile: "Profile",
    account_name: "User name",
    account_display_name: "Name",
    account_number: "Mobile number",
    account_no_number: "No number yet",
    account_number_change: "Change the number",
    account_number_add: "Add a number",
    account_sms: "Codes by text message",
    account_sms_on: "On: signing in asks for a code that is sent to your mobile phone.",
    account_sms_off: "Off: signing in asks for your password only.",
    account_sms_disable: "Switch codes off",
    account_sms_enable: "Switch codes on",
    account_sms_mandatory: "Your organisation requires them.",
    account_backup: "Backup codes",
    account_backup_lead: "For the day your phone is lost or has no signal. Keep them on paper.",
    account_backup_left_none: "You have no backup codes.",
    account_backup_left_one: "1 code is left.",
    account_backup_left_many: "{n} codes are left.",
    account_backup_make: "Make backup codes",
    account_backup_replace: "Make new backup codes",
    account_backup_dead: "New codes replace the ones you have.",
    account_links: "Linked accounts",
    account_links_none: "No account at another provider is linked.",
    account_link_remove: "Remove the link to {name}",
    account_sessions: "Where you are signed in",
    account_session_this: "This browser",
    account_session_since: "Since",
    account_session_from: "from",
    account_session_end: "Sign out there",
    account_sessions_end_others: "Sign out everywhere else",
    account_sign_out: "Sign out",
    account_not_fresh: "To change how you sign in, you will be asked to sign in once more.",
    account_back: "Back to your account",
    account_password_change: "Change the password",
    done_number: "Your new mobile number is saved.",
    done_password: "Your new password is saved. You are signed out everywhere else.",
    done_sms_off: "Codes by text message are off.",
    done_sms_on: "Codes by text message are on.",
    done_unlinked: "The link is removed.",
    done_session_ended: "That session is ended.",
    done_others_ended: "You are signed out everywhere else.",
    done_nothing: "There was nothing to change.",
    change_title: "Change your mobile number",
    change_lead: "We send a code to the new number. It becomes yours when you enter that code here.",
    change_code_title: "Confirm the new number",
    change_confirm: "Save the number",
    change_cancel: "Keep the old number",
    password_title: "Change your password",
    password_lead: "You will be signed out everywhere else.",
    password_current: "Current password",
    password_new: "New password",
    password_again: "New password once more",
    password_hint: "At least 8 characters. A few words that do not belong together are good.",
    password_save: "Save the password",
    password_wrong: "The current password is not right.",
    password_differ: "The two new passwords are not the same.",
    password_short: "The new password is too short: at least 8 characters.",
    password_long: "The new password is too long.",
    password_same: "That is the password you have.",
    password_elsewhere: "The password of this account is not kept here. Ask your administrator.",
    codes_title: "Your new backup codes",
    codes_lead: "Print them or write them down now. Each works once, instead of a text message code.",
    codes_once: "They are shown this one time only.",
    codes_done: "I have kept them",
    signed_out_title: "You are signed out",
    signed_out_lead: "It is safe to close this page.",
    logout_title: "Signing you out everywhere",
    logout_lead: "You are signed out here. The others are told one after another.",
    logout_partly_lead: "You are signed out here, but not everybody confirmed it. Close all windows of your browser to be safe.",
    logout_asked: "being told",
    logout_ended: "signed out",
    logout_refused: "could not sign you out",
    logout_silent: "did not answer",
    logout_not_told: "could not be told",
    sign_out_title: "Sign out?",
    sign_out_lead: "An application asks to sign you out here and everywhere you went from here.",
    sign_out_stay: "Stay signed in",

    error_not_found_title: "This page does not exist",
    error_not_found: "The address may be mistyped or out of date.",
    error_method_title: "That does not work here",
    error_method: "This page cannot be called in this way.",
    error_stale_title: "This page is out of date",
    error_stale: "It was open for too long, belongs to another sign-in, or your browser refuses cookies. Nothing was changed.",
    error_refused_title: "That request was refused",
    error_refused: "It came from another website. Nothing was changed.",
    error_too_large_title: "That was too much",
    error_too_large: "What was sent is larger than this page takes.",
    error_form_title: "The form could not be read",
    error_form: "Please go back and fill it in again.",
    error_busy_title: "Please try again in a moment",
    error_busy: "Signing in is not possible just now. Nothing was lost.",
    error_broken_title: "Something went wrong here",
    error_broken: "It is not your fault. Please try again.",
    error_slow_title: "That took too long",
    error_slow: "The request was not finished in time. Please try again.",
    error_application_title: "The application asked in the wrong way",
    error_application: "It cannot be answered. Go back to it and try again; if that does not help, tell whoever runs it.",
    error_wait_title: "Please wait a little",
    error_wait_one: "There were too many attempts. Try again in 1 minute.",
    error_wait_many: "There were too many attempts. Try again in {minutes} minutes.",
    error_fresh_title: "Please sign in once more",
    error_fresh: "What you want to do changes how you sign in, so prove first that it is you. Where another service signs you in, it must ask you again. If this page comes back all the same, sign out and sign in with a code, or tell whoever runs this.",
    error_host_title: "Wrong address",
    error_host: "This service is not known by that name.",
    error_reference: "If you report this, mention",
    error_home: "Go to the start page",
};

/// The languages there are, the fallback first.
pub static LANGUAGES: [&Texts; 2] = [&EN, &DE];

impl Texts {
    /// The sentences of a BCP 47 tag, or English.
    pub fn of(tag: &str) -> &'static Self {
        let primary = tag.split('-').next().unwrap_or_default();
        LANGUAGES
            .iter()
            .copied()
            .find(|texts| texts.lang.eq_ignore_ascii_case(primary))
            .unwrap_or(&EN)
    }

    /// What the last act came to.
    pub fn notice(&self, notice: Notice) -> &'static str {
        match notice {
            Notice::WrongPassword => self.notice_password,
            Notice::ElsewhereRefused => self.notice_elsewhere_refused,
            Notice::ElsewhereFailed => self.notice_elsewhere_failed,
            Notice::CodeWrong => self.notice_code_wrong,
            Notice::CodeExpired => self.notice_code_expired,
            Notice::CodeSuperseded => self.notice_code_superseded,
            Notice::BackupCodeWrong => self.notice_backup_wrong,
            Notice::NotSent => self.notice_not_sent,
            Notice::NewCodeSent => self.notice_new_code,
            Notice::ResendTooSoon => self.notice_too_soon,
            Notice::ResendTooOften => self.notice_too_often,
            Notice::SendLimit => self.notice_send_limit,
            Notice::NumberInvalid => self.notice_number_invalid,
            Notice::NumberRefused => self.notice_number_refused,
            Notice::ResendOff => self.notice_resend_off,
            Notice::QuotaSpent => self.notice_quota,
            Notice::NumberNotSaved => self.notice_number_not_saved,
            Notice::ChooseAgain => self.notice_choose_again,
        }
    }

    /// Why a login ended. `minutes` is how long a lock still lasts.
    pub fn stopped(&self, reason: StopReason, minutes: u64) -> String {
        match reason {
            StopReason::Refused(Refusal::OptedOutButMandatory) => self.stopped_opted_out.to_owned(),
            StopReason::Refused(Refusal::NoLocalAccount) => self.stopped_no_account.to_owned(),
            StopReason::Refused(Refusal::NoNumber) => self.stopped_no_number.to_owned(),
            StopReason::Refused(Refusal::NoFederatedNumber) => {
                self.stopped_no_federated_number.to_owned()
            }
            StopReason::Refused(Refusal::TenantMismatch) => self.stopped_tenant.to_owned(),
            StopReason::Refused(Refusal::Locked) => self.stopped_locked.to_owned(),
            StopReason::Closed(Closed::AttemptsExhausted) => self.stopped_attempts.to_owned(),
            StopReason::Closed(Closed::Used) => self.stopped_used.to_owned(),
            // The same whatever was changed: a lock is not to be told.
            StopReason::Closed(Closed::Overtaken) => self.stopped_overtaken.to_owned(),
            StopReason::Abandoned => self.stopped_abandoned.to_owned(),
            StopReason::Locked { .. } => self
                .stopped_locked_minutes
                .replace("{minutes}", &minutes.to_string()),
            StopReason::FactorDisabled => self.stopped_disabled.to_owned(),
            StopReason::CodeWrong => self.stopped_code_wrong.to_owned(),
            StopReason::CodeExpired => self.stopped_code_expired.to_owned(),
            StopReason::Failed => self.stopped_failed.to_owned(),
        }
    }
}

/// The sentence for one or for many, with the count in it.
pub fn counted(one: &str, many: &str, n: u64) -> String {
    if n == 1 {
        one.to_owned()
    } else {
        many.replace("{n}", &n.to_string())
            .replace("{minutes}", &n.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sentence_says_something_and_has_no_unknown_placeholder() {
        for texts in LANGUAGES {
            for (name, sentence) in texts.all() {
                assert!(!sentence.is_empty(), "{name}");
                let rest = ["{n}", "{minutes}", "{number}", "{name}"]
                    .iter()
                    .fold(sentence.to_owned(), |text, known| text.replace(known, ""));
                assert!(!rest.contains(['{', '}']), "{name}: {sentence}");
            }
        }
    }

    /// A sentence that a language left in English, or that says a number where English says none.
    #[test]
    fn each_language_says_every_sentence_in_its_own_words_with_the_same_values() {
        let placeholders = |text: &str| {
            ["{n}", "{minutes}", "{number}", "{name}"].map(|known| text.contains(known))
        };
        // Words that are the same in both languages.
        let alike = ["account_profile", "account_name", "account_display_name"];
        for ((name, english), (_, german)) in EN.all().into_iter().zip(DE.all()) {
            assert_eq!(placeholders(english), placeholders(german), "{name}");
            assert!(
                english != german || alike.contains(&name),
                "{name}: {german}"
            );
        }
    }

    /// N-05
    #[test]
    fn the_number_page_tells_the_risk_and_the_alternative_in_each_language() {
        assert_eq!(LANGUAGES.len(), 2, "a new language: add its words here");
        assert!(EN.number_restricted.contains("less safe"));
        assert!(EN.number_restricted.contains("backup codes"));
        assert!(DE.number_restricted.contains("weniger sicher"));
        assert!(DE.number_restricted.contains("Ersatzcodes"));
    }

    #[test]
    fn a_tag_finds_its_language_or_english() {
        for tag in ["en", "en-GB", "EN", "xx", "", "-"] {
            assert_eq!(Texts::of(tag).lang, "en", "{tag}");
        }
        for tag in ["de", "de-CH", "DE"] {
            assert_eq!(Texts::of(tag).lang, "de", "{tag}");
        }
    }
}
