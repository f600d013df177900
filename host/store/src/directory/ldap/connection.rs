//! Connections to a directory: TLS, several servers, a few connections that are kept for searching.
//!
//! Referrals are never followed: where the answers come from is the operator's decision, and two
//! directories that point at each other must not hold a sign-in.

use super::settings::{Scope, Settings};
use ldap3::adapters::{Adapter, EntriesOnly, PagedResults};
use ldap3::controls::RawControl;
use ldap3::exop::Exop;
use ldap3::{
    Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, Mod, SearchEntry, SearchOptions,
};
use postern_login::error::StoreError;
use postern_login::ports::DirectoryError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, SemaphorePermit};

/// A kept connection that was idle for longer is not used again: something on the way may have
/// forgotten it without a word.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// After so long the first server is tried again, although another one answers.
const RETURN_AFTER: Duration = Duration::from_secs(60);

type Outcome<T> = Result<T, Fault>;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// The connection is of no use any more.
    Lost(StoreError),
    /// The server answered with a result that is no success.
    Said(LdapResult),
    /// All connections are in use for too long.
    Busy,
}

impl From<Fault> for DirectoryError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Lost(error) => Self::Failed(error),
            Fault::Busy => Self::Busy,
            Fault::Said(result) => Self::Failed(StoreError::new(words(&result))),
        }
    }
}

/// What a result says, for the log. A referral is named for what it is.
pub(super) fn words(result: &LdapResult) -> String {
    if result.rc == 10 {
        return "the directory refers to another one: referrals are not followed, name that server instead".to_owned();
    }
    // The server's own text, cut: it may quote what was asked.
    let text: String = result
        .text
        .chars()
        .filter(|c| !c.is_control())
        .take(200)
        .collect();
    format!("the directory refused with result {}: {text}", result.rc)
}

/// What to search.
#[derive(Debug, Clone)]
pub(super) struct Query {
    pub(super) base: String,
    pub(super) scope: Scope,
    pub(super) filter: String,
    pub(super) attributes: Vec<String>,
    pub(super) entries_max: usize,
}

/// A change to the directory.
pub(super) enum Write {
    Add(String, Vec<(String, HashSet<String>)>),
    Modify(String, Vec<Mod<String>>),
    Delete(String),
    Password { entry: String, new: String },
}

pub(super) struct Servers {
    name: String,
    settings: Settings,
    tls: Option<Arc<ClientConfig>>,
    /// The server that answered last, and since when another one than the first.
    current: AtomicUsize,
    moved: Mutex<Option<Instant>>,
    permits: Semaphore,
    /// A storm of sign-ins must not become a storm of connections.
    binds: Semaphore,
    idle: Mutex<Vec<(Ldap, Instant)>>,
}

/// A connection that is kept for searching, and whether it was used before.
struct Lent<'a> {
    ldap: Ldap,
    used: bool,
    _permit: SemaphorePermit<'a>,
}

impl Servers {
    /// `name` is what the operator calls the store.
    pub(super) fn new(name: &str, settings: Settings) -> Result<Self, StoreError> {
        let tls = if settings.ca_pems.is_empty() {
            None
        } else {
            Some(Arc::new(tls(&settings.ca_pems)?))
        };
        Ok(Self {
            name: name.to_owned(),
            tls,
            current: AtomicUsize::new(0),
            moved: Mutex::new(None),
            permits: Semaphore::new(settings.pool_size.max(1)),
            binds: Semaphore::new(settings.pool_size.max(1) * 2),
            idle: Mutex::new(Vec::new()),
            settings,
        })
    }

    /// Connects, and binds as whoever searches.
    pub(super) async fn probe(&self) -> Outcome<()> {
        let mut ldap = self.bound().await?;
        let _ = ldap.unbind().await;
        Ok(())
    }

    /// Searches on a kept connection. One that turns out to be dead is replaced, once.
    pub(super) async fn search(&self, query: &Query) -> Outcome<Vec<SearchEntry>> {
        let mut lent = self.lend().await?;
        let mut found = self.search_on(&mut lent.ldap, query).await;
        if lent.used && matches!(found, Err(Fault::Lost(_))) {
            lent.ldap = self.bound().await?;
            found = self.search_on(&mut lent.ldap, query).await;
        }
        if !matches!(found, Err(Fault::Lost(_))) {
            self.idle().push((lent.ldap, Instant::now()));
        }
        found
    }

    /// Searches page by page, on a connection of its own, and gives each entry to `take`, so that a
    /// directory of any size is gone through in the memory of what is kept. Ends after `entries_max`,
    /// whatever there is beyond. Whether that is all there are.
    pub(super) async fn search_all(
        &self,
        query: &Query,
        mut take: impl FnMut(SearchEntry) + Send,
    ) -> Outcome<bool> {
        const PAGE: i32 = 500;
        /// A whole directory may take longer than one answer, as long as each entry comes in time.
        const ANSWERS: u32 = 12;
        let _permit = self.permit(&self.permits).await?;
        let mut ldap = self.bound().await?;
        let adapters: Vec<Box<dyn Adapter<_, _>>> = vec![
            Box::new(EntriesOnly::new()),
            Box::new(PagedResults::new(PAGE)),
        ];
        let asking = ldap.streaming_search_with(
            adapters,
            &query.base,
            scope(query.scope),
            &query.filter,
            query.attributes.clone(),
        );
        let mut stream = self.within("search", asking).await?;
        let begun = Instant::now();
        let mut count = 0;
        while count < query.entries_max && begun.elapsed() < self.settings.answer * ANSWERS {
            if let Some(entry) = self.within("search", stream.next()).await? {
                count += 1;
                take(SearchEntry::construct(entry));
                continue;
            }
            let result = stream.finish().await;
            match result.rc {
                0 => return Ok(true),
                // The directory's own limit.
                4 => break,
                _ => return Err(Fault::Said(result)),
            }
        }
        tracing::warn!(
            store = %self.name,
            entries = count,
            "not all users of the directory are listed: there are more than it gives"
        );
        Ok(false)
    }

    /// Writes, on a connection of its own: a write whose answer is lost must not be repeated.
    pub(super) async fn write(&self, write: Write) -> Outcome<LdapResult> {
        let _permit = self.permit(&self.permits).await?;
        let mut ldap = self.bound().await?;
        let wait = self.settings.answer;
        let result = self
            .within("write", async {
                match write {
                    Write::Add(entry, attributes) => ldap.add(&entry, attributes).await,
                    Write::Modify(entry, changes) => ldap.modify(&entry, changes).await,
                    Write::Delete(entry) => ldap.delete(&entry).await,
                    Write::Password { entry, new } => {
                        let change: Exop = ldap3::exop::PasswordModify {
                            user_id: Some(&entry),
                            old_pass: None,
                            new_pass: Some(&new),
                        }
                        .into();
                        let answer = ldap
                            .with_controls(super::policy::ask())
                            .extended(change)
                            .await;
                        answer.map(|answer| answer.1)
                    }
                }
            })
            .await?;
        let _ = tokio::time::timeout(wait, ldap.unbind()).await;
        Ok(result)
    }

    /// Tries a password, on a connection of its own: whoever is bound on it is nobody else.
    pub(super) async fn bind(
        &self,
        entry: &str,
        password: &str,
        controls: Vec<RawControl>,
    ) -> Outcome<LdapResult> {
        let _permit = self.permit(&self.binds).await?;
        let mut ldap = self.connected().await?;
        let result = self
            .within(
                "bind",
                ldap.with_controls(controls).simple_bind(entry, password),
            )
            .await?;
        let _ = tokio::time::timeout(self.settings.answer, ldap.unbind()).await;
        Ok(result)
    }

    async fn search_on(&self, ldap: &mut Ldap, query: &Query) -> Outcome<Vec<SearchEntry>> {
        let size = i32::try_from(query.entries_max).unwrap_or(i32::MAX);
        let seconds = i32::try_from(self.settings.answer.as_secs().max(1)).unwrap_or(i32::MAX);
        let options = SearchOptions::new()
            .sizelimit(size)
            .timelimit(seconds)
            .deref(ldap3::DerefAliases::Never);
        let searching = async {
            let mut entries = Vec::new();
            let mut stream = ldap
                .with_search_options(options)
                .streaming_search(
                    &query.base,
                    scope(query.scope),
                    &query.filter,
                    &query.attributes,
                )
                .await?;
            while entries.len() <= query.entries_max {
                match stream.next().await? {
                    Some(entry) if entry.is_ref() || entry.is_intermediate() => {}
                    Some(entry) => entries.push(SearchEntry::construct(entry)),
                    None => return Ok((entries, Some(stream.finish().await))),
                }
            }
            // A server that sends more than it was asked for is not read to its end.
            Ok((entries, None))
        };
        let (entries, result) = self.within("search", searching).await?;
        match result {
            None => Err(Fault::Lost(StoreError::new(format!(
                "the directory of user store `{}` sends more entries than it was asked for",
                self.name
            )))),
            // 4: there are more than the limit, and these are some of them.
            Some(result) if result.rc == 0 || result.rc == 4 => Ok(entries),
            Some(result) => Err(Fault::Said(result)),
        }
    }

    async fn permit<'a>(&self, of: &'a Semaphore) -> Outcome<SemaphorePermit<'a>> {
        match tokio::time::timeout(self.settings.answer, of.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            // It is never closed.
            Ok(Err(_)) | Err(_) => Err(Fault::Busy),
        }
    }

    async fn lend(&self) -> Outcome<Lent<'_>> {
        let permit = self.permit(&self.permits).await?;
        loop {
            let kept = self.idle().pop();
            let Some((mut ldap, since)) = kept else {
                break;
            };
            if since.elapsed() < IDLE_MAX && !ldap.is_closed() {
                return Ok(Lent {
                    ldap,
                    used: true,
                    _permit: permit,
                });
            }
        }
        Ok(Lent {
            ldap: self.bound().await?,
            used: false,
            _permit: permit,
        })
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<(Ldap, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new connection, bound as whoever searches.
    async fn bound(&self) -> Outcome<Ldap> {
        let mut ldap = self.connected().await?;
        if let Some((who, password)) = &self.settings.bind {
            let result = self
                .within("bind", ldap.simple_bind(who, password.as_str()))
                .await?;
            if result.rc != 0 {
                return Err(Fault::Lost(StoreError::new(format!(
                    "user store `{}`: `{who}` cannot bind: {}",
                    self.name,
                    words(&result)
                ))));
            }
        }
        Ok(ldap)
    }

    /// A new connection to the first server that answers. Nothing has been said on it but, if so
    /// configured, StartTLS.
    async fn connected(&self) -> Outcome<Ldap> {
        let servers = &self.settings.servers;
        let mut faults = Vec::new();
        let first = self.first();
        for step in 0..servers.len() {
            let index = (first + step) % servers.len();
            let server = &servers[index];
            match self.connect(server).await {
                Ok(ldap) => {
                    self.settle_on(index);
                    return Ok(ldap);
                }
                Err(fault) => {
                    tracing::warn!(
                        store = %self.name,
                        server = %server,
                        "a directory server cannot be reached: {fault}"
                    );
                    faults.push(format!("{server}: {fault}"));
                }
            }
        }
        Err(Fault::Lost(StoreError::new(format!(
            "no server of user store `{}` can be reached: {}",
            self.name,
            faults.join("; ")
        ))))
    }

    async fn connect(&self, server: &url::Url) -> Result<Ldap, String> {
        let mut settings = LdapConnSettings::new().set_starttls(self.settings.start_tls);
        if let Some(tls) = &self.tls {
            settings = settings.set_config(tls.clone());
        }
        let connecting = LdapConnAsync::from_url_with_settings(settings, server);
        let (connection, ldap) = tokio::time::timeout(self.settings.connect, connecting)
            .await
            .map_err(|_| format!("no answer within {:?}", self.settings.connect))?
            .map_err(|error| chain(&error))?;
        tokio::spawn(async move {
            // Whoever waits for an answer hears of it as well.
            if let Err(error) = connection.drive().await {
                tracing::debug!(%error, "a connection to a directory ended");
            }
        });
        Ok(ldap)
    }

    fn first(&self) -> usize {
        let mut moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        if moved.is_some_and(|since| since.elapsed() >= RETURN_AFTER) {
            *moved = None;
            self.current.store(0, Ordering::Relaxed);
        }
        self.current.load(Ordering::Relaxed)
    }

    fn settle_on(&self, index: usize) {
        if self.current.swap(index, Ordering::Relaxed) != index {
            let mut moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
            *moved = (index != 0).then(Instant::now);
        }
    }

    async fn within<T>(
        &self,
        what: &str,
        asking: impl Future<Output = Result<T, LdapError>>,
    ) -> Outcome<T> {
        let wait = self.settings.answer;
        match tokio::time::timeout(wait, asking).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Fault::Lost(StoreError::caused(
                format!(
                    "the directory of user store `{}` broke off a {what}",
                    self.name
                ),
                error,
            ))),
            Err(_) => Err(Fault::Lost(StoreError::new(format!(
                "the directory of user store `{}` did not answer a {what} within {wait:?}",
                self.name
            )))),
        }
    }
}

fn scope(scope: Scope) -> ldap3::Scope {
    match scope {
        Scope::Subtree => ldap3::Scope::Subtree,
        Scope::Children => ldap3::Scope::OneLevel,
    }
}

fn tls(ca_pems: &[Vec<u8>]) -> Result<ClientConfig, StoreError> {
    let mut roots = RootCertStore::empty();
    for pem in ca_pems {
        let mut any = false;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let added = certificate
                .map_err(|error| error.to_string())
                .and_then(|der| roots.add(der).map_err(|error| error.to_string()));
            added.map_err(|error| {
                StoreError::new(format!("a certificate authority cannot be used: {error}"))
            })?;
            any = true;
        }
        if !any {
            return Err(StoreError::new(
                "a file of certificate authorities holds no certificate: expected PEM",
            ));
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| StoreError::caused("TLS cannot be set up", error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

/// An error with everything that caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = inner.source();
    }
    text
}
