//! The JSON API's challenges.

use crate::world::*;
use postern_login::challenges::*;
use postern_login::login::{LoginId, Purpose};
use postern_login::ports::{ApiClient, FailureReason, Scope};
use postern_login::{LoginError, TenantId};
use postern_otp::Timestamp;
use std::sync::Arc;
use std::time::Duration;

fn client(name: &str) -> ApiClient {
    ApiClient {
        name: name.to_owned(),
        tenant: tenant(),
        created_at: Timestamp(0),
        scopes: Scope::ALL.to_vec(),
    }
}

fn wants(target: Target) -> NewChallenge {
    NewChallenge {
        target,
        purpose: Purpose::Login,
        locale: None,
        client_ip: Some("192.0.2.9".to_owned()),
        app_hash: None,
    }
}

fn alice() -> NewChallenge {
    wants(Target::User("alice".to_owned()))
}

fn mobile(text: &str) -> NewChallenge {
    wants(Target::Mobile(text.to_owned()))
}

async fn created(world: &World, new: NewChallenge) -> (LoginId, String) {
    let created = world.logins.create_challenge(&client("shop"), new).await;
    (created.unwrap().id, world.last_code())
}

async fn verify(world: &World, id: &LoginId, code: &str) -> Verification {
    let verified = world
        .logins
        .verify_challenge(&client("shop"), id, code)
        .await;
    verified.unwrap()
}

fn reason(verification: Verification) -> (RefusedReason, u32) {
    match verification {
        Verification::Refused {
            reason,
            attempts_left,
        } => (reason, attempts_left),
        Verification::Accepted => unreachable!("refused"),
    }
}

#[tokio::test]
async fn a_challenge_is_created_and_verified() {
    let world = World::new();
    let created = world
        .logins
        .create_challenge(&client("shop"), alice())
        .await
        .unwrap();
    assert_eq!(created.masked_mobile, "******4567");
    assert_eq!(created.expires_in, Duration::from_secs(300));
    assert_eq!(created.resend_in, Some(Duration::from_secs(30)));
    let code = world.last_code();
    let verified = verify(&world, &created.id, &code).await;
    assert!(matches!(verified, Verification::Accepted));
}

/// N-04: the same challenge, sent again at the same time, has another code where other randomness comes. One made
/// of ids, counters or the time would be the same.
#[tokio::test]
async fn a_code_is_made_of_randomness_and_of_nothing_that_a_client_sees() {
    let sent_again = async |other: bool| {
        let world = World::new();
        let (id, first) = created(&world, alice()).await;
        world.pass(30_000);
        if other {
            world.other_randomness();
        }
        let resent = world.logins.resend_challenge(&client("shop"), &id).await;
        let _wait = resent.unwrap();
        (id.as_str().to_owned(), first, world.last_code())
    };
    let (id, first, second) = sent_again(false).await;
    let again = (id.clone(), first.clone(), second.clone());
    assert_eq!(sent_again(false).await, again, "the world repeats itself");
    let (other_id, other_first, other_second) = sent_again(true).await;
    assert_eq!((other_id, other_first), (id, first));
    assert_ne!(other_second, second);
}

///
#[tokio::test]
async fn a_code_is_accepted_once_and_used_afterwards() {
    let world = World::new();
    let (id, code) = created(&world, alice()).await;
    let _first = verify(&world, &id, &code).await;
    assert_eq!(
        reason(verify(&world, &id, &code).await),
        (RefusedReason::Used, 0)
    );
    assert_eq!(
        world.count(|what| matches!(what, postern_login::audit::What::Replay)),
        1
    );
}

///
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_verified_by_many_at_once_is_accepted_once() {
    let world = World::new();
    let (id, code) = created(&world, mobile(ALICE)).await;
    let posts: Vec<_> = (0..64)
        .map(|_| {
            let (world, id, code) = (world.clone(), id.clone(), code.clone());
            tokio::spawn(async move { verify(&world, &id, &code).await })
        })
        .collect();
    let mut accepted = 0;
    for post in posts {
        accepted += usize::from(matches!(post.await.unwrap(), Verification::Accepted));
    }
    assert_eq!(accepted, 1);
}

///
#[tokio::test]
async fn wrong_codes_count_down_and_for_the_account() {
    let world = World::new();
    let (id, code) = created(&world, alice()).await;
    for left in (1..5).rev() {
        let refused = reason(verify(&world, &id, wrong(&code)).await);
        assert_eq!(refused, (RefusedReason::CodeMismatch, left));
    }
    let last = reason(verify(&world, &id, wrong(&code)).await);
    assert_eq!(last, (RefusedReason::AttemptsExhausted, 0));
    let late = reason(verify(&world, &id, &code).await);
    assert_eq!(late, (RefusedReason::AttemptsExhausted, 0));
    assert_eq!(world.ledger("alice").failures, 5);
}

#[tokio::test]
async fn a_locked_factor_is_told_before_anything_is_sent() {
    let world = World::with(|settings| settings.factor.challenge.attempts.attempts_max = 50);
    let (id, code) = created(&world, alice()).await;
    for _ in 0..10 {
        let _wrong = verify(&world, &id, wrong(&code)).await;
    }
    assert_eq!(
        reason(verify(&world, &id, &code).await),
        (RefusedReason::Locked, 0)
    );
    world.pass(30_000);
    let refused = world
        .logins
        .create_challenge(&client("shop"), alice())
        .await;
    assert!(matches!(
        refused,
        Err(ChallengeError::Locked { until: Some(_) })
    ));
    assert_eq!(world.calls(), 1);
    assert_eq!(world.held().logins.len(), 1, "a refused one leaves no row");
}

#[tokio::test]
async fn a_challenge_whose_limits_cannot_be_asked_leaves_no_row() {
    let world = World::new();
    world.held().count_refused = true;
    let failed = world
        .logins
        .create_challenge(&client("shop"), alice())
        .await;
    assert!(
        matches!(failed, Err(ChallengeError::Unavailable(_))),
        "{failed:?}"
    );
    assert_eq!((world.calls(), world.held().logins.len()), (0, 0));
}

/// E-04: another client's, another tenant's, a browser's and nobody's.
#[tokio::test]
async fn a_challenge_of_somebody_else_is_not_found() {
    let world = World::new();
    world.held().other_settings = Some(Arc::new(settings()));
    let (id, code) = created(&world, alice()).await;
    let elsewhere = ApiClient {
        tenant: TenantId::parse("other.example").unwrap(),
        ..client("shop")
    };
    for stranger in [client("other"), elsewhere] {
        let verified = world.logins.verify_challenge(&stranger, &id, &code).await;
        assert!(matches!(verified, Err(ChallengeError::NotFound)));
        let resent = world.logins.resend_challenge(&stranger, &id).await;
        assert!(matches!(resent, Err(ChallengeError::NotFound)));
    }
    let (browsers, code) = world.at_code("alice").await;
    let verified = world
        .logins
        .verify_challenge(&client("shop"), &browsers, &code)
        .await;
    assert!(matches!(verified, Err(ChallengeError::NotFound)));
    let nobody = LoginId::from_entropy(&[1; 32]);
    let verified = world
        .logins
        .verify_challenge(&client("shop"), &nobody, &code)
        .await;
    assert!(matches!(verified, Err(ChallengeError::NotFound)));
    assert_eq!(world.ledger("alice").failures, 0);
}

/// a code of a challenge is no code of a login, of another purpose or of another number.
#[tokio::test]
async fn a_challenge_is_no_browsers_login() {
    let world = World::new();
    let (id, code) = created(&world, alice()).await;
    let posted = world.logins.submit_code(&id, &code, &facts()).await;
    assert!(matches!(posted, Err(LoginError::OutOfOrder)));
    let posted = world.logins.resend(&id, &facts()).await;
    assert!(matches!(posted, Err(LoginError::OutOfOrder)));
    let payment = NewChallenge {
        purpose: Purpose::Named("payment".to_owned()),
        ..alice()
    };
    world.pass(30_000);
    let (other, _) = created(&world, payment).await;
    assert_eq!(
        reason(verify(&world, &other, &code).await).0,
        RefusedReason::CodeMismatch
    );
    let (number, _) = created(&world, mobile("+447700900123")).await;
    assert_eq!(
        reason(verify(&world, &number, &code).await).0,
        RefusedReason::CodeMismatch
    );
}

#[tokio::test]
async fn each_reason_not_to_send_is_told_to_the_client() {
    let world = World::new();
    let shop = client("shop");
    let refused = |new| {
        let world = world.clone();
        let shop = shop.clone();
        async move { world.logins.create_challenge(&shop, new).await.unwrap_err() }
    };
    let user_named = |name: &str| wants(Target::User(name.to_owned()));
    assert!(matches!(
        refused(user_named("nobody")).await,
        ChallengeError::UnknownUser
    ));
    assert!(matches!(
        refused(user_named("bob")).await,
        ChallengeError::NoNumber
    ));
    for text in ["", "112", "+881612345678", "+94771234567x1"] {
        assert!(
            matches!(refused(mobile(text)).await, ChallengeError::NumberRefused),
            "{text}"
        );
    }
    if let Some(alice) = world.held().users.get_mut("alice") {
        alice.profile.opted_out = true;
    }
    assert!(matches!(refused(alice()).await, ChallengeError::OptedOut));
    if let Some(alice) = world.held().users.get_mut("alice") {
        alice.profile.locked = true;
    }
    assert!(matches!(
        refused(alice()).await,
        ChallengeError::Locked { until: None }
    ));
    assert_eq!(world.calls(), 0);
}

/// a second POST inside the wait, and a resend inside the wait.
#[tokio::test]
async fn a_second_post_inside_the_wait_is_too_soon() {
    let world = World::new();
    let shop = client("shop");
    let (id, _) = created(&world, alice()).await;
    let due = world.time().plus(Duration::from_secs(30));
    // The person's phone rings for one purpose as for another.
    for purpose in [Purpose::Login, Purpose::Named("payment".to_owned())] {
        let again = NewChallenge { purpose, ..alice() };
        let again = world.logins.create_challenge(&shop, again).await;
        assert!(matches!(again, Err(ChallengeError::TooMany { at }) if at == due));
    }
    let resent = world.logins.resend_challenge(&shop, &id).await;
    assert!(matches!(resent, Err(ChallengeError::TooMany { at }) if at == due));
    assert_eq!(world.calls(), 1);
    world.pass(30_000);
    let wait = world.logins.resend_challenge(&shop, &id).await.unwrap();
    assert_eq!(wait, Some(Duration::from_secs(60)));
    assert_eq!(world.calls(), 2);
    let code = world.last_code();
    assert!(matches!(
        verify(&world, &id, &code).await,
        Verification::Accepted
    ));
}

///
#[tokio::test]
async fn a_superseded_code_is_told_apart() {
    let world = World::new();
    let (id, old) = created(&world, alice()).await;
    world.pass(30_000);
    let _wait = world
        .logins
        .resend_challenge(&client("shop"), &id)
        .await
        .unwrap();
    assert_eq!(
        reason(verify(&world, &id, &old).await),
        (RefusedReason::CodeSuperseded, 4)
    );
}

#[tokio::test]
async fn what_could_not_be_sent_leaves_nothing_behind() {
    let world = World::new();
    world.script([failed(FailureReason::Unroutable)]);
    let refused = world
        .logins
        .create_challenge(&client("shop"), alice())
        .await;
    assert!(matches!(
        refused,
        Err(ChallengeError::NotSent { reason: Some(_) })
    ));
    assert!(world.held().logins.is_empty());
}

#[tokio::test]
async fn an_applications_hash_is_the_last_line_of_each_message() {
    let world = World::with(|settings| settings.factor.otp_host = Some("login.example".to_owned()));
    let new = NewChallenge {
        app_hash: Some("FA+9qCX9VSu".to_owned()),
        ..alice()
    };
    let (id, _) = created(&world, new).await;
    world.pass(30_000);
    let _wait = world
        .logins
        .resend_challenge(&client("shop"), &id)
        .await
        .unwrap();
    for (_, message) in &world.held().sent {
        assert!(message.text.as_str().ends_with("\n\nFA+9qCX9VSu"));
    }
}

/// Two clients count the same number apart: one cannot lock it for the other.
#[tokio::test]
async fn a_numbers_failures_are_the_clients_own() {
    let world = World::new();
    let (id, code) = created(&world, mobile(ALICE)).await;
    let _wrong = verify(&world, &id, wrong(&code)).await;
    let keys: Vec<String> = world.held().ledgers.keys().cloned().collect();
    assert!(
        keys.iter()
            .all(|key| key.contains("shop") && !key.contains("77123")),
        "{keys:?}"
    );
}

/// what is sent again counts for the person's address too, as the first message did.
#[tokio::test]
async fn a_resend_counts_for_the_address_the_application_named() {
    let world = World::with(|settings| {
        settings.limits.per_address = (1, Duration::from_secs(3_600));
    });
    let new = NewChallenge {
        client_ip: Some("192.0.2.77".to_owned()),
        ..mobile(ALICE)
    };
    let created = world
        .logins
        .create_challenge(&client("shop"), new)
        .await
        .unwrap();
    world.pass(MINUTE);
    let again = world
        .logins
        .resend_challenge(&client("shop"), &created.id)
        .await;
    assert!(
        matches!(again, Err(ChallengeError::TooMany { .. })),
        "{again:?}"
    );
    assert_eq!(world.calls(), 1);
    let verified = world
        .logins
        .verify_challenge(&client("shop"), &created.id, wrong(&world.last_code()))
        .await;
    assert!(matches!(verified, Ok(Verification::Refused { .. })));
    let held = world.held();
    let last = held.events.last().unwrap();
    assert_eq!(last.address.as_deref(), Some("192.0.2.77"));
}
