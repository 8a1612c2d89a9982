//! What an author sees of an error besides its message: the lines of the source around it, and the functions that
//! were being called.

use mlua::Lua;
use serde::Serialize;

use crate::lua::error::ScriptLine;
use crate::lua::source::KnownSource;
use crate::text::escape::escape;

/// How many lines are shown before and after the line of an error.
const CONTEXT_LINES: usize = 2;
/// How much of a line is shown, in characters.
const MAX_LINE: usize = 160;
/// How many calls are shown of the innermost, and as many of the outermost.
const MAX_CALLS: usize = 8;
/// How deep a stack is searched.
const MAX_DEPTH: usize = 20_000;

/// A function of a script that was being called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptCall {
    /// The line that was being executed.
    pub place: ScriptLine,
    /// What is called, such as `function deploy`.
    pub function: String,
}

/// The script's calls on the stack, the innermost first; `is_script` says which files are the script's.
pub(super) fn script_calls(lua: &Lua, is_script: impl Fn(&str) -> bool) -> Vec<ScriptCall> {
    let mut calls = Vec::new();
    for level in 0..MAX_DEPTH {
        let call = lua.inspect_stack(level, |debug| {
            let source = debug.source();
            let file = source.short_src.as_deref().filter(|file| source.what != "C" && is_script(file))?;
            let line = debug.current_line()?;
            let names = debug.names();
            let function = match (source.what, &names.name, source.line_defined) {
                ("main", ..) => "the file".to_string(),
                (_, Some(name), _) => format!("function {name}"),
                (_, None, Some(line)) => format!("the function of line {line}"),
                (_, None, None) => "a function".to_string(),
            };
            Some(ScriptCall { place: ScriptLine { file: file.to_string(), line }, function })
        });
        match call {
            Some(call) => calls.extend(call),
            None => break,
        }
        if calls.len() > 2 * MAX_CALLS {
            // The middle of a deep recursion says nothing more.
            calls.remove(MAX_CALLS);
        }
    }
    calls
}

/// The first line that is shown with the line `wanted`.
fn first_line_shown(wanted: usize) -> usize {
    wanted.saturating_sub(CONTEXT_LINES).max(1)
}

/// A line of a source, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceExcerptLine {
    pub line: usize,
    /// Escaped, and cut if it is long.
    pub text: String,
    /// Whether the error is here.
    pub is_error: bool,
}

/// The line `wanted` of a source, counted from 1, with the lines around it; nothing if there is no such line.
pub fn excerpt(source: &[u8], wanted: usize) -> Vec<SourceExcerptLine> {
    excerpt_of_part(source, 1, wanted)
}

/// As [`excerpt`], of the part of a source that begins at the line `begin`.
fn excerpt_of_part(part: &[u8], begin: usize, wanted: usize) -> Vec<SourceExcerptLine> {
    let first = first_line_shown(wanted).max(begin);
    let lines = part.split(|byte| *byte == b'\n').enumerate().skip(first - begin);
    let lines = lines.map(|(index, text)| (begin - 1 + index, text));
    let shown = lines.take(wanted + CONTEXT_LINES + 1 - first).map(|(index, text)| {
        let text = String::from_utf8_lossy(text.trim_ascii_end()).replace('\t', "    ");
        let cut = match text.char_indices().nth(MAX_LINE) {
            Some((end, _)) => format!("{}…", escape(&text.as_bytes()[..end])),
            None => escape(text.as_bytes()),
        };
        SourceExcerptLine { line: index + 1, text: cut, is_error: index + 1 == wanted }
    });
    let mut shown: Vec<_> = shown.collect();
    if !shown.iter().any(|line| line.is_error) {
        return Vec::new();
    }
    while shown.last().is_some_and(|line| line.text.is_empty() && !line.is_error) {
        shown.pop();
    }
    shown
}

/// The place that a message names: the first `FILE:LINE:` with a file in `files`, or, where others follow at once, the
/// last of them: an error that is handed on has the place where it was raised behind that where it was handed on.
pub fn place_in<'a>(message: &str, files: impl IntoIterator<Item = &'a str> + Clone) -> Option<ScriptLine> {
    let at_start = |text: &'_ str, file: &str| -> Option<(ScriptLine, usize)> {
        let (line, rest) = text.strip_prefix(file)?.strip_prefix(':')?.split_once(':')?;
        let place = ScriptLine { file: file.to_string(), line: line.parse().ok()? };
        Some((place, text.len() - rest.trim_start().len()))
    };
    let in_file = |file: &'a str| {
        let found = |(start, _)| Some((start, at_start(&message[start..], file)?));
        message.match_indices(file).find_map(found)
    };
    let found = files.clone().into_iter().filter_map(in_file);
    let (start, (mut place, length)) = found.min_by_key(|(start, (place, _))| (*start, place.file.len()))?;
    let mut rest = &message[start + length..];
    while let Some((next, length)) = files.clone().into_iter().find_map(|file| at_start(rest, file)) {
        (place, rest) = (next, &rest[length..]);
    }
    Some(place)
}

/// The details of an error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ErrorDetails {
    /// Where the error is.
    #[serde(serialize_with = "place_text")]
    pub place: Option<ScriptLine>,
    /// The source there.
    pub source: Vec<SourceExcerptLine>,
    /// The calls that led there, the innermost first, each as `FILE:LINE in FUNCTION`.
    pub traceback: Vec<String>,
}

fn place_text<S: serde::Serializer>(place: &Option<ScriptLine>, serializer: S) -> Result<S::Ok, S::Error> {
    place.as_ref().map(ToString::to_string).serialize(serializer)
}

impl ErrorDetails {
    /// The details of an error at `place`.
    pub fn new(
        place: Option<ScriptLine>,
        source: Option<&KnownSource>,
        calls: &[ScriptCall],
    ) -> ErrorDetails {
        let source = match (&place, source) {
            (Some(place), Some(source)) => {
                let first = first_line_shown(place.line);
                excerpt_of_part(source.from_line(first), first, place.line)
            }
            _ => Vec::new(),
        };
        let shown = |call: &ScriptCall| format!("{} in {}", call.place, call.function);
        ErrorDetails { place, source, traceback: calls.iter().map(shown).collect() }
    }

    pub fn is_empty(&self) -> bool {
        self.source.is_empty() && self.traceback.is_empty()
    }

    /// The details in lines: the source with the place of the error marked, then the calls, if there is more than
    /// the one at that place.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = excerpt_lines(&self.source);
        let place = self.place.as_ref().map(|place| format!("{place} in "));
        let is_only_place = |call: &String| place.as_ref().is_some_and(|place| call.starts_with(place));
        if self.traceback.len() > 1 || !self.traceback.iter().all(is_only_place) {
            for (at, call) in self.traceback.iter().enumerate() {
                let label = if at == 0 { "at" } else { "called at" };
                lines.push(format!("{label} {}", escape(call.as_bytes())));
            }
        }
        lines
    }
}

/// A source in lines, the line of the error marked.
pub fn excerpt_lines(source: &[SourceExcerptLine]) -> Vec<String> {
    let width = source.iter().map(|line| line.line.to_string().len()).max().unwrap_or_default();
    let shown = |line: &SourceExcerptLine| {
        let mark = if line.is_error { '>' } else { ' ' };
        format!("{mark} {:>width$} | {}", line.line, line.text).trim_end().to_string()
    };
    source.iter().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(source: &str, line: usize) -> Vec<String> {
        excerpt_lines(&excerpt(source.as_bytes(), line))
    }

    #[test]
    fn two_lines_before_and_after_are_shown() {
        let source = "a\nb\n\tc\nd\ne\nf\ng\nh\ni\nj\n";
        assert_eq!(shown(source, 3), ["  1 | a", "  2 | b", "> 3 |     c", "  4 | d", "  5 | e"]);
        assert_eq!(shown(source, 1), ["> 1 | a", "  2 | b", "  3 |     c"]);
        assert_eq!(shown(source, 10), ["   8 | h", "   9 | i", "> 10 | j"]);
        assert_eq!(shown(source, 40), [""; 0]);
        assert_eq!(shown(source, 0), [""; 0]);
        assert_eq!(shown("x\r\ny\u{1b}[31m", 2), ["  1 | x", "> 2 | y␛[31m"]);
        assert_eq!(shown("", 1), ["> 1 |"]);
        assert!(shown(&"é".repeat(1000), 1)[0].chars().count() < 180);
    }

    #[test]
    fn the_place_is_the_first_that_a_message_names() {
        let place = |message: &str| place_in(message, ["w.lua", "other.lua"]).map(|place| place.to_string());
        assert_eq!(place("w.lua:3: boom").as_deref(), Some("w.lua:3"));
        assert_eq!(place("run_if: other.lua:12: w.lua:3: boom").as_deref(), Some("w.lua:3"));
        assert_eq!(place("other.lua:12: no, w.lua:3: boom").as_deref(), Some("other.lua:12"));
        assert_eq!(place("w.lua: nothing, then w.lua:4: x").as_deref(), Some("w.lua:4"));
        for message in ["boom", "w.lua:x: boom", "v.lua:3: boom", "w.lua:3"] {
            assert_eq!(place(message), None, "{message}");
        }
    }
}
