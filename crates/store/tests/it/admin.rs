//! Projects and keys.

use std::time::Duration;

use countersign_core::ids::{KeyId, ProjectId};
use countersign_core::setting::{Put, Setting, SettingKey, SettingKind};
use countersign_core::store::KeyRecord;
use countersign_core::tenancy::{AdminAnswer, AdminChange, ApiKey, KeyKind, Project, TEST_CLOCK_MOST};
use countersign_core::tenant::Tenant;
use countersign_core::time::{Clock as _, Timestamp};

use crate::bench::Bench;

fn key(bench: &Bench, n: u8) -> ApiKey {
    ApiKey::new(KeyId::from_bytes([n; 16]), bench.requests.tenant, KeyKind::Secret, &[n; 32], false).0
}

pub(crate) async fn projects_and_keys_are_read_back(bench: &Bench) {
    bench.found().await;
    let made = Project { created_at: bench.clock.now(), ..bench.requests.project() };
    assert_eq!(bench.store.projects().await.unwrap(), std::slice::from_ref(&made));
    let wanted = key(bench, 1);
    let answer = bench.administer(AdminChange::CreateKey(wanted.clone())).await;
    let kept = ApiKey { created_at: bench.clock.now(), ..wanted };
    assert_eq!(answer, AdminAnswer::Key(kept.clone()));
    assert_eq!(bench.store.keys(made.id).await.unwrap(), std::slice::from_ref(&kept));
    let record = bench.store.key(kept.prefix.clone()).await.unwrap();
    assert_eq!(record, Some(KeyRecord { key: kept, project: made }));
    assert_eq!(bench.store.key("sk_live_unknown".to_owned()).await.unwrap(), None);
    assert!(bench.store.keys(ProjectId::from_bytes([9; 16])).await.unwrap().is_empty());
    bench.store.ready().await.unwrap();
}

pub(crate) async fn a_second_one_is_a_conflict(bench: &Bench) {
    bench.found().await;
    let again = Project { name: "Other".to_owned(), ..bench.requests.project() };
    assert_eq!(bench.administer(AdminChange::CreateProject(again)).await, AdminAnswer::Conflict);
    assert_eq!(bench.store.projects().await.unwrap()[0].name, "Test");
    bench.administer(AdminChange::CreateKey(key(bench, 1))).await;
    assert_eq!(bench.administer(AdminChange::CreateKey(key(bench, 1))).await, AdminAnswer::Conflict);
    let same_prefix = ApiKey { prefix: key(bench, 1).prefix, ..key(bench, 2) };
    assert_eq!(bench.administer(AdminChange::CreateKey(same_prefix)).await, AdminAnswer::Conflict);
    assert_eq!(bench.store.keys(bench.requests.tenant.project).await.unwrap().len(), 1);
}

pub(crate) async fn unknown_projects_and_keys_are_not_found(bench: &Bench) {
    let project = bench.requests.tenant.project;
    for change in [
        AdminChange::CreateKey(key(bench, 1)),
        AdminChange::RevokeKey(project, KeyId::from_bytes([1; 16])),
        AdminChange::AdvanceTestClock(project, 1),
        AdminChange::ClearOutbox(project),
        AdminChange::NoteReveal(bench.requests.tenant),
    ] {
        assert_eq!(bench.administer(change).await, AdminAnswer::NotFound);
    }
    bench.found().await;
    bench.administer(AdminChange::CreateKey(key(bench, 1))).await;
    let other = Project { id: ProjectId::from_bytes([0xd4; 16]), ..bench.requests.project() };
    bench.administer(AdminChange::CreateProject(other.clone())).await;
    let foreign = bench.administer(AdminChange::RevokeKey(other.id, key(bench, 1).id)).await;
    assert_eq!(foreign, AdminAnswer::NotFound);
    assert_eq!(bench.store.keys(project).await.unwrap()[0].revoked_at, None);
}

pub(crate) async fn a_revoked_key_keeps_its_first_time(bench: &Bench) {
    bench.found().await;
    bench.administer(AdminChange::CreateKey(key(bench, 1))).await;
    let revoke = || AdminChange::RevokeKey(bench.requests.tenant.project, key(bench, 1).id);
    let at = bench.clock.now();
    bench.administer(revoke()).await;
    bench.clock.advance(Duration::from_secs(60));
    let AdminAnswer::Key(again) = bench.administer(revoke()).await else { panic!("no key") };
    assert_eq!(again.revoked_at, Some(at));
    let record = bench.store.key(key(bench, 1).prefix).await.unwrap().unwrap();
    assert_eq!(record.key.revoked_at, Some(at));
}

pub(crate) async fn the_test_clock_only_goes_forward_within_its_bounds(bench: &Bench) {
    bench.found().await;
    let advance = |seconds| AdminChange::AdvanceTestClock(bench.requests.tenant.project, seconds);
    assert_eq!(bench.administer(advance(0)).await, AdminAnswer::Conflict);
    assert_eq!(bench.administer(advance(TEST_CLOCK_MOST + 1)).await, AdminAnswer::Conflict);
    for _ in 0..2 {
        let moved = bench.administer(advance(TEST_CLOCK_MOST / 2)).await;
        assert!(matches!(moved, AdminAnswer::Project(_)), "{moved:?}");
    }
    assert_eq!(bench.administer(advance(1)).await, AdminAnswer::Conflict);
    assert_eq!(bench.store.projects().await.unwrap()[0].test_clock_ahead, TEST_CLOCK_MOST);
}

pub(crate) async fn clearing_the_outbox_notes_the_time(bench: &Bench) {
    bench.found().await;
    let tenant: Tenant = bench.requests.tenant;
    bench.begin("ann@example.com").await;
    bench.clock.advance(Duration::from_secs(1));
    let now = bench.clock.now();
    bench.administer(AdminChange::ClearOutbox(tenant.project)).await;
    let cleared = bench.store.projects().await.unwrap()[0].outbox_cleared_at;
    assert_eq!(cleared, Some(now));
    assert!(bench.store.outbox(tenant, cleared, None, 10).await.unwrap().is_empty());
    bench.clock.advance(Duration::from_secs(1));
    bench.begin("ann@example.com").await;
    assert_eq!(bench.store.outbox(tenant, cleared, None, 10).await.unwrap().len(), 1);
}

pub(crate) async fn settings_are_kept_per_tenant_and_kind(bench: &Bench) {
    bench.found().await;
    let tenant = bench.requests.tenant;
    let setting = |kind, n: u8, body: u8| Setting {
        key: SettingKey { tenant, kind, id: [n; 16] },
        under: [9; 16],
        body: vec![body],
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
    };
    let put = |setting, how| bench.administer(AdminChange::PutSetting(setting, how));
    let service = |n, body| setting(SettingKind::Service, n, body);
    assert_eq!(put(service(1, 1), Put::Existing).await, AdminAnswer::NotFound);
    let AdminAnswer::Setting(made) = put(service(2, 1), Put::New).await else { panic!("not made") };
    assert_eq!((made.created_at, made.updated_at), (bench.clock.now(), bench.clock.now()));
    assert_eq!(put(service(2, 2), Put::New).await, AdminAnswer::Conflict);
    bench.clock.advance(Duration::from_secs(1));
    let AdminAnswer::Setting(changed) = put(service(2, 3), Put::Existing).await else {
        panic!("not changed")
    };
    assert_eq!((changed.created_at, changed.body.clone()), (made.created_at, vec![3]));
    assert!(changed.updated_at > made.updated_at);
    let AdminAnswer::Setting(first) = put(service(1, 4), Put::Any).await else { panic!("not made") };
    put(setting(SettingKind::Webhook, 1, 5), Put::New).await;
    let kept = bench.store.settings(tenant, SettingKind::Service).await.unwrap();
    assert_eq!(kept, [first.clone(), changed], "by id, and of one kind only");
    let other = Tenant { project: ProjectId::from_bytes([8; 16]), ..tenant };
    assert!(bench.store.settings(other, SettingKind::Service).await.unwrap().is_empty());
    let foreign = SettingKey { tenant: other, ..first.key };
    assert_eq!(bench.administer(AdminChange::RemoveSetting(foreign)).await, AdminAnswer::NotFound);
    assert_eq!(bench.administer(AdminChange::RemoveSetting(first.key)).await, AdminAnswer::Noted);
    assert_eq!(bench.administer(AdminChange::RemoveSetting(first.key)).await, AdminAnswer::NotFound);
    assert_eq!(bench.store.settings(tenant, SettingKind::Service).await.unwrap().len(), 1);
}
