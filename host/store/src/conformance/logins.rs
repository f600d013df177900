//! Logins in progress.

use super::Store;
use super::samples::{
    NOW, assert_same, authenticated, challenged, identified, locked, login, login_id, number,
    number_wanted, policy, session, started, subject, tenant, unique,
};
use postern_login::audit::{AuditEvent, What};
use postern_login::login::SecondFactor;
use postern_login::ports::{AccountRef, Advanced, Ending, LoginStore, Payment, Settlement};
use postern_login::{Login, State};
use postern_otp::Timestamp;
use postern_otp::need::NotNeeded;
use tokio::task::JoinSet;

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
        .advance_as(&login, number_wanted("alice"), id.clone(), None)
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

/// the counter goes with the move that the success made, and not with one that came too late.
pub async fn a_move_clears_the_counter_only_if_it_wins(store: &impl Store) {
    let subject = subject(&unique("alice"));
    let login = login("t1.example", challenged("alice"));
    store.insert(&login).await.expect("insert");
    let then = || Settlement {
        clear: Some(subject.clone()),
        ..Settlement::default()
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

///
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

///
pub async fn one_of_many_who_finish_a_login_opens_a_session(store: &impl Store) {
    let login = login("t1.example", started());
    store.insert(&login).await.expect("insert");
    let name = unique("alice");
    let mut racers = JoinSet::new();
    for _ in 0..50 {
        let (store, seen, session) = (store.clone(), login.clone(), session(&name));
        racers.spawn(async move {
            let event = AuditEvent {
                at: NOW,
                tenant: seen.tenant.clone(),
                login: Some(seen.name.clone()),
                who: Some(session.account.clone()),
                address: None,
                what: What::LoginSucceeded { amr: Vec::new() },
            };
            let then = Ending {
                session: session.clone(),
                clear: None,
                events: vec![event],
            };
            let finished = store.finish(&seen, then, &store, &store, &store).await;
            finished.expect("finish").map(|_| session)
        });
    }
    let winners: Vec<_> = racers.join_all().await.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1);
    let open = store.all_of(&winners[0].subject(), NOW).await;
    let names: Vec<_> = open.expect("list").into_iter().map(|s| s.name).collect();
    assert_eq!(names, [winners[0].name.clone()]);
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

/// B-01, B-04
pub async fn the_logins_of_an_account_end_together(store: &impl Store) {
    let name = unique("alice");
    let tenant = tenant("t1.example");
    let account = AccountRef { name: name.clone() };
    // Whatever the first step opened, however far it has come.
    let number = number();
    let mut open = Vec::new();
    for state in [
        identified(&name),
        number_wanted(&name),
        challenged(&name),
        challenged(&name),
        authenticated(&name, SecondFactor::NotNeeded(NotNeeded::OptedOut)),
        authenticated(&name, SecondFactor::Sms { number }),
        authenticated(&name, SecondFactor::BackupCode),
        locked(&name),
    ] {
        let login = login("t1.example", state);
        store.insert(&login).await.expect("insert");
        open.push(login);
    }
    for state in [number_wanted(&name), locked(&name)] {
        let begun = login("t1.example", started());
        store.insert(&begun).await.expect("insert");
        let moved = store.advance(&begun, state).await;
        let Advanced::Won(moved) = moved.expect("advance") else {
            panic!("nobody else moved it");
        };
        open.push(moved);
    }
    let own = login("t1.example", authenticated(&name, SecondFactor::BackupCode));
    store.insert(&own).await.expect("insert");
    let mut others = vec![own.clone()];
    for login in [
        login("t2.example", challenged(&name)),
        login("t1.example", challenged(&unique("bob"))),
        login("t1.example", number_wanted(&unique("bob"))),
        login("t1.example", started()),
    ] {
        store.insert(&login).await.expect("insert");
        others.push(login);
    }

    let closed = store
        .close_logins_of(&tenant, &account, Some(&own.id))
        .await;
    assert_eq!(closed.expect("close"), open.len() as u64);
    for login in &open {
        let loaded = LoginStore::load(store, &login.tenant, &login.id, NOW)
            .await
            .expect("load")
            .expect("it is there");
        let State::Stopped(stopped) = &loaded.state else {
            panic!("{:?} goes on as {:?}", login.state, loaded.state);
        };
        assert!(stopped.who.is_none(), "not even a backup code is asked for");
        let late = store.advance(login, started()).await.expect("advance");
        assert!(matches!(late, Advanced::Lost), "who saw it open is late");
    }
    for login in &others {
        let loaded = LoginStore::load(store, &login.tenant, &login.id, NOW)
            .await
            .expect("load")
            .expect("it is there");
        assert_same(login, &loaded);
    }
    for closes in [1, 0] {
        let closed = store.close_logins_of(&tenant, &account, None).await;
        assert_eq!(closed.expect("close"), closes, "the one that was spared");
    }
}

/// B-01, B-04: what was checked before an account's logins were closed opens none of them afterwards.
pub async fn a_login_is_not_opened_by_what_was_checked_before_the_closing(store: &impl Store) {
    let alice = unique("alice");
    let close = async |tenant: &str, name: &str| {
        let (tenant, account) = (self::tenant(tenant), AccountRef { name: name.into() });
        let closed = store.close_logins_of(&tenant, &account, None).await;
        assert_eq!(closed.expect("close"), 0, "there is nothing to be seen");
    };
    let settled = async |since, next: State, rename| {
        let login = login("t1.example", started());
        store.insert(&login).await.expect("insert");
        let then = Settlement {
            rename,
            since: Some(since),
            ..Settlement::default()
        };
        let settled = store.settle(&login, next, then, store, store).await;
        let won = matches!(settled.expect("settle"), Advanced::Won(_));
        let left = LoginStore::load(store, &login.tenant, &login.id, NOW).await;
        let left = left.expect("load");
        let as_it_was = left.is_some_and(|left| left.version == login.version);
        assert_ne!(won, as_it_was, "what is refused stays where it was");
        won
    };
    let before = store.closings();
    close("t1.example", &alice).await;
    let after = store.closings();
    close("t2.example", &alice).await;
    close("t1.example", &unique("bob")).await;
    let not_needed = SecondFactor::NotNeeded(NotNeeded::OptedOut);
    for next in [
        identified(&alice),
        number_wanted(&alice),
        challenged(&alice),
        authenticated(&alice, not_needed),
        locked(&alice),
    ] {
        for rename in [None, Some(login_id())] {
            let late = settled(before, next.clone(), rename).await;
            assert!(!late, "{next:?} begins with what was checked before");
        }
        let in_time = settled(after, next.clone(), Some(login_id())).await;
        assert!(in_time, "{next:?} is held up by the closing before it");
    }
    // The other ones' logins, and what lets nobody in.
    let carol = challenged(&unique("carol"));
    for next in [carol, started(), State::closed()] {
        assert!(settled(before, next.clone(), None).await, "{next:?}");
    }
}

/// B-01: whichever comes first, none is left that may let the account in.
pub async fn a_closing_and_a_first_step_never_miss_each_other(store: &impl Store) {
    let name = unique("alice");
    let account = AccountRef { name: name.clone() };
    let mut racers = JoinSet::new();
    let since = store.closings();
    for _ in 0..64 {
        let login = login("t1.example", started());
        store.insert(&login).await.expect("insert");
        let (store, next) = (store.clone(), challenged(&name));
        racers.spawn(async move {
            let moved = store.advance_as(&login, next, login.id.clone(), Some(since));
            let _either = moved.await.expect("advance");
            login
        });
    }
    let tenant = tenant("t1.example");
    let closed = store.close_logins_of(&tenant, &account, None).await;
    closed.expect("close");
    for login in racers.join_all().await {
        let left = LoginStore::load(store, &login.tenant, &login.id, NOW).await;
        let left = left.expect("load").expect("it is there");
        assert!(!left.is_open_for(&tenant, &account), "{left:?}");
    }
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
