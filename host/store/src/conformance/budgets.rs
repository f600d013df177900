//! Budgets of sendings and tries.

use super::Store;
use super::samples::{NOW, budget, unique};
use postern_login::ports::{Begins, Budget, Spending};
use postern_otp::Timestamp;
use tokio::task::JoinSet;

pub async fn a_budget_is_spent_and_comes_back(store: &impl Store) {
    let budget = [budget(&unique("sends"), 2)];
    let spend = |now| store.spend(&budget, now);
    let later = Timestamp(NOW.0 + 1000);
    let end = NOW.plus(budget[0].window);
    assert_eq!(spend(NOW).await.expect("spend"), Spending::Granted);
    assert_eq!(spend(later).await.expect("spend"), Spending::Granted);
    let spent = Spending::Spent { index: 0, at: end };
    assert_eq!(spend(later).await.expect("spend"), spent);
    let just_before = Timestamp(end.0 - 1);
    assert_eq!(spend(just_before).await.expect("spend"), spent);
    assert_eq!(spend(end).await.expect("spend"), Spending::Granted);
    assert_eq!(spend(end).await.expect("spend"), Spending::Granted);
    let again = spend(end).await.expect("spend");
    assert!(matches!(again, Spending::Spent { .. }));
    let none = [self::budget(&unique("never"), 0)];
    let none = store.spend(&none, NOW).await.expect("spend");
    assert!(matches!(none, Spending::Spent { index: 0, .. }));
}

pub async fn a_budget_may_be_counted_from_the_last_spending(store: &impl Store) {
    let budget = [Budget {
        begins: Begins::Last,
        ..budget(&unique("sends"), 2)
    }];
    let spend = |now| store.spend(&budget, now);
    let second = Timestamp(NOW.0 + 500_000);
    assert_eq!(spend(NOW).await.expect("spend"), Spending::Granted);
    assert_eq!(spend(second).await.expect("spend"), Spending::Granted);
    let end = second.plus(budget[0].window);
    let spent = Spending::Spent { index: 0, at: end };
    let first_end = NOW.plus(budget[0].window);
    assert_eq!(spend(first_end).await.expect("spend"), spent);
    // What was refused is no spending: it puts the end off no further.
    let just_before = Timestamp(end.0 - 1);
    assert_eq!(spend(just_before).await.expect("spend"), spent);
    assert_eq!(spend(end).await.expect("spend"), Spending::Granted);
    assert_eq!(spend(end).await.expect("spend"), Spending::Granted);
    let again = spend(end).await.expect("spend");
    assert!(matches!(again, Spending::Spent { .. }));
}

pub async fn budgets_are_spent_all_or_none(store: &impl Store) {
    let (wide, narrow) = (budget(&unique("wide"), 3), budget(&unique("narrow"), 1));
    let both = [wide.clone(), narrow];
    let spend = |budgets: Vec<Budget>| async move { store.spend(&budgets, NOW).await };
    let first = spend(both.to_vec()).await.expect("spend");
    assert_eq!(first, Spending::Granted);
    for _ in 0..3 {
        let refused = spend(both.to_vec()).await.expect("spend");
        assert!(matches!(refused, Spending::Spent { index: 1, .. }));
    }
    for _ in 0..2 {
        let alone = spend(vec![wide.clone()]).await.expect("spend");
        assert_eq!(alone, Spending::Granted, "the refused ones cost nothing");
    }
    let over = spend(vec![wide]).await.expect("spend");
    assert!(matches!(over, Spending::Spent { index: 0, .. }));
    assert_eq!(spend(vec![]).await.expect("spend"), Spending::Granted);
}

pub async fn a_race_spends_no_more_than_the_budget(store: &impl Store) {
    let budgets = vec![budget(&unique("wide"), 100), budget(&unique("narrow"), 7)];
    let mut racers = JoinSet::new();
    for _ in 0..200 {
        let (store, budgets) = (store.clone(), budgets.clone());
        racers.spawn(async move { store.spend(&budgets, NOW).await.expect("spend") });
    }
    let outcomes = racers.join_all().await;
    let granted = outcomes.iter().filter(|o| **o == Spending::Granted);
    assert_eq!(granted.count(), 7);
}
