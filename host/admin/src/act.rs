//! Everything an administrator can do, by the name it has on the command line, in the admin API, on
//! the pages and in the audit log; and what it takes.

/// One act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Act {
    pub name: &'static str,
    pub needs: Needs,
}

/// What an act takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Either role.
    Reading,
    /// An administrator.
    Changing,
    /// An administrator whose two factors are at most 15 minutes old: it moves or weakens a factor,
    /// makes an account, or changes whom we trust. A console left open on a desk does none of it.
    FreshProof,
}

const fn act(name: &'static str, needs: Needs) -> Act {
    Act { name, needs }
}

use Needs::{Changing, FreshProof, Reading};

pub const USER_LIST: Act = act("user list", Reading);
pub const USER_SHOW: Act = act("user show", Reading);
pub const USER_ADD: Act = act("user add", FreshProof);
pub const USER_SET: Act = act("user set", FreshProof);
pub const USER_PASSWD: Act = act("user passwd", FreshProof);
pub const USER_LOCK: Act = act("user lock", Changing);
pub const USER_UNLOCK: Act = act("user unlock", FreshProof);
pub const USER_UNLOCK_ALL: Act = act("user unlock-all", FreshProof);
pub const USER_BACKUP_CODES: Act = act("user backup-codes", FreshProof);
pub const USER_END_SESSIONS: Act = act("user end-sessions", Changing);
pub const USER_DELETE: Act = act("user delete", FreshProof);
pub const CLIENT_LIST: Act = act("client list", Reading);
pub const CLIENT_ADD: Act = act("client add", FreshProof);
pub const CLIENT_REVOKE: Act = act("client revoke", Changing);
pub const PLUGIN_LIST: Act = act("plugin list", Reading);
pub const PLUGIN_RESCAN: Act = act("plugin rescan", Changing);
pub const PLUGIN_ROLL_BACK: Act = act("plugin roll-back", FreshProof);
pub const SENDER_LIST: Act = act("sender list", Reading);
pub const SENDER_TEST: Act = act("sender test", Changing);
pub const OUTBOX_LIST: Act = act("outbox list", Changing);
pub const OUTBOX_ANSWER: Act = act("outbox answer", Changing);
pub const OUTBOX_CLEAR: Act = act("outbox clear", Changing);
pub const TENANT_LIST: Act = act("tenant list", Reading);
pub const TENANT_SHOW: Act = act("tenant show", Reading);
pub const TENANT_ADD: Act = act("tenant add", FreshProof);
pub const TENANT_SET: Act = act("tenant set", FreshProof);
pub const TENANT_ENABLE: Act = act("tenant enable", Changing);
pub const TENANT_DISABLE: Act = act("tenant disable", Changing);
pub const TENANT_REMOVE: Act = act("tenant remove", FreshProof);
pub const GROUP_ADD: Act = act("group add", FreshProof);
pub const GROUP_SET: Act = act("group set", FreshProof);
pub const GROUP_DELETE: Act = act("group delete", FreshProof);
pub const PROVISIONING_LIST: Act = act("provisioning list", Reading);
pub const PROVISIONING_RETRY: Act = act("provisioning retry", Changing);
pub const PROVISIONING_DROP: Act = act("provisioning drop", FreshProof);
pub const PROVISIONING_PUSH: Act = act("provisioning push", Changing);
pub const CONNECTOR_LIST: Act = act("connector list", Reading);
pub const CONNECTOR_SHOW: Act = act("connector show", Reading);
pub const CONNECTOR_PUT: Act = act("connector put", FreshProof);
pub const CONNECTOR_DELETE: Act = act("connector delete", FreshProof);
pub const INBOUND_LIST: Act = act("inbound list", Reading);
pub const INBOUND_SHOW: Act = act("inbound show", Reading);
pub const INBOUND_PUT: Act = act("inbound put", FreshProof);
pub const INBOUND_DELETE: Act = act("inbound delete", FreshProof);
pub const RESIDENT_SHOW: Act = act("resident show", Reading);
pub const AUDIT_LIST: Act = act("audit list", Reading);
pub const AUDIT_EXPORT: Act = act("audit export", Reading);
pub const AUDIT_VERIFY: Act = act("audit verify", Reading);
pub const AUDIT_PRUNE: Act = act("audit prune", FreshProof);
pub const ADMIN_LIST: Act = act("admin list", Reading);
pub const ADMIN_INVITE: Act = act("admin invite", FreshProof);
pub const ADMIN_APPOINT: Act = act("admin appoint", FreshProof);
pub const ADMIN_ROLE: Act = act("admin role", FreshProof);
pub const ADMIN_REMOVE: Act = act("admin remove", FreshProof);
pub const IDP_LIST: Act = act("idp list", Reading);
pub const IDP_SHOW: Act = act("idp show", Reading);
pub const IDP_PUT: Act = act("idp put", FreshProof);
pub const IDP_DELETE: Act = act("idp delete", FreshProof);
pub const SP_LIST: Act = act("sp list", Reading);
pub const SP_SHOW: Act = act("sp show", Reading);
pub const SP_PUT: Act = act("sp put", FreshProof);
pub const SP_DELETE: Act = act("sp delete", FreshProof);
pub const CLAIM_LIST: Act = act("claim list", Reading);
pub const CLAIM_SHOW: Act = act("claim show", Reading);
pub const CLAIM_PUT: Act = act("claim put", FreshProof);
pub const CLAIM_DELETE: Act = act("claim delete", FreshProof);

/// What only clients do that look after users and groups, at `/scim/v2`; an administrator has no other way to it.
pub const BY_CLIENTS: [Act; 3] = [GROUP_ADD, GROUP_SET, GROUP_DELETE];

/// All others, for whoever must speak of each: the filter of the audit page, the tests.
pub const ALL: [Act; 63] = [
    USER_LIST,
    USER_SHOW,
    USER_ADD,
    USER_SET,
    USER_PASSWD,
    USER_LOCK,
    USER_UNLOCK,
    USER_UNLOCK_ALL,
    USER_BACKUP_CODES,
    USER_END_SESSIONS,
    USER_DELETE,
    CLIENT_LIST,
    CLIENT_ADD,
    CLIENT_REVOKE,
    PLUGIN_LIST,
    PLUGIN_RESCAN,
    PLUGIN_ROLL_BACK,
    SENDER_LIST,
    SENDER_TEST,
    OUTBOX_LIST,
    OUTBOX_ANSWER,
    OUTBOX_CLEAR,
    TENANT_LIST,
    TENANT_SHOW,
    TENANT_ADD,
    TENANT_SET,
    TENANT_ENABLE,
    TENANT_DISABLE,
    TENANT_REMOVE,
    PROVISIONING_LIST,
    PROVISIONING_RETRY,
    PROVISIONING_DROP,
    PROVISIONING_PUSH,
    CONNECTOR_LIST,
    CONNECTOR_SHOW,
    CONNECTOR_PUT,
    CONNECTOR_DELETE,
    INBOUND_LIST,
    INBOUND_SHOW,
    INBOUND_PUT,
    INBOUND_DELETE,
    RESIDENT_SHOW,
    AUDIT_LIST,
    AUDIT_EXPORT,
    AUDIT_VERIFY,
    AUDIT_PRUNE,
    ADMIN_LIST,
    ADMIN_INVITE,
    ADMIN_APPOINT,
    ADMIN_ROLE,
    ADMIN_REMOVE,
    IDP_LIST,
    IDP_SHOW,
    IDP_PUT,
    IDP_DELETE,
    SP_LIST,
    SP_SHOW,
    SP_PUT,
    SP_DELETE,
    CLAIM_LIST,
    CLAIM_SHOW,
    CLAIM_PUT,
    CLAIM_DELETE,
];
