//! What the palette offers: commands by name, and what some of them are called with.

use std::ops::Range;

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use crate::config::Context;
use crate::tui::app::App;
use crate::tui::dialogs::palette::state::Palette;
use crate::tui::keys::{Argument, Command, command};
use crate::tui::list::{SavedFilter, SortBy};
use crate::tui::theme::AUTO;

/// What commands are called elsewhere (on our command line, in vi, k9s and redis-cli), and here.
const ELSEWHERE: &[(&str, &str)] = &[
    ("unlock", "clear-lock"),
    ("flip", "toggle"),
    ("incr", "increment"),
    ("decr", "decrement"),
    ("set", "edit"),
    ("new", "add"),
    ("create", "add"),
    ("del", "delete"),
    ("rm", "delete"),
    ("expire", "ttl"),
    ("get", "details"),
    ("show", "details"),
    ("past", "at"),
    ("travel", "at"),
    ("find", "filter"),
    ("search", "filter"),
    ("grep", "filter"),
    ("db", "context"),
    ("use", "context"),
    ("log", "messages"),
    ("stop", "suspend"),
    ("shell", "suspend"),
    ("exit", "quit"),
    ("q!", "quit"),
];

/// Something that can be chosen.
#[derive(Clone)]
pub struct PaletteItem {
    pub command: &'static Command,
    pub argument: Option<String>,
    /// What is shown: the name of the command, or what it is called with.
    pub name: String,
    /// The letters of the name that fit what was typed, in bytes.
    pub letters: Vec<Range<usize>>,
    pub help: String,
}

impl Palette {
    /// What can be chosen, the best first.
    pub fn choices(&self, app: &App) -> Vec<PaletteItem> {
        let context = app.context();
        if let Some((name, argument)) = self.input.value().trim_start().split_once(' ')
            && let Some(command) = command::applicable(&context).find(|command| command.name == name)
            && command.argument != Argument::None
        {
            return arguments(app, command, argument.trim());
        }
        let typed = self.input.value().trim();
        let mut search = PaletteSearch::new(typed);
        let scored: Vec<(u32, PaletteItem)> = command::applicable(&context)
            .filter_map(|command| {
                let name = search.find(command.name);
                // A name that fits counts for more than words of the explanation, and what the
                // command is called elsewhere for most: nobody writes that by chance.
                let mut elsewhere =
                    ELSEWHERE.iter().filter(|(_, here)| *here == command.name).map(|(other, _)| *other);
                let score = match &name {
                    _ if command.name == typed || elsewhere.clone().any(|other| other == typed) => u32::MAX,
                    Some((score, _)) => score * 4,
                    None if elsewhere.any(|other| other.starts_with(typed)) => 1,
                    None => search.find(command.help).filter(|_| has_words(command.help, typed))?.0,
                };
                let letters = name.map(|(_, letters)| letters).unwrap_or_default();
                let (name, help) = (command.name.into(), command.help.into());
                Some((score, PaletteItem { command, argument: None, name, letters, help }))
            })
            .collect();
        best_first(scored)
    }

    /// Writes out what has the cursor; whether anything was left to be written.
    pub fn complete(&mut self, choice: &PaletteItem) -> bool {
        let text = match (&choice.argument, choice.command.argument) {
            (Some(argument), _) => format!("{} {argument}", choice.command.name),
            (None, Argument::None) => choice.command.name.to_string(),
            (None, _) => format!("{} ", choice.command.name),
        };
        let is_new = text != self.input.value();
        if is_new {
            self.input = text.into();
            self.chosen = 0;
        }
        is_new
    }
}

/// Whether each word that was typed is in a text as it stands: letters here and there in a sentence
/// mean nothing.
fn has_words(text: &str, typed: &str) -> bool {
    let text = text.to_lowercase();
    typed.split_whitespace().all(|word| text.contains(&word.to_lowercase()))
}

/// What a command can be called with, as far as it fits.
fn arguments(app: &App, command: &'static Command, typed: &str) -> Vec<PaletteItem> {
    let choice = |name: &str, letters, help: String| PaletteItem {
        command,
        argument: Some(name.into()),
        name: name.into(),
        letters,
        help,
    };
    // What is written, whatever it is.
    let written = |help| {
        let name = if typed.is_empty() { command.name } else { typed };
        let argument = (!typed.is_empty()).then(|| typed.to_string());
        vec![PaletteItem { argument, ..choice(name, Vec::new(), help) }]
    };
    let options: Vec<(String, String)> = match command.argument {
        Argument::None => return Vec::new(),
        Argument::Filter if typed.is_empty() => return written(command.help.into()),
        Argument::Filter => return written(format!("filtered: {}", command.help)),
        Argument::FilterName => {
            let filter = app.list.filter_line.text();
            return written(match app.settings.saved_filters.iter().find(|saved| saved.name == typed) {
                Some(saved) => format!("replaces {}", saved.filter),
                None if typed.is_empty() => format!("write a name for {filter}"),
                None => format!("saves {filter}"),
            });
        }
        Argument::Moment if typed.is_empty() => return written(command.help.into()),
        Argument::Moment => return written("the state as it was then".into()),
        Argument::SavedFilter => app.settings.saved_filters.iter().map(saved_filter).collect(),
        Argument::Sort => SortBy::ALL.iter().map(|by| (by.name().into(), String::new())).collect(),
        Argument::Context => app.settings.contexts.iter().map(context).collect(),
        Argument::Theme => {
            let auto = (AUTO.into(), "what suits the terminal".into());
            std::iter::once(auto)
                .chain(app.settings.themes.names().map(|name| (name.into(), String::new())))
                .collect()
        }
    };
    let mut search = PaletteSearch::new(typed);
    let scored: Vec<(u32, PaletteItem)> = options
        .into_iter()
        .filter_map(|(name, help)| {
            // A name that is typed in full is meant, whatever other names begin with it, and whatever its
            // characters mean in a search.
            let (score, letters) = match search.find(&name) {
                Some((_, letters)) if name == typed => (u32::MAX, letters),
                None if name == typed => (u32::MAX, Vec::new()),
                other => other?,
            };
            Some((score, choice(&name, letters, help)))
        })
        .collect();
    best_first(scored)
}

fn best_first(mut scored: Vec<(u32, PaletteItem)>) -> Vec<PaletteItem> {
    scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    scored.into_iter().map(|(_, choice)| choice).collect()
}

/// The name of a database and what it is.
fn context(context: &Context) -> (String, String) {
    let marks = [(context.production, "PRODUCTION "), (context.read_only, "read only ")];
    let marks: String = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).collect();
    (context.name.clone(), format!("{marks}{}", context.location))
}

fn saved_filter(saved: &SavedFilter) -> (String, String) {
    let view = saved.view.map_or(String::new(), |view| format!("{}  ", view.title()));
    (saved.name.clone(), format!("{view}{}", saved.filter))
}

/// Looks for the letters that were typed, in their order.
struct PaletteSearch {
    pattern: Pattern,
    matcher: Matcher,
    buffer: Vec<char>,
}

impl PaletteSearch {
    fn new(typed: &str) -> PaletteSearch {
        let pattern = Pattern::parse(typed, CaseMatching::Ignore, Normalization::Smart);
        PaletteSearch { pattern, matcher: Matcher::new(Config::DEFAULT), buffer: Vec::new() }
    }

    /// How well a text fits, and the letters that do, in bytes; `None` if it does not.
    fn find(&mut self, text: &str) -> Option<(u32, Vec<Range<usize>>)> {
        let mut letters = Vec::new();
        let text_of = Utf32Str::new(text, &mut self.buffer);
        let score = self.pattern.indices(text_of, &mut self.matcher, &mut letters)?;
        let places: Vec<(usize, char)> = text.char_indices().collect();
        let ranges = letters.iter().filter_map(|letter| {
            let (at, character) = places.get(usize::try_from(*letter).ok()?)?;
            Some(*at..at + character.len_utf8())
        });
        Some((score, ranges.collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::testing::fixtures::{entries, rows, with};

    fn choices(typed: &str) -> Vec<PaletteItem> {
        let app = with(rows(entries()), (80, 24));
        Palette { input: typed.into(), chosen: 0 }.choices(&app)
    }

    #[test]
    fn commands_are_found_by_letters_in_their_order() {
        let found = choices("dtd");
        assert_eq!(found[0].name, "detail-down");
        let letters: String = found[0].letters.iter().map(|range| &found[0].name[range.clone()]).collect();
        assert_eq!(letters, "dtd");
        assert!(choices("").len() > 20, "all, while nothing was typed");
        assert!(choices("xyzzy").is_empty());
        assert_eq!(choices("leave slothstate")[0].name, "quit", "words of the explanation fit too");
    }

    #[test]
    fn commands_are_found_by_what_they_are_called_elsewhere() {
        for (typed, name) in [
            ("exit", "quit"),
            ("q!", "quit"),
            ("rm", "delete"),
            ("get", "details"),
            ("search", "filter"),
            ("db", "context"),
        ] {
            assert_eq!(choices(typed)[0].name, name, "{typed}");
        }
        assert_eq!(choices("un")[0].name, "undo", "the beginning of it is less than a name");
        assert_eq!(choices("travel")[0].name, "at");
        // Letters here and there in an explanation are no reason to offer a command.
        assert!(choices("exti").iter().all(|choice| !choice.letters.is_empty()));
    }

    #[test]
    fn what_commands_are_called_elsewhere_is_the_name_of_none_and_leads_to_one() {
        let is_command =
            |name: &str| crate::tui::keys::command::COMMANDS.iter().any(|command| command.name == name);
        for (other, here) in ELSEWHERE {
            assert!(!is_command(other) && is_command(here), "{other}: {here}");
            assert_eq!(ELSEWHERE.iter().filter(|(name, _)| name == other).count(), 1, "{other}");
        }
    }

    #[test]
    fn what_a_command_is_called_with_is_found_too() {
        let found = choices("theme hc");
        assert_eq!(
            (found[0].name.as_str(), found[0].argument.as_deref()),
            ("high-contrast", Some("high-contrast"))
        );
        assert_eq!(choices("theme ").len(), 7);
        let found = choices("flags check out");
        assert_eq!((found.len(), found[0].argument.as_deref()), (1, Some("check out")));
        assert_eq!(choices("flags ")[0].argument, None);
    }

    #[test]
    fn a_name_that_is_typed_in_full_is_the_first_choice() {
        let mut app = with(rows(entries()), (80, 24));
        let names = ["live-ro", "alive", "live", "live2", "!dev", "dev"];
        app.settings.contexts = names
            .iter()
            .map(|name| Context {
                name: name.to_string(),
                location: crate::store::Location::File("/srv/live.db".into()),
                read_only: false,
                production: false,
                confirm: Default::default(),
                no_exec: false,
                allow_exec: None,
            })
            .collect();
        for name in names {
            let found = Palette { input: format!("context {name}").into(), chosen: 0 }.choices(&app);
            assert_eq!(found[0].argument.as_deref(), Some(name));
        }
        for command in crate::tui::keys::command::applicable(&app.context()) {
            assert_eq!(choices(command.name)[0].name, command.name);
        }
    }

    #[test]
    fn the_tabulator_writes_out_what_has_the_cursor() {
        let mut palette = Palette { input: "thm".into(), chosen: 0 };
        assert!(palette.complete(&choices("thm")[0]));
        assert_eq!(palette.input.value(), "theme ");
        assert!(!palette.complete(&choices("thm")[0]), "nothing is left to be written");
        assert!(palette.complete(&choices("theme lig")[0]));
        assert_eq!(palette.input.value(), "theme light");
    }
}
