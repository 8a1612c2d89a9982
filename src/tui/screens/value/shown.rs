//! Which details are shown, and how: of the row under the cursor, or of an entry as it was.

use crate::store::{Entry, Needle};
use crate::tui::app::App;
use crate::tui::list::Row;
use crate::tui::screens::value::detail::{Detail, Format};
use crate::tui::screens::value::state::PastEntry;
use crate::tui::widgets::json_tree::JsonTree;

impl App {
    /// The entry as it was, while its value fills the screen.
    pub fn then(&self) -> Option<&PastEntry> {
        self.screen.value()?.then.as_deref()
    }

    pub fn detail_row(&self) -> Option<&Row> {
        match self.then() {
            Some(then) => Some(&then.detail.row),
            None => self.shown_list().window.selected(),
        }
    }

    /// What was read of that row beyond what the list has.
    pub fn loaded_detail(&self) -> Option<&Detail> {
        match self.then() {
            Some(then) => Some(&then.detail),
            None => {
                let id = self.list.window.selected()?.id();
                let detail = self.details.row.as_ref().filter(|_| self.screen.past().is_none());
                detail.filter(|detail| detail.row.id() == id)
            }
        }
    }

    pub fn tree_mut(&mut self) -> Option<&mut JsonTree> {
        self.detail_mut()?.tree.as_mut()
    }

    fn detail_mut(&mut self) -> Option<&mut Detail> {
        let then = self.screen.value_mut().and_then(|viewer| viewer.then.as_mut());
        match then {
            Some(then) => Some(&mut then.detail),
            None => self.details.row.as_mut(),
        }
    }

    /// Lays out the value in lines of so many columns, where it is shown as text.
    pub fn wrap_value(&mut self, columns: usize) {
        let detail = self.loaded_detail();
        let entry = detail.and_then(|detail| detail.row.entry());
        let is_text = entry.is_some_and(|entry| self.format_of(entry, detail) == Format::Text);
        if let Some(detail) = self.detail_mut().filter(|_| is_text) {
            detail.wrap(columns);
        }
    }

    /// What is looked for in the value that is on the whole screen.
    pub fn find_in_value(&self) -> Option<Needle> {
        let text = self.screen.value()?.find.value();
        (!text.is_empty()).then(|| Needle::new(text))
    }

    pub fn shown_tree(&self) -> Option<&JsonTree> {
        let entry = self.detail_row()?.entry()?;
        let detail = self.loaded_detail();
        let is_tree = self.format_of(entry, detail) == Format::Tree;
        detail.filter(|_| is_tree)?.tree.as_ref()
    }

    /// How the value of an entry is shown: as the user wants it, or as it suits the value.
    pub fn format_of(&self, entry: &Entry, detail: Option<&Detail>) -> Format {
        let has_tree = detail.is_some_and(|detail| detail.tree.is_some());
        match self.details.format {
            Some(Format::Tree) if !has_tree => Format::Text,
            Some(format) => format,
            None if has_tree => Format::Tree,
            None if is_binary(&entry.stored) => Format::Bytes,
            None => Format::Text,
        }
    }
}

/// Whether bytes are no text: there is a zero among them, or many of them are no characters.
fn is_binary(bytes: &[u8]) -> bool {
    let scanned = &bytes[..bytes.len().min(4096)];
    let odd: usize = scanned.utf8_chunks().map(|chunk| chunk.invalid().len()).sum();
    scanned.contains(&0) || odd * 10 > scanned.len()
}
