//! Somebody who is signed in comes for another application.

use crate::world::*;
use postern_login::application::{Application, Offer, SecondStep};
use postern_login::login::{FirstFactor, SecondFactor, StopReason};
use postern_login::ports::Subject;
use postern_login::session::{Session, SessionId};
use postern_login::sign_on::{Demand, Recognized};
use postern_login::{LoginError, LoginId, Step};
use postern_otp::Timestamp;
use postern_otp::need::NotNeeded;

fn application(second_step: SecondStep) -> Application {
    let mut application = Application::account_page();
    application.name = "shop".to_owned();
    application.sequence.second_step = second_step;
    application
}

async fn begun(world: &World, application: Application) -> LoginId {
    let begun = world
        .logins
        .begin_for(application, browser(), &facts())
        .await;
    begun.unwrap().id
}

/// Alice, by her password alone.
async fn by_password(world: &World) -> Session {
    let id = begun(world, application(SecondStep::None)).await;
    let moved = world.logins.password(&id, "alice", "right", &facts()).await;
    let finished = world.logins.finish(&moved.unwrap().id, &facts()).await;
    finished.unwrap().session
}

/// Alice, by her password and a code.
async fn by_both(world: &World) -> Session {
    world.session_of("alice").await
}

async fn recognized(
    world: &World,
    application: &Application,
    demand: Demand,
    session: &SessionId,
) -> Recognized {
    let recognized = world
        .logins
        .recognize(&tenant(), application, &demand, Some(session))
        .await;
    recognized.unwrap()
}

#[tokio::test]
async fn a_session_with_both_factors_answers_for_any_application() {
    let world = World::new();
    let session = by_both(&world).await;
    for second_step in [SecondStep::SmsOtp, SecondStep::None] {
        let application = application(second_step);
        let found = recognized(&world, &application, Demand::default(), &session.id).await;
        assert!(matches!(found, Recognized::Enough(_)), "{second_step:?}");
    }
    assert_eq!(session.methods(), ["pwd", "sms", "otp", "mfa"]);
}

#[tokio::test]
async fn a_session_without_the_second_factor_takes_that_step_and_no_other() {
    let world = World::new();
    let session = by_password(&world).await;
    let content = application(SecondStep::None);
    let found = recognized(&world, &content, Demand::default(), &session.id).await;
    assert!(matches!(found, Recognized::Enough(_)));
    let asks = application(SecondStep::SmsOtp);
    let found = recognized(&world, &asks, Demand::default(), &session.id).await;
    let Recognized::SecondStep(session) = found else {
        panic!("{found:?}");
    };
    let moved = world
        .logins
        .step_up(&session, asks.clone(), browser(), &facts())
        .await
        .unwrap();
    let wanted = Step::SecondStepWanted { application: asks };
    assert_eq!(moved.step, wanted);
    assert_eq!(world.calls(), 0, "S-04: coming here sends nothing");
    let posted = world
        .logins
        .password(&moved.id, "bob", "right", &facts())
        .await;
    assert!(
        matches!(posted, Err(LoginError::OutOfOrder)),
        "nobody else comes in"
    );
    let moved = world
        .logins
        .second_step_wanted(&moved.id, &facts())
        .await
        .unwrap();
    let code = world.last_code();
    assert_eq!(world.submit(&moved.id, &code).await, Step::Authenticated);
    let finished = world
        .logins
        .finish_in_place_of(&moved.id, Some(&session.id), &facts())
        .await
        .unwrap();
    assert!(matches!(finished.session.second, SecondFactor::Sms { .. }));
    assert_eq!(
        finished.session.name, session.name,
        "applications know it by its name"
    );
    let earlier = world.logins.session(&session.id).await.unwrap();
    assert!(earlier.is_none(), "the weaker session has ended");
}

/// both factors are asked for again.
#[tokio::test]
async fn who_asks_for_a_fresh_sign_in_gets_one() {
    let world = World::new();
    let asks = application(SecondStep::SmsOtp);
    let session = by_both(&world).await;
    world.pass(5 * MINUTE);
    for (since, enough) in [
        (Timestamp(session.authenticated_at.0 - 1), true),
        (session.authenticated_at, false),
        (world.time(), false),
    ] {
        let demand = Demand { since: Some(since) };
        let found = recognized(&world, &asks, demand, &session.id).await;
        assert_eq!(matches!(found, Recognized::Enough(_)), enough, "{since:?}");
        assert_eq!(matches!(found, Recognized::Nobody), !enough, "{since:?}");
    }
}

#[tokio::test]
async fn a_first_step_that_the_application_does_not_offer_counts_for_nothing() {
    let world = World::new();
    let session = by_both(&world).await;
    let mut elsewhere = application(SecondStep::SmsOtp);
    elsewhere.sequence.password = false;
    elsewhere.sequence.identity_providers = vec![Offer {
        name: "idp".to_owned(),
        display_name: "The other one".to_owned(),
    }];
    let found = recognized(&world, &elsewhere, Demand::default(), &session.id).await;
    assert!(matches!(found, Recognized::Nobody));
}

/// An administrator's word holds at once.
#[tokio::test]
async fn a_locked_account_is_not_signed_on() {
    let world = World::new();
    let session = by_both(&world).await;
    if let Some(alice) = world.held().users.get_mut("alice") {
        alice.profile.locked = true;
    }
    let asks = application(SecondStep::SmsOtp);
    let found = recognized(&world, &asks, Demand::default(), &session.id).await;
    assert!(matches!(found, Recognized::Nobody));
}

/// `EnableAccountLockingForFailedAttempts`: nor one that wrong codes locked, where they lock the account.
#[tokio::test]
async fn where_wrong_codes_lock_the_account_no_session_of_it_signs_on() {
    for lock_account in [true, false] {
        let world = World::with(|settings| settings.factor.lock_account = lock_account);
        let session = by_both(&world).await;
        world.lock("alice").await;
        let asks = application(SecondStep::SmsOtp);
        let found = recognized(&world, &asks, Demand::default(), &session.id).await;
        assert_eq!(
            matches!(found, Recognized::Nobody),
            lock_account,
            "{found:?}"
        );
        assert_eq!(matches!(found, Recognized::Enough(_)), !lock_account);
    }
}

/// Nor does one get past the step that an application wants more, excused from the code or not.
#[tokio::test]
async fn where_wrong_codes_lock_the_account_no_session_of_it_is_stepped_up() {
    for lock_account in [true, false] {
        let world = World::with(|settings| {
            settings.factor.lock_account = lock_account;
            settings.factor.mandatory = false;
        });
        let session = by_password(&world).await;
        let asks = application(SecondStep::SmsOtp);
        let stepped_up = world
            .logins
            .step_up(&session, asks, browser(), &facts())
            .await
            .unwrap();
        world.lock("alice").await;
        if let Some(alice) = world.held().users.get_mut("alice") {
            alice.profile.opted_out = true;
        }
        let moved = world
            .logins
            .second_step_wanted(&stepped_up.id, &facts())
            .await
            .unwrap();
        let stopped = matches!(
            moved.step,
            Step::Stopped {
                reason: StopReason::Locked { .. },
                backup_codes: false
            }
        );
        assert_eq!(stopped, lock_account, "{:?}", moved.step);
        assert_eq!(moved.step == Step::Authenticated, !lock_account);
    }
}

/// B-01: ended before the login began, or with the account's logins just after it was looked at.
#[tokio::test]
async fn from_a_session_that_ends_meanwhile_no_login_goes_on() {
    for ended in [true, false] {
        let world = World::new();
        let session = by_password(&world).await;
        match ended {
            true => world.logins.logout(&session.id).await.unwrap(),
            false => world.held().changed_meanwhile = Some("alice".to_owned()),
        }
        let asks = application(SecondStep::SmsOtp);
        let moved = world
            .logins
            .step_up(&session, asks.clone(), browser(), &facts())
            .await
            .unwrap();
        let first = Step::FirstStep {
            notice: None,
            application: asks,
        };
        assert_eq!(moved.step, first);
        let wanted = world.logins.second_step_wanted(&moved.id, &facts()).await;
        assert!(matches!(wanted, Err(LoginError::OutOfOrder)), "{wanted:?}");
    }
}

/// What was not needed then may be needed now.
#[tokio::test]
async fn an_opt_out_that_is_taken_back_asks_for_the_code() {
    let world = World::with(|settings| settings.factor.mandatory = false);
    let opted_out = |on| {
        if let Some(alice) = world.held().users.get_mut("alice") {
            alice.profile.opted_out = on;
        }
    };
    opted_out(true);
    let (id, step) = world.password_of("alice").await;
    assert_eq!(step, Step::Authenticated);
    let session = world.logins.finish(&id, &facts()).await.unwrap().session;
    assert!(matches!(
        session.second,
        SecondFactor::NotNeeded(NotNeeded::OptedOut)
    ));
    let asks = application(SecondStep::SmsOtp);
    let found = recognized(&world, &asks, Demand::default(), &session.id).await;
    assert!(matches!(found, Recognized::Enough(_)));
    opted_out(false);
    let found = recognized(&world, &asks, Demand::default(), &session.id).await;
    assert!(matches!(found, Recognized::SecondStep(_)));
}

/// B-01, X-26: the code is no longer needed when the person says that they go on to it.
#[tokio::test]
async fn who_is_excused_from_the_code_on_the_way_to_it_is_as_fresh_as_before() {
    let world = World::with(|settings| settings.factor.mandatory = false);
    let session = by_password(&world).await;
    world.pass(HOUR);
    let asks = application(SecondStep::SmsOtp);
    let stepped_up = world
        .logins
        .step_up(&session, asks, browser(), &facts())
        .await
        .unwrap();
    if let Some(alice) = world.held().users.get_mut("alice") {
        alice.profile.opted_out = true;
    }
    let moved = world
        .logins
        .second_step_wanted(&stepped_up.id, &facts())
        .await
        .unwrap();
    assert_eq!(moved.step, Step::Authenticated);
    let finished = world.logins.finish(&moved.id, &facts()).await;
    let opened = finished.unwrap().session;
    assert_eq!(opened.proven_at(), session.proven_at());
    assert!(!opened.is_proven_after(session.proven_at()));
    assert_eq!(opened.expires_at, session.expires_at, "nor is it prolonged");
    let refused = world.logins.set_opt_out(&opened, false, &facts()).await;
    assert!(matches!(refused, Err(LoginError::Reauthenticate)));
}

/// B-08: the same name at two identity providers, and here, are three people.
#[tokio::test]
async fn no_two_people_are_one_subject() {
    let world = World::new();
    let here = by_password(&world).await;
    let at = |identity_provider: &str| Session {
        first: FirstFactor::Federated {
            identity_provider: identity_provider.to_owned(),
        },
        has_local_account: false,
        ..here.clone()
    };
    let subjects = [here.subject(), at("one").subject(), at("two").subject()];
    assert!(matches!(subjects[0], Subject::Account { .. }));
    assert_ne!(subjects[0].key(), subjects[1].key());
    assert_ne!(subjects[1].key(), subjects[2].key());
}

/// Somebody else at this browser keeps the way to the application.
#[tokio::test]
async fn starting_over_keeps_the_application() {
    let world = World::new();
    let asks = application(SecondStep::SmsOtp);
    let id = begun(&world, asks.clone()).await;
    let moved = world.logins.password(&id, "alice", "right", &facts()).await;
    let stopped = moved.unwrap().id;
    let anew = world.logins.start_over(&stopped, &facts()).await.unwrap();
    let first = Step::FirstStep {
        notice: None,
        application: asks,
    };
    assert_eq!(anew.step, first);
    let code = world.last_code();
    let late = world.logins.submit_code(&stopped, &code, &facts()).await;
    assert!(matches!(late, Err(LoginError::OutOfOrder)));
}
