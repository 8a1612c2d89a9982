//! Which key calls which command: the shipped keymap, and what a user puts over it.

use std::collections::{BTreeMap, HashMap};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::action::Action;
use super::command::{COMMANDS, Command};

const SHIPPED: &str = include_str!("../../assets/keymap.toml");

/// A key with its modifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Chord {
    code: KeyCode,
    modifiers: KeyModifiers,
}

/// Keys and what they call.
#[derive(Clone, Debug, Default)]
pub struct Keymap {
    actions: HashMap<Chord, Action>,
    /// The keys of each command as they are shown, in the order of the file.
    shown: HashMap<Action, Vec<String>>,
}

#[derive(serde::Deserialize)]
struct File {
    keys: BTreeMap<String, Vec<String>>,
}

impl Keymap {
    /// The keymap that comes with the program.
    pub fn shipped() -> Keymap {
        Keymap::parse(SHIPPED).unwrap_or_default()
    }

    /// Reads a keymap.
    ///
    /// # Errors
    /// Names what is no command or no key, and a key that calls two commands.
    pub fn parse(text: &str) -> Result<Keymap, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut keymap = Keymap::default();
        for (name, keys) in &file.keys {
            let command = COMMANDS
                .iter()
                .find(|command| command.name == name)
                .ok_or_else(|| format!("{name} is no command"))?;
            for key in keys {
                keymap.bind(key, command)?;
            }
        }
        Ok(keymap)
    }

    fn bind(&mut self, key: &str, command: &Command) -> Result<(), String> {
        let chord = chord(key).ok_or_else(|| format!("{}: {key} is no key", command.name))?;
        if self.actions.insert(chord, command.action).is_some() {
            return Err(format!("{}: {key} already calls another command", command.name));
        }
        self.shown.entry(command.action).or_default().push(key.to_string());
        Ok(())
    }

    /// What a key calls.
    pub fn action(&self, key: &KeyEvent) -> Option<Action> {
        self.actions.get(&normal(key.code, key.modifiers)).copied()
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
    let (modifiers, name) = match text.strip_prefix("ctrl-") {
        Some(name) => (KeyModifiers::CONTROL, name),
        None => (KeyModifiers::NONE, text),
    };
    let code = match name {
        "space" => KeyCode::Char(' '),
        "enter" => KeyCode::Enter,
        "esc" => KeyCode::Esc,
        "tab" => KeyCode::Tab,
        "backtab" => KeyCode::BackTab,
        "up" => KeyCode::Up,
        "down" => KeyCode::Down,
        "left" => KeyCode::Left,
        "right" => KeyCode::Right,
        "pageup" => KeyCode::PageUp,
        "pagedown" => KeyCode::PageDown,
        "home" => KeyCode::Home,
        "end" => KeyCode::End,
        "delete" => KeyCode::Delete,
        other => {
            let mut characters = other.chars();
            match (characters.next(), characters.next()) {
                (Some(character), None) => KeyCode::Char(character),
                _ => return None,
            }
        }
    };
    Some(normal(code, modifiers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_keymap_is_sound_and_calls_every_command() {
        let keymap = Keymap::parse(SHIPPED).unwrap();
        for command in COMMANDS {
            assert!(!keymap.keys_for(command.action).is_empty(), "{}", command.name);
        }
    }

    #[test]
    fn mistakes_are_named() {
        let mistake = |text: &str| Keymap::parse(text).unwrap_err();
        assert!(mistake("[keys]\nfly = [\"f\"]").contains("fly"));
        assert!(mistake("[keys]\nquit = [\"hyper-q\"]").contains("hyper-q"));
        assert!(mistake("[keys]\nquit = [\"q\"]\nhelp = [\"q\"]").contains("already"));
    }

    #[test]
    fn capitals_are_the_same_with_and_without_shift() {
        let keymap = Keymap::shipped();
        for modifiers in [KeyModifiers::NONE, KeyModifiers::SHIFT] {
            assert_eq!(keymap.action(&KeyEvent::new(KeyCode::Char('G'), modifiers)), Some(Action::Bottom));
        }
    }
}
