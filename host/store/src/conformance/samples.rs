//! What the checks are made of.

use super::Store;
use crate::directory::users::User;
use postern_federation::Moment;
use postern_federation::ports::{Parked, ParkingKey};
use postern_login::application::Application;
use postern_login::login::{
    Authenticated, Challenge, Challenged, FirstFactor, Identified, NumberWanted, Origin, Purpose,
    SecondFactor, Started, StopReason, Stopped, Who,
};
use postern_login::ports::{AccountRef, ApiClient, Begins, Budget, Scope, Subject};
use postern_login::session::{Session, SessionId};
use postern_login::{Login, LoginId, State, TenantId};
use postern_otp::lock::Standing;
use postern_otp::{AttemptPolicy, BackupCode, PhoneNumber, Timestamp};
use std::time::Duration;

pub(super) const NOW: Timestamp = Timestamp(1_800_000_000_000);

pub(super) fn policy() -> AttemptPolicy {
    AttemptPolicy {
        attempts_max: 5,
        failures_max: 10,
        failure_window: Duration::from_secs(3600),
        lock_first: Duration::from_secs(15 * 60),
        lock_max: Duration::from_secs(24 * 3600),
        failures_in_a_row_max: 100,
        backup_tries_when_locked: 5,
    }
}

/// Fails until the subject is locked.
pub(super) async fn lock(store: &impl Store, subject: &Subject) {
    for _ in 0..3 {
        let login = login(subject.tenant().as_str(), challenged("alice"));
        store.insert(&login).await.expect("insert");
        for _ in 0..5 {
            let payment = store.pay(subject, &login.id, NOW, &policy()).await;
            drop(payment.expect("pay"));
        }
    }
    let ledger = store.ledger(subject).await.expect("ledger");
    assert!(matches!(ledger.standing(NOW), Standing::Locked { .. }));
}

pub(super) const MOMENT: Moment = Moment(NOW.0);

pub(super) fn parking_key() -> ParkingKey {
    ParkingKey::from_entropy(&random())
}

pub(super) fn parked(kind: &str, group: &str) -> Parked {
    Parked {
        kind: kind.into(),
        tenant: "t1.example".into(),
        group: group.into(),
        body: b"whatever waits".to_vec(),
        expires_at: MOMENT.plus(Duration::from_secs(900)),
    }
}

pub(super) fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("random bytes");
    bytes
}

pub(super) fn unique(name: &str) -> String {
    format!("{name}-{}", hex::encode(&random()[..8]))
}

pub(super) fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).expect("a tenant's name")
}

pub(super) fn login_id() -> LoginId {
    LoginId::parse(&hex::encode(random())[..43]).expect("43 characters")
}

pub(super) fn login(tenant: &str, state: State) -> Login {
    Login {
        id: login_id(),
        name: "k3x9".into(),
        version: 1,
        tenant: self::tenant(tenant),
        origin: Origin::Browser {
            return_to: "saml:parked-17".into(),
        },
        application: Application::account_page(),
        purpose: Purpose::Login,
        locale: "en".into(),
        created_at: NOW,
        expires_at: NOW.plus(Duration::from_secs(15 * 60)),
        state,
    }
}

pub(super) fn started() -> State {
    State::Started(Started::default())
}

pub(super) fn identified(name: &str) -> State {
    State::Identified(Identified {
        who: who(name),
        at: NOW,
    })
}

pub(super) fn number_wanted(name: &str) -> State {
    State::NumberWanted(NumberWanted {
        who: who(name),
        keep: true,
        notice: None,
    })
}

pub(super) fn authenticated(name: &str, second: SecondFactor) -> State {
    State::Authenticated(Authenticated {
        who: who(name),
        second,
        at: NOW,
    })
}

/// Its factor was, and a backup code is asked for instead.
pub(super) fn locked(name: &str) -> State {
    let until = NOW.plus(Duration::from_secs(15 * 60));
    State::Stopped(Stopped {
        reason: StopReason::Locked { until },
        who: Some(who(name)),
    })
}

pub(super) fn challenged(name: &str) -> State {
    State::Challenged(Challenged {
        who: who(name),
        challenge: Challenge::Sending {
            requested: postern_otp::Requested::new(number()),
            since: NOW,
        },
        pending_number: None,
        shown: Some("***4567".into()),
        attempts_left: 5,
        app_hash: None,
        notice: None,
    })
}

pub(super) fn who(name: &str) -> Who {
    Who {
        subject: subject(name),
        account: Some(AccountRef { name: name.into() }),
        display: name.into(),
        first: FirstFactor::Password,
        attributes: Vec::new(),
    }
}

pub(super) fn number() -> PhoneNumber {
    PhoneNumber::parse("+94771234567", None).expect("a mobile number")
}

pub(super) fn subject(account: &str) -> Subject {
    Subject::Account {
        tenant: tenant("t1.example"),
        account: account.into(),
    }
}

pub(super) fn backup_code() -> BackupCode {
    BackupCode::from_entropy(&random()).expect("32 bytes are enough")
}

pub(super) fn session(account: &str) -> Session {
    Session {
        id: SessionId::parse(login_id().as_str()).expect("43 characters"),
        name: unique("s"),
        tenant: tenant("t1.example"),
        account: account.into(),
        has_local_account: true,
        display: account.into(),
        first: FirstFactor::Federated {
            identity_provider: "idp".into(),
        },
        second: SecondFactor::Sms { number: number() },
        authenticated_at: NOW,
        expires_at: NOW.plus(Duration::from_secs(8 * 3600)),
        user_agent: "a browser".into(),
        address: "192.0.2.7".into(),
        locale: "de".into(),
        attributes: vec![("email".into(), "a@b.example".into())],
    }
}

pub(super) fn client_of(tenant: &str, name: &str) -> ApiClient {
    ApiClient {
        name: name.into(),
        tenant: self::tenant(tenant),
        created_at: NOW,
        scopes: Scope::ALL.to_vec(),
    }
}

pub(super) fn budget(key: &str, max: u32) -> Budget {
    Budget {
        key: key.into(),
        window: Duration::from_secs(600),
        max,
        begins: Begins::First,
    }
}

pub(super) fn user(tenant: &str, name: &str) -> User {
    User {
        tenant: self::tenant(tenant),
        domain: String::new(),
        key: name.into(),
        looks: name.into(),
        name: name.into(),
        display_name: None,
        number: None,
        opted_out: false,
        locked: false,
        had_factor: false,
        password: None,
        claims: Vec::new(),
    }
}

/// Logins have no `==`; what they print is all of them but the id, which the caller chose.
#[track_caller]
pub(super) fn assert_same(expected: &Login, found: &Login) {
    assert_eq!(expected.id, found.id);
    assert_eq!(format!("{expected:?}"), format!("{found:?}"));
}
