//! Groups and their members.

use super::{ALL, GROUP, GROUPS, USERS, at, client, made, patch, person, refusal};
use postern_kit::anyhow::Result;
use postern_kit::{Provider, TestHost};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_group_has_members_who_know_of_it() -> Result<()> {
    for durable in [false, true] {
        let mut builder = TestHost::builder().provider(Provider::Outbox);
        if durable {
            builder = builder.durable();
        }
        let host = builder.start().await?;
        let scim = client(&host, "hr", &ALL).await?;
        let alice = made(&scim, USERS, &person("alice")).await?;
        let bob = made(&scim, USERS, &person("bob")).await?;
        let body = json!({
            "schemas": [GROUP], "displayName": "Staff",
            "members": [{ "value": alice["id"] }],
        });
        let staff = made(&scim, GROUPS, &body).await?;
        assert_eq!(staff["members"][0]["value"], alice["id"]);
        let path = at(GROUPS, &staff);
        let twice = scim
            .post(GROUPS, &json!({ "displayName": "STAFF" }))
            .await?;
        assert_eq!(refusal(&twice), (409, "uniqueness".into()));
        let nobody = json!({ "displayName": "Ghosts", "members": [{ "value": "nobody" }] });
        assert_eq!(
            refusal(&scim.post(GROUPS, &nobody).await?),
            (400, "invalidValue".into())
        );

        let join =
            patch(json!([{ "op": "add", "path": "members", "value": [{ "value": bob["id"] }] }]));
        let answer = scim.patch(&path, &join).await?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()?["members"].as_array().unwrap().len(), 2);
        let shown = scim.get(&at(USERS, &bob)).await?.json()?;
        assert_eq!(shown["groups"][0]["value"], staff["id"]);
        assert_eq!(shown["groups"][0]["display"], "Staff");
        let filter = format!("groups.value eq {}", staff["id"]);
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
            "filter": filter,
        });
        let found = scim
            .post(&format!("{USERS}/.search"), &body)
            .await?
            .json()?;
        assert_eq!(found["totalResults"], 2, "{found}");
        let found = scim
            .get(&format!(
                "{GROUPS}?filter=displayName%20eq%20%22staff%22&excludedAttributes=members"
            ))
            .await?
            .json()?;
        assert_eq!(found["totalResults"], 1, "{found}");
        assert!(found["Resources"][0].get("members").is_none(), "{found}");

        // Whoever is deleted is in no group; whoever gets the name neither.
        assert_eq!(scim.delete(&at(USERS, &bob)).await?.status, 204);
        let left = scim.get(&path).await?.json()?;
        assert_eq!(left["members"].as_array().unwrap().len(), 1, "{left}");
        made(&scim, USERS, &person("bob")).await?;
        let left = scim.get(&path).await?.json()?;
        assert_eq!(left["members"].as_array().unwrap().len(), 1, "{left}");
        assert_eq!(scim.delete(&path).await?.status, 204);
        let shown = scim.get(&at(USERS, &alice)).await?.json()?;
        assert!(shown.get("groups").is_none(), "{shown}");
    }
    Ok(())
}
