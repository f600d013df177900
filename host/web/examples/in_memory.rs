//! The pages and the API over a store in memory and a phone that only prints: to look at the pages
//! in a browser, and to run a property-based tester against the API.
//!
//! `cargo run -p postern-web --example in_memory -- 9543` serves both listeners (9543 and 9544). Sign
//! in as `alice` with `correct horse`; codes appear here. The API's token is printed.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../tests/world/mod.rs"]
mod world;

use postern_web::{Bounds, listener};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() {
    let port: u16 = std::env::args()
        .nth(1)
        .map_or(9543, |text| text.parse().unwrap());
    let world = world::World::at(&format!("http://localhost:{port}"), |factor| {
        factor.capture_number = true;
    })
    .await;
    world.phone.aloud();
    println!(
        "http://localhost:{port}/ and http://localhost:{}/api/v1/openapi.json",
        port + 1
    );
    println!("Authorization: Bearer {}", world::API_TOKEN);
    let public = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let admin = TcpListener::bind(("127.0.0.1", port + 1)).await.unwrap();
    tokio::join!(
        listener::serve(
            public,
            None,
            world.public.clone(),
            Bounds::default(),
            std::future::pending()
        ),
        listener::serve(
            admin,
            None,
            world.admin.clone(),
            Bounds::default(),
            std::future::pending()
        ),
    );
}
