//! The password of etcd that does not stand in an address: from the environment, or from the program that started
//! this one. It leaves the environment at the start, so that no command inherits it.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use super::etcd::Password;
use super::location::Location;
use crate::text::masked::mask_password;

/// Where the password is taken from if the address has none.
pub const PASSWORD_VARIABLE: &str = "SLOTHSTATE_ETCD_PASSWORD";
/// The database, where none is named.
pub const DATABASE_VARIABLE: &str = "SLOTHSTATE_DB";
/// The hidden option with which a program of ours reads the password from standard input.
pub const PASSWORD_OPTION: &str = "--password-stdin";

/// The longest password that is read, in bytes.
const LONGEST: u64 = 64 * 1024;

static PASSWORD: OnceLock<Option<Password>> = OnceLock::new();
static RECEIVED: OnceLock<Password> = OnceLock::new();
static DATABASE: OnceLock<Option<OsString>> = OnceLock::new();

/// Takes the passwords out of the environment, and masks them in all texts. To be called before there is a second
/// thread.
pub fn take_from_environment() {
    let password = std::env::var(PASSWORD_VARIABLE).ok().filter(|text| !text.is_empty());
    if let Some(password) = &password {
        mask_password(PASSWORD_VARIABLE, password);
    }
    if PASSWORD.set(password.map(Password::new)).is_err() {
        return;
    }
    let database = std::env::var_os(DATABASE_VARIABLE);
    // What commands inherit names the database without its password.
    let inherited = database.as_deref().and_then(without_password);
    let _ = DATABASE.set(database);
    // SAFETY: the program has no other thread yet that could read the environment.
    unsafe {
        std::env::remove_var(PASSWORD_VARIABLE);
        match inherited {
            Some(Some(text)) => std::env::set_var(DATABASE_VARIABLE, text),
            Some(None) => std::env::remove_var(DATABASE_VARIABLE),
            None => {}
        }
    }
}

/// An address without its password, `None` in place of one that cannot be read; nothing for what has none.
fn without_password(text: &OsStr) -> Option<Option<OsString>> {
    match Location::parse(text) {
        Ok(location) => {
            location.mask_password();
            let Location::Etcd(address) = &location else { return None };
            address.password.as_ref().map(|_| Some(location.as_arg().to_owned()))
        }
        // Who knows what is a password in it.
        Err(_) => text.as_encoded_bytes().contains(&b'@').then_some(None),
    }
}

/// `$SLOTHSTATE_DB` as it was at the start.
pub fn database() -> Option<OsString> {
    DATABASE.get().cloned().unwrap_or_else(|| std::env::var_os(DATABASE_VARIABLE))
}

/// The password for addresses that have none.
pub fn password() -> Option<Password> {
    let from_environment = || std::env::var(PASSWORD_VARIABLE).ok().map(Password::new);
    let received = RECEIVED.get().cloned();
    received.or_else(|| PASSWORD.get().cloned().unwrap_or_else(from_environment))
}

/// Reads the password that a [`Handover`] writes; it wins over that of the environment.
pub fn receive(input: impl Read) -> std::io::Result<()> {
    let mut text = String::new();
    input.take(LONGEST).read_to_string(&mut text)?;
    mask_password(PASSWORD_VARIABLE, &text);
    let _ = RECEIVED.set(Password::new(text));
    Ok(())
}

/// The password of a database for another program of ours, which gets it neither as an argument nor in its
/// environment.
pub struct Handover(Option<Password>);

impl Handover {
    /// Prepares `command`, which is to work on `location`: its standard input, and the option to read it.
    pub fn prepare(location: &Location, command: &mut Command) -> Handover {
        let handover = Handover::of(location);
        match handover.0.is_some() {
            true => command.arg(PASSWORD_OPTION).stdin(Stdio::piped()),
            false => command.stdin(Stdio::null()),
        };
        handover
    }

    /// Writes the password of a database as one line, for a program that goes on reading its standard input.
    pub fn write_line(location: &Location, output: &mut impl Write) -> std::io::Result<()> {
        let password = Handover::of(location).0;
        let line = serde_json::to_string(&password.as_ref().map(Password::reveal))?;
        writeln!(output, "{line}")
    }

    /// Reads what [`Handover::write_line`] writes.
    pub fn read_line(input: &mut impl BufRead) -> std::io::Result<()> {
        let mut line = String::new();
        input.take(LONGEST).read_line(&mut line)?;
        match serde_json::from_str::<Option<String>>(&line)? {
            Some(password) => receive(password.as_bytes()),
            None => Ok(()),
        }
    }

    fn of(location: &Location) -> Handover {
        Handover(match location {
            Location::Etcd(address) => address.password.clone().or_else(password),
            Location::File(_) => None,
        })
    }

    /// Writes it to the command, once that is started.
    pub fn give(self, child: &mut Child) -> std::io::Result<()> {
        match (self.0, child.stdin.take()) {
            (Some(password), Some(mut input)) => input.write_all(password.reveal().as_bytes()),
            _ => Ok(()),
        }
    }
}
