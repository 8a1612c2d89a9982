//! The details of a run.

use std::time::Duration;

use ratatui::text::{Line, Span};

use crate::store::UNKNOWN_ORIGIN;
use crate::text::escape::escape;
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::list::{RunRow, RunSummary};
use crate::tui::screens::runs::columns::tone;
use crate::tui::widgets::fields::{field, indent, moment, prose};
use crate::tui::widgets::format;

pub fn lines(app: &App, row: &RunRow, now: Millis, width: usize) -> Vec<Line<'static>> {
    let theme = &app.settings.theme;
    let run = &row.run;
    let mut lines = field(app, "workflow", run.new.workflow.as_bytes(), theme.title, width);
    let took = row.took(now).map_or(String::new(), |took| format!(", took {}", format::took(took)));
    let status = match &row.stack {
        Some(stack) => format!("{} (Sloth Runner's run {}{took})", stack.status, stack.number),
        None => format!("{} (run {}{took})", row.status, run.number),
    };
    lines.extend(field(app, "status", status.as_bytes(), tone(&row.status, theme), width));
    for (place, (name, value)) in run.new.params.iter().enumerate() {
        let label = if place == 0 { "params" } else { "" };
        let value =
            if app.settings.shows_secrets { value } else { app.settings.secrets.parameter(name, value) };
        lines.extend(field(app, label, format!("{name}={value}").as_bytes(), theme.text, width));
    }
    if let Some(stack) = &row.stack {
        if let Some(error) = &stack.error {
            lines.extend(field(app, "error", error.as_bytes(), theme.bad, width));
        }
        let tasks = format!("{}, {} ok, {} failed", stack.tasks, stack.ok, stack.failed);
        lines.extend(prose(app, "tasks", tasks, width));
        lines.extend(prose(app, "began", moment(app, stack.began_at, now), width));
        lines.extend(prose(app, "source", "Sloth Runner's stacks.db, read-only".into(), width));
        lines.extend(field(app, "file", run.new.file.as_bytes(), theme.text, width));
        return lines;
    }
    match &row.account {
        Some(account) => lines.extend(told(app, row, account, now, width)),
        None if !run.recorded => lines.extend(prose(app, "recorded", "no".into(), width)),
        None => {}
    }
    lines.extend(prose(app, "began", moment(app, Some(run.began_at), now), width));
    lines.extend(prose(app, "by", run.actor.to_string(), width));
    if let Some(origin) = &run.origin {
        let text = match origin.as_str() {
            UNKNOWN_ORIGIN => "imported; the database it ran on is not known".to_string(),
            id => format!("imported from database {id}"),
        };
        lines.extend(prose(app, "origin", escape(text.as_bytes()), width));
    }
    lines.extend(field(app, "file", run.new.file.as_bytes(), theme.text, width));
    lines
}

fn told(app: &App, row: &RunRow, account: &RunSummary, now: Millis, width: usize) -> Vec<Line<'static>> {
    let theme = &app.settings.theme;
    let longest =
        account.tasks.all().iter().filter_map(|task| row.task(task, now).1).max().unwrap_or(1).max(1);
    let mut lines = Vec::new();
    for (place, task) in account.tasks.all().iter().enumerate() {
        let (outcome, took) = row.task(task, now);
        let time = took.map_or("unknown".into(), |took| format::took(Duration::from_micros(took)));
        let room = width.saturating_sub(indent(width) + 9 + 8 + 10);
        lines.push(Line::from(vec![
            Span::styled(format::fit(if place == 0 { "tasks" } else { "" }, indent(width)), theme.label),
            Span::styled(format::fit(&escape(outcome.as_bytes()), 9), tone(outcome, theme)),
            Span::styled(format::bar(took.unwrap_or(0) as f64 / longest as f64, 8), theme.number),
            Span::styled(format!(" {} ", format::fit(&time, 8)), theme.faint),
            Span::styled(format::cut(&escape(task.name.as_bytes()), room), theme.text),
        ]));
    }
    for (place, (level, line)) in account.log.iter().enumerate() {
        let style = if matches!(level.as_str(), "warn" | "error") { theme.warning } else { theme.text };
        lines.extend(field(app, if place == 0 { "log" } else { "" }, line, style, width));
    }
    lines
}
