//! The table of all functions that scripts can call and whose calls leave the script.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::lua::host_function::{CallTarget, HostFunction};
use crate::lua::{exec, log, sandbox, state, time, workdir};

pub fn all() -> impl Iterator<Item = &'static HostFunction> {
    let natives = state::functions().chain(&exec::FUNCTIONS).map(|native| &native.function);
    let of_log = log::FUNCTIONS.iter().map(|(_, function)| function);
    let of_language = time::FUNCTIONS.into_iter().chain(sandbox::FUNCTIONS);
    let of_workdir = workdir::FUNCTIONS.iter().map(|(function, _)| function);
    natives.chain(of_log).chain(of_language).chain(of_workdir)
}

/// The row of the function with this name in recordings.
pub fn find(name: &str) -> Option<&'static HostFunction> {
    static BY_NAME: LazyLock<HashMap<&str, &HostFunction>> =
        LazyLock::new(|| all().map(|function| (function.name, function)).collect());
    BY_NAME.get(name).copied()
}

/// Whether a recorded function is one whose callback runs as a transaction.
pub fn is_transaction(name: &str) -> bool {
    find(name).is_some_and(|function| function.target == CallTarget::Transaction)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::Path;
    use std::rc::Rc;

    use mlua::{Function, Lua, MultiValue, Table, Value};

    use super::*;
    use crate::lua::boundary::{Callback, HostCall, Work};
    use crate::lua::tests::Bench;
    use crate::lua::workdir::CreatedDirectories;
    use crate::lua::{Boundary, Stop};

    /// Records the calls that pass it, and answers each with nil.
    #[derive(Default)]
    struct Spy(RefCell<Vec<&'static str>>);

    impl Boundary for Spy {
        fn call(&self, call: &HostCall<'_>, _: Work<'_>) -> mlua::Result<MultiValue> {
            self.0.borrow_mut().push(call.function.name);
            Ok(MultiValue::new())
        }

        fn call_back(&self, lua: &Lua, call_back: &Callback<'_>) -> mlua::Result<MultiValue> {
            call_back.run(lua)
        }

        fn poll(&self, _: &dyn Fn() -> Option<Stop>) -> Option<Stop> {
            None
        }
    }

    fn add_functions(table: &Table, module: &str, functions: &mut BTreeMap<String, Function>) {
        for pair in table.pairs::<String, Value>() {
            match pair.unwrap() {
                (name, Value::Function(function)) => {
                    drop(functions.insert(format!("{module}{name}"), function))
                }
                (name, Value::Table(inner)) if name != "_G" => {
                    add_functions(&inner, &format!("{module}{name}."), functions);
                }
                _ => {}
            }
        }
    }

    #[test]
    fn every_function_that_leaves_the_script_has_a_row_and_every_row_a_function() {
        let spy = Rc::new(Spy::default());
        let bench = Bench::through(Rc::clone(&spy) as _);
        let (lua, context) = (&bench.runtime.lua, &bench.runtime.context);
        let mut functions = BTreeMap::new();
        add_functions(&lua.globals(), "", &mut functions);
        let created = CreatedDirectories::default();
        let table = workdir::table(lua, context, "t", Path::new("/nowhere"), &created).unwrap();
        add_functions(&table, "workdir.", &mut functions);
        let mut called = BTreeSet::new();
        for (name, function) in &functions {
            let _ = function.call::<MultiValue>(());
            let expected = if name == "print" { "log.info" } else { name };
            for crossed in spy.0.take() {
                assert_eq!(crossed, expected);
                assert!(find(crossed).is_some(), "{crossed} has no row");
                called.insert(crossed);
            }
        }
        let rows: Vec<&str> = all().map(|function| function.name).collect();
        assert_eq!(rows.len(), called.len(), "a name has two rows");
        assert!(rows.iter().all(|name| called.contains(name)), "{rows:?} {called:?}");
    }

    #[test]
    fn older_recordings_have_the_functions_of_their_time() {
        let since = |name: &str| find(name).map(|function| function.since);
        assert_eq!(
            (since("state.get"), since("state.atomic_update"), since("state.ttl")),
            (Some(1), Some(3), Some(1))
        );
        assert_eq!((since("workdir.get"), since("state.nothing"), since("get")), (Some(3), None, None));
    }
}
