//! The modes that the terminal is in while the interface has it, and the way back.
//!
//! The way back uses nothing but system calls that may be made in a signal handler, so that there is
//! one for every way in which the interface can end.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, Ordering};
use std::{io, ptr};

use nix::libc;
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

/// Whether the interface has the terminal.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// The modes of the terminal before it was taken: null, or never freed.
static BEFORE: AtomicPtr<libc::termios> = AtomicPtr::new(ptr::null_mut());
/// The thread that is writing to the terminal; 0 if none is.
static WRITER: AtomicI32 = AtomicI32::new(0);

/// The other screen, and marks around pasted text.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?2004h";
/// Clicks and the wheel, with columns beyond the 223rd where the terminal can.
const MOUSE_ON: &[u8] = b"\x1b[?1000h\x1b[?1015h\x1b[?1006h";
const MOUSE_OFF: &[u8] = b"\x1b[?1006l\x1b[?1015l\x1b[?1003l\x1b[?1002l\x1b[?1000l";
/// All of it back: no picture is under way, no style is left, the mouse is the terminal's own.
const LEAVE: &[u8] =
    b"\x1b[?2026l\x1b[m\x1b[?2004l\x1b[?1006l\x1b[?1015l\x1b[?1003l\x1b[?1002l\x1b[?1000l\x1b[?1049l\x1b[?25h";
/// Ends a sequence that was interrupted in its middle.
const CANCEL: &[u8] = b"\x18";

/// How often, and how long each time, another thread is waited for that is writing to the terminal.
const POLLS_MAX: u32 = 300;
const POLL_INTERVAL: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000 };

/// Takes the terminal: raw, the other screen, the mouse if it is wanted.
///
/// # Errors
/// If there is no terminal; it is left as it was.
pub fn enter(mouse: bool) -> io::Result<()> {
    let before = tcgetattr(io::stdin())?;
    remember(&before);
    make_raw(before)?;
    TAKEN.store(true, Ordering::SeqCst);
    let entered = write_modes(mouse);
    if entered.is_err() {
        leave(false);
    }
    entered
}

/// Takes the terminal again that somebody may have changed while the program was stopped.
///
/// # Errors
/// If the terminal is gone.
pub fn enter_again(mouse: bool) -> io::Result<()> {
    if let Some(before) = before() {
        make_raw(before.into())?;
    }
    TAKEN.store(true, Ordering::SeqCst);
    write_modes(mouse)
}

/// Whether the interface has the terminal.
pub fn is_taken() -> bool {
    TAKEN.load(Ordering::SeqCst)
}

/// Has the terminal send what the mouse does, or leaves the mouse to it.
///
/// # Errors
/// If the terminal is gone.
pub fn set_mouse(is_on: bool) -> io::Result<()> {
    write_all(if is_on { MOUSE_ON } else { MOUSE_OFF })
}

fn make_raw(mut modes: Termios) -> io::Result<()> {
    cfmakeraw(&mut modes);
    Ok(tcsetattr(io::stdin(), SetArg::TCSANOW, &modes)?)
}

fn write_modes(mouse: bool) -> io::Result<()> {
    write_all(ENTER)?;
    if mouse { write_all(MOUSE_ON) } else { Ok(()) }
}

/// Keeps the modes where a signal handler finds them.
fn remember(modes: &Termios) {
    let modes: libc::termios = modes.clone().into();
    match before() {
        Some(known) if known == modes => {}
        // What was there is never freed: a handler may be reading it. It changes as often as a user
        // changes the modes of the terminal while the program is suspended.
        _ => BEFORE.store(Box::into_raw(Box::new(modes)), Ordering::SeqCst),
    }
}

fn before() -> Option<libc::termios> {
    let before = BEFORE.load(Ordering::SeqCst);
    // SAFETY: it is null, or points to modes that are never freed or changed.
    unsafe { before.as_ref() }.copied()
}

/// Gives the terminal back, once, as it was before it was taken. A failure means that it is gone.
/// `is_interrupted`: somebody may have been writing to it, and does not go on. May be called in a
/// signal handler.
pub fn leave(is_interrupted: bool) {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    await_writer();
    without_stopping(|| {
        if is_interrupted {
            let _ = write_all(CANCEL);
        }
        let _ = write_all(LEAVE);
        if let Some(before) = before()
            && has_foreground()
        {
            // SAFETY: the modes are those that tcgetattr gave.
            unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, &before) };
        }
    });
}

/// Whether the terminal listens to this process; in the background another program, such as the
/// shell, has set the modes that it needs.
pub fn has_foreground() -> bool {
    // SAFETY: both take no pointers.
    let (of_terminal, own) = unsafe { (libc::tcgetpgrp(libc::STDIN_FILENO), libc::getpgrp()) };
    of_terminal == own || of_terminal < 0
}

/// Does something to the terminal that would stop a process in the background.
fn without_stopping(work: impl FnOnce()) {
    // SAFETY: the sets are initialised by sigemptyset and pthread_sigmask before they are read.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        let mut old = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGTTOU);
        libc::pthread_sigmask(libc::SIG_BLOCK, &set, &mut old);
        work();
        libc::pthread_sigmask(libc::SIG_SETMASK, &old, ptr::null_mut());
    }
}

pub fn thread() -> i32 {
    // SAFETY: it takes nothing and cannot fail.
    unsafe { libc::gettid() }
}

/// Waits until no other thread is writing to the terminal, unless it is stuck.
fn await_writer() {
    for _ in 0..POLLS_MAX {
        let writer = WRITER.load(Ordering::SeqCst);
        if writer == 0 || writer == thread() {
            return;
        }
        // SAFETY: the time is initialised, and what is left of it is not asked for.
        unsafe { libc::nanosleep(&POLL_INTERVAL, ptr::null_mut()) };
    }
}

/// Writes all bytes to standard output. May be called in a signal handler.
///
/// # Errors
/// What write(2) fails with.
pub fn write_all(mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        // SAFETY: the pointer and the length are those of a slice.
        let written = unsafe { libc::write(libc::STDOUT_FILENO, bytes.as_ptr().cast(), bytes.len()) };
        match usize::try_from(written) {
            Ok(written) => bytes = &bytes[written.min(bytes.len())..],
            Err(_) => match io::Error::last_os_error().kind() {
                io::ErrorKind::Interrupted => {}
                // Another program that has the same terminal does not want to wait for it.
                io::ErrorKind::WouldBlock => await_room(),
                _ => return Err(io::Error::last_os_error()),
            },
        }
    }
    Ok(())
}

fn await_room() {
    let mut output = libc::pollfd { fd: libc::STDOUT_FILENO, events: libc::POLLOUT, revents: 0 };
    // SAFETY: one descriptor, as the count says.
    unsafe { libc::poll(&mut output, 1, 100) };
}

/// Standard output, for one who draws: what is written is kept until it is flushed, and dropped if the
/// interface does not have the terminal any more.
#[derive(Default)]
pub struct TerminalOutput {
    bytes: Vec<u8>,
}

impl io::Write for TerminalOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        WRITER.store(thread(), Ordering::SeqCst);
        // Asked after the thread is known as the writer: whoever gives the terminal back waits for it,
        // or is seen here.
        let written = if is_taken() { write_all(&self.bytes) } else { Ok(()) };
        WRITER.store(0, Ordering::SeqCst);
        self.bytes.clear();
        written
    }
}
