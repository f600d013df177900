//! Backup codes at sign-in.

use crate::world::*;
use postern_login::audit::What;
use postern_login::login::{Notice, SecondFactor, StopReason};
use postern_login::ports::FailureReason;
use postern_login::{LoginError, Step};

const CODES: [&str; 3] = ["0123456789", "ABCDEFGHJK", "MNPQRSTVWX"];

fn world() -> World {
    let world = World::with(|settings| settings.factor.challenge.attempts.attempts_max = 50);
    world.give_backup_codes("alice", &CODES);
    world
}

async fn typed(world: &World, id: &postern_login::LoginId, code: &str) -> Step {
    let moved = world.logins.submit_backup_code(id, code, &facts()).await;
    moved.unwrap().step
}

#[tokio::test]
async fn a_backup_code_signs_in_when_nothing_could_be_sent() {
    let world = world();
    world.script([failed(FailureReason::Unroutable)]);
    let (id, _) = world.password_of("alice").await;
    assert_eq!(typed(&world, &id, "abcde-fghjk").await, Step::Authenticated);
    let session = world.logins.finish(&id, &facts()).await.unwrap().session;
    assert!(matches!(session.second, SecondFactor::BackupCode));
    assert_eq!(
        world.count(|what| matches!(what, What::BackupCodeUsed { left: 2 })),
        1
    );
}

/// C-02
#[tokio::test]
async fn a_backup_code_is_good_once() {
    let world = world();
    let (id, _) = world.at_code("alice").await;
    assert_eq!(typed(&world, &id, CODES[0]).await, Step::Authenticated);
    let (id, _) = world.at_code("alice").await;
    let Step::AskCode(ask) = typed(&world, &id, CODES[0]).await else {
        unreachable!("refused")
    };
    assert_eq!(ask.notice, Some(Notice::BackupCodeWrong));
}

/// C-03
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_code_typed_a_hundred_times_at_once_opens_one_session() {
    let world = World::with(|settings| {
        settings.factor.challenge.attempts.attempts_max = 500;
        settings.factor.challenge.attempts.failures_max = 500;
        settings.factor.challenge.attempts.failures_in_a_row_max = 500;
    });
    world.give_backup_codes("alice", &CODES);
    let (first, _) = world.at_code("alice").await;
    let (second, _) = world.at_code("alice").await;
    let posts: Vec<_> = (0..100)
        .map(|post| {
            let id = if post % 2 == 0 {
                first.clone()
            } else {
                second.clone()
            };
            let world = world.clone();
            tokio::spawn(async move {
                let _moved = world
                    .logins
                    .submit_backup_code(&id, CODES[0], &facts())
                    .await;
                world.logins.finish(&id, &facts()).await.is_ok()
            })
        })
        .collect();
    let mut sessions = 0;
    for post in posts {
        sessions += usize::from(post.await.unwrap());
    }
    assert_eq!(sessions, 1);
    assert_eq!(
        world.count(|what| matches!(what, What::BackupCodeUsed { .. })),
        1
    );
}

/// C-03: two codes of the list at once. Both are gone from it, one signs in.
#[tokio::test]
async fn a_backup_code_that_is_spent_is_told_of_whoever_wins_the_login() {
    let world = world();
    let (id, _) = world.at_code("alice").await;
    let client = facts();
    let (one, two) = tokio::join!(
        world.logins.submit_backup_code(&id, CODES[0], &client),
        world.logins.submit_backup_code(&id, CODES[1], &client),
    );
    assert!(one.is_ok() != two.is_ok(), "{one:?}, {two:?}");
    assert_eq!(world.held().backup_codes[&account("alice").key()].len(), 1);
    let spent = |what: &What| matches!(what, What::BackupCodeUsed { .. });
    assert_eq!(world.count(spent), 2);
}

/// C-06: one counter, and a form of its own.
#[tokio::test]
async fn backup_guesses_cost_the_accounts_attempts_and_the_code_field_takes_none() {
    let world = world();
    let (id, code) = world.at_code("alice").await;
    for guess in 0..4 {
        typed(&world, &id, "ZZZZZZZZZZ").await;
        assert_eq!(world.ledger("alice").failures, guess + 1);
    }
    // In the field of the SMS code a backup code is nothing but wrong.
    let Step::AskCode(ask) = world.submit(&id, CODES[0]).await else {
        unreachable!("refused")
    };
    assert_eq!(ask.notice, Some(Notice::CodeWrong));
    assert_eq!(world.ledger("alice").failures, 5);
    // And an SMS code is no backup code.
    typed(&world, &id, &code).await;
    assert_eq!(world.ledger("alice").failures, 6);
}

/// D-02
#[tokio::test]
async fn a_locked_factor_leaves_five_backup_tries() {
    let world = world();
    let (id, code) = world.at_code("alice").await;
    for _ in 0..11 {
        world.submit(&id, wrong(&code)).await;
    }
    let (id, step) = world.password_of("alice").await;
    assert!(matches!(
        step,
        Step::Stopped {
            reason: StopReason::Locked { .. },
            backup_codes: true
        }
    ));
    for _ in 0..4 {
        assert_eq!(typed(&world, &id, "ZZZZZZZZZZ").await, step);
    }
    assert_eq!(typed(&world, &id, CODES[1]).await, Step::Authenticated);
    // The lock of the SMS factor is not lifted by it.
    let (_, step) = world.password_of("alice").await;
    assert!(matches!(
        step,
        Step::Stopped {
            reason: StopReason::Locked { .. },
            ..
        }
    ));
}

/// D-02: the sixth is not looked at.
#[tokio::test]
async fn after_five_wrong_backup_tries_a_right_one_is_refused_while_locked() {
    let world = world();
    let (id, code) = world.at_code("alice").await;
    for _ in 0..11 {
        world.submit(&id, wrong(&code)).await;
    }
    let (id, _) = world.password_of("alice").await;
    for _ in 0..5 {
        typed(&world, &id, "ZZZZZZZZZZ").await;
    }
    let step = typed(&world, &id, CODES[0]).await;
    assert!(
        matches!(
            step,
            Step::Stopped {
                reason: StopReason::Locked { .. },
                ..
            }
        ),
        "{step:?}"
    );
    let held = world.held();
    assert_eq!(
        held.backup_codes[&account("alice").key()].len(),
        3,
        "none was spent"
    );
}

/// `EnableAccountLockingForFailedAttempts`: a locked account is let in by no code, so none is spent on it.
#[tokio::test]
async fn where_wrong_codes_lock_the_account_no_backup_code_is_taken() {
    let world = World::with(|settings| {
        settings.factor.lock_account = true;
        settings.factor.challenge.attempts.attempts_max = 50;
    });
    world.give_backup_codes("alice", &CODES);
    let (open, _) = world.at_code("alice").await;
    let (id, code) = world.at_code("alice").await;
    for _ in 0..11 {
        world.submit(&id, wrong(&code)).await;
    }
    let stopped = |step: &Step| {
        matches!(
            step,
            Step::Stopped {
                reason: StopReason::Locked { .. },
                backup_codes: false
            }
        )
    };
    let step = world.logins.step(&id).await.unwrap();
    assert!(stopped(&step), "none is offered: {step:?}");
    let posted = world
        .logins
        .submit_backup_code(&id, CODES[0], &facts())
        .await;
    assert!(matches!(posted, Err(LoginError::OutOfOrder)));
    let step = typed(&world, &open, CODES[0]).await;
    assert!(stopped(&step), "{step:?}");
    let held = world.held();
    assert_eq!(held.backup_codes[&account("alice").key()].len(), 3);
}

#[tokio::test]
async fn where_backup_codes_are_off_none_is_taken() {
    let world = World::with(|settings| settings.factor.backup_codes = false);
    world.give_backup_codes("alice", &CODES);
    let (id, _) = world.at_code("alice").await;
    let posted = world
        .logins
        .submit_backup_code(&id, CODES[0], &facts())
        .await;
    assert!(matches!(posted, Err(LoginError::OutOfOrder)));
    assert_eq!(world.ledger("alice").failures, 0);
}

/// What another system left in a claim is taken over when it is first tried, and spent like any
/// other: exact elements, each once (C-02).
#[tokio::test]
async fn codes_of_a_claim_are_taken_over_and_spent_one_by_one() {
    let world = World::with(|settings| settings.factor.challenge.attempts.attempts_max = 50);
    world
        .held()
        .claims
        .insert("alice".into(), "123456, Ab+c,789".into());
    let (id, _) = world.at_code("alice").await;
    // A part of a code, another case, the whole claim, and what lies between elements.
    for wrong in ["12345", "3456", "ab+c", "123456, Ab+c,789", ",", " "] {
        assert!(
            matches!(typed(&world, &id, wrong).await, Step::AskCode(_)),
            "{wrong}"
        );
    }
    assert_eq!(
        world.held().claims.get("alice"),
        None,
        "it is empty from the first try on"
    );
    assert_eq!(typed(&world, &id, " Ab+c ").await, Step::Authenticated);
    let (id, _) = world.at_code("alice").await;
    assert!(
        matches!(typed(&world, &id, "Ab+c").await, Step::AskCode(_)),
        "once"
    );
    assert_eq!(typed(&world, &id, "789").await, Step::Authenticated);
}

/// A claim that cannot be emptied would be good for ever: whoever tries a code is refused.
#[tokio::test]
async fn a_claim_that_cannot_be_emptied_lets_nobody_in() {
    let world = world();
    world.held().claims_stuck = true;
    let (id, _) = world.at_code("alice").await;
    for code in ["123456", CODES[0]] {
        let refused = world.logins.submit_backup_code(&id, code, &facts()).await;
        assert!(matches!(refused, Err(LoginError::Unavailable(_))));
    }
    world.held().claims_stuck = false;
    assert_eq!(
        typed(&world, &id, CODES[0]).await,
        Step::Authenticated,
        "nothing was spent"
    );
}

/// The original logged that it could not take a code off the list, and let the person in.
#[tokio::test]
async fn a_backup_code_that_cannot_be_spent_lets_nobody_in() {
    let world = world();
    let (id, _) = world.at_code("alice").await;
    world.held().spend_refused = true;
    let client = facts();
    let moved = world.logins.submit_backup_code(&id, CODES[0], &client);
    let error = moved.await.unwrap_err();
    assert!(matches!(error, LoginError::Unavailable(_)), "{error:?}");
    let step = world.logins.step(&id).await.unwrap();
    assert!(matches!(step, Step::AskCode(_)), "{step:?}");
    world.held().spend_refused = false;
    assert_eq!(typed(&world, &id, CODES[0]).await, Step::Authenticated);
}

/// A code that is gone has a row that says so.
#[tokio::test]
async fn a_backup_code_is_not_spent_where_the_rest_cannot_be_counted() {
    let world = world();
    let (id, _) = world.at_code("alice").await;
    world.held().rest_refused = true;
    let client = facts();
    let moved = world.logins.submit_backup_code(&id, CODES[0], &client);
    let error = moved.await.unwrap_err();
    assert!(matches!(error, LoginError::Unavailable(_)), "{error:?}");
    assert_eq!(world.ledger("alice").failures, 0, "nothing was paid");
    world.held().rest_refused = false;
    assert_eq!(typed(&world, &id, CODES[0]).await, Step::Authenticated);
    let spent = |what: &What| matches!(what, What::BackupCodeUsed { left: 2 });
    assert_eq!(world.count(spent), 1);
}
