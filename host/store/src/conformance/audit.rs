//! The audit log and its chain.

use super::Store;
use super::samples::{NOW, tenant};
use postern_admin::audit::Checked;
use postern_login::TenantId;
use postern_login::audit::{AuditEvent, What};
use tokio::task::JoinSet;

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
