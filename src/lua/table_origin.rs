//! Where the tables of a script come from: the JSON text that each was read from, so that what a script
//! leaves unchanged is written back byte for byte; and which integers were rounded on the way.
//!
//! All of this is kept inside Lua: it counts as memory of the script, and is freed with its tables.

use std::os::raw::c_void;

use mlua::{Lua, LuaString, Table, Value};
use serde_json::value::RawValue;

/// The text that a table was read from, by the table.
const TEXTS: &str = "slothstate.origin.texts";
/// Where in that text the table begins, in bytes, by the table.
const PLACES: &str = "slothstate.origin.places";
/// The digits of integers that a double cannot hold, by the double that stands for them.
const ROUNDED: &str = "slothstate.origin.rounded";

/// The origins of the tables of an interpreter.
pub struct Origins {
    texts: Table,
    places: Table,
    rounded: Table,
}

/// Where a table was read from.
pub struct Origin {
    text: LuaString,
    place: usize,
}

impl Origins {
    /// Those of an interpreter.
    pub fn of(lua: &Lua) -> mlua::Result<Origins> {
        Ok(Origins {
            texts: kept(lua, TEXTS, true)?,
            places: kept(lua, PLACES, true)?,
            rounded: kept(lua, ROUNDED, false)?,
        })
    }

    /// Notes that `table` was read from `text`, where it begins at byte `place`.
    pub fn note(&self, table: &Table, text: &LuaString, place: usize) -> mlua::Result<()> {
        self.texts.raw_set(table, text)?;
        self.places.raw_set(table, place)
    }

    /// Where a table was read from, if it was.
    pub fn origin(&self, table: &Table) -> mlua::Result<Option<Origin>> {
        let Some(text) = self.texts.raw_get::<Option<LuaString>>(table)? else { return Ok(None) };
        let place: Option<usize> = self.places.raw_get(table)?;
        Ok(place.map(|place| Origin { text, place }))
    }

    /// Notes that the tables in `to`, which has the same content, were read from where those in `from` were.
    pub fn carry(&self, from: &Value, to: &Value) -> mlua::Result<()> {
        let (Value::Table(from), Value::Table(to)) = (from, to) else { return Ok(()) };
        if let Some(origin) = self.origin(from)? {
            self.note(to, &origin.text, origin.place)?;
        }
        for pair in to.pairs::<Value, Value>() {
            let (key, inner) = pair?;
            if inner.is_table() {
                self.carry(&from.raw_get(key)?, &inner)?;
            }
        }
        Ok(())
    }

    /// Notes that a script sees a double instead of an integer with these digits.
    pub fn note_rounded(&self, double: f64, digits: &str) -> mlua::Result<()> {
        self.rounded.raw_set(double, digits)
    }

    /// The digits of an integer for which a script may have seen this double.
    pub fn rounded(&self, double: f64) -> mlua::Result<Option<String>> {
        self.rounded.raw_get(double)
    }
}

impl Origin {
    /// Identifies the text: equal marks mean the same text.
    pub fn mark(&self) -> *const c_void {
        self.text.to_pointer()
    }

    /// Where in it the table begins, in bytes.
    pub fn place(&self) -> usize {
        self.place
    }

    /// The text of the table, with the white space around it if it is the whole text.
    pub fn piece(&self) -> Option<String> {
        let bytes = self.text.as_bytes();
        if bytes[..self.place.min(bytes.len())].trim_ascii().is_empty() {
            return std::str::from_utf8(&bytes).ok().map(String::from);
        }
        let rest = serde_json::Deserializer::from_slice(bytes.get(self.place..)?);
        let piece: Box<RawValue> = rest.into_iter().next()?.ok()?;
        Some(piece.get().to_string())
    }
}

fn kept(lua: &Lua, name: &str, is_weak: bool) -> mlua::Result<Table> {
    if let Some(table) = lua.named_registry_value::<Option<Table>>(name)? {
        return Ok(table);
    }
    let table = lua.create_table()?;
    if is_weak {
        let weak = lua.create_table()?;
        weak.raw_set("__mode", "k")?;
        table.set_metatable(Some(weak))?;
    }
    lua.set_named_registry_value(name, &table)?;
    Ok(table)
}
