//! `get set del incr ttl toggle stats`.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::database::print_notices;
use super::lock_guard::Fence;
use super::{CliError, Database, output};
use crate::input_file::{self, Accept, STANDARD_INPUT};
use crate::store::time_point::TimePoint;
use crate::store::{
    Condition, Edit, Entry, ErrorKind, Expiry, Key, Kind, Number, Operation, Outcome, Store, StoreError,
    Transaction, Type, TypedInput, UNTYPED, Value, kind_inference,
};
use crate::text::duration::{parse_duration, show_duration};

/// Arguments of `get`.
#[derive(clap::Args, Debug)]
pub struct GetArguments {
    /// The key
    key: String,
    /// As it was: at a revision, a time (14:05, "2026-11-23 14:05"), or so long ago (10m)
    #[arg(long, value_name = "WHEN", value_parser = TimePoint::parse)]
    at: Option<TimePoint>,
    /// Print the entry as a JSON object
    #[arg(long)]
    json: bool,
}

/// Prints the value of a key.
pub fn get(database: &Database, arguments: &GetArguments) -> Result<(), CliError> {
    let store = database.open()?;
    let key = Key::new(&arguments.key)?;
    let mut now = store.clock().now();
    let found = match arguments.at {
        None => store.get(&key)?,
        Some(at) => {
            let moment = store.moment(at.when(now))?;
            now = moment.at;
            store.get_at(&key, moment)?
        }
    };
    let entry = found.ok_or(match arguments.at {
        None => CliError::from(StoreError::from(ErrorKind::NoSuchEntry { key: key.clone() })),
        Some(_) => CliError::Failed(format!("there was no key {key} then")),
    })?;
    if arguments.json {
        let mut object = output::entry_to_json(&entry, now);
        object.insert_value("value", &entry.value());
        return output::json(&object);
    }
    output::line(&entry.stored)
}

/// Arguments of `set`.
#[derive(clap::Args, Debug)]
pub struct SetArguments {
    /// The key
    key: String,
    /// The value; - reads it from standard input
    #[arg(allow_hyphen_values = true)]
    value: String,
    /// The type: string, number, boolean or table (JSON). Without it an entry keeps its type; a new
    /// one is a number if the value is a whole number such as 42, a table if it is a JSON object or
    /// array, and otherwise untyped text, which is read as the type that its reader means
    #[arg(long = "type", value_name = "TYPE", value_parser = parse_type)]
    value_type: Option<Type>,
    /// Expire after this time; without it the entry does not expire
    #[arg(long, value_name = "TIME", value_parser = parse_duration, conflicts_with = "keep_ttl")]
    #[arg(allow_negative_numbers = true)]
    ttl: Option<Duration>,
    /// Keep the expiry that the entry has
    #[arg(long)]
    keep_ttl: bool,
    /// Only if the entry has this version; 0: only if there is no such entry
    #[arg(long, value_name = "VERSION")]
    if_version: Option<u64>,
    #[command(flatten)]
    fence: Fence,
    /// Print the result as a JSON object
    #[arg(long)]
    json: bool,
}

/// Reads the name of a type.
///
/// # Errors
/// Says which there are.
pub fn parse_type(name: &str) -> Result<Type, String> {
    Type::from_name(name).ok_or_else(|| "the types are string, number, boolean and table".into())
}

pub fn set(database: &Database, arguments: &SetArguments) -> Result<(), CliError> {
    const ATTEMPTS: u32 = 100;
    let store = database.open_or_create()?;
    arguments.fence.set_surrounding_lock(&*store, database)?;
    let key = Key::new(&arguments.key)?;
    let text = value_text(&arguments.value, store.capabilities().largest_value)?;
    let expiry = match arguments.ttl {
        Some(ttl) if ttl.is_zero() => return Err(CliError::Usage("--ttl must be longer than 0".into())),
        Some(ttl) => Expiry::After(ttl),
        None if arguments.keep_ttl => Expiry::Keep,
        None => Expiry::Clear,
    };
    for _ in 0..ATTEMPTS {
        let found = store.get(&key)?;
        let typed = typed(&key, &text, arguments.value_type, found.as_ref())?;
        let is_guess = arguments.value_type.is_none() && found.is_none();
        let stored_type = typed.type_name();
        let operation = typed.put(key.clone(), expiry);
        let mut transaction = Transaction::of(operation);
        if let Some(version) = arguments.if_version {
            transaction = transaction.when(Condition::AtVersion(key.clone(), version));
        } else if arguments.value_type.is_none() {
            // The type was taken from what is there: it must still be there.
            transaction = transaction.when(match found {
                Some(entry) => Condition::Unchanged(Box::new(entry)),
                None => Condition::Absent(key.clone()),
            });
        }
        let outcome = store.commit(&transaction)?;
        print_notices(&*store);
        match outcome {
            Outcome::Committed { revision, .. } => {
                if is_guess {
                    output::print_notice(inferred(&key, stored_type));
                }
                if !arguments.json {
                    return Ok(());
                }
                let mut object = output::key_to_json(&key);
                object.insert("revision", revision.0);
                return output::json(&object);
            }
            Outcome::Refused { found, .. } if let Some(version) = arguments.if_version => {
                let why = match found {
                    Some(entry) => format!("it has version {}, not {version}", entry.version),
                    None => format!("there is no such key, so none of version {version}"),
                };
                return Err(CliError::Failed(format!("{key} was not changed: {why}")));
            }
            Outcome::Refused { .. } => {}
        }
    }
    Err(StoreError::from(ErrorKind::Contended { key, attempts: ATTEMPTS }).into())
}

/// The value from the argument or standard input. The store refuses a value longer than `largest`; input of
/// more than twice that length is not read.
fn value_text(argument: &str, largest: u64) -> Result<Vec<u8>, CliError> {
    if argument != STANDARD_INPUT {
        return Ok(argument.as_bytes().to_vec());
    }
    let mut text = input_file::read(Path::new(STANDARD_INPUT), Accept::Pipes, largest.saturating_mul(2))
        .map_err(|error| CliError::Failed(format!("standard input: {error}")))?;
    // What an editor or echo adds at the end is not part of the value.
    if text.last() == Some(&b'\n') {
        text.pop();
    }
    Ok(text)
}

/// A notice of the type that was inferred for a new entry.
fn inferred(key: &Key, type_name: &str) -> String {
    match type_name {
        UNTYPED => format!("{key} is stored as untyped text; --type stores another type"),
        other => format!("{key} is stored as a {other}; --type stores another type"),
    }
}

/// The text with the given type or the type of the entry; the type of a new entry is inferred.
fn typed(
    key: &Key,
    text: &[u8],
    requested: Option<Type>,
    found: Option<&Entry>,
) -> Result<TypedInput, CliError> {
    if let Some(value_type) = requested {
        let value = Value::parse(text, value_type).map_err(|error| CliError::Usage(error.to_string()))?;
        return Ok(TypedInput::Value(value));
    }
    TypedInput::over(text, found).map_err(|error| {
        CliError::Usage(format!(
            "{key} is a {}: {}; to change its type say so with --type",
            error.value_type, error.reason
        ))
    })
}

/// Arguments of `del`.
#[derive(clap::Args, Debug)]
pub struct DelArguments {
    /// The keys
    #[arg(required = true)]
    keys: Vec<String>,
    #[command(flatten)]
    fence: Fence,
    /// Print the result as a JSON object
    #[arg(long)]
    json: bool,
}

/// Deletes keys, all in one transaction.
pub fn del(database: &Database, arguments: &DelArguments) -> Result<(), CliError> {
    let store = database.open()?;
    arguments.fence.set_surrounding_lock(&*store, database)?;
    let keys = arguments.keys.iter().map(Key::new).collect::<Result<Vec<_>, _>>()?;
    let operations = keys.into_iter().map(Operation::Delete).collect();
    let outcome = store.commit(&Transaction::of_last_writes(operations))?;
    print_notices(&*store);
    let deleted = match outcome {
        Outcome::Committed { changed, .. } => changed,
        Outcome::Refused { .. } => 0,
    };
    if arguments.json {
        output::json(&json!({ "deleted": deleted }))?;
    }
    let requested = arguments.keys.len() as u64;
    match deleted {
        0 if requested == 1 => {
            Err(StoreError::from(ErrorKind::NoSuchEntry { key: Key::new(&arguments.keys[0])? }).into())
        }
        0 => Err(CliError::Failed("there is none of these keys".into())),
        _ => Ok(()),
    }
}

/// Arguments of `incr`.
#[derive(clap::Args, Debug)]
pub struct IncrArguments {
    /// The key; a new one starts at 0
    key: String,
    /// How much to add; may be negative or have a fraction
    #[arg(default_value = "1", allow_hyphen_values = true)]
    by: String,
    #[command(flatten)]
    fence: Fence,
    /// Print the result as a JSON object
    #[arg(long)]
    json: bool,
}

pub fn incr(database: &Database, arguments: &IncrArguments) -> Result<(), CliError> {
    let step: Number = arguments.by.parse().map_err(|error| CliError::Usage(format!("{error}")))?;
    let store = database.open_or_create()?;
    arguments.fence.set_surrounding_lock(&*store, database)?;
    edit(&*store, &arguments.key, &Edit::Increment(step), arguments.json)
}

/// Arguments of `toggle`.
#[derive(clap::Args, Debug)]
pub struct ToggleArguments {
    /// The flag: a boolean, or a text such as true, off, Yes, 0
    key: String,
    #[command(flatten)]
    fence: Fence,
    /// Print the result as a JSON object
    #[arg(long)]
    json: bool,
}

pub fn toggle(database: &Database, arguments: &ToggleArguments) -> Result<(), CliError> {
    let store = database.open()?;
    arguments.fence.set_surrounding_lock(&*store, database)?;
    if let Some(entry) = store.get(&Key::new(&arguments.key)?)?
        && kind_inference::infer(&entry).0 != Kind::Flag
        && kind_inference::toggled(&entry.value()).is_some()
    {
        return Err(CliError::Failed(format!(
            "{key} is not a flag: only true and false are flags under any key; to make it one, add \"{key}\" = \"flag\" under [kinds] in config.toml",
            key = entry.key,
        )));
    }
    edit(&*store, &arguments.key, &Edit::Toggle, arguments.json)
}

fn edit(store: &dyn Store, key: &str, edit: &Edit, as_json: bool) -> Result<(), CliError> {
    let key = Key::new(key)?;
    let edited = store.edit(&key, edit)?;
    print_notices(store);
    let value = edited.value.unwrap_or(Value::String(Vec::new()));
    if as_json {
        let mut object = output::key_to_json(&key);
        object.insert_value("value", &value);
        return output::json(&object);
    }
    output::line(&value.to_stored())
}

/// Arguments of `ttl`.
#[derive(clap::Args, Debug)]
pub struct TtlArguments {
    /// The key
    key: String,
    /// When to expire from now on: 90s, 5m, 1h30m; +10m to add to what is left; never
    time: Option<String>,
    #[command(flatten)]
    fence: Fence,
    /// Print the result as a JSON object
    #[arg(long)]
    json: bool,
}

/// Shows or changes when a key expires.
pub fn ttl(database: &Database, arguments: &TtlArguments) -> Result<(), CliError> {
    let store = database.open()?;
    let key = Key::new(&arguments.key)?;
    let missing = || StoreError::from(ErrorKind::NoSuchEntry { key: key.clone() });
    if let Some(time) = &arguments.time {
        arguments.fence.set_surrounding_lock(&*store, database)?;
        let found = store.get(&key)?.ok_or_else(missing)?;
        let expiry = match (time.as_str(), time.strip_prefix('+')) {
            ("never", _) => Expiry::Clear,
            (_, Some(more)) => match found.expires_at {
                Some(at) => Expiry::At(at.plus(parse_duration(more).map_err(CliError::Usage)?)),
                None => {
                    return Err(CliError::Failed(format!(
                        "{key} does not expire: there is nothing to add to"
                    )));
                }
            },
            (span, None) => match parse_duration(span).map_err(CliError::Usage)? {
                Duration::ZERO => {
                    return Err(CliError::Usage("the time must be longer than 0; to delete: del".into()));
                }
                span => Expiry::After(span),
            },
        };
        let condition = match expiry {
            // It was counted from the expiry that was read.
            Expiry::At(_) => Condition::Unchanged(Box::new(found)),
            _ => Condition::Exists(key.clone()),
        };
        let change = Transaction::of(Operation::SetExpiry { key: key.clone(), expiry });
        let outcome = store.commit(&change.when(condition))?;
        print_notices(&*store);
        match outcome {
            Outcome::Refused { found: Some(_), .. } => {
                return Err(CliError::Failed(format!("{key} was changed in the meantime; try again")));
            }
            Outcome::Refused { found: None, .. } => return Err(missing().into()),
            Outcome::Committed { .. } => {}
        }
    }
    let now = store.clock().now();
    let entry = store.get_prefix(&key, 0)?.ok_or_else(missing)?;
    if arguments.json {
        let mut object = output::key_to_json(&key);
        object.insert("ttl_ms", entry.time_to_live(now).map(|left| left.as_millis() as u64));
        object.insert("expires_at", entry.expires_at.map(|at| at.to_string()));
        return output::json(&object);
    }
    match entry.time_to_live(now) {
        None => output::line(b"never"),
        Some(left) => output::line(show_duration(left).as_bytes()),
    }
}

/// Arguments of `stats`.
#[derive(clap::Args, Debug)]
pub struct StatsArguments {
    /// Print the figures as a JSON object
    #[arg(long)]
    json: bool,
}

/// Shows figures about the database.
pub fn stats(database: &Database, arguments: &StatsArguments) -> Result<(), CliError> {
    let stats = database.open()?.stats()?;
    if arguments.json {
        let object =
            serde_json::to_value(&stats).map_err(|error| CliError::Output(std::io::Error::other(error)))?;
        return output::json(&object);
    }
    let rows = [
        ("database", output::visible(stats.location.as_bytes())),
        ("entries", stats.entries.to_string()),
        ("expiring", stats.expiring.to_string()),
        ("locks", stats.locks.to_string()),
        ("revision", stats.revision.to_string()),
        ("history rows", stats.history.to_string()),
        ("bytes", stats.bytes.to_string()),
        ("free bytes", stats.free_bytes.to_string()),
        ("log bytes", stats.log_bytes.to_string()),
    ];
    rows.iter().try_for_each(|(name, value)| output::line(format!("{name:<13}{value}").as_bytes()))
}
