//! The tests that run on every engine: those of the command line, of Lua, of workflows and of the interface run
//! once more on etcd, each in a prefix of its own.
//!
//! `SLOTHSTATE_TEST_DB=etcd cargo test --test it NAME` runs one of them there by hand.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use crate::support::etcd_node::has_etcd;
use crate::support::files::{ENGINE, PLACES};

/// The modules whose tests run on every engine.
const MODULES: [&str; 16] = [
    "command_line",
    "configuration",
    "guard",
    "history",
    "lock_command",
    "lock_holders",
    "output",
    "replay",
    "runs",
    "secrets",
    "transactions",
    "tui",
    "types",
    "values",
    "what_if",
    "workflows",
];

/// The tests in these modules, or parts of modules, that run on a file alone: they open it with SQLite, name
/// `state.db` or revisions from 1, or test what etcd documents otherwise (history of other programs, parts of
/// what is over 24 changes, backups), or are about the script alone.
const FILE_ONLY: &[&str] = &[
    "command_line::a_reader_that_closes_the_pipe_early_is_no_failure_to_talk_about",
    "command_line::locks_are_shown_beside_keys_used_as_locks",
    "command_line::nothing_is_written_with_read_only",
    "command_line::stats_count",
    "configuration::a_database_has_a_name",
    "configuration::kinds_of_the_configuration_count_wherever_kinds_do",
    "guard::a_lease_that_cannot_be_renewed_ends_the_command_in_time",
    "guard::who_has_the_lock_now_is_named",
    "history::a_change_is_taken_back_unless_somebody_changed_it_since",
    "history::a_file_without_history_says_so",
    "history::a_script_reads_history",
    "history::a_time_means_the_state_at_that_time",
    "history::changes_are_told_as_they_are_committed",
    "history::expiry",
    "history::history_is_kept_as_long_as_it_is_told",
    "history::history_of_a_lock_tells_its_holders",
    "history::history_tells_who_changed_what",
    "history::taking_back_what_is_gone_already_is_no_change",
    "history::the_last_change_by_hand_is_not_one_of_a_workflow",
    "history::the_state_is_read_as_it_was",
    "history::two_states_are_compared",
    "history::undoing_restores_type_and_expiry",
    "history::what_a_script_did_at_once_is_taken_back_at_once",
    "history::what_expired_is_a_difference_before_anybody_removes_it",
    "history::what_the_sqlite3_shell_writes_is_told_as_it_happens",
    "history::what_was_done_together_is_taken_back_together",
    "lock_command::options_win_over_the_environment_and_another_database_is_told_apart",
    "lock_command::the_command_finds_the_lock_its_token_and_the_database",
    "lock_holders::a_holder_hidden_from_other_users_is_not_dead",
    "lock_holders::a_holder_outside_is_not_dead_for_those_inside",
    "lock_holders::a_killed_holder_in_another_namespace_is_elsewhere_until_its_lease_ends",
    "lock_holders::after_a_restart_of_the_machine_the_holders_are_dead",
    "lock_holders::records_of_an_earlier_version_prove_nothing",
    "output::a_negative_answer_stays_one_where_nobody_reads_it",
    "output::a_pipe_that_is_full_keeps_nobody_from_ending_a_command",
    "output::a_pipe_that_nobody_reads_is_a_quiet_end",
    "output::a_reader_that_has_seen_enough_is_a_quiet_end",
    "output::watch_ends_when_a_terminal_takes_no_output",
    "replay::a_long_recording_is_written_bit_by_bit_and_read_in_pieces",
    "replay::a_recording_of_which_a_part_was_removed_says_so",
    "replay::secrets_are_not_stored",
    "runs::an_imported_run_names_its_origin",
    "secrets::no_command_shows_a_secret_unless_it_is_asked_to",
    "secrets::what_is_to_be_imported_elsewhere_is_complete",
    "transactions::a_holder_that_was_stopped_beyond_its_lease_does_not_write",
    "tui::changing::a_busy_database_keeps_the_interface_alive_and_is_waited_for",
    "tui::changing::a_dead_holders_lock_is_cleared",
    "tui::changing::what_is_changed_without_being_recorded_is_shown_all_the_same",
    "tui::configured::a_damaged_note_of_how_databases_were_left_costs_no_other",
    "tui::finding::more_rows_than_can_be_sorted_are_not_and_that_is_said",
    "tui::history::a_long_history_is_read_in_pieces_from_both_ends",
    "tui::history::an_interface_that_may_only_look_removes_nothing",
    "tui::history::every_change_is_seen_as_it_happens_with_what_it_changed_and_who_did_it",
    "tui::history::what_expires_is_removed_while_nobody_writes",
    "tui::looking::read_only_offers_nothing_that_writes_and_writes_nothing",
    "tui::looking::the_cursor_stays_on_its_entry_when_rows_are_put_above_it",
    "tui::looking::what_the_sqlite3_shell_writes_appears",
    "tui::marks::all_that_pass_the_filter_are_deleted_up_to_the_most_that_are_marked",
    "tui::older",
    "tui::overview::every_change_of_the_last_minutes_is_counted",
    "tui::overview::locks_of_the_dead_failed_runs_what_changes_and_what_expires_are_on_one_screen",
    "tui::signalled::a_terminal_that_shows_only_lines_is_refused_with_what_to_use_instead",
    "tui::signalled::mapped_memory_that_is_gone_is_explained",
    "tui::stacks",
    "tui::stories::author_a_workflow_is_run_stepped_through_and_asked_what_if",
    "tui::stories::on_call_a_stuck_lock_is_found_and_cleared_and_whoever_waits_gets_it",
    "tui::stories::release_a_flag_is_flipped_picked_up_and_taken_back",
    "tui::storm::keys_without_sense_end_nothing_and_leave_nothing_behind",
    "tui::storm::thousands_of_changes_a_second_do_not_stand_in_the_way",
    "tui::travel::a_long_list_of_the_past_is_read_in_pieces",
    "tui::travel::all_that_differs_is_marked_and_restored_far_beyond_what_was_read",
    "tui::travel::history_that_was_pruned_is_said_with_the_oldest_moment_left",
    "tui::travel::the_past_is_filtered_read_on_the_whole_screen_and_explained_with_the_keys_of_the_user",
    "tui::values::a_value_of_50_megabytes_is_read_in_pieces",
    "tui::values::bytes_that_are_no_text_are_shown_as_bytes",
    "types::a_value_that_another_program_rewrites_has_no_type",
    "types::triggers_of_an_earlier_version_are_made_again",
    "values::a_revision_without_a_successor_is_explained_and_mended",
    "values::tables_are_the_same_whatever_way_they_go",
    "what_if::the_path_parts_where_the_changed_value_counts",
    "workflows::a_database_that_cannot_be_used_is_told",
    "workflows::functions::names_of_the_state_that_sloth_runner_documents",
    "workflows::long_calls::loops_of_costly_calls_are_stopped_in_time",
    "workflows::many_tasks",
];

fn is_file_only(test: &str) -> bool {
    FILE_ONLY
        .iter()
        .any(|name| test.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::")))
}

/// The names of all tests of this binary in [`MODULES`].
fn tests() -> Vec<String> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let listed = command.args(["--list", "--format", "terse"]).stdin(Stdio::null()).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let names = listed.lines().filter_map(|line| line.strip_suffix(": test"));
    let is_chosen = |name: &&str| MODULES.contains(&name.split("::").next().unwrap_or_default());
    names.filter(is_chosen).map(str::to_owned).collect()
}

#[test]
fn tests_on_a_file_pass_on_etcd() {
    let tests = tests();
    for name in FILE_ONLY {
        assert!(tests.iter().any(|test| test.starts_with(name)), "there is no test {name}");
    }
    if std::env::var_os(ENGINE).is_some() || !has_etcd() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let places = folder.path().join("places");
    let chosen = tests.iter().filter(|test| !is_file_only(test));
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--test-threads=4"])
        .args(chosen)
        .env(ENGINE, "etcd")
        .env(PLACES, &places)
        // Its long rounds are those of the file; etcd has its own.
        .env_remove("SLOTHSTATE_TEST_FULL")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let failures = text.find("\nfailures:\n").map_or("", |at| &text[at..]);
    assert!(
        output.status.success(),
        "with {ENGINE}=etcd: {failures}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // Those that need no database do not count.
    let places = std::fs::read_to_string(places).unwrap();
    let used: BTreeSet<&str> = places.lines().filter(|name| tests.iter().any(|test| test == name)).collect();
    assert!(3 * used.len() >= tests.len(), "only {} of {} tests ran on etcd", used.len(), tests.len());
}
