//! The log file of `--log`. It holds no values, and keys only in errors.

use std::path::{Path, PathBuf};

use super::CliError;
use super::database::COMMON_OPTIONS;
use crate::text::masked::masked;

/// Where the log goes, and how much of it there is.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = COMMON_OPTIONS)]
pub struct LogArguments {
    /// Write what the program does to this file, at its end: no values, and keys only in errors
    #[arg(long, value_name = "FILE", global = true, env = "SLOTHSTATE_LOG", hide_env_values = true)]
    log: Option<PathBuf>,
    /// How much of it: error, warn, info, debug, trace
    #[arg(long, value_name = "LEVEL", global = true, env = "SLOTHSTATE_LOG_LEVEL", hide_env_values = true)]
    #[arg(default_value = "info", hide = true)]
    log_level: log::LevelFilter,
}

impl LogArguments {
    /// Starts logging if `--log` is given.
    ///
    /// # Errors
    /// [`CliError::System`] if the file cannot be written.
    pub fn begin(&self) -> Result<(), CliError> {
        let Some(file) = self.log.as_deref().filter(|file| !file.as_os_str().is_empty()) else {
            return Ok(());
        };
        let system = |source| CliError::System { what: crate::text::escape::path(file), source };
        let output = open(file).map_err(system)?;
        let begun = fern::Dispatch::new()
            .level(self.log_level)
            .format(|out, message, record| {
                let now = chrono::Local::now().format("%Y-%m-%dT%H:%M:%S%.6f%:z");
                let text = crate::text::escape::escape(&masked(message.to_string().into_bytes()));
                out.finish(format_args!("{now} {} {:<5} {text}", std::process::id(), record.level()));
            })
            .chain(output)
            .apply();
        // There is one logger a process, and it is begun once.
        begun.map_err(|error| system(std::io::Error::other(error)))?;
        log::info!("slothstate {} begins", env!("CARGO_PKG_VERSION"));
        Ok(())
    }
}

/// Only the owner may read it: an error may name a key.
fn open(file: &Path) -> std::io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(file)
}
