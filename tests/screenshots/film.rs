//! A recording of a terminal as one SVG that plays by itself, without a script: the frames lie on
//! top of each other, and a style sheet shows one after the other. A row of the screen that is in
//! many frames is in the file once.

use std::collections::BTreeMap;
use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::picture::{self, Palette, escaped};

/// The height of what stands below the screen, in pixels.
const CAPTION: f64 = 44.0;
const WORDS: &str = "system-ui, 'Segoe UI', 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif";

/// What stands below the screen: keys that were pressed, and what happens.
#[derive(Clone, Copy)]
pub struct Caption<'a> {
    /// The keys, as they are written on a keyboard.
    pub keys: &'a [&'a str],
    /// What happens, in a few words.
    pub words: &'a str,
}

/// A recording.
pub struct Film<'a> {
    palette: &'a Palette,
    size: (f64, f64),
    /// The rows by their names.
    rows: BTreeMap<String, String>,
    /// The frames, and for how many milliseconds each is shown.
    frames: Vec<(String, u32)>,
}

impl<'a> Film<'a> {
    /// A film without a frame.
    pub fn new(palette: &'a Palette) -> Film<'a> {
        Film { palette, size: (0.0, 0.0), rows: BTreeMap::new(), frames: Vec::new() }
    }

    /// What the next frame is if the screen is this.
    pub fn next(&self, screen: &vt100::Screen, caption: Caption) -> String {
        let mut frame = format!("<g id=\"f{}\" class=\"f\">\n", self.frames.len());
        for row in 0..screen.size().0.get() {
            if let Some((name, _)) = row_of(screen, row, self.palette) {
                let _ = writeln!(frame, "<use href=\"#{name}\" y=\"{}\"/>", picture::top(row));
            }
        }
        frame.push_str(&below(caption, picture::extent(screen).1, self.palette));
        frame.push_str("</g>\n");
        frame
    }

    /// Adds a frame that is shown for so many milliseconds.
    pub fn add(&mut self, screen: &vt100::Screen, caption: Caption, millis: u32) {
        self.size = picture::extent(screen);
        let frame = self.next(screen, caption);
        let rows = 0..screen.size().0.get();
        self.rows.extend(rows.filter_map(|row| row_of(screen, row, self.palette)));
        self.frames.push((frame, millis));
    }

    /// How long it is, in milliseconds.
    pub fn length(&self) -> u32 {
        self.frames.iter().map(|(_, millis)| millis).sum()
    }

    /// The whole film.
    pub fn svg(&self) -> String {
        let (width, height) = self.size;
        let mut svg = picture::opening(width, height + CAPTION, self.palette);
        svg.push_str(&self.style());
        svg.push_str("<defs>\n");
        for (name, row) in &self.rows {
            let _ = write!(svg, "<g id=\"{name}\">\n{row}</g>\n");
        }
        svg.push_str("</defs>\n");
        let colours = &self.palette.colours;
        let _ =
            writeln!(svg, "<rect y=\"{height}\" width=\"{width}\" height=\"1\" fill=\"{}\"/>", colours[8]);
        let _ = writeln!(
            svg,
            "<rect class=\"b\" y=\"{height}\" width=\"{width}\" height=\"2\" fill=\"{}\"/>",
            colours[4]
        );
        for (frame, _) in &self.frames {
            svg.push_str(frame);
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// Shows each frame in its time. Who wants nothing to move sees the first one.
    fn style(&self) -> String {
        let length = f64::from(self.length());
        let share = |millis: u32| format!("{:.3}%", f64::from(millis) * 100.0 / length);
        let mut style = format!(
            "<style>\n.f{{visibility:hidden;animation:0s step-end infinite;animation-duration:{0}s}}\n\
             .b{{transform:scaleX(0);animation:b {0}s linear infinite}}\n\
             @keyframes b{{to{{transform:scaleX(1)}}}}\n",
            length / 1000.0
        );
        let (mut begin, last) = (0, self.frames.len() - 1);
        for (number, (_, millis)) in self.frames.iter().enumerate() {
            let end = begin + millis;
            let shown = if number == 0 { "visibility:visible;" } else { "" };
            let before = if number == 0 { "" } else { "0%{visibility:hidden}" };
            let after = if number == last { "visible" } else { "hidden" };
            let _ = writeln!(
                style,
                "#f{number}{{{shown}animation-name:k{number}}}\
                 @keyframes k{number}{{{before}{}{{visibility:visible}}{},100%{{visibility:{after}}}}}",
                share(begin),
                share(end),
            );
            begin = end;
        }
        style.push_str("@media (prefers-reduced-motion:reduce){.f,.b{animation:none}}\n</style>\n");
        style
    }
}

/// A row of the screen under the name that its look gives it; `None` for an empty one.
fn row_of(screen: &vt100::Screen, row: u16, palette: &Palette) -> Option<(String, String)> {
    let drawn = picture::line(screen, row, 0.0, palette);
    let digest = Sha256::digest(&drawn);
    let name = digest[..5].iter().fold("r".to_string(), |name, byte| name + &format!("{byte:02x}"));
    (!drawn.is_empty()).then_some((name, drawn))
}

fn below(caption: Caption, top: f64, palette: &Palette) -> String {
    const CHARACTER: f64 = 8.43;
    let middle = top + CAPTION / 2.0;
    let mut svg = String::new();
    let mut x = 16.0;
    for key in caption.keys {
        let width = (key.chars().count() as f64 * CHARACTER + 16.0).max(28.0);
        let _ = writeln!(
            svg,
            "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"26\" rx=\"5\" fill=\"{}\" stroke=\"{}\"/>\n\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-weight=\"bold\" fill=\"{}\">{}</text>",
            middle - 13.0,
            palette.colours[0],
            palette.colours[8],
            x + width / 2.0,
            middle + 5.0,
            palette.colours[3],
            escaped(key)
        );
        x += width + 8.0;
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" font-family=\"{WORDS}\" font-size=\"15\" fill=\"{}\">{}</text>",
        x + 4.0,
        middle + 5.0,
        palette.foreground,
        escaped(caption.words)
    );
    svg
}
