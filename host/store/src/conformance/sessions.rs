//! Sessions.

use super::Store;
use super::samples::{NOW, session, unique};
use postern_login::ports::{SessionStore, Subject};
use postern_login::session::Session;

pub async fn a_session_is_found_until_it_ends(store: &impl Store) {
    let session = session(&unique("alice"));
    SessionStore::open(store, &session).await.expect("open");
    let find = |now| SessionStore::find(store, &session.tenant, &session.id, now);
    let found = find(NOW).await.expect("find").expect("it is there");
    assert_eq!(format!("{session:?}"), format!("{found:?}"));
    assert!(find(session.expires_at).await.expect("find").is_none());
    SessionStore::close(store, &session.tenant, &session.id)
        .await
        .expect("close");
    assert!(find(NOW).await.expect("find").is_none());
}

pub async fn sessions_are_closed_by_name_and_all_but_one(store: &impl Store) {
    let (name, other) = (unique("alice"), session(&unique("bob")));
    let mine: Vec<_> = (0..4).map(|_| session(&name)).collect();
    let (alice, bob) = (mine[0].subject(), other.subject());
    // Called the same by an identity provider, and somebody else.
    let namesake = Session {
        has_local_account: false,
        ..session(&name)
    };
    for session in mine.iter().chain([&other, &namesake]) {
        SessionStore::open(store, session).await.expect("open");
    }
    let listed = store.all_of(&alice, NOW).await.expect("list");
    assert_eq!(listed.len(), 4);
    for listed in &listed {
        let by_listed_id = SessionStore::find(store, &listed.tenant, &listed.id, NOW).await;
        assert!(
            by_listed_id.expect("find").is_none(),
            "a listed id opens nothing"
        );
    }
    let close = |subject: Subject, name: String| async move {
        let closed = store.close_named(&subject, &name).await;
        closed.expect("close")
    };
    assert!(!close(bob.clone(), mine[0].name.clone()).await, "not bob's");
    assert!(close(alice.clone(), mine[0].name.clone()).await);
    assert!(!close(alice.clone(), mine[0].name.clone()).await);
    assert!(
        !close(alice.clone(), namesake.name.clone()).await,
        "a namesake's"
    );

    let rest = store.close_all_of(&alice, Some(&mine[1].id)).await;
    assert_eq!(rest.expect("close"), 2);
    let kept = SessionStore::find(store, &mine[1].tenant, &mine[1].id, NOW).await;
    assert!(kept.expect("find").is_some());
    let last = store.close_all_of(&alice, None).await;
    assert_eq!(last.expect("close"), 1);
    for subject in [&bob, &namesake.subject()] {
        let others = store.all_of(subject, NOW).await.expect("list");
        assert_eq!(others.len(), 1, "{subject:?}");
    }
}
