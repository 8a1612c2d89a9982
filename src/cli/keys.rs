//! `keys`: lists keys, present or past.

use super::entries::parse_type;
use super::{CliError, Database, output};
use crate::store::time_point::TimePoint;
use crate::store::{Entry, Key, KeyRange, Kind, Pattern, Scan, Type, kind_inference, pages_by_key};

/// Arguments of `keys`.
#[derive(clap::Args, Debug)]
pub struct KeysArguments {
    /// Keys that match this glob (`*` any text, `?` any character, `[ab]`), or begin with this text;
    /// without it, all
    pattern: Option<String>,
    /// Keys that begin with this text
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    prefix: String,
    /// Keys of this kind: flag, counter, lock, timestamp, cache, table or plain
    #[arg(long, value_parser = parse_kind)]
    kind: Option<Kind>,
    /// Keys whose value has this type
    #[arg(long = "type", value_name = "TYPE", value_parser = parse_type)]
    value_type: Option<Type>,
    /// Keys that there were: at a revision, a time (14:05, "2026-11-23 14:05"), or so long ago (10m)
    #[arg(long, value_name = "WHEN", value_parser = TimePoint::parse)]
    at: Option<TimePoint>,
    /// Print no more than this many
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
    /// Print a JSON object a key, with all about the entry but its value
    #[arg(long)]
    json: bool,
}

fn parse_kind(name: &str) -> Result<Kind, String> {
    Kind::from_name(name).ok_or_else(|| {
        let names: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        format!("the kinds are {}", names.join(", "))
    })
}

/// Lists keys page by page, so that no long read blocks checkpoints.
pub fn keys(database: &Database, arguments: &KeysArguments) -> Result<(), CliError> {
    const PAGE: usize = 2000;
    /// The bytes of a value that its type and kind are inferred from.
    const VALUE_LIMIT: u64 = 64 * 1024;
    let store = database.open()?;
    let text = arguments.pattern.as_deref().unwrap_or("");
    let pattern = Pattern::new(text).map_err(|error| CliError::Usage(error.to_string()))?;
    let prefix = KeyRange::prefix(&arguments.prefix);
    let now = store.clock().now();
    let moment = arguments.at.map(|at| store.moment(at.when(now))).transpose()?;
    let needs_value = arguments.json || arguments.kind.is_some() || arguments.value_type.is_some();
    let mut left = arguments.limit.unwrap_or(usize::MAX);
    let range = if arguments.prefix.is_empty() { pattern.range() } else { prefix.clone() };
    let scan = Scan { value_limit: if needs_value { VALUE_LIMIT } else { 0 }, ..Scan::new(range, PAGE) };
    let mut lines = output::Lines::new();
    let read = |scan: &Scan| {
        Ok(match moment {
            Some(moment) => store.scan_at(scan, moment)?.into_iter().map(KeyRow::Entry).collect(),
            None if needs_value => store.scan(scan)?.into_iter().map(KeyRow::Entry).collect(),
            None => store.scan_keys(scan)?.into_iter().map(KeyRow::Key).collect::<Vec<_>>(),
        })
    };
    // No page is read that is not needed.
    if left == 0 {
        return lines.finish();
    }
    for page in pages_by_key(scan, read, KeyRow::key) {
        let page = page?;
        let wanted =
            |row: &&KeyRow| pattern.matches(row.key()) && prefix.contains(row.key()) && row.is(arguments);
        for row in page.iter().filter(wanted).take(left) {
            left -= 1;
            match row {
                KeyRow::Entry(entry) if arguments.json => {
                    let now = moment.map_or(now, |moment| moment.at);
                    lines.json(&output::entry_to_json(entry, now))?;
                }
                row => lines.key(row.key())?,
            }
        }
        if left == 0 {
            break;
        }
    }
    lines.finish()
}

/// A key, or the whole entry where the output needs it.
enum KeyRow {
    Key(Key),
    Entry(Entry),
}

impl KeyRow {
    fn key(&self) -> &Key {
        match self {
            KeyRow::Key(key) => key,
            KeyRow::Entry(entry) => &entry.key,
        }
    }

    /// Whether it matches the given kind and type.
    fn is(&self, arguments: &KeysArguments) -> bool {
        match self {
            KeyRow::Key(_) => true,
            KeyRow::Entry(entry) => {
                arguments.kind.is_none_or(|kind| kind_inference::infer(entry).0 == kind)
                    && arguments.value_type.is_none_or(|value_type| entry.value_type() == value_type)
            }
        }
    }
}
