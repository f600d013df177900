//! Budgets: sends by account, number and address; failures by tenant. Spent before any provider call.
