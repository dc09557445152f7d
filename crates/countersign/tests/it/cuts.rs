//! The connection to the database is cut while a commit is on its way: the lane's row tells what became of it.

use std::sync::Arc;

use countersign_peers::{Proxy, shared};
use serde_json::json;

use crate::cluster::Cluster;
use crate::harness::{Server, wrong};

/// Verifications of each test; each sees three commits.
const ROUNDS: usize = 6;
/// What a node says when it has to ask its lane.
const ASKED: &str = "the lane's row will tell";

/// As it stands on the wire: `READ COMMITTED` is something else.
pub(crate) const COMMIT: &[u8] = b"COMMIT\0";

/// A node behind a proxy, and one past it that was there first: that one leads, so that few commits of the first are not
/// those of its requests.
struct Fixture {
    cluster: Cluster,
    proxy: Proxy,
    behind: Arc<Server>,
    _leader: Server,
}

impl Fixture {
    fn new() -> Self {
        let cluster = Cluster::on(shared());
        let proxy = Proxy::to(shared().address());
        let leader = cluster.node("leader");
        let through = proxy.through(&cluster.database);
        let behind = Arc::new(cluster.node_with("behind", &[("COUNTERSIGN_STORE__URL", &through)]));
        Self { cluster, proxy, behind, _leader: leader }
    }

    /// Every commit of a start, a wrong code and a right one is cut by `set`; who asked does not notice, and each
    /// happened once.
    async fn each_commit_is_cut(&self, set: impl Fn(&Proxy)) {
        for round in 0..ROUNDS {
            set(&self.proxy);
            let body = json!({ "to": format!("+4860050{round:04}"), "channel": "self" });
            let created = self.behind.post("/v1/verifications", body).await;
            assert_eq!(created.status, 201, "{}", created.body);
            let (id, code) = (created.text("id"), created.text("code"));
            set(&self.proxy);
            let refused = self.behind.check(&id, &wrong(&code)).await;
            assert_eq!(refused.code(), "code_incorrect", "{}", refused.body);
            assert_eq!(refused.body["verification"]["attempts_remaining"], 4);
            set(&self.proxy);
            let approved = self.behind.check(&id, &code).await;
            assert_eq!(approved.status, 200, "{}", approved.body);
            let facts = self.facts(&id).await;
            for fact in ["verification.created", "check.rejected", "verification.approved"] {
                assert_eq!(facts.iter().filter(|known| *known == fact).count(), 1, "{fact} in {facts:?}");
            }
        }
        let rows =
            |table: &str| shared().psql(&self.cluster.database, &format!("SELECT count(*) FROM {table}"));
        assert_eq!((rows("verification"), rows("recipient")), (ROUNDS.to_string(), ROUNDS.to_string()));
        // A claim of deliveries may have met a trap that was set for a request.
        let asked = self.behind.log().matches(ASKED).count();
        assert!(
            asked >= ROUNDS * 2,
            "{asked} of {} commits were cut: {} {}",
            ROUNDS * 3,
            self.proxy.fired(),
            self.behind.log()
        );
    }

    async fn facts(&self, id: &str) -> Vec<String> {
        let timeline = self.behind.get(&format!("/v1/verifications/{id}/timeline")).await;
        let facts = timeline.body["data"].as_array().expect("facts").iter();
        facts.filter_map(|fact| fact["type"].as_str().map(str::to_owned)).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_happened_once_and_is_answered_as_such() {
    Fixture::new().each_commit_is_cut(|proxy| proxy.cut_reply_to(COMMIT)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_never_arrived_is_decided_again_and_happens_once() {
    Fixture::new().each_commit_is_cut(|proxy| proxy.cut_before(COMMIT)).await;
}
