//! Which key calls which command: the shipped keymap, and what a user puts over it.

use std::collections::HashMap;
use std::path::Path;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::action::Action;
use super::command::{COMMANDS, Command, Mode};
use crate::config::{Document, Item, Value};

/// The keymap that comes with the program.
pub const SHIPPED: &str = include_str!("../../assets/keymap.toml");

/// A key with its modifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Chord {
    code: KeyCode,
    modifiers: KeyModifiers,
}

/// Keys and what they call.
#[derive(Clone, Debug, Default)]
pub struct Keymap {
    actions: HashMap<(Mode, Chord), Action>,
    /// The keys of each command as they are shown, in the order of the file.
    shown: HashMap<Action, Vec<String>>,
}

impl Keymap {
    /// The keymap that comes with the program.
    pub fn shipped() -> Keymap {
        let mut keymap = Keymap::default();
        keymap.put(&mut Document::parse(Path::new("assets/keymap.toml"), SHIPPED));
        keymap
    }

    /// Puts the commands that a file names over those that are there: each of them has the keys that
    /// it has in the file and no others, and a key goes from the command that had it to the one of the
    /// file. What is wrong is noted in the document, and left out.
    pub fn put(&mut self, document: &mut Document) {
        let mut bound: HashMap<(Mode, Chord), String> = HashMap::new();
        for Item { name, line, value } in std::mem::take(&mut document.entries) {
            match (name.as_str(), value) {
                ("keys", Value::Table(commands)) => {
                    for item in commands {
                        self.put_command(item, &mut bound, document);
                    }
                }
                _ => document.refuse(line, format!("{name} is no setting; the keys are in [keys]")),
            }
        }
    }

    fn put_command(
        &mut self,
        item: Item,
        bound: &mut HashMap<(Mode, Chord), String>,
        document: &mut Document,
    ) {
        let Item { name, line, value } = item;
        let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
            let like = COMMANDS
                .iter()
                .map(|command| (strsim::damerau_levenshtein(command.name, &name), command.name))
                .min()
                .filter(|(distance, _)| *distance <= 3);
            let like = like.map_or(String::new(), |(_, like)| format!("; do you mean {like}?"));
            return document.refuse(line, format!("{name} is no command{like}"));
        };
        let keys = match value {
            Value::Text(key) => vec![Value::Text(key)],
            Value::List(keys) => keys,
            other => {
                let reason = format!("{name}: keys are a list such as [\"ctrl-x\"], not {}", other.what());
                return document.refuse(line, reason);
            }
        };
        self.unbind(command);
        for key in keys {
            let Value::Text(key) = key else {
                document.refuse(line, format!("{name}: a key is a text, not {}", key.what()));
                continue;
            };
            let Some(chord) = chord(&key) else {
                document.refuse(
                    line,
                    format!("{name}: {key} is no key; keys are such as a, A, ctrl-a, f5, space"),
                );
                continue;
            };
            let place = (command.when.mode(), chord);
            if let Some(other) = bound.get(&place) {
                document.refuse(line, format!("{name}: {key} already calls {other}"));
                continue;
            }
            bound.insert(place, name.clone());
            self.bind(chord, key, command);
        }
    }

    /// Takes all of its keys from a command.
    fn unbind(&mut self, command: &Command) {
        self.actions.retain(|_, action| *action != command.action);
        self.shown.remove(&command.action);
    }

    /// Gives a key to a command, and takes it from the one that had it.
    fn bind(&mut self, chord: Chord, key: String, command: &Command) {
        if let Some(before) = self.actions.insert((command.when.mode(), chord), command.action)
            && let Some(keys) = self.shown.get_mut(&before)
        {
            keys.retain(|key| self::chord(key) != Some(chord));
        }
        self.shown.entry(command.action).or_default().push(key);
    }

    /// What a key calls in a list.
    pub fn action(&self, key: &KeyEvent) -> Option<Action> {
        self.actions.get(&(Mode::List, normal(key.code, key.modifiers))).copied()
    }

    /// What a key may call, that which has it in the narrowest place first.
    pub fn actions(&self, key: &KeyEvent) -> impl Iterator<Item = Action> {
        let chord = normal(key.code, key.modifiers);
        Mode::ALL.into_iter().filter_map(move |mode| self.actions.get(&(mode, chord)).copied())
    }

    /// The keys of an action, as they are shown.
    pub fn keys_for(&self, action: Action) -> &[String] {
        self.shown.get(&action).map_or(&[], Vec::as_slice)
    }
}

/// Capital letters come with shift from some terminals and without from others.
fn normal(code: KeyCode, modifiers: KeyModifiers) -> Chord {
    let modifiers = match code {
        KeyCode::Char(_) | KeyCode::BackTab => modifiers - KeyModifiers::SHIFT,
        _ => modifiers,
    };
    Chord { code, modifiers }
}

fn chord(text: &str) -> Option<Chord> {
    let (modifiers, name) = match text.split_once('-') {
        Some(("ctrl", name)) if !name.is_empty() => (KeyModifiers::CONTROL, name),
        Some(("alt", name)) if !name.is_empty() => (KeyModifiers::ALT, name),
        _ => (KeyModifiers::NONE, text),
    };
    let code = match name {
        "space" => KeyCode::Char(' '),
        "enter" => KeyCode::Enter,
        "esc" => KeyCode::Esc,
        "tab" => KeyCode::Tab,
        "backtab" => KeyCode::BackTab,
        "backspace" => KeyCode::Backspace,
        "up" => KeyCode::Up,
        "down" => KeyCode::Down,
        "left" => KeyCode::Left,
        "right" => KeyCode::Right,
        "pageup" => KeyCode::PageUp,
        "pagedown" => KeyCode::PageDown,
        "home" => KeyCode::Home,
        "end" => KeyCode::End,
        "insert" => KeyCode::Insert,
        "delete" => KeyCode::Delete,
        other => match (function_key(other), only_character(other)) {
            (Some(number), _) => KeyCode::F(number),
            (None, Some(character)) => KeyCode::Char(character),
            (None, None) => return None,
        },
    };
    Some(normal(code, modifiers))
}

fn function_key(name: &str) -> Option<u8> {
    name.strip_prefix('f')?.parse().ok().filter(|number| (1..=24).contains(number))
}

fn only_character(name: &str) -> Option<char> {
    let mut characters = name.chars();
    match (characters.next(), characters.next()) {
        (Some(character), None) if !character.is_control() => Some(character),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patched(text: &str) -> (Keymap, Vec<String>) {
        let mut keymap = Keymap::shipped();
        let mut document = Document::parse(Path::new("keymap.toml"), text);
        keymap.put(&mut document);
        (keymap, document.problems.iter().map(ToString::to_string).collect())
    }

    fn called(keymap: &Keymap, code: KeyCode, modifiers: KeyModifiers) -> Option<Action> {
        keymap.action(&KeyEvent::new(code, modifiers))
    }

    #[test]
    fn the_shipped_keymap_is_sound_and_calls_every_command() {
        let mut document = Document::parse(Path::new("assets/keymap.toml"), SHIPPED);
        Keymap::default().put(&mut document);
        assert_eq!(document.problems, []);
        let keymap = Keymap::shipped();
        for command in COMMANDS {
            assert!(!keymap.keys_for(command.action).is_empty(), "{}", command.name);
        }
    }

    #[test]
    fn a_user_patches_single_commands() {
        let (keymap, problems) = patched("[keys]\nquit = [\"Q\", \"f10\"]\nhelp = \"alt-h\"\nreload = []\n");
        assert_eq!(problems, [""; 0]);
        assert_eq!(keymap.keys_for(Action::Quit), ["Q", "f10"]);
        assert_eq!(called(&keymap, KeyCode::Char('q'), KeyModifiers::NONE), None, "its keys before are free");
        assert_eq!(called(&keymap, KeyCode::F(10), KeyModifiers::NONE), Some(Action::Quit));
        assert_eq!(called(&keymap, KeyCode::Char('h'), KeyModifiers::ALT), Some(Action::Help));
        assert_eq!(called(&keymap, KeyCode::Char('r'), KeyModifiers::CONTROL), None);
        assert_eq!(called(&keymap, KeyCode::Char('j'), KeyModifiers::NONE), Some(Action::Move(1)));
    }

    #[test]
    fn a_key_goes_from_the_command_that_had_it() {
        let (keymap, problems) = patched("[keys]\ndelete = [\"j\"]\n");
        assert_eq!(problems, [""; 0]);
        assert_eq!(called(&keymap, KeyCode::Char('j'), KeyModifiers::NONE), Some(Action::Delete));
        assert_eq!(keymap.keys_for(Action::Move(1)), ["down"], "what is shown is what is so");
    }

    #[test]
    fn mistakes_are_told_with_their_lines_and_the_rest_is_kept() {
        let (keymap, problems) = patched(
            "[keys]\nqiut = [\"Q\"]\nhelp = [\"hyper-q\", \"H\"]\ntop = [\"H\", \"t\"]\nadd = 3\n[colours]\nx = 1\n",
        );
        for (line, words) in [
            (2, "qiut is no command; do you mean quit?"),
            (3, "help: hyper-q is no key"),
            (4, "top: H already calls help"),
            (5, "add: keys are a list"),
            (6, "colours is no setting"),
        ] {
            let start = format!("keymap.toml:{line}: {words}");
            assert!(problems.iter().any(|problem| problem.starts_with(&start)), "{start}: {problems:?}");
        }
        assert_eq!(problems.len(), 5);
        assert_eq!(keymap.keys_for(Action::Help), ["H"]);
        assert_eq!(keymap.keys_for(Action::Top), ["t"]);
        assert_eq!(keymap.keys_for(Action::Add), ["a"]);
    }

    #[test]
    fn capitals_are_the_same_with_and_without_shift() {
        let keymap = Keymap::shipped();
        for modifiers in [KeyModifiers::NONE, KeyModifiers::SHIFT] {
            assert_eq!(called(&keymap, KeyCode::Char('G'), modifiers), Some(Action::Bottom));
        }
    }
}
