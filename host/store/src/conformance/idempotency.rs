//! Keys that make a repeated request one request.

use super::Store;
use super::samples::{NOW, client_of, unique};
use postern_login::ports::{ApiClient, Reservation};
use tokio::task::JoinSet;

pub async fn an_idempotency_key_is_reserved_once(store: &impl Store) {
    let (client, key) = (client_of("t1.example", &unique("shop")), "order-1");
    let (mine, other) = ([1; 32], [2; 32]);
    let mut racers = JoinSet::new();
    for _ in 0..50 {
        let (store, client) = (store.clone(), client.clone());
        racers.spawn(async move { store.reserve(&client, key, &mine, NOW).await });
    }
    let mut reserved = 0;
    for outcome in racers.join_all().await {
        match outcome.expect("reserve") {
            Reservation::Reserved => reserved += 1,
            outcome => assert_eq!(outcome, Reservation::InProgress),
        }
    }
    assert_eq!(reserved, 1);
    let reserve = |by: ApiClient, print: [u8; 32]| async move {
        let outcome = store.reserve(&by, key, &print, NOW).await;
        outcome.expect("reserve")
    };
    assert_eq!(reserve(client.clone(), other).await, Reservation::Differs);
    let bank = client_of("t1.example", &unique("bank"));
    let someone = reserve(bank, other).await;
    assert_eq!(someone, Reservation::Reserved, "keys are the client's own");
    let namesake = client_of("t2.example", &client.name);
    let elsewhere = reserve(namesake, other).await;
    assert_eq!(elsewhere, Reservation::Reserved, "and its tenant's");

    store.release(&client, key).await.expect("release");
    assert_eq!(reserve(client.clone(), mine).await, Reservation::Reserved);
    store.fill(&client, key, "{\"a\":1}").await.expect("fill");
    let answered = Reservation::Answered("{\"a\":1}".into());
    assert_eq!(reserve(client.clone(), mine).await, answered);
    store.release(&client, key).await.expect("release");
    assert_eq!(
        reserve(client.clone(), mine).await,
        answered,
        "an answer stays"
    );
    let later = NOW.plus(crate::KEPT);
    let forgotten = store.reserve(&client, key, &other, later).await;
    assert_eq!(forgotten.expect("reserve"), Reservation::Reserved);
}
