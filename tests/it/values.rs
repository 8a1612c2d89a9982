//! Values are what was written, byte for byte, whatever way they go in and out, and numbers do not change
//! where Lua, JSON or a counter cannot hold them: with the real binary.

use crate::support::files::{Place, answer_to, objects, thorough};

/// Tables that a program which reads and writes them again would change.
fn tables() -> Vec<(&'static str, String)> {
    let text = |text: &str| text.to_string();
    let deep = format!("{}{{\"deepest\": 1.0}}{}", "[ ".repeat(119), "]".repeat(119));
    let rows: Vec<String> = (0..if thorough() { 20_000 } else { 4_000 })
        .map(|row| {
            format!("{{\"z\":{row},\"id\":{}, \"f\":1.0,\"a\":\"\\u00e9\"}}", 9_007_199_254_740_993u64 + row)
        })
        .collect();
    vec![
        ("order", text(r#"{"z":1,"id":12345678901234567890123,"f":1.0}"#)),
        ("duplicates", text(r#"{"a":1,"b":{"c":1,"c":2.0},"a":2,"a":null}"#)),
        (
            "numbers",
            text(
                "[0,-0,0.0,1e5,1E+05,1.50,-1.0e-7,1234567890123456789012.5,9007199254740993,0.10000000000000000001]",
            ),
        ),
        ("empty", text(r#"{"e":{},"l":[],"n":[[],{},[[]]],"null":null,"ln":[null,1,null],"":""}"#)),
        ("empty_object", text("{ }")),
        ("empty_list", text("[]")),
        ("escapes", text(r#"{"\u0061":"\u00e9\/\b\ud83d\ude00é😀","é":"\u0000\u202e","\"":"\\"}"#)),
        ("blanks", text("{ \"a\" :\t1 ,\r\n \"b\":[ 1 , 2 ],\n\n\t\"c\" : \"  \" }")),
        ("outside", text("  [ 1.0 ]  ")),
        ("deep", deep),
        ("large", format!("[{}]", rows.join(", "))),
    ]
}

/// Sets an entry through standard input, which has room for any value.
fn set(place: &Place, key: &str, value: &str, value_type: &str) {
    answer_to(place.command(&["set", key, "-", "--type", value_type]), value.as_bytes()).done();
}

fn with_values(values: &[(&str, String)], value_type: &str) -> Place {
    let place = Place::new();
    for (name, value) in values {
        set(&place, name, value, value_type);
    }
    place
}

/// What `get` prints, without the line break behind it.
fn get(place: &Place, key: &str) -> String {
    let shown = place.done(&["get", key]);
    shown.strip_suffix('\n').unwrap_or(&shown).to_string()
}

#[track_caller]
fn check(place: &Place, values: &[(&str, String)], way: &str) {
    for (name, value) in values {
        let found = get(place, name);
        assert!(found == *value, "{name} {way}: {}", &found[..found.len().min(300)]);
    }
}

/// Runs a script with one task that does this.
fn lua(place: &Place, code: &str) -> String {
    let file = place.file("script.lua");
    std::fs::write(&file, format!("task('t'):command(function() {code}\nreturn true end):build()\n"))
        .unwrap();
    place.done(&["run", file.to_str().unwrap()])
}

#[test]
fn tables_are_the_same_whatever_way_they_go() {
    let values = tables();
    let place = with_values(&values, "table");
    check(&place, &values, "by set and get");
    let stored = |name: &str| -> Vec<u8> {
        let sql = "SELECT CAST(value AS BLOB) FROM state WHERE key = ?1";
        place.connection().query_row(sql, [name], |row| row.get(0)).unwrap()
    };
    for (name, value) in &values {
        assert!(stored(name) == value.as_bytes(), "{name} in the file");
    }

    // In JSON: on one line, where what a terminal obeys is escaped.
    for (name, value) in &values {
        let line = value.replace(['\n', '\r', '\t'], " ").replace('\u{202e}', "\\u202e");
        let line = line.trim();
        let object = place.done(&["get", name, "--json"]);
        assert!(object.contains(&format!("\"value\":{line},\"version\":1}}")), "{name} with --json");
        let change = place.done(&["history", name, "--json"]);
        assert!(change.contains(&format!("\"new\":{line},\"new_expires_at\"")), "{name} in history");
    }

    // Another expiry, and back again.
    for (name, _) in &values {
        place.done(&["ttl", name, "1h"]);
        place.done(&["ttl", name, "never"]);
    }
    check(&place, &values, "after another expiry");

    // Overwritten, and taken back; and as it was before that.
    for (name, _) in &values {
        let before = place.json(&["stats", "--json"])["revision"].to_string();
        place.done(&["set", name, "[0]"]);
        let past = place.done(&["get", name, "--at", &before]);
        let revision = place.json(&["stats", "--json"])["revision"].to_string();
        place.done(&["undo", &revision]);
        let value = &values.iter().find(|(other, _)| other == name).unwrap().1;
        assert!(past == format!("{value}\n"), "{name} in the past");
    }
    check(&place, &values, "after undo");
    for (name, _) in &values {
        place.done(&["del", name]);
        let revision = place.json(&["stats", "--json"])["revision"].to_string();
        place.done(&["undo", &revision]);
    }
    check(&place, &values, "after it was deleted and that was taken back");

    // Elsewhere, by way of an export, of a backup, and straight from the file.
    let (export, copy) = (place.file("export.jsonl"), place.file("copy.db"));
    let (export, copy) = (export.to_str().unwrap(), copy.to_str().unwrap());
    place.done(&["export", "--output", export]);
    place.done(&["backup", copy]);
    for source in [export, copy] {
        let other = Place::new();
        other.done(&["import", source]);
        check(&other, &values, "after an import");
    }
}

#[test]
fn lua_hands_tables_back_as_they_were() {
    let values = tables();
    let place = with_values(&values, "table");
    let names: Vec<String> = values.iter().map(|(name, _)| format!("'{name}'")).collect();
    let each = |code: &str| format!("for _, key in ipairs({{{}}}) do {code} end", names.join(", "));
    lua(&place, &each("local t = state.get(key) state.delete(key) state.set(key, t)"));
    check(&place, &values, "by get and set");
    lua(&place, &each("state.update(key, function(t) return t end)"));
    check(&place, &values, "by update");
    lua(&place, &each("state.transaction(function() state.set(key, state.get(key)) end)"));
    check(&place, &values, "in a transaction");
    lua(&place, &each("assert(state.compare_swap(key, state.get(key), state.get(key)), key)"));
    check(&place, &values, "by compare_swap");
    lua(&place, &each("assert(state.wait(key, state.get(key), 0), key)"));
    // Out of one entry, into another.
    lua(
        &place,
        &each("state.set('all', {key = key, value = state.get(key)}) state.set(key, state.get('all').value)"),
    );
    let trimmed: Vec<_> = values.iter().map(|(name, value)| (*name, value.trim().to_string())).collect();
    check(&place, &trimmed, "by way of a table around it");
}

#[test]
fn a_change_in_lua_changes_nothing_else() {
    let values = tables();
    let place = with_values(&values, "table");
    for (name, value) in &values {
        let is_object = value.trim_start().starts_with('{');
        if is_object {
            lua(
                &place,
                &format!("state.update('{name}', function(t) t['new one'] = {{1, x = nil}} return t end)"),
            );
            let changed = get(&place, name);
            assert!(changed.contains("\"new one\"") && changed.contains("[1]"), "{changed}");
            lua(&place, &format!("state.update('{name}', function(t) t['new one'] = nil return t end)"));
        } else {
            let code =
                format!("state.list_push('{name}', {{a = 1}}) assert(state.list_pop('{name}').a == 1)");
            lua(&place, &code);
        }
        let found = get(&place, name);
        // What was empty is written anew, without the blanks in it.
        let expected = if *name == "empty_object" { "{}" } else { value };
        assert!(found == *expected, "{name}: {}", &found[..found.len().min(300)]);
    }
    lua(&place, "state.update('order', function(t) t.z = t.z + 1 return t end)");
    assert_eq!(get(&place, "order"), r#"{"z":2,"id":12345678901234567890123,"f":1.0}"#);
    lua(&place, "state.update('large', function(t) t[3000].z = 'x' table.remove(t, 1) return t end)");
    let large = &values.iter().find(|(name, _)| *name == "large").unwrap().1;
    let first = large.find(", {").unwrap();
    let expected = format!("[{}", &large[first + 2..]).replace("{\"z\":2999,", "{\"z\":\"x\",");
    assert!(get(&place, "large") == expected);
}

#[test]
fn numbers_keep_their_digits() {
    let numbers = [
        "1.50",
        "1e+06",
        "-0",
        "007",
        "+5",
        "12345678901234567890123",
        "0.10000000000000000001",
        "9007199254740993",
    ];
    let values: Vec<(&str, String)> =
        ["a", "b", "c", "d", "e", "f", "g", "h"].into_iter().zip(numbers.map(String::from)).collect();
    let place = with_values(&values, "number");
    check(&place, &values, "by set and get");
    for (name, value) in &values {
        let shown = place.done(&["get", name, "--json"]);
        let as_json = match value.as_str() {
            "007" => "7",
            "+5" => "5",
            other => other,
        };
        assert!(
            shown.contains(&format!("\"value\":{as_json},")) && shown.contains("\"type\":\"number\""),
            "{shown}"
        );
        assert!(place.done(&["history", name, "--json"]).contains(&format!("\"new\":{as_json},")));
    }
    let export = place.file("export.jsonl");
    place.done(&["export", "--output", export.to_str().unwrap()]);
    let other = Place::new();
    other.done(&["import", export.to_str().unwrap()]);
    check(&other, &values, "after an import");
}

#[test]
fn a_counter_at_its_limit_stays_there() {
    let place = Place::new();
    let limit = "9223372036854775807";
    place.done(&["set", "count", limit, "--type", "number"]);
    place.done(&["set", "text", limit, "--type", "string"]);
    place.done(&["set", "down", "-9223372036854775808", "--type", "number"]);
    place.done(&["set", "beyond", "12345678901234567890123", "--type", "number"]);
    let before = place.json(&["stats", "--json"])["revision"].clone();
    for arguments in [
        &["incr", "count"][..],
        &["incr", "count", "0.5"],
        &["incr", "count", "1e300"],
        &["incr", "text"],
        &["incr", "down", "-1"],
        &["incr", "beyond"],
        &["incr", "beyond", "-1"],
    ] {
        let answer = place.run(arguments);
        assert_eq!(answer.code, Some(1), "{arguments:?}");
        assert!(answer.err.contains("is out of range"), "{arguments:?}: {}", answer.err);
    }
    for code in [
        "state.increment('count')",
        "state.decrement('down')",
        "state.increment('text', 1)",
        "state.transaction(function() state.increment('count') end)",
    ] {
        lua(
            &place,
            &format!(
                "local ok, why = pcall(function() {code} end) assert(not ok and tostring(why):find('out of range'), why)"
            ),
        );
    }
    let entries = objects(&place.done(&["keys", "--json"]));
    assert!(entries.iter().all(|entry| entry["revision"].as_i64() <= before.as_i64()), "{entries:?}");
    place.done(&["set", "near", "9007199254740993"]);
    assert_eq!(place.done(&["incr", "near"]), "9007199254740994\n");
    lua(&place, "local n = state.increment('near') assert(n == '9007199254740995', n)");
    assert_eq!(get(&place, "near"), "9007199254740995");
}

#[test]
fn an_integer_beyond_doubles_is_not_rounded_without_a_word() {
    let place = Place::new();
    place.done(&["set", "id", "9007199254740993"]);
    place.done(&["set", "edge", "9007199254740992"]);
    place.done(&["set", "t", r#"{"id":9007199254740993,"n":1}"#]);
    lua(
        &place,
        r#"
        local ok, why = pcall(state.get, "id")
        assert(not ok and why:find('state.get(key, "")', 1, true) and why:find("9007199254740993", 1, true), why)
        assert(state.get("id", "") == "9007199254740993")
        assert(state.get("edge") == 2 ^ 53)
        assert(state.history("id", 1)[1].new == "9007199254740993")
        local t = state.get("t")
        t.n = 2
        state.set("t", t)
        t.n = t.id
        ok, why = pcall(state.set, "t", t)
        assert(not ok and why:find("value.n would lose digits: it comes from 9007199254740993", 1, true), why)
        assert(not pcall(state.set, "copy", t.id))
        assert(not pcall(state.update, "t", function(t) return {id = t.id - 1, other = t.id} end))
        assert(not pcall(state.list_push, "list", t.id))
        "#,
    );
    assert_eq!(get(&place, "t"), r#"{"id":9007199254740993,"n":2}"#);
    assert!(place.run(&["get", "copy"]).code != Some(0));
    // A replay, and a trial that really writes to a copy, go the same way.
    place.done(&["replay", "1"]);
    place.done(&["replay", "1", "--what-if", "other=1"]);
}

#[test]
fn a_time_beyond_all_dates_is_refused() {
    let place = Place::new();
    place.done(&["set", "k", "1", "--ttl", "1h"]);
    let before = place.json(&["get", "k", "--json"]);
    for arguments in [
        &["set", "k", "2", "--ttl", "999999999999d"][..],
        &["set", "k", "2", "--ttl", "1e18"],
        &["ttl", "k", "999999999999d"],
        &["ttl", "k", "+999999999999d"],
        &["lock", "--ttl", "999999999999d", "l", "--", "true"],
    ] {
        let answer = place.run(arguments);
        assert_eq!(answer.code, Some(2), "{arguments:?}");
        assert!(answer.err.contains("is too long: a duration is at most 7000 years"), "{}", answer.err);
    }
    place.done(&["set", "far", "1", "--ttl", "6999y"]);
    let answer = place.run(&["ttl", "far", "+6999y"]);
    assert!(answer.code == Some(1) && answer.err.contains("after the year 9999"), "{}", answer.err);
    for code in [
        "state.set('k', 2, 1e12)",
        "state.set('k', 2, {ttl = 3e11})",
        "state.set_with_ttl('k', 2, 1e12)",
        "state.set_ttl('k', 1e12)",
        "state.try_lock('l', 1e12)",
        "state.transaction(function() state.set('k', 2, 1e12) end)",
        "state.rate_limit('r', 1, 1e12)",
    ] {
        lua(
            &place,
            &format!(
                "local ok, why = pcall(function() {code} end) assert(not ok and tostring(why):find('after the year 9999'), why)"
            ),
        );
    }
    let after = place.json(&["get", "k", "--json"]);
    assert_eq!((&after["expires_at"], &after["version"]), (&before["expires_at"], &before["version"]));
    let export = place.file("export.jsonl");
    place.done(&["export", "--no-history", "--output", export.to_str().unwrap()]);
    let text = std::fs::read_to_string(&export).unwrap();
    let expiry = text.split("\"expires_at_ms\":").nth(1).unwrap().split(',').next().unwrap();
    std::fs::write(&export, text.replace(expiry, "9223372036854775807")).unwrap();
    let answer = Place::new().run(&["import", export.to_str().unwrap()]);
    assert!(answer.code != Some(0) && answer.err.contains("after the year 9999"), "{}", answer.err);
}

#[test]
fn a_revision_without_a_successor_is_explained_and_mended() {
    let place = Place::new();
    place.done(&["set", "t", "{\"z\":1.0}"]);
    let sql = "INSERT INTO slothstate_history (revision, at_ms, subject, key, operation, actor) \
               VALUES (9223372036854775807, 1, 'entry', 'x', 'set', 'x')";
    place.connection().execute(sql, []).unwrap();
    for arguments in [
        &["set", "q", "1"][..],
        &["incr", "n"],
        &["del", "t"],
        &["ttl", "t", "5s"],
        &["lock", "l", "--", "true"],
        &["undo", "--last"],
    ] {
        let answer = place.run(arguments);
        assert_eq!(answer.code, Some(3), "{arguments:?}: {}", answer.err);
        assert!(answer.err.contains("has the revision 9223372036854775807"), "{}", answer.err);
        assert!(answer.err.contains("slothstate doctor"), "{}", answer.err);
    }
    // It can be looked at, at any revision.
    for arguments in [
        &["get", "t"][..],
        &["get", "t", "--at", "9223372036854775807"],
        &["history"],
        &["diff", "1", "9223372036854775807"],
        &["stats"],
        &["watch", "--since", "0", "--count", "1"],
    ] {
        place.done(arguments);
    }
    // There is such a change, and undoing it would be a write; there is no change before it.
    for (revision, code) in [("9223372036854775807", 3), ("9223372036854775806", 1)] {
        let answer = place.run(&["undo", revision]);
        assert_eq!(answer.code, Some(code), "{revision}: {}", answer.err);
        assert_eq!(answer.err.contains("has the revision 9223372036854775807"), code == 3, "{}", answer.err);
    }
    let text = String::from_utf8(place.run(&["doctor", "--quick"]).out).unwrap();
    assert!(text.contains("revisions") && text.contains("import export.jsonl"), "{}", text);
    // What it says does it.
    let export = place.file("export.jsonl");
    place.done(&["export", "--no-history", "--output", export.to_str().unwrap()]);
    let other = Place::new();
    other.done(&["import", export.to_str().unwrap()]);
    assert_eq!(get(&other, "t"), "{\"z\":1.0}");
    other.done(&["set", "q", "1"]);
}
