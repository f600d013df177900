//! The audit log: paged, exported, cut short in the open.

use crate::world::World;
use http::StatusCode;
use postern_admin::Role;
use postern_login::ports::Clock;
use std::time::Duration;

/// Page after page, each row once; the export has them all, oldest first, and a filter thins both.
#[tokio::test]
async fn the_log_is_paged_and_exported_without_losing_a_row() {
    let world = World::new().await;
    let mut browser = world.at_the_console("alice", Role::Administrator).await;
    for _ in 0..60 {
        browser.post("/console/users/of/bob/lock", &[]).await;
        browser.post("/console/users/of/bob/unlock", &[]).await;
    }
    let total = world.acts().await.len();
    let (mut pages, mut seen, mut path) = (0, Vec::new(), "/console/audit?who=bob".to_owned());
    loop {
        let page = browser.get(&path).await;
        pages += 1;
        let rows: Vec<u64> = page
            .body
            .split("data-label=\"Row\" class=\"number\">")
            .skip(1)
            .map(|part| part.split('<').next().unwrap().parse().unwrap())
            .collect();
        seen.extend(rows);
        let Some((before, _)) = page.body.split_once("\">Older</a>") else {
            break;
        };
        let link = before.rsplit_once("href=\"").unwrap().1;
        path = link.replace("&#38;", "&").replace("&amp;", "&");
        assert!(path.starts_with("/console/audit?who=bob&before="), "{path}");
    }
    assert_eq!(pages, 3, "120 rows of bob, 50 a page");
    assert_eq!(seen.len(), 120);
    assert!(seen.windows(2).all(|two| two[0] > two[1]), "newest first");
    let export = browser.get("/console/audit/export").await;
    assert_eq!(
        export.header("content-type"),
        "application/jsonl; charset=utf-8"
    );
    let rows: Vec<serde_json::Value> = export
        .body
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), total);
    for (at, row) in rows.iter().enumerate() {
        assert_eq!(row["seq"], at as u64 + 1);
        for member in ["at", "tenant", "what", "link"] {
            assert!(!row[member].is_null(), "{member}: {row}");
        }
    }
    let export = browser
        .get("/console/audit/export?who=bob&event=user+lock")
        .await;
    assert_eq!(export.body.lines().count(), 60);
}

/// The oldest rows go in the open; this month's do not, whoever asks.
#[tokio::test]
async fn old_rows_of_the_log_are_removed_and_it_still_verifies() {
    let world = World::new().await;
    world.appoint("bob", Role::Auditor).await;
    let mut early = world.at_the_console("alice", Role::Administrator).await;
    let begin = world.clock.now();
    let day = postern_web::time::second(begin);
    let day = day.split(' ').next().unwrap().to_owned();
    let prune = "/console/audit/prune";
    let page = early.post(prune, &[("before", &day)]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.body.contains("last 30 days stay"), "{}", page.body);
    let page = early.post(prune, &[("before", "long ago")]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    let old = world.store.audit(0, 1000).await.unwrap();
    let noted = postern_admin::audit::AuditTrail::rows_after(&world.store, 0, 1)
        .await
        .unwrap()
        .remove(0);

    world.clock.pass(Duration::from_secs(40 * 24 * 3600));
    let mut browser = world.console();
    world.at_console_of(&mut browser, "alice").await;
    browser.get("/console/audit").await;
    let until = postern_web::time::second(begin.plus(Duration::from_secs(2 * 24 * 3600)));
    let until = until.split(' ').next().unwrap().to_owned();
    let page = browser.post(prune, &[("before", &until)]).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    let last = old.last().unwrap().0;
    assert!(
        page.body
            .contains(&format!("Rows up to {last} were removed")),
        "{}",
        page.body
    );
    let rows = world.store.audit(0, 1000).await.unwrap();
    assert_eq!(rows[0].0, last + 1);
    let acts = world.acts().await;
    assert!(acts.contains(&("audit prune".to_owned(), String::new())));
    let page = browser.post("/console/audit/verify", &[]).await;
    assert!(
        page.body.contains("all as they were written")
            && page.body.contains("were removed in the open"),
        "{}",
        page.body
    );
    let noted = postern_admin::audit::Link {
        seq: noted.seq,
        link: noted.link,
    };
    let actor = postern_admin::Actor::command_line("test");
    let verified = world
        .administration
        .audit_verify(&actor, Some(&noted))
        .await;
    let words = verified.unwrap_err().to_string();
    assert!(words.contains("was removed with all rows"), "{words}");
    let mut auditor = world.console();
    world.at_console_of(&mut auditor, "bob").await;
    auditor.get("/console/audit").await;
    let answer = auditor.post(prune, &[("before", &until)]).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

/// By the configuration, once a day's worth is too old, and by nobody's hand.
#[tokio::test]
async fn what_is_older_than_the_log_is_kept_goes_by_itself() {
    let world = World::new().await;
    world.appoint("bob", Role::Auditor).await;
    let keep = Duration::from_secs(30 * 24 * 3600);
    let retain = async || world.administration.audit_retain(keep).await.unwrap();
    assert_eq!(retain().await, None);
    world.clock.pass(keep);
    assert_eq!(retain().await, None, "not a row at a time");
    world.clock.pass(Duration::from_secs(24 * 3600 + 1));
    let pruned = retain().await.unwrap();
    let rows = world.store.audit(0, 1000).await.unwrap();
    assert_eq!(rows[0].0, pruned.through.seq + 1);
    assert_eq!(
        rows[0].1.who.as_deref(),
        Some("configuration (audit.keep_days)")
    );
    assert_eq!(retain().await, None);
}
