//! Keys while a workflow is to be started.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler;

use crate::text::masked::is_masked;
use crate::tui::app::App;
use crate::tui::dialog::Dialog;
use crate::tui::dialogs::run_dialog::state::RunDialog;
use crate::tui::effect::Effect;
use crate::tui::focus::Focus;
use crate::tui::screens::debugger::requests::{DebuggerRequest, WorkflowStart};

pub fn key(app: &mut App, mut start: RunDialog, key: KeyEvent) -> Vec<Effect> {
    let mut effects = Vec::new();
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Enter => match wanted(app, &start) {
            Ok(wanted) => {
                app.closed = Some(Dialog::Start(start));
                let number = app.next_request();
                app.runs.starting = Some(number);
                return vec![Effect::Debugger(DebuggerRequest::Start(number, wanted))];
            }
            Err(problem) => start.problem = Some(problem),
        },
        KeyCode::Char('n') if is_control => start.take(true),
        KeyCode::Char('p') if is_control => start.take(false),
        KeyCode::Tab if start.focus == 0 => {
            effects.push(Effect::Debugger(DebuggerRequest::Complete(start.file.value().to_string())));
        }
        KeyCode::Down | KeyCode::Tab => {
            // Behind the last parameter there is room for another.
            if start.focus == start.params.len()
                && start.params.last().is_none_or(|last| !last.value().is_empty())
            {
                start.params.push(Input::default());
            }
            start.focus = (start.focus + 1).min(start.params.len());
        }
        KeyCode::Up | KeyCode::BackTab => start.focus = start.focus.saturating_sub(1),
        _ => {
            start.field().handle_event(&Event::Key(key));
            start.problem = None;
        }
    }
    app.focus = Focus::Dialog(Dialog::Start(start));
    effects
}

fn wanted(app: &App, start: &RunDialog) -> Result<WorkflowStart, String> {
    let file = start.file.value().trim();
    if file.is_empty() {
        return Err("which file?".into());
    }
    let params = start.params.iter().map(|param| param.value().trim()).filter(|param| !param.is_empty());
    let params: Vec<String> = params.map(String::from).collect();
    match params.iter().find(|param| !param.contains('=') || param.starts_with('=')) {
        Some(wrong) => Err(format!("{wrong}: a parameter is KEY=VALUE")),
        // It was offered from a recorded run, which has not kept it.
        None if params.iter().any(|param| is_masked(param)) => {
            Err("the value of a parameter was masked when it was recorded: enter it".into())
        }
        None => {
            let (database, config) = (app.database.location.clone(), app.settings.config_folder.clone());
            Ok(WorkflowStart { database, file: file.into(), params, config })
        }
    }
}
