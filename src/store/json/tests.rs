//! What is looked at, compared, laid out and changed is what was written.

use super::*;

fn json(text: &str) -> JsonText {
    JsonText::parse(text).unwrap()
}

#[test]
fn what_is_looked_at_is_what_was_written() {
    let JsonNode::Object(members) = look(" { \"z\" : 1.0, \"a\\u00e9\":[ 1e3 ],\"z\":null } ") else {
        panic!()
    };
    let seen: Vec<_> = members.iter().map(|member| (&*member.name, member.key, member.value)).collect();
    assert_eq!(seen, [("z", "\"z\"", "1.0"), ("aé", "\"a\\u00e9\"", "[ 1e3 ]"), ("z", "\"z\"", "null")]);
    assert_eq!(look("[1, [2]]"), JsonNode::List(vec!["1", "[2]"]));
    assert_eq!(look("\"a\\n\""), JsonNode::String("a\n".into()));
    assert_eq!(json("{\"a\":1,\"a\":2}").get("a"), Some(json("2")));
}

#[test]
fn what_is_no_json_is_refused() {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for text in ["", "{", "[1,]", "{\"a\"}", "nul", "01", "\"\\ud800\"", "1e999", "[1] 2", &deep(128)] {
        assert!(JsonText::parse(text).is_err(), "{text}");
    }
    for text in ["1", "{}", " [ ] ", "12345678901234567890123", "\"\\ud83d\\ude00\"", &deep(127)] {
        assert_eq!(JsonText::parse(text).unwrap().as_str(), text);
    }
}

#[test]
fn lists_keep_their_bytes_when_they_grow_and_shrink() {
    for (list, item, pushed) in [
        ("[]", "1", "[1]"),
        ("{}", "1", "[1]"),
        (" [ ] ", "1", "[1]"),
        ("[1.0]", "2", "[1.0,2]"),
        ("[ 1.0, 2 ]", "{ \"a\" : 1 }", "[ 1.0, 2, {\"a\":1} ]"),
        ("[\n  1\n]\n", "2", "[\n  1,\n  2\n]\n"),
    ] {
        assert_eq!(json(list).push(&json(item)).unwrap().as_str(), pushed);
    }
    assert_eq!(json("{\"a\":1}").push(&json("1")), None);
    assert_eq!(json("[ 1e0, 2.50 ]").pop(), Some((json("[ 1e0 ]"), json("2.50"))));
    assert_eq!(json("[ 1 ]").pop(), Some((json("[  ]"), json("1"))));
    assert_eq!(json("[]").pop(), None);
}

#[test]
fn an_edited_text_changes_only_what_differs() {
    for (base, edited, merged) in [
        ("{\"z\":1, \"a\":2.0}", "{\n \"z\": 1,\n \"a\": 2.0\n}", "{\"z\":1, \"a\":2.0}"),
        ("{\"z\":1, \"a\":2.0}", "{\"z\":5,\"a\":2.0}", "{\"z\":5, \"a\":2.0}"),
        ("{\"z\":1, \"a\":2.0}", "{\"z\":1,\"a\":2}", "{\"z\":1, \"a\":2}"),
        ("{\"z\":1, \"a\":[1, 2]}", "{\"z\":1,\"a\":[1,2,{\"b\": 1}]}", "{\"z\":1, \"a\":[1, 2, {\"b\":1}]}"),
        ("{\"z\":1, \"a\":2}", "{\"a\":2}", "{\"a\":2}"),
        ("{\"z\":[1, 2], \"a\":2}", "{\"a\":2,\"z\":[1,2]}", "{\"a\":2, \"z\":[1, 2]}"),
        ("{\"a\":1,\"a\":2}", "{\"a\":1,\"a\":3}", "{\"a\":1,\"a\":3}"),
        ("[{\"a\": 1}, {\"b\": 2}]", "[{\"b\":2}]", "[{\"b\": 2}]"),
        ("[1, 2]", "{\"a\" : 1}", "{\"a\":1}"),
        ("{}", "{\"a\" : 1}", "{\"a\":1}"),
    ] {
        let made = json(base).merge(&json(edited));
        assert_eq!(made.as_str(), merged, "{base} edited to {edited}");
        assert_eq!(compact(made.as_str()), compact(edited));
    }
}

#[test]
fn a_deep_text_is_edited_as_quickly_as_a_flat_one() {
    let deep = |inner: &str| format!("{}{inner}{}", "[0, ".repeat(120), "]".repeat(120));
    assert_eq!(json(&deep("1.0")).merge(&json(&compact(&deep("2.0")))).as_str(), deep("2.0"));
}

#[test]
fn tables_mean_the_same_whatever_their_spelling() {
    for (one, other) in [
        ("{\"a\":1,\"b\":[true]}", "{ \"b\": [true], \"a\": 1.0 }"),
        ("{\"a\":1,\"a\":2}", "{\"a\":2}"),
        ("[]", "{}"),
        ("[100, -0, 1.50]", "[1e2, 0, 15e-1]"),
        ("[\"\\u00e9\"]", "[\"é\"]"),
    ] {
        assert!(json(one).means(&json(other)), "{one} and {other}");
    }
    for (one, other) in [
        ("[12345678901234567890123]", "[12345678901234567890124]"),
        ("[9007199254740993]", "[9007199254740992]"),
        ("{\"a\":null}", "{}"),
        ("[1]", "[\"1\"]"),
        ("[1]", "[-1]"),
        ("[1]", "[1,1]"),
    ] {
        assert!(!json(one).means(&json(other)), "{one} and {other}");
    }
}

#[test]
fn it_is_laid_out_with_its_own_spelling() {
    let text = "{\"z\":1.0,\"s\":\"a\\\" , {\\\\\",\"e\":[ ],\"o\":{},\"l\":[1e2,{\"z\":1,\"z\":2}]}";
    let spread = "{\n  \"z\": 1.0,\n  \"s\": \"a\\\" , {\\\\\",\n  \"e\": [],\n  \"o\": {},\n  \"l\": [\n    \
         1e2,\n    {\n      \"z\": 1,\n      \"z\": 2\n    }\n  ]\n}";
    assert_eq!(json(text).pretty(), spread);
    assert_eq!(compact(spread), text.replace("[ ]", "[]"));
    assert_eq!(json("{\n\t\"a\": \"\\n\"\n}").on_one_line(), "{  \"a\": \"\\n\" }");
    let plain = serde_json::json!({"a": [1, {"b": null}], "c": "é\n", "d": [], "e": {}});
    assert_eq!(JsonText::from(plain.clone()).pretty(), serde_json::to_string_pretty(&plain).unwrap());
}
