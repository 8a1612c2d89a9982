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

    /// Where the next change to take back, or to do again, comes from, and where it goes.
    pub fn stacks(&mut self, again: bool) -> (&mut Vec<Done>, &mut Vec<Done>) {
        if again { (&mut self.undone, &mut self.done) } else { (&mut self.done, &mut self.undone) }
    }
}
