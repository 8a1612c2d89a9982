//! Looking at a value: in another format, further on, at what is found in it.

use crossterm::event::{Event, KeyCode, KeyEvent};
use tui_input::backend::crossterm::EventHandler;

use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::copy;
use crate::tui::effect::Effect;
use crate::tui::keys::{Action, ValueAction};
use crate::tui::list::Row;
use crate::tui::screens::details;
use crate::tui::screens::value::detail::Format;
use crate::tui::widgets::json_tree::JsonTree;

/// Asks for the piece of the value that comes next, or that was before.
pub fn next_piece(app: &mut App, forwards: bool) -> Vec<Effect> {
    // Of the past the first piece is all that is read.
    let Some(detail) = app.details.row.as_ref().filter(|_| app.shows_detail()) else { return Vec::new() };
    let Some(offset) = detail.next_piece(forwards) else { return Vec::new() };
    if app.details.pending_chunk.is_some() {
        return Vec::new();
    }
    let id = detail.row.id();
    app.details.pending_chunk = Some(offset);
    vec![Effect::Detail(id, offset)]
}

/// Shows values in the next of the formats that there are for this one.
pub fn change_format(app: &mut App) {
    let Some(entry) = app.detail_row().and_then(Row::entry) else { return };
    let detail = app.loaded_detail();
    let next = match app.format_of(entry, detail) {
        Format::Tree => Format::Text,
        Format::Text => Format::Bytes,
        Format::Bytes if detail.is_some_and(|detail| detail.tree.is_some()) => Format::Tree,
        Format::Bytes => Format::Text,
    };
    app.details.format = Some(next);
    app.details.scroll = 0;
}

/// Opens the details of the row under the cursor on the whole screen.
pub fn open(app: &mut App) {
    app.details.scroll = 0;
    app.screen.open_value(Box::default());
}

fn close(app: &mut App) {
    app.details.scroll = 0;
    app.screen.close_value();
}

/// Gives a key to the line in which it is typed what is looked for; `None` if it is not open.
pub fn key(app: &mut App, key: KeyEvent, now: Millis) -> Option<Vec<Effect>> {
    let viewer = app.screen.value_mut().filter(|viewer| viewer.is_finding)?;
    match key.code {
        KeyCode::Esc => {
            viewer.is_finding = false;
            viewer.find.reset();
        }
        KeyCode::Enter => {
            viewer.is_finding = false;
            find(app, true, now);
        }
        _ => {
            viewer.find.handle_event(&Event::Key(key));
        }
    }
    Some(Vec::new())
}

/// Does what an action asks for while details fill the screen; `None` if it means there what it
/// means everywhere.
pub fn act(app: &mut App, action: Action, now: Millis) -> Option<Vec<Effect>> {
    let page = isize::try_from(app.size.1.saturating_sub(3)).unwrap_or(isize::MAX).max(2);
    let viewer = app.screen.value_mut()?;
    match action {
        Action::Back if !viewer.find.value().is_empty() => viewer.find.reset(),
        Action::Back | Action::Value(ValueAction::Close) => close(app),
        Action::Value(ValueAction::Find) => {
            viewer.find.reset();
            viewer.is_finding = true;
        }
        Action::Value(ValueAction::NextFound(forwards)) => find(app, forwards, now),
        Action::Format => change_format(app),
        Action::Move(by) => return Some(walk(app, by, now)),
        Action::Page(halves) => return Some(walk(app, halves * page / 2, now)),
        Action::ScrollDetail(by) => return Some(scroll(app, by, now)),
        Action::Value(ValueAction::ReadOn) => return Some(walk(app, page, now)),
        Action::Top => return Some(walk(app, isize::MIN, now)),
        Action::Bottom => return Some(walk(app, isize::MAX, now)),
        Action::Value(ValueAction::Fold) => in_tree(app, JsonTree::fold, now),
        Action::Value(ValueAction::Unfold) => in_tree(app, JsonTree::unfold, now),
        Action::Value(ValueAction::Leave) => in_tree(app, JsonTree::close, now),
        Action::Value(ValueAction::FoldAll(folded)) => in_tree(app, |tree| tree.fold_all(folded), now),
        Action::Copy(part) => return Some(copy::row(app, part, now)),
        Action::Value(ValueAction::CopyPath) => {
            let path = app.shown_tree().map(JsonTree::path);
            return path.map(|path| copy::text_of(app, "the path", path.into_bytes(), now));
        }
        _ => return None,
    }
    Some(Vec::new())
}

/// Moves the cursor through the tree, or scrolls.
fn walk(app: &mut App, by: isize, now: Millis) -> Vec<Effect> {
    if app.shown_tree().is_none() {
        return scroll(app, by, now);
    }
    in_tree(app, |tree| tree.step(by), now);
    Vec::new()
}

/// Does something with the tree of the value, and shows where its cursor is then.
fn in_tree(app: &mut App, change: impl FnOnce(&mut JsonTree), now: Millis) {
    if let Some(tree) = app.tree_mut() {
        change(tree);
    }
    app.details.scroll = details::scroll_to_cursor(app, now);
}

/// Scrolls the details. Beyond the end of what is there the next piece of the value comes.
pub fn scroll(app: &mut App, by: isize, now: Millis) -> Vec<Effect> {
    let end = details::scroll_end(app, now);
    let at = app.details.scroll.min(end);
    app.details.scroll = at.saturating_add_signed(by).min(end);
    if by != 0 && app.details.scroll == at { next_piece(app, by > 0) } else { Vec::new() }
}

/// Goes to the next place of what is looked for, or says that there is none.
fn find(app: &mut App, forwards: bool, now: Millis) {
    let Some(needle) = app.find_in_value() else {
        app.show_hint("nothing was looked for yet", now);
        return;
    };
    let is_tree = app.shown_tree().is_some();
    let found = match app.tree_mut().filter(|_| is_tree) {
        Some(tree) => tree.find(&needle, forwards),
        None => match details::line_with(app, &needle, forwards, now) {
            Some(line) => {
                app.details.scroll = line.min(details::scroll_end(app, now));
                true
            }
            None => false,
        },
    };
    if is_tree && found {
        app.details.scroll = details::scroll_to_cursor(app, now);
    }
    if !found {
        // Of a long value a piece is there: what is not in it may be further on.
        let rest =
            app.loaded_detail().and_then(|detail| detail.row.entry()).filter(|entry| !entry.is_whole());
        let place =
            if rest.is_some() { "the part of it that was read; scrolling on reads more" } else { "it" };
        app.show_hint(format!("{} is not in {place}", needle.text()), now);
    }
}
