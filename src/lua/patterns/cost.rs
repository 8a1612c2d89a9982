//! How many steps a pattern match may take in the worst case.

/// The most steps that the search for `pattern` takes in `length` bytes; `u64::MAX` if it is more than that holds.
///
/// Each unbounded repetition may end at every byte, and so may the search begin; each optional item doubles the
/// ways. Texts in balance and repeated captures are compared byte by byte, as often as a repetition.
pub(super) fn worst_case(length: usize, pattern: &[u8]) -> u64 {
    let shape = Shape::of(pattern);
    // Also an empty subject visits each item, which takes stack in C.
    let length = (length as u64).saturating_add(1).max(2);
    let mut steps = 1 + pattern.len() as u64 / 64;
    for _ in 0..shape.repetitions {
        steps = steps.saturating_mul(length);
        if steps == u64::MAX {
            return steps;
        }
    }
    if !shape.is_anchored {
        steps = steps.saturating_mul(length);
    }
    steps.saturating_mul(1u64.checked_shl(shape.optional).unwrap_or(u64::MAX))
}

/// What the cost of a pattern depends on.
#[derive(Debug, PartialEq, Eq)]
struct Shape {
    is_anchored: bool,
    repetitions: u32,
    optional: u32,
}

impl Shape {
    fn of(pattern: &[u8]) -> Shape {
        let is_anchored = pattern.first() == Some(&b'^');
        let mut shape = Shape { is_anchored, repetitions: 0, optional: 0 };
        let mut at = usize::from(is_anchored);
        while let Some(byte) = pattern.get(at) {
            at += 1;
            match byte {
                b'%' => {
                    match pattern.get(at) {
                        Some(b'b') => {
                            shape.repetitions += 1;
                            at += 2;
                        }
                        Some(b'0'..=b'9') => shape.repetitions += 1,
                        _ => {}
                    }
                    at += 1;
                }
                b'[' => at = after_set(pattern, at),
                b'*' | b'+' | b'-' => shape.repetitions += 1,
                b'?' => shape.optional += 1,
                _ => {}
            }
        }
        shape
    }
}

/// The place after a set whose content begins at `at`; the end of the pattern if it does not end.
fn after_set(pattern: &[u8], mut at: usize) -> usize {
    if pattern.get(at) == Some(&b'^') {
        at += 1;
    }
    // A bracket that comes first belongs to the set.
    let first = at;
    while let Some(byte) = pattern.get(at) {
        match byte {
            b']' if at > first => return at + 1,
            b'%' => at += 2,
            _ => at += 1,
        }
    }
    pattern.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_and_optional_items_are_counted() {
        let shape = |pattern: &str| {
            let Shape { is_anchored, repetitions, optional } = Shape::of(pattern.as_bytes());
            (is_anchored, repetitions, optional)
        };
        let cases = [
            ("", (false, 0, 0)),
            ("abc", (false, 0, 0)),
            ("^abc$", (true, 0, 0)),
            (".-.-b$", (false, 2, 0)),
            ("(%w+)=(%d*)", (false, 2, 0)),
            ("%+%*%-%?", (false, 0, 0)),
            ("[+*-]x", (false, 0, 0)),
            ("[]+*-]x", (false, 0, 0)),
            ("[^]+*-]+x", (false, 1, 0)),
            ("[%]+]x?", (false, 0, 1)),
            ("%b()x", (false, 1, 0)),
            ("(.)%1", (false, 1, 0)),
            ("%f[%w+]a?b?", (false, 0, 2)),
            ("[a", (false, 0, 0)),
            ("a%", (false, 0, 0)),
        ];
        for (pattern, expected) in cases {
            assert_eq!(shape(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn the_worst_case_is_a_power_of_the_length() {
        assert_eq!(worst_case(9, b"abc"), 10);
        assert_eq!(worst_case(9, b"^abc"), 1);
        assert_eq!(worst_case(9, b".-b"), 100);
        assert_eq!(worst_case(9, b"a?b?c*"), 400);
        assert_eq!(worst_case(30_000, b".-.-.-.-.-b$"), u64::MAX);
        assert_eq!(worst_case(0, &b"a?".repeat(100_000)), u64::MAX);
    }
}
