//! `export` and `import`.

mod export;
mod import;
mod plan;
mod source;

pub use self::export::{ExportArguments, export};
pub use self::import::{ImportArguments, import};

/// `1 entry`, `2 entries`.
fn entries(number: u64) -> String {
    if number == 1 { "1 entry".into() } else { format!("{number} entries") }
}

/// `1 lock`, `2 locks`.
fn locks(number: u64) -> String {
    if number == 1 { "1 lock".into() } else { format!("{number} locks") }
}

/// `1 row of history`, `2 rows of history`.
fn rows_of_history(number: u64) -> String {
    if number == 1 { "1 row of history".into() } else { format!("{number} rows of history") }
}
