//! The account page.

use crate::world::*;
use postern_login::account::{NewPassword, Proven};
use postern_login::application::Application;
use postern_login::audit::What;
use postern_login::login::{FirstFactor, Notice, StopReason};
use postern_login::ports::Association;
use postern_login::session::{ASKED_ATTRIBUTE, Session, SessionId};
use postern_login::{LoginError, LoginId, Step};
use postern_otp::Timestamp;

const NEW: &str = "+94777654321";

async fn asked(world: &World, session: &Session) -> (LoginId, String) {
    let moved = world.logins.change_number(session, NEW, &facts()).await;
    (moved.unwrap().unwrap().id, world.last_code())
}

async fn passwords_only(world: &World, name: &str) -> Session {
    let (id, step) = world.password_of(name).await;
    assert_eq!(step, Step::Authenticated);
    world.logins.finish(&id, &facts()).await.unwrap().session
}

/// Bob signs in without a second factor while the factor is optional and switched off for him.
async fn bob_without_a_factor() -> (World, Session) {
    let world = World::with(|settings| settings.factor.mandatory = false);
    if let Some(bob) = world.held().users.get_mut("bob") {
        bob.profile.opted_out = true;
    }
    let session = passwords_only(&world, "bob").await;
    (world, session)
}

/// B-03, B-04, B-05
#[tokio::test]
async fn a_new_number_is_stored_after_its_own_code_and_the_old_one_is_told() {
    let world = World::new();
    let session = world.session_of("alice").await;
    let (open, old_code) = world.at_code("alice").await;
    let (id, code) = asked(&world, &session).await;
    assert_eq!(world.held().sent.last().unwrap().1.to.e164(), NEW);
    let wrong = world
        .logins
        .confirm_number(&session, &id, wrong(&code), &facts())
        .await;
    assert!(matches!(wrong.unwrap(), Proven::Again(_)));
    assert_eq!(
        world.held().users["alice"].profile.number.as_deref(),
        Some(ALICE)
    );
    let proven = world
        .logins
        .confirm_number(&session, &id, &code, &facts())
        .await;
    assert!(matches!(proven.unwrap(), Proven::Done));
    assert_eq!(
        world.held().users["alice"].profile.number.as_deref(),
        Some(NEW)
    );
    let changed = |what: &What| matches!(what, What::NumberChanged { from: Some(from), to } if from == "******4567" && to == "******4321");
    assert_eq!(world.count(changed), 1);
    // B-04: what was open for the old number is dead.
    let late = world.logins.submit_code(&open, &old_code, &facts()).await;
    assert!(matches!(late, Err(LoginError::OutOfOrder)));
    // B-05: the old number is told, without a code.
    while world.held().sent.last().unwrap().1.to.e164() != ALICE {
        tokio::task::yield_now().await;
    }
    let held = world.held();
    let (_, notice) = held.sent.last().unwrap();
    assert!(notice.code.is_none() && notice.text.as_str().contains("was changed"));
    // Failures at the new number are not the account's.
    drop(held);
    assert_eq!(world.ledger("alice").failures, 0);
}

/// the code that proves a number signs nobody in, and only its own session may use it.
#[tokio::test]
async fn a_numbers_proof_belongs_to_its_session_and_purpose() {
    let world = World::new();
    let session = world.session_of("alice").await;
    let other = world.session_of("alice").await;
    let (id, code) = asked(&world, &session).await;
    let stolen = world
        .logins
        .confirm_number(&other, &id, &code, &facts())
        .await;
    assert!(matches!(stolen, Err(LoginError::Gone)));
    let posted = world.logins.submit_code(&id, &code, &facts()).await;
    assert!(matches!(posted, Err(LoginError::OutOfOrder)));
    let backup = world
        .logins
        .submit_backup_code(&id, "0123456789", &facts())
        .await;
    assert!(matches!(backup, Err(LoginError::OutOfOrder)));
    let finished = world.logins.finish(&id, &facts()).await;
    assert!(matches!(finished, Err(LoginError::OutOfOrder)));
    let (login, code) = world.at_code("alice").await;
    let proof = world
        .logins
        .confirm_number(&session, &login, &code, &facts())
        .await;
    assert!(matches!(proof, Err(LoginError::Gone)));
}

/// C-07, ASVS 7.5.1: ten minutes, and a second factor.
#[tokio::test]
async fn a_factor_is_moved_only_from_a_fresh_session() {
    let world = World::with(|settings| settings.factor.mandatory = false);
    let session = world.session_of("alice").await;
    world.pass(10 * MINUTE + 1);
    assert!(!world.logins.overview(&session).await.unwrap().fresh);
    let association = Association {
        identity_provider: "idp".to_owned(),
        subject: "s".to_owned(),
    };
    let refused = [
        world
            .logins
            .change_number(&session, NEW, &facts())
            .await
            .err(),
        world
            .logins
            .set_opt_out(&session, true, &facts())
            .await
            .err(),
        world
            .logins
            .new_backup_codes(&session, &facts())
            .await
            .err(),
        world
            .logins
            .unlink(&session, &association, &facts())
            .await
            .err(),
    ];
    for refused in refused {
        assert!(
            matches!(refused, Some(LoginError::Reauthenticate)),
            "{refused:?}"
        );
    }
    assert_eq!(world.calls(), 1);
}

/// The session, had its first step been taken at an identity provider that says it asked the person then.
fn from_elsewhere(session: &Session, asked_at: Option<Timestamp>) -> Session {
    let said = asked_at.map(|at| (ASKED_ATTRIBUTE.to_owned(), at.0.to_string()));
    Session {
        first: FirstFactor::Federated {
            identity_provider: "idp".to_owned(),
        },
        attributes: said.into_iter().collect(),
        ..session.clone()
    }
}

/// B-01, X-26: all of these were opened this minute.
#[tokio::test]
async fn a_session_is_as_fresh_as_what_was_proven_in_it() {
    let (world, session) = bob_without_a_factor().await;
    let ago = |millis| Some(Timestamp(world.time().0 - millis));
    let association = Association {
        identity_provider: "idp".to_owned(),
        subject: "s".to_owned(),
    };
    for (asked_at, fresh) in [
        (ago(HOUR), false),
        (ago(10 * MINUTE), false),
        (None, false),
        (ago(9 * MINUTE), true),
        (ago(0), true),
    ] {
        let session = from_elsewhere(&session, asked_at);
        let logins = &world.logins;
        let overview = logins.overview(&session).await.unwrap();
        assert_eq!(overview.fresh, fresh, "{asked_at:?}");
        let refused = [
            logins.change_number(&session, NEW, &facts()).await.err(),
            logins
                .change_password(&session, "right", "better than before", &facts())
                .await
                .err(),
            logins.set_opt_out(&session, false, &facts()).await.err(),
            logins.unlink(&session, &association, &facts()).await.err(),
        ];
        for refused in refused {
            let stale = matches!(refused, Some(LoginError::Reauthenticate));
            assert!(
                stale != fresh && refused.is_none() == fresh,
                "{asked_at:?}: {refused:?}"
            );
        }
        assert_eq!(world.calls() > 0, fresh, "{asked_at:?}");
    }
}

/// Whoever entered a code just now has proven something, whatever came before it.
#[tokio::test]
async fn a_code_makes_a_session_fresh_whose_first_step_was_taken_long_ago() {
    let world = World::new();
    let session = world.session_of("alice").await;
    let session = from_elsewhere(&session, Some(Timestamp(world.time().0 - HOUR)));
    let codes = world.logins.new_backup_codes(&session, &facts()).await;
    assert_eq!(codes.unwrap().len(), 10);
    world.pass(10 * MINUTE);
    let refused = world.logins.new_backup_codes(&session, &facts()).await;
    assert!(matches!(refused, Err(LoginError::Reauthenticate)));
}

/// The answer to the last step was lost, and the person went on much later.
#[tokio::test]
async fn a_session_that_is_opened_late_is_as_old_as_its_code() {
    let world = World::new();
    let (id, code) = world.at_code("alice").await;
    assert_eq!(world.submit(&id, &code).await, Step::Authenticated);
    let proven_at = world.time();
    world.pass(10 * MINUTE);
    let session = world.logins.finish(&id, &facts()).await.unwrap().session;
    assert_eq!(session.proven_at(), proven_at);
    let refused = world.logins.new_backup_codes(&session, &facts()).await;
    assert!(matches!(refused, Err(LoginError::Reauthenticate)));
}

/// A clock that was turned back makes no session fresh.
#[tokio::test]
async fn a_session_from_the_future_is_not_fresh() {
    let world = World::new();
    let session = world.session_of("alice").await;
    world.turn_back(1);
    let refused = world.logins.new_backup_codes(&session, &facts()).await;
    assert!(matches!(refused, Err(LoginError::Reauthenticate)));
}

#[tokio::test]
async fn a_password_alone_binds_a_first_number_and_moves_no_other() {
    let (world, session) = bob_without_a_factor().await;
    let moved = world
        .logins
        .change_number(&session, NEW, &facts())
        .await
        .unwrap();
    assert!(moved.is_ok());
    let refused = world.logins.new_backup_codes(&session, &facts()).await;
    assert!(matches!(refused, Err(LoginError::Reauthenticate)));
    // B-01: an account that had a factor is another matter.
    if let Some(bob) = world.held().users.get_mut("bob") {
        bob.profile.had_factor = true;
    }
    let refused = world.logins.change_number(&session, NEW, &facts()).await;
    assert!(matches!(refused, Err(LoginError::Reauthenticate)));
}

/// B-06
#[tokio::test]
async fn a_mandatory_factor_cannot_be_switched_off() {
    let world = World::new();
    let session = world.session_of("alice").await;
    assert!(
        !world
            .logins
            .overview(&session)
            .await
            .unwrap()
            .opt_out_allowed
    );
    let refused = world.logins.set_opt_out(&session, true, &facts()).await;
    assert!(matches!(refused, Err(LoginError::OutOfOrder)));
    assert!(!world.held().users["alice"].profile.opted_out);
}

/// B-06: where it is optional, only after a second factor; switching on needs a fresh session only.
#[tokio::test]
async fn an_optional_factor_is_switched_off_after_a_code() {
    let world = World::with(|settings| settings.factor.mandatory = false);
    let session = world.session_of("alice").await;
    world
        .logins
        .set_opt_out(&session, true, &facts())
        .await
        .unwrap();
    assert!(world.held().users["alice"].profile.opted_out);
    let session = passwords_only(&world, "alice").await;
    let refused = world.logins.set_opt_out(&session, true, &facts()).await;
    assert!(matches!(refused, Err(LoginError::Reauthenticate)));
    world
        .logins
        .set_opt_out(&session, false, &facts())
        .await
        .unwrap();
    assert!(!world.held().users["alice"].profile.opted_out);
    assert_eq!(
        world.count(|what| matches!(what, What::OptOutChanged { .. })),
        2
    );
}

/// C-07, C-08
#[tokio::test]
async fn new_backup_codes_kill_the_old_ones() {
    let world = World::new();
    world.give_backup_codes("alice", &["0123456789"]);
    let session = world.session_of("alice").await;
    let codes = world
        .logins
        .new_backup_codes(&session, &facts())
        .await
        .unwrap();
    assert_eq!(codes.len(), 10);
    let distinct: std::collections::HashSet<_> = codes.iter().map(|code| code.as_str()).collect();
    assert_eq!(distinct.len(), 10);
    let (id, _) = world.at_code("alice").await;
    let old = world
        .logins
        .submit_backup_code(&id, "0123456789", &facts())
        .await
        .unwrap();
    assert!(matches!(old.step, Step::AskCode(ask) if ask.notice == Some(Notice::BackupCodeWrong)));
    let new = world
        .logins
        .submit_backup_code(&id, &codes[3].display(), &facts())
        .await
        .unwrap();
    assert_eq!(new.step, Step::Authenticated);
    assert_eq!(
        world
            .logins
            .overview(&session)
            .await
            .unwrap()
            .backup_codes_left,
        9
    );
}

#[tokio::test]
async fn a_number_that_gets_no_codes_is_said_so() {
    let world = World::new();
    let session = world.session_of("alice").await;
    for (typed, expected) in [
        ("x", Notice::NumberInvalid),
        ("+881612345678", Notice::NumberRefused),
    ] {
        let refused = world
            .logins
            .change_number(&session, typed, &facts())
            .await
            .unwrap();
        assert_eq!(refused.unwrap_err(), expected);
    }
    for _ in 0..4 {
        asked(&world, &session).await;
    }
    let limited = world
        .logins
        .change_number(&session, NEW, &facts())
        .await
        .unwrap();
    assert_eq!(limited.unwrap_err(), Notice::SendLimit);
}

#[tokio::test]
async fn a_numbers_proof_whose_limits_cannot_be_asked_leaves_no_row() {
    let world = World::new();
    let session = world.session_of("alice").await;
    let calls = world.calls();
    world.held().count_refused = true;
    let failed = world.logins.change_number(&session, NEW, &facts()).await;
    assert!(
        matches!(failed, Err(LoginError::Unavailable(_))),
        "{failed:?}"
    );
    assert_eq!((world.calls(), world.held().logins.len()), (calls, 0));
}

/// A factor that a hundred failures disabled is bound anew, and then it is free.
#[tokio::test]
async fn a_new_binding_enables_a_disabled_factor() {
    let world = World::with(|settings| {
        settings.factor.challenge.attempts.failures_in_a_row_max = 3;
    });
    world.give_backup_codes("alice", &["0123456789"]);
    let (id, code) = world.at_code("alice").await;
    for _ in 0..3 {
        world.submit(&id, wrong(&code)).await;
    }
    let (id, step) = world.password_of("alice").await;
    assert!(
        matches!(
            step,
            Step::Stopped {
                backup_codes: true,
                ..
            }
        ),
        "{step:?}"
    );
    let moved = world
        .logins
        .submit_backup_code(&id, "0123456789", &facts())
        .await
        .unwrap();
    assert_eq!(moved.step, Step::Authenticated);
    let session = world.logins.finish(&id, &facts()).await.unwrap().session;
    let (id, code) = asked(&world, &session).await;
    let _proven = world
        .logins
        .confirm_number(&session, &id, &code, &facts())
        .await
        .unwrap();
    let (_, step) = world.password_of("alice").await;
    assert!(matches!(step, Step::AskCode(_)));
}

#[tokio::test]
async fn sessions_and_links_are_listed_and_ended() {
    let world = World::new();
    let association = Association {
        identity_provider: "idp".to_owned(),
        subject: "s".to_owned(),
    };
    if let Some(alice) = world.held().users.get_mut("alice") {
        alice.associations.push(association.clone());
    }
    let first = world.session_of("alice").await;
    let second = world.session_of("alice").await;
    let third = world.session_of("alice").await;
    let overview = world.logins.overview(&first).await.unwrap();
    assert_eq!(
        (overview.sessions.len(), overview.associations.len()),
        (3, 1)
    );
    assert_eq!(overview.number.as_deref(), Some("******4567"));
    assert!(overview.fresh);
    assert!(
        world
            .logins
            .end_session(&first, &second.name, &facts())
            .await
            .unwrap()
    );
    assert!(
        !world
            .logins
            .end_session(&first, &second.name, &facts())
            .await
            .unwrap()
    );
    assert_eq!(
        world
            .logins
            .end_other_sessions(&first, &facts())
            .await
            .unwrap(),
        1
    );
    assert!(world.logins.session(&third.id).await.unwrap().is_none());
    assert!(world.logins.session(&first.id).await.unwrap().is_some());
    assert!(
        world
            .logins
            .unlink(&first, &association, &facts())
            .await
            .unwrap()
    );
    assert!(
        !world
            .logins
            .unlink(&first, &association, &facts())
            .await
            .unwrap()
    );
}

/// A number whose proof is locked is sent nothing.
#[tokio::test]
async fn a_locked_proof_sends_no_message() {
    let world = World::with(|settings| {
        settings.factor.challenge.attempts.failures_max = 3;
    });
    let session = world.session_of("alice").await;
    let (id, code) = asked(&world, &session).await;
    for _ in 0..3 {
        let proven = world
            .logins
            .confirm_number(&session, &id, wrong(&code), &facts())
            .await;
        assert!(matches!(proven.unwrap(), Proven::Again(_)));
    }
    let sent = world.calls();
    let moved = world
        .logins
        .change_number(&session, NEW, &facts())
        .await
        .unwrap()
        .unwrap();
    assert!(
        matches!(
            moved.step,
            Step::Stopped {
                reason: StopReason::Locked { .. },
                backup_codes: false,
            }
        ),
        "{:?}",
        moved.step
    );
    assert_eq!(world.calls(), sent);
    // Another number's proof is another matter.
    let other = world
        .logins
        .change_number(&session, "+94777654322", &facts())
        .await;
    assert!(matches!(other.unwrap().unwrap().step, Step::AskCode(_)));
}

/// whoever holds the proof's id without its session sees nothing of it and moves nothing.
#[tokio::test]
async fn a_numbers_proof_is_shown_sent_again_and_given_up_by_its_session_only() {
    let world = World::new();
    let session = world.session_of("alice").await;
    let other = world.session_of("alice").await;
    let (id, _) = asked(&world, &session).await;
    world.pass(MINUTE);
    let sent = world.calls();
    let refused = [
        world.logins.number_step(&other, &id).await.err(),
        world
            .logins
            .resend_number(&other, &id, &facts())
            .await
            .err(),
        world.logins.abandon_number(&other, &id).await.err(),
    ];
    for refused in refused {
        assert!(matches!(refused, Some(LoginError::Gone)), "{refused:?}");
    }
    let outside = [
        world.logins.step(&id).await.err(),
        world.logins.resend(&id, &facts()).await.err(),
        world.logins.abandon(&id).await.err(),
    ];
    for refused in outside {
        assert!(
            matches!(refused, Some(LoginError::OutOfOrder)),
            "{refused:?}"
        );
    }
    assert_eq!(world.calls(), sent);
    let moved = world.logins.resend_number(&session, &id, &facts()).await;
    assert!(matches!(moved.unwrap().step, Step::AskCode(_)));
    assert_eq!(world.calls(), sent + 1);
    world.logins.abandon_number(&session, &id).await.unwrap();
    let step = world.logins.number_step(&session, &id).await.unwrap();
    assert!(matches!(
        step,
        Step::Stopped {
            reason: StopReason::Abandoned,
            ..
        }
    ));
}

fn changeable(world: &World) {
    if let Some(alice) = world.held().users.get_mut("alice") {
        alice.profile.password_changeable = true;
    }
}

#[tokio::test]
async fn a_new_password_ends_other_sessions_and_open_challenges_and_is_told() {
    let world = World::new();
    changeable(&world);
    let other = world.session_of("alice").await;
    let session = world.session_of("alice").await;
    let (open, code) = world.at_code("alice").await;
    let changed = world
        .logins
        .change_password(&session, "right", "better than before", &facts())
        .await;
    assert_eq!(changed.unwrap(), NewPassword::Changed);
    assert_eq!(world.held().users["alice"].password, "better than before");
    let left = world.held().sessions.clone();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].id, session.id);
    assert_ne!(left[0].id, other.id);
    let late = world.logins.submit_code(&open, &code, &facts()).await;
    assert!(matches!(late, Err(LoginError::OutOfOrder)));
    assert_eq!(world.count(|what| matches!(what, What::PasswordChanged)), 1);
    let told = |world: &World| {
        let held = world.held();
        let (_, last) = held.sent.last().unwrap();
        last.code.is_none() && last.text.as_str().contains("password of your account")
    };
    while !told(&world) {
        tokio::task::yield_now().await;
    }
}

/// Nothing begins from them while the logins are ended, nor when these cannot be.
#[tokio::test]
async fn a_new_password_ends_the_other_sessions_before_the_logins() {
    let world = World::new();
    changeable(&world);
    let other = world.session_of("alice").await;
    let session = world.session_of("alice").await;
    world.held().close_refused = true;
    let changed = world
        .logins
        .change_password(&session, "right", "better than before", &facts())
        .await;
    assert!(matches!(changed, Err(LoginError::Unavailable(_))));
    let logins = &world.logins;
    assert!(logins.session(&other.id).await.unwrap().is_none());
    assert!(logins.session(&session.id).await.unwrap().is_some());
}

/// B-01: one that goes on from a session, one whose code was right, and one that takes a backup code in
/// place of the locked factor's.
#[tokio::test]
async fn a_new_password_ends_every_login_that_the_old_one_began() {
    let world = World::with(|settings| settings.factor.challenge.attempts.attempts_max = 50);
    changeable(&world);
    world.give_backup_codes("alice", &["0123456789"]);
    let other = world.session_of("alice").await;
    let session = world.session_of("alice").await;
    let stepped_up = world
        .logins
        .step_up(&other, Application::account_page(), browser(), &facts())
        .await
        .unwrap();
    let identified = stepped_up.id;
    let (proven, code) = world.at_code("alice").await;
    assert_eq!(world.submit(&proven, &code).await, Step::Authenticated);
    let (locked, code) = world.at_code("alice").await;
    for _ in 0..11 {
        world.submit(&locked, wrong(&code)).await;
    }
    let step = world.logins.step(&locked).await.unwrap();
    let offered = matches!(
        step,
        Step::Stopped {
            backup_codes: true,
            ..
        }
    );
    assert!(offered, "{step:?}");
    let changed = world
        .logins
        .change_password(&session, "right", "better than before", &facts())
        .await;
    assert_eq!(changed.unwrap(), NewPassword::Changed);
    let logins = &world.logins;
    let refused = [
        logins.second_step_wanted(&identified, &facts()).await.err(),
        logins.finish(&proven, &facts()).await.err(),
        logins
            .submit_backup_code(&locked, "0123456789", &facts())
            .await
            .err(),
    ];
    for refused in refused {
        let over = matches!(refused, Some(LoginError::OutOfOrder));
        assert!(over, "{refused:?}");
    }
}

#[tokio::test]
async fn a_new_password_has_eight_characters_and_is_another_one() {
    let world = World::new();
    changeable(&world);
    let session = world.session_of("alice").await;
    let long = "x".repeat(1025);
    for (current, new, expected) in [
        ("right", "1234567", NewPassword::TooShort),
        ("right", "ééééééé", NewPassword::TooShort),
        ("right", long.as_str(), NewPassword::TooLong),
        ("wrong", "12345678", NewPassword::CurrentWrong),
        ("", "12345678", NewPassword::CurrentWrong),
        ("right", "12345678", NewPassword::Changed),
        ("12345678", "12345678", NewPassword::Same),
        ("12345678", "éééééééé", NewPassword::Changed),
    ] {
        let outcome = world
            .logins
            .change_password(&session, current, new, &facts())
            .await;
        assert_eq!(outcome.unwrap(), expected, "{new:?}");
    }
}

/// an open session is no way to guess the password at leisure.
#[tokio::test]
async fn guesses_at_the_current_password_are_counted_like_those_at_the_first_step() {
    let world = World::new();
    changeable(&world);
    let session = world.session_of("alice").await;
    let guess = async |current: &str| {
        world
            .logins
            .change_password(&session, current, "better than before", &facts())
            .await
    };
    let mut refused = 0;
    loop {
        match guess("wrong").await {
            Ok(outcome) => assert_eq!(outcome, NewPassword::CurrentWrong),
            Err(LoginError::Throttled { .. }) => break,
            Err(error) => panic!("{error}"),
        }
        refused += 1;
        assert!(refused <= 101, "no end");
    }
    let right = guess("right").await;
    assert!(matches!(right, Err(LoginError::Throttled { .. })));
    let written = world.count(|what| matches!(what, What::PasswordChangeRefused));
    assert_eq!(written, refused);
    assert_eq!(world.held().users["alice"].password, "right");
}

/// `EnableAccountLockingForFailedAttempts`: outwardly a wrong password, as at the first step.
#[tokio::test]
async fn where_wrong_codes_lock_the_account_its_password_is_not_changed() {
    for (lock_account, expected) in [
        (true, NewPassword::CurrentWrong),
        (false, NewPassword::Changed),
    ] {
        let world = World::with(|settings| settings.factor.lock_account = lock_account);
        changeable(&world);
        let session = world.session_of("alice").await;
        world.lock("alice").await;
        let outcome = world
            .logins
            .change_password(&session, "right", "better than before", &facts())
            .await;
        assert_eq!(outcome.unwrap(), expected);
    }
}

/// C-07
#[tokio::test]
async fn a_password_is_changed_only_from_a_fresh_session_and_where_it_is_kept() {
    let world = World::new();
    let session = world.session_of("alice").await;
    let change = async |session: &Session| {
        world
            .logins
            .change_password(session, "right", "better than before", &facts())
            .await
    };
    let elsewhere = change(&session).await;
    assert_eq!(elsewhere.unwrap(), NewPassword::ReadOnly);
    changeable(&world);
    world.held().save_refused = true;
    let refused = change(&session).await;
    assert_eq!(refused.unwrap(), NewPassword::ReadOnly);
    world.held().save_refused = false;
    world.pass(10 * MINUTE + 1);
    let stale = change(&session).await;
    assert!(matches!(stale, Err(LoginError::Reauthenticate)));
    assert_eq!(world.held().users["alice"].password, "right");
    assert_eq!(world.count(|what| matches!(what, What::PasswordChanged)), 0);
}

/// Whoever an identity provider calls `alice` is not the account `alice`.
#[tokio::test]
async fn a_federated_namesake_neither_sees_nor_ends_an_accounts_sessions() {
    let world = World::with(|settings| settings.factor.mandatory = false);
    let session = world.session_of("alice").await;
    let namesake = Session {
        first: FirstFactor::Federated {
            identity_provider: "idp".to_owned(),
        },
        has_local_account: false,
        name: "namesake".to_owned(),
        id: SessionId::from_entropy(&[9; 32]),
        ..session.clone()
    };
    world.held().sessions.push(namesake.clone());
    let seen = world.logins.overview(&namesake).await.unwrap();
    assert_eq!(seen.sessions.len(), 1);
    assert_eq!(seen.sessions[0].name, "namesake");
    let ended = world
        .logins
        .end_session(&namesake, &session.name, &facts())
        .await;
    assert!(!ended.unwrap());
    let others = world.logins.end_other_sessions(&namesake, &facts()).await;
    assert_eq!(others.unwrap(), 0);
    let others = world.logins.end_other_sessions(&session, &facts()).await;
    assert_eq!(others.unwrap(), 0);
}
