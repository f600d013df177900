//! The relay: finished messages of another identity server.

use crate::world::*;
use postern_login::login::Purpose;
use postern_login::ports::{ApiClient, FailureReason, Scope};
use postern_login::relay::*;
use postern_login::text::Template;
use postern_otp::Timestamp;

fn client() -> ApiClient {
    ApiClient {
        name: "idp".to_owned(),
        tenant: tenant(),
        created_at: Timestamp(0),
        scopes: Scope::ALL.to_vec(),
    }
}

fn message(text: &str, key: Option<&str>) -> RelayMessage {
    RelayMessage {
        to: ALICE.to_owned(),
        text: RelayText::Finished(text.to_owned()),
        purpose: Purpose::Named("password-reset".to_owned()),
        locale: None,
        client_ip: None,
        idempotency_key: key.map(str::to_owned),
    }
}

async fn relay(world: &World, message: RelayMessage) -> Result<Relayed, RelayError> {
    world.logins.relay(&client(), message).await
}

#[tokio::test]
async fn a_finished_text_is_sent_as_it_is() {
    let world = World::new();
    let relayed = relay(&world, message("Your code:\n1234", None))
        .await
        .unwrap();
    assert_eq!((relayed.sender.as_str(), relayed.segments), ("one", 1));
    assert_eq!(relayed.provider_id.as_deref(), Some("p1"));
    assert_eq!(world.held().sent[0].1.text.as_str(), "Your code:\n1234");
}

#[tokio::test]
async fn a_template_takes_the_clients_own_code() {
    let world = World::with(|settings| {
        settings.templates.push(Template {
            template_id: Some("1107".to_owned()),
            entity_id: Some("1101".to_owned()),
            ..Template::new("reset:en", "Reset with {code}")
        });
    });
    let registered = [("template-id", "1107"), ("entity-id", "1101")];
    for (text_id, expected, ids) in [
        ("code", "Verification Code: 4711", &[][..]),
        ("reset", "Reset with 4711", &registered[..]),
    ] {
        let template = RelayMessage {
            text: RelayText::Template {
                text_id: text_id.to_owned(),
                code: "4711".to_owned(),
            },
            ..message("", None)
        };
        let _relayed = relay(&world, template).await.unwrap();
        let held = world.held();
        let (_, sent) = held.sent.last().unwrap();
        assert_eq!(sent.text.as_str(), expected);
        let told: Vec<_> = sent
            .extra
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(name, _)| *name != "brand")
            .collect();
        assert_eq!(told, ids);
        assert!(
            sent.code.is_some(),
            "so that it is kept out of what a provider echoes"
        );
    }
}

#[tokio::test]
async fn what_is_no_text_or_no_number_is_refused_before_any_call() {
    let world = World::new();
    for text in ["", "   ", &"a".repeat(1_601), &"ක".repeat(671)] {
        let refused = relay(&world, message(text, None)).await;
        assert!(
            matches!(refused, Err(RelayError::TextRefused)),
            "{:.10}",
            text
        );
    }
    for (text_id, code) in [("none", "1234"), ("code", ""), ("code", "12\n@evil #1")] {
        let template = RelayMessage {
            text: RelayText::Template {
                text_id: text_id.to_owned(),
                code: code.to_owned(),
            },
            ..message("", None)
        };
        assert!(matches!(
            relay(&world, template).await,
            Err(RelayError::TextRefused)
        ));
    }
    let premium = RelayMessage {
        to: "+19005550100".to_owned(),
        ..message("text", None)
    };
    assert!(matches!(
        relay(&world, premium).await,
        Err(RelayError::NumberRefused)
    ));
    assert_eq!(world.calls(), 0);
}

#[tokio::test]
async fn a_repeated_request_is_answered_and_not_sent_again() {
    let world = World::new();
    let first = relay(&world, message("text", Some("k1"))).await.unwrap();
    let second = relay(&world, message("text", Some("k1"))).await.unwrap();
    assert_eq!(first, second);
    assert_eq!(world.calls(), 1);
    let differs = relay(&world, message("other", Some("k1"))).await;
    assert!(matches!(differs, Err(RelayError::KeyDiffers)));
}

/// The key is free again if nothing was sent, and stays taken if that is not known.
#[tokio::test]
async fn a_failure_frees_the_key_unless_the_message_may_be_on_its_way() {
    let world = World::new();
    world.script([failed(FailureReason::Unroutable)]);
    let failed_first = relay(&world, message("text", Some("k1"))).await;
    let reason = FailureReason::Unroutable;
    assert!(matches!(failed_first, Err(RelayError::NotSent { reason: seen }) if seen == reason));
    let _sent = relay(&world, message("text", Some("k1"))).await.unwrap();
    world.script([failed(FailureReason::OutcomeUnknown)]);
    let _unknown = relay(&world, message("text", Some("k2")))
        .await
        .unwrap_err();
    let again = relay(&world, message("text", Some("k2"))).await;
    assert!(matches!(again, Err(RelayError::InProgress)));
}

/// the same limits as every other message.
#[tokio::test]
async fn a_number_gets_five_messages_in_ten_minutes() {
    let world = World::new();
    for _ in 0..5 {
        let _relayed = relay(&world, message("text", None)).await.unwrap();
    }
    let sixth = relay(&world, message("text", None)).await;
    assert!(matches!(sixth, Err(RelayError::TooMany { .. })));
    assert_eq!(world.calls(), 5);
}
