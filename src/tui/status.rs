//! The bottom of the screen: key hints, or a message in their place.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Clear;
use unicode_width::UnicodeWidthStr;

use crate::store::{Kind, Location, kind_inference};
use crate::text::escape::escape;
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::dialogs::messages::log::MessageLevel;
use crate::tui::keys::{Action, Command, EntryAction, RunAction, command};
use crate::tui::list::{FilterLine, MarkState, Row};
use crate::tui::view::View;
use crate::tui::widgets::format;
use crate::tui::widgets::line::wrapped;

/// A write that takes so long is worth a word.
const SLOW: u128 = 250;

/// Draws a message, or else the hints.
pub fn draw(app: &App, now: Millis, area: Rect, frame: &mut Frame<'_>) {
    if area.height == 0 {
        return;
    }
    match message(app, now) {
        Some((text, style)) => draw_message(app, text, style, area, frame),
        None => frame.render_widget(hints(app, usize::from(area.width)), area),
    }
}

/// What there is to say, the most pressing first.
pub fn message(app: &App, now: Millis) -> Option<(String, Style)> {
    let theme = &app.settings.theme;
    if let Some((number, progress)) = &app.requests.progress {
        let stops = if number.is_cancellable() { "; esc stops" } else { "" };
        return Some((format!("… {}{stops}", progress), theme.warning));
    }
    if let Some(opening) =
        app.database.opening.as_ref().filter(|opening| now.since(opening.since).as_millis() >= SLOW)
    {
        let waited = format::span(now.since(opening.since));
        let name = escape(opening.name.as_bytes());
        return Some((
            format!("… opening {name}: another program has locked it, or it is slow; waiting for {waited}"),
            theme.warning,
        ));
    }
    if let Some(since) = app.requests.writing.first().filter(|since| now.since(**since).as_millis() >= SLOW) {
        let waited = format::span(now.since(*since));
        let mut text =
            format!("… the database is busy: somebody else is writing to it; waiting for {waited}");
        if app.is_leaving {
            text.push_str(". Leaving once the change is made; q leaves without it");
        }
        return Some((text, theme.warning));
    }
    if let Some(mistake) = app.shown_list().filter_line.mistake().filter(|_| app.focus.is_filter_line()) {
        return Some((format!("✗ {}", escape(mistake.text.as_bytes())), theme.bad));
    }
    if let Some(unresponsive_for) = app.unresponsive_for(now) {
        let unresponsive_for = format::span(unresponsive_for);
        let cause = match app.database.location {
            Location::File(_) => "another program has locked it",
            Location::Etcd(_) => "none of its nodes can be reached",
        };
        let since = match app.list.window.rows().is_empty() {
            true => format!("waiting for {unresponsive_for}"),
            false => format!("what is shown is {unresponsive_for} old"),
        };
        let text = format!("… the database does not answer: {cause}, or it is slow; {since}");
        return Some((text, theme.warning));
    }
    let status = app.status.as_ref()?;
    let (mark, style) = marked(app, status.tone);
    Some((format!("{mark} {}", escape(status.text.as_bytes())), style))
}

pub fn marked(app: &App, tone: MessageLevel) -> (&'static str, Style) {
    match tone {
        MessageLevel::Done => ("✓", app.settings.theme.good),
        MessageLevel::Notice => ("!", app.settings.theme.warning),
        MessageLevel::Error => ("✗", app.settings.theme.bad),
    }
}

/// A message is read in full: a long one takes as many lines from the list as it needs, up to
/// half of the screen.
fn draw_message(app: &App, text: String, style: Style, area: Rect, frame: &mut Frame<'_>) {
    let width = usize::from(area.width).saturating_sub(2);
    let mut lines = wrapped(&Line::styled(text, style), width);
    let most = usize::from(app.size.1 / 2).max(1);
    if lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            *last = Line::styled(format::cut(&format!("{last}   "), width.saturating_sub(1)) + "…", style);
        }
    }
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let top = (area.y + 1).saturating_sub(height);
    let place = Rect { y: top, height, ..area }.intersection(frame.area());
    frame.render_widget(Clear, place);
    for (line, y) in lines.into_iter().zip(place.y..place.bottom()) {
        frame.render_widget(
            line,
            Rect { x: 1.min(area.width), y, width: area.width.saturating_sub(1), height: 1 },
        );
    }
}

/// Whether one of the marked entries that are on the screen is a flag.
fn marks_a_flag(app: &App) -> bool {
    let height = usize::from(app.areas().list.height);
    let seen = app.list.window.rows().iter().skip(app.list.window.top()).take(height);
    seen.filter(|row| app.list.marks.mark_of(row) == MarkState::Same)
        .filter_map(Row::entry)
        .any(|entry| kind_inference::infer(entry).0 == Kind::Flag)
}

/// The keys that do something here, as many as have room; how to get out, and how to see them all,
/// is always among them.
pub fn hints(app: &App, width: usize) -> Line<'static> {
    let theme = &app.settings.theme;
    let context = app.context();
    let way_out = context.screen.way_out();
    let always = |action| action == Action::Help || action == Action::Back && way_out.is_some();
    let word = |command: &Command| match command.action {
        Action::Back => way_out,
        // Where nothing failed there is nothing to go to.
        Action::Run(RunAction::NextFailure(_))
            if app.screen.run().is_none_or(|debugger| !debugger.has_failed()) =>
        {
            None
        }
        // It can be done anywhere, and is looked for among the runs.
        Action::StartRun if app.list.view != View::Runs => None,
        // With entries marked it is for them: where none that is seen is a flag, it would do nothing.
        Action::Entry(EntryAction::Toggle) if context.marked && !marks_a_flag(app) => None,
        _ => command.hint,
    };
    let hint = |command: &Command| {
        let key = app.settings.keymap.keys_in(command.action, &context).next()?;
        Some((command.action, key.to_string(), word(command)?))
    };
    let hints: Vec<(Action, String, &str)> = command::applicable(&context).filter_map(hint).collect();
    let wide = |key: &str, hint: &str| key.width() + hint.width() + 3;
    let needed = hints.iter().filter(|(action, ..)| always(*action)).map(|(_, key, hint)| wide(key, hint));
    let mut room = width.saturating_sub(needed.sum());
    let mut spans = vec![Span::raw(" ")];
    for (action, key, hint) in hints {
        if !always(action) {
            let wide = wide(&key, hint);
            if wide > room {
                continue;
            }
            room -= wide;
        }
        spans.push(Span::styled(key, theme.key));
        spans.push(Span::styled(format!(" {hint}  "), theme.faint));
    }
    Line::from(spans)
}

/// Marks a database where mistakes are felt by others in one word, for a screen without a frame.
pub fn production_word(app: &App) -> Option<Span<'static>> {
    app.production().map(|_| Span::styled(" PRODUCTION ", app.settings.theme.production))
}

/// What is typed, with what is wrong in it marked, where all of it is on the screen as it was typed.
pub fn line_with_mistake(app: &App, line: &FilterLine, text: String) -> Vec<Span<'static>> {
    let theme = &app.settings.theme;
    let Some(mistake) = line.mistake().filter(|_| text == line.text()) else {
        return vec![Span::styled(text, theme.text)];
    };
    let wrong = theme.bad.add_modifier(Modifier::UNDERLINED);
    let parts = [
        (0..mistake.at.start, theme.text),
        (mistake.at.clone(), wrong),
        (mistake.at.end..text.len(), theme.text),
    ];
    let spans = parts
        .into_iter()
        .filter_map(|(range, style)| Some(Span::styled(text.get(range)?.to_string(), style)));
    spans.collect()
}
