//! What takes the keys.

use crate::tui::dialog::Dialog;

/// What takes the keys: one of them at a time.
#[derive(Clone, Default)]
pub enum Focus {
    #[default]
    Screen,
    FilterLine,
    Dialog(Dialog),
}

impl From<Option<Dialog>> for Focus {
    /// The dialog, or the screen where there is none.
    fn from(dialog: Option<Dialog>) -> Focus {
        dialog.map_or(Focus::Screen, Focus::Dialog)
    }
}

impl Focus {
    pub fn dialog(&self) -> Option<&Dialog> {
        match self {
            Focus::Dialog(dialog) => Some(dialog),
            _ => None,
        }
    }

    /// The dialog that is open, to be changed.
    pub fn dialog_mut(&mut self) -> Option<&mut Dialog> {
        match self {
            Focus::Dialog(dialog) => Some(dialog),
            _ => None,
        }
    }

    /// Closes the dialog that is open, and answers with it.
    pub fn take_dialog(&mut self) -> Option<Dialog> {
        match std::mem::take(self) {
            Focus::Dialog(dialog) => Some(dialog),
            other => {
                *self = other;
                None
            }
        }
    }

    /// Whether the filter line takes the keys.
    pub fn is_filter_line(&self) -> bool {
        matches!(self, Focus::FilterLine)
    }

    /// Leaves the filter line, if it takes the keys.
    pub fn leave_filter_line(&mut self) {
        if self.is_filter_line() {
            *self = Focus::Screen;
        }
    }
}
