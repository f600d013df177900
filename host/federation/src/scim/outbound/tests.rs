#![allow(clippy::unwrap_used, reason = "tests")]

use super::{Connector, Credentials, Done, Holders, Outlook, Peer, Version};
use crate::identity_provider::Network;
use crate::ports::{Outbound, PortError};
use crate::scim::ports::Remote;
use crate::scim::{Group, Person};
use crate::{Moment, Secret};
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Request, Response};
use serde_json::{Value, json};
use std::sync::Mutex;

fn connector(version: Version) -> Connector {
    Connector {
        tenant: "carbon.super".into(),
        name: "external".into(),
        enabled: true,
        identity_provider: None,
        version,
        user_endpoint: "https://peer.example/scim/Users".into(),
        group_endpoint: None,
        credentials: Credentials::Basic {
            username: "admin".into(),
            password: Secret::new("s3cret"),
        },
        user_store_domain: Some("WSO2".into()),
        password_provisioning: true,
        default_password: Some(Secret::new("Default-1")),
        blocking: false,
        network: Network::default(),
    }
}

fn alice() -> Person {
    Person {
        id: "local-1".into(),
        account: "CORP/alice".into(),
        display_name: Some("Alice".into()),
        number: Some("+94771234567".into()),
        locked: false,
        claims: Vec::new(),
        external_id: None,
        created_at: Moment(0),
        changed_at: Moment(0),
        groups: Vec::new(),
    }
}

fn group(name: &str) -> Group {
    Group {
        id: "g".into(),
        display_name: name.into(),
        external_id: None,
        created_at: Moment(0),
        changed_at: Moment(0),
        members: Vec::new(),
    }
}

/// Answers by a script, and keeps what it was asked.
struct Script {
    answers: Mutex<Vec<(u16, Value)>>,
    asked: Mutex<Vec<(String, String, String)>>,
}

#[async_trait]
impl Outbound for Script {
    async fn fetch(
        &self,
        _: &str,
        _: &str,
        _: &Network,
        request: Request<Vec<u8>>,
    ) -> Result<Response<Vec<u8>>, PortError> {
        assert_eq!(
            request.headers()["authorization"],
            format!("Basic {}", STANDARD.encode("admin:s3cret"))
        );
        self.asked.lock().unwrap().push((
            request.method().to_string(),
            request.uri().to_string(),
            String::from_utf8(request.body().clone()).unwrap(),
        ));
        let mut answers = self.answers.lock().unwrap();
        if answers.is_empty() {
            return Err(PortError::new("no answer"));
        }
        let (status, body) = answers.remove(0);
        Ok(Response::builder()
            .status(status)
            .body(body.to_string().into_bytes())
            .unwrap())
    }
}

fn remote(id: &str, told: &str) -> Remote {
    Remote {
        id: id.into(),
        told: told.into(),
    }
}

fn id(done: &Done) -> Option<&str> {
    done.remote.as_ref().map(|remote| remote.id.as_str())
}

fn script(answers: &[(u16, Value)]) -> Script {
    Script {
        answers: Mutex::new(answers.to_vec()),
        asked: Mutex::default(),
    }
}

#[tokio::test]
async fn a_new_user_is_looked_for_and_created_under_the_peers_domain() {
    let (connector, script) = (
        connector(Version::One),
        script(&[(200, json!({"Resources": []})), (201, json!({"id": "r-1"}))]),
    );
    let peer = Peer {
        connector: &connector,
        outbound: &script,
    };
    let done = peer
        .put_user(&alice(), Some("pass word"), None, &Nobody)
        .await
        .unwrap();
    assert_eq!((id(&done), done.status), (Some("r-1"), 201));
    let asked = script.asked.lock().unwrap();
    assert_eq!(
        asked[0].1,
        "https://peer.example/scim/Users?filter=userName%20eq%20%22WSO2%2Falice%22"
    );
    let body: Value = serde_json::from_str(&asked[1].2).unwrap();
    assert_eq!(body["schemas"], json!(["urn:scim:schemas:core:1.0"]));
    assert_eq!(body["userName"], "WSO2/alice");
    assert_eq!(body["password"], "pass word");
    assert_eq!(body["phoneNumbers"][0]["value"], "+94771234567");
}

#[tokio::test]
async fn a_change_is_a_patch_and_a_put_where_patch_is_not_known() {
    for (version, answers, methods) in [
        (Version::Two, vec![(200, json!({}))], vec!["PATCH"]),
        (
            Version::One,
            vec![(501, json!({})), (200, json!({}))],
            vec!["PATCH", "PUT"],
        ),
    ] {
        let (connector, script) = (connector(version), script(&answers));
        let peer = Peer {
            connector: &connector,
            outbound: &script,
        };
        let known = remote("r/../1", "");
        peer.put_user(&alice(), None, Some(&known), &Nobody)
            .await
            .unwrap();
        let asked = script.asked.lock().unwrap();
        let sent: Vec<_> = asked.iter().map(|(method, ..)| method.as_str()).collect();
        assert_eq!(sent, methods);
        assert!(
            asked[0].1.ends_with("/scim/Users/r%2F..%2F1"),
            "{}",
            asked[0].1
        );
        assert!(!asked[0].2.contains("password"), "{}", asked[0].2);
    }
}

/// What the peer was told and is gone here goes there, and nothing that is the peer's own.
#[tokio::test]
async fn what_is_taken_away_here_is_taken_away_there() {
    let mut person = alice();
    person.claims = vec![("http://wso2.org/claims/lastname".into(), "House".into())];
    let before = "displayName externalId name.familyName name.givenName title";
    let gone = json!(["name.givenName", "title"]);
    for version in [Version::One, Version::Two] {
        let (connector, script) = (connector(version), script(&[(200, json!({}))]));
        let peer = Peer {
            connector: &connector,
            outbound: &script,
        };
        let known = remote("r-1", before);
        let done = peer
            .put_user(&person, None, Some(&known), &Nobody)
            .await
            .unwrap();
        let told = done.remote.unwrap().told;
        assert_eq!(told, "displayName externalId name.familyName");
        let asked = script.asked.lock().unwrap();
        let body: Value = serde_json::from_str(&asked[0].2).unwrap();
        match version {
            Version::One => assert_eq!(
                body["meta"]["attributes"],
                json!(["emails", "phoneNumbers", "name.givenName", "title"])
            ),
            Version::Two => {
                let operations = body["Operations"].as_array().unwrap();
                let removed: Value = operations[1..]
                    .iter()
                    .map(|operation| {
                        assert_eq!(operation["op"], "remove");
                        operation["path"].clone()
                    })
                    .collect();
                assert_eq!(removed, gone);
            }
        }
    }
    // Somebody who was found there, or nothing that is gone: nothing is taken away.
    for before in ["", "title", "displayName externalId name.familyName"] {
        let mut person = person.clone();
        person
            .claims
            .push(("http://wso2.org/claims/title".into(), "Boss".into()));
        let (connector, script) = (connector(Version::Two), script(&[(200, json!({}))]));
        let peer = Peer {
            connector: &connector,
            outbound: &script,
        };
        let known = remote("r-1", before);
        peer.put_user(&person, None, Some(&known), &Nobody)
            .await
            .unwrap();
        assert!(!script.asked.lock().unwrap()[0].2.contains("remove"));
    }
}

/// A peer may refuse to take away what somebody took away there before.
#[tokio::test]
async fn what_is_gone_there_already_is_not_asked_for_again() {
    let answers = [
        (400, json!({"scimType": "noTarget"})),
        (200, json!({"id": "r-1", "Title": "Boss", "nickName": null})),
        (200, json!({})),
    ];
    let (connector, script) = (connector(Version::Two), script(&answers));
    let peer = Peer {
        connector: &connector,
        outbound: &script,
    };
    let known = remote("r-1", "displayName externalId nickName title");
    peer.put_user(&alice(), None, Some(&known), &Nobody)
        .await
        .unwrap();
    let asked = script.asked.lock().unwrap();
    let methods: Vec<_> = asked.iter().map(|(method, ..)| method.as_str()).collect();
    assert_eq!(methods, ["PATCH", "GET", "PATCH"]);
    let body: Value = serde_json::from_str(&asked[2].2).unwrap();
    assert_eq!(
        body["Operations"].as_array().unwrap()[1..],
        [json!({"op": "remove", "path": "title"})]
    );
}

#[tokio::test]
async fn whom_the_peer_lost_is_created_again_and_whom_it_has_is_changed() {
    // Known id gone, search finds nobody, created.
    let lost = [
        (404, json!({})),
        (200, json!({"Resources": []})),
        (201, json!({"id": "r-2"})),
    ];
    // Somebody else was quicker: conflict, found, changed.
    let conflict = [
        (200, json!({"totalResults": 0})),
        (409, json!({})),
        (
            200,
            json!({"Resources": [{"id": "r-3", "userName": "wso2/ALICE"}]}),
        ),
        (200, json!({})),
    ];
    for (answers, known, expected) in [
        (&lost[..], Some("r-1"), "r-2"),
        (&conflict[..], None, "r-3"),
    ] {
        let (connector, script) = (connector(Version::Two), script(answers));
        let peer = Peer {
            connector: &connector,
            outbound: &script,
        };
        let known = known.map(|id| remote(id, ""));
        let done = peer
            .put_user(&alice(), None, known.as_ref(), &Nobody)
            .await
            .unwrap();
        assert_eq!(id(&done), Some(expected));
    }
}

/// A peer that ignores the filter must not have somebody else changed or deleted.
#[tokio::test]
async fn only_the_very_name_is_found() {
    let everybody = (
        200,
        json!({"Resources": [{"id": "1", "userName": "WSO2/bob"}, {"id": "2", "userName": "WSO2/alice2"}]}),
    );
    let (connector, script) = (connector(Version::Two), script(&[everybody]));
    let peer = Peer {
        connector: &connector,
        outbound: &script,
    };
    let found = peer.user_id("CORP/alice").await.unwrap();
    assert_eq!(found, None);
    assert_eq!(script.asked.lock().unwrap().len(), 1);
}

/// Another store's user of the same name is somebody else, and so is a group below another's name.
#[tokio::test]
async fn a_name_in_another_store_is_nobodys_unless_the_connector_has_a_store_there() {
    for (domain, known, wanted, found) in [
        (None, "alice", "JDBC/alice", false),
        (None, "JDBC/alice", "alice", false),
        (None, "primary/Alice", "alice", true),
        (None, "jdbc/alice", "JDBC/alice", true),
        (Some("EXT"), "alice", "JDBC/alice", true),
        (Some("EXT"), "HR/alice", "alice", true),
        (Some("EXT"), "HR/alice2", "alice", false),
    ] {
        let mut connector = connector(Version::Two);
        connector.user_store_domain = domain.map(str::to_owned);
        let answer = (200, json!({"Resources": [{"id": "1", "userName": known}]}));
        let script = script(&[answer]);
        let peer = Peer {
            connector: &connector,
            outbound: &script,
        };
        let id = peer.user_id(wanted).await.unwrap();
        assert_eq!(id.is_some(), found, "{known} for {wanted} in {domain:?}");
    }
    // The very name goes before all others.
    let both = json!({"Resources": [
        {"id": "0", "userName": "HR/alice"}, {"id": "1", "userName": "WSO2/alice"}
    ]});
    let (of_wso2, script_of_both) = (connector(Version::Two), script(&[(200, both)]));
    let peer = Peer {
        connector: &of_wso2,
        outbound: &script_of_both,
    };
    let id = peer.user_id("alice").await.unwrap();
    assert_eq!(id.as_deref(), Some("1"));
    let mut connector = connector(Version::Two);
    connector.group_endpoint = Some("https://peer.example/scim/Groups".into());
    let other = json!({"Resources": [{"id": "1", "displayName": "staff"}]});
    let script = script(&[(200, other), (201, json!({"id": "2"}))]);
    let peer = Peer {
        connector: &connector,
        outbound: &script,
    };
    peer.put_group(&group("HR/staff"), &[], None).await.unwrap();
    assert_eq!(script.asked.lock().unwrap()[1].0, "POST");
}

/// One schema's name for everything, and the group whole each time.
#[tokio::test]
async fn an_older_peer_is_told_of_a_group_in_its_own_words() {
    let mut connector = connector(Version::One);
    let endpoint = "https://peer.example/scim/Groups";
    connector.group_endpoint = Some(endpoint.into());
    let answers = [
        (200, json!({"Resources": []})),
        (201, json!({"id": "g-1"})),
        (200, json!({})),
        (200, json!({})),
    ];
    let script = script(&answers);
    let peer = Peer {
        connector: &connector,
        outbound: &script,
    };
    let shift = group("Night Shift");
    let both = ["r-1".to_owned(), "r-2".to_owned()];
    let done = peer.put_group(&shift, &both, None).await.unwrap();
    assert_eq!(id(&done), Some("g-1"));
    let known = done.remote.as_ref();
    peer.put_group(&shift, &both[..1], known).await.unwrap();
    peer.delete_group(known.unwrap()).await.unwrap();
    let asked = script.asked.lock().unwrap();
    let one = format!("{endpoint}/g-1");
    let search = format!("{endpoint}?filter=displayName%20eq%20%22Night%20Shift%22");
    let sent: Vec<_> = asked
        .iter()
        .map(|(method, address, _)| (method.as_str(), address.as_str()))
        .collect();
    let expected = [
        ("GET", search.as_str()),
        ("POST", endpoint),
        ("PUT", one.as_str()),
        ("DELETE", one.as_str()),
    ];
    assert_eq!(sent, expected);
    let members = [
        json!([{"value": "r-1"}, {"value": "r-2"}]),
        json!([{"value": "r-1"}]),
    ];
    for ((_, _, body), members) in asked[1..3].iter().zip(members) {
        let body: Value = serde_json::from_str(body).unwrap();
        let schemas = json!(["urn:scim:schemas:core:1.0"]);
        let expected = json!({"schemas": schemas, "displayName": "Night Shift",
            "externalId": "g", "members": members});
        assert_eq!(body, expected);
    }
}

/// What a client of ours calls it is no business of the peer's.
#[tokio::test]
async fn a_group_is_found_again_by_our_id_of_it_and_by_nothing_else() {
    let mut connector = connector(Version::Two);
    connector.group_endpoint = Some("https://peer.example/scim/Groups".into());
    let of = |id: &str, told: &str| -> Value {
        json!({"id": id, "displayName": "Staff", "externalId": told})
    };
    let everybody = [of("1", "G"), of("2", "theirs"), of("3", "g")];
    let answers = [
        (200, json!({"Resources": []})),
        (201, json!({"id": "3"})),
        (200, json!({"Resources": everybody})),
        (200, json!({"Resources": everybody[..2]})),
    ];
    let script = script(&answers);
    let peer = Peer {
        connector: &connector,
        outbound: &script,
    };
    let staff = Group {
        external_id: Some("theirs".into()),
        ..group("Staff")
    };
    peer.put_group(&staff, &[], None).await.unwrap();
    for expected in [Some("3"), None] {
        let found = peer.group_of("g").await.unwrap();
        assert_eq!(found.map(|found| found.id).as_deref(), expected);
    }
    let asked = script.asked.lock().unwrap();
    let body: Value = serde_json::from_str(&asked[1].2).unwrap();
    assert_eq!(body["externalId"], "g");
    let search = "https://peer.example/scim/Groups?filter=externalId%20eq%20%22g%22";
    assert_eq!(asked[2].1, search);
}

/// It may be a stranger's, and the answer may be lost.
#[tokio::test]
async fn a_group_that_is_found_by_its_name_gets_our_id_of_it_only_once_its_own_is_known() {
    for theirs in [json!("theirs"), json!("g"), json!(null), json!(7)] {
        let mut connector = connector(Version::Two);
        connector.group_endpoint = Some("https://peer.example/scim/Groups".into());
        let found = json!({"id": "1", "displayName": "staff", "externalId": theirs});
        let script = script(&[
            (200, json!({"Resources": [found]})),
            (200, json!({})),
            (404, json!({})),
            (201, json!({"id": "2"})),
        ]);
        let peer = Peer {
            connector: &connector,
            outbound: &script,
        };
        let staff = Group {
            external_id: Some("a client's".into()),
            ..group("Staff")
        };
        let done = peer.put_group(&staff, &[], None).await.unwrap();
        assert_eq!(id(&done), Some("1"));
        let known = done.remote.as_ref();
        peer.put_group(&staff, &[], known).await.unwrap();
        let asked = script.asked.lock().unwrap();
        let told: Vec<_> = asked[1..]
            .iter()
            .map(|(method, _, body)| {
                let body: Value = serde_json::from_str(body).unwrap();
                (method.as_str(), body.get("externalId").cloned())
            })
            .collect();
        let kept = Some(theirs).filter(Value::is_string);
        let ours = Some(json!("g"));
        assert_eq!(told, [("PUT", kept), ("PUT", ours.clone()), ("POST", ours)]);
    }
}

#[tokio::test]
async fn a_group_that_the_peer_lost_is_made_again() {
    let mut connector = connector(Version::Two);
    connector.group_endpoint = Some("https://peer.example/scim/Groups".into());
    let script = script(&[(404, json!({})), (201, json!({"id": "g-2"}))]);
    let peer = Peer {
        connector: &connector,
        outbound: &script,
    };
    let known = remote("g-1", "");
    let member = ["r-1".to_owned()];
    let put = peer.put_group(&group("Staff"), &member, Some(&known)).await;
    assert_eq!(id(&put.unwrap()), Some("g-2"));
    let asked = script.asked.lock().unwrap();
    let methods: Vec<_> = asked.iter().map(|(method, ..)| method.as_str()).collect();
    assert_eq!(methods, ["PUT", "POST"]);
    assert!(asked[1].2.contains("r-1"), "{}", asked[1].2);
}

/// A peer that nobody is at yet.
struct Nobody;

#[async_trait]
impl Holders for Nobody {
    async fn another_holds(&self, _: &str) -> Result<bool, PortError> {
        Ok(false)
    }
}

struct Another;

#[async_trait]
impl Holders for Another {
    async fn another_holds(&self, remote_id: &str) -> Result<bool, PortError> {
        Ok(remote_id == "r-1")
    }
}

#[tokio::test]
async fn an_account_there_that_is_another_users_of_ours_is_left_alone() {
    let theirs = || json!({"Resources": [{"id": "r-1", "userName": "WSO2/alice"}]});
    for answers in [
        vec![(200, theirs())],
        vec![
            (200, json!({"Resources": []})),
            (409, json!({})),
            (200, theirs()),
        ],
    ] {
        let (connector, script) = (connector(Version::Two), script(&answers));
        let peer = Peer {
            connector: &connector,
            outbound: &script,
        };
        let alice = alice();
        let put = peer.put_user(&alice, Some("pass word"), None, &Another);
        let failure = put.await.unwrap_err();
        assert_eq!(failure.outlook, Outlook::Refused, "{failure}");
        let asked = script.asked.lock().unwrap();
        assert!(
            asked
                .iter()
                .all(|(method, ..)| method != "PATCH" && method != "PUT")
        );
    }
}

struct Away;

#[async_trait]
impl Holders for Away {
    async fn another_holds(&self, _: &str) -> Result<bool, PortError> {
        Err(PortError::new("the store failed"))
    }
}

/// The peer has said nothing against it.
#[tokio::test]
async fn a_fault_of_our_store_is_neither_the_peers_nor_for_good_and_nobody_was_made() {
    let there = || json!({"Resources": [{"id": "r-1", "userName": "WSO2/alice"}]});
    for answers in [
        vec![(200, there())],
        // The peer took nobody.
        vec![
            (200, json!({"Resources": []})),
            (409, json!({})),
            (200, there()),
        ],
    ] {
        let (connector, script) = (connector(Version::Two), script(&answers));
        let peer = Peer {
            connector: &connector,
            outbound: &script,
        };
        let put = peer.put_user(&alice(), None, None, &Away).await;
        let failure = put.unwrap_err();
        assert_eq!(failure.outlook, Outlook::Ours);
        assert!(failure.left_no_trace(), "{failure}");
    }
}

/// A creation without an answer may have been done.
#[tokio::test]
async fn what_the_peer_was_asked_to_do_and_did_not_answer_may_have_left_a_trace() {
    let nobody = (200, json!({"Resources": []}));
    let (connector, script) = (connector(Version::Two), script(&[nobody]));
    let peer = Peer {
        connector: &connector,
        outbound: &script,
    };
    let put = peer.put_user(&alice(), None, None, &Nobody).await;
    let failure = put.unwrap_err();
    assert!(!failure.left_no_trace(), "{failure}");
}

/// A peer that says two are of that name, whatever it means by it.
#[tokio::test]
async fn of_two_that_are_one_name_neither_is_changed_or_deleted_and_no_third_is_made() {
    let two = |names: [&str; 2]| {
        let users = [
            json!({"id": "1", "userName": names[0]}),
            json!({"id": "2", "userName": names[1]}),
        ];
        (200, json!({"Resources": users}))
    };
    for names in [
        ["WSO2/alice", "WSO2/alice"],
        ["wso2/alice", "WSO2/ALICE"],
        // The connector has a store of its own there, and both of these are in others.
        ["HR/alice", "IT/alice"],
    ] {
        let (connector, script) = (connector(Version::Two), script(&[two(names), two(names)]));
        let peer = Peer {
            connector: &connector,
            outbound: &script,
        };
        let put = peer.put_user(&alice(), None, None, &Nobody).await;
        let found = peer.user_id("alice").await;
        for failure in [put.unwrap_err(), found.unwrap_err()] {
            assert_eq!(failure.outlook, Outlook::Refused);
            assert!(failure.left_no_trace());
            assert!(failure.to_string().contains("several of that name"));
        }
        let asked = script.asked.lock().unwrap();
        assert!(asked.iter().all(|(method, ..)| method == "GET"));
    }
    // One of them is the name to the letter.
    let answers = [two(["wso2/alice", "WSO2/alice"]), (200, json!({}))];
    let (connector, script) = (connector(Version::Two), script(&answers));
    let peer = Peer {
        connector: &connector,
        outbound: &script,
    };
    let put = peer.put_user(&alice(), None, None, &Nobody).await;
    assert_eq!(id(&put.unwrap()), Some("2"));
}

/// A peer chooses its ids; one that cannot be asked for must not stop its user for ever.
#[tokio::test]
async fn an_id_that_cannot_be_asked_for_is_not_kept() {
    let long = "x".repeat(257);
    for bad in ["", ".", "..", "a\nb", long.as_str()] {
        let nobody = || (200, json!({"Resources": []}));
        let (connector, found) = (
            connector(Version::Two),
            json!({"Resources": [{"id": bad, "userName": "WSO2/alice"}]}),
        );
        for answers in [
            vec![nobody(), (201, json!({"id": bad}))],
            vec![(200, found)],
        ] {
            let script = script(&answers);
            let peer = Peer {
                connector: &connector,
                outbound: &script,
            };
            assert!(
                peer.put_user(&alice(), None, None, &Nobody).await.is_err(),
                "{bad}"
            );
        }
    }
}

#[tokio::test]
async fn what_passes_with_time_is_no_refusal() {
    for (status, outlook) in [
        (400, Outlook::Refused),
        (401, Outlook::Passes),
        (429, Outlook::Passes),
        (500, Outlook::Passes),
        (503, Outlook::Passes),
    ] {
        let (connector, script) = (
            connector(Version::Two),
            script(&[
                (200, json!({"Resources": []})),
                (status, json!({"detail": "secret"})),
            ]),
        );
        let peer = Peer {
            connector: &connector,
            outbound: &script,
        };
        let failure = peer
            .put_user(&alice(), None, None, &Nobody)
            .await
            .unwrap_err();
        assert_eq!(failure.outlook, outlook, "{status}");
        assert_eq!(
            failure.to_string(),
            format!("the peer answered {status} to the creation")
        );
    }
}

#[test]
fn the_password_of_a_new_user_follows_the_connector() {
    let mut c = connector(Version::One);
    let first = |c: &Connector, known| c.first_password(known).map(|p| p.to_string());
    assert_eq!(first(&c, Some("mine")).as_deref(), Some("mine"));
    assert_eq!(first(&c, None).as_deref(), Some("Default-1"));
    c.password_provisioning = false;
    assert_eq!(first(&c, Some("mine")).as_deref(), Some("Default-1"));
    c.default_password = None;
    assert_eq!(first(&c, Some("mine")), None);
}

#[test]
fn an_address_that_is_none_is_a_problem() {
    for bad in [
        "",
        "peer.example/Users",
        "ftp://peer.example/Users",
        "https://u:p@peer.example/Users",
        "https://peer.example/Users?x=1",
        "http://peer.example/Users",
    ] {
        let mut c = connector(Version::One);
        c.user_endpoint = bad.into();
        assert_eq!(c.check().len(), 1, "{bad}");
    }
    assert!(connector(Version::One).check().is_empty());
}
