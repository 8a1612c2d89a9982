//! Keys while it is typed what is to be other than it was.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler;

use crate::tui::app::App;
use crate::tui::effect::Effect;
use crate::tui::screens::debugger::requests::{DebuggerRequest, WhatIfInput};
use crate::tui::screens::debugger::what_if_form::{WhatIfField, WhatIfForm};
use crate::tui::widgets::question::{ConfirmReply, answer};

/// What says yes to running commands, which nothing takes back.
pub fn reply(app: &App) -> ConfirmReply {
    if app.production().is_some() { ConfirmReply::Name } else { ConfirmReply::Key(KeyCode::Char('y')) }
}

/// A key while it is typed; what is to be tried, once it is to be.
pub fn key(app: &mut App, mut wish: WhatIfForm, key: KeyEvent) -> (Vec<Effect>, Option<WhatIfInput>) {
    if wish.asks.is_some() {
        return (Vec::new(), answered(app, wish, key));
    }
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    let mut effects = Vec::new();
    match key.code {
        KeyCode::Esc => return (effects, None),
        KeyCode::Enter => match wish.read() {
            Ok(trying) if trying.live => wish.asks = Some(Input::default()),
            Ok(trying) => {
                app.runs.tried.push(wish);
                return (effects, Some(trying));
            }
            Err(problem) => wish.problem = Some(problem),
        },
        KeyCode::Char('p') if is_control => wish = before(app, wish, true),
        KeyCode::Char('n') if is_control => wish = before(app, wish, false),
        KeyCode::Tab if wish.row() == WhatIfField::Source && wish.source.value().is_empty() => {
            // Most often it is the same file, which was changed meanwhile.
            if let Some(debugger) = app.screen.run() {
                wish.source = debugger.run.run.new.file.clone().into();
            }
        }
        KeyCode::Tab if wish.row() == WhatIfField::Source => {
            effects.push(Effect::Debugger(DebuggerRequest::Complete(wish.source.value().to_string())));
        }
        KeyCode::Down | KeyCode::Tab => wish.down(),
        KeyCode::Up | KeyCode::BackTab => wish.focus = wish.focus.saturating_sub(1),
        KeyCode::Char(' ') | KeyCode::Left | KeyCode::Right if wish.row() == WhatIfField::Live => {
            wish.live = !wish.live;
            wish.problem = None;
        }
        _ => {
            if let Some(field) = wish.field() {
                field.handle_event(&Event::Key(key));
                wish.completions.clear();
            }
            wish.problem = None;
        }
    }
    keep(app, wish);
    (effects, None)
}

/// A key in answer to whether commands are to be run in truth.
fn answered(app: &mut App, mut wish: WhatIfForm, key: KeyEvent) -> Option<WhatIfInput> {
    // Escape and a letter in quick succession arrive as one key: that is no answer.
    let is_chord = key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    let mut typed = wish.asks.take().unwrap_or_default();
    let answer = if is_chord { None } else { answer(app, &mut typed, key, reply(app)) };
    wish.asks = answer.is_none().then_some(typed);
    let trying = wish.read().ok().filter(|_| answer == Some(true));
    match &trying {
        Some(_) => app.runs.tried.push(wish),
        None => keep(app, wish),
    }
    trying
}

fn keep(app: &mut App, wish: WhatIfForm) {
    if let Some(debugger) = app.screen.run_mut() {
        debugger.wish = Some(wish);
    }
}

/// What was tried before, or after, in the place of what is typed.
fn before(app: &App, wish: WhatIfForm, earlier: bool) -> WhatIfForm {
    let count = app.runs.tried.len();
    let place = match (wish.taken, earlier) {
        (None, true) => 0,
        (Some(taken), true) => (taken + 1).min(count.saturating_sub(1)),
        (taken, false) => taken.unwrap_or(0).saturating_sub(1),
    };
    match count.checked_sub(1 + place).and_then(|at| app.runs.tried.get(at)) {
        Some(tried) => WhatIfForm { taken: Some(place), focus: 0, problem: None, ..tried.clone() },
        None => wish,
    }
}
