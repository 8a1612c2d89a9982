//! Masks secrets of the environment in recordings.

use std::cell::{Cell, RefCell};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde_json::Value as Json;

use crate::lua::host_function::CallTarget;
use crate::lua::recorded_value::RecordedValue;
use crate::text::masked::{self, MASK_START, MIN_LENGTH, replaced};

/// The names of variables that are masked by default.
pub const DEFAULT_PATTERNS: [&str; 6] =
    ["*TOKEN*", "*SECRET*", "*PASSW*", "*CREDENTIAL*", "*PRIVATE_KEY*", "*API_KEY*"];

/// Which variables are secret, and the values that were read.
#[derive(Debug)]
pub struct Mask {
    names: GlobSet,
    patterns: Vec<String>,
    known: RefCell<Vec<(Vec<u8>, Vec<u8>)>>,
    is_empty: Cell<bool>,
}

impl Mask {
    /// Masks variables whose names match one of `patterns`, with `*` and `?` as wildcards, ignoring case.
    ///
    /// # Errors
    /// The invalid pattern.
    pub fn new(patterns: &[String]) -> Result<Mask, String> {
        let mut names = GlobSetBuilder::new();
        for pattern in patterns {
            let glob = GlobBuilder::new(pattern).case_insensitive(true).build();
            names.add(glob.map_err(|error| format!("{pattern} is no pattern: {}", error.kind()))?);
        }
        let names = names.build().map_err(|error| error.to_string())?;
        let (known, is_empty) = (RefCell::default(), Cell::new(true));
        Ok(Mask { names, patterns: patterns.to_vec(), known, is_empty })
    }

    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }

    /// A variable was read: the text to store in place of its value, if that is a secret.
    pub fn read(&self, name: &[u8], value: &[u8]) -> Option<Vec<u8>> {
        let name = String::from_utf8_lossy(name);
        if value.is_empty() || !self.names.is_match(&*name) {
            return None;
        }
        let shown = format!("{MASK_START}{name}>").into_bytes();
        if value.len() >= MIN_LENGTH {
            let mut known = self.known.borrow_mut();
            known.retain(|(secret, _)| secret != value);
            known.push((value.to_vec(), shown.clone()));
            // One secret may be a part of another.
            known.sort_by_key(|(secret, _)| std::cmp::Reverse(secret.len()));
            self.is_empty.set(false);
        }
        Some(shown)
    }

    /// The variables of the environment that the program was started with are known from now on, also before
    /// they are read. A short word or number such as `true` or `4096` is known only once it is read: it stands
    /// in too many other texts.
    pub fn environment(&self, variables: impl Iterator<Item = (OsString, OsString)>) {
        for (name, value) in variables {
            self.inherit(name.as_bytes(), value.as_bytes());
        }
    }

    fn inherit(&self, name: &[u8], value: &[u8]) {
        const SHORT: usize = 8;
        let is_word = value.len() < SHORT
            && (value.iter().all(u8::is_ascii_digit) || value.iter().all(u8::is_ascii_alphabetic));
        if !is_word {
            self.read(name, value);
        }
    }

    /// The arguments of a call, with every secret in them masked, and the values of fields with secret names. The
    /// variables that a command is given are known from now on.
    pub fn arguments(&self, target: CallTarget, arguments: Vec<RecordedValue>) -> Vec<RecordedValue> {
        if target == CallTarget::Command
            && let Some(RecordedValue::Table(_, options)) = arguments.get(1)
        {
            let is_env = |(key, _): &&(RecordedValue, RecordedValue)| *key == RecordedValue::text("env");
            if let Some((_, RecordedValue::Table(_, variables))) = options.iter().find(is_env) {
                for variable in variables {
                    if let (RecordedValue::Text(name), RecordedValue::Text(value)) = variable {
                        self.inherit(name, value);
                    }
                }
            }
        }
        arguments.into_iter().map(|value| self.value(self.named_fields(value))).collect()
    }

    fn named_fields(&self, value: RecordedValue) -> RecordedValue {
        let RecordedValue::Table(list, fields) = value else { return value };
        let fields = fields.into_iter().map(|(key, field)| match (&key, &field) {
            (
                RecordedValue::Text(name),
                RecordedValue::Text(_) | RecordedValue::Integer(_) | RecordedValue::Float(_),
            ) if self.names.is_match(&*String::from_utf8_lossy(name)) => {
                let shown = format!("{MASK_START}{}>", String::from_utf8_lossy(name));
                (key, RecordedValue::text(shown))
            }
            _ => (key, self.named_fields(field)),
        });
        let fields = fields.collect();
        RecordedValue::Table(list.into_iter().map(|item| self.named_fields(item)).collect(), fields)
    }

    /// A parameter of the run, as it is to be stored; it is known from now on.
    pub fn parameter(&self, (name, value): &(String, String)) -> (String, String) {
        let shown = self.read(name.as_bytes(), value.as_bytes());
        let shown = shown.map(|shown| String::from_utf8_lossy(&shown).into_owned());
        (name.clone(), shown.unwrap_or_else(|| value.clone()))
    }

    /// The text of a JSON object of values, with those of secret names masked at any depth; they are known
    /// from now on.
    pub fn values(&self, text: &str) -> String {
        let Ok(mut values) = serde_json::from_str::<Json>(text) else { return text.into() };
        self.mask_fields(&mut values);
        values.to_string()
    }

    fn mask_fields(&self, value: &mut Json) {
        match value {
            Json::Array(items) => items.iter_mut().for_each(|item| self.mask_fields(item)),
            Json::Object(fields) => {
                for (name, field) in fields {
                    let plain = match &*field {
                        Json::String(text) => Some(text.clone()),
                        Json::Number(number) => Some(number.to_string()),
                        _ => None,
                    };
                    match plain.and_then(|plain| self.read(name.as_bytes(), plain.as_bytes())) {
                        Some(shown) => *field = String::from_utf8_lossy(&shown).into_owned().into(),
                        None => self.mask_fields(field),
                    }
                }
            }
            _ => {}
        }
    }

    /// A text with every secret in it masked.
    pub fn text(&self, text: Vec<u8>) -> Vec<u8> {
        let text = masked::masked(text);
        self.known.borrow().iter().fold(text, |text, (secret, shown)| replaced(text, secret, shown))
    }

    /// Whether there is no secret to mask.
    pub fn hides_nothing(&self) -> bool {
        self.is_empty.get() && !masked::has_secrets()
    }

    /// A value with every secret in it masked.
    pub fn value(&self, value: RecordedValue) -> RecordedValue {
        if self.hides_nothing() { value } else { value.with_texts(&|text| self.text(text)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_was_read_is_masked_wherever_it_turns_up() {
        let mask = Mask::new(&DEFAULT_PATTERNS.map(String::from)).unwrap();
        assert_eq!(mask.text(b"hunter2 hunter2".to_vec()), b"hunter2 hunter2");
        assert_eq!(mask.read(b"HOME", b"/root"), None);
        assert_eq!(mask.read(b"db_password", b"hunter2"), Some(b"<masked db_password>".to_vec()));
        assert_eq!(mask.text(b"a hunter2!hunter2".to_vec()), b"a <masked db_password>!<masked db_password>");
        let nested = RecordedValue::Table(vec![RecordedValue::text("x=hunter2")], Vec::new());
        assert_eq!(mask.value(nested).to_string(), "{\"x=<masked db_password>\"}");
    }

    #[test]
    fn parameters_and_values_are_known_from_the_start() {
        let mask = Mask::new(&DEFAULT_PATTERNS.map(String::from)).unwrap();
        let pair = |name: &str, value: &str| (name.to_string(), value.to_string());
        assert_eq!(mask.parameter(&pair("api_token", "t0psecret")), pair("api_token", "<masked api_token>"));
        assert_eq!(mask.parameter(&pair("stage", "prod")), pair("stage", "prod"));
        let values = mask.values(r#"{"db":{"password":"hunter2","host":"h"},"list":[{"secret":12345}]}"#);
        let masked =
            r#"{"db":{"host":"h","password":"<masked password>"},"list":[{"secret":"<masked secret>"}]}"#;
        let parse = |text: &str| serde_json::from_str::<Json>(text).unwrap();
        assert_eq!(parse(&values), parse(masked));
        let text = mask.text(b"t0psecret hunter2 12345 prod".to_vec());
        assert_eq!(text, b"<masked api_token> <masked password> <masked secret> prod");
    }

    #[test]
    fn the_environment_is_known_before_it_is_read() {
        let mask = Mask::new(&DEFAULT_PATTERNS.map(String::from)).unwrap();
        let variables = [
            ("DB_PASSWORD", "hunter2"),
            ("HOME", "/root"),
            ("TOKENIZERS_PARALLELISM", "false"),
            ("MAX_TOKENS", "4096"),
            ("EMPTY_TOKEN", ""),
        ];
        mask.environment(variables.map(|(name, value)| (name.into(), value.into())).into_iter());
        let text = mask.text(b"hunter2 /root false 4096".to_vec());
        assert_eq!(text, b"<masked DB_PASSWORD> /root false 4096");
        assert_eq!(mask.read(b"MAX_TOKENS", b"4096"), Some(b"<masked MAX_TOKENS>".to_vec()));
    }

    #[test]
    fn the_fields_of_arguments_are_masked_by_their_names_however_short() {
        let mask = Mask::new(&DEFAULT_PATTERNS.map(String::from)).unwrap();
        let lua = mlua::Lua::new();
        let of = |code: &str| RecordedValue::of(&lua.load(code).eval().unwrap());
        let options =
            of("{ env = { DB_PASSWORD = 'x1', API_TOKEN = 'long-one', STAGE = 'x1' }, timeout = 5 }");
        let masked =
            mask.arguments(CallTarget::Command, vec![RecordedValue::text("echo x1"), options.clone()]);
        assert_eq!(
            masked[1].to_string(),
            "{env={API_TOKEN=\"<masked API_TOKEN>\", DB_PASSWORD=\"<masked DB_PASSWORD>\", STAGE=\"x1\"}, timeout=5}"
        );
        assert_eq!(mask.text(b"long-one x1".to_vec()), b"<masked API_TOKEN> x1");
        // What was recorded fits what a replay calls with.
        assert!(masked[1].is_like(&options));
        assert!(
            !masked[1]
                .is_like(&of("{ env = { DB_PASSWORD = 'x1', API_TOKEN = 1, STAGE = 'x2' }, timeout = 5 }"))
        );
        let other = mask.arguments(CallTarget::Entry, vec![of("{ { secret = 12 }, secretary = { 'a' } }")]);
        assert_eq!(other[0].to_string(), "{{secret=\"<masked secret>\"}, secretary={\"a\"}}");
    }

    #[test]
    fn a_short_secret_does_not_eat_other_texts() {
        let mask = Mask::new(&["PIN".to_string()]).unwrap();
        assert_eq!(mask.read(b"PIN", b"12"), Some(b"<masked PIN>".to_vec()));
        assert_eq!(mask.text(b"4122".to_vec()), b"4122");
        assert!(Mask::new(&["[".to_string()]).unwrap_err().contains("[ is no pattern"));
    }
}
