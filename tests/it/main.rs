//! The real program, as people and scripts have it: one module per subject. `cargo test history` runs the
//! tests of one of them.
//!
//! They are one binary, because linking one per subject takes longer than compiling them. `layers` reads
//! the source.

mod adversarial_replays;
mod bad_input;
mod command_line;
mod configuration;
mod doctor;
mod documentation;
mod endless_trials;
mod etcd;
mod etcd_runs;
mod every_engine;
mod file_accidents;
mod guard;
mod history;
mod killed_runs;
mod layers;
mod lock_command;
mod lock_holders;
mod memory_bombs;
mod output;
mod record_limit;
mod replay;
mod restore;
mod runs;
mod secrets;
mod several_machines;
mod several_processes;
mod sloth_runner_file;
mod sloth_runner_workflows;
mod stacks;
#[path = "../support/mod.rs"]
mod support;
mod transactions;
mod transfer;
mod trial_oracle;
mod tui;
mod types;
mod unlock;
mod values;
mod what_if;
mod workflows;

use std::path::PathBuf;

use self::support::files::{FOLDER, NUMBER, PART};

/// What a `support::files::Worker` runs: this binary, started again as a process of its own.
#[test]
#[ignore = "a part of the other tests, which they start as a process of its own"]
fn worker() {
    let Ok(part) = std::env::var(PART) else { return };
    let folder = PathBuf::from(std::env::var(FOLDER).unwrap());
    let number = std::env::var(NUMBER).unwrap().parse().unwrap();
    match part.as_str() {
        "pairs" => transfer::write_pairs(&folder, number),
        "hold" => tui::hold_a_lock(&folder),
        "set" => sloth_runner_file::set_at_the_start(&folder, number),
        part => several_processes::work(part, folder, number),
    }
}
