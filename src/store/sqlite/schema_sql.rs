//! The SQL that makes the tables, the views and the triggers of a database, and migrates earlier ones.

/// The newest schema that this program knows.
pub(super) const SCHEMA: usize = 4;

pub(super) const SLOTH_RUNNER: &str = include_str!("../../../assets/schema/sloth_runner.sql");

/// What makes each schema out of the one before it; the first one out of Sloth Runner's tables.
pub(super) const MIGRATIONS: [&str; SCHEMA] = [
    include_str!("../../../assets/schema/1.sql"),
    include_str!("../../../assets/schema/2.sql"),
    include_str!("../../../assets/schema/3.sql"),
    include_str!("../../../assets/schema/4.sql"),
];

pub(super) const TRIGGERS: &str = include_str!("../../../assets/schema/triggers.sql");

/// The version of the triggers, which the meta table names; 1 is that of files that name none.
pub(super) const TRIGGERS_VERSION: i64 = 2;

pub(super) const TIMESTAMP_TRIGGER: &str = include_str!("../../../assets/schema/timestamp_trigger.sql");

/// Whether a database that slothstate made has a `kind` (TRIGGER, VIEW) of that name.
pub(super) fn makes(kind: &str, name: &str) -> bool {
    let statement = format!("CREATE {kind} {name}");
    let is_made_by = |script: &&str| {
        let mut rest = script.split(statement.as_str()).skip(1);
        rest.any(|rest| rest.starts_with(char::is_whitespace))
    };
    MIGRATIONS.iter().chain([&TRIGGERS]).any(is_made_by)
}
