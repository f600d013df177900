//! Peers that must agree before a user is made, and a creation that does not stay because one did not.

use super::{ANNOUNCED_FOR, Provisioning};
use postern_federation::ports::PortError;
use postern_federation::scim::outbound::Connector;
use postern_federation::scim::ports::{Waits, What};
use postern_login::TenantId;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A peer that did not answer in time may still do what it was asked: it is told only after this that it
/// is gone. Longer than a request lives on either side.
const LATE: Duration = Duration::from_secs(60);
/// Changes of one user that a blocking peer is told before the one it must agree to.
const BEFORE_MAX: usize = 16;

/// Turns by connector, held.
pub(super) type Held = HashMap<String, tokio::sync::OwnedMutexGuard<()>>;

/// Why a blocking peer did not agree.
pub(super) struct Blocked {
    pub(super) words: String,
    /// It is sure to have made nobody.
    pub(super) untouched: Option<String>,
    /// It did not answer in time, and may still do it.
    pub(super) late: Option<String>,
}

impl Provisioning {
    /// Tells the blocking ones now, up to the change that was begun; what the first of them that did not
    /// take it said.
    pub(super) async fn block(
        &self,
        account: &str,
        begun: &[u64],
        held: &Held,
        until: Instant,
    ) -> Result<(), Blocked> {
        let connectors = self.current();
        let blocking: Vec<_> = connectors
            .iter()
            .filter(|connector| connector.blocking && connector.enabled)
            .collect();
        if blocking.is_empty() || self.outbound.get().is_none() {
            return Ok(());
        }
        if let Some(missing) = blocking.iter().find(|c| !held.contains_key(&c.name)) {
            return Err(Blocked {
                words: format!("{}: it is being told of others all the time", missing.name),
                untouched: None,
                late: None,
            });
        }
        // Whom the peer is that was asked last.
        let asked: Mutex<Option<String>> = Mutex::default();
        let all = async {
            for connector in blocking {
                *asked.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(connector.name.clone());
                self.agree(connector, account, begun).await?;
            }
            Ok(())
        };
        let late = tokio::time::sleep_until(until);
        tokio::select! {
            // A request that gives up in the same moment gives up because of the time.
            biased;
            () = late => Err(Blocked {
                words: "it took too long".to_owned(),
                untouched: None,
                late: asked.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            }),
            outcome = all => outcome,
        }
    }

    /// The turns of the blocking peers, as far as they are to be had in time.
    pub(super) async fn hold(&self, until: Instant) -> Held {
        let mut held = Held::new();
        let all = async {
            for connector in self.current().iter().filter(|c| c.blocking && c.enabled) {
                let turn = self.turns_of(&connector.name).telling.lock_owned().await;
                held.insert(connector.name.clone(), turn);
            }
        };
        // Whose turn is missing then has not agreed.
        let _ = tokio::time::timeout_at(until, all).await;
        held
    }

    /// What waits for the blocking peer of this user, in order, up to what was begun.
    async fn agree(
        &self,
        connector: &Connector,
        account: &str,
        begun: &[u64],
    ) -> Result<(), Blocked> {
        let (tenant, deliveries) = (self.parts.tenant.as_str(), &self.parts.deliveries);
        let name = connector.name.as_str();
        let plainly = |words: String| Blocked {
            words,
            untouched: None,
            late: None,
        };
        let fault = |error: PortError| plainly(format!("{name}: {}", error.what));
        self.know(connector).await.map_err(fault)?;
        // A deletion that could not be told yet goes before whoever is made now.
        deliveries
            .hasten(tenant, name, What::User, account, self.now())
            .await
            .map_err(fault)?;
        for _ in 0..BEFORE_MAX {
            let now = self.now();
            let mine = deliveries
                .due_of(tenant, name, What::User, account, now)
                .await
                .map_err(fault)?;
            let Some(mine) = mine else {
                let waits = deliveries.waits(tenant, name, What::User, account).await;
                if waits.map_err(fault)? != Waits::Nothing {
                    break;
                }
                return Ok(());
            };
            if let Some(failure) = self.tell(connector, &mine).await.map_err(fault)? {
                return Err(Blocked {
                    words: format!("{name}: {failure}"),
                    untouched: failure.left_no_trace().then(|| name.to_owned()),
                    late: None,
                });
            }
            if begun
                .iter()
                .any(|seq| (mine.seq..=mine.through).contains(seq))
            {
                return Ok(());
            }
        }
        Err(plainly(format!(
            "{name}: an earlier change of this user waits for it"
        )))
    }

    /// A creation that does not stay. Whoever took it, or may have taken it, is told that the user is
    /// gone, whatever is there by that name later; whoever was not asked yet is told nothing.
    pub(super) async fn taken_back(
        &self,
        tenant: &TenantId,
        account: &str,
        begun: &[u64],
        blocked: &Blocked,
        held: &Held,
    ) -> Result<(), PortError> {
        let deliveries = &self.parts.deliveries;
        let mut rows = Vec::with_capacity(begun.len());
        for seq in begun {
            let row = deliveries.waiting(tenant.as_str(), seq - 1, 1).await?.pop();
            rows.extend(row.filter(|row| row.seq == *seq));
        }
        let mut gone = Vec::new();
        let mut late = Vec::new();
        for connector in self.told_of(What::User) {
            let row = rows.iter().find(|row| row.connector == connector);
            // While it is held nobody tells this peer anything.
            let turns = self.turns_of(&connector);
            let turn = turns.telling.try_lock();
            let ours = turn.is_ok() || held.contains_key(&connector);
            let timely = ours && blocked.late.as_deref() != Some(connector.as_str());
            let never = timely && row.is_some_and(|row| row.attempts == 0);
            // By the one attempt there was.
            let untouched = row.is_some_and(|row| row.attempts <= 1)
                && blocked.untouched.as_deref() == Some(connector.as_str());
            match row {
                Some(row) if never || untouched => {
                    deliveries.withdraw(tenant.as_str(), &[row.seq]).await?;
                }
                _ if timely => gone.push(connector),
                _ => late.push(connector),
            }
        }
        for (connectors, due) in [(gone, self.now()), (late, self.now().plus(LATE))] {
            let announced = deliveries
                .announce(
                    tenant.as_str(),
                    &connectors,
                    What::User,
                    account,
                    due.plus(ANNOUNCED_FOR),
                    self.now(),
                )
                .await?;
            deliveries
                .confirm(tenant.as_str(), &announced, true, None, due)
                .await?;
        }
        // Only now: a host that dies before has both, and ends with the deletion.
        deliveries.withdraw(tenant.as_str(), begun).await?;
        self.work.notify_one();
        Ok(())
    }
}
