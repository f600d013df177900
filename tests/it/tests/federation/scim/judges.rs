//! Programs that are not ours: two that judge the server, and one that is told of our users.

use super::{ALL, GROUPS, USERS, at, client, eventually, host, made, patch, person, queue};
use crate::ALICE;
use postern_kit::anyhow::{Context, Result};
use postern_kit::ports::free_port;
use postern_kit::{Provider, Scim, TestHost};
use serde_json::{Value, json};
use std::process::Command;

fn program(name: &str) -> Result<Command> {
    let path = postern_kit::paths::target()?
        .join("peers/scim/venv/bin")
        .join(name);
    postern_kit::anyhow::ensure!(
        path.is_file(),
        "`{}` is missing: `cargo xtask test` installs it",
        path.display()
    );
    Ok(Command::new(path))
}

#[tokio::test(flavor = "multi_thread")]
async fn scim2_tester_finds_no_fault() -> Result<()> {
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .durable()
        .start()
        .await?;
    let token = host.api_with("tester", &ALL).await?.token;
    let mut tester = program("scim2")?;
    tester
        .args(["-u", &format!("{}/scim/v2", host.origin())])
        .args(["-h", &format!("Authorization: Bearer {token}")])
        .arg("test");
    let output = tokio::task::spawn_blocking(move || tester.output()).await??;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(said.contains("SUCCESS"), "it tested nothing: {said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn scim_sanity_finds_no_fault() -> Result<()> {
    let host = host().await?;
    let token = host.api_with("tester", &ALL).await?.token;
    let mut tester = program("scim-sanity")?;
    tester
        .args(["probe", &format!("{}/scim/v2", host.origin())])
        .args([
            "--token",
            &token,
            "--i-accept-side-effects",
            "--json-output",
        ]);
    let output = tokio::task::spawn_blocking(move || tester.output()).await??;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let report: Value = serde_json::from_str(&said)?;
    let summary = &report["summary"];
    assert!(
        summary["passed"].as_u64() > Some(20),
        "it tested little: {summary}"
    );
    assert_eq!(summary["failed"], 0, "{said}");
    Ok(())
}

/// A server of another ecosystem hears of our users.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_ours_is_told_of_users_and_groups() -> Result<()> {
    let port = free_port()?;
    let mut server = program("scim2-server")?;
    server
        .args(["--hostname", "127.0.0.1", "--port", &port.to_string()])
        .args(["--bearer-token", "tok"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let _server = Ended(server.spawn()?);
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    eventually(async || Ok(tokio::net::TcpStream::connect(address).await.is_ok())).await?;
    let origin = format!("http://127.0.0.1:{port}");
    let host = TestHost::builder()
        .provider(Provider::Outbox)
        .config(&format!(
            "[provisioning.other]\nuser_endpoint = \"{origin}/v2/Users\"\ngroup_endpoint = \"{origin}/v2/Groups\"\ntoken = \"tok\"\nallow_private_networks = true\n"
        ))
        .start()
        .await?;
    let there = Scim::bearer(address, &origin, "tok");
    let here = client(&host, "hr", &ALL).await?;
    let mut body = person("alice");
    body["phoneNumbers"] = json!([{ "value": ALICE, "type": "mobile" }]);
    let alice = made(&here, USERS, &body).await?;
    let told = async || -> Result<()> {
        let done = eventually(async || Ok(queue(&host).await?.waiting.is_empty())).await;
        done.with_context(|| "something waits")
    };
    told().await.map_err(|error| error.context("creating"))?;
    let found = there.get("/v2/Users").await?.json()?;
    let copy = &found["Resources"][0];
    assert_eq!(copy["userName"], "alice", "{found}");
    assert_eq!(copy["externalId"], alice["id"], "{found}");
    assert_eq!(copy["phoneNumbers"][0]["value"], ALICE, "{found}");

    let change = patch(json!([
        { "op": "replace", "value": { "title": "Queen", "active": false } },
        { "op": "remove", "path": "phoneNumbers" },
    ]));
    assert_eq!(here.patch(&at(USERS, &alice), &change).await?.status, 200);
    let group = json!({ "displayName": "Staff", "members": [{ "value": alice["id"] }] });
    let staff = made(&here, GROUPS, &group).await?;
    told().await?;
    let found = there.get("/v2/Users").await?.json()?;
    let copy = found["Resources"][0].clone();
    assert_eq!(
        (&copy["title"], &copy["active"]),
        (&json!("Queen"), &json!(false)),
        "{found}"
    );
    assert!(
        copy.get("phoneNumbers")
            .is_none_or(|list| list == &json!([])),
        "{found}"
    );
    let groups = there.get("/v2/Groups").await?.json()?;
    assert_eq!(
        groups["Resources"][0]["members"][0]["value"], copy["id"],
        "{groups}"
    );

    let untitled = patch(json!([{ "op": "remove", "path": "title" }]));
    assert_eq!(here.patch(&at(USERS, &alice), &untitled).await?.status, 200);
    told().await?;
    let found = there.get("/v2/Users").await?.json()?;
    let title = found["Resources"][0].get("title");
    assert!(title.is_none_or(Value::is_null), "{found}");

    assert_eq!(here.delete(&at(GROUPS, &staff)).await?.status, 204);
    assert_eq!(here.delete(&at(USERS, &alice)).await?.status, 204);
    told().await?;
    for path in ["/v2/Users", "/v2/Groups"] {
        let found = there.get(path).await?.json()?;
        assert_eq!(found["totalResults"], 0, "{found}");
    }
    Ok(())
}

/// A program that ends with the test.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
