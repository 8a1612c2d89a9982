//! What can be open over the list.

use crossterm::event::KeyCode;
use tui_input::Input;

use crate::store::{Entry, Key};
use crate::tui::bulk::{Bulk, BulkCounts};
use crate::tui::dialogs::conflict::state::Conflict;
use crate::tui::dialogs::form::state::Form;
use crate::tui::dialogs::palette::state::Palette;
use crate::tui::dialogs::run_dialog::state::RunDialog;
use crate::tui::effect::Effect;
use crate::tui::list::Marks;
use crate::tui::request::RequestId;
use crate::tui::write::Draft;

/// Something that takes the keys until it is closed.
#[derive(Clone, Debug)]
pub enum Dialog {
    /// Every key of the view; the number is the first line shown.
    Help(usize),
    /// What was said; the number is that of the message that has the cursor, the newest being 0.
    Messages(usize),
    /// What was changed here; this one of it, counted from the newest, is chosen.
    Undos(usize),
    /// A command to be chosen by name.
    Palette(Palette),
    Start(RunDialog),
    /// An entry that is edited or added.
    Form(Box<Form>),
    /// Something to be typed for all that is marked.
    Ask(InputDialog),
    /// What would be done with all that is marked is being counted.
    Counting(Box<BulkCounting>),
    /// A question that only `y` answers with yes.
    Confirm(Confirm),
    /// An entry that was changed by somebody else while it was being changed here.
    Conflict(Box<Conflict>),
    /// What was typed, and could not be written.
    Invalid(Invalid),
}

/// Something to be typed for all that is marked.
#[derive(Clone, Debug)]
pub struct InputDialog {
    pub wanted: InputPurpose,
    pub marks: Marks,
    pub input: Input,
    pub problem: Option<String>,
}

impl InputDialog {
    /// With nothing typed yet.
    pub fn new(wanted: InputPurpose, marks: Marks) -> InputDialog {
        InputDialog { wanted, marks, input: Input::default(), problem: None }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputPurpose {
    /// How long it is to last.
    Expiry,
    File,
    Moment,
}

/// What would be done, as far as it was counted.
#[derive(Clone, Debug)]
pub struct BulkCounting {
    /// The number under which it was asked.
    pub number: RequestId,
    pub bulk: Bulk,
    /// What would be done, so far.
    pub tally: BulkCounts,
    pub asked_by: Option<KeyCode>,
}

#[derive(Clone, Debug)]
pub struct Confirm {
    /// What would be done, and what is to be known about it.
    pub lines: Vec<String>,
    /// What is done on yes.
    pub effect: Box<Effect>,
    /// Whether undo can take it back.
    pub is_reversible: bool,
    /// What is open again on no.
    pub back: Option<Box<Dialog>>,
    /// What is typed where a key is not enough for a yes.
    pub typed: Input,
    /// The key that led to the question, which is not an answer to it.
    pub asked_by: Option<KeyCode>,
}

impl Confirm {
    /// A question about a change.
    pub fn new(lines: Vec<String>, effect: Effect) -> Confirm {
        let is_reversible = effect.change().is_none_or(|change| change.is_reversible);
        Confirm {
            lines,
            effect: Box::new(effect),
            is_reversible,
            back: None,
            typed: Input::default(),
            asked_by: None,
        }
    }

    /// The key that says yes: another one than that which asked.
    pub fn yes(&self) -> KeyCode {
        match self.asked_by {
            Some(KeyCode::Char('y' | 'Y')) => KeyCode::Enter,
            _ => KeyCode::Char('y'),
        }
    }
}

/// What was typed for an entry, and could not be written.
#[derive(Clone, Debug)]
pub struct Invalid {
    /// The entry as it was when it was typed; `None` where it was to be added.
    pub entry: Option<Box<Entry>>,
    pub key: Key,
    pub draft: Draft,
    /// Why it was not written.
    pub problem: String,
}
