//! What is found: the same by every filter in every store, and page by page.

use super::{ALL, USERS, client, host, made, person};
use crate::ALICE;
use postern_kit::anyhow::Result;
use postern_kit::{Provider, TestHost};
use serde_json::json;

/// The same questions to a store that translates them into SQL and to one that looks at everybody.
#[tokio::test(flavor = "multi_thread")]
async fn filters_find_the_same_in_every_store() -> Result<()> {
    for durable in [false, true] {
        let mut builder = TestHost::builder().provider(Provider::Outbox);
        if durable {
            builder = builder.durable();
        }
        let host = builder.start().await?;
        let scim = client(&host, "hr", &ALL).await?;
        for name in ["alice", "Bob", "carol", "o'brien", "50%_off"] {
            let mut body = person(name);
            if name == "Bob" {
                body["active"] = json!(false);
                body["title"] = json!("Boss");
                body["emails"] = json!([
                    { "value": "bob@home.example", "type": "home" },
                    { "value": "Bob@Work.example", "type": "work", "primary": true },
                ]);
            }
            if name == "alice" {
                body["phoneNumbers"] = json!([
                    { "value": ALICE, "type": "mobile" },
                    { "value": "+12025550199", "type": "home" },
                ]);
            }
            made(&scim, USERS, &body).await?;
        }
        let all = ["50%_off", "alice", "bob", "carol", "o'brien"];
        let but = |gone: &[&str]| -> Vec<&str> {
            all.into_iter()
                .filter(|name| !gone.contains(name))
                .collect()
        };
        for (filter, expected) in [
            (r#"userName eq "bob""#, vec!["bob"]),
            (r#"userName ne "bob""#, but(&["bob"])),
            (r#"userName sw "a""#, vec!["alice"]),
            (
                r#"userName co "O""#,
                vec!["50%_off", "bob", "carol", "o'brien"],
            ),
            (r#"userName ew "l""#, vec!["carol"]),
            (r#"userName eq "o'brien""#, vec!["o'brien"]),
            (r#"userName co "%""#, vec!["50%_off"]),
            (r#"userName co "_""#, vec!["50%_off"]),
            (r#"userName eq "x' OR '1'='1""#, vec![]),
            (r#"userName gt "b" and userName lt "c""#, vec!["bob"]),
            (r#"title eq "boss""#, vec!["bob"]),
            (r#"title ne "boss""#, but(&["bob"])),
            ("title pr", vec!["bob"]),
            ("not (title pr)", but(&["bob"])),
            ("title eq null", but(&["bob"])),
            ("active eq false", vec!["bob"]),
            ("active eq true", but(&["bob"])),
            (r#"emails.value ew "@work.example""#, vec!["bob"]),
            (r#"emails eq "bob@home.example""#, vec!["bob"]),
            (r#"emails[type eq "home" and value co "home"]"#, vec!["bob"]),
            (r#"emails[type eq "home" and value co "work"]"#, vec![]),
            (r#"phoneNumbers.value eq "+12025550142""#, vec!["alice"]),
            (r#"phoneNumbers.value eq "+12025550199""#, vec!["alice"]),
            (r#"phoneNumbers[type eq "mobile"]"#, vec!["alice"]),
            ("phoneNumbers pr", vec!["alice"]),
            (r#"externalId eq "ext-carol""#, vec!["carol"]),
            (r#"externalId eq "EXT-carol""#, vec![]),
            (
                r#"name.givenName eq "CAROL" or title pr"#,
                vec!["bob", "carol"],
            ),
            (r#"meta.created gt "2020-01-01T00:00:00Z""#, all.to_vec()),
            (r#"meta.lastModified lt "2020-01-01T00:00:00Z""#, vec![]),
            (r#"displayName co "OF THE""#, all.to_vec()),
        ] {
            let body = json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
                "filter": filter,
                "attributes": ["userName"],
            });
            let answer = scim.post(&format!("{USERS}/.search"), &body).await?;
            assert_eq!(answer.status, 200, "{filter}: {}", answer.text());
            let found = answer.json()?;
            let mut names: Vec<String> = found["Resources"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["userName"].as_str().unwrap().to_lowercase())
                .collect();
            names.sort();
            assert_eq!(names, expected, "{filter} (durable: {durable})");
            assert_eq!(found["totalResults"], expected.len());
        }

        // Pages: what is told is what is done (Q-06).
        let page = async |query: &str| -> Result<(u64, u64, usize)> {
            let found = scim.get(&format!("{USERS}?{query}")).await?.json()?;
            Ok((
                found["totalResults"].as_u64().unwrap(),
                found["startIndex"].as_u64().unwrap(),
                found["Resources"].as_array().unwrap().len(),
            ))
        };
        assert_eq!(page("count=2").await?, (5, 1, 2));
        assert_eq!(page("startIndex=5&count=1000000000").await?, (5, 5, 1));
        assert_eq!(page("startIndex=-7&count=0").await?, (5, 1, 0));
        assert_eq!(page("startIndex=99999999999999999999").await?.2, 0);
        assert_eq!(page("count=-1").await?.2, 0);
    }
    Ok(())
}

/// Everybody there is, a page at a time, in every store and each once.
#[tokio::test(flavor = "multi_thread")]
async fn everybody_is_gone_through_in_pages() -> Result<()> {
    let host = host().await?;
    let scim = client(&host, "hr", &ALL).await?;
    let names = ["alice", "bob", "carol", "dave", "erin"];
    for name in names {
        let mut body = person(name);
        body["password"].take();
        made(&scim, USERS, &body).await?;
    }
    let people = &host.host().parts.stores.people;
    for rows in [1, 2, 5, 9] {
        let (mut seen, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = people
                .accounts("carbon.super", after.as_deref(), rows)
                .await?;
            assert!(page.len() <= rows);
            after = page.last().cloned();
            seen.extend(page);
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, names, "{rows}");
    }
    Ok(())
}
