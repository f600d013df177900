//! A file becomes a loaded plugin, and proves on its own vectors, and on what is made of them (`suite`), that
//! it does what it says.
//!
//! Owns: the joining of the plugin host, which runs the vectors, and the edge, which works the
//! requests in them out with stand-ins. Nothing is sent and no secret is used. Knows nothing of
//! folders and grants.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use postern_egress::grant::{Entry, Grant, OriginPattern};
use postern_egress::{
    KeptValue, Material, NamedSecret, Nonce, Op, Origin, Outgoing, Recipient, Secret, Secrets,
    Text, finish,
};
use postern_wasm::admission::self_test;
use postern_wasm::vectors::{Evaluate, Evaluated, StandIns};
use postern_wasm::{Fault, Loaded, Plugins, Refusal, provider, resolver, types};

use crate::conversation::outgoing;
use crate::guest::{Admitted, Guest, Loader, Trial};
use crate::suite;

/// 2026-01-31T23:59:59Z, the instant of every vector.
const INSTANT_UNIX_MS: i64 = 1_769_903_999_000;

/// The nonce of every vector: 00 11 22 .. ff.
const NONCE: [u8; 16] = [
    0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff,
];

/// A component in the plugin host.
struct Component {
    plugins: Plugins,
    loaded: Loaded,
    /// Calls before it served in which its memory grew: hostile replies are longer than usual ones.
    grown_before: u64,
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.loaded.handle.fmt(f)
    }
}

#[async_trait]
impl Loader for Plugins {
    async fn admit(&self, bytes: Arc<[u8]>, trial: Trial) -> Result<Admitted, Refusal> {
        let loaded = Plugins::admit(self, bytes).await?;
        self_test(self, &loaded, &Rehearsal).await?;
        let grown = loaded.handle.grown();
        if trial == Trial::Whole {
            suite::hold(self, &loaded).await?;
        }
        Ok(Admitted {
            manifest: Arc::clone(&loaded.manifest),
            sha256: loaded.sha256,
            size: loaded.size,
            guest: Arc::new(Component {
                plugins: self.clone(),
                grown_before: loaded.handle.grown() - grown,
                loaded,
            }),
        })
    }
}

#[async_trait]
impl Guest for Component {
    async fn provider_step(
        &self,
        settings: &[types::Pair],
        message: &provider::Message,
        event: &provider::Event,
        state: &[u8],
    ) -> Result<provider::Action, Fault> {
        self.plugins
            .provider_step(&self.loaded.handle, settings, message, event, state)
            .await
    }

    async fn resolver_step(
        &self,
        settings: &[types::Pair],
        login: &resolver::FederatedLogin,
        event: &resolver::Event,
        state: &[u8],
    ) -> Result<resolver::Action, Fault> {
        self.plugins
            .resolver_step(&self.loaded.handle, settings, login, event, state)
            .await
    }

    async fn check(&self, settings: &[types::Pair]) -> Result<Vec<types::Problem>, Fault> {
        self.plugins.check(&self.loaded.handle, settings).await
    }

    fn grown(&self) -> u64 {
        self.loaded.handle.grown() - self.grown_before
    }

    async fn self_test(&self) -> Result<(), String> {
        self_test(&self.plugins, &self.loaded, &Rehearsal)
            .await
            .map_err(|refusal| refusal.reason)
    }
}

/// Works requests out as the edge would, with a stand-in for everything only the host has.
#[derive(Debug)]
pub struct Rehearsal;

impl Evaluate for Rehearsal {
    fn evaluate(
        &self,
        request: &types::Request,
        stand_ins: &StandIns,
    ) -> Result<Evaluated, String> {
        let mut request = outgoing(request.clone());
        let origin = Origin::parse(&request.origin).map_err(|error| error.to_string())?;
        replace_signatures(&mut request);
        let material = material(&request, &origin, stand_ins)?;
        let grant = Grant {
            entries: vec![Entry::from(origin)],
            ..Grant::default()
        };
        let finished = finish(&request, &grant, &material).map_err(|denied| denied.to_string())?;

        let text =
            |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let mut headers: BTreeMap<String, String> = request
            .headers
            .iter()
            .filter_map(|(name, _)| {
                let name = name.to_ascii_lowercase();
                let value = text(finished.headers().get(&name)?);
                Some((name, value))
            })
            .collect();
        if let Some(media_type) = finished.headers().get(http::header::CONTENT_TYPE) {
            headers.insert("content-type".into(), text(media_type));
        }
        Ok(Evaluated {
            url: format!("{}{}", finished.origin(), finished.uri()),
            headers,
            body: request.body.is_some().then(|| finished.body().to_vec()),
        })
    }
}

fn material(request: &Outgoing, origin: &Origin, stand_ins: &StandIns) -> Result<Material, String> {
    let (mut secrets, mut kept) = (Vec::<NamedSecret>::new(), Vec::<KeptValue>::new());
    for op in &request.program {
        match op {
            Op::Secret(name) if !secrets.iter().any(|known| known.name == *name) => {
                secrets.push(NamedSecret::new(
                    name.clone(),
                    format!("secret-{name}"),
                    vec![OriginPattern::from(origin.clone())],
                ))
            }
            Op::Kept(name) if !kept.iter().any(|known| known.name == *name) => {
                kept.push(KeptValue {
                    name: name.clone(),
                    value: Secret::from(format!("kept-{name}")),
                    origin: origin.clone(),
                })
            }
            _ => {}
        }
    }
    let digits = stand_ins.recipient.trim_start_matches('+');
    let national = digits
        .strip_prefix(&stand_ins.calling_code)
        .unwrap_or(digits);
    Ok(Material {
        secrets: Secrets::new(secrets).map_err(|error| error.to_string())?,
        kept,
        recipient: Some(Recipient {
            e164: stand_ins.recipient.clone(),
            calling_code: stand_ins.calling_code.clone(),
            national: national.to_owned(),
            dialled: format!("0{national}"),
        }),
        text: Some(Text {
            whole: stand_ins.text.clone(),
            // Other parts than the first stand for nothing.
            parts: std::iter::once(stand_ins.text.clone())
                .chain((1..10).map(|_| String::new()))
                .collect(),
        }),
        code: Some(Secret::from(stand_ins.code.as_str())),
        receipt_url: Some(stand_ins.receipt_url.clone()),
        now_unix_ms: INSTANT_UNIX_MS,
        nonce: Nonce {
            bytes: NONCE,
            int31: 1_234_567_890,
        },
    })
}

/// No vector has a key to sign with: a signature becomes the text `ALGORITHM(NAME,digest)`. That
/// takes five operations in the place of one, so that every later position moves.
fn replace_signatures(request: &mut Outgoing) {
    if !request.program.iter().any(|op| matches!(op, Op::Sign(..))) {
        return;
    }
    let mut program: Vec<Op> = Vec::with_capacity(request.program.len() + 8);
    let mut moved: Vec<u16> = Vec::with_capacity(request.program.len());
    for op in std::mem::take(&mut request.program) {
        let at = |old: u16| moved.get(usize::from(old)).copied().unwrap_or(u16::MAX);
        let next = |program: &Vec<Op>| u16::try_from(program.len()).unwrap_or(u16::MAX);
        match op {
            Op::Sign(algorithm, name, data) => {
                let first = next(&program);
                program.push(Op::Lit(format!("{algorithm}({name},")));
                program.push(Op::Digest("sha256".into(), at(data)));
                program.push(Op::Encode("hex".into(), first + 1));
                program.push(Op::Lit(")".into()));
                program.push(Op::Concat(vec![first, first + 2, first + 3]));
            }
            Op::Concat(operands) => {
                program.push(Op::Concat(operands.into_iter().map(at).collect()))
            }
            Op::Charset(name, operand) => program.push(Op::Charset(name, at(operand))),
            Op::Escape(name, operand) => program.push(Op::Escape(name, at(operand))),
            Op::Encode(name, operand) => program.push(Op::Encode(name, at(operand))),
            Op::Digest(name, operand) => program.push(Op::Digest(name, at(operand))),
            Op::Hmac(name, key, data) => program.push(Op::Hmac(name, at(key), at(data))),
            source @ (Op::Lit(_)
            | Op::Bytes(_)
            | Op::Secret(_)
            | Op::Kept(_)
            | Op::Recipient(_)
            | Op::Text(_)
            | Op::Code
            | Op::ReceiptUrl
            | Op::Time(_)
            | Op::Nonce(_)) => program.push(source),
        }
        moved.push(next(&program).saturating_sub(1));
    }
    let at = |old: u16| moved.get(usize::from(old)).copied().unwrap_or(u16::MAX);
    request.target = at(request.target);
    for (_, operation) in &mut request.headers {
        *operation = at(*operation);
    }
    if let Some((_, operation)) = &mut request.body {
        *operation = at(*operation);
    }
    request.program = program;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn stand_ins() -> StandIns {
        StandIns {
            recipient: "+94771234567".into(),
            calling_code: "94".into(),
            text: "Verification Code: 123456".into(),
            code: "123456".into(),
            receipt_url: "https://postern.example/r/1".into(),
        }
    }

    /// Works out a program whose last operation is the body.
    fn body(program: Vec<types::Op>) -> String {
        let mut program = program;
        let at = u16::try_from(program.len()).unwrap();
        program.push(types::Op::Lit("/x".into()));
        let request = types::Request {
            method: "POST".into(),
            origin: "https://api.example.com".into(),
            target: at,
            headers: vec![("X-Path".into(), at)],
            body: Some(("text/plain".into(), at - 1)),
            program,
            keep: Vec::new(),
            idempotent: false,
            extra: Vec::new(),
        };
        let evaluated = Rehearsal.evaluate(&request, &stand_ins()).unwrap();
        assert_eq!(evaluated.url, "https://api.example.com/x");
        let headers: Vec<_> = evaluated
            .headers
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        assert_eq!(
            headers,
            [("content-type", "text/plain"), ("x-path", "/x")],
            "only what the plugin set"
        );
        String::from_utf8(evaluated.body.unwrap()).unwrap()
    }

    #[test]
    fn every_source_has_the_stand_in_that_vectors_expect() {
        use types::Op;
        for (source, expected) in [
            (Op::Secret("auth_token".into()), "secret-auth_token"),
            (Op::Kept("bearer".into()), "kept-bearer"),
            (Op::Recipient("e164".into()), "+94771234567"),
            (Op::Recipient("digits".into()), "94771234567"),
            (Op::Recipient("national".into()), "771234567"),
            (Op::Recipient("dialled".into()), "0771234567"),
            (Op::Recipient("calling-code".into()), "94"),
            (Op::Text(0), "Verification Code: 123456"),
            (Op::Text(1), "Verification Code: 123456"),
            (Op::Text(2), ""),
            (Op::Code, "123456"),
            (Op::ReceiptUrl, "https://postern.example/r/1"),
            (Op::Time("iso8601".into()), "2026-01-31T23:59:59Z"),
            (
                Op::Nonce("uuid".into()),
                "00112233-4455-4677-8899-aabbccddeeff",
            ),
            (Op::Nonce("hex".into()), "00112233445566778899aabbccddeeff"),
            (Op::Nonce("int31".into()), "1234567890"),
        ] {
            assert_eq!(body(vec![source.clone()]), expected, "{source:?}");
        }
    }

    #[test]
    fn a_signature_becomes_words_and_later_positions_still_fit() {
        use types::Op;
        let program = vec![
            Op::Lit("to be signed".into()),
            Op::Sign(("rs256".into(), "key".into(), 0)),
            Op::Lit("|".into()),
            Op::Sign(("ed25519".into(), "key".into(), 1)),
            Op::Encode(("hex".into(), 0)),
            Op::Concat(vec![1, 2, 3, 2, 4]),
        ];
        let first = format!("rs256(key,{})", sha256("to be signed"));
        let second = format!("ed25519(key,{})", sha256(&first));
        let expected = format!("{first}|{second}|{}", hex::encode("to be signed"));
        assert_eq!(body(program), expected);
    }

    fn sha256(text: &str) -> String {
        use sha2::Digest;
        hex::encode(sha2::Sha256::digest(text))
    }

    #[test]
    fn what_the_edge_would_not_let_out_does_not_pass_the_rehearsal() {
        let request = types::Request {
            method: "POST".into(),
            origin: "https://api.example.com".into(),
            target: 0,
            headers: vec![("host".into(), 0)],
            body: None,
            program: vec![types::Op::Lit("/x".into())],
            keep: Vec::new(),
            idempotent: false,
            extra: Vec::new(),
        };
        assert!(Rehearsal.evaluate(&request, &stand_ins()).is_err());
    }
}
