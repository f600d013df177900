//! Users and groups as other systems look after them, and peers that are told of ours.
//!
//! Here: what all of these tests need to say what they ask and what they see.

mod blocking;
mod dialect;
mod groups;
mod hostile;
mod hostile_peers;
mod judges;
mod outbound;
mod search;
mod two_posterns;
mod users;

use crate::PASSWORD;
use postern_admin::Actor;
use postern_kit::anyhow::Result;
use postern_kit::http::Answer;
use postern_kit::{Provider, Scim, TestHost};
use postern_login::TenantId;
use postern_login::ports::Scope;
use postern_server::desk::{Reply, Request};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

const USERS: &str = "/scim/v2/Users";
const GROUPS: &str = "/scim/v2/Groups";
const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
const ALL: [Scope; 3] = [Scope::ScimRead, Scope::ScimWrite, Scope::ScimPhone];

async fn host() -> Result<TestHost> {
    TestHost::builder().provider(Provider::Outbox).start().await
}

async fn client(host: &TestHost, name: &str, scopes: &[Scope]) -> Result<Scim> {
    let token = host.api_with(name, scopes).await?.token;
    Ok(Scim::bearer(host.host().public, &host.origin(), &token))
}

fn person(name: &str) -> Value {
    json!({
        "schemas": [USER],
        "userName": name,
        "displayName": format!("{name} of the house"),
        "name": { "givenName": name, "familyName": "House" },
        "emails": [{ "value": format!("{name}@example.com"), "type": "work", "primary": true }],
        "password": PASSWORD,
        "externalId": format!("ext-{name}"),
    })
}

fn patch(operations: Value) -> Value {
    json!({ "schemas": [PATCH], "Operations": operations })
}

/// Status and `scimType` of a refusal.
fn refusal(answer: &Answer) -> (u16, String) {
    let body = answer.json().unwrap();
    assert_eq!(
        body["schemas"],
        json!(["urn:ietf:params:scim:api:messages:2.0:Error"]),
        "{body}"
    );
    assert_eq!(body["status"], answer.status.as_u16().to_string());
    let kind = body["scimType"].as_str().unwrap_or_default().to_owned();
    (answer.status.as_u16(), kind)
}

async fn made(scim: &Scim, path: &str, body: &Value) -> Result<Value> {
    let answer = scim.post(path, body).await?;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

fn at(path: &str, resource: &Value) -> String {
    format!("{path}/{}", resource["id"].as_str().unwrap())
}

async fn sign_in(host: &TestHost, name: &str, password: &str) -> Result<bool> {
    let mut browser = host.browser();
    let page = browser.sign_in(name, password).await?;
    Ok(page.asks_for_code())
}

async fn eventually(mut holds: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    while !holds().await? {
        postern_kit::anyhow::ensure!(began.elapsed() < Duration::from_secs(30), "it never does");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// What waits, of a host in this process.
async fn queue(host: &TestHost) -> Result<postern_admin::provisioning::Queue> {
    let request = Request::ProvisioningList { after: 0 };
    match host.host().parts.desk.answer(request).await? {
        Reply::Queue(queue) => Ok(queue),
        other => panic!("expected the queue, got {other:?}"),
    }
}

fn connector(origin: &str, token: &str, more: &str) -> String {
    format!(
        "[provisioning.peer]\nuser_endpoint = \"{origin}{USERS}\"\ngroup_endpoint = \"{origin}{GROUPS}\"\ntoken = \"{token}\"\nallow_private_networks = true\n{more}\n"
    )
}

async fn shown(host: &TestHost, name: &str) -> Result<postern_admin::users::UserView> {
    let acts = &host.host().parts.desk.administration;
    let (actor, tenant) = (Actor::command_line("test"), TenantId::super_tenant());
    Ok(acts.user_show(&actor, &tenant, name).await?)
}

/// Head and body of the one request on a connection to a peer that a test plays.
async fn asked(stream: &mut TcpStream) -> Result<(String, Vec<u8>)> {
    let mut text = Vec::new();
    let head = loop {
        let mut more = [0; 4096];
        let count = stream.read(&mut more).await?;
        postern_kit::anyhow::ensure!(count > 0, "it hung up");
        text.extend_from_slice(&more[..count]);
        if let Some(at) = text.windows(4).position(|four| four == b"\r\n\r\n") {
            break String::from_utf8(text[..at].to_vec())?;
        }
    };
    let length: usize = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(Ok(0), |(_, length)| length.trim().parse())?;
    let mut body = text.split_off(head.len() + 4);
    while body.len() < length {
        let mut more = [0; 4096];
        let count = stream.read(&mut more).await?;
        postern_kit::anyhow::ensure!(count > 0, "it hung up");
        body.extend_from_slice(&more[..count]);
    }
    Ok((head, body))
}
