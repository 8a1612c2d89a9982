//! Finds in a Lua 5.1 source the calls `….name(…)` whose answer is read by fields: that are assigned to one
//! variable of which a field is read, or that are indexed where they stand.
//!
//! Variables are told apart by their scopes, so that one of the same name elsewhere does not count. The
//! source must have been compiled by Lua before, which also bounds how deep it is nested.

use std::collections::{BTreeMap, BTreeSet};

use super::tokens::{LuaToken, TokenKind, tokens};

/// The offsets behind the names of those calls of functions that are named `wanted` whose answer is read by
/// one of `fields`; empty if the source is not Lua 5.1.
pub fn read_by_fields(source: &[u8], wanted: &str, fields: &[&str]) -> BTreeSet<usize> {
    let Some(tokens) = tokens(source) else { return BTreeSet::new() };
    let mut finder = Finder {
        source,
        tokens,
        at: 0,
        wanted,
        fields,
        scopes: vec![BTreeMap::new()],
        variables: Vec::new(),
        globals: BTreeMap::new(),
        found: BTreeSet::new(),
    };
    if finder.block().is_none() || finder.token().kind != TokenKind::End {
        return BTreeSet::new();
    }
    let read = finder.variables.iter().filter(|variable| variable.is_read_by_fields);
    let assigned = read.flat_map(|variable| variable.calls.iter().copied());
    finder.found.iter().copied().chain(assigned).collect()
}

/// A variable of the source.
#[derive(Default)]
struct Variable {
    /// The calls whose answer it gets.
    calls: Vec<usize>,
    is_read_by_fields: bool,
}

/// What an expression is.
#[derive(Clone, Copy)]
enum Expression {
    /// Nothing but this variable, by its place in [`Finder::variables`].
    Variable(usize),
    /// A field of something, by the offsets of its name.
    Field(usize, usize),
    /// A call that is looked for, by the offset behind its name.
    SourceCall(usize),
    Other,
}

struct Finder<'s> {
    source: &'s [u8],
    tokens: Vec<LuaToken>,
    at: usize,
    wanted: &'s str,
    fields: &'s [&'s str],
    scopes: Vec<BTreeMap<&'s [u8], usize>>,
    variables: Vec<Variable>,
    globals: BTreeMap<&'s [u8], usize>,
    found: BTreeSet<usize>,
}

impl<'s> Finder<'s> {
    fn token(&self) -> LuaToken {
        self.tokens[self.at]
    }

    fn is(&self, text: &str) -> bool {
        self.token().is(self.source, text)
    }

    fn is_any(&self, texts: &[&str]) -> bool {
        texts.iter().any(|text| self.is(text))
    }

    fn take(&mut self, text: &str) -> bool {
        let is_it = self.is(text);
        self.at += usize::from(is_it);
        is_it
    }

    fn expect(&mut self, text: &str) -> Option<()> {
        self.take(text).then_some(())
    }

    fn take_kind(&mut self, kind: TokenKind) -> Option<LuaToken> {
        let token = self.token();
        (token.kind == kind && kind != TokenKind::End).then(|| {
            self.at += 1;
            token
        })
    }

    fn name(&mut self) -> Option<&'s [u8]> {
        let token = self.take_kind(TokenKind::Name)?;
        Some(&self.source[token.start..token.end])
    }

    fn new_variable(&mut self) -> usize {
        self.variables.push(Variable::default());
        self.variables.len() - 1
    }

    fn declare(&mut self, name: &'s [u8]) -> usize {
        let variable = self.new_variable();
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name, variable);
        }
        variable
    }

    /// The variable that a name means here.
    fn resolve(&mut self, name: &'s [u8]) -> usize {
        if let Some(local) = self.scopes.iter().rev().find_map(|scope| scope.get(name)) {
            return *local;
        }
        if let Some(global) = self.globals.get(name) {
            return *global;
        }
        let variable = self.new_variable();
        self.globals.insert(name, variable);
        variable
    }

    /// A block in a scope of its own, in which `names` are declared.
    fn scoped(&mut self, names: &[&'s [u8]]) -> Option<()> {
        self.scopes.push(BTreeMap::new());
        for name in names {
            self.declare(name);
        }
        let done = self.block();
        self.scopes.pop();
        done
    }

    fn block(&mut self) -> Option<()> {
        while !self.is_any(&["end", "else", "elseif", "until"]) && self.token().kind != TokenKind::End {
            self.statement()?;
            self.take(";");
        }
        Some(())
    }

    fn statement(&mut self) -> Option<()> {
        if self.take("if") {
            loop {
                self.expression()?;
                self.expect("then")?;
                self.scoped(&[])?;
                if self.take("elseif") {
                    continue;
                }
                if self.take("else") {
                    self.scoped(&[])?;
                }
                return self.expect("end");
            }
        }
        if self.take("while") {
            self.expression()?;
            self.expect("do")?;
            self.scoped(&[])?;
            return self.expect("end");
        }
        if self.take("do") {
            self.scoped(&[])?;
            return self.expect("end");
        }
        if self.take("for") {
            let mut names = vec![self.name()?];
            while self.take(",") {
                names.push(self.name()?);
            }
            (self.take("=") || self.take("in")).then_some(())?;
            self.expressions()?;
            self.expect("do")?;
            self.scoped(&names)?;
            return self.expect("end");
        }
        if self.take("repeat") {
            // What is declared within is there in the condition.
            self.scopes.push(BTreeMap::new());
            let done = self.repeated();
            self.scopes.pop();
            return done;
        }
        if self.take("function") {
            let name = self.name()?;
            self.resolve(name);
            let mut is_method = false;
            while self.is_any(&[".", ":"]) {
                is_method = self.is(":");
                self.at += 1;
                self.name()?;
            }
            return self.function_body(is_method);
        }
        if self.take("local") {
            return self.local_statement();
        }
        if self.take("return") {
            let ends = self.is_any(&["end", "else", "elseif", "until", ";"]);
            return match ends || self.token().kind == TokenKind::End {
                true => Some(()),
                false => self.expressions().map(drop),
            };
        }
        if self.take("break") {
            return Some(());
        }
        self.assignment_or_call()
    }

    fn repeated(&mut self) -> Option<()> {
        self.block()?;
        self.expect("until")?;
        self.expression().map(drop)
    }

    fn local_statement(&mut self) -> Option<()> {
        if self.take("function") {
            let name = self.name()?;
            self.declare(name);
            return self.function_body(false);
        }
        let mut names = vec![self.name()?];
        while self.take(",") {
            names.push(self.name()?);
        }
        // The names mean the new variables only behind the statement.
        let value = if self.take("=") { self.expressions()? } else { Expression::Other };
        let is_alone = names.len() == 1;
        for name in names {
            let variable = self.declare(name);
            self.assign(variable, value, is_alone);
        }
        Some(())
    }

    fn assign(&mut self, variable: usize, value: Expression, is_alone: bool) {
        if let (Expression::SourceCall(call), true) = (value, is_alone) {
            self.variables[variable].calls.push(call);
        }
    }

    fn assignment_or_call(&mut self) -> Option<()> {
        let first = self.suffixed()?;
        let mut is_alone = true;
        while self.take(",") {
            self.suffixed()?;
            is_alone = false;
        }
        if self.take("=") {
            let value = self.expressions()?;
            if let Expression::Variable(variable) = first {
                self.assign(variable, value, is_alone);
            }
        }
        Some(())
    }

    fn function_body(&mut self, is_method: bool) -> Option<()> {
        let mut names: Vec<&'s [u8]> = Vec::new();
        if is_method {
            names.push(b"self");
        }
        self.expect("(")?;
        while !self.take(")") {
            if !self.take("...") {
                names.push(self.name()?);
            }
            self.take(",");
        }
        self.scoped(&names)?;
        self.expect("end")
    }

    /// Expressions with commas between; the value if there is one alone.
    fn expressions(&mut self) -> Option<Expression> {
        let mut value = self.expression()?;
        while self.take(",") {
            self.expression()?;
            value = Expression::Other;
        }
        Some(value)
    }

    fn expression(&mut self) -> Option<Expression> {
        const BINARY: [&str; 15] =
            ["+", "-", "*", "/", "%", "^", "..", "==", "~=", "<", "<=", ">", ">=", "and", "or"];
        let mut value = self.operand()?;
        while self.is_any(&BINARY) {
            self.at += 1;
            self.operand()?;
            value = Expression::Other;
        }
        Some(value)
    }

    fn operand(&mut self) -> Option<Expression> {
        let mut is_plain = true;
        while self.is_any(&["not", "-", "#"]) {
            self.at += 1;
            is_plain = false;
        }
        let is_constant = self.is_any(&["nil", "true", "false", "..."])
            || matches!(self.token().kind, TokenKind::Number | TokenKind::Text);
        if is_constant {
            self.at += 1;
            return Some(Expression::Other);
        }
        if self.take("function") {
            self.function_body(false)?;
            return Some(Expression::Other);
        }
        if self.is("{") {
            self.table()?;
            return Some(Expression::Other);
        }
        let value = self.suffixed()?;
        Some(if is_plain { value } else { Expression::Other })
    }

    fn table(&mut self) -> Option<()> {
        self.expect("{")?;
        while !self.take("}") {
            let next = self.tokens.get(self.at + 1).copied();
            if self.take("[") {
                self.expression()?;
                self.expect("]")?;
                self.expect("=")?;
            } else if self.token().kind == TokenKind::Name
                && next.is_some_and(|next| next.is(self.source, "="))
            {
                self.at += 2;
            }
            self.expression()?;
            if !self.take(",") {
                self.take(";");
            }
        }
        Some(())
    }

    /// A variable or an expression in parentheses, and what follows it: fields and arguments.
    fn suffixed(&mut self) -> Option<Expression> {
        let mut value = if self.take("(") {
            let inner = self.expression()?;
            self.expect(")")?;
            inner
        } else {
            let name = self.name()?;
            Expression::Variable(self.resolve(name))
        };
        loop {
            if self.take(".") {
                let name = self.take_kind(TokenKind::Name)?;
                self.indexed(value, name.text(self.source));
                value = Expression::Field(name.start, name.end);
            } else if self.take("[") {
                let key = self.token();
                self.expression()?;
                // A quoted name alone.
                if key.kind == TokenKind::Text && self.tokens[self.at - 1].start == key.start {
                    let text = key.text(self.source);
                    self.indexed(value, text.get(1..text.len().saturating_sub(1)).unwrap_or_default());
                }
                self.expect("]")?;
                value = Expression::Other;
            } else if self.take(":") {
                self.name()?;
                self.arguments()?;
                value = Expression::Other;
            } else if self.is_any(&["(", "{"]) || self.token().kind == TokenKind::Text {
                self.arguments()?;
                value = match value {
                    Expression::Field(start, end) if self.source[start..end] == *self.wanted.as_bytes() => {
                        Expression::SourceCall(end)
                    }
                    _ => Expression::Other,
                };
            } else {
                return Some(value);
            }
        }
    }

    /// Notes that a field of `value` is read.
    fn indexed(&mut self, value: Expression, field: &[u8]) {
        if !self.fields.iter().any(|known| known.as_bytes() == field) {
            return;
        }
        match value {
            Expression::Variable(variable) => self.variables[variable].is_read_by_fields = true,
            Expression::SourceCall(call) => drop(self.found.insert(call)),
            Expression::Field(..) | Expression::Other => {}
        }
    }

    fn arguments(&mut self) -> Option<()> {
        if self.is("{") {
            return self.table();
        }
        if self.take_kind(TokenKind::Text).is_some() {
            return Some(());
        }
        self.expect("(")?;
        if self.take(")") {
            return Some(());
        }
        self.expressions()?;
        self.expect(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of the calls of `run` that are found.
    fn lines(source: &str) -> Vec<usize> {
        const FIELDS: [&str; 4] = ["success", "stdout", "stderr", "exit_code"];
        let found = read_by_fields(source.as_bytes(), "run", &FIELDS);
        found.into_iter().map(|at| source[..at].lines().count()).collect()
    }

    #[test]
    fn answers_that_are_read_by_fields() {
        let cases = [
            "local r = exec.run('x') print(r.stdout)",
            "local r = exec.run 'x' if not r.success then error(r.stderr) end",
            "local r = exec.run{cmd} return r['exit_code'] == 0",
            "r = exec.run('x') print(r.stdout)",
            "local r; r = exec.run('x') print(r.stdout)",
            "local r; repeat r = exec.run('x') until r.success",
            "repeat local r = exec.run('x') until r.success",
            "local r = exec.run('x') local function f() return r.stdout end",
            "local r = exec.run('x') if r and r.success then end",
            "local r = (exec.run('x')) return r.stdout:gsub('a', 'b')",
            "return exec.run('x').stdout",
            "return (exec.run('x')).stdout:match('y')",
            "return exec.run('x')['stdout']",
            "log(exec.run('x').stdout .. 'y')",
            "local e = require('exec') local r = e.run('x') t = {r.success}",
            "task('a'):command(function() local r = exec.run('x') return r.success, r.stderr end)",
            "local r = exec.run('x', {env = {A = 'b'}, timeout = 5}) return {out = r.stdout}",
            "for _, h in ipairs(l) do local r = exec.run(h) if r.exit_code ~= 0 then break end end",
        ];
        for source in cases {
            assert_eq!(lines(source), [1], "{source}");
        }
    }

    #[test]
    fn other_answers_are_left_alone() {
        let cases = [
            "exec.run('x')",
            "if exec.run('x') then end",
            "assert(exec.run('x'))",
            "local ok = exec.run('x') if ok then end",
            "local ok, out = exec.run('x') print(ok.stdout)",
            "local ok, out, err, code = exec.run('x') print(out, r.stdout)",
            "local r = assert(exec.run('x')) print(r.stdout)",
            "local r = not exec.run('x') print(r.stdout)",
            "local r = exec.run('x') or exec.run('y') print(r.stdout)",
            "local r = exec.run('x'), 1 print(r.stdout)",
            "local r = exec.run('x') print(r.other, r:stdout(), #r)",
            // Variables of the same name elsewhere.
            "do local r = exec.run('x') end print(r.stdout)",
            "local r = exec.run('x') do local r = {} print(r.stdout) end",
            "local r = exec.run('x') local function f(r) return r.stdout end",
            "local function f() local r = exec.run('x') return r end print(r.stdout)",
            "for r = 1, 2 do print(r.stdout) end local r = exec.run('x')",
            "local r = exec.run('x') for _, r in ipairs(t) do print(r.stdout) end",
            "local r = exec.run(r.stdout)",
            "local r = exec.run('x') t.r = {} print(t.r.stdout, t['r'].stdout, {stdout = 1})",
            "t.r = exec.run('x') print(t.r.stdout)",
            "-- local r = exec.run('x') r.stdout",
            "local s = [[ r = exec.run('x') r.stdout ]]",
            // Not Lua 5.1.
            "x = 1 & 2 local r = exec.run('x') print(r.stdout)",
        ];
        for source in cases {
            assert_eq!(lines(source), [] as [usize; 0], "{source}");
        }
    }

    #[test]
    fn each_call_is_found_by_itself() {
        let source = "local ok = exec.run('a')\nif ok then\nlocal r = exec.run('b')\nr = exec.run('c')\n\
            local s = exec.run(exec.run('d').stdout)\nprint(r.stdout, s)\nend\nprint(exec.run('e').stdout)";
        assert_eq!(lines(source), [3, 4, 5, 8]);
    }
}
