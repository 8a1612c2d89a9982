//! Breakpoints: lines of the source and keys of the state.

use crate::lua::functions;
use crate::lua::host_function::HostFunction;
use crate::lua::recorded_value::RecordedValue;
use crate::store::{Key, Pattern};
use crate::text::escape::escape;
use crate::tui::screens::debugger::source::RunSource;
use crate::workflow::recording::{Record, RecordKind};

#[derive(Clone, Debug, PartialEq)]
pub enum Breakpoint {
    /// At a line, of any file or of this one: at its calls, and where a failure names it.
    Line(Option<String>, usize),
    /// At a call that is about one of these keys.
    Key(Keys),
}

/// A key, or with `*`, `?` or `[` in it all keys that match.
#[derive(Clone, Debug)]
pub struct Keys {
    text: Vec<u8>,
    pattern: Option<Pattern>,
}

impl PartialEq for Keys {
    fn eq(&self, other: &Keys) -> bool {
        self.text == other.text
    }
}

impl Keys {
    pub fn new(text: &str) -> Keys {
        let is_pattern = text.contains(['*', '?', '[']);
        let pattern = if is_pattern { Pattern::new(text).ok() } else { None };
        Keys { text: text.into(), pattern }
    }

    fn contains(&self, key: &[u8]) -> bool {
        let matches = |pattern: &Pattern| {
            let key = std::str::from_utf8(key).ok().and_then(|key| Key::new(key).ok());
            key.is_some_and(|key| pattern.matches(&key))
        };
        self.text == key || self.pattern.as_ref().is_some_and(matches)
    }
}

impl Breakpoint {
    /// Reads `12`, `file.lua:12`, or a key.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(text: &str) -> Result<Breakpoint, String> {
        if let Ok(line) = text.parse() {
            return Ok(Breakpoint::Line(None, line));
        }
        match text.rsplit_once(".lua:").map(|(file, line)| (file, line.parse())) {
            Some((file, Ok(line))) => Ok(Breakpoint::Line(Some(format!("{file}.lua")), line)),
            Some((_, Err(_))) => Err("the number of a line comes after the colon".into()),
            None => Ok(Breakpoint::Key(Keys::new(text))),
        }
    }

    /// Whether it is at a line of a file, by the name that the file has in recordings.
    pub fn is_at(&self, source: &RunSource, name: &str, number: usize) -> bool {
        match self {
            Breakpoint::Line(file, line) => {
                *line == number && file.as_ref().is_none_or(|file| source.is_same_file(file, name))
            }
            Breakpoint::Key(_) => false,
        }
    }

    /// Whether a record of a run with these sources stops here.
    pub fn stops(&self, source: &RunSource, record: &Record) -> bool {
        match self {
            Breakpoint::Line(..) => {
                let places = [record.place.clone(), source.failed_at(record)];
                places.iter().flatten().any(|place| self.is_at(source, &place.file, place.line))
            }
            Breakpoint::Key(keys) => {
                let arguments = match &record.what {
                    RecordKind::Call { function, arguments, .. }
                    | RecordKind::Begin { function, arguments }
                        if functions::find(function).is_some_and(HostFunction::is_about_state) =>
                    {
                        arguments
                    }
                    _ => return false,
                };
                matches!(arguments.first(), Some(RecordedValue::Text(text)) if keys.contains(text))
            }
        }
    }

    /// Why no run with these sources can stop here, if that shows without looking at its steps.
    pub fn cannot_stop(&self, source: &RunSource) -> Option<String> {
        let Breakpoint::Line(file, line) = self else { return None };
        let mut longest: Option<usize> = None;
        for (name, lines) in source.files() {
            if file.as_ref().is_none_or(|file| source.is_same_file(file, name)) {
                let is_ended = lines.last().is_some_and(Vec::is_empty);
                longest = longest.max(Some(lines.len() - usize::from(is_ended)));
            }
        }
        match (longest, file) {
            (None, _) => {
                let names = source.files().map(|(name, _)| escape(name.as_bytes())).collect::<Vec<_>>();
                Some(format!("the files of this run are {}", names.join(", ")))
            }
            (Some(lines), _) if *line == 0 || *line > lines => Some(format!("the last line is {lines}")),
            _ => None,
        }
    }

    /// In words, escaped.
    pub fn describe(&self) -> String {
        match self {
            Breakpoint::Line(Some(file), line) => {
                let name = file.rsplit('/').next().unwrap_or(file);
                format!("{}:{line}", escape(name.as_bytes()))
            }
            Breakpoint::Line(None, line) => format!("line {line}"),
            Breakpoint::Key(keys) => escape(&keys.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lua::error::ScriptLine;
    use crate::workflow::recording::Answer;
    use crate::workflow::{RunEvent, TaskOutcome};

    fn source() -> RunSource {
        RunSource::of_files([("/srv/a/lib.lua", "one\ntwo\n"), ("/srv/b/lib.lua", "one"), ("main.lua", "")])
    }

    fn record(place: Option<(&str, usize)>, what: RecordKind) -> Record {
        let place = place.map(|(file, line)| ScriptLine { file: file.into(), line });
        Record { number: 1, at: 0, task: None, place, what, revision: None }
    }

    fn call(key: &str) -> RecordKind {
        RecordKind::Begin {
            function: "state.set".into(),
            arguments: vec![RecordedValue::text(key), RecordedValue::Nil],
        }
    }

    #[test]
    fn a_line_stops_at_its_calls_and_where_a_failure_names_it() {
        let stops = |typed: &str, record: &Record| Breakpoint::read(typed).unwrap().stops(&source(), record);
        let at = |file, line| record(Some((file, line)), call("k"));
        for (typed, file, line, expected) in [
            ("2", "main.lua", 2, true),
            ("2", "main.lua", 3, false),
            ("lib.lua:2", "/srv/a/lib.lua", 2, true),
            ("a/lib.lua:2", "/srv/a/lib.lua", 2, true),
            ("/srv/a/lib.lua:2", "/srv/a/lib.lua", 2, true),
            ("b/lib.lua:2", "/srv/a/lib.lua", 2, false),
            // A recording has only the last part of a long path.
            ("/srv/a/lib.lua:2", "lib.lua", 2, true),
            ("srv/main.lua:2", "main.lua", 2, false),
            ("ib.lua:2", "/srv/a/lib.lua", 2, false),
        ] {
            assert_eq!(stops(typed, &at(file, line)), expected, "{typed} at {file}:{line}");
        }
        let failed = |message: &str| {
            let (task, outcome, message) = ("t".into(), Some(TaskOutcome::Failed), Some(message.into()));
            let duration = std::time::Duration::ZERO;
            let end = RunEvent::TaskFinished { task, outcome, message, attempts: 1, duration };
            record(None, RecordKind::Event(end))
        };
        assert!(stops("main.lua:7", &failed("main.lua:7: no")));
        assert!(stops("a/lib.lua:7", &failed("/srv/a/lib.lua:7: no")));
        assert!(!stops("b/lib.lua:7", &failed("/srv/a/lib.lua:7: no")));
        assert!(!stops("7", &failed("elsewhere.lua:7: no")));
        let raised = Answer::CallbackRaised("main.lua:9: no".into());
        assert!(stops("9", &record(None, RecordKind::End { answer: raised, stop: None, returned: None })));
    }

    #[test]
    fn a_key_stops_as_it_is_and_as_a_pattern() {
        let stops = |typed: &str, key: &str| {
            Breakpoint::read(typed).unwrap().stops(&source(), &record(None, call(key)))
        };
        for (typed, key, expected) in [
            ("deploy", "deploy", true),
            ("deploy", "deploy/web", false),
            ("deploy/*", "deploy/web", true),
            ("*/web", "deploy/web", true),
            ("deploy/we?", "deploy/web", true),
            ("deploy/[vw]eb", "deploy/web", true),
            ("*", "anything", true),
            ("a*b", "a*b", true),
            ("a[b", "a[b", true),
        ] {
            assert_eq!(stops(typed, key), expected, "{typed} at {key}");
        }
    }

    #[test]
    fn what_can_never_stop_is_known_where_the_sources_tell() {
        let why = |typed: &str| Breakpoint::read(typed).unwrap().cannot_stop(&source());
        assert!(why("other.lua:1").unwrap().contains("/srv/a/lib.lua, /srv/b/lib.lua, main.lua"));
        assert_eq!(why("a/lib.lua:3").as_deref(), Some("the last line is 2"));
        assert_eq!((why("a/lib.lua:2"), why("2"), why("any key")), (None, None, None));
        assert_eq!(why("0").as_deref(), Some("the last line is 2"));
    }
}
