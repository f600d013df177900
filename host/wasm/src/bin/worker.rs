//! The worker alone, for the tests of this crate; `postern plugin-worker` is the same call.

use std::process::ExitCode;

fn main() -> ExitCode {
    postern_wasm::worker::main(std::env::args_os().skip(1))
}
