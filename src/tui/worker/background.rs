//! Does what takes its time and is not waited for. The most urgent comes first, also between the pieces of the rest:
//! figures, then what is done with marked entries, then the sizes of groups.

use std::cell::RefCell;
use std::sync::mpsc::Sender;

use crate::store::Store;
use crate::tui::bulk;
use crate::tui::effect::Effect;
use crate::tui::message::{Message, send};
use crate::tui::request::{CancelToken, RequestQueue};
use crate::tui::worker::counters::PendingFigures;

pub struct Background<'a> {
    pub store: &'a dyn Store,
    pub requests: &'a RequestQueue<Effect>,
    pub answers: &'a Sender<Message>,
    /// Which requests about marked entries are cancelled.
    pub bulks: &'a CancelToken,
    /// Under whose name changes are made here.
    pub own: &'a str,
}

impl Background<'_> {
    /// Answers requests until no more come.
    pub fn run(&self) {
        let figures = RefCell::new(PendingFigures::default());
        loop {
            self.count(&figures);
            if let Some(Effect::Bulk(number, request)) =
                self.requests.take(|effect| matches!(effect, Effect::Bulk(..)))
            {
                let stopped = || {
                    self.count(&figures);
                    self.bulks.is_cancelled(number)
                };
                bulk::worker::answer(self.store, number, request, self.answers, &stopped);
                continue;
            }
            let weighed = figures.borrow_mut().weigh(self.store);
            match weighed {
                Some(reply) => send(self.answers, reply),
                None if self.requests.wait() => {}
                None => return,
            }
        }
    }

    fn count(&self, figures: &RefCell<PendingFigures>) {
        let mut figures = figures.borrow_mut();
        loop {
            // What was asked meanwhile may replace what is still to be done.
            while let Some(Effect::Figure(figure)) =
                self.requests.take(|effect| matches!(effect, Effect::Figure(_)))
            {
                figures.add(figure);
            }
            match figures.answer(self.store, self.own) {
                Some(reply) => send(self.answers, reply),
                None => return,
            }
        }
    }
}
