//! Clients of the JSON API.

use super::Store;
use super::samples::{client_of, random, unique};
use postern_login::ports::{Added, ApiClient, ApiClients, Scope};

pub async fn a_client_is_found_by_its_token_until_revoked(store: &impl Store) {
    let client = ApiClient {
        scopes: vec![Scope::Messages],
        ..client_of("t1.example", &unique("shop"))
    };
    let (token, other) = (random(), random());
    let find =
        |token: [u8; 32]| async move { ApiClients::find(store, &token).await.expect("find") };
    assert_eq!(find(token).await, None);
    let added = store.add(&client, &token).await.expect("add");
    assert_eq!(added, Added::Added);
    let again = store.add(&client, &other).await.expect("add");
    assert_eq!(again, Added::NameTaken);
    assert_eq!(find(token).await, Some(client.clone()));
    assert_eq!(find(other).await, None);
    let namesake = client_of("t2.example", &client.name);
    let added = store.add(&namesake, &other).await.expect("add");
    assert_eq!(added, Added::Added, "a name is its tenant's own");
    let listed = ApiClients::list(store, &client.tenant).await.expect("list");
    assert!(listed.contains(&client) && !listed.contains(&namesake));
    assert!(
        store
            .revoke(&client.tenant, &client.name)
            .await
            .expect("revoke")
    );
    assert!(
        !store
            .revoke(&client.tenant, &client.name)
            .await
            .expect("revoke")
    );
    assert_eq!(find(token).await, None);
    assert_eq!(find(other).await, Some(namesake));
}
