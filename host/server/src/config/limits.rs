//! `[limits]`: the bounds of logins, plugins and outgoing requests. Each default has its reason
//! where the crate that enforces it defines it; here are the bounds an operator may move them in.

use super::section::Section;
use postern_gateway::{BreakerPolicy, HealthPolicy, QuarantinePolicy};
use postern_login::ports::{ConversionLimit, SendLimits};
use postern_otp::{AttemptPolicy, ResendPolicy};
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Limits {
    pub attempts: AttemptPolicy,
    pub resend: ResendPolicy,
    pub send: SendLimits,
    /// Failures of a whole tenant in an hour.
    pub failures_per_hour: u32,
    pub login_lifetime: Duration,
    pub session_lifetime: Duration,
    /// `[limits.plugin]`: what bounds a plugin.
    pub plugin: postern_wasm::Limits,
    /// `[limits.request]`: what bounds a request to a provider.
    pub request: postern_egress::limits::Limits,
    /// `[limits.breaker]` and `[limits.quarantine]`: when a sender or a plugin that fails is left alone.
    pub health: HealthPolicy,
}

pub(super) const RESENDS_REASON: &str = "every one costs money";
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

impl Limits {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let plugin = read_plugin(&mut section);
        let request = read_request(section.table("request"));
        let health = HealthPolicy {
            breaker: read_breaker(section.table("breaker")),
            quarantine: read_quarantine(section.table("quarantine")),
        };
        Self::of_logins(section, plugin, request, health)
    }

    /// What a tenant may set of its own: the bounds of its logins. Those of plugins and requests
    /// protect the host and are everybody's, and so is what becomes of those that fail.
    pub(super) fn read_for_tenant(section: Section<'_>, host: &Self) -> Self {
        Self::of_logins(
            section,
            host.plugin.clone(),
            host.request.clone(),
            host.health,
        )
    }

    fn of_logins(
        mut section: Section<'_>,
        plugin: postern_wasm::Limits,
        request: postern_egress::limits::Limits,
        health: HealthPolicy,
    ) -> Self {
        let s = &mut section;
        let attempts = AttemptPolicy {
            attempts_max: s.small(
                "attempts_per_challenge",
                1..=10,
                "a code of six digits bears no more guesses",
                5,
            ),
            failures_max: s.small(
                "failures_before_lock",
                1..=100,
                "NIST SP 800-63B-4 3.2.2 allows at most 100",
                10,
            ),
            failure_window: s.seconds("failure_window", 60..=DAY, "seconds", HOUR),
            lock_first: s.seconds("lock_first", 30..=DAY, "seconds", 900),
            lock_max: s.seconds("lock_max", 30..=30 * DAY, "seconds", DAY),
            failures_in_a_row_max: s.small(
                "failures_in_a_row",
                10..=100,
                "NIST SP 800-63B-4 3.2.2 allows at most 100",
                100,
            ),
            backup_tries_when_locked: s.small("backup_tries_when_locked", 0..=10, "", 5),
        };
        if attempts.lock_max < attempts.lock_first {
            s.problem(
                "lock_max",
                "shorter than `limits.lock_first`: expected at least as many seconds",
            );
        }
        if attempts.attempts_max > attempts.failures_max {
            s.problem("failures_before_lock", "fewer than `limits.attempts_per_challenge`: expected at least as many, or one challenge could never be used up");
        }
        let waits = s.or(
            "resend_waits",
            "a list of seconds such as [30, 60, 120]",
            vec![30, 60, 120],
        );
        let orderly = !waits.is_empty()
            && waits.len() <= 10
            && waits.iter().all(|wait| (10..=3600).contains(wait));
        if !orderly {
            s.problem("resend_waits", "expected one to ten waits of 10 to 3600 seconds: a shorter one lets a button send SMS after SMS");
        }
        let resend = ResendPolicy {
            allowed: true,
            waits: waits.into_iter().map(Duration::from_secs).collect(),
            resends_max: s.small("resends_per_challenge", 0..=10, RESENDS_REASON, 3),
            block_person_for: None,
        };
        let window = s.seconds("sends_window", 60..=DAY, "seconds", 600);
        let send = SendLimits {
            per_account: (
                s.small("sends_per_account", 1..=100, "per `limits.sends_window`", 5),
                window,
            ),
            per_number: (
                s.small("sends_per_number", 1..=100, "per `limits.sends_window`", 5),
                window,
            ),
            per_address: (
                s.small(
                    "sends_per_address",
                    1..=100_000,
                    "per `limits.sends_per_address_window`",
                    30,
                ),
                s.seconds("sends_per_address_window", 60..=DAY, "seconds", HOUR),
            ),
            calls_per_message: s.small("calls_per_message", 1..=10, "over all senders", 3),
            per_prefix: (
                s.small(
                    "sends_per_prefix",
                    1..=10_000_000,
                    "an hour, to numbers that share all but their last four digits",
                    200,
                ),
                Duration::from_secs(HOUR),
            ),
            per_tenant: (
                s.small(
                    "sends_per_day",
                    1..=100_000_000,
                    "of the whole tenant: what a day may cost",
                    20_000,
                ),
                Duration::from_secs(DAY),
            ),
            conversion: read_conversion(s.table("conversion")),
        };
        let failures_per_hour = s.small("tenant_failures_per_hour", 10..=10_000_000, "", 1000);
        let login_lifetime = s.seconds(
            "login_lifetime",
            60..=HOUR,
            "seconds; a parked login is an open door",
            900,
        );
        let session_lifetime = s.seconds("session_lifetime", 60..=30 * DAY, "seconds", 8 * HOUR);
        section.finish();
        Self {
            attempts,
            resend,
            send,
            failures_per_hour,
            login_lifetime,
            session_lifetime,
            plugin,
            request,
            health,
        }
    }
}

/// `[limits.conversion]`: where hardly any code comes back, nobody is there.
fn read_conversion(mut section: Section<'_>) -> ConversionLimit {
    let s = &mut section;
    let limit = ConversionLimit {
        sends_min: s.small(
            "sends_min",
            5..=1_000_000,
            "codes to one block of numbers before the share counts: with fewer, a few people who change their mind would stop the others",
            30,
        ),
        percent_min: s.small(
            "percent_min",
            0..=90,
            "of the codes must come back; 0 switches the limit off",
            10,
        ),
        window: s.seconds("window", 60..=DAY, "seconds", HOUR),
    };
    section.finish();
    limit
}

/// The wasm crate owns names and defaults of its limits; key by key, so that one wrong value does
/// not hide the next.
fn read_plugin(section: &mut Section<'_>) -> postern_wasm::Limits {
    let mut limits =
        toml::Table::try_from(postern_wasm::Limits::default()).expect("numbers in tables are TOML");
    let mut given = section.table("plugin");
    for (name, value) in given.entries() {
        let mut changed = limits.clone();
        let value = match (changed.get(&name), value) {
            // A table of a class may name only what it changes.
            (Some(toml::Value::Table(defaults)), toml::Value::Table(given)) => {
                let mut merged = defaults.clone();
                merged.extend(given);
                toml::Value::Table(merged)
            }
            (_, value) => value,
        };
        changed.insert(name.clone(), value);
        match changed.clone().try_into::<postern_wasm::Limits>() {
            Ok(_) => limits = changed,
            Err(error) => given.problem(&name, error.message().to_owned()),
        }
    }
    let limits: postern_wasm::Limits = limits.try_into().expect("every change was tried");
    for (name, problem) in limits.problems() {
        given.problem(&name, problem);
    }
    limits
}

/// `[limits.breaker]`: when a provider that fails is left alone.
fn read_breaker(mut section: Section<'_>) -> BreakerPolicy {
    let s = &mut section;
    let usual = BreakerPolicy::default();
    let policy = BreakerPolicy {
        failures: read_count(s, "failures", usual.failures),
        window: s.seconds("window", 1..=HOUR, "seconds", usual.window.as_secs()),
        open: s.seconds(
            "open",
            1..=HOUR,
            "seconds; a sender that is well again waits as long for its next message",
            usual.open.as_secs(),
        ),
    };
    section.finish();
    policy
}

/// `[limits.quarantine]`: when a plugin that faults is taken out of service.
fn read_quarantine(mut section: Section<'_>) -> QuarantinePolicy {
    let s = &mut section;
    let usual = QuarantinePolicy::default();
    let policy = QuarantinePolicy {
        faults: read_count(s, "faults", usual.faults),
        window: s.seconds("window", 1..=HOUR, "seconds", usual.window.as_secs()),
        faults_when_new: read_count(s, "faults_when_new", usual.faults_when_new),
        new_for: s.seconds("new_for", 0..=DAY, "seconds", usual.new_for.as_secs()),
        pause_first: s.seconds(
            "pause_first",
            1..=HOUR,
            "seconds",
            usual.pause_first.as_secs(),
        ),
        pause_max: s.seconds("pause_max", 1..=DAY, "seconds", usual.pause_max.as_secs()),
    };
    if policy.faults_when_new > policy.faults {
        s.problem(
            "faults_when_new",
            "more than `faults`: expected at most as many, or a new plugin would be borne longer than an old one",
        );
    }
    if policy.pause_max < policy.pause_first {
        s.problem(
            "pause_max",
            "shorter than `pause_first`: expected at least as many seconds",
        );
    }
    section.finish();
    policy
}

fn read_count(s: &mut Section<'_>, name: &str, usual: usize) -> usize {
    let usual = u32::try_from(usual).unwrap_or(u32::MAX);
    s.small(name, 1..=100, "in a row", usual) as usize
}

fn read_request(mut section: Section<'_>) -> postern_egress::limits::Limits {
    let s = &mut section;
    let defaults = postern_egress::limits::Limits::default();
    let limits = postern_egress::limits::Limits {
        connect: s.seconds(
            "connect",
            1..=15,
            "seconds; a person waits",
            defaults.connect.as_secs(),
        ),
        first_byte: s.seconds(
            "first_byte",
            1..=20,
            "seconds; a person waits",
            defaults.first_byte.as_secs(),
        ),
        whole: s.seconds(
            "whole",
            1..=20,
            "seconds; a person waits",
            defaults.whole.as_secs(),
        ),
        reply_bytes_max: s.small(
            "reply_bytes",
            1024..=256 << 10,
            "bytes; the interface promises plugins no more",
            256 << 10,
        ) as usize,
        in_flight_max: s.small("in_flight", 1..=10_000, "requests at once", 512) as usize,
        ..defaults
    };
    section.finish();
    limits
}
