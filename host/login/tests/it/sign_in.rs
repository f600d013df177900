//! Password, code, session; and what does not lead there.

use crate::world::*;
use postern_login::application::Application;
use postern_login::audit::What;
use postern_login::login::{Notice, SecondFactor, State, StopReason, Stopped};
use postern_login::submit::Entered;
use postern_login::{LoginError, LoginId, Step};
use postern_otp::Closed;
use postern_otp::lock::Standing;
use postern_otp::need::{NotNeeded, Refusal};

#[tokio::test]
async fn password_and_code_open_a_session() {
    let world = World::new();
    let session = world.session_of("alice").await;
    assert_eq!(session.account, "alice");
    assert!(session.has_local_account);
    assert!(matches!(&session.second, SecondFactor::Sms { number } if number.e164() == ALICE));
    let found = world.logins.session(&session.id).await.unwrap().unwrap();
    assert_eq!(found.name, session.name);
}

/// L-06
#[tokio::test]
async fn each_login_has_exactly_one_success_in_the_audit_log() {
    let world = World::new();
    let _session = world.session_of("alice").await;
    let amr = |what: &What| matches!(what, What::LoginSucceeded { amr } if amr == &["pwd", "sms", "otp", "mfa"]);
    assert_eq!(world.count(amr), 1);
    assert_eq!(world.count(|what| matches!(what, What::FirstStepPassed)), 1);
    assert_eq!(world.count(|what| matches!(what, What::CodeSent { .. })), 1);
    assert_eq!(world.count(is_accepted), 1);
    let held = world.held();
    let printed = format!("{:?}", held.events);
    assert!(!printed.contains("77123"), "no full number: {printed}");
    assert!(
        held.events
            .iter()
            .all(|event| event.who.as_deref() == Some("alice"))
    );
}

/// S-01: the id before the first step is dead after it, and the session's is new.
#[tokio::test]
async fn ids_rotate() {
    let world = World::new();
    let before = world.begin().await;
    let moved = world
        .logins
        .password(&before, "alice", "right", &facts())
        .await
        .unwrap();
    assert_ne!(moved.id, before);
    assert!(matches!(
        world.logins.step(&before).await,
        Err(LoginError::Gone)
    ));
    let code = world.last_code();
    world.submit(&moved.id, &code).await;
    let finished = world.logins.finish(&moved.id, &facts()).await.unwrap();
    assert_ne!(finished.session.id.as_str(), moved.id.as_str());
    assert!(matches!(
        world.logins.step(&moved.id).await,
        Err(LoginError::Gone)
    ));
}

/// E-01: a wrong password, a name nobody has and a locked account.
#[tokio::test]
async fn wrong_unknown_and_locked_look_alike() {
    let world = World::new();
    world
        .held()
        .users
        .insert("carol".to_owned(), user(Some("+447700900123")));
    if let Some(carol) = world.held().users.get_mut("carol") {
        carol.profile.locked = true;
    }
    for (name, password) in [("alice", "wrong"), ("nobody", "right"), ("carol", "right")] {
        let id = world.begin().await;
        let moved = world
            .logins
            .password(&id, name, password, &facts())
            .await
            .unwrap();
        let notice = Some(Notice::WrongPassword);
        let application = Application::account_page();
        let again = Step::FirstStep {
            notice,
            application,
        };
        assert_eq!(moved.step, again, "{name}");
        assert_eq!(moved.id, id);
    }
    assert_eq!(world.calls(), 0);
}

/// D-01
#[tokio::test]
async fn nothing_is_sent_or_counted_before_the_first_step() {
    let world = World::new();
    let id = world.begin().await;
    let acts = [
        world
            .logins
            .submit_code(&id, "123456", &facts())
            .await
            .err(),
        world
            .logins
            .submit_backup_code(&id, "0123456789", &facts())
            .await
            .err(),
        world.logins.give_number(&id, ALICE, &facts()).await.err(),
        world.logins.resend(&id, &facts()).await.err(),
        world.logins.finish(&id, &facts()).await.err(),
    ];
    for act in acts {
        assert!(matches!(act, Some(LoginError::OutOfOrder)), "{act:?}");
    }
    for _ in 0..50 {
        let _wrong = world
            .logins
            .password(&id, "alice", "wrong", &facts())
            .await
            .unwrap();
    }
    assert_eq!(world.calls(), 0);
    assert_eq!(world.ledger("alice").failures, 0);
}

///
#[tokio::test]
async fn steps_taken_out_of_order_are_refused() {
    let world = World::new();
    let (id, code) = world.at_code("alice").await;
    let again = world.logins.password(&id, "bob", "right", &facts()).await;
    assert!(matches!(again, Err(LoginError::OutOfOrder)));
    let early = world.logins.finish(&id, &facts()).await;
    assert!(matches!(early, Err(LoginError::OutOfOrder)));
    world.submit(&id, &code).await;
    let late = world.logins.resend(&id, &facts()).await;
    assert!(matches!(late, Err(LoginError::OutOfOrder)));
    assert_eq!(world.calls(), 1);
}

///
#[tokio::test]
async fn a_login_ends_after_fifteen_minutes() {
    let world = World::new();
    let (id, code) = world.at_code("alice").await;
    world.pass(15 * MINUTE);
    let late = world.logins.submit_code(&id, &code, &facts()).await;
    assert!(matches!(late, Err(LoginError::Gone)));
}

#[tokio::test]
async fn an_abandoned_login_takes_no_code() {
    let world = World::new();
    let (id, code) = world.at_code("alice").await;
    world.logins.abandon(&id).await.unwrap();
    let late = world.logins.submit_code(&id, &code, &facts()).await;
    assert!(matches!(late, Err(LoginError::OutOfOrder)));
    let reason = StopReason::Abandoned;
    let step = world.logins.step(&id).await.unwrap();
    assert_eq!(
        step,
        Step::Stopped {
            reason,
            backup_codes: false
        }
    );
}

#[tokio::test]
async fn a_skipped_second_step_carries_its_reason() {
    let world = World::with(|settings| settings.factor.mandatory = false);
    if let Some(alice) = world.held().users.get_mut("alice") {
        alice.profile.opted_out = true;
    }
    let (id, step) = world.password_of("alice").await;
    assert_eq!(step, Step::Authenticated);
    let session = world.logins.finish(&id, &facts()).await.unwrap().session;
    assert!(matches!(
        session.second,
        SecondFactor::NotNeeded(NotNeeded::OptedOut)
    ));
    let told =
        |what: &What| matches!(what, What::SecondFactorSkipped { why } if why == "opted-out");
    assert_eq!(world.count(told), 1);
}

#[tokio::test]
async fn an_account_without_a_number_is_stopped_and_told() {
    let world = World::new();
    let (_, step) = world.password_of("bob").await;
    let reason = StopReason::Refused(Refusal::NoNumber);
    assert_eq!(
        step,
        Step::Stopped {
            reason,
            backup_codes: false
        }
    );
}

/// the same right code, from many sockets at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_right_code_at_once_opens_one_session() {
    let world = World::new();
    let (id, code) = world.at_code("alice").await;
    let posts = (0..100).map(|_| {
        let (world, id, code) = (world.clone(), id.clone(), code.clone());
        tokio::spawn(async move {
            let _moved = world.logins.submit_code(&id, &code, &facts()).await;
            world.logins.finish(&id, &facts()).await.is_ok()
        })
    });
    let mut sessions = 0;
    for post in posts.collect::<Vec<_>>() {
        sessions += usize::from(post.await.unwrap());
    }
    assert_eq!(sessions, 1);
    assert_eq!(world.held().sessions.len(), 1);
    assert_eq!(
        world.count(|what| matches!(what, What::LoginSucceeded { .. })),
        1
    );
}

/// the same, where the code and the session are one act. Those who were too late are in the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_right_code_at_once_signs_in_one_browser() {
    let world = World::new();
    let (id, code) = world.at_code("alice").await;
    let posts = (0..20).map(|_| {
        let (world, id, code) = (world.clone(), id.clone(), code.clone());
        tokio::spawn(async move {
            let entered = world
                .logins
                .sign_in_with_code(&id, &code, None, &facts())
                .await;
            matches!(entered, Ok(Entered::In(_)))
        })
    });
    let mut entered = 0;
    for post in posts.collect::<Vec<_>>() {
        entered += usize::from(post.await.unwrap());
    }
    assert_eq!(entered, 1);
    assert_eq!(world.held().sessions.len(), 1);
    let succeeded = |what: &What| matches!(what, What::LoginSucceeded { .. });
    assert_eq!((world.count(is_accepted), world.count(succeeded)), (1, 1));
    assert_eq!(world.ledger("alice").in_a_row, 0);
}

#[tokio::test]
async fn a_code_that_signs_in_leaves_no_login_and_ends_the_session_before() {
    let world = World::new();
    let earlier = world.session_of("alice").await;
    let (id, code) = world.at_code("alice").await;
    let submit = async |typed: &str| {
        world
            .logins
            .sign_in_with_code(&id, typed, Some(&earlier.id), &facts())
            .await
    };
    let Ok(Entered::Moved(moved)) = submit(wrong(&code)).await else {
        panic!("a wrong code signs nobody in");
    };
    assert!(matches!(moved.step, Step::AskCode(_)), "{:?}", moved.step);
    let Ok(Entered::In(finished)) = submit(&code).await else {
        panic!("the right code signs in");
    };
    let session = finished.session;
    assert!(matches!(&session.second, SecondFactor::Sms { number } if number.e164() == ALICE));
    assert_eq!(session.name, earlier.name, "it goes by the earlier one's");
    let ended = world.logins.session(&earlier.id).await.unwrap();
    assert!(ended.is_none());
    assert!(matches!(submit(&code).await, Err(LoginError::Gone)));
    let kept = world.logins.session(&session.id).await.unwrap();
    assert!(kept.is_some());
}

/// The code was right, and is in the log; nobody is in. Of two at once one uses it up.
#[tokio::test]
async fn a_code_signs_nobody_in_once_the_account_is_locked() {
    let world = World::new();
    let (id, code) = world.at_code("alice").await;
    let by_administrator = |locked| {
        if let Some(user) = world.held().users.get_mut("alice") {
            user.profile.locked = locked;
        }
    };
    by_administrator(true);
    let client = facts();
    let (one, two) = tokio::join!(
        world.logins.sign_in_with_code(&id, &code, None, &client),
        world.logins.sign_in_with_code(&id, &code, None, &client),
    );
    for entered in [one, two] {
        let over = matches!(entered, Err(LoginError::Gone | LoginError::Conflict));
        assert!(over, "{entered:?}");
    }
    by_administrator(false);
    assert!(matches!(
        world.logins.step(&id).await,
        Err(LoginError::Gone)
    ));
    assert_eq!(world.count(is_accepted), 1);
    assert_eq!(world.ledger("alice").in_a_row, 0);
    assert!(world.held().sessions.is_empty());
}

/// The attempt that reaches the limit was right: the lock that came with it is taken back, and bars nobody.
#[tokio::test]
async fn where_wrong_codes_lock_the_account_a_right_one_at_the_limit_signs_in() {
    let world = World::with(|settings| {
        settings.factor.lock_account = true;
        settings.factor.challenge.attempts.attempts_max = 50;
    });
    let (id, code) = world.at_code("alice").await;
    for _ in 0..9 {
        world.submit(&id, wrong(&code)).await;
    }
    let entered = world
        .logins
        .sign_in_with_code(&id, &code, None, &facts())
        .await;
    assert!(matches!(entered, Ok(Entered::In(_))), "{entered:?}");
    let standing = world.ledger("alice").standing(world.time());
    assert_eq!(standing, Standing::Free);
}

/// What is to open cannot be looked at. Nobody is answered before the code is used up and told of, and it
/// need not be typed again.
#[tokio::test]
async fn a_code_that_is_right_while_the_user_store_is_away_is_used_up() {
    let world = World::new();
    let (id, code) = world.at_code("alice").await;
    world.held().profiles_away = true;
    let entered = world
        .logins
        .sign_in_with_code(&id, &code, None, &facts())
        .await;
    assert!(
        matches!(entered, Err(LoginError::Unavailable(_))),
        "{entered:?}"
    );
    assert_eq!(world.count(is_accepted), 1);
    world.held().profiles_away = false;
    let step = world.logins.step(&id).await.unwrap();
    assert_eq!(step, Step::Authenticated);
    let finished = world.logins.finish(&id, &facts()).await;
    assert_eq!(finished.unwrap().session.account, "alice");
}

/// It is good for another try, and each was paid for.
/// B-01, B-04: an account that is changed while its password is looked at has no login to be ended yet.
#[tokio::test]
async fn a_password_that_was_right_before_the_account_changed_opens_nothing() {
    let world = World::with(|settings| {
        settings.factor.capture_number = true;
        settings.factor.mandatory = false;
    });
    let mut eve = user(None);
    eve.profile.opted_out = true;
    world.held().users.insert("eve".to_owned(), eve);
    let signs_in = async |name: &str, password: &str, changed: &str| {
        let id = world.begin().await;
        world.held().changed_meanwhile = Some(changed.to_owned());
        let moved = world.logins.password(&id, name, password, &facts()).await;
        moved.unwrap().step
    };
    // Of whom a code is asked, a number, and nothing.
    for name in ["alice", "bob", "eve"] {
        let step = signs_in(name, "right", name).await;
        let ended = Step::Stopped {
            reason: StopReason::Closed(Closed::Overtaken),
            backup_codes: false,
        };
        assert_eq!(step, ended, "{name}");
        assert_eq!(world.calls(), 0);
    }
    let passed = |what: &What| matches!(what, What::FirstStepPassed);
    assert_eq!(world.count(passed), 0);
    let overtaken =
        |what: &What| matches!(what, What::LoginStopped { reason } if reason == "overtaken");
    assert_eq!(world.count(overtaken), 3);
    // What happens to somebody else is nothing to them.
    let step = signs_in("alice", "new", "bob").await;
    assert!(matches!(step, Step::AskCode(_)), "{step:?}");
    let step = signs_in("bob", "new", "alice").await;
    assert_eq!(step, Step::AskNumber { notice: None });
    let step = signs_in("eve", "new", "alice").await;
    assert_eq!(step, Step::Authenticated);
}

#[tokio::test]
async fn a_right_code_that_is_overtaken_again_and_again_is_told_of() {
    let world = World::new();
    let (id, code) = world.at_code("alice").await;
    world.held().overtaken = 16;
    let overtaken = world.logins.submit_code(&id, &code, &facts()).await;
    assert!(
        matches!(overtaken, Err(LoginError::Conflict)),
        "{overtaken:?}"
    );
    assert_eq!(world.count(is_accepted), 1);
    assert_eq!(world.submit(&id, &code).await, Step::Authenticated);
}

///
#[tokio::test]
async fn a_code_is_good_once() {
    let world = World::new();
    let (id, code) = world.at_code("alice").await;
    assert_eq!(world.submit(&id, &code).await, Step::Authenticated);
    let again = world.logins.submit_code(&id, &code, &facts()).await;
    assert!(matches!(again, Err(LoginError::OutOfOrder)));
    assert_eq!(world.count(|what| matches!(what, What::Replay)), 1);
    let _session = world.logins.finish(&id, &facts()).await.unwrap();
    let again = world.logins.submit_code(&id, &code, &facts()).await;
    assert!(matches!(again, Err(LoginError::Gone)));
    let again = world.logins.finish(&id, &facts()).await;
    assert!(matches!(again, Err(LoginError::Gone)));
}

/// What else happens to a login between the payment for a right code and its use.
async fn overtaken(act: impl FnOnce(&World, &LoginId)) -> World {
    let world = World::new();
    let (id, code) = world.at_code("alice").await;
    let submitting = tokio::spawn({
        let (world, id) = (world.clone(), id.clone());
        async move { world.logins.submit_code(&id, &code, &facts()).await }
    });
    while world.held().comparisons == 0 {
        tokio::task::yield_now().await;
    }
    act(&world, &id);
    let late = submitting.await.unwrap();
    assert!(matches!(late, Err(LoginError::Conflict)), "{late:?}");
    world
}

/// Whoever reads of a replay looks for somebody who has the code as well.
#[tokio::test]
async fn a_right_code_that_comes_too_late_is_a_replay_only_where_a_code_was_used_up() {
    let ended = |world: &World, id: &LoginId, state: State| {
        let mut held = world.held();
        let (login, _) = held.logins.get_mut(id.as_str()).unwrap();
        login.state = state;
        login.version += 1;
    };
    let used = State::Stopped(Stopped {
        reason: StopReason::Closed(Closed::Used),
        who: None,
    });
    let is_replay = |what: &What| matches!(what, What::Replay);
    let told = |world: World| (world.count(is_replay), world.count(is_accepted));
    let replayed = overtaken(|world, id| ended(world, id, used)).await;
    assert_eq!(told(replayed), (1, 0));
    let finished = overtaken(|world, id| {
        world.held().logins.remove(id.as_str());
    });
    assert_eq!(told(finished.await), (1, 0));
    let closed = overtaken(|world, id| ended(world, id, State::closed())).await;
    assert_eq!(told(closed), (0, 1));
    let expired = overtaken(|world, id| {
        world.pass(HOUR);
        world.held().logins.remove(id.as_str());
    });
    assert_eq!(told(expired.await), (0, 1));
}

/// `EnableAccountLockingForFailedAttempts`: a code that was right opens nothing once others have locked the
/// account.
#[tokio::test]
async fn where_wrong_codes_lock_the_account_no_login_of_it_is_finished() {
    for lock_account in [true, false] {
        let world = World::with(|settings| settings.factor.lock_account = lock_account);
        let (id, code) = world.at_code("alice").await;
        assert_eq!(world.submit(&id, &code).await, Step::Authenticated);
        world.lock("alice").await;
        let finished = world.logins.finish(&id, &facts()).await;
        assert_eq!(
            matches!(finished, Err(LoginError::Gone)),
            lock_account,
            "{finished:?}"
        );
        let sessions = usize::from(!lock_account);
        assert_eq!(world.held().sessions.len(), sessions);
    }
}

#[tokio::test]
async fn logging_out_ends_the_session_on_the_server() {
    let world = World::new();
    let session = world.session_of("alice").await;
    world.logins.logout(&session.id).await.unwrap();
    assert!(world.logins.session(&session.id).await.unwrap().is_none());
    world.logins.logout(&session.id).await.unwrap();
    assert_eq!(world.count(|what| matches!(what, What::SessionClosed)), 1);
}

/// The code page shows the operator's attribute by the seeds' rule, and otherwise a mask that does
/// not tell the length (E-03).
#[tokio::test]
async fn the_code_page_shows_a_masked_number() {
    let shown = |step: Step| match step {
        Step::AskCode(ask) => ask.number,
        other => unreachable!("{other:?}"),
    };
    let world = World::new();
    let (_, step) = world.password_of("alice").await;
    assert_eq!(shown(step).as_deref(), Some("******4567"));
    let world = World::with(|settings| {
        settings.factor.screen_user_attribute = Some("http://wso2.org/claims/mobile".to_owned());
        settings.factor.screen_from_end = false;
    });
    let (_, step) = world.password_of("alice").await;
    assert_eq!(shown(step).as_deref(), Some("+947********"));
    let world = World::with(|settings| {
        settings.factor.screen_user_attribute = Some("urn:none".to_owned());
    });
    let (_, step) = world.password_of("alice").await;
    assert_eq!(shown(step), None);
}

/// Guessing passwords from one address ends, for known and unknown names alike.
#[tokio::test]
async fn a_dictionary_from_one_address_is_slowed_down() {
    let world = World::new();
    let id = world.begin().await;
    let mut throttled = None;
    for guess in 0..400 {
        let name = format!("user{guess}");
        match world.logins.password(&id, &name, "guess", &facts()).await {
            Ok(_) => assert!(throttled.is_none(), "open again after {throttled:?}"),
            Err(LoginError::Throttled { .. }) => throttled = throttled.or(Some(guess)),
            Err(other) => unreachable!("{other}"),
        }
    }
    assert_eq!(throttled, Some(301));
    // Another address is not hindered.
    let other = facts_from("198.51.100.7");
    let moved = world
        .logins
        .password(&id, "alice", "right", &other)
        .await
        .unwrap();
    assert!(matches!(moved.step, Step::AskCode(_)));
}
