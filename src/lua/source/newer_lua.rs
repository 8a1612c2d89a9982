//! Explains syntax errors at statements that only newer Lua versions have.

use super::tokens::{TokenKind, tokens};

const GOTO: &str = "Lua 5.1 has no goto and no labels: use a loop, a function, or if and else";
const CONTINUE: &str = "Lua 5.1 has no continue: put the rest of the loop's body into an if";

/// The explanation of Lua's message of a syntax error in `source`; `None` if it is about something else.
pub fn explain(message: &str, source: &[u8]) -> Option<&'static str> {
    let (place, near) = message.rsplit_once(" near ")?;
    let near = near.trim().strip_prefix('\'')?.strip_suffix('\'')?;
    let line = line_number(place)?;
    // The rest may be anything.
    let upto: usize = source.split_inclusive(|byte| *byte == b'\n').take(line).map(<[u8]>::len).sum();
    let tokens = tokens(source).or_else(|| tokens(&source[..upto]))?;
    let text = |index: usize| tokens[index].text(source);
    let is_near = |index: &usize| {
        let token = tokens[*index];
        let is_end = token.kind == TokenKind::End;
        (is_end || token.line == line)
            && if is_end { near == "<eof>" } else { text(*index) == near.as_bytes() }
    };
    (0..tokens.len()).filter(is_near).find_map(|index| {
        let is_after =
            |name: &[u8]| index > 0 && tokens[index - 1].kind == TokenKind::Name && text(index - 1) == name;
        let is_label = near == ":" && tokens.get(index + 1).is_some_and(|next| next.is(source, ":"));
        if is_label || tokens[index].kind == TokenKind::Name && is_after(b"goto") {
            Some(GOTO)
        } else if is_after(b"continue") {
            Some(CONTINUE)
        } else {
            None
        }
    })
}

/// The line in `file:line: text`; the name of the file may have colons too.
fn line_number(place: &str) -> Option<usize> {
    let mut parts = place.split(':').skip(1);
    parts.find_map(|part| part.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(source: &str) -> Option<&'static str> {
        let error = mlua::Lua::new().load(source).set_name("@w.lua").into_function().unwrap_err();
        explain(&crate::lua::error::message(&error), source.as_bytes())
    }

    #[test]
    fn statements_of_newer_versions_are_named() {
        let gotos = [
            "goto done",
            "for i = 1, 3 do\n  if i == 2 then goto continue end\n  print(i)\n  ::continue::\nend",
            "::top::\nprint(1)\ngoto top",
            "do goto a end -- \n ::a::",
            "goto done\nx = 1 & 2",
        ];
        for source in gotos {
            assert_eq!(explained(source), Some(GOTO), "{source}");
        }
        let continues = [
            "for i = 1, 3 do continue end",
            "for i = 1, 3 do\n  if i == 2 then\n    continue\n  end\nend",
            "while x do\n  continue\n  print(1)\nend",
            "repeat continue until x",
            "continue",
            "for i = 1, 3 do continue; end",
        ];
        for source in continues {
            assert_eq!(explained(source), Some(CONTINUE), "{source}");
        }
        let others = [
            "x =",
            "local continue = 1 x = continue 2",
            "print('goto done'",
            "if x then",
            "a:b",
            "x = 'goto",
            "5",
        ];
        for source in others {
            let expected = if source.contains("continue 2") { Some(CONTINUE) } else { None };
            assert_eq!(explained(source), expected, "{source}");
        }
    }
}
