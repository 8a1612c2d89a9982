//! What can be open over the list.

use tui_input::Input;

use super::bulk::{Bulk, Tally};
use super::effect::{What, Write};
use super::marks::Marks;
use super::palette::Palette;
use super::start::Start;
use crate::store::{Entry, Operation, Type};

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
    /// One line to be typed.
    Prompt(Prompt),
    /// A workflow to be started.
    Start(Start),
    /// A new entry.
    Form(Form),
    /// Something to be typed for all that is marked.
    Ask(Ask),
    /// What would be done with all that is marked is being counted.
    Counting(Counting),
    /// A question that only `y` answers with yes.
    Confirm(Confirm),
    /// A value that was changed by somebody else while it was being edited.
    Conflict(Conflict),
    /// A text from outside that is no value of its entry's type.
    Invalid(Invalid),
}

/// A line to be typed.
#[derive(Clone, Debug)]
pub struct Prompt {
    /// What it is for.
    pub purpose: Purpose,
    /// The entry as it was when the prompt was opened.
    pub entry: Entry,
    /// The line.
    pub input: Input,
    /// What is wrong with the line as it stands.
    pub problem: Option<String>,
}

/// What a line is typed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A new value.
    Value,
    /// A new expiry.
    TimeToLive,
}

/// Something to be typed for all that is marked.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What is to be typed.
    pub wanted: Wanted,
    /// What is marked.
    pub marks: Marks,
    /// The line.
    pub input: Input,
    /// What is wrong with it.
    pub problem: Option<String>,
}

impl Ask {
    /// With nothing typed yet.
    pub fn new(wanted: Wanted, marks: Marks) -> Ask {
        Ask { wanted, marks, input: Input::default(), problem: None }
    }
}

/// What is to be typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// How long it is to last.
    Expiry,
    /// The file that it is to be written to.
    File,
    /// A moment of the past.
    Moment,
}

/// What would be done, as far as it was counted.
#[derive(Clone, Debug)]
pub struct Counting {
    /// The number under which it was asked.
    pub number: u64,
    /// What is to be done.
    pub bulk: Bulk,
    /// What would be done, so far.
    pub tally: Tally,
}

/// A new entry.
#[derive(Clone, Debug, Default)]
pub struct Form {
    /// Key, value and time to live.
    pub fields: [Input; 3],
    /// The chosen type; `None` is the type that the value looks like.
    pub value_type: Option<Type>,
    /// Which of key, value, type and time to live has the cursor.
    pub focus: usize,
    /// What is wrong.
    pub problem: Option<String>,
}

impl Form {
    /// What the rows of the form are called.
    pub const LABELS: [&'static str; 4] = ["key", "value", "type", "ttl"];
    /// The row in which the type is chosen.
    pub const TYPE: usize = 2;

    /// The text field that has the cursor; `None` where the type is chosen.
    pub fn field(&mut self) -> Option<&mut Input> {
        match self.focus {
            0 => Some(&mut self.fields[0]),
            1 => Some(&mut self.fields[1]),
            3 => Some(&mut self.fields[2]),
            _ => None,
        }
    }
}

/// A question.
#[derive(Clone, Debug)]
pub struct Confirm {
    /// What would be done, and what is to be known about it.
    pub lines: Vec<String>,
    /// What is done on yes.
    pub write: Write,
}

/// Two values for one entry.
#[derive(Clone, Debug)]
pub struct Conflict {
    /// The write that was refused.
    pub write: Write,
    /// The value that it was to write; `None` if it was to do something else.
    pub mine: Option<Vec<u8>>,
    /// The entry as it is by now; `None` if it is gone.
    pub theirs: Option<Entry>,
}

impl Conflict {
    /// The entry that it is about, escaped.
    pub fn key(&self) -> String {
        let What::Guarded { transaction, .. } = &self.write.what else { return String::new() };
        let key = transaction.operations.iter().find_map(Operation::key);
        key.map_or_else(String::new, |key| key.to_string())
    }
}

/// A text that is no value of its entry's type.
#[derive(Clone, Debug)]
pub struct Invalid {
    /// The entry.
    pub entry: Entry,
    /// The text.
    pub text: Vec<u8>,
    /// What is wrong with it.
    pub problem: String,
}
