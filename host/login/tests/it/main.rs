//! The use cases against a world in memory: what a person, an application or an attacker does, and
//! what comes of it.
#![allow(clippy::unwrap_used)]
#![allow(
    unreachable_pub,
    reason = "the modules of one test binary see each other"
)]

mod account;
mod backup;
mod binding;
mod challenges;
mod federated;
mod guessing;
mod model;
mod parameters;
mod relay;
mod sending;
mod sign_in;
mod sign_on;
mod world;
