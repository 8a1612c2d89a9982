//! Starting a workflow: its file, and what it is given.

use tui_input::Input;

use crate::tui::screens::debugger::requests::RunSuggestion;
use crate::tui::widgets::path_completion::complete;

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
    pub taken: Option<usize>,
    /// What the path may go on to.
    pub completions: Vec<String>,
    pub problem: Option<String>,
}

impl RunDialog {
    pub fn field(&mut self) -> &mut Input {
        match self.focus.checked_sub(1) {
            Some(place) if place < self.params.len() => &mut self.params[place],
            _ => &mut self.file,
        }
    }

    /// Takes one of the files that were run before, with what it was given then.
    pub fn take(&mut self, forwards: bool) {
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
        self.completions = complete(&mut self.file, completions, &mut self.problem);
    }
}
