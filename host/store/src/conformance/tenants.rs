//! Tenants: nothing of one is found in another, and what goes with one that is removed.

use super::Store;
use super::samples::{
    NOW, assert_same, backup_code, challenged, client_of, login, policy, random, session, tenant,
    unique, user,
};
use crate::directory::users::User;
use postern_admin::documents::{Documents, Key, Kind, Put};
use postern_federation::Moment;
use postern_federation::ports::{Parked, Parking, ParkingKey};
use postern_login::ports::{
    AccountRef, Added, ApiClient, ApiClients, Begins, Budget, LoginStore, Payment, Reservation,
    SessionStore, Spending, Subject, TenantRecord,
};
use postern_login::session::Session;
use postern_login::{Login, TenantId};
use postern_otp::BackupCode;
use std::time::Duration;

pub async fn a_tenant_is_kept_until_it_is_removed(store: &impl Store) {
    let mut record = TenantRecord {
        tenant: tenant(&unique("tenant")),
        enabled: true,
        document: None,
        broken: None,
        changed_at: NOW,
    };
    let find = |tenant: TenantId| async move {
        let all = store.tenants().await.expect("list");
        all.into_iter().find(|known| known.tenant == tenant)
    };
    assert!(!store.save_tenant(&record).await.expect("save"));
    let added = store.add_tenant(&record).await.expect("add");
    assert_eq!(added, Added::Added);
    let again = store.add_tenant(&record).await.expect("add");
    assert_eq!(again, Added::NameTaken);
    record.document = Some("brand = \"A\"".to_owned());
    record.enabled = false;
    assert!(store.save_tenant(&record).await.expect("save"));
    assert_eq!(find(record.tenant.clone()).await, Some(record.clone()));
    let removed = store.remove_tenant(&record.tenant).await.expect("remove");
    assert_eq!(removed, Some(0));
    assert_eq!(find(record.tenant.clone()).await, None);
    let removed = store.remove_tenant(&record.tenant).await.expect("remove");
    assert_eq!(removed, None, "it is gone already");
}

/// One row of everything a tenant can have, under names and ids of the caller's choice.
struct Possessions {
    login: Login,
    session: Session,
    subject: Subject,
    account: AccountRef,
    client: ApiClient,
    token: [u8; 32],
    user: User,
    budget: Budget,
    code: BackupCode,
    parked: ParkingKey,
}

impl Possessions {
    async fn made(store: &impl Store, tenant_name: &str, name: &str) -> Self {
        let of = tenant(tenant_name);
        let own = Self {
            login: login(tenant_name, challenged(name)),
            session: Session {
                tenant: of.clone(),
                ..session(name)
            },
            subject: Subject::Account {
                tenant: of.clone(),
                account: name.to_owned(),
            },
            account: AccountRef {
                name: name.to_owned(),
            },
            client: client_of(tenant_name, name),
            token: random(),
            user: user(tenant_name, name),
            budget: Budget {
                key: format!("send-account/{of}/{name}"),
                window: Duration::from_secs(600),
                max: 1,
                begins: Begins::First,
            },
            code: backup_code(),
            parked: ParkingKey::from_entropy(&random()),
        };
        store.insert(&own.login).await.expect("insert");
        SessionStore::open(store, &own.session).await.expect("open");
        let paid = store.pay(&own.subject, &own.login.id, NOW, &policy()).await;
        assert!(matches!(paid.expect("pay"), Payment::Paid(_)));
        store
            .replace(&own.subject, std::slice::from_ref(&own.code), NOW)
            .await
            .expect("replace");
        let spent = store.spend(std::slice::from_ref(&own.budget), NOW).await;
        assert_eq!(spent.expect("spend"), Spending::Granted);
        let added = store.add(&own.client, &own.token).await.expect("add");
        assert_eq!(added, Added::Added);
        let reserved = store.reserve(&own.client, "key", &[1; 32], NOW).await;
        assert_eq!(reserved.expect("reserve"), Reservation::Reserved);
        assert!(store.create_user(&own.user).await.expect("create"));
        let put = Documents::put(store, &document_of(&of, name), None, "{}", NOW).await;
        assert_eq!(put.expect("put"), Put::Written { version: 1 });
        let waits = Parked {
            kind: "trip".to_owned(),
            tenant: tenant_name.to_owned(),
            group: String::new(),
            body: b"{}".to_vec(),
            expires_at: Moment(NOW.0 + 60_000),
        };
        store.park(&own.parked, &waits).await.expect("park");
        own
    }

    fn tenant(&self) -> &TenantId {
        &self.login.tenant
    }

    /// Everything is there, and as it was made.
    async fn assert_whole(&self, store: &impl Store) {
        let of = self.tenant();
        let login = LoginStore::load(store, of, &self.login.id, NOW).await;
        assert_same(&self.login, &login.expect("load").expect("the login"));
        let session = SessionStore::find(store, of, &self.session.id, NOW).await;
        assert!(session.expect("find").is_some());
        let ledger = store.ledger(&self.subject).await.expect("ledger");
        assert_eq!(ledger.in_a_row, 1);
        assert_eq!(store.remaining(&self.subject).await.expect("count"), 1);
        let client = ApiClients::find(store, &self.token).await.expect("find");
        assert_eq!(client.as_ref(), Some(&self.client));
        let again = store.reserve(&self.client, "key", &[1; 32], NOW).await;
        assert_eq!(again.expect("reserve"), Reservation::InProgress);
        let found = store.user(of, "", &self.user.key).await.expect("user");
        assert_eq!(found.map(|user| user.name), Some(self.user.name.clone()));
        let spent = store.spend(std::slice::from_ref(&self.budget), NOW).await;
        assert!(matches!(spent.expect("spend"), Spending::Spent { .. }));
        let kept = Documents::get(store, &document_of(of, &self.account.name)).await;
        assert!(kept.expect("get").is_some());
        let now = Moment(NOW.0);
        let parked = store.parked(of.as_str(), "trip", &self.parked, now).await;
        assert!(parked.expect("look").is_some());
    }

    /// Everything the ports can be asked about these ids, in another tenant's name: nothing is
    /// found, and what is done there changes nothing here.
    async fn assert_absent_in(&self, store: &impl Store, other: &TenantId) {
        let login = LoginStore::load(store, other, &self.login.id, NOW).await;
        assert!(login.expect("load").is_none());
        let closed = store.close_logins_of(other, &self.account, None).await;
        assert_eq!(closed.expect("close"), 0);
        let session = SessionStore::find(store, other, &self.session.id, NOW).await;
        assert!(session.expect("find").is_none());
        SessionStore::close(store, other, &self.session.id)
            .await
            .expect("close");
        let name = &self.account.name;
        let there = Subject::Account {
            tenant: other.clone(),
            account: name.clone(),
        };
        let named = store.close_named(&there, &self.session.name).await;
        assert!(!named.expect("close"));
        assert_eq!(store.close_all_of(&there, None).await.expect("close"), 0);
        let all = store.all_of(&there, NOW).await.expect("list");
        assert!(all.is_empty());
        let ledger = store.ledger(&there).await.expect("ledger");
        assert_eq!(ledger.in_a_row, 0);
        let paid = store.pay(&there, &self.login.id, NOW, &policy()).await;
        assert!(
            matches!(paid.expect("pay"), Payment::Exhausted),
            "another tenant's challenge has no budget here"
        );
        store.clear(&there).await.expect("clear");
        store.unlock(&there).await.expect("unlock");
        assert_eq!(store.remaining(&there).await.expect("count"), 0);
        let used = store.consume(&there, &self.code, NOW).await;
        assert!(!used.expect("consume"));
        let listed = ApiClients::list(store, other).await.expect("list");
        assert!(!listed.contains(&self.client));
        assert!(!store.revoke(other, name).await.expect("revoke"));
        let namesake = client_of(other.as_str(), name);
        store
            .fill(&namesake, "key", "{}")
            .await
            .expect("fill what was never reserved");
        store.release(&namesake, "key").await.expect("release");
        let found = store.user(other, "", &self.user.key).await.expect("user");
        assert!(found.is_none());
        let deleted = store.delete_user(other, "", &self.user.key).await;
        assert!(!deleted.expect("delete"));
        let key = document_of(other, name);
        let kept = Documents::get(store, &key).await.expect("get");
        assert!(kept.is_none());
        assert!(!Documents::remove(store, &key, 1).await.expect("remove"));
        let all = Documents::list(store, other, key.kind).await.expect("list");
        assert!(all.is_empty());
        let now = Moment(NOW.0);
        let looked = store.parked(other.as_str(), "trip", &self.parked, now);
        assert!(looked.await.expect("look").is_none());
        let claimed = Parking::claim(store, other.as_str(), "trip", &self.parked, now).await;
        assert!(claimed.expect("claim").is_none());
    }
}

/// What somebody of a tenant defined under this name.
fn document_of(tenant: &TenantId, name: &str) -> Key {
    Key {
        tenant: tenant.clone(),
        kind: Kind::IdentityProvider,
        name: name.to_owned(),
    }
}

/// random ids of one tenant, asked for in the name of others, over every port.
pub async fn nothing_of_one_tenant_is_found_in_another(store: &impl Store) {
    for _ in 0..8 {
        let (one, other) = (unique("one"), unique("other"));
        // A name that has the other's as its beginning, and one with its separators.
        let near = format!("{one}.more");
        let owner = Possessions::made(store, &one, &unique("alice")).await;
        for stranger in [&other, &near, &format!("x-{one}")] {
            let stranger = tenant(stranger);
            owner.assert_absent_in(store, &stranger).await;
            owner.assert_whole(store).await;
        }
    }
}

pub async fn a_removed_tenant_leaves_nothing_and_the_others_keep_all(store: &impl Store) {
    let one = unique("one");
    let name = format!("al/{one}/ice");
    let removed = Possessions::made(store, &one, &name).await;
    let mut others = Vec::new();
    for neighbour in [unique("other"), format!("{one}.more"), format!("x-{one}")] {
        others.push(Possessions::made(store, &neighbour, &name).await);
    }
    let record = TenantRecord {
        tenant: tenant(&one),
        enabled: true,
        document: None,
        broken: None,
        changed_at: NOW,
    };
    let added = store.add_tenant(&record).await.expect("add");
    assert_eq!(added, Added::Added);
    let rows = store.remove_tenant(&record.tenant).await.expect("remove");
    assert!(rows.is_some_and(|rows| rows >= 8), "{rows:?}");
    removed.assert_absent_in(store, &record.tenant).await;
    let client = ApiClients::find(store, &removed.token).await;
    assert_eq!(client.expect("find"), None, "its token is nobody's");
    let spent = store
        .spend(std::slice::from_ref(&removed.budget), NOW)
        .await
        .expect("spend");
    assert_eq!(spent, Spending::Granted, "its budgets are gone");
    for other in &others {
        other.assert_whole(store).await;
    }
    let rows = store.remove_rows_of(&record.tenant).await.expect("remove");
    assert!(rows >= 1, "the budget that was just spent");
}
