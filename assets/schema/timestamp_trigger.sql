-- Sloth Runner's own trigger, by its own name, for files that slothstate made: it fires only for
-- writes that did not come from slothstate, which sets updated_at itself.

CREATE TRIGGER IF NOT EXISTS update_state_timestamp AFTER UPDATE OF key, value ON state
WHEN NEW.revision IS OLD.revision AND NEW.updated_at IS OLD.updated_at
BEGIN
    UPDATE state SET updated_at = CURRENT_TIMESTAMP WHERE key = NEW.key;
END;
