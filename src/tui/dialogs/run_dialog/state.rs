//! Starting a workflow: its file, and what it is given.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler;

use crate::tui::app::App;
use crate::tui::dialog::Dialog;
use crate::tui::effect::Effect;
use crate::tui::focus::Focus;
use crate::tui::screens::debugger::requests;
use crate::tui::screens::debugger::requests::{DebuggerRequest, RunSuggestion};

/// A workflow to be started.
#[derive(Clone, Debug, Default)]
pub struct RunDialog {
    /// The path of its file.
    pub file: Input,
    /// Its parameters, each `KEY=VALUE`.
    pub params: Vec<Input>,
    /// Which line has the cursor: 0 is the file.
    pub focus: usize,
    /// What was run before, the last first.
    pub offers: Vec<RunSuggestion>,
    /// Which of them was taken.
    pub taken: Option<usize>,
    /// What the path may go on to.
    pub completions: Vec<String>,
    /// What is wrong.
    pub problem: Option<String>,
}

impl RunDialog {
    /// The line that has the cursor.
    pub fn field(&mut self) -> &mut Input {
        match self.focus.checked_sub(1) {
            Some(place) if place < self.params.len() => &mut self.params[place],
            _ => &mut self.file,
        }
    }

    /// Takes one of the files that were run before, with what it was given then.
    fn take(&mut self, forwards: bool) {
        let count = self.offers.len();
        if count == 0 {
            return;
        }
        let place = match (self.taken, forwards) {
            (None, true) => 0,
            (None, false) => count - 1,
            (Some(taken), true) => (taken + 1) % count,
            (Some(taken), false) => (taken + count - 1) % count,
        };
        let (file, params) = &self.offers[place];
        self.file = file.clone().into();
        self.params = params.iter().map(|(name, value)| format!("{name}={value}").into()).collect();
        self.taken = Some(place);
        self.completions.clear();
    }

    /// Goes on with the path as far as all that it may become is the same.
    pub fn complete(&mut self, completions: Vec<String>) {
        match complete(self.file.value(), &completions) {
            Some(path) => self.file = path.into(),
            None => self.problem = Some(NONE.into()),
        }
        self.completions = if completions.len() > 1 { completions } else { Vec::new() };
    }
}

/// What is said where a path cannot be completed.
pub const NONE: &str = "no folder and no file of Lua begins like that";

/// A path that is gone on with as far as all that it may become is the same; `None` if it becomes
/// nothing.
pub fn complete(text: &str, completions: &[String]) -> Option<String> {
    let common = completions.iter().skip(1).fold(completions.first().cloned(), |common, next| {
        let common = common?;
        let same = common.chars().zip(next.chars()).take_while(|(one, other)| one == other);
        Some(same.map(|(one, _)| one).collect())
    })?;
    Some(if common.len() >= text.len() { common } else { text.into() })
}

/// Gives a key to the dialog.
pub fn key(app: &mut App, mut start: RunDialog, key: KeyEvent) -> Vec<Effect> {
    let mut effects = Vec::new();
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Enter => match wanted(app, &start) {
            Ok(wanted) => {
                app.closed = Some(Dialog::Start(start));
                let number = app.next_request();
                app.runs.starting = Some(number);
                return vec![Effect::Debugger(DebuggerRequest::Start(number, wanted))];
            }
            Err(problem) => start.problem = Some(problem),
        },
        KeyCode::Char('n') if is_control => start.take(true),
        KeyCode::Char('p') if is_control => start.take(false),
        KeyCode::Tab if start.focus == 0 => {
            effects.push(Effect::Debugger(DebuggerRequest::Complete(start.file.value().to_string())));
        }
        KeyCode::Down | KeyCode::Tab => {
            // Behind the last parameter there is room for another.
            if start.focus == start.params.len()
                && start.params.last().is_none_or(|last| !last.value().is_empty())
            {
                start.params.push(Input::default());
            }
            start.focus = (start.focus + 1).min(start.params.len());
        }
        KeyCode::Up | KeyCode::BackTab => start.focus = start.focus.saturating_sub(1),
        _ => {
            start.field().handle_event(&Event::Key(key));
            start.problem = None;
        }
    }
    app.focus = Focus::Dialog(Dialog::Start(start));
    effects
}

fn wanted(app: &App, start: &RunDialog) -> Result<requests::WorkflowStart, String> {
    let file = start.file.value().trim();
    if file.is_empty() {
        return Err("which file?".into());
    }
    let params = start.params.iter().map(|param| param.value().trim()).filter(|param| !param.is_empty());
    let params: Vec<String> = params.map(String::from).collect();
    match params.iter().find(|param| !param.contains('=') || param.starts_with('=')) {
        Some(wrong) => Err(format!("{wrong}: a parameter is KEY=VALUE")),
        None => {
            let (database, config) = (app.database.location.clone(), app.settings.config_folder.clone());
            Ok(requests::WorkflowStart { database, file: file.into(), params, config })
        }
    }
}
