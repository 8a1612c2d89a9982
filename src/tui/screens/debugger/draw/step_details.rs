//! The step under the cursor: the call, what it changed, the state before it, the log up to here.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::lua::functions;
use crate::store::{Change, Image};
use crate::text::escape::escape;
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::screens::debugger::draw::{part, shown, shown_end, step_details, time, tone};
use crate::tui::screens::debugger::requests::{StateBefore, StepChanges, StepDetails};
use crate::tui::screens::debugger::state::Debugger;
use crate::tui::screens::runs::read::line_of_log;
use crate::tui::widgets::fields::{field, prose};
use crate::tui::widgets::format;
use crate::tui::widgets::line::wrapped;
use crate::workflow::RunEvent;
use crate::workflow::recording::{Answer, Record, RecordKind, list};

/// The most lines of the log that are shown.
const LOG: usize = 12;
/// How much of a value is shown, in characters.
const VALUE: usize = 2000;

/// Draws what is known about the step.
pub fn draw(app: &App, debugger: &Debugger, now: Millis, area: Rect, frame: &mut Frame<'_>) {
    if area.height < 2 || area.width < 10 {
        return;
    }
    let at = debugger.steps.window.selected().map_or(0, |record| record.at);
    let inner = part(app, &format!("this step, {} after the beginning", time(at)), area, frame);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(1), ..inner };
    let lines = lines_about(app, debugger, now, usize::from(inner.width));
    let top = debugger.scroll.min(lines.len().saturating_sub(usize::from(inner.height)));
    for (line, y) in lines.into_iter().skip(top).zip(inner.y..inner.bottom()) {
        frame.render_widget(line, Rect { y, height: 1, ..inner });
    }
}

fn lines_about(app: &App, debugger: &Debugger, now: Millis, width: usize) -> Vec<Line<'static>> {
    let theme = &app.settings.theme;
    let steps = &debugger.steps;
    let place = steps.call_at(steps.window.cursor()).unwrap_or(steps.window.cursor());
    let Some(record) = steps.record(place) else { return Vec::new() };
    let shown = shown(app, steps, place, record);
    let mut lines = Vec::new();
    // Data are escaped where they are put into words.
    let mut word = |name: &str, text: String, style| {
        lines.extend(field(app, name, format::cut(&text, VALUE).as_bytes(), style, width));
    };
    match &*shown {
        RecordKind::Call { function, arguments, answer, took } => {
            word("call", format!("{}({})", escape(function.as_bytes()), list(arguments)), theme.text);
            word("result", answer.to_string(), tone(app, record));
            word("took", time(*took), theme.text);
        }
        RecordKind::Begin { function, arguments } => {
            word("call", format!("{}({})", escape(function.as_bytes()), list(arguments)), theme.text);
            if let Some(end) = steps.end_of(place)
                && let RecordKind::End { answer, .. } = &*step_details::shown_end(app, record, end)
            {
                word("result", answer.to_string(), tone(app, end));
                word("took", time(end.at.saturating_sub(record.at)), theme.text);
            } else if steps.window.at_end {
                let (result, took) = without_end(debugger, record.at, now);
                word("result", result, theme.warning);
                word("took", took, theme.text);
            }
        }
        RecordKind::Event(event) => {
            word("step", event.name().into(), theme.text);
            for (name, value) in event.fields() {
                word(&format::cut(name, 9), value.to_string(), theme.text);
            }
        }
        other => word("step", other.summary(), tone(app, record)),
    }
    if matches!(&record.what, RecordKind::Event(RunEvent::TaskStarted { .. }))
        && steps.end_of(place).is_none()
        && steps.window.at_end
    {
        lines.extend(prose(app, "took", without_end(debugger, record.at, now).1, width));
    }
    if let Some(about) = debugger.about.as_ref().filter(|about| about.number == steps.number()) {
        lines.extend(changes(app, debugger, about, width));
        if let (Some(before), Some(key)) = (&about.before, debugger.key()) {
            let value = |image: &Option<Image>| match image {
                Some(image) => format!("{key} = {}", app.value_of(&key, &image.stored, VALUE)),
                None => format!("{key}: there was none"),
            };
            let text = match before {
                StateBefore::Image(image) => value(image),
                StateBefore::At(revision, image) => format!("{} (at revision {revision})", value(image)),
                StateBefore::Elsewhere => "in the history of the database that the run ran on".into(),
                StateBefore::Unknown(why) => escape(why.as_bytes()),
            };
            lines.extend(field(app, "before", text.as_bytes(), theme.faint, width));
        }
    }
    let mut log: Vec<(String, Vec<u8>)> =
        steps.records()[..=steps.window.cursor()].iter().rev().filter_map(line_of_log).take(LOG).collect();
    log.reverse();
    for (place, (level, text)) in log.iter().enumerate() {
        let style = if matches!(level.as_str(), "warn" | "error") { theme.warning } else { theme.text };
        lines.extend(field(app, if place == 0 { "log" } else { "" }, text, style, width));
    }
    lines
}

/// The result of a call that has no end, and how long it or a task took.
fn without_end(debugger: &Debugger, at: u64, now: Millis) -> (String, String) {
    let unknown = || "unknown".to_string();
    if debugger.run.is_alive {
        let elapsed = debugger.run.took(now).unwrap_or_default();
        let took = elapsed.saturating_sub(Duration::from_micros(at));
        return ("none yet".into(), format!("running for {}", format::took(took)));
    }
    match debugger.run.status.as_str() {
        "killed" => ("none: the run was killed before that".into(), unknown()),
        _ => (unknown(), unknown()),
    }
}

fn changes(app: &App, debugger: &Debugger, about: &StepDetails, width: usize) -> Vec<Line<'static>> {
    let mut lines: Vec<Line<'static>> =
        about.changes().iter().flat_map(|change| changed(app, change, width)).collect();
    let note = match &about.changed {
        StepChanges::Unknown => None,
        StepChanges::These { has_more: true, .. } => Some("and more before these".into()),
        StepChanges::These { .. } if debugger.format < 2 => {
            Some("or by a call next to this one: an earlier version recorded it".into())
        }
        StepChanges::These { .. } => None,
        StepChanges::Nothing if is_rolled_back(debugger) => {
            Some("nothing: the transaction was rolled back".into())
        }
        StepChanges::Nothing => Some("nothing".into()),
        other => Some(other.describe()),
    };
    let label = if lines.is_empty() { "changed" } else { "" };
    lines.extend(note.map(|note: String| prose(app, label, note, width)).into_iter().flatten());
    lines
}

/// Whether the step is of a transaction that ended without a commit.
fn is_rolled_back(debugger: &Debugger) -> bool {
    let steps = &debugger.steps;
    let Some(place) = steps.call_at(steps.window.cursor()) else { return false };
    let is_transaction = |record: &Record| matches!(&record.what, RecordKind::Begin { function, .. } if functions::is_transaction(function));
    let is_dropped = |record: &Record| matches!(&record.what, RecordKind::End { answer, .. } if !matches!(answer, Answer::CallbackReturned | Answer::Returned(_) | Answer::Default(_)));
    steps.record(place).is_some_and(is_transaction) && steps.end_of(place).is_some_and(is_dropped)
}

fn changed(app: &App, change: &Change, width: usize) -> Vec<Line<'static>> {
    let change = &*app.shown_change(change);
    let image = |image: Option<&Image>| {
        image.map_or("∅".into(), |image| format::cut(&escape(&image.stored), VALUE))
    };
    let (old, new) = (image(change.old.as_ref()), image(change.new.as_ref()));
    let operation = escape(change.operation.as_bytes());
    let text = format!("{}: {operation} {old} → {new} (revision {})", change.key, change.revision);
    let line = Line::from(Span::styled(text, app.settings.theme.good));
    let mut lines = wrapped(&line, width.saturating_sub(10));
    for (place, line) in lines.iter_mut().enumerate() {
        let name = if place == 0 { "changed" } else { "" };
        line.spans.insert(0, Span::styled(format::fit(name, 10), app.settings.theme.label));
    }
    lines
}
