//! The audit log as administrators read it: filter, page, export, check.
//!
//! A store numbers the rows and chains them: each carries a keyed hash over its content and the hash
//! of the one before, so that a row that is changed, moved or taken out breaks the chain there. The
//! oldest rows can be removed in the open: a sealed note says up to which row, and the chain begins
//! after it.

use crate::{Act, Actor, AdminError, Administration, act};
use async_trait::async_trait;
use postern_login::TenantId;
use postern_login::audit::AuditEvent;
use postern_login::error::StoreError;
use postern_otp::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A row of the log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    pub seq: u64,
    #[serde(flatten)]
    pub event: AuditEvent,
    /// The row's link of the chain, in hex.
    pub link: String,
}

/// Where a check of the chain has come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    pub seq: u64,
    /// In hex.
    pub link: String,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "result")]
pub enum Verified {
    /// Every row is as it was written, up to this one. Note it down somewhere else: whoever holds
    /// the key could write a whole new log, and this tells.
    Whole {
        rows: u64,
        last: Option<Link>,
        /// Where the rows before went.
        #[serde(default)]
        pruned: Option<Pruned>,
    },
    /// The first row that is not.
    Broken { seq: u64, why: String },
}

/// The oldest rows were removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruned {
    /// The last one of them.
    pub through: Link,
    pub at: Timestamp,
}

#[async_trait]
pub trait AuditTrail: Send + Sync {
    /// Newest first, those before the row `before`. Bounded by the caller to some thousand rows.
    async fn rows_before(&self, before: Option<u64>, rows_max: u32)
    -> Result<Vec<Row>, StoreError>;
    /// Oldest first, those after the row `after`.
    async fn rows_after(&self, after: u64, rows_max: u32) -> Result<Vec<Row>, StoreError>;
    /// Checks the chain after `last` (from where it begins: `None`), at most `rows_max` rows of it.
    async fn check_chain(&self, last: Option<&Link>, rows_max: u32) -> Result<Checked, StoreError>;
    /// What was removed so far, as the sealed note says. Whether the seal is right the chain's check
    /// tells.
    async fn pruned(&self) -> Result<Option<Pruned>, StoreError>;
    /// Removes every row up to this one, which stays as a sealed note, in one act. False if that row
    /// is not there as it is named. Bounded by the caller to some thousand rows.
    async fn prune(&self, through: &Link, now: Timestamp) -> Result<bool, StoreError>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// These rows are in order; there may be more.
    Onward {
        rows: u64,
        last: Link,
    },
    /// There are no more.
    End,
    Broken {
        seq: u64,
        why: String,
    },
}

/// Which rows. An empty filter takes all of the tenant's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Whole name of an account, or of an administrator.
    pub who: String,
    /// The event's name, or an administrator's act: `login-succeeded`, `user set`.
    pub event: String,
    pub address: String,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

impl Filter {
    pub fn takes(&self, event: &AuditEvent) -> bool {
        let is = |wanted: &str, is: Option<&str>| {
            let wanted = wanted.trim();
            wanted.is_empty() || is.is_some_and(|is| is.eq_ignore_ascii_case(wanted))
        };
        let (name, act, on) = names(event);
        (is(&self.who, event.who.as_deref()) || is(&self.who, on.as_deref()))
            && (is(&self.event, Some(&name)) || is(&self.event, act.as_deref()))
            && is(&self.address, event.address.as_deref())
            && self.since.is_none_or(|since| event.at >= since)
            && self.until.is_none_or(|until| event.at < until)
    }
}

/// The event's name, an administrator's act, and what it was done to.
pub fn names(event: &AuditEvent) -> (String, Option<String>, Option<String>) {
    let what = serde_json::to_value(&event.what).unwrap_or_default();
    let text = |name: &str| what[name].as_str().map(str::to_owned);
    (text("event").unwrap_or_default(), text("act"), text("on"))
}

/// What the event says beside its name, one `name: value` each, for people: what does not apply is left
/// out, and so is when it was, which the row says.
pub fn details(event: &AuditEvent) -> Vec<String> {
    let mut said = Vec::new();
    let what = serde_json::to_value(&event.what).unwrap_or_default();
    for (name, value) in what.as_object().into_iter().flatten() {
        if !matches!(name.as_str(), "event" | "act" | "on" | "role") {
            say(name, value, &mut said);
        }
    }
    said
}

fn say(name: &str, value: &serde_json::Value, said: &mut Vec<String>) {
    use serde_json::Value;
    if name.ends_with("_at") {
        return;
    }
    let words = name.replace('_', " ");
    match value {
        Value::Null | Value::Bool(false) => {}
        Value::Bool(true) => said.push(words),
        Value::String(text) => said.push(format!("{words}: {text}")),
        Value::Number(number) => said.push(match name {
            "until" => format!("{words}: {}", second(number.as_i64())),
            _ => format!("{words}: {number}"),
        }),
        Value::Object(fields) => {
            for (name, value) in fields {
                say(name, value, said);
            }
        }
        Value::Array(items) if items.is_empty() => {}
        Value::Array(items) => {
            let items: Vec<_> = items
                .iter()
                .map(|item| {
                    item.as_str()
                        .map_or_else(|| item.to_string(), str::to_owned)
                })
                .collect();
            let items = items.join(", ");
            said.push(match name {
                "details" => items,
                _ => format!("{words}: {items}"),
            });
        }
    }
}

fn second(millis: Option<i64>) -> String {
    millis
        .and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok())
        .map(|at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
        .unwrap_or_default()
}

/// One page of rows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Page {
    pub rows: Vec<Row>,
    /// Where the next page begins; `None` at the end of the log.
    pub next: Option<u64>,
}

/// Rows that one request looks at, whatever it finds: a filter that matches nothing must not read a
/// log of years. The next page goes on from there.
const SCANNED_MAX: u32 = 20_000;
const STEP: u32 = 1_000;
/// Rows of one page.
pub const PAGE_MAX: u32 = 200;

impl Administration {
    /// Newest first, those before the row `before`.
    pub async fn audit_list(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        filter: &Filter,
        before: Option<u64>,
        rows_max: u32,
    ) -> Result<Page, AdminError> {
        self.allow(actor, tenant, act::AUDIT_LIST, None).await?;
        let rows_max = rows_max.clamp(1, PAGE_MAX) as usize;
        let (mut rows, mut next, mut scanned) = (Vec::new(), before, 0);
        while scanned < SCANNED_MAX {
            let step = self.ports.trail.rows_before(next, STEP).await?;
            let full = step.len() >= STEP as usize;
            scanned += STEP;
            for row in step {
                next = Some(row.seq);
                if row.event.tenant == *tenant && filter.takes(&row.event) {
                    rows.push(row);
                    if rows.len() == rows_max {
                        return Ok(Page { rows, next });
                    }
                }
            }
            if !full {
                return Ok(Page { rows, next: None });
            }
        }
        Ok(Page { rows, next })
    }

    /// Oldest first, those after the row `after`: for whoever reads the whole log page by page.
    pub async fn audit_export(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        filter: &Filter,
        after: u64,
    ) -> Result<Page, AdminError> {
        self.allow(actor, tenant, act::AUDIT_EXPORT, None).await?;
        let step = self.ports.trail.rows_after(after, STEP).await?;
        let full = step.len() >= STEP as usize;
        let next = step.last().filter(|_| full).map(|row| row.seq);
        let rows = step
            .into_iter()
            .filter(|row| row.event.tenant == *tenant && filter.takes(&row.event))
            .collect();
        Ok(Page { rows, next })
    }

    /// Checks every row of every tenant: the chain is one. `expected` is a link noted down earlier,
    /// which must still be there.
    pub async fn audit_verify(
        &self,
        actor: &Actor,
        expected: Option<&Link>,
    ) -> Result<Verified, AdminError> {
        const ACT: Act = act::AUDIT_VERIFY;
        self.allow_here(actor, ACT, None).await?;
        let (mut rows, mut last) = (0, None);
        let mut met = expected.is_none();
        let pruned = self.ports.trail.pruned().await?;
        let begins_after = pruned.as_ref().map_or(0, |pruned| pruned.through.seq);
        if let (Some(expected), Some(pruned)) = (expected, &pruned) {
            if expected.seq < begins_after {
                return Err(AdminError::Invalid(format!(
                    "row {} was removed with all rows up to {begins_after}: it can no longer be looked at, expected a later one",
                    expected.seq
                )));
            }
            if expected.seq == begins_after {
                if !expected.link.eq_ignore_ascii_case(&pruned.through.link) {
                    return Ok(anew(expected.seq));
                }
                met = true;
            }
        }
        loop {
            // Up to the noted link first, so that it is looked at exactly where it was.
            let until = expected.filter(|_| !met).map(|link| link.seq);
            let seen = last.as_ref().map_or(begins_after, |link: &Link| link.seq);
            let step = until.map_or(STEP, |until| {
                u32::try_from(until.saturating_sub(seen))
                    .unwrap_or(STEP)
                    .clamp(1, STEP)
            });
            match self.ports.trail.check_chain(last.as_ref(), step).await? {
                Checked::Onward {
                    rows: more,
                    last: link,
                } => {
                    rows += more;
                    if let Some(expected) = expected.filter(|expected| link.seq == expected.seq) {
                        if !expected.link.eq_ignore_ascii_case(&link.link) {
                            return Ok(anew(link.seq));
                        }
                        met = true;
                    }
                    last = Some(link);
                }
                Checked::End if met => return Ok(Verified::Whole { rows, last, pruned }),
                Checked::End => {
                    return Ok(Verified::Broken {
                        seq: expected.map_or(0, |link| link.seq),
                        why: "the row that was noted down is missing".to_owned(),
                    });
                }
                Checked::Broken { seq, why } => return Ok(Verified::Broken { seq, why }),
            }
        }
    }
}

/// The youngest rows that may be removed. Whoever did something this month cannot make it unseen, not
/// even as an administrator.
pub const PRUNED_AFTER_MIN: Duration = Duration::from_secs(30 * DAY);
const DAY: u64 = 24 * 3600;

impl Administration {
    /// Removes the rows from before this time, from the first one on. A log that is broken among them
    /// keeps them: what shows that somebody changed it is not removed. `None`: there were none.
    pub async fn audit_prune(
        &self,
        actor: &Actor,
        before: Timestamp,
    ) -> Result<Option<Pruned>, AdminError> {
        let act = act::AUDIT_PRUNE;
        let tenant = TenantId::super_tenant();
        self.allow_here(actor, act, None).await?;
        if before.plus(PRUNED_AFTER_MIN) > self.now() {
            return Err(AdminError::Invalid(format!(
                "rows of the last {} days stay: expected an earlier time",
                PRUNED_AFTER_MIN.as_secs() / DAY
            )));
        }
        let days = self.now().since(before).as_secs() / DAY;
        let details = vec![format!("rows older than {days} days")];
        self.announce(actor, &tenant, act, None, details).await?;
        let outcome = self.prune_before(before).await;
        self.conclude(actor, &tenant, act, None, outcome).await
    }

    /// As the configuration has it: what is older goes, once a day.
    pub async fn audit_retain(&self, keep: Duration) -> Result<Option<Pruned>, AdminError> {
        let now = self.now();
        let keep = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
        let before = Timestamp(now.0.saturating_sub(keep));
        let oldest = self.ports.trail.rows_after(0, 1).await?;
        let due = Timestamp(before.0.saturating_sub(DAY * 1000));
        if oldest.first().is_none_or(|row| row.event.at >= due) {
            return Ok(None);
        }
        self.audit_prune(&Actor::host("audit.keep_days"), before)
            .await
    }

    async fn prune_before(&self, before: Timestamp) -> Result<Option<Pruned>, AdminError> {
        let trail = &self.ports.trail;
        let mut pruned = None;
        loop {
            let rows = trail.rows_after(0, STEP).await?;
            let old = rows.iter().take_while(|row| row.event.at < before).count();
            if old == 0 {
                return Ok(pruned);
            }
            let steps = u32::try_from(old).unwrap_or(STEP);
            let through = match trail.check_chain(None, steps).await? {
                Checked::Onward { last, .. } => last,
                Checked::End => return Ok(pruned),
                Checked::Broken { seq, why } => {
                    return Err(AdminError::Invalid(format!(
                        "the log is broken at row {seq} ({why}): nothing is removed of it"
                    )));
                }
            };
            if !trail.prune(&through, self.now()).await? {
                return Err(AdminError::Changed {
                    name: "the audit log".to_owned(),
                });
            }
            pruned = trail.pruned().await?;
        }
    }
}

fn anew(seq: u64) -> Verified {
    Verified::Broken {
        seq,
        why: "it is not the row that was noted down: the log was written anew".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern_login::audit::{Occasion, What};

    fn event(who: &str, what: What) -> AuditEvent {
        AuditEvent {
            at: Timestamp(1_000),
            tenant: TenantId::super_tenant(),
            login: None,
            who: Some(who.to_owned()),
            address: Some("203.0.113.7".to_owned()),
            what,
        }
    }

    #[test]
    fn a_filter_takes_what_it_names() {
        let set = event(
            "root",
            What::Administered {
                act: "user set".to_owned(),
                on: Some("alice".to_owned()),
                role: "administrator".to_owned(),
                details: vec!["number ******0142".to_owned()],
            },
        );
        let filter = |change: fn(&mut Filter)| {
            let mut filter = Filter::default();
            change(&mut filter);
            filter.takes(&set)
        };
        assert!(filter(|_| {}));
        assert!(filter(|f| f.who = "root".into()));
        assert!(filter(|f| f.who = "Alice".into()), "what it was done to");
        assert!(!filter(|f| f.who = "ali".into()));
        assert!(filter(|f| f.event = "user set".into()));
        assert!(filter(|f| f.event = "administered".into()));
        assert!(!filter(|f| f.event = "user add".into()));
        assert!(filter(|f| f.since = Some(Timestamp(1_000))));
        assert!(!filter(|f| f.since = Some(Timestamp(1_001))));
        assert!(!filter(|f| f.until = Some(Timestamp(1_000))));
        assert!(filter(|f| f.address = "203.0.113.7".into()));
        assert_eq!(details(&set), ["number ******0142"]);
    }

    #[test]
    fn what_is_said_of_an_event_is_for_people() {
        let sent = event(
            "alice",
            What::CodeSent {
                sender: "twilio".into(),
                number: "******0142".into(),
                attempt: 1,
                occasion: Occasion {
                    application: Some("shop".into()),
                    sent_at: Some(Timestamp(1)),
                    resend: true,
                    ..Occasion::default()
                },
            },
        );
        let mut said = details(&sent);
        said.sort();
        let expected = [
            "application: shop",
            "attempt: 1",
            "number: ******0142",
            "resend",
            "sender: twilio",
        ];
        assert_eq!(said, expected);
        let until = Timestamp(1_800_000_000_000);
        let locked = event("alice", What::FactorLocked { until });
        assert_eq!(details(&locked), ["until: 2027-01-15 08:00:00 UTC"]);
    }
}
