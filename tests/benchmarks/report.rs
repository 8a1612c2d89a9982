//! What the benchmarks print: a figure, its limit measured in the same run, and the budget.

use std::time::{Duration, Instant};

/// How often a second `work` can be done: the best of several rounds, since on a shared machine
/// whatever disturbs a round makes it slower.
#[allow(dead_code)]
pub fn per_second(rounds: u32, times: u32, mut work: impl FnMut()) -> f64 {
    let mut best = Duration::MAX;
    for _ in 0..rounds {
        let start = Instant::now();
        for _ in 0..times {
            work();
        }
        best = best.min(start.elapsed());
    }
    f64::from(times) / best.as_secs_f64()
}

/// Two rates taken in turn, so that a machine whose speed drifts is the same for both.
#[allow(dead_code)]
pub fn in_turn(rounds: u32, times: u32, ours: &mut dyn FnMut(), limit: &mut dyn FnMut()) -> (f64, f64) {
    let mut best = (0.0_f64, 0.0_f64);
    for _ in 0..rounds {
        best.0 = best.0.max(per_second(1, times, &mut *ours));
        best.1 = best.1.max(per_second(1, times, &mut *limit));
    }
    best
}

/// Prints a rate against its limit.
#[allow(dead_code)]
pub fn ratio(what: &str, ours: f64, limit: &str, limit_rate: f64, budget: f64) {
    let ratio = ours / limit_rate;
    println!(
        "{what:<44} {ours:>10.0}/s  {limit} {limit_rate:>10.0}/s  ratio {ratio:>5.2}  (budget {budget} or more: {})",
        verdict(ratio >= budget)
    );
}

/// Prints a figure that has to stay under its budget.
#[allow(dead_code)]
pub fn at_most(what: &str, figure: f64, unit: &str, budget: f64, note: &str) {
    let met = verdict(figure <= budget);
    println!("{what:<44} {figure:>10.2} {unit}  (budget {budget} {unit} or less: {met}) {note}");
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}
