//! The program.

use std::process::ExitCode;

fn main() -> ExitCode {
    slothstate::supervisor::entered().unwrap_or_else(slothstate::cli::main)
}
