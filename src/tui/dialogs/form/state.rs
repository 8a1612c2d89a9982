//! The form in which an entry is edited, or added: its value, its type and its expiry.

use tui_input::Input;

use crate::store::{Entry, Expiry, Key, Type, TypedInput, UNTYPED, Value};
use crate::tui::bulk::ExpiryChange;
use crate::tui::screens::value::detail::Detail;
use crate::tui::widgets::format;
use crate::tui::write::Draft;

/// The longest value that is edited on one line, in bytes.
const LINE: usize = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The key of an entry that is added.
    Key,
    Value,
    Type,
    /// How long the entry is to last.
    Expiry,
}

impl Field {
    pub fn label(self) -> &'static str {
        match self {
            Field::Key => "key",
            Field::Value => "value",
            Field::Type => "type",
            Field::Expiry => "expiry",
        }
    }
}

/// What is said under a row.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldError {
    /// It cannot be written, and why.
    Wrong(String),
}

/// An entry that is edited or added.
#[derive(Clone, Debug)]
pub struct Form {
    /// The entry as it was when the form was opened; `None` where one is added.
    pub entry: Option<Entry>,
    /// The type that the entry has; `None` where one is added.
    pub entry_type: Option<Type>,
    /// The type that was chosen, if it is another one.
    chosen: Option<Type>,
    key: Input,
    value: Input,
    /// Whether the value is typed here: a long one, or one of several lines, is not.
    is_typed: bool,
    expiry: Input,
    focus: Field,
    remarks: Vec<(Field, FieldError)>,
}

impl Form {
    /// For an entry that is to be added.
    pub fn add() -> Form {
        Form {
            entry: None,
            entry_type: None,
            chosen: None,
            key: Input::default(),
            value: Input::default(),
            is_typed: true,
            expiry: Input::default(),
            focus: Field::Key,
            remarks: Vec::new(),
        }
    }

    /// For an entry that is there.
    pub fn edit(entry: Entry, focus: Field) -> Form {
        let line = line_of(&entry).map(String::from);
        let mut form = Form {
            entry_type: Some(entry.value_type()),
            is_typed: line.is_some(),
            value: line.unwrap_or_default().into(),
            entry: Some(entry),
            ..Form::add()
        };
        form.focus = if form.takes_cursor(focus) { focus } else { Field::Expiry };
        form
    }

    /// For what was typed before, over the entry as it is by now, or over none.
    pub fn again(
        entry: Option<Entry>,
        key: &Key,
        text: Option<String>,
        value_type: Option<Type>,
        expiry: String,
    ) -> Form {
        let mut form = match entry {
            Some(entry) => Form::edit(entry, Field::Value),
            None => Form { key: key.to_text().into(), ..Form::add() },
        };
        if let Some(text) = text {
            form.value = text.into();
            form.is_typed = true;
        }
        form.focus = if form.is_typed { Field::Value } else { Field::Expiry };
        form.chosen = value_type.filter(|value_type| Some(*value_type) != form.entry_type);
        form.expiry = expiry.into();
        form.check_all();
        form
    }

    /// What was typed, to be gone on with later.
    pub fn draft(&self) -> Draft {
        let is_changed = self.entry.as_ref().is_none_or(|entry| self.text() != entry.stored);
        Draft::Form {
            text: (self.is_typed && is_changed).then(|| self.value.value().to_string()),
            value_type: self.chosen,
            expiry: self.expiry.value().to_string(),
        }
    }

    /// More of an entry was read: if it is the one that the form is about, it is known better now.
    pub fn learn(&mut self, detail: &Detail) {
        let (Some(entry), Some(read)) = (&mut self.entry, detail.row.entry()) else { return };
        let is_same = read.key == entry.key && read.is_unchanged_since(entry);
        let is_more = is_same && !entry.is_whole() && read.is_whole();
        if is_more {
            self.entry_type = detail.nature.map(|nature| nature.value_type);
            self.chosen = self.chosen.filter(|chosen| Some(*chosen) != self.entry_type);
            *entry = read.clone();
            self.check(Field::Value);
        }
    }

    /// The rows, from the top down.
    pub fn fields(&self) -> &'static [Field] {
        match &self.entry {
            None => &[Field::Key, Field::Value, Field::Type, Field::Expiry],
            Some(_) => &[Field::Value, Field::Type, Field::Expiry],
        }
    }

    pub fn focus(&self) -> Field {
        self.focus
    }

    /// What is typed into a row; `None` where nothing is.
    pub fn input(&self, field: Field) -> Option<&Input> {
        match field {
            Field::Key => Some(&self.key),
            Field::Value => self.is_typed.then_some(&self.value),
            Field::Type => None,
            Field::Expiry => Some(&self.expiry),
        }
    }

    /// What is to be said under a row.
    pub fn remark(&self, field: Field) -> Option<&FieldError> {
        self.remarks.iter().find(|(of, _)| *of == field).map(|(_, remark)| remark)
    }

    /// The type that the value is to have; `None` is the one that it looks like.
    pub fn value_type(&self) -> Option<Type> {
        self.chosen.or(self.entry_type)
    }

    /// The name of the type that the value is to have; a guess says so.
    pub fn type_name(&self) -> String {
        let untyped = |entry: &&Entry| self.chosen.is_none() && entry.type_name() == UNTYPED;
        match (self.value_type(), self.entry.as_ref().filter(untyped)) {
            (_, Some(_)) => UNTYPED.into(),
            (Some(value_type), None) => value_type.name().into(),
            (None, None) if self.value.value().is_empty() => "as it looks".into(),
            (None, None) => format!("as it looks: {}", TypedInput::guess(self.text()).type_name()),
        }
    }

    /// The type that the entry had, if another one was chosen.
    pub fn former_type(&self) -> Option<Type> {
        self.chosen.and(self.entry_type)
    }

    fn takes_cursor(&self, field: Field) -> bool {
        field == Field::Type || self.input(field).is_some()
    }

    /// Puts the cursor into the next row, or the one before.
    pub fn step(&mut self, forwards: bool) {
        let fields: Vec<Field> =
            self.fields().iter().copied().filter(|field| self.takes_cursor(*field)).collect();
        let place = fields.iter().position(|field| *field == self.focus).unwrap_or(0);
        let by = if forwards { 1 } else { fields.len() - 1 };
        self.focus = fields[(place + by) % fields.len()];
    }

    /// Chooses the next type, or the one before.
    pub fn turn(&mut self, forwards: bool) {
        const TYPES: [Option<Type>; 5] =
            [None, Some(Type::String), Some(Type::Number), Some(Type::Boolean), Some(Type::Table)];
        // An entry that is there has a type.
        let types = if self.entry.is_some() { &TYPES[1..] } else { &TYPES[..] };
        let place = types.iter().position(|value_type| *value_type == self.value_type()).unwrap_or(0);
        let by = if forwards { 1 } else { types.len() - 1 };
        let turned = types[(place + by) % types.len()];
        self.chosen = turned.filter(|_| turned != self.entry_type);
        self.check(Field::Value);
    }

    /// Types into the row that has the cursor, if something is typed there.
    pub fn type_into(&mut self, type_into: impl FnOnce(&mut Input)) {
        let input = match self.focus {
            Field::Key => &mut self.key,
            Field::Value => &mut self.value,
            Field::Type => return,
            Field::Expiry => &mut self.expiry,
        };
        type_into(input);
        self.check(self.focus);
        // Nothing is said of what is not there yet.
        if self.focus == Field::Key && self.key.value().is_empty() {
            self.remarks.retain(|(of, _)| *of != Field::Key);
        }
    }

    /// Looks at a row anew.
    fn check(&mut self, field: Field) {
        let remark = match field {
            Field::Key => self.key().err().map(FieldError::Wrong),
            Field::Value => self.value().err().map(FieldError::Wrong),
            Field::Type => None,
            Field::Expiry => self.expiry().err().map(FieldError::Wrong),
        };
        self.remarks.retain(|(of, _)| *of != field);
        self.remarks.extend(remark.map(|remark| (field, remark)));
    }

    /// Looks at every row; the cursor goes to the first that cannot be written. Whether there is none.
    pub fn check_all(&mut self) -> bool {
        let fields = self.fields();
        fields.iter().for_each(|field| self.check(*field));
        let wrong = fields.iter().find(|field| matches!(self.remark(**field), Some(FieldError::Wrong(_))));
        if let Some(wrong) = wrong {
            // The text that is no value of the chosen type may not be typed here.
            self.focus = if self.takes_cursor(*wrong) { *wrong } else { Field::Type };
        }
        wrong.is_none()
    }

    /// The key of an entry that is added.
    ///
    /// # Errors
    /// Says why it is none.
    pub fn key(&self) -> Result<Key, String> {
        match &self.entry {
            Some(entry) => Ok(entry.key.clone()),
            None => Key::new(self.key.value()).map_err(|error| error.to_string()),
        }
    }

    fn text(&self) -> &[u8] {
        match &self.entry {
            Some(entry) if !self.is_typed => &entry.stored,
            _ => self.value.value().as_bytes(),
        }
    }

    /// The value to be written; `None` where that of the entry is left as it is.
    ///
    /// # Errors
    /// Says why it has not the type that it is to have.
    pub fn value(&self) -> Result<Option<TypedInput>, String> {
        let text = self.text();
        if let Some(entry) = &self.entry {
            if self.chosen.is_none() && text == entry.stored {
                return Ok(None);
            }
            if !self.is_typed && !entry.is_whole() {
                let size = format::bytes(entry.size);
                return Err(format!("it is too long ({size}) to be given another type here"));
            }
        }
        match self.value_type() {
            Some(value_type) => {
                let value = Value::parse(text, value_type).map_err(|error| error.to_string())?;
                Ok(Some(TypedInput::Value(value)))
            }
            None => Ok(Some(TypedInput::guess(text))),
        }
    }

    /// What becomes of the expiry.
    ///
    /// # Errors
    /// Says how it is written.
    pub fn expiry(&self) -> Result<Expiry, String> {
        let present = self.entry.as_ref().and_then(|entry| entry.expires_at);
        let text = self.expiry.value().trim();
        if text.is_empty() {
            return Ok(if self.entry.is_some() { Expiry::Keep } else { Expiry::Clear });
        }
        match ExpiryChange::parse(text)?.expiry(present) {
            None => Err("it does not expire: there is nothing to add to".into()),
            Some(Expiry::Clear) if self.entry.is_some() && present.is_none() => Ok(Expiry::Keep),
            Some(expiry) => Ok(expiry),
        }
    }
}

/// A value that has room on a line, and can be typed on there.
pub fn line_of(entry: &Entry) -> Option<&str> {
    let text = std::str::from_utf8(&entry.stored).ok()?;
    let has_room = entry.is_whole() && text.len() <= LINE && !text.chars().any(char::is_control);
    has_room.then_some(text)
}
