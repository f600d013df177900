//! The whole host, driven as a browser, a phone, an operator and an attacker would drive it.
//!
//! One binary, a module for each question. Everything runs on loopback at free ports; nothing waits
//! for a clock, and no test needs another.

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
mod federated;
mod guess;
mod hot_swap;
mod import;
mod layering;
mod logs;
mod looks;
mod manifests;
mod openid;
mod outbox;
mod plugin_cli;
mod recipe;
mod reload;
mod resolvers;
mod saml;
mod saml_applications;
mod saml_logout;
mod saml_metadata;
mod saml_participant;
mod saml_partner;
mod saml_tenants;
mod saml_tenants_logout;
mod sample_application;
mod scim;
mod sign_in;
mod tenants;
mod time;
mod tls;
mod user_stores;
mod worker;

/// A password of the test people.
const PASSWORD: &str = "correct horse battery";
/// Numbers nobody has (+1 202 555 0100 to 0199).
const ALICE: &str = "+12025550142";
const BOB: &str = "+12025550143";
