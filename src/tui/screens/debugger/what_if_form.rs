//! What is to be other than it was when a run is run once more, as it is typed: entries, the source,
//! what commands answer.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler;

use crate::store::Key;
use crate::tui::app::App;
use crate::tui::dialogs::confirmation::{ConfirmReply, answer};
use crate::tui::dialogs::run_dialog::state::{NONE, complete};
use crate::tui::effect::Effect;
use crate::tui::screens::debugger::requests::{DebuggerRequest, WhatIfInput};
use crate::workflow::replay::{StateOverride, overrides};

/// What is typed.
#[derive(Clone, Debug)]
pub struct WhatIfForm {
    /// The key that stood there to begin with: it may have `=` in it.
    key: Option<Key>,
    /// Entries, one per line: `key=value`, `key:=JSON`, or `-key` for one that does not exist.
    pub entries: Vec<Input>,
    /// The path of another source; empty for the recorded one.
    pub source: Input,
    /// What commands answer, a line each: `pattern=output`.
    pub stubs: Vec<Input>,
    /// Whether commands that nobody knows the answer of are run in truth.
    pub live: bool,
    /// Which line has the cursor.
    pub focus: usize,
    /// What the path may go on to.
    pub completions: Vec<String>,
    /// What is wrong.
    pub problem: Option<String>,
    /// What is typed in answer to whether commands are really run; `None` unless that is asked.
    pub asks: Option<Input>,
    /// Which of what was tried before was taken, counted from the last.
    taken: Option<usize>,
}

/// A line of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhatIfField {
    /// The entry of this place.
    Entry(usize),
    /// The source.
    Source,
    /// The stub of this place.
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

    /// What says yes to running commands, which nothing takes back.
    pub fn reply(app: &App) -> ConfirmReply {
        if app.production().is_some() { ConfirmReply::Name } else { ConfirmReply::Key(KeyCode::Char('y')) }
    }

    /// Its lines.
    pub fn rows(&self) -> impl Iterator<Item = WhatIfField> {
        let (entries, stubs) = (self.entries.len(), self.stubs.len());
        (0..entries)
            .map(WhatIfField::Entry)
            .chain([WhatIfField::Source])
            .chain((0..stubs).map(WhatIfField::ExecStub))
            .chain([WhatIfField::Live])
    }

    /// The line that has the cursor.
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
    fn down(&mut self) {
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
        if self.source.value() != text {
            return;
        }
        match complete(text, &completions) {
            Some(path) => self.source = path.into(),
            None => self.problem = Some(NONE.into()),
        }
        self.completions = if completions.len() > 1 { completions } else { Vec::new() };
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
    fn read(&self) -> Result<WhatIfInput, String> {
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

/// A key while it is typed; what is to be tried, once it is to be.
pub fn key(app: &mut App, mut wish: WhatIfForm, key: KeyEvent) -> (Vec<Effect>, Option<WhatIfInput>) {
    if wish.asks.is_some() {
        return (Vec::new(), answered(app, wish, key));
    }
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    let mut effects = Vec::new();
    match key.code {
        KeyCode::Esc => return (effects, None),
        KeyCode::Enter => match wish.read() {
            Ok(trying) if trying.live => wish.asks = Some(Input::default()),
            Ok(trying) => {
                app.runs.tried.push(wish);
                return (effects, Some(trying));
            }
            Err(problem) => wish.problem = Some(problem),
        },
        KeyCode::Char('p') if is_control => wish = before(app, wish, true),
        KeyCode::Char('n') if is_control => wish = before(app, wish, false),
        KeyCode::Tab if wish.row() == WhatIfField::Source && wish.source.value().is_empty() => {
            // Most often it is the same file, which was changed meanwhile.
            if let Some(debugger) = app.screen.run() {
                wish.source = debugger.run.run.new.file.clone().into();
            }
        }
        KeyCode::Tab if wish.row() == WhatIfField::Source => {
            effects.push(Effect::Debugger(DebuggerRequest::Complete(wish.source.value().to_string())));
        }
        KeyCode::Down | KeyCode::Tab => wish.down(),
        KeyCode::Up | KeyCode::BackTab => wish.focus = wish.focus.saturating_sub(1),
        KeyCode::Char(' ') | KeyCode::Left | KeyCode::Right if wish.row() == WhatIfField::Live => {
            wish.live = !wish.live;
            wish.problem = None;
        }
        _ => {
            if let Some(field) = wish.field() {
                field.handle_event(&Event::Key(key));
                wish.completions.clear();
            }
            wish.problem = None;
        }
    }
    keep(app, wish);
    (effects, None)
}

/// A key in answer to whether commands are to be run in truth.
fn answered(app: &mut App, mut wish: WhatIfForm, key: KeyEvent) -> Option<WhatIfInput> {
    // Escape and a letter in quick succession arrive as one key: that is no answer.
    let is_chord = key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    let mut typed = wish.asks.take().unwrap_or_default();
    let answer = if is_chord { None } else { answer(app, &mut typed, key, WhatIfForm::reply(app)) };
    wish.asks = answer.is_none().then_some(typed);
    let trying = wish.read().ok().filter(|_| answer == Some(true));
    match &trying {
        Some(_) => app.runs.tried.push(wish),
        None => keep(app, wish),
    }
    trying
}

fn keep(app: &mut App, wish: WhatIfForm) {
    if let Some(debugger) = app.screen.run_mut() {
        debugger.wish = Some(wish);
    }
}

/// What was tried before, or after, in the place of what is typed.
fn before(app: &App, wish: WhatIfForm, earlier: bool) -> WhatIfForm {
    let count = app.runs.tried.len();
    let place = match (wish.taken, earlier) {
        (None, true) => 0,
        (Some(taken), true) => (taken + 1).min(count.saturating_sub(1)),
        (taken, false) => taken.unwrap_or(0).saturating_sub(1),
    };
    match count.checked_sub(1 + place).and_then(|at| app.runs.tried.get(at)) {
        Some(tried) => WhatIfForm { taken: Some(place), focus: 0, problem: None, ..tried.clone() },
        None => wish,
    }
}
