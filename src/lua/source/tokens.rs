//! The tokens of a Lua 5.1 source, with their places. The source must have been compiled by Lua
//! before: what Lua refuses is not diagnosed here.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    Name,
    Keyword,
    Number,
    /// A string, quoted or in long brackets.
    Text,
    /// An operator or punctuation.
    Symbol,
    /// The end of the source; always the last token.
    End,
}

/// A token, as a range of bytes of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LuaToken {
    pub kind: TokenKind,
    /// The offset of its first byte.
    pub start: usize,
    /// The offset behind its last byte.
    pub end: usize,
    /// The line it begins on, counted from 1.
    pub line: usize,
}

impl LuaToken {
    /// The token as it is written.
    pub fn text<'s>(&self, source: &'s [u8]) -> &'s [u8] {
        &source[self.start..self.end]
    }

    /// Whether the token is this keyword or symbol.
    pub fn is(&self, source: &[u8], text: &str) -> bool {
        matches!(self.kind, TokenKind::Keyword | TokenKind::Symbol) && self.text(source) == text.as_bytes()
    }
}

const KEYWORDS: [&str; 21] = [
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "if", "in", "local", "nil",
    "not", "or", "repeat", "return", "then", "true", "until", "while",
];
/// The longer ones first.
const SYMBOLS: [&str; 26] = [
    "...", "..", "==", "~=", "<=", ">=", "+", "-", "*", "/", "%", "^", "#", "<", ">", "=", "(", ")", "{",
    "}", "[", "]", ";", ":", ",", ".",
];

/// The tokens of `source` without its comments, an [`TokenKind::End`] last; `None` if something in
/// it is not a token of Lua 5.1.
pub fn tokens(source: &[u8]) -> Option<Vec<LuaToken>> {
    let mut reader = TokenReader { source, at: 0, line: 1 };
    let mut tokens = Vec::new();
    loop {
        reader.skip_blanks_and_comments()?;
        let (start, line) = (reader.at, reader.line);
        let kind = reader.token()?;
        tokens.push(LuaToken { kind, start, end: reader.at, line });
        if kind == TokenKind::End {
            return Some(tokens);
        }
    }
}

struct TokenReader<'s> {
    source: &'s [u8],
    at: usize,
    line: usize,
}

impl TokenReader<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.source.get(self.at + ahead).copied()
    }

    fn advance_while(&mut self, is_part: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&is_part) {
            self.at += 1;
        }
    }

    /// Takes a line break: CR LF and LF CR are one.
    fn take_line_break(&mut self) {
        let first = self.peek(0);
        self.at += 1;
        if matches!((first, self.peek(0)), (Some(b'\n'), Some(b'\r')) | (Some(b'\r'), Some(b'\n'))) {
            self.at += 1;
        }
        self.line += 1;
    }

    fn skip_blanks_and_comments(&mut self) -> Option<()> {
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(b'\n' | b'\r'), _) => self.take_line_break(),
                (Some(b' ' | b'\t' | 0x0b | 0x0c), _) => self.at += 1,
                (Some(b'-'), Some(b'-')) => {
                    self.at += 2;
                    match self.long_bracket() {
                        Some(level) => self.long_text(level)?,
                        None => self.advance_while(|byte| byte != b'\n' && byte != b'\r'),
                    }
                }
                _ => return Some(()),
            }
        }
    }

    fn token(&mut self) -> Option<TokenKind> {
        let Some(first) = self.peek(0) else { return Some(TokenKind::End) };
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        match first {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                let start = self.at;
                self.advance_while(is_word);
                let word = &self.source[start..self.at];
                let is_keyword = KEYWORDS.iter().any(|keyword| keyword.as_bytes() == word);
                Some(if is_keyword { TokenKind::Keyword } else { TokenKind::Name })
            }
            b'0'..=b'9' => Some(self.number()),
            b'.' if self.peek(1).is_some_and(|next| next.is_ascii_digit()) => Some(self.number()),
            b'"' | b'\'' => self.quoted(first),
            b'[' if let Some(level) = self.long_bracket() => {
                self.long_text(level)?;
                Some(TokenKind::Text)
            }
            _ => {
                let rest = &self.source[self.at..];
                let symbol = SYMBOLS.iter().find(|symbol| rest.starts_with(symbol.as_bytes()))?;
                self.at += symbol.len();
                Some(TokenKind::Symbol)
            }
        }
    }

    /// As Lua 5.1 reads numbers: digits and points, an exponent with its sign, then anything that
    /// continues a word.
    fn number(&mut self) -> TokenKind {
        self.advance_while(|byte| byte.is_ascii_digit() || byte == b'.');
        if matches!(self.peek(0), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(0), Some(b'+' | b'-')) {
                self.at += 1;
            }
        }
        self.advance_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        TokenKind::Number
    }

    fn quoted(&mut self, quote: u8) -> Option<TokenKind> {
        self.at += 1;
        loop {
            match self.peek(0)? {
                byte if byte == quote => {
                    self.at += 1;
                    return Some(TokenKind::Text);
                }
                b'\\' => {
                    self.at += 1;
                    match self.peek(0)? {
                        b'\n' | b'\r' => self.take_line_break(),
                        _ => self.at += 1,
                    }
                }
                b'\n' | b'\r' => return None,
                _ => self.at += 1,
            }
        }
    }

    /// The level of the long bracket that opens here, if one does.
    fn long_bracket(&self) -> Option<usize> {
        let rest = self.source[self.at..].strip_prefix(b"[")?;
        let level = rest.iter().take_while(|byte| **byte == b'=').count();
        (rest.get(level) == Some(&b'[')).then_some(level)
    }

    /// Goes behind the long bracket of that level that opens here.
    fn long_text(&mut self, level: usize) -> Option<()> {
        self.at += level + 2;
        loop {
            match self.peek(0)? {
                b']' => {
                    self.at += 1;
                    let rest = &self.source[self.at..];
                    let signs = rest.iter().take_while(|byte| **byte == b'=').count();
                    if signs == level && rest.get(level) == Some(&b']') {
                        self.at += level + 1;
                        return Some(());
                    }
                }
                b'\n' | b'\r' => self.take_line_break(),
                _ => self.at += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &str) -> Vec<(TokenKind, String, usize)> {
        let tokens = tokens(source.as_bytes()).unwrap();
        let text = |token: &LuaToken| String::from_utf8(token.text(source.as_bytes()).to_vec()).unwrap();
        tokens.iter().map(|token| (token.kind, text(token), token.line)).collect()
    }

    #[test]
    fn tokens_are_those_of_lua() {
        use TokenKind::*;
        let source = "local a_1 = 0x1F..'it\\'s' --[==[ ]] \n]==] .. [[\nlong]] -- the end\n:x(1e+06, ...)";
        let expected = [
            (Keyword, "local", 1),
            (Name, "a_1", 1),
            (Symbol, "=", 1),
            (Number, "0x1F", 1),
            (Symbol, "..", 1),
            (Text, "'it\\'s'", 1),
            (Symbol, "..", 2),
            (Text, "[[\nlong]]", 2),
            (Symbol, ":", 4),
            (Name, "x", 4),
            (Symbol, "(", 4),
            (Number, "1e+06", 4),
            (Symbol, ",", 4),
            (Symbol, "...", 4),
            (Symbol, ")", 4),
            (End, "", 4),
        ];
        // Lua reads `0x1F..` as one malformed number; with a blank it is two tokens.
        let source = source.replace("0x1F..", "0x1F ..");
        let found = read(&source);
        let found: Vec<_> = found.iter().map(|(kind, text, line)| (*kind, text.as_str(), *line)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_not_lua_is_not_read() {
        for source in ["'open", "[[open", "--[[open", "a ? b", "'a\nb'", "\u{e9}"] {
            assert_eq!(tokens(source.as_bytes()), None, "{source:?}");
        }
    }

    #[test]
    fn a_line_break_of_two_characters_counts_once() {
        let lines: Vec<usize> = read("a\r\nb\n\rc\rd\n\ne").iter().map(|token| token.2).collect();
        assert_eq!(lines, [1, 2, 3, 4, 6, 6]);
    }
}
