//! A picture of a terminal's screen, as SVG.

use std::fmt::Write;

/// The size of a cell in pixels, for a font of 14 pixels.
const CELL: (f64, f64) = (8.43, 18.0);
const MARGIN: f64 = 12.0;
const FONT: &str = "'DejaVu Sans Mono', 'JetBrains Mono', Menlo, Consolas, 'Liberation Mono', monospace";

/// The colours of a terminal: what stands for its default ones, and its sixteen.
pub struct Palette {
    /// The background where none is set.
    pub background: &'static str,
    /// The text where none is set.
    pub foreground: &'static str,
    /// The sixteen colours.
    pub colours: [&'static str; 16],
}

/// A dark terminal.
pub const DARK: Palette = Palette {
    background: "#1b1d23",
    foreground: "#d7dae0",
    colours: [
        "#22252c", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#abb2bf", "#5c6370",
        "#ff7a85", "#b5e890", "#ffd78c", "#7cc4ff", "#dd92f2", "#6fd3df", "#ffffff",
    ],
};

/// A light terminal.
pub const LIGHT: Palette = Palette {
    background: "#fbfbf8",
    foreground: "#24292f",
    colours: [
        "#24292f", "#b4232c", "#1a7f37", "#8a6100", "#0550ae", "#8250df", "#0e6b74", "#57606a", "#6e7781",
        "#cf222e", "#2da44e", "#9a6700", "#218bff", "#a475f9", "#3192aa", "#ffffff",
    ],
};

/// Draws the screen.
pub fn svg(screen: &vt100::Screen, palette: &Palette) -> String {
    let (width, height) = extent(screen);
    let mut svg = opening(width, height, palette);
    for row in 0..screen.size().0.get() {
        svg.push_str(&line(screen, row, top(row), palette));
    }
    svg.push_str("</svg>\n");
    svg
}

/// How wide and how high the picture of a screen is.
pub fn extent(screen: &vt100::Screen) -> (f64, f64) {
    let (rows, columns) = screen.size();
    let width = f64::from(columns.get()) * CELL.0 + 2.0 * MARGIN;
    (width, f64::from(rows.get()) * CELL.1 + 2.0 * MARGIN)
}

/// The beginning of a picture, with the background of the terminal.
pub fn opening(width: f64, height: f64, palette: &Palette) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"{FONT}\" font-size=\"14\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{}\"/>\n",
        palette.background
    )
}

/// Where a row of the screen begins.
pub fn top(row: u16) -> f64 {
    MARGIN + f64::from(row) * CELL.1
}

/// Draws one row of the screen so far from the top.
pub fn line(screen: &vt100::Screen, row: u16, top: f64, palette: &Palette) -> String {
    let mut svg = String::new();
    let runs = runs(screen, row, screen.size().1.get(), palette);
    // Neighbours of one background are one piece: there is no seam between them.
    for piece in runs.chunk_by(|one, other| one.look.background == other.look.background) {
        let background = &piece[0].look.background;
        if background != palette.background {
            let cells: u16 = piece.iter().map(|run| run.cells).sum();
            let _ = writeln!(
                svg,
                "<rect x=\"{:.2}\" y=\"{top:.2}\" width=\"{:.2}\" height=\"{:.2}\" fill=\"{background}\"/>",
                left(piece[0].column),
                f64::from(cells) * CELL.0,
                CELL.1
            );
        }
    }
    for run in &runs {
        draw(&mut svg, run, top);
    }
    svg
}

/// Where a column of the screen begins.
fn left(column: u16) -> f64 {
    MARGIN + f64::from(column) * CELL.0
}

/// Neighbouring cells that look alike.
struct Run {
    column: u16,
    cells: u16,
    text: String,
    look: Look,
    /// Whether it is one character of two cells, which no other one is stretched with.
    wide: bool,
}

#[derive(Clone, PartialEq)]
struct Look {
    background: String,
    foreground: String,
    bold: bool,
    italic: bool,
    underline: bool,
    dim: bool,
}

fn runs(screen: &vt100::Screen, row: u16, columns: u16, palette: &Palette) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for column in 0..columns {
        let Some(cell) = screen.cell(row, column) else { continue };
        if cell.is_wide_continuation() {
            if let Some(run) = runs.last_mut() {
                run.cells += 1;
            }
            continue;
        }
        let look = look(cell, palette);
        let text = if cell.has_contents() { cell.contents() } else { " " };
        let wide = cell.is_wide();
        match runs.last_mut() {
            Some(run) if run.look == look && !run.wide && !wide => {
                run.cells += 1;
                run.text.push_str(text);
            }
            _ => runs.push(Run { column, cells: 1, text: text.into(), look, wide }),
        }
    }
    runs
}

fn look(cell: &vt100::Cell, palette: &Palette) -> Look {
    let mut foreground = colour(cell.fgcolor(), palette.foreground, palette);
    let mut background = colour(cell.bgcolor(), palette.background, palette);
    if cell.inverse() {
        std::mem::swap(&mut foreground, &mut background);
    }
    Look {
        background,
        foreground,
        bold: cell.bold(),
        italic: cell.italic(),
        underline: cell.underline(),
        dim: cell.dim(),
    }
}

fn colour(colour: vt100::Color, default: &str, palette: &Palette) -> String {
    match colour {
        vt100::Color::Default => default.into(),
        vt100::Color::Rgb(red, green, blue) => format!("#{red:02x}{green:02x}{blue:02x}"),
        vt100::Color::Idx(index @ 0..=15) => palette.colours[usize::from(index)].into(),
        vt100::Color::Idx(index @ 16..=231) => {
            let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
            let cube = index - 16;
            format!("#{:02x}{:02x}{:02x}", level(cube / 36), level(cube / 6 % 6), level(cube % 6))
        }
        vt100::Color::Idx(index) => {
            let grey = 8 + 10 * (index - 232);
            format!("#{grey:02x}{grey:02x}{grey:02x}")
        }
    }
}

/// The rectangle that a character is, in parts of a cell: left, upper edge, width, height. Fonts
/// leave gaps between those of two cells.
fn shape(character: char) -> Option<(f64, f64, f64, f64)> {
    let code = u32::from(character);
    match character {
        '│' => Some((0.45, 0.0, 0.12, 1.0)),
        '▁'..='█' => {
            let height = f64::from(code - 0x2580) / 8.0;
            Some((0.0, 1.0 - height, 1.0, height))
        }
        '▉'..='▏' => Some((0.0, 0.0, f64::from(0x2590 - code) / 8.0, 1.0)),
        _ => None,
    }
}

fn draw(svg: &mut String, run: &Run, top: f64) {
    let (x, width) = (left(run.column), f64::from(run.cells) * CELL.0);
    let look = &run.look;
    let mut text = String::new();
    for (place, character) in run.text.chars().enumerate() {
        let Some((left, upper, width, height)) = shape(character) else {
            text.push(character);
            continue;
        };
        text.push(' ');
        let _ = writeln!(
            svg,
            "<rect x=\"{:.2}\" y=\"{:.2}\" width=\"{:.2}\" height=\"{:.2}\" fill=\"{}\" \
             shape-rendering=\"crispEdges\"/>",
            x + (place as f64 + left) * CELL.0,
            top + upper * CELL.1,
            width * CELL.0,
            height * CELL.1,
            look.foreground
        );
    }
    if text.trim().is_empty() && !look.underline {
        return;
    }
    let mut style = format!("fill=\"{}\"", look.foreground);
    for (set, attribute) in [
        (look.bold, " font-weight=\"bold\""),
        (look.italic, " font-style=\"italic\""),
        (look.underline, " text-decoration=\"underline\""),
        (look.dim, " opacity=\"0.65\""),
    ] {
        if set {
            style.push_str(attribute);
        }
    }
    // The length keeps columns in line, whatever font is there.
    let _ = writeln!(
        svg,
        "<text x=\"{x:.2}\" y=\"{:.2}\" textLength=\"{width:.2}\" lengthAdjust=\"spacingAndGlyphs\" \
         xml:space=\"preserve\" {style}>{}</text>",
        top + 13.5,
        escaped(&text)
    );
}

/// Text as it stands in SVG.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
