//! The expressions of a source.

use super::Parser;
use crate::lua::source::scan::{Comparison, Literal, Operand, SourceCall, Use};
use crate::lua::source::tokens::TokenKind;

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
const UNARY_PRIORITY: u8 = 8;

impl Parser<'_> {
    pub(super) fn expression(&mut self) -> Option<Operand> {
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
                // A call to the left of `and` is a condition as well.
                self.note(&left, Use::Condition);
            }
            let right = self.expression_above(right_priority)?;
            left = self.binary(operator, token.line, left, right);
        }
    }

    fn unary(&mut self) -> Option<Operand> {
        if self.take("not") {
            let operand = self.expression_above(UNARY_PRIORITY)?;
            self.note(&operand, Use::Condition);
            return Some(Operand::Other);
        }
        if self.take("-") {
            let operand = self.expression_above(UNARY_PRIORITY)?;
            let is_number = operand == Operand::Literal(Literal::Number);
            return Some(if is_number { operand } else { Operand::Other });
        }
        if self.take("#") {
            self.expression_above(UNARY_PRIORITY)?;
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
            self.function_body(false)?;
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
    pub(super) fn primary(&mut self) -> Option<Operand> {
        let start = self.token().start;
        let mut operand = if self.take("(") {
            let inner = self.expression()?;
            self.expect(")")?;
            inner
        } else {
            let (start, end) = self.name()?;
            Operand::Name(start, end)
        };
        // The name after a dot, if nothing followed it yet.
        let mut field = None;
        loop {
            let line = self.token().line;
            let is_arguments = self.is("(") || self.is("{") || self.kind() == TokenKind::Text;
            if is_arguments {
                operand = match field.take() {
                    Some(name) if self.is_wanted(name) => {
                        let callee = (start, name.1);
                        let used = Use::Unknown;
                        let call = SourceCall { callee, name, line, used, is_read_by_fields: false };
                        self.scan.calls.push(call);
                        Operand::Calls(vec![self.scan.calls.len() - 1])
                    }
                    _ => Operand::Other,
                };
                self.arguments()?;
            } else if self.take(".") {
                let (start, end) = self.name()?;
                self.note_field(&operand, &self.source[start..end]);
                (field, operand) = (Some((start, end)), Operand::Other);
            } else if self.take("[") {
                let key = self.token();
                self.expression()?;
                // A quoted name alone.
                if key.kind == TokenKind::Text && self.tokens[self.at - 1].start == key.start {
                    let text = key.text(self.source);
                    self.note_field(&operand, text.get(1..text.len().saturating_sub(1)).unwrap_or_default());
                }
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
