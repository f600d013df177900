//! Local user stores, alone and behind each other.
#![allow(clippy::unwrap_used)]

use postern_login::TenantId;
use postern_login::ports::{AccountRef, Association, Directory, DirectoryError, PasswordCheck};
use postern_otp::PhoneNumber;
use postern_store::directory::hashing::Hashing;
use postern_store::directory::users::Users;
use postern_store::directory::{Draft, Local, Secondary};
use postern_store::memory::Memory;
use std::sync::Arc;
use zeroize::Zeroizing;

fn tenant() -> TenantId {
    TenantId::super_tenant()
}

fn with_password(password: &str) -> Draft {
    Draft {
        password: Some(Zeroizing::new(password.into())),
        ..Draft::default()
    }
}

async fn check(directory: &impl Directory, name: &str, password: &str) -> Option<String> {
    match directory.check_password(&tenant(), name, password).await {
        Ok(PasswordCheck::Right(account)) => Some(account.name),
        Ok(PasswordCheck::Wrong) => None,
        other => panic!("neither right nor wrong: {other:?}"),
    }
}

async fn alice() -> (Memory, Local) {
    let store = Memory::new();
    let local = Local::new(store.clone(), store.hashing());
    let created = local
        .create(&tenant(), "Alice", &with_password("secret"))
        .await;
    assert!(created.unwrap());
    (store, local)
}

#[tokio::test]
async fn a_password_is_right_for_its_own_user_in_any_spelling() {
    let (_, local) = alice().await;
    for name in ["Alice", "alice", "ALICE", "ａｌｉｃｅ", "primary/alice"] {
        assert_eq!(
            check(&local, name, "secret").await.as_deref(),
            Some("Alice")
        );
    }
    for (name, password) in [
        ("alice", "Secret"),
        ("alice", ""),
        ("bob", "secret"),
        ("", "secret"),
        ("jdbc/alice", "secret"),
        ("alice\u{200b}", "secret"),
    ] {
        assert_eq!(check(&local, name, password).await, None, "{name:?}");
    }
    let other = TenantId::parse("other.example").unwrap();
    let elsewhere = local.check_password(&other, "alice", "secret").await;
    assert!(matches!(elsewhere, Ok(PasswordCheck::Wrong)));
}

/// E-01: a name nobody has waits for a hash like any other.
#[tokio::test]
async fn an_unknown_name_costs_a_hash_too() {
    let store = Memory::new();
    // No queue: whoever needs a hash is refused.
    let local = Local::new(store, Hashing::new(1, 0));
    let unknown = local.check_password(&tenant(), "nobody", "secret").await;
    assert!(matches!(unknown, Err(DirectoryError::Busy)));
    let long = "x".repeat(1025);
    let refused = local.check_password(&tenant(), "nobody", &long).await;
    assert!(
        matches!(refused, Ok(PasswordCheck::Wrong)),
        "no hash is spent on what is too long"
    );
}

#[tokio::test]
async fn a_locked_account_says_so_only_for_the_right_password() {
    let (_, local) = alice().await;
    let lock = Draft {
        locked: Some(true),
        ..Draft::default()
    };
    assert!(local.change(&tenant(), "alice", &lock).await.unwrap());
    let right = local.check_password(&tenant(), "alice", "secret").await;
    assert!(matches!(right, Ok(PasswordCheck::Locked(_))));
    assert_eq!(check(&local, "alice", "wrong").await, None);
}

#[tokio::test]
async fn an_imported_hash_is_replaced_at_the_first_right_sign_in() {
    let store = Memory::new();
    let local = Local::new(store.clone(), store.hashing());
    let imported = Draft {
        password_hash: Some("{SSHA}b/LY0URlcur/vVezDkX6MLDQqMXem1Nq".into()),
        ..Draft::default()
    };
    assert!(local.create(&tenant(), "alice", &imported).await.unwrap());
    let stored = || async {
        let user = store.user(&tenant(), "", "alice").await.unwrap().unwrap();
        user.password.unwrap()
    };
    assert_eq!(check(&local, "alice", "wrong").await, None);
    assert!(stored().await.starts_with("{SSHA}"));
    assert!(check(&local, "alice", "pässwörd 1").await.is_some());
    assert!(
        stored()
            .await
            .starts_with("$argon2id$v=19$m=19456,t=2,p=1$")
    );
    assert!(check(&local, "alice", "pässwörd 1").await.is_some());
    assert_eq!(check(&local, "alice", "wrong").await, None);

    let unknown = Draft {
        password_hash: Some("{PLAIN}secret".into()),
        ..Draft::default()
    };
    assert!(local.create(&tenant(), "bob", &unknown).await.is_err());
}

#[tokio::test]
async fn a_user_without_a_password_has_none_that_is_right() {
    let (_, local) = alice().await;
    let created = local.create(&tenant(), "bob", &Draft::default()).await;
    assert!(created.unwrap());
    assert_eq!(check(&local, "bob", "").await, None);
}

#[tokio::test]
async fn passwords_are_neither_empty_nor_endless() {
    let (_, local) = alice().await;
    let account = AccountRef {
        name: "Alice".into(),
    };
    for refused in [String::new(), "x".repeat(1025)] {
        let set = local.set_password(&tenant(), &account, &refused).await;
        assert!(set.is_err());
    }
    let last_good = "x".repeat(1024);
    let set = local.set_password(&tenant(), &account, &last_good).await;
    set.unwrap();
    assert!(check(&local, "alice", &last_good).await.is_some());
    assert_eq!(check(&local, "alice", "secret").await, None);
}

/// U-03
#[tokio::test]
async fn a_look_alike_of_a_user_is_refused() {
    let store = Memory::new();
    let local = Local::new(store.clone(), store.hashing());
    let create = |name: &'static str| {
        let local = local.clone();
        async move { local.create(&tenant(), name, &Draft::default()).await }
    };
    assert!(create("admin").await.unwrap());
    assert!(create("ace").await.unwrap());
    for taken in ["ADMIN", "ａdmin", "асе", "admın"] {
        assert!(!create(taken).await.unwrap(), "{taken}");
    }
    for refused in ["\u{430}dmin", "admin\u{200b}", "a/b", ""] {
        assert!(create(refused).await.is_err(), "{refused:?}");
    }
}

/// B-01: that there was a number is remembered when the number goes.
#[tokio::test]
async fn a_profile_tells_what_was_saved() {
    let (_, local) = alice().await;
    let account = AccountRef {
        name: "Alice".into(),
    };
    let profile = || async { local.profile(&tenant(), &account).await.unwrap() };
    assert!(!profile().await.had_factor);
    let number = PhoneNumber::parse("+94771234567", None).unwrap();
    local
        .save_number(&tenant(), &account, &number)
        .await
        .unwrap();
    local.save_opt_out(&tenant(), &account, true).await.unwrap();
    let saved = profile().await;
    assert_eq!(saved.number.as_deref(), Some("+94771234567"));
    assert!(saved.opted_out && saved.had_factor);
    let claim = (
        "http://wso2.org/claims/mobile".into(),
        "+94771234567".into(),
    );
    assert!(saved.claims.contains(&claim));
    let without = Draft {
        number: Some(None),
        claims: vec![("http://wso2.org/claims/local".into(), "de".into())],
        ..Draft::default()
    };
    assert!(local.change(&tenant(), "alice", &without).await.unwrap());
    let after = profile().await;
    assert_eq!(after.number, None);
    assert!(after.had_factor);
    assert_eq!(after.locale.as_deref(), Some("de"));

    let nobody = AccountRef { name: "bob".into() };
    let profile = local.profile(&tenant(), &nobody).await.unwrap();
    assert_eq!(profile.account, None);
    let saved = local.save_opt_out(&tenant(), &nobody, true).await;
    assert!(saved.is_err());
}

async fn two_stores() -> (Local, Local, Secondary) {
    let store = Memory::new();
    let primary = Local::new(store.clone(), store.hashing());
    let jdbc = Local::secondary(store.clone(), store.hashing(), "jdbc").unwrap();
    let all = Secondary::new(
        Arc::new(primary.clone()),
        vec![("jdbc".into(), Arc::new(jdbc.clone()))],
    );
    (primary, jdbc, all.unwrap())
}

#[tokio::test]
async fn stores_are_tried_in_order_and_a_domain_names_one() {
    let (primary, jdbc, all) = two_stores().await;
    for (store, name, password) in [
        (&primary, "alice", "first"),
        (&jdbc, "alice", "second"),
        (&jdbc, "JDBC/bob", "third"),
    ] {
        let created = store
            .create(&tenant(), name, &with_password(password))
            .await;
        assert!(created.unwrap());
    }
    let right = |name: &'static str, password: &'static str| check(&all, name, password);
    assert_eq!(right("alice", "first").await.as_deref(), Some("alice"));
    assert_eq!(
        right("alice", "second").await,
        None,
        "another store's password opens nothing"
    );
    assert_eq!(
        right("jdbc/alice", "second").await.as_deref(),
        Some("JDBC/alice")
    );
    assert_eq!(right("bob", "third").await.as_deref(), Some("JDBC/bob"));
    assert_eq!(right("primary/bob", "third").await, None);
    assert_eq!(right("ldap/bob", "third").await, None);

    let bob = AccountRef {
        name: "JDBC/bob".into(),
    };
    all.save_opt_out(&tenant(), &bob, true).await.unwrap();
    assert!(all.profile(&tenant(), &bob).await.unwrap().opted_out);
    let unknown = AccountRef {
        name: "LDAP/bob".into(),
    };
    assert!(all.profile(&tenant(), &unknown).await.is_err());
    let other_names = jdbc.list(&tenant(), None, 10).await.unwrap();
    let names: Vec<_> = other_names.into_iter().map(|user| user.name).collect();
    assert_eq!(names, ["JDBC/alice", "JDBC/bob"]);
}

#[tokio::test]
async fn an_association_is_found_in_its_own_store() {
    let (primary, jdbc, all) = two_stores().await;
    for (store, name) in [(&primary, "alice"), (&jdbc, "bob")] {
        let created = store.create(&tenant(), name, &Draft::default()).await;
        assert!(created.unwrap());
    }
    assert!(jdbc.link(&tenant(), "bob", "idp", "sub").await.unwrap());
    assert!(
        !primary
            .link(&tenant(), "alice", "idp", "sub")
            .await
            .unwrap()
    );
    let find = |domain: &'static str| {
        let all = all.clone();
        async move {
            let found = all.find_association(&tenant(), "idp", "sub", domain).await;
            found.unwrap().map(|account| account.name)
        }
    };
    assert_eq!(find("").await.as_deref(), Some("JDBC/bob"));
    assert_eq!(find("jdbc").await.as_deref(), Some("JDBC/bob"));
    assert_eq!(find("PRIMARY").await, None);
    assert_eq!(find("LDAP").await, None);
    let bob = AccountRef {
        name: "JDBC/bob".into(),
    };
    let links = all.associations(&tenant(), &bob).await.unwrap();
    let link = Association {
        identity_provider: "idp".into(),
        subject: "sub".into(),
    };
    assert_eq!(links, std::slice::from_ref(&link));
    let removed = all.remove_association(&tenant(), &bob, &link).await;
    assert!(removed.unwrap());
    assert_eq!(find("").await, None);
}
