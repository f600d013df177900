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
use postern_admin::plugins::{PluginReport, Plugins};
use postern_admin::tenants::{DocumentCheck, TenantDocuments, Tenants as Acts};
use postern_federation::Entries;
use postern_federation::identity_provider::Network;
use postern_federation::oidc::provider::{SigningKeys, SigningRing};
use postern_federation::oidc::upstream::Upstreams;
use postern_federation::ports::{Outbound, PortError};
use postern_login::error::StoreError;
use postern_login::ports::*;
use postern_login::tenant::SUPER_TENANT;
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
}

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
            };
            let hash: [u8; 32] = Sha256::digest(token).into();
            assert_eq!(
                ports.clients.add(&client, &hash).await.unwrap(),
                Added::Added
            );
        }
        let ready = Arc::new(AtomicBool::new(true));
        let state = WebState::new(WebParts {
            all_logins: Logins::new(Arc::new(ports)),
            tenants: Arc::new(Known),
            tenant_acts: Acts::new(Arc::new(store.clone()), Arc::new(Known), clock.clone()),
            public_url: PublicUrl::parse(public_url).unwrap(),
            other_hosts: vec!["internal:8443".to_owned()],
            trusted_proxies: TrustedProxies::default(),
            clock: clock.clone(),
            all_form_keys: FormKey::new([7; 32]),
            plugins: Arc::new(NoPlugins),
            federation: Federation {
                peers: Arc::new(Entries::default()),
                parking: Arc::new(store.clone()),
                once: Arc::new(store.clone()),
                upstreams: Upstreams::new(Arc::new(NoOutbound), Arc::new(store.clone())),
                signing_keys: Arc::new(NoKeys),
                entropy: Arc::new(TestEntropy(AtomicU64::new(1 << 32))),
            },
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
        }
    }

    pub fn browser(&self) -> Browser {
        Browser {
            router: self.public.clone(),
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
            .header(header::HOST, HOST);
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
            keys: KeyRing::new(vec![HashKey::new(1, [3; 32])]).unwrap(),
            templates: vec![("en".to_owned(), "Verification Code: {code}".to_owned())],
            brand: "Postern".to_owned(),
            limits: SendLimits {
                per_account: (5, window),
                per_number: (5, window),
                per_address: (1000, Duration::from_secs(3600)),
                calls_per_message: 3,
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
pub struct People(Mutex<BTreeMap<String, Profile>>);

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
            ..Profile::default()
        };
        let people = [
            person("alice", Some("+94771234567")),
            person("bob", Some("+94771234568")),
            person("carol", None),
            person("dave", Some("+94771234569")),
        ];
        Self(Mutex::new(
            people
                .into_iter()
                .map(|p| (p.account.as_ref().unwrap().name.clone(), p))
                .collect(),
        ))
    }
}

impl People {
    pub fn number(&self, name: &str) -> Option<String> {
        self.0.lock().unwrap()[name].number.clone()
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
        Ok(match self.0.lock().unwrap().get(name) {
            Some(profile) if password == PASSWORD && profile.locked => {
                PasswordCheck::Locked(account)
            }
            Some(_) if password == PASSWORD => PasswordCheck::Right(account),
            _ => PasswordCheck::Wrong,
        })
    }
    async fn find(&self, _: &TenantId, name: &str) -> Result<Option<AccountRef>, DirectoryError> {
        Ok(self
            .0
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
        Ok(self.0.lock().unwrap()[&account.name].clone())
    }
    async fn save_number(
        &self,
        _: &TenantId,
        account: &AccountRef,
        number: &PhoneNumber,
    ) -> Result<(), DirectoryError> {
        let mut people = self.0.lock().unwrap();
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
        self.0
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
        _: &AccountRef,
        _: &str,
    ) -> Result<(), DirectoryError> {
        Err(DirectoryError::ReadOnly)
    }
}

struct NoPlugins;

impl Plugins for NoPlugins {
    fn report(&self) -> Vec<PluginReport> {
        Vec::new()
    }
    fn rescan(&self) {}
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
