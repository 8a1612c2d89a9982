//! A file of Sloth Runner's older generation.

use rusqlite::Connection;

/// The tables and indexes as Sloth Runner made them.
pub const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS state_data (
        key TEXT PRIMARY KEY,
        value TEXT NOT NULL,
        type TEXT NOT NULL,
        created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
        updated_at DATETIME DEFAULT CURRENT_TIMESTAMP,
        expires_at DATETIME NULL,
        version INTEGER DEFAULT 1
    );
    CREATE INDEX IF NOT EXISTS idx_state_expires_at ON state_data(expires_at);
    CREATE INDEX IF NOT EXISTS idx_state_updated_at ON state_data(updated_at);
    CREATE TABLE IF NOT EXISTS state_locks (
        lock_name TEXT PRIMARY KEY,
        owner TEXT NOT NULL,
        acquired_at DATETIME DEFAULT CURRENT_TIMESTAMP,
        expires_at DATETIME NOT NULL
    );
    CREATE INDEX IF NOT EXISTS idx_locks_expires_at ON state_locks(expires_at);";

/// Every type, every way to write a time, and what has expired.
pub const ROWS: &str = r#"
    INSERT INTO state_data (key, value, type) VALUES
        ('feature_dark_mode', 'true', 'boolean'), ('deploy_count', '41', 'number'),
        ('servers', '["web1","web2"]', 'list'), ('config', '{"replicas": 3}', 'table'),
        ('version', '1.10', 'string'), ('no_number', 'many', 'number');
    INSERT INTO state_data (key, value, type, expires_at, version) VALUES
        ('lease_a', 'zone', 'string', '2999-01-01T01:00:00+01:00', 7),
        ('lease_b', 'go', 'string', '2999-01-01 02:00:00.5 +0100 CET m=+0.01', 2),
        ('gone_a', 'x', 'string', '2020-01-01T00:00:00+01:00', 1),
        ('gone_b', 'x', 'string', '2020-01-01 00:00:00', 1);
    INSERT INTO state_locks (lock_name, owner, expires_at) VALUES
        ('deploy', 'runner-1', '2999-01-01T00:00:00+01:00'), ('stale', 'runner-2', '2020-01-01T00:00:00Z');"#;

/// Fills the file of `connection`.
pub fn fill(connection: &Connection) {
    connection.execute_batch(TABLES).unwrap();
    connection.execute_batch(ROWS).unwrap();
}
