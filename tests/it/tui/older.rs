//! A file of Sloth Runner's older generation on the screen.

use crate::support::files::Place;
use crate::support::older_file;
use crate::tui::{ESC, open, quit};

#[test]
fn an_older_file_is_looked_through_live_and_not_changed() {
    let place = Place::new();
    let runner = place.connection();
    older_file::fill(&runner);
    drop(runner);
    let before = std::fs::read(place.db()).unwrap();
    for arguments in [&[][..], &["--read-only"]] {
        let mut terminal = open(&place, arguments);
        terminal.wait_for("1 of 8");
        terminal.wait_for("read only");
        terminal.wait_for_row("config");
        terminal.wait_for("\"replicas\": 3");
        terminal.wait_without("gone_a");
        terminal.keys("/dark");
        terminal.wait_for_row("feature_dark_mode");
        terminal.keys(ESC);
        terminal.wait_for("deploy_count");
        terminal.keys("4");
        terminal.wait_for("runner-1");
        terminal.keys("5");
        terminal.wait_for("lease_a");
        terminal.keys("a");
        terminal.wait_for(if arguments.is_empty() { "import" } else { "looking only" });
        quit(&mut terminal);
    }
    assert_eq!(std::fs::read(place.db()).unwrap(), before);
    let mut terminal = open(&place, &[]);
    terminal.wait_for("1 of 8");
    place
        .connection()
        .execute("UPDATE state_data SET value = 'by sloth runner' WHERE key = 'config'", [])
        .unwrap();
    terminal.wait_for_row("by sloth runner");
    quit(&mut terminal);
}
