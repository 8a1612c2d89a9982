//! Whether everything on a screen can be read, in every theme that comes with the program.

use std::sync::LazyLock;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Cell;
use ratatui::style::{Color, Modifier};

use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::draw;
use crate::tui::list::Row;
use crate::tui::theme::{READABLE, Rgb, SHIPPED, Themes};
use crate::tui::timing::FLASH;

/// The grounds and the letters of terminals.
const DARK: &[(Rgb, Rgb)] =
    &[(Rgb(0, 0, 0), Rgb(229, 229, 229)), (Rgb(0x1e, 0x1e, 0x1e), Rgb(0xd4, 0xd4, 0xd4))];
const LIGHT: &[(Rgb, Rgb)] =
    &[(Rgb(255, 255, 255), Rgb(0, 0, 0)), (Rgb(0xfa, 0xfa, 0xfa), Rgb(0x38, 0x3a, 0x42))];

/// The terminals that a theme is for.
fn terminals(theme: &str) -> Vec<(Rgb, Rgb)> {
    match theme {
        "dark" => DARK.to_vec(),
        "16" => DARK[..1].to_vec(),
        "light" => LIGHT.to_vec(),
        // The sixteen colours are those of the terminal; they are known for the usual ground.
        "16-light" => LIGHT[..1].to_vec(),
        _ => [DARK, LIGHT].concat(),
    }
}

/// The letters of a cell and what they stand on, as a terminal with such a ground shows them.
fn seen(cell: &Cell, (ground, letters): (Rgb, Rgb)) -> (Rgb, Rgb) {
    let (mut fg, mut bg) = (Rgb::of(cell.fg).unwrap_or(letters), Rgb::of(cell.bg).unwrap_or(ground));
    if cell.modifier.contains(Modifier::REVERSED) {
        std::mem::swap(&mut fg, &mut bg);
    }
    if cell.modifier.contains(Modifier::DIM) {
        let half = |one: u8, other: u8| one / 2 + other / 2;
        fg = Rgb(half(fg.0, bg.0), half(fg.1, bg.1), half(fg.2, bg.2));
    }
    (fg, bg)
}

/// Checks every cell of the screen, in every theme, also while every row has just changed.
#[track_caller]
pub fn check(app: &App, now: Millis) {
    static THEMES: LazyLock<Themes> = LazyLock::new(Themes::shipped);
    let mut flashing = app.clone();
    flashing.list.flashes =
        app.list.window.rows().iter().map(|row: &Row| (row.id(), now.plus(FLASH))).collect();
    for mut app in [app.clone(), flashing] {
        for (name, _) in SHIPPED {
            app.settings.theme = THEMES.named(name).unwrap();
            let mut terminal = Terminal::new(TestBackend::new(app.size.0, app.size.1)).unwrap();
            terminal.draw(|frame| draw::draw(&app, now, frame)).unwrap();
            for kind in terminals(name) {
                check_cells(&terminal, name, kind);
            }
        }
    }
}

#[track_caller]
fn check_cells(terminal: &Terminal<TestBackend>, theme: &str, kind: (Rgb, Rgb)) {
    let buffer = terminal.backend().buffer();
    let mut sound: Vec<(Color, Color, Modifier)> = Vec::new();
    for (place, cell) in buffer.content().iter().enumerate() {
        if cell.symbol() == " " || sound.contains(&(cell.fg, cell.bg, cell.modifier)) {
            continue;
        }
        let (letters, ground) = seen(cell, kind);
        let contrast = letters.contrast(ground);
        if contrast >= READABLE {
            sound.push((cell.fg, cell.bg, cell.modifier));
            continue;
        }
        let (column, row) = buffer.pos_of(place);
        let line: String = (0..buffer.area.width).map(|x| buffer[(x, row)].symbol()).collect();
        panic!(
            "theme {theme} on {kind:?}: {:?} in column {column} has a contrast of {contrast:.2}: {:?}\n{line}\n{}",
            cell.symbol(),
            cell.style(),
            terminal.backend()
        );
    }
}
