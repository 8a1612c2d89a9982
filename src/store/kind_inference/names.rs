//! What the words of a key say of its entry.

const FLAG_WORDS: &[&str] = &[
    "flag",
    "flags",
    "feature",
    "enable",
    "enabled",
    "disable",
    "disabled",
    "is",
    "use",
    "maintenance",
    "toggle",
    "debug",
    "verbose",
    "allow",
    "allowed",
    "active",
];
const TIME_WORDS: &[&str] = &[
    "time",
    "timestamp",
    "at",
    "ts",
    "epoch",
    "last",
    "since",
    "until",
    "date",
    "seen",
    "heartbeat",
    "deadline",
];
/// What happened to one thing happened at a time; `jobs_started` counts.
const EVENT_WORDS: &[&str] =
    &["started", "ended", "finished", "created", "updated", "modified", "expires", "deployed"];
/// Words of names that count or measure something, whatever other words stand beside them.
const NUMBER_WORDS: &[&str] = &[
    "count",
    "counter",
    "total",
    "sum",
    "number",
    "num",
    "id",
    "version",
    "build",
    "revision",
    "size",
    "bytes",
    "length",
    "index",
    "page",
    "offset",
    "status",
    "code",
    "rate",
    "ratio",
    "percent",
    "percentage",
    "rollout",
    "weight",
    "avg",
    "average",
    "mean",
    "min",
    "max",
    "limit",
    "level",
    "duration",
    "elapsed",
    "latency",
    "response",
    "interval",
    "timeout",
    "ttl",
    "seconds",
    "minutes",
    "hours",
    "days",
    "ms",
    "value",
    "result",
    "score",
    "retries",
    "attempts",
];

/// Whether a name is one of a time: it has a word for one, and none for a number of things or a duration.
pub fn names_a_time(name: &str) -> bool {
    let mut words = words(name);
    let mut before: &str = "";
    let mut is_time = false;
    for word in &mut words {
        is_time |= is_among(word, TIME_WORDS) || is_among(word, EVENT_WORDS) && !is_plural(before);
        if is_among(word, NUMBER_WORDS) {
            return false;
        }
        before = word;
    }
    is_time
}

/// The words of a name: `newUi`, `new_ui` and `new:ui` have two.
fn words(name: &str) -> impl Iterator<Item = &str> {
    let parts = name.split(|c: char| !c.is_ascii_alphanumeric());
    parts
        .flat_map(|part| {
            let bytes = part.as_bytes();
            let starts = (1..bytes.len())
                .filter(|at| bytes[at - 1].is_ascii_lowercase() && bytes[*at].is_ascii_uppercase());
            let ends = starts.clone().chain(std::iter::once(bytes.len()));
            std::iter::once(0).chain(starts).zip(ends).map(|(start, end)| &part[start..end])
        })
        .filter(|word| !word.is_empty())
}

fn is_among(word: &str, words: &[&str]) -> bool {
    words.iter().any(|one| word.eq_ignore_ascii_case(one))
}

fn is_plural(word: &str) -> bool {
    let ends = |end: &str| word.len() > end.len() && word[word.len() - end.len()..].eq_ignore_ascii_case(end);
    word.is_ascii() && ends("s") && !ends("ss") && !ends("us") && !ends("is")
}

fn has_word(name: &str, looked_for: &[&str]) -> bool {
    words(name).any(|word| is_among(word, looked_for))
}

pub(super) fn names_a_cache(name: &str) -> bool {
    has_word(name, &["cache", "cached"])
}

/// Whether a name is one of a flag: it has a word for one, and does not end in things that are counted.
pub(super) fn names_a_flag(name: &str) -> bool {
    let ends_in_things =
        words(name).last().is_some_and(|last| is_plural(last) && !is_among(last, FLAG_WORDS));
    has_word(name, FLAG_WORDS) && !has_word(name, NUMBER_WORDS) && !ends_in_things
}

pub(super) fn is_lock_name(name: &str) -> bool {
    words(name).last().is_some_and(|last| is_among(last, &["lock", "locked", "mutex", "locks"]))
}

/// `open_locks` may be how many there are.
pub(super) fn names_locks(name: &str) -> bool {
    words(name).last().is_some_and(|last| is_among(last, &["locks"]))
}
