//! `undo`.

use serde_json::json;

use super::database::print_notices;
use super::{CliError, Database, output};
use crate::store::{
    Actor, Key, NothingToUndo, Process, Revision, UndoOutcome, last_by_hand, undo as take_back,
};

/// Arguments of `undo`.
#[derive(clap::Args, Debug)]
#[command(group(clap::ArgGroup::new("which").args(["revision", "last"]).required(true)))]
pub struct UndoArguments {
    /// The revision of the change, as `history` shows it; what was changed together with it, in one
    /// transaction, is taken back together
    #[arg(value_name = "REVISION")]
    revision: Option<i64>,
    /// The last change that you made by hand on this host, and have not taken back yet
    #[arg(long)]
    last: bool,
    /// Also where an entry was changed since
    #[arg(long)]
    force: bool,
    /// Print the result as a JSON object
    #[arg(long)]
    json: bool,
}

pub fn undo(database: &Database, arguments: &UndoArguments) -> Result<(), CliError> {
    let store = database.open()?;
    let revision = match arguments.revision {
        Some(revision) => Revision(revision),
        None => {
            let actor = Actor::current(&Process::current());
            let last = last_by_hand(&*store, &actor)?;
            last.ok_or_else(|| {
                CliError::Failed(format!(
                    "{} has changed nothing by hand that could be taken back",
                    actor.place()
                ))
            })?
        }
    };
    let undone = take_back(&*store, revision, arguments.force)?;
    print_notices(&*store);
    match undone {
        UndoOutcome::Done { revision: by, restored, removed, expired } => {
            if arguments.json {
                return output::json(&json!({
                    "undone": revision.0, "revision": by.0,
                    "restored": names(&restored), "removed": names(&removed),
                    "expired": expired.iter().map(|(key, _)| key.to_text()).collect::<Vec<_>>(),
                }));
            }
            for key in &restored {
                output::line(format!("restored {key}").as_bytes())?;
            }
            for key in &removed {
                output::line(format!("removed {key}").as_bytes())?;
            }
            for (key, at) in &expired {
                output::line(format!("left {key} alone: what it was would have expired at {at}").as_bytes())?;
            }
            output::print_notice(format_args!(
                "took back change {revision}; to do it again: slothstate undo {by}"
            ));
            Ok(())
        }
        UndoOutcome::Conflict(conflicts) => {
            let changed: Vec<String> = conflicts
                .iter()
                .take(5)
                .map(|(key, found)| match found {
                    None => format!("{key} is gone"),
                    Some(entry) => {
                        let by = entry.actor.as_ref().map_or(String::new(), |actor| format!(" by {actor}"));
                        format!("{key} was changed at revision {}{by}", entry.revision)
                    }
                })
                .collect();
            let more = conflicts.len().saturating_sub(changed.len());
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            Err(CliError::Failed(format!(
                "change {revision} was not taken back: since then {}{more}; --force takes it back all the same",
                changed.join(", ")
            )))
        }
        UndoOutcome::AlreadyUndone(by) => Err(CliError::Failed(format!(
            "change {revision} was taken back already, by {by}; to do it again: slothstate undo {by}"
        ))),
        UndoOutcome::NothingToUndo(NothingToUndo::Epoch) => Err(CliError::Failed(format!(
            "revision {revision} is the beginning of an epoch, which is not undone"
        ))),
        UndoOutcome::NothingToUndo(NothingToUndo::Locks) => Err(CliError::Failed(format!(
            "change {revision} is about a lock, which only its holder can take again; see: slothstate locks"
        ))),
        UndoOutcome::NothingToUndo(NothingToUndo::AsBefore) => Err(CliError::Failed(format!(
            "there is nothing to take back: all is as it was before change {revision}"
        ))),
        UndoOutcome::NothingToUndo(NothingToUndo::Expired { key, at }) => Err(CliError::Failed(format!(
            "change {revision} was not taken back: what {key} was expired at {at} and would be gone at once; \
             its value: slothstate history {key} --json"
        ))),
    }
}

fn names(keys: &[Key]) -> Vec<String> {
    keys.iter().map(Key::to_text).collect()
}
