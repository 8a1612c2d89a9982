//! The fields of a Lua table that is to be stored.

use mlua::{Table, Value as LuaValue};

use super::path::Path;
use super::{Unstorable, kind};
use crate::text::escape::escape;

/// The keys of a script's table in order. The values stay in Lua, which can hold only some thousands of them
/// outside of its tables.
pub(super) struct Fields {
    table: Table,
    pub items: Vec<i64>,
    pub named: Vec<String>,
}

impl Fields {
    pub(super) fn of(table: &Table, path: &Path<'_>) -> Result<Fields, Unstorable> {
        let (mut items, mut named) = (Vec::new(), Vec::new());
        for pair in table.pairs::<LuaValue, LuaValue>() {
            let (key, _) = pair.map_err(|error| Unstorable::at(path, error.to_string()))?;
            match key {
                LuaValue::Integer(index) => items.push(index),
                LuaValue::String(name) => {
                    let name = name.to_str().map_err(|_| {
                        let shown = escape(&name.as_bytes());
                        Unstorable::at(path, format!("has the key {shown}, which is not UTF-8 text"))
                    })?;
                    named.push(name.to_string());
                }
                other => {
                    let reason = format!("has a key that is a {}: keys are text, or 1, 2, 3 …", kind(&other));
                    return Err(Unstorable::at(path, reason));
                }
            }
        }
        if !items.is_empty() && !named.is_empty() {
            return Err(Unstorable::at(path, "mixes list items and named fields"));
        }
        items.sort_unstable();
        named.sort_unstable();
        Ok(Fields { table: table.clone(), items, named })
    }

    pub(super) fn value(&self, key: impl mlua::IntoLua, path: &Path<'_>) -> Result<LuaValue, Unstorable> {
        self.table.raw_get(key).map_err(|error| Unstorable::at(path, error.to_string()))
    }

    pub(super) fn item(&self, place: usize, path: &Path<'_>) -> Result<LuaValue, Unstorable> {
        self.value(self.items[place], path)
    }

    pub(super) fn named(&self, name: &str, path: &Path<'_>) -> Result<LuaValue, Unstorable> {
        self.value(name, path)
    }

    /// Refuses a list with a gap, unless the old list has null there.
    pub(super) fn refuse_gaps(&self, old: &[&str], path: &Path<'_>) -> Result<(), Unstorable> {
        let mut expected = 1;
        for index in &self.items {
            while expected < *index && old.get(expected as usize - 1) == Some(&"null") {
                expected += 1;
            }
            if *index != expected {
                let reason = format!("is a list with a gap: [{index}] without [{expected}]");
                return Err(Unstorable::at(path, reason));
            }
            expected += 1;
        }
        Ok(())
    }

    /// For a list with nulls: whether each index has a value, and its old index. A script sees no item for
    /// null, and the other items keep their indexes.
    pub(super) fn by_place(&self, old: &[&str]) -> Vec<(bool, Option<usize>)> {
        let mut items = self.items.iter().peekable();
        let mut all = Vec::new();
        loop {
            let place = all.len();
            let has_value = items.next_if(|index| **index == place as i64 + 1).is_some();
            if !has_value && old.get(place) != Some(&"null") {
                return all;
            }
            all.push((has_value, Some(place).filter(|place| *place < old.len())));
        }
    }
}
