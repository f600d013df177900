//! What the SDK hands out besides code stays true: its README and its templates.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use postern_sdk::manifest::{Kind, Manifest};

fn sdk() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_readme_quotes_the_minimal_provider() {
    let readme = std::fs::read_to_string(sdk().join("README.md")).unwrap();
    let minimal =
        std::fs::read_to_string(sdk().join("../examples/plugins/minimal/src/lib.rs")).unwrap();
    assert!(
        readme.contains(minimal.trim_end()),
        "quote examples/plugins/minimal/src/lib.rs anew"
    );
}

#[test]
fn the_templates_make_plugins_whose_manifest_is_in_order() {
    for (kind, expected) in [
        ("sms-provider", Kind::SmsProvider),
        ("user-resolver", Kind::UserResolver),
    ] {
        let made = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(kind);
        fill(&sdk().join("templates").join(kind), &made, "acme-sms");
        let manifest = Manifest::read(&made, "0.1.0").unwrap();
        assert_eq!(
            (manifest.id.as_str(), manifest.kind),
            ("acme-sms", expected)
        );
        assert!(!manifest.vectors.is_empty());
        let cargo = std::fs::read_to_string(made.join("Cargo.toml")).unwrap();
        assert!(
            cargo.contains("name = \"acme-sms\"") && cargo.contains("[workspace]"),
            "{cargo}"
        );
        assert!(
            !std::fs::read_to_string(made.join("README.md"))
                .unwrap()
                .contains("{{"),
            "a placeholder is left"
        );
    }
}

#[test]
fn a_manifest_is_the_same_after_the_way_through_the_component() {
    let made = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("round");
    fill(&sdk().join("templates/sms-provider"), &made, "acme-sms");
    let manifest = Manifest::read(&made, "1.2.3").unwrap();
    assert_eq!(manifest.version, "1.2.3");
    assert_eq!(Manifest::parse(&manifest.to_json()).unwrap(), manifest);
}

#[test]
fn a_manifest_that_no_host_would_take_stops_the_build_with_a_sentence() {
    let head = "kind = \"sms-provider\"\ntitle = \"t\"\ndescription = \"d\"\n";
    for (name, text, told) in [
        ("id", format!("id = \"A b\"\n{head}"), "the id must be"),
        (
            "origin",
            format!("id = \"a\"\norigins = [\"*\"]\n{head}"),
            "origin `*`",
        ),
        (
            "unknown",
            format!("id = \"a\"\nhosts = []\n{head}"),
            "unknown field `hosts`",
        ),
        (
            "twice",
            format!("id = \"a\"\n{head}[[settings]]\nname = \"x\"\n[[settings]]\nname = \"x\"\n"),
            "twice",
        ),
        (
            "default",
            format!(
                "id = \"a\"\n{head}[[settings]]\nname = \"x\"\nsecret = true\ndefault = \"y\"\n"
            ),
            "secret",
        ),
        (
            "choice",
            format!("id = \"a\"\n{head}[[settings]]\nname = \"x\"\nkind = \"choice\"\n"),
            "choices",
        ),
        (
            "base",
            format!("id = \"a\"\norigin_settings = [\"u\"]\n{head}"),
            "origin setting `u`",
        ),
    ] {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join("refused")
            .join(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("plugin.toml"), text).unwrap();
        let error = Manifest::read(&folder, "0.1.0").unwrap_err().to_string();
        assert!(error.contains(told), "{name}: {error}");
    }
}

#[test]
fn the_readme_of_every_plugin_names_all_its_settings() {
    let plugins = std::fs::read_dir(sdk().join("../plugins")).unwrap();
    for folder in plugins
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("plugin.toml").exists())
    {
        let manifest = Manifest::read(&folder, "0.1.0").unwrap();
        let readme = std::fs::read_to_string(folder.join("README.md")).unwrap();
        assert_eq!(
            folder.file_name().unwrap().to_str(),
            Some(manifest.id.as_str())
        );
        for setting in &manifest.settings {
            assert!(
                readme.contains(&format!("| `{}` |", setting.name)),
                "{}: {}",
                manifest.id,
                setting.name
            );
        }
    }
}

/// Copies a template as `postern plugin new` does.
fn fill(from: &Path, to: &Path, name: &str) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fill(&entry.path(), &target, name);
        } else {
            let text = std::fs::read_to_string(entry.path()).unwrap();
            std::fs::write(target, text.replace("{{name}}", name)).unwrap();
        }
    }
}
