//! Finds the recording that a command names.

use std::path::Path;
use std::rc::Rc;

use super::{CliError, Database};
use crate::input_file::STANDARD_INPUT;
use crate::store::Store;
use crate::text::escape::escape;
use crate::workflow::recording::{Recording, read_file};

/// The recording of a run in the database, or in a file.
pub(super) fn find(database: &Database, run: &str) -> Result<Recording, CliError> {
    Ok(find_with_store(database, run)?.0)
}

/// Finds a recording; with the store it was found in, unless it is a file.
pub(super) fn find_with_store(
    database: &Database,
    run: &str,
) -> Result<(Recording, Option<Rc<dyn Store>>), CliError> {
    match run.parse::<i64>() {
        Ok(number) => {
            let store: Rc<dyn Store> = Rc::from(database.open()?);
            Ok((Recording::of_store(&store, number)?, Some(store)))
        }
        Err(_) if run == STANDARD_INPUT || Path::new(run).exists() => {
            let failed = |error| CliError::Failed(format!("{}: {error}", escape(run.as_bytes())));
            Ok((read_file(Path::new(run)).map_err(failed)?.0, None))
        }
        Err(_) => Err(CliError::Usage(format!(
            "{} is neither the number of a run nor a file; slothstate runs shows the numbers",
            escape(run.as_bytes())
        ))),
    }
}
