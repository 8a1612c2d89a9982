//! The palette: what was typed, and which of the choices has the cursor.

use tui_input::Input;

use crate::tui::keys::Command;

#[derive(Clone, Debug, Default)]
pub struct Palette {
    pub input: Input,
    pub chosen: usize,
}

impl Palette {
    /// With the name of a command typed already, so that what it is called with can be chosen.
    pub fn of(command: &Command) -> Palette {
        Palette { input: format!("{} ", command.name).into(), chosen: 0 }
    }
}
