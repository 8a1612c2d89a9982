//! What fills the screen: the list, or what was opened over it.

use crate::tui::screens::debugger::state::Debugger;
use crate::tui::screens::past::state::PastView;
use crate::tui::screens::value::state::Viewer;

/// What fills the screen. The list is always there; what is opened over it leaves to it.
#[derive(Clone, Default)]
pub enum Screen {
    #[default]
    List,
    /// The state as it was.
    Past(Box<PastView>),
    /// A run, step by step, opened over the list or the past.
    Run {
        run: Box<Debugger>,
        /// What is shown again when it is left.
        below: Box<Screen>,
    },
    /// The details of a row, opened over another screen.
    Value {
        viewer: Box<Viewer>,
        /// What is shown again when they are closed. Not a value.
        below: Box<Screen>,
    },
}

impl Screen {
    /// The past, also while something covers it.
    pub fn past(&self) -> Option<&PastView> {
        match self {
            Screen::List => None,
            Screen::Past(past) => Some(past),
            Screen::Run { below, .. } | Screen::Value { below, .. } => below.past(),
        }
    }

    pub fn past_mut(&mut self) -> Option<&mut PastView> {
        match self {
            Screen::List => None,
            Screen::Past(past) => Some(past),
            Screen::Run { below, .. } | Screen::Value { below, .. } => below.past_mut(),
        }
    }

    /// The run that is open, also while a value covers it.
    pub fn run(&self) -> Option<&Debugger> {
        match self {
            Screen::Run { run, .. } => Some(run),
            Screen::Value { below, .. } => below.run(),
            Screen::List | Screen::Past(_) => None,
        }
    }

    /// The run that is open, to be changed.
    pub fn run_mut(&mut self) -> Option<&mut Debugger> {
        match self {
            Screen::Run { run, .. } => Some(run),
            Screen::Value { below, .. } => below.run_mut(),
            Screen::List | Screen::Past(_) => None,
        }
    }

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

    /// Shows the past in place of the list, or of what was shown of the past.
    pub fn open_past(&mut self, past: Box<PastView>) {
        match self {
            Screen::Run { below, .. } | Screen::Value { below, .. } => below.open_past(past),
            Screen::List | Screen::Past(_) => *self = Screen::Past(past),
        }
    }

    /// Shows a run over the list or the past, or in place of another run.
    pub fn open_run(&mut self, opened: Box<Debugger>) {
        match self {
            Screen::Value { below, .. } => below.open_run(opened),
            Screen::Run { run, .. } => *run = opened,
            Screen::List | Screen::Past(_) => {
                let below = Box::new(std::mem::take(self));
                *self = Screen::Run { run: opened, below };
            }
        }
    }

    pub fn open_value(&mut self, viewer: Box<Viewer>) {
        self.close_value();
        let below = Box::new(std::mem::take(self));
        *self = Screen::Value { viewer, below };
    }

    /// Leaves the past, if it is open, and answers with it.
    pub fn close_past(&mut self) -> Option<Box<PastView>> {
        match self {
            Screen::List => None,
            Screen::Run { below, .. } | Screen::Value { below, .. } => below.close_past(),
            Screen::Past(_) => match std::mem::take(self) {
                Screen::Past(past) => Some(past),
                _ => None,
            },
        }
    }

    /// Leaves the run, if one is open, and answers with it: what is below it is shown again.
    pub fn close_run(&mut self) -> Option<Box<Debugger>> {
        match self {
            Screen::Value { below, .. } => below.close_run(),
            Screen::List | Screen::Past(_) => None,
            Screen::Run { .. } => match std::mem::take(self) {
                Screen::Run { run, below } => {
                    *self = *below;
                    Some(run)
                }
                _ => None,
            },
        }
    }

    /// Closes the value, if one is open: what is below it is shown again.
    pub fn close_value(&mut self) {
        if let Screen::Value { below, .. } = self {
            *self = std::mem::take(&mut **below);
        }
    }
}
