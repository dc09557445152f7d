use super::super::read;
use super::super::token::Token;
use super::table::{MAX_COLUMNS, columns};
use super::*;

const HEX: &str = "3132333435363738393031323334353637383930";
const BASE32: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

struct Written {
    _directory: tempfile::TempDir,
    args: Args,
}

fn written(text: impl AsRef<[u8]>) -> Written {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tokens.csv");
    std::fs::write(&file, text).unwrap();
    let args =
        Args { file, columns: Vec::new(), skip_header: false, encoding: Encoding::Base32, delimiter: b',' };
    Written { _directory: directory, args }
}

impl Written {
    fn with(mut self, change: impl FnOnce(&mut Args)) -> Self {
        change(&mut self.args);
        self
    }

    fn read(&self) -> Vec<Entry<Token>> {
        read(&CsvFile::new(&self.args).unwrap(), None).unwrap().collect()
    }

    fn tokens(&self) -> Vec<Token> {
        let token = |entry| match entry {
            Entry::Token(token) => token,
            other => panic!("{other:?}"),
        };
        self.read().into_iter().map(token).collect()
    }
}

fn why(entry: &Entry<Token>) -> String {
    match entry {
        Entry::Wrong { line, why } => format!("{line}: {}", why.join("; ")),
        Entry::Broken { line, why } => format!("{line}! {why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn columns_are_found_by_name_in_any_order() {
    let file = written(format!(
        "secret,type,external_id,serial,digits,period,counter,secret_encoding\r\n\
         {BASE32},totp,anna,T1,8,60,,\r\n\
         {HEX},hotp,ben,H1,6,,7,hex\r\n"
    ));
    let tokens = file.tokens();
    assert_eq!((tokens[0].line, tokens[1].line), (2, 3));
    let (totp, hotp) = (tokens[0].body(), tokens[1].body());
    assert_eq!((&totp["secret"], &totp["digits"], &totp["period"]), (&HEX.into(), &8.into(), &60.into()));
    assert_eq!((&hotp["secret"], &hotp["counter"], &hotp["serial"]), (&HEX.into(), &7.into(), &"H1".into()));
}

#[test]
fn a_vendors_file_without_a_header_has_its_columns_named_on_the_command_line() {
    let file = written(format!("F1,{HEX},TOTP,6,60,anna\nF2,{HEX},HOTP,6,12,ben\n")).with(|args| {
        let names = ["serial", "secret", "type", "digits", "period|counter", "external_id"];
        args.columns = names.map(str::to_owned).to_vec();
        args.encoding = Encoding::Hex;
    });
    let bodies: Vec<_> = file.tokens().iter().map(Token::body).collect();
    assert_eq!((&bodies[0]["period"], &bodies[1]["counter"]), (&60.into(), &12.into()));
}

#[test]
fn the_file_that_microsoft_entra_takes_is_taken() {
    let file = written(format!(
        "upn,serial number,secret key,time interval,manufacturer,model\n\
         anna@example.com,1234567,{BASE32},60,Contoso,HardwareKey\n"
    ));
    let tokens = file.tokens();
    assert_eq!((tokens[0].external_id.as_str(), tokens[0].kind()), ("anna@example.com", "totp"));
    assert_eq!(tokens[0].body()["period"], 60);
}

#[test]
fn spaces_dashes_small_letters_and_padding_are_not_part_of_a_secret() {
    for text in ["gezd gnbv gy3t qojq gezd gnbv gy3t qojq", "GEZDGNBV-GY3TQOJQ-GEZDGNBV-GY3TQOJQ====", BASE32]
    {
        let read = read_secret(text, None, Encoding::Base32).unwrap();
        assert_eq!(read.as_slice(), b"12345678901234567890", "{text}");
    }
    assert!(read_secret("GEZD0", None, Encoding::Base32).unwrap_err().contains("--encoding hex"));
    assert!(read_secret("ABC", Some("HEX"), Encoding::Base32).unwrap_err().contains("even"));
    assert!(read_secret("AB", Some("base64"), Encoding::Base32).unwrap_err().contains("base64"));
}

#[test]
fn each_wrong_line_is_told_by_its_number() {
    let file = written(format!(
        "external_id,type,secret\n\
         anna,totp,{BASE32}\n\
         \n\
         ,totp,{BASE32}\n\
         ben,totp,NOT!BASE32\n\
         carl,totp\n\
         \"dora\nsecond line\",totp,{BASE32}\n\
         emil,totp,{BASE32}\n"
    ));
    let entries = file.read();
    let wrong: Vec<_> = entries.iter().filter(|entry| !matches!(entry, Entry::Token(_))).map(why).collect();
    assert!(wrong[0].starts_with("4: external_id is missing"), "{wrong:?}");
    assert!(wrong[1].starts_with("5: secret is not Base32"), "{wrong:?}");
    assert_eq!(wrong[2], "6: 2 columns instead of 3");
    assert!(wrong[3].starts_with("7: external_id has"), "{wrong:?}");
    assert!(matches!(entries.last(), Some(Entry::Token(token)) if token.line == 9));
}

#[test]
fn lines_are_counted_however_they_end() {
    for end in ["\n", "\r\n"] {
        let last = format!("{BASE32},hotp,\"carl\"");
        let text =
            ["secret,type,external_id", "", "x,totp,anna", "", "", "y,totp,\"b", "en\"", &last].join(end);
        let entries = written(&text).read();
        assert_eq!(
            (why(&entries[0]).get(..2), why(&entries[1]).get(..2)),
            (Some("3:"), Some("6:")),
            "{end:?}"
        );
        assert!(
            matches!(&entries[2], Entry::Token(token) if token.line == 8 && token.external_id == "carl"),
            "{end:?}"
        );
        assert_eq!(entries.len(), 3);
        let with_end = written(format!("{text}{end}")).read();
        assert!(matches!(&with_end[2], Entry::Token(token) if token.line == 8), "{end:?}");
    }
}

#[test]
fn what_is_not_utf_8_is_told_and_a_byte_order_mark_is_not_in_the_way() {
    let mut bytes = format!("\u{feff}external_id,type,secret\nanna,totp,{BASE32}\n").into_bytes();
    bytes.extend(b"j\xf6rg,totp,AAAA\n");
    let entries = written(bytes).read();
    assert!(matches!(entries[0], Entry::Token(_)), "{:?}", entries[0]);
    assert_eq!(why(&entries[1]), "3: it is not UTF-8");
}

#[test]
fn unclear_columns_are_refused_with_the_names_there_are() {
    for (header, part) in [
        ("external_id,type\n", "none is named secret"),
        ("external_id,digit,secret\n", "\"digit\" is not the name"),
        ("secret,Secret\n", "twice"),
        ("", "empty"),
    ] {
        let problem = CsvFile::new(&written(header).args).err().unwrap();
        assert!(problem.why.contains(part), "{}", problem.why);
        assert!(problem.fix.contains("period_or_counter"), "{}", problem.fix);
    }
    let many = |count: usize| {
        let names: Vec<_> = std::iter::once("secret").chain(std::iter::repeat_n("-", count - 1)).collect();
        columns(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(), &[]).is_ok()
    };
    assert_eq!([MAX_COLUMNS - 1, MAX_COLUMNS, MAX_COLUMNS + 1].map(many), [true, true, false]);
}

#[test]
fn a_record_may_be_as_long_as_the_limit_says() {
    let limit = usize::try_from(LIMITS.record_bytes).unwrap();
    for (bytes, fits) in [(limit - 1, true), (limit, true), (limit + 1, false)] {
        let shell = format!("anna,totp,{BASE32},\n").len();
        let filler = "x".repeat(bytes - shell);
        let file = written(format!("external_id,type,secret,model\nanna,totp,{BASE32},{filler}\n"));
        let entry = file.read().remove(0);
        assert_eq!(matches!(entry, Entry::Token(_)), fits, "{bytes}");
        assert!(fits || why(&entry).contains("longer than 65536 bytes"), "{}", why(&entry));
    }
}

#[test]
fn an_open_quote_is_found_before_it_fills_the_memory() {
    let mut text = format!("external_id,type,secret\nanna,totp,\"{BASE32}\n");
    text.push_str(&"ben,totp,x\n".repeat(1_000_000));
    let entries = written(text).read();
    assert_eq!(entries.len(), 1);
    assert!(why(&entries[0]).starts_with("2! the record is longer"), "{}", why(&entries[0]));
}

#[test]
fn other_delimiters_are_single_characters() {
    assert_eq!(delimiter(";"), Ok(b';'));
    assert_eq!(delimiter("tab"), Ok(b'\t'));
    for wrong in ["", "ab", "\"", "x", "é"] {
        assert!(delimiter(wrong).is_err(), "{wrong}");
    }
    let file = written(format!("external_id;secret\nanna;{BASE32}\n")).with(|args| args.delimiter = b';');
    assert_eq!(file.tokens()[0].kind(), "totp");
}
