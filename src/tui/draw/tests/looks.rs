//! The colours of every view, in a dark and a light theme. What the cells say is in the pictures of
//! the views.

use crate::tui::draw::tests::*;
use crate::tui::testing::letters::looks;

#[test]
fn every_view_in_two_themes() {
    for (theme, colours) in [("dark", Theme::dark()), ("light", Theme::light())] {
        for size in [SMALL, LARGE] {
            for (view, name) in UNDER {
                let mut app = at(view, name, size);
                app.settings.theme = colours;
                let view = view.title().to_lowercase();
                let name = format!("{view}_{theme}_{}x{}", size.0, size.1);
                assert_snapshot("tui/looks", &name, looks(&buffer(&app)));
            }
        }
        let mut past = travelled(SMALL);
        past.settings.theme = colours;
        assert_snapshot("tui/looks", &format!("past_{theme}"), looks(&buffer(&past)));
    }
}
