//! What the command line asks of a host: the acts of administration, by their names. One desk, reached
//! in two ways: in this process when no host runs, over a socket in the data folder when one does
//! (the store belongs to one process at a time).
//!
//! Knows no HTTP and prints nothing. The socket has mode 0600: whoever may read the data folder may
//! administer, and nobody else.

use anyhow::{Context, bail};
use futures_util::future::BoxFuture;
use postern_admin::administrators::Administrator;
use postern_admin::audit::{Filter, Link, Page, Pruned, Verified};
use postern_admin::definitions::{FormName, Listed, Meaning, Shown, Sort, Wanted};
use postern_admin::form::Section;
use postern_admin::invitations::Invited;
use postern_admin::outbox::{OutboxAnswer, OutboxMessage};
use postern_admin::plugins::PluginReport;
use postern_admin::provisioning::Queue;
use postern_admin::resident::Resident;
use postern_admin::senders::{SenderReport, TestOutcome};
use postern_admin::tenants::{TenantReport, TenantShown};
use postern_admin::users::{Found, UserRecord, UserShown};
use postern_admin::{Actor, Administration, Password, Role};
use postern_login::TenantId;
use postern_login::ports::{ApiClient, Scope};
use postern_otp::Timestamp;
use serde::{Deserialize, Serialize};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use zeroize::Zeroizing;

pub use postern_admin::users::UserEdit as Change;

/// One request is one line; the longest holds a user's claims.
const LINE_BYTES_MAX: u64 = 256 * 1024;
/// Users in one answer.
const USERS_MAX: u32 = 1000;
/// Waiting changes in one answer.
const QUEUE_ROWS: usize = 500;

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
    UserPasswd {
        name: String,
        password: Password,
    },
    UserList {
        from: Option<String>,
    },
    /// Not a field of `UserList`: a host of an older version would leave it out and list everybody.
    UserFind {
        search: String,
        from: Option<String>,
    },
    UserShow {
        name: String,
    },
    UserBackupCodes {
        name: String,
    },
    UserLock {
        name: String,
    },
    UserUnlock {
        name: String,
    },
    UserUnlockAll,
    UserEndSessions {
        name: String,
    },
    UserDelete {
        name: String,
    },
    ClientAdd {
        name: String,
        scopes: Vec<Scope>,
    },
    ClientList,
    ClientRevoke {
        name: String,
    },
    PluginList,
    PluginRescan,
    PluginRollBack {
        id: String,
    },
    ProvisioningList {
        after: u64,
    },
    ProvisioningRetry {
        connector: String,
        number: Option<u64>,
    },
    ProvisioningDrop {
        number: u64,
    },
    ProvisioningPush {
        connector: String,
    },
    ResidentShow,
    SenderList,
    SenderTest {
        name: String,
        number: String,
    },
    OutboxList {
        to: Option<String>,
    },
    OutboxAnswer(OutboxAnswer),
    OutboxClear,
    AuditList {
        filter: Filter,
        before: Option<u64>,
        rows: u32,
    },
    AuditExport {
        filter: Filter,
        after: u64,
    },
    AuditVerify {
        expected: Option<Link>,
    },
    AuditPrune {
        before: Timestamp,
    },
    ClaimMeanings,
    DefinitionForm {
        sort: Sort,
        form: String,
    },
    DefinitionList {
        sort: Sort,
    },
    DefinitionShow {
        sort: Sort,
        name: String,
    },
    DefinitionPut {
        sort: Sort,
        name: String,
        wanted: Wanted,
    },
    DefinitionDelete {
        sort: Sort,
        name: String,
    },
    AdminInvite {
        name: String,
        role: Role,
    },
    AdminAppoint {
        name: String,
        role: Role,
    },
    AdminList,
    AdminRole {
        name: String,
        role: Role,
    },
    AdminRemove {
        name: String,
    },
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

impl Request {
    /// Whether every tenant has its own of what is asked about.
    fn of_a_tenant(&self) -> bool {
        match self {
            Self::UserAdd { .. }
            | Self::UserSet { .. }
            | Self::UserPasswd { .. }
            | Self::UserList { .. }
            | Self::UserFind { .. }
            | Self::UserShow { .. }
            | Self::UserBackupCodes { .. }
            | Self::UserLock { .. }
            | Self::UserUnlock { .. }
            | Self::UserUnlockAll
            | Self::UserEndSessions { .. }
            | Self::UserDelete { .. }
            | Self::ClientAdd { .. }
            | Self::ClientList
            | Self::ClientRevoke { .. }
            | Self::SenderList
            | Self::SenderTest { .. }
            | Self::OutboxList { .. }
            | Self::AuditList { .. }
            | Self::AuditExport { .. } => true,
            Self::PluginList
            | Self::PluginRescan
            | Self::PluginRollBack { .. }
            | Self::ProvisioningList { .. }
            | Self::ProvisioningRetry { .. }
            | Self::ProvisioningDrop { .. }
            | Self::ProvisioningPush { .. }
            | Self::ResidentShow
            | Self::OutboxAnswer(_)
            | Self::OutboxClear
            | Self::AuditVerify { .. }
            | Self::AuditPrune { .. }
            | Self::ClaimMeanings
            | Self::DefinitionForm { .. }
            | Self::DefinitionList { .. }
            | Self::DefinitionShow { .. }
            | Self::DefinitionPut { .. }
            | Self::DefinitionDelete { .. }
            | Self::AdminInvite { .. }
            | Self::AdminAppoint { .. }
            | Self::AdminList
            | Self::AdminRole { .. }
            | Self::AdminRemove { .. }
            | Self::TenantList
            | Self::TenantAdd { .. }
            | Self::TenantSet { .. }
            | Self::TenantShow { .. }
            | Self::TenantEnable { .. }
            | Self::TenantRemove { .. } => false,
        }
    }
}

/// What is asked, and of whose users and clients.
#[derive(Debug, Serialize, Deserialize)]
pub struct Asked {
    pub tenant: TenantId,
    pub request: Request,
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    Done,
    Users(Vec<UserRecord>),
    Found(Found),
    User(Box<UserShown>),
    BackupCodes(Vec<String>),
    Unlocked(Vec<String>),
    Token(String),
    Clients(Vec<ApiClient>),
    Plugins(Vec<PluginReport>),
    /// How many there were.
    Ended(u64),
    /// The version that serves again.
    Version(String),
    Queue(Queue),
    Resident(Box<Resident>),
    Senders(Vec<SenderReport>),
    Test(TestOutcome),
    Outbox(Vec<OutboxMessage>),
    Rows(Page),
    Verified(Verified),
    Pruned(Option<Pruned>),
    Meanings(Vec<Meaning>),
    Forms(Vec<FormName>, Vec<Section>),
    Definitions(Vec<Listed>),
    Definition(Box<Shown>),
    Invited(Invited),
    Administrators(Vec<Administrator>),
    Tenants(Vec<TenantReport>),
    Tenant(Box<TenantShown>),
    /// Done, and what is unwise.
    Warnings(Vec<String>),
    /// So many rows.
    Removed(u64),
}

/// Everything the desk needs.
#[derive(Debug, Clone)]
pub struct Desk {
    pub tenant: TenantId,
    pub administration: Administration,
}

/// Both ways in are boxed: all acts in one future are large, and it would be compiled again into every
/// module that waits for it.
impl Desk {
    /// Does what is asked, for the tenant it is asked of: one that is there, switched off or not.
    pub fn answer_for(&self, asked: Asked) -> BoxFuture<'_, anyhow::Result<Reply>> {
        Box::pin(async move {
            let actor = Actor::command_line("this process");
            self.attended_by(&actor, asked).await
        })
    }

    async fn attended_by(&self, actor: &Actor, asked: Asked) -> anyhow::Result<Reply> {
        let Asked { tenant, request } = asked;
        if tenant != TenantId::super_tenant() {
            self.administration.tenant_show(actor, &tenant).await?;
            if !request.of_a_tenant() {
                bail!(
                    "this is not to be had for tenant `{tenant}`: administrators, plugins and definitions are the host's, and whom a tenant federates with stands in its document"
                );
            }
        }
        let desk = Self {
            tenant,
            ..self.clone()
        };
        desk.answer_to(actor, request).await
    }

    /// Does what is asked, as the owner of this process. An error is one sentence for whoever asked.
    pub fn answer(&self, request: Request) -> BoxFuture<'_, anyhow::Result<Reply>> {
        Box::pin(async move {
            let actor = Actor::command_line("this process");
            self.answer_to(&actor, request).await
        })
    }

    async fn answer_to(&self, actor: &Actor, request: Request) -> anyhow::Result<Reply> {
        let (acts, tenant) = (&self.administration, &self.tenant);
        Ok(match request {
            Request::UserAdd { name, change } => {
                acts.user_add(actor, tenant, &name, &change).await?;
                Reply::Done
            }
            Request::UserSet { name, change } => {
                acts.user_set(actor, tenant, &name, &change).await?;
                Reply::Done
            }
            Request::UserPasswd { name, password } => {
                acts.user_passwd(actor, tenant, &name, password).await?;
                Reply::Done
            }
            Request::UserList { from } => {
                let found = acts
                    .user_list(actor, tenant, "", from.as_deref(), USERS_MAX)
                    .await?;
                Reply::Users(found.users)
            }
            Request::UserFind { search, from } => Reply::Found(
                acts.user_list(actor, tenant, &search, from.as_deref(), USERS_MAX)
                    .await?,
            ),
            Request::UserShow { name } => {
                Reply::User(Box::new(acts.user_shown(actor, tenant, &name).await?))
            }
            Request::UserBackupCodes { name } => {
                Reply::BackupCodes(acts.user_backup_codes(actor, tenant, &name).await?)
            }
            Request::UserLock { name } => {
                acts.user_lock(actor, tenant, &name).await?;
                Reply::Done
            }
            Request::UserUnlock { name } => {
                acts.user_unlock(actor, tenant, &name).await?;
                Reply::Done
            }
            Request::UserUnlockAll => Reply::Unlocked(acts.user_unlock_all(actor, tenant).await?),
            Request::UserEndSessions { name } => {
                Reply::Ended(acts.user_end_sessions(actor, tenant, &name).await?)
            }
            Request::UserDelete { name } => {
                acts.user_delete(actor, tenant, &name).await?;
                Reply::Done
            }
            Request::ClientAdd { name, scopes } => {
                Reply::Token(acts.client_add(actor, tenant, &name, &scopes).await?)
            }
            Request::ClientList => Reply::Clients(acts.client_list(actor, tenant).await?),
            Request::ClientRevoke { name } => {
                acts.client_revoke(actor, tenant, &name).await?;
                Reply::Done
            }
            Request::PluginList => Reply::Plugins(acts.plugin_list(actor).await?),
            Request::PluginRescan => {
                acts.plugin_rescan(actor).await?;
                Reply::Done
            }
            Request::PluginRollBack { id } => {
                Reply::Version(acts.plugin_roll_back(actor, &id).await?)
            }
            Request::ProvisioningList { after } => Reply::Queue(
                acts.provisioning_list(actor, tenant, after, QUEUE_ROWS)
                    .await?,
            ),
            Request::ProvisioningRetry { connector, number } => Reply::Ended(
                acts.provisioning_retry(actor, tenant, &connector, number)
                    .await?,
            ),
            Request::ProvisioningDrop { number } => {
                acts.provisioning_drop(actor, tenant, number).await?;
                Reply::Done
            }
            Request::ProvisioningPush { connector } => {
                acts.provisioning_push(actor, tenant, &connector).await?;
                Reply::Done
            }
            Request::ResidentShow => {
                Reply::Resident(Box::new(acts.resident_show(actor, tenant).await?))
            }
            Request::SenderList => Reply::Senders(acts.sender_list(actor, tenant).await?),
            Request::SenderTest { name, number } => {
                Reply::Test(acts.sender_test(actor, tenant, &name, &number).await?)
            }
            Request::OutboxList { to } => {
                Reply::Outbox(acts.outbox_list(actor, tenant, to.as_deref()).await?)
            }
            Request::OutboxAnswer(answer) => {
                acts.outbox_answer(actor, tenant, &answer).await?;
                Reply::Done
            }
            Request::OutboxClear => {
                acts.outbox_clear(actor, tenant).await?;
                Reply::Done
            }
            Request::AuditList {
                filter,
                before,
                rows,
            } => Reply::Rows(
                acts.audit_list(actor, tenant, &filter, before, rows)
                    .await?,
            ),
            Request::AuditExport { filter, after } => {
                Reply::Rows(acts.audit_export(actor, tenant, &filter, after).await?)
            }
            Request::AuditVerify { expected } => {
                Reply::Verified(acts.audit_verify(actor, expected.as_ref()).await?)
            }
            Request::AuditPrune { before } => Reply::Pruned(acts.audit_prune(actor, before).await?),
            Request::ClaimMeanings => Reply::Meanings(acts.claim_meanings(actor, tenant).await?),
            Request::DefinitionForm { sort, form } => {
                let sections = match form.as_str() {
                    "" => Vec::new(),
                    form => acts.new_form(sort, form)?,
                };
                Reply::Forms(acts.forms(sort)?, sections)
            }
            Request::DefinitionList { sort } => {
                Reply::Definitions(acts.definition_list(actor, tenant, sort).await?)
            }
            Request::DefinitionShow { sort, name } => {
                let shown = acts.definition_show(actor, tenant, sort, &name).await?;
                Reply::Definition(Box::new(shown))
            }
            Request::DefinitionPut { sort, name, wanted } => {
                acts.definition_put(actor, tenant, sort, &name, &wanted)
                    .await?;
                Reply::Done
            }
            Request::DefinitionDelete { sort, name } => {
                acts.definition_delete(actor, tenant, sort, &name).await?;
                Reply::Done
            }
            Request::TenantList => Reply::Tenants(acts.tenant_list(actor).await?),
            Request::TenantAdd { tenant, document } => {
                Reply::Warnings(acts.tenant_add(actor, &tenant, document).await?)
            }
            Request::TenantSet { tenant, document } => {
                Reply::Warnings(acts.tenant_set(actor, &tenant, document).await?)
            }
            Request::TenantShow { tenant } => {
                Reply::Tenant(Box::new(acts.tenant_show(actor, &tenant).await?))
            }
            Request::TenantEnable { tenant, enabled } => {
                match enabled {
                    true => acts.tenant_enable(actor, &tenant).await?,
                    false => acts.tenant_disable(actor, &tenant).await?,
                }
                Reply::Done
            }
            Request::TenantRemove { tenant, confirmed } => {
                Reply::Removed(acts.tenant_remove(actor, &tenant, &confirmed).await?)
            }
            Request::AdminInvite { name, role } => {
                Reply::Invited(acts.admin_invite(actor, tenant, &name, role).await?)
            }
            Request::AdminAppoint { name, role } => {
                acts.admin_appoint(actor, tenant, &name, role).await?;
                Reply::Done
            }
            Request::AdminList => Reply::Administrators(acts.admin_list(actor, tenant).await?),
            Request::AdminRole { name, role } => {
                acts.admin_role(actor, tenant, &name, role).await?;
                Reply::Done
            }
            Request::AdminRemove { name } => {
                acts.admin_remove(actor, tenant, &name).await?;
                Reply::Done
            }
        })
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
    let user = stream
        .peer_cred()
        .map_or_else(|_| "?".to_owned(), |peer| format!("uid {}", peer.uid()));
    let actor = Actor::command_line(&user);
    let (reader, mut writer) = stream.into_split();
    let mut line = Zeroizing::new(String::new());
    BufReader::new(reader.take(LINE_BYTES_MAX))
        .read_line(&mut line)
        .await?;
    let answer: Result<Reply, String> = match serde_json::from_str(&line) {
        Ok(asked) => desk
            .attended_by(&actor, asked)
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
