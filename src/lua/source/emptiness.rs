//! Finds in a source the calls of `next` that only test whether a table is empty: `next(t) == nil`,
//! `nil ~= next(t)`, `not next(t)`, `if next(t) then`. Which key it answers does not matter there.

use super::scan::{SourceCall, Use};
use super::tokens::{LuaToken, TokenKind, tokens};

/// What may stand in front of a comparison that `next(…)` begins.
const BEFORE: [&str; 12] =
    ["if", "elseif", "while", "until", "and", "or", "not", "return", "(", ",", "=", "{"];
/// What may stand behind `next(…)`, besides names and keywords, where nothing more is done with its value.
const AFTER: [&str; 5] = [")", ",", ";", "}", "]"];

/// The tests, in the order of the source. The source must have been compiled by Lua before.
pub fn emptiness_tests(source: &[u8]) -> Vec<SourceCall> {
    if memchr::memmem::find(source, b"next").is_none() {
        return Vec::new();
    }
    let Some(tokens) = tokens(source) else { return Vec::new() };
    let is_any = |at: Option<usize>, texts: &[&str]| {
        at.and_then(|at| tokens.get(at)).is_some_and(|token| texts.iter().any(|text| token.is(source, text)))
    };
    let is = |at: Option<usize>, text: &str| is_any(at, &[text]);
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let is_next = token.kind == TokenKind::Name && token.text(source) == b"next";
        if !is_next || !is(Some(at + 1), "(") {
            continue;
        }
        let Some(close) = closing(source, &tokens, at + 1) else { continue };
        // A call of one argument: another one is the key that comes before.
        if has_comma(source, &tokens[at + 2..close]) || close == at + 2 {
            continue;
        }
        let (before, after) = (at.checked_sub(1), Some(close + 1));
        let two_before = at.checked_sub(2);
        let is_compared =
            is_any(after, &["==", "~="]) && is(Some(close + 2), "nil") && is_any(before, &BEFORE);
        let ends = is_any(after, &AFTER)
            || tokens.get(close + 1).is_some_and(|token| {
                matches!(token.kind, TokenKind::Name | TokenKind::Keyword | TokenKind::End)
            });
        let compares = is_any(before, &["==", "~="]) && is(two_before, "nil") && ends;
        let is_negated = is(before, "not") && (ends || is_any(after, &["==", "~="]));
        let is_condition = is_any(before, &["if", "elseif", "while"]) && is_any(after, &["then", "do"]);
        if is_compared || compares || is_negated || is_condition {
            found.push(SourceCall {
                callee: (token.start, token.end),
                name: (token.start, token.end),
                line: token.line,
                used: Use::Unknown,
                is_read_by_fields: false,
            });
        }
    }
    found
}

/// The place of the bracket that closes the one at `open`.
fn closing(source: &[u8], tokens: &[LuaToken], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        if ["(", "[", "{"].iter().any(|text| token.is(source, text)) {
            depth += 1;
        } else if [")", "]", "}"].iter().any(|text| token.is(source, text)) {
            depth = depth.checked_sub(1)?;
            if depth == 0 {
                return Some(at);
            }
        }
    }
    None
}

/// Whether there is a comma outside of brackets, or a function, whose body may have one.
fn has_comma(source: &[u8], tokens: &[LuaToken]) -> bool {
    let mut depth = 0_i32;
    tokens.iter().any(|token| {
        if ["(", "[", "{"].iter().any(|text| token.is(source, text)) {
            depth += 1;
        } else if [")", "]", "}"].iter().any(|text| token.is(source, text)) {
            depth -= 1;
        }
        token.is(source, "function") || depth == 0 && token.is(source, ",")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tests_for_emptiness_are_found() {
        let count = |source: &str| emptiness_tests(source.as_bytes()).len();
        for source in [
            "if next(t) == nil then end",
            "return next(t) ~= nil",
            "local e = next(t.a[1]) == nil",
            "f(next(f(1, 2)) == nil)",
            "while next(t) do end",
            "if not next(t) then end",
            "local e = not next(t)",
            "local e = not next(t) print(e)",
            "local e = not next(t) == true",
            "if nil == next(t) then end",
            "if a and next(t) == nil or b then end",
            "x = { next(t) == nil }",
        ] {
            assert_eq!(count(source), 1, "{source}");
        }
        for source in [
            "local k = next(t)",
            "return next(t)",
            "local k, v = next(t)",
            "if next(t, k) == nil then end",
            "if t.next(t) == nil then end",
            "if t:next(t) == nil then end",
            "local k = next(t) or 1",
            "if next(t) == x then end",
            "if a == next(t) == nil then end",
            "if a .. next(t) == nil then end",
            "if not next(t).x then end",
            "if not next(t)[1] then end",
            "if next(t) == 'a' then end",
            "if nil == next(t) .. 'a' then end",
            "function next(t) end",
            "if next() == nil then end",
        ] {
            assert_eq!(count(source), 0, "{source}");
        }
    }
}
