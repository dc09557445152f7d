use super::*;
use crate::recipient::Recipient;

const TENANT: Tenant = Tenant { project: ProjectId::from_bytes([1; 16]), mode: Mode::Live };

fn route(channel: Channel, countries: &[&str], providers: &[&str]) -> Route {
    let countries = countries.iter().map(|country| country.parse().unwrap()).collect();
    Route { countries, ..Route::plain(channel, providers) }
}

fn routes() -> Routes {
    Routes::of(vec![
        route(Channel::Voice, &["DE"], &["caller"]),
        route(Channel::Sms, &["PL", "DE"], &["local"]),
        route(Channel::Sms, &[], &["world", "spare"]),
        route(Channel::Email, &[], &["relay"]),
    ])
}

fn prefixed(prefixes: &[&str], providers: &[&str]) -> Route {
    let prefixes = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
    Route { prefixes, ..Route::plain(Channel::Sms, providers) }
}

/// Asks about a recipient of the live tenant.
fn with<T>(to: &str, ask: impl FnOnce(&Wanted<'_>) -> T) -> T {
    let to = Recipient::parse(to).unwrap();
    ask(&Wanted { tenant: TENANT, purpose: Purpose::Authentication, to: to.by_ref() })
}

fn providers(routes: &Routes, channel: Channel, to: &str) -> Vec<String> {
    with(to, |wanted| routes.providers(wanted, channel, Lot(7)))
}

const POLAND: &str = "+48600100217";
const GERMANY: &str = "+4915123456789";
const FRANCE: &str = "+33612345678";

#[test]
fn routes_that_match_serve_in_their_order() {
    let routes = routes();
    assert_eq!(providers(&routes, Channel::Sms, POLAND), ["local", "world", "spare"]);
    assert_eq!(providers(&routes, Channel::Sms, FRANCE), ["world", "spare"]);
    assert_eq!(
        providers(&routes, Channel::Sms, "+881612345678"),
        ["world", "spare"],
        "a number of no country"
    );
    assert!(providers(&routes, Channel::Voice, POLAND).is_empty());
    assert!(providers(&routes, Channel::Whatsapp, POLAND).is_empty());
}

#[test]
fn the_longest_prefix_wins_whatever_the_order() {
    let routes = Routes::of(vec![
        route(Channel::Sms, &[], &["world"]),
        prefixed(&["+48"], &["poland"]),
        prefixed(&["+4860", "+4850"], &["mobile", "world"]),
        prefixed(&["+48600100218"], &["another"]),
    ]);
    assert_eq!(providers(&routes, Channel::Sms, POLAND), ["mobile", "world", "poland"]);
    assert_eq!(providers(&routes, Channel::Sms, "+48221234567"), ["poland", "world"]);
    assert_eq!(providers(&routes, Channel::Sms, FRANCE), ["world"]);
    let mail = Routes::of(vec![Route { channel: Channel::Email, ..prefixed(&["+48"], &["relay"]) }]);
    assert!(providers(&mail, Channel::Email, "a@example.com").is_empty(), "an address has no prefix");
}

#[test]
fn a_route_of_a_project_or_purpose_serves_no_other() {
    let of_project =
        Route { projects: vec![ProjectId::from_bytes([2; 16])], ..route(Channel::Sms, &[], &["a"]) };
    let of_purpose = Route { purposes: vec![Purpose::Recovery], ..route(Channel::Sms, &[], &["b"]) };
    let routes = Routes::of(vec![of_project, of_purpose]);
    assert!(providers(&routes, Channel::Sms, POLAND).is_empty());
    let to = Recipient::parse(POLAND).unwrap();
    let tenant = Tenant { project: ProjectId::from_bytes([2; 16]), mode: Mode::Live };
    let wanted = Wanted { tenant, purpose: Purpose::Recovery, to: to.by_ref() };
    assert_eq!(routes.providers(&wanted, Channel::Sms, Lot(0)), ["a", "b"]);
}

#[test]
fn auto_prefers_the_most_specific_route_that_reaches() {
    let routes = routes();
    let channels = |to| with(to, |wanted| routes.channels(wanted));
    assert_eq!(channels(GERMANY), [Channel::Voice, Channel::Sms]);
    assert_eq!(channels(POLAND), [Channel::Sms]);
    assert_eq!(channels("a@example.com"), [Channel::Email]);
    assert!(with(POLAND, |wanted| Routes::default().channels(wanted)).is_empty());
    let narrow = Routes::of(vec![
        route(Channel::Sms, &[], &["a"]),
        Route { channel: Channel::Voice, ..prefixed(&["+4822"], &["caller"]) },
    ]);
    assert_eq!(with("+48221234567", |wanted| narrow.channels(wanted)), [Channel::Voice, Channel::Sms]);
}

#[test]
fn test_mode_reaches_the_outbox_and_nothing_else() {
    for routes in [routes(), Routes::default()] {
        for to in [POLAND, "a@example.com"] {
            let to = Recipient::parse(to).unwrap();
            let tenant = Tenant { mode: Mode::Test, ..TENANT };
            let wanted = Wanted { tenant, purpose: Purpose::Authentication, to: to.by_ref() };
            let channels = routes.channels(&wanted);
            assert!(!channels.is_empty() && channels.iter().all(|channel| channel.reaches(to.kind())));
            for channel in channels {
                assert_eq!(routes.providers(&wanted, channel, Lot(0)), [TEST_OUTBOX]);
            }
        }
    }
}

/// One tier of two providers and one behind it.
fn shared() -> Vec<Route> {
    let candidate = |provider: &str, weight| Candidate {
        provider: provider.to_owned(),
        weight,
        senders: Senders::default(),
    };
    let tiers = vec![Tier(vec![candidate("a", 70), candidate("b", 30)]), Tier(vec![candidate("c", 1)])];
    vec![Route { tiers, ..Route::plain(Channel::Sms, &[]) }]
}

fn first_of(routes: &Routes, provider: &str) -> usize {
    let first = |lot| with(POLAND, |wanted| routes.providers(wanted, Channel::Sms, Lot(lot)))[0] == provider;
    (0..10_000).filter(|lot| first(*lot)).count()
}

#[test]
fn the_providers_of_a_tier_share_by_weight_and_the_next_tier_stays_behind() {
    let routes = Routes::of(shared());
    assert!((6_800..7_200).contains(&first_of(&routes, "a")));
    for lot in 0..100 {
        let order = with(POLAND, |wanted| routes.providers(wanted, Channel::Sms, Lot(lot)));
        assert_eq!((order.len(), order[2].as_str()), (3, "c"));
    }
}

#[test]
fn health_moves_shares_and_an_open_circuit_goes_last() {
    let rating = |health, open| {
        let open_until = bool::then_some(open, crate::time::Timestamp::from_millis(9));
        Rating { health, open_until, ..Rating::default() }
    };
    let standing = |health, open| Arc::new(Standing([("a".to_owned(), rating(health, open))].into()));
    let weak = Routes { standing: standing(100, false), ..Routes::of(shared()) };
    assert!((1_700..2_100).contains(&first_of(&weak, "a")), "7 against 30");
    let open = Routes { standing: standing(FULL, true), ..Routes::of(shared()) };
    assert_eq!(providers(&open, Channel::Sms, POLAND), ["b", "c", "a"]);
}

#[test]
fn a_provider_that_is_switched_off_carries_nothing() {
    let disabled = Arc::new(BTreeSet::from(["local".to_owned(), "relay".to_owned()]));
    let routes = Routes { disabled, ..routes() };
    assert_eq!(providers(&routes, Channel::Sms, POLAND), ["world", "spare"]);
    assert!(with("a@example.com", |wanted| routes.channels(wanted)).is_empty());
}

#[test]
fn the_sender_is_the_nearest_that_is_named() {
    let senders = |country: &str, of_country: &str, elsewhere: Option<&str>| Senders {
        of_country: [(country.parse().unwrap(), of_country.to_owned())].into(),
        elsewhere: elsewhere.map(str::to_owned),
    };
    let mut table = shared();
    table[0].senders = senders("PL", "ROUTE PL", Some("ROUTE"));
    table[0].tiers[0].0[0].senders = senders("FR", "A FR", None);
    table[0].tiers[0].0[1].senders = senders("PL", "B PL", Some("B"));
    let routes = Routes::of(table);
    let sender =
        |to, provider| with(to, |wanted| routes.sender(wanted, Channel::Sms, provider).map(str::to_owned));
    for (to, provider, expected) in [
        (POLAND, "a", Some("ROUTE PL")),
        (FRANCE, "a", Some("A FR")),
        (GERMANY, "a", Some("ROUTE")),
        (POLAND, "b", Some("B PL")),
        (FRANCE, "b", Some("B")),
        (POLAND, "nobody", None),
    ] {
        assert_eq!(sender(to, provider).as_deref(), expected, "{to} {provider}");
    }
}

#[test]
fn an_explanation_names_every_route_and_every_step() {
    let mut table = shared();
    table.push(prefixed(&["+4860"], &["mobile"]));
    table.push(route(Channel::Sms, &["DE"], &["germany"]));
    table.push(Route { purposes: vec![Purpose::Recovery], ..route(Channel::Voice, &["PL"], &["caller"]) });
    let routes = Routes::of(table);
    let to = Recipient::parse(POLAND).unwrap();
    let wanted = Wanted { tenant: TENANT, purpose: Purpose::Authentication, to: to.by_ref() };
    let explained = routes.explain(&wanted, None);
    assert_eq!(explained.channel, Some(Channel::Sms));
    let why: Vec<_> = explained.routes.iter().map(|considered| considered.mismatches.as_slice()).collect();
    let expected: [&[Mismatch]; 4] =
        [&[], &[], &[Mismatch::Country], &[Mismatch::Channel, Mismatch::Purpose]];
    assert_eq!(why, expected);
    assert_eq!(explained.routes[0].route.tiers[0].0[0].provider, "mobile", "the longest prefix is the route");
    let steps: Vec<_> =
        explained.steps.iter().map(|step| (step.candidate.provider.as_str(), step.share)).collect();
    assert_eq!(steps, [("mobile", 1000), ("a", 700), ("b", 300), ("c", 1000)]);
    let nothing = routes.explain(&wanted, Some(Channel::Whatsapp));
    assert!(nothing.steps.is_empty() && nothing.routes.iter().all(|route| !route.mismatches.is_empty()));
}
