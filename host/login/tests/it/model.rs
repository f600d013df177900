//! random sequences of acts against a small model of what a login may do. Another spelling of
//! the same rules: seconds instead of states, nothing shared with the code under test.

use crate::world::*;
use postern_login::login::{LoginId, Notice, StopReason};
use postern_login::submit::Entered;
use postern_login::{LoginError, Step};
use postern_otp::Closed;
use proptest::prelude::*;
use std::time::Duration;

#[derive(Debug, Clone, Copy)]
enum Act {
    Login,
    Right,
    /// As `Right`, and into the session in the same act, as the pages do.
    RightAndIn,
    Wrong,
    Older,
    Resend,
    BackupRight,
    BackupWrong,
    Tick(u64),
    Crash,
}

/// What a person sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Code(Option<Notice>),
    Exhausted,
    Locked,
    In,
    Gone,
    OutOfOrder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Nowhere,
    Code,
    Locked,
    Over,
}

#[derive(Debug)]
struct Model {
    now: u64,
    at: At,
    began: u64,
    sent: u64,
    resends: u32,
    resend_at: u64,
    tries: u32,
    // The account's.
    window: Option<u64>,
    failures: u32,
    locks: u32,
    locked_until: u64,
    backup_tries: u32,
    in_a_row: u32,
}

impl Model {
    fn new() -> Self {
        Self {
            now: 0,
            at: At::Nowhere,
            began: 0,
            sent: 0,
            resends: 0,
            resend_at: 0,
            tries: 0,
            window: None,
            failures: 0,
            locks: 0,
            locked_until: 0,
            backup_tries: 0,
            in_a_row: 0,
        }
    }

    fn locked(&self) -> bool {
        self.now < self.locked_until
    }

    /// `None`: paid.
    fn pay(&mut self, backup: bool) -> Option<Seen> {
        let by_backup = backup && self.locked() && self.backup_tries < 5;
        if self.locked() && !by_backup {
            return Some(Seen::Locked);
        }
        if self.tries == 5 {
            return Some(Seen::Exhausted);
        }
        self.tries += 1;
        if by_backup {
            self.backup_tries += 1;
            return None;
        }
        if self.window.is_some_and(|start| start < self.locked_until) {
            self.window = None;
            self.backup_tries = 0;
        }
        if self.in_a_row == 0 && self.locked_until > 0 && self.now >= self.locked_until + 86_400 {
            (self.locks, self.locked_until) = (0, 0);
        }
        if self.window.is_none_or(|start| self.now >= start + 3_600) {
            (self.window, self.failures) = (Some(self.now), 0);
        }
        self.failures += 1;
        self.in_a_row += 1;
        if self.failures == 10 {
            self.locked_until = self.now + (900 << self.locks.min(20)).min(86_400);
            self.locks += 1;
            self.backup_tries = 0;
        }
        None
    }

    fn success(&mut self) -> Seen {
        self.at = At::Over;
        if self.backup_tries > 0 {
            self.backup_tries = 0;
            return Seen::In;
        }
        if self.window.is_some_and(|start| start < self.locked_until) {
            self.locks -= 1;
            self.locked_until = 0;
        }
        self.failures -= 1;
        // Without a failure in it there is no window.
        self.window = self.window.filter(|_| self.failures > 0);
        self.in_a_row = 0;
        Seen::In
    }

    fn stopped(&mut self, seen: Seen) -> Seen {
        self.at = if seen == Seen::Locked {
            At::Locked
        } else {
            At::Over
        };
        seen
    }

    fn refused(&mut self, notice: Notice) -> Seen {
        if self.tries == 5 {
            return self.stopped(Seen::Exhausted);
        }
        Seen::Code(Some(notice))
    }

    fn expect(&mut self, act: Act, has_older: bool) -> Option<Seen> {
        match act {
            Act::Tick(seconds) => {
                self.now += seconds;
                return None;
            }
            Act::Crash => return None,
            Act::Login => {
                (self.began, self.tries, self.resends) = (self.now, 0, 0);
                if self.locked() {
                    return Some(self.stopped(Seen::Locked));
                }
                self.at = At::Code;
                (self.sent, self.resend_at) = (self.now, self.now + 30);
                return Some(Seen::Code(None));
            }
            _ => {}
        }
        if self.at == At::Nowhere || self.now >= self.began + 900 {
            return Some(Seen::Gone);
        }
        let backup = matches!(act, Act::BackupRight | Act::BackupWrong);
        let open = self.at == At::Code || (backup && self.at == At::Locked);
        if !open {
            return Some(Seen::OutOfOrder);
        }
        if let Act::Resend = act {
            return Some(self.resend());
        }
        if let Some(refused) = self.pay(backup) {
            return Some(self.stopped(refused));
        }
        let expired = self.now >= self.sent + 300;
        Some(match act {
            Act::BackupRight => self.success(),
            Act::BackupWrong if self.at == At::Locked => Seen::Locked,
            Act::BackupWrong => self.refused(Notice::BackupCodeWrong),
            _ if expired => self.refused(Notice::CodeExpired),
            Act::Right => self.success(),
            Act::RightAndIn => {
                let seen = self.success();
                self.at = At::Nowhere;
                seen
            }
            Act::Older if has_older => self.refused(Notice::CodeSuperseded),
            _ => self.refused(Notice::CodeWrong),
        })
    }

    fn resend(&mut self) -> Seen {
        if self.resends == 3 {
            return Seen::Code(Some(Notice::ResendTooOften));
        }
        if self.now < self.resend_at {
            return Seen::Code(Some(Notice::ResendTooSoon));
        }
        if self.locked() {
            return self.stopped(Seen::Locked);
        }
        self.resends += 1;
        self.sent = self.now;
        self.resend_at = self.now + [30, 60, 120, 120][self.resends as usize];
        Seen::Code(Some(Notice::NewCodeSent))
    }
}

struct Real {
    world: World,
    id: LoginId,
    codes: Vec<String>,
    backup: u32,
}

impl Real {
    async fn perform(&mut self, act: Act) -> Option<Seen> {
        let logins = &self.world.logins;
        let typed = match act {
            Act::Right | Act::RightAndIn => self.codes.last().cloned().unwrap_or_default(),
            Act::Older if self.codes.len() > 1 => self.codes[self.codes.len() - 2].clone(),
            _ => "not-a-code".to_owned(),
        };
        let moved = match act {
            Act::Tick(seconds) => {
                self.world.pass(seconds * 1_000);
                return None;
            }
            Act::Crash => {
                self.world = self.world.restarted();
                return None;
            }
            Act::Login => {
                let id = self.world.begin().await;
                self.codes.clear();
                self.world
                    .logins
                    .password(&id, "alice", "right", &facts())
                    .await
            }
            Act::Right | Act::Wrong | Act::Older => {
                logins.submit_code(&self.id, &typed, &facts()).await
            }
            Act::RightAndIn => {
                let client = facts();
                let entered = logins.sign_in_with_code(&self.id, &typed, None, &client);
                match entered.await {
                    Ok(Entered::In(_)) => return Some(Seen::In),
                    Ok(Entered::Moved(moved)) => Ok(moved),
                    Err(error) => Err(error),
                }
            }
            Act::Resend => logins.resend(&self.id, &facts()).await,
            Act::BackupRight => {
                let code = backup_code(self.backup);
                let moved = logins.submit_backup_code(&self.id, &code, &facts()).await;
                if moved
                    .as_ref()
                    .is_ok_and(|moved| moved.step == Step::Authenticated)
                {
                    self.backup += 1;
                }
                moved
            }
            Act::BackupWrong => {
                logins
                    .submit_backup_code(&self.id, "ZZZZZZZZZZ", &facts())
                    .await
            }
        };
        Some(match moved {
            Ok(moved) => {
                self.id = moved.id;
                self.seen(act, moved.step)
            }
            Err(LoginError::Gone) => Seen::Gone,
            Err(LoginError::OutOfOrder) => Seen::OutOfOrder,
            Err(other) => unreachable!("{act:?}: {other}"),
        })
    }

    fn seen(&mut self, act: Act, step: Step) -> Seen {
        match step {
            Step::AskCode(ask) => {
                let sent = matches!(act, Act::Login) || ask.notice == Some(Notice::NewCodeSent);
                if sent && matches!(act, Act::Login | Act::Resend) {
                    self.codes.push(self.world.last_code());
                }
                Seen::Code(ask.notice)
            }
            Step::Authenticated => Seen::In,
            Step::Stopped { reason, .. } => match reason {
                StopReason::Locked { .. } => Seen::Locked,
                StopReason::Closed(Closed::AttemptsExhausted) => Seen::Exhausted,
                other => unreachable!("{other:?}"),
            },
            other => unreachable!("{other:?}"),
        }
    }
}

fn backup_code(index: u32) -> String {
    format!("{index:010}")
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        3 => Just(Act::Login),
        1 => Just(Act::Right),
        1 => Just(Act::RightAndIn),
        6 => Just(Act::Wrong),
        2 => Just(Act::Older),
        3 => Just(Act::Resend),
        1 => Just(Act::BackupRight),
        2 => Just(Act::BackupWrong),
        3 => (1_u64..70).prop_map(Act::Tick),
        1 => (70_u64..1_000).prop_map(Act::Tick),
        1 => prop_oneof![Just(Act::Tick(899)), Just(Act::Tick(900)), Just(Act::Tick(3_600))],
        1 => Just(Act::Crash),
    ];
    proptest::collection::vec(act, 1..400)
}

proptest! {
    // 500 sequences of 200 acts on average: 100,000 steps.
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    ///
    #[test]
    fn whatever_happens_the_login_does_what_the_model_does(acts in acts()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::with(|settings| {
                let many = (100_000, Duration::from_secs(600));
                settings.limits.per_account = many;
                settings.limits.per_number = many;
                settings.limits.per_address = many;
                settings.failures_per_hour = 100_000;
                settings.factor.challenge.attempts.failures_in_a_row_max = 100_000;
            });
            let codes: Vec<String> = (0..400).map(backup_code).collect();
            let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
            world.give_backup_codes("alice", &codes);
            let mut real = Real {
                world,
                id: LoginId::from_entropy(&[0; 32]),
                codes: Vec::new(),
                backup: 0,
            };
            let mut model = Model::new();
            for (index, act) in acts.iter().enumerate() {
                let has_older = real.codes.len() > 1;
                let expected = model.expect(*act, has_older);
                let seen = real.perform(*act).await;
                assert_eq!(seen, expected, "act {index} of {acts:?}: {model:?}");
            }
        });
    }
}
