//! What if: the run once more with something other than it was, on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::input_file::Accept;
use crate::lua::StopSignal;
use crate::tui::request::RequestId;
use crate::tui::screens::debugger::requests::DebuggerReport;
use crate::tui::screens::debugger::requests::WhatIfInput;
use crate::tui::screens::debugger::worker::WorkerContext;
use crate::workflow::recording::Recording;
use crate::workflow::replay::{WhatIfOptions, what_if as try_out};
use crate::workflow::{Reporter, Script};

/// How often it is looked at whether anybody still wants to know.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Runs a run once more; what came of it, or why it cannot be run.
pub fn what_if(
    desk: &WorkerContext,
    number: RequestId,
    run: i64,
    trying: WhatIfInput,
) -> Result<DebuggerReport, String> {
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let store = desk.open().map_err(|error| words(&error))?;
    let recording = Recording::of_store(&store, run).map_err(|error| words(&error))?;
    let source = trying.source.as_deref().map(|file| Script::read(file, Accept::Regular)).transpose()?;
    let stop_signal = StopSignal::default();
    let is_over = Arc::new(AtomicBool::new(false));
    // A script that does not end by itself is stopped when somebody asks for something else.
    let watching = {
        let (desk, stop_signal, is_over) = (desk.clone(), stop_signal.clone(), is_over.clone());
        std::thread::spawn(move || {
            while !is_over.load(Ordering::SeqCst) {
                if desk.searches.is_cancelled(number) {
                    let number = usize::try_from(signal_hook::consts::SIGTERM).unwrap_or(1);
                    stop_signal.signal.store(number, Ordering::SeqCst);
                    return;
                }
                std::thread::park_timeout(POLL_INTERVAL);
            }
        })
    };
    let title = trying.describe();
    let WhatIfInput { values, stubs, live, bounds, .. } = trying;
    let wish = WhatIfOptions { values, source, live, bounds, stubs, time: None, stop_signal };
    let outcome = try_out(Some(&store), &recording, &wish, &desk.settings, Reporter::new(|_| {}));
    is_over.store(true, Ordering::SeqCst);
    watching.thread().unpark();
    let mut outcome = outcome.map_err(|error| words(&error))?;
    outcome.mask(&desk.settings.secrets);
    let other = outcome.other_answer.as_ref().map(|other| other.record.number);
    let step = other.or(outcome.divergence.as_ref().map(|divergence| divergence.number));
    Ok(DebuggerReport { title, lines: outcome.report(&format!("run {run}")), step, top: 0 })
}
