//! Calls of well-behaved guests.

#![allow(clippy::unwrap_used)]

mod guest;

use guest::{Guest, accepted, in_process, message, settings};
use postern_wasm::provider::Event;

#[tokio::test]
async fn an_admitted_provider_answers() {
    let plugins = in_process().await;
    let loaded = plugins.admit(Guest::named("ok").build()).await.unwrap();
    assert_eq!(loaded.handle.id(), "guest");
    let action = plugins
        .provider_step(&loaded.handle, &settings(), &message(), &Event::Start, &[])
        .await
        .unwrap();
    assert_eq!(action, accepted());
    assert_eq!(
        plugins.check(&loaded.handle, &settings()).await.unwrap(),
        []
    );
}
