//! Random keys on a real database, with the real threads: nothing panics or piles up, and everything
//! that was changed can be taken back.
//!
//! `SLOTHSTATE_FUZZ_KEYS=100000 cargo test --lib random_keys` for another number of keys, and
//! `SLOTHSTATE_FUZZ_SEED` for other keys.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::store::{Image, Key, KeyRange, Options, Scan, SqliteStore, State};
use crate::time::ManualClock;
use crate::tui::bulk::{BulkOperation, BulkRequest};
use crate::tui::update::tests::*;
use crate::tui::worker::Workers;
use crate::tui::{draw, update};

/// How many keys are pressed where nobody says otherwise.
const KEYS: usize = 3_000;
/// How long an answer of a thread may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// What is compared at the end: all that a user can see of the entries.
fn state(store: &SqliteStore) -> Vec<(Key, Image)> {
    let entries = store.scan(&Scan::new(KeyRange::all(), 10_000)).unwrap();
    entries.into_iter().map(|entry| (entry.key.clone(), entry.image())).collect()
}

fn fill(store: &SqliteStore) {
    let long = "long ".repeat(40_000);
    for (name, value) in [
        ("config:a", Value::parse(b"{\"replicas\":3,\"zones\":[\"a\"]}", Type::Table).unwrap()),
        ("count", Value::integer(41)),
        ("count_2026112312", Value::integer(7)),
        ("db_lock", Value::text("ann@web1:42")),
        ("feature:dark", Value::text("true")),
        ("feature:new", Value::Boolean(false)),
        ("hostile\x1b[2J", Value::text("\x1b]0;x\x07")),
        ("long", Value::text(&long)),
        ("started_at", Value::integer(1_795_436_000)),
        ("世界", Value::text("🦥")),
    ] {
        let put = Transaction::put(key(name), value, Expiry::Clear);
        store.commit(&put).unwrap();
    }
    store
        .commit(&Transaction::put(key("session"), Value::text("x"), Expiry::After(Duration::from_secs(99))))
        .unwrap();
}

/// The interface with its threads.
struct Live {
    app: App,
    workers: Workers,
    inbox: Receiver<Message>,
    random: fastrand::Rng,
    drawn: Terminal<TestBackend>,
    /// Where entries are written to.
    exports: PathBuf,
}

impl Live {
    fn input(&mut self, event: Event) {
        let effects = update(&mut self.app, Message::Input(event), NOW);
        self.carry_out(effects);
        self.take_in(false);
    }

    fn press(&mut self, code: KeyCode) {
        self.input(Event::Key(code.into()));
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for mut effect in effects {
            // Files stay out of the folder of the project.
            if let Effect::Bulk(_, BulkRequest::Export(bulk)) = &mut effect {
                bulk.deed = BulkOperation::Export(self.exports.clone());
            }
            // Whoever wants to leave, or to open another database, stays here.
            if let Some(Effect::EditOutside(entry, _)) = self.workers.carry_out(effect) {
                let texts = ["", "17", "true", "{\"a\":1}", "{", "text\nof two lines"];
                let answer = edited(entry, texts[self.random.usize(0..texts.len())]);
                let effects = update(&mut self.app, Message::Reply(answer), NOW);
                self.carry_out(effects);
            }
        }
    }

    /// Takes in what the threads say; with `all`, until nothing is under way any more. A write is
    /// always waited for.
    fn take_in(&mut self, all: bool) {
        loop {
            let waits = !self.app.requests.writing.is_empty() || all && self.app.list.reading.from.is_some();
            let message = if waits {
                Some(self.inbox.recv_timeout(PATIENCE).expect("an answer"))
            } else {
                self.inbox.try_recv().ok()
            };
            let Some(message) = message else { break };
            assert!(!matches!(message, Message::Fault), "a thread panicked");
            let effects = update(&mut self.app, message, NOW);
            self.carry_out(effects);
        }
        let effects = pass(&mut self.app, NOW);
        self.carry_out(effects);
    }

    fn random_input(&mut self) -> Event {
        const LETTERS: &str = "jkgGvl/:?eEtTdx0+= yno!~<JKaHfwzsSuUYMC12345670{}h\"pmV*[]@";
        const CODES: [KeyCode; 15] = [
            KeyCode::Enter,
            KeyCode::Enter,
            KeyCode::Esc,
            KeyCode::Esc,
            KeyCode::Tab,
            KeyCode::BackTab,
            KeyCode::Backspace,
            KeyCode::Up,
            KeyCode::Down,
            KeyCode::Left,
            KeyCode::Right,
            KeyCode::PageUp,
            KeyCode::PageDown,
            KeyCode::Home,
            KeyCode::End,
        ];
        let random = &mut self.random;
        let modifiers = if random.u8(0..20) == 0 { KeyModifiers::CONTROL } else { KeyModifiers::NONE };
        let code = match random.u8(0..100) {
            0..60 => {
                let letters = match &self.app.focus.dialog() {
                    // What nobody says yes to changes nothing.
                    Some(Dialog::Confirm(_)) => "yyn",
                    // Elsewhere R starts a process.
                    None if self.app.screen.past().is_some() => "R*mdjk[]{}()@uUp",
                    _ => LETTERS,
                };
                let letters: Vec<char> = letters.chars().collect();
                KeyCode::Char(letters[random.usize(0..letters.len())])
            }
            60..90 => CODES[random.usize(0..CODES.len())],
            90..92 => return Event::Paste("17 \x1b[31m".into()),
            92..95 => {
                let kinds = [
                    MouseEventKind::Down(MouseButton::Left),
                    MouseEventKind::ScrollDown,
                    MouseEventKind::ScrollUp,
                ];
                let (column, row) = (random.u16(0..100), random.u16(0..30));
                let kind = kinds[random.usize(0..kinds.len())];
                return Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE });
            }
            95 => return Event::Resize(random.u16(0..150), random.u16(0..50)),
            _ => KeyCode::Char(random.char(..)),
        };
        Event::Key(KeyEvent::new(code, modifiers))
    }

    fn draw(&mut self) {
        let (columns, rows) = self.app.size;
        self.drawn.backend_mut().resize(columns, rows);
        let app = &self.app;
        self.drawn.draw(|frame| draw::draw(app, NOW, frame)).unwrap();
    }
}

#[test]
fn random_keys_leave_nothing_that_cannot_be_taken_back() {
    let keys = std::env::var("SLOTHSTATE_FUZZ_KEYS").ok().and_then(|keys| keys.parse().ok()).unwrap_or(KEYS);
    let seed = std::env::var("SLOTHSTATE_FUZZ_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or(1);
    println!("SLOTHSTATE_FUZZ_SEED={seed}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    // Time stands still: what expires is gone for good.
    let settings = Options { clock: Arc::new(ManualClock::at(NOW)), ..Options::default() };
    let store = SqliteStore::open_or_create(&path, settings.clone()).unwrap();
    fill(&store);
    let before = state(&store);
    let (messages, inbox) = channel();
    let workers = Workers::start(&crate::store::Location::File(path.clone()), &settings, &messages).unwrap();
    let drawn = Terminal::new(TestBackend::new(80, 24)).unwrap();
    let mut live = Live {
        app: empty(SIZE),
        workers,
        inbox,
        random: fastrand::Rng::with_seed(seed),
        drawn,
        exports: folder.path().join("exports"),
    };
    let effects = update::begin(&mut live.app, arrival(path.to_str().unwrap()), NOW);
    live.carry_out(effects);
    for number in 0..keys {
        let event = live.random_input();
        live.input(event);
        if number % 10 == 0 {
            live.take_in(true);
        }
        if number % 7 == 0 {
            live.draw();
        }
        assert!(
            live.app.list.flashes.len() < 1_000 && live.app.pending_dialogs.len() < 100,
            "something piles up"
        );
    }
    // Back to the list of keys, whatever is open; then everything is taken back.
    live.app.size = SIZE;
    for _ in 0..50 {
        live.press(KeyCode::Esc);
    }
    assert!(live.app.focus.dialog().is_none());
    live.press(KeyCode::Char('1'));
    live.take_in(true);
    let mut steps = 0;
    while !live.app.undo.stack.done.is_empty() {
        live.press(KeyCode::Char('u'));
        live.take_in(true);
        assert!(
            live.app.focus.dialog().is_none(),
            "nobody else changed anything: {:?}",
            live.app.focus.dialog()
        );
        let status = status(&live.app);
        assert!(status.starts_with("took back") || status.starts_with("did again"), "{status}");
        steps += 1;
    }
    assert!(steps > 0, "nothing was changed by {keys} keys");
    assert_eq!(state(&store), before);
}
