use std::sync::Arc;

use tokio::sync::Barrier;

use crate::harness::{Answer, Server, wrong};

/// Makes all calls at the same moment, each on its own task.
pub(crate) async fn at_once<Call>(calls: impl Iterator<Item = Call>) -> Vec<Answer>
where
    Call: Future<Output = Answer> + Send + 'static,
{
    let calls: Vec<_> = calls.collect();
    let barrier = Arc::new(Barrier::new(calls.len()));
    let tasks: Vec<_> = calls
        .into_iter()
        .map(|call| {
            let barrier = Arc::clone(&barrier);
            tokio::spawn(async move {
                barrier.wait().await;
                call.await
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

/// Sends all checks at the same moment.
async fn together(server: &Arc<Server>, checks: Vec<(String, String)>) -> Vec<Answer> {
    let check = |(id, code): (String, String)| {
        let server = Arc::clone(server);
        async move { server.check(&id, &code).await }
    };
    at_once(checks.into_iter().map(check)).await
}

/// How many of the answers have this code.
pub(crate) fn count(answers: &[Answer], code: &str) -> usize {
    answers.iter().filter(|answer| answer.code() == code).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_200_parallel_wrong_guesses_five_are_evaluated() {
    let directory = tempfile::tempdir().unwrap();
    let server = Arc::new(Server::start(directory.path()));
    let id = server.create("+48600200001").await;
    let code = server.code_of("+48600200001", &id).await;
    let answers = together(&server, vec![(id.clone(), wrong(&code)); 200]).await;
    assert_eq!(count(&answers, "code_incorrect"), 5);
    assert_eq!(count(&answers, "verification_max_attempts"), 195);
    assert_eq!(server.check(&id, &code).await.code(), "verification_max_attempts");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_200_parallel_wrong_guesses_over_many_verifications_five_are_evaluated() {
    let directory = tempfile::tempdir().unwrap();
    let server = Arc::new(Server::start(directory.path()));
    let to = "+48600200002";
    let mut checks = Vec::new();
    for _ in 0..8 {
        let id = server.create(to).await;
        let code = server.code_of(to, &id).await;
        checks.extend(vec![(id, wrong(&code)); 25]);
    }
    let answers = together(&server, checks).await;
    assert_eq!(count(&answers, "code_incorrect"), 5);
    let refused = count(&answers, "recipient_paused") + count(&answers, "verification_max_attempts");
    assert_eq!(refused, 195);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_100_parallel_right_codes_one_is_approved() {
    let directory = tempfile::tempdir().unwrap();
    let server = Arc::new(Server::start(directory.path()));
    let id = server.create("+48600200003").await;
    let code = server.code_of("+48600200003", &id).await;
    let answers = together(&server, vec![(id, code); 100]).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!(count(&answers, "verification_already_approved"), 99);
}
