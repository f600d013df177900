//! What the command line asks of the store: users, API clients, loaded plugins. One desk, reached in
//! two ways: in this process when no host runs, over a socket in the data folder when one does
//! (the store belongs to one process at a time).
//!
//! Knows no HTTP and prints nothing. The socket has mode 0600: whoever may read the data folder may
//! administer, and nobody else.

use crate::config::Secret;
use crate::entropy;
use anyhow::{Context, bail};
use postern_admin::plugins::{PluginReport, Plugins};
use postern_admin::tenants::{TenantReport, TenantShown, Tenants};
use postern_admin::users::{Accounts, UserChange, UserRecord};
use postern_login::TenantId;
use postern_login::ports::{
    Added, ApiClient, ApiClients, AttemptStore, BackupCodeStore, Clock, Directory, LoginStore,
    SessionStore, Subject,
};
use postern_otp::{BackupCode, PhoneNumber, Region};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use zeroize::Zeroizing;

/// One request is one line; the longest holds a user's claims.
const LINE_BYTES_MAX: u64 = 256 * 1024;
/// Users in one answer.
const USERS_MAX: u32 = 1000;
/// Codes of one set.
const BACKUP_CODES: usize = 10;

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    UserAdd {
        name: String,
        change: Change,
    },
    UserSet {
        name: String,
        change: Change,
    },
    UserList {
        from: Option<String>,
    },
    UserBackupCodes {
        name: String,
    },
    UserUnlock {
        name: String,
    },
    ClientAdd {
        name: String,
    },
    ClientList,
    ClientRevoke {
        name: String,
    },
    PluginList,
    TenantList,
    TenantAdd {
        tenant: TenantId,
        document: Option<String>,
    },
    TenantSet {
        tenant: TenantId,
        document: Option<String>,
    },
    TenantShow {
        tenant: TenantId,
    },
    TenantEnable {
        tenant: TenantId,
        enabled: bool,
    },
    TenantRemove {
        tenant: TenantId,
        confirmed: String,
    },
}

/// What is asked, and of whose users and clients.
#[derive(Debug, Serialize, Deserialize)]
pub struct Asked {
    pub tenant: TenantId,
    pub request: Request,
}

/// What of a user shall be different; `None` leaves it.
#[derive(Default, Serialize, Deserialize)]
pub struct Change {
    pub display_name: Option<String>,
    /// As typed; `Some(None)` removes it.
    pub number: Option<Option<String>>,
    pub opted_out: Option<bool>,
    pub locked: Option<bool>,
    pub password: Option<Secret>,
    /// Claim URI and value; an empty value removes it.
    pub claims: Vec<(String, String)>,
}

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Change")
    }
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    Done,
    Users(Vec<UserRecord>),
    BackupCodes(Vec<String>),
    Token(String),
    Clients(Vec<ApiClient>),
    Plugins(Vec<PluginReport>),
    Tenants(Vec<TenantReport>),
    Tenant(Box<TenantShown>),
    /// Done, and what is unwise.
    Warnings(Vec<String>),
    /// So many rows.
    Removed(u64),
}

/// Everything the desk needs.
#[derive(Clone)]
pub struct Desk {
    pub tenant: TenantId,
    pub tenants: Tenants,
    pub accounts: Arc<dyn Accounts>,
    pub directory: Arc<dyn Directory>,
    pub logins: Arc<dyn LoginStore>,
    pub sessions: Arc<dyn SessionStore>,
    pub attempts: Arc<dyn AttemptStore>,
    pub backup_codes: Arc<dyn BackupCodeStore>,
    pub clients: Arc<dyn ApiClients>,
    pub clock: Arc<dyn Clock>,
    /// Only a running host has loaded any.
    pub plugins: Option<Arc<dyn Plugins>>,
    pub default_region: Option<String>,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Desk")
    }
}

impl Desk {
    /// Does what is asked, for the tenant it is asked of: one that is there, switched off or not.
    pub async fn answer_for(&self, asked: Asked) -> anyhow::Result<Reply> {
        let Asked { tenant, request } = asked;
        if tenant != TenantId::super_tenant() {
            self.tenants.show(&tenant).await?;
        }
        let desk = Self {
            tenant,
            ..self.clone()
        };
        desk.answer(request).await
    }

    /// Does what is asked. An error is one sentence for whoever asked.
    pub async fn answer(&self, request: Request) -> anyhow::Result<Reply> {
        match request {
            Request::UserAdd { name, change } => self.add_user(&name, change).await,
            Request::UserSet { name, change } => self.change_user(&name, change).await,
            Request::UserList { from } => {
                let users = self
                    .accounts
                    .list(&self.tenant, from.as_deref(), USERS_MAX)
                    .await?;
                Ok(Reply::Users(users))
            }
            Request::UserBackupCodes { name } => self.make_backup_codes(&name).await,
            Request::UserUnlock { name } => {
                let subject = self.subject(&name).await?;
                self.attempts.unlock(&subject).await?;
                Ok(Reply::Done)
            }
            Request::ClientAdd { name } => self.add_client(name).await,
            Request::ClientList => Ok(Reply::Clients(self.clients.list(&self.tenant).await?)),
            Request::ClientRevoke { name } => {
                if !self.clients.revoke(&self.tenant, &name).await? {
                    bail!("there is no API client `{name}`: `postern client list` names them");
                }
                Ok(Reply::Done)
            }
            Request::TenantList => Ok(Reply::Tenants(self.tenants.list().await?)),
            Request::TenantAdd { tenant, document } => {
                let warnings = self.tenants.add(&tenant, document).await?;
                tracing::info!(%tenant, "a tenant was added");
                Ok(Reply::Warnings(warnings))
            }
            Request::TenantSet { tenant, document } => {
                let warnings = self.tenants.set(&tenant, document).await?;
                tracing::info!(%tenant, "a tenant's document was replaced");
                Ok(Reply::Warnings(warnings))
            }
            Request::TenantShow { tenant } => {
                let shown = self.tenants.show(&tenant).await?;
                Ok(Reply::Tenant(Box::new(shown)))
            }
            Request::TenantEnable { tenant, enabled } => {
                self.tenants.enable(&tenant, enabled).await?;
                tracing::info!(%tenant, enabled, "a tenant was switched");
                Ok(Reply::Done)
            }
            Request::TenantRemove { tenant, confirmed } => {
                let rows = self.tenants.remove(&tenant, &confirmed).await?;
                tracing::info!(%tenant, rows, "a tenant was removed");
                Ok(Reply::Removed(rows))
            }
            Request::PluginList => match &self.plugins {
                Some(plugins) => Ok(Reply::Plugins(plugins.report())),
                None => bail!(
                    "no host runs on this data folder: start it with `postern serve`, or look at a file with `postern plugin inspect FILE`"
                ),
            },
        }
    }

    async fn add_user(&self, name: &str, change: Change) -> anyhow::Result<Reply> {
        let orderly = (1..=128).contains(&name.len())
            && !name.chars().any(|c| c.is_control() || c.is_whitespace());
        if !orderly {
            bail!(
                "`{}` is no user name: expected 1 to 128 characters without spaces",
                name.escape_debug()
            );
        }
        let change = self.read(change)?;
        if change.password.is_none() {
            bail!("user `{name}` needs a password");
        }
        if !self.accounts.create(&self.tenant, name, &change).await? {
            bail!("user `{name}` exists already: `postern user set` changes it");
        }
        Ok(Reply::Done)
    }

    async fn change_user(&self, name: &str, change: Change) -> anyhow::Result<Reply> {
        let change = self.read(change)?;
        if !self.accounts.change(&self.tenant, name, &change).await? {
            bail!("there is no user `{name}`: `postern user list` names them");
        }
        // An administrator's word holds at once: a code on its way to the old number is dead (attack
        // B-04), and a locked account or one with a new password keeps no session.
        let ends = change.locked == Some(true) || change.password.is_some();
        let account = self.directory.find(&self.tenant, name).await?;
        if let Some(account) = account.filter(|_| ends || change.number.is_some()) {
            let challenges = self
                .logins
                .close_challenges_of(&self.tenant, &account)
                .await?;
            let mut sessions = 0;
            if ends {
                let name = &account.name;
                sessions = self.sessions.close_all_of(&self.tenant, name, None).await?;
            }
            tracing::info!(account = %account.name, challenges, sessions, "an account was changed: what was open is closed");
        }
        Ok(Reply::Done)
    }

    /// Numbers become E.164 here, so that nothing later reads what somebody typed.
    fn read(&self, change: Change) -> anyhow::Result<UserChange> {
        let region = self
            .default_region
            .as_deref()
            .map(Region::parse)
            .transpose()?;
        let number = match change.number {
            None => None,
            Some(None) => Some(None),
            Some(Some(typed)) => {
                let number = PhoneNumber::parse(&typed, region.as_ref()).with_context(|| {
                    format!(
                        "`{}` cannot be used: write it with its country code, as +12025550142",
                        typed.escape_debug()
                    )
                })?;
                Some(Some(number.e164().to_owned()))
            }
        };
        if change
            .password
            .as_ref()
            .is_some_and(|password| password.expose().chars().count() < 8)
        {
            bail!("the password is too short: expected at least 8 characters");
        }
        Ok(UserChange {
            display_name: change.display_name,
            number,
            opted_out: change.opted_out,
            locked: change.locked,
            password: change.password.map(|password| password.expose().to_owned()),
            claims: change.claims,
        })
    }

    async fn make_backup_codes(&self, name: &str) -> anyhow::Result<Reply> {
        let subject = self.subject(name).await?;
        let mut codes = Vec::with_capacity(BACKUP_CODES);
        while codes.len() < BACKUP_CODES {
            if let Some(code) = BackupCode::from_entropy(&entropy::key()?) {
                codes.push(code);
            }
        }
        self.backup_codes
            .replace(&subject, &codes, self.clock.now())
            .await?;
        Ok(Reply::BackupCodes(
            codes.iter().map(BackupCode::display).collect(),
        ))
    }

    async fn subject(&self, name: &str) -> anyhow::Result<Subject> {
        let account = self.directory.find(&self.tenant, name).await?;
        let account = account.with_context(|| {
            format!("there is no user `{name}`: `postern user list` names them")
        })?;
        Ok(Subject::Account {
            tenant: self.tenant.clone(),
            account: account.name,
        })
    }

    async fn add_client(&self, name: String) -> anyhow::Result<Reply> {
        let orderly = (1..=64).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if !orderly {
            bail!(
                "`{}` is no name of a client: expected 1 to 64 of letters, digits, `-`, `_` and `.`",
                name.escape_debug()
            );
        }
        // The prefix lets people and secret scanners tell what it is.
        let token = format!("postern_{}", hex::encode(entropy::key()?));
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let client = ApiClient {
            name: name.clone(),
            tenant: self.tenant.clone(),
            created_at: self.clock.now(),
        };
        match self.clients.add(&client, &hash).await? {
            Added::Added => Ok(Reply::Token(token)),
            Added::NameTaken => bail!(
                "there is an API client `{name}` already: choose another name, or revoke it first"
            ),
        }
    }
}

/// The socket of the host that runs on this data folder.
pub fn socket(data_dir: &Path) -> PathBuf {
    data_dir.join("control.sock")
}

/// Answers on the socket until it is dropped. Whoever holds the store's lock owns the socket: a
/// stale one is replaced.
pub fn listen(data_dir: &Path, desk: Desk) -> anyhow::Result<tokio::task::JoinHandle<()>> {
    let path = socket(data_dir);
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path)
        .with_context(|| format!("cannot listen on `{}`", path.display()))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let desk = desk.clone();
                    tokio::spawn(async move {
                        if let Err(error) = attend(stream, &desk).await {
                            tracing::debug!("a command's connection ended: {error:#}");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a command's connection could not be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
        }
    }))
}

async fn attend(stream: UnixStream, desk: &Desk) -> anyhow::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut line = Zeroizing::new(String::new());
    BufReader::new(reader.take(LINE_BYTES_MAX))
        .read_line(&mut line)
        .await?;
    let answer: Result<Reply, String> = match serde_json::from_str(&line) {
        Ok(asked) => desk
            .answer_for(asked)
            .await
            .map_err(|error| format!("{error:#}")),
        Err(error) => Err(format!(
            "the request cannot be read ({error}): is the host of another version?"
        )),
    };
    let mut answer = Zeroizing::new(serde_json::to_vec(&answer)?);
    answer.push(b'\n');
    writer.write_all(&answer).await?;
    writer.shutdown().await?;
    Ok(())
}

/// Asks the host that runs. `None`: none does.
pub async fn ask(data_dir: &Path, asked: &Asked) -> anyhow::Result<Option<Reply>> {
    let path = socket(data_dir);
    let stream = match UnixStream::connect(&path).await {
        Ok(stream) => stream,
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(None);
        }
        Err(error) => {
            return Err(error)
                .with_context(|| format!("cannot talk to the host at `{}`", path.display()));
        }
    };
    let (reader, mut writer) = stream.into_split();
    let mut line = Zeroizing::new(serde_json::to_vec(asked)?);
    line.push(b'\n');
    writer.write_all(&line).await?;
    let mut answer = Zeroizing::new(String::new());
    BufReader::new(reader).read_line(&mut answer).await?;
    let answer: Result<Reply, String> = serde_json::from_str(&answer)
        .context("the host's answer cannot be read: is it of another version?")?;
    answer.map(Some).map_err(|words| anyhow::anyhow!(words))
}
