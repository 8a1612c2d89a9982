//! Parses the arguments. Errors of clap repeat arguments, so they are escaped for the terminal.

use std::error::Error as _;
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use clap::error::{ContextKind, ContextValue};

use super::output::visible;
use crate::text::escape::{escape, is_drawable};

/// Parses the arguments of this process; prints help or an error and returns the exit code instead.
pub fn parse<Arguments: Parser>() -> Result<Arguments, ExitCode> {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    Arguments::try_parse_from(&arguments).map_err(|error| {
        let error = drawable(same_mistake::<Arguments>(error, &arguments));
        let code = ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        // Whoever reads no more has what it wanted.
        let _ = print(&error);
        code
    })
}

/// The same error with printable arguments: a message of our own parsers may repeat the value.
fn same_mistake<Arguments: Parser>(error: clap::Error, arguments: &[OsString]) -> clap::Error {
    let escaped: Vec<String> = arguments.iter().map(|argument| escape(argument.as_encoded_bytes())).collect();
    if escaped.iter().zip(arguments).all(|(escaped, argument)| argument.to_str() == Some(escaped)) {
        return error;
    }
    match Arguments::try_parse_from(&escaped) {
        Err(other) if other.kind() == error.kind() => other,
        _ => error,
    }
}

/// The error with all values escaped. A value may also come from the environment.
fn drawable(mut error: clap::Error) -> clap::Error {
    let escaped = |text: &String| escape(text.as_bytes());
    let replaced: Vec<(ContextKind, ContextValue)> = error
        .context()
        .filter_map(|(kind, value)| match value {
            ContextValue::String(text) => Some((kind, ContextValue::String(escaped(text)))),
            ContextValue::Strings(texts) => {
                Some((kind, ContextValue::Strings(texts.iter().map(escaped).collect())))
            }
            _ => None,
        })
        .collect();
    for (kind, value) in replaced {
        error.insert(kind, value);
    }
    error
}

fn print(error: &clap::Error) -> std::io::Result<()> {
    let reason = error.source().map_or_else(String::new, ToString::to_string);
    if reason.chars().all(|character| character == '\n' || is_drawable(character)) {
        return error.print();
    }
    // Without the colours, which are not told from what is in the reason.
    std::io::stderr().write_all(visible(error.render().to_string().as_bytes()).as_bytes())
}
