//! SQLite keeps the contract of a store.

use super::*;
use crate::store::Maintained;
use crate::store::testing::conformance::{self, Ability, ForeignWrite, World};

impl World for Place {
    fn another(&self) -> Box<dyn World> {
        Box::new(Place::new())
    }

    fn settings(&self) -> Options {
        self.settings()
    }

    fn open(&self, settings: Options) -> Box<dyn Store> {
        Box::new(SqliteStore::open_or_create(&self.path, settings).unwrap())
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }

    fn foreign(&self, write: &ForeignWrite) -> bool {
        let execute = |sql: &str, parameters: &[&dyn rusqlite::ToSql]| self.shell().execute(sql, parameters);
        let written = match write {
            ForeignWrite::Put(key, text) => execute(
                "INSERT INTO state (key, value) VALUES (?1, ?2) \
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = CURRENT_TIMESTAMP",
                &[key, text],
            ),
            ForeignWrite::Replace(key, text) => {
                execute("REPLACE INTO state (key, value) VALUES (?1, ?2)", &[key, text])
            }
            ForeignWrite::Update(key, text) => {
                execute("UPDATE state SET value = ?2 WHERE key = ?1", &[key, text])
            }
            ForeignWrite::Rename(key, to) => {
                // Refused where there is an entry with that key.
                return execute("UPDATE state SET key = ?2 WHERE key = ?1", &[key, to]) == Ok(1);
            }
            ForeignWrite::RenameOver(key, to) => {
                execute("UPDATE OR REPLACE state SET key = ?2 WHERE key = ?1", &[key, to])
            }
            ForeignWrite::Delete(key) => execute("DELETE FROM state WHERE key = ?1", &[key]),
        };
        written.unwrap() > 0
    }

    fn remove_expired(&self) {
        let store = self.store();
        while store.maintain().unwrap() == Maintained::More {}
    }

    fn can(&self, ability: Ability) -> bool {
        match ability {
            Ability::RecordsForeignWrites
            | Ability::RevisionsWithoutGaps
            | Ability::ExactRetention
            | Ability::ClockGoesBack
            | Ability::HearsAtOnce => true,
        }
    }

    fn check(&self) {
        let context = "SELECT count(*) FROM slothstate_context";
        assert_eq!(self.shell().query_row(context, [], |row| row.get(0)), Ok(0));
    }
}

/// The same engine with limits as another one may have them.
struct Limited(Place);

impl World for Limited {
    fn another(&self) -> Box<dyn World> {
        Box::new(Limited(Place::new()))
    }

    fn settings(&self) -> Options {
        self.0.settings()
    }

    fn open(&self, settings: Options) -> Box<dyn Store> {
        Box::new(SqliteStore::open_or_create(&self.0.path, settings).unwrap().limited())
    }

    fn clock(&self) -> &ManualClock {
        self.0.clock()
    }

    fn pass(&self, time: Duration) {
        self.0.pass(time);
    }

    fn foreign(&self, write: &ForeignWrite) -> bool {
        self.0.foreign(write)
    }

    fn remove_expired(&self) {
        self.0.remove_expired();
    }

    fn can(&self, ability: Ability) -> bool {
        self.0.can(ability)
    }

    fn check(&self) {
        World::check(&self.0);
    }
}

fn check(table: &str) {
    conformance::check(&Place::new(), table);
}

#[test]
fn entries() {
    check("entries");
}

#[test]
fn writes() {
    check("writes");
}

#[test]
fn conditions() {
    check("conditions");
}

#[test]
fn expiry() {
    check("expiry");
}

#[test]
fn feed() {
    check("feed");
}

#[test]
fn undo() {
    check("undo");
}

#[test]
fn past() {
    check("past");
}

#[test]
fn past_and_expiry() {
    check("past and expiry");
}

#[test]
fn locks() {
    check("locks");
}

#[test]
fn runs() {
    check("runs");
}

#[test]
fn retention() {
    check("retention");
}

#[test]
fn errors() {
    check("errors");
}

#[test]
fn errors_of_an_engine_with_limits() {
    conformance::check(&Limited(Place::new()), "errors");
}

#[test]
fn model() {
    check("model");
}

#[test]
fn model_and_undo() {
    check("model and undo");
}

#[test]
fn every_table_has_a_test() {
    let tables: Vec<&str> = conformance::TABLES.iter().map(|(table, _)| *table).collect();
    let source = include_str!("conformance.rs");
    for table in tables {
        assert!(source.contains(&format!("    check(\"{table}\");")), "{table}");
    }
}
