//! The state of the interface: plain data, changed by `update` and drawn by `views`.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::time::Duration;

use crossterm::event::KeyCode;

use crate::config::Context;
use crate::lua::exec::CommandBounds;
use crate::store::secret_keys::{MASK, Secrets, masked_change, masked_entry};
use crate::store::{Change, Entry, Key, Location};
use crate::text::escape::escape_data;
use crate::time::Millis;
use crate::tui::connection::Connecting;
use crate::tui::connection::lost_database::LostDatabase;
use crate::tui::dialog::Dialog;
use crate::tui::dialogs::messages::log::{MessageLevel, Messages};
use crate::tui::effect::Effect;
use crate::tui::focus::Focus;
use crate::tui::keys::{CommandContext, Keymap, ScreenKind};
use crate::tui::layout::Areas;
use crate::tui::list::window::PAGE;
use crate::tui::list::{Group, ListState, LoadFrom, Refresh, Row, RowOrder, SavedFilter};
use crate::tui::request::RequestId;
use crate::tui::screens::debugger::breakpoint::Breakpoint;
use crate::tui::screens::debugger::requests::DebugSessionId;
use crate::tui::screens::debugger::what_if_form::WhatIfForm;
use crate::tui::screens::overview::state::{Overview, Section};
use crate::tui::screens::screen::Screen;
use crate::tui::screens::value::detail::{Detail, Format, RecentChanges};
use crate::tui::theme::{Rgb, Suiting, Theme, Themes};
use crate::tui::throttle::Throttle;
use crate::tui::timing::{MESSAGE_DURATION, STALL_NOTICE};
use crate::tui::undo::stack::UndoStack;
use crate::tui::view::View;
use crate::tui::widgets::format;
use crate::tui::widgets::format::Zone;

/// How often the entries are counted, and the details of a run that goes on are read.
const COUNT_THROTTLE: Throttle = Throttle::new(Duration::from_millis(250), 50);
const DETAIL_THROTTLE: Throttle = Throttle::new(Duration::from_millis(200), 50);

/// The whole state of the interface.
#[cfg_attr(test, derive(Clone))]
pub struct App {
    /// The database that is open, as far as the interface knows it.
    pub database: DatabaseState,
    /// What the user has configured, and has switched since.
    pub settings: Settings,
    /// The list, and what follows its rows.
    pub list: ListState,
    /// Figures of the overview, beside its rows.
    pub overview: Option<Overview>,
    /// The details of the row under the cursor.
    pub details: DetailsPane,
    /// What is kept of runs beyond the one that is open.
    pub runs: RunsState,
    /// What workers were asked for and have not answered.
    pub requests: Requests,
    /// What was changed here and can be undone.
    pub undo: UndoState,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// Whether the picture on the screen may differ from what is to be shown.
    pub needs_drawing: bool,
    /// When time was last let pass.
    pub passed: Millis,
    pub messages: Messages,
    /// What the status line says.
    pub status: Option<StatusMessage>,
    pub screen: Screen,
    pub focus: Focus,
    /// What is to be asked once nothing else is open: no question comes between a user and what
    /// is being typed, because the next letter would be taken for the answer.
    pub pending_dialogs: VecDeque<Dialog>,
    /// The user wants to leave once they are done.
    pub is_leaving: bool,
    pub last_key: Option<KeyCode>,
    /// The dialog that a key has just closed to change something: it is open again if the change is
    /// asked about, and not wanted.
    pub closed: Option<Dialog>,
}

/// The database that is open, as far as the interface knows it.
#[cfg_attr(test, derive(Clone))]
pub struct DatabaseState {
    /// The database file, for the title.
    pub location: Location,
    /// What the configuration knows of it.
    pub known: Option<Context>,
    /// The database that is being opened.
    pub opening: Option<Connecting>,
    /// What happened to the database, until it is open again.
    pub lost: Option<LostDatabase>,
    /// Whether nothing can be written.
    pub read_only: bool,
    /// Why, where that is not what the user asked for.
    pub unwritable: Option<String>,
    /// Whether the first write adopts another program's file.
    pub adopts: bool,
    /// How many entries there are.
    pub count: Option<u64>,
    pub counting: Throttle,
}

/// What the user has configured, and has switched since.
#[cfg_attr(test, derive(Clone))]
pub struct Settings {
    pub theme: Theme,
    pub themes: Themes,
    /// Whether it looks as it suits the terminal.
    pub suiting: Suiting,
    /// Whether the mouse is used, or left to the terminal.
    pub mouse: bool,
    /// In which zone moments are shown.
    pub zone: Zone,
    /// Which key calls which command.
    pub keymap: Keymap,
    /// The keys whose values are masked.
    pub secrets: Secrets,
    /// Whether they are shown all the same.
    pub shows_secrets: bool,
    pub saved_filters: Vec<SavedFilter>,
    /// The databases that can be switched to.
    pub contexts: Vec<Context>,
    /// The folder of the configuration.
    pub config_folder: Option<PathBuf>,
}

/// The details of the row under the cursor.
#[cfg_attr(test, derive(Clone))]
pub struct DetailsPane {
    /// The row under the cursor with more of its value.
    pub row: Option<Detail>,
    /// Which piece of its value is awaited, by the byte it begins with.
    pub pending_chunk: Option<u64>,
    /// The last changes of what is under the cursor.
    pub changes: Option<RecentChanges>,
    /// How values are shown; `None` as it suits each of them.
    pub format: Option<Format>,
    /// The first line shown of the details.
    pub scroll: usize,
    /// When the details of a run that goes on, or that were covered, are read again.
    pub refresh: Throttle,
}

/// What is kept of runs beyond the one that is open.
#[derive(Default)]
#[cfg_attr(test, derive(Clone))]
pub struct RunsState {
    /// The run that was open before, and when it began: another one of that number is not shown.
    pub previous: Option<(i64, Millis)>,
    /// The run that others are compared with.
    pub marked: Option<i64>,
    /// The run that is being opened, and the one that it is to be compared with.
    pub pending: Option<(DebugSessionId, Option<i64>)>,
    /// The number of the workflow that is being started: its run is opened.
    pub starting: Option<RequestId>,
    /// Where runs stop.
    pub breakpoints: Vec<Breakpoint>,
    /// What was tried with runs, as it was typed, oldest first.
    pub tried: Vec<WhatIfForm>,
}

/// What workers were asked for and have not answered.
#[derive(Default)]
#[cfg_attr(test, derive(Clone))]
pub struct Requests {
    pub last: RequestId,
    /// The change of many entries, or the export, that is under way: its number, and how far it is.
    pub progress: Option<(RequestId, String)>,
    /// Writes that are under way, and since when.
    pub writing: Vec<Millis>,
}

/// What was changed here and can be undone.
#[derive(Default)]
#[cfg_attr(test, derive(Clone))]
pub struct UndoState {
    pub stack: UndoStack,
    /// What was changed in the databases that were left.
    pub others: HashMap<Location, UndoStack>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct StatusMessage {
    pub text: String,
    pub tone: MessageLevel,
    /// When it goes by itself; `None` if it stays until a key is pressed.
    pub until: Option<Millis>,
}

impl App {
    /// Whether the value of this key is masked.
    pub fn hides(&self, key: &Key) -> bool {
        !self.settings.shows_secrets && self.settings.secrets.hides(key)
    }

    /// Whether the values of a change are masked.
    pub fn hides_change(&self, change: &Change) -> bool {
        !self.settings.shows_secrets && self.settings.secrets.hides_change(change)
    }

    /// A value of this key in no more than `width` columns, escaped; masked if it is secret.
    pub fn value_of(&self, key: &Key, stored: &[u8], width: usize) -> String {
        match self.hides(key) {
            true => MASK.into(),
            false => format::cut(&escape_data(stored), width),
        }
    }

    /// The beginning of the value of an entry, as it is shown in no more than `width` columns.
    pub fn value_in(&self, entry: &Entry, width: usize) -> String {
        if self.hides(&entry.key) { MASK.into() } else { format::value(entry, width) }
    }

    pub fn shown_change<'a>(&self, change: &'a Change) -> Cow<'a, Change> {
        if self.hides_change(change) { Cow::Owned(masked_change(change)) } else { Cow::Borrowed(change) }
    }

    pub fn shown_row<'a>(&self, row: &'a Row) -> Cow<'a, Row> {
        match row {
            Row::Entry(entry) if self.hides(&entry.key) => Cow::Owned(Row::Entry(masked_entry(entry))),
            Row::Change(change) if self.hides_change(change) => {
                Cow::Owned(Row::Change(masked_change(change)))
            }
            Row::Group(group) if group.series.is_some() && self.hides(&group.prefix) => {
                Cow::Owned(Row::Group(Group { series: None, ..group.clone() }))
            }
            _ => Cow::Borrowed(row),
        }
    }

    /// The interface on a database, before anything was read.
    pub fn new(location: Location, read_only: bool, theme: Theme, size: (u16, u16)) -> App {
        App {
            database: DatabaseState {
                location,
                known: None,
                opening: None,
                lost: None,
                read_only,
                unwritable: None,
                adopts: false,
                count: None,
                counting: COUNT_THROTTLE,
            },
            settings: Settings {
                theme,
                themes: Themes::shipped(),
                suiting: Suiting::default(),
                mouse: true,
                zone: Zone::Local,
                keymap: Keymap::shipped(),
                secrets: Secrets::usual(),
                shows_secrets: false,
                saved_filters: Vec::new(),
                contexts: Vec::new(),
                config_folder: None,
            },
            list: ListState::new(View::Keys),
            overview: None,
            details: DetailsPane {
                row: None,
                pending_chunk: None,
                changes: None,
                format: None,
                scroll: 0,
                refresh: DETAIL_THROTTLE,
            },
            runs: RunsState::default(),
            requests: Requests::default(),
            undo: UndoState::default(),
            size,
            needs_drawing: true,
            passed: Millis(i64::MIN),
            messages: Messages::default(),
            status: None,
            screen: Screen::default(),
            focus: Focus::default(),
            pending_dialogs: VecDeque::new(),
            is_leaving: false,
            last_key: None,
            closed: None,
        }
    }

    /// What decides which commands apply.
    pub fn context(&self) -> CommandContext {
        let (screen, read_only) = (self.screen_kind(), self.database.read_only);
        let context = CommandContext { read_only, screen, ..CommandContext::default() };
        match &self.screen {
            Screen::Value { .. } => {
                let then = self.then().map(|then| then.detail.kind());
                let row = then.or_else(|| self.list.window.selected().map(Row::kind));
                CommandContext { row, ..context }
            }
            Screen::Run { run, .. } => CommandContext { row: Some(run.kind()), ..context },
            Screen::List | Screen::Past(_) => {
                let list = self.shown_list();
                let is_tree = list.order() == RowOrder::Tree;
                CommandContext {
                    is_tree,
                    is_overview: list.view == View::Overview,
                    has_entries: list.view.has_entries(),
                    can_sort: list.view.can_sort() && !is_tree,
                    row: list.window.selected().map(Row::kind),
                    marked: !list.marks.is_empty(),
                    marked_locks: !list.marks.locks().is_empty(),
                    ..context
                }
            }
        }
    }

    /// Which commands may be started on the open database.
    pub fn command_bounds(&self) -> CommandBounds {
        let wanted = self.database.location.identity();
        let contexts = self.settings.contexts.iter();
        let bounds = contexts
            .filter(|context| context.location.identity() == wanted)
            .fold(CommandBounds::default(), CommandBounds::and_of);
        match self.database.read_only && self.database.unwritable.is_none() {
            true => bounds.and_none("the database is opened read-only"),
            false => bounds,
        }
    }

    /// Why nothing can be written.
    pub fn why_read_only(&self) -> &str {
        self.database.unwritable.as_deref().unwrap_or("this database is opened for looking only")
    }

    /// A number for a request that no other has.
    pub fn next_request(&mut self) -> RequestId {
        self.requests.last.next()
    }

    pub fn screen_kind(&self) -> ScreenKind {
        match &self.screen {
            Screen::List => ScreenKind::List,
            Screen::Past(_) => ScreenKind::Past,
            Screen::Run { .. } => ScreenKind::Run,
            Screen::Value { .. } => ScreenKind::Value { is_tree: self.shown_tree().is_some() },
        }
    }

    /// Whether the list is on the screen. What covers all of it is a value, a run or the past.
    pub fn shows_list(&self) -> bool {
        matches!(self.screen, Screen::List)
    }

    /// Whether the details of the row under the cursor may be on the screen, as they are now.
    pub fn shows_detail(&self) -> bool {
        match &self.screen {
            Screen::List => true,
            Screen::Value { viewer, .. } => viewer.then.is_none(),
            Screen::Past(_) | Screen::Run { .. } => false,
        }
    }

    /// Whether something on the screen depends on what is committed. A run that has ended, and a value as it
    /// was, stay as they are.
    pub fn follows_commits(&self) -> bool {
        match &self.screen {
            Screen::List | Screen::Past(_) => true,
            Screen::Value { viewer, .. } => viewer.then.is_none(),
            Screen::Run { run, .. } => run.run.run.ended.is_none(),
        }
    }

    /// The list on the screen, or below what covers it: the past has one of its own.
    pub fn shown_list(&self) -> &ListState {
        self.screen.past().map_or(&self.list, |past_view| &past_view.list)
    }

    /// The same, to be changed.
    pub fn shown_list_mut(&mut self) -> &mut ListState {
        self.screen.past_mut().map_or(&mut self.list, |past_view| &mut past_view.list)
    }

    /// Where everything is on the screen.
    pub fn areas(&self) -> Areas {
        let areas = Areas::of(self.size, self.production().is_some());
        if self.shown_list().view == View::Overview { areas.tall() } else { areas }
    }

    /// Takes in what the terminal's background is, and looks as it suits that where this is wanted.
    pub fn suit(&mut self, background: Option<Rgb>) {
        self.settings.suiting.background = background.or(self.settings.suiting.background);
        if self.settings.suiting.is_wanted
            && let Some(theme) = self.settings.themes.named(self.settings.suiting.name())
        {
            self.settings.theme = theme;
        }
    }

    /// Whether something is open that takes every key until it is left: a dialog, or a line that is
    /// typed into.
    pub fn takes_all_keys(&self) -> bool {
        let is_finding = self.screen.value().is_some_and(|viewer| viewer.is_finding);
        let in_run = self.screen.run().is_some_and(|debugger| debugger.takes_all_keys());
        !matches!(self.focus, Focus::Screen) || is_finding || in_run
    }

    /// The name of the database, if a mistake there is felt by others.
    pub fn production(&self) -> Option<&str> {
        self.database.known.as_ref().filter(|known| known.production).map(|known| known.name.as_str())
    }

    /// Whether the interface is in a context: it is its name and its flags, not its file.
    pub fn is_in(&self, context: &Context) -> bool {
        match &self.database.known {
            Some(known) => known == context,
            None => !self.is_named(context) && self.database.location == context.location,
        }
    }

    /// Whether the configuration gives a database its name, or it only stands in for the one that
    /// was opened without a name.
    pub fn is_named(&self, context: &Context) -> bool {
        context.name != context.location.name()
    }

    /// Says something that goes away by itself.
    pub fn show_done(&mut self, text: impl Into<String>, now: Millis) {
        self.show_message(text.into(), MessageLevel::Done, Some(now.plus(MESSAGE_DURATION)));
    }

    /// Says that a key does nothing here, and why.
    pub fn show_hint(&mut self, text: impl Into<String>, now: Millis) {
        self.show_message(text.into(), MessageLevel::Notice, Some(now.plus(MESSAGE_DURATION)));
    }

    /// Says something that is to be known, and stays until a key is pressed.
    pub fn show_notice(&mut self, text: impl Into<String>) {
        self.show_message(text.into(), MessageLevel::Notice, None);
    }

    /// Says something that stays until a key is pressed.
    pub fn show_error(&mut self, text: impl Into<String>) {
        self.show_message(text.into(), MessageLevel::Error, None);
    }

    /// Keeps something among the messages without saying it.
    pub fn log_message(&mut self, text: &str) {
        self.messages.keep(MessageLevel::Notice, text);
    }

    fn show_message(&mut self, text: String, tone: MessageLevel, until: Option<Millis>) {
        self.messages.keep(tone, &text);
        self.status = Some(StatusMessage { text, tone, until });
    }

    /// For how long the database has not answered, if that is longer than usual: another program has
    /// locked it, or it is slow. What is shown is as old as that.
    pub fn unresponsive_for(&self, now: Millis) -> Option<Duration> {
        let unresponsive_for = now.since(self.list.reading.waiting_since?);
        (unresponsive_for >= STALL_NOTICE).then_some(unresponsive_for)
    }

    /// Opens a dialog, at once or as soon as nothing else takes the keys.
    pub fn open(&mut self, dialog: Dialog) {
        self.pending_dialogs.push_back(dialog);
        self.open_next();
    }

    /// Opens a dialog that had to wait, if nothing else takes the keys.
    pub fn open_next(&mut self) {
        let is_finding = self.screen.value().is_some_and(|viewer| viewer.is_finding);
        let is_typed_in_run = self.screen.run().is_some_and(|debugger| debugger.is_typed_into());
        if matches!(self.focus, Focus::Screen) && !is_finding && !is_typed_in_run {
            self.focus = Focus::from(self.pending_dialogs.pop_front());
        }
    }

    /// Asks for the rows of the list from its beginning, or from `from`.
    pub fn load(&mut self, from: LoadFrom, now: Millis) -> Effect {
        self.list.reading.generation = self.next_request();
        self.list.reading.scanned = 0;
        self.list.reading.is_stale = false;
        self.list.reading.replacement_rows = None;
        self.list.reading.is_unfolding = false;
        self.list.reading.cursor_to = None;
        self.list.reading.refreshing.abandon();
        self.ask(from, PAGE, now)
    }

    /// Asks for the rows that are there again.
    pub fn reload(&mut self, now: Millis) -> Effect {
        let from = match self.list.window.rows().first() {
            Some(first) if !self.list.window.at_start => LoadFrom::At(first.position(self.list.order())),
            _ => LoadFrom::Start,
        };
        let limit = self.list.window.rows().len().max(PAGE);
        self.list.reading.generation = self.next_request();
        self.list.reading.is_stale = false;
        self.list.reading.cursor_to = None;
        self.list.reading.refreshing.abandon();
        self.list.reading.is_unfolding = false;
        self.list.reading.replacement_rows = (!self.list.window.rows().is_empty()).then(Vec::new);
        self.ask(from, limit, now)
    }

    /// Asks for what may have changed: of a list of runs for those that are new or had not ended, of any
    /// other for the rows that are there again.
    pub fn refresh(&mut self, now: Millis) -> Effect {
        // What passes a filter that is about time may not pass it any more.
        let is_known =
            self.list.view == View::Runs && !self.list.reading.is_stale && !self.list.reading.failed;
        let filter = self.list.filter_line.filter();
        if !is_known || filter.is_about_time() {
            return self.reload(now);
        }
        let runs = || {
            self.list.window.rows().iter().filter_map(|row| match row {
                Row::Run(row) => Some(row),
                _ => None,
            })
        };
        let newest = runs().map(|row| row.run.number).max().max(self.list.reading.newest_run);
        let refresh = Refresh {
            generation: self.list.reading.generation,
            filter: filter.clone(),
            newest: self.list.window.at_start.then(|| newest.unwrap_or_default()),
            // What was killed does not end any more.
            open: runs()
                .filter(|row| row.run.ended.is_none() && row.status != "killed")
                .map(|row| row.run.number)
                .collect(),
        };
        self.list.reading.refreshing.begin(now);
        self.list.reading.again = None;
        Effect::Refresh(refresh)
    }

    fn ask(&mut self, from: LoadFrom, limit: usize, now: Millis) -> Effect {
        // The overview fits on the screen.
        let limit = match self.list.view {
            View::Overview => usize::from(self.areas().list.height).saturating_sub(Section::ALL.len()),
            _ => limit,
        };
        self.list.reading.since = now;
        self.list.reading.newest_run = None;
        self.list.reading.told = self.list.told;
        self.list.reading.is_comparing = false;
        self.list.reading.again = None;
        Effect::Load(self.list.request(from, limit))
    }

    /// More rows where the cursor comes near to an end, unless something is being read.
    pub fn extend(&mut self, now: Millis) -> Option<Effect> {
        if self.list.reading.from.is_some() || self.list.reading.failed {
            return None;
        }
        let from = self.list.wants(self.list.order())?;
        Some(self.ask(from, PAGE, now))
    }
}
