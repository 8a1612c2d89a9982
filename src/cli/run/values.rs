//! `run --values FILE`: values for a workflow, in YAML or JSON.

use std::path::Path;

use serde_json::Value as Json;

use crate::cli::CliError;
use crate::input_file::{self, Accept};

/// The largest file that is read, in bytes.
const MAX_SIZE: u64 = 4 << 20;

/// Reads a values file; returns the text of a JSON object.
///
/// # Errors
/// [`CliError::Usage`]: the file cannot be read, or is neither YAML nor JSON with names and values.
pub fn read(file: &Path) -> Result<String, CliError> {
    let failed = |why: String| CliError::Usage(format!("{}: {why}", crate::text::escape::path(file)));
    let bytes = input_file::read(file, Accept::Pipes, MAX_SIZE).map_err(|error| {
        CliError::Usage(format!("cannot read the values {}: {error}", crate::text::escape::path(file)))
    })?;
    let text = String::from_utf8(bytes).map_err(|_| failed("it is not UTF-8 text".into()))?;
    parse(&text).map_err(failed)
}

/// Parses values; returns the text of a JSON object.
fn parse(text: &str) -> Result<String, String> {
    const WANTED: &str = "values are names with what they stand for, such as `branch: main`";
    // What is JSON stays as it is, to the last digit.
    match serde_json::from_str::<Json>(text) {
        Ok(Json::Object(_)) => return Ok(text.to_string()),
        Ok(_) => return Err(WANTED.into()),
        Err(_) => {}
    }
    if text.lines().all(|line| matches!(line.trim_start().chars().next(), None | Some('#'))) {
        return Ok("{}".into());
    }
    let first_line = |text: String| text.lines().next().unwrap_or_default().to_string();
    // As in Sloth Runner, `yes` and `on` are words.
    let options = serde_saphyr::options! { strict_booleans: true };
    match serde_saphyr::from_str_with_options::<Json>(text, options) {
        Ok(Json::Object(fields)) => Ok(Json::Object(fields).to_string()),
        Ok(Json::Null) => Ok("{}".into()),
        Ok(_) => Err(WANTED.into()),
        Err(error) => Err(format!("not YAML: {}", first_line(error.to_string()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_and_json_give_an_object() {
        let cases = [
            ("", "{}"),
            ("# nothing\n\n", "{}"),
            (r#"{"id": 12345678901234567890123, "b": 1.0}"#, r#"{"id": 12345678901234567890123, "b": 1.0}"#),
            ("branch: main\n", r#"{"branch":"main"}"#),
            (
                "a: 1\nb: 1.5\nc: true\nd: yes\ne: '1'\nf: null\n",
                r#"{"a":1,"b":1.5,"c":true,"d":"yes","e":"1","f":null}"#,
            ),
            (
                "servers:\n  - web1\n  - web2\nregion:\n  name: eu\n",
                r#"{"region":{"name":"eu"},"servers":["web1","web2"]}"#,
            ),
            ("text: |\n  one\n  two\n", r#"{"text":"one\ntwo\n"}"#),
            ("base: &base\n  x: 1\nother: *base\n", r#"{"base":{"x":1},"other":{"x":1}}"#),
        ];
        for (text, expected) in cases {
            let expected: Json = serde_json::from_str(expected).unwrap();
            let found = parse(text).map(|text| serde_json::from_str::<Json>(&text).unwrap());
            assert_eq!(found, Ok(expected), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["[1, 2]", "just text", "- a\n- b\n", "7", "a: b: c\n", "\t- x: [", "a: {"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
