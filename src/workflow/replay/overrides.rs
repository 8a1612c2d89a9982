//! What is changed in a what-if run, and its syntax: `KEY=VALUE`, `KEY:=JSON`, `PATTERN=OUTPUT`.

pub use crate::lua::exec::ExecStub;
use crate::store::{Key, Type, Value};

/// An entry that is changed before a run begins; without a value it is deleted.
pub type KeyOverride = (Key, Option<StateOverride>);

/// The value of an entry when a run begins.
#[derive(Clone, Debug, PartialEq)]
pub enum StateOverride {
    /// A text, which keeps the type of the entry; the type of a new entry is inferred.
    Text(Vec<u8>),
    /// A value with its type, written as JSON.
    Typed(Value),
}

impl StateOverride {
    /// Reads JSON.
    pub fn json(text: &str) -> Result<StateOverride, String> {
        let json: serde_json::Value =
            serde_json::from_str(text).map_err(|error| format!("this is not JSON: {error}"))?;
        let parsed = |value_type| {
            let value = Value::parse(text.trim().as_bytes(), value_type);
            value.map(StateOverride::Typed).map_err(|error| error.to_string())
        };
        match json {
            serde_json::Value::Null => Err("null is not a value: --without KEY removes an entry".into()),
            serde_json::Value::String(text) => Ok(StateOverride::Typed(Value::text(text))),
            serde_json::Value::Number(_) => parsed(Type::Number),
            serde_json::Value::Bool(_) => parsed(Type::Boolean),
            serde_json::Value::Array(_) | serde_json::Value::Object(_) => parsed(Type::Table),
        }
    }

    /// The bytes as they are stored.
    pub fn to_stored(&self) -> Vec<u8> {
        match self {
            StateOverride::Text(text) => text.clone(),
            StateOverride::Typed(value) => value.to_stored(),
        }
    }
}

/// Reads `KEY=VALUE`, or `KEY:=JSON` for a value with its type.
pub fn value(text: &str) -> Result<(Key, StateOverride), String> {
    let (name, value) = text.split_once('=').ok_or("this is not KEY=VALUE")?;
    let key = |name: &str| Key::new(name).map_err(|error| error.to_string());
    match name.strip_suffix(':') {
        Some(name) => Ok((key(name)?, StateOverride::json(value)?)),
        None => Ok((key(name)?, StateOverride::Text(value.into()))),
    }
}
