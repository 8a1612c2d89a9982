//! One row for each function that scripts can call and whose calls leave the script. The recorder, replays,
//! what-ifs and the debugger read the rows, so that none of them knows a function by its name. Each row
//! stands beside the body of its function; `functions.rs` lists them all.

use crate::lua::recorded_value::RecordedValue;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallEffect {
    /// It reads, or writes a line of the log: one record is enough.
    Read,
    /// It may change something: one record before it and one after it.
    Write,
    /// It waits and changes nothing by itself: recorded as a write is.
    Wait,
}

/// What a call is about; where that has a name, it is the first argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallTarget {
    Entry,
    /// The entries that a pattern matches, or all of them.
    Entries,
    /// The entries that its function reads and writes.
    Transaction,
    Statistics,
    Lock,
    Command,
    /// The variable of the environment with this name.
    Variable,
    /// The working directory of the task with this name.
    Directory,
    Log,
    /// Time, chance or memory.
    Machine,
}

/// How a call calls the function that the script gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallbackKind {
    /// It takes no function.
    None,
    /// With values; an error of the function ends the call.
    Plain,
    /// As Lua's `pcall` does, whose values it answers.
    Protected,
}

/// A recorded call, as far as it is known.
#[derive(Clone, Copy, Debug)]
pub struct ObservedCall<'a> {
    pub arguments: &'a [RecordedValue],
    /// The arguments of the callback, if that is what follows the beginning of the call.
    pub callback: Option<&'a [RecordedValue]>,
    /// The returned values, if the call is known to have returned.
    pub returned: Option<&'a [RecordedValue]>,
}

impl ObservedCall<'_> {
    /// The argument at `index`, counted from 0; nil if there is none.
    pub fn argument(&self, index: usize) -> RecordedValue {
        self.arguments.get(index).cloned().unwrap_or(RecordedValue::Nil)
    }

    pub fn result(&self) -> Option<&RecordedValue> {
        self.returned.map(|values| values.first().unwrap_or(&RecordedValue::Nil))
    }

    /// Whether `true` is the first returned value.
    pub fn is_true(&self) -> bool {
        self.result() == Some(&RecordedValue::Boolean(true))
    }

    /// Whether `false` is the first returned value.
    pub fn is_false(&self) -> bool {
        self.result() == Some(&RecordedValue::Boolean(false))
    }
}

/// What a call proves about its entry.
#[derive(Clone, Debug, PartialEq)]
pub enum Proof {
    /// Nothing.
    Unknown,
    /// The entry did not exist.
    Absent,
    Value(RecordedValue),
    /// It had this value, or did not exist.
    AbsentOr(RecordedValue),
}

impl Proof {
    /// The entry had this value; nil if it did not exist.
    pub fn value(value: RecordedValue) -> Proof {
        if value == RecordedValue::Nil { Proof::Absent } else { Proof::Value(value) }
    }
}

/// A function that scripts can call, and the meaning of its calls.
#[derive(Clone, Copy, Debug)]
pub struct HostFunction {
    /// The name in scripts and recordings, with the module: `state.get`, `sleep`.
    pub name: &'static str,
    pub effect: CallEffect,
    pub target: CallTarget,
    /// How it calls the script's function.
    pub callback: CallbackKind,
    /// Whether it answers what the script's function returned.
    pub returns_callback: bool,
    /// The argument with the default value, which also gives the type of the answer.
    pub default: Option<usize>,
    /// Whether it answers one table with named fields in place of several values.
    pub answers_table: bool,
    /// The first format of recordings whose scripts have the function.
    pub since: u32,
    /// Whether a call that returned may have changed something.
    pub changed: fn(&ObservedCall<'_>) -> bool,
    /// What a call proves about the entry before it.
    pub before: fn(&ObservedCall<'_>) -> Proof,
    /// What a call proves about the entry after it.
    pub after: fn(&ObservedCall<'_>) -> Proof,
}

impl HostFunction {
    pub const fn reads(name: &'static str) -> HostFunction {
        HostFunction {
            name,
            effect: CallEffect::Read,
            target: CallTarget::Entry,
            callback: CallbackKind::None,
            returns_callback: false,
            default: None,
            answers_table: false,
            since: 1,
            changed: |_| true,
            before: |_| Proof::Unknown,
            after: |_| Proof::Unknown,
        }
    }

    /// A function that may change an entry.
    pub const fn writes(name: &'static str) -> HostFunction {
        HostFunction { effect: CallEffect::Write, ..HostFunction::reads(name) }
    }

    pub const fn waits(name: &'static str) -> HostFunction {
        HostFunction { effect: CallEffect::Wait, ..HostFunction::reads(name) }
    }

    /// About `target` in place of one entry.
    pub const fn about(self, target: CallTarget) -> HostFunction {
        HostFunction { target, ..self }
    }

    pub const fn calls(self, callback: CallbackKind) -> HostFunction {
        HostFunction { callback, ..self }
    }

    /// Calls a function of the script, and answers what that returns.
    pub const fn returns(self, callback: CallbackKind) -> HostFunction {
        HostFunction { callback, returns_callback: true, ..self }
    }

    /// The argument at `index` is the default value.
    pub const fn defaults_to(self, index: usize) -> HostFunction {
        HostFunction { default: Some(index), ..self }
    }

    pub const fn answering_table(self) -> HostFunction {
        HostFunction { answers_table: true, ..self }
    }

    /// Scripts have it since this format of recordings.
    pub const fn since(self, format: u32) -> HostFunction {
        HostFunction { since: format, ..self }
    }

    /// Changed nothing unless `changed` says so.
    pub const fn changed_if(self, changed: fn(&ObservedCall<'_>) -> bool) -> HostFunction {
        HostFunction { changed, ..self }
    }

    /// A call proves what `before` says about the entry before it.
    pub const fn before(self, before: fn(&ObservedCall<'_>) -> Proof) -> HostFunction {
        HostFunction { before, ..self }
    }

    /// A call proves what `after` says about the entry after it.
    pub const fn after(self, after: fn(&ObservedCall<'_>) -> Proof) -> HostFunction {
        HostFunction { after, ..self }
    }

    /// The name in its module: `get`.
    pub fn short_name(&self) -> &'static str {
        self.name.rsplit_once('.').map_or(self.name, |(_, name)| name)
    }

    /// Whether it is about entries or locks: the functions of `state`.
    pub fn is_about_state(&self) -> bool {
        matches!(
            self.target,
            CallTarget::Entry
                | CallTarget::Entries
                | CallTarget::Transaction
                | CallTarget::Statistics
                | CallTarget::Lock
        )
    }

    /// Whether it writes once its callback has returned, unless others changed what it read.
    pub fn writes_after_callback(&self) -> bool {
        self.returns_callback && self.target != CallTarget::Lock
    }

    /// Whether a call may take long, so that its beginning is written at once.
    pub fn may_take_long(&self) -> bool {
        self.effect == CallEffect::Wait || self.target == CallTarget::Command
    }
}
