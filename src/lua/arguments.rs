//! The arguments of the language's own functions that are replaced here, checked as Lua 5.1 checks them.

use mlua::{Lua, LuaString, MultiValue, Table, Value};

use crate::lua::convert::double;
use crate::lua::error::raise;

/// The arguments of a call.
pub(super) struct Arguments<'a> {
    lua: &'a Lua,
    /// The name of the function, without its module.
    function: &'static str,
    values: &'a MultiValue,
}

impl<'a> Arguments<'a> {
    pub fn new(lua: &'a Lua, function: &'static str, values: &'a MultiValue) -> Arguments<'a> {
        Arguments { lua, function, values }
    }

    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether the argument at `index`, counted from 0, is nil or was left out.
    pub fn is_none(&self, index: usize) -> bool {
        self.values.get(index).is_none_or(Value::is_nil)
    }

    /// A number, or a text that spells one.
    pub fn number(&self, index: usize) -> mlua::Result<f64> {
        let value = self.values.get(index);
        let number = match value {
            Some(Value::String(_)) => {
                value.and_then(|value| self.lua.coerce_number(value.clone()).ok().flatten())
            }
            Some(value) => double(value),
            None => None,
        };
        number.ok_or_else(|| self.unfit(index, "number"))
    }

    pub fn optional_number(&self, index: usize) -> mlua::Result<Option<f64>> {
        if self.is_none(index) { Ok(None) } else { self.number(index).map(Some) }
    }

    /// A number without its fraction.
    pub fn integer(&self, index: usize) -> mlua::Result<i64> {
        Ok(self.number(index)? as i64)
    }

    /// A text, or a number as its text.
    pub fn text(&self, index: usize) -> mlua::Result<LuaString> {
        match self.values.get(index) {
            Some(value @ (Value::String(_) | Value::Integer(_) | Value::Number(_))) => {
                self.lua.coerce_string(value.clone())?.ok_or_else(|| self.unfit(index, "string"))
            }
            _ => Err(self.unfit(index, "string")),
        }
    }

    pub fn optional_text(&self, index: usize) -> mlua::Result<Option<LuaString>> {
        if self.is_none(index) { Ok(None) } else { self.text(index).map(Some) }
    }

    pub fn optional_table(&self, index: usize) -> mlua::Result<Option<Table>> {
        match self.values.get(index) {
            None | Some(Value::Nil) => Ok(None),
            Some(Value::Table(table)) => Ok(Some(table.clone())),
            Some(_) => Err(self.unfit(index, "table")),
        }
    }

    /// The error about an argument, with the line of the call.
    pub fn wrong(&self, index: usize, why: &str) -> mlua::Error {
        raise(self.lua, format!("bad argument #{} to '{}' ({why})", index + 1, self.function))
    }

    fn unfit(&self, index: usize, wanted: &str) -> mlua::Error {
        let found = match self.values.get(index) {
            None => "no value",
            Some(Value::Integer(_) | Value::Number(_)) => "number",
            Some(value) => value.type_name(),
        };
        self.wrong(index, &format!("{wanted} expected, got {found}"))
    }
}
