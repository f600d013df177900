//! The step's parameters, each turned both ways, as a person meets them.

use crate::world::*;
use postern_login::application::{Application, Offer};
use postern_login::login::{Notice, StopReason};
use postern_login::ports::{
    AccountRef, Delivery, FailureReason, FederatedLogin, Resolution, SendFailure,
};
use postern_login::provider_words::ProviderWords;
use postern_login::{LoginId, Step};
use postern_otp::{Alphabet, FactorSettings, Pattern, Refinement};
use std::time::Duration;

const MOBILE: &str = "http://wso2.org/claims/mobile";

fn with(change: impl FnOnce(&mut FactorSettings)) -> World {
    World::with(|settings| change(&mut settings.factor))
}

/// `screenUserAttribute`, `noOfDigits`, `order`, `screenUserAttributeMaskRegex`. The number is
/// +94771234567.
#[tokio::test]
async fn what_the_code_page_shows_follows_the_parameters() {
    let mask = |text: &str| Some(Pattern::parse(text).unwrap());
    for (digits, from_end, mask, shown) in [
        (4, true, None, "********4567"),
        (4, false, None, "+947********"),
        (0, true, None, "************"),
        (2, true, mask(r"\d(?=\d{3})"), "+********567"),
        (2, true, mask(r"\d{8}"), "+*567"),
    ] {
        let world = with(|factor| {
            factor.screen_user_attribute = Some(MOBILE.to_owned());
            factor.screen_digits = digits;
            factor.screen_from_end = from_end;
            factor.screen_mask = mask;
        });
        let (_, step) = world.password_of("alice").await;
        let Step::AskCode(ask) = step else {
            panic!("{step:?}");
        };
        assert_eq!(ask.number.as_deref(), Some(shown));
    }
}

/// A number that was typed a moment ago is shown by the same rule, where the account has no such claim.
#[tokio::test]
async fn a_pending_number_is_shown_by_the_operators_rule() {
    const MAIL: &str = "http://wso2.org/claims/emailaddress";
    for (attribute, claim, from_end, shown) in [
        (Some(MOBILE), None, false, "+947********"),
        (Some(MOBILE), None, true, "********4568"),
        (Some(MAIL), None, true, "********4568"),
        (Some(MAIL), Some("n@a.example"), true, "*******mple"),
    ] {
        let world = with(|factor| {
            factor.capture_number = true;
            factor.screen_user_attribute = attribute.map(str::to_owned);
            factor.screen_digits = 4;
            factor.screen_from_end = from_end;
        });
        let mut newcomer = user(None);
        let claims = claim.map(|value: &str| (MAIL.to_owned(), value.to_owned()));
        newcomer.profile.claims.extend(claims);
        world.held().users.insert("newcomer".to_owned(), newcomer);
        let (id, _) = world.password_of("newcomer").await;
        let client = facts();
        let moved = world.logins.give_number(&id, "+94771234568", &client).await;
        let Step::AskCode(ask) = moved.unwrap().step else {
            panic!("{attribute:?}");
        };
        assert_eq!(ask.number.as_deref(), Some(shown), "{attribute:?}");
    }
}

/// `SmsOtpLength`, `SmsOtpExpiryTime` and `OnlyNumericCharactersForSmsOtp` of an entry win over
/// `TokenLength`, `TokenExpiryTime` and `EnableAlphanumericToken`; what it does not say stays.
#[tokio::test]
async fn an_entrys_code_wins_over_the_steps() {
    let step = |factor: &mut FactorSettings| {
        factor.challenge.format.length = 8;
        factor.challenge.format.alphabet = Alphabet::Alphanumeric;
        factor.challenge.code_lifetime = Duration::from_secs(120);
    };
    let entry = Refinement {
        code_length: Some(10),
        code_lifetime: Some(Duration::from_secs(60)),
        alphabet: Some(Alphabet::Digits),
        ..Refinement::default()
    };
    for (entry, length, seconds, digits) in [
        (Refinement::default(), 8, 120, false),
        (entry, 10, 60, true),
    ] {
        let world = with(|factor| {
            step(factor);
            *factor = factor.refined(&entry);
        });
        let (id, code) = world.at_code("alice").await;
        assert_eq!(code.len(), length);
        let only_digits = code.bytes().all(|b| b.is_ascii_digit());
        assert!(only_digits || !digits, "{code}");
        // The last instant at which it is good is just before its life ends.
        world.pass(seconds * 1000 - 1);
        assert_eq!(world.submit(&id, &code).await, Step::Authenticated);
        let (id, code) = world.at_code("alice").await;
        world.pass(seconds * 1000);
        let late = world.submit(&id, &code).await;
        assert!(!matches!(late, Step::Authenticated), "{late:?}");
    }
}

/// `mobile_number_regex`: asked here, not in the browser alone.
#[tokio::test]
async fn a_typed_number_must_look_as_the_operator_says() {
    for (pattern, taken) in [
        (None, true),
        (Some(r"\+94\d{9}"), true),
        (Some(r"\+94"), false),
        (Some(r"\+44\d+"), false),
    ] {
        let world = with(|factor| {
            factor.capture_number = true;
            factor.number_pattern = pattern.map(|text| Pattern::parse(text).unwrap());
        });
        world.held().users.insert("newcomer".to_owned(), user(None));
        let (id, step) = world.password_of("newcomer").await;
        assert!(matches!(step, Step::AskNumber { .. }), "{step:?}");
        let client = facts();
        let moved = world.logins.give_number(&id, " +94771234568 ", &client);
        let step = moved.await.unwrap().step;
        if taken {
            assert!(matches!(step, Step::AskCode(_)), "{pattern:?}: {step:?}");
        } else {
            let notice = Some(Notice::NumberInvalid);
            assert_eq!(step, Step::AskNumber { notice }, "{pattern:?}");
            assert_eq!(world.calls(), 0);
        }
    }
}

/// `SMSOTP-userAttribute`: what holds after an identity provider wins over the step's, and what that
/// provider's own entry says wins over both.
#[tokio::test]
async fn settings_after_an_identity_provider_are_for_that_one_only() {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    for (provider, own, expected) in [
        ("google", vec![], "screen_name"),
        ("other", vec![], "email"),
        ("google", vec![pair("user_attribute", "nick")], "nick"),
    ] {
        let world = with(|factor| {
            factor.resolver_settings = vec![
                pair("user_attribute", "email"),
                pair("secondary_userstore", "jdbc"),
            ];
            factor.resolver_settings_after = vec![(
                "google".to_owned(),
                vec![pair("user_attribute", "screen_name")],
            )];
        });
        world.held().resolution = Some(Resolution::Account(AccountRef {
            name: "alice".to_owned(),
        }));
        let mut application = Application::account_page();
        application.sequence.identity_providers = vec![Offer {
            name: provider.to_owned(),
            display_name: provider.to_owned(),
        }];
        let (tenant, client) = (tenant(), facts());
        let begun = world.logins.begin_for(application, browser(), &client);
        let id = begun.await.unwrap().id;
        let said = FederatedLogin {
            tenant,
            identity_provider: provider.to_owned(),
            subject: "sub-1".to_owned(),
            subject_identifier: "sub-1".to_owned(),
            attributes: Vec::new(),
            settings: own,
        };
        world.logins.federated(&id, said, &client).await.unwrap();
        let held = world.held();
        let of = |name: &str| {
            let given = held.resolver_settings.iter();
            let found: Vec<_> = given.filter(|(known, _)| known == name).collect();
            assert_eq!(found.len(), 1, "{name}");
            found[0].1.clone()
        };
        assert_eq!(of("user_attribute"), expected);
        assert_eq!(of("secondary_userstore"), "jdbc");
    }
}

async fn resend(world: &World, id: &LoginId) -> Option<Notice> {
    // Past every wait, and well inside the block.
    world.pass(121_000);
    let moved = world.logins.resend(id, &facts()).await.unwrap();
    match moved.step {
        Step::AskCode(ask) => ask.notice,
        other => panic!("{other:?}"),
    }
}

/// `EnableUserBasedResendBlocking` and `ResendBlockDuration`: off, a new login has its own resends; on,
/// the person has them once, until the block is over. A login's first message counts with them, or
/// beginning anew would be a way round.
#[tokio::test]
async fn a_persons_resends_are_counted_over_all_their_logins() {
    for blocking in [false, true] {
        let world = World::with(|settings| {
            let factor = &mut settings.factor;
            factor.challenge.code_lifetime = Duration::from_secs(600);
            factor.challenge.resend.resends_max = 1;
            factor.challenge.resend.block_person_for = blocking.then_some(Duration::from_secs(600));
            settings.limits.per_account = (100, Duration::from_secs(600));
            settings.limits.per_number = (100, Duration::from_secs(600));
        });
        let (id, _) = world.at_code("alice").await;
        assert_eq!(resend(&world, &id).await, Some(Notice::NewCodeSent));
        assert_eq!(resend(&world, &id).await, Some(Notice::ResendTooOften));
        let (id, step) = world.password_of("alice").await;
        let Step::AskCode(ask) = step else {
            panic!("{step:?}");
        };
        assert_eq!(ask.sent, !blocking);
        if blocking {
            assert_eq!(ask.notice, Some(Notice::ResendTooOften));
        } else {
            assert_eq!(resend(&world, &id).await, Some(Notice::NewCodeSent));
        }
        world.pass(600_000);
        let (id, _) = world.at_code("alice").await;
        assert_eq!(resend(&world, &id).await, Some(Notice::NewCodeSent));
        // Somebody else's are their own.
        world
            .held()
            .users
            .insert("carol".to_owned(), user(Some("+94771234569")));
        let (id, _) = world.at_code("carol").await;
        assert_eq!(resend(&world, &id).await, Some(Notice::NewCodeSent));
    }
}

/// `ResendBlockDuration` is counted from the last message, not from the first.
#[tokio::test]
async fn a_block_ends_so_long_after_the_last_message() {
    for (after_the_last, sent) in [(599_999, false), (600_000, true)] {
        let world = World::with(|settings| {
            let resend = &mut settings.factor.challenge.resend;
            resend.resends_max = 1;
            resend.block_person_for = Some(Duration::from_secs(600));
        });
        let (id, _) = world.at_code("alice").await;
        assert_eq!(resend(&world, &id).await, Some(Notice::NewCodeSent));
        world.pass(after_the_last);
        let (_, step) = world.password_of("alice").await;
        let Step::AskCode(ask) = step else {
            panic!("{step:?}");
        };
        assert_eq!(ask.sent, sent, "{after_the_last} ms after the last message");
    }
}

/// An application's entry is used for the whole of its logins, and one that is gone by nobody.
#[tokio::test]
async fn an_applications_entry_says_by_what_its_logins_run() {
    let naming = |entry: Option<&str>| {
        let mut application = Application::account_page();
        application.name = "shop".to_owned();
        application.sequence.sms_otp = entry.map(str::to_owned);
        application
    };
    let entry = |step: &FactorSettings, length, sender: &str| {
        step.refined(&Refinement {
            senders: Some(vec![sender.to_owned()]),
            code_length: Some(length),
            ..Refinement::default()
        })
    };
    let world = World::with(|settings| {
        let step = settings.factor.clone();
        let entries = [("eight".to_owned(), entry(&step, 8, "two"))];
        *settings = settings.clone().with_entries(entries);
    });
    let client = facts();
    for (named, length, sender) in [(None, 6, "one"), (Some("eight"), 8, "two")] {
        let begun = world.logins.begin_for(naming(named), browser(), &client);
        let id = begun.await.unwrap().id;
        let moved = world.logins.password(&id, "alice", "right", &client).await;
        let id = moved.unwrap().id;
        assert_eq!(world.last_code().len(), length);
        assert_eq!(world.last_sender(), sender);
        // Another code is the entry's as well.
        world.pass(31_000);
        world.logins.resend(&id, &client).await.unwrap();
        assert_eq!(world.last_code().len(), length);
        assert_eq!(world.last_sender(), sender);
        assert_eq!(
            world.submit(&id, &world.last_code()).await,
            Step::Authenticated
        );
    }
    let gone = world
        .logins
        .begin_for(naming(Some("gone")), browser(), &client)
        .await;
    assert!(gone.is_err(), "{gone:?}");
}

/// `redirectToMultiOptionPageOnFailure` and `RetryEnable`: with both a way to choose and the parameter,
/// wrong codes lead back to the choice; what they cost stays the account's.
#[tokio::test]
async fn wrong_codes_lead_back_to_the_choice_of_first_steps_where_there_was_one() {
    for (choose_again, choice, expected) in [
        (true, true, true),
        (true, false, false),
        (false, true, false),
    ] {
        let world = with(|factor| {
            factor.retry = false;
            factor.choose_again_on_failure = choose_again;
        });
        let mut application = Application::account_page();
        if choice {
            application.sequence.identity_providers = vec![Offer {
                name: "bank".to_owned(),
                display_name: "The bank".to_owned(),
            }];
        }
        let client = facts();
        let begun = world
            .logins
            .begin_for(application.clone(), browser(), &client);
        let id = begun.await.unwrap().id;
        let moved = world.logins.password(&id, "alice", "right", &client);
        let id = moved.await.unwrap().id;
        let code = world.last_code();
        let moved = world.logins.submit_code(&id, wrong(&code), &client);
        let moved = moved.await.unwrap();
        if expected {
            assert_ne!(moved.id, id, "a login of its own");
            let notice = Some(Notice::ChooseAgain);
            assert_eq!(
                moved.step,
                Step::FirstStep {
                    notice,
                    application
                }
            );
        } else {
            let reason = StopReason::CodeWrong;
            assert_eq!(
                moved.step,
                Step::Stopped {
                    reason,
                    backup_codes: false
                }
            );
        }
        assert_eq!(world.ledger("alice").failures, 1);
        // The code of the one that ended is dead.
        let late = world.logins.submit_code(&id, &code, &facts()).await;
        assert!(late.is_err(), "{late:?}");
    }
}

/// `UseInternalErrorCodes`, `show_detailed_error_info`, `values_to_be_masked`, each both ways.
#[tokio::test]
async fn what_is_told_of_a_failed_sending_follows_the_parameters() {
    for (codes, detail, masked, reason, words) in [
        (true, false, vec![], Some(FailureReason::AuthFailed), None),
        (false, false, vec![], None, None),
        (false, true, vec![], None, Some("account 17 is closed")),
        (
            true,
            true,
            vec!["17".to_owned()],
            Some(FailureReason::AuthFailed),
            Some("account ** is closed"),
        ),
    ] {
        let world = with(|factor| {
            factor.senders = vec!["one".to_owned()];
            factor.internal_error_codes = codes;
            factor.show_error_detail = detail;
            factor.masked_in_errors = masked;
        });
        world.script([Delivery::Failed(SendFailure {
            reason: FailureReason::AuthFailed,
            retry_after: None,
            detail: "for the log".to_owned(),
            words: Some(ProviderWords::new("account 17 is closed")),
        })]);
        let (_, step) = world.password_of("alice").await;
        let Step::AskCode(ask) = step else {
            panic!("{step:?}");
        };
        assert!(!ask.sent);
        let told = ask.not_sent.unwrap();
        assert_eq!(told.reason, reason);
        assert_eq!(told.words.as_deref(), words);
    }
}

/// `showAuthFailureReason`, both ways.
#[tokio::test]
async fn a_lock_is_told_only_where_the_operator_says_so() {
    for shown in [true, false] {
        let world = with(|factor| {
            factor.show_failure_reason = shown;
            factor.challenge.attempts.attempts_max = 50;
        });
        let (id, code) = world.at_code("alice").await;
        for _ in 0..10 {
            world.submit(&id, wrong(&code)).await;
        }
        let (_, step) = world.password_of("alice").await;
        let Step::Stopped { reason, .. } = step else {
            panic!("{step:?}");
        };
        let told = matches!(reason, StopReason::Locked { .. });
        assert_eq!(told, shown, "{reason:?}");
        assert_eq!(reason == StopReason::Failed, !shown, "{reason:?}");
    }
}
