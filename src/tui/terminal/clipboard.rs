//! Text for the clipboard of whoever sits at the terminal, also over ssh: it is sent to the terminal
//! (OSC 52), which may take it, and never says whether it did.

use crossterm::Command;
use crossterm::clipboard::CopyToClipboard;

/// The most bytes that are sent: what many terminals take at most.
pub const COPY_MAX: usize = 74_994;

/// What stands between the program and the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Between {
    Nothing,
    /// tmux, which passes on what is wrapped for it.
    Tmux,
    /// GNU screen, which does too.
    Screen,
}

impl Between {
    /// As the environment tells.
    pub fn of_environment(read: impl Fn(&str) -> Option<String>) -> Between {
        let given = |name: &str| read(name).is_some_and(|value| !value.is_empty());
        match (given("TMUX"), given("STY")) {
            (true, _) => Between::Tmux,
            (false, true) => Between::Screen,
            (false, false) => Between::Nothing,
        }
    }
}

/// The control sequence that offers a text to the terminal.
pub fn sequence(text: &[u8], between: Between) -> String {
    let mut plain = String::new();
    // Writing into a text does not fail.
    let _ = CopyToClipboard::to_clipboard_from(text).write_ansi(&mut plain);
    // Ended by the other of the two ends that it may have: the first one would end a wrapping too.
    if let Some(open) = plain.strip_suffix("\x1b\\") {
        plain = format!("{open}\x07");
    }
    match between {
        Between::Nothing => plain,
        // Which of the two tmux takes depends on its set-clipboard and its allow-passthrough.
        Between::Tmux => format!("{plain}\x1bPtmux;{}\x1b\\", plain.replace('\x1b', "\x1b\x1b")),
        Between::Screen => {
            /// screen cuts longer ones off.
            const PIECE: usize = 512;
            // It is plain ASCII: Base64 and the two ends.
            let pieces = plain.as_bytes().chunks(PIECE).map(|piece| String::from_utf8_lossy(piece));
            pieces.map(|piece| format!("\x1bP{piece}\x1b\\")).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_text_is_left_as_it_is() {
        assert_eq!(sequence(b"key\x1b]", Between::Nothing), "\x1b]52;c;a2V5G10=\x07");
    }

    #[test]
    fn it_is_wrapped_for_what_stands_between() {
        let tmux = sequence(b"key", Between::Tmux);
        assert_eq!(tmux, "\x1b]52;c;a2V5\x07\x1bPtmux;\x1b\x1b]52;c;a2V5\x07\x1b\\");
        let long = sequence(&[b'x'; 1000], Between::Screen);
        let pieces: Vec<_> = long.split("\x1b\\").filter(|piece| !piece.is_empty()).collect();
        assert!(
            pieces.len() > 2 && pieces.iter().all(|piece| piece.starts_with("\x1bP") && piece.len() <= 514)
        );
    }

    #[test]
    fn the_environment_tells_what_stands_between() {
        let with = |set: &'static str| Between::of_environment(move |name| (name == set).then(|| "1".into()));
        assert_eq!(
            [with("TMUX"), with("STY"), with("TERM")],
            [Between::Tmux, Between::Screen, Between::Nothing]
        );
    }
}
