//! The filter line: what is typed there, and which entries it lets through.

use std::ops::Range;
use std::time::Duration;

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use crate::store::{
    Actor, Change, Entry, Image, Key, Kind, Lock, Needle, Revision, Run, Type, kind_inference,
};
use crate::text::escape::escape;
use crate::time::Millis;

/// What is looked for. Empty: everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// One of these must hold, which is that all of its terms do.
    alternatives: Vec<Vec<Term>>,
}

/// What is wrong with a filter line, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// The bytes of the line that are wrong.
    pub at: Range<usize>,
    pub text: String,
}

#[derive(Clone, Debug, PartialEq)]
struct Term {
    negated: bool,
    test: FilterTest,
}

#[derive(Clone, Debug, PartialEq)]
enum FilterTest {
    /// A part of the key; in small letters it fits capitals too.
    Word(Needle),
    /// Letters of the key in this order.
    Fuzzy(Fuzzy),
    Type(Type),
    Kind(Kind),
    TimeToLive(FilterComparison),
    Changed(FilterComparison),
    Value(Needle),
    /// How a run stands. Keys may have such a word in them: of those it is a part.
    Status {
        status: String,
        word: Needle,
    },
    /// A part of the name of whoever wrote it last.
    Actor(Needle),
    /// The number of the run that wrote it last.
    Run(i64),
}

/// Letters that are looked for in their order, as the fuzzy matcher reads them.
#[derive(Clone, Debug)]
struct Fuzzy {
    text: String,
    pattern: Pattern,
}

impl PartialEq for Fuzzy {
    fn eq(&self, other: &Fuzzy) -> bool {
        self.text == other.text
    }
}

/// A span of time that must be shorter or longer than a bound.
#[derive(Clone, Copy, Debug, PartialEq)]
struct FilterComparison {
    shorter: bool,
    bound: Duration,
}

impl Filter {
    /// Reads a filter line. Words are parts of the key; `!` in front turns a term round, `~`
    /// makes it fuzzy; `type: kind: ttl:<1h changed:<5m value: actor: run:` ask for other things; `|`
    /// stands between alternatives, and quotes around what has blanks in it.
    ///
    /// # Errors
    /// Says which term is wrong, and how it should be.
    pub fn parse(line: &str) -> Result<Filter, FilterError> {
        let mut alternatives = vec![Vec::new()];
        for (at, text) in terms(line) {
            match (text.as_str(), alternatives.last_mut()) {
                ("|", _) => alternatives.push(Vec::new()),
                // Something is being typed after them.
                ("!" | "~" | "!~", _) => {}
                (text, Some(all)) => all.push(term(text).map_err(|text| FilterError { at, text })?),
                (_, None) => {}
            }
        }
        alternatives.retain(|all| !all.is_empty());
        Ok(Filter { alternatives })
    }

    /// Whether everything passes.
    pub fn is_empty(&self) -> bool {
        self.alternatives.is_empty()
    }

    fn tests(&self) -> impl Iterator<Item = &FilterTest> {
        self.alternatives.iter().flatten().map(|term| &term.test)
    }

    /// Whether everything passes, or one of the alternatives whose terms all hold as `holds` says.
    fn any(&self, holds: impl Fn(&FilterTest) -> bool) -> bool {
        let all_hold = |all: &Vec<Term>| all.iter().all(|term| holds(&term.test) != term.negated);
        self.is_empty() || self.alternatives.iter().any(all_hold)
    }

    /// Whether the key alone decides.
    pub fn is_about_keys(&self) -> bool {
        self.tests().all(|test| matches!(test, FilterTest::Fuzzy(_)) || test.word().is_some())
    }

    /// The words that every key must have in it.
    pub fn needles(&self) -> Vec<Needle> {
        let [all] = &self.alternatives[..] else { return Vec::new() };
        let words = all.iter().filter(|term| !term.negated).filter_map(|term| term.test.word().cloned());
        words.collect()
    }

    /// Whether what passes changes by time going by.
    pub fn is_about_time(&self) -> bool {
        self.tests().any(|test| matches!(test, FilterTest::TimeToLive(_) | FilterTest::Changed(_)))
    }

    /// How much of a value has to be read for it, in bytes; `None` if no more than a list shows.
    pub fn value_bytes(&self) -> Option<u64> {
        self.tests().any(|test| matches!(test, FilterTest::Value(_))).then_some(1024 * 1024)
    }

    /// Whether a key passes a filter that is about keys.
    pub fn passes_key(&self, key: &Key) -> bool {
        self.any(|test| test.holds_for_name(key.as_bytes()).unwrap_or(true))
    }

    /// Whether a lock passes at `now`: its value is its holder.
    pub fn passes_lock(&self, lock: &Lock, now: Millis) -> bool {
        self.any(|test| {
            test.holds_for_name(lock.name.as_bytes()).unwrap_or_else(|| match test {
                FilterTest::Kind(wanted) => *wanted == Kind::Lock,
                FilterTest::TimeToLive(comparison) => {
                    lock.expires_at.is_some_and(|at| comparison.holds(at.since(now)))
                }
                FilterTest::Changed(comparison) => {
                    lock.acquired_at.is_some_and(|at| comparison.holds(now.since(at)))
                }
                FilterTest::Value(word) => word.is_in(lock.holder.as_bytes()),
                FilterTest::Actor(word) => {
                    word.is_in(lock.holder.as_bytes()) || is_by(lock.actor.as_ref(), word)
                }
                FilterTest::Run(run) => lock.actor.as_ref().is_some_and(|actor| actor.run == Some(*run)),
                FilterTest::Type(_)
                | FilterTest::Word(_)
                | FilterTest::Fuzzy(_)
                | FilterTest::Status { .. } => false,
            })
        })
    }

    pub fn passes(&self, entry: &Entry, now: Millis) -> bool {
        self.any(|test| {
            test.holds_for_name(entry.key.as_bytes()).unwrap_or_else(|| match test {
                FilterTest::Type(wanted) => entry.value_type() == *wanted,
                FilterTest::Kind(wanted) => kind_inference::infer(entry).0 == *wanted,
                FilterTest::TimeToLive(comparison) => {
                    entry.time_to_live(now).is_some_and(|left| comparison.holds(left))
                }
                FilterTest::Changed(comparison) => {
                    entry.modified_at.is_some_and(|at| comparison.holds(now.since(at)))
                }
                FilterTest::Value(word) => word.is_in(&entry.stored),
                FilterTest::Actor(word) => is_by(entry.actor.as_ref(), word),
                FilterTest::Run(run) => entry.actor.as_ref().is_some_and(|actor| actor.run == Some(*run)),
                FilterTest::Word(_) | FilterTest::Fuzzy(_) | FilterTest::Status { .. } => false,
            })
        })
    }

    /// Whether a change passes at `now`: what it was before or after must pass.
    pub fn passes_change(&self, change: &Change, now: Millis) -> bool {
        let entry = |image: &Image| Entry {
            key: change.key.clone(),
            stored: image.stored.clone(),
            size: image.stored.len() as u64,
            stored_type: image.stored_type,
            expires_at: image.expires_at,
            version: change.version.unwrap_or_default(),
            revision: Revision::default(),
            created_at: None,
            modified_at: Some(change.at),
            actor: Some(change.actor.clone()),
            kind: None,
        };
        if self.is_about_keys() {
            return self.passes_key(&change.key);
        }
        [&change.new, &change.old].into_iter().flatten().any(|image| self.passes(&entry(image), now))
    }

    /// Whether a run passes that stands like this at `now`: words are parts of its workflow, its
    /// file, or who ran it.
    pub fn passes_run(&self, run: &Run, status: &str, now: Millis) -> bool {
        let actor = run.actor.to_string();
        let names = [&run.new.workflow, &run.new.file, &actor];
        self.any(|test| match test {
            FilterTest::Word(word) => names.iter().any(|name| word.is_in(name.as_bytes())),
            FilterTest::Fuzzy(fuzzy) => names.iter().any(|name| fuzzy.is_in(name.as_bytes())),
            FilterTest::Status { status: wanted, .. } => status.starts_with(wanted.as_str()),
            FilterTest::Changed(comparison) => comparison.holds(now.since(run.began_at)),
            FilterTest::Value(text) => run.new.params.values().any(|value| text.is_in(value.as_bytes())),
            FilterTest::Actor(word) => word.is_in(actor.as_bytes()),
            FilterTest::Run(number) => run.number == *number,
            FilterTest::Type(_) | FilterTest::Kind(_) | FilterTest::TimeToLive(_) => false,
        })
    }

    /// The parts of a key, in bytes, that words of the filter matched: to be highlighted.
    pub fn matches_in(&self, key: &str) -> Vec<Range<usize>> {
        let mut ranges = Vec::new();
        for term in self.alternatives.iter().flatten().filter(|term| !term.negated) {
            match &term.test {
                FilterTest::Word(word) | FilterTest::Status { word, .. } => {
                    ranges.extend(word.find(key.as_bytes()).map(|at| at..at + word.text().len()))
                }
                FilterTest::Fuzzy(Fuzzy { pattern, .. }) => {
                    let mut letters = Vec::new();
                    let mut buffer = Vec::new();
                    let mut matcher = Matcher::new(Config::DEFAULT);
                    pattern.indices(Utf32Str::new(key, &mut buffer), &mut matcher, &mut letters);
                    let places: Vec<_> = key.char_indices().collect();
                    ranges.extend(letters.iter().filter_map(|letter| {
                        let (at, character) = places.get(usize::try_from(*letter).ok()?)?;
                        Some(*at..at + character.len_utf8())
                    }));
                }
                _ => {}
            }
        }
        ranges
    }
}

impl FilterTest {
    /// The part that a key must have in it.
    fn word(&self) -> Option<&Needle> {
        match self {
            FilterTest::Word(word) | FilterTest::Status { word, .. } => Some(word),
            _ => None,
        }
    }

    /// Whether it holds for a name; `None` if it is not about names.
    fn holds_for_name(&self, name: &[u8]) -> Option<bool> {
        match self {
            FilterTest::Word(word) | FilterTest::Status { word, .. } => Some(word.is_in(name)),
            FilterTest::Fuzzy(fuzzy) => Some(fuzzy.is_in(name)),
            _ => None,
        }
    }
}

/// Whether somebody's name, run or task has the word in it.
fn is_by(actor: Option<&Actor>, word: &Needle) -> bool {
    actor.is_some_and(|actor| word.is_in(actor.to_string().as_bytes()))
}

/// The terms of a line, with their places: blanks stand between them, unless in quotes, which are
/// left out.
fn terms(line: &str) -> Vec<(Range<usize>, String)> {
    let mut terms: Vec<(Range<usize>, String)> = Vec::new();
    let (mut is_inside, mut is_quoted) = (false, false);
    for (at, character) in line.char_indices() {
        if character.is_whitespace() && !is_quoted {
            is_inside = false;
            continue;
        }
        if !is_inside {
            terms.push((at..at, String::new()));
            is_inside = true;
        }
        let Some((range, text)) = terms.last_mut() else { continue };
        range.end = at + character.len_utf8();
        match character {
            '"' => is_quoted = !is_quoted,
            other => text.push(other),
        }
    }
    terms.retain(|(_, text)| !text.is_empty());
    terms
}

impl FilterComparison {
    fn holds(self, span: Duration) -> bool {
        if self.shorter { span < self.bound } else { span > self.bound }
    }
}

impl Fuzzy {
    fn new(text: &str) -> Fuzzy {
        let pattern = Pattern::parse(text, CaseMatching::Smart, Normalization::Smart);
        Fuzzy { text: text.to_string(), pattern }
    }

    fn is_in(&self, key: &[u8]) -> bool {
        thread_local! {
            static MATCHER: std::cell::RefCell<Matcher> = std::cell::RefCell::new(Matcher::new(Config::DEFAULT));
        }
        let mut buffer = Vec::new();
        let text = String::from_utf8_lossy(key);
        MATCHER.with_borrow_mut(|matcher| {
            self.pattern.score(Utf32Str::new(&text, &mut buffer), matcher).is_some()
        })
    }
}

fn term(term: &str) -> Result<Term, String> {
    let (negated, rest) = match term.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, term),
    };
    Ok(Term { negated, test: test(rest)? })
}

fn test(text: &str) -> Result<FilterTest, String> {
    if let Some(pattern) = text.strip_prefix('~') {
        return Ok(FilterTest::Fuzzy(Fuzzy::new(pattern)));
    }
    let Some((name, wanted)) = text.split_once(':') else { return Ok(FilterTest::Word(Needle::new(text))) };
    let incomplete = |example: &str| Err(format!("{name}: what? such as {example}"));
    match (name, wanted) {
        ("type", "") => incomplete("type:number"),
        ("type", wanted) => Type::from_name(wanted).map(FilterTest::Type).ok_or_else(|| {
            format!("type:{} is none of string, number, boolean, table", escape(wanted.as_bytes()))
        }),
        ("kind", "") => incomplete("kind:flag"),
        ("kind", wanted) => Kind::from_name(wanted).map(FilterTest::Kind).ok_or_else(|| {
            let names = Kind::ALL.map(Kind::name).join(", ");
            format!("kind:{} is none of {names}", escape(wanted.as_bytes()))
        }),
        ("ttl", wanted) => comparison(name, wanted).map(FilterTest::TimeToLive),
        ("changed", wanted) => comparison(name, wanted).map(FilterTest::Changed),
        ("value", "") => incomplete("value:text"),
        ("value", wanted) => Ok(FilterTest::Value(Needle::new(wanted))),
        ("status", status) if !status.is_empty() => {
            Ok(FilterTest::Status { status: status.to_string(), word: Needle::new(text) })
        }
        ("actor", "") => incomplete("actor:ann"),
        ("actor", wanted) => Ok(FilterTest::Actor(Needle::new(wanted))),
        ("run", wanted) => wanted
            .parse()
            .map(FilterTest::Run)
            .map_err(|_| "run: needs the number of a run, such as run:12".into()),
        // Keys have colons too.
        _ => Ok(FilterTest::Word(Needle::new(text))),
    }
}

fn comparison(name: &str, text: &str) -> Result<FilterComparison, String> {
    let (shorter, span) = match (text.strip_prefix('<'), text.strip_prefix('>')) {
        (Some(span), _) => (true, span),
        (_, Some(span)) => (false, span),
        _ => (true, text),
    };
    match crate::text::duration::parse_duration(span) {
        Ok(bound) if !span.is_empty() => Ok(FilterComparison { shorter, bound }),
        _ => Err(format!("{name}: needs a time, such as {name}:<5m or {name}:>1h")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing;

    fn entry(key: &str, value: &str) -> Entry {
        let entry = testing::entry(key, value, None);
        Entry { expires_at: Some(Millis(60_000)), modified_at: Some(Millis(0)), ..entry }
    }

    fn passes(filter: &str, key: &str, value: &str) -> bool {
        Filter::parse(filter).unwrap().passes(&entry(key, value), Millis(10_000))
    }

    #[test]
    fn words_are_parts_of_the_key_in_smart_case() {
        assert!(passes("", "anything", ""));
        assert!(passes("check", "feature:new_Checkout", "true"));
        assert!(!passes("Checkout", "feature:new_checkout", "true"));
        assert!(passes("new feature", "feature:new_checkout", "true"));
        assert!(!passes("feature !new", "feature:new_checkout", "true"));
        assert!(passes("été", "ÉTÉ", ""));
        assert!(passes("api:calls", "api:calls:2026", ""), "a colon may belong to the key");
    }

    #[test]
    fn fuzzy_words_are_letters_in_order() {
        assert!(passes("~fnc", "feature:new_checkout", ""));
        assert!(!passes("~cnf", "feature:new_checkout", ""));
        assert_eq!(Filter::parse("~ab").unwrap().matches_in("xaxb"), [1..2, 3..4]);
    }

    #[test]
    fn predicates_ask_for_other_things_than_the_key() {
        assert!(passes("kind:flag", "new_ui", "true"));
        assert!(passes("!kind:flag", "n", "7"));
        assert!(passes("type:string", "n", "7"));
        assert!(passes("ttl:<1m", "n", "7"));
        assert!(!passes("ttl:>50s", "n", "7"));
        assert!(passes("changed:<11s", "n", "7"));
        assert!(passes("value:berlin", "city", "Berlin"));
    }

    #[test]
    fn a_mistake_is_explained() {
        assert!(Filter::parse("type:flag").unwrap_err().text.contains("boolean"));
        assert!(Filter::parse("kind:").unwrap_err().text.contains("kind:flag"));
        assert!(Filter::parse("ttl:soon").unwrap_err().text.contains("ttl:<5m"));
        assert!(Filter::parse("ttl:<").is_err());
    }

    #[test]
    fn a_mistake_is_shown_where_it_is() {
        assert_eq!(Filter::parse("web  type:flag x").unwrap_err().at, 5..14);
        assert_eq!(Filter::parse("é run:x").unwrap_err().at, 3..8);
    }

    #[test]
    fn alternatives_and_quotes() {
        assert!(passes("a | n", "n", "7"));
        assert!(!passes("a | !n", "n", "7"));
        assert!(passes("kind:flag | value:7", "n", "7"));
        assert!(passes("a |", "a", "") && !passes("a |", "b", ""), "nothing is typed after it yet");
        assert!(passes("value:\"two words\"", "n", "these two words"));
        assert!(!passes("value:\"two words\"", "two", "words"));
        assert!(passes("\"two", "two", ""), "the quote is not closed yet");
        assert!(Filter::parse("a | b").unwrap().needles().is_empty(), "no key must have all of them");
    }

    #[test]
    fn who_and_which_run_wrote_it() {
        let actor = Actor { name: "ann@web1:7".into(), run: Some(12), task: Some("deploy".into()) };
        let written = Entry { actor: Some(actor), ..entry("k", "v") };
        let passes = |filter: &str| Filter::parse(filter).unwrap().passes(&written, Millis(0));
        assert!(passes("actor:ann run:12") && passes("actor:deploy") && passes("!run:13"));
        assert!(!passes("run:1") && !passes("actor:bob") && !passes("!actor:ann"));
        assert!(Filter::parse("run:").is_err() && Filter::parse("actor:").is_err());
    }
}
