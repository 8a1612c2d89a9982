//! What was changed here since the program was started, to be taken back.

use crate::store::{Millis, Revision};

/// A change that was made here.
#[derive(Clone, Debug, PartialEq)]
pub struct Done {
    /// The revisions that it made, one a transaction, oldest first: very many entries are changed in
    /// more than one.
    pub revisions: Vec<Revision>,
    /// What it was, in the words of the status line.
    pub words: String,
    /// When it was done.
    pub at: Millis,
}

impl Done {
    /// A change that one transaction made.
    pub fn of(revision: Revision, words: &str, at: Millis) -> Done {
        Done { revisions: vec![revision], words: words.into(), at }
    }
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
    pub fn changed(&mut self, done: Done) {
        self.done.push(done);
        self.undone.clear();
    }

    /// A change was taken back from the history, which made `revision`. One that was made here, or was
    /// taken back here, goes to the other side, as if it had been the last: it is not to be taken
    /// back twice. Any other taking back is a change as any other.
    pub fn taken_back(&mut self, change: &Done, revision: Revision, words: &str, now: Millis) {
        for again in [false, true] {
            let (from, to) = self.stacks(again);
            let is_in = |done: &Done| change.revisions.iter().any(|part| done.revisions.contains(part));
            if let Some(place) = from.iter().position(is_in) {
                let words = from[place].words.clone();
                // Of several transactions the others stay where they are.
                from[place].revisions.retain(|part| !change.revisions.contains(part));
                if from[place].revisions.is_empty() {
                    from.remove(place);
                }
                to.push(Done::of(revision, &words, now));
                return;
            }
        }
        self.changed(Done::of(revision, words, now));
    }

    /// Where the next change to take back, or to do again, comes from, and where it goes.
    pub fn stacks(&mut self, again: bool) -> (&mut Vec<Done>, &mut Vec<Done>) {
        if again { (&mut self.undone, &mut self.done) } else { (&mut self.done, &mut self.undone) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(7);

    fn done(revision: i64) -> Done {
        Done::of(Revision(revision), &format!("change {revision}"), NOW)
    }

    #[test]
    fn what_is_taken_back_from_the_history_is_not_taken_back_twice() {
        let mut session = Session::default();
        session.changed(done(5));
        session.changed(done(6));
        session.taken_back(&done(5), Revision(7), "took back 5", NOW);
        assert_eq!(session.done, [done(6)]);
        assert_eq!((session.undone.len(), &session.undone[0].revisions[..]), (1, &[Revision(7)][..]));
        // The taking back is taken back from the history too: the change is there again.
        session.taken_back(&done(7), Revision(8), "took back 7", NOW);
        assert_eq!(session.done.last().map(|done| &done.revisions[..]), Some(&[Revision(8)][..]));
        assert!(session.undone.is_empty());
        // What somebody else did is taken back by a change of ours.
        session.taken_back(&done(2), Revision(9), "took back 2", NOW);
        assert_eq!(session.done.len(), 3);
    }

    #[test]
    fn one_of_several_transactions_is_taken_back_alone() {
        let mut session = Session::default();
        let revisions = vec![Revision(5), Revision(6)];
        session.changed(Done { revisions, words: "both".into(), at: NOW });
        session.taken_back(&done(5), Revision(7), "took back 5", NOW);
        assert_eq!(session.done[0].revisions, [Revision(6)]);
        assert_eq!(session.undone, [Done::of(Revision(7), "both", NOW)]);
    }
}
