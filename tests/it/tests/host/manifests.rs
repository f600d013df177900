//! Host and SDK have their own types for the manifest and the vectors in it. They read and write the same
//! documents, which is also how the suite is told of a component's.

use postern_kit::{anyhow::Result, paths};
use postern_sdk::manifest::Manifest as Theirs;
use postern_wasm::Limits;
use postern_wasm::manifest::{Manifest as Ours, parse};

/// The manifest of a built component, as it stands in its custom section.
pub(crate) fn document(component: &[u8]) -> String {
    let mark = b"postern:manifest";
    let mut found = component
        .windows(mark.len())
        .enumerate()
        .filter(|(_, window)| window == mark)
        .filter_map(|(at, _)| {
            let rest = &component[at + mark.len()..];
            let mut values =
                serde_json::Deserializer::from_slice(rest).into_iter::<serde_json::Value>();
            let value = values.next()?.ok()?;
            value.get("id").is_some().then(|| value.to_string())
        });
    found.next().expect("a component has a manifest")
}

/// Each reads the document, writes what it read, and the other reads the same in it.
fn agree(name: &str, document: &str) {
    let ours: Ours = parse(document.as_bytes(), &Limits::default())
        .unwrap_or_else(|refusal| panic!("{name}: the host refuses: {refusal}"));
    let theirs: Theirs = serde_json::from_str(document)
        .unwrap_or_else(|error| panic!("{name}: the SDK refuses: {error}"));
    let from_theirs = serde_json::to_string(&theirs).unwrap();
    let from_ours = serde_json::to_string(&ours).unwrap();
    assert_eq!(
        parse(from_theirs.as_bytes(), &Limits::default()).unwrap(),
        ours,
        "{name}: the host reads what the SDK wrote"
    );
    let read: Theirs = serde_json::from_str(&from_ours)
        .unwrap_or_else(|error| panic!("{name}: the SDK refuses what the host wrote: {error}"));
    assert_eq!(read, theirs, "{name}: the SDK reads what the host wrote");
}

#[test]
fn host_and_sdk_read_the_same_in_every_shipped_manifest() -> Result<()> {
    let mut seen = 0;
    for entry in std::fs::read_dir(paths::plugins()?)? {
        let file = entry?.path();
        if file.extension().is_none_or(|found| found != "wasm") {
            continue;
        }
        let document = document(&std::fs::read(&file)?);
        assert!(document.contains("\"vectors\""), "{}", file.display());
        agree(&file.display().to_string(), &document);
        seen += 1;
    }
    assert!(seen >= 11, "the ten plugins and the testers' one: {seen}");
    Ok(())
}

/// Every field of the manifest itself, none at its default.
#[test]
fn host_and_sdk_read_the_same_in_a_manifest_that_says_everything() {
    let document = serde_json::json!({
        "id": "acme-sms",
        "version": "1.2.3",
        "wit": "0.1.0",
        "kind": "sms-provider",
        "title": "Acme",
        "description": "Sends through Acme.",
        "aliases": ["acmeSms"],
        "origins": ["https://api.acme.example", "https://eu.acme.example/v2"],
        "origin_settings": ["base_url"],
        "methods": ["POST"],
        "runtime": "language",
        "wording": "provider",
        "origin_bound_line": false,
        "open_secrets": true,
        "settings": [
            { "name": "base_url", "kind": "url", "default": "https://api.acme.example", "help": "Where." },
            { "name": "token", "secret": true, "required": true },
            { "name": "route", "kind": "choice", "choices": ["a", "b"], "default": "a" },
        ],
        "vectors": [],
    });
    agree("everything", &document.to_string());
}

/// What one of them does not know, neither takes.
#[test]
fn host_and_sdk_refuse_the_same_documents() {
    let whole = serde_json::json!({
        "id": "acme", "version": "1.0.0", "kind": "sms-provider", "title": "Acme", "description": "Acme.",
    });
    agree("the least", &whole.to_string());
    for (field, value) in [
        ("colour", serde_json::json!("red")),
        ("kind", serde_json::json!("smoke-signal")),
        ("runtime", serde_json::json!("jvm")),
        ("wording", serde_json::json!("nobody")),
        ("origins", serde_json::json!("https://api.acme.example")),
        (
            "settings",
            serde_json::json!([{ "name": "a", "secrit": true }]),
        ),
        (
            "settings",
            serde_json::json!([{ "name": "a", "kind": "colour" }]),
        ),
        (
            "vectors",
            serde_json::json!([{ "name": "a", "expects": 1 }]),
        ),
    ] {
        let mut broken = whole.clone();
        broken[field] = value.clone();
        let broken = broken.to_string();
        assert!(
            parse(broken.as_bytes(), &Limits::default()).is_err(),
            "host: {field} {value}"
        );
        assert!(
            serde_json::from_str::<Theirs>(&broken).is_err(),
            "SDK: {field} {value}"
        );
    }
}

/// What a plugin's page says of a provider's codes, its vectors show, with the same reason.
#[test]
fn every_code_on_a_plugins_page_is_in_a_vector_with_its_reason() -> Result<()> {
    let (mut codes, mut missing) = (0, Vec::new());
    for entry in std::fs::read_dir(paths::workspace().join("plugins"))? {
        let folder = entry?.path();
        // A resolver gives no verdicts.
        let Ok(vectors) = std::fs::read_to_string(folder.join("vectors/verdict.json")) else {
            continue;
        };
        let vectors: serde_json::Value = serde_json::from_str(&vectors)?;
        let vectors = vectors["vectors"].as_array().unwrap();
        let page = std::fs::read_to_string(folder.join("README.md"))?;
        let (_, verdicts) = page.split_once("## Verdicts").unwrap();
        for row in verdicts.lines() {
            // Other rows are about what is accepted, or about whatever has no code.
            let Some((cell, after)) = row.split_once(" | `") else {
                continue;
            };
            if cell.contains("another") {
                continue;
            }
            let reason = after.split('`').next().unwrap_or_default();
            for code in numbers(cell) {
                codes += 1;
                let shown = vectors.iter().any(|vector| {
                    vector["expect"]["refused"]["reason"] == reason
                        && numbers(&vector["reply"].to_string()).contains(&code)
                });
                if !shown {
                    missing.push(format!("{}: {code} is {reason}", folder.display()));
                }
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
    assert!(codes > 100, "the pages were read: {codes}");
    Ok(())
}

/// The whole numbers among the words of a text, without the zeros before them.
fn numbers(text: &str) -> Vec<u32> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter_map(|word| word.parse().ok())
        .collect()
}
