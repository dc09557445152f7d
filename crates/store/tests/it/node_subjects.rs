//! Subjects over several nodes of one PostgreSQL.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use countersign_core::command::{Answer, Request};
use countersign_core::ids::ChallengeId;
use countersign_core::keys::{Keys, Root, RootId, RootState};
use countersign_core::refusal::Refusal;
use countersign_core::store::Store as _;
use countersign_core::subject::{Act, Authority, SubjectSnapshot};
use countersign_core::time::Clock as _;
use countersign_sim::Requests;
use countersign_sim::subjects::{backup_list, hotp_of, hotp_token, listed_code, totp, totp_at};
use countersign_store::postgres::PostgresStore;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use zeroize::Zeroizing;

use crate::factor_races::granted;
use crate::nodes::{Cluster, requests, submit};

async fn shown(node: &PostgresStore, request: Request) -> SubjectSnapshot {
    match node.submit(request).await.unwrap().answer {
        Answer::Subject(snapshot) | Answer::Granted(snapshot, _) => *snapshot,
        other => panic!("{other:?}"),
    }
}

async fn asked(node: &PostgresStore, mine: &Requests, external_id: &str) -> ChallengeId {
    shown(node, mine.ask(external_id, &[])).await.challenge.unwrap().id
}

/// Lets all loose at once, every other one at the other node.
async fn race(nodes: &[Arc<PostgresStore>; 2], entries: Vec<Request>) -> Vec<Answer> {
    let barrier = Arc::new(Barrier::new(entries.len()));
    let mut tasks = JoinSet::new();
    for (n, entry) in entries.into_iter().enumerate() {
        let (node, barrier) = (Arc::clone(&nodes[n % 2]), Arc::clone(&barrier));
        tasks.spawn(async move {
            barrier.wait().await;
            node.submit(entry).await.unwrap().answer
        });
    }
    tasks.join_all().await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_grant_a_code_of_an_app_a_token_and_a_list_once() {
    let cluster = Cluster::new().await;
    let nodes = [cluster.node(1).await, cluster.node(2).await];
    let mine = requests(&nodes[0], 1);
    let codes = [
        ("ann", totp(), totp_at(cluster.clock.now(), 0)),
        ("ben", hotp_token(), hotp_of(0)),
        ("eve", backup_list(), listed_code(0)),
    ];
    for (external_id, plan, code) in codes {
        shown(&nodes[0], mine.enrol(external_id, plan)).await;
        let open = asked(&nodes[0], &mine, external_id).await;
        let entry = |n: usize| match n % 4 < 2 {
            true => mine.respond(open, &code),
            false => mine.try_code(external_id, &code),
        };
        let answers = race(&nodes, (0..100).map(entry).collect()).await;
        assert_eq!(granted(&answers), 1, "{external_id}: {answers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_race_two_hundred_guesses_at_one_factor() {
    let cluster = Cluster::new().await;
    let nodes = [cluster.node(1).await, cluster.node(2).await];
    let mine = requests(&nodes[0], 1);
    shown(&nodes[0], mine.enrol("ann", hotp_token())).await;
    let right: BTreeSet<_> = (0..200).map(hotp_of).collect();
    let wrong = (0..).map(|n| format!("{n:06}")).find(|code| !right.contains(code)).unwrap();
    let answers = race(&nodes, (0..200).map(|_| mine.try_code("ann", &wrong)).collect()).await;
    let evaluated = |answer: &&Answer| matches!(answer, Answer::Declined(Refusal::CodeIncorrect, _));
    let most = usize::from(mine.policy.failures_before_pause);
    assert_eq!(answers.iter().filter(evaluated).count(), most);
}

/// Node A holds the subject's lock with its approval not yet committed, while B loads: what B decides on is what A wrote.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_behind_a_subjects_lock_is_what_the_other_wrote() {
    let cluster = Cluster::new().await;
    let (a, b) = cluster.two_at_work().await;
    let mine = requests(&a, 1);
    let factor = shown(&a, mine.enrol("ann", totp())).await.factor.unwrap();
    let open = [asked(&a, &mine, "ann").await, asked(&a, &mine, "ann").await];
    let code = totp_at(cluster.clock.now(), 0);
    let aside = cluster.aside().await;
    // Loading does not touch the journal; writing does.
    aside.batch_execute("BEGIN; LOCK TABLE journal IN EXCLUSIVE MODE").await.unwrap();
    let first = submit(&a, mine.respond(open[0], &code));
    cluster.until_waiting(1).await;
    let second = submit(&b, mine.respond(open[1], &code));
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                   AND wait_event_type = 'Lock' AND query ~ 'FOR UPDATE OF s'";
    cluster.until_counted(waiting, 1).await;
    aside.batch_execute("ROLLBACK").await.unwrap();
    assert!(matches!(first.await.unwrap(), Answer::Granted(..)));
    let second = second.await.unwrap();
    assert!(matches!(second, Answer::Declined(Refusal::CodeIncorrect, _)), "{second:?}");
    let owner = b.tenant_of_factor(factor).await.unwrap();
    assert_eq!(owner, Some(mine.tenant));
}

fn ring(active: u16) -> Vec<Root> {
    let state = |id| if id == active { RootState::Active } else { RootState::Present };
    let root = |id: u16| Root {
        id: RootId(id),
        state: state(id),
        secret: Zeroizing::new([0x5a + id as u8 - 1; 32]),
    };
    [1, 2].map(root).to_vec()
}

/// All blind indexes of a name go in together, so nodes that think different roots active make one subject of it.
#[tokio::test(flavor = "multi_thread")]
async fn nodes_with_different_active_roots_make_one_subject_of_a_name() {
    let cluster = Cluster::new().await;
    let old = cluster.node(1).await;
    let known = shown(&old, requests(&old, 1).enrol("known", totp())).await.subject.id;
    let nodes = [cluster.node_with(2, &ring(1)).await, cluster.node_with(3, &ring(2)).await];
    let mut subjects: BTreeMap<String, BTreeSet<_>> = BTreeMap::new();
    for round in 0..20 {
        let name = format!("person{round}");
        // What the edge of each node computes while it thinks another root is active.
        let enrolments = nodes.iter().zip(1..).map(|(node, active)| {
            let keys = Keys::derive(&ring(active), *node.keys().epoch()).unwrap();
            let theirs = Requests::new(Arc::new(keys), 5_000 + round * 2 + u64::from(active));
            submit(node, theirs.enrol(&name, totp()))
        });
        for enrolment in enrolments.collect::<Vec<_>>() {
            let answer = enrolment.await.unwrap();
            subjects.entry(name.clone()).or_default().insert(answer.subject().unwrap().subject.id);
        }
    }
    assert!(subjects.values().all(|of| of.len() == 1), "{subjects:?}");
    assert_eq!(cluster.count("SELECT count(*) FROM subject").await, 21);
    assert_eq!(cluster.count("SELECT count(*) FROM subject_index").await, 1 + 20 * 2);
    let again = shown(&nodes[1], requests(&nodes[1], 9).enrol("known", totp())).await;
    assert_eq!(again.subject.id, known, "known under the old root alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_see_a_name_for_the_first_time_make_one_subject() {
    let cluster = Cluster::new().await;
    let (a, b) = cluster.two_at_work().await;
    let mine = requests(&a, 1);
    let aside = cluster.aside().await;
    aside.batch_execute("BEGIN; LOCK TABLE journal IN EXCLUSIVE MODE").await.unwrap();
    let first = submit(&a, mine.enrol("ann", totp()));
    cluster.until_waiting(1).await;
    let second = submit(&b, mine.enrol("ann", totp()));
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                   AND wait_event_type = 'Lock' AND query ~ 'INTO subject_index|INTO journal '";
    cluster.until_counted(waiting, 2).await;
    aside.batch_execute("ROLLBACK").await.unwrap();
    let [first, second] = [first.await.unwrap(), second.await.unwrap()];
    assert_eq!(first.subject().unwrap().subject.id, second.subject().unwrap().subject.id);
    assert_eq!(cluster.count("SELECT count(*) FROM subject").await, 1);
    assert_eq!(cluster.count("SELECT count(*) FROM factor").await, 2);
}

/// What was used before a node died is used after it.
#[tokio::test(flavor = "multi_thread")]
async fn steps_counters_and_lists_survive_a_node() {
    let cluster = Cluster::new().await;
    let node = cluster.node(1).await;
    let mine = requests(&node, 1);
    let codes = [
        ("ann", totp(), totp_at(cluster.clock.now(), 0)),
        ("ben", hotp_token(), hotp_of(3)),
        ("eve", backup_list(), listed_code(2)),
    ];
    for (external_id, plan, code) in codes.clone() {
        shown(&node, mine.enrol(external_id, plan)).await;
        shown(&node, mine.try_code(external_id, &code)).await;
    }
    // Not closed: it leaves like one that was killed.
    drop(node);
    let node = cluster.node(2).await;
    let mine = requests(&node, 2);
    for (external_id, _, code) in codes {
        let late = node.submit(mine.try_code(external_id, &code)).await.unwrap().answer;
        assert!(matches!(late, Answer::Declined(Refusal::CodeIncorrect, _)), "{external_id}: {late:?}");
    }
    shown(&node, mine.try_code("ben", &hotp_of(4))).await;
}

/// Made, removed and made again within one batch, beside one that was there before.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_changes_hands_within_one_batch() {
    let cluster = Cluster::new().await;
    let node = cluster.node(1).await;
    let mine = requests(&node, 1);
    let old = shown(&node, mine.enrol("ann", totp())).await.subject.id;
    let aside = cluster.aside().await;
    aside.batch_execute("BEGIN; LOCK TABLE journal IN EXCLUSIVE MODE").await.unwrap();
    let held = submit(&node, mine.enrol("held up", totp()));
    cluster.until_waiting(1).await;
    let steps = [
        mine.subject(mine.named("ben"), Act::Put(None)),
        mine.subject(mine.named("ben"), Act::Remove(Authority::Key)),
        mine.enrol("ben", totp()),
        mine.subject(mine.named("ann"), Act::Remove(Authority::Key)),
        mine.enrol("ann", totp()),
    ];
    let steps: Vec<_> = steps.into_iter().map(|step| node.submit(step)).collect();
    aside.batch_execute("ROLLBACK").await.unwrap();
    assert!(matches!(held.await.unwrap(), Answer::Subject(_)));
    let mut last = None;
    for step in steps {
        last = step.await.unwrap().answer.subject().map(|shown| shown.subject.id);
    }
    assert!(last.is_some_and(|id| id != old));
    assert_eq!(cluster.count("SELECT count(*) FROM subject_index").await, 3);
    assert_eq!(cluster.count("SELECT count(*) FROM subject WHERE removed_at IS NOT NULL").await, 2);
    assert_eq!(cluster.count("SELECT count(DISTINCT stamp) FROM journal").await, 3, "all five in one batch");
}

/// What a lane sends for verifications is what it sent before there were subjects.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_without_subjects_sends_no_statement_of_theirs() {
    let cluster = Cluster::new().await;
    let node = cluster.node(1).await;
    let mine = requests(&node, 1);
    let aside = cluster.aside().await;
    // Every statement on these tables would wait.
    let lock = "BEGIN; LOCK TABLE subject, subject_index, factor, challenge IN ACCESS EXCLUSIVE MODE";
    let begun = crate::nodes::begin(&node, &mine, "warm@example.com").await;
    aside.batch_execute(lock).await.unwrap();
    let answer = submit(&node, mine.check(begun.id, &mine.code_of(&begun))).await.unwrap();
    assert!(matches!(answer, Answer::Approved(..)), "{answer:?}");
    crate::nodes::begin(&node, &mine, "ann@example.com").await;
    aside.batch_execute("ROLLBACK").await.unwrap();
}
