//! A digest of a script's value: equal for equal content, computed without a copy of it, and in time linear in its
//! tables, also where tables share others.

use std::collections::HashMap;
use std::os::raw::c_void;

use mlua::{Table, Value};
use sha2::{Digest, Sha256};

use crate::lua::convert::{MAX_DEPTH, kind};

/// Changes a text before it counts, such as by masking secrets; `None` if none is changed.
pub type TextChange<'a> = Option<&'a dyn Fn(Vec<u8>) -> Vec<u8>>;

/// The content of a value: how large it is written out, in bytes, about; and a hash of it. All functions are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ContentDigest {
    pub bytes: u64,
    hash: [u8; 16],
}

impl ContentDigest {
    pub(super) fn of(value: &Value, change: TextChange<'_>) -> ContentDigest {
        Digester { change, known: HashMap::new(), above: Vec::new() }.of(value)
    }

    /// The hash as text.
    pub(super) fn hash(&self) -> String {
        self.hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn scalar(tag: u8, content: &[u8]) -> ContentDigest {
        let bytes = u64::try_from(content.len()).unwrap_or(u64::MAX).saturating_add(2);
        ContentDigest { bytes, hash: hash_of(&[&[tag], content]) }
    }
}

fn hash_of(parts: &[&[u8]]) -> [u8; 16] {
    let mut hasher = Sha256::new();
    parts.iter().for_each(|part| hasher.update(part));
    let mut hash = [0; 16];
    hash.copy_from_slice(&hasher.finalize()[..16]);
    hash
}

struct Digester<'a> {
    change: TextChange<'a>,
    /// The tables that were digested already.
    known: HashMap<*const c_void, ContentDigest>,
    /// The tables around the current one.
    above: Vec<*const c_void>,
}

impl Digester<'_> {
    fn of(&mut self, value: &Value) -> ContentDigest {
        let scalar = ContentDigest::scalar;
        match value {
            Value::Nil => scalar(b'n', &[]),
            Value::Boolean(truth) => scalar(b'b', &[u8::from(*truth)]),
            Value::Integer(integer) => scalar(b'f', &(*integer as f64).to_bits().to_be_bytes()),
            Value::Number(number) => scalar(b'f', &number.to_bits().to_be_bytes()),
            Value::String(text) => match self.change {
                Some(change) => scalar(b's', &change(text.as_bytes().to_vec())),
                None => scalar(b's', &text.as_bytes()),
            },
            Value::Error(error) => {
                let text = crate::lua::error::message(error).into_bytes();
                scalar(b's', &self.change.map_or(text.clone(), |change| change(text)))
            }
            Value::Function(_) => scalar(b'c', &[]),
            Value::Table(table) => self.of_table(table),
            other => scalar(b'o', kind(other).as_bytes()),
        }
    }

    fn of_table(&mut self, table: &Table) -> ContentDigest {
        let place = table.to_pointer();
        if let Some(known) = self.known.get(&place) {
            return *known;
        }
        if self.above.len() >= MAX_DEPTH || self.above.contains(&place) {
            return ContentDigest::scalar(b'o', b"a table within itself");
        }
        self.above.push(place);
        // A sum, since fields have no order.
        let (mut sum, mut bytes, mut count) = (0_u128, 2_u64, 0_u64);
        for (key, value) in table.pairs::<Value, Value>().filter_map(Result::ok) {
            let (key, value) = (self.of(&key), self.of(&value));
            sum = sum.wrapping_add(u128::from_be_bytes(hash_of(&[&key.hash, &value.hash])));
            bytes = bytes.saturating_add(key.bytes).saturating_add(value.bytes);
            count += 1;
        }
        self.above.pop();
        let hash = hash_of(&[b"t", &sum.to_be_bytes(), &count.to_be_bytes()]);
        let digest = ContentDigest { bytes, hash };
        self.known.insert(place, digest);
        digest
    }
}

#[cfg(test)]
mod tests {
    use mlua::Lua;

    use super::*;

    fn digest(code: &str) -> ContentDigest {
        let lua = Lua::new();
        ContentDigest::of(&lua.load(code).eval().unwrap(), None)
    }

    #[test]
    fn it_depends_on_the_content_and_nothing_else() {
        let made = "(function() local t = {} t.b = 2 t.a = 1 t[2] = 'y' t[1] = 'x' return t end)()";
        assert_eq!(digest(made), digest("{'x', 'y', a = 1, b = 2}"));
        assert_eq!(digest("{f = function() end}"), digest("{f = function(a) return a end}"));
        for (one, other) in [
            ("{1, 2}", "{2, 1}"),
            ("{a = 1}", "{a = '1'}"),
            ("{{}, {}}", "{{}, {{}}}"),
            ("{}", "{{}}"),
            ("{a = 'b'}", "{b = 'a'}"),
            ("{true}", "{1}"),
        ] {
            assert_ne!(digest(one).hash, digest(other).hash, "{one} {other}");
        }
    }

    #[test]
    fn tables_that_share_others_take_no_longer() {
        let shared = "(function() local t = {'x'} for i = 1, 100 do t = {t, t} end return t end)()";
        assert_eq!(digest(shared), digest(shared));
        assert_eq!(digest(shared).bytes, u64::MAX);
        let equal = "(function() local a, b = {'x'}, {'x'} return {a, b} end)()";
        let same = "(function() local a = {'x'} return {a, a} end)()";
        assert_eq!(digest(equal), digest(same));
        digest("(function() local t = {} t.t = t t[t] = t return t end)()");
    }
}
