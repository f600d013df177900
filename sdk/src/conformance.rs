//! What every plugin must do, whatever it is for.
//!
//! Owns: the generic tests behind [`conformance!`](crate::conformance): all vectors hold, hostile
//! settings and replies do not break it, the same input gives the same answer, and the manifest
//! says what the code does. A host runs a part of the same before it lets a component in. What does
//! not hold is told, naming the case; nothing in here panics over an answer. Knows nothing of any
//! provider.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt::{self, Display};

use crate::evaluate::render;
use crate::manifest::{Kind, Manifest};
use crate::message::Message;
use crate::provider::{Action, Event, Outgoing};
use crate::reply::Reply;
use crate::resolver::{self, FederatedLogin, QUERIES_MAX};
use crate::settings::{Base, Settings};
use crate::vectors::{
    Expect, MessageVector, ProviderFunctions, ProviderUnderTest, ResolverFunctions,
    ResolverUnderTest, StandIns, Vector,
};
use crate::verdict::{Reason, Verdict};
use crate::wire::{Op, Problem, Request};

/// Values that have broken templates, parsers and headers before.
const HOSTILE: &[&str] = &[
    "",
    " ",
    "\0",
    "a\r\nX-Evil: 1",
    "\",\"to\":[\"+999",
    "]]><to>+999</to>&x;",
    "&to=+999;#?%26",
    "$1 ${x} $$ \\ %s {{7*7}} {0}",
    "$ctx.msg$ctx.otp$ctxXnum$ctx.number&num&msg",
    "../../..//\\",
    "https://user@evil.example\\@a?b#c",
    "é€\u{202e}\u{2028}😀\u{fffe}",
    "-1",
    "99999999999999999999",
    "true",
    "[]",
    "{\"a\":",
];

/// Bodies no provider should send, and some do.
const GARBAGE: &[&str] = &[
    "",
    "null",
    "true",
    "0",
    "[]",
    "[[]]",
    "{}",
    "[{}]",
    "\"text\"",
    "{\"messages\":null}",
    "{\"messages\":[]}",
    "{\"messages\":[null]}",
    "{\"messages\":{\"0\":1}}",
    "<html>Bad gateway</html>",
    "|||",
    "0|",
    "99999999999999999999|x|y",
];

/// Statuses of every kind, and some that are none.
const STATUSES: &[u16] = &[
    0, 199, 200, 201, 202, 204, 299, 302, 400, 401, 403, 404, 429, 500, 503, 999,
];

/// Why there is no reply, in the interface's words and in words of a later one.
const FAILURES: &[&str] = &[
    "denied",
    "dns",
    "connect",
    "tls",
    "timeout",
    "too-large",
    "protocol",
    "something new",
];

/// How much of the suite runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Every case.
    Whole,
    /// At most so many calls of the plugin: the first cases of an order that is the same each time and
    /// goes evenly over all of them.
    Steps(usize),
}

impl Extent {
    fn eighths(self, eighths: usize) -> Extent {
        match self {
            Extent::Whole => Extent::Whole,
            Extent::Steps(steps) => Extent::Steps(steps * eighths / 8),
        }
    }
}

/// A rule for providers; the error names the case in which it is broken.
pub type ProviderRule = fn(&Manifest, &dyn ProviderUnderTest, Extent) -> Result<(), String>;

/// A rule for resolvers; the error names the case in which it is broken.
pub type ResolverRule = fn(&Manifest, &dyn ResolverUnderTest, Extent) -> Result<(), String>;

/// What every provider keeps besides its vectors: in the words that tell it, with its eighths of the steps.
const PROVIDER_RULES: &[(&str, usize, ProviderRule)] = &[
    (
        "hostile settings break nothing and move no origin",
        2,
        provider_hostile_settings,
    ),
    (
        "hostile replies break nothing and are not accepted",
        4,
        provider_hostile_replies,
    ),
    (
        "the same input gives the same answer",
        1,
        provider_same_answer,
    ),
    ("the manifest says what the code does", 1, provider_manifest),
];

/// A rule in words, and the case in which it is broken, if it is.
pub type Finding = (&'static str, Result<(), String>);

/// Every rule but the vectors.
pub fn provider_findings(
    manifest: &Manifest,
    plugin: &dyn ProviderUnderTest,
    extent: Extent,
) -> Vec<Finding> {
    PROVIDER_RULES
        .iter()
        .map(|(words, eighths, rule)| (*words, rule(manifest, plugin, extent.eighths(*eighths))))
        .collect()
}

/// Every rule but the vectors.
pub fn resolver_findings(
    manifest: &Manifest,
    plugin: &dyn ResolverUnderTest,
    extent: Extent,
) -> Vec<Finding> {
    vec![(
        "hostile input breaks nothing and names no account",
        resolver_hostile(manifest, plugin, extent),
    )]
}

/// Why a rule ends early.
enum Stop {
    /// It is broken.
    Found(String),
    /// The plugin was called as often as it may be.
    Spent,
}

impl From<String> for Stop {
    fn from(finding: String) -> Stop {
        Stop::Found(finding)
    }
}

impl Stop {
    /// With the vector that it began with.
    fn of(self, vector: &Vector) -> Stop {
        match self {
            Stop::Found(why) => Stop::Found(format!("vector `{}`: {why}", vector.name)),
            Stop::Spent => Stop::Spent,
        }
    }
}

fn found<T>(why: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Found(why.into()))
}

/// A plugin whose calls are counted.
struct Trial<'a, P: ?Sized> {
    manifest: &'a Manifest,
    plugin: &'a P,
    left: Cell<usize>,
    made: Cell<usize>,
}

impl<'a, P: ?Sized> Trial<'a, P> {
    /// Whether the rule holds, as far as it is followed.
    fn judge(
        manifest: &'a Manifest,
        plugin: &'a P,
        extent: Extent,
        rule: impl FnOnce(&Trial<'a, P>) -> Result<(), Stop>,
    ) -> Result<(), String> {
        let trial = Trial {
            manifest,
            plugin,
            left: Cell::new(match extent {
                Extent::Whole => usize::MAX,
                Extent::Steps(steps) => steps,
            }),
            made: Cell::new(0),
        };
        match rule(&trial) {
            Err(Stop::Found(why)) => Err(why),
            Ok(()) | Err(Stop::Spent) => Ok(()),
        }
    }

    fn pay(&self) -> Result<(), Stop> {
        let left = self.left.get().checked_sub(1).ok_or(Stop::Spent)?;
        self.left.set(left);
        self.made.set(self.made.get() + 1);
        Ok(())
    }

    /// A part of the rule with the first of so many even shares of the calls that are left.
    fn share(&self, shares: usize, part: impl FnOnce() -> Result<(), Stop>) -> Result<(), Stop> {
        let left = self.left.get();
        let share = left.div_ceil(shares.max(1));
        self.left.set(share);
        let outcome = part();
        self.left.set(left - (share - self.left.get()));
        match outcome {
            Err(Stop::Spent) => Ok(()),
            ended => ended,
        }
    }

    /// Each vector that begins a conversation with an even share of the calls that are left, but no more
    /// vectors than get that many each.
    fn each_start(
        &self,
        calls: usize,
        part: impl Fn(&Vector) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let starts: Vec<&Vector> = starts(self.manifest).collect();
        let most = starts.len().min((self.left.get() / calls).max(1));
        for (place, at) in spread(starts.len(), 0).take(most).enumerate() {
            let vector = starts[at];
            self.share(most - place, || part(vector))
                .map_err(|stop| stop.of(vector))?;
        }
        Ok(())
    }
}

impl<P: ProviderUnderTest + ?Sized> Trial<'_, P> {
    fn step(
        &self,
        settings: &Settings,
        message: &Message,
        event: &Event,
        state: &[u8],
    ) -> Result<Action, Stop> {
        self.pay()?;
        self.plugin
            .step(settings, message, event, state)
            .map_err(|why| Stop::Found(format!("{}: {why}", Told(event))))
    }

    fn judge_request(&self, pairs: &[(String, String)], request: &Request) -> Result<(), Stop> {
        self.plugin
            .judge_request(request)
            .and_then(|()| judge_origin(self.manifest, pairs, request))
            .map_err(|why| Stop::Found(format!("{why}, with {pairs:?}")))
    }
}

impl<P: ResolverUnderTest + ?Sized> Trial<'_, P> {
    fn resolve(
        &self,
        settings: &Settings,
        login: &FederatedLogin,
        event: &resolver::Event,
    ) -> Result<resolver::Action, Stop> {
        self.pay()?;
        self.plugin
            .step(settings, login, event, &[])
            .map_err(|why| Stop::Found(format!("{why}, with {:?}", settings.pairs())))
    }
}

/// An event in a finding.
struct Told<'a>(&'a Event);

impl Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Event::Start => f.write_str("the start"),
            Event::Reply(reply) => {
                let body = String::from_utf8_lossy(reply.body());
                let begin: String = body.chars().take(80).collect();
                write!(f, "the reply {} with {begin:?}", reply.status)
            }
            Event::Failed(how) => write!(f, "no reply ({how})"),
            Event::Feedback(_) => f.write_str("feedback"),
            Event::Probe => f.write_str("a probe"),
            Event::Poll(_) => f.write_str("a poll"),
        }
    }
}

/// All places of a list, in an order whose every beginning lies evenly over it: by golden sections, so that
/// no pattern of the list is missed.
fn spread(length: usize, first: usize) -> impl Iterator<Item = usize> {
    let mut stride = length * 618 / 1_000;
    while divisor(stride, length) > 1 {
        stride += 1;
    }
    (0..length).map(move |place| (first % length + place) * stride % length)
}

/// The greatest common one.
fn divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { divisor(b, a % b) }
}

/// Every vector of the manifest, or the first that does not hold.
pub fn provider_vectors(
    manifest: &Manifest,
    plugin: &dyn ProviderUnderTest,
    _: Extent,
) -> Result<(), String> {
    let shows = |what: fn(&Expect) -> bool| manifest.vectors.iter().any(|one| what(&one.expect));
    if !shows(|expect| matches!(expect, Expect::Request(_))) {
        return Err("no vector shows a request".to_owned());
    }
    if !shows(|expect| matches!(expect, Expect::Accepted(_))) {
        return Err("no vector shows a message that was accepted".to_owned());
    }
    for vector in &manifest.vectors {
        vector
            .run_provider(plugin)
            .map_err(|difference| format!("vector `{}`: {difference}", vector.name))?;
    }
    Ok(())
}

/// Every vector of the manifest, or the first that does not hold.
pub fn resolver_vectors(
    manifest: &Manifest,
    plugin: &dyn ResolverUnderTest,
    _: Extent,
) -> Result<(), String> {
    let lookup = |vector: &Vector| matches!(vector.expect, Expect::Lookup(_));
    if !manifest.vectors.iter().any(lookup) {
        return Err("no vector shows a lookup".to_owned());
    }
    for vector in &manifest.vectors {
        vector
            .run_resolver(plugin)
            .map_err(|difference| format!("vector `{}`: {difference}", vector.name))?;
    }
    Ok(())
}

/// Whatever a setting says, the plugin answers, its request can be worked out, and the origin is
/// one the manifest names.
pub fn provider_hostile_settings(
    manifest: &Manifest,
    plugin: &dyn ProviderUnderTest,
    extent: Extent,
) -> Result<(), String> {
    Trial::judge(manifest, plugin, extent, |trial| {
        let all = hostile_settings(manifest);
        for at in spread(all.len(), 0) {
            let pairs = &all[at];
            let with = |why: String| format!("{why}, with {pairs:?}");
            trial.pay()?;
            plugin.check(&Settings::new(pairs.clone())).map_err(with)?;
            for encoding in ["gsm-7", "ucs-2"] {
                let message = Message {
                    encoding: encoding.to_owned(),
                    ..Message::sample()
                };
                let settings = Settings::new(pairs.clone());
                trial.pay()?;
                let action = plugin
                    .step(&settings, &message, &Event::Start, &[])
                    .map_err(with)?;
                if let Action::Send(outgoing) = action {
                    trial.judge_request(pairs, &outgoing.request)?;
                }
            }
        }
        Ok(())
    })
}

/// Calls for one vector at least: those that begin its conversations, and some replies to each.
const CALLS_OF_A_CONVERSATION: usize = 12;

/// Whatever a provider replies, at whichever step of a conversation, the plugin answers, and a status
/// that is no success is not accepted. What it asks for after such a reply goes where it may.
pub fn provider_hostile_replies(
    manifest: &Manifest,
    plugin: &dyn ProviderUnderTest,
    extent: Extent,
) -> Result<(), String> {
    Trial::judge(manifest, plugin, extent, |trial| {
        let bodies = Bodies::of(manifest);
        let groups = bodies.groups();
        trial.each_start(CALLS_OF_A_CONVERSATION, |vector| {
            let talk = Talk {
                trial,
                groups: &groups,
                pairs: vector.settings().pairs().to_vec(),
            };
            let beginnings = talk.beginnings(&vector.message().to_message())?;
            let mut next: VecDeque<Asked> = beginnings.into();
            let mut met: Vec<Asked> = Vec::new();
            while let Some(asked) = next.pop_front() {
                if met.len() < REPLY_STEPS_MAX && !met.iter().any(|one| one.is_read_as(&asked)) {
                    let mut more = Vec::new();
                    trial.share(next.len() + 1, || talk.meet(&asked, &mut more))?;
                    next.extend(more);
                    met.push(asked);
                }
            }
            Ok(())
        })
    })
}

/// What a provider's replies are made of.
struct Bodies {
    /// As the vectors have them: replies that lead to another request.
    leading: Vec<(u16, String)>,
    /// Of replies that are accepted.
    accepted: Vec<String>,
    /// All others of the vectors, and garbage.
    others: Vec<String>,
    /// Nested as deep as no parser follows.
    deep: String,
}

impl Bodies {
    fn of(manifest: &Manifest) -> Bodies {
        let (mut leading, mut accepted, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for vector in &manifest.vectors {
            let Some(reply) = &vector.reply else { continue };
            match vector.expect {
                Expect::Accepted(_) => accepted.push(reply.body_text()),
                _ => others.push(reply.body_text()),
            }
            if matches!(vector.expect, Expect::Request(_)) {
                leading.push((reply.status, reply.body_text()));
            }
        }
        others.extend(GARBAGE.iter().map(|body| (*body).to_owned()));
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        Bodies {
            leading,
            accepted,
            others,
            deep,
        }
    }

    /// Whatever may come of a request.
    fn groups(&self) -> [Vec<Comes<'_>>; 5] {
        let leading = self.leading.iter();
        let leading = leading.map(|(status, body)| Comes::Reply(*status, body.as_bytes()));
        let cuts = self.accepted.iter().chain(&self.others).flat_map(|body| {
            // Cut anywhere, a reply is not a crash.
            let ends = (0..body.len()).step_by(7);
            ends.map(move |end| Comes::Reply(200, &body.as_bytes()[..end]))
        });
        let mut odd = vec![
            Comes::StrangeState,
            Comes::Reply(200, self.deep.as_bytes()),
            Comes::Reply(200, &[0xff, 0xfe, 0x00]),
        ];
        odd.extend(FAILURES.iter().map(|how| Comes::Failure(how)));
        [
            leading.collect(),
            with_every_status(&self.accepted),
            with_every_status(&self.others),
            cuts.collect(),
            odd,
        ]
    }
}

fn with_every_status(bodies: &[String]) -> Vec<Comes<'_>> {
    let mut all = Vec::with_capacity(bodies.len() * STATUSES.len());
    for body in bodies {
        let body = body.as_bytes();
        all.extend(STATUSES.iter().map(|status| Comes::Reply(*status, body)));
    }
    all
}

/// What comes of a request.
#[derive(Clone, Copy)]
enum Comes<'a> {
    Reply(u16, &'a [u8]),
    /// A reply, with a state that the plugin never wrote.
    StrangeState,
    Failure(&'static str),
}

impl Comes<'_> {
    fn event(self) -> Event {
        match self {
            Comes::Reply(status, body) => Event::Reply(Reply::new(
                status,
                vec![("retry-after".to_owned(), "soon".to_owned())],
                body,
            )),
            Comes::StrangeState => Event::Reply(Reply::new(200, Vec::new(), "{}")),
            Comes::Failure(how) => Event::Failed(how.to_owned()),
        }
    }
}

/// One of each group after the other, and so on.
fn in_turns<'a>(groups: &[Vec<Comes<'a>>], first: usize) -> Vec<Comes<'a>> {
    let mut orders: Vec<_> = groups
        .iter()
        .map(|group| (group, spread(group.len(), first)))
        .collect();
    let mut all = Vec::new();
    loop {
        let before = all.len();
        for (group, order) in &mut orders {
            all.extend(order.next().map(|at| group[at]));
        }
        if all.len() == before {
            return all;
        }
    }
}

/// Requests of one conversation: the host sends no more, unless its operator says so.
const REQUESTS_MAX: usize = 3;

/// Steps that read a reply, of one vector. Where the state holds a part of the reply before, each reply
/// leads to another one; the first come first.
const REPLY_STEPS_MAX: usize = 32;

/// A request that is out, and what the step that reads its reply is told.
#[derive(Clone, PartialEq)]
struct Asked {
    message: Message,
    outgoing: Outgoing,
    /// How many requests went before it.
    before: usize,
    /// Whether it stands for one that the host did not let out.
    instead: bool,
}

impl Asked {
    /// Whether the same reply to either is the same input.
    fn is_read_as(&self, other: &Asked) -> bool {
        self.message == other.message
            && self.outgoing.state == other.outgoing.state
            && self.instead == other.instead
    }

    /// The same with the values there that are kept of its reply, if any are.
    fn with_kept(self) -> Vec<Asked> {
        let mut kept = self.message.kept.clone();
        for keep in &self.outgoing.request.keep {
            if !kept.contains(&keep.name) {
                kept.push(keep.name.clone());
            }
        }
        if kept == self.message.kept {
            return vec![self];
        }
        let message = Message {
            kept,
            ..self.message.clone()
        };
        let later = Asked {
            message,
            ..self.clone()
        };
        vec![self, later]
    }
}

/// Conversations with a provider under the settings of one vector.
struct Talk<'a, 'b> {
    trial: &'a Trial<'b, dyn ProviderUnderTest + 'b>,
    groups: &'a [Vec<Comes<'a>>],
    pairs: Vec<(String, String)>,
}

impl Talk<'_, '_> {
    fn step(&self, message: &Message, event: &Event, state: &[u8]) -> Result<Action, Stop> {
        let settings = Settings::new(self.pairs.clone());
        self.trial.step(&settings, message, event, state)
    }

    /// The first requests: of the message, of a resend of it, after what was kept for it was withdrawn,
    /// and with what is kept of the reply to the first.
    fn beginnings(&self, message: &Message) -> Result<Vec<Asked>, Stop> {
        let resent = Message {
            attempt: message.attempt + 1,
            ..message.clone()
        };
        let withdrawn = Message {
            kept: Vec::new(),
            ..message.clone()
        };
        let (mut all, mut begun) = (Vec::new(), Vec::new());
        let mut round = vec![message.clone(), resent, withdrawn];
        for _ in 0..2 {
            let mut with_kept = Vec::new();
            for message in round {
                if begun.contains(&message) {
                    continue;
                }
                begun.push(message.clone());
                if let Action::Send(outgoing) = self.step(&message, &Event::Start, &[])? {
                    let asked = Asked {
                        message,
                        outgoing,
                        before: 0,
                        instead: false,
                    };
                    let asked = asked.with_kept();
                    with_kept.extend(asked.iter().map(|asked| asked.message.clone()));
                    all.extend(asked);
                }
            }
            round = with_kept;
        }
        Ok(all)
    }

    /// Whatever may come of a request; `more` gets the requests that the plugin goes on with.
    fn meet(&self, asked: &Asked, more: &mut Vec<Asked>) -> Result<(), Stop> {
        for comes in in_turns(self.groups, self.trial.made.get()) {
            let state: &[u8] = match comes {
                Comes::StrangeState => b"\xff",
                Comes::Reply(..) | Comes::Failure(_) => asked.outgoing.state.as_slice(),
            };
            let event = comes.event();
            let action = self.step(&asked.message, &event, state)?;
            match (comes, action) {
                (Comes::StrangeState, _) => {}
                (Comes::Reply(..), Action::Send(outgoing)) => {
                    self.go_on(asked, outgoing, false, more)?;
                }
                (Comes::Reply(status, _), Action::Done(verdict)) => {
                    if status >= 400 && matches!(verdict, Verdict::Accepted(_)) {
                        return found(format!("{} was accepted", Told(&event)));
                    }
                }
                // What the host did not let out may be asked in another form: once, and only that.
                (Comes::Failure("denied"), Action::Send(again)) if !asked.instead => {
                    if again.request == asked.outgoing.request {
                        return found("the same is asked again that was denied");
                    }
                    self.go_on(asked, again, true, more)?;
                }
                (Comes::Failure(_), Action::Done(Verdict::Refused(_))) => {}
                (Comes::Failure(how), Action::Send(_) | Action::Done(Verdict::Accepted(_))) => {
                    return found(format!("no reply ({how}) is not a success"));
                }
            }
        }
        Ok(())
    }

    fn go_on(
        &self,
        asked: &Asked,
        outgoing: Outgoing,
        instead: bool,
        more: &mut Vec<Asked>,
    ) -> Result<(), Stop> {
        self.trial.judge_request(&self.pairs, &outgoing.request)?;
        let next = Asked {
            message: asked.message.clone(),
            outgoing,
            before: asked.before + 1,
            instead,
        };
        if next.before < REQUESTS_MAX && !more.contains(&next) {
            more.extend(next.with_kept());
        }
        Ok(())
    }
}

/// How often the same is asked.
const REPEATS: usize = 100;

/// P-35: the same input a hundred times is the same answer.
pub fn provider_same_answer(
    manifest: &Manifest,
    plugin: &dyn ProviderUnderTest,
    extent: Extent,
) -> Result<(), String> {
    Trial::judge(manifest, plugin, extent, |trial| {
        trial.each_start(2, |vector| {
            let message = vector.message().to_message();
            let run = || trial.step(&vector.settings(), &message, &Event::Start, &[]);
            let first = run()?;
            for _ in 0..REPEATS {
                if run()? != first {
                    return found("two answers to the same input");
                }
            }
            Ok(())
        })
    })
}

/// The settings and secrets the code names are those of the manifest, and a default in the
/// manifest is what the code assumes.
pub fn provider_manifest(
    manifest: &Manifest,
    plugin: &dyn ProviderUnderTest,
    extent: Extent,
) -> Result<(), String> {
    Trial::judge(manifest, plugin, extent, |trial| {
        for event in [Event::Feedback(true), Event::Poll(vec!["x".to_owned()])] {
            let action = trial.step(&Settings::default(), &Message::sample(), &event, &[])?;
            if let Action::Done(verdict) = action
                && !is_unsupported(&verdict)
            {
                return found(format!(
                    "an event it does not know is answered with `unsupported`: {verdict:?}"
                ));
            }
        }
        trial.each_start(2, |vector| {
            let message = vector.message().to_message();
            let settings = vector.settings();
            let action = trial.step(&settings, &message, &Event::Start, &[])?;
            judge_asked(manifest, &settings)?;
            if let Action::Send(outgoing) = &action {
                judge_secrets(manifest, &outgoing.request)?;
            }
            let with_defaults =
                trial.step(&defaulted(manifest, vector), &message, &Event::Start, &[])?;
            if with_defaults != action {
                return found("a default in plugin.toml is not the code's");
            }
            Ok(())
        })
    })
}

fn is_unsupported(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Refused(refusal) => refusal.reason == Reason::Unsupported,
        Verdict::Accepted(_) => false,
    }
}

/// Whatever settings and attributes say, the plugin answers within the limits, always the same,
/// and asks only for settings the manifest lists.
pub fn resolver_hostile(
    manifest: &Manifest,
    plugin: &dyn ResolverUnderTest,
    extent: Extent,
) -> Result<(), String> {
    Trial::judge(manifest, plugin, extent, |trial| {
        let all = hostile_settings(manifest);
        trial.share(4, || {
            for at in spread(all.len(), 0) {
                trial.pay()?;
                plugin
                    .check(&Settings::new(all[at].clone()))
                    .map_err(|why| format!("{why}, with {:?}", all[at]))?;
            }
            Ok(())
        })?;
        for at in spread(all.len() * HOSTILE.len(), 0) {
            judge_resolution(trial, &all[at / HOSTILE.len()], HOSTILE[at % HOSTILE.len()])?;
        }
        Ok(())
    })
}

/// What comes of a login under settings, all of which may be hostile.
fn judge_resolution(
    trial: &Trial<'_, dyn ResolverUnderTest + '_>,
    pairs: &[(String, String)],
    value: &str,
) -> Result<(), Stop> {
    let value = value.to_owned();
    let login = FederatedLogin {
        identity_provider: value.clone(),
        subject: value.clone(),
        subject_identifier: value.clone(),
        attributes: vec![
            (value.clone(), value.clone()),
            ("email".to_owned(), value.clone()),
        ],
        ..FederatedLogin::default()
    };
    let run = |event: &resolver::Event| {
        let settings = Settings::new(pairs.to_vec());
        let action = trial.resolve(&settings, &login, event)?;
        judge_asked(trial.manifest, &settings)?;
        Ok::<_, Stop>(action)
    };
    let case = format!("for {value:?} with {pairs:?}");
    let action = run(&resolver::Event::Start)?;
    if action != run(&resolver::Event::Start)? {
        return found(format!("two answers to the same input {case}"));
    }
    if let resolver::Action::Lookup(lookup) = action
        && !(1..=QUERIES_MAX).contains(&lookup.queries.len())
    {
        return found(format!("{} queries {case}", lookup.queries.len()));
    }
    for answers in [Vec::new(), vec![None; QUERIES_MAX]] {
        let action = run(&resolver::Event::Found(answers))?;
        if let resolver::Action::Done(resolver::Resolution::Account(_)) = action {
            return found(format!("an account was named that nobody found {case}"));
        }
    }
    Ok(())
}

/// The vectors that begin a conversation.
fn starts(manifest: &Manifest) -> impl Iterator<Item = &Vector> {
    manifest
        .vectors
        .iter()
        .filter(|vector| matches!(vector.expect, Expect::Request(_)))
}

/// The settings of the first vector, with one after the other made hostile; and none, and all.
fn hostile_settings(manifest: &Manifest) -> Vec<Vec<(String, String)>> {
    let usual: Vec<(String, String)> = manifest.vectors.first().map_or_else(Vec::new, |vector| {
        vector
            .settings
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), value.clone()?)))
            .collect()
    });
    let names: Vec<&String> = manifest
        .settings
        .iter()
        .filter(|setting| !setting.secret)
        .map(|setting| &setting.name)
        .collect();
    let mut all = vec![Vec::new(), usual.clone()];
    for value in HOSTILE {
        all.push(
            names
                .iter()
                .map(|name| ((*name).clone(), (*value).to_owned()))
                .collect(),
        );
        for name in &names {
            let mut pairs = usual.clone();
            pairs.retain(|(key, _)| key != *name);
            pairs.push(((*name).clone(), (*value).to_owned()));
            all.push(pairs);
        }
    }
    all
}

/// What is wrong with a request, by the reference evaluator.
pub(crate) fn worked_out(request: &Request) -> Result<(), String> {
    match render(request, &StandIns::of(&MessageVector::default())) {
        Ok(rendered) => {
            let broken = |value: &String| value.contains(['\r', '\n']);
            match rendered.headers.iter().find(|(_, value)| broken(value)) {
                Some((name, _)) => Err(format!("a line break went into the header {name}")),
                None => Ok(()),
            }
        }
        // A header or character set that cannot carry a literal is the host's to refuse.
        Err(why) if why.contains("place of kind `header`") || why.contains("is not in") => Ok(()),
        Err(why) => Err(why),
    }
}

fn judge_origin(
    manifest: &Manifest,
    pairs: &[(String, String)],
    request: &Request,
) -> Result<(), String> {
    let names_one = |name: &String| manifest.origin_settings.contains(name);
    let given = pairs.iter().filter(|(name, _)| names_one(name));
    let settings = manifest.settings.iter();
    let assumed = settings.filter(|setting| names_one(&setting.name));
    let mut from_settings = given
        .map(|(_, value)| value)
        .chain(assumed.filter_map(|setting| setting.default.as_ref()))
        .map(|value| value.trim().to_ascii_lowercase());
    let known = manifest
        .origins
        .iter()
        .filter_map(|origin| Base::parse(origin))
        .any(|base| base.origin == request.origin)
        || from_settings.any(|value| value.starts_with(&request.origin.to_ascii_lowercase()));
    if known {
        Ok(())
    } else {
        Err(format!(
            "the origin {} is not in the manifest",
            request.origin
        ))
    }
}

fn judge_asked(manifest: &Manifest, settings: &Settings) -> Result<(), String> {
    for name in settings.asked() {
        let listed = manifest.settings.iter().find(|one| one.name == name);
        match listed.map(|setting| setting.secret) {
            Some(false) => {}
            Some(true) => {
                return Err(format!(
                    "the code reads the secret `{name}`: use secret(\"{name}\")"
                ));
            }
            None => {
                return Err(format!(
                    "the code reads the setting `{name}`, plugin.toml does not list it"
                ));
            }
        }
    }
    Ok(())
}

fn judge_secrets(manifest: &Manifest, request: &Request) -> Result<(), String> {
    for op in &request.program {
        if let Op::Secret(name) | Op::Sign(_, name, _) = op {
            let listed = manifest
                .settings
                .iter()
                .any(|setting| setting.name == *name && setting.secret);
            if !listed && !manifest.open_secrets {
                return Err(format!(
                    "secret `{name}` is not listed as one in plugin.toml"
                ));
            }
        }
    }
    Ok(())
}

fn defaulted(manifest: &Manifest, vector: &Vector) -> Settings {
    let mut pairs: Vec<(String, String)> = vector
        .settings
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), value.clone()?)))
        .collect();
    for setting in &manifest.settings {
        if let Some(default) = &setting.default
            && !pairs.iter().any(|(name, _)| *name == setting.name)
        {
            pairs.push((setting.name.clone(), default.clone()));
        }
    }
    Settings::new(pairs)
}

fn parse(manifest: &str, kind: Kind) -> Manifest {
    let manifest = match Manifest::parse(manifest) {
        Ok(manifest) => manifest,
        Err(error) => panic!("{error}"),
    };
    assert_eq!(
        manifest.kind, kind,
        "the manifest is of another kind than the tests"
    );
    manifest
}

#[doc(hidden)]
pub fn assert_provider(
    manifest: &str,
    step: fn(&Settings, &Message, &Event, &[u8]) -> Action,
    check: fn(&Settings) -> Vec<Problem>,
    rule: ProviderRule,
) {
    let manifest = parse(manifest, Kind::SmsProvider);
    let plugin = ProviderFunctions { step, check };
    if let Err(finding) = rule(&manifest, &plugin, Extent::Whole) {
        panic!("{finding}");
    }
}

#[doc(hidden)]
pub fn assert_resolver(
    manifest: &str,
    step: fn(&Settings, &FederatedLogin, &resolver::Event, &[u8]) -> resolver::Action,
    check: fn(&Settings) -> Vec<Problem>,
    rule: ResolverRule,
) {
    let manifest = parse(manifest, Kind::UserResolver);
    let plugin = ResolverFunctions { step, check };
    if let Err(finding) = rule(&manifest, &plugin, Extent::Whole) {
        panic!("{finding}");
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::request::Request as Built;
    use crate::value::{kept, recipient, text};
    use crate::verdict::{accepted, refused};

    const MANIFEST: &str = r#"{
        "id": "two-requests", "kind": "sms-provider", "title": "Two requests",
        "description": "Fetches a token first.", "origins": ["https://api.example.com"],
        "vectors": [
            { "name": "a token is fetched",
              "expect": { "request": { "method": "POST", "url": "https://api.example.com/token" } } },
            { "name": "a token that is there is used", "message": { "kept": ["token"] },
              "expect": { "request": { "method": "POST", "url": "https://api.example.com/send" } } },
            { "name": "it is taken", "reply": { "status": 200, "body": { "id": "m-1" } },
              "state": "message", "expect": { "accepted": { "id": "m-1" } } }
        ] }"#;

    /// With all its vectors but the one of that place.
    fn without(place: usize) -> String {
        let mut manifest = parse(MANIFEST, Kind::SmsProvider);
        manifest.vectors.remove(place);
        manifest.to_json()
    }

    /// Its conversations begin by fetching a token.
    fn without_token() -> String {
        without(1)
    }

    /// Its conversations have a token from before.
    fn with_token() -> String {
        without(0)
    }

    /// What is wrong with it.
    const NOTHING: u8 = 0;
    const TOKEN_REPLY: u8 = 1;
    const SECOND_REPLY: u8 = 2;
    const SECOND_STATUS: u8 = 3;
    const SECOND_ORIGIN: u8 = 4;
    const REPLY_TO_A_RESEND: u8 = 5;
    const REPLY_AFTER_DENIED: u8 = 6;
    const ACCEPTS_ANYTHING: u8 = 7;
    const TWO_ANSWERS: u8 = 8;

    fn step<const WRONG: u8>(
        _: &Settings,
        message: &Message,
        event: &Event,
        state: &[u8],
    ) -> Action {
        let send = |origin: &str, state: &str| -> Action {
            Built::post(origin, "/send")
                .bearer(kept("token"))
                .form([("to", recipient::e164()), ("text", text())])
                .state(state)
                .into()
        };
        // As a parser does that trusts what it reads.
        let careless = |reply: &Reply| assert!(reply.text().contains("m-1"), "no id");
        let again = message.attempt > 1;
        match (event, state) {
            (Event::Reply(_), _) if WRONG == ACCEPTS_ANYTHING => accepted(Some("m-1")).into(),
            (Event::Start, _) if WRONG == TWO_ANSWERS => {
                static CALLS: AtomicUsize = AtomicUsize::new(0);
                let call = CALLS.fetch_add(1, Ordering::Relaxed).to_string();
                send("https://api.example.com", &call)
            }
            (Event::Start, _) if message.has_kept("token") => {
                let state = if again { "resent" } else { "message" };
                send("https://api.example.com", state)
            }
            (Event::Start, _) => Built::post("https://api.example.com", "/token")
                .keep("token", "/token", None, 60)
                .state("token")
                .into(),
            (Event::Reply(reply), b"token") if WRONG == TOKEN_REPLY => {
                careless(reply);
                reply.by_status().into()
            }
            (Event::Reply(reply), b"token") if message.has_kept("token") && reply.is_success() => {
                match reply.text_at("/id") {
                    Some(host) if WRONG == SECOND_ORIGIN => {
                        send(&format!("https://{host}.example.org"), "message")
                    }
                    _ => send("https://api.example.com", "message"),
                }
            }
            (Event::Reply(reply), b"message") => {
                if WRONG == SECOND_REPLY {
                    careless(reply);
                }
                match reply.text_at("/id") {
                    Some(id) if reply.is_success() || WRONG == SECOND_STATUS => {
                        accepted(Some(id)).into()
                    }
                    _ => reply.by_status().into(),
                }
            }
            (Event::Reply(reply), b"resent") if WRONG == REPLY_TO_A_RESEND => {
                careless(reply);
                reply.by_status().into()
            }
            (Event::Reply(reply), b"instead") if WRONG == REPLY_AFTER_DENIED => {
                careless(reply);
                reply.by_status().into()
            }
            (Event::Reply(reply), _) => reply.by_status().into(),
            (Event::Failed(how), b"message") if how == "denied" => {
                Built::post("https://api.example.com", "/send-otherwise")
                    .bearer(kept("token"))
                    .form([("to", recipient::digits()), ("text", text())])
                    .state("instead")
                    .into()
            }
            (Event::Failed(how), _) => crate::provider::failed(how).into(),
            _ => refused(Reason::Unsupported, "").into(),
        }
    }

    fn plugin<const WRONG: u8>() -> ProviderFunctions {
        ProviderFunctions {
            step: step::<WRONG>,
            check: |_| Vec::new(),
        }
    }

    fn passes<const WRONG: u8>(manifest: &str) -> bool {
        let manifest = parse(manifest, Kind::SmsProvider);
        let judged =
            catch_unwind(|| provider_hostile_replies(&manifest, &plugin::<WRONG>(), Extent::Whole));
        matches!(judged, Ok(Ok(())))
    }

    #[test]
    fn a_plugin_that_reads_every_reply_with_care_passes() {
        assert!(passes::<NOTHING>(MANIFEST));
    }

    #[test]
    fn hostile_replies_meet_every_request_of_a_conversation() {
        let manifest = without_token();
        assert!(!passes::<TOKEN_REPLY>(&manifest), "the first");
        assert!(!passes::<SECOND_REPLY>(&manifest), "the second");
        assert!(!passes::<SECOND_STATUS>(&manifest), "what is accepted");
        assert!(!passes::<REPLY_AFTER_DENIED>(&manifest), "after a denial");
    }

    #[test]
    fn a_hostile_reply_moves_no_later_request_to_another_origin() {
        assert!(!passes::<SECOND_ORIGIN>(&without_token()));
    }

    #[test]
    fn hostile_replies_meet_a_resend_and_a_token_that_is_fetched_anew() {
        let manifest = with_token();
        assert!(!passes::<REPLY_TO_A_RESEND>(&manifest), "a resend");
        assert!(!passes::<TOKEN_REPLY>(&manifest), "a withdrawn token");
    }

    /// Counts its calls; those that read a reply of no length have no answer.
    struct Counted {
        inner: ProviderFunctions,
        calls: Cell<usize>,
        fails: bool,
    }

    impl ProviderUnderTest for Counted {
        fn step(
            &self,
            settings: &Settings,
            message: &Message,
            event: &Event,
            state: &[u8],
        ) -> Result<Action, String> {
            self.calls.set(self.calls.get() + 1);
            match event {
                Event::Reply(reply) if self.fails && reply.body().is_empty() => {
                    Err("a trap".to_owned())
                }
                _ => self.inner.step(settings, message, event, state),
            }
        }

        fn check(&self, settings: &Settings) -> Result<Vec<Problem>, String> {
            self.calls.set(self.calls.get() + 1);
            self.inner.check(settings)
        }
    }

    fn counted<const WRONG: u8>(fails: bool) -> Counted {
        Counted {
            inner: plugin::<WRONG>(),
            calls: Cell::new(0),
            fails,
        }
    }

    /// As many as a host makes when it lets a component in.
    const AT_ADMISSION: Extent = Extent::Steps(128);

    /// The findings within so many calls, one after the other.
    fn findings(plugin: &dyn ProviderUnderTest, extent: Extent) -> String {
        let manifest = parse(MANIFEST, Kind::SmsProvider);
        provider_findings(&manifest, plugin, extent)
            .into_iter()
            .filter_map(|(rule, judged)| Some(format!("{rule}: {}\n", judged.err()?)))
            .collect()
    }

    #[test]
    fn a_part_of_the_suite_calls_the_plugin_as_often_as_it_may_and_no_more() {
        for steps in [0, 1, 8, 127, 128, 1_000] {
            let plugin = counted::<NOTHING>(false);
            assert_eq!(findings(&plugin, Extent::Steps(steps)), "");
            assert!(plugin.calls.get() <= steps, "{steps}");
        }
        let plugin = counted::<NOTHING>(false);
        let _ = findings(&plugin, AT_ADMISSION);
        assert!(plugin.calls.get() > 80, "{}", plugin.calls.get());
    }

    #[test]
    fn a_part_of_the_suite_finds_the_same_each_time_and_names_the_case() {
        for (plugin, says) in [
            (
                counted::<ACCEPTS_ANYTHING>(false),
                "hostile replies break nothing and are not accepted: vector `a token",
            ),
            (counted::<ACCEPTS_ANYTHING>(false), "was accepted"),
            (counted::<NOTHING>(true), "with \"\": a trap"),
            (
                counted::<TWO_ANSWERS>(false),
                "the same input gives the same answer: vector `a token",
            ),
        ] {
            let found = findings(&plugin, AT_ADMISSION);
            assert!(found.contains(says), "{says}: {found}");
        }
        let twice = || findings(&plugin::<ACCEPTS_ANYTHING>(), AT_ADMISSION);
        assert_eq!(twice(), twice());
    }

    #[test]
    fn an_order_that_is_spread_meets_every_place_once() {
        for length in 0..200 {
            let mut places: Vec<usize> = spread(length, 7).collect();
            places.sort_unstable();
            assert!(places.into_iter().eq(0..length), "{length}");
        }
    }
}
