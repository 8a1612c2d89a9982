//! Colours as they are seen: what terminals usually show for a colour of a theme, and how well one
//! can be read on another.

use ratatui::style::Color;

/// The least contrast of a text that can be read (WCAG 2, level AA).
pub const READABLE: f64 = 4.5;

/// A colour by its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rgb(pub u8, pub u8, pub u8);

impl Rgb {
    pub const BLACK: Rgb = Rgb(0, 0, 0);
    pub const WHITE: Rgb = Rgb(255, 255, 255);

    /// A colour as a terminal replies it: `rgb:ffff/8080/0000` with one to four hexadecimal digits for
    /// each part, `rgba:` with a fourth part, or `#ff8000`.
    pub fn of_reply(text: &str) -> Option<Rgb> {
        if let Some(digits) = text.strip_prefix('#') {
            let size = digits.len() / 3;
            if !matches!(digits.len(), 3 | 6 | 9 | 12) || !digits.is_ascii() {
                return None;
            }
            let part = |place: usize| scaled(&digits[place * size..(place + 1) * size]);
            return Some(Rgb(part(0)?, part(1)?, part(2)?));
        }
        let (parts, most) = match (text.strip_prefix("rgb:"), text.strip_prefix("rgba:")) {
            (Some(parts), _) => (parts, 3),
            (_, Some(parts)) => (parts, 4),
            _ => return None,
        };
        let parts: Vec<u8> = parts.split('/').map(scaled).collect::<Option<_>>()?;
        match parts.as_slice() {
            [red, green, blue, rest @ ..] if 3 + rest.len() == most => Some(Rgb(*red, *green, *blue)),
            _ => None,
        }
    }

    /// What terminals usually show for a colour (the palette of xterm); `None` for the terminal's own
    /// foreground or background.
    pub fn of(colour: Color) -> Option<Rgb> {
        let number = match colour {
            Color::Reset => return None,
            Color::Rgb(red, green, blue) => return Some(Rgb(red, green, blue)),
            Color::Indexed(number) => number,
            Color::Black => 0,
            Color::Red => 1,
            Color::Green => 2,
            Color::Yellow => 3,
            Color::Blue => 4,
            Color::Magenta => 5,
            Color::Cyan => 6,
            Color::Gray => 7,
            Color::DarkGray => 8,
            Color::LightRed => 9,
            Color::LightGreen => 10,
            Color::LightYellow => 11,
            Color::LightBlue => 12,
            Color::LightMagenta => 13,
            Color::LightCyan => 14,
            Color::White => 15,
        };
        Some(indexed(number))
    }

    /// How bright it is, from 0 for black to 1 for white (relative luminance of WCAG 2).
    fn luminance(self) -> f64 {
        let part = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(self.0) + 0.7152 * part(self.1) + 0.0722 * part(self.2)
    }

    /// How well it can be told from another: from 1 for the same to 21 for black and white.
    pub fn contrast(self, other: Rgb) -> f64 {
        let (one, other) = (self.luminance(), other.luminance());
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    /// Whether black can be read better on it than white.
    pub fn is_light(self) -> bool {
        self.contrast(Rgb::BLACK) > self.contrast(Rgb::WHITE)
    }
}

/// A part of a colour with as many digits as it has.
fn scaled(digits: &str) -> Option<u8> {
    let is_number = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if !is_number || !(1..=4).contains(&digits.len()) {
        return None;
    }
    let (value, most) = (u32::from_str_radix(digits, 16).ok()?, (1u32 << (4 * digits.len())) - 1);
    u8::try_from((value * 255 + most / 2) / most).ok()
}

/// A colour of the palette of xterm.
fn indexed(number: u8) -> Rgb {
    const FIRST: [Rgb; 16] = [
        Rgb(0, 0, 0),
        Rgb(205, 0, 0),
        Rgb(0, 205, 0),
        Rgb(205, 205, 0),
        Rgb(0, 0, 238),
        Rgb(205, 0, 205),
        Rgb(0, 205, 205),
        Rgb(229, 229, 229),
        Rgb(127, 127, 127),
        Rgb(255, 0, 0),
        Rgb(0, 255, 0),
        Rgb(255, 255, 0),
        Rgb(92, 92, 255),
        Rgb(255, 0, 255),
        Rgb(0, 255, 255),
        Rgb(255, 255, 255),
    ];
    match number {
        0..=15 => FIRST[usize::from(number)],
        16..=231 => {
            let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
            let cube = number - 16;
            Rgb(level(cube / 36), level(cube / 6 % 6), level(cube % 6))
        }
        grey => {
            let level = 8 + 10 * (grey - 232);
            Rgb(level, level, level)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_of_every_length_are_read() {
        for (reply, colour) in [
            ("rgb:ffff/ffff/ffff", Rgb(255, 255, 255)),
            ("rgb:ff/80/00", Rgb(255, 128, 0)),
            ("rgb:f/8/0", Rgb(255, 136, 0)),
            ("rgb:fff/800/000", Rgb(255, 128, 0)),
            ("rgb:1e1e/1e1e/2e2e", Rgb(0x1e, 0x1e, 0x2e)),
            ("rgba:ffff/8080/0000/ffff", Rgb(255, 128, 0)),
            ("#ff8000", Rgb(255, 128, 0)),
            ("#f80", Rgb(255, 136, 0)),
            ("#ffff80800000", Rgb(255, 128, 0)),
        ] {
            assert_eq!(Rgb::of_reply(reply), Some(colour), "{reply}");
        }
    }

    #[test]
    fn anything_else_is_no_colour() {
        for reply in [
            "",
            "?",
            "rgb:",
            "rgb:ff/ff",
            "rgb:ff/ff/ff/ff",
            "rgba:ff/ff/ff",
            "rgb:fffff/ff/ff",
            "rgb:+f/ff/ff",
            "rgb:gg/ff/ff",
            "#ff80",
            "#äöüäöü",
            "black",
            "rgb:ff//ff",
            "11;rgb:ff/ff/ff",
        ] {
            assert_eq!(Rgb::of_reply(reply), None, "{reply}");
        }
    }

    #[test]
    fn the_palette_is_that_of_xterm() {
        for (number, colour) in
            [(16, Rgb(0, 0, 0)), (231, Rgb(255, 255, 255)), (215, Rgb(255, 175, 95)), (238, Rgb(68, 68, 68))]
        {
            assert_eq!(Rgb::of(Color::Indexed(number)), Some(colour));
        }
        assert_eq!(Rgb::of(Color::Reset), None);
        assert_eq!(Rgb::of(Color::LightRed), Rgb::of(Color::Indexed(9)));
    }

    #[test]
    fn contrast_is_that_of_wcag() {
        assert!((Rgb::BLACK.contrast(Rgb::WHITE) - 21.0).abs() < 1e-9);
        assert!((Rgb::WHITE.contrast(Rgb(0x76, 0x76, 0x76)) - 4.54).abs() < 0.01);
        assert!((Rgb(255, 0, 0).contrast(Rgb(255, 0, 0)) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn light_and_dark_grounds_are_told_apart() {
        let light = [(255, 255, 255), (0xfd, 0xf6, 0xe3), (0xee, 0xee, 0xee), (0xff, 0xff, 0)];
        let dark = [(0, 0, 0), (0x00, 0x2b, 0x36), (0x28, 0x2a, 0x36), (0x30, 0x0a, 0x24), (0, 0, 0xff)];
        assert!(light.into_iter().all(|(red, green, blue)| Rgb(red, green, blue).is_light()));
        assert!(!dark.into_iter().any(|(red, green, blue)| Rgb(red, green, blue).is_light()));
    }
}
