//! What commands do with the entry under the cursor.

use crate::store::secret_keys::MASK;
use crate::store::{Edit, Entry, Kind, Number, Type, Value, kind_inference};
use crate::text::escape::escape_data;
use crate::tui::app::App;
use crate::tui::dialog::{Confirm, Dialog};
use crate::tui::effect::Effect;
use crate::tui::focus::Focus;
use crate::tui::keys::EntryAction;
use crate::tui::write::{Write, WriteKind};

/// Does what is wanted with the entry under the cursor.
pub fn act(app: &mut App, action: EntryAction, entry: Entry) -> Vec<Effect> {
    match action {
        EntryAction::Toggle => {
            if let Some(value) = kind_inference::toggled(&entry.value()) {
                // Messages are kept: they are masked also while values are shown.
                let shown = match app.settings.secrets.hides(&entry.key) {
                    true => MASK.into(),
                    false => escape_data(&value.to_stored()),
                };
                let done = format!("set {} to {shown}", entry.key);
                return vec![Effect::Write(Write::put(entry, value, done))];
            }
            app.show_error(format!("{} is neither on nor off", entry.key));
        }
        EntryAction::Increment(step) => {
            let done = match step {
                1.. => format!("added {step} to {}", entry.key),
                _ => format!("took {} from {}", step.unsigned_abs(), entry.key),
            };
            let what = WriteKind::Edit(entry.key, Edit::Increment(Number::Integer(step)));
            return vec![Effect::Write(Write { what, done })];
        }
        EntryAction::Reset => {
            let lines = vec![format!("Set {} to 0? It is {} now.", entry.key, app.value_in(&entry, 40))];
            let zero = if entry.value_type() == Type::Number { Value::integer(0) } else { Value::text("0") };
            let done = format!("set {} to 0", entry.key);
            app.focus = Focus::Dialog(Dialog::Confirm(Confirm::new(
                lines,
                Effect::Write(Write::put(entry, zero, done)),
            )));
        }
        // They open the form.
        EntryAction::Edit | EntryAction::ChangeType | EntryAction::TimeToLive => {}
        EntryAction::EditOutside => return vec![Effect::EditOutside(entry, None)],
        EntryAction::Delete => {
            let (kind, _) = kind_inference::infer(&entry);
            let what = if kind == Kind::Plain { "Its value is" } else { &format!("It is a {kind}:") };
            let mut lines =
                vec![format!("Delete {}?", entry.key), format!("{what} {}", app.value_in(&entry, 50))];
            if kind == Kind::Lock {
                lines.push("It is used as a lock: whoever holds it may be at work.".into());
            }
            app.focus =
                Focus::Dialog(Dialog::Confirm(Confirm::new(lines, Effect::Write(Write::delete(entry)))));
        }
    }
    Vec::new()
}
