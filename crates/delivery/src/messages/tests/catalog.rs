use super::*;
use crate::messages::catalog::Catalog;

#[test]
fn there_are_twelve_languages_and_more() {
    let languages = languages().expect("a catalogue");
    assert_eq!(languages.first(), Some(&"en"));
    assert!(languages.len() >= 12, "{languages:?}");
}

#[test]
fn a_wish_gets_the_nearest_language() {
    let cases = [
        ("en", "en"),
        ("pt-BR", "pt-BR"),
        ("PT-br", "pt-BR"),
        ("pt_BR.UTF-8", "pt-BR"),
        ("pt-AO", "pt"),
        ("es-419", "es"),
        ("de-CH-1996", "de"),
        ("zh-TW", "zh-Hant"),
        ("zh-Hant-HK", "zh-Hant"),
        ("zh-CN", "zh"),
        ("iw", "he"),
        ("ar-EG", "ar"),
        ("x-klingon", "en"),
        ("tlh", "en"),
        ("", "en"),
        ("-", "en"),
        ("de\r\nX: y", "en"),
    ];
    for (wish, tag) in cases {
        assert_eq!(negotiate(wish), Ok(tag), "{wish:?}");
    }
}

/// Each is one change to the English file that must not load, and a word of the complaint.
#[test]
fn a_file_that_breaks_a_rule_is_refused() {
    let english = include_str!("../../../locales/en.toml");
    let cases = [
        (
            "{{ code }} is your {{ brand }} sign-in",
            "Your {{ brand }} code {{ code }} for sign-in",
            "start with",
        ),
        ("{{ code }} is your {{ brand }} sign-in", "{{ code }} is your sign-in", "print exactly"),
        ("{{ code }} is your {{ brand }} sign-in", "{{ code }} is your {{ brnd }} sign-in", "print exactly"),
        ("to {{ payee }} at", "at", "print exactly"),
        ("works for {{ minutes }}", "works", "print exactly"),
        ("even with our staff", "see https://x", "must not contain"),
        ("even with our staff", "even with <b>staff</b>", "must not contain"),
        ("Your {{ brand }} sign-in code", "{{ code }} is your {{ brand }} code", "print exactly"),
        ("other = \"{{ n }} minutes\"", "", "minutes.other is missing"),
        ("other = \"{{ n }} minutes\"", "other = \"{{ n }} {{ n }}\"", "once"),
        ("other = \"{{ n }} minutes\"", "other = \"{{ n }} minutes\"\nlots = \"m\"", "CLDR"),
        ("tag = \"en\"", "tag = \"e\"", "BCP 47"),
        ("tag = \"en\"", "tag = \"en\"\ncolour = \"red\"", "unknown field"),
        ("tag = \"en\"", "tag = \"en\"\nalso = [\"en\"]", "taken"),
        ("It works for", "{% if x %}It works for", "must not contain"),
    ];
    for (text, change, complaint) in cases {
        let broken = english.replacen(text, change, 1);
        assert_ne!(broken, english, "the case must change something: {text:?}");
        let problem = Catalog::load(&[&broken]).map(|_| ()).expect_err(change);
        assert!(problem.contains(complaint), "{change:?}: {problem}");
    }
}

#[test]
fn a_catalogue_without_languages_is_refused() {
    assert!(Catalog::load(&[]).is_err());
}
