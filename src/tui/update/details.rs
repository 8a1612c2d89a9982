//! Looking at a value: in another format, further on, at what is found in it.

use crossterm::event::{Event, KeyCode, KeyEvent};
use tui_input::backend::crossterm::EventHandler;

use super::{actions, dialogs};
use crate::store::Millis;
use crate::tui::action::Action;
use crate::tui::app::App;
use crate::tui::detail::Format;
use crate::tui::dialog::{Dialog, Viewer};
use crate::tui::effect::Effect;
use crate::tui::row::Row;
use crate::tui::views::detail;

/// Asks for the piece of the value that comes next, or that was before.
pub(super) fn next_piece(app: &mut App, forwards: bool) -> Vec<Effect> {
    let Some(detail) = &app.detail else { return Vec::new() };
    let Some(offset) = detail.next_piece(forwards) else { return Vec::new() };
    if app.awaited_piece.is_some() {
        return Vec::new();
    }
    let id = detail.row.id();
    app.awaited_piece = Some(offset);
    vec![Effect::Detail(id, offset)]
}

/// Shows values in the next of the formats that there are for this one.
pub(super) fn change_format(app: &mut App) {
    let Some(entry) = app.window.selected().and_then(Row::entry) else { return };
    let detail = app.detail.as_ref();
    let next = match detail::format_of(app, entry, detail) {
        Format::Tree => Format::Text,
        Format::Text => Format::Bytes,
        Format::Bytes if detail.is_some_and(|detail| detail.tree.is_some()) => Format::Tree,
        Format::Bytes => Format::Text,
    };
    app.format = Some(next);
    app.detail_scroll = 0;
}

/// A key while a row is on the whole screen.
pub(super) fn key(app: &mut App, mut viewer: Viewer, key: KeyEvent, now: Millis) -> Vec<Effect> {
    if viewer.is_finding {
        match key.code {
            KeyCode::Esc => viewer = Viewer::default(),
            KeyCode::Enter => {
                viewer.is_finding = false;
                app.dialog = Some(Dialog::Details(viewer));
                find(app, true, now);
                return Vec::new();
            }
            _ => {
                viewer.find.handle_event(&Event::Key(key));
            }
        }
        app.dialog = Some(Dialog::Details(viewer));
        return Vec::new();
    }
    match key.code {
        KeyCode::Esc if !viewer.find.value().is_empty() => {
            app.dialog = Some(Dialog::Details(Viewer::default()));
            return Vec::new();
        }
        KeyCode::Esc | KeyCode::Char('q' | 'v') => {
            app.detail_scroll = 0;
            return Vec::new();
        }
        KeyCode::Char('/') => viewer = Viewer { is_finding: true, ..Viewer::default() },
        _ => {}
    }
    app.dialog = Some(Dialog::Details(viewer));
    match key.code {
        KeyCode::Char('/') => {}
        KeyCode::Char('n') => find(app, true, now),
        KeyCode::Char('N') => find(app, false, now),
        KeyCode::Char('f') => change_format(app),
        _ => return walk(app, key, now),
    }
    Vec::new()
}

/// Moves through the tree, or scrolls.
fn walk(app: &mut App, key: KeyEvent, now: Millis) -> Vec<Effect> {
    let by = dialogs::scrolled(key, usize::from(app.size.1));
    let is_tree = detail::is_tree(app);
    let Some(tree) = app.detail.as_mut().and_then(|detail| detail.tree.as_mut()).filter(|_| is_tree) else {
        if key.code == KeyCode::Enter {
            app.dialog = None;
            return Vec::new();
        }
        return actions::act(app, Action::ScrollDetail(by), now);
    };
    match key.code {
        KeyCode::Char('J' | 'K') => return actions::act(app, Action::ScrollDetail(by), now),
        KeyCode::Enter | KeyCode::Char(' ') => tree.fold(),
        KeyCode::Char('l') | KeyCode::Right => tree.unfold(),
        KeyCode::Char('h') | KeyCode::Left => tree.close(),
        KeyCode::Char('y') => {
            let path = tree.node(tree.cursor()).path.clone();
            return super::copy::text_of(app, "the path", path.into_bytes(), now);
        }
        KeyCode::Char('-') => tree.fold_all(true),
        KeyCode::Char('+' | '=') => tree.fold_all(false),
        _ => tree.step(by),
    }
    app.detail_scroll = detail::scroll_to_cursor(app, now);
    Vec::new()
}

/// Goes to the next place of what is looked for, or says that there is none.
fn find(app: &mut App, forwards: bool, now: Millis) {
    let Some(needle) = app.find_in_value() else { return };
    let is_tree = detail::is_tree(app);
    let tree = app.detail.as_mut().and_then(|detail| detail.tree.as_mut()).filter(|_| is_tree);
    let found = match tree {
        Some(tree) => tree.find(&needle, forwards),
        None => match detail::line_with(app, &needle, forwards, now) {
            Some(line) => {
                app.detail_scroll = line.min(detail::scroll_end(app, now));
                true
            }
            None => false,
        },
    };
    if is_tree && found {
        app.detail_scroll = detail::scroll_to_cursor(app, now);
    }
    if !found {
        app.explain(format!("{} is not in it", needle.text()), now);
    }
}
