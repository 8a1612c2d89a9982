//! Whether what happens can be seen: a picture is drawn only if it may differ from the one before.

use crate::tui::app::App;
use crate::tui::effect::{CommitNotice, Reply};
use crate::tui::keys::ScreenKind;
use crate::tui::list::{Row, RowId, RowOrder};
use crate::tui::message::Message;
use crate::tui::view::View;

/// Whether a message, before it is taken in, may change the picture. Nothing that covers all of the list
/// shows what is read for the list. Where in doubt, it may.
pub(super) fn may_show(app: &App, message: &Message) -> bool {
    let Message::Reply(answer) = message else { return true };
    let shows_rows = match app.screen_kind() {
        ScreenKind::List => true,
        ScreenKind::Value { .. } => app.then().is_none(),
        ScreenKind::Past | ScreenKind::Run => false,
    };
    match answer {
        Reply::Rows { .. }
        | Reply::Refreshed { .. }
        | Reply::Overview(..)
        | Reply::Entries(..)
        | Reply::Detail(..)
        | Reply::Past(_)
        | Reply::Recent(_)
        | Reply::Count(_)
        | Reply::Weighed(..) => shows_rows,
        Reply::Changed(CommitNotice::Anything) => false,
        Reply::Changed(CommitNotice::Changes(changes)) => {
            let is_of_list = app.shows_list()
                && !changes.is_empty()
                && (matches!(app.list.view, View::History | View::Counters)
                    || app.list.order() == RowOrder::Tree);
            let is_of_row = |row: &Row| {
                let id = row.id();
                changes.iter().any(|change| RowId::subject_of(change) == id)
            };
            is_of_list || shows_rows && app.list.window.selected().is_some_and(is_of_row)
        }
        Reply::PastPage(..) => app.screen_kind() == ScreenKind::Past,
        _ => true,
    }
}
