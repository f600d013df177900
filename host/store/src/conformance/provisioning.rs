//! Identities, groups and what peers wait to be told.

use super::Store;
use super::samples::{NOW, tenant, unique};
use postern_federation::scim::outbound::Outlook;
use postern_federation::scim::ports::{Delivery, Failed, Remote, Waits, What};
use postern_federation::scim::{Group, Groups};
use postern_federation::{Moment, Secret};
use postern_otp::Timestamp;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn now() -> Moment {
    Moment(NOW.0)
}

fn later(seconds: u64) -> Moment {
    now().plus(Duration::from_secs(seconds))
}

/// What waits under this number.
async fn row(store: &impl Store, tenant: &str, seq: u64) -> Delivery {
    let rows = store.waiting(tenant, seq - 1, 1).await.expect("waiting");
    let row = rows.into_iter().find(|row| row.seq == seq);
    row.expect("it waits")
}

/// An attempt that ended in the third second; it is tried again at `due_at`.
fn failed(outlook: Outlook, due_at: Moment) -> Failed {
    Failed {
        trouble: "why".to_owned(),
        outlook,
        ended_at: Some(later(3)),
        due_at,
        given_up: false,
    }
}

fn given_up() -> Failed {
    Failed {
        given_up: true,
        ..failed(Outlook::Refused, later(60))
    }
}

pub async fn an_identity_is_given_once_and_never_again(store: &impl Store) {
    let (tenant, other) = (tenant("t1.example"), tenant("t2.example"));
    let accounts = [unique("alice"), unique("bob")];
    let first = store.identities(&tenant, &accounts, NOW).await;
    let first = first.expect("identities");
    assert_eq!(first.len(), 2);
    assert_ne!(first[0].id, first[1].id);
    let again = store
        .identities(&tenant, &accounts, Timestamp(NOW.0 + 9))
        .await;
    assert_eq!(again.expect("identities"), first);
    let id = first[0].id.as_str();
    let found = store.identity(&tenant, id).await.expect("identity");
    assert_eq!(found.as_ref(), Some(&first[0]));
    assert_eq!(store.identity(&other, id).await.expect("identity"), None);

    store
        .touch(&tenant, &accounts[0], Timestamp(NOW.0 + 5))
        .await
        .expect("touch");
    store
        .name_outside(&tenant, &accounts[0], Some("Ext"))
        .await
        .expect("name");
    let changed = store.identity(&tenant, id).await.expect("identity");
    let changed = changed.expect("it is there");
    assert_eq!(changed.created_at, NOW);
    assert_eq!(changed.changed_at, Timestamp(NOW.0 + 5));
    assert_eq!(changed.external_id.as_deref(), Some("Ext"));

    store.forget(&tenant, &accounts[0]).await.expect("forget");
    assert_eq!(store.identity(&tenant, id).await.expect("identity"), None);
    let next = store.identities(&tenant, &accounts, NOW).await;
    let next = next.expect("identities");
    assert_ne!(next[0].id, first[0].id);
    assert_eq!(next[0].external_id, None);
    assert_eq!(next[1], first[1]);
}

pub async fn a_group_is_as_it_was_put_and_its_name_is_its_own(store: &impl Store) {
    let whose = tenant(&format!("{}.example", unique("g")));
    let tenant = whose.as_str();
    let accounts = [unique("alice"), unique("bob")];
    let people = store.identities(&whose, &accounts, NOW).await;
    let people = people.expect("identities");
    let member = |at: usize| (people[at].id.clone(), accounts[at].clone());
    let staff = Group {
        id: unique("1"),
        display_name: "Staff".to_owned(),
        external_id: None,
        created_at: now(),
        changed_at: now(),
        members: vec![member(0), ("nobody".to_owned(), "nobody".to_owned())],
    };
    assert!(store.put_group(tenant, &staff, true).await.expect("put"));
    let twin = Group {
        id: unique("2"),
        display_name: "STAFF".to_owned(),
        ..staff.clone()
    };
    assert!(!store.put_group(tenant, &twin, true).await.expect("put"));
    assert!(!store.put_group(tenant, &staff, true).await.expect("put"));
    let unknown = Group {
        id: unique("3"),
        display_name: "Crew".to_owned(),
        ..staff.clone()
    };
    assert!(!store.put_group(tenant, &unknown, false).await.expect("put"));

    let kept = Groups::group(store, tenant, &staff.id)
        .await
        .expect("group");
    let kept = kept.expect("it is there");
    assert_eq!(kept.members, [member(0)]);
    assert_eq!(
        Groups::group(store, "t9.example", &staff.id)
            .await
            .expect("group"),
        None
    );
    let both = Group {
        display_name: "Crew".to_owned(),
        external_id: Some("x".to_owned()),
        members: vec![member(0), member(1)],
        ..staff.clone()
    };
    assert!(store.put_group(tenant, &both, false).await.expect("put"));
    let kept = store.groups(tenant, None, 10).await.expect("groups");
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].members.len(), 2);
    assert_eq!(kept[0].external_id.as_deref(), Some("x"));
    assert_eq!(
        store
            .groups(tenant, Some("crew"), 10)
            .await
            .expect("groups"),
        []
    );
    let of = store.groups_of(&whose, &people[1].id).await;
    assert_eq!(
        of.expect("groups of"),
        [(staff.id.clone(), "Crew".to_owned())]
    );

    store.forget(&whose, &accounts[1]).await.expect("forget");
    let left = Groups::group(store, tenant, &staff.id)
        .await
        .expect("group");
    assert_eq!(left.expect("it is there").members, [member(0)]);
    assert!(store.delete_group(tenant, &staff.id).await.expect("delete"));
    assert!(!store.delete_group(tenant, &staff.id).await.expect("delete"));
    let of = store.groups_of(&whose, &people[0].id).await;
    assert_eq!(of.expect("groups of"), []);
}

pub async fn what_a_peer_waits_for_is_told_in_order_of_each_subject(store: &impl Store) {
    let tenant = format!("{}.example", unique("d"));
    let tenant = tenant.as_str();
    let peer = [String::from("peer")];
    let announce = async |subject: &str| {
        store
            .announce(tenant, &peer, What::User, subject, later(120), now())
            .await
            .expect("announce")
    };
    let due = async |at: Moment| store.due(tenant, &peer, at, 10).await.expect("due");
    let first = announce("alice").await;
    assert!(due(now()).await.is_empty(), "only announced");
    assert_eq!(due(later(121)).await.len(), 1, "its host died");
    let undone = announce("carol").await;
    store.withdraw(tenant, &undone).await.expect("withdraw");

    let secret = Secret::new("pass word");
    store
        .confirm(tenant, &first, false, Some((&secret, &peer)), now())
        .await
        .expect("confirm");
    for (subject, gone) in [
        ("alice", false),
        ("alice", true),
        ("bob", false),
        ("alice", false),
    ] {
        let announced = announce(subject).await;
        store
            .confirm(tenant, &announced, gone, None, now())
            .await
            .expect("confirm");
    }
    let told = due(now()).await;
    let subjects: Vec<_> = told.iter().map(|row| row.subject.as_str()).collect();
    assert_eq!(subjects, ["alice", "bob"]);
    let alice = &told[0];
    assert_eq!(alice.seq, first[0]);
    // The second change goes with the first, and the password with both; the deletion waits its turn.
    assert!(alice.through > alice.seq);
    assert_eq!(alice.password, Some(secret));
    assert!(!alice.gone);

    let away = failed(Outlook::Passes, later(60));
    let tried = store.failed(tenant, alice, away).await;
    tried.expect("failed");
    let told = due(later(59)).await;
    assert_eq!(told.len(), 1, "nothing overtakes: {told:?}");
    assert_eq!(told[0].subject, "bob");
    // In what order the subjects come is each store's own.
    let told = due(later(60)).await;
    let alice = told.iter().find(|row| row.subject == "alice");
    let alice = alice.expect("alice is due again");
    assert_eq!(alice.attempts, 1);
    assert_eq!(alice.trouble.as_deref(), Some("why"));
    store.told(tenant, alice).await.expect("told");
    let gone = due(now()).await.remove(0);
    assert!(gone.gone && gone.through == gone.seq);
    let tried = store.failed(tenant, &gone, given_up()).await;
    tried.expect("failed");
    assert_eq!(due(now()).await.len(), 1, "given up, and nothing overtakes");
    let waiting = store.waiting(tenant, 0, 10).await.expect("waiting");
    assert_eq!(waiting.len(), 3);
    assert!(waiting.iter().all(|row| row.password.is_none()));
    assert_eq!(
        store.counts(tenant).await.expect("counts"),
        [("peer".to_owned(), 3)]
    );
    let count = store.retry(tenant, "peer", Some(gone.seq), now()).await;
    assert_eq!(count.expect("retry"), 1);
    assert_eq!(due(now()).await.len(), 2);
    assert!(store.drop_one(tenant, gone.seq).await.expect("drop"));
    assert!(!store.drop_one(tenant, gone.seq).await.expect("drop"));

    let known = async || {
        store
            .remote(tenant, "peer", What::User, "alice")
            .await
            .expect("remote id")
    };
    assert_eq!(known().await, None);
    let remote = |id: &str, told: &str| {
        Some(Remote {
            id: id.to_owned(),
            told: told.to_owned(),
        })
    };
    for kept in [
        remote("r-1", "name.familyName title"),
        remote("r-2", ""),
        None,
    ] {
        let done = store
            .remember(tenant, "peer", What::User, "alice", kept.as_ref())
            .await;
        assert!(done.expect("remember"));
        assert_eq!(known().await, kept);
    }
}

pub async fn everybody_is_put_into_the_queue_once_and_a_connector_leaves_nothing(
    store: &impl Store,
) {
    let tenant = format!("{}.example", unique("p"));
    let tenant = tenant.as_str();
    let push = async |peer: &str| store.push(tenant, peer, now()).await.expect("push");
    assert!(push("peer").await);
    assert!(!push("peer").await, "one at a time");
    assert!(push("other").await);
    let peer = [String::from("peer")];
    let due = async |at: Moment| store.due(tenant, &peer, at, 10).await.expect("due");
    let first = due(now()).await.remove(0);
    assert_eq!((first.what, first.subject.as_str()), (What::Everybody, ""));
    let page = [
        (What::User, "alice".to_owned()),
        (What::Group, "g-1".to_owned()),
    ];
    store
        .expand(tenant, &first, &page, Some("users:alice"), later(5), now())
        .await
        .expect("expand");
    let told = due(now()).await;
    let mut subjects: Vec<_> = told.iter().map(|row| row.subject.as_str()).collect();
    subjects.sort_unstable();
    assert_eq!(subjects, ["alice", "g-1"]);
    assert_eq!(store.queued(tenant, "peer", 2).await.expect("queued"), 2);
    assert_eq!(store.queued(tenant, "peer", 9).await.expect("queued"), 3);
    let rest = due(later(5)).await;
    let rest = rest.iter().find(|row| row.what == What::Everybody);
    let rest = rest.expect("the push goes on").clone();
    assert_eq!(
        (rest.seq, rest.subject.as_str()),
        (first.seq, "users:alice")
    );
    store
        .expand(tenant, &rest, &[], None, now(), now())
        .await
        .expect("expand");
    // A push that was dropped, or is done, puts nobody into the queue.
    store
        .expand(tenant, &rest, &page, Some("x"), now(), now())
        .await
        .expect("expand");
    assert_eq!(due(later(5)).await.len(), 2);
    assert!(push("peer").await, "it is done");

    let remote = Remote {
        id: "r".to_owned(),
        told: String::new(),
    };
    for peer in ["peer", "other"] {
        let done = store
            .remember(tenant, peer, What::User, "alice", Some(&remote))
            .await;
        assert!(done.expect("remember"));
    }
    let forgotten = store.forget_remotes(tenant, "peer", "moved").await;
    forgotten.expect("forget");
    let known = store.remote(tenant, "peer", What::User, "alice").await;
    assert_eq!(known.expect("remote"), None);
    let waits = store.queued(tenant, "peer", 9).await.expect("queued");
    assert_eq!(waits, 3, "what waits stays");
    let again = store
        .remember(tenant, "peer", What::User, "alice", Some(&remote))
        .await;
    assert!(again.expect("remember"));
    store
        .forget_connector(tenant, "peer")
        .await
        .expect("forget");
    assert_eq!(
        store.counts(tenant).await.expect("counts"),
        [("other".to_owned(), 1)]
    );
    for (peer, left) in [("peer", None), ("other", Some(remote))] {
        let known = store.remote(tenant, peer, What::User, "alice").await;
        assert_eq!(known.expect("remote"), left);
    }
}

/// Two of ours are never one there.
pub async fn a_peers_id_is_one_subjects_and_no_others(store: &impl Store) {
    let tenant = format!("{}.example", unique("r"));
    let tenant = tenant.as_str();
    let remember = async |connector: &str, what: What, subject: &str, id: Option<&str>| {
        let remote = id.map(|id| Remote {
            id: id.to_owned(),
            told: String::new(),
        });
        let kept = store.remember(tenant, connector, what, subject, remote.as_ref());
        kept.await.expect("remember")
    };
    let holder = async |connector: &str, what: What| {
        let holder = store.holder(tenant, connector, what, "r-1").await;
        holder.expect("holder")
    };
    assert_eq!(holder("peer", What::User).await, None);
    assert!(remember("peer", What::User, "alice", Some("r-1")).await);
    assert!(remember("peer", What::User, "alice", Some("r-1")).await);
    assert!(!remember("peer", What::User, "JDBC/alice", Some("r-1")).await);
    let other = store.remote(tenant, "peer", What::User, "JDBC/alice");
    assert_eq!(other.await.expect("remote"), None);
    assert!(remember("peer", What::Group, "alice", Some("r-1")).await);
    assert!(remember("other", What::User, "bob", Some("r-1")).await);
    assert_eq!(holder("peer", What::User).await.as_deref(), Some("alice"));
    assert_eq!(holder("other", What::User).await.as_deref(), Some("bob"));
    assert_eq!(holder("other", What::Group).await, None);
    // Somebody who has another one keeps it.
    assert!(remember("peer", What::User, "JDBC/alice", Some("r-2")).await);
    assert!(!remember("peer", What::User, "JDBC/alice", Some("r-1")).await);
    let other = store.remote(tenant, "peer", What::User, "JDBC/alice").await;
    let other = other.expect("remote").map(|remote| remote.id);
    assert_eq!(other.as_deref(), Some("r-2"));
    assert!(remember("peer", What::User, "alice", None).await);
    assert!(remember("peer", What::User, "JDBC/alice", Some("r-1")).await);
}

/// Where a password is not sent on it is not kept, and not longer than it may be of use.
pub async fn a_password_waits_only_where_it_is_sent_on(store: &impl Store) {
    let tenant = format!("{}.example", unique("p"));
    let tenant = tenant.as_str();
    let both = ["sends", "keeps"].map(String::from);
    let secret = Secret::new("pass word");
    let mut begun = Vec::new();
    for subject in ["alice", "bob"] {
        let announced = store
            .announce(tenant, &both, What::User, subject, later(120), now())
            .await
            .expect("announce");
        store
            .confirm(
                tenant,
                &announced,
                false,
                Some((&secret, &both[..1])),
                now(),
            )
            .await
            .expect("confirm");
        begun.push(announced);
    }
    let password = async |connector: &str, subject: &str| {
        let due = store.due_of(tenant, connector, What::User, subject, now());
        let due = due.await.expect("due").expect("it is due");
        due.password
    };
    assert_eq!(password("sends", "alice").await, Some(secret.clone()));
    assert_eq!(password("keeps", "alice").await, None);
    let alice = row(store, tenant, begun[0][0]).await;
    let tried = store.failed(tenant, &alice, given_up()).await;
    tried.expect("failed");
    store
        .retry(tenant, "sends", None, now())
        .await
        .expect("retry");
    assert_eq!(password("sends", "alice").await, None);
    assert_eq!(password("sends", "bob").await, Some(secret));
}

/// Whoever waits for a peer does not wait for the next attempt of what came before.
pub async fn what_failed_is_due_at_once_if_it_is_hastened(store: &impl Store) {
    let tenant = format!("{}.example", unique("h"));
    let tenant = tenant.as_str();
    let peer = [String::from("peer")];
    let mut begun = Vec::new();
    for subject in ["tried", "announced", "hopeless"] {
        let announced = store
            .announce(tenant, &peer, What::User, subject, later(120), now())
            .await;
        begun.push(announced.expect("announce")[0]);
    }
    for (at, why) in [
        (0, failed(Outlook::Refused, later(3600))),
        (0, failed(Outlook::Ours, later(3600))),
        (2, given_up()),
    ] {
        let row = row(store, tenant, begun[at]).await;
        let tried = store.failed(tenant, &row, why).await;
        tried.expect("failed");
    }
    for subject in ["tried", "announced", "hopeless", "nobody"] {
        store
            .hasten(tenant, "peer", What::User, subject, now())
            .await
            .expect("hasten");
    }
    let due = store.due(tenant, &peer, now(), 10).await.expect("due");
    let subjects: Vec<_> = due.iter().map(|row| row.subject.as_str()).collect();
    assert_eq!(subjects, ["tried"]);
    let counts = (due[0].attempts, due[0].refusals, due[0].faults);
    assert_eq!(counts, (1, 0, 0));
}

/// Else a deletion would wait for ever behind a change that the peer would not take.
pub async fn what_was_given_up_is_tried_again_with_the_next_change_of_its_subject(
    store: &impl Store,
) {
    let tenant = format!("{}.example", unique("a"));
    let tenant = tenant.as_str();
    let peer = [String::from("peer")];
    let announce = async |subject: &str| {
        store
            .announce(tenant, &peer, What::User, subject, later(120), now())
            .await
            .expect("announce")
    };
    let waits = async |subject: &str| {
        let waits = store.waits(tenant, "peer", What::User, subject).await;
        waits.expect("waits")
    };
    assert_eq!(waits("alice").await, Waits::Nothing);
    for subject in ["alice", "bob", "carol"] {
        let announced = announce(subject).await;
        assert_eq!(waits(subject).await, Waits::Comes);
        let row = row(store, tenant, announced[0]).await;
        let tried = store.failed(tenant, &row, given_up()).await;
        tried.expect("failed");
        assert_eq!(waits(subject).await, Waits::GivenUp);
    }
    for (subject, gone) in [("alice", false), ("bob", true)] {
        let next = announce(subject).await;
        assert_eq!(waits(subject).await, Waits::GivenUp, "only announced");
        store
            .confirm(tenant, &next, gone, None, now())
            .await
            .expect("confirm");
        assert_eq!(waits(subject).await, Waits::Comes);
        let due = store.due_of(tenant, "peer", What::User, subject, now());
        let due = due.await.expect("due").expect("it is due");
        assert_eq!((due.attempts, due.refusals, due.gone), (0, 0, gone));
        assert_eq!(due.through, next[0], "and nothing is left");
        // Of a deletion nothing is told before it; else both are told in one.
        assert_eq!(due.seq == due.through, gone);
    }
    assert_eq!(waits("carol").await, Waits::GivenUp);
}

/// A change whose last attempt is under way when its subject is deleted, and made again.
pub async fn what_is_given_up_after_its_subject_was_deleted_goes(store: &impl Store) {
    let tenant = format!("{}.example", unique("l"));
    let tenant = tenant.as_str();
    let peer = [String::from("peer")];
    let secret = Secret::new("pass word");
    let mut announced = Vec::new();
    for gone in [false, false, true, false] {
        let one = store.announce(tenant, &peer, What::User, "alice", later(120), now());
        let one = one.await.expect("announce");
        let password = Some((&secret, &peer[..])).filter(|_| !gone);
        let confirmed = store.confirm(tenant, &one, gone, password, now());
        confirmed.await.expect("confirm");
        announced.extend(one);
    }
    let row = row(store, tenant, announced[0]).await;
    for _ in 0..2 {
        let tried = store.failed(tenant, &row, given_up()).await;
        assert_eq!(tried.expect("failed"), Waits::Nothing);
    }
    let due = async || {
        let due = store.due_of(tenant, "peer", What::User, "alice", later(3));
        due.await.expect("due").expect("it is due")
    };
    let before = due().await;
    assert_eq!((before.seq, before.gone), (announced[1], false));
    assert_eq!(before.password, None, "whoever set it is deleted");
    store.told(tenant, &before).await.expect("told");
    let gone = due().await;
    assert_eq!((gone.seq, gone.gone), (announced[2], true));
    store.told(tenant, &gone).await.expect("told");
    let again = due().await;
    assert_eq!(again.seq, announced[3]);
    assert_eq!(again.password, Some(secret), "it was never given up");
}

/// Else it would wait for the one after it.
pub async fn a_change_during_the_last_attempt_has_it_tried_anew(store: &impl Store) {
    let tenant = format!("{}.example", unique("w"));
    let tenant = tenant.as_str();
    let peer = [String::from("peer")];
    let secret = Secret::new("pass word");
    let announce = async |subject: &str, at: Moment| {
        let due = at.plus(Duration::from_secs(120));
        let announced = store.announce(tenant, &peer, What::User, subject, due, at);
        announced.await.expect("announce")
    };
    let confirm = async |announced: &[u64], gone: bool, at: Moment| {
        let password = Some((&secret, &peer[..])).filter(|_| !gone);
        let confirmed = store.confirm(tenant, announced, gone, password, at);
        confirmed.await.expect("confirm");
    };
    let due = async |subject: &str, at: Moment| {
        let due = store.due_of(tenant, "peer", What::User, subject, at);
        due.await.expect("due")
    };
    // When the next change was made, if it was, and whether that was written down before the attempt began;
    // and whether what is tried is told anew.
    for (subject, gone, made, before, anew) in [
        ("changed meanwhile", false, Some(later(2)), false, true),
        (
            "changed as it was looked up",
            false,
            Some(later(1)),
            false,
            true,
        ),
        ("written down late", false, Some(now()), false, true),
        (
            "changed just after the end",
            false,
            Some(later(4)),
            false,
            true,
        ),
        ("announced only", false, None, false, false),
        (
            "deleted, and made meanwhile",
            true,
            Some(later(2)),
            false,
            true,
        ),
        (
            "deleted, made meanwhile, and written down late",
            true,
            Some(now()),
            false,
            true,
        ),
        ("deleted, and made before", true, Some(now()), true, false),
    ] {
        let first = announce(subject, now()).await;
        confirm(&first, gone, now()).await;
        let mut next = Vec::new();
        if let Some(made) = made.filter(|_| before) {
            next = announce(subject, made).await;
            confirm(&next, false, made).await;
        }
        let tried = due(subject, later(1)).await.expect("it is due");
        if !before {
            next = announce(subject, made.unwrap_or(later(2))).await;
            if let Some(made) = made {
                confirm(&next, false, made).await;
            }
        }
        let failed = store.failed(tenant, &tried, given_up()).await;
        let waits = store.waits(tenant, "peer", What::User, subject).await;
        let waits = waits.expect("waits");
        assert_eq!(failed.expect("failed"), waits, "{subject}");
        let Some(again) = due(subject, later(4)).await else {
            assert_eq!((waits, anew), (Waits::GivenUp, false), "{subject}");
            continue;
        };
        assert_eq!((waits, anew), (Waits::Comes, true), "{subject}");
        assert_eq!((again.seq, again.gone), (first[0], gone), "{subject}");
        let counts = (again.attempts, again.refusals, again.faults);
        assert_eq!(counts, (0, 0, 0), "{subject}");
        let last = if gone { first[0] } else { next[0] };
        assert_eq!(again.through, last, "{subject}");
        store.told(tenant, &again).await.expect("told");
        if gone {
            let made = due(subject, later(4)).await.expect("it is due");
            assert_eq!(made.password.as_ref(), Some(&secret), "{subject}");
        } else {
            assert_eq!(again.password.as_ref(), Some(&secret), "{subject}");
        }
    }
    // Announced before the attempt, and made during it with a time from before.
    let deletion = announce("begun before", now()).await;
    confirm(&deletion, true, now()).await;
    let next = announce("begun before", now()).await;
    let tried = due("begun before", later(1)).await.expect("it is due");
    confirm(&next, false, now()).await;
    let failed = store.failed(tenant, &tried, given_up()).await;
    assert_eq!(failed.expect("failed"), Waits::Comes);
    // Told with it, and refused with it.
    for _ in 0..2 {
        let announced = announce("changed before", now()).await;
        confirm(&announced, false, later(1)).await;
    }
    let tried = due("changed before", later(1)).await.expect("it is due");
    let failed = store.failed(tenant, &tried, given_up()).await;
    failed.expect("failed");
    assert!(due("changed before", later(4)).await.is_none());
}

/// Else a peer that refuses would be asked for ever, at once each time.
pub async fn what_waited_before_the_last_attempt_is_no_change_during_it(store: &impl Store) {
    let tenant = format!("{}.example", unique("e"));
    let tenant = tenant.as_str();
    let waits = async |subject: &str| {
        let waits = store.waits(tenant, "peer", What::User, subject).await;
        waits.expect("waits")
    };
    let due = async |subject: &str, at: Moment| {
        let due = store.due_of(tenant, "peer", What::User, subject, at);
        due.await.expect("due").expect("it is due")
    };
    let changed = async |subject: &str, times: usize, gone: bool, at: Moment| {
        let peer = vec![String::from("peer"); times];
        let announced = store.announce(tenant, &peer, What::User, subject, later(120), now());
        let announced = announced.await.expect("announce");
        let confirmed = store.confirm(tenant, &announced, gone, None, at).await;
        confirmed.expect("confirm");
        announced
    };
    let fails = async |row: &Delivery, failed: Failed| {
        store.failed(tenant, row, failed).await.expect("failed");
    };
    // More than any store tells in one go.
    changed("often", 250, false, now()).await;
    fails(&due("often", later(1)).await, given_up()).await;
    assert_eq!(waits("often").await, Waits::GivenUp);

    // One in between cannot be read, and nothing behind it is told before it.
    let seqs = changed("behind", 3, false, now()).await;
    let unread = Failed {
        ended_at: None,
        ..given_up()
    };
    fails(&row(store, tenant, seqs[1]).await, unread).await;
    let first = due("behind", later(1)).await;
    assert_eq!(first.through, seqs[0]);
    fails(&first, given_up()).await;
    assert_eq!(waits("behind").await, Waits::GivenUp);

    // Made anew during the first of these attempts alone, by a clock that was ahead.
    changed("once", 1, true, now()).await;
    let deletion = due("once", later(1)).await;
    changed("once", 1, false, later(9)).await;
    fails(&deletion, given_up()).await;
    assert_eq!(waits("once").await, Waits::Comes);
    let again = Failed {
        ended_at: Some(later(9)),
        ..given_up()
    };
    fails(&due("once", later(9)).await, again).await;
    assert_eq!(waits("once").await, Waits::GivenUp);
}

/// Whoever asked for it was told that it is tried again.
pub async fn a_retry_during_the_last_attempt_stands(store: &impl Store) {
    let tenant = format!("{}.example", unique("r"));
    let tenant = tenant.as_str();
    let peer = [String::from("peer")];
    let due = async |at: Moment| {
        let due = store.due_of(tenant, "peer", What::User, "alice", at);
        due.await.expect("due")
    };
    let announced = store.announce(tenant, &peer, What::User, "alice", now(), now());
    announced.await.expect("announce");
    for (attempts, at) in [(0, later(1)), (1, later(9))] {
        let tried = due(at).await.expect("it is due");
        assert_eq!(tried.attempts, attempts);
        let retried = store.retry(tenant, "peer", Some(tried.seq), at.plus(SECOND));
        assert_eq!(retried.await.expect("retry"), 1);
        for failed in [given_up(), failed(Outlook::Refused, later(60))] {
            let failed = store.failed(tenant, &tried, failed).await;
            assert_eq!(failed.expect("failed"), Waits::Comes);
            let again = due(at.plus(SECOND)).await.expect("it is due");
            let counts = (again.attempts, again.refusals, again.faults);
            assert_eq!((counts, again.given_up), ((0, 0, 0), false));
            assert_eq!(again.trouble.as_deref(), Some("why"));
        }
        // The next attempt counts, and so does its end.
        let tried = due(at.plus(SECOND)).await.expect("it is due");
        let failed = store.failed(tenant, &tried, failed(Outlook::Refused, later(9)));
        assert_eq!(failed.await.expect("failed"), Waits::Comes);
        assert_eq!(due(later(9)).await.expect("it is due").attempts, 1);
    }
    let tried = due(later(9)).await.expect("it is due");
    let failed = store.failed(tenant, &tried, given_up()).await;
    assert_eq!(failed.expect("failed"), Waits::GivenUp);
}

/// Else it would wait for the time at which what was announced is taken for its host's that died.
pub async fn what_is_tried_anew_waits_for_an_announced_change_no_longer_than_that_is_open(
    store: &impl Store,
) {
    let tenant = format!("{}.example", unique("o"));
    let tenant = tenant.as_str();
    let peer = [String::from("peer")];
    let announce = async |subject: &str, due_at: Moment| {
        let announced = store.announce(tenant, &peer, What::User, subject, due_at, later(2));
        announced.await.expect("announce")
    };
    let confirm = async |announced: &[u64], gone: bool, at: Moment| {
        let confirmed = store.confirm(tenant, announced, gone, None, at).await;
        confirmed.expect("confirm");
    };
    let due = async |subject: &str, at: Moment| {
        let due = store.due_of(tenant, "peer", What::User, subject, at);
        due.await.expect("due")
    };
    for (subject, made) in [("made", true), ("not made", false)] {
        let first = announce(subject, now()).await;
        let tried = due(subject, later(1)).await.expect("it is due");
        let open = announce(subject, later(122)).await;
        let change = announce(subject, later(122)).await;
        confirm(&change, false, later(2)).await;
        let failed = store.failed(tenant, &tried, given_up()).await;
        assert_eq!(failed.expect("failed"), Waits::Comes, "{subject}");
        assert!(due(subject, later(121)).await.is_none(), "{subject}");
        if made {
            confirm(&open, false, later(5)).await;
        } else {
            store.withdraw(tenant, &open).await.expect("withdraw");
        }
        let anew = due(subject, later(5)).await.expect("it is due");
        assert_eq!((anew.seq, anew.through), (first[0], change[0]), "{subject}");
    }
    // What was never tried has a time of its own.
    let late = announce("late", later(180)).await;
    confirm(&late, true, later(60)).await;
    let open = announce("late", later(122)).await;
    let change = announce("late", later(122)).await;
    confirm(&change, false, later(5)).await;
    store.withdraw(tenant, &open).await.expect("withdraw");
    assert!(due("late", later(59)).await.is_none());
}

/// A peer that was away has refused nothing, and what failed here is not the peer's.
pub async fn what_a_peer_refuses_and_what_fails_here_are_counted_apart_until_it_is_tried_anew(
    store: &impl Store,
) {
    let tenant = format!("{}.example", unique("c"));
    let tenant = tenant.as_str();
    let peer = [String::from("peer")];
    let announced = store.announce(tenant, &peer, What::User, "alice", now(), now());
    let seq = announced.await.expect("announce")[0];
    let counted = async || {
        let due = store.due_of(tenant, "peer", What::User, "alice", now());
        let due = due.await.expect("due").expect("it is due");
        let waiting = store.waiting(tenant, 0, 10).await.expect("waiting");
        assert_eq!(waiting[0].refusals, due.refusals);
        assert_eq!(waiting[0].faults, due.faults);
        (due.attempts, due.refusals, due.faults)
    };
    assert_eq!(counted().await, (0, 0, 0));
    for (outlook, counts) in [
        (Outlook::Passes, (1, 0, 0)),
        (Outlook::Refused, (2, 1, 0)),
        (Outlook::Ours, (3, 1, 1)),
        (Outlook::Never, (4, 1, 1)),
        (Outlook::Ours, (5, 1, 2)),
    ] {
        let row = row(store, tenant, seq).await;
        let tried = store.failed(tenant, &row, failed(outlook, now())).await;
        assert_eq!(tried.expect("failed"), Waits::Comes);
        assert_eq!(counted().await, counts);
    }
    let retried = store.retry(tenant, "peer", None, now()).await;
    retried.expect("retry");
    assert_eq!(counted().await, (0, 0, 0));
}

/// Whoever has the name at the other address may be a stranger.
pub async fn a_deletion_that_waits_is_given_up_when_its_connector_leads_elsewhere(
    store: &impl Store,
) {
    let tenant = format!("{}.example", unique("m"));
    let tenant = tenant.as_str();
    let secret = Secret::new("pass word");
    let put = async |peer: &str, what: What, subject: &str, gone: bool| {
        let peer = [peer.to_owned()];
        let announced = store.announce(tenant, &peer, what, subject, later(120), now());
        let announced = announced.await.expect("announce");
        let password = (!gone).then_some((&secret, &peer[..]));
        let confirmed = store.confirm(tenant, &announced, gone, password, now());
        confirmed.await.expect("confirm");
        announced[0]
    };
    let user = What::User;
    put("peer", user, "alice", false).await;
    put("peer", user, "alice", true).await;
    put("peer", user, "alice", false).await;
    let deletion = put("peer", user, "alice", true).await;
    let next = put("peer", user, "alice", false).await;
    let bob = put("peer", user, "bob", false).await;
    let group = put("peer", What::Group, "alice", true).await;
    let other = put("other", user, "alice", true).await;
    let forgotten = store.forget_remotes(tenant, "peer", "moved").await;
    forgotten.expect("forget");
    let waiting = store.waiting(tenant, 0, 10).await.expect("waiting");
    let left: Vec<_> = waiting
        .iter()
        .map(|row| (row.seq, row.given_up, row.trouble.as_deref()))
        .collect();
    let expected = [
        (deletion, true, Some("moved")),
        (next, false, None),
        (bob, false, None),
        (group, false, None),
        (other, false, None),
    ];
    assert_eq!(left, expected);
    let due = async |subject: &str| {
        let due = store.due_of(tenant, "peer", user, subject, now()).await;
        due.expect("due")
    };
    assert!(due("alice").await.is_none(), "nothing overtakes");
    let password = due("bob").await.expect("it is due").password;
    assert_eq!(password.as_ref(), Some(&secret));
    let retried = store.retry(tenant, "peer", Some(deletion), now()).await;
    assert_eq!(retried.expect("retry"), 1);
    let gone = due("alice").await.expect("it is due");
    assert_eq!((gone.seq, gone.gone), (deletion, true));
    store.told(tenant, &gone).await.expect("told");
    let next = due("alice").await.expect("it is due");
    assert_eq!(next.password, None, "nobody knew how long it would wait");
}

pub async fn who_is_forgotten_by_id_leaves_the_name_to_the_next(store: &impl Store) {
    let tenant = tenant(&format!("{}.example", unique("f")));
    let account = [unique("alice")];
    let first = store.identities(&tenant, &account, NOW).await;
    let first = first.expect("identities").remove(0);
    let staff = Group {
        id: unique("1"),
        display_name: "Staff".to_owned(),
        external_id: None,
        created_at: now(),
        changed_at: now(),
        members: vec![(first.id.clone(), account[0].clone())],
    };
    let put = store.put_group(tenant.as_str(), &staff, true).await;
    assert!(put.expect("put"));
    store.forget_id(&tenant, &first.id).await.expect("forget");
    let group = Groups::group(store, tenant.as_str(), &staff.id).await;
    assert_eq!(group.expect("group").expect("it is there").members, []);
    let next = store.identities(&tenant, &account, NOW).await;
    let next = next.expect("identities").remove(0);
    store.forget_id(&tenant, &first.id).await.expect("forget");
    let kept = store.identity(&tenant, &next.id).await;
    assert_eq!(kept.expect("identity"), Some(next));
}
