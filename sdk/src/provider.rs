//! The steps of an SMS provider.
//!
//! Owns: the order start, reply, verdict for the ordinary provider, which is two functions and the
//! macro [`sms_provider!`](crate::sms_provider); and the plain form of `step` for the others.
//! Knows nothing of any provider.

use crate::message::Message;
use crate::reply::Reply;
use crate::request::Request;
use crate::settings::Settings;
use crate::verdict::{Reason, Verdict, refused};
use crate::wire;

/// Why a step is called.
#[derive(Clone, Debug)]
pub enum Event {
    /// The conversation begins.
    Start,
    /// The reply to the request of the step before.
    Reply(Reply),
    /// No reply: `denied`, `dns`, `connect`, `tls`, `timeout`, `too-large`, `protocol`.
    Failed(String),
    /// The person did or did not enter the code.
    Feedback(bool),
    /// Ask for a request that proves the credentials without sending anything.
    Probe,
    /// Ask for the delivery state of these provider message ids.
    Poll(Vec<String>),
}

/// What a step answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Send(Outgoing),
    Done(Verdict),
}

/// A request, and what the plugin wants to find again at the next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    pub request: wire::Request,
    pub state: Vec<u8>,
}

impl From<Request> for Action {
    fn from(request: Request) -> Action {
        let (request, state) = request.finish();
        Action::Send(Outgoing { request, state })
    }
}

impl From<Verdict> for Action {
    fn from(verdict: Verdict) -> Action {
        Action::Done(verdict)
    }
}

/// A provider may refuse a message instead of sending it.
impl From<Result<Request, Verdict>> for Action {
    fn from(result: Result<Request, Verdict>) -> Action {
        match result {
            Ok(request) => request.into(),
            Err(verdict) => verdict.into(),
        }
    }
}

/// A function that reads a verdict from a reply, with the settings if it wants them.
pub trait ReadVerdict<Arguments> {
    fn read(&self, reply: &Reply, settings: &Settings) -> Verdict;
}

impl<F: Fn(&Reply) -> Verdict> ReadVerdict<(Reply,)> for F {
    fn read(&self, reply: &Reply, _: &Settings) -> Verdict {
        self(reply)
    }
}

impl<F: Fn(&Reply, &Settings) -> Verdict> ReadVerdict<(Reply, Settings)> for F {
    fn read(&self, reply: &Reply, settings: &Settings) -> Verdict {
        self(reply, settings)
    }
}

/// A step of the ordinary provider: one request, one reply.
pub fn step<A: Into<Action>, V>(
    settings: &Settings,
    message: &Message,
    event: &Event,
    request: impl Fn(&Message, &Settings) -> A,
    verdict: impl ReadVerdict<V>,
) -> Action {
    match event {
        Event::Start => in_order(settings, request(message, settings)),
        Event::Reply(reply) => verdict.read(reply, settings).into(),
        Event::Failed(how) => failed(how).into(),
        Event::Feedback(_) | Event::Probe | Event::Poll(_) => unsupported().into(),
    }
}

/// The action, unless building it met a setting that is not in order: then nothing is sent.
pub fn in_order(settings: &Settings, action: impl Into<Action>) -> Action {
    let action = action.into();
    match settings.problems().into_iter().next() {
        None => action,
        Some(problem) => {
            let detail = format!("setting `{}` {}", problem.setting, problem.message);
            refused(Reason::Misconfigured, detail).into()
        }
    }
}

/// The verdict where no reply came. What failed before anything was sent is the provider's or the
/// operator's trouble; after that, nobody knows whether the message was taken.
pub fn failed(how: &str) -> Verdict {
    let reason = match how {
        "denied" => Reason::Misconfigured,
        "dns" | "connect" | "tls" => Reason::ProviderDown,
        _ => Reason::OutcomeUnknown,
    };
    refused(reason, how)
}

/// The verdict on an event the plugin does not know.
pub fn unsupported() -> Verdict {
    refused(Reason::Unsupported, "the plugin does not know this event")
}

/// What is wrong with the settings, found by building the request for a sample message in either
/// encoding: one set of rules for judging settings and for using them.
pub fn check<A: Into<Action>>(
    settings: &Settings,
    request: impl Fn(&Message, &Settings) -> A,
) -> Vec<wire::Problem> {
    for encoding in ["gsm-7", "ucs-2"] {
        let message = Message {
            encoding: encoding.to_owned(),
            ..Message::sample()
        };
        let _: Action = request(&message, settings).into();
    }
    settings.problems()
}

/// Makes a plugin of the functions of an SMS provider.
///
/// - `sms_provider!(request, verdict)`: `request(&Message, &Settings)` gives a [`Request`] or a
///   `Result<Request, Verdict>`; `verdict(&Reply)` or `verdict(&Reply, &Settings)` gives a
///   [`Verdict`]. Settings are judged by building a request for a sample message.
/// - `sms_provider!(steps: converse, judge)`: for conversations of several requests,
///   `converse(&Settings, &Message, &Event, state: &[u8]) -> Action` and
///   `judge(&Settings) -> Vec<Problem>`. `step` and `check` are names of the module's own.
///
/// In wasm it exports the world `sms-provider` and carries the manifest that `build.rs` made.
/// Everywhere else it is the module `plugin` with the same functions, for tests.
#[macro_export]
macro_rules! sms_provider {
    (steps: $step:path, $check:path) => {
        #[doc(hidden)]
        pub mod plugin {
            use super::*;
            use $crate::{message, provider, settings, wire};

            /// The manifest, as the component carries it.
            pub const MANIFEST: &str = include_str!(concat!(env!("OUT_DIR"), "/manifest.json"));

            pub fn step(
                settings: &settings::Settings,
                message: &message::Message,
                event: &provider::Event,
                state: &[u8],
            ) -> provider::Action {
                $step(settings, message, event, state)
            }

            pub fn check(settings: &settings::Settings) -> Vec<wire::Problem> {
                $check(settings)
            }
        }

        $crate::__export!(provider);
    };
    ($request:path, $verdict:path) => {
        #[doc(hidden)]
        pub mod plugin {
            use super::*;
            use $crate::{message, provider, settings, wire};

            /// The manifest, as the component carries it.
            pub const MANIFEST: &str = include_str!(concat!(env!("OUT_DIR"), "/manifest.json"));

            pub fn step(
                settings: &settings::Settings,
                message: &message::Message,
                event: &provider::Event,
                _state: &[u8],
            ) -> provider::Action {
                provider::step(settings, message, event, $request, $verdict)
            }

            pub fn check(settings: &settings::Settings) -> Vec<wire::Problem> {
                provider::check(settings, $request)
            }
        }

        $crate::__export!(provider);
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::accepted;

    fn request(_: &Message, settings: &Settings) -> Request {
        Request::post("https://a.example", "/").bearer(settings.required("name"))
    }

    fn verdict(reply: &Reply) -> Verdict {
        accepted(reply.text_at("/id"))
    }

    fn run(settings: &Settings, event: Event) -> Action {
        step(settings, &Message::sample(), &event, request, verdict)
    }

    #[test]
    fn a_setting_that_is_not_in_order_sends_nothing() {
        let Action::Done(Verdict::Refused(refusal)) = run(&Settings::default(), Event::Start)
        else {
            panic!("nothing may be sent");
        };
        assert_eq!(
            (refusal.reason, refusal.detail.as_str()),
            (Reason::Misconfigured, "setting `name` is missing")
        );
        assert_eq!(check(&Settings::default(), request).len(), 1);
    }

    #[test]
    fn no_reply_is_unknown_only_after_something_was_sent() {
        for (how, reason) in [
            ("denied", Reason::Misconfigured),
            ("connect", Reason::ProviderDown),
            ("timeout", Reason::OutcomeUnknown),
            ("something new", Reason::OutcomeUnknown),
        ] {
            let action = run(&Settings::default(), Event::Failed(how.to_owned()));
            assert_eq!(action, refused(reason, how).into());
        }
    }

    #[test]
    fn events_an_ordinary_provider_does_not_know_are_answered_so() {
        for event in [Event::Feedback(true), Event::Probe, Event::Poll(Vec::new())] {
            assert_eq!(run(&Settings::default(), event), unsupported().into());
        }
    }
}
