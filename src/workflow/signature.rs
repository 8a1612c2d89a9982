//! The arguments of a task's function, which the names of its parameters decide.
//!
//! Sloth Runner calls `f(this, params, deps)`, and files are written for that as well as for
//! `f(params, deps)`:
//! - one parameter is called `params` or `p`: it gets the parameters, what stands before it gets the task,
//!   and what follows it gets the outputs or the reason;
//! - none is, and there are three or more, or the first is called `this`, `self` or `t`: `(this, params, …)`;
//! - otherwise: `(params, …)`.

use mlua::Function;

/// The order of a function's arguments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Signature {
    /// How many arguments before the parameters are the task.
    pub objects: usize,
    /// Whether one of the names is that of the parameters.
    pub names_params: bool,
}

impl Signature {
    /// The signature of `function`. It is `(params, …)` if the names are not known or it is not written in
    /// Lua.
    pub(super) fn of(function: &Function) -> Signature {
        let names = parameters(&function.dump(false)).unwrap_or_default();
        Signature::of_names(&names)
    }

    fn of_names(names: &[Vec<u8>]) -> Signature {
        let is_params = |name: &Vec<u8>| matches!(name.as_slice(), b"params" | b"p");
        let is_object = |name: &Vec<u8>| matches!(name.as_slice(), b"this" | b"self" | b"t");
        let place = names.iter().position(is_params);
        let is_style_of_this = names.len() >= 3 || names.first().is_some_and(is_object);
        Signature { objects: place.unwrap_or(usize::from(is_style_of_this)), names_params: place.is_some() }
    }
}

/// The names of a function's parameters, from its bytecode; `None` if that is not Lua 5.1's.
fn parameters(dump: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut reader = BytecodeReader::new(dump)?;
    let count = reader.up_to_locals()?;
    // The first local variables are the parameters.
    let locals = reader.integer()?;
    if locals < count {
        return None;
    }
    let mut names = Vec::with_capacity(count);
    for _ in 0..count {
        names.push(reader.text()?.to_vec());
        reader.skip(2 * reader.integer)?;
    }
    Some(names)
}

/// Reads bytecode of this machine.
struct BytecodeReader<'a> {
    rest: &'a [u8],
    integer: usize,
    size: usize,
    instruction: usize,
    number: usize,
}

impl<'a> BytecodeReader<'a> {
    /// Starts after the header, which contains the sizes.
    fn new(dump: &'a [u8]) -> Option<BytecodeReader<'a>> {
        const HEADER: usize = 12;
        let (header, rest) = dump.split_at_checked(HEADER)?;
        let [b'\x1b', b'L', b'u', b'a', 0x51, 0, little, integer, size, instruction, number, _] = *header
        else {
            return None;
        };
        let is_ours = (little == 1) == cfg!(target_endian = "little")
            && usize::from(integer) == size_of::<i32>()
            && usize::from(size) == size_of::<usize>();
        is_ours.then(|| BytecodeReader {
            rest,
            integer: integer.into(),
            size: size.into(),
            instruction: instruction.into(),
            number: number.into(),
        })
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.take(count).map(drop)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn integer(&mut self) -> Option<usize> {
        let bytes = self.take(self.integer)?;
        usize::try_from(i32::from_ne_bytes(bytes.try_into().ok()?)).ok()
    }

    /// A text, without the zero byte at its end; empty where there is none.
    fn text(&mut self) -> Option<&'a [u8]> {
        let length = usize::from_ne_bytes(self.take(self.size)?.try_into().ok()?);
        let bytes = self.take(length)?;
        Some(bytes.split_last().map_or(bytes, |(_, text)| text))
    }

    /// Reads the part of a function before its local variables; returns the number of parameters.
    fn up_to_locals(&mut self) -> Option<usize> {
        self.text()?;
        self.skip(2 * self.integer)?;
        let _upvalues = self.byte()?;
        let parameters = self.byte()?;
        // The vararg flag and the number of registers.
        self.skip(2)?;
        let code = self.integer()?;
        self.skip(code.checked_mul(self.instruction)?)?;
        self.constants()?;
        for _ in 0..self.integer()? {
            self.function()?;
        }
        let lines = self.integer()?;
        self.skip(lines.checked_mul(self.integer)?)?;
        Some(parameters.into())
    }

    fn constants(&mut self) -> Option<()> {
        for _ in 0..self.integer()? {
            match self.byte()? {
                0 => {}
                1 => self.skip(1)?,
                3 => self.skip(self.number)?,
                4 => drop(self.text()?),
                _ => return None,
            }
        }
        Some(())
    }

    /// Skips a nested function. Lua limits how deeply they are nested.
    fn function(&mut self) -> Option<()> {
        self.up_to_locals()?;
        for _ in 0..self.integer()? {
            self.text()?;
            self.skip(2 * self.integer)?;
        }
        for _ in 0..self.integer()? {
            self.text()?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use mlua::Lua;

    use super::*;

    fn function(lua: &Lua, code: &str) -> Function {
        lua.load(code).set_name("@w.lua").eval().unwrap()
    }

    #[test]
    fn names_are_those_of_the_parameters() {
        let lua = Lua::new();
        let cases: [(&str, &[&str]); 10] = [
            ("function() local a end", &[]),
            ("function(...) local a = ... end", &[]),
            (
                "function(this, params, deps) local x = 1; for i = 1, 2 do end end",
                &["this", "params", "deps"],
            ),
            ("function(a, ...) return arg end", &["a"]),
            ("function(p) return function(q, r) return p, q, r, 'text', 1.5, nil, true end end", &["p"]),
            (
                "(function() local up, other = 1, 2 return function(this) return up, other end end)()",
                &["this"],
            ),
            ("(function() local t = {} function t:run(params) end return t.run end)()", &["self", "params"]),
            ("function(_, _) end", &["_", "_"]),
            (
                "(function() local function made(x) return function(params) return x end end return made(1) end)()",
                &["params"],
            ),
            ("print", &[]),
        ];
        for (code, expected) in cases {
            let names = parameters(&function(&lua, code).dump(false)).unwrap_or_default();
            assert_eq!(
                names,
                expected.iter().map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>(),
                "{code}"
            );
        }
        // Two of them on one line are told apart.
        let both: mlua::Table = lua.load("return {function(a) end, function(b) end}").eval().unwrap();
        let names = |index: usize| parameters(&both.get::<Function>(index).unwrap().dump(false)).unwrap();
        assert_eq!((names(1), names(2)), (vec![b"a".to_vec()], vec![b"b".to_vec()]));
    }

    #[test]
    fn the_names_decide_the_order() {
        let objects = |names: &str| {
            let names: Vec<Vec<u8>> = names.split_whitespace().map(|name| name.as_bytes().to_vec()).collect();
            Signature::of_names(&names).objects
        };
        let cases = [
            ("", 0),
            ("params", 0),
            ("p", 0),
            ("params deps", 0),
            ("params deps session", 0),
            ("this params", 1),
            ("this params input", 1),
            ("_ params", 1),
            ("task p", 1),
            ("t p d", 1),
            ("a b params", 2),
            ("this", 1),
            ("self", 1),
            ("t", 1),
            ("self input", 1),
            ("a b c", 1),
            ("task parameters outputs session", 1),
            ("a", 0),
            ("a b", 0),
            ("deps this", 0),
            ("parameters deps", 0),
        ];
        for (names, expected) in cases {
            assert_eq!(objects(names), expected, "{names}");
        }
    }

    #[test]
    fn damaged_code_is_not_read() {
        let lua = Lua::new();
        let whole =
            function(&lua, "function(this, params) return function() return 'x', 1 end end").dump(false);
        for length in 0..whole.len() {
            parameters(&whole[..length]);
        }
        for place in 0..whole.len() {
            let mut changed = whole.clone();
            changed[place] ^= 0xff;
            parameters(&changed);
        }
        assert_eq!(parameters(&whole).map(|names| names.len()), Some(2));
    }
}
