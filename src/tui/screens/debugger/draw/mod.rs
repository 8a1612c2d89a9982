//! The picture of a run that is open.

pub mod overlay;
pub mod step_details;
pub mod what_if_form;

use std::borrow::Cow;
use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Clear};
use unicode_width::UnicodeWidthStr;

use crate::lua::log::level_of_function;
use crate::text::escape::escape;
use crate::text::thousands;
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::screens::debugger::breakpoint::Breakpoint;
use crate::tui::screens::debugger::layout::areas;
use crate::tui::screens::debugger::source::is_failure;
use crate::tui::screens::debugger::state::{Debugger, SEARCH_NOTICE};
use crate::tui::screens::debugger::steps::Steps;
use crate::tui::screens::runs;
use crate::tui::status;
use crate::tui::theme::Theme;
use crate::tui::widgets::dialog_frame::place_cursor;
use crate::tui::widgets::format;
use crate::tui::widgets::line::typed;
use crate::workflow::recording::masked_records::{is_secret_call, masked};
use crate::workflow::recording::{Record, RecordKind};

/// How many columns the bar of a step has.
const BAR: usize = 6;

pub fn draw(app: &App, debugger: &Debugger, now: Millis, frame: &mut Frame<'_>) {
    frame.render_widget(Clear, frame.area());
    let parts = areas(app);
    title(app, debugger, now, parts.title, frame);
    tasks(app, debugger, now, parts.tasks, frame);
    steps(app, debugger, parts.steps, frame);
    source(app, debugger, parts.source, frame);
    step_details::draw(app, debugger, now, parts.about, frame);
    if let Some(report) = &debugger.report {
        overlay::report(app, report, frame);
    }
    bottom(app, debugger, now, parts.hints, frame);
    if let Some(typed) = &debugger.wish {
        what_if_form::draw(app, typed, frame);
    }
    if let Some(place) = debugger.stops {
        overlay::stops(app, place, frame);
    }
}

fn title(app: &App, debugger: &Debugger, now: Millis, area: Rect, frame: &mut Frame<'_>) {
    let theme = &app.settings.theme;
    let row = &debugger.run;
    let took = row.took(now).map_or(String::new(), |took| format!(" {}", format::took(took)));
    let mut spans = Vec::from_iter(status::production_word(app));
    spans.extend([
        Span::styled(format!(" Run {} ", row.run.number), theme.title),
        Span::styled(format!(" {} ", escape(row.run.new.workflow.as_bytes())), theme.text),
        Span::styled(
            format!("{}{took}", escape(row.status.as_bytes())),
            runs::columns::tone(&row.status, theme),
        ),
        Span::styled(format!("  step {}", thousands(debugger.steps.number())), theme.number),
    ]);
    if let Some(last) = debugger.steps.records().last().filter(|_| debugger.steps.window.at_end) {
        spans.push(Span::styled(format!(" of {}", thousands(last.number)), theme.faint));
        if debugger.is_shortened() {
            spans.push(Span::styled(", the rest was removed", theme.warning));
        }
    }
    if row.run.is_imported() {
        spans.push(Span::styled("  imported", theme.warning));
    }
    if let Some(task) = debugger.steps.window.selected().and_then(|record| record.task.as_ref()) {
        spans.push(Span::styled(format!("  task {}", escape(task.as_bytes())), theme.label));
    }
    if debugger.follows {
        spans.push(Span::styled("  following", theme.good));
    }
    if !app.runs.breakpoints.is_empty() {
        let all: Vec<String> = app.runs.breakpoints.iter().map(Breakpoint::describe).collect();
        spans.push(Span::styled(format!("  ● {}", all.join(", ")), theme.warning));
    }
    frame.render_widget(Line::from(spans), area);
}

/// The tasks around the one that the cursor is in.
fn tasks(app: &App, debugger: &Debugger, now: Millis, area: Rect, frame: &mut Frame<'_>) {
    if area.height < 2 {
        return;
    }
    let theme = &app.settings.theme;
    let bottom = Rect { y: area.bottom() - 1, height: 1, ..area };
    frame.render_widget(Block::new().borders(Borders::BOTTOM).border_style(theme.faint), bottom);
    let Some(tasks) = &debugger.tasks else {
        frame.render_widget(Line::styled(" reading the tasks…", theme.faint), Rect { height: 1, ..area });
        return;
    };
    let number = debugger.steps.number();
    let current = tasks.at(number);
    let height = usize::from(area.height) - 1;
    let top = current.map_or(0, |current| (current + 1).saturating_sub(height));
    let longest =
        tasks.all().iter().filter_map(|task| debugger.run.task(task, now).1).max().unwrap_or(1).max(1);
    for ((place, task), y) in tasks.all().iter().enumerate().skip(top).zip(area.y..bottom.y) {
        let (outcome, took) = debugger.run.task(task, now);
        let is_current = Some(place) == current;
        let style = if is_current { theme.text.patch(theme.cursor) } else { theme.text };
        let room = usize::from(area.width).saturating_sub(33);
        let line = Line::from(vec![
            Span::styled(if is_current { "▸" } else { " " }, style),
            Span::styled(format::fit(&escape(task.name.as_bytes()), room), style),
            Span::styled(
                format!(" {}", format::fit(&escape(outcome.as_bytes()), 9)),
                runs::columns::tone(outcome, theme),
            ),
            Span::styled(
                format!(" {}", format::bar(took.unwrap_or(0) as f64 / longest as f64, 12)),
                theme.number,
            ),
            Span::styled(format!(" {:>8}", took.map_or("unknown".into(), time)), theme.faint),
        ]);
        frame.render_widget(line, Rect { y, height: 1, ..area });
    }
}

/// What the record at `place` says, as it is shown. Where the call around it is not in memory, what it was
/// given and answered may be secret.
fn shown<'a>(app: &App, steps: &Steps, place: usize, record: &'a Record) -> Cow<'a, RecordKind> {
    if app.settings.shows_secrets || app.settings.secrets.is_empty() {
        return Cow::Borrowed(&record.what);
    }
    let call = steps.call_at(place).and_then(|call| steps.record(call));
    let is_secret = call.is_none_or(|call| is_secret_call(&app.settings.secrets, &call.what));
    Cow::Owned(masked(&app.settings.secrets, record.what.clone(), is_secret))
}

fn shown_end<'a>(app: &App, begin: &Record, end: &'a Record) -> Cow<'a, RecordKind> {
    if app.settings.shows_secrets || app.settings.secrets.is_empty() {
        return Cow::Borrowed(&end.what);
    }
    let is_secret = is_secret_call(&app.settings.secrets, &begin.what);
    Cow::Owned(masked(&app.settings.secrets, end.what.clone(), is_secret))
}

fn time(micros: u64) -> String {
    format::took(Duration::from_micros(micros))
}

/// Whether a breakpoint is at a record.
fn stops(app: &App, debugger: &Debugger, record: &Record) -> bool {
    app.runs.breakpoints.iter().any(|breakpoint| breakpoint.stops(&debugger.source, record))
}

fn tone(app: &App, record: &Record) -> Style {
    let theme = &app.settings.theme;
    match &record.what {
        RecordKind::Call { function, .. } if level_of_function(function).is_some() => theme.label,
        what if is_failure(what) => theme.bad,
        RecordKind::Event(_) => theme.label.add_modifier(Modifier::BOLD),
        RecordKind::Stop { .. } | RecordKind::Note(_) | RecordKind::Full { .. } => theme.warning,
        _ => theme.text,
    }
}

fn steps(app: &App, debugger: &Debugger, area: Rect, frame: &mut Frame<'_>) {
    let theme = &app.settings.theme;
    let steps = &debugger.steps;
    if steps.records().is_empty() {
        let text = match debugger.is_shortened() {
            true => " the recording was removed: it was too old to be kept",
            false => " nothing has been recorded yet",
        };
        frame.render_widget(Line::styled(text, theme.faint), area);
        return;
    }
    let visible =
        || steps.window.top()..(steps.window.top() + usize::from(area.height)).min(steps.records().len());
    let longest = visible().filter_map(|place| steps.took(place)).max().unwrap_or(1).max(1);
    let digits = steps.records().last().map_or(1, |last| last.number.to_string().len());
    for (place, y) in visible().zip(area.y..area.bottom()) {
        let Some(record) = steps.record(place) else { continue };
        let is_cursor = place == steps.window.cursor();
        let style = if is_cursor { theme.text.patch(theme.cursor) } else { theme.text };
        let took = steps.took(place);
        let aside = BAR + 7;
        let room = usize::from(area.width).saturating_sub(digits + 3 + aside + 1);
        let indent = (steps.depth(place) * 2).min(room / 2);
        let mark = match (is_cursor, stops(app, debugger, record)) {
            (true, _) => "›",
            (false, true) => "●",
            (false, false) => " ",
        };
        // What opens shows its answer too, where it is known, so that one line tells the whole call.
        let mut words = shown(app, steps, place, record).summary();
        if let RecordKind::Begin { .. } = record.what
            && let Some(end) = steps.end_of(place)
            && let RecordKind::End { answer, .. } = &*shown_end(app, record, end)
        {
            words.push_str(&format!(" → {answer}"));
        }
        // How much is hidden is said in front, where it is never cut off.
        if let Some(end) = debugger.folds.end(record.number) {
            let hidden = end - record.number - 1;
            words = format!("▸ {} │ {words}", format::counted(hidden, "step"));
        }
        let line = Line::from(vec![
            Span::styled(mark, if mark == "●" { Theme::over(style, theme.warning) } else { style }),
            Span::styled(format!("{:>digits$} ", record.number), Theme::over(style, theme.faint)),
            Span::styled(
                format::fit(&format!("{}{words}", " ".repeat(indent)), room),
                Theme::over(style, tone(app, record)),
            ),
            Span::styled(
                took.map_or(" ".repeat(BAR + 1), |took| {
                    // A step of a second and one of a microsecond are both to be seen.
                    let share = (took as f64 + 1.0).ln() / (longest as f64 + 1.0).ln();
                    format!(" {}", format::bar(share, BAR))
                }),
                Theme::over(style, theme.number),
            ),
            Span::styled(format!("{:>6}", took.map_or(String::new(), time)), Theme::over(style, theme.faint)),
        ]);
        frame.render_widget(line.style(style), Rect { y, height: 1, ..area });
    }
}

/// A frame around a part of the screen with a name in it; what is left inside.
fn part(app: &App, name: &str, area: Rect, frame: &mut Frame<'_>) -> Rect {
    let borders = if area.x > 0 { Borders::LEFT | Borders::TOP } else { Borders::TOP };
    let name = format::cut(name, usize::from(area.width).saturating_sub(4));
    let block = Block::new()
        .borders(borders)
        .border_style(app.settings.theme.faint)
        .title(Span::styled(format!(" {name} "), app.settings.theme.label));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    inner
}

fn source(app: &App, debugger: &Debugger, area: Rect, frame: &mut Frame<'_>) {
    if area.height < 2 || area.width < 10 {
        return;
    }
    let theme = &app.settings.theme;
    let place = debugger.line();
    let place = place.as_ref();
    let lines = place.and_then(|place| debugger.source.lines(&place.file));
    let name = place.map_or("source".into(), |place| {
        let file = place.file.rsplit('/').next().unwrap_or(&place.file);
        format!("{}:{}", escape(file.as_bytes()), place.line)
    });
    let inner = part(app, &name, area, frame);
    let (Some(place), Some(lines)) = (place, lines) else {
        let text =
            if place.is_some() { " its source was not recorded" } else { " no line of the source yet" };
        frame.render_widget(Line::styled(text, theme.faint), Rect { height: 1, ..inner });
        return;
    };
    let height = usize::from(inner.height);
    let first =
        place.line.saturating_sub(1).saturating_sub(height / 2).min(lines.len().saturating_sub(height));
    let digits = lines.len().to_string().len();
    let source = &debugger.source;
    let is_stop = |line| app.runs.breakpoints.iter().any(|stop| stop.is_at(source, &place.file, line));
    for ((number, text), y) in lines.iter().enumerate().skip(first).zip(inner.y..inner.bottom()) {
        let number = number + 1;
        let is_current = number == place.line;
        let style = if is_current { theme.text.patch(theme.cursor) } else { theme.text };
        let mark = match (is_stop(number), is_current) {
            (true, _) => "●",
            (false, true) => "›",
            (false, false) => " ",
        };
        let spaced: Vec<u8> = text
            .trim_ascii_end()
            .iter()
            .flat_map(|byte| match byte {
                b'\t' => b"    ".to_vec(),
                other => vec![*other],
            })
            .collect();
        let shown = escape(&spaced);
        let line = Line::from(vec![
            Span::styled(mark, if mark == "●" { Theme::over(style, theme.warning) } else { style }),
            Span::styled(format!("{number:>digits$} "), Theme::over(style, theme.faint)),
            Span::styled(format::fit(&shown, usize::from(inner.width).saturating_sub(digits + 2)), style),
        ]);
        frame.render_widget(line, Rect { y, height: 1, ..inner });
    }
}

/// The line that is typed, what is being looked for, a message, or the keys.
fn bottom(app: &App, debugger: &Debugger, now: Millis, area: Rect, frame: &mut Frame<'_>) {
    let theme = &app.settings.theme;
    if let Some(prompt) = &debugger.prompt {
        let (label, example) = prompt.purpose.describe();
        let room = usize::from(area.width).saturating_sub(label.width() + 2);
        let (text, column) = typed(&prompt.input, room);
        let aside = match &prompt.problem {
            Some(problem) => Span::styled(format!("  ✗ {}", escape(problem.as_bytes())), theme.bad),
            None if text.is_empty() => Span::styled(example, theme.faint),
            None => Span::default(),
        };
        let at = label.width() + 1 + column;
        let line = Line::from(vec![
            Span::styled(format!(" {label}"), theme.key),
            Span::styled(text, theme.text),
            aside,
        ]);
        frame.render_widget(Clear, area);
        frame.render_widget(line, area);
        place_cursor(area, 0, at, frame);
        return;
    }
    if let Some(report) = &debugger.report {
        let mut keys = vec![("esc", "close"), ("j k", "scroll")];
        keys.extend(report.step.map(|_| ("enter", "go to the step")));
        let mut line = Line::default();
        for (key, does) in keys {
            line.push_span(Span::styled(format!(" {key}"), theme.key));
            line.push_span(Span::styled(format!(" {does} "), theme.faint));
        }
        frame.render_widget(line, area);
        return;
    }
    match &debugger.search {
        Some(search) if now.since(search.since) >= SEARCH_NOTICE => {
            let far = search.at.map_or(String::new(), |at| format!(": at step {}", thousands(at)));
            let took = format::span(now.since(search.since));
            let text = format!(" {}{far}, for {took}… esc stops it", search.describe());
            frame.render_widget(Line::styled(escape(text.as_bytes()), theme.warning), area);
        }
        _ => status::draw(app, now, area, frame),
    }
}
