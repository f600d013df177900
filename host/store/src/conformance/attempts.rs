//! Attempts: paid before they are compared, and the ledger of each subject.

use super::Store;
use super::samples::{NOW, challenged, lock, login, login_id, policy, subject, unique};
use postern_login::TenantId;
use postern_login::ports::{Advanced, Payment, Subject};
use postern_otp::lock::{Ledger, Standing};
use tokio::task::JoinSet;

/// however many guess at once, five attempts are paid, numbered 1 to 5.
pub async fn a_thousand_guesses_pay_five_attempts(store: &impl Store) {
    let login = login("t1.example", challenged("alice"));
    store.insert(&login).await.expect("insert");
    let subject = subject(&unique("alice"));
    let mut racers = JoinSet::new();
    for _ in 0..1000 {
        let (store, subject, id) = (store.clone(), subject.clone(), login.id.clone());
        racers.spawn(async move { store.pay(&subject, &id, NOW, &policy()).await });
    }
    let mut left = Vec::new();
    for payment in racers.join_all().await {
        match payment.expect("pay") {
            Payment::Paid(paid) => left.push(paid.attempts_left()),
            Payment::Exhausted => {}
            other => panic!("neither paid nor exhausted: {other:?}"),
        }
    }
    left.sort_unstable();
    assert_eq!(left, [0, 1, 2, 3, 4]);
    let ledger = store.ledger(&subject).await.expect("ledger");
    assert_eq!(ledger.in_a_row, 5, "what was not paid was not counted");
}

pub async fn a_login_that_is_gone_or_over_has_no_budget(store: &impl Store) {
    let subject = subject(&unique("alice"));
    let nowhere = store.pay(&subject, &login_id(), NOW, &policy()).await;
    assert!(matches!(nowhere.expect("pay"), Payment::Exhausted));
    let login = login("t1.example", challenged("alice"));
    store.insert(&login).await.expect("insert");
    let late = store
        .pay(&subject, &login.id, login.expires_at, &policy())
        .await;
    assert!(matches!(late.expect("pay"), Payment::Exhausted));
    let ledger = store.ledger(&subject).await.expect("ledger");
    assert_eq!(ledger.in_a_row, 0);
}

/// neither another state nor another id gives attempts back.
pub async fn a_rename_does_not_refill_attempts(store: &impl Store) {
    let login = login("t1.example", challenged("alice"));
    store.insert(&login).await.expect("insert");
    let subject = subject(&unique("alice"));
    for _ in 0..4 {
        let paid = store.pay(&subject, &login.id, NOW, &policy()).await;
        assert!(matches!(paid.expect("pay"), Payment::Paid(_)));
    }
    let id = login_id();
    let renamed = store
        .advance_as(&login, challenged("alice"), id.clone(), None)
        .await
        .expect("advance");
    assert!(matches!(renamed, Advanced::Won(_)));
    match store.pay(&subject, &id, NOW, &policy()).await.expect("pay") {
        Payment::Paid(paid) => assert_eq!(paid.attempts_left(), 0),
        other => panic!("the fifth is still to be had: {other:?}"),
    }
    let sixth = store.pay(&subject, &id, NOW, &policy()).await;
    assert!(matches!(sixth.expect("pay"), Payment::Exhausted));
}

/// a hundred logins of one account, five guesses each, cost at most the account's budget.
pub async fn the_account_budget_holds_over_many_logins(store: &impl Store) {
    let subject = subject(&unique("alice"));
    let mut racers = JoinSet::new();
    for _ in 0..100 {
        let login = login("t1.example", challenged("alice"));
        store.insert(&login).await.expect("insert");
        for _ in 0..5 {
            let (store, subject, id) = (store.clone(), subject.clone(), login.id.clone());
            racers.spawn(async move { store.pay(&subject, &id, NOW, &policy()).await });
        }
    }
    let mut paid = 0;
    for payment in racers.join_all().await {
        match payment.expect("pay") {
            Payment::Paid(_) => paid += 1,
            Payment::Locked { until } => assert!(until > NOW),
            other => panic!("neither paid nor locked: {other:?}"),
        }
    }
    assert_eq!(paid, policy().failures_max);
    let ledger = store.ledger(&subject).await.expect("ledger");
    assert!(matches!(ledger.standing(NOW), Standing::Locked { .. }));
}

///
pub async fn a_success_clears_only_its_own_subject(store: &impl Store) {
    let (mine, others) = (subject(&unique("alice")), subject(&unique("bob")));
    for subject in [&mine, &others] {
        let login = login("t1.example", challenged("alice"));
        store.insert(&login).await.expect("insert");
        let paid = store.pay(subject, &login.id, NOW, &policy()).await;
        assert!(matches!(paid.expect("pay"), Payment::Paid(_)));
    }
    store.clear(&mine).await.expect("clear");
    assert_eq!(
        store.ledger(&mine).await.expect("ledger"),
        Ledger::default(),
        "nothing is left of one who was right"
    );
    assert_eq!(store.ledger(&others).await.expect("ledger").in_a_row, 1);
    store
        .clear(&subject(&unique("nobody")))
        .await
        .expect("nothing to clear is no error");
}

/// D-03: the administrator lets the account try again, and every try counts as before.
pub async fn an_unlocked_subject_is_counted_anew(store: &impl Store) {
    let subject = subject(&unique("alice"));
    lock(store, &subject).await;
    store.unlock(&subject).await.expect("unlock");
    let ledger = store.ledger(&subject).await.expect("ledger");
    assert!(matches!(ledger.standing(NOW), Standing::Free));
    let mut paid = 0;
    for _ in 0..4 {
        let login = login("t1.example", challenged("alice"));
        store.insert(&login).await.expect("insert");
        for _ in 0..5 {
            match store.pay(&subject, &login.id, NOW, &policy()).await {
                Ok(Payment::Paid(_)) => paid += 1,
                other => assert!(matches!(other, Ok(Payment::Locked { .. }))),
            }
        }
    }
    assert_eq!(paid, policy().failures_max, "locked again after as many");
}

pub async fn everybody_of_one_tenant_is_unlocked_at_once(store: &impl Store) {
    let tenant = TenantId::parse(&unique("t9.example")).expect("a tenant");
    let other = TenantId::parse(&unique("t8.example")).expect("a tenant");
    let account = |tenant: &TenantId, name: &str| Subject::Account {
        tenant: tenant.clone(),
        account: name.to_owned(),
    };
    let person = Subject::Federated {
        tenant: tenant.clone(),
        identity_provider: "idp:1".to_owned(),
        subject: "7:carol".to_owned(),
    };
    let (alice, bob) = (account(&tenant, "alice"), account(&tenant, "bob"));
    let stranger = account(&other, "alice");
    for subject in [&alice, &person, &stranger] {
        lock(store, subject).await;
    }
    let login = login(tenant.as_str(), challenged("bob"));
    store.insert(&login).await.expect("insert");
    let paid = store.pay(&bob, &login.id, NOW, &policy()).await;
    assert!(matches!(paid, Ok(Payment::Paid(_))), "bob is not locked");

    let mut unlocked = store.unlock_all(&tenant, NOW).await.expect("unlock");
    unlocked.sort_by_key(Subject::key);
    assert_eq!(unlocked, [alice.clone(), person.clone()]);
    for subject in [&alice, &person] {
        let ledger = store.ledger(subject).await.expect("ledger");
        assert_eq!(ledger.standing(NOW), Standing::Free);
        assert_eq!(ledger.locks, 1, "the next lock is a longer one");
    }
    let ledger = store.ledger(&bob).await.expect("ledger");
    assert_eq!(ledger.failures, 1, "who was free is counted as before");
    let ledger = store.ledger(&stranger).await.expect("ledger");
    assert!(matches!(ledger.standing(NOW), Standing::Locked { .. }));
    let again = store.unlock_all(&tenant, NOW).await.expect("unlock");
    assert_eq!(again, []);
}

pub async fn a_lock_leaves_a_few_backup_tries(store: &impl Store) {
    let subject = subject(&unique("alice"));
    lock(store, &subject).await;
    let until = store.ledger(&subject).await.expect("ledger").locked_until;
    let mut paid = 0;
    for _ in 0..4 {
        let login = login("t1.example", challenged("alice"));
        store.insert(&login).await.expect("insert");
        for _ in 0..5 {
            let code = store.pay(&subject, &login.id, NOW, &policy()).await;
            assert!(matches!(code.expect("pay"), Payment::Locked { .. }));
            let backup = store.pay_backup(&subject, &login.id, NOW, &policy()).await;
            match backup.expect("pay") {
                Payment::Paid(_) => paid += 1,
                other => assert!(matches!(other, Payment::Locked { .. })),
            }
        }
    }
    assert_eq!(paid, policy().backup_tries_when_locked);
    let after = store.ledger(&subject).await.expect("ledger").locked_until;
    assert_eq!(until, after, "backup tries do not move the lock");
}
