//! What a user changed about keys and colours, as the configuration folder has it.

use std::path::Path;

use super::keymap::Keymap;
use super::theme::Themes;
use crate::config::{Document, Problem};

/// Keys and colours.
pub struct Look {
    /// Which key calls which command.
    pub keymap: Keymap,
    /// The themes that there are.
    pub themes: Themes,
    /// What could not be used.
    pub problems: Vec<Problem>,
}

impl Look {
    /// Reads `keymap.toml` and `themes/NAME.toml` of the configuration folder.
    pub fn read(folder: Option<&Path>) -> Look {
        let mut keymap = Keymap::shipped();
        let Some(folder) = folder else {
            return Look { keymap, themes: Themes::shipped(), problems: Vec::new() };
        };
        let (themes, mut problems) = Themes::with(&folder.join("themes"));
        if let Some(mut document) = Document::read(&folder.join("keymap.toml")) {
            keymap.put(&mut document);
            problems.splice(0..0, document.problems);
        }
        Look { keymap, themes, problems }
    }
}

/// What in the keymap and the themes of a configuration folder could not be used.
pub fn problems_in(folder: &Path) -> Vec<Problem> {
    Look::read(Some(folder)).problems
}

/// The files that come with the program and can be changed by a file of the same name in the
/// configuration folder, with their text.
pub fn shipped_files() -> Vec<(String, &'static str)> {
    let themes = super::theme::SHIPPED.iter().map(|(name, text)| (format!("themes/{name}.toml"), *text));
    std::iter::once(("keymap.toml".to_string(), super::keymap::SHIPPED)).chain(themes).collect()
}
