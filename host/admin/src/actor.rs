//! Who acts, in which role, from where, and how they proved it.

use crate::act::{Act, Needs};
use postern_otp::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Long enough for a form to be filled in, short enough that a console left open moves no factor.
pub const PROOF_FRESH_FOR: Duration = Duration::from_secs(15 * 60);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// An account's name, `command line (root)`, `admin token`.
    pub who: String,
    pub role: Role,
    pub address: Option<String>,
    pub proof: Proof,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    Administrator,
    /// Sees everything but secrets, changes nothing.
    Auditor,
}

impl Role {
    pub const ALL: [Self; 2] = [Self::Administrator, Self::Auditor];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Auditor => "auditor",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// How the actor proved who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Both factors, then.
    TwoFactors { at: Timestamp },
    /// Whoever may read the data folder or its token: there is no session that could grow old.
    Machine,
    /// An API client's token, with a scope that allows it. It never touches an account that administers.
    Client,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    Role,
    Stale,
}

impl Denied {
    pub fn word(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Stale => "sign-in too old",
        }
    }
}

impl Actor {
    /// The owner of this machine's data folder.
    pub fn command_line(user: &str) -> Self {
        Self {
            who: format!("command line ({user})"),
            role: Role::Administrator,
            address: None,
            proof: Proof::Machine,
        }
    }

    /// This host by itself, because the configuration says so.
    pub fn host(key: &str) -> Self {
        Self {
            who: format!("configuration ({key})"),
            role: Role::Administrator,
            address: None,
            proof: Proof::Machine,
        }
    }

    /// A script with the administrator's bearer token.
    pub fn token(address: Option<String>) -> Self {
        Self {
            who: "admin token".to_owned(),
            role: Role::Administrator,
            address,
            proof: Proof::Machine,
        }
    }

    /// An application that looks after users.
    pub fn client(name: &str, address: Option<String>) -> Self {
        Self {
            who: format!("client {name}"),
            role: Role::Administrator,
            address,
            proof: Proof::Client,
        }
    }

    pub fn fresh(&self, now: Timestamp) -> bool {
        match self.proof {
            Proof::Machine | Proof::Client => true,
            // A clock that went back makes nothing fresh.
            Proof::TwoFactors { at } => now.0 >= at.0 && now.since(at) <= PROOF_FRESH_FOR,
        }
    }

    pub fn may(&self, act: Act, now: Timestamp) -> Result<(), Denied> {
        match (act.needs, self.role) {
            (Needs::Reading, _) => Ok(()),
            (Needs::Changing | Needs::FreshProof, Role::Auditor) => Err(Denied::Role),
            (Needs::Changing, Role::Administrator) => Ok(()),
            (Needs::FreshProof, Role::Administrator) if self.fresh(now) => Ok(()),
            (Needs::FreshProof, Role::Administrator) => Err(Denied::Stale),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::act::{self, ALL};

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn actor(role: Role, age: Duration) -> Actor {
        Actor {
            who: "alice".to_owned(),
            role,
            address: None,
            proof: Proof::TwoFactors {
                at: Timestamp(NOW.0 - u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
            },
        }
    }

    #[test]
    fn an_auditor_reads_everything_and_changes_nothing() {
        let auditor = actor(Role::Auditor, Duration::ZERO);
        for act in ALL {
            let expected = match act.needs {
                Needs::Reading => Ok(()),
                Needs::Changing | Needs::FreshProof => Err(Denied::Role),
            };
            assert_eq!(auditor.may(act, NOW), expected, "{}", act.name);
        }
    }

    #[test]
    fn what_moves_a_factor_needs_a_sign_in_of_the_last_fifteen_minutes() {
        let last = actor(Role::Administrator, PROOF_FRESH_FOR);
        assert_eq!(last.may(act::USER_SET, NOW), Ok(()));
        let late = actor(
            Role::Administrator,
            PROOF_FRESH_FOR + Duration::from_millis(1),
        );
        assert_eq!(late.may(act::USER_SET, NOW), Err(Denied::Stale));
        assert_eq!(late.may(act::USER_LOCK, NOW), Ok(()));
        let mut early = last;
        early.proof = Proof::TwoFactors {
            at: Timestamp(NOW.0 + 1),
        };
        assert_eq!(early.may(act::USER_SET, NOW), Err(Denied::Stale));
    }

    #[test]
    fn each_act_has_a_name_of_its_own() {
        for (at, act) in ALL.iter().enumerate() {
            assert!(
                ALL[..at].iter().all(|other| other.name != act.name),
                "{}",
                act.name
            );
        }
    }
}
