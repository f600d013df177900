//! Budgets: sends by account, number and address; failures by tenant. Spent before any provider call.
//!
//! Failures are counted when they happen. That a budget of failures is spent is remembered here, so
//! that asking costs nothing on the path of those who are right; a host that starts anew, or another
//! host, learns it with its first failure.

use crate::error::{LoginError, StoreError};
use crate::ports::{Budget, Spending, Subject, TenantSettings};
use crate::{Logins, TenantId};
use postern_otp::{PhoneNumber, ResendPolicy, Timestamp};
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;
use unicode_normalization::UnicodeNormalization;

/// Wrong passwords from one address in an hour: above what a large office mistypes, far below what a
/// dictionary needs.
const FIRST_STEP_PER_ADDRESS: u32 = 300;
/// Wrong passwords for one name in an hour, whether or not anybody has it (NIST SP 800-63B-4, 3.2.2).
const FIRST_STEP_PER_NAME: u32 = 100;
const HOUR: Duration = Duration::from_secs(60 * 60);

/// Bounds what is remembered; past it the entries that end soonest go.
const SPENT_MAX: usize = 10_000;

/// Budgets that are spent, and until when.
#[derive(Debug, Default)]
pub(crate) struct Spent(Mutex<HashMap<String, Timestamp>>);

impl Spent {
    pub(crate) fn until(&self, budget: &Budget, now: Timestamp) -> Option<Timestamp> {
        let spent = self
            .0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        spent.get(&budget.key).copied().filter(|until| now < *until)
    }

    fn remember(&self, budget: &Budget, until: Timestamp, now: Timestamp) {
        // A budget frees itself within its window, whatever a clock did in between.
        let until = until.min(now.plus(budget.window));
        let mut spent = self
            .0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if spent.len() >= SPENT_MAX {
            spent.retain(|_, until| now < *until);
        }
        if spent.len() >= SPENT_MAX
            && let Some(soonest) = spent
                .iter()
                .min_by_key(|(_, until)| **until)
                .map(|(key, _)| key.clone())
        {
            spent.remove(&soonest);
        }
        spent.insert(budget.key.clone(), until);
    }
}

impl Logins {
    /// Refuses while one of these budgets of failures is known to be spent.
    pub(crate) fn refuse_if_spent(
        &self,
        budgets: &[Budget],
        now: Timestamp,
    ) -> Result<(), LoginError> {
        let latest = budgets
            .iter()
            .filter_map(|budget| self.spent.until(budget, now))
            .max();
        latest.map_or(Ok(()), |at| Err(LoginError::Throttled { at }))
    }

    /// Counts one failure on each budget. True if one of them is spent with it.
    pub(crate) async fn count_failure(
        &self,
        budgets: &[Budget],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut any_spent = false;
        // One by one: a spent budget must not stop the others from counting.
        for budget in budgets {
            let spending = self
                .ports
                .counters
                .spend(std::slice::from_ref(budget), now)
                .await?;
            if let Spending::Spent { at, .. } = spending {
                self.spent.remember(budget, at, now);
                any_spent = true;
            }
        }
        Ok(any_spent)
    }
}

/// Whose address it is: one IPv4 address, or the /64 of an IPv6 one, which any ordinary line has all
/// of. What is no address (an application may name its own) counts as it stands.
fn network(address: &str) -> String {
    match address.parse() {
        Ok(std::net::IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        Ok(std::net::IpAddr::V4(_)) | Err(_) => address.to_owned(),
    }
}

/// What one message costs: the account's, the number's and the address's budget, in this order.
pub(crate) fn send_budgets(
    settings: &TenantSettings,
    tenant: &TenantId,
    subject: &Subject,
    number: &PhoneNumber,
    address: Option<&str>,
) -> Vec<Budget> {
    let limits = &settings.limits;
    let mut budgets = Vec::with_capacity(3);
    let mut add = |kind: &str, name: &str, (max, window): (u32, Duration)| {
        budgets.push(Budget {
            key: key(tenant, kind, name),
            window,
            max,
        });
    };
    // An API client's number is its own subject: the number's budget says it all.
    if !matches!(subject, Subject::Number { .. }) {
        add("send-account", &subject.key(), limits.per_account);
    }
    add(
        "send-number",
        &number_key(settings, number),
        limits.per_number,
    );
    if let Some(address) = address {
        add("send-address", &network(address), limits.per_address);
    }
    budgets
}

/// `EnableUserBasedResendBlocking`: a person's resends over all their logins, beside those of the one
/// login: beginning anew gives nobody more of them.
pub(crate) fn person_resends(policy: &ResendPolicy, subject: &Subject) -> Option<Budget> {
    let window = policy.block_person_for?;
    Some(Budget {
        key: key(subject.tenant(), "resend-person", &subject.key()),
        window,
        max: policy.resends_max,
    })
}

/// One message to a target within the first wait: the API's second POST (settled: 429).
pub(crate) fn wait_budget(
    settings: &TenantSettings,
    subject: &Subject,
    purpose: &str,
) -> Option<Budget> {
    let window = settings.factor.challenge.resend.wait_after(0);
    (!window.is_zero()).then(|| Budget {
        key: key(
            subject.tenant(),
            "send-wait",
            &format!("{purpose}/{}", subject.key()),
        ),
        window,
        max: 1,
    })
}

/// Wrong codes over the whole tenant: whoever has stolen passwords tries each account a few times
/// and locks none (attack A-07).
pub(crate) fn tenant_failures(settings: &TenantSettings, tenant: &TenantId) -> Budget {
    Budget {
        key: key(tenant, "failures", ""),
        window: HOUR,
        max: settings.failures_per_hour,
    }
}

/// Wrong passwords from one address and for one name, known or not.
pub(crate) fn first_step_failures(
    settings: &TenantSettings,
    tenant: &TenantId,
    name: &str,
    address: &str,
) -> [Budget; 2] {
    let folded: String = name.trim().nfkc().flat_map(char::to_lowercase).collect();
    let name = settings.keys.newest().digest("first-step-name", &folded);
    [
        Budget {
            key: key(tenant, "first-step-address", &network(address)),
            window: HOUR,
            max: FIRST_STEP_PER_ADDRESS,
        },
        Budget {
            key: key(tenant, "first-step-name", &hex::encode(name)),
            window: HOUR,
            max: FIRST_STEP_PER_NAME,
        },
    ]
}

/// A number as a counter's name: a keyed hash, never the number.
pub(crate) fn number_key(settings: &TenantSettings, number: &PhoneNumber) -> String {
    hex::encode(settings.keys.newest().digest("number", number.e164()))
}

fn key(tenant: &TenantId, kind: &str, name: &str) -> String {
    format!("{kind}/{tenant}/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(key: &str) -> Budget {
        Budget {
            key: key.to_owned(),
            window: HOUR,
            max: 1,
        }
    }

    #[test]
    fn a_spent_budget_is_remembered_until_it_has_room() {
        let spent = Spent::default();
        spent.remember(&budget("a"), Timestamp(2_000), Timestamp(1_000));
        assert_eq!(
            spent.until(&budget("a"), Timestamp(1_999)),
            Some(Timestamp(2_000))
        );
        assert_eq!(spent.until(&budget("a"), Timestamp(2_000)), None);
        assert_eq!(spent.until(&budget("b"), Timestamp(1_000)), None);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let spent = Spent::default();
        for index in 0..SPENT_MAX as u64 + 10 {
            spent.remember(
                &budget(&index.to_string()),
                Timestamp(1_000_000 + index),
                Timestamp(0),
            );
        }
        let held = spent.0.lock().map(|map| map.len()).unwrap_or_default();
        assert_eq!(held, SPENT_MAX);
        assert_eq!(spent.until(&budget("0"), Timestamp(0)), None);
    }
}
