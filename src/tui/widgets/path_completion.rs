//! A path that is typed, and gone on with.

use tui_input::Input;

/// Goes on with a path as far as all that it may become is the same; where it becomes nothing, that is the problem. Answers
/// with what there is to choose from.
pub fn complete(path: &mut Input, completions: Vec<String>, problem: &mut Option<String>) -> Vec<String> {
    let common = completions.iter().skip(1).fold(completions.first().cloned(), |common, next| {
        let common = common?;
        let same = common.chars().zip(next.chars()).take_while(|(one, other)| one == other);
        Some(same.map(|(one, _)| one).collect())
    });
    match common {
        Some(common) if common.len() < path.value().len() => *path = path.value().into(),
        Some(common) => *path = common.into(),
        None => *problem = Some("no folder and no file of Lua begins like that".into()),
    }
    if completions.len() > 1 { completions } else { Vec::new() }
}
