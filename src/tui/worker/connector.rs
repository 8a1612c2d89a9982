//! Opens databases: on a thread of its own, because one that is locked is waited for.

use std::fmt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use crate::config::Context;
use crate::store::{self, ErrorKind, Location, Options, StoreError};
use crate::tui::effect::{DatabaseInfo, Reply};
use crate::tui::error::TuiError;
use crate::tui::message::Message;
use crate::tui::request::{CancelToken, RequestId};
use crate::tui::terminal::input::MessageSender;
use crate::tui::worker::Workers;

#[derive(Clone)]
pub struct DatabaseTarget {
    pub location: Location,
    pub settings: Options,
    /// What the configuration knows of it.
    pub known: Option<Context>,
}

/// A database that was opened, with the threads that look after it.
pub struct OpenedDatabase {
    pub place: DatabaseTarget,
    pub workers: Workers,
    pub inbox: Receiver<Message>,
    pub messages: Sender<Message>,
    pub arrival: DatabaseInfo,
}

impl fmt::Debug for OpenedDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("arrival", &self.arrival).finish_non_exhaustive()
    }
}

/// Opens databases, one after the other; only the last that was asked for counts.
pub struct Connector {
    post: MessageSender,
    sender: Sender<(RequestId, Result<OpenedDatabase, TuiError>)>,
    done: Receiver<(RequestId, Result<OpenedDatabase, TuiError>)>,
    cancelled: CancelToken,
}

impl Connector {
    /// With the way to tell when one is open.
    pub fn new(post: MessageSender) -> Connector {
        let (sender, done) = channel();
        Connector { post, sender, done, cancelled: CancelToken::default() }
    }

    /// Begins to open a database, under a number, once the threads of the one `before` have let go of it.
    pub fn start(&mut self, number: RequestId, place: DatabaseTarget, before: Option<Workers>) {
        self.cancelled.cancel_before(number);
        let (sender, cancelled, post) = (self.sender.clone(), self.cancelled.clone(), self.post.clone());
        std::thread::spawn(move || {
            if let Some(before) = before {
                before.close();
            }
            let opened = loop {
                match open(&place) {
                    // Whoever locks it lets go of it at some time.
                    Err(TuiError::Store(error))
                        if error.is_transient() && !cancelled.is_cancelled(number) => {}
                    other => break other,
                }
            };
            let told = match &opened {
                Ok(opened) => Ok(Box::new(opened.arrival.clone())),
                Err(TuiError::Store(StoreError { kind: ErrorKind::NotFound, .. }))
                    if place.known.is_some() =>
                {
                    Err(place.known.as_ref().map(Context::missing).unwrap_or_default())
                }
                Err(error) => Err(error.to_string()),
            };
            // The answer is told once the database can be taken.
            if sender.send((number, opened)).is_ok() {
                post.send(Message::Reply(Reply::Opened(number, told)));
            }
        });
    }

    /// Waits for the only one that is being opened, for no longer than `patience`; `None` if it
    /// takes longer.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn wait(&self, patience: Duration) -> Result<Option<OpenedDatabase>, TuiError> {
        match self.done.recv_timeout(patience) {
            Ok((_, opened)) => opened.map(Some),
            Err(_) => Ok(None),
        }
    }

    /// The one of that number, once it was told that it is open; others are let go of.
    pub fn take(&self, number: RequestId) -> Option<Result<OpenedDatabase, TuiError>> {
        self.done.try_iter().find(|(other, _)| *other == number).map(|(_, opened)| opened)
    }
}

fn open(place: &DatabaseTarget) -> Result<OpenedDatabase, TuiError> {
    let (messages, inbox) = channel();
    let store = store::open(&place.location, &place.settings)?;
    let writable = store.check_writable();
    let read_only = writable.is_err();
    let unwritable = writable.err().filter(|_| !place.settings.read_only).map(|why| why.to_string());
    let adopts = store.will_adopt()?;
    let notices = store.take_notices();
    drop(store);
    let workers = Workers::start(&place.location, &place.settings, &messages)?;
    let (location, known) = (place.location.clone(), place.known.clone());
    let arrival = DatabaseInfo { location, known, read_only, unwritable, adopts, notices, last: None };
    Ok(OpenedDatabase { place: place.clone(), workers, inbox, messages, arrival })
}
