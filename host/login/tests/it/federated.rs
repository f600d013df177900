//! A first step that an identity provider took.

use crate::world::*;
use postern_login::application::{Application, Offer, SecondStep};
use postern_login::audit::What;
use postern_login::begin::Moved;
use postern_login::login::{SecondFactor, StopReason};
use postern_login::ports::{AccountRef, FederatedLogin, Resolution};
use postern_login::session::{ASKED_ATTRIBUTE, UNTIL_ATTRIBUTE};
use postern_login::sign_on::{Demand, Recognized};
use postern_login::{LoginError, LoginId, Step, TenantId};
use postern_otp::need::{NotNeeded, Refusal};
use postern_otp::{Closed, Timestamp};
use std::sync::Arc;
use std::time::Duration;

fn said() -> FederatedLogin {
    FederatedLogin {
        tenant: tenant(),
        identity_provider: "idp".to_owned(),
        subject: "sub-1".to_owned(),
        subject_identifier: "sub-1".to_owned(),
        attributes: vec![("mobile".to_owned(), "+447700900123".to_owned())],
        settings: Vec::new(),
    }
}

async fn federated(world: &World) -> Moved {
    let id = at_first_step(world, application()).await;
    world.logins.federated(&id, said(), &facts()).await.unwrap()
}

async fn at_first_step(world: &World, application: Application) -> LoginId {
    let begun = world
        .logins
        .begin_for(application, browser(), &facts())
        .await;
    begun.unwrap().id
}

/// One that offers the password form and the identity provider.
fn application() -> Application {
    let mut application = Application::account_page();
    application.sequence.identity_providers = vec![Offer {
        name: "idp".to_owned(),
        display_name: "The other one".to_owned(),
    }];
    application
}

fn resolves_to(world: &World, resolution: Resolution) {
    world.held().resolution = Some(resolution);
}

fn alice() -> Resolution {
    Resolution::Account(AccountRef {
        name: "alice".to_owned(),
    })
}

/// B-01, B-04: as with a password.
#[tokio::test]
async fn an_account_that_changes_while_it_is_resolved_is_not_gone_on_with() {
    let world = World::new();
    resolves_to(&world, alice());
    world.held().changed_meanwhile = Some("alice".to_owned());
    let moved = federated(&world).await;
    let reason = StopReason::Closed(Closed::Overtaken);
    assert_eq!(
        moved.step,
        Step::Stopped {
            reason,
            backup_codes: false
        }
    );
    assert_eq!(world.calls(), 0);
    let moved = federated(&world).await;
    assert!(matches!(moved.step, Step::AskCode(_)), "{:?}", moved.step);
}

/// one counter, whichever way the first step was taken.
#[tokio::test]
async fn guesses_after_a_federated_first_step_count_for_the_account() {
    let world = World::new();
    resolves_to(&world, alice());
    let moved = federated(&world).await;
    let code = world.last_code();
    world.submit(&moved.id, wrong(&code)).await;
    let (id, code) = world.at_code("alice").await;
    world.submit(&id, wrong(&code)).await;
    assert_eq!(world.ledger("alice").failures, 2);
}

/// A resolver's fault is never "nobody", which could mean that no second factor is asked for.
#[tokio::test]
async fn a_resolver_that_fails_stops_the_login() {
    let world = World::with(|settings| settings.factor.mandatory = false);
    let detail = "trap".to_owned();
    resolves_to(&world, Resolution::Refuse { detail });
    let moved = federated(&world).await;
    let reason = StopReason::Refused(Refusal::NoLocalAccount);
    assert_eq!(
        moved.step,
        Step::Stopped {
            reason,
            backup_codes: false
        }
    );
    assert_eq!(world.calls(), 0);
}

#[tokio::test]
async fn where_the_factor_is_optional_a_stranger_is_let_in_with_the_reason_on_record() {
    let world = World::with(|settings| settings.factor.mandatory = false);
    resolves_to(&world, Resolution::NotFound);
    let moved = federated(&world).await;
    assert_eq!(moved.step, Step::Authenticated);
    let session = world
        .logins
        .finish(&moved.id, &facts())
        .await
        .unwrap()
        .session;
    assert!(matches!(
        session.second,
        SecondFactor::NotNeeded(NotNeeded::NoLocalAccount)
    ));
    assert_eq!(
        (session.account.as_str(), session.has_local_account),
        ("sub-1", false)
    );
}

#[tokio::test]
async fn where_it_is_mandatory_a_stranger_is_stopped() {
    let world = World::new();
    resolves_to(&world, Resolution::NotFound);
    let moved = federated(&world).await;
    let reason = StopReason::Refused(Refusal::NoLocalAccount);
    assert_eq!(
        moved.step,
        Step::Stopped {
            reason,
            backup_codes: false
        }
    );
}

/// `SendOTPDirectlyToMobile`: sent to the typed number, and nothing is stored.
#[tokio::test]
async fn a_stranger_may_type_a_number_where_the_operator_says_so() {
    let world = World::with(|settings| settings.factor.send_directly = true);
    resolves_to(&world, Resolution::NotFound);
    let moved = federated(&world).await;
    assert_eq!(moved.step, Step::AskNumber { notice: None });
    let moved = world
        .logins
        .give_number(&moved.id, ALICE, &facts())
        .await
        .unwrap();
    let code = world.last_code();
    assert_eq!(world.submit(&moved.id, &code).await, Step::Authenticated);
}

/// The number page is open, and meanwhile the operator asks strangers for no number any more.
#[tokio::test]
async fn a_stranger_is_asked_for_a_number_only_while_the_settings_say_so() {
    for (mandatory, reason) in [
        (true, StopReason::Refused(Refusal::NoLocalAccount)),
        (false, StopReason::Failed),
    ] {
        let world = World::with(|settings| settings.factor.send_directly = true);
        resolves_to(&world, Resolution::NotFound);
        let moved = federated(&world).await;
        assert_eq!(moved.step, Step::AskNumber { notice: None });
        let mut changed = settings();
        changed.factor.mandatory = mandatory;
        world.held().settings = Some(Arc::new(changed));
        let given = world.logins.give_number(&moved.id, ALICE, &facts()).await;
        assert_eq!(
            given.unwrap().step,
            Step::Stopped {
                reason,
                backup_codes: false
            }
        );
        assert_eq!(world.calls(), 0);
    }
}

/// B-08: only where the settings ask for it, and only for people without an account.
#[tokio::test]
async fn a_federated_number_is_used_only_if_the_settings_ask_for_it() {
    let asks = |on: &str| {
        let on = on.to_owned();
        World::with(move |settings| {
            settings.factor.resolver_settings = vec![
                ("send_otp_to_federated_mobile".to_owned(), on),
                (
                    "federated_mobile_attribute_key".to_owned(),
                    "mobile".to_owned(),
                ),
            ];
        })
    };
    let world = asks("true");
    resolves_to(&world, Resolution::NotFound);
    federated(&world).await;
    assert_eq!(world.held().sent[0].1.to.e164(), "+447700900123");
    let world = asks("false");
    resolves_to(&world, Resolution::NotFound);
    federated(&world).await;
    assert_eq!(world.calls(), 0);
    let world = asks("true");
    resolves_to(&world, alice());
    federated(&world).await;
    assert_eq!(world.held().sent[0].1.to.e164(), ALICE);
}

/// `federatedMobileAttributeKey`: the identity provider's own entry, then what the step says of logins
/// after it, then the step.
#[tokio::test]
async fn the_attribute_with_the_number_is_looked_up_at_the_provider_first() {
    const KEY: &str = "federated_mobile_attribute_key";
    let pair = |value: &str| (KEY.to_owned(), value.to_owned());
    for (own, after, expected) in [
        (Some("own"), Some(("idp", "after")), Some("+447700900125")),
        (None, Some(("idp", "after")), Some("+447700900124")),
        (None, Some(("another", "after")), Some("+447700900123")),
        (None, None, Some("+447700900123")),
        // What is named first and missing is not looked for under another name.
        (Some("gone"), Some(("idp", "after")), None),
    ] {
        let world = World::with(|settings| {
            let factor = &mut settings.factor;
            let asks = ("send_otp_to_federated_mobile".to_owned(), "true".to_owned());
            factor.resolver_settings = vec![asks, pair("mobile")];
            factor.resolver_settings_after = after
                .map(|(provider, name)| (provider.to_owned(), vec![pair(name)]))
                .into_iter()
                .collect();
        });
        resolves_to(&world, Resolution::NotFound);
        let mut said = said();
        for (name, number) in [("after", "+447700900124"), ("own", "+447700900125")] {
            said.attributes.push((name.to_owned(), number.to_owned()));
        }
        said.settings.extend(own.map(pair));
        let id = at_first_step(&world, application()).await;
        world.logins.federated(&id, said, &facts()).await.unwrap();
        let held = world.held();
        let to = held.sent.first().map(|(_, message)| message.to.e164());
        assert_eq!(to, expected, "{own:?} {after:?}");
    }
}

/// A locked account gets no message after a federated step either.
#[tokio::test]
async fn a_locked_account_is_stopped() {
    let world = World::new();
    resolves_to(&world, alice());
    if let Some(alice) = world.held().users.get_mut("alice") {
        alice.profile.locked = true;
    }
    let moved = federated(&world).await;
    let reason = StopReason::Refused(Refusal::Locked);
    assert_eq!(
        moved.step,
        Step::Stopped {
            reason,
            backup_codes: false
        }
    );
    assert_eq!(world.calls(), 0);
}

/// `EnableAccountLockingForFailedAttempts` governs the whole account: also where no code would follow.
#[tokio::test]
async fn where_wrong_codes_lock_the_account_no_identity_provider_lets_it_in() {
    for lock_account in [true, false] {
        let world = World::with(|settings| settings.factor.lock_account = lock_account);
        world.lock("alice").await;
        let sent = world.calls();
        resolves_to(&world, alice());
        let mut content = application();
        content.sequence.second_step = SecondStep::None;
        let id = at_first_step(&world, content).await;
        let moved = world.logins.federated(&id, said(), &facts()).await.unwrap();
        if lock_account {
            let locked = matches!(
                moved.step,
                Step::Stopped {
                    reason: StopReason::Locked { .. },
                    backup_codes: false
                }
            );
            assert!(locked, "{:?}", moved.step);
            let held = world.held();
            let stopped = held.events.iter().rev().find(|event| event.who.is_some());
            let stopped = stopped.unwrap();
            assert!(matches!(stopped.what, What::FactorLocked { .. }));
            assert_eq!(stopped.who.as_deref(), Some("sub-1"), "it says who it was");
        } else {
            assert_eq!(moved.step, Step::Authenticated, "only the factor is locked");
        }
        assert_eq!(world.calls(), sent);
    }
}

/// what an identity provider said to one tenant is nothing to another.
#[tokio::test]
async fn another_tenants_federated_login_is_stopped_and_says_so() {
    let world = World::new();
    let id = at_first_step(&world, application()).await;
    let said = FederatedLogin {
        tenant: TenantId::parse("other.example").unwrap(),
        ..said()
    };
    let moved = world.logins.federated(&id, said, &facts()).await.unwrap();
    let reason = StopReason::Refused(Refusal::TenantMismatch);
    let backup_codes = false;
    assert_eq!(
        moved.step,
        Step::Stopped {
            reason,
            backup_codes
        }
    );
    assert_eq!(world.calls(), 0);
}

/// hiding a button is not what forbids it.
#[tokio::test]
async fn only_a_way_that_the_application_offers_is_open() {
    let world = World::new();
    resolves_to(&world, alice());
    let id = world.begin().await;
    let vouched = world.logins.federated(&id, said(), &facts()).await;
    assert!(matches!(vouched, Err(LoginError::OutOfOrder)));
    let mut federated_only = application();
    federated_only.sequence.password = false;
    let id = at_first_step(&world, federated_only).await;
    let posted = world.logins.password(&id, "alice", "right", &facts()).await;
    assert!(matches!(posted, Err(LoginError::OutOfOrder)));
    let vouched = world.logins.federated(&id, said(), &facts()).await;
    assert!(matches!(vouched.unwrap().step, Step::AskCode(_)));
}

#[tokio::test]
async fn an_application_that_asks_for_no_second_step_gets_none_and_the_reason_is_on_record() {
    let world = World::new();
    resolves_to(&world, alice());
    let mut content = application();
    content.sequence.second_step = SecondStep::None;
    let id = at_first_step(&world, content).await;
    let moved = world.logins.federated(&id, said(), &facts()).await.unwrap();
    assert_eq!(moved.step, Step::Authenticated);
    assert_eq!(world.calls(), 0);
    let finished = world.logins.finish(&moved.id, &facts()).await.unwrap();
    let session = finished.session;
    assert!(matches!(
        session.second,
        SecondFactor::NotNeeded(NotNeeded::NotAsked)
    ));
    assert_eq!(session.methods(), ["fed"]);
}

/// `SMSOTP-userAttribute` of the identity provider wins over the tenant's, and the rest stays.
#[tokio::test]
async fn an_identity_providers_own_settings_win() {
    let world = World::with(|settings| {
        settings.factor.resolver_settings = vec![
            ("user_attribute".to_owned(), "email".to_owned()),
            ("secondary_userstore".to_owned(), "jdbc".to_owned()),
        ];
    });
    resolves_to(&world, alice());
    let id = at_first_step(&world, application()).await;
    let said = FederatedLogin {
        settings: vec![("user_attribute".to_owned(), "screen_name".to_owned())],
        ..said()
    };
    world.logins.federated(&id, said, &facts()).await.unwrap();
    assert_eq!(
        world.held().resolver_settings,
        [
            ("secondary_userstore".to_owned(), "jdbc".to_owned()),
            ("user_attribute".to_owned(), "screen_name".to_owned())
        ]
    );
}

/// The one at the provider ends sooner, or later, or nothing was said of it.
#[tokio::test]
async fn a_session_ends_no_later_than_the_one_it_comes_from() {
    let world = World::new();
    let mut without_code = application();
    without_code.sequence.second_step = SecondStep::None;
    let now = world.time();
    let ends_after = async |end: Option<u64>| {
        resolves_to(&world, alice());
        let id = at_first_step(&world, without_code.clone()).await;
        let mut said = said();
        let until = end.map(|seconds| now.plus(Duration::from_secs(seconds)));
        let until = until.map(|at| (UNTIL_ATTRIBUTE.to_owned(), at.0.to_string()));
        said.attributes.extend(until);
        let moved = world.logins.federated(&id, said, &facts()).await.unwrap();
        let finished = world.logins.finish(&moved.id, &facts()).await.unwrap();
        finished.session.expires_at.since(now)
    };
    let own = ends_after(None).await;
    assert!(own > Duration::from_secs(600));
    assert_eq!(ends_after(Some(600)).await, Duration::from_secs(600));
    assert_eq!(ends_after(Some(10 * own.as_secs())).await, own);
}

/// Whoever wants a sign-in of the last minutes gets none from this morning; a code that followed is of now.
#[tokio::test]
async fn a_step_elsewhere_is_as_old_as_the_provider_says_and_a_code_is_not() {
    let world = World::new();
    resolves_to(&world, alice());
    let asked_at = Timestamp(world.time().0 - HOUR);
    let said_nothing_of_when = said;
    let mut said = said();
    let attribute = (ASKED_ATTRIBUTE.to_owned(), asked_at.0.to_string());
    said.attributes.push(attribute);
    let mut without_code = application();
    without_code.sequence.second_step = SecondStep::None;
    let id = at_first_step(&world, without_code.clone()).await;
    let moved = world.logins.federated(&id, said.clone(), &facts()).await;
    let finished = world.logins.finish(&moved.unwrap().id, &facts()).await;
    let session = finished.unwrap().session;
    assert_eq!(session.proven_at(), asked_at);
    for (since, enough) in [
        (Timestamp(asked_at.0 - 1), true),
        (asked_at, false),
        (Timestamp(world.time().0 - 1), false),
    ] {
        let demand = Demand { since: Some(since) };
        let found = world
            .logins
            .recognize(&tenant(), &without_code, &demand, Some(&session.id))
            .await
            .unwrap();
        assert_eq!(matches!(found, Recognized::Enough(_)), enough, "{since:?}");
        assert_eq!(matches!(found, Recognized::Nobody), !enough, "{since:?}");
    }
    // One that does not say when: good where nobody asks, and never fresh.
    let id = at_first_step(&world, without_code.clone()).await;
    let silent = said_nothing_of_when();
    let moved = world.logins.federated(&id, silent, &facts()).await;
    let finished = world.logins.finish(&moved.unwrap().id, &facts()).await;
    let session = finished.unwrap().session;
    assert_eq!(session.proven_at(), world.time());
    for (since, enough) in [(None, true), (Some(Timestamp(0)), false)] {
        let found = world
            .logins
            .recognize(
                &tenant(),
                &without_code,
                &Demand { since },
                Some(&session.id),
            )
            .await
            .unwrap();
        assert_eq!(matches!(found, Recognized::Enough(_)), enough, "{since:?}");
    }
    let id = at_first_step(&world, application()).await;
    let moved = world.logins.federated(&id, said, &facts()).await.unwrap();
    let code = world.last_code();
    assert_eq!(world.submit(&moved.id, &code).await, Step::Authenticated);
    let finished = world.logins.finish(&moved.id, &facts()).await.unwrap();
    assert_eq!(finished.session.proven_at(), world.time());
}
