//! What the machine must have, and how it gets it.

use crate::processes;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// The root of the source tree.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("tests/xtask is two folders deep")
        .to_owned()
}

/// Where cargo builds: this program lies in `<target>/<profile>/`.
pub(crate) fn target_folder() -> Result<PathBuf> {
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    Ok(program
        .ancestors()
        .nth(2)
        .context("this program is not in cargo's target folder")?
        .to_owned())
}

/// Plugins are built for WebAssembly; rustup brings the target in a few seconds.
pub(crate) fn wasm_target() -> Result<()> {
    let sysroot = Command::new("rustc")
        .args(["--print", "sysroot"])
        .output()
        .context("cannot run rustc")?;
    let sysroot = PathBuf::from(String::from_utf8_lossy(&sysroot.stdout).trim());
    if sysroot
        .join("lib/rustlib")
        .join(WASM_TARGET)
        .join("lib")
        .is_dir()
    {
        return Ok(());
    }
    let added = processes::run(
        &format!("adding the target {WASM_TARGET}"),
        Command::new("rustup").args(["target", "add", WASM_TARGET]),
    );
    added.with_context(|| {
        format!("plugins need the target {WASM_TARGET}: run `rustup target add {WASM_TARGET}`")
    })
}

/// The formatter and the lints, which a minimal toolchain lacks.
pub(crate) fn components() -> Result<()> {
    for (command, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        let asked = processes::cargo()
            .args([command, "--version"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !asked.is_ok_and(|status| status.success()) {
            processes::run(
                &format!("adding {component}"),
                Command::new("rustup").args(["component", "add", component]),
            )?;
        }
    }
    Ok(())
}

/// A browser and its driver, for the tests that use Postern as a person does.
pub(crate) fn browser() -> Result<()> {
    packages(&[
        ("chromium", "chromium"),
        ("chromedriver", "chromium-driver"),
    ])
}

/// The judges of what SAML says: another library for XML signatures, and the schemas of OASIS.
pub(crate) fn saml_judges() -> Result<()> {
    packages(&[("xmlsec1", "xmlsec1"), ("xmllint", "libxml2-utils")])?;
    let schemas = [
        ("/usr/share/xml/opensaml", "opensaml-schemas"),
        ("/usr/share/xml/xmltooling", "xmltooling-schemas"),
    ];
    let missing: Vec<(&str, &str)> = schemas
        .into_iter()
        .filter(|(folder, _)| !Path::new(folder).is_dir())
        .collect();
    packages(&missing)
}

/// Programs of another ecosystem that speak with a host in the tests: `tests/peers/NAME` with a
/// `package.json`, whose packages go to `target/peers/NAME`, by the lock file.
pub(crate) fn node_peers() -> Result<()> {
    packages(&[("node", "nodejs"), ("npm", "npm")])?;
    for entry in std::fs::read_dir(workspace().join("tests/peers"))? {
        let source = entry?.path();
        let manifest = source.join("package.json");
        let Some(name) = source.file_name().filter(|_| manifest.is_file()) else {
            continue;
        };
        let folder = target_folder()?.join("peers").join(name);
        let lock = "package-lock.json";
        let same = std::fs::read(source.join(lock)).ok() == std::fs::read(folder.join(lock)).ok();
        if same && folder.join("node_modules").is_dir() {
            continue;
        }
        std::fs::create_dir_all(&folder)?;
        std::fs::copy(&manifest, folder.join("package.json"))?;
        std::fs::copy(source.join(lock), folder.join(lock))?;
        processes::run(
            &format!("installing the packages of {}", name.display()),
            Command::new("npm")
                .args(["ci", "--no-audit", "--no-fund", "--silent"])
                .current_dir(&folder),
        )?;
    }
    Ok(())
}

/// The programs of servers that tests start themselves, each in a folder of its own. What the
/// packages start of their own accord is neither needed nor touched.
pub(crate) fn peers() -> Result<()> {
    packages(&[
        ("/usr/sbin/slapd", "slapd"),
        ("ldapmodify", "ldap-utils"),
        ("psql", "postgresql"),
        ("/usr/lib/postgresql", "postgresql"),
    ])
}

/// What tests watch and disturb a program's system calls with.
pub(crate) fn strace() -> Result<()> {
    packages(&[("strace", "strace")])
}

/// A Python environment with the API tester in it. Gives its `schemathesis` program.
pub(crate) fn schemathesis() -> Result<PathBuf> {
    let venv = target_folder()?.join("python");
    let program = venv.join("bin/schemathesis");
    if program.is_file() {
        return Ok(program);
    }
    python_environment(&venv)?;
    processes::run(
        "installing schemathesis, the API tester",
        Command::new(venv.join("bin/pip")).args(["install", "--quiet", "schemathesis==4.*"]),
    )?;
    Ok(program)
}

fn python_environment(venv: &Path) -> Result<()> {
    let made = Command::new("python3")
        .args(["-m", "venv"])
        .arg(venv)
        .stdout(Stdio::null())
        .status();
    if !made.is_ok_and(|status| status.success()) {
        packages(&[
            ("python3", "python3"),
            (
                "/usr/lib/python3/dist-packages/venv-missing",
                "python3-venv",
            ),
        ])?;
        processes::run(
            "making a Python environment",
            Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(venv),
        )?;
    }
    Ok(())
}

/// The same for programs in Python: `tests/peers/NAME` with a `requirements.txt`.
pub(crate) fn python_peers() -> Result<()> {
    for entry in std::fs::read_dir(workspace().join("tests/peers"))? {
        let source = entry?.path();
        let requirements = source.join("requirements.txt");
        let Some(name) = source.file_name().filter(|_| requirements.is_file()) else {
            continue;
        };
        let folder = target_folder()?.join("peers").join(name);
        let (venv, done) = (folder.join("venv"), folder.join("requirements.txt"));
        if std::fs::read(&requirements).ok() == std::fs::read(&done).ok() {
            continue;
        }
        python_environment(&venv)?;
        processes::run(
            &format!("installing the packages of {}", name.display()),
            Command::new(venv.join("bin/pip"))
                .args(["install", "--quiet", "-r"])
                .arg(&requirements),
        )?;
        std::fs::copy(&requirements, done)?;
    }
    Ok(())
}

/// Installs what is missing where that is allowed, and otherwise names the command.
fn packages(wanted: &[(&str, &str)]) -> Result<()> {
    let mut missing: Vec<&str> = wanted
        .iter()
        .filter(|(program, _)| !there(program))
        .map(|(_, package)| *package)
        .collect();
    missing.dedup();
    if missing.is_empty() {
        return Ok(());
    }
    let command = format!("apt-get install -y {}", missing.join(" "));
    if !is_root() || !on_path("apt-get") {
        bail!(
            "the tests need {}: run `sudo {command}`, then this again",
            missing.join(" and ")
        );
    }
    processes::run(
        "fetching the list of system packages",
        quiet("apt-get").args(["update", "-qq"]),
    )?;
    processes::run(
        &format!("installing {}", missing.join(" and ")),
        quiet("apt-get")
            .args(["install", "-y", "-qq"])
            .args(&missing),
    )
}

fn quiet(program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdout(Stdio::null());
    command
}

/// A program on the path, or a file or folder by its whole name.
fn there(program: &str) -> bool {
    if program.starts_with('/') {
        Path::new(program).exists()
    } else {
        on_path(program)
    }
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout == b"0\n")
}
