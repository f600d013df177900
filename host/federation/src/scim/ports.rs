//! What provisioning needs from the world: the people and groups there are, and who looks after them.

use super::Condition;
use super::outbound::Outlook;
use crate::ports::PortError;
use crate::{Moment, Secret};
use async_trait::async_trait;

/// A user as provisioning takes them. Never holds a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Random, given once; whoever gets the name later gets another one.
    pub id: String,
    /// With the store's domain, unless it is the primary one.
    pub account: String,
    pub display_name: Option<String>,
    /// E.164.
    pub number: Option<String>,
    pub locked: bool,
    pub claims: Vec<(String, String)>,
    pub external_id: Option<String>,
    pub created_at: Moment,
    pub changed_at: Moment,
    /// Those they are in, by id and name.
    pub groups: Vec<(String, String)>,
}

impl Person {
    pub fn claim(&self, uri: &str) -> Option<&str> {
        let found = self.claims.iter().find(|(known, _)| known == uri);
        found.map(|(_, value)| value.as_str())
    }
}

/// A group of Postern's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub id: String,
    pub display_name: String,
    pub external_id: Option<String>,
    pub created_at: Moment,
    pub changed_at: Moment,
    /// By id and account.
    pub members: Vec<(String, String)>,
}

/// Some of many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    pub total: usize,
    pub items: Vec<T>,
}

#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// A store that cannot search has more users than are looked at.
    #[error("too many users would have to be looked at")]
    TooMany,
    #[error(transparent)]
    Failed(#[from] PortError),
}

/// Reading of users in every store, for provisioning.
#[async_trait]
pub trait People: Send + Sync {
    /// The names of everybody in every store, those after `after`: so that all can be gone through, a
    /// bounded number at a time.
    async fn accounts(
        &self,
        tenant: &str,
        after: Option<&str>,
        rows_max: usize,
    ) -> Result<Vec<String>, PortError>;
    async fn person(&self, tenant: &str, id: &str) -> Result<Option<Person>, PortError>;
    /// By the account's name, domain included.
    async fn person_named(&self, tenant: &str, account: &str) -> Result<Option<Person>, PortError>;
    /// Who is there under the account's name in any other store than its own.
    async fn namesakes(&self, tenant: &str, account: &str) -> Result<Vec<String>, PortError>;
    /// In the stores of these domains (empty is the primary one), `start` from 0, by name.
    async fn people(
        &self,
        tenant: &str,
        domains: &[String],
        condition: &Condition,
        start: usize,
        count: usize,
    ) -> Result<Page<Person>, SearchError>;
    /// Sets the client's own name for the user.
    async fn set_external_id(
        &self,
        tenant: &str,
        account: &str,
        external_id: Option<&str>,
    ) -> Result<(), PortError>;
}

/// Groups of Postern's own.
#[async_trait]
pub trait Groups: Send + Sync {
    async fn group(&self, tenant: &str, id: &str) -> Result<Option<Group>, PortError>;
    /// By name, those after `after`.
    async fn groups(
        &self,
        tenant: &str,
        after: Option<&str>,
        rows_max: usize,
    ) -> Result<Vec<Group>, PortError>;
    /// False if the name is another group's, or `new` and there is one of that id. Whole: a group that
    /// is written is as it was asked for.
    async fn put_group(&self, tenant: &str, group: &Group, new: bool) -> Result<bool, PortError>;
    async fn delete_group(&self, tenant: &str, id: &str) -> Result<bool, PortError>;
}

// ---------------------------------------------------------------- outbound

/// What a peer is told about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum What {
    User,
    Group,
    /// Everybody there is, put into the queue page by page; the subject is where this is.
    Everybody,
}

impl What {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
            Self::Everybody => "everybody",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::User, Self::Group, Self::Everybody]
            .into_iter()
            .find(|what| what.as_str() == text)
    }
}

/// What is remembered of something at a peer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remote {
    /// The peer's id of it.
    pub id: String,
    /// The names of the attributes it was told last, separated by blanks: those that are gone here since
    /// are taken away there, and what the peer says beside them is left alone.
    pub told: String,
}

/// Whether anything of a subject is still to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    Nothing,
    /// It is told by itself, now or later.
    Comes,
    /// The first of it is given up, and what follows waits behind it.
    GivenUp,
}

/// Something a peer waits to be told: that a user or a group is no longer as it was. How it is now is
/// looked up when the peer is told.
#[derive(Clone)]
pub struct Delivery {
    pub seq: u64,
    /// The last that is told with it: later ones of the same subject need nothing of their own.
    pub through: u64,
    /// How many of the same subject were due as well and are not told with it, for this is a deletion or they
    /// are too many for one go.
    pub behind: u64,
    pub connector: String,
    pub what: What,
    /// An account's name, or a group's id.
    pub subject: String,
    /// It was deleted in between, whatever is there by that name now.
    pub gone: bool,
    /// A password that was set, as it was typed.
    pub password: Option<Secret>,
    pub attempts: u32,
    /// How many of them the peer refused.
    pub refusals: u32,
    /// How many of them were no matter of the peer's.
    pub faults: u32,
    pub due_at: Moment,
    pub created_at: Moment,
    /// Why it was not told the last time.
    pub trouble: Option<String>,
    /// It is not tried again by itself.
    pub given_up: bool,
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Delivery({} to {})", self.seq, self.connector)
    }
}

/// An attempt that came to nothing.
#[derive(Debug, Clone)]
pub struct Failed {
    pub trouble: String,
    /// What the peer refused is counted apart, and so is what was no matter of the peer's.
    pub outlook: Outlook,
    /// When nothing had come of it. `None`: it could not even be tried, so nothing came meanwhile.
    pub ended_at: Option<Moment>,
    /// When it is tried again.
    pub due_at: Moment,
    /// Unless it is not.
    pub given_up: bool,
}

/// What peers wait to be told, in order for each subject. All writes are durable when the call returns.
#[async_trait]
pub trait Deliveries: Send + Sync {
    /// Before a change is made: one row for each connector, which becomes due by itself at `due_at`, so
    /// that a host that dies in between looks again.
    async fn announce(
        &self,
        tenant: &str,
        connectors: &[String],
        what: What,
        subject: &str,
        due_at: Moment,
        now: Moment,
    ) -> Result<Vec<u64>, PortError>;
    /// The change was made: they are due now. What was given up of their subjects before is due with them,
    /// for the peer may take what is so now; before a deletion it is of no use any more, and goes. So is what
    /// is to be tried anew, and waited for them. The password is kept for the connectors that are named with
    /// it, and for no others.
    async fn confirm(
        &self,
        tenant: &str,
        announced: &[u64],
        gone: bool,
        password: Option<(&Secret, &[String])>,
        now: Moment,
    ) -> Result<(), PortError>;
    /// What of the subject was tried already, and is not given up, is due by then, as if it had been tried
    /// once, neither refused nor for a fault of ours: what it waited for is no reason to give it up early.
    async fn hasten(
        &self,
        tenant: &str,
        connector: &str,
        what: What,
        subject: &str,
        by: Moment,
    ) -> Result<(), PortError>;
    /// The change was not made. What is to be tried anew, and waited for them, is due.
    async fn withdraw(&self, tenant: &str, announced: &[u64]) -> Result<(), PortError>;
    /// The first of each subject of these connectors that is due; what follows it of the same subject
    /// is told with it, up to the next deletion. What cannot be read is given up, and stops no other.
    async fn due(
        &self,
        tenant: &str,
        connectors: &[String],
        now: Moment,
        rows_max: usize,
    ) -> Result<Vec<Delivery>, PortError>;
    /// The same of one subject.
    async fn due_of(
        &self,
        tenant: &str,
        connector: &str,
        what: What,
        subject: &str,
        now: Moment,
    ) -> Result<Option<Delivery>, PortError>;
    async fn waits(
        &self,
        tenant: &str,
        connector: &str,
        what: What,
        subject: &str,
    ) -> Result<Waits, PortError>;
    /// Told: the row goes, and those up to `through`.
    async fn told(&self, tenant: &str, delivery: &Delivery) -> Result<(), PortError>;
    /// Tried once more, and what became of it. With what is given up its subject's passwords go: nobody
    /// knows whether they are ever asked for. It goes itself if its subject was deleted since, with the
    /// passwords of before that: a deletion waits for nothing that was given up.
    ///
    /// What came of its subject and was not told with it is a change during the attempt: it is not given
    /// up then, and due as soon as that is, from the first attempt on. What was due behind it already when
    /// it was looked up is none: what waits there for long would have it tried for ever.
    ///
    /// A `retry` during the attempt stands: it is due as that says, and the attempt counts for nothing.
    async fn failed(
        &self,
        tenant: &str,
        delivery: &Delivery,
        failed: Failed,
    ) -> Result<Waits, PortError>;
    /// By number, those after `after`; without passwords.
    async fn waiting(
        &self,
        tenant: &str,
        after: u64,
        rows_max: usize,
    ) -> Result<Vec<Delivery>, PortError>;
    /// How many wait for each connector.
    async fn counts(&self, tenant: &str) -> Result<Vec<(String, u64)>, PortError>;
    /// Due now, from the first attempt on. All of a connector, or one by its number.
    async fn retry(
        &self,
        tenant: &str,
        connector: &str,
        seq: Option<u64>,
        now: Moment,
    ) -> Result<u64, PortError>;
    /// The peer is not told at all.
    async fn drop_one(&self, tenant: &str, seq: u64) -> Result<bool, PortError>;
    async fn remote(
        &self,
        tenant: &str,
        connector: &str,
        what: What,
        subject: &str,
    ) -> Result<Option<Remote>, PortError>;
    /// `None` forgets. False, and nothing is kept, if the id is another subject's of the connector: two
    /// of ours are never one there.
    async fn remember(
        &self,
        tenant: &str,
        connector: &str,
        what: What,
        subject: &str,
        remote: Option<&Remote>,
    ) -> Result<bool, PortError>;
    /// The connector shall be told of everybody. False if that is under way already.
    async fn push(&self, tenant: &str, connector: &str, now: Moment) -> Result<bool, PortError>;
    /// A page of everybody: these become due, and the push goes on from `rest` at `next_at` (`None`: it
    /// is done). In one step, so that a host that dies in between leaves nobody out; nothing if the
    /// push was dropped meanwhile.
    async fn expand(
        &self,
        tenant: &str,
        push: &Delivery,
        page: &[(What, String)],
        rest: Option<&str>,
        next_at: Moment,
        now: Moment,
    ) -> Result<(), PortError>;
    /// How many a connector is still to be told by itself; not more than `most` are counted.
    async fn queued(&self, tenant: &str, connector: &str, most: usize) -> Result<usize, PortError>;
    /// The connector is gone: all that waits for it, with the passwords on their way, and what it is
    /// remembered to have.
    async fn forget_connector(&self, tenant: &str, connector: &str) -> Result<(), PortError>;
    /// The connector leads to another peer: what it is remembered to have goes. What waits for it stays,
    /// but a user's last deletion is given up for this reason, and what waited before it goes: whoever has
    /// the name there may be a stranger.
    async fn forget_remotes(
        &self,
        tenant: &str,
        connector: &str,
        deletions: &str,
    ) -> Result<(), PortError>;
    /// Whose the peer's id is here.
    async fn holder(
        &self,
        tenant: &str,
        connector: &str,
        what: What,
        remote_id: &str,
    ) -> Result<Option<String>, PortError>;
}
