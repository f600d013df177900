#![allow(clippy::unwrap_used, reason = "tests")]

use super::{
    ANNOUNCED_FOR, AT_ONCE, ATTEMPTS_MAX, FAULTS_MAX, FIRST_WAIT, JOINED_WAIT, LONGEST_WAIT, MOVED,
    Parts, Provisioning, REFUSALS_MAX,
};
use async_trait::async_trait;
use http::{Method, Request, Response};
use postern_admin::provisioning::Outgoing;
use postern_federation::identity_provider::Network;
use postern_federation::ports::{Outbound, PortError};
use postern_federation::scim::outbound::{Connector, Credentials, Outlook, Version};
use postern_federation::scim::ports::{Deliveries, Failed, Remote, Waits, What};
use postern_federation::scim::{Condition, Group, Groups, Page, People, Person, SearchError};
use postern_federation::{Moment, Secret};
use postern_login::TenantId;
use postern_login::ports::Clock;
use postern_otp::Timestamp;
use postern_store::directory::identities::Identities;
use postern_store::directory::{Happened, Journal};
use postern_store::memory::Memory;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const TENANT: &str = "carbon.super";

/// Stands still unless a test moves it.
struct Now(AtomicU64);

impl Default for Now {
    fn default() -> Self {
        Self(AtomicU64::new(1_700_000_000_000))
    }
}

impl Now {
    fn pass(&self, time: Duration) {
        let time = u64::try_from(time.as_millis()).unwrap();
        self.0.fetch_add(time, Ordering::SeqCst);
    }
}

impl Clock for Now {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// Everybody is there, except in a store that is away and whoever has left. Carla has a name with a
/// capital letter.
struct Everybody(Memory);

#[async_trait]
impl People for Everybody {
    async fn accounts(&self, _: &str, _: Option<&str>, _: usize) -> Result<Vec<String>, PortError> {
        Ok(Vec::new())
    }
    async fn person(&self, _: &str, _: &str) -> Result<Option<Person>, PortError> {
        Ok(None)
    }
    async fn person_named(&self, _: &str, account: &str) -> Result<Option<Person>, PortError> {
        if account.starts_with("AWAY/") {
            return Err(PortError::new("the user store failed"));
        }
        if account.starts_with("left-") {
            return Ok(None);
        }
        let mut groups = self.0.groups(TENANT, None, 100).await?;
        let key = account.to_lowercase();
        groups.retain(|group| group.members.iter().any(|(_, member)| *member == key));
        let spelled = if key == "carla" { "Carla" } else { account };
        Ok(Some(Person {
            id: format!("id-{account}"),
            account: spelled.to_owned(),
            display_name: None,
            number: None,
            locked: false,
            claims: Vec::new(),
            external_id: None,
            created_at: Moment(0),
            changed_at: Moment(0),
            groups: groups
                .into_iter()
                .map(|group| (group.id, group.display_name))
                .collect(),
        }))
    }
    /// Whoever is in another store is in the primary one as well.
    async fn namesakes(&self, _: &str, account: &str) -> Result<Vec<String>, PortError> {
        let bare = account.split_once('/').map(|(_, bare)| bare.to_owned());
        Ok(bare.into_iter().collect())
    }
    async fn people(
        &self,
        _: &str,
        _: &[String],
        _: &Condition,
        _: usize,
        _: usize,
    ) -> Result<Page<Person>, SearchError> {
        Ok(Page {
            total: 0,
            items: Vec::new(),
        })
    }
    async fn set_external_id(&self, _: &str, _: &str, _: Option<&str>) -> Result<(), PortError> {
        Ok(())
    }
}

/// Keeps the users it is told of, each telling of a group, and what it was asked.
#[derive(Default)]
struct Peer {
    users: Mutex<Vec<Value>>,
    groups: Mutex<Vec<Value>>,
    asked: Mutex<Vec<Method>>,
    /// It takes no change of a user it has.
    refuses: AtomicBool,
}

impl Peer {
    fn of_a_group(&self, request: &Request<Vec<u8>>) -> (u16, Value) {
        if *request.method() == Method::GET {
            return (200, json!({ "Resources": [] }));
        }
        let group = serde_json::from_slice(request.body()).unwrap();
        self.groups.lock().unwrap().push(group);
        (201, json!({ "id": "g" }))
    }

    fn of_a_user(&self, request: &Request<Vec<u8>>) -> (u16, Value) {
        let mut users = self.users.lock().unwrap();
        let id = request.uri().path().rsplit('/').next();
        let there = users.iter().position(|user| user["id"].as_str() == id);
        match (request.method().clone(), there) {
            (Method::GET, _) => (200, json!({ "Resources": *users })),
            (Method::POST, _) => {
                let mut user: Value = serde_json::from_slice(request.body()).unwrap();
                user["id"] = json!(format!("r-{}", self.asked.lock().unwrap().len()));
                users.push(user.clone());
                (201, user)
            }
            (_, None) => (404, json!({})),
            (Method::DELETE, Some(at)) => (200, users.remove(at)),
            (_, Some(_)) if self.refuses.load(Ordering::SeqCst) => (400, json!({})),
            (_, Some(_)) => (200, json!({})),
        }
    }

    /// Users who are there already, by its ids and names of them.
    fn has(&self, people: &[(&str, &str)]) {
        let of = |(id, name): &(&str, &str)| json!({ "id": id, "userName": name });
        self.users.lock().unwrap().extend(people.iter().map(of));
    }

    /// Its id of whom it calls so.
    fn id(&self, name: &str) -> Value {
        let users = self.users.lock().unwrap();
        let found = users.iter().find(|user| user["userName"] == name);
        found.unwrap()["id"].clone()
    }

    /// Somebody there takes this user away.
    fn loses(&self, id: &str) {
        self.users.lock().unwrap().retain(|user| user["id"] != id);
    }

    /// Who was in the group, each time that it was told of one.
    fn members(&self) -> Vec<Value> {
        let groups = self.groups.lock().unwrap();
        groups
            .iter()
            .map(|group| -> Value {
                let members = group["members"].as_array().unwrap().iter();
                members.map(|member| member["value"].clone()).collect()
            })
            .collect()
    }
}

#[async_trait]
impl Outbound for Peer {
    async fn fetch(
        &self,
        _: &str,
        _: &str,
        _: &Network,
        request: Request<Vec<u8>>,
    ) -> Result<Response<Vec<u8>>, PortError> {
        self.asked.lock().unwrap().push(request.method().clone());
        let (status, body) = if request.uri().path().starts_with("/Groups") {
            self.of_a_group(&request)
        } else {
            self.of_a_user(&request)
        };
        let answer = Response::builder().status(status);
        Ok(answer.body(body.to_string().into_bytes()).unwrap())
    }
}

fn connector() -> Connector {
    Connector {
        tenant: TENANT.to_owned(),
        name: "peer".to_owned(),
        enabled: true,
        version: Version::Two,
        user_endpoint: "https://peer.example/Users".to_owned(),
        group_endpoint: None,
        credentials: Credentials::Bearer(Secret::new("t")),
        user_store_domain: Some("EXT".to_owned()),
        password_provisioning: true,
        default_password: None,
        blocking: false,
        identity_provider: None,
        network: Network::default(),
    }
}

fn parts(store: &Memory, clock: Arc<Now>) -> Parts {
    Parts {
        tenant: TenantId::super_tenant(),
        deliveries: Arc::new(store.clone()),
        people: Arc::new(Everybody(store.clone())),
        groups: Arc::new(store.clone()),
        clock,
    }
}

fn engine(store: &Memory, connectors: Vec<Connector>) -> (Provisioning, Arc<Peer>) {
    engine_at(store, connectors, &Arc::default())
}

fn engine_at(
    store: &Memory,
    connectors: Vec<Connector>,
    clock: &Arc<Now>,
) -> (Provisioning, Arc<Peer>) {
    let engine = Provisioning::new(parts(store, Arc::clone(clock)), connectors);
    let peer = Arc::new(Peer::default());
    engine.opens(Arc::clone(&peer) as Arc<dyn Outbound>);
    (engine, peer)
}

async fn changed(engine: &Provisioning, account: &str) {
    let tenant = TenantId::super_tenant();
    let begun = engine.begin(&tenant, account).await.unwrap();
    let what = Happened::Changed(Some("pass word"));
    engine
        .happened(&tenant, account, begun, what)
        .await
        .unwrap();
}

async fn deleted(engine: &Provisioning, account: &str) {
    let tenant = TenantId::super_tenant();
    let begun = engine.begin(&tenant, account).await.unwrap();
    let gone = engine.happened(&tenant, account, begun, Happened::Deleted);
    gone.await.unwrap();
}

async fn worked_off(engine: &Provisioning) {
    let turns = engine.turns_of("peer");
    engine.work_off("peer", &turns.telling).await.unwrap();
}

#[tokio::test]
async fn a_user_store_that_is_away_holds_up_nobody_elses_users_and_is_tried_again() {
    let (store, clock) = (Memory::new(), Arc::new(Now::default()));
    let (engine, peer) = engine_at(&store, vec![connector()], &clock);
    for n in 0..=AT_ONCE {
        changed(&engine, &format!("AWAY/u{n}")).await;
    }
    changed(&engine, "alice").await;
    worked_off(&engine).await;
    assert_eq!(peer.users.lock().unwrap().len(), 1);
    for attempt in 1..=ATTEMPTS_MAX + 1 {
        let waiting = store.waiting(TENANT, 0, 100).await.unwrap();
        assert_eq!(waiting.len(), AT_ONCE + 1);
        for row in waiting {
            assert_eq!((row.attempts, row.faults), (attempt, attempt));
            assert!(!row.given_up);
            assert!(row.due_at > engine.now());
            assert!(row.trouble.unwrap().contains("a fault here"));
        }
        clock.pass(LONGEST_WAIT);
        worked_off(&engine).await;
    }
}

/// What waits was tried so often already, and failed for a fault of ours each time.
async fn failed_here(engine: &Provisioning, store: &Memory, times: u32) {
    let row = store.waiting(TENANT, 0, 10).await.unwrap().remove(0);
    for _ in 0..times {
        let fault = Failed {
            trouble: "a fault here".to_owned(),
            outlook: Outlook::Ours,
            ended_at: Some(engine.now()),
            due_at: engine.now(),
            given_up: false,
        };
        store.failed(TENANT, &row, fault).await.unwrap();
    }
}

#[tokio::test]
async fn what_failed_here_however_often_is_not_held_against_the_peer() {
    let (store, clock) = (Memory::new(), Arc::new(Now::default()));
    let engine = Provisioning::new(parts(&store, Arc::clone(&clock)), vec![connector()]);
    let peer = Arc::new(Stubborn {
        status: AtomicU16::new(503),
        asked: AtomicU32::new(0),
    });
    engine.opens(Arc::clone(&peer) as Arc<dyn Outbound>);
    changed(&engine, "alice").await;
    failed_here(&engine, &store, 2 * ATTEMPTS_MAX).await;
    let mut wait = FIRST_WAIT;
    for attempt in 1..=ATTEMPTS_MAX {
        worked_off(&engine).await;
        let row = store.waiting(TENANT, 0, 10).await.unwrap().remove(0);
        let expected = (2 * ATTEMPTS_MAX + attempt, attempt == ATTEMPTS_MAX);
        assert_eq!((row.attempts, row.given_up), expected);
        assert_eq!(row.due_at, engine.now().plus(wait), "{attempt}");
        clock.pass(wait);
        wait = LONGEST_WAIT.min(wait * 2);
    }
    assert_eq!(peer.asked.load(Ordering::SeqCst), ATTEMPTS_MAX);
}

#[tokio::test]
async fn what_fails_here_for_a_month_waits_for_an_administrator() {
    let (store, clock) = (Memory::new(), Arc::new(Now::default()));
    let (engine, peer) = engine_at(&store, vec![connector()], &clock);
    changed(&engine, "AWAY/alice").await;
    failed_here(&engine, &store, FAULTS_MAX - 2).await;
    for given_up in [false, true] {
        worked_off(&engine).await;
        let row = store.waiting(TENANT, 0, 10).await.unwrap().remove(0);
        assert_eq!(row.given_up, given_up);
        clock.pass(LONGEST_WAIT);
    }
    assert_eq!(peer.asked.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn two_users_of_ours_never_become_one_at_the_peer() {
    let store = Memory::new();
    let (engine, peer) = engine(&store, vec![connector()]);
    changed(&engine, "alice").await;
    changed(&engine, "JDBC/alice").await;
    worked_off(&engine).await;
    let names = |peer: &Peer| -> Vec<Value> {
        let users = peer.users.lock().unwrap();
        users
            .iter()
            .map(|user| user["externalId"].clone())
            .collect()
    };
    assert_eq!(names(&peer), [json!("id-alice")]);
    assert!(!peer.asked.lock().unwrap().contains(&Method::PATCH));
    let waiting = store.waiting(TENANT, 0, 10).await.unwrap();
    let subjects: Vec<_> = waiting.iter().map(|row| row.subject.as_str()).collect();
    assert_eq!(subjects, ["JDBC/alice"]);
    let trouble = waiting[0].trouble.clone().unwrap();
    assert!(trouble.contains("another user's of ours"), "{trouble}");
    // Nor does the end of the one who was never there end the other one.
    store.drop_one(TENANT, waiting[0].seq).await.unwrap();
    deleted(&engine, "JDBC/alice").await;
    worked_off(&engine).await;
    assert!(!peer.asked.lock().unwrap().contains(&Method::DELETE));
    assert_eq!(store.waiting(TENANT, 0, 10).await.unwrap().len(), 0);
}

/// Both were there before the connector, or their ids are forgotten.
#[tokio::test]
async fn an_account_there_that_may_be_either_of_two_is_not_deleted_with_one_of_them() {
    let (store, clock) = (Memory::new(), Arc::new(Now::default()));
    let (engine, peer) = engine_at(&store, vec![connector()], &clock);
    peer.has(&[("1", "EXT/alice")]);
    deleted(&engine, "JDBC/alice").await;
    worked_off(&engine).await;
    let waiting = store.waiting(TENANT, 0, 10).await.unwrap();
    let [row] = waiting.as_slice() else {
        panic!("{waiting:?}")
    };
    let why = row.trouble.as_deref().unwrap();
    assert!(why.contains("may be another user's of ours"), "{why}");
    // It is known to be hers from here on: the other one was never there.
    changed(&engine, "alice").await;
    worked_off(&engine).await;
    clock.pass(LONGEST_WAIT);
    worked_off(&engine).await;
    assert_eq!(store.waiting(TENANT, 0, 10).await.unwrap().len(), 0);
    assert!(!peer.asked.lock().unwrap().contains(&Method::DELETE));
    assert_eq!(peer.id("EXT/alice"), "1");
}

#[tokio::test]
async fn names_that_are_there_as_here_are_nobody_elses() {
    let store = Memory::new();
    let as_here = Connector {
        user_store_domain: None,
        ..connector()
    };
    let (engine, peer) = engine(&store, vec![as_here]);
    peer.has(&[("1", "alice"), ("2", "JDBC/alice")]);
    deleted(&engine, "JDBC/alice").await;
    worked_off(&engine).await;
    assert_eq!(store.waiting(TENANT, 0, 10).await.unwrap().len(), 0);
    assert_eq!(peer.users.lock().unwrap().len(), 1);
    assert_eq!(peer.id("alice"), "1");
}

fn of_groups() -> Connector {
    Connector {
        group_endpoint: Some("https://peer.example/Groups".to_owned()),
        ..connector()
    }
}

/// There is a group of these now, and the peer is to be told of it.
async fn grouped(engine: &Provisioning, store: &Memory, accounts: &[&str]) {
    grouped_as("staff", engine, store, accounts).await;
}

async fn grouped_as(id: &str, engine: &Provisioning, store: &Memory, accounts: &[&str]) {
    let tenant = TenantId::super_tenant();
    let accounts: Vec<String> = accounts.iter().map(|one| (*one).to_owned()).collect();
    let people = store.identities(&tenant, &accounts, Timestamp(0)).await;
    let members = people.unwrap().into_iter();
    let group = Group {
        id: id.to_owned(),
        display_name: "Staff".to_owned(),
        external_id: None,
        created_at: Moment(0),
        changed_at: Moment(0),
        members: members.map(|one| (one.id, one.account)).collect(),
    };
    let begun = engine.group_begins(&tenant, id).await.unwrap();
    assert!(store.put_group(TENANT, &group, true).await.unwrap());
    let ended = engine.group_ends(&tenant, begun, true, false);
    ended.await.unwrap();
}

#[tokio::test]
async fn a_member_who_is_given_up_keeps_no_group_waiting_and_is_told_of_once_they_come() {
    let (store, clock) = (Memory::new(), Arc::new(Now::default()));
    let (engine, peer) = engine_at(&store, vec![of_groups()], &clock);
    peer.has(&[("1", "HR/carol"), ("2", "IT/carol")]);
    changed(&engine, "alice").await;
    changed(&engine, "carol").await;
    grouped(&engine, &store, &["alice", "carol"]).await;
    worked_off(&engine).await;
    let waiting = store.waiting(TENANT, 0, 10).await.unwrap();
    let why = "the peer has several of that name, and nothing says which is meant";
    let whys: Vec<_> = waiting.iter().map(|row| row.trouble.clone()).collect();
    let whole = format!("its member carol is not at the peer yet: {why}");
    assert_eq!(whys, [Some(why.to_owned()), Some(whole)]);
    assert_eq!(peer.members(), [] as [Value; 0], "carol may come yet");

    for _ in 1..REFUSALS_MAX {
        clock.pass(LONGEST_WAIT);
        worked_off(&engine).await;
    }
    let alice = peer.id("EXT/alice");
    assert_eq!(peer.members(), [json!([alice])]);
    let waiting = store.waiting(TENANT, 0, 10).await.unwrap();
    let left: Vec<_> = waiting
        .iter()
        .map(|row| (row.subject.as_str(), row.given_up))
        .collect();
    assert_eq!(left, [("carol", true)]);

    // Somebody looks after it at the peer.
    peer.loses("2");
    let retried = store.retry(TENANT, "peer", None, engine.now());
    assert_eq!(retried.await.unwrap(), 1);
    worked_off(&engine).await;
    clock.pass(JOINED_WAIT);
    worked_off(&engine).await;
    assert_eq!(peer.members(), [json!([alice]), json!([alice, "1"])]);
    assert_eq!(store.waiting(TENANT, 0, 10).await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_member_who_may_be_another_one_of_ours_there_is_left_out() {
    let store = Memory::new();
    let (engine, peer) = engine(&store, vec![of_groups()]);
    peer.has(&[("1", "EXT/alice"), ("2", "EXT/bob")]);
    grouped(&engine, &store, &["JDBC/alice", "bob"]).await;
    worked_off(&engine).await;
    assert_eq!(peer.members(), [json!(["2"])]);
}

/// Whatever the time that the group would wait by itself by then.
#[tokio::test]
async fn a_group_that_waits_for_a_member_is_told_soon_after_they_came() {
    let (store, clock) = (Memory::new(), Arc::new(Now::default()));
    let (engine, peer) = engine_at(&store, vec![of_groups()], &clock);
    peer.has(&[("1", "HR/carol"), ("2", "IT/carol")]);
    changed(&engine, "carol").await;
    grouped(&engine, &store, &["carol"]).await;
    for _ in 1..REFUSALS_MAX {
        worked_off(&engine).await;
        clock.pass(LONGEST_WAIT);
    }
    peer.loses("2");
    // The group was tried last, and a little while ago.
    let waiting = store.waiting(TENANT, 0, 10).await.unwrap();
    let (carol, staff) = (&waiting[0], &waiting[1]);
    let later = engine.now().plus(LONGEST_WAIT);
    let missing = Failed {
        trouble: "carol is missing".to_owned(),
        outlook: Outlook::Ours,
        ended_at: Some(engine.now()),
        due_at: later,
        given_up: false,
    };
    store.failed(TENANT, staff, missing).await.unwrap();
    assert!(!carol.given_up, "{carol:?}");
    worked_off(&engine).await;
    assert_eq!(peer.members(), [] as [Value; 0]);
    clock.pass(JOINED_WAIT);
    worked_off(&engine).await;
    assert_eq!(peer.members(), [json!(["1"])]);
    assert_eq!(store.waiting(TENANT, 0, 10).await.unwrap().len(), 0);
}

/// For it waited for them too long, or the peer refused it without them.
#[tokio::test]
async fn a_group_that_is_given_up_is_told_after_a_member_of_it_came() {
    for outlook in [Outlook::Ours, Outlook::Refused] {
        let (store, clock) = (Memory::new(), Arc::new(Now::default()));
        let (engine, peer) = engine_at(&store, vec![of_groups()], &clock);
        grouped(&engine, &store, &["alice"]).await;
        let staff = store.waiting(TENANT, 0, 10).await.unwrap().remove(0);
        let given_up = Failed {
            trouble: "alice is missing".to_owned(),
            outlook,
            ended_at: Some(engine.now()),
            due_at: engine.now(),
            given_up: true,
        };
        let became = store.failed(TENANT, &staff, given_up).await;
        assert_eq!(became.unwrap(), Waits::GivenUp);
        changed(&engine, "alice").await;
        worked_off(&engine).await;
        assert_eq!(peer.members(), [] as [Value; 0]);
        clock.pass(JOINED_WAIT);
        worked_off(&engine).await;
        assert_eq!(peer.members(), [json!([peer.id("EXT/alice")])]);
        assert_eq!(store.waiting(TENANT, 0, 10).await.unwrap().len(), 0);
    }
}

#[tokio::test]
async fn a_member_with_a_capital_letter_is_one_at_the_peer_as_well() {
    let store = Memory::new();
    let (engine, peer) = engine(&store, vec![of_groups()]);
    changed(&engine, "Carla").await;
    grouped(&engine, &store, &["carla"]).await;
    worked_off(&engine).await;
    assert_eq!(peer.members(), [json!([peer.id("EXT/Carla")])]);
}

#[tokio::test]
async fn a_group_hears_the_new_id_of_a_member_whom_the_peer_lost() {
    let (store, clock) = (Memory::new(), Arc::new(Now::default()));
    let (engine, peer) = engine_at(&store, vec![of_groups()], &clock);
    changed(&engine, "alice").await;
    grouped(&engine, &store, &["alice"]).await;
    worked_off(&engine).await;
    let lost = peer.id("EXT/alice");
    peer.users.lock().unwrap().clear();
    changed(&engine, "alice").await;
    worked_off(&engine).await;
    clock.pass(JOINED_WAIT);
    worked_off(&engine).await;
    let again = peer.id("EXT/alice");
    assert_ne!(again, lost);
    assert_eq!(peer.members(), [json!([lost]), json!([again])]);
}

#[tokio::test]
async fn whoever_is_gone_before_the_peer_heard_of_them_is_not_made_there_and_not_left() {
    let store = Memory::new();
    let (engine, peer) = engine(&store, vec![connector()]);
    // Made there, and the answer was lost.
    peer.has(&[("1", "EXT/left-carol")]);
    for name in ["left-bob", "left-carol"] {
        changed(&engine, name).await;
        deleted(&engine, name).await;
    }
    worked_off(&engine).await;
    assert!(!peer.asked.lock().unwrap().contains(&Method::POST));
    assert_eq!(peer.users.lock().unwrap().len(), 0);
    assert_eq!(store.waiting(TENANT, 0, 10).await.unwrap().len(), 0);
}

#[tokio::test]
async fn where_a_connector_leads_to_another_peer_nobody_is_taken_for_one_of_ours_by_an_id() {
    let store = Memory::new();
    let (engine, peer) = engine(&store, vec![connector()]);
    changed(&engine, "alice").await;
    worked_off(&engine).await;
    let elsewhere = Connector {
        user_endpoint: "https://other.example/Users".to_owned(),
        ..connector()
    };
    engine.replace(vec![elsewhere]);
    let bob = json!({ "id": peer.id("EXT/alice"), "userName": "EXT/bob" });
    *peer.users.lock().unwrap() = vec![bob];
    for n in 1..=2 {
        changed(&engine, "alice").await;
        worked_off(&engine).await;
        assert_ne!(peer.id("EXT/alice"), peer.id("EXT/bob"));
        let asked = peer.asked.lock().unwrap();
        let changes = asked.iter().filter(|method| **method == Method::PATCH);
        assert_eq!(changes.count(), n - 1, "made first, and known from then on");
    }
}

/// As an older version may have kept one.
#[tokio::test]
async fn whose_remembered_id_cannot_be_asked_for_is_looked_for_by_name() {
    let long = "x".repeat(257);
    for bad in ["", "..", long.as_str()] {
        let store = Memory::new();
        let (engine, peer) = engine(&store, vec![connector()]);
        peer.has(&[("1", "EXT/alice"), ("2", "EXT/left-bob")]);
        for account in ["alice", "left-bob"] {
            let kept = Remote {
                id: bad.to_owned(),
                told: String::new(),
            };
            let remembered = store.remember(TENANT, "peer", What::User, account, Some(&kept));
            assert!(remembered.await.unwrap());
            if account == "alice" {
                changed(&engine, account).await;
            } else {
                deleted(&engine, account).await;
            }
            worked_off(&engine).await;
        }
        let alice = store.remote(TENANT, "peer", What::User, "alice").await;
        assert_eq!(alice.unwrap().unwrap().id, "1");
        assert_eq!(peer.users.lock().unwrap().len(), 1, "bob is gone");
        let bob = store.remote(TENANT, "peer", What::User, "left-bob").await;
        assert_eq!(bob.unwrap(), None);
        assert_eq!(store.waiting(TENANT, 0, 10).await.unwrap().len(), 0);
    }
}

#[tokio::test]
async fn a_member_whose_remembered_id_cannot_be_asked_for_is_looked_for_by_name() {
    let store = Memory::new();
    let (engine, peer) = engine(&store, vec![of_groups()]);
    peer.has(&[("1", "EXT/alice")]);
    let bad = Remote {
        id: "..".to_owned(),
        told: String::new(),
    };
    let remembered = store.remember(TENANT, "peer", What::User, "alice", Some(&bad));
    assert!(remembered.await.unwrap());
    grouped(&engine, &store, &["alice"]).await;
    worked_off(&engine).await;
    assert_eq!(peer.members(), [json!(["1"])]);
    let alice = store.remote(TENANT, "peer", What::User, "alice").await;
    assert_eq!(alice.unwrap(), None);
}

/// The change that waited before it as well: nobody is there whom it could tell of.
#[tokio::test]
async fn a_deletion_that_waits_hits_no_stranger_where_its_connector_is_led_to() {
    let store = Memory::new();
    let (engine, peer) = engine(&store, vec![connector()]);
    worked_off(&engine).await;
    changed(&engine, "left-carol").await;
    deleted(&engine, "left-carol").await;
    let elsewhere = Connector {
        user_endpoint: "https://other.example/Users".to_owned(),
        ..connector()
    };
    engine.replace(vec![elsewhere]);
    peer.has(&[("1", "EXT/left-carol")]);
    worked_off(&engine).await;
    assert_eq!(peer.users.lock().unwrap().len(), 1);
    let waiting = store.waiting(TENANT, 0, 10).await.unwrap();
    let [row] = waiting.as_slice() else {
        panic!("{waiting:?}")
    };
    assert!(row.gone && row.given_up, "{row:?}");
    assert_eq!(row.trouble.as_deref(), Some(MOVED));
    // Somebody looked whose it is.
    store
        .retry(TENANT, "peer", None, engine.now())
        .await
        .unwrap();
    worked_off(&engine).await;
    assert_eq!(peer.users.lock().unwrap().len(), 0);
    assert_eq!(store.waiting(TENANT, 0, 10).await.unwrap().len(), 0);
}

#[tokio::test]
async fn where_the_groups_of_a_connector_move_none_there_is_taken_for_one_of_ours_by_an_id() {
    let (store, tenant) = (Memory::new(), TenantId::super_tenant());
    let (engine, peer) = engine(&store, vec![of_groups()]);
    changed(&engine, "alice").await;
    grouped(&engine, &store, &["alice"]).await;
    worked_off(&engine).await;
    let elsewhere = Connector {
        group_endpoint: Some("https://other.example/Groups".to_owned()),
        ..connector()
    };
    // In between it is told of no groups.
    for connector in [connector(), elsewhere] {
        engine.replace(vec![connector]);
        worked_off(&engine).await;
    }
    for known in [false, true] {
        let begun = engine.group_begins(&tenant, "staff").await.unwrap();
        let ended = engine.group_ends(&tenant, begun, true, false);
        ended.await.unwrap();
        worked_off(&engine).await;
        let asked = peer.asked.lock().unwrap();
        assert_eq!(asked.contains(&Method::PUT), known);
    }
    assert_eq!(peer.members().len(), 3);
}

/// Keeps groups, each under a name that others there may have as well, and says nothing to a creation or a
/// change while it is silent.
#[derive(Default)]
struct Registry {
    groups: Mutex<Vec<Value>>,
    silent: AtomicBool,
    /// Silent, it makes nothing either.
    idle: AtomicBool,
}

#[async_trait]
impl Outbound for Registry {
    async fn fetch(
        &self,
        _: &str,
        _: &str,
        _: &Network,
        request: Request<Vec<u8>>,
    ) -> Result<Response<Vec<u8>>, PortError> {
        let mut groups = self.groups.lock().unwrap();
        let silent = self.silent.load(Ordering::SeqCst);
        let id = request.uri().path().rsplit('/').next();
        let there = groups.iter().position(|group| group["id"].as_str() == id);
        let (status, body) = match (request.method().clone(), there) {
            (Method::GET, _) => (200, json!({ "Resources": *groups })),
            (Method::POST, _) => {
                let mut group: Value = serde_json::from_slice(request.body()).unwrap();
                group["id"] = json!(format!("g-{}", groups.len()));
                if !(silent && self.idle.load(Ordering::SeqCst)) {
                    groups.push(group.clone());
                }
                if silent {
                    return Err(PortError::new("the peer did not answer in time"));
                }
                (201, group)
            }
            (_, None) => (404, json!({})),
            (Method::DELETE, Some(at)) => (200, groups.remove(at)),
            (_, Some(at)) => {
                let mut group: Value = serde_json::from_slice(request.body()).unwrap();
                group["id"] = groups[at]["id"].clone();
                groups[at] = group.clone();
                if silent {
                    return Err(PortError::new("the peer did not answer in time"));
                }
                (200, group)
            }
        };
        let answer = Response::builder().status(status);
        Ok(answer.body(body.to_string().into_bytes()).unwrap())
    }
}

async fn ungrouped(engine: &Provisioning, store: &Memory) {
    let tenant = TenantId::super_tenant();
    let begun = engine.group_begins(&tenant, "staff").await.unwrap();
    assert!(store.delete_group(TENANT, "staff").await.unwrap());
    let ended = engine.group_ends(&tenant, begun, true, true);
    ended.await.unwrap();
}

/// It may have been made, or somebody there may have made one of that name meanwhile.
#[tokio::test]
async fn a_group_whose_creation_got_no_answer_is_deleted_there_and_no_other_of_its_name() {
    for made in [true, false] {
        let (store, clock) = (Memory::new(), Arc::new(Now::default()));
        let engine = Provisioning::new(parts(&store, Arc::clone(&clock)), vec![of_groups()]);
        let peer = Arc::new(Registry::default());
        engine.opens(Arc::clone(&peer) as Arc<dyn Outbound>);
        peer.silent.store(true, Ordering::SeqCst);
        peer.idle.store(!made, Ordering::SeqCst);
        grouped(&engine, &store, &[]).await;
        worked_off(&engine).await;
        assert_eq!(peer.groups.lock().unwrap().len(), usize::from(made));
        let theirs = json!({ "id": "theirs", "displayName": "Staff", "externalId": "STAFF" });
        peer.groups.lock().unwrap().push(theirs.clone());
        peer.silent.store(false, Ordering::SeqCst);
        ungrouped(&engine, &store).await;
        clock.pass(LONGEST_WAIT);
        worked_off(&engine).await;
        assert_eq!(*peer.groups.lock().unwrap(), [theirs], "{made}");
        assert_eq!(store.waiting(TENANT, 0, 10).await.unwrap().len(), 0);
        let known = store.remote(TENANT, "peer", What::Group, "staff").await;
        assert_eq!(known.unwrap(), None, "{made}");
    }
}

/// Nobody could do anything about it but drop it. It may be there all the same, for an answer that was lost.
#[tokio::test]
async fn a_group_of_no_known_id_ends_with_a_line_where_a_connector_is_told_of_groups_no_more() {
    let (store, lines) = (Memory::new(), Lines::default());
    let _guard = lines.taken();
    let (engine, peer) = engine(&store, vec![of_groups()]);
    grouped(&engine, &store, &[]).await;
    ungrouped(&engine, &store).await;
    assert_eq!(lines.said("it is left there"), 0);
    engine.replace(vec![connector()]);
    worked_off(&engine).await;
    assert_eq!(store.waiting(TENANT, 0, 10).await.unwrap().len(), 0);
    assert_eq!(peer.asked.lock().unwrap().len(), 0);
    assert!(lines.said("SCIM - group staff is gone") > 0);
    assert!(lines.said("it is left there") > 0);
}

/// One that was there already was changed, and the answer was lost: nobody knows here that it was.
#[tokio::test]
async fn a_strangers_group_of_the_name_is_not_deleted_with_ours_before_it_is_known_to_be_it() {
    for theirs in [
        json!({ "id": "theirs", "displayName": "Staff", "externalId": "STAFF" }),
        json!({ "id": "theirs", "displayName": "Staff" }),
    ] {
        let (store, clock) = (Memory::new(), Arc::new(Now::default()));
        let engine = Provisioning::new(parts(&store, Arc::clone(&clock)), vec![of_groups()]);
        let peer = Arc::new(Registry::default());
        engine.opens(Arc::clone(&peer) as Arc<dyn Outbound>);
        peer.groups.lock().unwrap().push(theirs);
        peer.silent.store(true, Ordering::SeqCst);
        grouped(&engine, &store, &[]).await;
        worked_off(&engine).await;
        assert!(peer.groups.lock().unwrap()[0]["members"].is_array());
        peer.silent.store(false, Ordering::SeqCst);
        ungrouped(&engine, &store).await;
        clock.pass(LONGEST_WAIT);
        worked_off(&engine).await;
        assert_eq!(peer.groups.lock().unwrap().len(), 1);
        assert_eq!(store.waiting(TENANT, 0, 10).await.unwrap().len(), 0);
    }
}

/// The next group of the name was told in its place.
#[tokio::test]
async fn a_group_there_that_another_one_of_ours_has_by_now_is_not_deleted() {
    let (store, clock) = (Memory::new(), Arc::new(Now::default()));
    let engine = Provisioning::new(parts(&store, Arc::clone(&clock)), vec![of_groups()]);
    let peer = Arc::new(Registry::default());
    engine.opens(Arc::clone(&peer) as Arc<dyn Outbound>);
    peer.silent.store(true, Ordering::SeqCst);
    grouped(&engine, &store, &[]).await;
    worked_off(&engine).await;
    peer.silent.store(false, Ordering::SeqCst);
    ungrouped(&engine, &store).await;
    grouped_as("crew", &engine, &store, &[]).await;
    // The first one still waits for its next attempt.
    worked_off(&engine).await;
    let crew = store.remote(TENANT, "peer", What::Group, "crew").await;
    assert_eq!(crew.unwrap().unwrap().id, "g-0");
    clock.pass(LONGEST_WAIT);
    worked_off(&engine).await;
    assert_eq!(peer.groups.lock().unwrap().len(), 1);
    assert_eq!(store.waiting(TENANT, 0, 10).await.unwrap().len(), 0);
}

/// Else whoever has left here keeps the account there.
#[tokio::test]
async fn whoever_is_deleted_after_a_change_was_given_up_is_deleted_at_the_peer() {
    let (store, clock) = (Memory::new(), Arc::new(Now::default()));
    let (engine, peer) = engine_at(&store, vec![connector()], &clock);
    changed(&engine, "alice").await;
    worked_off(&engine).await;
    peer.refuses.store(true, Ordering::SeqCst);
    changed(&engine, "alice").await;
    for _ in 0..REFUSALS_MAX {
        worked_off(&engine).await;
        clock.pass(LONGEST_WAIT);
    }
    let waiting = store.waiting(TENANT, 0, 10).await.unwrap();
    assert!(waiting[0].given_up, "{waiting:?}");
    deleted(&engine, "alice").await;
    worked_off(&engine).await;
    assert_eq!(peer.users.lock().unwrap().len(), 0);
    assert_eq!(store.waiting(TENANT, 0, 10).await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_password_is_kept_for_those_alone_who_send_it_on() {
    let store = Memory::new();
    let named = |name: &str, enabled: bool, password_provisioning: bool| Connector {
        name: name.to_owned(),
        enabled,
        password_provisioning,
        ..connector()
    };
    let connectors = vec![
        named("sends", true, true),
        named("keeps", true, false),
        named("off", false, true),
    ];
    let (engine, _) = engine(&store, connectors);
    changed(&engine, "alice").await;
    for (name, kept) in [("sends", true), ("keeps", false), ("off", false)] {
        let due = store.due_of(TENANT, name, What::User, "alice", engine.now());
        let password = due.await.unwrap().unwrap().password;
        assert_eq!(password.is_some(), kept, "{name}");
    }
}

/// Answers everything alike, and says that it will not be ready for three thousand years.
struct Stubborn {
    status: AtomicU16,
    asked: AtomicU32,
}

#[async_trait]
impl Outbound for Stubborn {
    async fn fetch(
        &self,
        _: &str,
        _: &str,
        _: &Network,
        _: Request<Vec<u8>>,
    ) -> Result<Response<Vec<u8>>, PortError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = Response::builder()
            .status(self.status.load(Ordering::SeqCst))
            .header("retry-after", "99999999999")
            .header("location", "https://elsewhere.example/Users");
        Ok(answer.body(b"it said this".to_vec()).unwrap())
    }
}

/// A way out that is too narrow for what it is given.
#[derive(Default)]
struct Narrow(AtomicU32);

#[async_trait]
impl Outbound for Narrow {
    async fn fetch(
        &self,
        _: &str,
        _: &str,
        _: &Network,
        _: Request<Vec<u8>>,
    ) -> Result<Response<Vec<u8>>, PortError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Err(PortError::new("the request is too large").for_good())
    }
}

#[tokio::test]
async fn what_can_never_leave_is_tried_once_and_says_why() {
    let (store, clock) = (Memory::new(), Arc::new(Now::default()));
    let engine = Provisioning::new(parts(&store, Arc::clone(&clock)), vec![connector()]);
    let narrow = Arc::new(Narrow::default());
    engine.opens(Arc::clone(&narrow) as Arc<dyn Outbound>);
    changed(&engine, "alice").await;
    for _ in 0..3 {
        worked_off(&engine).await;
        clock.pass(LONGEST_WAIT);
    }
    assert_eq!(narrow.0.load(Ordering::SeqCst), 1);
    let row = store.waiting(TENANT, 0, 10).await.unwrap().remove(0);
    assert!(row.given_up, "{row:?}");
    let why = "the search came to nothing: the request is too large";
    assert_eq!(row.trouble.as_deref(), Some(why));
}

/// Neither in a circle nor when the peer wishes.
#[tokio::test]
async fn a_peer_that_fails_for_ever_is_asked_ever_less_often_and_then_not_at_all() {
    for (status, most) in [
        (302, ATTEMPTS_MAX),
        (401, ATTEMPTS_MAX),
        (429, ATTEMPTS_MAX),
        (500, ATTEMPTS_MAX),
        (503, ATTEMPTS_MAX),
        (400, REFUSALS_MAX),
    ] {
        let (store, clock) = (Memory::new(), Arc::new(Now::default()));
        let engine = Provisioning::new(parts(&store, Arc::clone(&clock)), vec![connector()]);
        let peer = Arc::new(Stubborn {
            status: AtomicU16::new(status),
            asked: AtomicU32::new(0),
        });
        engine.opens(Arc::clone(&peer) as Arc<dyn Outbound>);
        let asked = || peer.asked.load(Ordering::SeqCst);
        changed(&engine, "alice").await;
        let mut wait = FIRST_WAIT;
        for attempt in 1..=most {
            worked_off(&engine).await;
            assert_eq!(asked(), attempt, "{status}: one question in each attempt");
            let rows = store.waiting(TENANT, 0, 10).await.unwrap();
            let [row] = rows.as_slice() else {
                panic!("{status}: {rows:?}")
            };
            assert_eq!((row.attempts, row.given_up), (attempt, attempt == most));
            let why = format!("the peer answered {status} to the search");
            assert_eq!(row.trouble.as_deref(), Some(why.as_str()));
            assert_eq!(row.due_at, engine.now().plus(wait), "{status}: {attempt}");
            let moment = Duration::from_millis(1);
            clock.pass(wait - moment);
            worked_off(&engine).await;
            assert_eq!(asked(), attempt, "{status}: not before its time");
            clock.pass(moment);
            wait = LONGEST_WAIT.min(wait * 2);
        }
        clock.pass(Duration::from_secs(365 * 24 * 3600));
        worked_off(&engine).await;
        assert_eq!(asked(), most, "{status}: it waits for an administrator");
    }
}

#[tokio::test]
async fn a_peer_that_was_away_may_refuse_as_often_as_any_other() {
    let (store, clock) = (Memory::new(), Arc::new(Now::default()));
    let engine = Provisioning::new(parts(&store, Arc::clone(&clock)), vec![connector()]);
    let peer = Arc::new(Stubborn {
        status: AtomicU16::new(503),
        asked: AtomicU32::new(0),
    });
    engine.opens(Arc::clone(&peer) as Arc<dyn Outbound>);
    changed(&engine, "alice").await;
    for _ in 0..REFUSALS_MAX {
        worked_off(&engine).await;
        clock.pass(LONGEST_WAIT);
    }
    peer.status.store(400, Ordering::SeqCst);
    for refusals in 1..=REFUSALS_MAX {
        worked_off(&engine).await;
        let row = store.waiting(TENANT, 0, 10).await.unwrap().remove(0);
        let expected = (refusals, refusals == REFUSALS_MAX);
        assert_eq!((row.refusals, row.given_up), expected);
        clock.pass(LONGEST_WAIT);
    }
    assert_eq!(peer.asked.load(Ordering::SeqCst), 2 * REFUSALS_MAX);
}

/// Refuses everything, a second after it was asked, and alice is changed while it thinks about her for the
/// last time.
struct Slow {
    store: Memory,
    clock: Arc<Now>,
    asked: AtomicU32,
    /// The time that her change bears, in milliseconds after the attempt began.
    changed_after: i64,
}

#[async_trait]
impl Outbound for Slow {
    async fn fetch(
        &self,
        _: &str,
        _: &str,
        _: &Network,
        _: Request<Vec<u8>>,
    ) -> Result<Response<Vec<u8>>, PortError> {
        if self.asked.fetch_add(1, Ordering::SeqCst) + 1 == REFUSALS_MAX {
            let began_at = self.clock.now().0;
            let now = Moment(began_at.saturating_add_signed(self.changed_after));
            let peer = ["peer".to_owned()];
            let due = now.plus(ANNOUNCED_FOR);
            let announced = self
                .store
                .announce(TENANT, &peer, What::User, "alice", due, now)
                .await?;
            let done = self.store.confirm(TENANT, &announced, false, None, now);
            done.await?;
        }
        self.clock.pass(Duration::from_secs(1));
        Ok(Response::builder().status(400).body(Vec::new()).unwrap())
    }
}

fn slow(store: &Memory, clock: &Arc<Now>, changed_after: i64) -> (Provisioning, Arc<Slow>) {
    let engine = Provisioning::new(parts(store, Arc::clone(clock)), vec![connector()]);
    let peer = Arc::new(Slow {
        store: store.clone(),
        clock: Arc::clone(clock),
        asked: AtomicU32::new(0),
        changed_after,
    });
    engine.opens(Arc::clone(&peer) as Arc<dyn Outbound>);
    (engine, peer)
}

/// Whenever it is written down: it may bear a time before the attempt began, or after it ended.
#[tokio::test]
async fn a_change_that_comes_during_the_last_attempt_is_told_by_itself() {
    for changed_after in [-1, 0, 500, 1_500] {
        let (store, clock) = (Memory::new(), Arc::new(Now::default()));
        let (engine, peer) = slow(&store, &clock, changed_after);
        changed(&engine, "alice").await;
        for _ in 1..REFUSALS_MAX {
            worked_off(&engine).await;
            clock.pass(LONGEST_WAIT);
        }
        // The last attempt, and the first one of what came during it.
        worked_off(&engine).await;
        clock.pass(Duration::from_secs(1));
        worked_off(&engine).await;
        assert_eq!(peer.asked.load(Ordering::SeqCst), REFUSALS_MAX + 1);
        for refusals in 1..=REFUSALS_MAX {
            let row = store.waiting(TENANT, 0, 10).await.unwrap().remove(0);
            let expected = (refusals, refusals == REFUSALS_MAX);
            assert_eq!((row.refusals, row.given_up), expected, "{changed_after}");
            clock.pass(LONGEST_WAIT);
            worked_off(&engine).await;
        }
        assert_eq!(peer.asked.load(Ordering::SeqCst), 2 * REFUSALS_MAX);
    }
}

/// A log of its own.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    /// Of this thread, as long as what is given is held.
    fn taken(&self) -> tracing::subscriber::DefaultGuard {
        let writer = self.clone();
        let log = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::set_default(log)
    }

    fn said(&self, words: &str) -> usize {
        let said = self.0.lock().unwrap();
        String::from_utf8_lossy(&said).matches(words).count()
    }
}

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_says_of_nothing_that_is_tried_anew_that_it_is_given_up() {
    let (store, clock, lines) = (Memory::new(), Arc::new(Now::default()), Lines::default());
    let _guard = lines.taken();
    let (engine, _) = slow(&store, &clock, 500);
    changed(&engine, "alice").await;
    let most = usize::try_from(REFUSALS_MAX).unwrap();
    for attempt in 1..2 * most {
        worked_off(&engine).await;
        clock.pass(LONGEST_WAIT);
        let given_up = usize::from(attempt + 1 == 2 * most);
        assert_eq!(lines.said("given_up=true"), given_up, "{attempt}");
    }
    assert_eq!(lines.said("given_up=false"), 2 * most - 1);
}
