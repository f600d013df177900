//! What administration needs from the world. Some of it only a running host has.

use crate::audit::AuditTrail;
use crate::definitions::{Definitions, Links};
use crate::documents::Documents;
use crate::outbox::TestOutbox;
use crate::plugins::Plugins;
use crate::provisioning::Outgoing;
use crate::resident::Facts;
use crate::senders::TestSender;
use crate::tenants::Tenants;
use crate::users::Accounts;
use postern_federation::scim::Groups;
use postern_federation::scim::ports::Deliveries;
use postern_login::Logins;
use postern_login::ports::{
    ApiClients, AttemptStore, AuditLog, BackupCodeStore, Clock, Counters, Directory, Entropy,
    LoginStore, SessionStore,
};
use std::sync::Arc;

pub struct Ports {
    pub accounts: Arc<dyn Accounts>,
    pub directory: Arc<dyn Directory>,
    pub logins: Arc<dyn LoginStore>,
    pub sessions: Arc<dyn SessionStore>,
    pub attempts: Arc<dyn AttemptStore>,
    pub backup_codes: Arc<dyn BackupCodeStore>,
    pub counters: Arc<dyn Counters>,
    pub clients: Arc<dyn ApiClients>,
    pub documents: Arc<dyn Documents>,
    pub links: Arc<dyn Links>,
    pub tenants: Tenants,
    pub groups: Arc<dyn Groups>,
    pub deliveries: Arc<dyn Deliveries>,
    pub outgoing: Arc<dyn Outgoing>,
    pub trail: Arc<dyn AuditTrail>,
    pub audit: Arc<dyn AuditLog>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    /// `None` where no host runs: the command line on the bare store.
    pub host: Option<Host>,
}

/// What only a running host has.
#[derive(Clone)]
pub struct Host {
    pub plugins: Arc<dyn Plugins>,
    pub senders: Arc<dyn TestSender>,
    pub definitions: Arc<dyn Definitions>,
    pub resident: Arc<dyn Facts>,
    /// Only where the configuration switches it on.
    pub outbox: Option<Arc<dyn TestOutbox>>,
    /// Sends and checks codes.
    pub codes: Logins,
}

impl std::fmt::Debug for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ports")
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Host")
    }
}
