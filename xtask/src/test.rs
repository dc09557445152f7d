//! `cargo xtask test`: every check, in the order in which a mistake is found soonest.

#![expect(
    clippy::disallowed_methods,
    reason = "the steps' times are for the reader, nothing depends on them"
)]

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::checkout::Checkout;
use crate::setup::chromium;
use crate::{deny, docs, program, setup, tidy};

type Step = (&'static str, fn(&Checkout) -> Result<()>);

const STEPS: [Step; 7] = [
    ("format", format),
    ("tidy", tidy::run),
    ("setup", setup::run),
    ("deny", deny::run),
    ("clippy", clippy),
    ("tests", tests),
    ("docs", docs::check),
];

/// Runs all steps, stops at the first that fails.
pub(crate) fn run(checkout: &Checkout) -> Result<()> {
    let times = run_steps(&STEPS, checkout)?;
    let total: Duration = times.iter().map(|(_, time)| time).sum();
    println!("\nall checks passed in {}:", seconds(total));
    for (name, time) in times {
        println!("  {name:<8} {:>9}", seconds(time));
    }
    Ok(())
}

fn run_steps(steps: &[Step], checkout: &Checkout) -> Result<Vec<(&'static str, Duration)>> {
    let mut times = Vec::new();
    for (name, step) in steps {
        println!("\n── {name}");
        let start = Instant::now();
        step(checkout).with_context(|| format!("step `{name}` FAILED after {}", seconds(start.elapsed())))?;
        println!("── {name}: ok, {}", seconds(start.elapsed()));
        times.push((*name, start.elapsed()));
    }
    Ok(times)
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn format(checkout: &Checkout) -> Result<()> {
    program::run(&mut checkout.cargo(&["fmt", "--all", "--check"]))
}

fn clippy(checkout: &Checkout) -> Result<()> {
    program::run(&mut checkout.cargo(&[
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))
}

fn tests(checkout: &Checkout) -> Result<()> {
    let mut command = checkout.cargo(&["test", "--quiet", "--workspace"]);
    command.env("COUNTERSIGN_TOOLS", checkout.tools());
    if let Some(chromium) = chromium::find() {
        command.env(chromium::VARIABLE, chromium);
    }
    program::run(&mut command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(_: &Checkout) -> Result<()> {
        Ok(())
    }

    fn fails(_: &Checkout) -> Result<()> {
        anyhow::bail!("the roof leaks")
    }

    fn is_never_reached(_: &Checkout) -> Result<()> {
        unreachable!("a step ran after one that failed")
    }

    #[test]
    fn the_first_failing_step_ends_the_run_and_is_named() {
        let checkout = Checkout::find().unwrap();
        let steps: [Step; 3] = [("walls", passes), ("roof", fails), ("paint", is_never_reached)];
        let error = format!("{:#}", run_steps(&steps, &checkout).unwrap_err());
        assert!(error.starts_with("step `roof` FAILED after"), "{error}");
        assert!(error.ends_with("the roof leaks"), "{error}");
    }

    #[test]
    fn steps_that_pass_are_told_in_order() {
        let checkout = Checkout::find().unwrap();
        let times = run_steps(&[("walls", passes), ("roof", passes)], &checkout).unwrap();
        assert_eq!(times.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["walls", "roof"]);
    }
}
