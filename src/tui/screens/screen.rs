//! What fills the screen: the list, or what was opened over it.

use crate::tui::screens::debugger::Debugger;
use crate::tui::screens::past::state::PastView;
use crate::tui::screens::value::state::Viewer;

/// What fills the screen. The list is always there; what is opened over it leaves to it.
#[derive(Clone, Default)]
pub enum Screen {
    /// The list.
    #[default]
    List,
    /// The state as it was.
    Past(Box<PastView>),
    /// A run, step by step.
    Run(Box<Debugger>),
    /// The details of a row, opened over another screen.
    Value {
        /// The details.
        viewer: Box<Viewer>,
        /// What is shown again when they are closed. Not a value.
        below: Box<Screen>,
    },
}

impl Screen {
    /// The past, also while a value covers it.
    pub fn past(&self) -> Option<&PastView> {
        match self.below() {
            Screen::Past(past) => Some(past),
            _ => None,
        }
    }

    /// The past, to be changed.
    pub fn past_mut(&mut self) -> Option<&mut PastView> {
        match self.below_mut() {
            Screen::Past(past) => Some(past),
            _ => None,
        }
    }

    /// The run that is open, also while a value covers it.
    pub fn run(&self) -> Option<&Debugger> {
        match self.below() {
            Screen::Run(run) => Some(run),
            _ => None,
        }
    }

    /// The run that is open, to be changed.
    pub fn run_mut(&mut self) -> Option<&mut Debugger> {
        match self.below_mut() {
            Screen::Run(run) => Some(run),
            _ => None,
        }
    }

    /// The value that fills the screen.
    pub fn value(&self) -> Option<&Viewer> {
        match self {
            Screen::Value { viewer, .. } => Some(viewer),
            _ => None,
        }
    }

    /// The value that fills the screen, to be changed.
    pub fn value_mut(&mut self) -> Option<&mut Viewer> {
        match self {
            Screen::Value { viewer, .. } => Some(viewer),
            _ => None,
        }
    }

    /// Shows the past in place of the list or a run.
    pub fn open_past(&mut self, past: Box<PastView>) {
        *self.below_mut() = Screen::Past(past);
    }

    /// Shows a run in place of the list, the past or another run.
    pub fn open_run(&mut self, run: Box<Debugger>) {
        *self.below_mut() = Screen::Run(run);
    }

    /// Shows a value over what is there.
    pub fn open_value(&mut self, viewer: Box<Viewer>) {
        self.close_value();
        let below = Box::new(std::mem::take(self));
        *self = Screen::Value { viewer, below };
    }

    /// Leaves the past, if it is open, and answers with it.
    pub fn close_past(&mut self) -> Option<Box<PastView>> {
        let screen = self.below_mut();
        match std::mem::take(screen) {
            Screen::Past(past) => Some(past),
            other => {
                *screen = other;
                None
            }
        }
    }

    /// Leaves the run, if one is open, and answers with it.
    pub fn close_run(&mut self) -> Option<Box<Debugger>> {
        let screen = self.below_mut();
        match std::mem::take(screen) {
            Screen::Run(run) => Some(run),
            other => {
                *screen = other;
                None
            }
        }
    }

    /// Closes the value, if one is open: what is below it is shown again.
    pub fn close_value(&mut self) {
        if let Screen::Value { below, .. } = self {
            *self = std::mem::take(&mut **below);
        }
    }

    fn below(&self) -> &Screen {
        match self {
            Screen::Value { below, .. } => below,
            screen => screen,
        }
    }

    fn below_mut(&mut self) -> &mut Screen {
        match self {
            Screen::Value { below, .. } => below,
            screen => screen,
        }
    }
}
