//! Colours by what they mean. The themes that come with the program are files like those of a user.

pub mod colour;

use std::path::{Path, PathBuf};

use ratatui::style::{Color, Modifier, Style};

use crate::config::{ConfigItem, ConfigProblem, ConfigValue, Document};

pub use crate::tui::theme::colour::{READABLE, Rgb};

/// The name that stands for the theme that suits the terminal.
pub const AUTO: &str = "auto";

/// The themes that come with the program, by name.
pub const SHIPPED: [(&str, &str); 6] = [
    ("dark", include_str!("../../../assets/themes/dark.toml")),
    ("light", include_str!("../../../assets/themes/light.toml")),
    ("high-contrast", include_str!("../../../assets/themes/high-contrast.toml")),
    ("16", include_str!("../../../assets/themes/16.toml")),
    ("16-light", include_str!("../../../assets/themes/16-light.toml")),
    ("plain", include_str!("../../../assets/themes/plain.toml")),
];

/// How things of each meaning are drawn. No meaning stands on colour alone.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Theme {
    pub text: Style,
    /// What matters less.
    pub faint: Style,
    /// Names of columns and fields.
    pub label: Style,
    /// The tab that is open, the title of a dialog.
    pub title: Style,
    /// The row under the cursor.
    pub cursor: Style,
    /// A row that has just changed.
    pub flash: Style,
    /// A part that the filter matched.
    pub matched: Style,
    /// What stands for bytes that cannot be shown.
    pub escaped: Style,
    /// A key that can be pressed.
    pub key: Style,
    /// On, alive.
    pub good: Style,
    /// Soon to end, to be looked at.
    pub warning: Style,
    /// Off, dead, wrong.
    pub bad: Style,
    pub number: Style,
    pub frame: Style,
    /// What marks a database where mistakes are felt by others.
    pub production: Style,
}

impl Theme {
    pub fn dark() -> Theme {
        Theme::shipped("dark")
    }

    #[cfg(test)]
    pub fn light() -> Theme {
        Theme::shipped("light")
    }

    /// Without any colour: <https://no-color.org>.
    pub fn plain() -> Theme {
        Theme::shipped("plain")
    }

    /// The theme of that name that comes with the program; one without any style if there is none.
    fn shipped(name: &str) -> Theme {
        let mut theme = Theme::default();
        if let Some((name, text)) = SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
            theme.put(&mut Document::parse(&Path::new("assets/themes").join(name), text));
        }
        theme
    }

    /// A style over the ground that another one has. A colour that could not be read there gives way to
    /// the letters that belong to the ground.
    pub fn over(ground: Style, style: Style) -> Style {
        let whole = ground.patch(style);
        let contrast =
            |letters: Option<Color>, on: Option<Color>| Some(Rgb::of(letters?)?.contrast(Rgb::of(on?)?));
        match contrast(whole.fg, whole.bg) {
            Some(contrast) if contrast < READABLE && style.bg.is_none() => Style { fg: ground.fg, ..whole },
            _ => whole,
        }
    }

    /// Puts the meanings that a file names over those that are there; `based-on`, which comes first
    /// wherever it stands, begins with another of the themes that come with the program. What is
    /// wrong is noted in the document, and left out.
    fn put(&mut self, document: &mut Document) {
        let mut items = std::mem::take(&mut document.entries);
        items.sort_by_key(|item| item.name != "based-on");
        for ConfigItem { name, line, value } in items {
            let ConfigValue::Text(text) = value else {
                document.refuse(line, format!("{name} is a text such as \"bold 215\", not {}", value.what()));
                continue;
            };
            if name == "based-on" {
                match SHIPPED.iter().any(|(shipped, _)| *shipped == text) {
                    true => *self = Theme::shipped(&text),
                    false => document.refuse(line, format!("{text} is none of {}", shipped_names())),
                }
                continue;
            }
            let Some(place) = self.meaning(&name) else {
                document.refuse(
                    line,
                    format!("{name} is no meaning; see slothstate config --print themes/dark.toml"),
                );
                continue;
            };
            match style(&text) {
                Ok(style) => *place = style,
                Err(reason) => document.refuse(line, format!("{name}: {reason}")),
            }
        }
    }

    fn meaning(&mut self, name: &str) -> Option<&mut Style> {
        Some(match name {
            "text" => &mut self.text,
            "faint" => &mut self.faint,
            "label" => &mut self.label,
            "title" => &mut self.title,
            "cursor" => &mut self.cursor,
            "flash" => &mut self.flash,
            "matched" => &mut self.matched,
            "escaped" => &mut self.escaped,
            "key" => &mut self.key,
            "good" => &mut self.good,
            "warning" => &mut self.warning,
            "bad" => &mut self.bad,
            "number" => &mut self.number,
            "frame" => &mut self.frame,
            "production" => &mut self.production,
            _ => return None,
        })
    }
}

fn shipped_names() -> String {
    SHIPPED.map(|(name, _)| name).join(", ")
}

/// Reads such words as `bold 231 on 61`.
fn style(text: &str) -> Result<Style, String> {
    let mut style = Style::new();
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        style = match word {
            "bold" => style.add_modifier(Modifier::BOLD),
            "dim" => style.add_modifier(Modifier::DIM),
            "italic" => style.add_modifier(Modifier::ITALIC),
            "underlined" => style.add_modifier(Modifier::UNDERLINED),
            "reversed" => style.add_modifier(Modifier::REVERSED),
            "on" => style.bg(colour(words.next().ok_or("on needs a colour")?)?),
            word => style.fg(colour(word)?),
        };
    }
    Ok(with_letters(style))
}

/// Letters for a ground that names none: those of the terminal may be as dark, or as light, as it.
fn with_letters(style: Style) -> Style {
    let ground = style.bg.and_then(Rgb::of).filter(|_| style.fg.is_none());
    match ground.map(Rgb::is_light) {
        None => style,
        Some(true) => style.fg(Color::Indexed(16)),
        Some(false) => style.fg(Color::Indexed(231)),
    }
}

fn colour(word: &str) -> Result<Color, String> {
    let named = match word {
        "black" => Color::Black,
        "red" => Color::Red,
        "green" => Color::Green,
        "yellow" => Color::Yellow,
        "blue" => Color::Blue,
        "magenta" => Color::Magenta,
        "cyan" => Color::Cyan,
        "white" => Color::Gray,
        "bright-black" => Color::DarkGray,
        "bright-red" => Color::LightRed,
        "bright-green" => Color::LightGreen,
        "bright-yellow" => Color::LightYellow,
        "bright-blue" => Color::LightBlue,
        "bright-magenta" => Color::LightMagenta,
        "bright-cyan" => Color::LightCyan,
        "bright-white" => Color::White,
        "default" => Color::Reset,
        _ => return numbered(word),
    };
    Ok(named)
}

fn numbered(word: &str) -> Result<Color, String> {
    let wrong = || {
        format!(
            "{word} is no colour and no style; a colour is 0 to 255, #rrggbb, or such as red or bright-red"
        )
    };
    match word.strip_prefix('#') {
        Some(digits) if digits.len() == 6 => {
            let rgb = u32::from_str_radix(digits, 16).map_err(|_| wrong())?;
            let [_, red, green, blue] = rgb.to_be_bytes();
            Ok(Color::Rgb(red, green, blue))
        }
        _ => word.parse().map(Color::Indexed).map_err(|_| wrong()),
    }
}

#[derive(Clone, Debug)]
pub struct Themes(Vec<(String, Theme)>);

impl Themes {
    /// Those that come with the program.
    pub fn shipped() -> Themes {
        Themes(SHIPPED.map(|(name, _)| (name.to_string(), Theme::shipped(name))).into())
    }

    /// Those that come with the program, and the files `NAME.toml` of a folder: they add to them, or
    /// take the place of one of the same name, of which they keep what they do not say. The second
    /// answer is what could not be used.
    pub fn with(folder: &Path) -> (Themes, Vec<ConfigProblem>) {
        let mut themes = Themes::shipped();
        let mut problems = Vec::new();
        let files = files(folder).unwrap_or_else(|reason| {
            problems.push(ConfigProblem { file: folder.into(), line: None, reason });
            Vec::new()
        });
        for file in files {
            let Some(name) = file.file_stem().and_then(|name| name.to_str()).map(String::from) else {
                continue;
            };
            let Some(mut document) = Document::read(&file) else { continue };
            let mut theme = themes.named(&name).unwrap_or_else(Theme::dark);
            theme.put(&mut document);
            problems.extend(document.problems);
            themes.0.retain(|(other, _)| *other != name);
            themes.0.push((name, theme));
        }
        (themes, problems)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    pub fn named(&self, name: &str) -> Option<Theme> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, theme)| *theme)
    }

    /// The theme to begin with: without colour if `NO_COLOR` says so, else that of
    /// `SLOTHSTATE_THEME`, else the `configured` one, else the one that suits the terminal.
    pub fn choose(&self, configured: Option<&str>, read: impl Fn(&str) -> Option<String>) -> ThemeChoice {
        let given = |name: &str| read(name).filter(|value| !value.is_empty());
        let mut suiting = Suiting::of_environment(&given);
        if given("NO_COLOR").is_some() {
            return ThemeChoice { theme: Theme::plain(), suiting, problem: None };
        }
        let wanted = given("SLOTHSTATE_THEME").or_else(|| configured.map(String::from));
        let wanted = wanted.filter(|name| name != AUTO);
        let named = wanted.as_deref().and_then(|name| self.named(name));
        suiting.is_wanted = named.is_none();
        let problem = wanted.filter(|_| named.is_none()).map(|name| {
            let names = self.names().collect::<Vec<_>>().join(", ");
            format!("there is no theme {name}; there are {AUTO}, {names}")
        });
        let theme = named.or_else(|| self.named(suiting.name())).unwrap_or_else(Theme::dark);
        ThemeChoice { theme, suiting, problem }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct ThemeChoice {
    pub theme: Theme,
    /// Whether it is to suit the terminal, and what is known of that.
    pub suiting: Suiting,
    /// What is wrong with the name that was given.
    pub problem: Option<String>,
}

/// What is known of the terminal that a theme is to suit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Suiting {
    /// Whether the theme is the one that suits the terminal.
    pub is_wanted: bool,
    /// The background, as the terminal tells.
    pub background: Option<Rgb>,
    /// Whether the background is light, as the environment tells.
    is_light: bool,
    /// Whether the terminal has no more than 16 colours.
    has_few_colours: bool,
    /// Whether the terminal would show a question instead of replying to it.
    is_simple: bool,
}

impl Suiting {
    /// As far as the environment tells: the background in `COLORFGBG`, and what `TERM` can do.
    fn of_environment(given: &impl Fn(&str) -> Option<String>) -> Suiting {
        let terminal = given("TERM").unwrap_or_default();
        let few =
            matches!(terminal.as_str(), "linux" | "xterm" | "screen" | "tmux" | "ansi" | "rxvt" | "cygwin")
                || terminal.ends_with("-16color")
                || terminal.starts_with("vt");
        let background =
            given("COLORFGBG").and_then(|colours| colours.rsplit(';').next()?.parse::<u8>().ok());
        Suiting {
            has_few_colours: few && given("COLORTERM").is_none(),
            is_light: matches!(background, Some(7 | 15)),
            is_simple: matches!(terminal.as_str(), "linux" | "ansi" | "cygwin") || terminal.starts_with("vt"),
            ..Suiting::default()
        }
    }

    /// Whether the terminal is to be asked what its background is.
    pub fn asks(&self) -> bool {
        self.is_wanted && !self.is_simple
    }

    pub fn name(&self) -> &'static str {
        match (self.background.map_or(self.is_light, Rgb::is_light), self.has_few_colours) {
            (false, false) => "dark",
            (true, false) => "light",
            (false, true) => "16",
            (true, true) => "16-light",
        }
    }
}

/// The most themes of a folder.
const MOST: usize = 200;

/// The files of a folder that are themes, by name; none if there is no folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| format!("{error}; no theme of it is used"))?,
    };
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_theme = |file: &PathBuf| file.extension().is_some_and(|ending| ending == "toml");
    let mut files: Vec<PathBuf> = files.filter(is_theme).take(MOST + 1).collect();
    if files.len() > MOST {
        return Err(format!("it has more than {MOST} themes; none of them is used"));
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(configured: Option<&str>, variables: &[(&str, &str)]) -> ThemeChoice {
        let read = |name: &str| {
            variables.iter().find(|(other, _)| *other == name).map(|(_, value)| value.to_string())
        };
        Themes::shipped().choose(configured, read)
    }

    #[test]
    fn the_shipped_themes_are_sound_and_say_all() {
        let meanings = [
            "text",
            "faint",
            "label",
            "title",
            "cursor",
            "flash",
            "matched",
            "escaped",
            "key",
            "good",
            "warning",
            "bad",
            "number",
            "frame",
            "production",
        ];
        for (name, text) in SHIPPED {
            let mut document = Document::parse(Path::new(name), text);
            let mut named: Vec<_> = document.entries.iter().map(|item| item.name.clone()).collect();
            Theme::default().put(&mut document);
            assert_eq!(document.problems, [], "{name}");
            named.sort();
            let mut all = meanings.to_vec();
            all.sort_unstable();
            assert_eq!(named, all, "{name}");
        }
    }

    #[test]
    fn no_colour_means_no_colour_code_at_all() {
        let chosen = chosen(Some("light"), &[("NO_COLOR", "1"), ("SLOTHSTATE_THEME", "dark")]);
        assert!(!chosen.suiting.is_wanted);
        let theme = chosen.theme;
        let styles = [
            theme.text,
            theme.faint,
            theme.title,
            theme.cursor,
            theme.flash,
            theme.good,
            theme.bad,
            theme.key,
            theme.frame,
            theme.production,
        ];
        for style in styles {
            assert_eq!((style.fg, style.bg), (None, None));
        }
        assert!(theme.cursor.add_modifier.contains(Modifier::REVERSED));
    }

    #[test]
    fn the_environment_chooses_before_the_configuration_and_both_before_the_terminal() {
        let light = ("COLORFGBG", "0;15");
        let few = ("TERM", "linux");
        for (configured, variables, theme) in [
            (None, &[][..], "dark"),
            (None, &[light], "light"),
            (None, &[("COLORFGBG", "15;0")], "dark"),
            (None, &[few], "16"),
            (None, &[few, light], "16-light"),
            (None, &[("TERM", "xterm"), ("COLORTERM", "truecolor")], "dark"),
            (None, &[("TERM", "xterm"), ("COLORTERM", "")], "16"),
            (Some("light"), &[], "light"),
            (Some("light"), &[("SLOTHSTATE_THEME", "16")], "16"),
            (Some("auto"), &[light], "light"),
            (Some("dark"), &[light], "dark"),
            (Some("dark"), &[light, ("SLOTHSTATE_THEME", "auto")], "light"),
        ] {
            let chosen = chosen(configured, variables);
            assert_eq!(
                (chosen.theme, chosen.problem),
                (Theme::shipped(theme), None),
                "{configured:?} {variables:?}"
            );
        }
        let chosen = chosen(Some("lihgt"), &[]);
        assert_eq!(chosen.theme, Theme::dark());
        let problem = chosen.problem.unwrap();
        assert!(problem.contains("there is no theme lihgt; there are auto, dark, light"), "{problem}");
    }

    #[test]
    fn the_terminal_is_asked_only_where_its_answer_counts_and_is_understood() {
        for (configured, variables, asks) in [
            (None, &[("TERM", "xterm-256color")][..], true),
            (Some("auto"), &[("TERM", "xterm-256color")], true),
            (Some("lihgt"), &[("TERM", "xterm-256color")], true),
            (Some("dark"), &[("TERM", "xterm-256color")], false),
            (None, &[("TERM", "xterm-256color"), ("NO_COLOR", "1")], false),
            (None, &[("TERM", "xterm-256color"), ("SLOTHSTATE_THEME", "16")], false),
            (None, &[("TERM", "xterm")], true),
            (None, &[("TERM", "linux")], false),
            (None, &[("TERM", "vt100")], false),
        ] {
            assert_eq!(chosen(configured, variables).suiting.asks(), asks, "{configured:?} {variables:?}");
        }
    }

    #[test]
    fn what_the_terminal_says_counts_for_more_than_the_environment() {
        let (dark, light) = (Some(Rgb(0, 43, 54)), Some(Rgb(253, 246, 227)));
        for (variables, background, name) in [
            (&[("COLORFGBG", "0;15")][..], dark, "dark"),
            (&[("COLORFGBG", "15;0")], light, "light"),
            (&[("TERM", "xterm")], light, "16-light"),
            (&[("TERM", "xterm")], dark, "16"),
            (&[], light, "light"),
            (&[("COLORFGBG", "0;15")], None, "light"),
        ] {
            let suiting = Suiting { background, ..chosen(None, variables).suiting };
            assert_eq!(suiting.name(), name, "{variables:?} {background:?}");
        }
    }

    #[test]
    fn a_ground_has_letters_that_can_be_read_on_it() {
        for (text, letters) in [
            ("bold on #ffe0b0", Some(Color::Indexed(16))),
            ("on 238", Some(Color::Indexed(231))),
            ("on blue", Some(Color::Indexed(231))),
            ("red on 231", Some(Color::Red)),
            ("on default", None),
            ("bold", None),
        ] {
            assert_eq!(style(text).unwrap().fg, letters, "{text}");
        }
    }

    #[test]
    fn a_users_theme_says_only_what_differs() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("mine.toml", "key = \"bold italic #ff8000 on bright-black\"\nbased-on = \"light\"\n");
        write("dark.toml", "cursor = \"reversed\"\n");
        write("notes.txt", "no theme");
        let (themes, problems) = Themes::with(folder.path());
        assert_eq!(problems, []);
        let mine = themes.named("mine").unwrap();
        let key = Style::new().fg(Color::Rgb(255, 128, 0)).bg(Color::DarkGray);
        assert_eq!(mine, Theme { key: key.bold().italic(), ..Theme::light() });
        let dark = themes.named("dark").unwrap();
        assert_eq!(dark, Theme { cursor: Style::new().reversed(), ..Theme::dark() });
        assert_eq!(themes.names().count(), SHIPPED.len() + 1);
    }

    #[test]
    fn mistakes_are_told_with_their_lines_and_the_rest_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let text = "key = \"bolt 3\"\nkee = \"3\"\nbad = 3\ngood = \"#12345\"\nbased-on = \"drak\"\nnumber = \"256\"\n\
                    label = \"on\"\nfaint = \"7\"\n";
        std::fs::write(folder.path().join("mine.toml"), text).unwrap();
        let (themes, problems) = Themes::with(folder.path());
        let lines: Vec<_> = problems.iter().filter_map(|problem| problem.line).collect();
        assert_eq!(lines, [5, 1, 2, 3, 4, 6, 7], "{problems:?}");
        let faint = Style::new().fg(Color::Indexed(7));
        assert_eq!(themes.named("mine"), Some(Theme { faint, ..Theme::dark() }));
    }
}
