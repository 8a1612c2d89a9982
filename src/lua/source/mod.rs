//! Reads the source of a script to find out how the results of its calls are used: which type the reader of
//! an entry expects.
//!
//! A source is first compiled by Lua unchanged. Then it is scanned, the calls that were found are wrapped
//! without changing the lines, and it is compiled again.
//!
//! `tokens` splits a source, `parser` reads it into a `scan`; `emptiness` finds tests for empty tables;
//! `newer_lua` explains syntax errors. A new use of a value is a variant of [`Use`], and of `Reading` in
//! `typed_read`.

mod emptiness;
mod known_source;
mod newer_lua;
mod parser;
mod scan;
mod tokens;
mod variables;

pub use emptiness::emptiness_tests;
pub use known_source::KnownSource;
pub use newer_lua::explain;
pub use parser::scan;
pub use scan::{Assignment, Comparison, Literal, Operand, SourceCall, SourceScan, Use};
pub use tokens::{LuaToken, TokenKind, tokens};

/// A call that uses another variant of its function, if it turns out to call that function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrappedCall<'s> {
    pub call: &'s SourceCall,
    pub variant: &'static str,
}

/// The source with each of `wrapped` as `HOOK(callee, "variant", "name")(…)`. Called with the hook, the
/// result returns the script as a function. Its line numbers are those of the source.
pub fn rewrite(source: &[u8], wrapped: &[WrappedCall<'_>]) -> Vec<u8> {
    let hook = hook_name(source);
    let mut insertions = Vec::with_capacity(2 * wrapped.len());
    for WrappedCall { call, variant } in wrapped {
        let name = String::from_utf8_lossy(&source[call.name.0..call.name.1]);
        insertions.push((call.callee.0, format!("{hook}(")));
        insertions.push((call.callee.1, format!(",\"{variant}\",\"{name}\")")));
    }
    // A callee may contain another call; then both insertions have the same place and the same text.
    insertions.sort_by_key(|(at, _)| *at);
    let mut text = format!("local {hook} = ... return function(...) ").into_bytes();
    let mut from = 0;
    for (at, inserted) in insertions {
        text.extend_from_slice(&source[from..at]);
        text.extend_from_slice(inserted.as_bytes());
        from = at;
    }
    text.extend_from_slice(&source[from..]);
    // The last line may be a comment.
    text.extend_from_slice(b"\nend");
    text
}

/// A name that the source does not use.
fn hook_name(source: &[u8]) -> String {
    let mut name = String::from("_variant");
    while memchr::memmem::find(source, name.as_bytes()).is_some() {
        name.push('_');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_wrapped_where_they_stand() {
        let source = b"local _variant = 1\nx = s.get(1).get(t.get(2) or 3) or 4 -- end";
        let scan = scan(source, &["get"], &[]).unwrap();
        let wrapped: Vec<_> = scan.calls.iter().map(|call| WrappedCall { call, variant: "v" }).collect();
        let text = String::from_utf8(rewrite(source, &wrapped)).unwrap();
        let expected = "local _variant_ = ... return function(...) local _variant = 1\n\
            x = _variant_(_variant_(s.get,\"v\",\"get\")(1).get,\"v\",\"get\")(_variant_(t.get,\"v\",\"get\")(2) or 3) or 4 \
            -- end\nend";
        assert_eq!(text, expected);
    }
}
