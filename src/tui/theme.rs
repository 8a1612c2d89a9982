//! Colours by what they mean.

use ratatui::style::{Color, Modifier, Style};

/// How things of each meaning are drawn. No meaning stands on colour alone.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    /// Text.
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
    /// Numbers.
    pub number: Style,
    /// The frame of a dialog.
    pub frame: Style,
}

impl Theme {
    /// For a dark terminal.
    pub fn dark() -> Theme {
        let colour = |colour| Style::new().fg(colour);
        Theme {
            text: Style::new(),
            faint: colour(Color::Indexed(245)),
            label: colour(Color::Indexed(110)),
            title: Style::new().fg(Color::Indexed(231)).bg(Color::Indexed(61)).add_modifier(Modifier::BOLD),
            cursor: Style::new().bg(Color::Indexed(238)).add_modifier(Modifier::BOLD),
            flash: Style::new().fg(Color::Indexed(16)).bg(Color::Indexed(179)),
            matched: Style::new().fg(Color::Indexed(215)).add_modifier(Modifier::UNDERLINED),
            escaped: colour(Color::Indexed(176)),
            key: Style::new().fg(Color::Indexed(215)).add_modifier(Modifier::BOLD),
            good: colour(Color::Indexed(114)),
            warning: colour(Color::Indexed(221)),
            bad: colour(Color::Indexed(210)),
            number: colour(Color::Indexed(117)),
            frame: colour(Color::Indexed(110)),
        }
    }

    /// For a light terminal.
    pub fn light() -> Theme {
        let colour = |colour| Style::new().fg(colour);
        Theme {
            text: Style::new(),
            faint: colour(Color::Indexed(242)),
            label: colour(Color::Indexed(25)),
            title: Style::new().fg(Color::Indexed(231)).bg(Color::Indexed(25)).add_modifier(Modifier::BOLD),
            cursor: Style::new().bg(Color::Indexed(253)).add_modifier(Modifier::BOLD),
            flash: Style::new().fg(Color::Indexed(16)).bg(Color::Indexed(221)),
            matched: Style::new().fg(Color::Indexed(130)).add_modifier(Modifier::UNDERLINED),
            escaped: colour(Color::Indexed(90)),
            key: Style::new().fg(Color::Indexed(130)).add_modifier(Modifier::BOLD),
            good: colour(Color::Indexed(28)),
            warning: colour(Color::Indexed(94)),
            bad: colour(Color::Indexed(124)),
            number: colour(Color::Indexed(24)),
            frame: colour(Color::Indexed(25)),
        }
    }

    /// Without any colour: <https://no-color.org>.
    pub fn plain() -> Theme {
        let with = |modifier| Style::new().add_modifier(modifier);
        Theme {
            text: Style::new(),
            faint: with(Modifier::DIM),
            label: with(Modifier::DIM),
            title: with(Modifier::REVERSED | Modifier::BOLD),
            cursor: with(Modifier::REVERSED),
            flash: with(Modifier::BOLD | Modifier::UNDERLINED),
            matched: with(Modifier::UNDERLINED),
            escaped: with(Modifier::DIM | Modifier::ITALIC),
            key: with(Modifier::BOLD),
            good: with(Modifier::BOLD),
            warning: with(Modifier::BOLD),
            bad: with(Modifier::BOLD | Modifier::UNDERLINED),
            number: Style::new(),
            frame: Style::new(),
        }
    }

    /// The theme that the environment asks for: `NO_COLOR`, then `SLOTHSTATE_THEME` (dark, light,
    /// plain), then the background that `COLORFGBG` tells of; otherwise the dark one.
    pub fn of_environment(read: impl Fn(&str) -> Option<String>) -> Theme {
        if read("NO_COLOR").is_some_and(|value| !value.is_empty()) {
            return Theme::plain();
        }
        match read("SLOTHSTATE_THEME").as_deref() {
            Some("light") => return Theme::light(),
            Some("plain") => return Theme::plain(),
            Some("dark") => return Theme::dark(),
            _ => {}
        }
        let background = read("COLORFGBG").and_then(|colours| colours.rsplit(';').next()?.parse::<u8>().ok());
        match background {
            Some(7 | 15) => Theme::light(),
            _ => Theme::dark(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_colour_means_no_colour_code_at_all() {
        let theme = Theme::of_environment(|name| (name == "NO_COLOR").then(|| "1".into()));
        for style in [theme.text, theme.title, theme.cursor, theme.flash, theme.good, theme.bad, theme.key] {
            assert_eq!((style.fg, style.bg), (None, None));
        }
        assert!(theme.cursor.add_modifier.contains(Modifier::REVERSED));
    }

    #[test]
    fn the_environment_chooses() {
        let light = Theme::of_environment(|name| (name == "COLORFGBG").then(|| "0;15".into()));
        assert_eq!(light.title.bg, Theme::light().title.bg);
        let dark = Theme::of_environment(|_| None);
        assert_eq!(dark.title.bg, Theme::dark().title.bg);
    }
}
