//! Tokens in a CSV file: one line each, columns by name.

pub(super) mod table;

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::source::LIMITS;
use super::token::{Fields, shortened};
use super::{Entry, Source};
use crate::problem::Outcome;
use table::{Cells, Column, Layout, Line, Table};

/// How a secret is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Encoding {
    /// RFC 4648, with or without padding, spaces and capitals: what authenticator apps show.
    Base32,
    /// Hexadecimal digits: what most vendors of hardware tokens deliver.
    Hex,
}

/// Import a CSV file of tokens.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file. Its first line names the columns: external_id, type, secret; and as needed serial, name,
    /// secret_encoding, algorithm, digits, period, counter, suite, pin_hash.
    file: PathBuf,
    /// The columns of a file whose first line does not name them, like serial,secret,type,digits,period_or_counter;
    /// - leaves a column out.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    columns: Vec<String>,
    /// With --columns: pass over the first line, which names them otherwise.
    #[arg(long, requires = "columns")]
    skip_header: bool,
    /// How secrets are written where no column secret_encoding says it.
    #[arg(long, value_enum, default_value_t = Encoding::Base32)]
    encoding: Encoding,
    /// What parts the columns: one character, like ; or tab.
    #[arg(long, value_name = "CHARACTER", default_value = ",", value_parser = delimiter)]
    delimiter: u8,
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        _ if text == "tab" => Ok(b'\t'),
        [one] if !one.is_ascii_alphanumeric() && *one != b'"' => Ok(*one),
        _ => Err("one character like , or ;, or the word tab".to_owned()),
    }
}

/// A CSV file of tokens.
pub(super) struct CsvFile {
    table: Table,
    encoding: Encoding,
}

impl CsvFile {
    pub(super) fn new(args: &Args) -> Outcome<Self> {
        let layout = Layout {
            columns: &args.columns,
            skip_header: args.skip_header,
            delimiter: args.delimiter,
            needed: &[(Column::Secret, "secret")],
        };
        Ok(Self { table: Table::new(args.file.clone(), &layout, LIMITS)?, encoding: args.encoding })
    }

    fn fields(&self, line: u64, cells: Cells) -> Fields {
        let mut fields = Fields { line, ..Fields::default() };
        let (mut secret, mut encoding, mut either) = (None, None, None);
        for (column, text) in cells {
            let into = match column {
                Column::ExternalId => &mut fields.external_id,
                Column::Serial => &mut fields.serial,
                Column::Name => &mut fields.name,
                Column::Type => &mut fields.kind,
                Column::Algorithm => &mut fields.algorithm,
                Column::Digits => &mut fields.digits,
                Column::Period => &mut fields.period,
                Column::Counter => &mut fields.counter,
                Column::Suite => &mut fields.suite,
                Column::PinHash => &mut fields.pin_hash,
                Column::PeriodOrCounter => &mut either,
                Column::SecretEncoding => &mut encoding,
                Column::Secret => &mut secret,
                Column::LeftOut => continue,
            };
            *into = Some(text);
        }
        if !self.table.columns.contains(&Column::Type) {
            fields.kind = Some("totp".to_owned());
        }
        let counted = fields.kind.as_deref().is_some_and(|kind| !kind.eq_ignore_ascii_case("totp"));
        let place = if counted { &mut fields.counter } else { &mut fields.period };
        *place = place.take().or(either);
        let secret = secret.map(Zeroizing::new);
        fields.secret = secret.map(|text| read_secret(&text, encoding.as_deref(), self.encoding));
        fields
    }
}

impl Source for CsvFile {
    fn path(&self) -> &Path {
        &self.table.path
    }

    fn entries(&self) -> Outcome<Box<dyn Iterator<Item = Entry<Fields>> + Send + '_>> {
        Ok(Box::new(self.table.lines()?.map(|(line, found)| match found {
            Line::Cells(cells) => Entry::Token(self.fields(line, cells)),
            Line::Wrong(why) => Entry::Wrong { line, why: vec![why] },
            Line::Broken(why) => Entry::Broken { line, why },
        })))
    }
}

fn read_secret(text: &str, named: Option<&str>, default: Encoding) -> Result<Zeroizing<Vec<u8>>, String> {
    let encoding = match named.map(str::to_ascii_lowercase).as_deref() {
        None => default,
        Some("base32") => Encoding::Base32,
        Some("hex") => Encoding::Hex,
        Some(other) => {
            return Err(format!("secret_encoding {:?} is unknown; base32 and hex are", shortened(other)));
        }
    };
    let plain = |symbol: &char| !symbol.is_whitespace() && !"-=".contains(*symbol);
    let text: Zeroizing<String> = Zeroizing::new(text.to_ascii_uppercase().chars().filter(plain).collect());
    let (decoded, hint) = match encoding {
        Encoding::Base32 => (
            data_encoding::BASE32_NOPAD.decode(text.as_bytes()),
            "not Base32; if it is hexadecimal: --encoding hex",
        ),
        Encoding::Hex => {
            (data_encoding::HEXUPPER.decode(text.as_bytes()), "not an even count of hexadecimal digits")
        }
    };
    // The error of the decoder would show a part of the secret.
    decoded.map(Zeroizing::new).map_err(|_| format!("secret is {hint}"))
}

#[cfg(test)]
mod tests;
