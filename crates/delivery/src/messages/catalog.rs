//! The languages: read from their files once, checked, compiled.
//!
//! Adding a language is adding `locales/<tag>.toml` and one line in [`FILES`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

use icu_plurals::{PluralCategory, PluralRules};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};
use serde::Deserialize;

use super::amount::AmountStyle;
use super::negotiate::TagIndex;
use super::template::{Part, Slot, source};
use super::voice::VoiceWords;
use super::{Purpose, RenderError};
use crate::limits;

/// English is first: it is what an unknown tag gets.
pub(super) const FILES: [&str; 23] = [
    include_str!("../../locales/en.toml"),
    include_str!("../../locales/ar.toml"),
    include_str!("../../locales/cs.toml"),
    include_str!("../../locales/de.toml"),
    include_str!("../../locales/el.toml"),
    include_str!("../../locales/es.toml"),
    include_str!("../../locales/fr.toml"),
    include_str!("../../locales/he.toml"),
    include_str!("../../locales/hi.toml"),
    include_str!("../../locales/id.toml"),
    include_str!("../../locales/it.toml"),
    include_str!("../../locales/ja.toml"),
    include_str!("../../locales/ko.toml"),
    include_str!("../../locales/nl.toml"),
    include_str!("../../locales/pl.toml"),
    include_str!("../../locales/pt.toml"),
    include_str!("../../locales/pt-BR.toml"),
    include_str!("../../locales/ru.toml"),
    include_str!("../../locales/sv.toml"),
    include_str!("../../locales/tr.toml"),
    include_str!("../../locales/uk.toml"),
    include_str!("../../locales/zh.toml"),
    include_str!("../../locales/zh-Hant.toml"),
];

/// Where the number stands in a phrase of minutes.
const COUNT: &str = "{{ n }}";

/// The alphabet a language's short messages are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SmsAlphabet {
    /// Letters that GSM-7 lacks are written without their marks.
    Gsm7,
    /// As the text stands.
    Unicode,
}

/// The direction of a language's script.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Direction {
    #[default]
    Ltr,
    Rtl,
}

impl Direction {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ltr => "ltr",
            Self::Rtl => "rtl",
        }
    }
}

/// One file of `locales/`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LanguageFile {
    /// BCP 47 tag.
    pub(crate) tag: String,
    /// What its speakers call it; for people who read the file.
    #[serde(rename = "name")]
    _name: String,
    /// Other tags that this file serves.
    #[serde(default)]
    also: Vec<String>,
    #[serde(default)]
    pub(crate) direction: Direction,
    /// What stands between two sentences.
    #[serde(default = "one_space")]
    pub(crate) sentence_gap: String,
    sms: SmsAlphabet,
    amount: AmountStyle,
    /// Phrases by CLDR plural category.
    minutes: BTreeMap<String, String>,
    pub(crate) sentence: Sentences,
    pub(crate) email: EmailWords,
    push: PushWords,
    pub(crate) voice: VoiceWords,
}

fn one_space() -> String {
    " ".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sentences {
    authentication: String,
    pub(crate) confirm_phone: String,
    pub(crate) confirm_email: String,
    recovery: String,
    transaction: String,
    pub(crate) expiry: String,
    pub(crate) never_share: String,
}

impl Sentences {
    /// The sentence that carries the code; to confirm an address it names the kind of address.
    pub(crate) fn lead<'a>(&'a self, purpose: Purpose, confirm: &'a str) -> &'a str {
        match purpose {
            Purpose::Authentication => &self.authentication,
            Purpose::AddressValidation => confirm,
            Purpose::Recovery => &self.recovery,
            Purpose::Transaction => &self.transaction,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmailWords {
    /// What to do with a code nobody asked for.
    pub(crate) unrequested: String,
    pub(crate) amount: String,
    pub(crate) payee: String,
    pub(crate) reference: String,
    pub(crate) subject: Subjects,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Subjects {
    authentication: String,
    confirm_email: String,
    recovery: String,
    transaction: String,
}

impl Subjects {
    pub(crate) fn of(&self, purpose: Purpose) -> &str {
        match purpose {
            Purpose::Authentication => &self.authentication,
            Purpose::AddressValidation => &self.confirm_email,
            Purpose::Recovery => &self.recovery,
            Purpose::Transaction => &self.transaction,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PushWords {
    /// That somebody asks, and that the app says what: it stands on locked screens, so it tells no more.
    open: String,
}

/// A language ready to write messages.
#[derive(Debug)]
pub(crate) struct Language {
    pub(crate) tag: String,
    pub(crate) sms: SmsAlphabet,
    pub(crate) amount: AmountStyle,
    pub(crate) voice: VoiceWords,
    /// What a wake-up says.
    pub(crate) open_app: String,
    /// Template names by part and purpose, so that sending formats none.
    slots: HashMap<Slot, String>,
    /// Plural category of each number of minutes that can occur, from 0.
    plurals: Vec<PluralCategory>,
    minutes: BTreeMap<String, String>,
}

impl Language {
    /// `1 minute`, `10 minutes`, `5 minut`: the form that the number takes in this language.
    pub(crate) fn minutes(&self, count: u32) -> String {
        let category = self.plurals.get(count as usize).copied().unwrap_or(PluralCategory::Other);
        let phrase = self.minutes.get(category_name(category)).map_or(COUNT, String::as_str);
        phrase.replace(COUNT, &count.to_string())
    }
}

/// All languages and their compiled templates.
#[derive(Debug)]
pub(crate) struct Catalog {
    languages: Vec<Language>,
    tags: TagIndex,
    templates: Environment<'static>,
}

/// The catalogue, read at the first call.
pub(crate) fn catalog() -> Result<&'static Catalog, RenderError> {
    static CATALOG: LazyLock<Result<Catalog, String>> = LazyLock::new(|| Catalog::load(&FILES));
    CATALOG.as_ref().map_err(|problem| RenderError::Catalog(problem.clone()))
}

impl Catalog {
    pub(crate) fn load(files: &[&str]) -> Result<Self, String> {
        let mut catalog = Self { languages: Vec::new(), tags: TagIndex::default(), templates: environment() };
        for text in files {
            catalog.add(text)?;
        }
        if catalog.languages.is_empty() { Err("no language".to_owned()) } else { Ok(catalog) }
    }

    pub(crate) fn languages(&self) -> &[Language] {
        &self.languages
    }

    pub(crate) fn negotiate(&self, wish: &str) -> &Language {
        &self.languages[self.tags.lookup(wish).unwrap_or(0)]
    }

    pub(crate) fn fill(&self, language: &Language, slot: Slot, words: Value) -> Result<String, RenderError> {
        let name = language.slots.get(&slot).map_or("", String::as_str);
        let filled = self.templates.get_template(name).and_then(|template| template.render(words));
        // The error of the engine is not repeated: it may quote the values, and one of them is the code.
        filled.map_err(|problem| RenderError::Catalog(format!("{name}: {}", problem.kind())))
    }

    fn add(&mut self, text: &str) -> Result<(), String> {
        let file: LanguageFile = toml::from_str(text).map_err(|problem| problem.to_string())?;
        let tag = file.tag.clone();
        let plurals = check(&file).map_err(|problem| format!("{tag}: {problem}"))?;
        let position = self.languages.len();
        for alias in file.also.iter().chain([&tag]) {
            if !self.tags.add(alias, position) {
                return Err(format!("{tag}: the tag {alias} is taken"));
            }
        }
        let mut slots = HashMap::new();
        for slot in all_slots() {
            let name = slot.name(&tag);
            self.templates
                .add_template_owned(name.clone(), source(&file, slot))
                .map_err(|problem| format!("{name}: {problem}"))?;
            slots.insert(slot, name);
        }
        let LanguageFile { sms, amount, minutes, voice, push, .. } = file;
        self.languages.push(Language {
            tag,
            sms,
            amount,
            voice,
            open_app: push.open,
            slots,
            plurals,
            minutes,
        });
        Ok(())
    }
}

fn all_slots() -> impl Iterator<Item = Slot> {
    let of = |part| Purpose::ALL.iter().map(move |purpose| Slot { part, purpose: *purpose });
    Part::ALL.into_iter().flat_map(of)
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_debug(false);
    environment.set_fuel(Some(limits::TEMPLATE_FUEL));
    environment.set_auto_escape_callback(|name| match name.ends_with(".html") {
        true => AutoEscape::Html,
        false => AutoEscape::None,
    });
    environment
}

/// Holds a file to the rules that make a message what its readers may rely on.
fn check(file: &LanguageFile) -> Result<Vec<PluralCategory>, String> {
    let sentence = &file.sentence;
    for (key, text) in [
        ("authentication", &sentence.authentication),
        ("confirm_phone", &sentence.confirm_phone),
        ("confirm_email", &sentence.confirm_email),
        ("recovery", &sentence.recovery),
    ] {
        check_lead(key, text, &["brand", "code"])?;
    }
    check_lead("transaction", &sentence.transaction, &["amount", "brand", "code", "payee"])?;
    check_text("expiry", &sentence.expiry, &["minutes"])?;
    check_text("never_share", &sentence.never_share, &[])?;
    check_text("push.open", &file.push.open, &[])?;
    check_text("unrequested", &file.email.unrequested, &["brand"])?;
    check_text("voice.confirm_phone", &file.voice.confirm_phone, &["brand"])?;
    for spoken in file.voice.digits.iter().chain([&file.voice.again, &file.voice.language]) {
        check_text("voice", spoken, &[])?;
    }
    for label in [&file.email.amount, &file.email.payee, &file.email.reference] {
        check_text("label", label, &[])?;
    }
    for purpose in Purpose::ALL.iter().copied() {
        check_text("subject", file.email.subject.of(purpose), &["brand"])?;
    }
    check_minutes(file)
}

fn check_lead(key: &str, text: &str, values: &[&str]) -> Result<(), String> {
    // The space makes the code a word of its own in every script, and keeps `{{ brand }}` off it.
    if !text.starts_with("{{ code }} ") {
        return Err(format!("{key} must start with the code and a space"));
    }
    check_text(key, text, values)
}

fn check_text(key: &str, text: &str, values: &[&str]) -> Result<(), String> {
    // Texts go into HTML as they are, so they hold nothing that HTML would read; and no address.
    if let Some(wrong) = text.chars().find(|c| c.is_control() || "<>&%#@/".contains(*c)) {
        return Err(format!("{key} must not contain {wrong:?}"));
    }
    if text.trim() != text || text.is_empty() {
        return Err(format!("{key} must not be empty or start or end with a space"));
    }
    let environment = environment();
    let template = environment.template_from_str(text).map_err(|problem| format!("{key}: {problem}"))?;
    let used: BTreeSet<String> = template.undeclared_variables(true).into_iter().collect();
    let wanted: BTreeSet<String> = values.iter().map(|value| (*value).to_owned()).collect();
    if used == wanted {
        Ok(())
    } else {
        Err(format!("{key} must print exactly {wanted:?}, it prints {used:?}"))
    }
}

/// Every number of minutes that can occur has its phrase; answers their categories.
fn check_minutes(file: &LanguageFile) -> Result<Vec<PluralCategory>, String> {
    let locale: icu_locale_core::Locale = file.tag.parse().map_err(|_| "the tag is not BCP 47".to_owned())?;
    let rules = PluralRules::try_new_cardinal(locale.into()).map_err(|problem| problem.to_string())?;
    if let Some(unknown) = file.minutes.keys().find(|key| PluralCategory::get_for_cldr_string(key).is_none())
    {
        return Err(format!("minutes.{unknown} is not a CLDR plural category"));
    }
    for (category, phrase) in &file.minutes {
        if phrase.matches(COUNT).count() > 1 || phrase.replace(COUNT, "").contains(['{', '}', '<', '&']) {
            return Err(format!("minutes.{category} may only hold {COUNT} once"));
        }
    }
    let categories: Vec<_> = (0..=limits::MAX_MINUTES).map(|count| rules.category_for(count)).collect();
    match categories.iter().skip(1).map(|c| category_name(*c)).find(|name| !file.minutes.contains_key(*name))
    {
        Some(missing) => Err(format!("minutes.{missing} is missing")),
        None => Ok(categories),
    }
}

const fn category_name(category: PluralCategory) -> &'static str {
    match category {
        PluralCategory::Zero => "zero",
        PluralCategory::One => "one",
        PluralCategory::Two => "two",
        PluralCategory::Few => "few",
        PluralCategory::Many => "many",
        PluralCategory::Other => "other",
    }
}
