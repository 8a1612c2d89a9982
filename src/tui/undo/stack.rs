//! What was changed here since the program was started, to be taken back.

use std::collections::VecDeque;

use crate::store::{Key, Revision};
use crate::time::Millis;

#[derive(Clone, Debug, PartialEq)]
pub struct UndoableChange {
    /// The revisions that it made, one a transaction, oldest first: very many entries are changed in
    /// more than one.
    pub revisions: Vec<Revision>,
    /// What it was, in the words of the status line; of a taking back, what was taken back.
    pub words: String,
    pub at: Millis,
    /// The revisions that it took back, if it was a taking back of a change that was not the last.
    pub took_back: Vec<Revision>,
    /// The first entry that it deleted, if it was a deletion: where that is taken back, the cursor
    /// goes to it again.
    pub deleted: Option<Key>,
}

impl UndoableChange {
    /// A change that these transactions made.
    pub fn of(revisions: Vec<Revision>, words: &str, at: Millis) -> UndoableChange {
        UndoableChange { revisions, words: words.into(), at, took_back: Vec::new(), deleted: None }
    }

    /// What it did, in full.
    pub fn describe(&self) -> String {
        if self.took_back.is_empty() { self.words.clone() } else { format!("took back: {}", self.words) }
    }
}

/// What was changed here, the last at the end.
///
/// Taking back goes step by step from the end, so that each step finds the state that its change had
/// left. A change from the midst, or one of the history, is therefore taken back by a change of its
/// own at the end, and stays where it is.
#[derive(Clone, Debug, Default)]
pub struct UndoStack {
    /// What can be taken back.
    pub done: Vec<UndoableChange>,
    /// What was taken back and can be done again; its revisions are those of the taking back.
    pub undone: Vec<UndoableChange>,
    /// Steps that were asked for while a change was still being made: whether to do again.
    pub asked: VecDeque<bool>,
}

impl UndoStack {
    /// A change was made: what was taken back before it is not done again any more.
    pub fn changed(&mut self, done: UndoableChange) {
        self.done.push(done);
        self.undone.clear();
    }

    /// Whether the change at `place`, oldest first, was taken back by a later one that is in force.
    pub fn is_taken_back(&self, place: usize) -> bool {
        let Some(change) = self.done.get(place) else { return false };
        let takes_it =
            |later: &UndoableChange| later.took_back.iter().any(|part| change.revisions.contains(part));
        (place + 1..self.done.len()).any(|at| takes_it(&self.done[at]) && !self.is_taken_back(at))
    }

    /// Where the next change to take back, or to do again, comes from, and where it goes.
    pub fn stacks(&mut self, again: bool) -> (&mut Vec<UndoableChange>, &mut Vec<UndoableChange>) {
        if again { (&mut self.undone, &mut self.done) } else { (&mut self.done, &mut self.undone) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(revision: i64, took_back: &[i64]) -> UndoableChange {
        let took_back = took_back.iter().copied().map(Revision).collect();
        UndoableChange { took_back, ..UndoableChange::of(vec![Revision(revision)], "", Millis(7)) }
    }

    #[test]
    fn a_change_is_taken_back_as_long_as_its_taking_back_is_not() {
        let mut session = UndoStack::default();
        session.changed(done(5, &[]));
        session.changed(done(6, &[]));
        session.changed(done(7, &[5]));
        assert!(session.is_taken_back(0) && !session.is_taken_back(1) && !session.is_taken_back(2));
        session.changed(done(8, &[7]));
        assert!(!session.is_taken_back(0) && session.is_taken_back(2));
        session.done.pop();
        assert!(session.is_taken_back(0), "the step back is gone too");
    }

    #[test]
    fn a_new_change_ends_what_could_be_done_again() {
        let mut session = UndoStack::default();
        session.undone.push(done(5, &[]));
        session.changed(done(6, &[]));
        assert!(session.undone.is_empty());
    }
}
