//! Why a comparison or a calculation failed: which entry the value came from, what is stored there,
//! and how to read or store it as a number.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use crate::lua::error::ScriptLine;
use crate::lua::error_details::place_in;
use crate::lua::source::{KnownSource, Operand, SourceCall, SourceScan};
use crate::store::Number;
use crate::store::secret_keys::{MASK, Secrets};
use crate::text::escape::{escape, shell_word};

/// How many of the last values that are not numbers are kept,
const MAX_READS: usize = 64;
/// and how much of each, in bytes.
const MAX_TEXT: usize = 60;

/// The values that scripts have read, and the sources that read them.
#[derive(Default)]
pub struct Mismatches {
    /// The sources by the names that Lua's messages give them.
    sources: RefCell<BTreeMap<String, Rc<KnownSource>>>,
    /// The newest last.
    reads: RefCell<VecDeque<Read>>,
}

/// A value that a script has read and that is not a number.
struct Read {
    key: Vec<u8>,
    /// The text, or `true` or `false`.
    text: Vec<u8>,
    is_boolean: bool,
    line: Option<usize>,
}

/// A call that reads an entry: the key where the source names it, and the line.
struct Source {
    key: Option<Vec<u8>>,
    line: usize,
}

impl Source {
    /// Whether that call may have read this.
    fn may_have_read(&self, read: &Read) -> bool {
        self.key.as_ref().map_or(read.line == Some(self.line), |key| *key == read.key)
    }
}

impl Mismatches {
    /// Remembers a source by its name in messages.
    pub fn add_source(&self, name: &str, source: &[u8]) {
        self.sources.borrow_mut().insert(name.to_string(), Rc::new(KnownSource::new(source)));
    }

    /// Whether a source has this name in messages.
    pub fn has_source(&self, name: &str) -> bool {
        self.sources.borrow().contains_key(name)
    }

    /// The source with this name in messages.
    pub fn source(&self, name: &str) -> Option<Rc<KnownSource>> {
        self.sources.borrow().get(name).cloned()
    }

    /// The place in a source that a message names first.
    pub fn place_in(&self, message: &str) -> Option<ScriptLine> {
        place_in(message, self.sources.borrow().keys().map(String::as_str))
    }

    /// Remembers what `state.get(key)` answered at a line, if it is not a number.
    pub fn add_read(&self, key: &[u8], answer: &mlua::Value, line: impl FnOnce() -> Option<usize>) {
        let (text, is_boolean) = match answer {
            // One byte more than is shown, to know whether it is truncated.
            mlua::Value::String(text) => {
                (text.as_bytes().iter().take(MAX_TEXT + 1).copied().collect::<Vec<u8>>(), false)
            }
            mlua::Value::Boolean(truth) => (truth.to_string().into_bytes(), true),
            _ => return,
        };
        let mut reads = self.reads.borrow_mut();
        if reads.len() >= MAX_READS {
            reads.pop_front();
        }
        let key = key[..key.len().min(1024)].to_vec();
        reads.push_back(Read { key, text, is_boolean, line: line() });
    }

    /// The message with the entry whose type is the reason, if there is one.
    pub fn explain(&self, message: &str) -> Option<String> {
        const EXPLANATION_START: &str = "; entry ";
        let (place, problem) = message.split_once(": attempt to ")?;
        let is_about_types = problem.starts_with("compare ") && problem.contains(" with ")
            || problem.starts_with("perform arithmetic on ") && problem.contains("string value");
        if !is_about_types || message.contains(EXPLANATION_START) {
            return None;
        }
        let of_boolean = problem.contains("boolean");
        if !of_boolean && !problem.contains("string") {
            return None;
        }
        let sources = self.sources_at(place).unwrap_or_default();
        let reads = self.reads.borrow();
        let is_it = |read: &&Read| {
            read.is_boolean == of_boolean && sources.iter().any(|source| source.may_have_read(read))
        };
        let read = reads.iter().rev().find(is_it)?;
        let key = escape(&read.key);
        let shown = escape(&read.text[..read.text.len().min(MAX_TEXT)]);
        let more = if read.text.len() > MAX_TEXT { "…" } else { "" };
        // The message is logged and recorded.
        let stored = match read.is_boolean {
            true => format!("the boolean {shown}"),
            false if Secrets::usual().hides_name(&read.key) => format!("the text {MASK}"),
            false => format!("the text \"{shown}{more}\""),
        };
        let fix = match Number::spelled_exactly(&read.text) {
            Some(_) => format!("read it as a number with state.get(\"{key}\", 0)"),
            None => {
                format!(
                    "store a number there, as with: slothstate set {} 0 --type number",
                    shell_word(&read.key)
                )
            }
        };
        Some(format!("{message}{EXPLANATION_START}{key} is {stored}: {fix}"))
    }

    /// The calls that the operands of line `FILE:LINE` come from.
    fn sources_at(&self, place: &str) -> Option<Vec<Source>> {
        let (file, line) = place.rsplit_once(':')?;
        let line: usize = line.parse().ok()?;
        let source = self.source(file)?;
        let found = source.scan()?;
        let source = source.text();
        let compared = found.comparisons.iter().filter(|comparison| comparison.line == line);
        let operands = compared.flat_map(|comparison| &comparison.operands);
        let calls = operands.flat_map(|operand| operand_calls(operand, found, source, line));
        Some(calls.map(|call| Source { key: literal_key(call, source), line: call.line }).collect())
    }
}

/// The calls that an operand may have its value from: itself, or those assigned to the variable.
fn operand_calls<'s>(
    operand: &Operand,
    found: &'s SourceScan,
    source: &[u8],
    line: usize,
) -> Vec<&'s SourceCall> {
    match operand {
        Operand::Calls(places) => places.iter().map(|place| &found.calls[*place]).collect(),
        Operand::Name(start, end) => {
            let name = &source[*start..*end];
            let assigned = found.assignments.iter().filter(|assignment| {
                let (start, end) = assignment.name;
                source[start..end] == *name && found.calls[assignment.call].line <= line
            });
            // The nearest one before it first.
            assigned.rev().map(|assignment| &found.calls[assignment.call]).take(1).collect()
        }
        _ => Vec::new(),
    }
}

/// The key that is the first argument of a call, if it is written out in one string without escapes.
fn literal_key(call: &SourceCall, source: &[u8]) -> Option<Vec<u8>> {
    let rest = source[call.callee.1..].trim_ascii_start();
    let rest = rest.strip_prefix(b"(").unwrap_or(rest).trim_ascii_start();
    let quote = *rest.first().filter(|byte| matches!(byte, b'"' | b'\''))?;
    let end = rest[1..].iter().position(|byte| *byte == quote)?;
    let (key, after) = (&rest[1..=end], rest[end + 2..].trim_ascii_start());
    let is_all = !after.starts_with(b"..") && !key.contains(&b'\\');
    is_all.then(|| key.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lua::source::scan;

    #[test]
    fn the_key_is_taken_from_the_source() {
        for (source, expected) in [
            ("x = s.get('a b') < 1", Some("a b")),
            ("x = s.get( \"k\" , 1) < 1", Some("k")),
            ("x = s.get 'k' < 1", Some("k")),
            ("x = s.get('k' .. y) < 1", None),
            ("x = s.get(k) < 1", None),
            ("x = s.get('a\\n') < 1", None),
        ] {
            let scan = scan(source.as_bytes(), &["get"], &[]).unwrap();
            let key = literal_key(&scan.calls[0], source.as_bytes());
            assert_eq!(key.as_deref(), expected.map(str::as_bytes), "{source}");
        }
    }

    #[test]
    fn only_a_read_of_the_failed_line_is_named() {
        let lua = mlua::Lua::new();
        let mismatches = Mismatches::default();
        mismatches.add_source("w.lua", b"local n = s.get('n')\nlocal m = s.get('m')\nif n < 5 then end");
        for (key, text) in [("n", "many"), ("m", "5")] {
            let text = mlua::Value::String(lua.create_string(text).unwrap());
            mismatches.add_read(key.as_bytes(), &text, || None);
        }
        let message = "w.lua:3: attempt to compare string with number";
        let explained = mismatches.explain(message).unwrap();
        let expected =
            "; entry n is the text \"many\": store a number there, as with: slothstate set n 0 --type number";
        assert_eq!(explained, format!("{message}{expected}"));
        assert_eq!(mismatches.explain(&explained), None);
        assert_eq!(mismatches.explain("w.lua:2: attempt to compare string with number"), None);
        assert_eq!(mismatches.explain("w.lua:3: attempt to compare nil with number"), None);
        assert_eq!(mismatches.explain("other"), None);
    }

    #[test]
    fn a_secret_is_masked() {
        let lua = mlua::Lua::new();
        let mismatches = Mismatches::default();
        mismatches.add_source("w.lua", b"if s.get('api_token') < 5 then end");
        let text = mlua::Value::String(lua.create_string("hunter2").unwrap());
        mismatches.add_read(b"api_token", &text, || None);
        let explained = mismatches.explain("w.lua:1: attempt to compare string with number").unwrap();
        assert!(explained.contains("entry api_token is the text ••••••: store"), "{explained}");
    }
}
