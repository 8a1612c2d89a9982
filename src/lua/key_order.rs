//! The order of the keys of a table where Lua's own depends on addresses: tables with objects as keys. Text,
//! numbers and booleans come sorted, then objects by a number that each gets when it is first gone through; those
//! that meet for the first time are numbered in the order of their creation.
//!
//! Lua's interface tells neither which kinds of keys a table has nor when an object was created. Its memory
//! does: every new object is linked in front of all older ones, and a table lists its keys with their types. Both
//! are only read here, as `lobject.h` of Lua 5.1 lays them out; mlua brings that source along (its feature
//! `vendored`), and the tests below fail for another layout.

use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::os::raw::{c_int, c_void};
use std::rc::Rc;

use mlua::{Function, Lua, Table, Value, ffi};

/// The type of a key that was removed, once its object or text was collected.
const DEAD_KEY: c_int = 11;

/// A value with its type.
#[repr(C)]
struct TypedValue {
    content: u64,
    kind: c_int,
}

#[repr(C)]
struct NodeKey {
    content: u64,
    kind: c_int,
    next: *const c_void,
}

/// A key and its value.
#[repr(C)]
struct Node {
    value: TypedValue,
    key: NodeKey,
}

/// A table, up to the last field that is read.
#[repr(C)]
struct TableHead {
    next: *const c_void,
    kind: u8,
    marked: u8,
    flags: u8,
    /// The binary logarithm of the number of nodes.
    log_nodes: u8,
    metatable: *const c_void,
    array: *const TypedValue,
    nodes: *const Node,
}

/// What stands in front of the content of userdata.
#[repr(C)]
struct UserDataHead {
    next: *const c_void,
    kind: u8,
    marked: u8,
    metatable: *const c_void,
    environment: *const c_void,
    length: usize,
}

/// The address of an object itself.
fn address(object: &Value) -> *const c_void {
    let address = object.to_pointer();
    match object {
        // Lua tells the address of the content.
        Value::UserData(_) => address.cast::<u8>().wrapping_sub(size_of::<UserDataHead>()).cast(),
        _ => address,
    }
}

/// Whether the order of the keys of a table may depend on addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keys {
    /// Text, numbers and booleans only.
    Plain = 0,
    /// A key was removed, and may have been an object: a collected text cannot be told from one.
    Removed = 1,
    Objects = 2,
}

/// What kinds of keys a table has.
///
/// # Safety
/// `table` must point to a table of a running interpreter of Lua 5.1.
unsafe fn keys_of(table: *const TableHead) -> Keys {
    // SAFETY: a table has at least one node, and as many as its logarithm says.
    let nodes = unsafe { std::slice::from_raw_parts((*table).nodes, 1 << (*table).log_nodes) };
    let mut found = Keys::Plain;
    for node in nodes {
        let has_value = node.value.kind != ffi::LUA_TNIL;
        match node.key.kind {
            ffi::LUA_TNIL | ffi::LUA_TNUMBER | ffi::LUA_TBOOLEAN => {}
            ffi::LUA_TSTRING if has_value => {}
            _ if has_value && node.key.kind != DEAD_KEY => return Keys::Objects,
            _ => found = Keys::Removed,
        }
    }
    found
}

/// For Lua: what kinds of keys its argument has, which must be a table.
unsafe extern "C-unwind" fn kind_of_keys(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: the prelude calls this with a table only.
    unsafe {
        let kind = match ffi::lua_type(state, 1) {
            ffi::LUA_TTABLE => keys_of(ffi::lua_topointer(state, 1).cast()),
            _ => Keys::Plain,
        };
        ffi::lua_pushinteger(state, kind as ffi::lua_Integer);
    }
    1
}

/// The function of Lua that says what kinds of keys a table has: 0 for text, numbers and booleans, 1 if keys were
/// removed, 2 with objects.
pub(super) fn kind_function(lua: &Lua) -> mlua::Result<Function> {
    // SAFETY: it takes and pushes one value, and raises nothing.
    unsafe { lua.create_c_function(kind_of_keys) }
}

/// The places in `sought` of the objects with these addresses, in the order of their creation; those that are not
/// found are missing.
fn by_creation(lua: &Lua, sought: &[*const c_void]) -> mlua::Result<Vec<usize>> {
    let mut missing: HashMap<*const c_void, usize> =
        sought.iter().enumerate().map(|(place, address)| (*address, place)).collect();
    let mut found = Vec::with_capacity(sought.len());
    // The newest of all, from which the others follow.
    let newest = lua.create_table()?;
    let mut object = newest.to_pointer();
    while !object.is_null() && !missing.is_empty() {
        if let Some(place) = missing.remove(&object) {
            found.push(place);
        }
        // SAFETY: every object begins with the address of the next older one, and nothing is collected
        // meanwhile, as nothing is allocated in Lua.
        object = unsafe { *object.cast::<*const c_void>() };
    }
    found.reverse();
    Ok(found)
}

/// The numbers of the objects that were keys in a traversal.
#[derive(Clone)]
pub(super) struct ObjectNumbers {
    /// The number by the object, which this keeps nothing of.
    numbers: Table,
    last: Rc<Cell<i64>>,
}

impl ObjectNumbers {
    pub(super) fn new(lua: &Lua) -> mlua::Result<ObjectNumbers> {
        let numbers = lua.create_table()?;
        let weak = lua.create_table()?;
        weak.raw_set("__mode", "k")?;
        numbers.set_metatable(Some(weak))?;
        Ok(ObjectNumbers { numbers, last: Rc::default() })
    }

    /// Numbers the functions of the runtime by their names: another version may create them in another order.
    pub(super) fn add_functions(&self, globals: &Table) -> mlua::Result<()> {
        let mut functions: Vec<(String, Function)> = Vec::new();
        let mut modules: Vec<(String, Table)> = Vec::new();
        for pair in globals.pairs::<String, Value>() {
            match pair? {
                (name, Value::Function(function)) => functions.push((name, function)),
                (name, Value::Table(module)) if name != "_G" => modules.push((name, module)),
                _ => {}
            }
        }
        for (module, table) in modules {
            for pair in table.pairs::<String, Value>() {
                if let (name, Value::Function(function)) = pair? {
                    functions.push((format!("{module}.{name}"), function));
                }
            }
        }
        functions.sort_by(|left, right| left.0.cmp(&right.0));
        functions.into_iter().try_for_each(|(_, function)| self.number(function).map(drop))
    }

    fn number(&self, object: impl mlua::IntoLua) -> mlua::Result<i64> {
        let number = self.last.get() + 1;
        self.last.set(number);
        self.numbers.raw_set(object, number)?;
        Ok(number)
    }

    /// The keys of a table in their order, as a list.
    pub(super) fn ordered_keys(&self, lua: &Lua, table: &Table) -> mlua::Result<Table> {
        let mut plain: Vec<PlainKey> = Vec::new();
        // Lua can hold only some thousands of values outside of its tables.
        let objects = lua.create_table()?;
        let mut numbered: Vec<(i64, usize)> = Vec::new();
        let (mut unknown, mut addresses) = (Vec::new(), Vec::new());
        let mut count = 0;
        table.for_each(|key: Value, _: Value| {
            match &key {
                Value::Integer(integer) => plain.push(PlainKey::Number(*integer as f64)),
                Value::Number(number) => plain.push(PlainKey::Number(*number)),
                Value::String(text) => plain.push(PlainKey::Text(text.as_bytes().to_vec())),
                Value::Boolean(truth) => plain.push(PlainKey::Boolean(*truth)),
                _ => {
                    count += 1;
                    objects.raw_set(count, &key)?;
                    match self.numbers.raw_get::<Option<i64>>(&key)? {
                        Some(number) => numbered.push((number, count)),
                        None => {
                            unknown.push(count);
                            addresses.push(address(&key));
                        }
                    }
                }
            }
            Ok(())
        })?;
        for place in by_creation(lua, &addresses)? {
            let object: Value = objects.raw_get(unknown[place])?;
            numbered.push((self.number(object)?, std::mem::take(&mut unknown[place])));
        }
        plain.sort_by(PlainKey::order);
        numbered.sort_unstable();
        let keys = lua.create_table_with_capacity(plain.len() + count, 0)?;
        let mut place = 0;
        let mut add = |key: Value| {
            place += 1;
            keys.raw_set(place, key)
        };
        for key in plain {
            add(match key {
                PlainKey::Number(number) => Value::Number(number),
                PlainKey::Text(text) => Value::String(lua.create_string(text)?),
                PlainKey::Boolean(truth) => Value::Boolean(truth),
            })?;
        }
        let rest = unknown.into_iter().filter(|index| *index > 0);
        for index in numbered.into_iter().map(|(_, index)| index).chain(rest) {
            add(objects.raw_get(index)?)?;
        }
        Ok(keys)
    }
}

/// A key whose order depends on its content only.
enum PlainKey {
    Number(f64),
    Text(Vec<u8>),
    Boolean(bool),
}

impl PlainKey {
    /// 1, 2, 3 … first, then other numbers, texts and booleans.
    fn order(&self, other: &PlainKey) -> Ordering {
        let rank = |key: &PlainKey| match key {
            PlainKey::Number(number) if *number >= 1.0 && number.fract() == 0.0 => 0,
            PlainKey::Number(_) => 1,
            PlainKey::Text(_) => 2,
            PlainKey::Boolean(_) => 3,
        };
        rank(self).cmp(&rank(other)).then_with(|| match (self, other) {
            (PlainKey::Number(left), PlainKey::Number(right)) => left.total_cmp(right),
            (PlainKey::Text(left), PlainKey::Text(right)) => left.cmp(right),
            (PlainKey::Boolean(left), PlainKey::Boolean(right)) => left.cmp(right),
            _ => Ordering::Equal,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(lua: &Lua, code: &str) -> i64 {
        let table: Table = lua.load(code).eval().unwrap();
        kind_function(lua).unwrap().call(table).unwrap()
    }

    #[test]
    fn the_kinds_of_keys_are_read_from_the_table_itself() {
        let lua = Lua::new();
        for code in [
            "{}",
            "{ 1, 2, 3 }",
            "{ a = 1, [true] = 2, [0.5] = 3, [-1] = 4 }",
            "(function() local t = {} for i = 1, 1000 do t['k' .. i] = i; t[i * 1.5] = i end return t end)()",
            "{ {}, print, a = {} }",
        ] {
            assert_eq!(kind(&lua, code), 0, "{code}");
        }
        for code in [
            "{ [{}] = 1 }",
            "{ a = 1, [print] = 2 }",
            "{ [coroutine.create(function() end)] = 1 }",
            "(function() local t = {} for i = 1, 1000 do t['k' .. i] = i end t[function() end] = 1 return t end)()",
        ] {
            assert_eq!(kind(&lua, code), 2, "{code}");
        }
        for code in [
            "(function() local t = { [{}] = 1, a = 2 } for k in pairs(t) do t[k] = nil end return t end)()",
            "(function() local t = { [{}] = 1 } for k in pairs(t) do t[k] = nil end collectgarbage() return t end)()",
        ] {
            assert_eq!(kind(&lua, code), 1, "{code}");
        }
    }

    #[test]
    fn objects_come_in_the_order_of_their_creation() {
        let lua = Lua::new();
        // What was created between them and has gone changes nothing.
        let code = "
            local made, t = {}, {}
            for i = 1, 300 do
                local junk = { {}, function() return i end }
                made[i] = i % 3 == 0 and {} or i % 3 == 1 and coroutine.create(function() end) or function() return i end
            end
            collectgarbage()
            for i = 300, 1, -7 do t[made[i]] = i end
            for i = 1, 300 do t[made[i]] = i end
            t.text, t[2], t[false] = 0, 0, 0
            return t";
        let table: Table = lua.load(code).eval().unwrap();
        let keys = ObjectNumbers::new(&lua).unwrap().ordered_keys(&lua, &table).unwrap();
        let values: Vec<i64> =
            keys.sequence_values::<Value>().map(|key| table.raw_get::<i64>(key.unwrap()).unwrap()).collect();
        let expected: Vec<i64> = [0, 0, 0].into_iter().chain(1..=300).collect();
        assert_eq!(values, expected);
    }

    #[test]
    fn userdata_come_in_the_order_of_their_creation_too() {
        struct Handle;
        impl mlua::UserData for Handle {}
        let lua = Lua::new();
        let handles: Vec<mlua::AnyUserData> = (0..50).map(|_| lua.create_userdata(Handle).unwrap()).collect();
        let table = lua.create_table().unwrap();
        for (number, handle) in handles.iter().enumerate().rev() {
            table.raw_set(handle, number).unwrap();
        }
        let keys = ObjectNumbers::new(&lua).unwrap().ordered_keys(&lua, &table).unwrap();
        let values = keys.sequence_values::<Value>().map(|key| table.raw_get::<usize>(key.unwrap()).unwrap());
        assert_eq!(values.collect::<Vec<_>>(), (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn an_object_keeps_its_number() {
        let lua = Lua::new();
        let numbers = ObjectNumbers::new(&lua).unwrap();
        let [older, newer]: [Table; 2] = std::array::from_fn(|_| lua.create_table().unwrap());
        let set = |objects: &[&Table]| {
            let table = lua.create_table().unwrap();
            objects.iter().for_each(|object| table.raw_set(*object, true).unwrap());
            numbers
                .ordered_keys(&lua, &table)
                .unwrap()
                .sequence_values::<Table>()
                .map(Result::unwrap)
                .collect()
        };
        let first: Vec<Table> = set(&[&newer]);
        assert_eq!(first, std::slice::from_ref(&newer));
        let both: Vec<Table> = set(&[&older, &newer]);
        assert_eq!(both, [newer, older]);
    }
}
