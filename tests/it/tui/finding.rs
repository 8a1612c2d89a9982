//! Finding: what the filter line asks for, and lists sorted by their columns.

use crate::tui::{ESC, open, place_with, quit, update};

#[test]
fn lists_are_sorted_by_what_their_columns_show_and_stay_sorted() {
    let place = place_with(&[("aa", "5"), ("bb", "70"), ("cc", "-1")]);
    place.done(&["set", "aa", "6"]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("aa");
    terminal.keys(":sort value\r");
    terminal.wait_for("by value ▼");
    // The text comes after the numbers, and first where the greatest does.
    terminal.wait_for_row("zz");
    terminal.keys("j");
    terminal.wait_for_row("bb");
    terminal.keys("S");
    terminal.wait_for("by value ▲");
    terminal.wait_for_row("cc");
    // What changes moves to its place, and the cursor stays on its row.
    update(&place, "aa", "-7");
    terminal.wait_until("aa above cc", |screen| {
        let rows: Vec<String> = screen.rows(0, 80).collect();
        let at = |name: &str| rows.iter().position(|row| row.contains(name) && row.contains("counter"));
        at("aa").is_some() && at("aa") < at("cc")
    });
    terminal.wait_for_row("cc");
    terminal.keys("s");
    terminal.wait_for("by ttl ▲");
    terminal.keys("sssss");
    terminal
        .wait_until("no sort", |screen| screen.rows(0, 80).nth(1).is_some_and(|line| !line.contains(", by")));
    terminal.wait_for_row("aa");
    terminal.keys("6s");
    terminal.wait_for("sort: not");
    quit(&mut terminal);
}

#[test]
fn more_rows_than_can_be_sorted_are_not_and_that_is_said() {
    let place = place_with(&[]);
    let shell = place.connection();
    shell
        .execute_batch(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20100)
             INSERT INTO state (key, value) SELECT printf('k%06d', i), i FROM n",
        )
        .unwrap();
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("k000001");
    terminal.keys(":sort value\r");
    terminal.wait_for("more than 20,000 rows are not sorted");
    terminal.wait_for_row("k000001");
    terminal.keys("/k0000\r");
    terminal.wait_for("1 of 99");
    terminal.keys(":sort value\r");
    terminal.wait_for("by value ▼");
    terminal.wait_for_row("k000099");
    quit(&mut terminal);
}

#[test]
fn the_filter_line_asks_for_more_than_names_and_shows_what_is_wrong() {
    let place = place_with(&[("aa", "two words"), ("bb", "words"), ("cc", "true")]);
    place.done(&["set", "dd", "by hand"]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("aa");
    terminal.keys("/value:\"two words\" | kind:flag");
    terminal.wait_for("of 2");
    terminal.wait_without("›bb");
    terminal.keys(ESC);
    terminal.wait_for("bb");
    terminal.keys("/!actor:external !zz");
    terminal.wait_for("1 of 1");
    terminal.wait_for_row("dd");
    terminal.keys(" type:nothing");
    terminal.wait_for("is none of string, number");
    let marked = terminal.look(|screen| {
        (0..80).filter(|column| screen.cell(1, *column).is_some_and(vt100::Cell::underline)).count()
    });
    assert_eq!(marked, "type:nothing".len());
    terminal.keys(ESC);
    terminal.wait_for("no filter");
    quit(&mut terminal);
}

#[test]
fn a_filter_is_saved_under_a_name_and_chosen_again_in_any_view() {
    let place = place_with(&[("feature:a", "true"), ("feature:b", "false"), ("feature:log", "true")]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("feature:a");
    terminal.keys("F");
    terminal.wait_for("no filter is saved; ctrl-s saves");
    terminal.keys("2/value:true !log\r");
    terminal.wait_for("1 of 1");
    terminal.keys("\x13what is on\r");
    terminal.wait_for("saved filter what is on");
    let file = place.folder().join(".config/slothstate/filters.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("\"what is on\" = { view = \"flags\", filter = \"value:true !log\" }"), "{text}");
    quit(&mut terminal);

    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("feature:a");
    terminal.keys("F");
    terminal.wait_for("Flags  value:true !log");
    terminal.keys("on\r");
    terminal.wait_for("1 of 1");
    terminal.wait_without("feature:b");
    // It is forgotten by its name, and the file says so.
    terminal.keys(":forget-filter what is on\r");
    terminal.wait_for("removed filter what is on");
    assert!(!std::fs::read_to_string(&file).unwrap().contains("what is on"));
    quit(&mut terminal);
}

#[test]
fn filters_that_are_saved_in_quick_succession_are_all_there_after_leaving_at_once() {
    let place = place_with(&[("feature:a", "true")]);
    let mut terminal = open(&place, &[]);
    terminal.wait_for_row("feature:a");
    terminal.keys("/feature\r");
    let names: Vec<String> = (0..12).map(|number| format!("name-{number:02}")).collect();
    let saves: String = names.iter().map(|name| format!("\x13{name}\r")).collect();
    terminal.keys(format!("{saves}q"));
    assert_eq!(terminal.wait_for_end(), 0);
    let folder = place.folder().join(".config/slothstate");
    let text = std::fs::read_to_string(folder.join("filters.toml")).unwrap();
    let missing: Vec<&String> = names.iter().filter(|name| !text.contains(*name)).collect();
    assert!(missing.is_empty(), "{missing:?} in {text}");
    let files = std::fs::read_dir(folder).unwrap().count();
    assert_eq!(files, 1, "nothing is left of the writing");
}

#[test]
fn a_filter_file_with_a_mistake_is_told_and_not_written_over() {
    let place = place_with(&[]);
    let file = place.folder().join(".config/slothstate/filters.toml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "[filters]\nbad = \"ttl:soon\"\nbroken = \n").unwrap();
    let mut terminal = open(&place, &[]);
    terminal.wait_for("filters.toml:");
    terminal.keys("/zz\r");
    terminal.wait_for("1 of 1");
    terminal.keys("\x13mine\r");
    terminal.wait_for("not saved: correct the file, or move it away");
    assert!(std::fs::read_to_string(&file).unwrap().ends_with("broken = \n"));
    quit(&mut terminal);
}
