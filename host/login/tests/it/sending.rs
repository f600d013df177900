//! Messages: how many, by whom, and what happens when none goes out.

use crate::world::*;
use postern_login::audit::What;
use postern_login::login::{Challenge, Notice, State};
use postern_login::ports::FailureReason;
use postern_login::step::AskCode;
use postern_login::{LoginError, Step};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

fn ask(step: Step) -> AskCode {
    match step {
        Step::AskCode(ask) => ask,
        other => unreachable!("{other:?}"),
    }
}

fn senders(world: &World) -> Vec<String> {
    let held = world.held();
    held.sent.iter().map(|(sender, _)| sender.clone()).collect()
}

/// N-06: what the telephone shows ends with the line that binds the code to the host.
#[tokio::test]
async fn the_message_ends_with_the_origin_bound_line() {
    let world = World::with(|settings| {
        settings.factor.otp_host = Some("login.example".to_owned());
    });
    let (_, code) = world.at_code("alice").await;
    let held = world.held();
    let (_, message) = held.sent.last().unwrap();
    let expected = format!("Verification Code: {code}\n\n@login.example #{code}");
    assert_eq!(message.text.as_str(), expected);
    assert_eq!(message.to.e164(), ALICE);
    assert_eq!(message.validity, Duration::from_secs(300));
}

/// The whole table of settled "Fail-over".
#[tokio::test]
async fn the_verdict_alone_decides_whether_another_sender_is_tried() {
    use FailureReason as R;
    let next = [
        R::Throttled,
        R::ProviderDown,
        R::AuthFailed,
        R::AccountSuspended,
        R::InsufficientFunds,
        R::Misconfigured,
        R::PluginFault,
    ];
    for reason in next {
        let world = World::new();
        world.script([failed(reason)]);
        let (_, step) = world.password_of("alice").await;
        assert!(ask(step).sent, "{reason:?}");
        assert_eq!(senders(&world), ["one", "two"], "{reason:?}");
    }
    let stop = [
        R::RecipientThrottled,
        R::OutcomeUnknown,
        R::InvalidRecipient,
        R::Unroutable,
        R::OptedOut,
        R::ContentRejected,
        R::SenderRejected,
        R::RegionBlocked,
        R::TrialRestricted,
        R::Unknown,
    ];
    for reason in stop {
        let world = World::new();
        world.script([failed(reason)]);
        let (_, step) = world.password_of("alice").await;
        let ask = ask(step);
        assert_eq!(
            (ask.sent, ask.notice),
            (false, Some(Notice::NotSent)),
            "{reason:?}"
        );
        assert_eq!(senders(&world), ["one"], "{reason:?}");
    }
}

#[tokio::test]
async fn an_unknown_outcome_is_repeated_once_by_the_same_sender_if_it_recognises_it() {
    let world = World::new();
    world.held().idempotent.insert("one".to_owned());
    world.script([failed(FailureReason::OutcomeUnknown)]);
    let (_, step) = world.password_of("alice").await;
    assert!(ask(step).sent);
    assert_eq!(senders(&world), ["one", "one"]);
    let held = world.held();
    assert_eq!(held.sent[0].1.id, held.sent[1].1.id, "one message, one id");
}

/// The first of the two calls may have sent it, whatever the second was answered.
#[tokio::test]
async fn an_unknown_outcome_never_goes_on_to_another_sender() {
    let world = World::new();
    world.held().idempotent.insert("one".to_owned());
    world.script([
        failed(FailureReason::OutcomeUnknown),
        failed(FailureReason::Throttled),
    ]);
    let (_, step) = world.password_of("alice").await;
    assert!(!ask(step).sent);
    assert_eq!(senders(&world), ["one", "one"]);
}

///
#[tokio::test]
async fn a_message_costs_no_more_calls_than_the_limit() {
    let world = World::with(|settings| {
        settings.factor.senders = (0..20).map(|n| format!("s{n}")).collect();
    });
    world.script((0..20).map(|_| failed(FailureReason::ProviderDown)));
    let (_, step) = world.password_of("alice").await;
    assert!(!ask(step).sent);
    assert_eq!(world.calls(), 3);
    let told = |what: &What| matches!(what, What::CodeNotSent { tried, reason } if tried.len() == 3 && reason == "provider-down");
    assert_eq!(world.count(told), 1);
}

#[tokio::test]
async fn a_sender_that_is_not_ready_is_passed_over() {
    let world = World::new();
    world.held().not_ready.insert("one".to_owned());
    world.password_of("alice").await;
    assert_eq!(senders(&world), ["two"]);
}

#[tokio::test]
async fn when_nothing_could_be_sent_the_person_may_ask_again_later() {
    let world = World::new();
    world.script([failed(FailureReason::Unroutable)]);
    let (id, step) = world.password_of("alice").await;
    let first = ask(step);
    assert!(first.backup_codes && !first.sent);
    assert_eq!(
        first.resend_at,
        Some(world.time().plus(Duration::from_secs(30)))
    );
    let early = world.logins.resend(&id, &facts()).await.unwrap();
    assert_eq!(ask(early.step).notice, Some(Notice::ResendTooSoon));
    let submitted = world.submit(&id, "123456").await;
    assert!(!ask(submitted).sent);
    assert_eq!(
        world.ledger("alice").failures,
        0,
        "nothing was there to compare"
    );
    world.pass(30_000);
    let moved = world.logins.resend(&id, &facts()).await.unwrap();
    assert!(ask(moved.step).sent);
    let code = world.last_code();
    assert_eq!(world.submit(&id, &code).await, Step::Authenticated);
}

///
#[tokio::test]
async fn resends_wait_and_end() {
    let world = World::new();
    let (id, _) = world.at_code("alice").await;
    for wait in [30_000, 60_000, 120_000] {
        world.pass(wait - 1);
        let calls = world.calls();
        let early = world.logins.resend(&id, &facts()).await.unwrap();
        assert_eq!(ask(early.step).notice, Some(Notice::ResendTooSoon));
        assert_eq!(world.calls(), calls);
        world.pass(1);
        let moved = world.logins.resend(&id, &facts()).await.unwrap();
        assert_eq!(ask(moved.step).notice, Some(Notice::NewCodeSent));
        assert_eq!(world.calls(), calls + 1);
    }
    world.pass(HOUR / 6);
    let over = world.logins.resend(&id, &facts()).await.unwrap();
    let over = ask(over.step);
    assert_eq!(
        (over.notice, over.resend_at),
        (Some(Notice::ResendTooOften), None)
    );
}

///
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_clicks_are_one_message() {
    let world = World::new();
    let (id, _) = world.at_code("alice").await;
    world.pass(30_000);
    let gate = Arc::new(Semaphore::new(0));
    world.held().gate = Some(Arc::clone(&gate));
    let clicks: Vec<_> = (0..50)
        .map(|_| {
            let (world, id) = (world.clone(), id.clone());
            tokio::spawn(async move { world.logins.resend(&id, &facts()).await.unwrap().step })
        })
        .collect();
    tokio::task::yield_now().await;
    gate.add_permits(50);
    for click in clicks {
        assert!(ask(click.await.unwrap()).sent);
    }
    assert_eq!(world.calls(), 2, "the first message and one more");
    let code = world.last_code();
    assert_eq!(world.submit(&id, &code).await, Step::Authenticated);
}

/// A code typed while a new one is on its way waits for it: the old one is dead already.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_typed_during_a_sending_waits_for_its_end() {
    let world = World::new();
    let (id, old) = world.at_code("alice").await;
    world.pass(30_000);
    let gate = Arc::new(Semaphore::new(0));
    world.held().gate = Some(Arc::clone(&gate));
    let resend = {
        let (world, id) = (world.clone(), id.clone());
        tokio::spawn(async move { world.logins.resend(&id, &facts()).await })
    };
    while !matches!(world.logins.step(&id).await.unwrap(), Step::AskCode(ask) if ask.expires_at.is_none())
    {
        tokio::task::yield_now().await;
    }
    let submitted = {
        let (world, id) = (world.clone(), id.clone());
        tokio::spawn(async move { world.submit(&id, &old).await })
    };
    tokio::task::yield_now().await;
    gate.add_permits(1);
    let _resent = resend.await.unwrap().unwrap();
    assert_eq!(
        ask(submitted.await.unwrap()).notice,
        Some(Notice::CodeSuperseded)
    );
}

/// The browser hangs up while the provider is being called: the outcome is written down all the same.
#[tokio::test]
async fn a_sending_outlives_the_request_that_began_it() {
    let world = World::new();
    let gate = Arc::new(Semaphore::new(0));
    world.held().gate = Some(Arc::clone(&gate));
    let id = world.begin().await;
    {
        let facts = facts();
        let post = world.logins.password(&id, "alice", "right", &facts);
        tokio::pin!(post);
        let dropped = tokio::time::timeout(Duration::from_millis(20), &mut post).await;
        assert!(dropped.is_err());
    }
    gate.add_permits(1);
    while world.count(|what| matches!(what, What::CodeSent { .. })) == 0 {
        tokio::task::yield_now().await;
    }
    let id = {
        let held = world.held();
        let (login, _) = held.logins.values().next().unwrap();
        login.id.clone()
    };
    let code = world.last_code();
    assert_eq!(world.submit(&id, &code).await, Step::Authenticated);
}

/// the host died during a sending. No message goes out by itself; the person may ask again.
#[tokio::test]
async fn a_sending_whose_host_died_can_be_asked_for_again() {
    let world = World::new();
    world.held().hanging.insert("one".to_owned());
    let id = world.begin().await;
    {
        let facts = facts();
        let post = world.logins.password(&id, "alice", "right", &facts);
        let _dropped = tokio::time::timeout(Duration::from_millis(20), post).await;
    }
    let id = {
        let held = world.held();
        let (login, _) = held.logins.values().next().unwrap();
        login.id.clone()
    };
    let world = world.restarted();
    world.held().hanging.clear();
    assert!(
        ask(world.logins.step(&id).await.unwrap()).sent,
        "still hoped for"
    );
    world.pass(25_000);
    assert!(!ask(world.logins.step(&id).await.unwrap()).sent);
    assert_eq!(world.calls(), 0);
    let moved = world.logins.resend(&id, &facts()).await.unwrap();
    assert!(ask(moved.step).sent);
    assert_eq!(world.calls(), 1);
}

///
#[tokio::test]
async fn the_sixth_message_to_an_account_in_ten_minutes_is_refused() {
    let mut world = World::new();
    for _ in 0..5 {
        world = world.restarted();
        world.at_code("alice").await;
    }
    let (id, step) = world.password_of("alice").await;
    let sixth = ask(step);
    assert_eq!((sixth.sent, sixth.notice), (false, Some(Notice::SendLimit)));
    assert_eq!(world.calls(), 5);
    world.pass(10 * MINUTE);
    let moved = world.logins.resend(&id, &facts()).await.unwrap();
    assert!(ask(moved.step).sent);
}

///
#[tokio::test]
async fn a_number_on_many_accounts_has_one_limit() {
    let world = World::new();
    for index in 0..10 {
        let name = format!("user{index}");
        world.held().users.insert(name.clone(), user(Some(ALICE)));
        world.password_of(&name).await;
    }
    assert_eq!(world.calls(), 5);
    let held = world.held();
    assert!(
        held.counters.keys().all(|key| !key.contains("77123")),
        "numbers are hashed"
    );
    assert!(held.counters.keys().all(|key| key.contains("carbon.super")));
}

/// A resend over the limit leaves the code in hand alive.
#[tokio::test]
async fn a_refused_resend_does_not_kill_the_code_in_hand() {
    let world = World::with(|settings| settings.limits.per_number.0 = 1);
    let (id, code) = world.at_code("alice").await;
    world.pass(30_000);
    let refused = world.logins.resend(&id, &facts()).await.unwrap();
    let refused = ask(refused.step);
    assert_eq!(
        (refused.sent, refused.notice),
        (true, Some(Notice::SendLimit))
    );
    assert_eq!(world.calls(), 1);
    assert_eq!(world.submit(&id, &code).await, Step::Authenticated);
}

/// The claim is written by then, under an id that the browser must hear of.
#[tokio::test]
async fn where_the_limits_cannot_be_asked_nothing_is_sent_and_the_login_goes_on() {
    let world = World::new();
    let id = world.begin().await;
    world.held().count_refused = true;
    let passed = world.logins.password(&id, "alice", "right", &facts()).await;
    let passed = passed.unwrap();
    let held_back = ask(passed.step);
    assert_eq!(
        (held_back.sent, held_back.notice),
        (false, Some(Notice::NotSent))
    );
    assert_eq!(world.calls(), 0);
    world.held().count_refused = false;
    world.pass(30_000);
    let moved = world.logins.resend(&passed.id, &facts()).await.unwrap();
    assert!(ask(moved.step).sent);
    let code = world.last_code();
    assert_eq!(world.submit(&moved.id, &code).await, Step::Authenticated);
}

/// Nobody is at it: the next click is not one that waits for somebody else's message.
#[tokio::test]
async fn a_resend_whose_limits_cannot_be_asked_leaves_the_login_as_it_was() {
    let world = World::new();
    let (id, code) = world.at_code("alice").await;
    world.pass(30_000);
    world.held().count_refused = true;
    let failed = world.logins.resend(&id, &facts()).await;
    assert!(
        matches!(failed, Err(LoginError::Unavailable(_))),
        "{failed:?}"
    );
    world.held().count_refused = false;
    let state = world.held().logins[id.as_str()].0.state.clone();
    let State::Challenged(challenged) = state else {
        unreachable!("{state:?}");
    };
    let challenge = challenged.challenge;
    assert!(matches!(challenge, Challenge::Sent(_)), "{challenge:?}");
    assert_eq!(world.calls(), 1);
    assert_eq!(world.submit(&id, &code).await, Step::Authenticated);
}

///
#[tokio::test]
async fn a_number_outside_the_tenants_countries_gets_no_message() {
    let world = World::with(|settings| settings.factor.regions = vec!["DE".to_owned()]);
    let (_, step) = world.password_of("alice").await;
    let ask = ask(step);
    assert_eq!((ask.sent, ask.notice), (false, Some(Notice::NumberRefused)));
    assert_eq!((ask.resend_at, world.calls()), (None, 0));
}

/// N-02: without randomness nothing is sent.
#[tokio::test]
async fn a_broken_random_source_refuses() {
    let world = World::new();
    let id = world.begin().await;
    world.held().entropy_broken = true;
    let refused = world.logins.password(&id, "alice", "right", &facts()).await;
    assert!(refused.is_err());
    assert_eq!(world.calls(), 0);
}

/// N-04: of the values a browser or a provider sees, none tells the code.
#[tokio::test]
async fn the_code_is_drawn_independently_of_every_id() {
    let world = World::new();
    let (id, code) = world.at_code("alice").await;
    let held = world.held();
    let (_, message) = held.sent.last().unwrap();
    assert!(!id.as_str().contains(&code) && !message.id.contains(&code));
    let stored = format!("{:?}", held.logins);
    assert!(!stored.contains(&code), "only its hash is kept");
}
