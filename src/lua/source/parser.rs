//! Finds in a Lua 5.1 source the calls `….name(…)` whose value is compared, replaced or tested where
//! they stand, or whose fields are read. The source must have been compiled by Lua before, which also bounds
//! how deep it is nested (200 levels); what Lua refuses is not diagnosed here.

mod expressions;

use super::scan::{Assignment, Operand, SourceScan, Use};
use super::tokens::{LuaToken, TokenKind, tokens};
use super::variables::Variables;

/// Scans `source` for calls of functions with the names `wanted`, and for reads of `fields` of their values;
/// `None` if it is not Lua 5.1.
pub fn scan(source: &[u8], wanted: &[&str], fields: &[&str]) -> Option<SourceScan> {
    let mut parser = Parser {
        source,
        tokens: tokens(source)?,
        at: 0,
        wanted,
        fields,
        variables: Variables::default(),
        scan: SourceScan::default(),
    };
    parser.scoped_block(&[])?;
    (parser.kind() == TokenKind::End).then_some(())?;
    for call in parser.variables.calls_read_by_fields() {
        parser.scan.calls[call].is_read_by_fields = true;
    }
    Some(parser.scan)
}

struct Parser<'s> {
    source: &'s [u8],
    tokens: Vec<LuaToken>,
    at: usize,
    wanted: &'s [&'s str],
    fields: &'s [&'s str],
    variables: Variables<'s>,
    scan: SourceScan,
}

impl<'s> Parser<'s> {
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

    /// Skips the current token, if there is one.
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

    fn text_of_name(&mut self) -> Option<&'s [u8]> {
        self.name().map(|(start, end)| &self.source[start..end])
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

    /// The call that an operand consists of, if it has no operators.
    fn only_call(&self, operand: &Operand) -> Option<usize> {
        match operand {
            // Operators note a use.
            Operand::Calls(places) => {
                places.first().copied().filter(|call| self.scan.calls[*call].used == Use::Unknown)
            }
            _ => None,
        }
    }

    /// Notes that a field of `operand` is read.
    fn note_field(&mut self, operand: &Operand, field: &[u8]) {
        if !self.fields.iter().any(|known| known.as_bytes() == field) {
            return;
        }
        if let Operand::Name(start, end) = operand {
            self.variables.resolve(&self.source[*start..*end]).is_read_by_fields = true;
        } else if let Some(call) = self.only_call(operand) {
            self.scan.calls[call].is_read_by_fields = true;
        }
    }

    /// A block with a scope of its own, in which `names` are declared.
    fn scoped_block(&mut self, names: &[&'s [u8]]) -> Option<()> {
        self.variables.enter_block();
        names.iter().for_each(|name| self.variables.declare(name));
        self.block()?;
        self.variables.leave_block();
        Some(())
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

    fn block_to_end(&mut self, names: &[&'s [u8]]) -> Option<()> {
        self.scoped_block(names)?;
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
            return self.block_to_end(&[]);
        }
        if self.take("do") {
            return self.block_to_end(&[]);
        }
        if self.take("for") {
            let mut names = Vec::new();
            while !self.take("=") && !self.take("in") {
                names.push(self.text_of_name()?);
                self.take(",");
            }
            self.expressions()?;
            self.expect("do")?;
            return self.block_to_end(&names);
        }
        if self.take("repeat") {
            // The condition sees the variables of the block.
            self.variables.enter_block();
            self.block()?;
            self.expect("until")?;
            self.condition()?;
            self.variables.leave_block();
            return Some(());
        }
        if self.take("function") {
            let mut is_method = false;
            while !self.is("(") {
                is_method |= self.is(":");
                self.part_of_function_name()?;
            }
            return self.function_body(is_method);
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

    /// Skips a part of a name such as `a.b:c`.
    fn part_of_function_name(&mut self) -> Option<()> {
        let is_part = self.kind() == TokenKind::Name || self.is(".") || self.is(":");
        is_part.then(|| self.advance()).map(|_| ())
    }

    fn if_statement(&mut self) -> Option<()> {
        loop {
            self.condition()?;
            self.expect("then")?;
            self.scoped_block(&[])?;
            if self.take("elseif") {
                continue;
            }
            if self.take("else") {
                self.scoped_block(&[])?;
            }
            return self.expect("end");
        }
    }

    fn local_statement(&mut self) -> Option<()> {
        if self.take("function") {
            let name = self.text_of_name()?;
            self.variables.declare(name);
            return self.function_body(false);
        }
        let mut names = vec![self.name()?];
        while self.take(",") {
            names.push(self.name()?);
        }
        // The names are declared only after the statement.
        let value = if self.take("=") { self.expressions()? } else { None };
        names.iter().for_each(|(start, end)| self.variables.declare(&self.source[*start..*end]));
        if let [name] = names[..] {
            self.assigned(name, value);
        }
        Some(())
    }

    /// Notes that a variable gets the value of a call.
    fn assigned(&mut self, name: (usize, usize), value: Option<Operand>) {
        let Some(value) = value else { return };
        if let Some(call) = self.only_call(&value) {
            self.variables.resolve(&self.source[name.0..name.1]).calls.push(call);
        }
        if let Operand::Calls(places) = value {
            let assignments = places.into_iter().map(|call| Assignment { name, call });
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
                self.assigned((start, end), value.filter(|_| is_alone));
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

    fn function_body(&mut self, is_method: bool) -> Option<()> {
        let mut names: Vec<&[u8]> = if is_method { vec![b"self"] } else { Vec::new() };
        self.expect("(")?;
        while !self.take(")") {
            if !self.take("...") {
                names.push(self.text_of_name()?);
            }
            self.take(",");
        }
        self.block_to_end(&names)
    }
}

#[cfg(test)]
mod tests;
