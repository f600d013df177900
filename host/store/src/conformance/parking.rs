//! What waits for an identity provider's answer, and what may be used only once.

use super::Store;
use super::samples::{MOMENT, parked, parking_key, unique};
use postern_federation::Moment;
use postern_federation::ports::{Once, Parked, Parking};
use std::time::Duration;
use tokio::task::JoinSet;

pub async fn what_is_parked_is_claimed_by_one_of_many(store: &impl Store) {
    let (key, parked) = (parking_key(), parked("request", ""));
    store.park(&key, &parked).await.expect("park");
    assert!(store.park(&key, &parked).await.is_err(), "its key is taken");
    let seen = store.parked("t1.example", "request", &key, MOMENT).await;
    assert_eq!(seen.expect("parked"), Some(parked.clone()));
    let mut claims = JoinSet::new();
    for _ in 0..16 {
        let (store, key) = (store.clone(), key.clone());
        claims.spawn(async move { store.claim("t1.example", "request", &key, MOMENT).await });
    }
    let mut claimed = Vec::new();
    while let Some(claim) = claims.join_next().await {
        claimed.extend(claim.expect("no panic").expect("claim"));
    }
    assert_eq!(claimed, [parked]);
    let seen = store.parked("t1.example", "request", &key, MOMENT).await;
    assert_eq!(seen.expect("parked"), None);
}

pub async fn a_parking_key_opens_only_its_own_kind_and_tenant(store: &impl Store) {
    let (key, parked) = (parking_key(), parked("request", ""));
    store.park(&key, &parked).await.expect("park");
    for (tenant, kind) in [("t2.example", "request"), ("t1.example", "code")] {
        let seen = store.parked(tenant, kind, &key, MOMENT).await;
        assert_eq!(seen.expect("parked"), None, "{tenant} {kind}");
        let claimed = store.claim(tenant, kind, &key, MOMENT).await;
        assert_eq!(claimed.expect("claim"), None, "{tenant} {kind}");
    }
    let other = parking_key();
    let claimed = store.claim("t1.example", "request", &other, MOMENT).await;
    assert_eq!(claimed.expect("claim"), None, "another key");
    let claimed = store.claim("t1.example", "request", &key, MOMENT).await;
    assert_eq!(claimed.expect("claim"), Some(parked), "it is still there");
}

pub async fn what_is_parked_is_gone_when_it_expires(store: &impl Store) {
    let (key, parked) = (parking_key(), parked("request", ""));
    store.park(&key, &parked).await.expect("park");
    let at = |now| store.parked("t1.example", "request", &key, now);
    let before = Moment(parked.expires_at.0 - 1);
    assert!(at(before).await.expect("parked").is_some());
    assert!(at(parked.expires_at).await.expect("parked").is_none());
    let late = store.claim("t1.example", "request", &key, parked.expires_at);
    assert_eq!(late.await.expect("claim"), None);
    let swept = Parking::remove_expired(store, parked.expires_at, 1000).await;
    assert!(swept.expect("sweep") >= 1);
    assert!(at(before).await.expect("parked").is_none(), "it was swept");
    let large = Parked {
        body: vec![0; 600 * 1024],
        ..parked
    };
    assert!(
        store.park(&parking_key(), &large).await.is_err(),
        "too large"
    );
}

pub async fn a_group_is_claimed_whole(store: &impl Store) {
    let group = unique("session");
    let of = |body: &[u8]| Parked {
        body: body.to_vec(),
        ..parked("participant", &group)
    };
    let over = Parked {
        expires_at: MOMENT,
        ..of(b"over")
    };
    for parked in [
        of(b"one"),
        of(b"two"),
        over,
        parked("participant", &unique("other")),
    ] {
        store.park(&parking_key(), &parked).await.expect("park");
    }
    let bodies = |all: Vec<Parked>| all.into_iter().map(|p| p.body).collect::<Vec<_>>();
    let listed = Parking::group(store, "t1.example", "participant", &group, MOMENT).await;
    assert_eq!(bodies(listed.expect("group")), [b"one", b"two"]);
    let elsewhere = store.claim_group("t2.example", "participant", &group, MOMENT);
    assert_eq!(elsewhere.await.expect("claim"), []);
    let claimed = store.claim_group("t1.example", "participant", &group, MOMENT);
    assert_eq!(bodies(claimed.await.expect("claim")), [b"one", b"two"]);
    let again = store.claim_group("t1.example", "participant", &group, MOMENT);
    assert_eq!(again.await.expect("claim"), []);
    let alone = parking_key();
    store
        .park(&alone, &parked("participant", ""))
        .await
        .expect("park");
    let nobody = store.claim_group("t1.example", "participant", "", MOMENT);
    assert_eq!(nobody.await.expect("claim"), [], "no group is no group");
}

pub async fn what_may_be_used_once_is_used_by_one_of_many(store: &impl Store) {
    let id = unique("assertion");
    let mut uses = JoinSet::new();
    for _ in 0..16 {
        let (store, id) = (store.clone(), id.clone());
        let until = MOMENT.plus(Duration::from_secs(60));
        uses.spawn(async move {
            store
                .first("t1.example", "assertion", &id, until, MOMENT)
                .await
        });
    }
    let mut firsts = 0;
    while let Some(first) = uses.join_next().await {
        firsts += u32::from(first.expect("no panic").expect("first"));
    }
    assert_eq!(firsts, 1);
}

pub async fn a_use_is_remembered_until_its_end_and_per_tenant_and_kind(store: &impl Store) {
    let id = unique("jti");
    let until = MOMENT.plus(Duration::from_secs(60));
    let first = async |tenant: &str, kind: &str, now| {
        let first = store.first(tenant, kind, &id, until.max(now), now).await;
        first.expect("first")
    };
    assert!(first("t1.example", "jti", MOMENT).await);
    assert!(first("t2.example", "jti", MOMENT).await, "another tenant");
    assert!(first("t1.example", "code", MOMENT).await, "another kind");
    assert!(!first("t1.example", "jti", Moment(until.0 - 1)).await);
    assert!(first("t1.example", "jti", until).await, "its time is over");
    let swept = Once::remove_expired(store, until, 1000).await;
    assert!(swept.expect("sweep") >= 1);
}
