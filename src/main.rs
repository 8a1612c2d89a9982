//! The program.

use std::process::ExitCode;

fn main() -> ExitCode {
    slothstate::cli::main()
}
