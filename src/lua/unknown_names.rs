//! What an author may have meant by a name that does not exist: a function of a module, or a global.

use mlua::{Lua, Table, Value};

use crate::text::suggestion::{meant, shown_name};

/// How many functions a module may have whose names are all listed.
const MAX_LISTED: usize = 12;

/// Other words for functions, by module.
const SYNONYMS: [(&str, &str, &str); 36] = [
    ("state", "remove", "delete"),
    ("state", "del", "delete"),
    ("state", "unset", "delete"),
    ("state", "put", "set"),
    ("state", "write", "set"),
    ("state", "save", "set"),
    ("state", "store", "set"),
    ("state", "read", "get"),
    ("state", "load", "get"),
    ("state", "fetch", "get"),
    ("state", "inc", "increment"),
    ("state", "add", "increment"),
    ("state", "dec", "decrement"),
    ("state", "decr", "decrement"),
    ("state", "contains", "exists"),
    ("state", "acquire", "lock"),
    ("state", "release", "unlock"),
    ("state", "expire", "set_ttl"),
    ("state", "cas", "compare_swap"),
    ("state", "push", "list_push"),
    ("state", "pop", "list_pop"),
    ("state", "watch", "wait"),
    ("log", "warning", "warn"),
    ("log", "err", "error"),
    ("log", "fatal", "error"),
    ("log", "trace", "debug"),
    ("log", "print", "info"),
    ("log", "success", "info"),
    ("exec", "command", "run"),
    ("exec", "cmd", "run"),
    ("exec", "shell", "run"),
    ("exec", "execute", "run"),
    ("data", "encode", "to_json"),
    ("data", "decode", "parse_json"),
    ("data", "from_json", "parse_json"),
    ("data", "stringify", "to_json"),
];

/// Functions of newer versions of Lua, and what 5.1 has in their place.
const NEWER: [(&str, &str); 9] = [
    ("table.unpack", "unpack(list)"),
    ("table.pack", "{n = select(\"#\", ...), ...}"),
    ("table.move", "a loop"),
    ("math.tointeger", "math.floor"),
    ("math.type", "type(value)"),
    ("math.ult", "a comparison"),
    ("string.pack", "data.to_json"),
    ("string.unpack", "data.parse_json"),
    ("coroutine.isyieldable", "coroutine.running"),
];

/// Modules of Sloth Runner that are not here.
const ELSEWHERE: [&str; 40] = [
    "aws",
    "azure",
    "crypto",
    "db",
    "digitalocean",
    "docker",
    "event",
    "facts",
    "file",
    "file_ops",
    "fs",
    "gcp",
    "git",
    "gitops",
    "goroutine",
    "helm",
    "http",
    "incus",
    "infra_test",
    "kubernetes",
    "metrics",
    "modules",
    "net",
    "network",
    "notifications",
    "pkg",
    "pulumi",
    "python",
    "reliability",
    "salt",
    "service",
    "slack",
    "ssh",
    "stack",
    "strings",
    "systemd",
    "template",
    "terraform",
    "toml",
    "user",
];

/// Why `name` in `module`, which has the functions of `table`, does not exist.
pub(super) fn function(module: &str, table: &Table, name: &str) -> String {
    let names = names(table, |_| true);
    let synonym = SYNONYMS.iter().find(|(of, other, _)| *of == module && *other == name).map(|row| row.2);
    let synonym = synonym.filter(|synonym| names.iter().any(|known| known == synonym));
    let hint = match synonym.or_else(|| meant(name, names.iter().map(String::as_str))) {
        Some(meant) => format!("did you mean {module}.{meant}?"),
        None if names.len() <= MAX_LISTED => format!("there are {}", names.join(", ")),
        None => format!("there is no such function among the {} of {module}", names.len()),
    };
    format!("{module}.{} is unknown: {hint}", shown_name(name))
}

/// A message of Lua about a global or a function of a module that is nil, with what may have been meant. `line` is the
/// line of the source where it was raised.
pub(super) fn explain(lua: &Lua, message: &str, line: Option<&str>) -> Option<String> {
    let (_, problem) = message.rsplit_once(": attempt to ")?;
    let (action, rest) = problem.split_once(' ')?;
    let (kind, rest) = rest.split_once(" '")?;
    let (name, rest) = rest.split_once('\'')?;
    if rest != " (a nil value)" {
        return None;
    }
    let hint = match (action, kind) {
        ("index", "global") if ELSEWHERE.contains(&name) => {
            format!("Sloth Runner's module {name} is not available here; commands are run with exec.run")
        }
        ("index", "global") => {
            let tables = names(&lua.globals(), |value| matches!(value, Value::Table(_)));
            format!("did you mean {}?", meant(name, tables.iter().map(String::as_str))?)
        }
        ("call", "global") => {
            let functions = names(&lua.globals(), |value| matches!(value, Value::Function(_)));
            format!("did you mean {}?", meant(name, functions.iter().map(String::as_str))?)
        }
        ("call", "field") => of_library(lua, line?, name)?,
        _ => return None,
    };
    Some(format!("{message}; {hint}"))
}

/// What was meant by a function of the language's own library, where the line names its module.
fn of_library(lua: &Lua, line: &str, name: &str) -> Option<String> {
    let is_named = |module: &&&str| line.contains(&format!("{module}.{name}"));
    let module = ["string", "table", "math", "coroutine"].iter().find(is_named)?;
    let full = format!("{module}.{name}");
    if let Some((_, instead)) = NEWER.iter().find(|(newer, _)| *newer == full) {
        return Some(format!("{full} came after Lua 5.1, which has {instead}"));
    }
    let library = lua.globals().raw_get::<Table>(*module).ok()?;
    let functions = names(&library, |value| matches!(value, Value::Function(_)));
    Some(match meant(name, functions.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean {module}.{meant}?"),
        None => format!("{module} has {}", functions.join(", ")),
    })
}

/// The names in a table whose values fit, sorted.
fn names(table: &Table, fits: impl Fn(&Value) -> bool) -> Vec<String> {
    let pairs = table.pairs::<Value, Value>().flatten();
    let fitting = pairs.filter(|(_, value)| fits(value));
    let mut names: Vec<String> =
        fitting.filter_map(|(name, _)| Some(name.as_string()?.to_str().ok()?.to_string())).collect();
    names.sort();
    names
}
