//! Editing and adding in the form.

use crate::tui::screens::value::detail::Detail;
use crate::tui::update::tests::*;

/// Types `keys` in the sample with the cursor on an entry, and Enter.
fn entered(name: &str, keys: &str) -> (Vec<Effect>, App) {
    let mut app = at(name);
    type_text(&mut app, keys);
    (press(&mut app, KeyCode::Enter), app)
}

/// What `keys` and Enter write of an entry.
fn operations(name: &str, keys: &str) -> Vec<Operation> {
    guarded(&entered(name, keys).0).operations.clone()
}

fn alt(app: &mut App, letter: char) -> Vec<Effect> {
    let key = KeyEvent::new(KeyCode::Char(letter), KeyModifiers::ALT);
    update(app, Message::Input(Event::Key(key)), NOW)
}

#[test]
fn value_type_and_expiry_are_one_write() {
    let hour = Expiry::After(Duration::from_secs(3600));
    let put = |name: &str, value, expiry| vec![Operation::Put { key: key(name), value, expiry }];
    // From a number to a table and on to a string.
    assert_eq!(operations("deploys:total", "e5\t   \t1h"), put("deploys:total", Value::text("12075"), hour));
    assert_eq!(
        operations("session:ann", "e\t\tnever"),
        [Operation::SetExpiry { key: key("session:ann"), expiry: Expiry::Clear }]
    );
    assert_eq!(
        operations("session:ann", "e0\t\tnever"),
        put("session:ann", Value::text("9f8e7d0"), Expiry::Clear)
    );
    assert_eq!(
        operations("deploys:total", "e\t   "),
        put("deploys:total", Value::text("1207"), Expiry::Keep)
    );
    let (effects, _) = entered("deploys:total", "e5\t   \t1h");
    assert_eq!(written(&effects).done, "made deploys:total a string, and set it to expire in 1h");
}

#[test]
fn what_was_left_as_it_is_is_not_written() {
    for (name, keys) in [("version", "e"), ("version", "T"), ("version", "Tnever"), ("version", "e\t    ")] {
        let (effects, app) = entered(name, keys);
        assert_eq!(effects, [], "{keys}");
        assert!(app.focus.dialog().is_none() && app.requests.writing.is_empty(), "{keys}");
        assert_eq!(status(&app), "version was left as it is", "{keys}");
    }
}

#[test]
fn another_type_converts_nothing_and_what_is_none_is_said_at_once() {
    let mut app = at("version");
    type_text(&mut app, "e\t ");
    assert_eq!((form(&app).value_type(), form(&app).former_type()), (Some(Type::Number), Some(Type::String)));
    assert!(wrong(&app, Field::Value).contains("v1.14.2 is not a number"), "{:?}", form(&app));
    assert_eq!(press(&mut app, KeyCode::Enter), []);
    assert_eq!(form(&app).focus(), Field::Value, "where it can be mended");
    assert_eq!(typed(&app, Field::Value), "v1.14.2");
    press(&mut app, KeyCode::Tab);
    press(&mut app, KeyCode::Left);
    assert_eq!((form(&app).former_type(), wrong(&app, Field::Value)), (None, ""));
    // A number keeps its spelling.
    let mut app = at("deploys:total");
    type_text(&mut app, "e.50");
    assert_eq!(form(&app).value().unwrap().unwrap().to_stored(), b"1207.50");
}

#[test]
fn the_rows_go_round_and_the_type_is_turned_both_ways() {
    let mut app = at("version");
    press(&mut app, KeyCode::Char('e'));
    let mut seen = Vec::new();
    for code in [KeyCode::Tab, KeyCode::Down, KeyCode::Tab, KeyCode::Up, KeyCode::BackTab] {
        press(&mut app, code);
        seen.push(form(&app).focus());
    }
    assert_eq!(seen, [Field::Type, Field::Expiry, Field::Value, Field::Expiry, Field::Type]);
    let mut types = Vec::new();
    for code in [KeyCode::Right, KeyCode::Char(' '), KeyCode::Left, KeyCode::Left, KeyCode::Left] {
        press(&mut app, code);
        types.push(form(&app).value_type().unwrap());
    }
    assert_eq!(types, [Type::Number, Type::Boolean, Type::Number, Type::String, Type::Table]);
    // A new entry may have the type that it looks like.
    press(&mut app, KeyCode::Esc);
    type_text(&mut app, "ak\t7\t");
    assert_eq!(form(&app).value_type(), None);
    press(&mut app, KeyCode::Right);
    let effects = press(&mut app, KeyCode::Enter);
    let WriteKind::Guarded { transaction, .. } = &written(&effects).what else { panic!("{effects:?}") };
    let expiry = Expiry::Clear;
    assert_eq!(transaction.operations, [Operation::Put { key: key("k"), value: Value::text("7"), expiry }]);
}

#[test]
fn a_new_entry_is_guessed_as_little_as_on_the_command_line() {
    for (text, type_name, done) in [
        ("true", "untyped", "added k as untyped text"),
        ("1.0", "untyped", "added k as untyped text"),
        ("42", "number", "added k as a number"),
        ("[1]", "table", "added k as a table"),
    ] {
        let (effects, app) = entered("version", &format!("ak\t{text}"));
        assert!(app.focus.dialog().is_none(), "{text}");
        assert_eq!(written(&effects).done, done, "{text}");
        let WriteKind::Guarded { transaction, .. } = &written(&effects).what else { panic!("{effects:?}") };
        let expected = TypedInput::guess(text.as_bytes()).put(key("k"), Expiry::Clear);
        assert_eq!(transaction.operations, [expected], "{text}");
        let mut app = at("version");
        type_text(&mut app, &format!("ak\t{text}"));
        assert_eq!(form(&app).type_name(), format!("as it looks: {type_name}"));
    }
}

#[test]
fn what_is_edited_outside_has_its_type_and_expiry_in_the_form() {
    let mut app = at("config");
    assert!(matches!(press(&mut app, KeyCode::Char('e'))[..], [Effect::EditOutside(..)]));
    press(&mut app, KeyCode::Char('T'));
    assert_eq!(form(&app).focus(), Field::Expiry);
    press(&mut app, KeyCode::Esc);
    alt(&mut app, 't');
    assert_eq!(form(&app).focus(), Field::Type);
    // To a string, with nothing of it changed.
    press(&mut app, KeyCode::Right);
    let effects = press(&mut app, KeyCode::Enter);
    let text = Value::text("{\"replicas\":3,\"zones\":[\"a\",\"b\"]}");
    assert_eq!(guarded(&effects).operations, put("config", text));
    assert_eq!(written(&effects).done, "made config a string");
    // A short table can be typed on, too.
    type_text(&mut app, "T\t");
    press(&mut app, KeyCode::Backspace);
    assert!(wrong(&app, Field::Value).contains("EOF"), "{:?}", form(&app));
}

#[test]
fn a_value_that_was_read_in_part_gets_another_type_once_it_was_read() {
    let text = format!("[{}1]", "1,".repeat(200));
    let whole = entry("list", &text, None);
    let part = Entry { stored: text.as_bytes()[..256].to_vec(), ..whole.clone() };
    let mut app = with(rows(vec![part]), SIZE);
    let choose_table = |app: &mut App| {
        alt(app, 't');
        press(app, KeyCode::Left);
    };
    choose_table(&mut app);
    assert!(wrong(&app, Field::Value).contains("too long"), "{:?}", form(&app));
    assert_eq!(press(&mut app, KeyCode::Enter), []);
    let detail = |entry: Entry| {
        let id = RowId::Entry(key("list"));
        Reply::Detail(id, Some(Box::new(Detail::of_entry(entry))))
    };
    // What is another value by now is not what the form is about.
    answer(&mut app, detail(Entry { revision: Revision(99), ..whole.clone() }));
    assert!(wrong(&app, Field::Value).contains("too long"), "{:?}", form(&app));
    answer(&mut app, detail(whole.clone()));
    assert_eq!(wrong(&app, Field::Value), "");
    let effects = press(&mut app, KeyCode::Enter);
    let table = Value::parse(text.as_bytes(), Type::Table).unwrap();
    assert_eq!(guarded(&effects).operations, put("list", table.clone()));
    // It is known already when the form is opened again.
    choose_table(&mut app);
    assert_eq!(guarded(&press(&mut app, KeyCode::Enter)).operations, put("list", table));
    // Its expiry never depended on that.
    type_text(&mut app, "T1h");
    let expiry = Expiry::After(Duration::from_secs(3600));
    let effects = press(&mut app, KeyCode::Enter);
    assert_eq!(guarded(&effects).operations, [Operation::SetExpiry { key: key("list"), expiry }]);
}

/// A write that was refused because the entry is `found` by now.
fn refuse(app: &mut App, effects: &[Effect], found: Option<Entry>) {
    answer(app, refusal(written(effects).clone(), found));
    assert!(matches!(app.focus.dialog(), Some(Dialog::Conflict(_))), "{:?}", app.focus.dialog());
}

#[test]
fn after_a_refusal_all_that_was_typed_is_in_the_form_over_their_entry() {
    let (effects, mut app) = entered("session:ann", "e0\t\t+10m");
    let mut theirs = Entry { revision: Revision(99), ..entry("session:ann", "17", Some(Type::Number)) };
    theirs.expires_at = Some(ago(-100));
    refuse(&mut app, &effects, Some(theirs.clone()));
    press(&mut app, KeyCode::Char('e'));
    assert_eq!((typed(&app, Field::Value), typed(&app, Field::Expiry)), ("9f8e7d0", "+10m"));
    // The type was not mine to choose: it is theirs, and my text is none of that.
    assert_eq!((form(&app).value_type(), form(&app).entry.as_ref()), (Some(Type::Number), Some(&theirs)));
    assert!(!wrong(&app, Field::Value).is_empty());
    press(&mut app, KeyCode::Home);
    type_text(&mut app, "1\t");
    press(&mut app, KeyCode::Left);
    let effects = press(&mut app, KeyCode::Enter);
    let expiry = Expiry::At(ago(-700));
    assert_eq!(
        guarded(&effects).operations,
        [Operation::Put { key: key("session:ann"), value: Value::text("19f8e7d0"), expiry }]
    );
    // What I left as it was is what they have made of it.
    let (effects, mut app) = entered("session:ann", "T1h");
    refuse(&mut app, &effects, Some(theirs));
    press(&mut app, KeyCode::Char('e'));
    assert_eq!((typed(&app, Field::Value), typed(&app, Field::Expiry)), ("17", "1h"));
}

#[test]
fn what_was_refused_is_done_all_the_same_where_there_is_still_something_to_do() {
    let theirs = || Entry { revision: Revision(99), ..entry("version", "theirs", None) };
    let (effects, mut app) = entered("version", "T1h");
    refuse(&mut app, &effects, Some(theirs()));
    let effects = press(&mut app, KeyCode::Char('o'));
    assert_eq!(guarded(&effects).conditions, [Condition::Unchanged(Box::new(theirs()))]);
    // What is gone does not expire.
    let (effects, mut app) = entered("version", "T1h");
    refuse(&mut app, &effects, None);
    for code in ['o', 'e'] {
        assert_eq!(press(&mut app, KeyCode::Char(code)), []);
        assert!(matches!(app.focus.dialog(), Some(Dialog::Conflict(_))));
    }
    // A value is written anew, if nobody else does.
    let (effects, mut app) = entered("version", "e1");
    refuse(&mut app, &effects, None);
    let effects = press(&mut app, KeyCode::Char('o'));
    let WriteKind::Guarded { transaction, seen: None, .. } = &written(&effects).what else {
        panic!("{effects:?}")
    };
    assert_eq!(transaction.conditions, [Condition::Absent(key("version"))]);
}

#[test]
fn a_text_from_outside_goes_back_there() {
    let mut app = at("config");
    let seen = entry("config", "{}", Some(Type::Table));
    let effects = answer(&mut app, edited(seen, "{\"a\":1}"));
    let theirs = Entry { revision: Revision(99), ..entry("config", "{\"b\":2}", Some(Type::Table)) };
    refuse(&mut app, &effects, Some(theirs.clone()));
    let effects = press(&mut app, KeyCode::Char('e'));
    assert_eq!(effects, [Effect::EditOutside(theirs, Some(b"{\"a\":1}".to_vec()))]);
}

#[test]
fn pasted_text_goes_into_the_row_that_has_the_cursor() {
    let paste = |app: &mut App| update(app, Message::Input(Event::Paste("1\n2".into())), NOW);
    let mut app = at("deploys:total");
    press(&mut app, KeyCode::Char('e'));
    paste(&mut app);
    assert_eq!(typed(&app, Field::Value), "12071\n2");
    press(&mut app, KeyCode::Left);
    paste(&mut app);
    type_text(&mut app, "x");
    assert_eq!(typed(&app, Field::Value), "12071\n1\n2x2", "at the cursor, which stands behind it then");
    press(&mut app, KeyCode::Tab);
    assert_eq!(paste(&mut app), []);
    assert_eq!(form(&app).former_type(), None);
}

#[test]
fn lines_and_tabs_that_are_pasted_into_a_value_are_written_as_they_are() {
    for (pasted, written) in
        [("a\r\tb\r", "a\n\tb\n"), ("a\r\nb\n\nc", "a\nb\n\nc"), ("  x \t", "  x \t"), ("\x1b[A", "\x1b[A")]
    {
        let paste = |app: &mut App| update(app, Message::Input(Event::Paste(pasted.into())), NOW);
        let mut app = at("version");
        type_text(&mut app, "anew\t");
        paste(&mut app);
        let effects = press(&mut app, KeyCode::Enter);
        let WriteKind::Guarded { transaction, .. } = &self::written(&effects).what else {
            panic!("{effects:?}")
        };
        let text = written.as_bytes().to_vec();
        assert_eq!(
            transaction.operations,
            [Operation::PutUntyped { key: key("new"), text, expiry: Expiry::Clear }]
        );
        let mut app = at("version");
        press(&mut app, KeyCode::Char('e'));
        for _ in 0..20 {
            press(&mut app, KeyCode::Backspace);
        }
        paste(&mut app);
        let effects = press(&mut app, KeyCode::Enter);
        assert_eq!(guarded(&effects).operations, put("version", Value::text(written)), "{pasted:?}");
        // A key is one line.
        let mut app = at("version");
        press(&mut app, KeyCode::Char('a'));
        paste(&mut app);
        assert!(!typed(&app, Field::Key).contains(char::is_control));
    }
}

#[test]
fn what_is_too_long_for_a_line_is_not_pasted_in_part() {
    let mut app = at("deploys:total");
    press(&mut app, KeyCode::Char('e'));
    update(&mut app, Message::Input(Event::Paste("1".repeat(20_000))), NOW);
    assert_eq!(typed(&app, Field::Value), "1207");
    assert!(status(&app).starts_with("nothing was pasted: it has 19.5"), "{}", status(&app));
}

#[test]
fn a_form_learns_nothing_from_another_entry_that_begins_the_same() {
    let part = Entry { size: 4000, ..entry("config", "{\"a\":", Some(Type::Table)) };
    let mut form = Form::edit(part, Field::Type);
    let whole = format!("{{\"a\":{}}}", "1".repeat(3994));
    let other = Entry { size: 4000, ..entry("other", &whole, Some(Type::Table)) };
    form.learn(&Detail::of_entry(other.clone()));
    assert_eq!(form.key(), Ok(key("config")));
    form.learn(&Detail::of_entry(Entry { key: key("config"), ..other }));
    assert!(form.entry.is_some_and(|entry| entry.is_whole()));
}
