//! A program in a pseudo-terminal: keys in, screen out.

use std::io::{Read, Write};
use std::num::NonZero;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// How long a condition is waited for before a test fails: long enough for any machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// The screen as it is, and a signal for whoever waits for it to change.
struct Screen {
    parser: Mutex<Shown>,
    changed: Condvar,
}

struct Shown {
    parser: vt100::Parser,
    ended: bool,
    /// Every byte that was drawn.
    output: Vec<u8>,
    /// Whether a picture is drawn of which the end has not come yet.
    is_drawing: bool,
}

/// What a terminal replies to what it is asked.
#[derive(Clone, Copy, Debug)]
pub struct Replies {
    /// Its background (OSC 11), such as `rgb:ffff/ffff/ffff`.
    pub background: Option<&'static str>,
    /// What it is (DA1).
    pub attributes: bool,
}

/// What nearly every terminal replies to.
impl Default for Replies {
    fn default() -> Replies {
        Replies { background: None, attributes: true }
    }
}

const BACKGROUND: &[u8] = b"\x1b]11;?";
const ATTRIBUTES: &[u8] = b"\x1b[c";

/// What a program that draws each picture as a whole writes before it and after it.
const FRAME: [&[u8]; 2] = [b"\x1b[?2026h", b"\x1b[?2026l"];

impl Shown {
    fn take(&mut self, bytes: &[u8]) {
        // The sequences may have come in two parts.
        let from = self.output.len().saturating_sub(FRAME[0].len() - 1);
        self.parser.process(bytes);
        self.output.extend(bytes);
        let new = &self.output[from..];
        let [begin, end] = FRAME.map(|mark| new.windows(mark.len()).rposition(|window| window == mark));
        if begin != end {
            self.is_drawing = begin > end;
        }
    }

    /// Whether the screen is one that somebody in front of it would see: no half of a picture.
    fn is_whole(&self) -> bool {
        !self.is_drawing || self.ended
    }
}

/// A program that runs in a pseudo-terminal of its own.
pub struct Terminal {
    master: Box<dyn MasterPty + Send>,
    writer: Arc<Mutex<Box<dyn Write + Send>>>,
    child: Box<dyn Child + Send + Sync>,
    screen: Arc<Screen>,
    /// When the program was started.
    #[allow(dead_code)]
    pub started: Instant,
}

#[allow(dead_code)]
impl Terminal {
    /// Starts `command` in a terminal of `columns` by `rows`.
    pub fn start(command: CommandBuilder, columns: u16, rows: u16) -> Terminal {
        Terminal::start_replying(command, columns, rows, Replies::default())
    }

    /// The same in a terminal that replies something else.
    pub fn start_replying(
        mut command: CommandBuilder,
        columns: u16,
        rows: u16,
        replies: Replies,
    ) -> Terminal {
        let pair = native_pty_system().openpty(size(columns, rows)).expect("a pseudo-terminal");
        command.env("TERM", "xterm-256color");
        command.env("COLORTERM", "truecolor");
        let mut reader = pair.master.try_clone_reader().expect("reader");
        let writer = Arc::new(Mutex::new(pair.master.take_writer().expect("writer")));
        let screen = Arc::new(Screen {
            parser: Mutex::new(Shown {
                parser: vt100::Parser::new(cells(rows), cells(columns), 0),
                ended: false,
                output: Vec::new(),
                is_drawing: false,
            }),
            changed: Condvar::new(),
        });
        let started = Instant::now();
        let child = pair.slave.spawn_command(command).expect("the program");
        drop(pair.slave);
        let (shared, keys) = (screen.clone(), writer.clone());
        std::thread::spawn(move || {
            let mut bytes = [0; 65536];
            let mut seen: Vec<u8> = Vec::new();
            loop {
                let read = reader.read(&mut bytes);
                if let Ok(count) = read {
                    seen.extend(&bytes[..count]);
                    let reply = reply_to(&mut seen, replies);
                    // A program that has ended does not hear it.
                    let _ = keys.lock().expect("writer").write_all(&reply);
                }
                let mut shown = shared.parser.lock().expect("screen");
                match read {
                    Ok(0) | Err(_) => shown.ended = true,
                    Ok(read) => shown.take(&bytes[..read]),
                }
                shared.changed.notify_all();
                if shown.ended {
                    return;
                }
            }
        });
        Terminal { master: pair.master, writer, child, screen, started }
    }

    /// The program's process id.
    pub fn pid(&self) -> u32 {
        self.child.process_id().expect("a process id")
    }

    /// Types bytes.
    pub fn keys(&mut self, keys: impl AsRef<[u8]>) {
        let mut writer = self.writer.lock().expect("writer");
        writer.write_all(keys.as_ref()).expect("keys");
        writer.flush().expect("keys");
    }

    /// The text that is on the screen.
    pub fn contents(&self) -> String {
        self.look(vt100::Screen::contents)
    }

    /// Looks at the screen.
    pub fn look<T>(&self, look: impl FnOnce(&vt100::Screen) -> T) -> T {
        let shown = self.screen.parser.lock().expect("screen");
        let drawing = |shown: &mut Shown| !shown.is_whole();
        // A program that was stopped within a picture is looked at as it is.
        let (shown, _) = self.screen.changed.wait_timeout_while(shown, PATIENCE, drawing).expect("screen");
        look(shown.parser.screen())
    }

    /// Every byte that the program has drawn so far.
    pub fn output(&self) -> Vec<u8> {
        self.screen.parser.lock().expect("screen").output.clone()
    }

    /// How many frames the program has drawn so far.
    pub fn frames(&self) -> usize {
        let shown = self.screen.parser.lock().expect("screen");
        shown.output.windows(FRAME[1].len()).filter(|window| *window == FRAME[1]).count()
    }

    /// User and system time that the program and its threads have used, in seconds (proc(5)).
    pub fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("stat");
        let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
        let ticks = |place: usize| fields[place].parse::<f64>().expect("ticks");
        let per_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten();
        (ticks(11) + ticks(12)) / per_second.unwrap_or(100) as f64
    }

    /// The modes that the terminal is in, in words.
    pub fn modes(&self) -> String {
        format!("{:?}", self.master.get_termios().expect("the terminal's modes"))
    }

    /// The row of the list that has the cursor.
    pub fn cursor_row(&self) -> String {
        self.look(cursor_row)
    }

    /// Waits until the row that has the cursor has `text` in it.
    pub fn wait_for_row(&self, text: &str) {
        self.wait_until(&format!("the cursor on {text}"), |screen| cursor_row(screen).contains(text));
    }

    /// Waits until the screen is as `holds` says.
    pub fn wait_until(&self, what: &str, holds: impl Fn(&vt100::Screen) -> bool) {
        assert!(self.becomes(PATIENCE, holds), "waited for {what}:\n{}", self.contents());
    }

    /// Whether the screen is as `holds` says before `patience` and the program have come to their end.
    pub fn becomes(&self, patience: Duration, holds: impl Fn(&vt100::Screen) -> bool) -> bool {
        let deadline = Instant::now() + patience;
        let mut shown = self.screen.parser.lock().expect("screen");
        while !(shown.is_whole() && holds(shown.parser.screen())) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || shown.ended {
                return false;
            }
            shown = self.screen.changed.wait_timeout(shown, left).expect("screen").0;
        }
        true
    }

    /// Waits until `text` is on the screen.
    pub fn wait_for(&self, text: &str) {
        self.wait_until(text, |screen| screen.contents().contains(text));
    }

    /// Waits until `text` is no longer on the screen.
    pub fn wait_without(&self, text: &str) {
        self.wait_until(&format!("no {text}"), |screen| !screen.contents().contains(text));
    }

    /// Gives the terminal another size.
    pub fn resize(&self, columns: u16, rows: u16) {
        self.screen.parser.lock().expect("screen").parser.screen_mut().set_size(cells(rows), cells(columns));
        self.master.resize(size(columns, rows)).expect("resize");
    }

    /// Waits for the end of the program; its exit code.
    pub fn wait_for_end(&mut self) -> u32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("wait") {
                // What it wrote at last is a part of what it has drawn.
                let shown = self.screen.parser.lock().expect("screen");
                drop(self.screen.changed.wait_timeout_while(shown, PATIENCE, |shown| !shown.ended));
                return status.exit_code();
            }
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.contents());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Nothing is left behind by a test that failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The row of the list that has the cursor; empty if there is none.
#[allow(dead_code)]
pub fn cursor_row(screen: &vt100::Screen) -> String {
    screen.rows(0, u16::MAX).find(|row| row.starts_with('›')).unwrap_or_default()
}

/// The replies to the questions in what a program wrote; what is left may be the beginning of one.
fn reply_to(seen: &mut Vec<u8>, replies: Replies) -> Vec<u8> {
    let mut reply = Vec::new();
    let mut from = 0;
    for place in 0..seen.len() {
        if seen[place..].starts_with(BACKGROUND) {
            from = place + BACKGROUND.len();
            reply.extend(
                replies
                    .background
                    .map(|colour| format!("\x1b]11;{colour}\x1b\\"))
                    .unwrap_or_default()
                    .bytes(),
            );
        } else if seen[place..].starts_with(ATTRIBUTES) {
            from = place + ATTRIBUTES.len();
            reply.extend(if replies.attributes { &b"\x1b[?62;22c"[..] } else { b"" });
        }
    }
    let kept = seen.len().saturating_sub(BACKGROUND.len() - 1).max(from);
    seen.drain(..kept);
    reply
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize { cols: columns, rows, pixel_width: 0, pixel_height: 0 }
}

fn cells(count: u16) -> NonZero<u16> {
    NonZero::new(count).expect("a terminal has rows and columns")
}
