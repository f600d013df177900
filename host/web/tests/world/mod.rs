//! A whole host behind the router: the real use cases over the store in memory, a directory of a
//! few people, one phone, and a browser that keeps cookies and fills in forms.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    dead_code,
    missing_debug_implementations,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

mod browser;
mod console;
mod nobody;
mod people;
mod phone;
mod tenants;

pub use browser::{Answer, Browser, ask};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use console::{Bench, Itself, Shelf, TwoPlugins};
use http::{HeaderMap, Request, StatusCode};
use nobody::{NoKeys, NoOutbound, NoPeers, NoPeople, NoResolver};
use people::People;
use phone::Phone;
use postern_admin::tenants::Tenants as Acts;
use postern_admin::{Actor, Administration, Role};
use postern_federation::Entries;
use postern_federation::oidc::upstream::Upstreams;
use postern_login::error::StoreError;
use postern_login::ports::{
    Added, ApiClient, AuditLog, BackupCodeStore, Clock, Entropy, Ports, Scope, Subject,
};
use postern_login::tenant::SUPER_TENANT;
use postern_login::{Logins, TenantId};
use postern_otp::{BackupCode, FactorSettings, Timestamp};
use postern_store::memory::Memory;
use postern_web::{
    AdminToken, Federation, FormKey, PublicUrl, Readiness, Ready, TrustedProxies, WebParts,
    WebState,
};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tenants::{Known, Settings};

pub const HOST: &str = "login.example";
pub const API_TOKEN: &str = "api-token-of-the-shop-0123456789";
pub const API_TOKEN_OF_A: &str = "api-token-of-another-tenant-012345";
pub const ADMIN_TOKEN: &str = "admin-token-0123456789";
pub const PASSWORD: &str = "correct horse";
/// A tenant whose settings cannot be read.
pub const BROKEN: &str = "broken.example";
/// What a provider says that must never reach a browser.
pub const PROVIDER_TEXT: &str = "upstream says: account 4711 at /srv/plugins/x.wasm";

pub struct World {
    pub public: Router,
    pub admin: Router,
    pub phone: Arc<Phone>,
    pub clock: Arc<TestClock>,
    pub store: Memory,
    pub people: Arc<People>,
    pub ready: Arc<AtomicBool>,
    pub administration: Administration,
    /// The audit log of administration takes no row.
    pub log_full: Arc<AtomicBool>,
}

/// What the console's browser calls the administrator's listener.
pub const CONSOLE_HOST: &str = "localhost:9444";

impl World {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut FactorSettings)) -> Self {
        Self::at(&format!("https://{HOST}"), change).await
    }

    pub async fn at(public_url: &str, change: impl FnOnce(&mut FactorSettings)) -> Self {
        let store = Memory::new();
        let phone = Arc::new(Phone::default());
        let clock = Arc::new(TestClock(AtomicU64::new(1_795_310_100_000)));
        let people = Arc::new(People::default());
        let mut factor = FactorSettings {
            senders: vec!["phone".to_owned()],
            default_region: Some("LK".to_owned()),
            ..FactorSettings::default()
        };
        change(&mut factor);
        let ports = Ports {
            logins: Arc::new(store.clone()),
            attempts: Arc::new(store.clone()),
            backup_codes: Arc::new(store.clone()),
            sessions: Arc::new(store.clone()),
            counters: Arc::new(store.clone()),
            clients: Arc::new(store.clone()),
            replies: Arc::new(store.clone()),
            directory: people.clone(),
            settings: Arc::new(Settings::new(factor)),
            senders: phone.clone(),
            resolver: Arc::new(NoResolver),
            clock: clock.clone(),
            entropy: Arc::new(TestEntropy(AtomicU64::new(0))),
            audit: Arc::new(store.clone()),
        };
        for (name, tenant, token) in [
            ("shop", SUPER_TENANT, API_TOKEN),
            ("shop-of-a", "a.example", API_TOKEN_OF_A),
        ] {
            let client = ApiClient {
                name: name.to_owned(),
                tenant: TenantId::parse(tenant).unwrap(),
                created_at: Timestamp(0),
                scopes: Scope::ALL.to_vec(),
            };
            let hash: [u8; 32] = Sha256::digest(token).into();
            assert_eq!(
                ports.clients.add(&client, &hash).await.unwrap(),
                Added::Added
            );
        }
        let ready = Arc::new(AtomicBool::new(true));
        let log_full = Arc::new(AtomicBool::new(false));
        let entropy = ports.entropy.clone();
        let logins = Logins::new(Arc::new(ports));
        let administration = Administration::new(Arc::new(postern_admin::Ports {
            accounts: people.clone(),
            directory: people.clone(),
            logins: Arc::new(store.clone()),
            sessions: Arc::new(store.clone()),
            attempts: Arc::new(store.clone()),
            backup_codes: Arc::new(store.clone()),
            counters: Arc::new(store.clone()),
            clients: Arc::new(store.clone()),
            documents: Arc::new(store.clone()),
            links: Arc::new(store.clone()),
            tenants: Acts::new(Arc::new(store.clone()), Arc::new(Known), clock.clone()),
            groups: Arc::new(store.clone()),
            deliveries: Arc::new(store.clone()),
            outgoing: Arc::new(NoPeers),
            trail: Arc::new(store.clone()),
            audit: Arc::new(Log {
                store: store.clone(),
                full: log_full.clone(),
            }),
            clock: clock.clone(),
            entropy,
            host: Some(postern_admin::ports::Host {
                plugins: Arc::new(TwoPlugins),
                senders: Arc::new(Bench),
                definitions: Arc::new(Shelf),
                resident: Arc::new(Itself),
                outbox: None,
                codes: logins.clone(),
            }),
        }));
        let state = WebState::new(WebParts {
            all_logins: logins,
            tenants: Arc::new(Known),
            public_url: PublicUrl::parse(public_url).unwrap(),
            other_hosts: vec!["internal:8443".to_owned()],
            trusted_proxies: TrustedProxies::default(),
            clock: clock.clone(),
            all_form_keys: FormKey::new([7; 32]),
            federation: Federation {
                peers: Arc::new(Entries::default()),
                parking: Arc::new(store.clone()),
                once: Arc::new(store.clone()),
                upstreams: Upstreams::new(Arc::new(NoOutbound), Arc::new(store.clone())),
                signing_keys: Arc::new(NoKeys),
                saml: postern_web::saml::Saml {
                    entity_id: format!("{public_url}/saml/metadata"),
                    keys: Arc::new(NoKeys),
                },
                entropy: Arc::new(TestEntropy(AtomicU64::new(1 << 32))),
            },
            scim: postern_web::scim::Scim {
                people: Arc::new(NoPeople),
                groups: Arc::new(store.clone()),
                inbound: postern_web::scim::Rule::default(),
                turns: postern_web::scim::Turns::default(),
            },
            administration: administration.clone(),
            console_url: None,
            readiness: Arc::new(Switch(ready.clone())),
            metrics: Arc::new(|| "postern_logins_total 1\n".to_owned()),
            admin_token: AdminToken::new(ADMIN_TOKEN),
        });
        Self {
            public: postern_web::router::public(state.clone()),
            admin: postern_web::router::admin(state),
            phone,
            clock,
            store,
            people,
            ready,
            administration,
            log_full,
        }
    }

    /// A browser at the administrator's listener.
    pub fn console(&self) -> Browser {
        Browser {
            router: self.admin.clone(),
            host: CONSOLE_HOST,
            ..self.browser()
        }
    }

    /// Makes an account administer, as `postern admin appoint` does.
    pub async fn appoint(&self, name: &str, role: Role) {
        self.administration
            .admin_appoint(
                &Actor::command_line("test"),
                &TenantId::super_tenant(),
                name,
                role,
            )
            .await
            .unwrap();
    }

    /// The link of a new invitation.
    pub async fn invite(&self, name: &str, role: Role) -> String {
        let invited = self
            .administration
            .admin_invite(
                &Actor::command_line("test"),
                &TenantId::super_tenant(),
                name,
                role,
            )
            .await
            .unwrap();
        format!("/console/invitation/{}", invited.secret)
    }

    /// Proves both factors of an account at the console.
    pub async fn at_console_of(&self, browser: &mut Browser, name: &str) -> Answer {
        browser.get("/console/sign-in").await;
        let answer = browser
            .post(
                "/console/sign-in/password",
                &[("username", name), ("password", PASSWORD)],
            )
            .await;
        assert_eq!(answer.location(), "/console/sign-in");
        browser.get("/console/sign-in").await;
        let code = self.phone.last_code();
        browser
            .post("/console/sign-in/code", &[("code", &code)])
            .await
    }

    /// A browser whose console is open.
    pub async fn at_the_console(&self, name: &str, role: Role) -> Browser {
        self.appoint(name, role).await;
        let mut browser = self.console();
        let answer = self.at_console_of(&mut browser, name).await;
        assert_eq!(answer.location(), "/console", "{}", answer.body);
        let page = browser.get("/console").await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        browser
    }

    /// The audit log as the acts' names, oldest first, with what they were done to.
    pub async fn acts(&self) -> Vec<(String, String)> {
        let rows = self.store.audit(0, 1000).await.unwrap();
        rows.iter()
            .map(|(_, event)| {
                let (name, act, on) = postern_admin::audit::names(event);
                (act.unwrap_or(name), on.unwrap_or_default())
            })
            .collect()
    }

    pub fn browser(&self) -> Browser {
        Browser {
            router: self.public.clone(),
            host: HOST,
            base: String::new(),
            cookies: BTreeMap::new(),
            token: String::new(),
            extra: HeaderMap::new(),
        }
    }

    /// A browser that has passed the first step as alice; the code is on the phone.
    pub async fn at_the_code(&self) -> Browser {
        self.at_the_code_of("").await
    }

    /// At `base`, the address of a tenant.
    pub async fn at_the_code_of(&self, base: &str) -> Browser {
        let mut browser = self.browser();
        browser.base = base.to_owned();
        browser.get("/sign-in").await;
        let answer = browser.password("alice", PASSWORD).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        let page = browser.get("/sign-in").await;
        assert!(page.body.contains("Enter the code"), "{}", page.body);
        browser
    }

    pub async fn signed_in(&self) -> Browser {
        self.signed_in_at("").await
    }

    pub async fn signed_in_at(&self, base: &str) -> Browser {
        let mut browser = self.at_the_code_of(base).await;
        let code = self.phone.last_code();
        let answer = browser.post("/sign-in/code", &[("code", &code)]).await;
        assert_eq!(answer.location(), format!("{base}/account"));
        browser
    }

    pub async fn signed_in_as_bob(&self) -> Browser {
        let mut browser = self.browser();
        browser.get("/sign-in").await;
        browser.password("bob", PASSWORD).await;
        browser.get("/sign-in").await;
        let code = self.phone.last_code();
        let answer = browser.post("/sign-in/code", &[("code", &code)]).await;
        assert_eq!(answer.location(), "/account", "{}", answer.body);
        browser
    }

    pub async fn ask(&self, request: Request<Body>) -> Answer {
        ask(&self.public, request).await
    }
}

pub struct TestClock(AtomicU64);

impl TestClock {
    pub fn pass(&self, duration: Duration) {
        let milliseconds = u64::try_from(duration.as_millis()).unwrap();
        self.0.fetch_add(milliseconds, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

struct TestEntropy(AtomicU64);

impl Entropy for TestEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), StoreError> {
        for chunk in bytes.chunks_mut(32) {
            let n = self.0.fetch_add(1, Ordering::SeqCst);
            let block = Sha256::digest(n.to_le_bytes());
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
        Ok(())
    }
}

struct Log {
    store: Memory,
    full: Arc<AtomicBool>,
}

#[async_trait]
impl AuditLog for Log {
    async fn record(&self, event: postern_login::audit::AuditEvent) -> Result<(), StoreError> {
        if self.full.load(Ordering::SeqCst) {
            return Err(StoreError::new("the store's disk is full"));
        }
        self.store.record(event).await
    }
}

struct Switch(Arc<AtomicBool>);

#[async_trait]
impl Readiness for Switch {
    async fn check(&self) -> Ready {
        Ready {
            store: true,
            senders: self.0.load(Ordering::SeqCst),
        }
    }
}

/// Backup codes of alice, as if she had printed them before.
pub async fn print_backup_codes(world: &World) -> Vec<String> {
    let subject = Subject::Account {
        tenant: TenantId::super_tenant(),
        account: "alice".to_owned(),
    };
    let codes: Vec<BackupCode> = (0..10u8)
        .map(|i| BackupCode::from_entropy(&[i; 16]).unwrap())
        .collect();
    BackupCodeStore::replace(&world.store, &subject, &codes, world.clock.now())
        .await
        .unwrap();
    codes.iter().map(BackupCode::display).collect()
}
