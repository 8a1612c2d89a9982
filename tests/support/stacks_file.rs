//! A `stacks.db` as Sloth Runner makes it.

use std::path::Path;

use rusqlite::Connection;

/// Its tables, as far as they are of interest here.
const TABLES: &str = "
    CREATE TABLE stacks (id TEXT PRIMARY KEY, name TEXT NOT NULL, description TEXT, version TEXT,
        status TEXT NOT NULL DEFAULT 'created', created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
        updated_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP, completed_at DATETIME, workflow_file TEXT,
        outputs TEXT, last_error TEXT, resource_version TEXT NOT NULL DEFAULT '1');
    CREATE TABLE stack_executions (id INTEGER PRIMARY KEY AUTOINCREMENT, stack_id TEXT NOT NULL,
        started_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP, completed_at DATETIME, duration INTEGER,
        status TEXT NOT NULL, task_count INTEGER DEFAULT 0, success_count INTEGER DEFAULT 0,
        failure_count INTEGER DEFAULT 0, outputs TEXT, error_message TEXT);
    CREATE TABLE state_locks (stack_id TEXT PRIMARY KEY, lock_id TEXT NOT NULL, operation TEXT NOT NULL,
        who TEXT NOT NULL, created_at DATETIME DEFAULT CURRENT_TIMESTAMP, expires_at DATETIME NOT NULL,
        info TEXT);
    INSERT INTO stacks (id, name, workflow_file) VALUES ('s1', 'prod', '/srv/prod.sloth'), ('s2', 'test', NULL);
    INSERT INTO stack_executions (stack_id, started_at, completed_at, status, task_count, success_count,
        failure_count, error_message) VALUES
        ('s1', '2026-11-23 12:00:00.5+00:00', '2026-11-23 12:00:10.5+00:00', 'completed', 3, 3, 0, NULL),
        ('s1', '2026-11-23 13:00:00', '2026-11-23 13:00:05', 'failed', 3, 1, 1, 'no route to \u{1b}[31mhost'),
        ('gone', '2026-11-23 14:00:00', NULL, 'running', 2, 0, 0, '');
    INSERT INTO state_locks (stack_id, lock_id, operation, who, created_at, expires_at) VALUES
        ('s1', 'l1', 'apply', 'ann@web1', '2026-11-23 12:00:00', '2026-11-23 12:30:00'),
        ('s2', 'l2', 'destroy', 'bob@web2', '2026-11-23 12:00:00', '2999-01-01 00:00:00');";

/// Makes one.
pub fn make(path: &Path) {
    Connection::open(path).unwrap().execute_batch(TABLES).unwrap();
}
