//! Stopping a run: the question that is asked before.

use crate::text::escape::escape;
use crate::time::Millis;
use crate::tui::dialog::Confirm;
use crate::tui::effect::Effect;
use crate::tui::list::RunRow;
use crate::tui::widgets::format;
use crate::tui::write::{Write, WriteKind};

/// Asks whether a run is to be stopped.
pub fn stop_run(row: &RunRow, now: Millis) -> Option<Confirm> {
    let run = &row.run;
    let process = run.process.clone()?;
    let workflow = escape(run.new.workflow.as_bytes());
    let took = row.took(now).map_or(String::new(), |took| format!(", at work for {}", format::span(took)));
    let lines = vec![
        format!("Stop run {} of {workflow}{took}?", run.number),
        format!("Process {} is asked to end: the task fails, hooks and locks are seen to.", process.pid),
    ];
    let done = format!("asked run {} to stop", run.number);
    Some(Confirm::new(lines, Effect::Write(Write { what: WriteKind::StopRun(Box::new(process)), done })))
}
