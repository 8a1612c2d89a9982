//! Which key calls which command: the shipped keymap, and what a user puts over it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::LazyLock;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::config::{ConfigItem, ConfigValue, Document};
use crate::tui::keys::{Action, COMMANDS, Command, CommandContext, Mode, ScreenKind, command, keymap};

/// The keymap that comes with the program.
pub const SHIPPED: &str = include_str!("../../../assets/keymap.toml");

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Chord {
    code: KeyCode,
    modifiers: KeyModifiers,
}

#[derive(Clone, Debug, Default)]
pub struct Keymap {
    actions: HashMap<(Mode, Chord), Action>,
    /// The keys of each command as they are shown, in the order of the file.
    shown: HashMap<Action, Vec<String>>,
}

struct KeymapProblem {
    line: usize,
    text: String,
    /// A command that keeps the keys that it had.
    kept_by: Option<&'static Command>,
}

impl KeymapProblem {
    fn new(line: usize, text: String) -> KeymapProblem {
        KeymapProblem { line, text, kept_by: None }
    }
}

impl Keymap {
    /// The keymap that comes with the program.
    pub fn shipped() -> Keymap {
        // Read once per process: tests make thousands of interfaces.
        static PARSED: LazyLock<Keymap> = LazyLock::new(|| {
            let mut keymap = Keymap::default();
            keymap.put(&mut Document::parse(Path::new("assets/keymap.toml"), SHIPPED));
            keymap
        });
        PARSED.clone()
    }

    /// Puts the commands that a file names over those that are there: each of them has the keys that
    /// it has in the file and no others, and a key goes from the command that had it to the one of the
    /// file. What is wrong is noted in the document, and left out.
    pub fn put(&mut self, document: &mut Document) {
        let mut bound: HashMap<(Mode, Chord), String> = HashMap::new();
        let mut problems = Vec::new();
        for ConfigItem { name, line, value } in std::mem::take(&mut document.entries) {
            match (name.as_str(), value) {
                ("keys", ConfigValue::Table(commands)) => {
                    for item in commands {
                        self.put_command(item, &mut bound, &mut problems);
                    }
                }
                _ => problems
                    .push(KeymapProblem::new(line, format!("{name} is no setting; the keys are in [keys]"))),
            }
        }
        for KeymapProblem { line, text, kept_by } in problems {
            let kept = kept_by.map_or_else(String::new, |command| self.kept(command));
            document.refuse(line, format!("{text}{kept}"));
        }
    }

    fn put_command(
        &mut self,
        item: ConfigItem,
        bound: &mut HashMap<(Mode, Chord), String>,
        problems: &mut Vec<KeymapProblem>,
    ) {
        let ConfigItem { name, line, value } = item;
        let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
            let like = COMMANDS
                .iter()
                .map(|command| (strsim::damerau_levenshtein(command.name, &name), command.name))
                .min()
                .filter(|(distance, _)| *distance <= 3);
            let like = like.map_or(String::new(), |(_, like)| format!("; do you mean {like}?"));
            return problems.push(KeymapProblem::new(line, format!("{name} is no command{like}")));
        };
        let keys = match value {
            ConfigValue::Text(key) => vec![ConfigValue::Text(key)],
            ConfigValue::List(keys) => keys,
            other => {
                let text = format!("{name}: keys are a list such as [\"ctrl-x\"], not {}", other.what());
                return problems
                    .push(KeymapProblem { kept_by: Some(command), ..KeymapProblem::new(line, text) });
            }
        };
        let wants_none = keys.is_empty();
        let mut usable: Vec<(Chord, String)> = Vec::new();
        let first_problem = problems.len();
        for key in keys {
            match usable_key(key, command, bound) {
                Ok(key) => {
                    bound.insert((command.when.mode(), key.0), name.clone());
                    usable.push(key);
                }
                Err(reason) => problems.push(KeymapProblem::new(line, format!("{name}: {reason}"))),
            }
        }
        // Where none of them can be used, the command is called as before.
        if !usable.is_empty() || wants_none {
            self.unbind(command);
        } else if let Some(last) = problems[first_problem..].last_mut() {
            last.kept_by = Some(command);
        }
        for (chord, key) in usable {
            self.bind(chord, key, command);
        }
    }

    /// Which keys a command keeps once all of the file is read, to be added to what is wrong with those that
    /// it was to have: another command may have taken some.
    fn kept(&self, command: &Command) -> String {
        match self.keys_for(command.action) {
            [] => format!("; {} has no key now", command.name),
            keys => format!("; {} keeps {}", command.name, keys.join(", ")),
        }
    }

    fn unbind(&mut self, command: &Command) {
        self.actions.retain(|_, action| *action != command.action);
        self.shown.remove(&command.action);
    }

    /// Gives a key to a command, and takes it from the one that had it.
    fn bind(&mut self, chord: Chord, key: String, command: &Command) {
        if let Some(before) = self.actions.insert((command.when.mode(), chord), command.action)
            && let Some(keys) = self.shown.get_mut(&before)
        {
            keys.retain(|key| keymap::chord(key) != Some(chord));
        }
        self.shown.entry(command.action).or_default().push(key);
    }

    /// What a key calls in a list.
    pub fn action(&self, key: &KeyEvent) -> Option<Action> {
        self.actions.get(&(Mode::List, normal(key.code, key.modifiers))).copied()
    }

    /// What a key calls where this is the context; `None` if none of what it could call applies.
    pub fn called(&self, key: &KeyEvent, context: &CommandContext) -> Option<Action> {
        self.calls(normal(key.code, key.modifiers), context)
    }

    /// What has the key in the narrowest place counts.
    fn calls(&self, chord: Chord, context: &CommandContext) -> Option<Action> {
        let actions = Mode::ALL.into_iter().filter_map(|mode| self.actions.get(&(mode, chord)).copied());
        actions
            .into_iter()
            .find(|action| command::of(*action).is_some_and(|command| command.applies(context)))
    }

    /// What a key is for on such a screen, whether or not that applies just now.
    pub fn meant(&self, key: &KeyEvent, screen: ScreenKind) -> Option<Action> {
        let chord = normal(key.code, key.modifiers);
        let modes = screen.modes().iter().chain([&Mode::List]);
        modes.filter_map(|mode| self.actions.get(&(*mode, chord)).copied()).next()
    }

    /// The keys that lead to an action where this is the context, as they are shown: without those
    /// that call something narrower there.
    pub fn keys_in(&self, action: Action, context: &CommandContext) -> impl Iterator<Item = &str> {
        let leads =
            move |key: &&str| chord(key).is_some_and(|chord| self.calls(chord, context) == Some(action));
        self.keys_for(action).iter().map(String::as_str).filter(leads)
    }

    pub fn keys_for(&self, action: Action) -> &[String] {
        self.shown.get(&action).map_or(&[], Vec::as_slice)
    }
}

/// A key of a file with what it stands for, or why it cannot be used for a command.
fn usable_key(
    key: ConfigValue,
    command: &Command,
    bound: &HashMap<(Mode, Chord), String>,
) -> Result<(Chord, String), String> {
    let ConfigValue::Text(key) = key else { return Err(format!("a key is a text, not {}", key.what())) };
    let chord = chord(&key)
        .ok_or_else(|| format!("{key} is not a key; keys are written like a, A, ctrl-a, f5, space"))?;
    match bound.get(&(command.when.mode(), chord)) {
        Some(other) => Err(format!("{key} already calls {other}")),
        None => Ok((chord, key)),
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
    use crate::store::{Kind, Type};
    use crate::tui::keys::RowKind;
    use crate::tui::keys::{EntryAction, PastAction};

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
    fn every_command_of_the_past_and_of_a_value_has_a_key_there() {
        let keymap = Keymap::shipped();
        let row = Some(RowKind::Entry(Kind::Flag, Type::String));
        for screen in
            [ScreenKind::Past, ScreenKind::Value { is_tree: false }, ScreenKind::Value { is_tree: true }]
        {
            let context = CommandContext { screen, row, marked: true, ..CommandContext::default() };
            let without = crate::tui::keys::command::applicable(&context)
                .filter(|command| keymap.keys_in(command.action, &context).next().is_none());
            let without: Vec<_> = without.map(|command| command.name).collect();
            // In a tree the path takes the key of the key, and folding that of a page.
            let expected: &[_] =
                if screen == (ScreenKind::Value { is_tree: true }) { &["read-on", "copy-key"] } else { &[] };
            assert_eq!(without, expected, "{screen:?}");
        }
    }

    #[test]
    fn a_key_means_what_is_narrowest_and_only_that_is_shown() {
        let keymap = Keymap::shipped();
        let key = |code: KeyCode| KeyEvent::from(code);
        let past = CommandContext { screen: ScreenKind::Past, ..CommandContext::default() };
        let list = CommandContext { has_entries: true, ..CommandContext::default() };
        for (code, in_past, in_list) in [
            (KeyCode::Char('p'), Some(Action::Past(PastAction::Close)), Some(Action::OpenPast)),
            (KeyCode::Char('@'), Some(Action::OpenPast), Some(Action::OpenPast)),
            (KeyCode::Left, Some(Action::Past(PastAction::Step(-1))), Some(Action::StepView(-1))),
            (KeyCode::Home, Some(Action::Past(PastAction::Oldest)), Some(Action::Top)),
            (KeyCode::Char('q'), Some(Action::Past(PastAction::Close)), Some(Action::Quit)),
            (KeyCode::Char('j'), Some(Action::Move(1)), Some(Action::Move(1))),
            (KeyCode::Char('a'), None, Some(Action::Add)),
        ] {
            assert_eq!(keymap.called(&key(code), &past), in_past, "{code:?}");
            assert_eq!(keymap.called(&key(code), &list), in_list, "{code:?}");
        }
        assert_eq!(keymap.keys_in(Action::Quit, &past).collect::<Vec<_>>(), ["ctrl-c"]);
        assert_eq!(keymap.keys_in(Action::OpenPast, &past).collect::<Vec<_>>(), ["@"]);
        assert_eq!(
            keymap.meant(&key(KeyCode::Char('R')), ScreenKind::Past),
            Some(Action::Past(PastAction::Restore))
        );
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
        assert_eq!(
            called(&keymap, KeyCode::Char('j'), KeyModifiers::NONE),
            Some(Action::Entry(EntryAction::Delete))
        );
        assert_eq!(keymap.keys_for(Action::Move(1)), ["down"], "what is shown is what is so");
    }

    #[test]
    fn mistakes_are_told_with_their_lines_and_the_rest_is_kept() {
        let (keymap, problems) = patched(
            "[keys]\nqiut = [\"Q\"]\nhelp = [\"hyper-q\", \"H\"]\ntop = [\"H\", \"t\"]\nadd = 3\n[colours]\nx = 1\n",
        );
        for (line, words) in [
            (2, "qiut is no command; do you mean quit?"),
            (3, "help: hyper-q is not a key"),
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
    fn a_command_of_which_no_key_can_be_used_keeps_its_own() {
        for wrong in [
            "[\"hyper-j\"]",
            "[\"\"]",
            "\"ctrl-\"",
            "\"f99\"",
            "[1]",
            "[\"hyper-j\", true, \"meta-x\"]",
            "3",
            "{}",
            // It was given to another command before.
            "[\"Q\"]",
        ] {
            let (keymap, problems) = patched(&format!("[keys]\nquit = [\"Q\"]\ndown = {wrong}\n"));
            assert_eq!(keymap.keys_for(Action::Move(1)), ["j", "down"], "{wrong}");
            assert_eq!(called(&keymap, KeyCode::Char('j'), KeyModifiers::NONE), Some(Action::Move(1)));
            let last = problems.last().unwrap();
            assert!(last.ends_with("; down keeps j, down"), "{wrong}: {problems:?}");
        }
        // One that can be used takes their place, and a command may have no key at all.
        let (keymap, problems) = patched("[keys]\ndown = [\"hyper-j\", \"J\"]\nup = []\n");
        assert_eq!(problems.len(), 1);
        assert_eq!(
            (keymap.keys_for(Action::Move(1)), keymap.keys_for(Action::Move(-1))),
            (&["J".into()][..], &[][..])
        );
    }

    #[test]
    fn the_keys_that_a_command_is_said_to_keep_are_those_that_it_has_in_the_end() {
        for (text, end, kept) in [
            ("delete = [\"nosuchkey\"]\nundo = [\"d\"]\n", "; delete keeps delete", &["delete"][..]),
            ("undo = [\"d\"]\ndelete = [\"nosuchkey\"]\n", "; delete keeps delete", &["delete"]),
            ("delete = [\"nosuchkey\"]\nundo = [\"d\", \"delete\"]\n", "; delete has no key now", &[]),
            ("delete = 3\nundo = [\"d\"]\nhelp = [\"delete\"]\n", "; delete has no key now", &[]),
            ("delete = [\"nosuchkey\"]\n", "; delete keeps d, delete", &["d", "delete"]),
        ] {
            let (keymap, problems) = patched(&format!("[keys]\n{text}"));
            assert_eq!(problems.len(), 1, "{text}: {problems:?}");
            assert!(problems[0].ends_with(end), "{text}: {problems:?}");
            assert_eq!(keymap.keys_for(Action::Entry(EntryAction::Delete)), kept, "{text}");
        }
    }

    #[test]
    fn capitals_are_the_same_with_and_without_shift() {
        let keymap = Keymap::shipped();
        for modifiers in [KeyModifiers::NONE, KeyModifiers::SHIFT] {
            assert_eq!(called(&keymap, KeyCode::Char('G'), modifiers), Some(Action::Bottom));
        }
    }
}
