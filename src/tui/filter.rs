//! The filter line: what is typed there, and which entries it lets through.

use std::time::Duration;

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use crate::escape::escape;
use crate::store::{Change, Entry, Image, Key, Kind, Millis, Needle, Revision, Run, Type, kind};

/// What is looked for; all of its terms must hold. Empty: everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq)]
struct Term {
    negated: bool,
    test: Test,
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    /// A part of the key; in small letters it fits capitals too.
    Word(Needle),
    /// Letters of the key in this order.
    Fuzzy(Fuzzy),
    Type(Type),
    Kind(Kind),
    TimeToLive(Comparison),
    Changed(Comparison),
    Value(Needle),
    /// How a run stands. Keys may have such a word in them: of those it is a part.
    Status {
        status: String,
        word: Needle,
    },
}

impl Test {
    /// The part that a key must have in it.
    fn word(&self) -> Option<&Needle> {
        match self {
            Test::Word(word) | Test::Status { word, .. } => Some(word),
            _ => None,
        }
    }
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
struct Comparison {
    shorter: bool,
    bound: Duration,
}

impl Filter {
    /// Reads a filter line. Words are parts of the key; `!` in front turns a term round, `~`
    /// makes it fuzzy; `type: kind: ttl:<1h changed:<5m value:` ask for other things.
    ///
    /// # Errors
    /// Says which term is wrong, and how it should be.
    pub fn parse(line: &str) -> Result<Filter, String> {
        let terms = line.split_whitespace().filter(|term| *term != "!" && *term != "~").map(term);
        Ok(Filter { terms: terms.collect::<Result<_, _>>()? })
    }

    /// Whether everything passes.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether the key alone decides.
    pub fn is_about_keys(&self) -> bool {
        self.terms.iter().all(|term| matches!(term.test, Test::Fuzzy(_)) || term.test.word().is_some())
    }

    /// The words that every key must have in it.
    pub fn needles(&self) -> Vec<Needle> {
        let words =
            self.terms.iter().filter(|term| !term.negated).filter_map(|term| term.test.word().cloned());
        words.collect()
    }

    /// How much of a value has to be read for it, in bytes; `None` if no more than a list shows.
    pub fn value_bytes(&self) -> Option<u64> {
        let asks_for_value = self.terms.iter().any(|term| matches!(term.test, Test::Value(_)));
        asks_for_value.then_some(1024 * 1024)
    }

    /// Whether a name passes the terms that are about names.
    pub fn passes_name(&self, name: &[u8]) -> bool {
        self.terms.iter().all(|term| match &term.test {
            Test::Word(word) | Test::Status { word, .. } => word.is_in(name) != term.negated,
            Test::Fuzzy(fuzzy) => fuzzy.is_in(name) != term.negated,
            _ => true,
        })
    }

    /// Whether a key passes the terms that are about keys.
    pub fn passes_key(&self, key: &Key) -> bool {
        self.passes_name(key.as_bytes())
    }

    /// Whether an entry passes at `now`.
    pub fn passes(&self, entry: &Entry, now: Millis) -> bool {
        self.passes_key(&entry.key)
            && self.terms.iter().all(|term| {
                let holds = match &term.test {
                    Test::Word(_) | Test::Status { .. } | Test::Fuzzy(_) => return true,
                    Test::Type(wanted) => entry.value_type() == *wanted,
                    Test::Kind(wanted) => kind::infer(entry).0 == *wanted,
                    Test::TimeToLive(comparison) => {
                        entry.time_to_live(now).is_some_and(|left| comparison.holds(left))
                    }
                    Test::Changed(comparison) => {
                        entry.modified_at.is_some_and(|at| comparison.holds(now.since(at)))
                    }
                    Test::Value(word) => word.is_in(&entry.stored),
                };
                holds != term.negated
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
        self.passes_key(&change.key)
            && (self.is_about_keys()
                || [&change.new, &change.old]
                    .into_iter()
                    .flatten()
                    .any(|image| self.passes(&entry(image), now)))
    }

    /// Whether a run passes that stands like this at `now`: words are parts of its workflow, its
    /// file, or who ran it.
    pub fn passes_run(&self, run: &Run, status: &str, now: Millis) -> bool {
        let actor = run.actor.to_string();
        let names = [&run.new.workflow, &run.new.file, &actor];
        self.terms.iter().all(|term| {
            let holds = match &term.test {
                Test::Word(word) => names.iter().any(|name| word.is_in(name.as_bytes())),
                Test::Fuzzy(fuzzy) => names.iter().any(|name| fuzzy.is_in(name.as_bytes())),
                Test::Status { status: wanted, .. } => status.starts_with(wanted.as_str()),
                Test::Changed(comparison) => comparison.holds(now.since(run.began_at)),
                Test::Value(text) => run.new.params.values().any(|value| text.is_in(value.as_bytes())),
                Test::Type(_) | Test::Kind(_) | Test::TimeToLive(_) => false,
            };
            holds != term.negated
        })
    }

    /// The parts of a key, in bytes, that words of the filter matched: to be highlighted.
    pub fn matches_in(&self, key: &str) -> Vec<std::ops::Range<usize>> {
        let mut ranges = Vec::new();
        for term in self.terms.iter().filter(|term| !term.negated) {
            match &term.test {
                Test::Word(word) | Test::Status { word, .. } => {
                    ranges.extend(word.find(key.as_bytes()).map(|at| at..at + word.text().len()))
                }
                Test::Fuzzy(Fuzzy { pattern, .. }) => {
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

impl Comparison {
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

fn test(text: &str) -> Result<Test, String> {
    if let Some(pattern) = text.strip_prefix('~') {
        return Ok(Test::Fuzzy(Fuzzy::new(pattern)));
    }
    let Some((name, wanted)) = text.split_once(':') else { return Ok(Test::Word(Needle::new(text))) };
    let incomplete = |example: &str| Err(format!("{name}: what? such as {example}"));
    match (name, wanted) {
        ("type", "") => incomplete("type:number"),
        ("type", wanted) => Type::from_name(wanted).map(Test::Type).ok_or_else(|| {
            format!("type:{} is none of string, number, boolean, table", escape(wanted.as_bytes()))
        }),
        ("kind", "") => incomplete("kind:flag"),
        ("kind", wanted) => Kind::from_name(wanted).map(Test::Kind).ok_or_else(|| {
            let names = Kind::ALL.map(Kind::name).join(", ");
            format!("kind:{} is none of {names}", escape(wanted.as_bytes()))
        }),
        ("ttl", wanted) => comparison(name, wanted).map(Test::TimeToLive),
        ("changed", wanted) => comparison(name, wanted).map(Test::Changed),
        ("value", "") => incomplete("value:text"),
        ("value", wanted) => Ok(Test::Value(Needle::new(wanted))),
        ("status", status) if !status.is_empty() => {
            Ok(Test::Status { status: status.to_string(), word: Needle::new(text) })
        }
        // Keys have colons too.
        _ => Ok(Test::Word(Needle::new(text))),
    }
}

fn comparison(name: &str, text: &str) -> Result<Comparison, String> {
    let (shorter, span) = match (text.strip_prefix('<'), text.strip_prefix('>')) {
        (Some(span), _) => (true, span),
        (_, Some(span)) => (false, span),
        _ => (true, text),
    };
    match crate::span::parse_span(span) {
        Ok(bound) if !span.is_empty() => Ok(Comparison { shorter, bound }),
        _ => Err(format!("{name}: needs a time, such as {name}:<5m or {name}:>1h")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Revision;

    fn entry(key: &str, value: &str) -> Entry {
        Entry {
            key: Key::new(key).unwrap(),
            stored: value.into(),
            size: value.len() as u64,
            stored_type: None,
            expires_at: Some(Millis(60_000)),
            version: 1,
            revision: Revision(1),
            created_at: None,
            modified_at: Some(Millis(0)),
            actor: None,
            kind: None,
        }
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
        assert!(Filter::parse("type:flag").unwrap_err().contains("boolean"));
        assert!(Filter::parse("kind:").unwrap_err().contains("kind:flag"));
        assert!(Filter::parse("ttl:soon").unwrap_err().contains("ttl:<5m"));
        assert!(Filter::parse("ttl:<").is_err());
    }
}
