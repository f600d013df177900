//! Turns plugin.toml and vectors/ into the manifest the component carries.

fn main() {
    postern_sdk::manifest::build();
}
