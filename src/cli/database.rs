//! The database options that all commands share.

use std::cell::OnceCell;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use super::{CliError, output};
use crate::config::{Config, Context};
use crate::lua::exec::CommandBounds;
use crate::store::credentials;
use crate::store::secret_keys::Secrets;
use crate::store::{ErrorKind, EtcdAddress, Location, Options, Store, StoreError, open, open_or_create};
use crate::text::duration::parse_duration;
use crate::text::escape::escape;
use crate::tui::TuiError;

/// Under what the help of every command has the options that all commands take, so that those of its
/// own stand together.
pub const COMMON_OPTIONS: &str = "Options of every command";

/// Which database, and how it is opened.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = COMMON_OPTIONS)]
pub struct Database {
    /// The state database, a file or etcd://HOST:2379/PREFIX [env: SLOTHSTATE_DB] [default: ~/.sloth-runner/state.db]
    #[arg(long, value_name = "FILE|URL", global = true)]
    db: Option<PathBuf>,
    /// A database by the name that the configuration gives it
    #[arg(long, value_name = "NAME", global = true, conflicts_with = "db")]
    context: Option<String>,
    /// Look only: nothing is written, whoever asks
    #[arg(long, global = true)]
    read_only: bool,
    /// How long to wait while other processes write
    #[arg(long, value_name = "TIME", global = true, default_value = "10s", value_parser = parse_duration)]
    busy_timeout: Duration,
    /// The folder of the configuration [default: ~/.config/slothstate]
    #[arg(long, value_name = "FOLDER", global = true, env = "SLOTHSTATE_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
    /// Show the values of keys that look like secrets, which are masked otherwise
    #[arg(long, global = true)]
    show_secrets: bool,
    /// Read etcd's password from standard input: the program that starts this one writes it
    #[arg(long, global = true, hide = true)]
    password_stdin: bool,
    #[arg(skip)]
    read: OnceCell<Config>,
}

impl Database {
    pub fn config(&self) -> &Config {
        self.read.get_or_init(|| {
            let config = Config::read(self.config.clone().or_else(Config::usual_folder));
            config.contexts.all().iter().for_each(|context| context.location.mask_password());
            config
        })
    }

    /// Where the database is.
    ///
    /// # Errors
    /// [`CliError::Usage`] for an unknown context, or without a named database and a home directory.
    pub fn location(&self) -> Result<Location, CliError> {
        if let Some(name) = &self.context {
            return Ok(self.context_named(name)?.location.clone());
        }
        let named = match &self.db {
            Some(path) => Some(("--db", path.clone().into_os_string())),
            None => credentials::database().map(|path| ("$SLOTHSTATE_DB", path)),
        };
        match named {
            Some((by, path)) => location_at(by, &path),
            None => directories::BaseDirs::new()
                .map(|folders| Location::File(folders.home_dir().join(".sloth-runner").join("state.db")))
                .ok_or_else(|| {
                    CliError::Usage("there is no home directory: name a database with --db FILE".into())
                }),
        }
    }

    /// The address of etcd in `--db`, if there is one.
    ///
    /// # Errors
    /// [`CliError::Usage`] for what is not a location.
    pub fn etcd(&self) -> Result<Option<EtcdAddress>, CliError> {
        Ok(match self.db.as_ref().map(|db| location_at("--db", db.as_os_str())).transpose()? {
            Some(Location::Etcd(address)) => Some(*address),
            _ => None,
        })
    }

    /// Reads the password that another program of ours hands over.
    ///
    /// # Errors
    /// [`CliError::System`] if standard input cannot be read.
    pub fn receive_password(&self) -> Result<(), CliError> {
        if !self.password_stdin {
            return Ok(());
        }
        let unreadable = |source| CliError::System { what: "standard input".into(), source };
        credentials::receive(std::io::stdin().lock()).map_err(unreadable)
    }

    /// Says that a password in `--db` is seen by others.
    pub fn warn_of_password(&self) {
        let Some(db) = self.db.as_ref().filter(|_| self.context.is_none()) else { return };
        if let Ok(Location::Etcd(address)) = Location::parse(db.as_os_str())
            && address.password.is_some()
        {
            output::print_notice(
                "the password in --db is visible in the list of processes; put it into \
                 $SLOTHSTATE_ETCD_PASSWORD",
            );
        }
    }

    fn context_named(&self, name: &str) -> Result<&Context, CliError> {
        let contexts = &self.config().contexts;
        contexts.named(name).ok_or_else(|| {
            // It may be one whose path cannot be used.
            for problem in &self.config().problems {
                output::print_notice(problem);
            }
            let names: Vec<_> =
                contexts.all().iter().map(|context| escape(context.name.as_bytes())).collect();
            let there = match (names.is_empty(), &self.config().folder) {
                (false, _) => format!("there are {}", names.join(", ")),
                (true, Some(folder)) => {
                    format!("{} names none", crate::text::escape::path(&folder.join("config.toml")))
                }
                (true, None) => "there is no configuration".into(),
            };
            CliError::Usage(format!("there is no context {}: {there}", escape(name.as_bytes())))
        })
    }

    /// If the database was named by a context and its file does not exist, an error that points to the
    /// configuration.
    pub fn with_context_hint(&self, error: CliError) -> CliError {
        let (CliError::Store(missing @ StoreError { kind: ErrorKind::NotFound, .. })
        | CliError::Tui(TuiError::Store(missing @ StoreError { kind: ErrorKind::NotFound, .. }))) = &error
        else {
            return error;
        };
        let location = missing.location();
        let context = self.context.as_ref().and_then(|name| self.config().contexts.named(name));
        match context.filter(|context| location == Some(&context.location)) {
            Some(context) => CliError::NoContext(context.missing()),
            None => error,
        }
    }

    /// The context of the database, whether it was named by context or by path.
    pub fn known(&self) -> Option<&Context> {
        let contexts = &self.config().contexts;
        match &self.context {
            Some(name) => contexts.named(name),
            None if contexts.all().is_empty() => None,
            None => contexts.of_location(&self.location().ok()?),
        }
    }

    pub fn settings(&self) -> Options {
        let read_only = self.read_only || self.known().is_some_and(|context| context.read_only);
        let kinds = self.config().kinds.clone();
        let secrets = self.secrets();
        Options { read_only, busy_limit: self.busy_timeout, kinds, secrets, ..Options::default() }
    }

    /// Which commands the configuration allows to the workflows of this database. One that is not named by a
    /// context has the bounds of all of its contexts.
    pub fn command_bounds(&self) -> CommandBounds {
        let contexts = &self.config().contexts;
        match (&self.context, self.location()) {
            (Some(name), _) => contexts
                .named(name)
                .map_or_else(CommandBounds::default, |it| CommandBounds::default().and_of(it)),
            (None, Ok(location)) => {
                contexts.all_of_location(&location).fold(CommandBounds::default(), CommandBounds::and_of)
            }
            (None, Err(_)) => CommandBounds::default(),
        }
    }

    /// The same bounds, and none allowed if the database is opened read-only.
    pub fn read_only_bounds(&self, bounds: CommandBounds) -> CommandBounds {
        match self.known().filter(|context| context.read_only) {
            _ if self.read_only => bounds.and_none("--read-only"),
            Some(context) => {
                let name = escape(context.name.as_bytes());
                bounds.and_none(format!("context {name} is read-only"))
            }
            None => bounds,
        }
    }

    /// The keys whose values are masked.
    pub fn secrets(&self) -> Secrets {
        if self.show_secrets { Secrets::NONE } else { self.config().secrets.clone() }
    }

    /// Whether `--show-secrets` is given.
    pub fn shows_secrets(&self) -> bool {
        self.show_secrets
    }

    /// Whether this command opens the database read-only.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    pub fn open(&self) -> Result<Box<dyn Store>, CliError> {
        let store = open(&self.location()?, &self.settings())?;
        self.print_notices(&*store);
        Ok(store)
    }

    /// Opens a database that the first write creates if it does not exist.
    pub fn open_or_create(&self) -> Result<Box<dyn Store>, CliError> {
        let store = open_or_create(&self.location()?, &self.settings())?;
        self.print_notices(&*store);
        Ok(store)
    }

    /// Prints the problems of the configuration and the notices of the store.
    fn print_notices(&self, store: &dyn Store) {
        for problem in &self.config().problems {
            output::print_notice(problem);
        }
        print_notices(store);
    }
}

/// The file that a location names; `by` is the option or variable it came from.
pub fn file_at(by: &str, location: &OsStr) -> Result<PathBuf, CliError> {
    match location_at(by, location)? {
        Location::File(path) => Ok(path),
        Location::Etcd(_) => Err(CliError::Usage(format!("{by}: a backup is a file, not a prefix on etcd"))),
    }
}

/// The location that a text names; `by` is the option or variable it came from.
pub fn location_at(by: &str, location: &OsStr) -> Result<Location, CliError> {
    let location =
        Location::parse(location).map_err(|invalid| CliError::Usage(format!("{by}: {invalid}")))?;
    location.mask_password();
    Ok(location)
}

/// Prints the notices of the store, such as that it adopted a file.
pub fn print_notices(store: &dyn Store) {
    for notice in store.take_notices() {
        output::print_notice(output::visible(notice.as_bytes()));
    }
}
