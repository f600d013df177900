//! What every plugin must do, whatever it is for.
//!
//! Owns: the generic tests behind [`conformance!`](crate::conformance): all vectors hold, hostile
//! settings and replies do not break it, the same input gives the same answer, and the manifest
//! says what the code does. Knows nothing of any provider.

use std::collections::VecDeque;

use crate::evaluate::render;
use crate::manifest::{Kind, Manifest};
use crate::message::Message;
use crate::provider::{Action, Event, Outgoing};
use crate::reply::Reply;
use crate::resolver::{self, FederatedLogin, QUERIES_MAX};
use crate::settings::{Base, Settings};
use crate::vectors::{Expect, ProviderUnderTest, ResolverUnderTest, StandIns, Vector};
use crate::verdict::{Reason, Verdict};
use crate::wire::{Op, Request};

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

/// Every vector of the manifest, or the first that does not hold.
pub fn provider_vectors(manifest: &str, plugin: ProviderUnderTest) {
    let manifest = parse(manifest, Kind::SmsProvider);
    assert!(
        manifest
            .vectors
            .iter()
            .any(|vector| matches!(vector.expect, Expect::Request(_))),
        "no vector shows a request"
    );
    assert!(
        manifest
            .vectors
            .iter()
            .any(|vector| matches!(vector.expect, Expect::Accepted(_))),
        "no vector shows a message that was accepted"
    );
    for vector in &manifest.vectors {
        if let Err(difference) = vector.run_provider(&plugin) {
            panic!("vector `{}`: {difference}", vector.name);
        }
    }
}

/// Every vector of the manifest, or the first that does not hold.
pub fn resolver_vectors(manifest: &str, plugin: ResolverUnderTest) {
    let manifest = parse(manifest, Kind::UserResolver);
    assert!(
        manifest
            .vectors
            .iter()
            .any(|vector| matches!(vector.expect, Expect::Lookup(_))),
        "no vector shows a lookup"
    );
    for vector in &manifest.vectors {
        if let Err(difference) = vector.run_resolver(&plugin) {
            panic!("vector `{}`: {difference}", vector.name);
        }
    }
}

/// Whatever a setting says, the plugin answers, its request can be worked out, and the origin is
/// one the manifest names.
pub fn provider_hostile_settings(manifest: &str, plugin: ProviderUnderTest) {
    let manifest = parse(manifest, Kind::SmsProvider);
    for pairs in hostile_settings(&manifest) {
        let settings = Settings::new(pairs.clone());
        let _ = (plugin.check)(&settings);
        for encoding in ["gsm-7", "ucs-2"] {
            let message = Message {
                encoding: encoding.to_owned(),
                ..Message::sample()
            };
            let action = (plugin.step)(&Settings::new(pairs.clone()), &message, &Event::Start, &[]);
            if let Action::Send(outgoing) = action {
                judge_request(&manifest, &pairs, &outgoing.request);
            }
        }
    }
}

/// Whatever a provider replies, at whichever step of a conversation, the plugin answers, and a status
/// that is no success is not accepted. What it asks for after such a reply goes where it may.
pub fn provider_hostile_replies(manifest: &str, plugin: ProviderUnderTest) {
    let manifest = parse(manifest, Kind::SmsProvider);
    let of_vectors = manifest
        .vectors
        .iter()
        .filter_map(|vector| vector.reply.as_ref())
        .map(|reply| reply.body_text());
    let bodies: Vec<String> = of_vectors
        .chain(GARBAGE.iter().map(|body| (*body).to_owned()))
        .collect();
    for vector in starts(&manifest) {
        let talk = Talk {
            manifest: &manifest,
            bodies: &bodies,
            pairs: vector.settings().pairs().to_vec(),
            plugin,
        };
        let mut next: VecDeque<Asked> = talk.beginnings(&vector.message().to_message()).into();
        let mut met: Vec<Asked> = Vec::new();
        while let Some(asked) = next.pop_front() {
            if met.len() < REPLY_STEPS_MAX && !met.iter().any(|one| one.is_read_as(&asked)) {
                next.extend(talk.meet(&asked));
                met.push(asked);
            }
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
struct Talk<'a> {
    manifest: &'a Manifest,
    bodies: &'a [String],
    pairs: Vec<(String, String)>,
    plugin: ProviderUnderTest,
}

impl Talk<'_> {
    fn step(&self, message: &Message, event: &Event, state: &[u8]) -> Action {
        (self.plugin.step)(&Settings::new(self.pairs.clone()), message, event, state)
    }

    /// The first requests: of the message, of a resend of it, after what was kept for it was withdrawn,
    /// and with what is kept of the reply to the first.
    fn beginnings(&self, message: &Message) -> Vec<Asked> {
        let resent = Message {
            attempt: message.attempt + 1,
            ..message.clone()
        };
        let withdrawn = Message {
            kept: Vec::new(),
            ..message.clone()
        };
        let begin = |message: Message| match self.step(&message, &Event::Start, &[]) {
            Action::Send(outgoing) => Asked {
                message,
                outgoing,
                before: 0,
                instead: false,
            }
            .with_kept(),
            Action::Done(_) => Vec::new(),
        };
        let mut all: Vec<Asked> = [message.clone(), resent, withdrawn]
            .into_iter()
            .flat_map(begin)
            .collect();
        let again: Vec<Asked> = all
            .iter()
            .flat_map(|asked| begin(asked.message.clone()))
            .collect();
        all.extend(again);
        all
    }

    /// Whatever may come of a request; gives the requests that the plugin goes on with.
    fn meet(&self, asked: &Asked) -> Vec<Asked> {
        let mut more: Vec<Asked> = Vec::new();
        let mut go_on = |outgoing: &Outgoing, instead: bool| {
            judge_request(self.manifest, &self.pairs, &outgoing.request);
            let next = Asked {
                message: asked.message.clone(),
                outgoing: outgoing.clone(),
                before: asked.before + 1,
                instead,
            };
            if next.before < REQUESTS_MAX && !more.contains(&next) {
                more.extend(next.with_kept());
            }
        };
        let state = &asked.outgoing.state;
        let mut reply = |status: u16, body: &[u8]| {
            let event = Event::Reply(Reply::new(
                status,
                vec![("retry-after".to_owned(), "soon".to_owned())],
                body,
            ));
            let action = self.step(&asked.message, &event, state);
            if let Action::Send(outgoing) = &action {
                go_on(outgoing, false);
            }
            action
        };
        for body in self.bodies {
            for status in [
                0, 199, 200, 201, 202, 204, 299, 302, 400, 401, 403, 404, 429, 500, 503, 999,
            ] {
                let action = reply(status, body.as_bytes());
                let accepted = matches!(action, Action::Done(Verdict::Accepted(_)));
                assert!(
                    !(accepted && status >= 400),
                    "status {status} was accepted with {body}"
                );
            }
            // Cut anywhere, a reply is not a crash.
            for end in (0..body.len()).step_by(7) {
                let _ = reply(200, &body.as_bytes()[..end]);
            }
        }
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        let _ = reply(200, deep.as_bytes());
        let _ = reply(200, &[0xff, 0xfe, 0x00]);
        for how in [
            "denied",
            "dns",
            "connect",
            "tls",
            "timeout",
            "too-large",
            "protocol",
            "something new",
        ] {
            let event = Event::Failed(how.to_owned());
            match self.step(&asked.message, &event, state) {
                // What the host did not let out may be asked in another form: once, and only that.
                Action::Send(again) if how == "denied" && !asked.instead => {
                    let denied = &asked.outgoing.request;
                    assert_ne!(again.request, *denied, "the same is denied again");
                    go_on(&again, true);
                }
                action => assert!(
                    matches!(action, Action::Done(Verdict::Refused(_))),
                    "no reply ({how}) is not a success"
                ),
            }
        }
        // A state it never wrote is not a crash.
        let _ = self.step(
            &asked.message,
            &Event::Reply(Reply::new(200, Vec::new(), "{}")),
            b"\xff",
        );
        more
    }
}

/// P-35: the same input a hundred times is the same answer.
pub fn provider_same_answer(manifest: &str, plugin: ProviderUnderTest) {
    let manifest = parse(manifest, Kind::SmsProvider);
    for vector in starts(&manifest) {
        let message = vector.message().to_message();
        let run = || (plugin.step)(&vector.settings(), &message, &Event::Start, &[]);
        let first = run();
        assert!(
            (0..100).all(|_| run() == first),
            "vector `{}`: two answers to the same input",
            vector.name
        );
    }
}

/// The settings and secrets the code names are those of the manifest, and a default in the
/// manifest is what the code assumes.
pub fn provider_manifest(manifest: &str, plugin: ProviderUnderTest) {
    let manifest = parse(manifest, Kind::SmsProvider);
    for vector in starts(&manifest) {
        let message = vector.message().to_message();
        let settings = vector.settings();
        let action = (plugin.step)(&settings, &message, &Event::Start, &[]);
        judge_asked(&manifest, &settings);
        if let Action::Send(outgoing) = &action {
            judge_secrets(&manifest, &outgoing.request);
        }
        let with_defaults =
            (plugin.step)(&defaulted(&manifest, vector), &message, &Event::Start, &[]);
        assert_eq!(
            with_defaults, action,
            "vector `{}`: a default in plugin.toml is not the code's",
            vector.name
        );
    }
    for event in [Event::Feedback(true), Event::Poll(vec!["x".to_owned()])] {
        if let Action::Done(verdict) =
            (plugin.step)(&Settings::default(), &Message::sample(), &event, &[])
        {
            assert!(
                matches!(&verdict, Verdict::Refused(refusal) if refusal.reason == Reason::Unsupported),
                "an event it does not know is answered with `unsupported`: {verdict:?}"
            );
        }
    }
}

/// Whatever settings and attributes say, the plugin answers within the limits, always the same,
/// and asks only for settings the manifest lists.
pub fn resolver_hostile(manifest: &str, plugin: ResolverUnderTest) {
    let manifest = parse(manifest, Kind::UserResolver);
    for pairs in hostile_settings(&manifest) {
        for value in HOSTILE {
            let value = (*value).to_owned();
            let login = FederatedLogin {
                identity_provider: value.clone(),
                subject: value.clone(),
                subject_identifier: value.clone(),
                attributes: vec![(value.clone(), value.clone()), ("email".to_owned(), value)],
                ..FederatedLogin::default()
            };
            let run = |event: &resolver::Event| {
                let settings = Settings::new(pairs.clone());
                let action = (plugin.step)(&settings, &login, event, &[]);
                judge_asked(&manifest, &settings);
                action
            };
            let action = run(&resolver::Event::Start);
            assert_eq!(
                action,
                run(&resolver::Event::Start),
                "two answers to the same input"
            );
            if let resolver::Action::Lookup(lookup) = action {
                assert!(
                    (1..=QUERIES_MAX).contains(&lookup.queries.len()),
                    "{} queries",
                    lookup.queries.len()
                );
            }
            for answers in [Vec::new(), vec![None; QUERIES_MAX]] {
                let action = run(&resolver::Event::Found(answers));
                assert!(
                    !matches!(
                        action,
                        resolver::Action::Done(resolver::Resolution::Account(_))
                    ),
                    "an account was named that nobody found"
                );
            }
        }
        let _ = (plugin.check)(&Settings::new(pairs));
    }
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

fn judge_request(manifest: &Manifest, pairs: &[(String, String)], request: &Request) {
    let stand_ins = StandIns::of(&crate::vectors::MessageVector::default());
    match render(request, &stand_ins) {
        Ok(rendered) => {
            for (name, value) in &rendered.headers {
                assert!(
                    !value.contains(['\r', '\n']),
                    "a line break went into the header {name} from {pairs:?}"
                );
            }
        }
        // A header or character set that cannot carry a literal is the host's to refuse.
        Err(why) => assert!(
            why.contains("place of kind `header`") || why.contains("is not in"),
            "{why} with {pairs:?}"
        ),
    }
    let from_settings = manifest.origin_settings.iter().filter_map(|name| {
        pairs
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.trim().to_ascii_lowercase())
    });
    let known = manifest
        .origins
        .iter()
        .filter_map(|origin| Base::parse(origin))
        .any(|base| base.origin == request.origin)
        || from_settings
            .into_iter()
            .any(|value| value.starts_with(&request.origin.to_ascii_lowercase()));
    assert!(
        known,
        "the origin {} is not in the manifest, with {pairs:?}",
        request.origin
    );
}

fn judge_asked(manifest: &Manifest, settings: &Settings) {
    for name in settings.asked() {
        match manifest
            .settings
            .iter()
            .find(|setting| setting.name == name)
        {
            None => panic!("the code reads the setting `{name}`, plugin.toml does not list it"),
            Some(setting) => assert!(
                !setting.secret,
                "the code reads the secret `{name}`: use secret(\"{name}\")"
            ),
        }
    }
}

fn judge_secrets(manifest: &Manifest, request: &Request) {
    for op in &request.program {
        if let Op::Secret(name) | Op::Sign(_, name, _) = op {
            let listed = manifest
                .settings
                .iter()
                .any(|setting| setting.name == *name && setting.secret);
            assert!(
                listed || manifest.open_secrets,
                "secret `{name}` is not listed as one in plugin.toml"
            );
        }
    }
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

#[doc(hidden)]
pub fn provider(
    step: fn(&Settings, &Message, &Event, &[u8]) -> Action,
    check: fn(&Settings) -> Vec<crate::wire::Problem>,
) -> ProviderUnderTest {
    ProviderUnderTest { step, check }
}

#[doc(hidden)]
pub fn resolver(
    step: fn(&Settings, &FederatedLogin, &resolver::Event, &[u8]) -> resolver::Action,
    check: fn(&Settings) -> Vec<crate::wire::Problem>,
) -> ResolverUnderTest {
    ResolverUnderTest { step, check }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

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

    fn passes<const WRONG: u8>(manifest: &str) -> bool {
        let plugin = provider(step::<WRONG>, |_| Vec::new());
        catch_unwind(|| provider_hostile_replies(manifest, plugin)).is_ok()
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
}
