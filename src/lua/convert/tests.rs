//! What goes into the store and comes back.

use proptest::prelude::*;
use proptest::test_runner::Config;

use super::*;
use crate::lua::call::to_lua;
use crate::lua::recorded_value::RecordedValue;
use crate::store::{Type, json};

fn stored(code: &str) -> Result<Value, Unstorable> {
    let lua = Lua::new();
    let value: LuaValue = lua.load(code).eval().unwrap();
    to_stored(&lua, &value, "value")
}

fn refusal(code: &str) -> String {
    stored(code).unwrap_err().to_string()
}

#[test]
fn values_keep_their_types() {
    assert_eq!(stored("7"), Ok(Value::integer(7)));
    assert_eq!(stored("0.5"), Ok(Value::number(Number::Float(0.5))));
    assert_eq!(stored("1e-300"), Ok(Value::number(Number::Float(1e-300))));
    assert_eq!(stored("true"), Ok(Value::Boolean(true)));
    assert_eq!(stored(r#""a\0\255""#), Ok(Value::String(b"a\0\xff".to_vec())));
    assert_eq!(stored("{1, 'b', {x = 2}}"), Ok(Value::table(serde_json::json!([1, "b", {"x": 2}]))));
    assert_eq!(stored("{}"), Ok(Value::table(serde_json::json!({}))));
}

#[test]
fn what_cannot_be_stored_is_refused_with_its_path() {
    assert_eq!(refusal("{a = {print}}"), "value.a[1] is a function, which cannot be stored");
    assert_eq!(refusal("{['x y'] = 0/0}"), "value[\"x y\"] is NaN (not a number), which cannot be stored");
    assert_eq!(refusal("-1/0"), "value is infinite, which cannot be stored");
    assert_eq!(refusal("{1, a = 2}"), "value mixes list items and named fields");
    assert_eq!(refusal("{[1] = 1, [3] = 3}"), "value is a list with a gap: [3] without [2]");
    assert_eq!(refusal("{[0] = 1}"), "value is a list with a gap: [0] without [1]");
    assert!(refusal("{[true] = 1}").contains("has a key that is a boolean"));
    assert!(refusal("{[1.5] = 1}").contains("has a key that is a number"));
    assert!(refusal("{a = '\\255'}").starts_with("value.a is not UTF-8 text"));
    assert!(refusal("(function() local t = {}; t.me = t; return t end)()").starts_with("value.me contains"));
    assert!(
        refusal("(function() local t = {}; for _ = 1, 200 do t = {t} end; return t end)()")
            .contains("nested deeper")
    );
    assert_eq!(refusal("coroutine.create(function() end)"), "value is a coroutine, which cannot be stored");
}

#[test]
fn one_table_in_two_places_is_no_cycle() {
    assert!(stored("(function() local t = {1}; return {t, t} end)()").is_ok());
}

#[test]
fn what_was_stored_comes_back() {
    let lua = Lua::new();
    let json = serde_json::json!({"a": [1, 2.5, {"b": "é"}], "c": false});
    let value = to_lua(&lua, &Value::table(json.clone())).unwrap();
    assert_eq!(to_stored(&lua, &value, "value"), Ok(Value::table(json)));
}

/// What a function of a script makes of a table.
fn changed(text: &str, code: &str) -> Result<String, Unstorable> {
    let lua = Lua::new();
    let table = Value::parse(text.as_bytes(), Type::Table).unwrap();
    let function: mlua::Function = lua.load(format!("return function(t) {code} end")).eval().unwrap();
    let changed: LuaValue = function.call(to_lua(&lua, &table).unwrap()).unwrap();
    let stored = to_stored_over(&lua, &changed, "value", Some(&table))?;
    Ok(String::from_utf8(stored.to_stored()).unwrap())
}

const ODD: &str = r#" {"z":1, "id":12345678901234567890123, "f":1.0,"e": 1E+2, "z" : [ 0, null , {} ,[ ] ],
    "s":"\u0041\/", "n":null, "o":{ "b":9007199254740993, "a":"x" } }"#;

#[test]
fn what_a_script_leaves_unchanged_keeps_its_bytes() {
    for (code, from, to) in [
        ("return t", "", ""),
        ("t.f = t.f + 0 return t", "", ""),
        ("t.f = 2 return t", "1.0", "2"),
        ("t.s = 'B' return t", r#""\u0041\/""#, "\"B\""),
        ("t.n = false return t", "\"n\":null", "\"n\":false"),
        ("t.o.a = 'y' return t", "\"x\"", "\"y\""),
        ("t.o.a = nil return t", ", \"a\":\"x\"", ""),
        ("t.o.c = {1} return t", "\"a\":\"x\"", "\"a\":\"x\", \"c\":[1]"),
        ("t.f = nil return t", ", \"f\":1.0", ""),
        ("t.z[1] = 5 return t", "[ 0,", "[ 5,"),
        ("t.z[4][1] = 5 return t", "[ ]", "[5]"),
        ("t.z[5] = 'new' return t", ",[ ] ]", ",[ ] ,\"new\" ]"),
        ("t.z[4] = nil return t", " ,[ ] ]", " ]"),
        ("t.new = true return t", "\"a\":\"x\" } }", "\"a\":\"x\" }, \"new\":true }"),
        ("t.o = {b = t.o.b, a = 'y'} return t", "\"x\"", "\"y\""),
    ] {
        let expected = if from.is_empty() { ODD.to_string() } else { ODD.replace(from, to) };
        assert!(from.is_empty() || ODD.matches(from).count() == 1, "{from}");
        assert_eq!(changed(ODD, code), Ok(expected), "{code}");
    }
    assert_eq!(changed(ODD, "return t.o"), Ok("{ \"b\":9007199254740993, \"a\":\"x\" }".into()));
    assert_eq!(
        changed(ODD, "return {x = {t.o}}"),
        // A script does not see null, so it does not remove it either.
        Ok(" {\"n\":null, \"x\":[{ \"b\":9007199254740993, \"a\":\"x\" }] }".into())
    );
}

#[test]
fn items_of_a_list_keep_their_bytes_when_others_come_and_go() {
    let list = r#"[ {"a": 1.0}, {"a": 2.0}, 3.0, 9007199254740993, "\u0041", {"a":1.0} ]"#;
    for (code, expected) in [
        ("table.remove(t, 1)", r#"[ {"a": 2.0}, 3.0, 9007199254740993, "\u0041", {"a":1.0} ]"#),
        ("table.remove(t, 3)", r#"[ {"a": 1.0}, {"a": 2.0}, 9007199254740993, "\u0041", {"a":1.0} ]"#),
        ("table.remove(t)", r#"[ {"a": 1.0}, {"a": 2.0}, 3.0, 9007199254740993, "\u0041" ]"#),
        ("table.remove(t, 1) table.remove(t, 2)", r#"[ {"a": 2.0}, 9007199254740993, "\u0041", {"a":1.0} ]"#),
        (
            "table.insert(t, 1, 7)",
            r#"[ 7, {"a": 1.0}, {"a": 2.0}, 3.0, 9007199254740993, "\u0041", {"a":1.0} ]"#,
        ),
        (
            "table.insert(t, 4, {})",
            r#"[ {"a": 1.0}, {"a": 2.0}, 3.0, {}, 9007199254740993, "\u0041", {"a":1.0} ]"#,
        ),
        (
            "t[1], t[2] = t[2], t[1]",
            r#"[ {"a": 2.0}, {"a": 1.0}, 3.0, 9007199254740993, "\u0041", {"a":1.0} ]"#,
        ),
        ("for i = 1, 6 do t[i] = nil end", "[  ]"),
        ("t[6].b = 1", r#"[ {"a": 1.0}, {"a": 2.0}, 3.0, 9007199254740993, "\u0041", {"a":1.0,"b":1} ]"#),
    ] {
        assert_eq!(changed(list, &format!("{code} return t")), Ok(expected.into()), "{code}");
    }
}

#[test]
fn a_rounded_integer_is_written_only_where_it_was_read() {
    let table = r#"{"id":9007199254740993,"exact":1152921504606846976,"large":12345678901234567890123}"#;
    for code in ["t.copy = t.id", "t.exact = t.large", "t.large = t.large * 2", "t = {x = t.id}", "t = t.id"]
    {
        let error = changed(table, &format!("{code} return t")).unwrap_err().to_string();
        assert!(error.contains("would lose digits: it comes from"), "{code}: {error}");
    }
    let copied = changed(table, "t.copy = t.exact t.other = 2 ^ 61 return t").unwrap();
    assert!(copied.ends_with("\"copy\":1152921504606846976,\"other\":2305843009213693952}"), "{copied}");
}

#[test]
fn an_integer_beyond_doubles_is_no_number() {
    let lua = Lua::new();
    for text in ["9007199254740993", "-9007199254740994", "12345678901234567890123"] {
        let value = Value::parse(text.as_bytes(), Type::Number).unwrap();
        let error = to_lua(&lua, &value).unwrap_err().to_string();
        assert!(error.contains(text) && error.contains("state.get(key, \"\")"), "{error}");
        assert_eq!(to_lua_or_digits(&lua, &value).unwrap().to_string().unwrap(), text);
    }
    let value = Value::integer(9_007_199_254_740_992);
    assert!(matches!(to_lua(&lua, &value), Ok(LuaValue::Integer(9_007_199_254_740_992))));
}

/// JSON in odd spellings, no deeper than a few levels.
fn any_json() -> impl Strategy<Value = String> {
    let blank = prop_oneof![4 => Just(""), 1 => Just(" "), 1 => Just("\n\t")];
    let scalar = prop_oneof![
        Just("null".to_string()),
        Just("true".to_string()),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?",
        "\"[a-c]{0,2}(\\\\u00e9|\\\\/|é)?\"",
    ];
    scalar.prop_recursive(4, 40, 6, move |inner| {
        let (first, second) = (blank.clone(), blank.clone());
        let around = (blank.clone(), blank.clone(), blank.clone());
        prop_oneof![
            (prop::collection::vec(inner.clone(), 0..6), first).prop_map(|(items, blank)| {
                format!("[{blank}{}{blank}]", items.join(&format!("{blank},")))
            }),
            (prop::collection::vec(("[a-c]{0,2}", inner), 0..6), second, around).prop_map(
                |(members, blank, (before, after, colon))| {
                    let members: Vec<String> = members
                        .into_iter()
                        .map(|(name, value)| format!("\"{name}\"{colon}:{before}{value}"))
                        .collect();
                    format!("{blank}{{{after}{}{after}}}{blank}", members.join(&format!(",{blank}")))
                }
            ),
        ]
    })
}

proptest! {
    #![proptest_config(Config { cases: 256, failure_persistence: None, ..Config::default() })]

    #[test]
    fn any_table_comes_back_as_it_was(json in any_json()) {
        let text = format!("{{\"first\": 1.0,\n \"it\":{json}}}");
        prop_assert_eq!(changed(&text, "return t"), Ok(text.clone()));
        // By way of a new table, and back.
        let moved = changed(&text, "return {other = t.it}");
        match moved {
            // A number that Lua has rounded has no place but its own; a table is moved as it is.
            Err(error) => {
                prop_assert!(json::is_beyond_doubles(json.trim()), "{}", error);
                prop_assert!(error.to_string().contains(json.trim()), "{}", error);
            }
            Ok(moved) => {
                prop_assert!(!json::is_beyond_doubles(json.trim()), "{}", moved);
                if json.trim().starts_with(['[', '{']) {
                    prop_assert!(moved.contains(json.trim()), "{}", moved);
                }
            }
        }
        // One field is another one; all else is as it was.
        let edited = changed(&text, "t.first = 'x' return t");
        prop_assert_eq!(edited, Ok(text.replacen("1.0", "\"x\"", 1)));
    }

    #[test]
    fn what_a_replay_makes_of_a_table_is_gone_through_in_the_same_order(json in any_json()) {
        let lua = Lua::new();
        let text = format!("{{\"it\":{json}}}");
        let table = to_lua(&lua, &Value::parse(text.as_bytes(), Type::Table).unwrap()).unwrap();
        let again = RecordedValue::of(&table).to_lua(&lua).unwrap();
        let order: mlua::Function = lua
            .load(
                "local function order(t) if type(t) ~= 'table' then return tostring(t) end
                     local all = {} for k, v in pairs(t) do all[#all + 1] = tostring(k) .. order(v) end
                     return '{' .. table.concat(all, ' ') .. '}' end
                 return order",
            )
            .eval()
            .unwrap();
        let [one, other] = [table, again].map(|table| order.call::<String>(table).unwrap());
        prop_assert_eq!(one, other);
    }
}
