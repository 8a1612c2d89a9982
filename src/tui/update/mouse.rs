//! The mouse: the wheel, and what is clicked on.

use std::time::Duration;

use crossterm::event::{KeyCode, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use crate::store::When;
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::dialog::Dialog;
use crate::tui::effect::Effect;
use crate::tui::keys::{Action, ScreenKind, ValueAction};
use crate::tui::list::RowId;
use crate::tui::screens::past::state::PastTarget;
use crate::tui::screens::{details, overview, past};
use crate::tui::update::actions;
use crate::tui::view::View;
use crate::tui::{dialogs, tabs};

/// How many rows a turn of the wheel moves.
const WHEEL: isize = 3;
/// How soon a second click must follow the first.
const DOUBLE_CLICK: Duration = Duration::from_millis(400);

pub(super) fn take(app: &mut App, mouse: MouseEvent, now: Millis) -> Vec<Effect> {
    if app.focus.dialog().is_some() {
        return over_dialog(app, mouse, now);
    }
    match app.screen_kind() {
        ScreenKind::Value { .. } => in_value(app, mouse, now),
        ScreenKind::Run => wheel(app, mouse, now),
        ScreenKind::Past | ScreenKind::List => in_list(app, mouse, now),
    }
}

/// How many rows the wheel was turned by, if that is what was done.
fn turned(mouse: MouseEvent) -> Option<isize> {
    match mouse.kind {
        MouseEventKind::ScrollDown => Some(WHEEL),
        MouseEventKind::ScrollUp => Some(-WHEEL),
        _ => None,
    }
}

/// Where the wheel is all that means something.
fn wheel(app: &mut App, mouse: MouseEvent, now: Millis) -> Vec<Effect> {
    turned(mouse).map_or_else(Vec::new, |by| actions::act(app, Action::Move(by), now))
}

/// The wheel over a dialog moves in it as the arrow keys do.
fn over_dialog(app: &mut App, mouse: MouseEvent, now: Millis) -> Vec<Effect> {
    let Some(by) = turned(mouse) else { return Vec::new() };
    let code = if by > 0 { KeyCode::Down } else { KeyCode::Up };
    match app.focus.dialog() {
        Some(Dialog::Help(_) | Dialog::Palette(_) | Dialog::Messages(_)) => {
            (0..WHEEL).flat_map(|_| dialogs::update::key(app, code.into(), now)).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether a click on something is the second one in quick succession.
fn is_second(app: &mut App, id: RowId, now: Millis) -> bool {
    let is_second =
        app.list.clicked.take().is_some_and(|(before, at)| before == id && now.since(at) <= DOUBLE_CLICK);
    if !is_second {
        app.list.clicked = Some((id, now));
    }
    is_second
}

/// A list and what is around it: the wheel, a tab, the filter line or the scrubber, a row.
fn in_list(app: &mut App, mouse: MouseEvent, now: Millis) -> Vec<Effect> {
    let areas = app.areas();
    let at = Position::new(mouse.column, mouse.row);
    let is_past = app.screen_kind() == ScreenKind::Past;
    if let Some(by) = turned(mouse) {
        if areas.detail.contains(at) {
            return actions::act(app, Action::ScrollDetail(by), now);
        }
        match is_past {
            true => app.shown_list_mut().window.step(by),
            false => app.list.window.scroll(by, usize::from(areas.list.height)),
        }
        return Vec::new();
    }
    match mouse.kind {
        MouseEventKind::Down(MouseButton::Left) if areas.tabs.contains(at) && !is_past => {
            match tabs::view_at(app, mouse.column) {
                Some(view) => actions::act(app, Action::Show(view), now),
                None => Vec::new(),
            }
        }
        MouseEventKind::Down(MouseButton::Left) if areas.filter.contains(at) => {
            match past::scrubber::change_at(app, mouse.column) {
                _ if app.focus.is_filter_line() => Vec::new(),
                Some(revision) => past::update::jump(app, PastTarget::When(When::Revision(revision))),
                None if is_past => Vec::new(),
                None => actions::act(app, Action::Filter, now),
            }
        }
        MouseEventKind::Down(MouseButton::Left) if areas.list.contains(at) => {
            let line = usize::from(mouse.row - areas.list.y);
            let list = app.shown_list();
            let place = match list.view {
                View::Overview => overview::layout::row_at(app, line, usize::from(areas.list.height)),
                _ => Some(list.window.top() + line),
            };
            let row = place.and_then(|place| Some((place, list.window.rows().get(place)?.id())));
            let Some((place, id)) = row else { return Vec::new() };
            app.shown_list_mut().window.select(place);
            if is_second(app, id, now) {
                return actions::act(app, Action::Details, now);
            }
            Vec::new()
        }
        _ => Vec::new(),
    }
}

/// A value that fills the screen: the wheel; a click puts the cursor on a part of a tree, and folds the
/// one that has it.
fn in_value(app: &mut App, mouse: MouseEvent, now: Millis) -> Vec<Effect> {
    if mouse.kind != MouseEventKind::Down(MouseButton::Left) {
        return wheel(app, mouse, now);
    }
    let node = details::node_at(app, mouse.row, now);
    match (node, app.tree_mut()) {
        (Some(node), Some(tree)) if tree.cursor() == node => {
            actions::act(app, Action::Value(ValueAction::Fold), now)
        }
        (Some(node), Some(tree)) => {
            tree.select(node);
            Vec::new()
        }
        _ => Vec::new(),
    }
}
