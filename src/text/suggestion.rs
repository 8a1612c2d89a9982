//! What to write in place of a name that does not exist.

use crate::text::escape::escape;

/// The longest name that is compared with others, in bytes: comparing takes time by its length.
const LONGEST_NAME: usize = 64;

/// A suggestion for a misspelled `name`, or the list of known names, as the end of a sentence.
pub fn known(name: &str, names: &[&str]) -> String {
    // Recordings have this text, so that it stays as it is.
    let names_near = names.iter().filter(|_| name.len() <= LONGEST_NAME);
    let nearest = names_near.map(|other| (strsim::damerau_levenshtein(name, other), other)).min();
    match nearest {
        Some((distance, other)) if distance <= 1 + name.chars().count() / 4 => {
            format!("did you mean {other}?")
        }
        _ if names.len() <= 20 => format!("there are {}", names.join(", ")),
        _ => format!("there are {} others", names.len()),
    }
}

/// A name as it is shown in a message: escaped, and cut if it is long.
pub fn shown_name(name: &str) -> String {
    match name.char_indices().nth(LONGEST_NAME) {
        Some((end, _)) => format!("{}…", escape(&name.as_bytes()[..end])),
        None => escape(name.as_bytes()),
    }
}

/// The name among `names` that was probably meant by `name`: it has few other letters, or begins alike.
pub fn meant<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const SHORTEST_BEGINNING: usize = 3;
    if name.len() > LONGEST_NAME {
        return None;
    }
    let lower = name.to_lowercase();
    let rated = names.into_iter().filter_map(|other| {
        let distance = strsim::damerau_levenshtein(&lower, &other.to_lowercase());
        let common = lower.bytes().zip(other.bytes()).take_while(|(left, right)| left == right).count();
        // The greater part of the shorter name.
        let begins_alike = common >= SHORTEST_BEGINNING && common * 10 >= lower.len().min(other.len()) * 7;
        let is_near = distance <= 1 + name.chars().count() / 4 && distance < name.chars().count();
        (is_near || begins_alike).then_some((!is_near, distance, other))
    });
    rated.min().map(|(_, _, other)| other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_or_begins_alike_was_meant() {
        let names = ["get", "get_all", "set", "set_ttl", "increment", "list_push", "exists"];
        for (name, expected) in [
            ("gett", Some("get")),
            ("sett", Some("set")),
            ("Get", Some("get")),
            ("incr", Some("increment")),
            ("incremnet", Some("increment")),
            ("exist", Some("exists")),
            ("existsnow", Some("exists")),
            ("getall", Some("get_all")),
            ("decrypt", None),
            ("xyz", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(meant(name, names), expected, "{name}");
        }
        let long = "get".repeat(10_000_000);
        assert_eq!(meant(&long, names), None);
        assert_eq!(shown_name(&long).chars().count(), LONGEST_NAME + 1);
        assert_eq!(shown_name("a\nb"), "a\\nb");
    }
}
