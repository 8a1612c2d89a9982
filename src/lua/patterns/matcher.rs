//! Pattern matching as in Lua 5.1, which counts its steps: the limits of the script are polled after each
//! [`STEPS_PER_POLL`] of them. It does not recurse; the choices that are still open are kept in a list.

use smallvec::SmallVec;

use super::error::PatternError;
use super::items::{Item, set_contains};

/// How many steps are taken between two polls: some hundred microseconds.
pub(super) const STEPS_PER_POLL: u64 = 100_000;

/// The most captures of a pattern.
const MAX_CAPTURES: usize = 32;

/// The most open choices. Each item of a pattern has one at most.
const MAX_CHOICES: usize = 200_000;

/// What counts the steps and polls.
pub(super) struct StepCounter<'a> {
    /// The steps since the last poll.
    pub steps: &'a mut u64,
    /// Whether the script may go on.
    pub poll: &'a mut dyn FnMut() -> bool,
}

impl StepCounter<'_> {
    #[inline]
    fn count(&mut self, steps: usize) -> Result<(), PatternError> {
        *self.steps += steps as u64;
        if *self.steps >= STEPS_PER_POLL { self.poll() } else { Ok(()) }
    }

    #[cold]
    fn poll(&mut self) -> Result<(), PatternError> {
        *self.steps = 0;
        if (self.poll)() { Ok(()) } else { Err(PatternError::Stopped) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// The end of the capture was not reached.
    Unfinished,
    /// `()`
    Position,
    /// In bytes.
    Length(usize),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Capture {
    /// Counted from 0.
    pub start: usize,
    pub extent: Extent,
}

/// Where a pattern matched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Match {
    /// Counted from 0.
    pub start: usize,
    /// After the last byte.
    pub end: usize,
    captures: [Capture; MAX_CAPTURES],
    level: usize,
}

impl Match {
    pub(super) fn captures(&self) -> &[Capture] {
        &self.captures[..self.level]
    }
}

/// The first match of `pattern` in `subject` at `from` or later; only at `from` if it is anchored. `pattern` is
/// without its anchor.
pub(super) fn search(
    subject: &[u8],
    pattern: &[u8],
    from: usize,
    is_anchored: bool,
    counter: StepCounter<'_>,
) -> Result<Option<Match>, PatternError> {
    // A pattern of Lua 5.1 ends at a zero byte.
    let length = memchr::memchr(0, pattern).unwrap_or(pattern.len());
    let pattern = &pattern[..length];
    let mut matcher = Matcher {
        subject,
        pattern,
        captures: [Capture { start: 0, extent: Extent::Unfinished }; MAX_CAPTURES],
        level: 0,
        choices: SmallVec::new(),
        counter,
    };
    let first_byte = if is_anchored { None } else { first_byte(pattern) };
    let mut start = from;
    loop {
        if let Some(byte) = first_byte {
            match memchr::memchr(byte, &subject[start..]) {
                Some(skipped) => start += skipped,
                None => return Ok(None),
            }
        }
        if let Some(end) = matcher.match_at(start)? {
            let Matcher { captures, level, .. } = matcher;
            return Ok(Some(Match { start, end, captures, level }));
        }
        if is_anchored || start >= subject.len() {
            return Ok(None);
        }
        start += 1;
    }
}

/// The byte that every match begins with, if the pattern begins with an item that says so.
fn first_byte(pattern: &[u8]) -> Option<u8> {
    let byte = *pattern.first()?;
    let is_plain = !b"(.%[$)".contains(&byte);
    (is_plain && !matches!(pattern.get(1), Some(b'*' | b'?' | b'-'))).then_some(byte)
}

/// What to do where the pattern does not match any further.
enum Choice {
    /// Let a repetition end one byte earlier, which may not be before `least`.
    Shorter { least: usize, at: usize, next: usize },
    /// Let a repetition of the item at `item` go on for one byte more.
    Longer { at: usize, item: usize, next: usize },
    /// Go on without an optional item.
    Without { at: usize, next: usize },
    /// Remove the last capture.
    Open,
    /// Open this capture again.
    Close(usize),
}

/// Where to go on in the subject and in the pattern.
type Places = (usize, usize);

enum Progress {
    Next(Places),
    Failed,
    Matched,
}

struct Matcher<'a, 'c> {
    subject: &'a [u8],
    pattern: &'a [u8],
    captures: [Capture; MAX_CAPTURES],
    /// How many of the captures there are, finished or not.
    level: usize,
    choices: SmallVec<[Choice; 16]>,
    counter: StepCounter<'c>,
}

impl<'a> Matcher<'a, '_> {
    /// The end of the match at `start`.
    fn match_at(&mut self, start: usize) -> Result<Option<usize>, PatternError> {
        self.level = 0;
        self.choices.clear();
        let (mut at, mut item) = (start, 0);
        loop {
            self.counter.count(1)?;
            match self.step(at, item)? {
                Progress::Next(places) => (at, item) = places,
                Progress::Matched => return Ok(Some(at)),
                Progress::Failed => match self.next_choice()? {
                    Some(places) => (at, item) = places,
                    None => return Ok(None),
                },
            }
        }
    }

    #[inline]
    fn step(&mut self, at: usize, item: usize) -> Result<Progress, PatternError> {
        let Some(&byte) = self.pattern.get(item) else { return Ok(Progress::Matched) };
        let following = self.pattern.get(item + 1).copied();
        match (byte, following) {
            (b'(', Some(b')')) => self.open(at, Extent::Position, item + 2),
            (b'(', _) => self.open(at, Extent::Unfinished, item + 1),
            (b')', _) => self.close(at, item + 1),
            (b'$', None) => Ok(if at == self.subject.len() { Progress::Matched } else { Progress::Failed }),
            (b'%', Some(b'b')) => self.balanced(at, item + 2),
            (b'%', Some(b'f')) => self.frontier(at, item + 2),
            (b'%', Some(digit @ b'0'..=b'9')) => self.repeated_capture(at, digit, item + 2),
            _ => self.single(at, item),
        }
    }

    #[inline]
    fn single(&mut self, at: usize, place: usize) -> Result<Progress, PatternError> {
        let (item, end) = Item::at(self.pattern, place)?;
        self.counter.count(item.steps() - 1)?;
        let matches = |at: usize| self.subject.get(at).is_some_and(|byte| item.matches(*byte));
        let next = end + 1;
        match self.pattern.get(end) {
            Some(b'?') => {
                if matches(at) {
                    self.choose(Choice::Without { at, next })?;
                    return Ok(Progress::Next((at + 1, next)));
                }
                Ok(Progress::Next((at, next)))
            }
            Some(b'*') => self.longest(at, item, next),
            Some(b'+') => {
                if matches(at) {
                    self.longest(at + 1, item, next)
                } else {
                    Ok(Progress::Failed)
                }
            }
            Some(b'-') => {
                self.choose(Choice::Longer { at, item: place, next })?;
                Ok(Progress::Next((at, next)))
            }
            _ => Ok(if matches(at) { Progress::Next((at + 1, end)) } else { Progress::Failed }),
        }
    }

    /// Repeats an item as often as it matches from `least`.
    fn longest(&mut self, least: usize, item: Item<'a>, next: usize) -> Result<Progress, PatternError> {
        // A long set takes as many steps for each byte: the run is read in parts between the polls.
        let part = (STEPS_PER_POLL as usize / item.steps()).max(1);
        let mut length = 0;
        for bytes in self.subject[least..].chunks(part) {
            let run = item.run_length(bytes);
            length += run;
            self.counter.count((run + 1).saturating_mul(item.steps()))?;
            if run < bytes.len() {
                break;
            }
        }
        if length > 0 {
            self.choose(Choice::Shorter { least, at: least + length, next })?;
        }
        Ok(Progress::Next((least + length, next)))
    }

    fn open(&mut self, at: usize, extent: Extent, next: usize) -> Result<Progress, PatternError> {
        let capture = self.captures.get_mut(self.level).ok_or(PatternError::TooManyCaptures)?;
        *capture = Capture { start: at, extent };
        self.level += 1;
        self.choose(Choice::Open)?;
        Ok(Progress::Next((at, next)))
    }

    fn close(&mut self, at: usize, next: usize) -> Result<Progress, PatternError> {
        let is_open = |capture: &Capture| capture.extent == Extent::Unfinished;
        let open = self.captures[..self.level].iter().rposition(is_open);
        let open = open.ok_or(PatternError::PatternCapture)?;
        self.captures[open].extent = Extent::Length(at - self.captures[open].start);
        self.choose(Choice::Close(open))?;
        Ok(Progress::Next((at, next)))
    }

    /// `%bxy`
    fn balanced(&mut self, at: usize, place: usize) -> Result<Progress, PatternError> {
        let [first, last] = match self.pattern.get(place..place + 2) {
            Some(&[first, last]) => [first, last],
            _ => return Err(PatternError::Unbalanced),
        };
        let rest = &self.subject[at..];
        if rest.first() != Some(&first) {
            return Ok(Progress::Failed);
        }
        let mut depth = 1usize;
        for (length, &byte) in rest.iter().enumerate().skip(1) {
            if byte == last {
                depth -= 1;
                if depth == 0 {
                    self.counter.count(length)?;
                    return Ok(Progress::Next((at + length + 1, place + 2)));
                }
            } else if byte == first {
                depth += 1;
            }
        }
        self.counter.count(rest.len())?;
        Ok(Progress::Failed)
    }

    /// `%f[set]`: the subject has a zero byte before and after it.
    fn frontier(&mut self, at: usize, place: usize) -> Result<Progress, PatternError> {
        if self.pattern.get(place) != Some(&b'[') {
            return Err(PatternError::MissingFrontierSet);
        }
        let (_, end) = Item::at(self.pattern, place)?;
        let set = &self.pattern[place..end];
        self.counter.count(2 * set.len())?;
        let before = at.checked_sub(1).map_or(0, |before| self.subject[before]);
        let after = self.subject.get(at).copied().unwrap_or(0);
        let is_frontier = !set_contains(set, before) && set_contains(set, after);
        Ok(if is_frontier { Progress::Next((at, end)) } else { Progress::Failed })
    }

    /// `%1`
    fn repeated_capture(&mut self, at: usize, digit: u8, next: usize) -> Result<Progress, PatternError> {
        let index = usize::from(digit).checked_sub(usize::from(b'1'));
        let capture = index.and_then(|index| self.captures[..self.level].get(index));
        let length = match capture.ok_or(PatternError::CaptureIndex)?.extent {
            Extent::Unfinished => return Err(PatternError::CaptureIndex),
            Extent::Position => return Ok(Progress::Failed),
            Extent::Length(length) => length,
        };
        let start = capture.map_or(0, |capture| capture.start);
        self.counter.count(length / 16)?;
        let is_repeated = self.subject[at..].starts_with(&self.subject[start..start + length]);
        Ok(if is_repeated { Progress::Next((at + length, next)) } else { Progress::Failed })
    }

    #[inline]
    fn choose(&mut self, choice: Choice) -> Result<(), PatternError> {
        if self.choices.len() >= MAX_CHOICES {
            return Err(PatternError::TooComplex);
        }
        self.choices.push(choice);
        Ok(())
    }

    /// Takes the last open choice.
    fn next_choice(&mut self) -> Result<Option<Places>, PatternError> {
        while let Some(choice) = self.choices.last_mut() {
            match choice {
                Choice::Shorter { least, at, next } => {
                    *at -= 1;
                    let places = (*at, *next);
                    if at == least {
                        self.choices.pop();
                    }
                    return Ok(Some(places));
                }
                Choice::Longer { at, item, next } => {
                    let (item, _) = Item::at(self.pattern, *item)?;
                    self.counter.count(item.steps() - 1)?;
                    if self.subject.get(*at).is_some_and(|byte| item.matches(*byte)) {
                        *at += 1;
                        return Ok(Some((*at, *next)));
                    }
                }
                Choice::Without { at, next } => {
                    let places = (*at, *next);
                    self.choices.pop();
                    return Ok(Some(places));
                }
                Choice::Open => self.level -= 1,
                Choice::Close(capture) => self.captures[*capture].extent = Extent::Unfinished,
            }
            self.choices.pop();
        }
        Ok(None)
    }
}
