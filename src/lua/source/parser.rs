//! Finds in a Lua 5.1 source the calls `….name(…)` whose value is compared, replaced or tested where
//! they stand. The source must have been compiled by Lua before, which also bounds how deep it is
//! nested (200 levels); what Lua refuses is not diagnosed here.

use super::tokens::{LuaToken, TokenKind, tokens};

/// The type of a literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Literal {
    /// A string.
    Text,
    /// A number, with or without a minus sign.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A table constructor.
    Table,
}

/// What becomes of the value of a call where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Nothing is known.
    Unknown,
    /// Only whether it is true counts, or that counts as well.
    Condition,
    /// A literal of that type takes its place if it is nil or false (`or`).
    Or(Literal),
    /// It is compared with a literal of that type (`==`, `~=`).
    Equality(Literal),
}

impl Use {
    /// Of several uses of one value the one with the greatest rank counts.
    fn rank(self) -> u8 {
        match self {
            Use::Unknown => 0,
            Use::Condition => 1,
            Use::Or(_) => 2,
            Use::Equality(_) => 3,
        }
    }
}

/// A call whose last suffix is `.name(…)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceCall {
    /// The bytes of the expression that is called, such as `state.get`.
    pub callee: (usize, usize),
    /// The bytes of the name that it ends in.
    pub name: (usize, usize),
    /// The line of the argument list, which Lua gives the call.
    pub line: usize,
    /// What becomes of its value.
    pub used: Use,
}

/// An expression, as far as it is of interest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand {
    /// A literal.
    Literal(Literal),
    /// A variable, by the bytes of its name.
    Name(usize, usize),
    /// Any of these calls, by their places in [`SourceScan::calls`], may be its value.
    Calls(Vec<usize>),
    /// Anything else.
    Other,
}

/// One variable gets the value of one expression in which a call has the last word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The bytes of the variable's name.
    pub name: (usize, usize),
    /// The place of the call in [`SourceScan::calls`].
    pub call: usize,
    /// Whether it is a `local` statement.
    pub is_local: bool,
}

/// Two operands of `<`, `<=`, `>` or `>=`, or of an arithmetic operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The line of the operator, which Lua gives the comparison.
    pub line: usize,
    /// What is compared.
    pub operands: [Operand; 2],
}

/// What was found in a source, in the order of the source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceScan {
    /// The calls.
    pub calls: Vec<SourceCall>,
    /// The assignments of calls.
    pub assignments: Vec<Assignment>,
    /// The comparisons in which a variable or a call takes part.
    pub comparisons: Vec<Comparison>,
}

/// Scans `source` for calls of functions that are named so; `None` if it is not Lua 5.1.
pub fn scan(source: &[u8], wanted: &[&str]) -> Option<SourceScan> {
    let mut parser = Parser { source, tokens: tokens(source)?, at: 0, wanted, scan: SourceScan::default() };
    parser.block()?;
    (parser.kind() == TokenKind::End).then_some(())?;
    Some(parser.scan)
}

struct Parser<'s> {
    source: &'s [u8],
    tokens: Vec<LuaToken>,
    at: usize,
    wanted: &'s [&'s str],
    scan: SourceScan,
}

/// The priorities of Lua's binary operators, left and right.
const OPERATORS: [(&str, u8, u8); 15] = [
    ("+", 6, 6),
    ("-", 6, 6),
    ("*", 7, 7),
    ("/", 7, 7),
    ("%", 7, 7),
    ("^", 10, 9),
    ("..", 5, 4),
    ("==", 3, 3),
    ("~=", 3, 3),
    ("<", 3, 3),
    ("<=", 3, 3),
    (">", 3, 3),
    (">=", 3, 3),
    ("and", 2, 2),
    ("or", 1, 1),
];
/// The priority of `not`, `-` and `#`.
const UNARY: u8 = 8;

impl Parser<'_> {
    fn token(&self) -> LuaToken {
        self.tokens[self.at]
    }

    fn kind(&self) -> TokenKind {
        self.token().kind
    }

    fn is(&self, text: &str) -> bool {
        self.token().is(self.source, text)
    }

    fn next_is(&self, text: &str) -> bool {
        self.tokens.get(self.at + 1).is_some_and(|token| token.is(self.source, text))
    }

    /// Goes behind the present token, if there is one.
    fn advance(&mut self) -> LuaToken {
        let token = self.token();
        if token.kind != TokenKind::End {
            self.at += 1;
        }
        token
    }

    fn take(&mut self, text: &str) -> bool {
        let is_it = self.is(text);
        if is_it {
            self.at += 1;
        }
        is_it
    }

    fn expect(&mut self, text: &str) -> Option<()> {
        self.take(text).then_some(())
    }

    fn name(&mut self) -> Option<(usize, usize)> {
        (self.kind() == TokenKind::Name).then(|| {
            let token = self.advance();
            (token.start, token.end)
        })
    }

    /// Notes a use of the calls that may be the value of an operand.
    fn note(&mut self, operand: &Operand, used: Use) {
        if let Operand::Calls(places) = operand {
            for &place in places {
                let call = &mut self.scan.calls[place];
                if used.rank() > call.used.rank() {
                    call.used = used;
                }
            }
        }
    }

    fn block(&mut self) -> Option<()> {
        loop {
            let ends = ["end", "else", "elseif", "until"].iter().any(|word| self.is(word));
            if ends || self.kind() == TokenKind::End {
                return Some(());
            }
            self.statement()?;
            self.take(";");
        }
    }

    fn block_to_end(&mut self) -> Option<()> {
        self.block()?;
        self.expect("end")
    }

    fn condition(&mut self) -> Option<()> {
        let condition = self.expression()?;
        self.note(&condition, Use::Condition);
        Some(())
    }

    fn statement(&mut self) -> Option<()> {
        if self.kind() != TokenKind::Keyword {
            return self.assignment_or_call();
        }
        if self.take("if") {
            return self.if_statement();
        }
        if self.take("while") {
            self.condition()?;
            self.expect("do")?;
            return self.block_to_end();
        }
        if self.take("do") {
            return self.block_to_end();
        }
        if self.take("for") {
            while !self.take("=") && !self.take("in") {
                (self.kind() == TokenKind::Name || self.is(",")).then(|| self.advance())?;
            }
            self.expressions()?;
            self.expect("do")?;
            return self.block_to_end();
        }
        if self.take("repeat") {
            self.block()?;
            self.expect("until")?;
            return self.condition();
        }
        if self.take("function") {
            while !self.is("(") {
                self.part_of_function_name()?;
            }
            return self.function_body();
        }
        if self.take("local") {
            return self.local_statement();
        }
        if self.take("return") {
            let ends = ["end", "else", "elseif", "until", ";"].iter().any(|word| self.is(word));
            if !ends && self.kind() != TokenKind::End {
                self.expressions()?;
            }
            return Some(());
        }
        if self.take("break") {
            return Some(());
        }
        self.assignment_or_call()
    }

    /// Goes behind a part of a name such as `a.b:c`.
    fn part_of_function_name(&mut self) -> Option<()> {
        let is_part = self.kind() == TokenKind::Name || self.is(".") || self.is(":");
        is_part.then(|| self.advance()).map(|_| ())
    }

    fn if_statement(&mut self) -> Option<()> {
        loop {
            self.condition()?;
            self.expect("then")?;
            self.block()?;
            if self.take("elseif") {
                continue;
            }
            if self.take("else") {
                self.block()?;
            }
            return self.expect("end");
        }
    }

    fn local_statement(&mut self) -> Option<()> {
        if self.take("function") {
            self.name()?;
            return self.function_body();
        }
        let name = self.name()?;
        let mut is_alone = true;
        while self.take(",") {
            self.name()?;
            is_alone = false;
        }
        if self.take("=") {
            let value = self.expressions()?;
            self.assigned(name, value.filter(|_| is_alone), true);
        }
        Some(())
    }

    /// Notes that a variable gets the value of a call.
    fn assigned(&mut self, name: (usize, usize), value: Option<Operand>, is_local: bool) {
        if let Some(Operand::Calls(places)) = value {
            let assignments = places.into_iter().map(|call| Assignment { name, call, is_local });
            self.scan.assignments.extend(assignments);
        }
    }

    fn assignment_or_call(&mut self) -> Option<()> {
        let first = self.primary()?;
        let mut is_alone = true;
        while self.take(",") {
            self.primary()?;
            is_alone = false;
        }
        if self.take("=") {
            let value = self.expressions()?;
            if let Operand::Name(start, end) = first {
                self.assigned((start, end), value.filter(|_| is_alone), false);
            }
        }
        Some(())
    }

    /// A list of expressions; the expression if it is only one.
    fn expressions(&mut self) -> Option<Option<Operand>> {
        let mut only = Some(self.expression()?);
        while self.take(",") {
            self.expression()?;
            only = None;
        }
        Some(only)
    }

    fn function_body(&mut self) -> Option<()> {
        self.expect("(")?;
        while !self.take(")") {
            (self.kind() == TokenKind::Name || self.is(",") || self.is("...")).then(|| self.advance())?;
        }
        self.block_to_end()
    }

    fn expression(&mut self) -> Option<Operand> {
        self.expression_above(0)
    }

    /// An expression whose operators bind more tightly than `limit`.
    fn expression_above(&mut self, limit: u8) -> Option<Operand> {
        let mut left = self.unary()?;
        loop {
            let token = self.token();
            let operator = OPERATORS.iter().find(|(text, ..)| token.is(self.source, text));
            let Some(&(operator, priority, right_priority)) = operator else { return Some(left) };
            if priority <= limit {
                return Some(left);
            }
            self.advance();
            if operator == "and" || operator == "or" {
                // Also of a call to the left of `and`, what comes next may never be looked at.
                self.note(&left, Use::Condition);
            }
            let right = self.expression_above(right_priority)?;
            left = self.binary(operator, token.line, left, right);
        }
    }

    fn unary(&mut self) -> Option<Operand> {
        if self.take("not") {
            let operand = self.expression_above(UNARY)?;
            self.note(&operand, Use::Condition);
            return Some(Operand::Other);
        }
        if self.take("-") {
            let operand = self.expression_above(UNARY)?;
            let is_number = operand == Operand::Literal(Literal::Number);
            return Some(if is_number { operand } else { Operand::Other });
        }
        if self.take("#") {
            self.expression_above(UNARY)?;
            return Some(Operand::Other);
        }
        self.simple()
    }

    fn binary(&mut self, operator: &str, line: usize, left: Operand, right: Operand) -> Operand {
        match operator {
            "or" => {
                match &right {
                    Operand::Literal(literal) => self.note(&left, Use::Or(*literal)),
                    _ => self.note(&right, Use::Condition),
                }
                match (left, right) {
                    (Operand::Calls(mut left), Operand::Calls(right)) => {
                        left.extend(right);
                        Operand::Calls(left)
                    }
                    (calls @ Operand::Calls(_), _) | (_, calls @ Operand::Calls(_)) => calls,
                    _ => Operand::Other,
                }
            }
            "and" => {
                self.note(&right, Use::Condition);
                match right {
                    calls @ Operand::Calls(_) => calls,
                    _ => Operand::Other,
                }
            }
            "==" | "~=" => {
                for (call, other) in [(&left, &right), (&right, &left)] {
                    if let Operand::Literal(literal) = other
                        && *literal != Literal::Table
                    {
                        self.note(call, Use::Equality(*literal));
                    }
                }
                Operand::Other
            }
            ".." => Operand::Other,
            _ => {
                let operands = [left, right];
                if operands.iter().any(|operand| matches!(operand, Operand::Name(..) | Operand::Calls(_))) {
                    self.scan.comparisons.push(Comparison { line, operands });
                }
                Operand::Other
            }
        }
    }

    fn simple(&mut self) -> Option<Operand> {
        let literal = match self.kind() {
            TokenKind::Number => Some(Literal::Number),
            TokenKind::Text => Some(Literal::Text),
            _ if self.is("true") || self.is("false") => Some(Literal::Boolean),
            _ => None,
        };
        if let Some(literal) = literal {
            self.advance();
            return Some(Operand::Literal(literal));
        }
        if self.take("nil") || self.take("...") {
            return Some(Operand::Other);
        }
        if self.is("{") {
            self.table()?;
            return Some(Operand::Literal(Literal::Table));
        }
        if self.take("function") {
            self.function_body()?;
            return Some(Operand::Other);
        }
        self.primary()
    }

    fn table(&mut self) -> Option<()> {
        self.expect("{")?;
        while !self.take("}") {
            if self.take("[") {
                self.expression()?;
                self.expect("]")?;
                self.expect("=")?;
            } else if self.kind() == TokenKind::Name && self.next_is("=") {
                self.advance();
                self.advance();
            }
            self.expression()?;
            if !self.take(",") && !self.take(";") {
                return self.expect("}");
            }
        }
        Some(())
    }

    /// A variable or an expression in parentheses, with what follows: fields, calls.
    fn primary(&mut self) -> Option<Operand> {
        let start = self.token().start;
        let mut operand = if self.take("(") {
            let inner = self.expression()?;
            self.expect(")")?;
            inner
        } else {
            let (start, end) = self.name()?;
            Operand::Name(start, end)
        };
        // The name behind a point, if nothing has followed it yet.
        let mut field = None;
        loop {
            let line = self.token().line;
            let is_arguments = self.is("(") || self.is("{") || self.kind() == TokenKind::Text;
            if is_arguments {
                operand = match field.take() {
                    Some(name) if self.is_wanted(name) => {
                        let callee = (start, name.1);
                        self.scan.calls.push(SourceCall { callee, name, line, used: Use::Unknown });
                        Operand::Calls(vec![self.scan.calls.len() - 1])
                    }
                    _ => Operand::Other,
                };
                self.arguments()?;
            } else if self.take(".") {
                field = Some(self.name()?);
                operand = Operand::Other;
            } else if self.take("[") {
                self.expression()?;
                self.expect("]")?;
                (field, operand) = (None, Operand::Other);
            } else if self.take(":") {
                self.name()?;
                self.arguments()?;
                (field, operand) = (None, Operand::Other);
            } else {
                return Some(operand);
            }
        }
    }

    fn is_wanted(&self, (start, end): (usize, usize)) -> bool {
        self.wanted.iter().any(|wanted| wanted.as_bytes() == &self.source[start..end])
    }

    fn arguments(&mut self) -> Option<()> {
        if self.kind() == TokenKind::Text {
            self.advance();
            return Some(());
        }
        if self.is("{") {
            return self.table();
        }
        self.expect("(")?;
        if !self.is(")") {
            self.expressions()?;
        }
        self.expect(")")
    }
}

#[cfg(test)]
mod tests;
