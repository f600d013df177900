//! The whole host: how people sign in, who administers, plugins, user stores, what survives a crash;
//! and what is checked of the tree itself (`attacks`, `layering`, `behaviour::table`).

#![allow(clippy::unwrap_used, reason = "tests")]

mod attacks;
mod behaviour;
mod browser;
mod canary;
mod conformance;
mod console;
mod crash;
mod directories;
mod entries;
mod guess;
mod hot_swap;
mod import;
mod layering;
mod logs;
mod looks;
mod manifests;
mod outbox;
mod plugin_cli;
mod recipe;
mod reload;
mod resolvers;
mod sign_in;
mod tenants;
mod time;
mod tls;
mod user_stores;
mod worker;

use postern_it::{ALICE, BOB, PASSWORD};
