//! What to write in place of a name that does not exist.

/// A suggestion for a misspelled `name`, or the list of known names, as the end of a sentence.
pub fn known(name: &str, names: &[&str]) -> String {
    let nearest = names.iter().map(|other| (strsim::damerau_levenshtein(name, other), other)).min();
    match nearest {
        Some((distance, other)) if distance <= 1 + name.chars().count() / 4 => {
            format!("did you mean {other}?")
        }
        Some(_) if names.len() <= 20 => format!("there are {}", names.join(", ")),
        _ => format!("there are {} others", names.len()),
    }
}
