//! Budgets: sends by account, number, address, block of numbers and tenant; failures by tenant. Spent
//! before any provider call.
//!
//! Failures are counted when they happen. That a budget of failures is spent is remembered here, so
//! that asking costs nothing on the path of those who are right; a host that starts anew, or another
//! host, learns it with its first failure.

use crate::audit::{AuditEvent, What};
use crate::error::{LoginError, StoreError};
use crate::login::Notice;
use crate::ports::{Begins, Budget, ConversionLimit, Spending, Subject, TenantSettings};
use crate::{Logins, TenantId};
use postern_otp::{PhoneNumber, Timestamp};
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

/// Which limit stands in a message's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SendLimit {
    /// The API's wait between two messages to one target.
    Wait,
    Account,
    Number,
    Address,
    /// The person's messages over all logins, first ones and resends (`EnableUserBasedResendBlocking`).
    Person,
    /// Numbers that share all but their last four digits (attack R-05).
    Prefix,
    /// Numbers from which hardly any code comes back (attack R-07).
    Conversion,
    /// The tenant's day (attack R-09).
    Tenant,
}

impl SendLimit {
    /// Its word in the log, if it is about cost: then somebody is told.
    fn alarm(self) -> Option<&'static str> {
        match self {
            Self::Prefix => Some("prefix"),
            Self::Conversion => Some("conversion"),
            Self::Tenant => Some("tenant-day"),
            Self::Wait | Self::Account | Self::Number | Self::Address | Self::Person => None,
        }
    }

    /// What a person reads.
    pub(crate) fn notice(self) -> Notice {
        match self {
            Self::Wait => Notice::ResendTooSoon,
            Self::Account | Self::Number | Self::Address => Notice::SendLimit,
            Self::Person => Notice::ResendTooOften,
            Self::Prefix | Self::Conversion | Self::Tenant => Notice::QuotaSpent,
        }
    }
}

/// What one message costs.
#[derive(Debug)]
pub(crate) struct SendBudgets {
    tenant: TenantId,
    block: String,
    /// `None`: nobody types back what is sent.
    conversion: Option<ConversionLimit>,
    budgets: Vec<(SendLimit, Budget)>,
}

/// Whether a message may go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Outlay {
    Granted,
    Refused { limit: SendLimit, at: Timestamp },
}

/// What one message costs: the account's, the number's, the address's, the block's and the tenant's
/// budget, in this order.
pub(crate) fn send_budgets(
    settings: &TenantSettings,
    tenant: &TenantId,
    subject: &Subject,
    number: &PhoneNumber,
    address: Option<&str>,
) -> SendBudgets {
    let limits = &settings.limits;
    let block = block(settings, tenant, number);
    let mut budgets = Vec::with_capacity(6);
    let mut add = |limit, kind: &str, name: &str, (max, window): (u32, Duration)| {
        let key = key(tenant, kind, name);
        let begins = match limit {
            // `ResendBlockDuration` is counted from the last message.
            SendLimit::Person => Begins::Last,
            _ => Begins::First,
        };
        let budget = Budget {
            key,
            window,
            max,
            begins,
        };
        budgets.push((limit, budget));
    };
    // An API client's number is its own subject: the number's budget says it all.
    if !matches!(subject, Subject::Number { .. }) {
        let account = SendLimit::Account;
        add(account, "send-account", &subject.key(), limits.per_account);
    }
    let name = number_key(settings, number);
    add(SendLimit::Number, "send-number", &name, limits.per_number);
    if let Some(address) = address {
        let name = network(address);
        add(
            SendLimit::Address,
            "send-address",
            &name,
            limits.per_address,
        );
    }
    let resend = &settings.factor.challenge.resend;
    if let Some(window) = resend.block_person_for
        && let Subject::Account { .. } | Subject::Federated { .. } = subject
    {
        // The first message counts as well: a fresh login must not be a way round the limit.
        let max = resend.resends_max.saturating_add(1);
        let name = subject.key();
        add(SendLimit::Person, "send-person", &name, (max, window));
    }
    add(SendLimit::Prefix, "send-prefix", &block, limits.per_prefix);
    add(SendLimit::Tenant, "send-tenant", "", limits.per_tenant);
    SendBudgets {
        tenant: tenant.clone(),
        block,
        conversion: Some(limits.conversion),
        budgets,
    }
}

impl SendBudgets {
    /// Asked first.
    pub(crate) fn and_wait(mut self, wait: Option<Budget>) -> Self {
        if let Some(wait) = wait {
            self.budgets.insert(0, (SendLimit::Wait, wait));
        }
        self
    }

    /// For messages that carry no code of ours.
    pub(crate) fn without_conversion(mut self) -> Self {
        self.conversion = None;
        self
    }
}

impl Logins {
    /// Spends on every budget or on none. The first refusal for the sake of cost is told to the
    /// operator; those that follow while it holds are not.
    pub(crate) async fn spend_on_sending(
        &self,
        message: &SendBudgets,
        now: Timestamp,
    ) -> Result<Outlay, StoreError> {
        if let Some(limit) = message.conversion
            && let Some(at) = self.conversions.stopped(&message.block, limit, now)
        {
            let budget = Budget {
                key: key(&message.tenant, "conversion", &message.block),
                window: limit.window,
                max: limit.sends_min,
                begins: Begins::First,
            };
            let limit = SendLimit::Conversion;
            self.alarm(&message.tenant, limit, &budget, at, now).await?;
            return Ok(Outlay::Refused { limit, at });
        }
        let (limits, budgets): (Vec<_>, Vec<_>) = message.budgets.iter().cloned().unzip();
        match self.ports.counters.spend(&budgets, now).await? {
            Spending::Granted => Ok(Outlay::Granted),
            Spending::Spent { index, at } => {
                let (limit, budget) = (limits[index], &budgets[index]);
                self.alarm(&message.tenant, limit, budget, at, now).await?;
                Ok(Outlay::Refused { limit, at })
            }
        }
    }

    /// A code of ours is on its way to this number.
    pub(crate) fn code_went_out(
        &self,
        settings: &TenantSettings,
        tenant: &TenantId,
        number: &PhoneNumber,
        now: Timestamp,
    ) {
        let limit = settings.limits.conversion;
        self.conversions
            .sent(&block(settings, tenant, number), limit, now);
    }

    /// Somebody had it and typed it.
    pub(crate) fn code_came_back(
        &self,
        settings: &TenantSettings,
        tenant: &TenantId,
        number: &PhoneNumber,
    ) {
        self.conversions.came_back(&block(settings, tenant, number));
    }

    async fn alarm(
        &self,
        tenant: &TenantId,
        limit: SendLimit,
        budget: &Budget,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(word) = limit.alarm() else {
            return Ok(());
        };
        if self.spent.until(budget, now).is_some() {
            return Ok(());
        }
        self.spent.remember(budget, until, now);
        tracing::error!(
            %tenant,
            limit = word,
            "messages are held back because of what they cost: see `[limits]`"
        );
        let stopped = AuditEvent {
            at: now,
            tenant: tenant.clone(),
            login: None,
            who: None,
            address: None,
            what: What::SendingStopped {
                limit: word.to_owned(),
                until,
            },
        };
        self.ports.audit.record(stopped).await
    }
}

/// All of a number but its last four digits, as a keyed hash: networks give numbers out in blocks of
/// ten thousand, and whoever earns by messages to them owns a block.
fn block(settings: &TenantSettings, tenant: &TenantId, number: &PhoneNumber) -> String {
    let digits = number.e164();
    let prefix = &digits[..digits.len().saturating_sub(4)];
    let hash = settings.keys.newest().digest("number-block", prefix);
    format!("{tenant}/{}", hex::encode(hash))
}

/// One message to a target within the first wait, whatever it is for: the API's second POST is 429.
pub(crate) fn wait_budget(settings: &TenantSettings, subject: &Subject) -> Option<Budget> {
    let window = settings.factor.challenge.resend.wait_after(0);
    (!window.is_zero()).then(|| Budget {
        key: key(subject.tenant(), "send-wait", &subject.key()),
        window,
        max: 1,
        begins: Begins::First,
    })
}

/// Wrong codes over the whole tenant: whoever has stolen passwords tries each account a few times
/// and locks none (attack A-07).
pub(crate) fn tenant_failures(settings: &TenantSettings, tenant: &TenantId) -> Budget {
    Budget {
        key: key(tenant, "failures", ""),
        window: HOUR,
        max: settings.failures_per_hour,
        begins: Begins::First,
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
            begins: Begins::First,
        },
        Budget {
            key: key(tenant, "first-step-name", &hex::encode(name)),
            window: HOUR,
            max: FIRST_STEP_PER_NAME,
            begins: Begins::First,
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
            begins: Begins::First,
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
