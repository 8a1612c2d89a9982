//! Numbers over time, as bars.

use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use crate::store::Number;
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::widgets::format;

/// How many lines the bars are high.
const HEIGHT: usize = 6;
/// The most columns that they take.
const WIDEST: usize = 120;

/// A chart of values at moments, the oldest first, with what the highest and the lowest of them are.
/// Its columns are spans of time that are equally long; of several values in one the last is shown,
/// and where there is none the one before goes on.
pub fn lines(app: &App, points: &[(Millis, f64)], now: Millis, width: usize) -> Vec<Line<'static>> {
    const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let theme = &app.settings.theme;
    let finite: Vec<(Millis, f64)> = points.iter().copied().filter(|(_, value)| value.is_finite()).collect();
    let (Some(first), Some(last)) = (finite.first(), finite.last()) else { return Vec::new() };
    let (low, high) = finite
        .iter()
        .fold((f64::MAX, f64::MIN), |(low, high), (_, value)| (low.min(*value), high.max(*value)));
    let labels = [number(high), number(low)];
    let wide = labels.iter().map(|label| label.width()).max().unwrap_or(0) + 1;
    let columns = width.saturating_sub(wide).min(WIDEST);
    if columns < 4 {
        return Vec::new();
    }
    let span = last.0.0.saturating_sub(first.0.0).max(1) as f64;
    let place =
        |at: Millis| (at.0.saturating_sub(first.0.0) as f64 / span * (columns - 1) as f64).round() as usize;
    let mut shown: Vec<Option<f64>> = vec![None; columns];
    for (at, value) in &finite {
        shown[place(*at).min(columns - 1)] = Some(*value);
    }
    let mut before = first.1;
    let eighths: Vec<usize> = shown
        .into_iter()
        .map(|value| {
            before = value.unwrap_or(before);
            let share = if high > low { (before - low) / (high - low) } else { 0.5 };
            // The lowest is still seen.
            1 + (share * (HEIGHT * 8 - 1) as f64).round() as usize
        })
        .collect();
    let mut lines: Vec<Line<'static>> = Vec::new();
    for line in (0..HEIGHT).rev() {
        let label = match line {
            0 => &labels[1],
            _ if line == HEIGHT - 1 => &labels[0],
            _ => "",
        };
        let bars: String =
            eighths.iter().map(|eighths| EIGHTHS[eighths.saturating_sub(line * 8).min(8)]).collect();
        lines.push(Line::from(vec![
            Span::styled(format!("{label:>width$} ", width = wide - 1), theme.faint),
            Span::styled(bars, theme.number),
        ]));
    }
    let (from, to) = (ago(first.0, now), ago(last.0, now));
    let gap = columns.saturating_sub(from.width() + to.width());
    let axis = format!("{}{from}{}{to}", " ".repeat(wide), " ".repeat(gap));
    lines.push(Line::styled(format::cut(&axis, width), theme.faint));
    lines
}

fn ago(at: Millis, now: Millis) -> String {
    match at > now {
        true => format!("in {}", format::left(Some(at), now)),
        false => format!("{} ago", format::age(Some(at), now)),
    }
}

/// A number without more digits than are of use.
fn number(value: f64) -> String {
    match value.fract() == 0.0 && value.abs() < 1e15 {
        true => format!("{value:.0}"),
        false => Number::Float(value).to_string(),
    }
}
