//! The JSON API, for applications that run their own first step or want a message sent.

pub mod bearer;
pub mod challenges;
pub mod json;
pub mod messages;
pub mod openapi;
pub mod problem;

pub use bearer::{ChallengeCaller, MessageCaller};
pub use json::StrictJson;
pub use problem::Problem;

pub async fn not_found() -> Problem {
    Problem::new(&problem::NOT_FOUND)
}

pub async fn method_not_allowed() -> Problem {
    Problem::new(&problem::METHOD_NOT_ALLOWED)
}
