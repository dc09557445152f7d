//! A vendor's dialect beside the native API: the same people, the same server, in turns, so that both meet the same
//! machine.

use std::time::Duration;

use serde::Serialize;

use crate::load::{Flow, Load, Pace, Stage, Tally};
use crate::report::Row;
use crate::wire::Wire;

/// How often each has its turn.
const TURNS: u32 = 6;

/// One number of people, natively and in the dialect.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Comparison {
    pub(crate) native: Row,
    /// What the libraries of the dialect ask for: they send no idempotency keys.
    pub(crate) bare: Row,
    pub(crate) dialect: Row,
}

/// Measures all three, each for `span` in all.
pub(crate) async fn compare(
    stage: &Stage<'_>,
    dialect: Wire,
    people: usize,
    span: Duration,
) -> anyhow::Result<Comparison> {
    let loads = [Wire::Native, Wire::Bare, dialect].map(|wire| Load {
        wire,
        flow: Flow::Delivered,
        people,
        pace: Pace::AsFast,
    });
    let mut tallies: [Tally; 3] = Default::default();
    for turn in 0..TURNS {
        // Whoever begins meets a machine that just did something else; so each begins as often.
        for nth in 0..loads.len() {
            let nth = (nth + turn as usize) % loads.len();
            tallies[nth].add(stage, loads[nth], span / TURNS).await?;
        }
    }
    let [native, bare, dialect] = tallies;
    let of = |tally: Tally, nth: usize| tally.row(loads[nth]);
    Ok(Comparison { native: of(native, 0), bare: of(bare, 1), dialect: of(dialect, 2) })
}

impl Comparison {
    pub(crate) fn rows(&self) -> [&Row; 3] {
        [&self.native, &self.bare, &self.dialect]
    }

    /// The dialect's share of the native rate and its multiple of the native processor time, against both.
    pub(crate) fn line(&self) -> String {
        let against = |row: &Row| {
            format!(
                "rate × {:.2}, server CPU × {:.2}",
                self.dialect.verifications_per_second / row.verifications_per_second,
                self.dialect.server_cpu_microseconds / row.server_cpu_microseconds
            )
        };
        format!(
            "{} people, the dialect against the native API: {}; against it without idempotency keys: {}",
            self.dialect.concurrency,
            against(&self.native),
            against(&self.bare)
        )
    }
}
