//! The row of tabs: the text of each, and which view is at a column.

use unicode_width::UnicodeWidthStr;

use crate::tui::app::App;
use crate::tui::keys::Action;
use crate::tui::view::View;

/// The text of each tab; where not all have room, the names of those that are not open go.
pub fn tabs(app: &App) -> Vec<(View, String)> {
    let width = usize::from(app.areas().tabs.width);
    let all = |(named, end): (bool, &str)| -> Vec<(View, String)> {
        let tab = |view: View| {
            let key = app.settings.keymap.keys_for(Action::Show(view)).first().map_or("", String::as_str);
            let text = match view == app.list.view {
                true => format!(" {key} {} ", view.title()),
                false if named => format!(" {key} {}{end}", view.title()),
                false => format!(" {key}{end}"),
            };
            (view, text)
        };
        View::ALL.into_iter().map(tab).collect()
    };
    let fits = |tabs: &Vec<(View, String)>| tabs.iter().map(|(_, text)| text.width()).sum::<usize>() <= width;
    let sizes = [(true, " "), (true, ""), (false, " ")];
    sizes.into_iter().map(all).find(fits).unwrap_or_else(|| all((false, "")))
}

/// The view whose tab is at this column.
pub fn view_at(app: &App, column: u16) -> Option<View> {
    let mut end = usize::from(app.areas().tabs.x);
    tabs(app).into_iter().find_map(|(view, text)| {
        end += text.width();
        (usize::from(column) < end).then_some(view)
    })
}
