//! Reads what fills the screen in place of a list: the past, and the steps of a run.

use std::rc::Rc;
use std::sync::mpsc::Sender;

use crate::store::Store;
use crate::tui::effect::{Effect, Reply};
use crate::tui::message::{Message, send};
use crate::tui::request::{CancelToken, RequestQueue};
use crate::tui::screens::debugger::worker::WorkerContext;
use crate::tui::screens::{debugger, past};

/// Answers requests until no more come. A state of the past may take long: the steps of a run, which do not, are
/// read between its pieces.
pub fn run(
    store: &Rc<dyn Store>,
    desk: &WorkerContext,
    requests: &RequestQueue<Effect>,
    answers: &Sender<Message>,
    visits: &CancelToken,
) {
    let mut held = None;
    let read_steps = || {
        while let Some(Effect::Debugger(request)) =
            requests.take(|effect| matches!(effect, Effect::Debugger(_)))
        {
            debugger::worker::read(desk, store, request);
        }
    };
    while let Some(request) = requests.next() {
        match request {
            Effect::Debugger(request) => debugger::worker::read(desk, store, request),
            Effect::ReadPast(request) => {
                let is_cancelled = || {
                    read_steps();
                    visits.is_cancelled(request.load.generation)
                };
                past::read::visit(&**store, request.clone(), &mut held, answers, &is_cancelled);
            }
            Effect::LookBack(number, key, moment) => {
                send(answers, Reply::LookedBack(number, past::read::look(&**store, &key, moment)));
            }
            _ => {}
        }
    }
}
