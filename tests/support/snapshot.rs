//! Pictures and texts that are kept in `tests/snapshots`, one folder per subject.

/// Compares a text with the one in `tests/snapshots/FOLDER/NAME.snap`.
///
/// `cargo insta review`, or `INSTA_UPDATE=always`, accepts a new one.
#[track_caller]
pub fn assert_snapshot(folder: &str, name: &str, text: impl ToString) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(format!("{}/tests/snapshots/{folder}", env!("CARGO_MANIFEST_DIR")));
    settings.set_prepend_module_to_snapshot(false);
    // They would name this function instead of the test.
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text.to_string()));
}
