//! Signals that end the program: the terminal is given back first, and the program still ends by that
//! very signal, so that whoever waits for it sees what happened.
//!
//! Everything here runs in signal handlers: system calls and atomics, no memory, no locks.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::{io, ptr};

use nix::libc::{self, c_int, c_void, siginfo_t};

use crate::tui::terminal::modes;

/// The signals that end a program which does not care about them, other than those that ask it to
/// end in good order, that cannot be handled, or that real-time programs use.
const FATAL: [c_int; 18] = [
    libc::SIGQUIT,
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGABRT,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGUSR1,
    libc::SIGSEGV,
    libc::SIGUSR2,
    libc::SIGPIPE,
    libc::SIGALRM,
    libc::SIGSTKFLT,
    libc::SIGXCPU,
    libc::SIGVTALRM,
    libc::SIGPROF,
    libc::SIGIO,
    libc::SIGPWR,
    libc::SIGSYS,
];

/// How many seconds it may take to give the terminal back: one that takes no output must not keep the
/// program alive.
const PATIENCE: u32 = 2;

/// The signal that the program ends by, and the thread that ends it; 0 while it does not end.
static ENDS_BY: AtomicI32 = AtomicI32::new(0);
static ENDED_BY_THREAD: AtomicI32 = AtomicI32::new(0);
/// The handlers of the standard library, which tell a stack that overflowed.
static OF_SEGMENTS: AtomicUsize = AtomicUsize::new(libc::SIG_DFL);
static OF_BUSES: AtomicUsize = AtomicUsize::new(libc::SIG_DFL);

/// What is said where mapped memory is gone. Nothing is known but that; what is mapped is mostly the
/// shared memory of the database's log.
const BUS: &[u8] =
    b"slothstate: SIGBUS: a file that is mapped into memory became shorter, or cannot be read. \
    Most likely another program truncated or replaced the -shm file of the database while it was open. \
    Next: slothstate doctor\n";

/// Handles every signal that would end the program with the terminal in the wrong modes. Those that
/// the caller of the program ignores stay ignored.
///
/// # Errors
/// If the system does not let signals be handled.
pub fn handle() -> io::Result<()> {
    let real_time = libc::SIGRTMIN()..=libc::SIGRTMAX();
    FATAL.into_iter().chain(real_time).try_for_each(handle_one)
}

/// Has the program say why, where memory that a file was mapped to is gone.
///
/// # Errors
/// If the system does not let signals be handled.
pub fn explain_bus_errors() -> io::Result<()> {
    handle_one(libc::SIGBUS)
}

fn handle_one(signal: c_int) -> io::Result<()> {
    let mut old = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: no new action is given, and the old one is written before it is read.
    let old = unsafe {
        check(libc::sigaction(signal, ptr::null(), old.as_mut_ptr()))?;
        old.assume_init()
    };
    let own = on_signal as *const () as usize;
    // The standard library ignores SIGPIPE, whatever the caller of the program did.
    if old.sa_sigaction == own || old.sa_sigaction == libc::SIG_IGN && signal != libc::SIGPIPE {
        return Ok(());
    }
    match signal {
        libc::SIGSEGV => OF_SEGMENTS.store(old.sa_sigaction, Ordering::SeqCst),
        libc::SIGBUS => OF_BUSES.store(old.sa_sigaction, Ordering::SeqCst),
        _ => {}
    }
    set(signal, own, libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER | libc::SA_RESTART)
}

fn set(signal: c_int, handler: usize, flags: c_int) -> io::Result<()> {
    // SAFETY: the action is complete, and the handler does only what a handler may do.
    unsafe {
        let mut action = std::mem::zeroed::<libc::sigaction>();
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        libc::sigemptyset(&mut action.sa_mask);
        check(libc::sigaction(signal, &action, ptr::null_mut()))
    }
}

fn check(result: c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

extern "C" fn on_signal(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the system passes a valid description of the signal.
    let (code, sender) = unsafe { ((*info).si_code, (*info).si_pid()) };
    // SAFETY: it takes nothing and cannot fail.
    if signal == libc::SIGPIPE && sender == unsafe { libc::getpid() } {
        // Our own write to a pipe that nobody reads, which fails with an error.
        return;
    }
    // The system itself says that an instruction failed; otherwise somebody sent the signal.
    let fault = (code > 0).then_some((info, context));
    end(signal, fault);
}

/// Gives the terminal back, and ends the program by this signal.
pub fn end_by(signal: c_int) -> ! {
    end(signal, None)
}

fn end(signal: c_int, fault: Option<(*mut siginfo_t, *mut c_void)>) -> ! {
    let own = modes::thread();
    if let Err(first) = ENDS_BY.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst) {
        if signal == libc::SIGALRM {
            die(first);
        }
        // Such as that of the library's own end, when it has told that the stack is full.
        if ENDED_BY_THREAD.load(Ordering::SeqCst) == own {
            die(signal);
        }
        // Another thread is at it; if it takes too long, SIGALRM comes.
        loop {
            // SAFETY: it takes no pointers.
            unsafe { libc::pause() };
        }
    }
    ENDED_BY_THREAD.store(own, Ordering::SeqCst);
    let flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
    let _ = set(libc::SIGALRM, on_signal as *const () as usize, flags);
    unblock(libc::SIGALRM);
    // SAFETY: it takes no pointers.
    unsafe { libc::alarm(PATIENCE) };
    modes::leave(true);
    if let Some((info, context)) = fault {
        if signal == libc::SIGBUS {
            // SAFETY: the pointer and the length are those of a slice.
            unsafe { libc::write(libc::STDERR_FILENO, BUS.as_ptr().cast(), BUS.len()) };
        }
        let of_library = match signal {
            libc::SIGSEGV => OF_SEGMENTS.load(Ordering::SeqCst),
            libc::SIGBUS => OF_BUSES.load(Ordering::SeqCst),
            _ => libc::SIG_DFL,
        };
        if of_library != libc::SIG_DFL && of_library != libc::SIG_IGN {
            // SAFETY: it was registered as a handler that takes these three.
            let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) =
                unsafe { std::mem::transmute(of_library) };
            handler(signal, info, context);
        }
    }
    die(signal)
}

/// Ends the program by a signal as if it had never been handled.
fn die(signal: c_int) -> ! {
    let _ = set(signal, libc::SIG_DFL, 0);
    unblock(signal);
    // SAFETY: none of them takes a pointer. Should the signal not end the program, its number does.
    unsafe {
        libc::raise(signal);
        libc::_exit(128 + signal)
    }
}

fn unblock(signal: c_int) {
    // SAFETY: the set is initialised by sigemptyset before it is read.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &set, ptr::null_mut());
    }
}
