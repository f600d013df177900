//! How the senders stand, and a test message that shows what really went out.

use crate::{Actor, AdminError, Administration, act};
use async_trait::async_trait;
use postern_login::TenantId;
use postern_login::ports::{Begins, Budget, Message, Spending};
use postern_otp::{PhoneNumber, Region};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Test messages cost money and ring somebody's phone.
const TESTS_PER_HOUR: u32 = 20;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SenderReport {
    pub tenant: String,
    pub name: String,
    pub plugin: String,
    pub version: Option<String>,
    pub ready: bool,
    pub problems: Vec<String>,
    /// Where it is defined.
    pub place: String,
}

/// What a test message did.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TestOutcome {
    /// The exact requests, secrets masked.
    pub requests: Vec<SentRequest>,
    pub accepted: bool,
    /// `accepted`, or the typed failure: `auth-failed`.
    pub verdict: String,
    /// What the provider said, cleaned and capped; its message id if it took the message.
    pub detail: String,
    pub took_ms: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SentRequest {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

#[async_trait]
pub trait TestSender: Send + Sync {
    fn list(&self) -> Vec<SenderReport>;
    /// Really sends it, whatever the sender's health.
    async fn send(&self, sender: &str, message: &Message) -> TestOutcome;
}

impl Administration {
    pub async fn sender_list(
        &self,
        actor: &Actor,
        tenant: &TenantId,
    ) -> Result<Vec<SenderReport>, AdminError> {
        self.allow(actor, tenant, act::SENDER_LIST, None).await?;
        let mut senders = self.host()?.senders.list();
        senders.retain(|sender| sender.tenant == tenant.as_str());
        Ok(senders)
    }

    pub async fn sender_test(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        sender: &str,
        number: &str,
    ) -> Result<TestOutcome, AdminError> {
        let act = act::SENDER_TEST;
        self.allow(actor, tenant, act, Some(sender)).await?;
        let host = self.host()?;
        let known = host.senders.list();
        if !known
            .iter()
            .any(|known| known.tenant == tenant.as_str() && known.name == sender)
        {
            return Err(AdminError::NotFound {
                what: "sender",
                name: sender.to_owned(),
            });
        }
        let to = self.read_number(tenant, number).await?;
        let budget = Budget {
            key: format!("console-test/{tenant}/"),
            window: Duration::from_secs(3600),
            max: TESTS_PER_HOUR,
            begins: Begins::First,
        };
        let spending = self.ports.counters.spend(&[budget], self.now()).await?;
        if let Spending::Spent { .. } = spending {
            return Err(AdminError::Invalid(format!(
                "{TESTS_PER_HOUR} test messages were sent within an hour: wait before the next one"
            )));
        }
        let details = vec![format!("to {}", to.masked())];
        self.announce(actor, tenant, act, Some(sender), details)
            .await?;
        let message = host.codes.test_message(tenant, &to).await?;
        Ok(host.senders.send(sender, &message).await)
    }

    /// A number as typed becomes E.164 here, so that nothing later reads what somebody typed. By the
    /// region in effect for the tenant now, or a login would read the same digits as another number.
    pub(crate) async fn read_number(
        &self,
        tenant: &TenantId,
        typed: &str,
    ) -> Result<PhoneNumber, AdminError> {
        let region = self.ports.tenants.default_region(tenant).await?;
        let region = region.and_then(|region| Region::parse(&region).ok());
        PhoneNumber::parse(typed, region.as_ref()).map_err(|error| {
            AdminError::Invalid(format!(
                "`{}` cannot be used ({error}): write it with its country code, as +12025550142",
                typed.escape_debug()
            ))
        })
    }
}
