use super::{Tally, run};

#[test]
fn the_invariants_hold_on_every_seed() {
    let mut sum = Tally::default();
    for seed in 0..200 {
        let tally = run(seed, 210).unwrap_or_else(|broken| panic!("{broken}"));
        sum.created += tally.created;
        sum.approved += tally.approved;
        sum.wrong += tally.wrong;
        sum.paused += tally.paused;
        sum.expired += tally.expired;
        sum.sent += tally.sent;
        sum.replayed += tally.replayed;
        sum.granted += tally.granted;
        sum.declined += tally.declined;
        sum.locked += tally.locked;
        sum.reported += tally.reported;
        sum.stepped += tally.stepped;
    }
    let least = [
        sum.created,
        sum.approved,
        sum.wrong,
        sum.paused,
        sum.expired,
        sum.sent,
        sum.replayed,
        sum.reported,
        sum.stepped,
        sum.granted,
        sum.declined,
        sum.locked,
    ];
    assert!(least.iter().all(|count| *count >= 100), "the seeds try too little: {sum:?}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    assert_eq!(run(11, 300), run(11, 300));
}
