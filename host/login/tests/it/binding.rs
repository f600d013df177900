//! Capture: a number becomes an account's.

use crate::world::*;
use postern_login::audit::What;
use postern_login::login::{Notice, StopReason};
use postern_login::submit::Entered;
use postern_login::{LoginError, Step};
use postern_otp::Closed;
use postern_otp::need::Refusal;

const NEW: &str = "+94777654321";

fn capturing() -> World {
    World::with(|settings| settings.factor.capture_number = true)
}

fn number_of(world: &World, name: &str) -> Option<String> {
    world.held().users[name].profile.number.clone()
}

/// B-03
#[tokio::test]
async fn a_captured_number_is_kept_only_after_its_own_code() {
    let world = capturing();
    let (id, step) = world.password_of("bob").await;
    assert_eq!(step, Step::AskNumber { notice: None });
    let moved = world
        .logins
        .give_number(&id, "077 765 4321", &facts())
        .await
        .unwrap();
    assert!(matches!(moved.step, Step::AskCode(_)));
    assert_eq!(number_of(&world, "bob"), None);
    let code = world.last_code();
    world.submit(&id, wrong(&code)).await;
    assert_eq!(number_of(&world, "bob"), None);
    // A second number for the same login is not looked at: A is proven, A is stored.
    let swapped = world
        .logins
        .give_number(&id, "+94770000000", &facts())
        .await;
    assert!(matches!(swapped, Err(LoginError::OutOfOrder)));
    assert_eq!(world.submit(&id, &code).await, Step::Authenticated);
    assert_eq!(number_of(&world, "bob").as_deref(), Some(NEW));
    assert_eq!(
        world.count(|what| matches!(what, What::NumberChanged { from: None, .. })),
        1
    );
    // What the new number ended are the others.
    let finished = world.logins.finish(&id, &facts()).await;
    assert_eq!(finished.unwrap().session.account, "bob");
}

/// B-03: a backup code proves no number.
#[tokio::test]
async fn a_backup_code_does_not_keep_an_unproven_number() {
    let world = capturing();
    world.give_backup_codes("bob", &["0123456789"]);
    let (id, _) = world.password_of("bob").await;
    let _moved = world.logins.give_number(&id, NEW, &facts()).await.unwrap();
    let moved = world
        .logins
        .submit_backup_code(&id, "0123456789", &facts())
        .await
        .unwrap();
    assert_eq!(moved.step, Step::Authenticated);
    assert_eq!(number_of(&world, "bob"), None);
}

/// B-01
#[tokio::test]
async fn an_account_that_had_a_factor_is_asked_for_no_number() {
    let world = capturing();
    if let Some(bob) = world.held().users.get_mut("bob") {
        bob.profile.had_factor = true;
    }
    let refused = Step::Stopped {
        reason: StopReason::Refused(Refusal::NoNumber),
        backup_codes: false,
    };
    assert_eq!(world.password_of("bob").await.1, refused);
    // Nor one whose number cannot be read.
    if let Some(bob) = world.held().users.get_mut("bob") {
        bob.profile.had_factor = false;
        bob.profile.number = Some("garbage".to_owned());
    }
    assert_eq!(world.password_of("bob").await.1, refused);
}

/// B-01: two first enrolments at once; the one that comes second takes nothing over.
#[tokio::test]
async fn a_second_capture_does_not_replace_the_first() {
    let world = capturing();
    let (attacker, _) = world.password_of("bob").await;
    let _moved = world
        .logins
        .give_number(&attacker, "+447700900666", &facts())
        .await
        .unwrap();
    let stolen = world.last_code();
    let (owner, _) = world.password_of("bob").await;
    let _moved = world
        .logins
        .give_number(&owner, NEW, &facts())
        .await
        .unwrap();
    let code = world.last_code();
    assert_eq!(world.submit(&owner, &code).await, Step::Authenticated);
    let late = world.logins.submit_code(&attacker, &stolen, &facts()).await;
    assert!(
        matches!(late, Err(LoginError::OutOfOrder | LoginError::Conflict)),
        "{late:?}"
    );
    assert_eq!(number_of(&world, "bob").as_deref(), Some(NEW));
}

/// B-01: before the winner's act has ended the other login.
#[tokio::test]
async fn a_first_number_that_comes_second_reads_that_its_sign_in_was_overtaken() {
    let world = capturing();
    let (id, _) = world.password_of("bob").await;
    let _moved = world.logins.give_number(&id, NEW, &facts()).await.unwrap();
    let code = world.last_code();
    let winner = user(Some(ALICE));
    world.held().users.insert("bob".to_owned(), winner);
    let overtaken = Step::Stopped {
        reason: StopReason::Closed(Closed::Overtaken),
        backup_codes: false,
    };
    assert_eq!(world.submit(&id, &code).await, overtaken);
    assert_eq!(number_of(&world, "bob").as_deref(), Some(ALICE));
    let again = world.logins.submit_code(&id, &code, &facts()).await;
    assert!(matches!(again, Err(LoginError::OutOfOrder)), "{again:?}");
}

/// What an administrator says while the number page is open holds there: no message, nothing is kept.
#[tokio::test]
async fn an_open_number_page_ends_with_what_led_to_it() {
    for reason in [StopReason::Refused(Refusal::Locked), StopReason::Failed] {
        let world = capturing();
        let (id, step) = world.password_of("bob").await;
        assert_eq!(step, Step::AskNumber { notice: None });
        if let Some(bob) = world.held().users.get_mut("bob") {
            match reason {
                StopReason::Failed => bob.profile.number = Some(ALICE.to_owned()),
                _ => bob.profile.locked = true,
            }
        }
        let moved = world.logins.give_number(&id, NEW, &facts()).await.unwrap();
        let backup_codes = false;
        assert_eq!(
            moved.step,
            Step::Stopped {
                reason,
                backup_codes
            }
        );
        assert_eq!(world.calls(), 0, "{reason:?}");
        assert_ne!(number_of(&world, "bob").as_deref(), Some(NEW));
    }
}

/// B-02
#[tokio::test]
async fn a_number_that_comes_with_another_step_is_ignored() {
    let world = capturing();
    let (id, _) = world.at_code("alice").await;
    let posted = world.logins.give_number(&id, NEW, &facts()).await;
    assert!(matches!(posted, Err(LoginError::OutOfOrder)));
    assert_eq!(number_of(&world, "alice").as_deref(), Some(ALICE));
    assert_eq!(world.calls(), 1);
}

/// R-06, T-10
#[tokio::test]
async fn a_number_that_gets_no_codes_is_refused_before_any_call() {
    let world = World::with(|settings| {
        settings.factor.capture_number = true;
        settings.factor.regions = vec!["LK".to_owned()];
    });
    let (id, _) = world.password_of("bob").await;
    for (typed, expected) in [
        ("", Notice::NumberInvalid),
        ("112", Notice::NumberInvalid),
        ("+94771234567;ext=1", Notice::NumberInvalid),
        ("+881612345678", Notice::NumberRefused),
        ("+19005550100", Notice::NumberRefused),
        ("+447700900123", Notice::NumberRefused),
    ] {
        let moved = world
            .logins
            .give_number(&id, typed, &facts())
            .await
            .unwrap();
        let notice = Some(expected);
        assert_eq!(moved.step, Step::AskNumber { notice }, "{typed}");
    }
    assert_eq!(world.calls(), 0);
}

#[tokio::test]
async fn a_store_that_refuses_the_number_fails_the_login() {
    let world = capturing();
    let (id, _) = world.password_of("bob").await;
    let _moved = world.logins.give_number(&id, NEW, &facts()).await.unwrap();
    world.held().save_refused = true;
    let code = world.last_code();
    let refused = world.logins.submit_code(&id, &code, &facts()).await;
    assert!(matches!(refused, Err(LoginError::Unavailable(_))));
    assert!(matches!(
        world.logins.step(&id).await.unwrap(),
        Step::AskCode(_)
    ));
}

/// A store's own policy may refuse what was proven: another number may be tried, with a code of its own.
#[tokio::test]
async fn a_number_that_the_stores_policy_refuses_may_be_replaced_by_another() {
    let world = capturing();
    let (id, _) = world.password_of("bob").await;
    let _moved = world.logins.give_number(&id, NEW, &facts()).await.unwrap();
    world.held().save_policy = true;
    let code = world.last_code();
    let notice = Some(Notice::NumberNotSaved);
    assert_eq!(world.submit(&id, &code).await, Step::AskNumber { notice });
    assert_eq!(number_of(&world, "bob"), None);
    world.held().save_policy = false;
    let other = "+447700900123";
    let _moved = world
        .logins
        .give_number(&id, other, &facts())
        .await
        .unwrap();
    let late = world.submit(&id, &code).await;
    assert!(matches!(late, Step::AskCode(_)), "{late:?}");
    let code = world.last_code();
    assert_eq!(world.submit(&id, &code).await, Step::Authenticated);
    assert_eq!(number_of(&world, "bob").as_deref(), Some(other));
}

/// Whoever is answered hears that the code was right, so the attempt is told of before.
#[tokio::test]
async fn a_right_code_is_told_of_whatever_becomes_of_its_number() {
    for fate in ["taken", "refused", "away"] {
        let world = capturing();
        let (id, _) = world.password_of("bob").await;
        let _moved = world.logins.give_number(&id, NEW, &facts()).await.unwrap();
        let code = world.last_code();
        match fate {
            "refused" => world.held().save_policy = true,
            "away" => world.held().save_refused = true,
            _ => {
                let bob = user(Some(ALICE));
                world.held().users.insert("bob".to_owned(), bob);
            }
        }
        let entered = world
            .logins
            .sign_in_with_code(&id, &code, None, &facts())
            .await;
        assert!(!matches!(entered, Ok(Entered::In(_))), "{fate}");
        assert_eq!(world.count(is_accepted), 1, "{fate}");
        assert!(world.held().sessions.is_empty());
    }
}

/// The code is used up and the session open by then: the browser must get it.
#[tokio::test]
async fn a_first_number_signs_in_though_nobody_elses_login_can_be_ended() {
    let world = capturing();
    let (id, _) = world.password_of("bob").await;
    let _moved = world.logins.give_number(&id, NEW, &facts()).await.unwrap();
    world.held().close_refused = true;
    let code = world.last_code();
    let entered = world
        .logins
        .sign_in_with_code(&id, &code, None, &facts())
        .await;
    assert!(matches!(entered, Ok(Entered::In(_))), "{entered:?}");
    assert_eq!(number_of(&world, "bob").as_deref(), Some(NEW));
}
