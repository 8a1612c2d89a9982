//! Turns the bytes that a terminal sends into keys, mouse events, pastes and replies.
//!
//! A sequence may arrive in any number of pieces, with pauses between them: nothing is decoded before
//! it is complete, and a sequence that is not understood is dropped whole, so that no part of it is
//! taken for a key. Only a lone ESC is ambiguous: it is a key of its own if nothing follows soon.
//!
//! There is no clock here. [`Decoder::patience`] says how long to wait for more bytes, and
//! [`Decoder::expire`] is called when none came.

#[cfg(test)]
mod tests;

use std::time::Duration;

use crossterm::event::{
    Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};

use crate::tui::theme::Rgb;

/// How long a lone ESC is held back. A sequence that a slow connection split behind its ESC arrives
/// within this time; a person who pressed Esc does not notice it.
const ESCAPE: Duration = Duration::from_millis(30);
/// The same while a reply of the terminal is awaited.
const REPLY_BEGINS: Duration = Duration::from_millis(100);
/// How long the beginning of a sequence that could also be a key with Alt is held back.
const PREFIX: Duration = Duration::from_secs(1);
/// How long the rest of a reply is waited for, before its beginning is dropped.
const REPLY: Duration = Duration::from_secs(5);
/// An incomplete sequence that is longer than this is only kept to find its end.
const LONGEST: usize = 1024;
const KEPT: usize = 64;

const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;
const PASTE_BEGIN: &[u8] = b"\x1b[200~";
const PASTE_END: &[u8] = b"\x1b[201~";

/// Something that the terminal sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Decoded {
    /// A key, the mouse, or pasted text.
    Event(Event),
    /// The colour of the background (reply to OSC 11).
    Background(Rgb),
    /// The primary device attributes (reply to DA1). Terminals reply in order: a reply to an
    /// earlier question does not come any more.
    Attributes,
}

/// Decodes what a terminal sends.
#[derive(Debug, Default)]
pub struct Decoder {
    /// A sequence that is not complete yet.
    buffer: Vec<u8>,
    /// Pasted text of which the end has not come yet.
    paste: Option<Vec<u8>>,
    /// The last thing was an Esc that nothing followed in time, a moment ago.
    timed_out: bool,
}

/// What the beginning of a buffer is.
enum Parsed {
    /// So many bytes are a sequence, which means this, or nothing.
    Sequence(usize, Option<Decoded>),
    /// So many bytes begin pasted text.
    Paste(usize),
    /// More bytes are needed.
    Incomplete,
}

impl Decoder {
    /// Takes bytes in the order in which they came; returns what is complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Decoded> {
        let mut decoded = Vec::new();
        // What follows an Esc that was sent too early, in one piece, was split from it: no person
        // types a whole sequence at once.
        if std::mem::take(&mut self.timed_out) && is_rest_of_sequence(bytes) {
            self.buffer.push(ESC);
        }
        // The end of a paste may have come in two pieces, but is not in what was looked at before.
        let mut from = 0;
        match &mut self.paste {
            Some(paste) => {
                from = paste.len().saturating_sub(PASTE_END.len() - 1);
                paste.extend(bytes);
            }
            None => self.buffer.extend(bytes),
        }
        loop {
            if let Some(paste) = self.paste.take() {
                let Some(end) = memchr::memmem::find(&paste[from..], PASTE_END).map(|end| from + end) else {
                    self.paste = Some(paste);
                    return decoded;
                };
                from = 0;
                let text = String::from_utf8_lossy(&paste[..end]).into_owned();
                decoded.push(Decoded::Event(Event::Paste(text)));
                self.buffer = paste[end + PASTE_END.len()..].to_vec();
            }
            if self.buffer.is_empty() {
                return decoded;
            }
            match parse(&self.buffer) {
                Parsed::Sequence(length, meaning) => {
                    decoded.extend(meaning);
                    self.buffer.drain(..length);
                }
                Parsed::Paste(length) => self.paste = Some(self.buffer.split_off(length)),
                Parsed::Incomplete => {
                    self.shorten();
                    return decoded;
                }
            }
        }
    }

    /// How long to wait for more bytes before [`Decoder::expire`]; `None` if there is nothing to
    /// wait for, or if only more bytes can end it. `awaits_reply`: the terminal was asked something
    /// and has not replied.
    pub fn patience(&self, awaits_reply: bool) -> Option<Duration> {
        match self.buffer.as_slice() {
            _ if self.paste.is_some() => None,
            [] => self.timed_out.then_some(PREFIX),
            // It may begin the reply.
            [ESC] if awaits_reply => Some(REPLY_BEGINS),
            [ESC] => Some(ESCAPE),
            [ESC, b']' | b'P', ..] if awaits_reply || self.buffer.len() > 2 => Some(REPLY),
            [ESC, b'[', _, ..] => None,
            _ => Some(PREFIX),
        }
    }

    /// Nothing came for as long as [`Decoder::patience`] said.
    pub fn expire(&mut self) -> Option<Decoded> {
        self.timed_out = false;
        let buffer = std::mem::take(&mut self.buffer);
        match buffer.as_slice() {
            [ESC] => {
                self.timed_out = true;
                Some(key(KeyCode::Esc, KeyModifiers::NONE))
            }
            [ESC, character @ (b'[' | b'O' | b']' | b'P')] => {
                let KeyEvent { code, modifiers, .. } = of_character(char::from(*character));
                Some(key(code, modifiers | KeyModifiers::ALT))
            }
            _ => None,
        }
    }

    /// Forgets what is incomplete: somebody else has read from the terminal.
    pub fn reset(&mut self) {
        *self = Decoder::default();
    }

    /// Keeps no more of a sequence than its beginning, which says how it ends.
    fn shorten(&mut self) {
        if self.buffer.len() > LONGEST {
            let ends_with_escape = self.buffer.last() == Some(&ESC);
            self.buffer.truncate(KEPT);
            self.buffer.extend(ends_with_escape.then_some(ESC));
        }
    }
}

/// Whether bytes are a whole sequence but for the ESC before it.
fn is_rest_of_sequence(bytes: &[u8]) -> bool {
    match bytes {
        // A reply; it may be in more pieces.
        [b']', b'0'..=b'9', ..] => return true,
        [b'[' | b'O', _, ..] => {}
        _ => return false,
    }
    let whole: Vec<u8> = std::iter::once(ESC).chain(bytes.iter().copied()).collect();
    match parse(&whole) {
        Parsed::Sequence(_, meaning) => meaning.is_some(),
        Parsed::Paste(_) => true,
        // The rest of a report of the mouse, or of a reply, is still on its way.
        Parsed::Incomplete => matches!(bytes[1], b'<' | b'?'),
    }
}

fn key(code: KeyCode, modifiers: KeyModifiers) -> Decoded {
    Decoded::Event(Event::Key(KeyEvent::new(code, modifiers)))
}

/// A capital letter comes with shift.
fn of_character(character: char) -> KeyEvent {
    let modifiers = if character.is_uppercase() { KeyModifiers::SHIFT } else { KeyModifiers::NONE };
    KeyEvent::new(KeyCode::Char(character), modifiers)
}

fn parse(buffer: &[u8]) -> Parsed {
    match buffer {
        [ESC] => Parsed::Incomplete,
        [ESC, b'[', ..] => control_sequence(buffer),
        [ESC, b'O', ..] => single_shift(buffer),
        [ESC, b']' | b'P', ..] => string(buffer),
        // The first was pressed; the second may begin a sequence.
        [ESC, ESC, ..] => Parsed::Sequence(1, Some(key(KeyCode::Esc, KeyModifiers::NONE))),
        [ESC, rest @ ..] => match one_key(rest) {
            Parsed::Sequence(length, meaning) => Parsed::Sequence(length + 1, meaning.map(with_alt)),
            other => other,
        },
        _ => one_key(buffer),
    }
}

fn with_alt(meaning: Decoded) -> Decoded {
    match meaning {
        Decoded::Event(Event::Key(mut key)) => {
            key.modifiers |= KeyModifiers::ALT;
            Decoded::Event(Event::Key(key))
        }
        other => other,
    }
}

/// A key that is one character.
fn one_key(buffer: &[u8]) -> Parsed {
    let control = |letter: u8| Some(key(KeyCode::Char(char::from(letter)), KeyModifiers::CONTROL));
    let plain = |code| Some(key(code, KeyModifiers::NONE));
    let meaning = match buffer[0] {
        b'\r' => plain(KeyCode::Enter),
        b'\t' => plain(KeyCode::Tab),
        0x7f => plain(KeyCode::Backspace),
        0 => control(b' '),
        byte @ 0x01..=0x1a => control(byte - 1 + b'a'),
        byte @ 0x1c..=0x1f => control(byte - 0x1c + b'4'),
        _ => return character(buffer),
    };
    Parsed::Sequence(1, meaning)
}

/// A character in UTF-8; a byte that begins none is dropped.
fn character(buffer: &[u8]) -> Parsed {
    let length = match buffer[0] {
        ..0x80 => 1,
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return Parsed::Sequence(1, None),
    };
    let bytes = &buffer[..length.min(buffer.len())];
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            let event =
                text.chars().next().map(|character| Decoded::Event(Event::Key(of_character(character))));
            Parsed::Sequence(length, event)
        }
        // It may still become one.
        Err(error) if error.error_len().is_none() => Parsed::Incomplete,
        Err(_) => Parsed::Sequence(1, None),
    }
}

/// `ESC O` and a letter: keys of the keypad and the first function keys.
fn single_shift(buffer: &[u8]) -> Parsed {
    let alt_o = || Parsed::Sequence(2, Some(with_alt(Decoded::Event(Event::Key(of_character('O'))))));
    // Some terminals put the modifiers before the letter.
    let digits = buffer[2..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let Some(letter) = buffer.get(2 + digits) else { return Parsed::Incomplete };
    if !letter.is_ascii_graphic() {
        return alt_o();
    }
    let modifiers = number(&buffer[2..2 + digits]).map_or(KeyModifiers::NONE, modifiers);
    let code = match letter {
        b'M' => Some(KeyCode::Enter),
        b'j'..=b'o' => Some(KeyCode::Char(char::from(letter - b'j' + b'*'))),
        b'p'..=b'y' => Some(KeyCode::Char(char::from(letter - b'p' + b'0'))),
        letter => letter_key(*letter),
    };
    Parsed::Sequence(3 + digits, code.map(|code| key(code, modifiers)))
}

/// The key that a letter at the end of a sequence stands for.
fn letter_key(letter: u8) -> Option<KeyCode> {
    Some(match letter {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'H' => KeyCode::Home,
        b'F' => KeyCode::End,
        b'P'..=b'S' => KeyCode::F(letter - b'P' + 1),
        _ => return None,
    })
}

/// `ESC ]` or `ESC P`: a string up to BEL or `ESC \`, which only replies are.
fn string(buffer: &[u8]) -> Parsed {
    // A reply begins with a number or a sign; anything else is a key after one with Alt.
    match buffer.get(2) {
        None => return Parsed::Incomplete,
        Some(b' '..=b'?') => {}
        Some(_) => {
            let letter = Decoded::Event(Event::Key(of_character(char::from(buffer[1]))));
            return Parsed::Sequence(2, Some(with_alt(letter)));
        }
    }
    for (place, byte) in buffer.iter().enumerate().skip(2) {
        let meaning = || if buffer[1] == b']' { reply(&buffer[2..place]) } else { None };
        match (byte, buffer.get(place + 1)) {
            (&BEL, _) => return Parsed::Sequence(place + 1, meaning()),
            (&ESC, None) => return Parsed::Incomplete,
            (&ESC, Some(b'\\')) => return Parsed::Sequence(place + 2, meaning()),
            // Somebody pressed a key within a reply that has no end.
            (..b' ', _) => return Parsed::Sequence(place, None),
            _ => {}
        }
    }
    Parsed::Incomplete
}

/// What an operating system command tells: `11;rgb:ffff/ffff/ffff`.
fn reply(text: &[u8]) -> Option<Decoded> {
    let colour = std::str::from_utf8(text).ok()?.strip_prefix("11;")?;
    Rgb::of_reply(colour).map(Decoded::Background)
}

/// `ESC [`: parameters, then one letter or sign that ends it.
fn control_sequence(buffer: &[u8]) -> Parsed {
    let body = &buffer[2..];
    match body {
        [b'[', letter, ..] => {
            let code = matches!(letter, b'A'..=b'E').then(|| KeyCode::F(letter - b'A' + 1));
            return Parsed::Sequence(4, code.map(|code| key(code, KeyModifiers::NONE)));
        }
        [b'['] => return Parsed::Incomplete,
        // Three bytes of any kind.
        [b'M', button, column, row, ..] => {
            let place = |byte: &u8| u32::from(byte.saturating_sub(32));
            let meaning = mouse(u32::from(button.saturating_sub(32)), place(column), place(row), false);
            return Parsed::Sequence(6, meaning);
        }
        [b'M', ..] => return Parsed::Incomplete,
        _ => {}
    }
    let Some(end) = body.iter().position(|byte| !matches!(byte, b' '..=b'?')) else {
        return Parsed::Incomplete;
    };
    let (parameters, last) = (&body[..end], body[end]);
    if !matches!(last, b'@'..=b'~') {
        // It has no end: what interrupts it begins something else.
        return Parsed::Sequence(2 + end, None);
    }
    let length = 2 + end + 1;
    if &buffer[..length] == PASTE_BEGIN {
        return Parsed::Paste(length);
    }
    Parsed::Sequence(length, meaning(parameters, last))
}

/// What a control sequence means; `None` if nothing here.
fn meaning(parameters: &[u8], last: u8) -> Option<Decoded> {
    match (parameters.first(), last) {
        (Some(b'?'), b'c') => return Some(Decoded::Attributes),
        (Some(b'<'), b'M' | b'm') => {
            let [button, column, row] = numbers(&parameters[1..])?;
            return mouse(button, column, row, last == b'm');
        }
        (Some(first), _) if !first.is_ascii_digit() && *first != b';' => return None,
        _ => {}
    }
    let mut parts = parameters.split(|byte| *byte == b';');
    let first = parts.next().and_then(number);
    let second = parts.next().unwrap_or_default();
    let mut second = second.split(|byte| *byte == b':');
    let mask = second.next().and_then(number).map_or(KeyModifiers::NONE, modifiers);
    let kind = match second.next().and_then(number) {
        Some(2) => KeyEventKind::Repeat,
        Some(3) => KeyEventKind::Release,
        _ => KeyEventKind::Press,
    };
    let (code, mask) = match last {
        b'~' if first == Some(27) => (of_code_point(parts.next().and_then(number)?)?, mask),
        b'~' | b'^' => {
            let held = if last == b'^' { KeyModifiers::CONTROL } else { KeyModifiers::NONE };
            (numbered_key(first?)?, mask | held)
        }
        b'u' => (of_code_point(first?)?, mask),
        b'Z' => (KeyCode::BackTab, mask | KeyModifiers::SHIFT),
        b'M' => {
            let [button, column, row] = numbers(parameters)?;
            return mouse(button.checked_sub(32)?, column, row, false);
        }
        b'a'..=b'd' => (letter_key(last.to_ascii_uppercase())?, mask | KeyModifiers::SHIFT),
        // Such a report of where the cursor is was not asked for.
        b'R' if first != Some(1) => return None,
        letter => (letter_key(letter)?, mask),
    };
    Some(Decoded::Event(Event::Key(KeyEvent::new_with_kind(code, mask, kind))))
}

fn number(digits: &[u8]) -> Option<u32> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Numbers with semicolons between; none is missing.
fn numbers<const COUNT: usize>(parameters: &[u8]) -> Option<[u32; COUNT]> {
    let numbers: Option<Vec<u32>> = parameters.split(|byte| *byte == b';').map(number).collect();
    numbers?.try_into().ok()
}

/// The modifiers that a parameter stands for: 1 and a bit for each.
fn modifiers(parameter: u32) -> KeyModifiers {
    let mask = parameter.saturating_sub(1);
    let bits = [
        (1, KeyModifiers::SHIFT),
        (2, KeyModifiers::ALT),
        (4, KeyModifiers::CONTROL),
        (8, KeyModifiers::SUPER),
        (16, KeyModifiers::HYPER),
        (32, KeyModifiers::META),
    ];
    bits.into_iter().filter(|(bit, _)| mask & bit != 0).map(|(_, modifier)| modifier).collect()
}

fn numbered_key(number: u32) -> Option<KeyCode> {
    let function = |before: u32| u8::try_from(number - before).ok().map(KeyCode::F);
    match number {
        1 | 7 => Some(KeyCode::Home),
        2 => Some(KeyCode::Insert),
        3 => Some(KeyCode::Delete),
        4 | 8 => Some(KeyCode::End),
        5 => Some(KeyCode::PageUp),
        6 => Some(KeyCode::PageDown),
        11..=15 => function(10),
        17..=21 => function(11),
        23..=26 => function(12),
        28..=29 => function(13),
        31..=34 => function(14),
        _ => None,
    }
}

fn of_code_point(number: u32) -> Option<KeyCode> {
    Some(match number {
        9 => KeyCode::Tab,
        13 => KeyCode::Enter,
        27 => KeyCode::Esc,
        8 | 127 => KeyCode::Backspace,
        number => KeyCode::Char(char::from_u32(number).filter(|character| !character.is_control())?),
    })
}

/// A mouse event; columns and rows count from 1, and a place outside of the screen is none.
fn mouse(button: u32, column: u32, row: u32, is_released: bool) -> Option<Decoded> {
    let place = |from_one: u32| from_one.checked_sub(1).and_then(|from_zero| u16::try_from(from_zero).ok());
    let (column, row) = (place(column)?, place(row)?);
    let number = button & 0b11 | (button & 0b1100_0000) >> 4;
    let is_moving = button & 0b10_0000 != 0;
    let which = [MouseButton::Left, MouseButton::Middle, MouseButton::Right];
    let kind = match (number, is_moving) {
        (0..=2, false) if is_released => MouseEventKind::Up(which[number as usize]),
        (0..=2, false) => MouseEventKind::Down(which[number as usize]),
        (0..=2, true) => MouseEventKind::Drag(which[number as usize]),
        (3, false) => MouseEventKind::Up(MouseButton::Left),
        (3..=5, true) => MouseEventKind::Moved,
        (4, false) => MouseEventKind::ScrollUp,
        (5, false) => MouseEventKind::ScrollDown,
        (6, false) => MouseEventKind::ScrollLeft,
        (7, false) => MouseEventKind::ScrollRight,
        _ => return None,
    };
    let held = [(4, KeyModifiers::SHIFT), (8, KeyModifiers::ALT), (16, KeyModifiers::CONTROL)];
    let modifiers = held.into_iter().filter(|(bit, _)| button & bit != 0).map(|(_, held)| held).collect();
    Some(Decoded::Event(Event::Mouse(MouseEvent { kind, column, row, modifiers })))
}
