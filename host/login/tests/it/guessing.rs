//! Guesses: what they cost, and when they end.

use crate::world::*;
use postern_login::application::Application;
use postern_login::audit::What;
use postern_login::login::{Notice, StopReason};
use postern_login::{LoginError, LoginId, Step};
use postern_otp::Closed;

const EXHAUSTED: StopReason = StopReason::Closed(Closed::AttemptsExhausted);

fn notice(step: &Step) -> (Option<Notice>, u32) {
    match step {
        Step::AskCode(ask) => (ask.notice, ask.attempts_left),
        other => unreachable!("{other:?}"),
    }
}

///
#[tokio::test]
async fn five_wrong_codes_end_the_challenge_and_the_right_one_comes_too_late() {
    let world = World::new();
    let (id, code) = world.at_code("alice").await;
    for left in (1..5).rev() {
        let step = world.submit(&id, wrong(&code)).await;
        assert_eq!(notice(&step), (Some(Notice::CodeWrong), left));
        assert_eq!(notice(&world.logins.step(&id).await.unwrap()).1, left);
    }
    let over = Step::Stopped {
        reason: EXHAUSTED,
        backup_codes: false,
    };
    assert_eq!(world.submit(&id, wrong(&code)).await, over);
    let late = world.logins.submit_code(&id, &code, &facts()).await;
    assert!(matches!(late, Err(LoginError::OutOfOrder)));
    assert_eq!(
        world.count(|what| matches!(what, What::AttemptsExhausted)),
        1
    );
    assert_eq!(world.count(is_accepted), 0);
}

#[tokio::test]
async fn a_right_code_after_wrong_ones_is_accepted() {
    let world = World::new();
    let (id, code) = world.at_code("alice").await;
    for _ in 0..4 {
        world.submit(&id, wrong(&code)).await;
    }
    assert_eq!(
        world.submit(&id, &format!(" {code} ")).await,
        Step::Authenticated
    );
    assert_eq!(
        (
            world.ledger("alice").failures,
            world.ledger("alice").in_a_row
        ),
        (4, 0)
    );
}

///
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_guesses_at_once_are_five_comparisons() {
    let world = World::new();
    let (id, code) = world.at_code("alice").await;
    let guesses: Vec<_> = (0..1_000)
        .map(|_| {
            let (world, id, guess) = (world.clone(), id.clone(), wrong(&code));
            tokio::spawn(
                async move { world.logins.submit_code(&id, guess, &facts()).await.is_ok() },
            )
        })
        .collect();
    for guess in guesses {
        let _answered = guess.await.unwrap();
    }
    assert_eq!(world.held().comparisons, 5);
    assert_eq!(world.ledger("alice").in_a_row, 5);
    let step = world.logins.step(&id).await.unwrap();
    assert_eq!(
        step,
        Step::Stopped {
            reason: EXHAUSTED,
            backup_codes: false
        }
    );
}

/// the right one among a thousand is accepted at most once, and only if it was paid for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_code_in_a_storm_is_accepted_at_most_once() {
    for right in [0, 2, 4, 7, 500] {
        let world = World::new();
        let (id, code) = world.at_code("alice").await;
        let posts: Vec<_> = (0..600)
            .map(|post| {
                let (world, id) = (world.clone(), id.clone());
                let typed = if post == right {
                    code.clone()
                } else {
                    wrong(&code).to_owned()
                };
                tokio::spawn(async move {
                    let moved = world.logins.submit_code(&id, &typed, &facts()).await;
                    moved.is_ok_and(|moved| moved.step == Step::Authenticated)
                })
            })
            .collect();
        let mut told = 0;
        for post in posts {
            told += usize::from(post.await.unwrap());
        }
        let accepted = world.count(is_accepted);
        assert!(accepted <= 1, "{right}");
        assert!(told >= accepted, "{right}");
        assert!(world.held().comparisons <= 5, "{right}");
    }
}

/// neither a resend nor a new login, nor another address, nor a restart
/// gives guesses back.
#[tokio::test]
async fn the_budget_is_the_accounts() {
    let mut world = World::with(|settings| {
        settings.limits.per_account.0 = 1_000;
        settings.limits.per_number.0 = 1_000;
        settings.limits.per_address.0 = 1_000;
    });
    for round in 0_u32..40 {
        world = world.restarted();
        let id = world.begin().await;
        let from = facts_from(&format!("198.51.100.{round}"));
        let moved = world
            .logins
            .password(&id, "alice", "right", &from)
            .await
            .unwrap();
        let Step::AskCode(_) = moved.step else {
            continue;
        };
        let code = world.last_code();
        for _ in 0..4 {
            let _moved = world
                .logins
                .submit_code(&moved.id, wrong(&code), &from)
                .await;
        }
        world.pass(30_000);
        let _moved = world.logins.resend(&moved.id, &from).await;
        for _ in 0..4 {
            let _moved = world
                .logins
                .submit_code(&moved.id, wrong(&code), &from)
                .await;
        }
    }
    // 40 rounds of half a minute: 20 minutes, of which one lock took 15.
    assert!(
        world.held().comparisons <= 20,
        "{}",
        world.held().comparisons
    );
}

/// A-04, E-05
#[tokio::test]
async fn a_locked_factor_answers_right_and_wrong_alike_and_sends_nothing() {
    let world = World::with(|settings| {
        settings.factor.challenge.attempts.attempts_max = 50;
        settings.factor.backup_codes = false;
    });
    let (first, code) = world.at_code("alice").await;
    let (second, other) = world.at_code("alice").await;
    for _ in 0..10 {
        world.submit(&first, wrong(&code)).await;
    }
    let locked = world.submit(&first, &code).await;
    let Step::Stopped {
        reason: StopReason::Locked { until },
        ..
    } = locked
    else {
        unreachable!("{locked:?}")
    };
    assert_eq!(until.since(world.time()).as_secs(), 15 * 60);
    assert_eq!(world.submit(&second, wrong(&other)).await, locked);
    assert_eq!(
        world.count(|what| matches!(what, What::FactorLocked { .. })),
        2
    );
    let calls = world.calls();
    let (_, step) = world.password_of("alice").await;
    assert_eq!(step, locked);
    assert_eq!(world.calls(), calls, "a locked account gets no message");
    // D-04: over exactly when it was said to be.
    world.pass(15 * MINUTE);
    let (_, step) = world.password_of("alice").await;
    assert!(matches!(step, Step::AskCode(_)));
}

///
#[tokio::test]
async fn a_success_clears_that_persons_counter_only() {
    let world = World::new();
    world
        .held()
        .users
        .insert("carol".to_owned(), user(Some("+447700900123")));
    let (carol, code) = world.at_code("carol").await;
    world.submit(&carol, wrong(&code)).await;
    let (alice, code) = world.at_code("alice").await;
    world.submit(&alice, wrong(&code)).await;
    world.submit(&alice, &code).await;
    assert_eq!(world.ledger("alice").in_a_row, 0);
    assert_eq!(world.ledger("carol").in_a_row, 1);
}

/// one guess each against many accounts.
#[tokio::test]
async fn a_tenants_failures_are_bounded_and_no_account_is_locked() {
    let world = World::with(|settings| {
        settings.failures_per_hour = 20;
        settings.limits.per_address.0 = 1_000;
        settings.limits.conversion.percent_min = 0;
    });
    let mut throttled = 0;
    for index in 0..40 {
        let name = format!("victim{index}");
        let number = format!("+4477009001{index:02}");
        world.held().users.insert(name.clone(), user(Some(&number)));
        let (id, code) = world.at_code(&name).await;
        match world.logins.submit_code(&id, wrong(&code), &facts()).await {
            Ok(_) => {}
            Err(LoginError::Throttled { .. }) => throttled += 1,
            Err(other) => unreachable!("{other}"),
        }
        assert!(world.ledger(&name).failures <= 1);
    }
    assert_eq!(throttled, 19);
    assert_eq!(
        world.count(|what| matches!(what, What::TenantBudgetSpent)),
        1
    );
    world.pass(HOUR);
    let (id, code) = world.at_code("alice").await;
    assert_eq!(world.submit(&id, &code).await, Step::Authenticated);
}

/// What was paid for has its row, whatever fails behind it.
#[tokio::test]
async fn a_wrong_code_is_told_of_though_it_cannot_be_counted_for_the_tenant() {
    let world = World::new();
    let (id, code) = world.at_code("alice").await;
    world.held().count_refused = true;
    for tries in 1..=5 {
        let client = facts();
        let failed = if tries == 1 {
            let typed = "ZZZZZZZZZZ";
            world.logins.submit_backup_code(&id, typed, &client).await
        } else {
            let typed = wrong(&code);
            world.logins.submit_code(&id, typed, &client).await
        };
        assert!(
            matches!(failed, Err(LoginError::Unavailable(_))),
            "{failed:?}"
        );
        let told = |what: &What| matches!(what, What::CodeValidated { .. });
        assert_eq!(world.count(told), tries);
    }
    let step = world.logins.step(&id).await.unwrap();
    assert!(
        matches!(step, Step::Stopped { reason, .. } if reason == EXHAUSTED),
        "{step:?}"
    );
}

/// two logins of one person, and of two people.
#[tokio::test]
async fn a_code_of_one_login_is_wrong_in_another() {
    let world = World::new();
    let (first, code) = world.at_code("alice").await;
    let (second, other) = world.at_code("alice").await;
    assert_ne!(code, other);
    let step = world.submit(&second, &code).await;
    assert_eq!(notice(&step), (Some(Notice::CodeWrong), 4));
    assert_eq!(world.ledger("alice").failures, 1);
    assert_eq!(world.submit(&first, &code).await, Step::Authenticated);
}

///
#[tokio::test]
async fn the_old_code_is_dead_after_a_resend_and_told_apart() {
    let world = World::new();
    let (id, old) = world.at_code("alice").await;
    world.pass(30_000);
    let moved = world.logins.resend(&id, &facts()).await.unwrap();
    assert_eq!(notice(&moved.step), (Some(Notice::NewCodeSent), 5));
    let new = world.last_code();
    assert_ne!(old, new);
    let step = world.submit(&id, &old).await;
    assert_eq!(notice(&step), (Some(Notice::CodeSuperseded), 4));
    assert_eq!(world.submit(&id, &new).await, Step::Authenticated);
}

/// N-01
#[tokio::test]
async fn a_code_lives_five_minutes() {
    let world = World::new();
    let (id, code) = world.at_code("alice").await;
    world.pass(5 * MINUTE);
    let step = world.submit(&id, &code).await;
    assert_eq!(notice(&step).0, Some(Notice::CodeExpired));
    world.turn_back(1);
    assert_eq!(world.submit(&id, &code).await, Step::Authenticated);
    let (id, code) = world.at_code("alice").await;
    world.turn_back(HOUR);
    let step = world.submit(&id, &code).await;
    assert_eq!(notice(&step).0, Some(Notice::CodeExpired));
}

///
#[tokio::test]
async fn what_is_no_code_costs_an_attempt() {
    let world = World::with(|settings| settings.factor.challenge.attempts.attempts_max = 9);
    let (id, _) = world.at_code("alice").await;
    for typed in [
        "",
        "%",
        "_",
        "*",
        ".{6}",
        "' or 1=1--",
        "１２３４５６",
        "null",
    ] {
        let step = world.submit(&id, typed).await;
        assert_eq!(notice(&step).0, Some(Notice::CodeWrong), "{typed}");
    }
    assert_eq!(world.ledger("alice").failures, 8);
}

/// `RetryEnable` off: the step ends with the first wrong code.
#[tokio::test]
async fn without_retry_a_wrong_code_ends_the_login() {
    let world = World::with(|settings| settings.factor.retry = false);
    let (id, code) = world.at_code("alice").await;
    let over = Step::Stopped {
        reason: StopReason::CodeWrong,
        backup_codes: false,
    };
    assert_eq!(world.submit(&id, wrong(&code)).await, over);
    let late = world.logins.submit_code(&id, &code, &facts()).await;
    assert!(matches!(late, Err(LoginError::OutOfOrder)));
}

/// `EnableAccountLockingForFailedAttempts`: the whole account, and outwardly a wrong password.
#[tokio::test]
async fn where_failures_lock_the_account_the_first_step_is_refused_too() {
    let world = World::with(|settings| {
        settings.factor.lock_account = true;
        settings.factor.challenge.attempts.attempts_max = 50;
    });
    let (id, code) = world.at_code("alice").await;
    for _ in 0..10 {
        world.submit(&id, wrong(&code)).await;
    }
    let (_, step) = world.password_of("alice").await;
    let notice = Some(Notice::WrongPassword);
    let application = Application::account_page();
    let again = Step::FirstStep {
        notice,
        application,
    };
    assert_eq!(step, again);
}

#[tokio::test]
async fn a_login_nobody_began_is_gone() {
    let world = World::new();
    let id = LoginId::from_entropy(&[9; 32]);
    let posted = world.logins.submit_code(&id, "123456", &facts()).await;
    assert!(matches!(posted, Err(LoginError::Gone)));
    assert_eq!(LoginId::parse(id.as_str()), Some(id));
    assert_eq!(LoginId::parse("../../etc/passwd"), None);
}
