//! OpenLDAP with a password policy and TLS by a CA of its own.
//!
//! Everything below `dc=example,dc=com`: people in `ou=people`, groups in `ou=groups`, and
//! `cn=postern,ou=services`, who may search and write people.

use super::{Server, program, run, wait};
use crate::ports::free_port;
use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Who searches and writes.
pub const SERVICE: &str = "cn=postern,ou=services,dc=example,dc=com";
pub const SERVICE_PASSWORD: &str = "service-secret";
pub const PEOPLE: &str = "ou=people,dc=example,dc=com";
pub const GROUPS: &str = "ou=groups,dc=example,dc=com";
const ROOT: &str = "cn=admin,dc=example,dc=com";
const ROOT_PASSWORD: &str = "root-secret";

/// A running slapd. It ends when this is dropped.
#[derive(Debug)]
pub struct Slapd {
    folder: TempDir,
    port: u16,
    tls_port: u16,
    server: Server,
}

impl Slapd {
    /// With nobody in `ou=people`.
    pub fn start() -> Result<Self> {
        Self::with("")
    }

    /// With further entries, as LDIF. They are loaded as a backup is, so operational attributes such
    /// as `pwdReset` and hashed or clear passwords are taken as they stand.
    pub fn with(entries: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("slapd-").tempdir()?;
        let root = folder.path();
        for name in ["config", "data"] {
            fs::create_dir(root.join(name))?;
        }
        certificates(root)?;
        load(root, 0, &configuration(root))?;
        load(root, 1, &format!("{TREE}\n{entries}\n"))?;
        let (port, tls_port) = (free_port()?, free_port()?);
        let mut slapd = Self {
            server: serve(root, port, tls_port)?,
            folder,
            port,
            tls_port,
        };
        slapd.wait()?;
        Ok(slapd)
    }

    /// For StartTLS, or without TLS.
    pub fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port)
    }

    pub fn tls_url(&self) -> String {
        format!("ldaps://127.0.0.1:{}", self.tls_port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Who signed the server's certificate, PEM.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The server is gone, from one moment to the next.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// It comes back, on the same ports and with the same data.
    pub fn restart(&mut self) -> Result<()> {
        self.server.kill();
        self.server = serve(self.folder.path(), self.port, self.tls_port)?;
        self.wait()
    }

    /// `[user_store.NAME]` for this directory, over TLS. `more` are further lines of it.
    pub fn section(&self, name: &str, more: &str) -> String {
        format!(
            "[user_store.{name}]\nkind = \"ldap\"\nservers = [\"{}\"]\nca_files = [\"{}\"]\n{}{more}\n",
            self.tls_url(),
            self.ca().display(),
            Self::keys()
        )
    }

    /// Who searches, and where: lines of `[user_store.NAME]`.
    pub fn keys() -> String {
        format!(
            "bind_dn = \"{SERVICE}\"\nbind_password = \"{SERVICE_PASSWORD}\"\nbase_dn = \"{PEOPLE}\"\n"
        )
    }

    /// Adds or changes entries: LDIF, with `changetype` where it is no addition.
    pub fn write(&self, ldif: &str) -> Result<()> {
        let url = self.url();
        run(
            Command::new("ldapmodify").args([
                "-a",
                "-x",
                "-H",
                &url,
                "-D",
                ROOT,
                "-w",
                ROOT_PASSWORD,
            ]),
            ldif,
        )
        .map(drop)
    }

    /// The values of an attribute of an entry, as the directory has them.
    pub fn read(&self, entry: &str, attribute: &str) -> Result<Vec<String>> {
        let url = self.url();
        let said = run(
            Command::new("ldapsearch").args([
                "-x",
                "-LLL",
                "-o",
                "ldif-wrap=no",
                "-H",
                &url,
                "-D",
                ROOT,
                "-w",
                ROOT_PASSWORD,
                "-s",
                "base",
                "-b",
                entry,
                attribute,
            ]),
            "",
        )?;
        let prefix = format!("{attribute}: ");
        Ok(said
            .lines()
            .filter_map(|line| line.strip_prefix(&prefix))
            .map(str::to_owned)
            .collect())
    }

    fn wait(&mut self) -> Result<()> {
        let port = self.tls_port;
        wait("slapd", &mut self.server, || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        })
    }
}

/// A person as LDIF; the password is stored as it stands.
pub fn person(name: &str, password: &str, more: &str) -> String {
    format!(
        "dn: uid={name},{PEOPLE}\nobjectClass: inetOrgPerson\nuid: {name}\ncn: {name}\nsn: {name}\nuserPassword: {password}\n{}\n\n",
        more.trim()
    )
}

fn serve(root: &Path, port: u16, tls_port: u16) -> Result<Server> {
    let doors = format!("ldap://127.0.0.1:{port} ldaps://127.0.0.1:{tls_port}");
    let log = fs::File::create(root.join("slapd.log"))?;
    // In the foreground: the process is this test's.
    let child = Command::new(program("slapd"))
        .args(["-d", "0", "-F"])
        .arg(root.join("config"))
        .args(["-h", &doors])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()?;
    Ok(Server(child))
}

fn load(root: &Path, database: u8, ldif: &str) -> Result<()> {
    run(
        Command::new(program("slapadd"))
            .arg("-F")
            .arg(root.join("config"))
            .args(["-n", &database.to_string()]),
        ldif,
    )
    .map(drop)
}

/// A CA and a leaf: clients refuse a certificate that is its own authority.
fn certificates(root: &Path) -> Result<()> {
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?
        .signed_by(&key, &ca)?;
    fs::write(root.join("ca.pem"), ca.pem())?;
    fs::write(root.join("leaf.pem"), leaf.pem())?;
    fs::write(root.join("leaf.key"), key.serialize_pem())?;
    Ok(())
}

fn configuration(root: &Path) -> String {
    let root = root.display();
    format!(
        "dn: cn=config
objectClass: olcGlobal
cn: config
olcTLSCACertificateFile: {root}/ca.pem
olcTLSCertificateFile: {root}/leaf.pem
olcTLSCertificateKeyFile: {root}/leaf.key
olcTLSVerifyClient: never

dn: cn=module{{0}},cn=config
objectClass: olcModuleList
cn: module{{0}}
olcModulePath: /usr/lib/ldap
olcModuleLoad: back_mdb
olcModuleLoad: ppolicy

dn: cn=schema,cn=config
objectClass: olcSchemaConfig
cn: schema

include: file:///etc/ldap/schema/core.ldif

include: file:///etc/ldap/schema/cosine.ldif

include: file:///etc/ldap/schema/inetorgperson.ldif

dn: olcDatabase={{-1}}frontend,cn=config
objectClass: olcDatabaseConfig
objectClass: olcFrontendConfig
olcDatabase: {{-1}}frontend
olcSizeLimit: 500

dn: olcDatabase={{0}}config,cn=config
objectClass: olcDatabaseConfig
olcDatabase: {{0}}config
olcAccess: to * by * none

dn: olcDatabase={{1}}mdb,cn=config
objectClass: olcDatabaseConfig
objectClass: olcMdbConfig
olcDatabase: {{1}}mdb
olcSuffix: dc=example,dc=com
olcRootDN: {ROOT}
olcRootPW: {ROOT_PASSWORD}
olcDbDirectory: {root}/data
olcDbIndex: objectClass eq
olcDbIndex: uid eq
olcDbIndex: mail eq
olcDbIndex: member eq
olcDbNoSync: TRUE
olcLimits: dn.exact=\"{SERVICE}\" size.soft=500 size.hard=500 size.prtotal=unlimited
olcAccess: to attrs=userPassword by dn.exact=\"{SERVICE}\" write by self write by anonymous auth by * none
olcAccess: to dn.subtree=\"{PEOPLE}\" by dn.exact=\"{SERVICE}\" write by self read by * none
olcAccess: to * by dn.exact=\"{SERVICE}\" read by * none

dn: olcOverlay={{0}}ppolicy,olcDatabase={{1}}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcPPolicyConfig
olcOverlay: {{0}}ppolicy
olcPPolicyDefault: cn=default,ou=policies,dc=example,dc=com
olcPPolicyUseLockout: TRUE
olcPPolicyHashCleartext: TRUE
"
    )
}

/// What is there in any case. The policy `strict` locks after three wrong passwords and lets one
/// expire after a minute; a person gets it by `pwdPolicySubentry`.
const TREE: &str = "dn: dc=example,dc=com
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: ou=people,dc=example,dc=com
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=example,dc=com
objectClass: organizationalUnit
ou: groups

dn: ou=services,dc=example,dc=com
objectClass: organizationalUnit
ou: services

dn: ou=policies,dc=example,dc=com
objectClass: organizationalUnit
ou: policies

dn: cn=postern,ou=services,dc=example,dc=com
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: postern
userPassword: service-secret

dn: cn=default,ou=policies,dc=example,dc=com
objectClass: organizationalRole
objectClass: pwdPolicy
cn: default
pwdAttribute: userPassword
pwdLockout: TRUE
pwdMaxFailure: 100
pwdMustChange: FALSE

dn: cn=strict,ou=policies,dc=example,dc=com
objectClass: organizationalRole
objectClass: pwdPolicy
cn: strict
pwdAttribute: userPassword
pwdLockout: TRUE
pwdMaxFailure: 3
pwdMaxAge: 60
pwdMinLength: 10
pwdCheckQuality: 2
pwdMustChange: TRUE
";
