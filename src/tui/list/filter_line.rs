//! The line in which a filter is typed, with what it means: a list has one, and the past another.

use tui_input::Input;

use crate::tui::list::{Filter, FilterError};

/// A filter line. As long as there is a mistake in it, what it meant before still counts.
#[derive(Clone, Debug, Default)]
pub struct FilterLine {
    input: Input,
    filter: Filter,
    mistake: Option<FilterError>,
}

impl From<&str> for FilterLine {
    fn from(text: &str) -> FilterLine {
        let mut line = FilterLine::default();
        line.set(text);
        line
    }
}

impl FilterLine {
    pub fn input(&self) -> &Input {
        &self.input
    }

    /// Its text.
    pub fn text(&self) -> &str {
        self.input.value()
    }

    /// The filter, as far as it could be read.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// What is wrong with the line.
    pub fn mistake(&self) -> Option<&FilterError> {
        self.mistake.as_ref()
    }

    /// Types into it; whether it means something else now.
    pub fn type_into(&mut self, type_into: impl FnOnce(&mut Input)) -> bool {
        type_into(&mut self.input);
        self.read()
    }

    /// Puts another text into it; whether it means something else now.
    pub fn set(&mut self, text: &str) -> bool {
        self.input = text.into();
        self.read()
    }

    fn read(&mut self) -> bool {
        match Filter::parse(self.input.value()) {
            Ok(filter) => {
                self.mistake = None;
                let is_other = filter != self.filter;
                self.filter = filter;
                is_other
            }
            Err(mistake) => {
                self.mistake = Some(mistake);
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_meant_before_counts_until_the_mistake_is_mended() {
        let mut line = FilterLine::from("kind:flag");
        let flags = Filter::parse("kind:flag").unwrap();
        assert!(!line.set("kind:flags"), "it means nothing");
        assert_eq!((line.text(), line.filter()), ("kind:flags", &flags));
        assert!(line.mistake().is_some());
        assert!(!line.set(" kind:flag "), "the same once more");
        assert_eq!(line.mistake(), None);
        assert!(line.type_into(Input::reset) && line.filter().is_empty());
    }
}
