//! The interface at work: it waits, lets `update` decide, does what that asks for, and draws.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::store::{ErrorKind, Options, Reset};
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::connection::saved_session::SavedSession;
use crate::tui::connection::switch;
use crate::tui::effect::{Effect, Reply};
use crate::tui::error::TuiError;
use crate::tui::list::saved_filters;
use crate::tui::message::Message;
use crate::tui::request::RequestId;
use crate::tui::terminal::input::{Keyboard, MessageSender, TerminalQuery};
use crate::tui::terminal::signals::TuiSignals;
use crate::tui::terminal::{TerminalScreen, external_editor};
use crate::tui::worker::Workers;
use crate::tui::worker::connector::{Connector, DatabaseTarget, OpenedDatabase};
use crate::tui::{draw, update};

/// The least time between two pictures while nobody types. From a commit elsewhere to the screen there
/// are 50 ms.
const FRAME: Duration = Duration::from_millis(20);
/// For how long after a key whatever answers it is drawn at once.
const TYPING: Duration = Duration::from_millis(300);
/// How long the first picture may wait for the terminal to say what its background is.
const BACKGROUND: Duration = Duration::from_millis(20);

pub struct TerminalHandles {
    pub screen: TerminalScreen,
    pub keyboard: Keyboard,
    pub question: TerminalQuery,
    /// What the system wants.
    pub signals: TuiSignals,
}

impl Drop for TerminalHandles {
    /// What is typed from here on is typed into the program that has the terminal next.
    fn drop(&mut self) {
        self.screen.await_reply();
        self.keyboard.pause();
    }
}

pub struct EventLoop {
    app: App,
    hands: TerminalHandles,
    /// The threads of the database that is open; `None` while the first one is being opened.
    workers: Option<Workers>,
    inbox: Receiver<Message>,
    post: MessageSender,
    opening: Connector,
    place: DatabaseTarget,
    /// Whether nothing is to be written, whichever database is looked at.
    read_only: bool,
    /// When the present turn began: what there was to wait for had happened.
    woken: Instant,
    drawn: Option<Instant>,
    /// When the user did something last.
    typed: Option<Instant>,
    /// Whether a database is opened as it was left, and how it is left is noted.
    pub resume: bool,
    /// Where filters are kept.
    pub config_folder: Option<PathBuf>,
    /// What is being written there.
    naming: Option<JoinHandle<()>>,
    first: Vec<Effect>,
}

impl EventLoop {
    /// An interface without a database.
    pub fn new(
        app: App,
        hands: TerminalHandles,
        (post, inbox): (MessageSender, Receiver<Message>),
        opening: Connector,
        place: DatabaseTarget,
        read_only: bool,
    ) -> EventLoop {
        EventLoop {
            app,
            hands,
            workers: None,
            inbox,
            post,
            opening,
            place,
            read_only,
            woken: Instant::now(),
            drawn: None,
            typed: None,
            resume: false,
            config_folder: None,
            naming: None,
            first: Vec::new(),
        }
    }

    /// Begins with a database that is open already.
    pub fn begin(&mut self, opened: OpenedDatabase) {
        let now = self.now();
        let mut arrival = opened.arrival.clone();
        arrival.last = self.how_it_was_left();
        self.first = update::begin(&mut self.app, arrival, now);
        self.enter(opened);
    }

    /// How the first database was left, if it is to be opened like that.
    fn how_it_was_left(&mut self) -> Option<SavedSession> {
        if !self.resume {
            return None;
        }
        let (last, problem) = SavedSession::read(&self.place.location);
        problem.into_iter().for_each(|problem| self.app.show_notice(problem));
        last
    }

    /// Begins without a database: the one with the number 0 is being opened.
    pub fn await_opening(&mut self) {
        let now = self.now();
        update::await_opening(&mut self.app, now);
    }

    /// Runs until the user quits, or the terminal is gone.
    ///
    /// # Errors
    /// If the terminal fails, a part of the program does, or there is no database to be shown.
    pub fn run(mut self) -> Result<(), TuiError> {
        let mut effects = std::mem::take(&mut self.first);
        let mut is_first = true;
        loop {
            if !self.carry_out(effects)? {
                // What was asked for is done before the program ends.
                let _ = self.naming.take().map(JoinHandle::join);
                self.note_how_it_is_left();
                return self
                    .hands
                    .signals
                    .asked_to_end()
                    .map_or(Ok(()), |signal| Err(TuiError::Stopped(signal)));
            }
            if std::mem::take(&mut is_first) {
                effects = self.await_background();
                if !effects.is_empty() {
                    continue;
                }
            }
            self.draw()?;
            if let Some(workers) = &self.workers {
                workers.attend(self.app.follows_commits());
            }
            log::debug!("a turn took {} us", self.woken.elapsed().as_micros());
            effects = match self.next() {
                Some(messages) => messages,
                None => return Ok(()),
            };
        }
    }

    /// Draws a picture if it may differ from the one on the screen. While nobody types, pictures are no
    /// closer to each other than [`FRAME`]: what others commit is taken in meanwhile.
    fn draw(&mut self) -> Result<(), TuiError> {
        if !self.app.needs_drawing || self.next_frame().is_some() {
            return Ok(());
        }
        self.app.needs_drawing = false;
        let now = self.now();
        let app = &self.app;
        self.hands.screen.draw(|frame| draw::draw(app, now, frame))?;
        self.drawn = Some(Instant::now());
        Ok(())
    }

    /// How long the next picture waits; `None` if it is drawn at once.
    fn next_frame(&self) -> Option<Duration> {
        let is_typing = self.typed.is_some_and(|typed| typed.elapsed() < TYPING);
        let rest = FRAME.checked_sub(self.drawn?.elapsed())?;
        (!is_typing && !rest.is_zero()).then_some(rest)
    }

    /// Waits a little for the terminal to say what its background is, so that the first picture has the
    /// colours for it; a reply that comes later changes them then.
    fn await_background(&mut self) -> Vec<Effect> {
        let since = Instant::now();
        let mut effects = Vec::new();
        while self.hands.question.is_open()
            && self.app.settings.suiting.background.is_none()
            && effects.is_empty()
        {
            let left = BACKGROUND.saturating_sub(since.elapsed());
            match self.inbox.recv_timeout(left) {
                Ok(message) => effects = self.update(message),
                Err(_) => break,
            }
        }
        effects
    }

    fn now(&self) -> Millis {
        self.place.settings.clock.now()
    }

    /// Waits for something to happen, or for the moment at which the picture changes by itself,
    /// and takes in all that has happened by then: a storm of changes is drawn once.
    fn next(&mut self) -> Option<Vec<Effect>> {
        let now = self.now();
        let wakeup = self.app.next_wakeup(now).map(|moment| moment.since(now));
        let frame = self.app.needs_drawing.then(|| self.next_frame().unwrap_or_default());
        let first = match [wakeup, frame].into_iter().flatten().min() {
            Some(rest) => self.inbox.recv_timeout(rest.max(Duration::from_millis(1))),
            None => self.inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        self.woken = Instant::now();
        let mut effects = Vec::new();
        match first {
            Ok(message) => effects.extend(self.update(message)),
            // Something in the picture changes with time.
            Err(RecvTimeoutError::Timeout) => self.app.needs_drawing = true,
            Err(RecvTimeoutError::Disconnected) => return None,
        }
        // What comes behind the news of another database is still of the one before.
        let leaves = |effects: &[Effect]| effects.iter().any(|effect| matches!(effect, Effect::Enter(_)));
        while !leaves(&effects)
            && let Ok(message) = self.inbox.try_recv()
        {
            effects.extend(self.update(message));
        }
        let now = self.now();
        effects.extend(update::pass(&mut self.app, now));
        Some(effects)
    }

    fn update(&mut self, mut message: Message) -> Vec<Effect> {
        if let Message::Reply(Reply::Opened(RequestId(0), Ok(arrival))) = &mut message {
            arrival.last = self.how_it_was_left();
        }
        if matches!(message, Message::Input(_)) {
            self.typed = Some(Instant::now());
        }
        if let Message::Reply(Reply::Locked(_)) = &message {
            log::warn!("reading failed: the database does not answer");
        }
        if let Message::Reply(Reply::Failed(error)) = &message {
            log::warn!("reading failed: {error}");
        }
        if let Message::Reply(Reply::Written(_, Err(error))) = &message {
            log::warn!("writing failed: {error}");
        }
        let now = self.now();
        update::update(&mut self.app, message, now)
    }

    /// Does what an update wants done; whether to go on.
    fn carry_out(&mut self, effects: Vec<Effect>) -> Result<bool, TuiError> {
        // One that ends does not come back to a terminal that somebody else has by now.
        let is_last = effects.contains(&Effect::Quit);
        let comes_back = |effect: &Effect| matches!(effect, Effect::Suspend | Effect::Repair);
        for effect in effects.into_iter().filter(|effect| !(is_last && comes_back(effect))) {
            let effect = match &self.workers {
                Some(workers) => workers.carry_out(effect),
                None => Some(effect),
            };
            match effect {
                Some(Effect::Quit) => return Ok(false),
                Some(Effect::Fail) => return Err(TuiError::Fault),
                Some(Effect::Open(number, context)) => {
                    let read_only = self.read_only || context.read_only;
                    let settings = Options { read_only, seen: None, ..self.place.settings.clone() };
                    let location = context.location.clone();
                    let known = self.app.is_named(&context).then_some(context);
                    self.opening.start(number, DatabaseTarget { location, settings, known }, None);
                }
                Some(Effect::Reopen(number, seen)) => {
                    let settings = &mut self.place.settings;
                    settings.seen = seen.or(settings.seen.take());
                    self.opening.start(number, self.place.clone(), self.workers.take());
                }
                // There is no database to write to at the moment.
                Some(Effect::Write(write)) => {
                    let why = self.app.database.lost.as_ref().map_or(Reset::Missing, |lost| lost.why.clone());
                    let error = ErrorKind::Reset { why }.at(&self.place.location);
                    self.post.send(Message::Reply(Reply::Written(write, Err(error))));
                }
                Some(Effect::Enter(number)) => match self.opening.take(number) {
                    Some(Ok(opened)) => self.enter(opened),
                    // There is none to go back to.
                    Some(Err(error)) => return Err(error),
                    None => return Err(TuiError::Fault),
                },
                Some(Effect::NameFilter(naming)) => {
                    let (post, folder) = (self.post.clone(), self.config_folder.clone());
                    let before = self.naming.take();
                    self.naming = Some(std::thread::spawn(move || {
                        // One after the other: each writes the whole file.
                        let _ = before.map(JoinHandle::join);
                        let named = saved_filters::name(folder.as_deref(), &naming);
                        post.send(Message::Reply(Reply::FilterNamed(naming, named)));
                    }));
                }
                Some(Effect::Copy(text)) => self.hands.screen.offer(&text)?,
                Some(Effect::Mouse(is_on)) => self.hands.screen.set_mouse(is_on)?,
                Some(Effect::AskBackground) => self.hands.screen.ask_background()?,
                Some(Effect::Suspend) => self.suspend()?,
                Some(Effect::Repair) => self.repair()?,
                Some(Effect::EditOutside(entry, text)) => {
                    let DatabaseTarget { location, settings, .. } = self.place.clone();
                    // An editor that is suspended has the shell wait for the whole process group.
                    let stops = self.hands.signals.jobs.stop_by_default()?;
                    let (entry, text) =
                        self.lend(|| external_editor::edit(&location, &settings, entry, text))?;
                    drop(stops);
                    self.post.send(Message::Reply(Reply::EditedOutside(entry, text)));
                }
                _ => {}
            }
        }
        Ok(true)
    }

    /// Suspends the program. Where no shell could continue it, it goes on.
    fn suspend(&mut self) -> Result<(), TuiError> {
        let jobs = self.hands.signals.jobs.clone();
        let was_stopped = jobs.can_stop() && self.lend(|| jobs.stop())??;
        if !was_stopped {
            let now = self.now();
            self.app.show_hint("not suspended: there is no shell that could continue it", now);
        }
        Ok(())
    }

    /// Takes the terminal again, if the program was continued and that was not seen yet.
    fn repair(&mut self) -> Result<(), TuiError> {
        if self.hands.signals.jobs.was_continued() && self.hands.signals.await_foreground()? {
            self.hands.screen.repair()?;
            self.look_at_size()?;
        }
        Ok(())
    }

    /// Gives the terminal away for as long as `work` takes.
    fn lend<T>(&mut self, work: impl FnOnce() -> T) -> Result<T, TuiError> {
        let TerminalHandles { screen, keyboard, signals, .. } = &mut self.hands;
        screen.await_reply();
        keyboard.pause();
        signals.lend(true);
        let done = screen.lend(|| {
            let done = work();
            match signals.await_foreground() {
                Ok(is_wanted) => (is_wanted, Ok(done)),
                Err(error) => (false, Err(error)),
            }
        });
        signals.lend(false);
        // What happened meanwhile is repaired by now.
        signals.jobs.was_continued();
        keyboard.resume();
        let done = done??;
        self.look_at_size()?;
        Ok(done)
    }

    /// The terminal may have another size than before it was given away.
    fn look_at_size(&self) -> Result<(), TuiError> {
        let (columns, rows) = crossterm::terminal::size()?;
        self.post.send(Message::Input(crossterm::event::Event::Resize(columns, rows)));
        Ok(())
    }

    /// The next time it opens like that, if that is wanted. It is no reason not to end.
    fn note_how_it_is_left(&self) {
        if !self.resume || self.workers.is_none() {
            return;
        }
        let last = switch::session(&self.app, self.now().0 / 1000);
        if let Err(error) = last.write(&self.place.location) {
            log::warn!("how the interface was left is not noted: {error}");
        }
    }

    /// Leaves the database that is open for another. What the threads of the one before still have
    /// to say is not heard any more; what the user did is.
    fn enter(&mut self, opened: OpenedDatabase) {
        let OpenedDatabase { place, workers, inbox, messages, .. } = opened;
        self.post.redirect(messages);
        let before = std::mem::replace(&mut self.inbox, inbox);
        before
            .try_iter()
            .filter(|message| !matches!(message, Message::Reply(answer) if !survives_switch(answer)))
            .for_each(|message| self.post.send(message));
        log::info!("the interface is on {}", place.location);
        self.workers = Some(workers);
        self.place = place;
    }
}

/// Whether an answer is about what belongs to the user, whichever database is looked at.
fn survives_switch(answer: &Reply) -> bool {
    matches!(answer, Reply::FilterNamed(..))
}
