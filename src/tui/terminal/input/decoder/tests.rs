//! What the decoder makes of bytes, whole and in pieces.

use proptest::prelude::*;

use crate::tui::terminal::input::decoder::*;

const NONE: KeyModifiers = KeyModifiers::NONE;
const SHIFT: KeyModifiers = KeyModifiers::SHIFT;
const ALT: KeyModifiers = KeyModifiers::ALT;
const CONTROL: KeyModifiers = KeyModifiers::CONTROL;

fn pasted(text: &str) -> Decoded {
    Decoded::Event(Event::Paste(text.into()))
}

fn at(kind: MouseEventKind, column: u16, row: u16, modifiers: KeyModifiers) -> Decoded {
    Decoded::Event(Event::Mouse(MouseEvent { kind, column, row, modifiers }))
}

fn letter(character: char, modifiers: KeyModifiers) -> Decoded {
    key(KeyCode::Char(character), modifiers)
}

/// What terminals send, and what it is.
fn sequences() -> Vec<(&'static [u8], Vec<Decoded>)> {
    let left = MouseButton::Left;
    vec![
        (b"a", vec![letter('a', NONE)]),
        (b"A", vec![letter('A', SHIFT)]),
        (b" ", vec![letter(' ', NONE)]),
        ("ä".as_bytes(), vec![letter('ä', NONE)]),
        ("Ä".as_bytes(), vec![letter('Ä', SHIFT)]),
        ("東".as_bytes(), vec![letter('東', NONE)]),
        ("🦥".as_bytes(), vec![letter('🦥', NONE)]),
        (b"\r", vec![key(KeyCode::Enter, NONE)]),
        (b"\n", vec![letter('j', CONTROL)]),
        (b"\t", vec![key(KeyCode::Tab, NONE)]),
        (b"\x7f", vec![key(KeyCode::Backspace, NONE)]),
        (b"\x08", vec![letter('h', CONTROL)]),
        (b"\x00", vec![letter(' ', CONTROL)]),
        (b"\x03", vec![letter('c', CONTROL)]),
        (b"\x1a", vec![letter('z', CONTROL)]),
        (b"\x1c", vec![letter('4', CONTROL)]),
        (b"\x1ba", vec![letter('a', ALT)]),
        (b"\x1bT", vec![letter('T', ALT | SHIFT)]),
        ("\x1bä".as_bytes(), vec![letter('ä', ALT)]),
        (b"\x1b\r", vec![key(KeyCode::Enter, ALT)]),
        (b"\x1b[A", vec![key(KeyCode::Up, NONE)]),
        (b"\x1b[B", vec![key(KeyCode::Down, NONE)]),
        (b"\x1b[C", vec![key(KeyCode::Right, NONE)]),
        (b"\x1b[D", vec![key(KeyCode::Left, NONE)]),
        (b"\x1b[H", vec![key(KeyCode::Home, NONE)]),
        (b"\x1b[F", vec![key(KeyCode::End, NONE)]),
        (b"\x1bOA", vec![key(KeyCode::Up, NONE)]),
        (b"\x1bOH", vec![key(KeyCode::Home, NONE)]),
        (b"\x1bOP", vec![key(KeyCode::F(1), NONE)]),
        (b"\x1bOS", vec![key(KeyCode::F(4), NONE)]),
        (b"\x1bOM", vec![key(KeyCode::Enter, NONE)]),
        (b"\x1bOk", vec![letter('+', NONE)]),
        (b"\x1bOp", vec![letter('0', NONE)]),
        (b"\x1bO5D", vec![key(KeyCode::Left, CONTROL)]),
        (b"\x1b[1;5D", vec![key(KeyCode::Left, CONTROL)]),
        (b"\x1b[1;2A", vec![key(KeyCode::Up, SHIFT)]),
        (b"\x1b[1;3C", vec![key(KeyCode::Right, ALT)]),
        (b"\x1b[1;5P", vec![key(KeyCode::F(1), CONTROL)]),
        (b"\x1b[1;2R", vec![key(KeyCode::F(3), SHIFT)]),
        (b"\x1b[Z", vec![key(KeyCode::BackTab, SHIFT)]),
        (b"\x1b[1~", vec![key(KeyCode::Home, NONE)]),
        (b"\x1b[2~", vec![key(KeyCode::Insert, NONE)]),
        (b"\x1b[3~", vec![key(KeyCode::Delete, NONE)]),
        (b"\x1b[3;5~", vec![key(KeyCode::Delete, CONTROL)]),
        (b"\x1b[3^", vec![key(KeyCode::Delete, CONTROL)]),
        (b"\x1b[4~", vec![key(KeyCode::End, NONE)]),
        (b"\x1b[5~", vec![key(KeyCode::PageUp, NONE)]),
        (b"\x1b[6~", vec![key(KeyCode::PageDown, NONE)]),
        (b"\x1b[11~", vec![key(KeyCode::F(1), NONE)]),
        (b"\x1b[15~", vec![key(KeyCode::F(5), NONE)]),
        (b"\x1b[17~", vec![key(KeyCode::F(6), NONE)]),
        (b"\x1b[24~", vec![key(KeyCode::F(12), NONE)]),
        (b"\x1b[34~", vec![key(KeyCode::F(20), NONE)]),
        (b"\x1b[[A", vec![key(KeyCode::F(1), NONE)]),
        (b"\x1b[[E", vec![key(KeyCode::F(5), NONE)]),
        (b"\x1b[a", vec![key(KeyCode::Up, SHIFT)]),
        (b"\x1b[97;5u", vec![letter('a', CONTROL)]),
        (b"\x1b[13;2u", vec![key(KeyCode::Enter, SHIFT)]),
        (b"\x1b[27u", vec![key(KeyCode::Esc, NONE)]),
        (b"\x1b[27;5;9~", vec![key(KeyCode::Tab, CONTROL)]),
        (b"\x1b[<0;10;5M", vec![at(MouseEventKind::Down(left), 9, 4, NONE)]),
        (b"\x1b[<0;10;5m", vec![at(MouseEventKind::Up(left), 9, 4, NONE)]),
        (b"\x1b[<2;300;120M", vec![at(MouseEventKind::Down(MouseButton::Right), 299, 119, NONE)]),
        (b"\x1b[<32;1;1M", vec![at(MouseEventKind::Drag(left), 0, 0, NONE)]),
        (b"\x1b[<35;1;1M", vec![at(MouseEventKind::Moved, 0, 0, NONE)]),
        (b"\x1b[<64;1;2M", vec![at(MouseEventKind::ScrollUp, 0, 1, NONE)]),
        (b"\x1b[<65;1;2M", vec![at(MouseEventKind::ScrollDown, 0, 1, NONE)]),
        (b"\x1b[<81;1;2M", vec![at(MouseEventKind::ScrollDown, 0, 1, CONTROL)]),
        (b"\x1b[M !\"", vec![at(MouseEventKind::Down(left), 0, 1, NONE)]),
        (b"\x1b[M#\xff\x7f", vec![at(MouseEventKind::Up(left), 222, 94, NONE)]),
        (b"\x1b[32;5;6M", vec![at(MouseEventKind::Down(left), 4, 5, NONE)]),
        (b"\x1b[200~q\x1b[201~", vec![pasted("q")]),
        (b"\x1b[200~\x1b[201~", vec![pasted("")]),
        ("\x1b[200~dröp\r\x1b[Ax\x1b\x1b[201\x1b[201~".as_bytes(), vec![pasted("dröp\r\x1b[Ax\x1b\x1b[201")]),
        (b"\x1b]11;rgb:0000/2b2b/3636\x1b\\", vec![Decoded::Background(Rgb(0, 43, 54))]),
        (b"\x1b]11;rgb:ff/ff/ff\x07", vec![Decoded::Background(Rgb(255, 255, 255))]),
        (b"\x1b[?62;22c", vec![Decoded::Attributes]),
        (b"\x1b[?6c", vec![Decoded::Attributes]),
        // Replies that mean nothing here, and what no terminal should send: dropped whole.
        (b"\x1b]11;rgb:zz/ff/ff\x07", vec![]),
        (b"\x1b]10;rgb:ff/ff/ff\x07", vec![]),
        (b"\x1b]4;1;rgb:ff/ff/ff\x1b\\", vec![]),
        (b"\x1bP1$r0m\x1b\\", vec![]),
        (b"\x1bP>|some terminal 1.0q\x1b\\", vec![]),
        (b"\x1b[12;40R", vec![]),
        (b"\x1b[>41;354;0c", vec![]),
        (b"\x1b[?997;1n", vec![]),
        (b"\x1b[?2026;2$y", vec![]),
        (b"\x1b[I", vec![]),
        (b"\x1b[O", vec![]),
        (b"\x1b[<999999999999;1;1M", vec![]),
        (b"\x1b[<0;0;0M", vec![]),
        (b"\x1b[<0;1M", vec![]),
        (b"\x1b[99~", vec![]),
        (b"\x1b[~", vec![]),
        (b"\x1b[;;;;H", vec![key(KeyCode::Home, NONE)]),
        (b"\x1b[[q", vec![]),
        (b"\xff", vec![]),
        (b"\xc3(", vec![letter('(', NONE)]),
        // What is interrupted is dropped; what interrupts it counts.
        (b"\x1b[12\x1b[A", vec![key(KeyCode::Up, NONE)]),
        (b"\x1b[12\x03", vec![letter('c', CONTROL)]),
        (b"\x1b]11;rgb\x1b[A", vec![key(KeyCode::Up, NONE)]),
        (b"\x1b]11;rgb\x03", vec![letter('c', CONTROL)]),
        // Keys with Alt that begin like a sequence.
        (b"\x1b]q", vec![letter(']', ALT), letter('q', NONE)]),
        (b"\x1bPq", vec![letter('P', ALT | SHIFT), letter('q', NONE)]),
        (b"\x1bO\r", vec![letter('O', ALT | SHIFT), key(KeyCode::Enter, NONE)]),
        (b"\x1b\x1b[A", vec![key(KeyCode::Esc, NONE), key(KeyCode::Up, NONE)]),
        (b"\x1b\x1b\x1b[A", vec![key(KeyCode::Esc, NONE), key(KeyCode::Esc, NONE), key(KeyCode::Up, NONE)]),
    ]
}

#[test]
fn sequences_are_decoded_whole_and_in_pieces() {
    for (bytes, meaning) in sequences() {
        assert_eq!(Decoder::default().feed(bytes), meaning, "{}", bytes.escape_ascii());
        let mut decoder = Decoder::default();
        let by_one: Vec<Decoded> = bytes.iter().flat_map(|byte| decoder.feed(&[*byte])).collect();
        assert_eq!(by_one, meaning, "one by one: {}", bytes.escape_ascii());
        assert_eq!(decoder.patience(false), None, "nothing is left of {}", bytes.escape_ascii());
        for cut in 1..bytes.len() {
            let mut decoder = Decoder::default();
            let mut decoded = decoder.feed(&bytes[..cut]);
            decoded.extend(decoder.feed(&bytes[cut..]));
            assert_eq!(decoded, meaning, "cut at {cut}: {}", bytes.escape_ascii());
        }
    }
}

#[test]
fn a_lone_escape_is_a_key_when_nothing_follows_soon() {
    let mut decoder = Decoder::default();
    assert_eq!(decoder.feed(b"\x1b"), []);
    assert_eq!(decoder.patience(false), Some(ESCAPE));
    assert_eq!(decoder.expire(), Some(key(KeyCode::Esc, NONE)));
    assert_eq!(decoder.feed(b"[A")[..], [key(KeyCode::Up, NONE)], "the rest comes late, in one piece");
}

#[test]
fn what_follows_an_escape_that_was_sent_too_early() {
    for (rest, meaning) in [
        (&b"[A"[..], vec![key(KeyCode::Up, NONE)]),
        (b"OB", vec![key(KeyCode::Down, NONE)]),
        (b"[3~", vec![key(KeyCode::Delete, NONE)]),
        (b"[<0;10;5M", vec![at(MouseEventKind::Down(MouseButton::Left), 9, 4, NONE)]),
        (b"[200~0\x1b[201~", vec![pasted("0")]),
        (b"]11;rgb:00/00/00\x07", vec![Decoded::Background(Rgb(0, 0, 0))]),
        (b"]11;rgb", vec![]),
        (b"[?62;22c", vec![Decoded::Attributes]),
        (b"[?62;", vec![]),
        (b"[<0;10", vec![]),
        // These are keys that a person pressed.
        (b"]]", vec![letter(']', NONE), letter(']', NONE)]),
        (b"[", vec![letter('[', NONE)]),
        (b"[[", vec![letter('[', NONE), letter('[', NONE)]),
        (b"[j", vec![letter('[', NONE), letter('j', NONE)]),
        (b"j", vec![letter('j', NONE)]),
        (b":q", vec![letter(':', NONE), letter('q', NONE)]),
    ] {
        let mut decoder = Decoder::default();
        decoder.feed(b"\x1b");
        decoder.expire();
        assert_eq!(decoder.feed(rest), meaning, "{}", rest.escape_ascii());
        // Only right after it.
        let mut decoder = Decoder::default();
        decoder.feed(b"\x1b");
        decoder.expire();
        assert_eq!(decoder.patience(false), Some(PREFIX));
        assert_eq!(decoder.expire(), None);
        assert_eq!(decoder.patience(false), None);
        assert_eq!(decoder.feed(rest).first(), Decoder::default().feed(&rest[..1]).first());
    }
}

#[test]
fn what_never_becomes_a_sequence_is_not_waited_for_for_ever() {
    for (bytes, awaits_reply, patience, meaning) in [
        (&b"\x1b["[..], false, Some(PREFIX), Some(letter('[', ALT))),
        (b"\x1bO", false, Some(PREFIX), Some(letter('O', ALT | SHIFT))),
        (b"\x1b]", false, Some(PREFIX), Some(letter(']', ALT))),
        (b"\x1b]", true, Some(REPLY), Some(letter(']', ALT))),
        (b"\x1bP", false, Some(PREFIX), Some(letter('P', ALT | SHIFT))),
        (b"\x1b]11;rgb:ff", false, Some(REPLY), None),
        (b"\xe6\x9d", false, Some(PREFIX), None),
        // A report of the mouse that is late would be taken for digits.
        (b"\x1b[<0;1", false, None, None),
        (b"\x1b[200~text", false, None, None),
    ] {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.feed(bytes), [], "{}", bytes.escape_ascii());
        assert_eq!(decoder.patience(awaits_reply), patience, "{}", bytes.escape_ascii());
        if patience.is_some() {
            assert_eq!(decoder.expire(), meaning, "{}", bytes.escape_ascii());
            assert_eq!(decoder.feed(b"q"), [letter('q', NONE)]);
        }
    }
}

#[test]
fn a_reply_without_an_end_takes_little_memory() {
    for begin in [&b"\x1b]11;"[..], b"\x1b["] {
        let mut decoder = Decoder::default();
        decoder.feed(begin);
        for _ in 0..10_000 {
            assert_eq!(decoder.feed(&[b'1'; 100]), []);
        }
        assert!(decoder.buffer.len() <= LONGEST);
        assert_eq!(decoder.feed(b"\x1b\\\x1b[A").last(), Some(&key(KeyCode::Up, NONE)));
    }
}

#[test]
fn a_long_paste_in_small_pieces_is_one_paste() {
    let text = "line of text\n".repeat(20_000);
    let mut decoder = Decoder::default();
    let bytes = [PASTE_BEGIN, text.as_bytes(), PASTE_END, b"q"].concat();
    let decoded: Vec<Decoded> = bytes.chunks(997).flat_map(|piece| decoder.feed(piece)).collect();
    assert_eq!(decoded, [pasted(&text), letter('q', NONE)]);
}

proptest! {
    /// Whatever comes, and however it is cut, the decoder makes the same of it, and neither panics nor
    /// keeps it for ever.
    #[test]
    fn any_bytes_in_any_pieces(
        parts in prop::collection::vec(
            prop_oneof![
                any::<u8>().prop_map(|byte| vec![byte]),
                prop::sample::select(sequences()).prop_map(|(bytes, _)| bytes.to_vec()),
                prop::sample::select(vec!["\x1b", "\x1b[", "\x1b]", "\x1bP", "\x1b[<", "\x1b[200~", "\x1bO", "\x1b\\"])
                    .prop_map(|text| text.as_bytes().to_vec()),
            ],
            0..40,
        ),
        cuts in prop::collection::vec(1usize..12, 1..20),
    ) {
        let bytes = parts.concat();
        let whole = Decoder::default().feed(&bytes);
        let mut decoder = Decoder::default();
        let (mut pieces, mut rest, mut cut) = (Vec::new(), bytes.as_slice(), cuts.iter().cycle());
        while !rest.is_empty() {
            let (piece, other) = rest.split_at((*cut.next().unwrap()).min(rest.len()));
            pieces.extend(decoder.feed(piece));
            rest = other;
        }
        prop_assert_eq!(pieces, whole);
        prop_assert!(decoder.paste.is_some() || decoder.buffer.len() <= bytes.len());
    }
}
