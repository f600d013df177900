//! Backup codes.

use super::Store;
use super::samples::{NOW, backup_code, subject, unique};
use postern_login::ports::BackupCodeStore;
use tokio::task::JoinSet;

/// C-02
pub async fn a_backup_code_works_once(store: &impl Store) {
    let subject = subject(&unique("alice"));
    let code = backup_code();
    let early = BackupCodeStore::consume(store, &subject, &code, NOW).await;
    assert!(!early.expect("consume"), "no set yet");
    store
        .replace(&subject, &[code.clone(), backup_code()], NOW)
        .await
        .expect("replace");
    assert_eq!(store.remaining(&subject).await.expect("remaining"), 2);
    let wrong = store.consume(&subject, &backup_code(), NOW).await;
    assert!(!wrong.expect("consume"));
    let other = self::subject(&unique("bob"));
    assert!(!store.consume(&other, &code, NOW).await.expect("consume"));
    assert!(store.consume(&subject, &code, NOW).await.expect("consume"));
    assert!(!store.consume(&subject, &code, NOW).await.expect("consume"));
    assert_eq!(store.remaining(&subject).await.expect("remaining"), 1);
}

/// C-03
pub async fn one_of_many_uses_of_a_backup_code_wins(store: &impl Store) {
    let subject = subject(&unique("alice"));
    let code = backup_code();
    let codes = [code.clone()];
    store.replace(&subject, &codes, NOW).await.expect("replace");
    let mut racers = JoinSet::new();
    for _ in 0..16 {
        let (store, subject, code) = (store.clone(), subject.clone(), code.clone());
        racers.spawn(async move { store.consume(&subject, &code, NOW).await.expect("consume") });
    }
    let used = racers.join_all().await.into_iter().filter(|used| *used);
    assert_eq!(used.count(), 1);
    assert_eq!(store.remaining(&subject).await.expect("remaining"), 0);
}

/// C-04
pub async fn different_backup_codes_are_all_consumed(store: &impl Store) {
    let subject = subject(&unique("alice"));
    let codes: Vec<_> = (0..6).map(|_| backup_code()).collect();
    store.replace(&subject, &codes, NOW).await.expect("replace");
    let mut racers = JoinSet::new();
    for code in codes {
        let (store, subject) = (store.clone(), subject.clone());
        racers.spawn(async move { store.consume(&subject, &code, NOW).await.expect("consume") });
    }
    assert!(racers.join_all().await.into_iter().all(|used| used));
    assert_eq!(store.remaining(&subject).await.expect("remaining"), 0);
}

/// C-07
pub async fn new_backup_codes_replace_the_old_ones(store: &impl Store) {
    let subject = subject(&unique("alice"));
    let (old, new) = (backup_code(), backup_code());
    for code in [&old, &new] {
        let codes = [code.clone()];
        store.replace(&subject, &codes, NOW).await.expect("replace");
    }
    assert!(!store.consume(&subject, &old, NOW).await.expect("consume"));
    assert!(store.consume(&subject, &new, NOW).await.expect("consume"));
}
