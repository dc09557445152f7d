use crate::harness::Server;

#[tokio::test]
async fn a_key_has_its_quota_and_every_answer_tells_it() {
    let directory = tempfile::tempdir().unwrap();
    let server =
        Server::start_with(directory.path(), &[("COUNTERSIGN_SERVER__REQUESTS_PER_MINUTE_PER_KEY", "3")]);
    for left in ["2", "1", "0"] {
        let answer = server.get("/v1/verifications").await;
        assert_eq!(answer.status, 200);
        let told = answer.headers["ratelimit"].to_str().unwrap();
        assert!(told.starts_with(&format!("\"key\";r={left};t=")), "{told}");
        assert_eq!(answer.headers["ratelimit-policy"], "\"key\";q=3;w=60");
    }
    let refused = server.get("/v1/verifications").await;
    assert_eq!((refused.status.as_u16(), refused.code()), (429, "api_rate_limited"));
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=20).contains(&wait), "{wait}");
    assert_eq!(server.call_as(None, reqwest::Method::GET, "/healthz", None, &[]).await.status, 200);
}
