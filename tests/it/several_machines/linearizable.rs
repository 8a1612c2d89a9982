//! Whether what clients saw of one entry can be explained by an order of their calls in which each takes effect
//! at one moment between its request and its reply (Herlihy and Wing; the search is that of Wing and Gong, with
//! the states that were tried remembered, as Lowe describes it).

use std::collections::HashSet;

/// An entry: its value and version.
pub type State = Option<(String, u64)>;

/// What a client asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    Get,
    Set(String),
    /// Set, only if the entry has this version; 0: only if there is none.
    SetIfVersion(u64, String),
    Delete,
}

/// What it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The entry that was read.
    Found(State),
    /// The write took effect.
    Done,
    /// The condition did not hold, or there was nothing to delete.
    Refused,
    /// Nobody knows whether the write took effect, or when it does.
    Unknown,
}

/// One call, with its moments in any unit.
#[derive(Clone, Debug)]
pub struct Operation {
    pub call: Call,
    pub reply: Reply,
    pub start: u128,
    /// Of an unknown reply this does not count: the write may take effect at any time later.
    pub end: u128,
}

/// The state after `call` if `reply` is what it is told in `state`.
fn step(state: &State, call: &Call, reply: &Reply) -> Option<State> {
    let version = state.as_ref().map_or(0, |(_, version)| *version);
    let with = |value: &String| Some((value.clone(), version + 1));
    match (call, reply) {
        (Call::Get, Reply::Found(found)) => (found == state).then(|| state.clone()),
        (Call::Set(value), Reply::Done | Reply::Unknown) => Some(with(value)),
        (Call::SetIfVersion(wanted, value), Reply::Done) => (version == *wanted).then(|| with(value)),
        (Call::SetIfVersion(wanted, value), Reply::Unknown) => {
            Some(if version == *wanted { with(value) } else { state.clone() })
        }
        (Call::SetIfVersion(wanted, _), Reply::Refused) => (version != *wanted).then(|| state.clone()),
        (Call::Delete, Reply::Done) => state.is_some().then_some(None),
        (Call::Delete, Reply::Unknown) => Some(None),
        (Call::Delete, Reply::Refused) => state.is_none().then_some(None),
        _ => None,
    }
}

/// Whether there is an order of `operations` on one entry, which is absent at first, that explains all replies.
pub fn is_linearizable(operations: &[Operation]) -> bool {
    let mut tried = HashSet::new();
    // What is still to be ordered, and the state so far.
    let mut open: Vec<(Vec<bool>, State)> = vec![(vec![false; operations.len()], None)];
    while let Some((taken, state)) = open.pop() {
        if !tried.insert((taken.clone(), state.clone())) {
            continue;
        }
        let left = || operations.iter().enumerate().filter(|(place, _)| !taken[*place]);
        let known = |operation: &Operation| operation.reply != Reply::Unknown;
        // An operation can come next if none that is left ended before it began.
        let Some(limit) = left().filter(|(_, operation)| known(operation)).map(|(_, next)| next.end).min()
        else {
            return true;
        };
        for (place, operation) in left().filter(|(_, operation)| operation.start <= limit) {
            if let Some(after) = step(&state, &operation.call, &operation.reply) {
                let mut taken = taken.clone();
                taken[place] = true;
                open.push((taken, after));
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(call: Call, reply: Reply, start: u128, end: u128) -> Operation {
        Operation { call, reply, start, end }
    }

    fn set(value: &str) -> Call {
        Call::Set(value.to_owned())
    }

    fn found(value: &str, version: u64) -> Reply {
        Reply::Found(Some((value.to_owned(), version)))
    }

    #[test]
    fn what_can_be_ordered_is_linearizable_and_nothing_else() {
        let unknown = |start| operation(set("x"), Reply::Unknown, start, 0);
        let done = |value: &str, start, end| operation(set(value), Reply::Done, start, end);
        let get = |reply: Reply, start, end| operation(Call::Get, reply, start, end);
        let swap = |version, reply: Reply, start, end| {
            operation(Call::SetIfVersion(version, "s".to_owned()), reply, start, end)
        };
        let cases: [(&str, Vec<Operation>, bool); 10] = [
            ("nothing", vec![], true),
            ("read after write", vec![done("a", 0, 1), get(found("a", 1), 2, 3)], true),
            ("stale read", vec![done("a", 0, 1), get(Reply::Found(None), 2, 3)], false),
            ("a read during a write sees either", vec![done("a", 0, 5), get(Reply::Found(None), 2, 3)], true),
            (
                "what was seen is not unseen",
                vec![done("a", 0, 9), get(found("a", 1), 2, 3), get(Reply::Found(None), 4, 5)],
                false,
            ),
            ("an unknown write that is seen", vec![unknown(0), get(found("x", 1), 5, 6)], true),
            ("an unknown write that is not seen", vec![unknown(0), get(Reply::Found(None), 5, 6)], true),
            (
                "an unknown write is done once",
                vec![unknown(0), get(found("x", 1), 5, 6), get(found("x", 2), 7, 8)],
                false,
            ),
            ("a lost update", vec![swap(0, Reply::Done, 0, 4), swap(0, Reply::Done, 1, 5)], false),
            (
                "a refusal that has a reason",
                vec![swap(0, Reply::Done, 0, 4), swap(0, Reply::Refused, 1, 5)],
                true,
            ),
        ];
        for (name, operations, expected) in cases {
            assert_eq!(is_linearizable(&operations), expected, "{name}");
        }
    }
}
