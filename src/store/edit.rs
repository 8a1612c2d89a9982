//! Atomic changes that depend on the value they find: data, not closures, so that an engine may
//! carry them out itself.

use crate::store::json::JsonNode;
use crate::store::{
    ErrorKind, JsonText, Key, Kind, Number, Numeral, Revision, StoreError, Type, Value, kind_inference,
};

/// A change of one entry that depends on its present value. An entry that does not exist, or
/// that has expired, is started afresh; the expiry of one that exists is kept.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// Adds to a number; starts at 0.
    Increment(Number),
    /// Adds bytes to a string; starts empty.
    Append(Vec<u8>),
    /// Adds an item at the end of a list; starts empty.
    ListPush(JsonText),
    /// Takes the last item of a list.
    ListPop,
    /// Turns a flag round, keeping its type and spelling; there must be one.
    Toggle,
}

#[derive(Clone, Debug, PartialEq)]
pub struct EditOutcome {
    /// The value after the edit; `None` if there is no such entry.
    pub value: Option<Value>,
    /// The item that [`Edit::ListPop`] took; `None` if there was none.
    pub popped: Option<JsonText>,
    /// The revision that the edit made; `None` if nothing was written.
    pub revision: Option<Revision>,
}

/// What an edit wants done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Planned {
    /// Whether the value is to be written; otherwise it is what it was.
    writes: bool,
    /// The answer to the caller; without a revision.
    pub edited: EditOutcome,
}

impl Planned {
    /// The value to write; `None` if nothing is to be written.
    pub(crate) fn written(&self) -> Option<&Value> {
        self.edited.value.as_ref().filter(|_| self.writes)
    }

    /// The answer to the caller, where what is written makes `revision`.
    pub(crate) fn made(self, revision: Revision) -> EditOutcome {
        EditOutcome { revision: self.writes.then_some(revision), ..self.edited }
    }
}

impl Edit {
    pub fn operation_name(&self) -> &'static str {
        match self {
            Edit::Increment(_) => "increment",
            Edit::Append(_) => "append",
            Edit::ListPush(_) => "push",
            Edit::ListPop => "pop",
            Edit::Toggle => "toggle",
        }
    }

    /// What the edit makes of `found`, the stored value with its type as advice.
    ///
    /// # Errors
    /// [`ErrorKind::WrongType`] if the edit does not apply to such a value: it is never reset.
    pub(crate) fn plan(&self, key: &Key, found: Option<&Value>) -> Result<Planned, StoreError> {
        let wrong = |wanted: &'static str, found: &Value| ErrorKind::WrongType {
            key: key.clone(),
            operation: self.operation_name(),
            wanted,
            found: found.value_type(),
        };
        let written = |value: Value| Planned {
            writes: true,
            edited: EditOutcome { value: Some(value), popped: None, revision: None },
        };
        match self {
            Edit::Increment(step) => {
                let present = match found {
                    None => Number::Integer(0).into(),
                    Some(value) => number_in(value).ok_or_else(|| match number_like(value) {
                        Some(text) => ErrorKind::NotWrittenAsNumber {
                            key: key.clone(),
                            operation: self.operation_name(),
                            text,
                        },
                        None => wrong("number", value),
                    })?,
                };
                let sum = if present.is_beyond_integers() { None } else { present.number().plus(*step) };
                let sum = sum.and_then(Number::in_plain_digits);
                let sum = sum.ok_or_else(|| ErrorKind::OutOfRange { key: key.clone() })?;
                // Text that another program wrote as a number stays untyped text.
                Ok(written(match found {
                    Some(Value::String(_)) => Value::text(sum.to_string()),
                    _ => Value::number(sum),
                }))
            }
            Edit::Append(tail) => match found {
                None => Ok(written(Value::String(tail.clone()))),
                Some(Value::String(head)) => Ok(written(Value::String([&head[..], tail].concat()))),
                Some(other) => Err(wrong("string", other).into()),
            },
            Edit::ListPush(item) => {
                let list = list_in(found).ok_or_else(|| wrong_list(&wrong, found))?;
                let pushed = list.push(item).ok_or_else(|| wrong_list(&wrong, found))?;
                Ok(written(Value::Table(pushed)))
            }
            Edit::ListPop => {
                let list = list_in(found).ok_or_else(|| wrong_list(&wrong, found))?;
                match list.pop() {
                    None => Ok(Planned {
                        writes: false,
                        edited: EditOutcome { value: found.cloned(), popped: None, revision: None },
                    }),
                    Some((rest, popped)) => {
                        let mut planned = written(Value::Table(rest));
                        planned.edited.popped = Some(popped);
                        Ok(planned)
                    }
                }
            }
            Edit::Toggle => {
                let found = found.ok_or_else(|| ErrorKind::NoSuchEntry { key: key.clone() })?;
                let turned = kind_inference::toggled(found).ok_or_else(|| wrong(Kind::Flag.name(), found))?;
                Ok(written(turned))
            }
        }
    }
}

/// The number a value holds, also as text that a program which has the number would write.
fn number_in(value: &Value) -> Option<Numeral> {
    match value {
        Value::Number(number) => Some(number.clone()),
        Value::String(text) => Number::written(text).and(std::str::from_utf8(text).ok()?.parse().ok()),
        _ => None,
    }
}

fn number_like(value: &Value) -> Option<String> {
    // What is longer is not taken for a number by anybody, and is not repeated in an error.
    const LONGEST: usize = 100;
    let Value::String(text) = value else { return None };
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= LONGEST)?;
    text.trim().parse::<f64>().is_ok_and(f64::is_finite).then(|| text.to_string())
}

/// A list, also as untyped text; an empty object is an empty list, since Lua cannot tell them apart.
fn list_in(found: Option<&Value>) -> Option<JsonText> {
    let list = match found {
        None => serde_json::Value::Array(Vec::new()).into(),
        Some(Value::Table(json)) => json.clone(),
        Some(Value::String(text)) => match Value::parse(text, Type::Table) {
            Ok(Value::Table(json)) if matches!(json.look(), JsonNode::List(_)) => json,
            _ => return None,
        },
        Some(_) => return None,
    };
    list.length().map(|_| list)
}

fn wrong_list(wrong: &impl Fn(&'static str, &Value) -> ErrorKind, found: Option<&Value>) -> ErrorKind {
    wrong("list", found.unwrap_or(&Value::Boolean(false)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(edit: Edit, found: Option<Value>) -> Result<Planned, StoreError> {
        edit.plan(&Key::new("k").unwrap(), found.as_ref())
    }

    fn value_after(edit: Edit, found: Option<Value>) -> Value {
        apply(edit, found).unwrap().edited.value.unwrap()
    }

    #[test]
    fn an_increment_never_resets_what_is_no_number() {
        let one = || Edit::Increment(Number::Integer(1));
        assert_eq!(value_after(one(), None), Value::integer(1));
        assert_eq!(value_after(one(), Some(Value::text("41"))), Value::text("42"));
        assert!(matches!(
            apply(one(), Some(Value::text("many"))),
            Err(StoreError { kind: ErrorKind::WrongType { .. }, .. })
        ));
        for text in ["01234", " 5", "5 ", "+5", "1.10", "1e3", "0.0"] {
            let refused = apply(one(), Some(Value::text(text)));
            assert!(
                matches!(refused, Err(StoreError { kind: ErrorKind::NotWrittenAsNumber { .. }, .. })),
                "{text}: {refused:?}"
            );
        }
    }

    #[test]
    fn whole_numbers_are_written_in_plain_digits() {
        for (found, step, expected) in [
            ("1e+06", Number::Integer(1), "1000001"),
            ("1.796001296e+09", Number::Integer(-1), "1796001295"),
            ("1.5", Number::Float(0.5), "2"),
            ("1.5", Number::Integer(1), "2.5"),
            ("-7", Number::Integer(7), "0"),
        ] {
            let text = value_after(Edit::Increment(step), Some(Value::text(found)));
            assert_eq!(text, Value::text(expected), "{found}");
            let number = value_after(
                Edit::Increment(step),
                Some(Value::parse(found.as_bytes(), Type::Number).unwrap()),
            );
            assert_eq!(number.to_stored(), expected.as_bytes(), "{found}");
        }
    }

    #[test]
    fn an_increment_at_its_limit_is_refused() {
        let one = || Edit::Increment(Number::Integer(1));
        let whole = "12345678901234567890123";
        for found in [
            Value::integer(i64::MAX),
            Value::text(i64::MAX.to_string()),
            Value::text(whole),
            Value::parse(whole.as_bytes(), Type::Number).unwrap(),
        ] {
            let refused = apply(one(), Some(found.clone()));
            assert!(
                matches!(refused, Err(StoreError { kind: ErrorKind::OutOfRange { .. }, .. })),
                "{found:?}: {refused:?}"
            );
        }
    }

    #[test]
    fn a_list_grows_and_shrinks_at_its_end() {
        let one = || JsonText::from(serde_json::json!(1));
        let pushed = value_after(Edit::ListPush(one()), None);
        assert_eq!(pushed, Value::table(serde_json::json!([1])));
        let planned = apply(Edit::ListPop, Some(pushed)).unwrap();
        assert_eq!(planned.edited.popped, Some(one()));
        assert_eq!(planned.written(), Some(&Value::table(serde_json::json!([]))));
        let empty = apply(Edit::ListPop, planned.edited.value).unwrap();
        assert_eq!((empty.written(), &empty.edited.popped), (None, &None));
    }

    #[test]
    fn a_toggle_keeps_type_and_spelling() {
        assert_eq!(value_after(Edit::Toggle, Some(Value::text("True"))), Value::text("False"));
        assert_eq!(value_after(Edit::Toggle, Some(Value::Boolean(false))), Value::Boolean(true));
        assert!(matches!(
            apply(Edit::Toggle, None),
            Err(StoreError { kind: ErrorKind::NoSuchEntry { .. }, .. })
        ));
    }
}
