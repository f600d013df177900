//! Documents an administrator writes.

use super::Store;
use super::samples::NOW;
use postern_admin::documents::{Documents, Key, Kind, Put};
use postern_login::TenantId;
use postern_otp::Timestamp;
use tokio::task::JoinSet;

fn document_key(tenant: &str, name: &str) -> Key {
    Key {
        tenant: TenantId::parse(tenant).expect("a tenant's name"),
        kind: Kind::IdentityProvider,
        name: name.to_owned(),
    }
}

/// a name is a value, whatever it looks like.
pub async fn a_document_is_read_as_it_was_written(store: &impl Store) {
    for name in [
        "doc-corp",
        "' OR 1=1 --",
        "a\"b;DROP TABLE documents",
        "%",
        "ünï",
    ] {
        let key = document_key("read.example", name);
        assert!(store.get(&key).await.expect("get").is_none());
        let put = store.put(&key, None, "{\"a\":1}", NOW).await.expect("put");
        assert_eq!(put, Put::Written { version: 1 });
        let found = store.get(&key).await.expect("get").expect("it is there");
        assert_eq!((found.version, found.body.as_str()), (1, "{\"a\":1}"));
        assert_eq!((found.key, found.changed_at), (key.clone(), NOW));
        let later = Timestamp(NOW.0 + 1);
        let put = store.put(&key, Some(1), "{}", later).await.expect("put");
        assert_eq!(put, Put::Written { version: 2 });
        let found = store.get(&key).await.expect("get").expect("it is there");
        assert_eq!((found.version, found.body.as_str()), (2, "{}"));
        assert_eq!(found.changed_at, later);
    }
    let key = document_key("read.example", "large");
    let large = "x".repeat(postern_admin::documents::BODY_BYTES_MAX + 1);
    assert!(store.put(&key, None, &large, NOW).await.is_err());
    let put = store.put(&key, None, &large[1..], NOW).await.expect("put");
    assert_eq!(put, Put::Written { version: 1 });
}

pub async fn one_of_many_writers_of_a_document_wins(store: &impl Store) {
    let key = document_key("race.example", "doc");
    for seen in [None, Some(1)] {
        let mut writers = JoinSet::new();
        for number in 0..50 {
            let (store, key) = (store.clone(), key.clone());
            writers.spawn(async move { store.put(&key, seen, &number.to_string(), NOW).await });
        }
        let mut won = 0;
        while let Some(put) = writers.join_next().await {
            match put.expect("no panic").expect("put") {
                Put::Written { version } => {
                    assert_eq!(version, seen.unwrap_or(0) + 1);
                    won += 1;
                }
                Put::Lost => {}
            }
        }
        assert_eq!(won, 1);
    }
    for stale in [None, Some(1), Some(3)] {
        let put = store.put(&key, stale, "late", NOW).await.expect("put");
        assert_eq!(put, Put::Lost, "{stale:?}");
    }
}

pub async fn a_document_is_removed_once(store: &impl Store) {
    let key = document_key("remove.example", "doc");
    let put = store.put(&key, None, "1", NOW).await.expect("put");
    assert_eq!(put, Put::Written { version: 1 });
    assert!(!store.remove(&key, 2).await.expect("remove"), "not seen");
    let mut removers = JoinSet::new();
    for _ in 0..50 {
        let (store, key) = (store.clone(), key.clone());
        removers.spawn(async move { store.remove(&key, 1).await });
    }
    let mut removed = 0;
    while let Some(outcome) = removers.join_next().await {
        removed += u32::from(outcome.expect("no panic").expect("remove"));
    }
    assert_eq!(removed, 1);
    assert!(store.get(&key).await.expect("get").is_none());
    let put = store.put(&key, Some(1), "2", NOW).await.expect("put");
    assert_eq!(put, Put::Lost, "it is gone");
}

///
pub async fn documents_of_one_tenant_and_kind_are_listed(store: &impl Store) {
    for (tenant, name) in [
        ("la.example", "b"),
        ("la.example", "a"),
        ("lb.example", "c"),
    ] {
        let key = document_key(tenant, name);
        let put = store.put(&key, None, name, NOW).await.expect("put");
        assert_eq!(put, Put::Written { version: 1 });
    }
    let other = Key {
        kind: Kind::ServiceProvider,
        ..document_key("la.example", "d")
    };
    let put = store.put(&other, None, "d", NOW).await.expect("put");
    assert_eq!(put, Put::Written { version: 1 });
    let names = async |tenant: &str, kind| {
        let tenant = TenantId::parse(tenant).expect("a tenant's name");
        let listed = Documents::list(store, &tenant, kind).await.expect("list");
        listed
            .into_iter()
            .map(|document| document.key.name)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names("la.example", Kind::IdentityProvider).await,
        ["a", "b"]
    );
    assert_eq!(names("la.example", Kind::ServiceProvider).await, ["d"]);
    assert_eq!(names("lb.example", Kind::IdentityProvider).await, ["c"]);
    assert!(names("lc.example", Kind::IdentityProvider).await.is_empty());
}
