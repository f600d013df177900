//! Where own pages are, what they are told, and what they send back.
#![allow(clippy::unwrap_used)]

use super::*;
use postern_login::login::Notice;
use postern_login::ports::FailureReason;
use postern_login::step::AskCode;
use postern_otp::Pattern;
use postern_otp::need::Refusal;

fn public() -> PublicUrl {
    PublicUrl::parse("https://localhost:9443").unwrap()
}

/// Cases 44 to 46, 49 to 51 and 54 to 56 of the specification's list. Without a configured page ours
/// does it (42, 43, 47, 48, 52, 53): there is no other one to go to.
#[test]
fn a_page_is_absolute_or_below_the_public_address_and_the_tenants() {
    let first = TenantId::super_tenant();
    let other = TenantId::parse("wso2.com").unwrap();
    for page in ["mobile.jsp", "smsOtp.jsp", "smsOtpError.jsp"] {
        for (configured, tenant, expected) in [
            (
                format!("mysmsotp/{page}"),
                &first,
                format!("https://localhost:9443/mysmsotp/{page}"),
            ),
            (
                format!("/mysmsotp/{page}"),
                &first,
                format!("https://localhost:9443/mysmsotp/{page}"),
            ),
            (
                format!("mysmsotp/{page}"),
                &other,
                format!("https://localhost:9443/t/wso2.com/mysmsotp/{page}"),
            ),
            (
                format!("https://mydomain/{page}"),
                &first,
                format!("https://mydomain/{page}"),
            ),
            (
                format!("https://mydomain/{page}"),
                &other,
                format!("https://mydomain/{page}"),
            ),
        ] {
            assert_eq!(absolute(&configured, &public(), tenant), expected);
        }
    }
    assert_eq!(page_of(&code(true, None), &OwnPages::default()), None);
}

/// Cases 7 and 8.
#[test]
fn what_a_page_is_told_follows_what_its_address_says_already() {
    let told = [("authenticators", "SMSOTP".to_owned())];
    assert_eq!(
        with_query("https://a/x", &told),
        "https://a/x?authenticators=SMSOTP"
    );
    assert_eq!(
        with_query("https://a/x?n=John&n=Susan", &told),
        "https://a/x?n=John&n=Susan&authenticators=SMSOTP"
    );
    let nasty = [("screenvalue", "a&b=<script>\r\nX: y +é#".to_owned())];
    assert_eq!(
        with_query("https://a/x", &nasty),
        "https://a/x?screenvalue=a%26b%3D%3Cscript%3E%0D%0AX%3A+y+%2B%C3%A9%23"
    );
}

fn code(sent: bool, notice: Option<Notice>) -> Step {
    Step::AskCode(AskCode {
        number: Some("******5231".into()),
        sent,
        code_length: 6,
        digits_only: true,
        expires_at: None,
        resend_at: sent.then_some(Timestamp(0)),
        attempts_left: 5,
        backup_codes: false,
        notice,
        not_sent: None,
        now: Timestamp(0),
    })
}

fn settings() -> PageSettings {
    PageSettings {
        own: OwnPages {
            code: Some("code".into()),
            error: Some("error".into()),
            number: Some("number".into()),
        },
        number_pattern: Some(Pattern::parse("1+").unwrap()),
        number_pattern_message: Some("Ones?".into()),
    }
}

fn stopped(reason: StopReason, backup_codes: bool) -> Step {
    Step::Stopped {
        reason,
        backup_codes,
    }
}

#[test]
fn each_step_has_its_page_and_is_told_what_it_always_was() {
    let base = "authenticators=SMSOTP&sessionDataKey=k";
    let locked = StopReason::Locked {
        until: Timestamp(90_000),
    };
    for (step, page, query) in [
        (
            code(true, None),
            "code",
            "screenvalue=******5231&screenValue=******5231&resendCode=true",
        ),
        (
            code(true, Some(Notice::CodeWrong)),
            "code",
            "screenvalue=******5231&screenValue=******5231&resendCode=true&authFailure=true&authFailureMsg=authentication.fail.message",
        ),
        (
            code(true, Some(Notice::CodeExpired)),
            "code",
            "screenvalue=******5231&screenValue=******5231&resendCode=true&authFailure=true&authFailureMsg=token.expired",
        ),
        (
            code(false, Some(Notice::NotSent)),
            "error",
            "screenvalue=******5231&screenValue=******5231&resendCode=false&authFailure=true&authFailureMsg=unable.send.code",
        ),
        (
            Step::AskNumber { notice: None },
            "number",
            "mobileNumberRegexPattern=MSs%3D&mobileNumberPatternPolicyFailureErrorMessage=T25lcz8%3D",
        ),
        (
            stopped(StopReason::Refused(Refusal::NoLocalAccount), false),
            "error",
            "resendCode=false&authFailure=true&authFailureMsg=directly.send.otp.disable",
        ),
        (
            stopped(StopReason::CodeWrong, false),
            "error",
            "resendCode=false&authFailure=true&authFailureMsg=code.mismatch",
        ),
        (
            stopped(StopReason::Failed, false),
            "error",
            "resendCode=false&authFailure=true&authFailureMsg=authentication.fail.message",
        ),
        // `showAuthFailureReason`; off, the step itself says no more than the row above.
        (
            stopped(locked, false),
            "error",
            "resendCode=false&authFailure=true&authFailureMsg=user.account.locked&unlockTime=2",
        ),
    ] {
        let settings = settings();
        assert_eq!(page_of(&step, &settings.own), Some(page), "{step:?}");
        let told = with_query("", &told(&step, "k", &settings, Timestamp(0)));
        assert_eq!(told, format!("?{base}&{query}"), "{step:?}");
    }
    assert_eq!(page_of(&stopped(locked, true), &settings().own), None);
}

/// `UseInternalErrorCodes` and `show_detailed_error_info`, each both ways: the step carries of the two
/// what the settings let through. The words come in Base64, percent-encoded: a `+` of it broke the
/// original's page.
#[test]
fn the_error_page_is_told_why_nothing_was_sent_as_far_as_the_operator_lets_it() {
    for (reason, words, expected) in [
        (None, None, "unable.send.code"),
        (Some(FailureReason::AuthFailed), None, "SMSOTP-60002"),
        (
            None,
            Some("no such key?>"),
            "unable.send.code&authFailureInfo=bm8gc3VjaCBrZXk%2FPg%3D%3D",
        ),
        (
            Some(FailureReason::ProviderDown),
            Some("away"),
            "SMSOTP-65004&authFailureInfo=YXdheQ%3D%3D",
        ),
    ] {
        let Step::AskCode(mut ask) = code(false, Some(Notice::NotSent)) else {
            panic!("a code is asked for");
        };
        ask.not_sent = Some(Told {
            reason,
            words: words.map(str::to_owned),
        });
        let told = told(&Step::AskCode(ask), "k", &settings(), Timestamp(0));
        let query = with_query("", &told);
        let (_, said) = query.split_once("authFailureMsg=").unwrap();
        assert_eq!(said, expected);
    }
}

/// S-08: only configured origins, and only if the browser names one.
#[test]
fn only_a_configured_origin_may_post() {
    let own = OwnPages {
        code: Some("https://pages.example:8443/code?x=1".into()),
        error: Some("pages/error".into()),
        number: None,
    };
    let check = |origins: &[&str], expected: bool| {
        let mut headers = HeaderMap::new();
        for origin in origins {
            headers.append(header::ORIGIN, origin.parse().unwrap());
        }
        assert_eq!(may_post(&headers, &public(), &own), expected, "{origins:?}");
    };
    check(&["https://pages.example:8443"], true);
    check(&["https://localhost:9443"], true);
    for bad in [
        "https://pages.example",
        "http://pages.example:8443",
        "https://pages.example:8443.evil.example",
        "https://evil.example",
        "null",
        "",
    ] {
        check(&[bad], false);
    }
    check(&[], false);
    check(
        &["https://pages.example:8443", "https://pages.example:8443"],
        false,
    );
    let nobody = OwnPages::default();
    let mut headers = HeaderMap::new();
    headers.append(header::ORIGIN, "https://localhost:9443".parse().unwrap());
    assert!(
        !may_post(&headers, &public(), &nobody),
        "there is no own page"
    );
}

/// Cases 5 and 6, and the order in which the fields count.
#[test]
fn the_fields_of_older_pages_are_recognised() {
    for (form, expected) in [
        ("OTPcode=123456&resendCode=false", Some(Act::Code)),
        ("OTPcode=&resendCode=true", Some(Act::Resend)),
        ("OTPcode=123456&resendCode=true", Some(Act::Resend)),
        ("OTPcode=&resendCode=false", Some(Act::Look)),
        ("MOBILE_NUMBER=077", Some(Act::Number)),
        (
            "MOBILE_NUMBER=077&OTPcode=1&resendCode=true",
            Some(Act::Number),
        ),
        ("backupCode=AAAAA-BBBBB", Some(Act::BackupCode)),
        ("OTPcode=", None),
        ("MOBILE_NUMBER=+", None),
        ("other=1", None),
        ("", None),
    ] {
        let fields = Fields::of_text(form);
        assert_eq!(recognise(&fields), expected, "{form}");
    }
}
