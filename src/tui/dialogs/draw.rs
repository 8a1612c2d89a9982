//! What is open over the list.

use ratatui::Frame;
use ratatui::text::Line;

use crate::text::escape::escape;
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::dialog::{Confirm, Dialog, Invalid};
use crate::tui::dialogs::confirm_changes::{about_adoption, reply};
use crate::tui::dialogs::{conflict, form, help, messages, palette, run_dialog};
use crate::tui::keys::ScreenKind;
use crate::tui::widgets::dialog_frame::{boxed, room};
use crate::tui::widgets::question::question;
use crate::tui::{bulk, undo};

pub fn draw(app: &App, now: Millis, frame: &mut Frame<'_>) {
    match app.focus.dialog() {
        None => {}
        Some(Dialog::Help(top)) => draw_help(app, *top, frame),
        Some(Dialog::Undos(chosen)) => undo::draw::draw(app, *chosen, now, frame),
        Some(Dialog::Messages(chosen)) => messages::draw::draw(app, *chosen, frame),
        Some(Dialog::Palette(palette)) => palette::draw::draw(app, palette, frame),
        Some(Dialog::Ask(ask)) => bulk::draw::draw_ask(app, ask, frame),
        Some(Dialog::Counting(counting)) => bulk::draw::draw_counting(app, counting, frame),
        Some(Dialog::Start(start)) => run_dialog::draw::draw(app, start, frame),
        Some(Dialog::Form(form)) => form::draw::draw(app, form, now, frame),
        Some(Dialog::Confirm(confirm)) => draw_confirm(app, confirm, frame),
        Some(Dialog::Conflict(conflict)) => conflict::draw::draw(app, conflict, now, frame),
        Some(Dialog::Invalid(invalid)) => draw_invalid(app, invalid, frame),
    }
}

fn draw_confirm(app: &App, confirm: &Confirm, frame: &mut Frame<'_>) {
    let mut lines = confirm.lines.clone();
    lines.extend(about_adoption(app, confirm));
    question(app, &lines, reply(app, confirm), &confirm.typed, frame);
}

/// Draws help from its line `top` on.
fn draw_help(app: &App, top: usize, frame: &mut Frame<'_>) {
    let (width, _) = room(app.size, help::WIDTH, help::KEYS);
    let lines = help::lines(app, width).split_off(top.min(help::scroll_end(app)));
    let of = match app.screen_kind() {
        ScreenKind::Run => "a run, step by step",
        ScreenKind::Past => "the past",
        ScreenKind::Value { .. } => "a value",
        ScreenKind::List => app.list.view.title(),
    };
    let title = format!("Keys of this view: {of}");
    boxed(app, &title, lines, help::KEYS, width, frame);
}

fn draw_invalid(app: &App, invalid: &Invalid, frame: &mut Frame<'_>) {
    // The problem may quote the value.
    let problem = match app.hides(&invalid.key) {
        true => "the text is not a value of its type".into(),
        false => escape(invalid.problem.as_bytes()),
    };
    let lines = vec![
        Line::styled(format!("{} was not written.", invalid.key), app.settings.theme.text),
        Line::styled(problem, app.settings.theme.bad),
    ];
    boxed(app, "Not written", lines, &[("e", "edit your text again"), ("esc", "drop it")], 0, frame);
}
