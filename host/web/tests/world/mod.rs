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

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use postern_admin::definitions::{Declared, Definition, Definitions, FormName, Meaning, Sort};
use postern_admin::form::{Field, FieldKind, Section};
use postern_admin::plugins::{PluginReport, Plugins, RefusedFile};
use postern_admin::senders::{SenderReport, SentRequest, TestOutcome, TestSender};
use postern_admin::tenants::{DocumentCheck, TenantDocuments, Tenants as Acts};
use postern_admin::users::{Accounts, StoreFacts, UserChange, UserRecord};
use postern_admin::{Actor, Administration, Role};
use postern_federation::Entries;
use postern_federation::identity_provider::Network;
use postern_federation::oidc::provider::{SigningKeys, SigningRing};
use postern_federation::oidc::upstream::Upstreams;
use postern_federation::ports::{Outbound, PortError};
use postern_login::error::StoreError;
use postern_login::ports::*;
use postern_login::tenant::SUPER_TENANT;
use postern_login::text::Template;
use postern_login::{Logins, TenantId};
use postern_otp::{BackupCode, FactorSettings, HashKey, KeyRing, PhoneNumber, Timestamp};
use postern_store::memory::Memory;
use postern_web::extract::client::Peer;
use postern_web::{
    AdminToken, Face, Federation, FormKey, PublicUrl, Readiness, Ready, Tenants, TrustedProxies,
    WebParts, WebState,
};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tower::ServiceExt;

pub const HOST: &str = "login.example";
pub const API_TOKEN: &str = "api-token-of-the-shop-0123456789";
pub const API_TOKEN_OF_A: &str = "api-token-of-another-tenant-012345";
pub const ADMIN_TOKEN: &str = "admin-token-0123456789";
pub const PASSWORD: &str = "correct horse";

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

pub async fn ask(router: &Router, mut request: Request<Body>) -> Answer {
    let peer: SocketAddr = "198.51.100.7:40000".parse().unwrap();
    request.extensions_mut().insert(Peer(peer));
    let response = router.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer {
        status: head.status,
        headers: head.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn location(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.body);
        self.headers[header::LOCATION].to_str().unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .unwrap_or_else(|| panic!("no {name}"))
            .to_str()
            .unwrap()
    }
}

/// Keeps cookies, remembers the token of the last page, follows nothing by itself.
#[derive(Clone)]
pub struct Browser {
    pub router: Router,
    pub host: &'static str,
    /// In front of every path it asks for.
    pub base: String,
    pub cookies: BTreeMap<String, String>,
    pub token: String,
    /// Sent with every request.
    pub extra: HeaderMap,
}

impl Browser {
    pub async fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, None).await
    }

    /// With the token of the last page.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("token", &self.token).extend_pairs(fields);
        self.send("POST", path, Some(form.finish())).await
    }

    pub async fn post_raw(&mut self, path: &str, body: &str) -> Answer {
        self.send("POST", path, Some(body.to_owned())).await
    }

    pub async fn password(&mut self, name: &str, password: &str) -> Answer {
        self.post(
            "/sign-in/password",
            &[("username", name), ("password", password)],
        )
        .await
    }

    pub async fn send(&mut self, method: &str, path: &str, form: Option<String>) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(header::HOST, self.host);
        if !self.cookies.is_empty() {
            let cookies: Vec<String> = self
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        if form.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let mut request = request.body(Body::from(form.unwrap_or_default())).unwrap();
        for (name, value) in &self.extra {
            request.headers_mut().insert(name, value.clone());
        }
        let answer = ask(&self.router, request).await;
        for set in answer.headers.get_all(header::SET_COOKIE) {
            let set = set.to_str().unwrap();
            let (name, value) = set.split(';').next().unwrap().split_once('=').unwrap();
            if set.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        if let Some((_, rest)) = answer.body.split_once("name=\"token\" value=\"") {
            self.token = rest.split('"').next().unwrap().to_owned();
        }
        answer
    }

    pub fn cookie_name(&self, what: &str) -> String {
        let mut names = self.cookies.keys();
        names.find(|name| name.contains(what)).unwrap().clone()
    }

    /// The value of the cookie whose name contains `what`.
    pub fn cookie(&self, what: &str) -> Option<String> {
        self.cookies
            .iter()
            .find(|(name, _)| name.contains(what))
            .map(|(_, value)| value.clone())
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

struct Settings(Arc<TenantSettings>);

impl Settings {
    fn new(factor: FactorSettings) -> Self {
        let window = Duration::from_secs(600);
        Self(Arc::new(TenantSettings {
            factor,
            by_entry: Default::default(),
            keys: KeyRing::new(vec![HashKey::new(1, [3; 32])]).unwrap(),
            templates: vec![Template::new("en", "Verification Code: {code}")],
            brand: "Postern".to_owned(),
            limits: SendLimits {
                per_account: (5, window),
                per_number: (5, window),
                per_address: (1000, Duration::from_secs(3600)),
                calls_per_message: 3,
                ..SendLimits::default()
            },
            login_lifetime: Duration::from_secs(900),
            session_lifetime: Duration::from_secs(8 * 3600),
            failures_per_hour: 1000,
        }))
    }
}

#[async_trait]
impl SettingsSource for Settings {
    async fn of(&self, tenant: &TenantId) -> Result<Option<Arc<TenantSettings>>, StoreError> {
        if tenant.as_str() == BROKEN {
            return Err(StoreError::new("its document says `secret-word` on line 3"));
        }
        Ok(TENANTS
            .contains(&tenant.as_str())
            .then(|| Arc::clone(&self.0)))
    }
}

/// The tenants there are: two beside the super tenant, and one whose settings cannot be read.
const TENANTS: [&str; 3] = [SUPER_TENANT, "a.example", "b.example"];
pub const BROKEN: &str = "broken.example";

struct Known;

#[async_trait]
impl TenantDocuments for Known {
    async fn check(&self, _: &TenantId, _: &str) -> DocumentCheck {
        DocumentCheck::default()
    }
    async fn files(&self) -> Result<BTreeMap<TenantId, String>, StoreError> {
        let names = ["a.example", "b.example", BROKEN].into_iter();
        let file = |name| {
            (
                TenantId::parse(name).unwrap(),
                format!("tenants/{name}.toml"),
            )
        };
        Ok(names.map(file).collect())
    }
    async fn file_text(&self, _: &TenantId) -> Result<Option<String>, StoreError> {
        Ok(None)
    }
    fn hide_secrets(&self, text: &str) -> String {
        text.to_owned()
    }
    async fn reload(&self) -> Result<(), StoreError> {
        Ok(())
    }
    fn trouble(&self, tenant: &TenantId) -> Option<String> {
        (tenant.as_str() == BROKEN).then(|| "line 3: not TOML".to_owned())
    }
    async fn default_region(&self, tenant: &TenantId) -> Result<Option<String>, StoreError> {
        Ok(match tenant.as_str() {
            "b.example" => Some("US".to_owned()),
            BROKEN => None,
            _ => Some("LK".to_owned()),
        })
    }
}

impl Tenants for Known {
    fn face(&self, tenant: &TenantId) -> Option<Arc<Face>> {
        let name = tenant.as_str();
        (TENANTS.contains(&name) || name == BROKEN).then(|| {
            Arc::new(Face {
                brand: match name {
                    SUPER_TENANT => "Postern".to_owned(),
                    name => format!("The house of {name}"),
                },
            })
        })
    }
}

/// What arrived.
#[derive(Default)]
pub struct Phone {
    messages: Mutex<Vec<(String, String, Option<String>)>>,
    /// While it is held, the provider does not answer.
    held: Mutex<Option<Arc<tokio::sync::Semaphore>>>,
    waiting: std::sync::atomic::AtomicUsize,
    pub broken: AtomicBool,
    aloud: AtomicBool,
}

impl Phone {
    /// Prints what arrives, for somebody who looks at the pages.
    pub fn aloud(&self) {
        self.aloud.store(true, Ordering::SeqCst);
    }

    pub fn count(&self) -> usize {
        self.messages.lock().unwrap().len()
    }

    pub fn hold(&self) {
        *self.held.lock().unwrap() = Some(Arc::new(tokio::sync::Semaphore::new(0)));
    }

    /// Messages the provider has and has not answered.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    pub fn release(&self) {
        if let Some(held) = self.held.lock().unwrap().take() {
            held.close();
        }
    }

    pub fn last_code(&self) -> String {
        let messages = self.messages.lock().unwrap();
        messages.last().unwrap().2.clone().unwrap()
    }

    pub fn last_number(&self) -> String {
        self.messages.lock().unwrap().last().unwrap().0.clone()
    }
}

/// What a provider says that must never reach a browser.
pub const PROVIDER_TEXT: &str = "upstream says: account 4711 at /srv/plugins/x.wasm";

#[async_trait]
impl Senders for Phone {
    async fn send(&self, _: &str, message: &Message, _: Instant) -> Delivery {
        let held = self.held.lock().unwrap().clone();
        if let Some(held) = held {
            self.waiting.fetch_add(1, Ordering::SeqCst);
            let _ = held.acquire().await;
        }
        if self.broken.load(Ordering::SeqCst) {
            return Delivery::Failed(SendFailure {
                reason: FailureReason::ProviderDown,
                retry_after: None,
                detail: PROVIDER_TEXT.to_owned(),
                words: Some(postern_login::provider_words::ProviderWords::new(
                    PROVIDER_TEXT,
                )),
            });
        }
        if self.aloud.load(Ordering::SeqCst) {
            println!("{}: {}", message.to.e164(), message.text.as_str());
        }
        self.messages.lock().unwrap().push((
            message.to.e164().to_owned(),
            message.text.as_str().to_owned(),
            message.code.as_ref().map(|code| code.as_str().to_owned()),
        ));
        Delivery::Accepted {
            provider_id: Some("p-1".to_owned()),
            parts: Some(1),
        }
    }
    fn ready(&self, _: &TenantId, _: &str) -> bool {
        true
    }
    fn idempotent(&self, _: &TenantId, _: &str) -> bool {
        false
    }
}

struct NoResolver;

#[async_trait]
impl UserResolver for NoResolver {
    async fn resolve(&self, _: &str, _: &[(String, String)], _: &FederatedLogin) -> Resolution {
        Resolution::NotFound
    }
}

/// alice and bob have numbers, carol has none, dave is locked by an administrator; the directory
/// breaks in two ways for two more names.
pub struct People {
    profiles: Mutex<BTreeMap<String, Profile>>,
    /// Of those who have another one than everybody.
    passwords: Mutex<BTreeMap<String, String>>,
}

impl Default for People {
    fn default() -> Self {
        let person = |name: &str, number: Option<&str>| Profile {
            account: Some(AccountRef {
                name: name.to_owned(),
            }),
            display_name: Some(format!("{name} <b>")),
            number: number.map(str::to_owned),
            locked: name == "dave",
            had_factor: number.is_some(),
            password_changeable: true,
            ..Profile::default()
        };
        let people = [
            person("alice", Some("+94771234567")),
            person("bob", Some("+94771234568")),
            person("carol", None),
            person("dave", Some("+94771234569")),
        ];
        let named = people
            .into_iter()
            .map(|p| (p.account.as_ref().unwrap().name.clone(), p));
        Self {
            profiles: Mutex::new(named.collect()),
            passwords: Mutex::default(),
        }
    }
}

impl People {
    pub fn read_only(&self, name: &str) {
        let mut profiles = self.profiles.lock().unwrap();
        profiles.get_mut(name).unwrap().password_changeable = false;
    }

    pub fn number(&self, name: &str) -> Option<String> {
        self.profiles.lock().unwrap()[name].number.clone()
    }

    /// `None` also for nobody.
    pub fn number_of(&self, name: &str) -> Option<String> {
        self.profiles.lock().unwrap().get(name)?.number.clone()
    }

    pub fn rename_display(&self, name: &str, display_name: &str) {
        self.profiles
            .lock()
            .unwrap()
            .get_mut(name)
            .unwrap()
            .display_name = Some(display_name.to_owned());
    }
}

#[async_trait]
impl Directory for People {
    async fn check_password(
        &self,
        _: &TenantId,
        name: &str,
        password: &str,
    ) -> Result<PasswordCheck, DirectoryError> {
        assert!(name != "panic", "a panic that names 94771234567");
        if name == "outage" {
            return Err(DirectoryError::Failed(StoreError::new(
                "ldap at 10.0.0.5: SELECT failed",
            )));
        }
        let account = AccountRef {
            name: name.to_owned(),
        };
        let own = self.passwords.lock().unwrap().get(name).cloned();
        let right = password == own.as_deref().unwrap_or(PASSWORD);
        Ok(match self.profiles.lock().unwrap().get(name) {
            Some(profile) if right && profile.locked => PasswordCheck::Locked(account),
            Some(_) if right => PasswordCheck::Right(account),
            _ => PasswordCheck::Wrong,
        })
    }
    async fn find(&self, _: &TenantId, name: &str) -> Result<Option<AccountRef>, DirectoryError> {
        // All of them are in the primary store.
        let name = name.strip_prefix("PRIMARY/").unwrap_or(name);
        Ok(self
            .profiles
            .lock()
            .unwrap()
            .get(name)
            .and_then(|p| p.account.clone()))
    }
    async fn find_association(
        &self,
        _: &TenantId,
        _: &str,
        _: &str,
        _: &str,
    ) -> Result<Option<AccountRef>, DirectoryError> {
        Ok(None)
    }
    async fn profile(&self, _: &TenantId, account: &AccountRef) -> Result<Profile, DirectoryError> {
        Ok(self.profiles.lock().unwrap()[&account.name].clone())
    }
    async fn save_first_number(
        &self,
        tenant: &TenantId,
        account: &AccountRef,
        number: &PhoneNumber,
    ) -> Result<FirstNumber, DirectoryError> {
        let known = self.number(&account.name);
        match known {
            Some(known) if known == number.e164() => Ok(FirstNumber::Known),
            Some(_) => Ok(FirstNumber::Taken),
            None => {
                self.save_number(tenant, account, number).await?;
                Ok(FirstNumber::Saved)
            }
        }
    }
    async fn save_number(
        &self,
        _: &TenantId,
        account: &AccountRef,
        number: &PhoneNumber,
    ) -> Result<(), DirectoryError> {
        let mut people = self.profiles.lock().unwrap();
        let profile = people.get_mut(&account.name).unwrap();
        profile.number = Some(number.e164().to_owned());
        profile.had_factor = true;
        Ok(())
    }
    async fn save_opt_out(
        &self,
        _: &TenantId,
        account: &AccountRef,
        opted_out: bool,
    ) -> Result<(), DirectoryError> {
        self.profiles
            .lock()
            .unwrap()
            .get_mut(&account.name)
            .unwrap()
            .opted_out = opted_out;
        Ok(())
    }
    async fn associations(
        &self,
        _: &TenantId,
        _: &AccountRef,
    ) -> Result<Vec<Association>, DirectoryError> {
        Ok(vec![Association {
            identity_provider: "corp".to_owned(),
            subject: "<i>alice</i>".to_owned(),
        }])
    }
    async fn remove_association(
        &self,
        _: &TenantId,
        _: &AccountRef,
        association: &Association,
    ) -> Result<bool, DirectoryError> {
        Ok(association.identity_provider == "corp")
    }
    async fn set_password(
        &self,
        _: &TenantId,
        account: &AccountRef,
        password: &str,
    ) -> Result<(), DirectoryError> {
        let mut passwords = self.passwords.lock().unwrap();
        passwords.insert(account.name.clone(), password.to_owned());
        Ok(())
    }
}

fn record(profile: &Profile) -> UserRecord {
    UserRecord {
        name: profile.account.as_ref().unwrap().name.clone(),
        display_name: profile.display_name.clone(),
        number: profile.number.clone(),
        opted_out: profile.opted_out,
        locked: profile.locked,
        claims: profile.claims.clone(),
    }
}

impl People {
    fn apply(&self, name: &str, profile: &mut Profile, change: &UserChange) {
        if let Some(display_name) = &change.display_name {
            profile.display_name = Some(display_name.clone());
        }
        if let Some(number) = &change.number {
            profile.number.clone_from(number);
            profile.had_factor |= number.is_some();
        }
        profile.opted_out = change.opted_out.unwrap_or(profile.opted_out);
        profile.locked = change.locked.unwrap_or(profile.locked);
        profile.claims.extend(change.claims.iter().cloned());
        if let Some(password) = &change.password {
            let mut passwords = self.passwords.lock().unwrap();
            passwords.insert(name.to_owned(), password.clone());
        }
    }
}

#[async_trait]
impl Accounts for People {
    async fn create(
        &self,
        _: &TenantId,
        name: &str,
        change: &UserChange,
    ) -> Result<bool, DirectoryError> {
        let mut people = self.profiles.lock().unwrap();
        if people.contains_key(name) {
            return Ok(false);
        }
        let mut profile = Profile {
            account: Some(AccountRef {
                name: name.to_owned(),
            }),
            ..Profile::default()
        };
        self.apply(name, &mut profile, change);
        people.insert(name.to_owned(), profile);
        Ok(true)
    }
    async fn change(
        &self,
        _: &TenantId,
        name: &str,
        change: &UserChange,
    ) -> Result<bool, DirectoryError> {
        let mut people = self.profiles.lock().unwrap();
        let Some(profile) = people.get_mut(name) else {
            return Ok(false);
        };
        self.apply(name, profile, change);
        Ok(true)
    }
    async fn delete(&self, _: &TenantId, name: &str) -> Result<bool, DirectoryError> {
        Ok(self.profiles.lock().unwrap().remove(name).is_some())
    }
    async fn get(&self, _: &TenantId, name: &str) -> Result<Option<UserRecord>, DirectoryError> {
        Ok(self.profiles.lock().unwrap().get(name).map(record))
    }
    async fn list(
        &self,
        _: &TenantId,
        from: Option<&str>,
        rows_max: u32,
    ) -> Result<Vec<UserRecord>, DirectoryError> {
        let people = self.profiles.lock().unwrap();
        let after = people
            .values()
            .map(record)
            .filter(|user| from.is_none_or(|from| user.name.as_str() > from));
        Ok(after.take(rows_max as usize).collect())
    }
    fn stores(&self, _: &TenantId) -> Vec<StoreFacts> {
        [("", true), ("CORP", true), ("PAYROLL", false)]
            .into_iter()
            .map(|(domain, takes_users)| StoreFacts {
                domain: domain.to_owned(),
                takes_users,
            })
            .collect()
    }
    async fn link(&self, _: &TenantId, _: &str, _: &str, _: &str) -> Result<bool, DirectoryError> {
        Ok(false)
    }
}

/// One that serves, one that was refused: with words of a stranger in them.
struct TwoPlugins;

#[async_trait]
impl Plugins for TwoPlugins {
    fn report(&self) -> Vec<PluginReport> {
        vec![
            PluginReport {
                file: "acme.wasm".to_owned(),
                id: Some("acme".to_owned()),
                version: Some("1.1.0".to_owned()),
                kind: Some("sms-provider".to_owned()),
                sha256: Some("9f".repeat(32)),
                state: "serving".to_owned(),
                calls: 4711,
                faults: 3,
                last_fault: Some("<i>trap</i>".to_owned()),
                origins_asked: vec!["https://api.acme.example".to_owned()],
                origins_granted: vec![(
                    "bench".to_owned(),
                    vec!["https://api.acme.example".to_owned()],
                )],
                limits: vec![("memory".to_owned(), "16 MiB".to_owned())],
                previous: Some("1.0.0".to_owned()),
                ..PluginReport::default()
            },
            PluginReport {
                file: "<b>.wasm".to_owned(),
                state: "rejected".to_owned(),
                refused: Some(RefusedFile {
                    sha256: None,
                    stage: "manifest".to_owned(),
                    reason: "<script>alert(1)</script>".to_owned(),
                }),
                note: Some(
                    "the last good content, version 1.0.0, serves: <script>alert(3)</script>"
                        .to_owned(),
                ),
                ..PluginReport::default()
            },
        ]
    }
    fn rescan(&self) {}
    async fn roll_back(&self, id: &str) -> Result<String, String> {
        match id {
            "acme" => Ok("1.0.0".to_owned()),
            other => Err(format!("no earlier content of plugin `{other}` is kept")),
        }
    }
}

/// Forms of a few fields; the file defines one provider and one application that uses it.
struct Shelf;

#[async_trait]
impl Definitions for Shelf {
    fn forms(&self, sort: Sort) -> Vec<FormName> {
        let name = |form: &str| FormName {
            form: form.to_owned(),
            label: form.to_uppercase(),
        };
        match sort {
            Sort::IdentityProvider => vec![name("oidc"), name("sms-otp/acme")],
            Sort::ServiceProvider => vec![name("oidc")],
            Sort::ClaimDialect => vec![name("dialect")],
            Sort::Connector | Sort::Inbound => vec![name("scim")],
        }
    }
    fn form(&self, sort: Sort, form: &str) -> Option<Vec<Section>> {
        let fields = match (sort, form) {
            (Sort::IdentityProvider, "oidc") => vec![
                Field::text("issuer", "Issuer", "")
                    .of(FieldKind::Url)
                    .required(),
                Field::text("client_secret", "Client secret", "").secret(),
                Field::text("userinfo", "Ask userinfo", "")
                    .of(FieldKind::Boolean)
                    .or("true"),
                Field::text("metadata", "Metadata", "").of(FieldKind::Document),
                Field::text("dialect", "Claim dialect", ""),
                Field::text("claims", "Claims", "").of(FieldKind::Pairs),
            ],
            (Sort::ClaimDialect, "dialect") => vec![
                Field::text("uri", "Dialect URI", ""),
                Field::text("claims", "Mappings", "")
                    .of(FieldKind::Pairs)
                    .required(),
            ],
            (Sort::Connector, "scim") => vec![
                Field::text("user_endpoint", "User endpoint", "")
                    .of(FieldKind::Url)
                    .required(),
                Field::text("token", "Token", "").secret(),
                Field::text("identity_provider", "Identity provider", ""),
            ],
            (Sort::Inbound, "scim") => vec![Field::text("user_store", "User store", "")],
            (Sort::IdentityProvider, "sms-otp/acme") => vec![
                Field::text("settings.from", "From", "").required(),
                Field::text("code.length", "Length", "").of(FieldKind::Integer { min: 6, max: 10 }),
            ],
            (Sort::ServiceProvider, "oidc") => vec![
                Field::text("first_step", "First step", "")
                    .of(FieldKind::List)
                    .or("password"),
                Field::text("second_step", "Second step", "")
                    .of(FieldKind::Choice(vec!["sms-otp".into(), "none".into()])),
            ],
            _ => return None,
        };
        Some(vec![Section {
            title: "Settings".to_owned(),
            help: String::new(),
            fields,
        }])
    }
    fn declared(&self, sort: Sort, _: &TenantId) -> Vec<Declared> {
        let name = match sort {
            Sort::IdentityProvider => "filed",
            Sort::ServiceProvider => "shop",
            Sort::ClaimDialect => "openid",
            Sort::Connector => "peer",
            Sort::Inbound => return Vec::new(),
        };
        let values: &[(&str, &str)] = match sort {
            Sort::IdentityProvider => &[
                ("issuer", "https://filed.example"),
                ("userinfo", "false"),
                ("claims", "mail = http://<b>\ntel = http://<i>"),
                ("ca_files", "corp.pem"),
            ],
            Sort::ClaimDialect => &[("claims", "name = http://<b>")],
            Sort::ServiceProvider | Sort::Connector | Sort::Inbound => &[],
        };
        let own = |name: &str| name.to_owned();
        let mut all = vec![Declared {
            name: own(name),
            form: own(match sort {
                Sort::ClaimDialect => "dialect",
                Sort::Connector | Sort::Inbound => "scim",
                Sort::IdentityProvider | Sort::ServiceProvider => "oidc",
            }),
            enabled: true,
            place: format!("postern.toml, [x.{name}]"),
            values: values
                .iter()
                .map(|(name, value)| (own(name), own(value)))
                .collect(),
            set: Vec::new(),
        }];
        if sort == Sort::IdentityProvider {
            all[0].set.push(own("client_secret"));
            all.push(Declared {
                name: own("silent"),
                form: own("sms-otp/gone"),
                enabled: true,
                place: own("senders/silent.toml"),
                values: [(own("ca_files"), own("sms.pem"))].into(),
                set: Vec::new(),
            });
        }
        all
    }
    async fn check(
        &self,
        _: Sort,
        _: &TenantId,
        _: &str,
        definition: &Definition,
    ) -> Vec<(String, String)> {
        match definition.values.get("issuer") {
            Some(issuer) if issuer.contains("wrong") => {
                vec![("issuer".to_owned(), "no provider is there".to_owned())]
            }
            _ => Vec::new(),
        }
    }
    fn meanings(&self, _: &TenantId) -> Vec<Meaning> {
        vec![Meaning {
            what: "Mobile number".to_owned(),
            claim: "http://wso2.org/claims/mobile".to_owned(),
            kept: vec![("CORP".to_owned(), "`<b>mobile`".to_owned())],
        }]
    }
    fn sends_to(&self, service_provider: &Definition) -> Vec<String> {
        let list = service_provider.values.get("first_step");
        list.map(|text| {
            postern_admin::form::lines(text)
                .map(str::to_owned)
                .collect()
        })
        .unwrap_or_default()
    }
    fn declared_sends_to(&self, _: &TenantId) -> Vec<(String, Vec<String>)> {
        vec![("shop".to_owned(), vec!["filed".to_owned()])]
    }
    fn declared_connectors(&self, _: &TenantId) -> Vec<(String, String)> {
        vec![("peer".to_owned(), "filed".to_owned())]
    }
    async fn apply(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// What this host is to others.
struct Itself;

impl postern_admin::resident::Facts for Itself {
    fn facts(&self) -> Result<postern_admin::resident::Resident, StoreError> {
        use postern_admin::resident::{
            CertificateFacts, OpenIdFacts, Resident, SamlFacts, ScimFacts,
        };
        let at = |path: &str| format!("https://login.example{path}");
        Ok(Resident {
            saml: SamlFacts {
                entity_id: "urn:<b>login".to_owned(),
                metadata: at("/saml/metadata"),
                single_sign_on: at("/samlsso"),
                single_logout: at("/samlsso"),
                consumer: at("/commonauth"),
                certificates: vec![CertificateFacts {
                    signs: true,
                    fingerprint: "0a1b".repeat(16),
                    not_before: Some(1_795_310_100_000),
                    not_after: None,
                }],
            },
            openid: OpenIdFacts {
                issuer: at(""),
                discovery: at("/.well-known/openid-configuration"),
                endpoints: vec![("token_endpoint".to_owned(), at("/oauth2/token"))],
            },
            scim: ScimFacts {
                base: at("/scim/v2"),
                users: at("/wso2/scim/Users"),
                groups: at("/wso2/scim/Groups"),
                user_store: None,
                user_stores: vec!["PRIMARY".to_owned()],
            },
        })
    }
}

/// A sender on a test bench.
struct Bench;

#[async_trait]
impl TestSender for Bench {
    fn list(&self) -> Vec<SenderReport> {
        vec![SenderReport {
            tenant: TenantId::super_tenant().to_string(),
            name: "bench".to_owned(),
            plugin: "acme".to_owned(),
            version: Some("1.1.0".to_owned()),
            ready: true,
            problems: Vec::new(),
            place: "the configuration file, section [sender.bench]".to_owned(),
        }]
    }
    async fn send(&self, _: &str, message: &Message) -> TestOutcome {
        TestOutcome {
            requests: vec![SentRequest {
                method: "POST".to_owned(),
                url: "https://api.acme.example/send".to_owned(),
                headers: vec![("authorization".to_owned(), "Basic [secret]".to_owned())],
                body: format!("To={}&Body=<b>", message.to.e164()),
            }],
            accepted: false,
            verdict: "auth-failed".to_owned(),
            detail: "<script>alert(2)</script>".to_owned(),
            took_ms: 12,
        }
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

struct NoKeys;

impl SigningKeys for NoKeys {
    fn ring(&self, _: postern_federation::Moment) -> Result<Arc<SigningRing>, PortError> {
        Ok(Arc::default())
    }
}

impl postern_federation::saml::keys::OwnKeys for NoKeys {
    fn security(
        &self,
        _: postern_federation::Moment,
    ) -> Result<Arc<dyn postern_federation::saml::XmlSecurity>, PortError> {
        Err(PortError::new("no SAML keys here"))
    }
    fn name_key(&self) -> Result<[u8; 32], PortError> {
        Ok([3; 32])
    }
}

/// No identity provider is reached from here.
struct NoOutbound;

#[async_trait]
impl Outbound for NoOutbound {
    async fn fetch(
        &self,
        _: &str,
        _: &str,
        _: &Network,
        _: Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, PortError> {
        Err(PortError::new("there is no network"))
    }
}

/// Nobody is provisioned here; whole-host tests do that.
struct NoPeople;

#[async_trait]
impl postern_federation::scim::People for NoPeople {
    async fn accounts(&self, _: &str, _: Option<&str>, _: usize) -> Result<Vec<String>, PortError> {
        Ok(Vec::new())
    }

    async fn person(
        &self,
        _: &str,
        _: &str,
    ) -> Result<Option<postern_federation::scim::Person>, PortError> {
        Ok(None)
    }

    async fn person_named(
        &self,
        _: &str,
        _: &str,
    ) -> Result<Option<postern_federation::scim::Person>, PortError> {
        Ok(None)
    }

    async fn people(
        &self,
        _: &str,
        _: &[String],
        _: &postern_federation::scim::Condition,
        _: usize,
        _: usize,
    ) -> Result<
        postern_federation::scim::Page<postern_federation::scim::Person>,
        postern_federation::scim::SearchError,
    > {
        Ok(postern_federation::scim::Page {
            total: 0,
            items: Vec::new(),
        })
    }

    async fn set_external_id(&self, _: &str, _: &str, _: Option<&str>) -> Result<(), PortError> {
        Ok(())
    }
}

struct NoPeers;

#[async_trait]
impl postern_admin::provisioning::Outgoing for NoPeers {
    fn connectors(&self) -> Vec<postern_admin::provisioning::ConnectorReport> {
        vec![postern_admin::provisioning::ConnectorReport {
            name: "peer".to_owned(),
            enabled: true,
            identity_provider: Some("filed".to_owned()),
            version: "2.0".to_owned(),
            user_endpoint: "https://peer.example/Users".to_owned(),
            group_endpoint: None,
            user_store_domain: None,
            blocking: true,
            waiting: 0,
        }]
    }

    async fn group_begins(&self, _: &TenantId, _: &str) -> Result<Vec<u64>, PortError> {
        Ok(Vec::new())
    }

    async fn group_ends(
        &self,
        _: &TenantId,
        _: Vec<u64>,
        _: bool,
        _: bool,
    ) -> Result<(), PortError> {
        Ok(())
    }

    fn wake(&self) {}

    async fn forget(&self, _: &TenantId, _: &str) -> Result<(), PortError> {
        Ok(())
    }
}
