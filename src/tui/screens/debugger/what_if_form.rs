//! What is to be other than it was when a run is run once more, as it is typed: entries, the source,
//! what commands answer.

use tui_input::Input;

use crate::store::Key;
use crate::tui::screens::debugger::requests::WhatIfInput;
use crate::tui::widgets::path_completion;
use crate::workflow::replay::{StateOverride, overrides};

#[derive(Clone, Debug)]
pub struct WhatIfForm {
    /// The key that stood there to begin with: it may have `=` in it.
    pub key: Option<Key>,
    /// Entries, one per line: `key=value`, `key:=JSON`, or `-key` for one that does not exist.
    pub entries: Vec<Input>,
    /// The path of another source; empty for the recorded one.
    pub source: Input,
    /// What commands answer, a line each: `pattern=output`.
    pub stubs: Vec<Input>,
    /// Whether commands that nobody knows the answer of are run in truth.
    pub live: bool,
    pub focus: usize,
    /// What the path may go on to.
    pub completions: Vec<String>,
    pub problem: Option<String>,
    /// What is typed in answer to whether commands are really run; `None` unless that is asked.
    pub asks: Option<Input>,
    /// Which of what was tried before was taken, counted from the last.
    pub taken: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhatIfField {
    Entry(usize),
    Source,
    ExecStub(usize),
    /// Whether commands are run.
    Live,
}

impl WhatIfForm {
    /// With an entry of this key begun, where there is one.
    pub fn new(key: Option<Key>) -> WhatIfForm {
        let begun = key.as_ref().map_or(String::new(), |key| format!("{}=", key.to_text()));
        WhatIfForm {
            key,
            entries: vec![begun.into()],
            source: Input::default(),
            stubs: vec![Input::default()],
            live: false,
            focus: 0,
            completions: Vec::new(),
            problem: None,
            asks: None,
            taken: None,
        }
    }

    pub fn rows(&self) -> impl Iterator<Item = WhatIfField> {
        let (entries, stubs) = (self.entries.len(), self.stubs.len());
        (0..entries)
            .map(WhatIfField::Entry)
            .chain([WhatIfField::Source])
            .chain((0..stubs).map(WhatIfField::ExecStub))
            .chain([WhatIfField::Live])
    }

    pub fn row(&self) -> WhatIfField {
        self.rows().nth(self.focus).unwrap_or(WhatIfField::Live)
    }

    /// The text of a line; `None` where nothing is typed.
    pub fn text(&self, row: WhatIfField) -> Option<&Input> {
        match row {
            WhatIfField::Entry(place) => self.entries.get(place),
            WhatIfField::Source => Some(&self.source),
            WhatIfField::ExecStub(place) => self.stubs.get(place),
            WhatIfField::Live => None,
        }
    }

    /// What takes a text that is typed.
    pub fn field(&mut self) -> Option<&mut Input> {
        match self.row() {
            _ if self.asks.is_some() => None,
            WhatIfField::Entry(place) => self.entries.get_mut(place),
            WhatIfField::Source => Some(&mut self.source),
            WhatIfField::ExecStub(place) => self.stubs.get_mut(place),
            WhatIfField::Live => None,
        }
    }

    /// One line down; behind the last entry, or the last stub, there is room for another.
    pub fn down(&mut self) {
        let lines = match self.row() {
            WhatIfField::Entry(place) if place + 1 == self.entries.len() => Some(&mut self.entries),
            WhatIfField::ExecStub(place) if place + 1 == self.stubs.len() => Some(&mut self.stubs),
            _ => None,
        };
        if let Some(lines) = lines.filter(|lines| lines.last().is_some_and(|last| !last.value().is_empty())) {
            lines.push(Input::default());
        }
        self.focus = (self.focus + 1).min(self.rows().count() - 1);
    }

    /// Goes on with the path of the source.
    pub fn complete(&mut self, text: &str, completions: Vec<String>) {
        if self.source.value() == text {
            self.completions = path_completion::complete(&mut self.source, completions, &mut self.problem);
        }
    }

    /// What a line says of the key that stood there to begin with, if it is of that.
    fn begun(&self, line: &str) -> Option<Result<(Key, StateOverride), String>> {
        let key = self.key.as_ref()?;
        let value = line.strip_prefix(&key.to_text())?;
        let value = match (value.strip_prefix(":="), value.strip_prefix('=')) {
            (Some(json), _) => StateOverride::json(json),
            (None, Some(text)) => Ok(StateOverride::Text(text.into())),
            (None, None) => return None,
        };
        Some(value.map(|value| (key.clone(), value)))
    }

    /// What it says, or what is wrong with it.
    pub fn read(&self) -> Result<WhatIfInput, String> {
        let lines = |lines: &[Input]| {
            let lines = lines.iter().map(|line| line.value().trim().to_string());
            lines.filter(|line| !line.is_empty()).collect::<Vec<String>>()
        };
        let mut trying = WhatIfInput { live: self.live, ..WhatIfInput::default() };
        for line in lines(&self.entries) {
            let entry = match line.strip_prefix('-').filter(|key| !key.contains('=')) {
                Some(key) => (Key::new(key).map_err(|error| error.to_string())?, None),
                None => {
                    let read = self.begun(&line).unwrap_or_else(|| overrides::value(&line));
                    let (key, value) = read.map_err(|error| format!("{line}: {error}"))?;
                    (key, Some(value))
                }
            };
            trying.values.push(entry);
        }
        for line in lines(&self.stubs) {
            trying.stubs.push(line.parse().map_err(|error| format!("{line}: {error}"))?);
        }
        let source = self.source.value().trim();
        trying.source = (!source.is_empty()).then(|| source.into());
        if trying == WhatIfInput::default() {
            return Err("nothing would be other than it was: write key=value".into());
        }
        Ok(trying)
    }
}
