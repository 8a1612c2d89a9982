//! Whether our tables, indexes and triggers are in the file as we made them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use rusqlite::Connection;

use super::{Examined, command, word};
use crate::atomic_file::beside;
use crate::store::sqlite::columns::{self, text_at};
use crate::store::sqlite::schema_version::{SchemaFlavor, has_table};
use crate::store::sqlite::{meta, migrate, schema_sql};
use crate::store::{Finding, Level, StoreError};
use crate::text::escape::escape;

const CHECK: &str = "schema";

/// Compares the schema with that of a new database.
pub(super) fn examine(examined: &Examined<'_>) -> Result<Vec<Finding>, StoreError> {
    let mut findings = match examined.flavor {
        SchemaFlavor::Empty => vec![Finding::note(CHECK, "there is nothing in the file yet")],
        SchemaFlavor::Foreign => vec![Finding::note(CHECK, "it is Sloth Runner's, and its changes are not recorded yet: the first write of slothstate \
             adopts it, after a backup beside it",
        )],
        SchemaFlavor::Legacy => vec![
            Finding::note(CHECK, "it is of Sloth Runner's older generation, which is only read")
                .remedy(format!(
                    "to change anything, import it into a new database: slothstate --db NEW import {}",
                    word(examined.store.path())
                )),
        ],
        SchemaFlavor::Outdated(_) | SchemaFlavor::Current => compare(examined)?,
        SchemaFlavor::Incomplete(defect) => vec![
            Finding::problem(CHECK, format!(
                    "{defect}: the entries are read, without history, runs and what is known of locks, and nothing \
                     is written"
                ),
            )
            .remedy(remedy_for_incomplete(examined.store.path(), true)),
        ],
    };
    let (has_both, other) = examined.query(|connection| {
        Ok((
            has_table(connection, "state")? && has_table(connection, "state_data")?,
            counted_older(connection),
        ))
    })?;
    if has_both {
        findings.push(
            Finding::note(CHECK, format!("beside it are the tables of Sloth Runner's older generation (state_data{other}), which are no part of its state"),
            )
            .remedy(format!("bring over what is still needed: {}", examined.command(&format!("import --older {}", word(examined.store.path()))))),
        );
    }
    Ok(findings)
}

/// What to do about a file of which something was removed or altered that is needed.
pub(super) fn remedy_for_incomplete(path: &Path, has_entries: bool) -> String {
    let restore =
        format!("with every program stopped, go on with a backup: {}", command(path, "restore BACKUP"));
    if !has_entries {
        return restore;
    }
    let import = command(&beside(path, ".new"), &format!("import {}", word(path)));
    format!("{restore}; or take the entries into a new database: {import}")
}

/// How much is in the older tables; nothing where that cannot be told.
fn counted_older(connection: &Connection) -> String {
    let count = connection.query_row("SELECT count(*) FROM state_data", [], |row| row.get::<_, i64>(0));
    count.map_or(String::new(), |count| {
        format!(", {}", super::counted(count.unsigned_abs(), "entry", "entries"))
    })
}

/// Everything of ours in a schema.
#[derive(Default)]
struct Schema {
    /// The SQL of what has a name of ours, by type and name.
    objects: BTreeMap<(String, String), String>,
    /// The columns of the tables that we share.
    columns: Vec<(String, Vec<String>)>,
    /// Which schema it says it is.
    number: Option<i64>,
    /// Which version of the triggers it says it has.
    triggers: i64,
}

/// The schema of a new database, from the very scripts that make one.
fn fresh() -> rusqlite::Result<Schema> {
    let connection = Connection::open_in_memory()?;
    for script in migrate::scripts(SchemaFlavor::Empty) {
        connection.execute_batch(script)?;
    }
    schema(&connection)
}

/// Whether the triggers that record changes are in a file of the present schema as slothstate makes them.
pub(in crate::store::sqlite) fn has_all_triggers(connection: &Connection) -> rusqlite::Result<bool> {
    static EXPECTED: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    let expected = match EXPECTED.get() {
        Some(expected) => expected,
        None => {
            let triggers = fresh()?.objects.into_iter().filter(|((kind, _), _)| kind == "trigger");
            EXPECTED.get_or_init(|| triggers.map(|((_, name), sql)| (name, sql)).collect())
        }
    };
    // Those of an earlier version record as well; the next write renews them.
    let is_current = migrate::triggers_version(connection)? >= schema_sql::TRIGGERS_VERSION;
    let mut statement = connection
        .prepare_cached("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND sql IS NOT NULL")?;
    let mut rows = statement.query([])?;
    let mut found = 0;
    while let Some(row) = rows.next()? {
        let Some(sql) = expected.get(&text_at(row, 0)?) else { continue };
        found += usize::from(!is_current || *sql == without_layout(&text_at(row, 1)?));
    }
    Ok(found == expected.len())
}

fn schema(connection: &Connection) -> rusqlite::Result<Schema> {
    let mut schema = Schema::default();
    let mut statement = connection
        .prepare("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (kind, name, sql) = (text_at(row, 0)?, text_at(row, 1)?, text_at(row, 2)?);
        if name.starts_with("slothstate_") {
            schema.objects.insert((kind, name), without_layout(&sql));
        } else if kind == "table" {
            let columns = columns::names(connection, &name)?;
            schema.columns.push((name, columns));
        }
    }
    schema.number = meta::integer(connection, "schema")?;
    schema.triggers = migrate::triggers_version(connection)?;
    Ok(schema)
}

/// Comments and line breaks mean nothing to SQLite, which keeps them all the same.
fn without_layout(sql: &str) -> String {
    let lines = sql.lines().filter(|line| !line.trim_start().starts_with("--"));
    lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

fn compare(examined: &Examined<'_>) -> Result<Vec<Finding>, StoreError> {
    let (expected, found) = examined.query(|connection| Ok((fresh()?, schema(connection)?)))?;
    if found.number != expected.number {
        let number = |schema: &Schema| schema.number.map_or("unknown".into(), |number| number.to_string());
        let finding = format!(
            "it has schema {}; the next write of slothstate brings it to {}",
            number(&found),
            number(&expected)
        );
        return Ok(vec![Finding::note(CHECK, finding)]);
    }
    if found.triggers < expected.triggers {
        let finding = "its triggers are of an earlier slothstate; the next write brings them up to date";
        return Ok(vec![Finding::note(CHECK, finding)]);
    }
    let file = word(examined.store.path());
    let mut findings: Vec<Finding> = differences(&expected, &found)
        .into_iter()
        .map(|(level, difference)| {
            let finding = Finding::new(CHECK, level, difference);
            if level < Level::Problem {
                return finding;
            }
            finding.remedy(format!(
                "with every program stopped, take the state into a new database: \
                 slothstate --db {file} export > state.json; slothstate --db {file}.new import state.json"
            ))
        })
        .collect();
    if findings.is_empty() {
        let count = found.objects.len();
        findings.push(Finding::ok(
            CHECK,
            format!("its {count} tables, indexes and triggers are as slothstate makes them"),
        ));
    }
    Ok(findings)
}

fn differences(expected: &Schema, found: &Schema) -> Vec<(Level, String)> {
    let mut differences = Vec::new();
    for ((kind, name), sql) in &expected.objects {
        let effect = if kind == "trigger" { ": changes are not recorded as they should be" } else { "" };
        match found.objects.get(&(kind.clone(), name.clone())) {
            None => differences.push((Level::Problem, format!("{kind} {name} is missing{effect}"))),
            Some(other) if other != sql => {
                differences.push((Level::Problem, format!("{kind} {name} was altered{effect}")));
            }
            Some(_) => {}
        }
    }
    for (table, columns) in &expected.columns {
        let present = found.columns.iter().find(|(name, _)| name == table).map(|(_, columns)| columns);
        let missing = columns.iter().filter(|column| present.is_none_or(|present| !present.contains(column)));
        for column in missing {
            differences.push((Level::Problem, format!("table {table} has no column {column}")));
        }
    }
    for (kind, name) in found.objects.keys().filter(|name| !expected.objects.contains_key(*name)) {
        let shown = escape(name.as_bytes());
        differences.push((Level::Note, format!("{kind} {shown} is not one that slothstate makes")));
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_does_not_count_and_words_do() {
        assert_eq!(without_layout("CREATE  TABLE t (\n  -- why\n  a,\n\tb)"), "CREATE TABLE t ( a, b)");
        assert_ne!(without_layout("SELECT 1"), without_layout("SELECT 2"));
    }

    #[test]
    fn a_new_database_is_like_itself() {
        let fresh = fresh().unwrap();
        assert!(fresh.objects.keys().any(|(kind, _)| kind == "trigger"));
        assert!(fresh.columns.iter().any(|(table, columns)| table == "state" && columns.len() > 4));
        assert_eq!(differences(&fresh, &fresh), []);
    }

    #[test]
    fn everything_that_is_ours_is_missed() {
        let fresh = fresh().unwrap();
        let missed = differences(&fresh, &Schema::default());
        let columns: usize = fresh.columns.iter().map(|(_, columns)| columns.len()).sum();
        assert_eq!(missed.len(), fresh.objects.len() + columns);
        assert!(missed.iter().all(|(level, _)| *level == Level::Problem));
    }
}
