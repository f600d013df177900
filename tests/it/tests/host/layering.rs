//! Which of our crates may use which: the table of the design as data. A new line here is an
//! architectural event and needs a decision record.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Crate, and the crates of ours it may depend on. Tests may use everything and are not listed.
const MAY_USE: &[(&str, &[&str])] = &[
    ("postern-otp", &[]),
    ("postern-egress", &[]),
    ("postern-federation", &[]),
    ("postern-wit", &[]),
    ("postern-login", &["postern-otp"]),
    ("postern-wasm", &["postern-wit"]),
    ("postern-sdk", &["postern-wit"]),
    (
        "postern-gateway",
        &[
            "postern-login",
            "postern-wasm",
            "postern-egress",
            "postern-sdk",
        ],
    ),
    (
        "postern-store",
        &[
            "postern-login",
            "postern-otp",
            "postern-federation",
            "postern-admin",
        ],
    ),
    // otp for the values that the ports speak in, as below.
    (
        "postern-admin",
        &["postern-login", "postern-federation", "postern-otp"],
    ),
    // otp for the values that login's ports speak in: settings, points in time, numbers.
    (
        "postern-web",
        &[
            "postern-login",
            "postern-admin",
            "postern-otp",
            "postern-federation",
        ],
    ),
    (
        "postern-server",
        &[
            "postern-otp",
            "postern-login",
            "postern-wasm",
            "postern-egress",
            "postern-gateway",
            "postern-store",
            "postern-federation",
            "postern-admin",
            "postern-web",
            "postern-wit",
        ],
    ),
    ("sms-gateway", &[]),
    // The sample application: the protocols in the other role.
    ("relying-party", &["postern-federation"]),
    ("xtask", &[]),
];

/// What only one crate may name: the invariant it exists for.
const ONLY: &[(&str, &[&str])] = &[
    ("wasmtime", &["postern-wasm"]),
    ("wit-component", &["postern-wasm"]),
    ("rusqlite", &["postern-store"]),
    ("sqlx", &["postern-store"]),
    ("ldap3", &["postern-store"]),
    ("jsonwebtoken", &["postern-federation"]),
    ("oauth2", &["postern-federation"]),
    ("axum", &["postern-web", "sms-gateway", "relying-party"]),
    ("askama", &["postern-web", "sms-gateway", "relying-party"]),
    ("clap", &["postern-server", "sms-gateway", "relying-party"]),
    ("rustls-native-certs", &["postern-egress"]),
    ("rlibphonenumber", &["postern-otp"]),
    ("toml", &["postern-server", "postern-sdk"]),
    (
        "anyhow",
        &["postern-server", "sms-gateway", "relying-party", "xtask"],
    ),
];

const MUST_NOT_KNOW: &[(&str, &[&str])] = &[
    (
        "postern-otp",
        &["tokio", "tracing", "getrandom", "async-trait", "http"],
    ),
    (
        "postern-login",
        &["http", "hyper", "url", "getrandom", "serde_json_path"],
    ),
    ("postern-wasm", &["hyper", "rustls", "http", "url"]),
    ("postern-gateway", &["hyper", "rustls", "rusqlite"]),
    ("postern-web", &["rusqlite", "wasmtime", "getrandom"]),
];

#[test]
fn no_crate_uses_one_it_may_not_know() {
    let packages = packages();
    let ours: BTreeSet<&str> = packages.keys().map(String::as_str).collect();
    for (name, dependencies) in tested(&packages) {
        let allowed: Vec<&str> = if name.starts_with("postern-plugin-") || name == "minimal" {
            vec!["postern-sdk"]
        } else {
            MAY_USE
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, allowed)| allowed.to_vec())
                .unwrap_or_else(|| {
                    panic!("`{name}` is a new crate: add it to the table, with a decision record")
                })
        };
        for used in dependencies
            .iter()
            .filter(|used| ours.contains(used.as_str()))
        {
            assert!(
                allowed.contains(&used.as_str()),
                "`{name}` may not use `{used}`"
            );
        }
    }
}

#[test]
fn what_one_crate_owns_no_other_names() {
    let packages = packages();
    for (name, dependencies) in tested(&packages) {
        for (owned, owners) in ONLY {
            let uses = dependencies.iter().any(|used| used == owned);
            assert!(
                !uses || owners.contains(&name.as_str()),
                "`{name}` names `{owned}`, which belongs to {owners:?}"
            );
        }
    }
}

#[test]
fn crates_stay_ignorant_of_what_they_must_not_know() {
    let packages = packages();
    for (name, unknown) in MUST_NOT_KNOW {
        for used in &packages[*name] {
            assert!(
                !unknown.contains(&used.as_str()),
                "`{name}` must not know `{used}`"
            );
        }
    }
}

/// All but those that test.
fn tested(
    packages: &BTreeMap<String, BTreeSet<String>>,
) -> impl Iterator<Item = (&String, &BTreeSet<String>)> {
    const TESTS: &[&str] = &["postern-kit", "postern-it", "postern-bench"];
    packages
        .iter()
        .filter(|(name, _)| !TESTS.contains(&name.as_str()))
}

/// Packages of the workspace and their ordinary dependencies.
fn packages() -> BTreeMap<String, BTreeSet<String>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["metadata", "--format-version=1", "--no-deps"])
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo metadata failed");
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let ordinary = package["dependencies"].as_array().unwrap().iter();
            let ordinary = ordinary.filter(|dependency| dependency["kind"].is_null());
            let names = ordinary.map(|dependency| dependency["name"].as_str().unwrap().to_owned());
            (
                package["name"].as_str().unwrap().to_owned(),
                names.collect(),
            )
        })
        .collect()
}
