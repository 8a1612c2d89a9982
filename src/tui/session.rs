//! What was changed here since the program was started, to be taken back.

use crate::store::Revision;

/// A change that was made here.
#[derive(Clone, Debug, PartialEq)]
pub struct Done {
    /// The revision that it made.
    pub revision: Revision,
    /// What it was, in the words of the status line.
    pub words: String,
}

/// What was changed here, the last at the end.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// What can be taken back.
    pub done: Vec<Done>,
    /// What was taken back and can be done again; its revisions are those of the taking back.
    pub undone: Vec<Done>,
}

impl Session {
    /// A change was made: what was taken back before it is not done again any more.
    pub fn changed(&mut self, revision: Revision, words: &str) {
        self.done.push(Done { revision, words: words.into() });
        self.undone.clear();
    }

    /// A change was taken back from the history, which made `revision`. One that was made here, or was
    /// taken back here, goes to the other side, as if it had been the last: it is not to be taken
    /// back twice. Any other taking back is a change as any other.
    pub fn taken_back(&mut self, change: &Done, revision: Revision, words: &str) {
        for again in [false, true] {
            let (from, to) = self.stacks(again);
            if let Some(place) = from.iter().position(|done| done.revision == change.revision) {
                let words = from.remove(place).words;
                to.push(Done { revision, words });
                return;
            }
        }
        self.changed(revision, words);
    }

    /// Where the next change to take back, or to do again, comes from, and where it goes.
    pub fn stacks(&mut self, again: bool) -> (&mut Vec<Done>, &mut Vec<Done>) {
        if again { (&mut self.undone, &mut self.done) } else { (&mut self.done, &mut self.undone) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(revision: i64) -> Done {
        Done { revision: Revision(revision), words: format!("change {revision}") }
    }

    #[test]
    fn what_is_taken_back_from_the_history_is_not_taken_back_twice() {
        let mut session = Session::default();
        session.changed(Revision(5), "change 5");
        session.changed(Revision(6), "change 6");
        session.taken_back(&done(5), Revision(7), "took back 5");
        assert_eq!(session.done, [done(6)]);
        assert_eq!((session.undone.len(), session.undone[0].revision), (1, Revision(7)));
        // The taking back is taken back from the history too: the change is there again.
        session.taken_back(&done(7), Revision(8), "took back 7");
        assert_eq!(session.done.last().map(|done| done.revision), Some(Revision(8)));
        assert!(session.undone.is_empty());
        // What somebody else did is taken back by a change of ours.
        session.taken_back(&done(2), Revision(9), "took back 2");
        assert_eq!(session.done.len(), 3);
    }
}
