//! Between the generated bindings and the plain types. Only in wasm.
//!
//! Owns: the conversions, field by field, and the exports. Decides nothing.

#![allow(
    unsafe_code,
    reason = "the generated bindings cross the component boundary"
)]
#![allow(clippy::unwrap_used, reason = "generated code")]

#[doc(hidden)]
pub mod provider {
    wit_bindgen::generate!({
        path: "../wit",
        world: "sms-provider",
        pub_export_macro: true,
        export_macro_name: "export_provider",
        runtime_path: "wit_bindgen::rt",
    });

    use crate::{message, provider, reply, settings, verdict, wire};
    use exports::postern::plugin::provider as generated;

    /// `step` of the macro's module `plugin`.
    pub type Step =
        fn(&settings::Settings, &message::Message, &provider::Event, &[u8]) -> provider::Action;

    pub fn step(
        step: Step,
        pairs: Vec<(String, String)>,
        message: generated::Message,
        event: generated::Event,
        state: Vec<u8>,
    ) -> generated::Action {
        let settings = settings::Settings::new(pairs);
        action(step(&settings, &told(message), &happened(event), &state))
    }

    pub fn check(
        check: fn(&settings::Settings) -> Vec<wire::Problem>,
        pairs: Vec<(String, String)>,
    ) -> Vec<generated::Problem> {
        check(&settings::Settings::new(pairs))
            .into_iter()
            .map(|problem| generated::Problem {
                setting: problem.setting,
                message: problem.message,
            })
            .collect()
    }

    fn told(message: generated::Message) -> message::Message {
        message::Message {
            id: message.id,
            country: message.country,
            calling_code: message.calling_code,
            number_type: message.number_type,
            encoding: message.encoding,
            segments: message.segments,
            validity: message.validity,
            attempt: message.attempt,
            locale: message.locale,
            purpose: message.purpose,
            kept: message.kept,
            extra: message.extra,
        }
    }

    fn happened(event: generated::Event) -> provider::Event {
        match event {
            generated::Event::Start => provider::Event::Start,
            generated::Event::Reply(reply) => provider::Event::Reply(reply::Reply::new(
                reply.status,
                reply.headers,
                match reply.body {
                    postern::plugin::types::TextOrBytes::Text(text) => text.into_bytes(),
                    postern::plugin::types::TextOrBytes::Bytes(bytes) => bytes,
                },
            )),
            generated::Event::Failed(how) => provider::Event::Failed(how),
            generated::Event::Feedback(entered) => provider::Event::Feedback(entered),
            generated::Event::Probe => provider::Event::Probe,
            generated::Event::Poll(ids) => provider::Event::Poll(ids),
        }
    }

    fn action(action: provider::Action) -> generated::Action {
        match action {
            provider::Action::Send(outgoing) => generated::Action::Send(generated::Outgoing {
                request: request(outgoing.request),
                state: outgoing.state,
            }),
            provider::Action::Done(verdict::Verdict::Accepted(receipt)) => {
                generated::Action::Done(generated::Verdict::Accepted(generated::Receipt {
                    id: receipt.id,
                    parts: receipt.parts,
                    price: receipt.price,
                    currency: receipt.currency,
                    extra: receipt.extra,
                }))
            }
            provider::Action::Done(verdict::Verdict::Refused(refusal)) => {
                generated::Action::Done(generated::Verdict::Refused(generated::Refusal {
                    reason: refusal.reason.as_str().to_owned(),
                    retry_after: refusal.retry_after,
                    detail: refusal.detail,
                    extra: refusal.extra,
                }))
            }
        }
    }

    fn request(request: wire::Request) -> generated::Request {
        generated::Request {
            method: request.method,
            origin: request.origin,
            target: request.target,
            headers: request.headers,
            body: request.body,
            program: request.program.into_iter().map(op).collect(),
            keep: request
                .keep
                .into_iter()
                .map(|keep| postern::plugin::types::Keep {
                    name: keep.name,
                    pointer: keep.pointer,
                    lifetime_pointer: keep.lifetime_pointer,
                    lifetime: keep.lifetime,
                })
                .collect(),
            idempotent: request.idempotent,
            extra: request.extra,
        }
    }

    fn op(op: wire::Op) -> postern::plugin::types::Op {
        use postern::plugin::types::Op;
        match op {
            wire::Op::Lit(text) => Op::Lit(text),
            wire::Op::Bytes(bytes) => Op::Bytes(bytes),
            wire::Op::Secret(name) => Op::Secret(name),
            wire::Op::Kept(name) => Op::Kept(name),
            wire::Op::Recipient(form) => Op::Recipient(form),
            wire::Op::Text(part) => Op::Text(part),
            wire::Op::Code => Op::Code,
            wire::Op::ReceiptUrl => Op::ReceiptUrl,
            wire::Op::Time(format) => Op::Time(format),
            wire::Op::Nonce(format) => Op::Nonce(format),
            wire::Op::Concat(parts) => Op::Concat(parts),
            wire::Op::Charset(name, of) => Op::Charset((name, of)),
            wire::Op::Escape(place, of) => Op::Escape((place, of)),
            wire::Op::Encode(how, of) => Op::Encode((how, of)),
            wire::Op::Digest(algorithm, of) => Op::Digest((algorithm, of)),
            wire::Op::Hmac(algorithm, key, data) => Op::Hmac((algorithm, key, data)),
            wire::Op::Sign(algorithm, secret, data) => Op::Sign((algorithm, secret, data)),
        }
    }
}

#[doc(hidden)]
pub mod resolver {
    wit_bindgen::generate!({
        path: "../wit",
        world: "user-resolver",
        pub_export_macro: true,
        export_macro_name: "export_resolver",
        runtime_path: "wit_bindgen::rt",
    });

    use crate::{resolver, settings, wire};
    use exports::postern::plugin::resolver as generated;

    /// `step` of the macro's module `plugin`.
    pub type Step = fn(
        &settings::Settings,
        &resolver::FederatedLogin,
        &resolver::Event,
        &[u8],
    ) -> resolver::Action;

    pub fn step(
        step: Step,
        pairs: Vec<(String, String)>,
        login: generated::FederatedLogin,
        event: generated::Event,
        state: Vec<u8>,
    ) -> generated::Action {
        let settings = settings::Settings::new(pairs);
        let login = resolver::FederatedLogin {
            identity_provider: login.identity_provider,
            subject: login.subject,
            subject_identifier: login.subject_identifier,
            attributes: login.attributes,
            tenant: login.tenant,
            extra: login.extra,
        };
        let event = match event {
            generated::Event::Start => resolver::Event::Start,
            generated::Event::Found(answers) => resolver::Event::Found(
                answers
                    .into_iter()
                    .map(|answer| {
                        answer.map(|account| resolver::Account {
                            name: account.name,
                            extra: account.extra,
                        })
                    })
                    .collect(),
            ),
        };
        match step(&settings, &login, &event, &state) {
            resolver::Action::Lookup(lookup) => generated::Action::Lookup(generated::Lookup {
                queries: lookup.queries.into_iter().map(query).collect(),
                state: lookup.state,
            }),
            resolver::Action::Done(resolver::Resolution::Account(position)) => {
                generated::Action::Done(generated::Resolution::Account(position))
            }
            resolver::Action::Done(resolver::Resolution::NotFound) => {
                generated::Action::Done(generated::Resolution::NotFound)
            }
            resolver::Action::Done(resolver::Resolution::Refuse(why)) => {
                generated::Action::Done(generated::Resolution::Refuse(why))
            }
        }
    }

    pub fn check(
        check: fn(&settings::Settings) -> Vec<wire::Problem>,
        pairs: Vec<(String, String)>,
    ) -> Vec<generated::Problem> {
        check(&settings::Settings::new(pairs))
            .into_iter()
            .map(|problem| generated::Problem {
                setting: problem.setting,
                message: problem.message,
            })
            .collect()
    }

    fn query(query: resolver::Query) -> generated::Query {
        match query {
            resolver::Query::Name(name) => generated::Query::Name(name),
            resolver::Query::Association {
                identity_provider,
                subject,
                domain,
            } => generated::Query::Association(generated::Association {
                identity_provider,
                subject,
                domain,
            }),
        }
    }
}
