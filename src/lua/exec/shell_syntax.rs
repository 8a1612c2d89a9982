//! Splits the text of a shell command into its simple commands, as far as that can be done without running it.
//!
//! Every shell reads a few things differently. What is read here in one way only is accepted; everything else is
//! an error, so that a text is never taken for less than the shell makes of it.

/// A text of a command; `None` stands for what the shell puts in at run time, which may be any text.
pub(super) type ShellWords = Vec<Option<char>>;

/// A program with its arguments, without redirections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SimpleCommand {
    /// The variables set in front of it: `NAME=value`, as written and without quotes.
    pub assignments: Vec<BothTexts>,
    /// The rest; empty if it only sets variables.
    pub text: BothTexts,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct BothTexts {
    pub written: ShellWords,
    pub unquoted: ShellWords,
}

impl BothTexts {
    fn push(&mut self, piece: Option<char>) {
        self.written.push(piece);
        self.unquoted.push(piece);
    }

    fn append(&mut self, other: &BothTexts) {
        self.written.extend(&other.written);
        self.unquoted.extend(&other.unquoted);
    }

    /// The text as it is shown.
    pub fn shown(&self) -> String {
        self.written.iter().map(|piece| piece.unwrap_or('…')).collect()
    }

    /// The name of the variable that this word sets; `None` if it sets none.
    pub fn assigned_name(&self) -> Option<String> {
        let end = self.written.iter().position(|piece| *piece == Some('='))?;
        let name: Option<String> = self.written[..end].iter().copied().collect();
        let name = name?;
        let name = name.strip_suffix('+').unwrap_or(&name);
        let fits = |(at, letter): (usize, char)| {
            letter == '_' || letter.is_ascii_alphabetic() || (at > 0 && letter.is_ascii_digit())
        };
        (!name.is_empty() && name.chars().enumerate().all(fits)).then(|| name.to_string())
    }
}

/// What in the text of a command cannot be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Uncheckable {
    /// `$(…)` or backquotes.
    Substitution,
    /// `${…}` with more than a name, `$'…'` and other special forms.
    Expansion,
    /// `(…)`, a function or a pattern of `case`.
    Parentheses,
    Redirection,
    Comment,
    /// A line that goes on after a backslash.
    Continuation,
    OpenQuote,
}

impl Uncheckable {
    pub fn describe(self) -> &'static str {
        match self {
            Uncheckable::Substitution => {
                "$(…) or backquotes outside of single quotes, which start other commands"
            }
            Uncheckable::Expansion => "an expansion of more than a variable",
            Uncheckable::Parentheses => "parentheses outside of quotes",
            Uncheckable::Redirection => "a redirection to something other than /dev/null or another output",
            Uncheckable::Comment => "# outside of quotes",
            Uncheckable::Continuation => "a backslash at the end of a line",
            Uncheckable::OpenQuote => "a quote that is not closed",
        }
    }
}

/// The simple commands of `text`, in their order.
///
/// # Errors
/// What in it cannot be checked.
pub(super) fn simple_commands(text: &str) -> Result<Vec<SimpleCommand>, Uncheckable> {
    let mut reader = Reader { rest: text.chars().collect(), ..Reader::default() };
    reader.read()?;
    Ok(reader.commands)
}

#[derive(Default)]
struct Reader {
    rest: Vec<char>,
    at: usize,
    commands: Vec<SimpleCommand>,
    /// The words of the current command.
    words: Vec<BothTexts>,
    word: BothTexts,
    is_in_word: bool,
    /// Whether the rest of the word is replaced at run time.
    is_open_ended: bool,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += 1;
        Some(next)
    }

    fn push(&mut self, piece: Option<char>) {
        self.is_in_word = true;
        if !self.is_open_ended {
            self.word.push(piece);
        }
    }

    /// A character that is a part of the text as written only.
    fn push_quote(&mut self, quote: char) {
        self.is_in_word = true;
        if !self.is_open_ended {
            self.word.written.push(Some(quote));
        }
    }

    fn end_word(&mut self) {
        if std::mem::take(&mut self.is_in_word) {
            self.words.push(std::mem::take(&mut self.word));
        }
        self.is_open_ended = false;
    }

    fn end_command(&mut self) {
        self.end_word();
        let mut command = SimpleCommand::default();
        for word in self.words.drain(..) {
            if command.text.written.is_empty() {
                if word.assigned_name().is_some() {
                    command.assignments.push(word);
                    continue;
                }
            } else {
                // However many blanks are written, the program gets the same words.
                command.text.push(Some(' '));
            }
            command.text.append(&word);
        }
        if command != SimpleCommand::default() {
            self.commands.push(command);
        }
    }

    fn read(&mut self) -> Result<(), Uncheckable> {
        while let Some(next) = self.next() {
            match next {
                ' ' | '\t' => self.end_word(),
                '\n' | ';' | '&' | '|' => self.end_command(),
                '\'' => self.single_quoted()?,
                '"' => self.double_quoted()?,
                '\\' => match self.next() {
                    None | Some('\n') => return Err(Uncheckable::Continuation),
                    Some(escaped) => {
                        self.push_quote('\\');
                        self.push(Some(escaped));
                    }
                },
                '`' => return Err(Uncheckable::Substitution),
                '$' => self.expansion(false)?,
                '(' | ')' => return Err(Uncheckable::Parentheses),
                '<' | '>' => self.redirection(next)?,
                '#' => return Err(Uncheckable::Comment),
                // The program `[`, which is a word of its own.
                '[' if !self.is_in_word && self.is_at_end_of_word() => self.push(Some('[')),
                '*' | '?' | '[' | '{' => self.open_end(),
                '~' if !self.is_in_word || matches!(self.word.written.last(), Some(Some('=' | ':'))) => {
                    self.open_end();
                }
                other => self.push(Some(other)),
            }
        }
        self.end_command();
        Ok(())
    }

    /// From here to its end the word is replaced at run time.
    fn open_end(&mut self) {
        self.push(None);
        self.is_open_ended = true;
    }

    fn is_at_end_of_word(&self) -> bool {
        matches!(self.peek(), None | Some(' ' | '\t' | '\n' | ';' | '&' | '|'))
    }

    fn single_quoted(&mut self) -> Result<(), Uncheckable> {
        self.push_quote('\'');
        loop {
            match self.next().ok_or(Uncheckable::OpenQuote)? {
                '\'' => break,
                other => self.push(Some(other)),
            }
        }
        self.push_quote('\'');
        Ok(())
    }

    fn double_quoted(&mut self) -> Result<(), Uncheckable> {
        self.push_quote('"');
        loop {
            match self.next().ok_or(Uncheckable::OpenQuote)? {
                '"' => break,
                '`' => return Err(Uncheckable::Substitution),
                '$' => self.expansion(true)?,
                '\\' => match self.next().ok_or(Uncheckable::OpenQuote)? {
                    '\n' => return Err(Uncheckable::Continuation),
                    escaped @ ('$' | '`' | '"' | '\\') => {
                        self.push_quote('\\');
                        self.push(Some(escaped));
                    }
                    other => {
                        self.push(Some('\\'));
                        self.push(Some(other));
                    }
                },
                other => self.push(Some(other)),
            }
        }
        self.push_quote('"');
        Ok(())
    }

    /// What follows a `$`.
    fn expansion(&mut self, is_quoted: bool) -> Result<(), Uncheckable> {
        let is_name = |letter: char| letter == '_' || letter.is_ascii_alphanumeric();
        match self.peek() {
            Some('(') => return Err(Uncheckable::Substitution),
            Some('{') => {
                self.at += 1;
                let start = self.at;
                while self.peek().is_some_and(is_name) {
                    self.at += 1;
                }
                if self.at == start || self.next() != Some('}') {
                    return Err(Uncheckable::Expansion);
                }
                self.push(None);
            }
            Some('[' | '\\') => return Err(Uncheckable::Expansion),
            Some('\'' | '"') if !is_quoted => return Err(Uncheckable::Expansion),
            Some('0'..='9' | '@' | '*' | '#' | '?' | '-' | '$' | '!') => {
                self.at += 1;
                self.push(None);
            }
            Some(first) if is_name(first) => {
                while self.peek().is_some_and(is_name) {
                    self.at += 1;
                }
                self.push(None);
            }
            _ => self.push(Some('$')),
        }
        Ok(())
    }

    /// What follows a `<` or `>`: from or to `/dev/null`, or to another output that is open.
    fn redirection(&mut self, direction: char) -> Result<(), Uncheckable> {
        let is_number = self.is_in_word
            && self.word.written.iter().all(|piece| piece.is_some_and(|piece| piece.is_ascii_digit()));
        match self.word.written.len() {
            // `{NAME}>` sets a variable in some shells.
            _ if self.is_open_ended => return Err(Uncheckable::Redirection),
            // The number of what is redirected; a word of quotes alone is an argument.
            1 if is_number => {
                self.word = BothTexts::default();
                self.is_in_word = false;
            }
            // A number to some shells, an argument to others.
            _ if is_number => return Err(Uncheckable::Redirection),
            _ => self.end_word(),
        }
        if direction == '>' && self.peek() == Some('&') {
            self.at += 1;
            let start = self.at;
            while self.peek().is_some_and(|digit| digit.is_ascii_digit()) {
                self.at += 1;
            }
            if self.at == start && self.next() != Some('-') {
                return Err(Uncheckable::Redirection);
            }
        } else {
            if direction == '>' && self.peek() == Some('>') {
                self.at += 1;
            }
            while let Some(' ' | '\t') = self.peek() {
                self.at += 1;
            }
            for expected in "/dev/null".chars() {
                if self.next() != Some(expected) {
                    return Err(Uncheckable::Redirection);
                }
            }
        }
        if self.is_at_end_of_word() { Ok(()) } else { Err(Uncheckable::Redirection) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The simple commands as they are shown, the assignments in brackets.
    fn split(text: &str) -> Result<Vec<String>, Uncheckable> {
        let shown = |command: &SimpleCommand| {
            let set: String = command.assignments.iter().map(|word| format!("[{}]", word.shown())).collect();
            set + &command.text.shown()
        };
        Ok(simple_commands(text)?.iter().map(shown).collect())
    }

    #[test]
    fn operators_outside_of_quotes_split() {
        for text in [
            "a b; c d",
            "a b && c d",
            "a b||c d",
            "a b | c d",
            "a b &c d",
            "a b\nc d",
            "\n a b;;c d\n",
            "a b |& c d",
        ] {
            assert_eq!(split(text), Ok(vec!["a b".into(), "c d".into()]), "{text}");
        }
        for text in ["a 'b; c'", "a \"b && c\"", "a b\\;c", "a '\n'", "a \"|\\\"|\"", "a \"it's; so\""] {
            assert_eq!(split(text), Ok(vec![text.into()]), "{text}");
        }
        assert_eq!(split(" \n;"), Ok(vec![]));
        for text in ["a  b", "a\tb", " a \t b ", "a </dev/null b", "a 2>&1  b"] {
            assert_eq!(split(text), Ok(vec!["a b".into()]), "{text}");
        }
        assert_eq!(split("A=1 B='x y' c D=2"), Ok(vec!["[A=1][B='x y']c D=2".into()]));
        assert_eq!(
            split("A+=1; \"A\"=1; 1A=2; -a=b"),
            Ok(["[A+=1]", "\"A\"=1", "1A=2", "-a=b"].map(String::from).to_vec())
        );
    }

    #[test]
    fn what_the_shell_puts_in_is_any_text() {
        let cases = [
            ("a $B c", "a … c"),
            ("a \"x$B.y\"", "a \"x….y\""),
            ("a ${B}c", "a …c"),
            ("a $1x$$", "a …x…"),
            ("a x*.log b", "a x… b"),
            ("a x[ab]c", "a x…"),
            ("a b{1,2}", "a b…"),
            ("a ~/x", "a …"),
            ("a b~c $ d", "a b~c $ d"),
            ("[ -f x ]", "[ -f x ]"),
            ("a '*$B' \"*\"", "a '*$B' \"*\""),
        ];
        for (text, expected) in cases {
            assert_eq!(split(text), Ok(vec![expected.into()]), "{text}");
        }
    }

    #[test]
    fn only_harmless_redirections_are_left_out() {
        for text in [
            "a b >/dev/null",
            "a b 2>&1",
            "a b 2> /dev/null",
            "a 2>&1 b",
            "a b </dev/null",
            "a b >>/dev/null 2>&1",
            "a b >&-",
        ] {
            let found = split(text).unwrap();
            assert_eq!(found.len(), 1, "{text}");
            assert_eq!(found[0].split_whitespace().collect::<Vec<_>>(), ["a", "b"], "{text}");
        }
        assert_eq!(split("a b2>/dev/null"), Ok(vec!["a b2".into()]));
        assert_eq!(split("a ''>/dev/null"), Ok(vec!["a ''".into()]));
        for text in [
            "12>/dev/null a",
            "a 12>/dev/null",
            "a 12>&1",
            "a {PATH}>/dev/null",
            "a *>/dev/null",
            "a >b",
            "a > /dev/nullx",
            "a >/dev/null/../x",
            "a >>b",
            "a >|b",
            "a <b",
            "a <<b",
            "a <&b",
            "a >&b",
            "a >&1b",
            "a >/dev/null\"x\"",
            "a &>b",
            "a <>b",
            "a 2>",
            "a >$B",
        ] {
            assert_eq!(split(text), Err(Uncheckable::Redirection), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_checked_is_an_error() {
        let cases = [
            ("a $(b)", Uncheckable::Substitution),
            ("a \"$(b)\"", Uncheckable::Substitution),
            ("a `b`", Uncheckable::Substitution),
            ("a \"`b`\"", Uncheckable::Substitution),
            ("a $((1))", Uncheckable::Substitution),
            ("a ${b:-$(c)}", Uncheckable::Expansion),
            ("a ${b", Uncheckable::Expansion),
            ("a ${#b}", Uncheckable::Expansion),
            ("a $'\\''", Uncheckable::Expansion),
            ("a $\"b\"", Uncheckable::Expansion),
            ("a $[b]", Uncheckable::Expansion),
            ("a \"$[b]\"", Uncheckable::Expansion),
            ("(a)", Uncheckable::Parentheses),
            ("a() b", Uncheckable::Parentheses),
            // To the shell the quote is a part of the comment.
            ("a # '\nrm -rf / #'", Uncheckable::Comment),
            ("a \\\nb", Uncheckable::Continuation),
            ("a \"$\\\n(b)\"", Uncheckable::Expansion),
            ("a \"\\\n\"", Uncheckable::Continuation),
            ("a \\", Uncheckable::Continuation),
            ("a 'b", Uncheckable::OpenQuote),
            ("a \"b", Uncheckable::OpenQuote),
            ("a \"b\\", Uncheckable::OpenQuote),
        ];
        for (text, expected) in cases {
            assert_eq!(split(text), Err(expected), "{text}");
        }
    }
}
