//! What every user store must do that lets itself be written: as checks that the tests of each kind
//! run, be it Postern's own, an LDAP directory or a database.
//!
//! Every check makes users of its own, so one store can run them all, at once or in any order.

use super::samples::unique;
use crate::directory::{Draft, UserStore};
use postern_login::TenantId;
use postern_login::ports::{AccountRef, Association, PasswordCheck};
use postern_otp::PhoneNumber;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A store under test.
#[derive(Clone)]
pub struct Subject {
    pub store: Arc<dyn UserStore>,
    /// Whose it is.
    pub tenant: TenantId,
    /// Empty for a primary store.
    pub domain: String,
}

impl std::fmt::Debug for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subject")
            .field("domain", &self.domain)
            .finish_non_exhaustive()
    }
}

/// What people typed into names before: every store must take them for names, of nobody.
const HOSTILE: &[&str] = &[
    "*",
    "*)(uid=*",
    "*)(|(uid=*",
    "\\2a",
    "a\0b",
    "cn=a,dc=b",
    "uid=admin,ou=people",
    "' OR '1'='1",
    "'; DROP TABLE users; --",
    "\" OR \"\"=\"",
    "$1",
    "%",
    "_",
    "?",
    "\\",
    "'",
    "",
    " ",
    "admin\u{200b}",
    "\u{202e}nimda",
];

macro_rules! suite {
    ($($check:ident)*) => {
        /// Runs every check against one store.
        pub async fn conformance(subject: &Subject) {
            $(
                tracing::debug!(check = stringify!($check), "checking a user store");
                $check(subject).await;
            )*
        }

        /// One test for each check. `$open` is an expression that gives a `Subject` and whatever must
        /// live as long as it.
        #[macro_export]
        macro_rules! directory_conformance_tests {
            ($open:expr) => {
                $(
                    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                    async fn $check() {
                        let (subject, _kept) = $open;
                        $crate::conformance::directory::$check(&subject).await;
                    }
                )*
            };
        }
    };
}

suite! {
    a_password_opens_its_own_account_only
    an_empty_password_is_nobodys
    a_name_is_never_a_piece_of_a_query
    a_look_alike_name_is_nobody_else
    an_account_belongs_to_one_tenant
    a_locked_account_is_not_signed_in
    a_profile_tells_what_was_saved
    that_there_was_a_number_is_remembered
    a_new_password_replaces_the_old_one
    a_user_is_made_changed_and_deleted
    users_are_listed_in_order
    a_link_leads_to_one_user
    a_claim_with_backup_codes_is_handed_over_once
    what_nobody_is_changes_nothing
    the_store_answers_when_it_is_asked
}

pub async fn a_password_opens_its_own_account_only(s: &Subject) {
    let (alice, bob) = (
        s.make("alice", "correct horse").await,
        s.make("bob", "battery staple").await,
    );
    assert_eq!(
        s.right(&alice, "correct horse").await,
        Some(s.named(&alice))
    );
    assert_eq!(
        s.right(&s.named(&alice), "correct horse").await,
        Some(s.named(&alice)),
        "by its full name"
    );
    for (name, password) in [
        (&alice, "battery staple"),
        (&alice, "Correct horse"),
        (&alice, "correct horse "),
        (&bob, "correct horse"),
        (&unique("nobody"), "correct horse"),
        (&format!("ELSEWHERE/{alice}"), "correct horse"),
    ] {
        assert_eq!(s.right(name, password).await, None, "{name} {password}");
    }
    let long = "x".repeat(4096);
    assert_eq!(s.right(&alice, &long).await, None);
}

///
pub async fn an_empty_password_is_nobodys(s: &Subject) {
    let alice = s.make("alice", "correct horse").await;
    for password in ["", "\0", "\0correct horse"] {
        assert_eq!(s.right(&alice, password).await, None);
        assert_eq!(s.right(&unique("nobody"), password).await, None);
    }
}

///
pub async fn a_name_is_never_a_piece_of_a_query(s: &Subject) {
    let alice = s.make("alice", "correct horse").await;
    for name in HOSTILE {
        assert_eq!(s.right(name, "correct horse").await, None, "{name:?}");
        let found = s.store.find(&s.tenant, name).await;
        assert_eq!(found.expect("it is a name of nobody"), None, "{name:?}");
        let nobody = AccountRef {
            name: (*name).to_owned(),
        };
        let profile = s.store.profile(&s.tenant, &nobody).await;
        assert_eq!(profile.expect("no profile").account, None, "{name:?}");
        let linked = s.store.find_association(&s.tenant, name, name, "").await;
        assert_eq!(linked.expect("no link"), None, "{name:?}");
    }
    for value in HOSTILE
        .iter()
        .filter(|value| !value.trim().is_empty() && !value.contains('\0'))
    {
        let draft = Draft {
            display_name: Some((*value).to_owned()),
            ..Draft::default()
        };
        assert!(
            s.store
                .change(&s.tenant, &alice, &draft)
                .await
                .expect("change")
        );
        let record = s.record(&alice).await;
        assert_eq!(
            record.display_name.as_deref(),
            Some(*value),
            "as it was given"
        );
    }
    assert_eq!(
        s.right(&alice, "correct horse").await,
        Some(s.named(&alice))
    );
}

/// U-03: whatever a store's own matching takes for the same, one name leads to one account.
pub async fn a_look_alike_name_is_nobody_else(s: &Subject) {
    let alice = s.make("alice", "correct horse").await;
    let cyrillic = alice.replacen('a', "\u{430}", 1);
    let zero_width = format!("{alice}\u{200b}");
    for name in [cyrillic, zero_width, format!("{alice}\u{301}")] {
        assert_eq!(s.right(&name, "correct horse").await, None, "{name:?}");
    }
    // Other spellings of the same name lead to the same account or to none.
    for name in [
        alice.to_uppercase(),
        alice.replacen('a', "\u{ff41}", 1),
        format!(" {alice} "),
    ] {
        let right = s.right(&name, "correct horse").await;
        assert!(
            right.as_ref().is_none_or(|right| *right == s.named(&alice)),
            "{name:?} is {right:?}"
        );
    }
    for refused in [
        format!("\u{430}{alice}"),
        format!("{alice}\u{200b}"),
        String::new(),
    ] {
        let made = s
            .store
            .create(&s.tenant, &refused, &password("correct horse"))
            .await;
        assert!(made.is_err(), "{refused:?}");
    }
}

/// Q-09, U-04
pub async fn an_account_belongs_to_one_tenant(s: &Subject) {
    let alice = s.make("alice", "correct horse").await;
    let other = TenantId::parse("elsewhere.example").expect("a tenant's name");
    let check = s
        .store
        .check_password(&other, &alice, "correct horse")
        .await;
    assert!(matches!(check, Ok(PasswordCheck::Wrong)));
    assert_eq!(s.store.find(&other, &alice).await.expect("find"), None);
    let account = AccountRef {
        name: s.named(&alice),
    };
    let profile = s.store.profile(&other, &account).await.expect("profile");
    assert_eq!(profile.account, None);
    for name in [
        format!("{alice}@elsewhere.example"),
        format!("elsewhere.example!{alice}"),
    ] {
        assert_eq!(s.right(&name, "correct horse").await, None);
    }
    assert!(!s.store.delete(&other, &alice).await.expect("delete"));
    assert!(
        s.store
            .list(&other, None, 10)
            .await
            .expect("list")
            .is_empty()
    );
}

pub async fn a_locked_account_is_not_signed_in(s: &Subject) {
    let alice = s.make("alice", "correct horse").await;
    let lock = |locked| Draft {
        locked: Some(locked),
        ..Draft::default()
    };
    assert!(
        s.store
            .change(&s.tenant, &alice, &lock(true))
            .await
            .expect("lock")
    );
    assert!(s.record(&alice).await.locked);
    let right = s
        .store
        .check_password(&s.tenant, &alice, "correct horse")
        .await;
    assert!(matches!(right, Ok(PasswordCheck::Locked(_))), "{right:?}");
    let wrong = s.store.check_password(&s.tenant, &alice, "wrong").await;
    assert!(matches!(wrong, Ok(PasswordCheck::Wrong)), "{wrong:?}");
    assert!(
        s.store
            .change(&s.tenant, &alice, &lock(false))
            .await
            .expect("unlock")
    );
    assert_eq!(
        s.right(&alice, "correct horse").await,
        Some(s.named(&alice))
    );
}

pub async fn a_profile_tells_what_was_saved(s: &Subject) {
    let alice = s.make("alice", "correct horse").await;
    let account = AccountRef {
        name: s.named(&alice),
    };
    let before = s.store.profile(&s.tenant, &account).await.expect("profile");
    assert_eq!(before.account.as_ref(), Some(&account));
    assert_eq!(
        (before.number, before.opted_out, before.had_factor),
        (None, false, false)
    );
    let number = PhoneNumber::parse("+12025550142", None).expect("a number");
    let (store, tenant) = (&s.store, &s.tenant);
    store
        .save_number(tenant, &account, &number)
        .await
        .expect("number");
    store
        .save_opt_out(tenant, &account, true)
        .await
        .expect("opt-out");
    let draft = Draft {
        display_name: Some("Alice Example".into()),
        claims: vec![("urn:example:colour".into(), "green".into())],
        ..Draft::default()
    };
    assert!(store.change(tenant, &alice, &draft).await.expect("change"));
    let after = store.profile(tenant, &account).await.expect("profile");
    assert_eq!(after.number.as_deref(), Some("+12025550142"));
    assert!(after.opted_out && after.had_factor && !after.locked);
    assert_eq!(after.display_name.as_deref(), Some("Alice Example"));
    for claim in [
        ("http://wso2.org/claims/mobile", "+12025550142"),
        ("urn:example:colour", "green"),
    ] {
        let claim = (claim.0.to_owned(), claim.1.to_owned());
        assert!(
            after.claims.contains(&claim),
            "{claim:?} is not in {:?}",
            after.claims
        );
    }
    store
        .save_opt_out(tenant, &account, false)
        .await
        .expect("opt-out");
    assert!(
        !store
            .profile(tenant, &account)
            .await
            .expect("profile")
            .opted_out
    );
}

/// B-01
pub async fn that_there_was_a_number_is_remembered(s: &Subject) {
    let alice = unique("alice");
    let with_number = Draft {
        number: Some(Some("+12025550142".into())),
        ..password("correct horse")
    };
    assert!(
        s.store
            .create(&s.tenant, &alice, &with_number)
            .await
            .expect("create")
    );
    let without = Draft {
        number: Some(None),
        ..Draft::default()
    };
    assert!(
        s.store
            .change(&s.tenant, &alice, &without)
            .await
            .expect("change")
    );
    let account = AccountRef {
        name: s.named(&alice),
    };
    let profile = s.store.profile(&s.tenant, &account).await.expect("profile");
    assert_eq!(profile.number, None);
    assert!(profile.had_factor);
}

pub async fn a_new_password_replaces_the_old_one(s: &Subject) {
    let alice = s.make("alice", "correct horse").await;
    let account = AccountRef {
        name: s.named(&alice),
    };
    let set = s
        .store
        .set_password(&s.tenant, &account, "battery staple")
        .await;
    set.expect("set");
    assert_eq!(s.right(&alice, "correct horse").await, None);
    assert_eq!(
        s.right(&alice, "battery staple").await,
        Some(s.named(&alice))
    );
    for refused in [String::new(), "x".repeat(4096)] {
        assert!(
            s.store
                .set_password(&s.tenant, &account, &refused)
                .await
                .is_err()
        );
    }
    assert_eq!(
        s.right(&alice, "battery staple").await,
        Some(s.named(&alice))
    );
}

pub async fn a_user_is_made_changed_and_deleted(s: &Subject) {
    let alice = s.make("alice", "correct horse").await;
    let again = s.store.create(&s.tenant, &alice, &password("other")).await;
    assert!(!again.expect("create"), "the name is taken");
    assert_eq!(s.right(&alice, "other").await, None);
    let draft = Draft {
        number: Some(Some("+12025550143".into())),
        ..password("battery staple")
    };
    assert!(
        s.store
            .change(&s.tenant, &s.named(&alice), &draft)
            .await
            .expect("change")
    );
    assert_eq!(
        s.record(&alice).await.number.as_deref(),
        Some("+12025550143")
    );
    assert_eq!(
        s.right(&alice, "battery staple").await,
        Some(s.named(&alice))
    );

    assert!(
        s.store
            .link(&s.tenant, &alice, &unique("idp"), "sub")
            .await
            .expect("link")
    );
    assert!(s.store.delete(&s.tenant, &alice).await.expect("delete"));
    assert!(!s.store.delete(&s.tenant, &alice).await.expect("delete"));
    assert_eq!(s.store.get(&s.tenant, &alice).await.expect("get"), None);
    assert_eq!(s.right(&alice, "battery staple").await, None);

    // A namesake begins anew.
    assert!(
        s.store
            .create(&s.tenant, &alice, &password("third"))
            .await
            .expect("create")
    );
    let account = AccountRef {
        name: s.named(&alice),
    };
    let profile = s.store.profile(&s.tenant, &account).await.expect("profile");
    assert!(!profile.had_factor && profile.number.is_none());
    let links = s
        .store
        .associations(&s.tenant, &account)
        .await
        .expect("links");
    assert!(links.is_empty());
}

pub async fn users_are_listed_in_order(s: &Subject) {
    let stem = unique("list");
    let mut names = Vec::new();
    for part in ["c", "a", "b"] {
        let name = format!("{stem}-{part}");
        let made = s
            .store
            .create(&s.tenant, &name, &password("correct horse"))
            .await;
        assert!(made.expect("create"));
        names.push(s.named(&name));
    }
    names.sort();
    let list = |from: Option<String>, rows_max| async move {
        let records = s.store.list(&s.tenant, from.as_deref(), rows_max).await;
        records
            .expect("list")
            .into_iter()
            .map(|record| record.name)
            .collect::<Vec<_>>()
    };
    let all = list(None, 1000).await;
    let ours: Vec<_> = all
        .iter()
        .filter(|name| name.contains(&stem))
        .cloned()
        .collect();
    assert_eq!(ours, names);
    let after = list(Some(names[0].clone()), 2).await;
    assert_eq!(after, names[1..]);
}

pub async fn a_link_leads_to_one_user(s: &Subject) {
    let (alice, bob) = (
        s.make("alice", "correct horse").await,
        s.make("bob", "correct horse").await,
    );
    let (idp, sub) = (unique("idp"), unique("sub"));
    let (store, tenant) = (&s.store, &s.tenant);
    assert!(store.link(tenant, &alice, &idp, &sub).await.expect("link"));
    assert!(
        !store.link(tenant, &bob, &idp, &sub).await.expect("link"),
        "it is alice's"
    );
    assert!(
        !store
            .link(tenant, &unique("nobody"), &idp, &unique("sub"))
            .await
            .expect("link")
    );
    let find = |idp: String, sub: String, domain: String| async move {
        let found = store.find_association(tenant, &idp, &sub, &domain).await;
        found.expect("find").map(|account| account.name)
    };
    let domain = if s.domain.is_empty() {
        "primary"
    } else {
        &s.domain
    };
    for domain in ["", domain] {
        let found = find(idp.clone(), sub.clone(), domain.to_owned()).await;
        assert_eq!(found, Some(s.named(&alice)));
    }
    assert_eq!(
        find(idp.clone(), sub.clone(), "ELSEWHERE".into()).await,
        None
    );
    assert_eq!(find(idp.clone(), unique("sub"), String::new()).await, None);
    assert_eq!(find(unique("idp"), sub.clone(), String::new()).await, None);
    let link = Association {
        identity_provider: idp.clone(),
        subject: sub.clone(),
    };
    let account = |name: &str| AccountRef {
        name: s.named(name),
    };
    let links = store
        .associations(tenant, &account(&alice))
        .await
        .expect("links");
    assert_eq!(links, std::slice::from_ref(&link));
    let bobs = store
        .remove_association(tenant, &account(&bob), &link)
        .await;
    assert!(!bobs.expect("remove"), "it is not bob's to remove");
    let alices = store
        .remove_association(tenant, &account(&alice), &link)
        .await;
    assert!(alices.expect("remove"));
    assert_eq!(find(idp, sub, String::new()).await, None);
}

/// C-02, C-03 for codes that another system issued.
pub async fn a_claim_with_backup_codes_is_handed_over_once(s: &Subject) {
    const CLAIM: &str = "http://wso2.org/claims/otpbackupcodes";
    let alice = unique("alice");
    let draft = Draft {
        claims: vec![(CLAIM.into(), "123456, abcdef".into())],
        ..password("correct horse")
    };
    assert!(
        s.store
            .create(&s.tenant, &alice, &draft)
            .await
            .expect("create")
    );
    let account = AccountRef {
        name: s.named(&alice),
    };
    let shown = s
        .store
        .profile(&s.tenant, &account)
        .await
        .expect("profile")
        .claims;
    assert!(
        !shown.iter().any(|(uri, _)| uri == CLAIM),
        "codes are nobody's to see"
    );
    let mut takers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (s, account) = (s.clone(), account.clone());
        takers.spawn(async move { s.store.take_backup_codes(&s.tenant, &account).await });
    }
    let mut handed = Vec::new();
    while let Some(taken) = takers.join_next().await {
        handed.extend(taken.expect("no panic").expect("taken"));
    }
    assert_eq!(handed.len(), 1, "of several who ask at once one gets them");
    let texts: Vec<_> = handed[0]
        .iter()
        .map(|code| code.as_str().to_owned())
        .collect();
    assert_eq!(texts, ["123456", "abcdef"]);
    let again = s.store.take_backup_codes(&s.tenant, &account).await;
    assert!(again.expect("take").is_none());
    let nobody = AccountRef {
        name: s.named(&unique("nobody")),
    };
    let none = s.store.take_backup_codes(&s.tenant, &nobody).await;
    assert!(none.expect("take").is_none());
}

pub async fn what_nobody_is_changes_nothing(s: &Subject) {
    let name = unique("nobody");
    let nobody = AccountRef {
        name: s.named(&name),
    };
    let number = PhoneNumber::parse("+12025550142", None).expect("a number");
    let (store, tenant) = (&s.store, &s.tenant);
    assert!(store.save_number(tenant, &nobody, &number).await.is_err());
    assert!(store.save_opt_out(tenant, &nobody, true).await.is_err());
    assert!(
        store
            .set_password(tenant, &nobody, "correct horse")
            .await
            .is_err()
    );
    assert!(
        !store
            .change(tenant, &name, &password("x"))
            .await
            .expect("change")
    );
    assert_eq!(store.get(tenant, &name).await.expect("get"), None);
    assert!(
        store
            .groups(tenant, &name)
            .await
            .expect("groups")
            .is_empty()
    );
    assert!(
        store
            .associations(tenant, &nobody)
            .await
            .expect("links")
            .is_empty()
    );
}

pub async fn the_store_answers_when_it_is_asked(s: &Subject) {
    s.store.probe().await.expect("it answers");
}

// ---------------------------------------------------------------- what the checks are made of

impl Subject {
    /// A user whose name begins with `stem`.
    async fn make(&self, stem: &str, with: &str) -> String {
        let name = unique(stem);
        let made = self
            .store
            .create(&self.tenant, &name, &password(with))
            .await;
        assert!(made.expect("create"), "{name} is new");
        name
    }

    /// In full.
    fn named(&self, name: &str) -> String {
        if self.domain.is_empty() {
            name.to_owned()
        } else {
            format!("{}/{name}", self.domain)
        }
    }

    /// The account that the password opens.
    async fn right(&self, name: &str, password: &str) -> Option<String> {
        let check = self
            .store
            .check_password(&self.tenant, name, password)
            .await;
        match check.expect("an answer") {
            PasswordCheck::Right(account) => Some(account.name),
            PasswordCheck::Wrong => None,
            PasswordCheck::Locked(account) => panic!("{} is locked", account.name),
        }
    }

    async fn record(&self, name: &str) -> crate::directory::Record {
        let record = self.store.get(&self.tenant, name).await;
        record.expect("get").expect("the user is there")
    }
}

fn password(password: &str) -> Draft {
    Draft {
        password: Some(Zeroizing::new(password.to_owned())),
        ..Draft::default()
    }
}
