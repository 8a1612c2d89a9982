//! The limits of a workflow: when it must stop because of its time, a signal or a lost lock.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use mlua::{HookTriggers, Lua, VmState, WeakLua};

use crate::lua::error::{ScriptLine, running};
use crate::lua::memory;
use crate::lua::{Boundary, Host, Losses, LostLock, Stop};

/// How many instructions a script executes between two polls: some hundred microseconds, which costs next to
/// nothing.
pub const INSTRUCTIONS_PER_POLL: u32 = 10_000;

/// The signal that asked the program to stop; 0 while none did. Shared with signal handlers.
pub type Signal = Arc<AtomicUsize>;

/// What other threads see of the limits.
#[derive(Clone, Default)]
pub struct StopSignal {
    /// The signal that asked the program to stop.
    pub signal: Signal,
    /// The next deadline in milliseconds of the host's elapsed time; 0 if there is none.
    deadline: Arc<AtomicU64>,
    /// Whether a signal or a deadline was noticed by another thread.
    is_overdue: Arc<AtomicBool>,
}

impl StopSignal {
    /// Notes for the script whether it must stop, at `elapsed` of the host's time. It may not be polled for long.
    pub fn note(&self, elapsed: Duration) {
        let is_due = self.signal.load(Ordering::Relaxed) != 0 || self.is_overdue(elapsed, Duration::ZERO);
        self.is_overdue.store(is_due, Ordering::Relaxed);
    }

    /// Whether the next deadline has passed `grace` or more before `elapsed`.
    pub fn is_overdue(&self, elapsed: Duration, grace: Duration) -> bool {
        match self.deadline.load(Ordering::Relaxed) {
            0 => false,
            deadline => elapsed >= Duration::from_millis(deadline) + grace,
        }
    }
}

#[derive(Clone, Copy)]
struct Deadline {
    at: Duration,
    limit: Duration,
}

/// How much memory the program may have allocated.
#[derive(Clone, Copy)]
struct MemoryLimit {
    /// The limit of the run, in bytes.
    limit: usize,
    /// The most that may be allocated, with what was allocated before.
    most: usize,
}

pub struct Limits {
    host: Rc<dyn Host>,
    boundary: Rc<dyn Boundary>,
    stop_signal: StopSignal,
    losses: Losses,
    run: Cell<Option<Deadline>>,
    work: Cell<Option<Deadline>>,
    memory: Cell<Option<MemoryLimit>>,
    /// The interpreter, whose garbage does not count.
    lua: RefCell<Option<WeakLua>>,
    /// Why the run must stop, and the current piece of work: once set, they stay.
    run_stopped: RefCell<Option<Stop>>,
    work_stopped: RefCell<Option<Stop>>,
    /// Where the script was when the current piece of work was stopped.
    stopped_at: RefCell<Option<ScriptLine>>,
    /// The lost locks that were not taken yet.
    lost: RefCell<Vec<LostLock>>,
}

impl Limits {
    /// No limit except the signal of `stop_signal` and lost locks.
    pub fn new(
        host: Rc<dyn Host>,
        boundary: Rc<dyn Boundary>,
        stop_signal: StopSignal,
        losses: Losses,
    ) -> Limits {
        Limits {
            host,
            boundary,
            stop_signal,
            losses,
            run: Cell::default(),
            work: Cell::default(),
            memory: Cell::default(),
            lua: RefCell::default(),
            run_stopped: RefCell::default(),
            work_stopped: RefCell::default(),
            stopped_at: RefCell::default(),
            lost: RefCell::default(),
        }
    }

    /// Limits the whole run to `limit` from now.
    pub fn limit_run(&self, limit: Option<Duration>) {
        self.run.set(self.deadline(limit));
        self.publish();
    }

    /// Limits what the program may allocate from now on to `bytes`, and [`memory::ALLOWANCE`] besides, where the host
    /// counts it.
    pub fn limit_memory(&self, bytes: usize) {
        let most = |before: usize| before.saturating_add(bytes).saturating_add(memory::ALLOWANCE);
        self.memory.set(self.host.allocated().map(|before| MemoryLimit { limit: bytes, most: most(before) }));
    }

    /// Runs `work` with its own time limit from now.
    pub fn within<T>(&self, limit: Option<Duration>, work: impl FnOnce() -> T) -> T {
        let outer = self.work.replace(self.deadline(limit));
        let outer_stopped = self.work_stopped.take();
        self.publish();
        self.stopped_at.take();
        let done = work();
        self.work.set(outer);
        self.work_stopped.replace(outer_stopped);
        self.publish();
        done
    }

    /// Why the work must stop, if it must.
    pub fn stop(&self) -> Option<Stop> {
        self.known_stop().or_else(|| self.note(self.boundary.poll(&|| self.due())))
    }

    /// Why a function of the script that has returned had to stop before, as [`Boundary::stop_before_return`].
    pub fn stop_before_return(&self) -> Option<Stop> {
        match self.known_stop() {
            Some(_) => None,
            None => self.note(self.boundary.stop_before_return()),
        }
    }

    fn known_stop(&self) -> Option<Stop> {
        self.run_stopped.borrow().clone().or_else(|| self.work_stopped.borrow().clone())
    }

    /// Keeps a reason to stop that was found.
    fn note(&self, stop: Option<Stop>) -> Option<Stop> {
        if let Some(Stop::LockLost(lost)) = &stop {
            self.losses.acknowledge(lost);
            self.lost.borrow_mut().push(lost.clone());
        }
        let is_of_work = match &stop {
            Some(Stop::Timeout(_) | Stop::Memory(_)) => true,
            Some(Stop::LockLost(lost)) => !lost.is_of_run,
            _ => false,
        };
        let stopped = if is_of_work { &self.work_stopped } else { &self.run_stopped };
        stopped.replace(stop.clone());
        stop
    }

    /// Whether the work must stop because the lock of that name was lost.
    pub fn lost(&self, name: &str) -> Option<LostLock> {
        match self.stop() {
            Some(Stop::LockLost(lost)) if lost.lock == name => Some(lost),
            _ => None,
        }
    }

    /// The work under the lock of that name has ended: its loss stops nothing else, unless the whole run was
    /// meant to happen under it.
    pub fn leave_lock(&self, name: &str) {
        if self.lost(name).is_some() {
            self.work_stopped.take();
        }
    }

    /// The locks that were lost since the last call. They do not stop later work, unless the whole run was
    /// meant to happen under one. Must not be called [`Limits::within`] a limit.
    pub fn take_lost(&self) -> Vec<LostLock> {
        // Several may have been lost at once; each poll finds one.
        loop {
            self.work_stopped.take();
            match self.stop() {
                Some(Stop::LockLost(lost)) if !lost.is_of_run => {}
                _ => return self.lost.take(),
            }
        }
    }

    /// Why the work must stop by the current time and signals.
    fn due(&self) -> Option<Stop> {
        match self.stop_signal.signal.load(Ordering::Relaxed) {
            0 => {}
            number => return Some(Stop::Signal(number)),
        }
        if let Some(lost) = self.losses.next() {
            return Some(Stop::LockLost(lost));
        }
        if let Some(stop) = self.lacks_memory(0) {
            return Some(stop);
        }
        let passed = |deadline: &Deadline| self.host.elapsed() >= deadline.at;
        if let Some(run) = self.run.get().filter(passed) {
            return Some(Stop::RunTimeout(run.limit));
        }
        self.work.get().filter(passed).map(|work| Stop::Timeout(work.limit))
    }

    /// The reason to stop if as many bytes more exceed the limit of memory.
    fn lacks_memory(&self, bytes: usize) -> Option<Stop> {
        let MemoryLimit { limit, most } = self.memory.get()?;
        let lacks = || self.host.allocated().is_some_and(|allocated| allocated.saturating_add(bytes) > most);
        if !lacks() {
            return None;
        }
        let lua = self.lua.borrow().as_ref().and_then(WeakLua::try_upgrade);
        lua.and_then(|lua| lua.gc_collect().ok());
        lacks().then(|| Stop::Memory(u64::try_from(limit).unwrap_or(u64::MAX)))
    }

    /// A call is about to make the program hold as many bytes more.
    ///
    /// # Errors
    /// The reason why the work must stop: that would exceed the limit of memory.
    pub fn reserve(&self, bytes: usize) -> Result<(), Stop> {
        match self.lacks_memory(bytes) {
            None => Ok(()),
            Some(stop) => {
                self.note(Some(stop.clone()));
                Err(stop)
            }
        }
    }

    /// The script was at this place when it had to stop; the first one counts.
    pub fn note_place(&self, place: Option<ScriptLine>) {
        if let Some(place) = place {
            self.stopped_at.borrow_mut().get_or_insert(place);
        }
    }

    /// Where the script was when the last piece of work was stopped.
    pub fn stopped_at(&self) -> Option<ScriptLine> {
        self.stopped_at.borrow().clone()
    }

    /// Waits for `time`, or less if the work must stop.
    pub fn pause(&self, time: Duration) -> Result<(), Stop> {
        // The number of polls while waiting is random; only the poll afterwards counts.
        self.host.sleep(time, &|| self.due().is_some());
        self.stop().map_or(Ok(()), Err)
    }

    /// Makes every coroutine of `lua` poll the limits while it runs.
    pub fn watch(self: &Rc<Limits>, lua: &Lua) -> mlua::Result<()> {
        self.lua.replace(Some(lua.weak()));
        let limits = Rc::clone(self);
        let triggers = HookTriggers::new().every_nth_instruction(INSTRUCTIONS_PER_POLL);
        lua.set_global_hook(triggers, move |lua, _| limits.poll(lua).map(|()| VmState::Continue))
    }

    /// Polls if a stop is overdue, before a call of the host. Other calls are not polls: a recording counts those. A
    /// replay stops at the same call.
    ///
    /// # Errors
    /// As [`Limits::poll`].
    pub fn stop_overdue(&self, lua: &Lua) -> mlua::Result<()> {
        let is_overdue = self.stop_signal.is_overdue.load(Ordering::Relaxed);
        if is_overdue && self.due().is_some() { self.poll(lua) } else { Ok(()) }
    }

    /// Polls on behalf of the script that runs.
    ///
    /// # Errors
    /// The reason why it must stop.
    pub fn poll(&self, lua: &Lua) -> mlua::Result<()> {
        match self.stop() {
            Some(stop) => {
                let place = running(lua);
                self.note_place(place.clone());
                self.boundary.stopped_at(place);
                Err(mlua::Error::external(stop))
            }
            None => Ok(()),
        }
    }

    fn deadline(&self, limit: Option<Duration>) -> Option<Deadline> {
        let limit = limit?;
        Some(Deadline { at: self.host.elapsed().saturating_add(limit), limit })
    }

    fn publish(&self) {
        let next = [self.run.get(), self.work.get()].into_iter().flatten().map(|deadline| deadline.at).min();
        let next = next.map_or(0, |at| u64::try_from(at.as_millis()).unwrap_or(u64::MAX / 2).max(1));
        self.stop_signal.deadline.store(next, Ordering::Relaxed);
    }
}
