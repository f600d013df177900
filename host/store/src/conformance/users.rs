//! Users, their first their links to identity providers.

use super::Store;
use super::samples::{tenant, unique, user};
use crate::directory::users::{Change, User};
use postern_login::TenantId;
use postern_login::ports::FirstNumber;
use tokio::task::JoinSet;

pub async fn a_user_is_found_by_key_within_tenant_and_domain(store: &impl Store) {
    let user = User {
        display_name: Some("Alice".into()),
        number: Some("+94771234567".into()),
        had_factor: true,
        password: Some("hash".into()),
        claims: vec![("urn:a".into(), "1".into()), ("urn:b".into(), "2".into())],
        ..user("t1.example", &unique("alice"))
    };
    assert!(store.create_user(&user).await.expect("create"));
    let find = |tenant: TenantId, domain: &'static str, key: String| async move {
        let found = store.user(&tenant, domain, &key).await;
        found.expect("find")
    };
    let (tenant, key) = (user.tenant.clone(), user.key.clone());
    assert_eq!(find(tenant.clone(), "", key.clone()).await, Some(user));
    assert_eq!(find(tenant.clone(), "JDBC", key.clone()).await, None);
    assert_eq!(find(self::tenant("t2.example"), "", key).await, None);
    assert_eq!(find(tenant, "", unique("bob")).await, None);
}

/// U-03: what counts as the same is the caller's; that it is taken once is the store's.
pub async fn names_and_looks_are_taken_once(store: &impl Store) {
    let first = user("t1.example", &unique("alice"));
    assert!(store.create_user(&first).await.expect("create"));
    let same_key = User {
        looks: unique("else"),
        ..first.clone()
    };
    assert!(!store.create_user(&same_key).await.expect("create"));
    let same_looks = User {
        key: unique("else"),
        ..first.clone()
    };
    assert!(!store.create_user(&same_looks).await.expect("create"));
    for elsewhere in [
        User {
            domain: "JDBC".into(),
            ..first.clone()
        },
        User {
            tenant: tenant("t2.example"),
            ..first.clone()
        },
    ] {
        assert!(store.create_user(&elsewhere).await.expect("create"));
    }
    let contested = user("t1.example", &unique("carol"));
    let mut racers = JoinSet::new();
    for _ in 0..32 {
        let (store, user) = (store.clone(), contested.clone());
        racers.spawn(async move { store.create_user(&user).await.expect("create") });
    }
    let created = racers
        .join_all()
        .await
        .into_iter()
        .filter(|created| *created);
    assert_eq!(created.count(), 1);
}

pub async fn a_change_touches_only_what_it_names(store: &impl Store) {
    let before = User {
        display_name: Some("Alice".into()),
        number: Some("+94771234567".into()),
        had_factor: true,
        password: Some("hash".into()),
        claims: vec![("urn:a".into(), "1".into()), ("urn:b".into(), "2".into())],
        ..user("t1.example", &unique("alice"))
    };
    assert!(store.create_user(&before).await.expect("create"));
    let change = |change: Change| {
        let (tenant, key) = (before.tenant.clone(), before.key.clone());
        async move {
            let known = store.change_user(&tenant, "", &key, &change).await;
            assert!(known.expect("change"));
            let user = store.user(&tenant, "", &key).await.expect("find");
            user.expect("it is there")
        }
    };
    assert_eq!(change(Change::default()).await, before);
    let changed = change(Change {
        number: Some(None),
        locked: Some(true),
        claims: vec![
            ("urn:a".into(), String::new()),
            ("urn:b".into(), "3".into()),
            ("urn:c".into(), "4".into()),
        ],
        ..Change::default()
    })
    .await;
    let expected = User {
        number: None,
        locked: true,
        claims: vec![("urn:b".into(), "3".into()), ("urn:c".into(), "4".into())],
        ..before.clone()
    };
    assert_eq!(changed, expected, "`had_factor` outlives the number");
    let numbered = change(Change {
        number: Some(Some("+12025550100".into())),
        ..Change::default()
    })
    .await;
    assert!(numbered.had_factor);
    let nobody = store
        .change_user(&before.tenant, "", &unique("bob"), &Change::default())
        .await;
    assert!(!nobody.expect("change"));
}

/// B-01: two first enrolments at once.
pub async fn one_of_many_first_numbers_is_kept(store: &impl Store) {
    let user = user("t1.example", &unique("alice"));
    assert!(store.create_user(&user).await.expect("create"));
    let save = |number: String| {
        let (store, user) = (store.clone(), user.clone());
        async move {
            let saved = store
                .save_first_number(&user.tenant, "", &user.key, &number)
                .await;
            (number, saved.expect("save"))
        }
    };
    let mut racers = JoinSet::new();
    for last in 0..32 {
        racers.spawn(save(format!("+120255501{last:02}")));
    }
    let saved: Vec<_> = racers
        .join_all()
        .await
        .into_iter()
        .filter(|(_, saved)| *saved != Some(FirstNumber::Taken))
        .collect();
    assert_eq!(saved.len(), 1, "{saved:?}");
    assert_eq!(saved[0].1, Some(FirstNumber::Saved));
    let find = || async {
        let found = store.user(&user.tenant, "", &user.key).await;
        found.expect("find").expect("it is there")
    };
    let kept = find().await;
    assert_eq!(kept.number.as_ref(), Some(&saved[0].0));
    assert!(kept.had_factor);
    let again = save(saved[0].0.clone()).await.1;
    assert_eq!(again, Some(FirstNumber::Known));

    // The number may go; that there was one stays.
    let change = Change {
        number: Some(None),
        ..Change::default()
    };
    let changed = store
        .change_user(&user.tenant, "", &user.key, &change)
        .await;
    assert!(changed.expect("change"));
    let later = save("+12025550199".into()).await.1;
    assert_eq!(later, Some(FirstNumber::Taken));
    assert_eq!(find().await.number, None);
    let nobody = store
        .save_first_number(&user.tenant, "", &unique("bob"), "+12025550199")
        .await;
    assert_eq!(nobody.expect("save"), None);
}

/// A number that was claimed for another store and refused there is as if it had never been.
pub async fn a_mark_without_a_number_is_taken_back(store: &impl Store) {
    let user = user("t1.example", &unique("alice"));
    assert!(store.create_user(&user).await.expect("create"));
    let claim = || async {
        let saved = store
            .save_first_number(&user.tenant, "", &user.key, "+12025550100")
            .await;
        saved.expect("save")
    };
    let unmark = |tenant: TenantId, domain: &'static str| {
        let key = user.key.clone();
        async move {
            let unmarked = store.unmark_factor(&tenant, domain, &key).await;
            unmarked.expect("unmark");
        }
    };
    assert_eq!(claim().await, Some(FirstNumber::Saved));
    unmark(user.tenant.clone(), "").await;
    assert_eq!(
        claim().await,
        Some(FirstNumber::Known),
        "the number is there, and so is the mark"
    );
    let change = Change {
        number: Some(None),
        ..Change::default()
    };
    let changed = store
        .change_user(&user.tenant, "", &user.key, &change)
        .await;
    assert!(changed.expect("change"));
    unmark(tenant("t2.example"), "").await;
    unmark(user.tenant.clone(), "JDBC").await;
    assert_eq!(claim().await, Some(FirstNumber::Taken), "somebody else's");
    unmark(user.tenant.clone(), "").await;
    assert_eq!(claim().await, Some(FirstNumber::Saved));
}

pub async fn a_password_is_replaced_only_if_it_is_the_one_seen(store: &impl Store) {
    let user = User {
        password: Some("old".into()),
        ..user("t1.example", &unique("alice"))
    };
    assert!(store.create_user(&user).await.expect("create"));
    let replace = |seen: &'static str, new: &'static str| {
        let user = user.clone();
        async move {
            let replaced = store.replace_password(&user.tenant, "", &user.key, seen, new);
            replaced.await.expect("replace")
        }
    };
    assert!(!replace("other", "new").await);
    assert!(replace("old", "new").await);
    assert!(!replace("old", "newer").await);
    let found = store.user(&user.tenant, "", &user.key).await;
    let password = found.expect("find").expect("it is there").password;
    assert_eq!(password.as_deref(), Some("new"));
}

pub async fn users_are_listed_in_order_and_deleted_with_their_links(store: &impl Store) {
    let tenant = tenant(&format!("{}.example", unique("t")));
    for name in ["carol", "alice", "bob"] {
        let user = User {
            tenant: tenant.clone(),
            ..user("t1.example", name)
        };
        assert!(store.create_user(&user).await.expect("create"));
    }
    let names = |from: Option<&'static str>, rows_max| {
        let tenant = tenant.clone();
        async move {
            let users = store.users(&tenant, "", from, rows_max).await;
            let users = users.expect("list");
            users.into_iter().map(|user| user.name).collect::<Vec<_>>()
        }
    };
    assert_eq!(names(None, 10).await, ["alice", "bob", "carol"]);
    assert_eq!(names(None, 2).await, ["alice", "bob"]);
    assert_eq!(names(Some("bob"), 2).await, ["carol"], "after `from`");

    let linked = store.link(&tenant, "", "alice", "idp", "sub-1").await;
    assert!(linked.expect("link"));
    let deleted = store.delete_user(&tenant, "", "alice").await;
    assert!(deleted.expect("delete"));
    let again = store.delete_user(&tenant, "", "alice").await;
    assert!(!again.expect("delete"));
    let owner = store.linked(&tenant, "idp", "sub-1").await.expect("linked");
    assert_eq!(owner, None, "a link does not outlive its user");
}

pub async fn an_association_belongs_to_one_user(store: &impl Store) {
    let (alice, bob) = (
        user("t1.example", &unique("alice")),
        User {
            domain: "JDBC".into(),
            ..user("t1.example", &unique("bob"))
        },
    );
    for user in [&alice, &bob] {
        assert!(store.create_user(user).await.expect("create"));
    }
    let tenant = alice.tenant.clone();
    let (idp, sub) = (unique("idp"), unique("sub"));
    let link = |user: User, sub: String| {
        let idp = idp.clone();
        async move {
            let linked = store.link(&user.tenant, &user.domain, &user.key, &idp, &sub);
            linked.await.expect("link")
        }
    };
    assert!(link(bob.clone(), sub.clone()).await);
    assert!(!link(alice.clone(), sub.clone()).await, "it is bob's");
    assert!(link(bob.clone(), unique("sub")).await, "bob may have more");
    assert!(
        !link(user("t1.example", &unique("nobody")), unique("sub")).await,
        "no such user"
    );
    let owner = store.linked(&tenant, &idp, &sub).await.expect("linked");
    assert_eq!(owner, Some(bob.clone()));
    let elsewhere = self::tenant("t2.example");
    let owner = store.linked(&elsewhere, &idp, &sub).await.expect("linked");
    assert_eq!(owner, None);
    let of_bob = store.links(&tenant, "JDBC", &bob.key).await.expect("links");
    assert_eq!(of_bob.len(), 2);
    let not_alices = store.unlink(&tenant, "", &alice.key, &idp, &sub).await;
    assert!(!not_alices.expect("unlink"));
    let bobs = store.unlink(&tenant, "JDBC", &bob.key, &idp, &sub).await;
    assert!(bobs.expect("unlink"));
    let owner = store.linked(&tenant, &idp, &sub).await.expect("linked");
    assert_eq!(owner, None);
}

/// Of every domain, and of one tenant.
pub async fn a_provider_that_goes_takes_its_links(store: &impl Store) {
    let (alice, bob) = (
        user("t1.example", &unique("alice")),
        User {
            domain: "~JDBC".into(),
            ..user("t1.example", &unique("bob"))
        },
    );
    let carol = user("t2.example", &unique("carol"));
    let (gone, stays) = (unique("idp"), unique("idp"));
    let mut subjects = Vec::new();
    for user in [&alice, &bob, &carol] {
        assert!(store.create_user(user).await.expect("create"));
        for idp in [&gone, &stays] {
            let sub = unique("sub");
            let linked = store.link(&user.tenant, &user.domain, &user.key, idp, &sub);
            assert!(linked.await.expect("link"));
            subjects.push((user.tenant.clone(), idp, sub));
        }
    }
    let forgotten = store.forget_provider(&alice.tenant, &gone).await;
    assert_eq!(forgotten.expect("forget"), 2);
    for (tenant, idp, sub) in &subjects {
        let owner = store.linked(tenant, idp, sub).await.expect("linked");
        let left = *idp == &stays || *tenant == carol.tenant;
        assert_eq!(owner.is_some(), left, "{tenant} {idp}");
    }
}

pub async fn a_claim_is_taken_once(store: &impl Store) {
    let alice = User {
        claims: vec![("urn:a".into(), "1".into()), ("urn:b".into(), "1".into())],
        ..user("t1.example", &unique("alice"))
    };
    assert!(store.create_user(&alice).await.expect("create"));
    let take = |uri: &'static str, seen: &'static str| {
        let (tenant, key) = (alice.tenant.clone(), alice.key.clone());
        async move {
            let taken = store.take_claim(&tenant, "", &key, uri, seen).await;
            taken.expect("take")
        }
    };
    assert!(!take("urn:a", "2").await, "it has another value");
    assert!(!take("urn:c", "1").await, "there is no such claim");
    assert!(take("urn:a", "1").await);
    assert!(!take("urn:a", "1").await, "it is gone");
    let left = store.user(&alice.tenant, "", &alice.key).await;
    let left = left.expect("find").expect("alice is there");
    assert_eq!(left.claims, [("urn:b".to_owned(), "1".to_owned())]);
}
