//! Makes components of the core modules in `tests/guests`, and the values calls are made with.
//!
//! Owns: the wrapping of test guests. Every module is wrapped exactly as `wit-component` wraps a
//! real plugin, so that only what the guest does is wrong.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses some of it"
)]
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;

use postern_wasm::{Isolation, Limits, Plugins, Setup, provider, types};
use wit_component::{ComponentEncoder, StringEncoding};

/// A guest as it is being made.
pub struct Guest {
    module: Vec<u8>,
    wit: String,
    world: &'static str,
    manifest: Option<String>,
}

impl Guest {
    /// The guest of that name in `tests/guests`, as an SMS provider.
    pub fn named(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../tests/guests")
            .join(name)
            .with_extension("wat");
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Self::from_text(&text)
    }

    pub fn from_text(text: &str) -> Self {
        Guest {
            module: wat::parse_str(text).unwrap(),
            wit: postern_wit::PLUGIN_WIT.to_owned(),
            world: "sms-provider",
            manifest: Some(manifest(r#""kind": "sms-provider""#)),
        }
    }

    pub fn world(mut self, world: &'static str) -> Self {
        self.world = world;
        self
    }

    /// The interface as some other version of Postern had it.
    pub fn wit(mut self, change: impl FnOnce(&str) -> String) -> Self {
        let changed = change(&self.wit);
        assert_ne!(changed, self.wit, "the change did not change anything");
        self.wit = changed;
        self
    }

    pub fn manifest(mut self, json: impl Into<Option<String>>) -> Self {
        self.manifest = json.into();
        self
    }

    /// The component.
    pub fn build(self) -> Arc<[u8]> {
        let mut resolve = wit_parser::Resolve::default();
        let package = resolve.push_str("plugin.wit", &self.wit).unwrap();
        let world = resolve.select_world(&[package], Some(self.world)).unwrap();
        let mut module = self.module;
        wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
            .unwrap();
        let mut component = ComponentEncoder::default()
            .module(&module)
            .unwrap()
            .encode()
            .unwrap();
        if let Some(manifest) = self.manifest {
            component.extend(custom_section(
                postern_wit::MANIFEST_SECTION,
                manifest.as_bytes(),
            ));
        }
        component.into()
    }
}

/// A manifest in order, with `fields` beside id and version.
pub fn manifest(fields: &str) -> String {
    format!(r#"{{"id": "guest", "version": "1.2.3", {fields}}}"#)
}

/// A custom section as it stands in a file.
pub fn custom_section(name: &str, data: &[u8]) -> Vec<u8> {
    let mut body = leb(name.len());
    body.extend(name.as_bytes());
    body.extend(data);
    let mut section = vec![0];
    section.extend(leb(body.len()));
    section.extend(body);
    section
}

fn leb(mut n: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (n & 0x7f) as u8;
        n >>= 7;
        if n == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

pub async fn in_process() -> Plugins {
    with_limits(Limits::default()).await
}

pub async fn with_limits(limits: Limits) -> Plugins {
    Plugins::start(Setup {
        isolation: Isolation::InProcess,
        limits,
        cache: None,
    })
    .await
    .unwrap()
}

/// A message as the host tells a provider of it.
pub fn message() -> provider::Message {
    provider::Message {
        id: "m1".into(),
        country: "GB".into(),
        calling_code: "44".into(),
        number_type: "mobile".into(),
        encoding: "gsm-7".into(),
        segments: 1,
        validity: 300,
        attempt: 1,
        locale: "en".into(),
        purpose: "login".into(),
        kept: vec![],
        extra: vec![],
    }
}

pub fn settings() -> Vec<types::Pair> {
    vec![("sender".into(), "Postern".into())]
}

/// What the guest `ok` answers.
pub fn accepted() -> provider::Action {
    provider::Action::Done(provider::Verdict::Accepted(provider::Receipt {
        id: None,
        parts: None,
        price: None,
        currency: None,
        extra: vec![],
    }))
}

/// Plugins in a worker process.
pub async fn in_worker() -> Plugins {
    worker_with(Limits::default(), None).await
}

/// Plugins in a worker process that may use 2 GiB of addresses: less than one memory gets elsewhere.
pub async fn in_tight_worker() -> Plugins {
    tight_worker_with(Limits::default()).await
}

pub async fn tight_worker_with(limits: Limits) -> Plugins {
    let script = "ulimit -v 2097152 && exec \"$0\" \"$@\"";
    let command = postern_wasm::WorkerCommand {
        program: "/bin/sh".into(),
        arguments: vec![
            "-c".into(),
            script.into(),
            env!("CARGO_BIN_EXE_postern-wasm-worker").into(),
        ],
    };
    Plugins::start(Setup {
        isolation: Isolation::Worker(command),
        limits,
        cache: None,
    })
    .await
    .unwrap()
}

pub async fn worker_with(limits: Limits, cache: Option<postern_wasm::CachePlace>) -> Plugins {
    let command = postern_wasm::WorkerCommand {
        program: env!("CARGO_BIN_EXE_postern-wasm-worker").into(),
        arguments: vec![],
    };
    Plugins::start(Setup {
        isolation: Isolation::Worker(command),
        limits,
        cache,
    })
    .await
    .unwrap()
}
