//! `export` and `import`.

mod export;
mod import;
mod plan;
mod source;

pub use self::export::{ExportArguments, export};
pub use self::import::{ImportArguments, import};

/// So many entries: `1 entry`, `2 entries`.
fn entries(number: u64) -> String {
    if number == 1 { "1 entry".into() } else { format!("{number} entries") }
}

/// So many locks.
fn locks(number: u64) -> String {
    if number == 1 { "1 lock".into() } else { format!("{number} locks") }
}

/// So many rows of history.
fn rows_of_history(number: u64) -> String {
    if number == 1 { "1 row of history".into() } else { format!("{number} rows of history") }
}
