//! `backup`.

use std::path::PathBuf;

use super::database::file_at;
use super::{CliError, Database, output};
use crate::text::escape::escape;

/// Arguments of `backup`.
#[derive(clap::Args, Debug)]
pub struct BackupArguments {
    /// The file to make; one that is there already is never overwritten
    file: PathBuf,
    /// Print the result as a JSON object
    #[arg(long)]
    json: bool,
}

/// Copies a consistent snapshot of the database.
pub fn backup(database: &Database, arguments: &BackupArguments) -> Result<(), CliError> {
    let target = file_at("FILE", arguments.file.as_os_str())?;
    let store = database.open()?;
    let bytes = store.back_up(&target)?;
    let shown = |path: &std::path::Path| path.as_os_str().as_encoded_bytes().to_vec();
    let from = store.location().as_file().map(shown).unwrap_or_default();
    let to = shown(&target);
    if arguments.json {
        let mut object = output::Object::default();
        output::put_text(&mut object, "source", &from);
        output::put_text(&mut object, "file", &to);
        object.insert("bytes", bytes);
        return output::json(&object);
    }
    output::line(format!("copied {} to {}: {bytes} bytes", escape(&from), escape(&to)).as_bytes())
}
