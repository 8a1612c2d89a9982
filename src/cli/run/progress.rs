//! Progress of a run: lines on standard error, or JSON on standard output.

use std::cell::Cell;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use crate::lua::LogLevel;
use crate::text::escape::drawable_json;
use crate::text::escape::escape;
use crate::text::masked::masked_text;
use crate::workflow::{Event, RunOutcome, Summary, TaskOutcome};

/// Prints run events as they happen.
pub struct ProgressReporter {
    json: bool,
    coloured: bool,
    /// Standard output is closed.
    deaf: Cell<bool>,
}

/// Colours of the terminal's palette, by meaning.
#[derive(Clone, Copy)]
enum Style {
    Good,
    Bad,
    Notable,
    Quiet,
    Name,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Style::Good => "32",
            Style::Bad => "31",
            Style::Notable => "33",
            Style::Quiet => "2",
            Style::Name => "1",
        }
    }
}

impl ProgressReporter {
    /// JSON on standard output, or lines on standard error, coloured on a terminal that allows colour.
    pub fn new(json: bool) -> ProgressReporter {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let coloured = std::io::stderr().is_terminal() && !unwanted && !dumb;
        ProgressReporter { json, coloured, deaf: Cell::new(false) }
    }

    pub fn show(&self, event: &Event) {
        if self.json {
            return self.show_json(event);
        }
        match event {
            Event::RunStarted { run, workflow, tasks: names } => {
                let run = run.map_or(String::new(), |run| format!("run {run}, "));
                self.line(&format!(
                    "{}  {}",
                    self.name(workflow),
                    self.paint(Style::Quiet, &format!("{run}{}", tasks(names.len())))
                ));
            }
            Event::TaskStarted { task } => self.entry("start", Style::Quiet, Some(task), ""),
            Event::HookStarted { .. } => {}
            Event::AttemptFailed { task, attempt, attempts, reason, retry_in } => {
                let text = format!(
                    "attempt {attempt} of {attempts} failed: {}; again in {}",
                    visible(reason),
                    time(*retry_in)
                );
                self.entry("retry", Style::Notable, Some(task), &text);
            }
            Event::TaskFinished { task, outcome, message, attempts, duration } => {
                self.finished(task, *outcome, message.as_deref(), *attempts, *duration);
            }
            Event::Log { task, level, line } => {
                let style = match level {
                    LogLevel::Debug | LogLevel::Info => Style::Quiet,
                    LogLevel::Warn => Style::Notable,
                    LogLevel::Error => Style::Bad,
                };
                for line in line.lines() {
                    self.entry(level.name(), style, task.as_deref(), &visible(&line.replace('\t', "  ")));
                }
            }
            Event::ErrorDetails { details, .. } => {
                for line in details.lines() {
                    let style = if line.starts_with('>') { Style::Bad } else { Style::Quiet };
                    self.line(&format!("            {}", self.paint(style, &line)));
                }
            }
            Event::RunFinished(summary) => self.summary(summary),
        }
    }

    pub fn notice(&self, text: &str) {
        print_notice(&format!("slothstate: {}", visible(text)));
    }

    pub fn end(&self) {
        // Whoever has gone away does not want to hear that either.
        let _ = std::io::stdout().flush();
    }

    fn show_json(&self, event: &Event) {
        let Ok(line) = serde_json::to_string(event) else { return };
        let line = masked_text(drawable_json(&line));
        if !self.deaf.get() && writeln!(std::io::stdout(), "{line}").is_err() {
            self.deaf.set(true);
        }
    }

    fn finished(
        &self,
        task: &str,
        outcome: TaskOutcome,
        message: Option<&str>,
        attempts: u32,
        duration: Duration,
    ) {
        let (label, style) = match outcome {
            TaskOutcome::Ok => ("ok", Style::Good),
            TaskOutcome::Failed => ("FAILED", Style::Bad),
            TaskOutcome::TimedOut => ("TIMED OUT", Style::Bad),
            TaskOutcome::Skipped => ("skipped", Style::Quiet),
            TaskOutcome::Blocked => ("not run", Style::Notable),
            TaskOutcome::Aborted => ("ABORTED", Style::Bad),
            TaskOutcome::Stopped => ("STOPPED", Style::Bad),
        };
        let mut text = String::new();
        if attempts > 0 {
            text = time(duration);
            if attempts > 1 {
                text += &format!(", {attempts} attempts");
            }
            text = self.paint(Style::Quiet, &text);
        }
        if let Some(message) = message {
            let gap = if text.is_empty() { "" } else { "  " };
            text += &format!("{gap}{}", visible(message));
        }
        self.entry(label, style, Some(task), &text);
    }

    fn summary(&self, summary: &Summary) {
        let mut parts = vec![format!("{} ok", summary.ok)];
        if summary.failed > 0 {
            parts.push(format!("{} failed", summary.failed));
        }
        if summary.skipped > 0 {
            parts.push(format!("{} not run", summary.skipped));
        }
        let (word, style) = match summary.outcome {
            RunOutcome::Done => ("done", Style::Good),
            RunOutcome::Failed => ("failed", Style::Bad),
            RunOutcome::Aborted => ("aborted", Style::Bad),
            RunOutcome::TimedOut => ("timed out", Style::Bad),
            RunOutcome::Stopped { .. } => ("stopped", Style::Bad),
        };
        let word = self.paint(style, word);
        self.line(&format!("{word}  {} in {}", parts.join(", "), time(summary.duration)));
        for lost in &summary.lost_locks {
            self.line(&format!("        {}", visible(&lost.to_string())));
        }
    }

    fn entry(&self, label: &str, style: Style, task: Option<&str>, text: &str) {
        let label = self.paint(style, &format!("{label:<9}"));
        let task = task.map_or_else(String::new, |task| self.name(task));
        let gap = if task.is_empty() || text.is_empty() { "" } else { "  " };
        self.line(format!("  {label} {task}{gap}{text}").trim_end());
    }

    fn name(&self, name: &str) -> String {
        self.paint(Style::Name, &visible(name))
    }

    fn paint(&self, style: Style, text: &str) -> String {
        if self.coloured { format!("\x1b[{}m{text}\x1b[0m", style.code()) } else { text.into() }
    }

    fn line(&self, text: &str) {
        print_notice(text);
    }
}

/// Writes a line to standard error; write errors are ignored.
pub fn print_notice(line: &str) {
    let line = masked_text(line.to_owned());
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Escapes text from a script or a file for one line.
pub fn visible(text: &str) -> String {
    escape(text.as_bytes())
}

/// `1 task`, `2 tasks`.
pub fn tasks(count: usize) -> String {
    if count == 1 { "1 task".into() } else { format!("{count} tasks") }
}

fn time(duration: Duration) -> String {
    match duration.as_secs() {
        0 => format!("{} ms", duration.as_millis()),
        1..60 => format!("{:.1} s", duration.as_secs_f64()),
        seconds => humantime::format_duration(Duration::from_secs(seconds)).to_string(),
    }
}
