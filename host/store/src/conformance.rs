//! What every store must do, as checks that each backend's tests run: races included.
//!
//! ```text
//! postern_store::conformance_tests!((Memory::new(), ()));
//! ```
//!
//! Every check uses names of its own, so one store can run them all, at once or in any order.

pub mod directory;
mod provisioning;
pub use provisioning::*;

use crate::directory::identities::Identities;
use crate::directory::users::{Change, User, Users};
use postern_admin::audit::{AuditTrail, Checked};
use postern_admin::definitions::Links;
use postern_admin::documents::{Documents, Key, Kind, Put};
use postern_federation::Moment;
use postern_federation::ports::{Once, Parked, Parking, ParkingKey};
use postern_federation::scim::Groups;
use postern_federation::scim::ports::Deliveries;
use postern_login::application::Application;
use postern_login::audit::{AuditEvent, What};
use postern_login::login::{
    Challenge, Challenged, FirstFactor, NumberWanted, Origin, Purpose, SecondFactor, Started, Who,
};
use postern_login::ports::{
    AccountRef, Added, Advanced, ApiClient, ApiClients, AttemptStore, AuditLog, BackupCodeStore,
    Begins, Budget, Counters, FirstNumber, Idempotency, LoginStore, Payment, Reservation, Scope,
    SessionStore, Settlement, Spending, Subject, TenantRecord, TenantStore,
};
use postern_login::session::{Session, SessionId};
use postern_login::{Login, LoginId, State, TenantId};
use postern_otp::lock::{Ledger, Standing};
use postern_otp::{AttemptPolicy, BackupCode, PhoneNumber, Timestamp};
use std::time::Duration;
use tokio::task::JoinSet;

/// A store with every port.
pub trait Store:
    LoginStore
    + AttemptStore
    + BackupCodeStore
    + SessionStore
    + Counters
    + ApiClients
    + Idempotency
    + TenantStore
    + AuditLog
    + AuditTrail
    + Documents
    + Users
    + Parking
    + Once
    + Identities
    + Groups
    + Deliveries
    + Links
    + Clone
    + 'static
{
}

impl<T> Store for T where
    T: LoginStore
        + AttemptStore
        + BackupCodeStore
        + SessionStore
        + Counters
        + ApiClients
        + Idempotency
        + TenantStore
        + AuditLog
        + AuditTrail
        + Documents
        + Users
        + Parking
        + Once
        + Identities
        + Groups
        + Deliveries
        + Links
        + Clone
        + 'static
{
}

macro_rules! suite {
    ($($check:ident)*) => {
        /// Runs every check against one store.
        pub async fn conformance<S: Store>(store: S) {
            $( $check(&store).await; )*
        }

        /// One test for each check. `$open` is an expression that gives a store and whatever must
        /// live as long as it.
        #[macro_export]
        macro_rules! conformance_tests {
            ($open:expr) => {
                $(
                    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                    async fn $check() {
                        let (store, _kept) = $open;
                        $crate::conformance::$check(&store).await;
                    }
                )*
            };
        }
    };
}

suite! {
    a_login_is_loaded_as_it_was_inserted
    an_expired_login_is_absent
    one_of_many_advances_wins
    a_renamed_login_is_dead_under_its_old_id
    a_move_clears_the_counter_only_if_it_wins
    a_login_is_taken_by_one_of_many
    a_login_that_moved_on_is_not_taken
    the_challenges_of_an_account_die_together
    expired_logins_are_removed_in_small_batches
    a_thousand_guesses_pay_five_attempts
    a_login_that_is_gone_or_over_has_no_budget
    a_rename_does_not_refill_attempts
    the_account_budget_holds_over_many_logins
    a_success_clears_only_its_own_subject
    an_unlocked_subject_is_counted_anew
    everybody_of_one_tenant_is_unlocked_at_once
    a_lock_leaves_a_few_backup_tries
    a_backup_code_works_once
    one_of_many_uses_of_a_backup_code_wins
    different_backup_codes_are_all_consumed
    new_backup_codes_replace_the_old_ones
    a_session_is_found_until_it_ends
    sessions_are_closed_by_name_and_all_but_one
    a_budget_is_spent_and_comes_back
    budgets_are_spent_all_or_none
    a_race_spends_no_more_than_the_budget
    a_budget_may_be_counted_from_the_last_spending
    a_client_is_found_by_its_token_until_revoked
    an_idempotency_key_is_reserved_once
    a_tenant_is_kept_until_it_is_removed
    nothing_of_one_tenant_is_found_in_another
    a_removed_tenant_leaves_nothing_and_the_others_keep_all
    audit_events_are_taken
    audit_rows_are_read_from_both_ends
    audit_rows_form_a_chain
    audit_rows_are_removed_in_the_open
    a_document_is_read_as_it_was_written
    one_of_many_writers_of_a_document_wins
    a_document_is_removed_once
    documents_of_one_tenant_and_kind_are_listed
    a_user_is_found_by_key_within_tenant_and_domain
    names_and_looks_are_taken_once
    a_change_touches_only_what_it_names
    one_of_many_first_numbers_is_kept
    a_password_is_replaced_only_if_it_is_the_one_seen
    users_are_listed_in_order_and_deleted_with_their_links
    an_association_belongs_to_one_user
    a_provider_that_goes_takes_its_links
    what_is_parked_is_claimed_by_one_of_many
    a_parking_key_opens_only_its_own_kind_and_tenant
    what_is_parked_is_gone_when_it_expires
    a_group_is_claimed_whole
    what_may_be_used_once_is_used_by_one_of_many
    a_use_is_remembered_until_its_end_and_per_tenant_and_kind
    a_claim_is_taken_once
    an_identity_is_given_once_and_never_again
    a_group_is_as_it_was_put_and_its_name_is_its_own
    what_a_peer_waits_for_is_told_in_order_of_each_subject
    everybody_is_put_into_the_queue_once_and_a_connector_leaves_nothing
    a_peers_id_is_one_subjects_and_no_others
    a_password_waits_only_where_it_is_sent_on
    what_failed_is_due_at_once_if_it_is_hastened
    who_is_forgotten_by_id_leaves_the_name_to_the_next
}

// ---------------------------------------------------------------- logins

pub async fn a_login_is_loaded_as_it_was_inserted(store: &impl Store) {
    let login = login("t1.example", started());
    store.insert(&login).await.expect("insert");
    let loaded = LoginStore::load(store, &login.tenant, &login.id, NOW)
        .await
        .expect("load")
        .expect("it is there");
    assert_same(&login, &loaded);
    let other = LoginStore::load(store, &login.tenant, &login_id(), NOW).await;
    assert!(other.expect("load").is_none(), "another id");
    assert!(store.insert(&login).await.is_err(), "its id is taken");
}

/// N-01: the last moment and the first one after it.
pub async fn an_expired_login_is_absent(store: &impl Store) {
    let login = login("t1.example", started());
    store.insert(&login).await.expect("insert");
    let before = Timestamp(login.expires_at.0 - 1);
    let at = |now| LoginStore::load(store, &login.tenant, &login.id, now);
    assert!(at(before).await.expect("load").is_some());
    assert!(at(login.expires_at).await.expect("load").is_none());
    assert!(
        at(before).await.expect("load").is_some(),
        "a clock that steps back finds it again"
    );
}

pub async fn one_of_many_advances_wins(store: &impl Store) {
    let login = login("t1.example", started());
    store.insert(&login).await.expect("insert");
    let mut racers = JoinSet::new();
    for _ in 0..64 {
        let (store, seen) = (store.clone(), login.clone());
        racers.spawn(async move { store.advance(&seen, number_wanted("alice")).await });
    }
    let mut winners = Vec::new();
    for outcome in racers.join_all().await {
        match outcome.expect("advance") {
            Advanced::Won(login) => winners.push(login),
            Advanced::Lost => {}
        }
    }
    assert_eq!(winners.len(), 1);
    let loaded = LoginStore::load(store, &login.tenant, &login.id, NOW)
        .await
        .expect("load")
        .expect("it is there");
    assert_same(&winners[0], &loaded);
    assert_eq!(loaded.version, login.version + 1);
    let gone = Login {
        id: login_id(),
        ..login
    };
    let lost = store.advance(&gone, started()).await.expect("advance");
    assert!(matches!(lost, Advanced::Lost), "no such login");
}

/// S-01
pub async fn a_renamed_login_is_dead_under_its_old_id(store: &impl Store) {
    let login = login("t1.example", started());
    store.insert(&login).await.expect("insert");
    let id = login_id();
    let renamed = store
        .advance_renamed(&login, number_wanted("alice"), id.clone())
        .await
        .expect("advance");
    let Advanced::Won(renamed) = renamed else {
        panic!("nobody else moved it");
    };
    assert_eq!(renamed.id, id);
    let old = LoginStore::load(store, &login.tenant, &login.id, NOW).await;
    assert!(old.expect("load").is_none());
    let new = LoginStore::load(store, &login.tenant, &id, NOW)
        .await
        .expect("load")
        .expect("it is there");
    assert_same(&renamed, &new);
    let late = store.advance(&login, started()).await.expect("advance");
    assert!(matches!(late, Advanced::Lost));
}

/// A-14: the counter goes with the move that the success made, and not with one that came too late.
pub async fn a_move_clears_the_counter_only_if_it_wins(store: &impl Store) {
    let subject = subject(&unique("alice"));
    let login = login("t1.example", challenged("alice"));
    store.insert(&login).await.expect("insert");
    let then = || Settlement {
        rename: None,
        clear: Some(subject.clone()),
        events: Vec::new(),
    };
    for (wins, in_a_row) in [(true, 0), (false, 1)] {
        let paid = store.pay(&subject, &login.id, NOW, &policy()).await;
        assert!(matches!(paid.expect("pay"), Payment::Paid(_)));
        let settled = store
            .settle(&login, started(), then(), store, store)
            .await
            .expect("settle");
        assert_eq!(matches!(settled, Advanced::Won(_)), wins);
        let ledger = store.ledger(&subject).await.expect("ledger");
        assert_eq!(ledger.in_a_row, in_a_row);
    }
}

/// A-11
pub async fn a_login_is_taken_by_one_of_many(store: &impl Store) {
    let login = login("t1.example", started());
    store.insert(&login).await.expect("insert");
    let mut racers = JoinSet::new();
    for _ in 0..200 {
        let (store, seen) = (store.clone(), login.clone());
        racers.spawn(async move { store.take(&seen).await.expect("take").is_some() });
    }
    let taken = racers.join_all().await.into_iter().filter(|got| *got);
    assert_eq!(taken.count(), 1);
    let after = LoginStore::load(store, &login.tenant, &login.id, NOW).await;
    assert!(after.expect("load").is_none());
}

pub async fn a_login_that_moved_on_is_not_taken(store: &impl Store) {
    let login = login("t1.example", started());
    store.insert(&login).await.expect("insert");
    let moved = store.advance(&login, started()).await.expect("advance");
    assert!(matches!(moved, Advanced::Won(_)));
    assert!(store.take(&login).await.expect("take").is_none());
    let after = LoginStore::load(store, &login.tenant, &login.id, NOW).await;
    assert!(after.expect("load").is_some());
}

/// B-04
pub async fn the_challenges_of_an_account_die_together(store: &impl Store) {
    let name = unique("alice");
    let tenant = tenant("t1.example");
    let account = AccountRef { name: name.clone() };
    let mut open = Vec::new();
    for _ in 0..3 {
        let login = login("t1.example", challenged(&name));
        store.insert(&login).await.expect("insert");
        open.push(login);
    }
    let elsewhere = login("t2.example", challenged(&name));
    store.insert(&elsewhere).await.expect("insert");
    let someone = login("t1.example", challenged(&unique("bob")));
    store.insert(&someone).await.expect("insert");
    let earlier = login("t1.example", number_wanted(&name));
    store.insert(&earlier).await.expect("insert");

    let closed = store.close_challenges_of(&tenant, &account).await;
    assert_eq!(closed.expect("close"), 3);
    for login in &open {
        let loaded = LoginStore::load(store, &login.tenant, &login.id, NOW)
            .await
            .expect("load")
            .expect("it is there");
        assert!(matches!(loaded.state, State::Stopped(_)));
        let late = store.advance(login, started()).await.expect("advance");
        assert!(matches!(late, Advanced::Lost), "who saw it open is late");
    }
    for login in [&elsewhere, &someone, &earlier] {
        let loaded = LoginStore::load(store, &login.tenant, &login.id, NOW)
            .await
            .expect("load")
            .expect("it is there");
        assert_same(login, &loaded);
    }
    let again = store.close_challenges_of(&tenant, &account).await;
    assert_eq!(again.expect("close"), 0);
}

pub async fn expired_logins_are_removed_in_small_batches(store: &impl Store) {
    // Long past, so that no other check's rows are swept.
    let past = Timestamp(1_000_000);
    for offset in 0..5 {
        let login = Login {
            expires_at: Timestamp(past.0 + offset),
            ..login("t1.example", started())
        };
        store.insert(&login).await.expect("insert");
    }
    let sweep = |now, rows_max| LoginStore::remove_expired(store, now, rows_max);
    assert_eq!(sweep(Timestamp(past.0 - 1), 10).await.expect("sweep"), 0);
    assert_eq!(sweep(Timestamp(past.0 + 3), 3).await.expect("sweep"), 3);
    assert_eq!(sweep(Timestamp(past.0 + 3), 3).await.expect("sweep"), 1);
    assert_eq!(sweep(Timestamp(past.0 + 4), 3).await.expect("sweep"), 1);
}

// ---------------------------------------------------------------- attempts

/// A-01, A-03: however many guess at once, five attempts are paid, numbered 1 to 5.
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

/// A-04: neither another state nor another id gives attempts back.
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
        .advance_renamed(&login, challenged("alice"), id.clone())
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

/// A-05: a hundred logins of one account, five guesses each, cost at most the account's budget.
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

/// A-14
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

// ---------------------------------------------------------------- backup codes

/// C-02
pub async fn a_backup_code_works_once(store: &impl Store) {
    let subject = subject(&unique("alice"));
    let code = backup_code();
    let early = BackupCodeStore::consume(store, &subject, &code, NOW).await;
    assert!(!early.expect("consume"), "no set yet");
    store
        .replace(&subject, &[code.clone(), backup_code()], NOW)
        .await
        .expect("replace");
    assert_eq!(store.remaining(&subject).await.expect("remaining"), 2);
    let wrong = store.consume(&subject, &backup_code(), NOW).await;
    assert!(!wrong.expect("consume"));
    let other = self::subject(&unique("bob"));
    assert!(!store.consume(&other, &code, NOW).await.expect("consume"));
    assert!(store.consume(&subject, &code, NOW).await.expect("consume"));
    assert!(!store.consume(&subject, &code, NOW).await.expect("consume"));
    assert_eq!(store.remaining(&subject).await.expect("remaining"), 1);
}

/// C-03
pub async fn one_of_many_uses_of_a_backup_code_wins(store: &impl Store) {
    let subject = subject(&unique("alice"));
    let code = backup_code();
    let codes = [code.clone()];
    store.replace(&subject, &codes, NOW).await.expect("replace");
    let mut racers = JoinSet::new();
    for _ in 0..16 {
        let (store, subject, code) = (store.clone(), subject.clone(), code.clone());
        racers.spawn(async move { store.consume(&subject, &code, NOW).await.expect("consume") });
    }
    let used = racers.join_all().await.into_iter().filter(|used| *used);
    assert_eq!(used.count(), 1);
    assert_eq!(store.remaining(&subject).await.expect("remaining"), 0);
}

/// C-04
pub async fn different_backup_codes_are_all_consumed(store: &impl Store) {
    let subject = subject(&unique("alice"));
    let codes: Vec<_> = (0..6).map(|_| backup_code()).collect();
    store.replace(&subject, &codes, NOW).await.expect("replace");
    let mut racers = JoinSet::new();
    for code in codes {
        let (store, subject) = (store.clone(), subject.clone());
        racers.spawn(async move { store.consume(&subject, &code, NOW).await.expect("consume") });
    }
    assert!(racers.join_all().await.into_iter().all(|used| used));
    assert_eq!(store.remaining(&subject).await.expect("remaining"), 0);
}

/// C-07
pub async fn new_backup_codes_replace_the_old_ones(store: &impl Store) {
    let subject = subject(&unique("alice"));
    let (old, new) = (backup_code(), backup_code());
    for code in [&old, &new] {
        let codes = [code.clone()];
        store.replace(&subject, &codes, NOW).await.expect("replace");
    }
    assert!(!store.consume(&subject, &old, NOW).await.expect("consume"));
    assert!(store.consume(&subject, &new, NOW).await.expect("consume"));
}

// ---------------------------------------------------------------- sessions

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

// ---------------------------------------------------------------- budgets

pub async fn a_budget_is_spent_and_comes_back(store: &impl Store) {
    let budget = [budget(&unique("sends"), 2)];
    let spend = |now| store.spend(&budget, now);
    let later = Timestamp(NOW.0 + 1000);
    let end = NOW.plus(budget[0].window);
    assert_eq!(spend(NOW).await.expect("spend"), Spending::Granted);
    assert_eq!(spend(later).await.expect("spend"), Spending::Granted);
    let spent = Spending::Spent { index: 0, at: end };
    assert_eq!(spend(later).await.expect("spend"), spent);
    let just_before = Timestamp(end.0 - 1);
    assert_eq!(spend(just_before).await.expect("spend"), spent);
    assert_eq!(spend(end).await.expect("spend"), Spending::Granted);
    assert_eq!(spend(end).await.expect("spend"), Spending::Granted);
    let again = spend(end).await.expect("spend");
    assert!(matches!(again, Spending::Spent { .. }));
    let none = [self::budget(&unique("never"), 0)];
    let none = store.spend(&none, NOW).await.expect("spend");
    assert!(matches!(none, Spending::Spent { index: 0, .. }));
}

pub async fn a_budget_may_be_counted_from_the_last_spending(store: &impl Store) {
    let budget = [Budget {
        begins: Begins::Last,
        ..budget(&unique("sends"), 2)
    }];
    let spend = |now| store.spend(&budget, now);
    let second = Timestamp(NOW.0 + 500_000);
    assert_eq!(spend(NOW).await.expect("spend"), Spending::Granted);
    assert_eq!(spend(second).await.expect("spend"), Spending::Granted);
    let end = second.plus(budget[0].window);
    let spent = Spending::Spent { index: 0, at: end };
    let first_end = NOW.plus(budget[0].window);
    assert_eq!(spend(first_end).await.expect("spend"), spent);
    // What was refused is no spending: it puts the end off no further.
    let just_before = Timestamp(end.0 - 1);
    assert_eq!(spend(just_before).await.expect("spend"), spent);
    assert_eq!(spend(end).await.expect("spend"), Spending::Granted);
    assert_eq!(spend(end).await.expect("spend"), Spending::Granted);
    let again = spend(end).await.expect("spend");
    assert!(matches!(again, Spending::Spent { .. }));
}

pub async fn budgets_are_spent_all_or_none(store: &impl Store) {
    let (wide, narrow) = (budget(&unique("wide"), 3), budget(&unique("narrow"), 1));
    let both = [wide.clone(), narrow];
    let spend = |budgets: Vec<Budget>| async move { store.spend(&budgets, NOW).await };
    let first = spend(both.to_vec()).await.expect("spend");
    assert_eq!(first, Spending::Granted);
    for _ in 0..3 {
        let refused = spend(both.to_vec()).await.expect("spend");
        assert!(matches!(refused, Spending::Spent { index: 1, .. }));
    }
    for _ in 0..2 {
        let alone = spend(vec![wide.clone()]).await.expect("spend");
        assert_eq!(alone, Spending::Granted, "the refused ones cost nothing");
    }
    let over = spend(vec![wide]).await.expect("spend");
    assert!(matches!(over, Spending::Spent { index: 0, .. }));
    assert_eq!(spend(vec![]).await.expect("spend"), Spending::Granted);
}

pub async fn a_race_spends_no_more_than_the_budget(store: &impl Store) {
    let budgets = vec![budget(&unique("wide"), 100), budget(&unique("narrow"), 7)];
    let mut racers = JoinSet::new();
    for _ in 0..200 {
        let (store, budgets) = (store.clone(), budgets.clone());
        racers.spawn(async move { store.spend(&budgets, NOW).await.expect("spend") });
    }
    let outcomes = racers.join_all().await;
    let granted = outcomes.iter().filter(|o| **o == Spending::Granted);
    assert_eq!(granted.count(), 7);
}

// ---------------------------------------------------------------- API clients

pub async fn a_client_is_found_by_its_token_until_revoked(store: &impl Store) {
    let client = ApiClient {
        scopes: vec![Scope::Messages],
        ..client_of("t1.example", &unique("shop"))
    };
    let (token, other) = (random(), random());
    let find =
        |token: [u8; 32]| async move { ApiClients::find(store, &token).await.expect("find") };
    assert_eq!(find(token).await, None);
    let added = store.add(&client, &token).await.expect("add");
    assert_eq!(added, Added::Added);
    let again = store.add(&client, &other).await.expect("add");
    assert_eq!(again, Added::NameTaken);
    assert_eq!(find(token).await, Some(client.clone()));
    assert_eq!(find(other).await, None);
    let namesake = client_of("t2.example", &client.name);
    let added = store.add(&namesake, &other).await.expect("add");
    assert_eq!(added, Added::Added, "a name is its tenant's own");
    let listed = ApiClients::list(store, &client.tenant).await.expect("list");
    assert!(listed.contains(&client) && !listed.contains(&namesake));
    assert!(
        store
            .revoke(&client.tenant, &client.name)
            .await
            .expect("revoke")
    );
    assert!(
        !store
            .revoke(&client.tenant, &client.name)
            .await
            .expect("revoke")
    );
    assert_eq!(find(token).await, None);
    assert_eq!(find(other).await, Some(namesake));
}

// ---------------------------------------------------------------- idempotency

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

// ---------------------------------------------------------------- tenants

pub async fn a_tenant_is_kept_until_it_is_removed(store: &impl Store) {
    let mut record = TenantRecord {
        tenant: tenant(&unique("tenant")),
        enabled: true,
        document: None,
        broken: None,
        changed_at: NOW,
    };
    let find = |tenant: TenantId| async move {
        let all = store.tenants().await.expect("list");
        all.into_iter().find(|known| known.tenant == tenant)
    };
    assert!(!store.save_tenant(&record).await.expect("save"));
    let added = store.add_tenant(&record).await.expect("add");
    assert_eq!(added, Added::Added);
    let again = store.add_tenant(&record).await.expect("add");
    assert_eq!(again, Added::NameTaken);
    record.document = Some("brand = \"A\"".to_owned());
    record.enabled = false;
    assert!(store.save_tenant(&record).await.expect("save"));
    assert_eq!(find(record.tenant.clone()).await, Some(record.clone()));
    let removed = store.remove_tenant(&record.tenant).await.expect("remove");
    assert_eq!(removed, Some(0));
    assert_eq!(find(record.tenant.clone()).await, None);
    let removed = store.remove_tenant(&record.tenant).await.expect("remove");
    assert_eq!(removed, None, "it is gone already");
}

/// One row of everything a tenant can have, under names and ids of the caller's choice.
struct Possessions {
    login: Login,
    session: Session,
    subject: Subject,
    account: AccountRef,
    client: ApiClient,
    token: [u8; 32],
    user: User,
    budget: Budget,
    code: BackupCode,
    parked: ParkingKey,
}

impl Possessions {
    async fn made(store: &impl Store, tenant_name: &str, name: &str) -> Self {
        let of = tenant(tenant_name);
        let own = Self {
            login: login(tenant_name, challenged(name)),
            session: Session {
                tenant: of.clone(),
                ..session(name)
            },
            subject: Subject::Account {
                tenant: of.clone(),
                account: name.to_owned(),
            },
            account: AccountRef {
                name: name.to_owned(),
            },
            client: client_of(tenant_name, name),
            token: random(),
            user: user(tenant_name, name),
            budget: Budget {
                key: format!("send-account/{of}/{name}"),
                window: Duration::from_secs(600),
                max: 1,
                begins: Begins::First,
            },
            code: backup_code(),
            parked: ParkingKey::from_entropy(&random()),
        };
        store.insert(&own.login).await.expect("insert");
        SessionStore::open(store, &own.session).await.expect("open");
        let paid = store.pay(&own.subject, &own.login.id, NOW, &policy()).await;
        assert!(matches!(paid.expect("pay"), Payment::Paid(_)));
        store
            .replace(&own.subject, std::slice::from_ref(&own.code), NOW)
            .await
            .expect("replace");
        let spent = store.spend(std::slice::from_ref(&own.budget), NOW).await;
        assert_eq!(spent.expect("spend"), Spending::Granted);
        let added = store.add(&own.client, &own.token).await.expect("add");
        assert_eq!(added, Added::Added);
        let reserved = store.reserve(&own.client, "key", &[1; 32], NOW).await;
        assert_eq!(reserved.expect("reserve"), Reservation::Reserved);
        assert!(store.create_user(&own.user).await.expect("create"));
        let put = Documents::put(store, &document_of(&of, name), None, "{}", NOW).await;
        assert_eq!(put.expect("put"), Put::Written { version: 1 });
        let waits = Parked {
            kind: "trip".to_owned(),
            tenant: tenant_name.to_owned(),
            group: String::new(),
            body: b"{}".to_vec(),
            expires_at: Moment(NOW.0 + 60_000),
        };
        store.park(&own.parked, &waits).await.expect("park");
        own
    }

    fn tenant(&self) -> &TenantId {
        &self.login.tenant
    }

    /// Everything is there, and as it was made.
    async fn assert_whole(&self, store: &impl Store) {
        let of = self.tenant();
        let login = LoginStore::load(store, of, &self.login.id, NOW).await;
        assert_same(&self.login, &login.expect("load").expect("the login"));
        let session = SessionStore::find(store, of, &self.session.id, NOW).await;
        assert!(session.expect("find").is_some());
        let ledger = store.ledger(&self.subject).await.expect("ledger");
        assert_eq!(ledger.in_a_row, 1);
        assert_eq!(store.remaining(&self.subject).await.expect("count"), 1);
        let client = ApiClients::find(store, &self.token).await.expect("find");
        assert_eq!(client.as_ref(), Some(&self.client));
        let again = store.reserve(&self.client, "key", &[1; 32], NOW).await;
        assert_eq!(again.expect("reserve"), Reservation::InProgress);
        let found = store.user(of, "", &self.user.key).await.expect("user");
        assert_eq!(found.map(|user| user.name), Some(self.user.name.clone()));
        let spent = store.spend(std::slice::from_ref(&self.budget), NOW).await;
        assert!(matches!(spent.expect("spend"), Spending::Spent { .. }));
        let kept = Documents::get(store, &document_of(of, &self.account.name)).await;
        assert!(kept.expect("get").is_some());
        let now = Moment(NOW.0);
        let parked = store.parked(of.as_str(), "trip", &self.parked, now).await;
        assert!(parked.expect("look").is_some());
    }

    /// Everything the ports can be asked about these ids, in another tenant's name: nothing is
    /// found, and what is done there changes nothing here.
    async fn assert_absent_in(&self, store: &impl Store, other: &TenantId) {
        let login = LoginStore::load(store, other, &self.login.id, NOW).await;
        assert!(login.expect("load").is_none());
        let closed = store.close_challenges_of(other, &self.account).await;
        assert_eq!(closed.expect("close"), 0);
        let session = SessionStore::find(store, other, &self.session.id, NOW).await;
        assert!(session.expect("find").is_none());
        SessionStore::close(store, other, &self.session.id)
            .await
            .expect("close");
        let name = &self.account.name;
        let there = Subject::Account {
            tenant: other.clone(),
            account: name.clone(),
        };
        let named = store.close_named(&there, &self.session.name).await;
        assert!(!named.expect("close"));
        assert_eq!(store.close_all_of(&there, None).await.expect("close"), 0);
        let all = store.all_of(&there, NOW).await.expect("list");
        assert!(all.is_empty());
        let ledger = store.ledger(&there).await.expect("ledger");
        assert_eq!(ledger.in_a_row, 0);
        let paid = store.pay(&there, &self.login.id, NOW, &policy()).await;
        assert!(
            matches!(paid.expect("pay"), Payment::Exhausted),
            "another tenant's challenge has no budget here"
        );
        store.clear(&there).await.expect("clear");
        store.unlock(&there).await.expect("unlock");
        assert_eq!(store.remaining(&there).await.expect("count"), 0);
        let used = store.consume(&there, &self.code, NOW).await;
        assert!(!used.expect("consume"));
        let listed = ApiClients::list(store, other).await.expect("list");
        assert!(!listed.contains(&self.client));
        assert!(!store.revoke(other, name).await.expect("revoke"));
        let namesake = client_of(other.as_str(), name);
        store
            .fill(&namesake, "key", "{}")
            .await
            .expect("fill what was never reserved");
        store.release(&namesake, "key").await.expect("release");
        let found = store.user(other, "", &self.user.key).await.expect("user");
        assert!(found.is_none());
        let deleted = store.delete_user(other, "", &self.user.key).await;
        assert!(!deleted.expect("delete"));
        let key = document_of(other, name);
        let kept = Documents::get(store, &key).await.expect("get");
        assert!(kept.is_none());
        assert!(!Documents::remove(store, &key, 1).await.expect("remove"));
        let all = Documents::list(store, other, key.kind).await.expect("list");
        assert!(all.is_empty());
        let now = Moment(NOW.0);
        let looked = store.parked(other.as_str(), "trip", &self.parked, now);
        assert!(looked.await.expect("look").is_none());
        let claimed = Parking::claim(store, other.as_str(), "trip", &self.parked, now).await;
        assert!(claimed.expect("claim").is_none());
    }
}

/// What somebody of a tenant defined under this name.
fn document_of(tenant: &TenantId, name: &str) -> Key {
    Key {
        tenant: tenant.clone(),
        kind: Kind::IdentityProvider,
        name: name.to_owned(),
    }
}

/// Q-09: random ids of one tenant, asked for in the name of others, over every port.
pub async fn nothing_of_one_tenant_is_found_in_another(store: &impl Store) {
    for _ in 0..8 {
        let (one, other) = (unique("one"), unique("other"));
        // A name that has the other's as its beginning, and one with its separators.
        let near = format!("{one}.more");
        let owner = Possessions::made(store, &one, &unique("alice")).await;
        for stranger in [&other, &near, &format!("x-{one}")] {
            let stranger = tenant(stranger);
            owner.assert_absent_in(store, &stranger).await;
            owner.assert_whole(store).await;
        }
    }
}

pub async fn a_removed_tenant_leaves_nothing_and_the_others_keep_all(store: &impl Store) {
    let one = unique("one");
    let name = format!("al/{one}/ice");
    let removed = Possessions::made(store, &one, &name).await;
    let mut others = Vec::new();
    for neighbour in [unique("other"), format!("{one}.more"), format!("x-{one}")] {
        others.push(Possessions::made(store, &neighbour, &name).await);
    }
    let record = TenantRecord {
        tenant: tenant(&one),
        enabled: true,
        document: None,
        broken: None,
        changed_at: NOW,
    };
    let added = store.add_tenant(&record).await.expect("add");
    assert_eq!(added, Added::Added);
    let rows = store.remove_tenant(&record.tenant).await.expect("remove");
    assert!(rows.is_some_and(|rows| rows >= 8), "{rows:?}");
    removed.assert_absent_in(store, &record.tenant).await;
    let client = ApiClients::find(store, &removed.token).await;
    assert_eq!(client.expect("find"), None, "its token is nobody's");
    let spent = store
        .spend(std::slice::from_ref(&removed.budget), NOW)
        .await
        .expect("spend");
    assert_eq!(spent, Spending::Granted, "its budgets are gone");
    for other in &others {
        other.assert_whole(store).await;
    }
    let rows = store.remove_rows_of(&record.tenant).await.expect("remove");
    assert!(rows >= 1, "the budget that was just spent");
}

// ---------------------------------------------------------------- audit

pub async fn audit_events_are_taken(store: &impl Store) {
    for what in [
        What::FirstStepPassed,
        What::LoginSucceeded {
            amr: vec!["pwd".into(), "sms".into()],
        },
    ] {
        let event = AuditEvent {
            at: NOW,
            tenant: tenant("t1.example"),
            login: Some("abc".into()),
            who: Some("alice".into()),
            address: None,
            what,
        };
        store.record(event).await.expect("record");
    }
}

// ---------------------------------------------------------------- users

/// A burst that is recorded at once is one chain; others may record at the same time.
pub async fn audit_rows_form_a_chain(store: &impl Store) {
    let mut burst = JoinSet::new();
    for number in 0..50 {
        let store = store.clone();
        burst.spawn(async move { store.record(audit_event(&format!("burst-{number}"))).await });
    }
    while let Some(recorded) = burst.join_next().await {
        recorded.expect("no panic").expect("record");
    }
    // One that waits for the disk is behind all that do not.
    store.record(deciding_event()).await.expect("record");
    let (mut checked, mut last) = (0, None);
    loop {
        match store.check_chain(last.as_ref(), 7).await.expect("check") {
            Checked::Onward { rows, last: link } => {
                assert!(rows > 0 && rows <= 7, "{rows}");
                checked += rows;
                last = Some(link);
            }
            Checked::End => break,
            Checked::Broken { seq, why } => panic!("row {seq}: {why}"),
        }
    }
    assert!(checked > 50, "{checked}");
    let mut wrong = last.expect("there are rows");
    wrong.seq -= 1;
    let broken = store.check_chain(Some(&wrong), 7).await.expect("check");
    assert!(matches!(broken, Checked::Broken { .. }), "{broken:?}");
}

/// The oldest rows go with a note of where the chain begins since, and of nothing else.
pub async fn audit_rows_are_removed_in_the_open(store: &impl Store) {
    for number in 0..9 {
        let event = audit_event(&format!("old-{number}"));
        store.record(event).await.expect("record");
    }
    store.record(deciding_event()).await.expect("record");
    let first = store.rows_after(0, 1).await.expect("rows")[0].seq;
    let Checked::Onward { last: through, .. } = store.check_chain(None, 4).await.expect("check")
    else {
        panic!("there are rows");
    };
    let mut wrong = through.clone();
    wrong.link = hex::encode([7; 32]);
    assert!(!store.prune(&wrong, NOW).await.expect("prune"));
    wrong = through.clone();
    wrong.seq += 100_000;
    assert!(!store.prune(&wrong, NOW).await.expect("prune"));
    assert_eq!(store.rows_after(0, 1).await.expect("rows")[0].seq, first);

    assert!(store.prune(&through, NOW).await.expect("prune"));
    let pruned = store.pruned().await.expect("pruned").expect("a note");
    assert_eq!((&pruned.through, pruned.at), (&through, NOW));
    assert!(
        !store.prune(&through, NOW).await.expect("prune"),
        "it is gone"
    );
    let rows = store.rows_after(0, 100).await.expect("rows");
    assert_eq!(rows[0].seq, through.seq + 1);
    let newest = store.rows_before(None, 1).await.expect("rows")[0].seq;
    store.record(deciding_event()).await.expect("record");
    let rows = store.rows_before(None, 1000).await.expect("rows");
    assert_eq!(rows[0].seq, newest + 1, "numbers go on");
    assert_eq!(rows.last().expect("rows").seq, through.seq + 1);

    let (mut checked, mut last) = (0, None);
    while let Checked::Onward { rows, last: link } =
        store.check_chain(last.as_ref(), 3).await.expect("check")
    {
        checked += rows;
        last = Some(link);
    }
    assert_eq!(checked, newest + 1 - through.seq);
    let end = store.check_chain(last.as_ref(), 3).await.expect("check");
    assert_eq!(end, Checked::End);
}

pub async fn audit_rows_are_read_from_both_ends(store: &impl Store) {
    for number in 0..5 {
        store
            .record(audit_event(&format!("ends-{number}")))
            .await
            .expect("record");
    }
    store.record(deciding_event()).await.expect("record");
    let newest = store.rows_before(None, 3).await.expect("rows");
    assert_eq!(newest.len(), 3);
    assert!(newest[0].seq > newest[1].seq && newest[1].seq > newest[2].seq);
    let older = store
        .rows_before(Some(newest[2].seq), 2)
        .await
        .expect("rows");
    assert_eq!(older[0].seq, newest[2].seq - 1);
    let after = store.rows_after(older[1].seq, 2).await.expect("rows");
    assert_eq!(after[0].seq, older[0].seq);
    assert_eq!(after[0].link, older[0].link);
    assert_eq!(after[0].link.len(), 64);
    let none = store.rows_before(Some(1), 10).await.expect("rows");
    assert!(none.is_empty(), "nothing is before the first row");
}

fn audit_event(login: &str) -> AuditEvent {
    AuditEvent {
        at: NOW,
        tenant: TenantId::super_tenant(),
        login: Some(login.to_owned()),
        who: None,
        address: Some("203.0.113.7".to_owned()),
        what: What::FirstStepFailed,
    }
}

fn deciding_event() -> AuditEvent {
    AuditEvent {
        what: What::ConsoleClosed,
        ..audit_event("end")
    }
}

// ---------------------------------------------------------------- documents

fn document_key(tenant: &str, name: &str) -> Key {
    Key {
        tenant: TenantId::parse(tenant).expect("a tenant's name"),
        kind: Kind::IdentityProvider,
        name: name.to_owned(),
    }
}

/// Q-01: a name is a value, whatever it looks like.
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

/// Q-09
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

// ---------------------------------------------------------------- what the checks are made of

const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn policy() -> AttemptPolicy {
    AttemptPolicy {
        attempts_max: 5,
        failures_max: 10,
        failure_window: Duration::from_secs(3600),
        lock_first: Duration::from_secs(15 * 60),
        lock_max: Duration::from_secs(24 * 3600),
        failures_in_a_row_max: 100,
        backup_tries_when_locked: 5,
    }
}

/// Fails until the subject is locked.
async fn lock(store: &impl Store, subject: &Subject) {
    for _ in 0..3 {
        let login = login(subject.tenant().as_str(), challenged("alice"));
        store.insert(&login).await.expect("insert");
        for _ in 0..5 {
            let payment = store.pay(subject, &login.id, NOW, &policy()).await;
            drop(payment.expect("pay"));
        }
    }
    let ledger = store.ledger(subject).await.expect("ledger");
    assert!(matches!(ledger.standing(NOW), Standing::Locked { .. }));
}

// ---------------------------------------------------------------- federation

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

const MOMENT: Moment = Moment(NOW.0);

fn parking_key() -> ParkingKey {
    ParkingKey::from_entropy(&random())
}

fn parked(kind: &str, group: &str) -> Parked {
    Parked {
        kind: kind.into(),
        tenant: "t1.example".into(),
        group: group.into(),
        body: b"whatever waits".to_vec(),
        expires_at: MOMENT.plus(Duration::from_secs(900)),
    }
}

fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("random bytes");
    bytes
}

fn unique(name: &str) -> String {
    format!("{name}-{}", hex::encode(&random()[..8]))
}

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).expect("a tenant's name")
}

fn login_id() -> LoginId {
    LoginId::parse(&hex::encode(random())[..43]).expect("43 characters")
}

fn login(tenant: &str, state: State) -> Login {
    Login {
        id: login_id(),
        name: "k3x9".into(),
        version: 1,
        tenant: self::tenant(tenant),
        origin: Origin::Browser {
            return_to: "saml:parked-17".into(),
        },
        application: Application::account_page(),
        purpose: Purpose::Login,
        locale: "en".into(),
        created_at: NOW,
        expires_at: NOW.plus(Duration::from_secs(15 * 60)),
        state,
    }
}

fn started() -> State {
    State::Started(Started::default())
}

fn number_wanted(name: &str) -> State {
    State::NumberWanted(NumberWanted {
        who: who(name),
        keep: true,
        notice: None,
    })
}

fn challenged(name: &str) -> State {
    State::Challenged(Challenged {
        who: who(name),
        challenge: Challenge::Sending {
            requested: postern_otp::Requested::new(number()),
            since: NOW,
        },
        pending_number: None,
        shown: Some("***4567".into()),
        attempts_left: 5,
        app_hash: None,
        notice: None,
    })
}

fn who(name: &str) -> Who {
    Who {
        subject: subject(name),
        account: Some(AccountRef { name: name.into() }),
        display: name.into(),
        first: FirstFactor::Password,
        attributes: Vec::new(),
    }
}

fn number() -> PhoneNumber {
    PhoneNumber::parse("+94771234567", None).expect("a mobile number")
}

fn subject(account: &str) -> Subject {
    Subject::Account {
        tenant: tenant("t1.example"),
        account: account.into(),
    }
}

fn backup_code() -> BackupCode {
    BackupCode::from_entropy(&random()).expect("32 bytes are enough")
}

fn session(account: &str) -> Session {
    Session {
        id: SessionId::parse(login_id().as_str()).expect("43 characters"),
        name: unique("s"),
        tenant: tenant("t1.example"),
        account: account.into(),
        has_local_account: true,
        display: account.into(),
        first: FirstFactor::Federated {
            identity_provider: "idp".into(),
        },
        second: SecondFactor::Sms { number: number() },
        authenticated_at: NOW,
        expires_at: NOW.plus(Duration::from_secs(8 * 3600)),
        user_agent: "a browser".into(),
        address: "192.0.2.7".into(),
        locale: "de".into(),
        attributes: vec![("email".into(), "a@b.example".into())],
    }
}

fn client_of(tenant: &str, name: &str) -> ApiClient {
    ApiClient {
        name: name.into(),
        tenant: self::tenant(tenant),
        created_at: NOW,
        scopes: Scope::ALL.to_vec(),
    }
}

fn budget(key: &str, max: u32) -> Budget {
    Budget {
        key: key.into(),
        window: Duration::from_secs(600),
        max,
        begins: Begins::First,
    }
}

fn user(tenant: &str, name: &str) -> User {
    User {
        tenant: self::tenant(tenant),
        domain: String::new(),
        key: name.into(),
        looks: name.into(),
        name: name.into(),
        display_name: None,
        number: None,
        opted_out: false,
        locked: false,
        had_factor: false,
        password: None,
        claims: Vec::new(),
    }
}

/// Logins have no `==`; what they print is all of them but the id, which the caller chose.
#[track_caller]
fn assert_same(expected: &Login, found: &Login) {
    assert_eq!(expected.id, found.id);
    assert_eq!(format!("{expected:?}"), format!("{found:?}"));
}
