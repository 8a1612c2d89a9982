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

/// Two rates, per second of the clock on the wall and per second of this process's processor time. On a
/// shared machine only the second can be compared between runs.
#[allow(dead_code)]
#[derive(Clone, Copy, Default)]
pub struct Rates {
    wall: [f64; 2],
    processor: [f64; 2],
}

/// Two rates taken in turn, so that a machine whose speed drifts is the same for both: the best of several
/// rounds.
#[allow(dead_code)]
pub fn in_turn<'a>(
    rounds: u32,
    times: u32,
    ours: &mut (dyn FnMut() + 'a),
    limit: &mut (dyn FnMut() + 'a),
) -> Rates {
    let mut best = Rates::default();
    for _ in 0..rounds {
        for (place, work) in [&mut *ours, &mut *limit].into_iter().enumerate() {
            let before = processor_time();
            let wall = per_second(1, times, work);
            let processor = f64::from(times) / (processor_time() - before).as_secs_f64();
            best.wall[place] = best.wall[place].max(wall);
            best.processor[place] = best.processor[place].max(processor);
        }
    }
    best
}

/// The processor time of this process.
fn processor_time() -> Duration {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("a clock").into()
}

/// Prints two rates; the budget is for their ratio by processor time.
#[allow(dead_code)]
pub fn rates(what: &str, limit: &str, rates: Rates, budget: f64) {
    let [ours, limit_rate] = rates.processor;
    let ratio = ours / limit_rate;
    println!(
        "{what:<44} {ours:>10.0}/s  {limit} {limit_rate:>10.0}/s  ratio {ratio:>5.3} by processor time, {:>5.3} by \
         the clock  (budget {budget} or more: {})",
        rates.wall[0] / rates.wall[1],
        verdict(ratio >= budget)
    );
}

/// As [`rates`], by the clock: what is waited for is another process.
#[allow(dead_code)]
pub fn rates_by_the_clock(what: &str, limit: &str, rates: Rates, budget: f64) {
    ratio(what, rates.wall[0], limit, rates.wall[1], budget);
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
