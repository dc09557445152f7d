use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, PhoneNumberType};

use super::super::{LineType, Phone};
use super::*;
use LineType::*;

/// What was typed, E.164, country ("" for none), line type, masked form.
pub(super) type Row = (&'static str, &'static str, &'static str, LineType, &'static str);

pub(super) const NUMBERS: &[Row] = &[
    // Europe
    ("+48 600 100 217", "+48600100217", "PL", Mobile, "+48••••••17"),
    ("+44 7400 123456", "+447400123456", "GB", Mobile, "+44••••••56"),
    ("+44 20 7946 0958", "+442079460958", "GB", FixedLine, "+44••••••58"),
    ("+44 7781 123456", "+447781123456", "GG", Mobile, "+44••••••56"),
    ("+49 1512 3456789", "+4915123456789", "DE", Mobile, "+49••••••89"),
    ("+49 30 123456", "+4930123456", "DE", FixedLine, "+49••••••56"),
    ("+33 6 12 34 56 78", "+33612345678", "FR", Mobile, "+33••••••78"),
    ("+34 612 34 56 78", "+34612345678", "ES", Mobile, "+34••••••78"),
    ("+351 912 345 678", "+351912345678", "PT", Mobile, "+351••••••78"),
    ("+39 312 345 6789", "+393123456789", "IT", Mobile, "+39••••••89"),
    ("+39 02 1234 5678", "+390212345678", "IT", FixedLine, "+39••••••78"),
    ("+39 06 6982 1234", "+390669821234", "VA", FixedLine, "+39••••••34"),
    ("+378 66 66 12 12", "+37866661212", "SM", Mobile, "+378••••••12"),
    ("+41 78 123 45 67", "+41781234567", "CH", Mobile, "+41••••••67"),
    ("+43 664 123456", "+43664123456", "AT", Mobile, "+43••••••56"),
    ("+31 6 12345678", "+31612345678", "NL", Mobile, "+31••••••78"),
    ("+32 470 12 34 56", "+32470123456", "BE", Mobile, "+32••••••56"),
    ("+353 85 012 3456", "+353850123456", "IE", Mobile, "+353••••••56"),
    ("+46 70 123 45 67", "+46701234567", "SE", Mobile, "+46••••••67"),
    ("+47 40 61 23 45", "+4740612345", "NO", Mobile, "+47••••••45"),
    ("+354 611 1234", "+3546111234", "IS", Mobile, "+354••••••34"),
    ("+358 41 2345678", "+358412345678", "FI", Mobile, "+358••••••78"),
    ("+36 20 123 4567", "+36201234567", "HU", Mobile, "+36••••••67"),
    ("+30 691 234 5678", "+306912345678", "GR", Mobile, "+30••••••78"),
    ("+380 50 123 4567", "+380501234567", "UA", Mobile, "+380••••••67"),
    ("+383 43 201 234", "+38343201234", "XK", Mobile, "+383••••••34"),
    ("+90 501 234 56 78", "+905012345678", "TR", Mobile, "+90••••••78"),
    // one calling code, several countries
    ("+7 912 345-67-89", "+79123456789", "RU", Mobile, "+7••••••89"),
    ("+7 771 000 9998", "+77710009998", "KZ", Mobile, "+7••••••98"),
    ("+1 201-555-0123", "+12015550123", "US", FixedLineOrMobile, "+1••••••23"),
    ("+1 (506) 234-5678", "+15062345678", "CA", FixedLineOrMobile, "+1••••••78"),
    ("+1 876-210-1234", "+18762101234", "JM", Mobile, "+1••••••34"),
    // Americas
    ("+52 222 123 4567", "+522221234567", "MX", FixedLineOrMobile, "+52••••••67"),
    ("+54 9 11 2345-6789", "+5491123456789", "AR", Mobile, "+54••••••89"),
    ("+54 11 2345-6789", "+541123456789", "AR", FixedLine, "+54••••••89"),
    ("+55 11 96123-4567", "+5511961234567", "BR", Mobile, "+55••••••67"),
    ("+57 321 1234567", "+573211234567", "CO", Mobile, "+57••••••67"),
    ("+51 912 345 678", "+51912345678", "PE", Mobile, "+51••••••78"),
    // Asia and Oceania
    ("+91 81234 56789", "+918123456789", "IN", Mobile, "+91••••••89"),
    ("+86 131 2345 6789", "+8613123456789", "CN", Mobile, "+86••••••89"),
    ("+852 5123 4567", "+85251234567", "HK", Mobile, "+852••••••67"),
    ("+81 90-1234-5678", "+819012345678", "JP", Mobile, "+81••••••78"),
    ("+82 10-2000-0000", "+821020000000", "KR", Mobile, "+82••••••00"),
    ("+62 812-345-678", "+62812345678", "ID", Mobile, "+62••••••78"),
    ("+65 8123 4567", "+6581234567", "SG", Mobile, "+65••••••67"),
    ("+972 50-234-5678", "+972502345678", "IL", Mobile, "+972••••••78"),
    ("+971 50 123 4567", "+971501234567", "AE", Mobile, "+971••••••67"),
    ("+966 51 234 5678", "+966512345678", "SA", Mobile, "+966••••••78"),
    ("+61 412 345 678", "+61412345678", "AU", Mobile, "+61••••••78"),
    ("+64 21 123 4567", "+64211234567", "NZ", Mobile, "+64••••••67"),
    ("+690 7290", "+6907290", "TK", Mobile, "+690••••••90"),
    // Africa; some plans keep a leading zero in E.164
    ("+27 71 123 4567", "+27711234567", "ZA", Mobile, "+27••••••67"),
    ("+234 802 123 4567", "+2348021234567", "NG", Mobile, "+234••••••67"),
    ("+254 712 123456", "+254712123456", "KE", Mobile, "+254••••••56"),
    ("+20 10 01234567", "+201001234567", "EG", Mobile, "+20••••••67"),
    ("+225 01 23 45 6789", "+2250123456789", "CI", Mobile, "+225••••••89"),
    ("+242 06 123 4567", "+242061234567", "CG", Mobile, "+242••••••67"),
    ("+229 01 95 12 34 56", "+2290195123456", "BJ", Mobile, "+229••••••56"),
    // numbers of no country
    ("+800 1234 5678", "+80012345678", "", TollFree, "+800••••••78"),
    ("+870 301 234 567", "+870301234567", "", Mobile, "+870••••••67"),
    ("+883 510 012 345", "+883510012345", "", Voip, "+883••••••45"),
    ("+979 1 2345 6789", "+979123456789", "", PremiumRate, "+979••••••89"),
    // lines that hardly take a code; whether they may is policy
    ("+1 900-234-5678", "+19002345678", "US", PremiumRate, "+1••••••78"),
    ("+1 800-234-5678", "+18002345678", "US", TollFree, "+1••••••78"),
    ("+44 76 4012 3456", "+447640123456", "GB", Pager, "+44••••••56"),
    ("+48 801 234 567", "+48801234567", "PL", SharedCost, "+48••••••67"),
    ("+44 55 1234 5678", "+445512345678", "GB", Other, "+44••••••78"),
];

#[test]
fn numbers_of_many_countries() {
    for (typed, e164, country, line_type, masked) in NUMBERS {
        let phone = recipient(typed);
        assert_eq!(phone.canonical(), *e164, "{typed}");
        assert_eq!(phone.folded(), *e164, "{typed}");
        assert_eq!(phone.country().as_ref().map_or("", Country::as_str), *country, "{typed}");
        assert_eq!(phone.line_type(), Some(*line_type), "{typed}");
        assert_eq!(phone.masked(), *masked, "{typed}");
        assert_eq!(Recipient::parse(e164), Ok(phone), "{typed}");
    }
}

/// Touches every pattern of the metadata, so none of them can fail to compile in production.
#[test]
fn example_numbers_of_every_region_and_type() {
    let types = [
        PhoneNumberType::Mobile,
        PhoneNumberType::FixedLine,
        PhoneNumberType::TollFree,
        PhoneNumberType::PremiumRate,
        PhoneNumberType::SharedCost,
        PhoneNumberType::VoIP,
        PhoneNumberType::PersonalNumber,
        PhoneNumberType::Pager,
        PhoneNumberType::UAN,
        PhoneNumberType::VoiceMail,
    ];
    let mut seen = 0;
    for region in PHONE_NUMBER_UTIL.get_supported_regions() {
        for number_type in types {
            if let Ok(example) = PHONE_NUMBER_UTIL.get_example_number_for_type_and_region(region, number_type)
            {
                let e164 = example.format_as(PhoneNumberFormat::E164);
                assert_eq!(canonical(&e164), e164);
                seen += 1;
            }
        }
    }
    assert!(seen > 900, "only {seen} examples");
}

/// What lets the parser ask for the type alone: a number is valid exactly when it has one.
#[test]
fn a_number_is_valid_exactly_when_its_type_is_known() {
    for region in PHONE_NUMBER_UTIL.get_supported_regions() {
        let Ok(example) = PHONE_NUMBER_UTIL.get_example_number(region) else { continue };
        for change in [0, 1, 7, 1_000, 500_000] {
            let mut number = example.clone();
            number.national_number += change;
            let (known, valid) = (number.get_type() != PhoneNumberType::Unknown, number.is_valid());
            assert_eq!(known, valid, "{region:?} {change}");
        }
    }
}

#[test]
fn spellings_of_one_number_are_equal() {
    let spellings = [
        "+48600100217",
        "  +48600100217 ",
        "+48 600 100 217",
        "+48-600-100-217",
        "+48.600.100.217",
        "+48/600/100/217",
        "+48 (600) 100-217",
        "(+48) 600 100 217",
        "[+48] 600 100 217",
        "+ 48 6 0 0 1 0 0 2 1 7",
        "+48\u{a0}600\u{2009}100\u{202f}217",
        "+48\u{2010}600\u{2011}100\u{2013}217",
        "+48\u{2212}600\u{2014}100\u{ff0d}217",
        "+48\u{b7}600\u{ff0e}100\u{2024}217",
        "+48\u{200b}600\u{200d}100\u{feff}217",
        "\u{202a}+48 600 100 217\u{202c}",
        "\u{200e}+48\u{200f}600\u{2066}100217\u{2069}",
        "＋４８６００１００２１７",
        "＋４８（６００）１００－２１７",
        "+٤٨٦٠٠١٠٠٢١٧",
        "+۴۸۶۰۰۱۰۰۲۱۷",
        "+४८६००१००२१७",
        "+48 𝟞𝟘𝟘 100 217",
    ];
    let expected = recipient("+48600100217");
    for spelling in spellings {
        assert_eq!(recipient(spelling), expected, "{spelling:?}");
    }
}

#[test]
fn trunk_prefixes_go_and_leading_zeros_that_belong_to_the_number_stay() {
    assert_eq!(canonical("+44 (0)20 7946 0958"), "+442079460958");
    assert_eq!(canonical("+49 (0)1512 3456789"), "+4915123456789");
    assert_eq!(canonical("+33 (0)6 12 34 56 78"), "+33612345678");
    assert_eq!(canonical("+39 02 1234 5678"), "+390212345678");
    assert_ne!(Recipient::parse("+39 2 1234 5678").ok(), Some(recipient("+39 02 1234 5678")));
}

#[test]
fn argentine_fifteen_becomes_the_international_nine() {
    assert_eq!(canonical("+54 9 11 2345 6789"), "+5491123456789");
    assert_eq!(canonical("+54 11 15 2345 6789"), "+5491123456789");
    assert_eq!(canonical("+54 011 15 2345 6789"), "+5491123456789");
}

#[test]
fn mexican_mobile_one_is_gone_since_2019() {
    assert_eq!(canonical("+52 55 1234 5678"), "+525512345678");
    assert_eq!(refusal("+52 1 55 1234 5678"), RecipientError::PhoneInvalid);
}

#[test]
fn national_and_double_zero_forms_are_refused() {
    for input in
        ["0048600100217", "48600100217", "600 100 217", "(600) 100-217", "٠٠٤٨٦٠٠", "1-800-FLOWERS", "112"]
    {
        assert_eq!(refusal(input), RecipientError::PhoneNotInternational, "{input}");
    }
}

#[test]
fn letters_extensions_and_other_characters_are_refused() {
    let inputs = [
        "+1 800 FLOWERS",
        "+1 800 flowers",
        "+48 600 100 217 ext. 5",
        "+48600100217;ext=5",
        "+48600100217;phone-context=example.com",
        "+48600100217x5",
        "+48600100217#5",
        "+48600100217,5",
        "+48600100217*",
        "+48600100217 доб. 5",
        "+48600100217+48600100218",
        "++48600100217",
        "+48 600 100 2l7",
        "+48 6oo 1oo 217",
        "+48 600 100 21²",
        "+48 600 100 21⑦",
        "+48 600 100 21七",
        "+48:600100217",
        "+48~600100217",
        "+48_600100217",
        "+48600100217'--",
        "+48600100217\u{301}",
    ];
    for input in inputs {
        assert_eq!(refusal(input), RecipientError::PhoneCharacter, "{input}");
    }
    assert_eq!(refusal("tel:+48600100217"), RecipientError::NotAnAddress);
    assert_eq!(refusal("Ann +48600100217"), RecipientError::NotAnAddress);
}

#[test]
fn numbers_outside_the_numbering_plan_are_refused() {
    let inputs = [
        "+",
        "+4",
        "+48",
        "+48 600",
        "+48 600 100 21",
        "+48 600 100 2177",
        "+48 000 000 000",
        "+0 600 100 217",
        "+00 48 600 100 217",
        "+210 600 100 217",
        "+999 600 100 217",
        "+1 000 555 0100",
        "+1 212 055 0100",
        "+44 7400 12345",
        "+112",
        "+1234567890123456789012345678901234567890",
    ];
    for input in inputs {
        assert_eq!(refusal(input), RecipientError::PhoneInvalid, "{input}");
    }
}

/// A number of a possible length that is assigned to nobody must not pass.
#[test]
fn possible_is_not_enough() {
    let unassigned = PHONE_NUMBER_UTIL.parse("+48100100217", None).unwrap();
    assert!(unassigned.is_possible_with_reason().is_ok());
    assert_eq!(refusal("+48100100217"), RecipientError::PhoneInvalid);
}

#[test]
fn input_may_have_sixty_four_bytes() {
    let padded = |length: usize| format!("+48600100217{}", " ".repeat(length - "+48600100217".len()));
    for length in [PHONE_INPUT_MAX_BYTES - 1, PHONE_INPUT_MAX_BYTES] {
        assert_eq!(canonical(&padded(length)), "+48600100217");
    }
    assert_eq!(refusal(&padded(PHONE_INPUT_MAX_BYTES + 1)), RecipientError::TooLong);
}

#[test]
fn scenario_numbers_are_american_mobiles() {
    for number in 0..=99 {
        let e164 = format!("+150055500{number:02}");
        let phone = Phone::parse(&e164).unwrap();
        assert!(phone.is_scenario());
        assert_eq!((phone.as_e164(), phone.line_type()), (e164.as_str(), Mobile));
        assert_eq!(phone.country(), "US".parse().ok());
        assert_eq!(phone.masked(), format!("+1••••••{number:02}"));
    }
    assert_eq!(recipient("+1 (500) 555-0006"), recipient("+15005550006"));
}

#[test]
fn neighbours_of_the_scenario_numbers_are_ordinary() {
    for neighbour in ["+15005550100", "+15005549999", "+12015550123"] {
        let phone = Phone::parse(neighbour).unwrap();
        assert!(!phone.is_scenario(), "{neighbour}");
    }
    assert_eq!(refusal("+1500555000"), RecipientError::PhoneInvalid);
    assert_eq!(refusal("+150055500061"), RecipientError::PhoneInvalid);
}
