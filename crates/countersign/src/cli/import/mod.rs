//! `countersign import`: one file per source, one way in.

mod assignments;
mod csv;
mod pskc;
mod send;
mod source;
mod token;
mod validate;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Output;
use crate::client::Server;
use crate::problem::Outcome;
use assignments::Assignments;
use token::{Fields, Token};

/// Tokens of one import. Each takes a few bytes while the file is looked at, to find the same one twice.
const MAX_TOKENS: usize = 500_000;

/// Take over tokens and authenticator apps that are enrolled elsewhere.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Enrol the tokens of a CSV file.
    ///
    /// The whole file is looked at first; when one line is wrong, nothing is imported. An import that was broken off goes
    /// on when the same command is given again. docs/importing-tokens.md has the columns.
    Csv(Tokens<csv::Args>),
    /// Enrol the tokens of a PSKC file (RFC 6030), also an encrypted one.
    ///
    /// The whole file is looked at first; when one key is wrong, nothing is imported. An import that was broken off goes
    /// on when the same command is given again. docs/importing-tokens.md says what is read.
    Pskc(Tokens<pskc::Args>),
}

/// A source of tokens.
#[derive(Debug, clap::Args)]
struct Tokens<A: clap::Args> {
    #[command(flatten)]
    of: A,
    #[command(flatten)]
    with: With,
}

/// What every source of tokens takes.
#[derive(Debug, clap::Args)]
struct With {
    /// A CSV file with the columns serial and external_id: whose token is which. Tokens it does not name stay out.
    #[arg(long, value_name = "FILE")]
    assignments: Option<PathBuf>,
    /// Look at the whole file, say what would come of it, and import nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    server: Server,
}

/// One thing that a file holds: what it says of a token, or the token that can be enrolled.
#[derive(Debug)]
enum Entry<T> {
    /// A token.
    Token(T),
    /// Something that is not enrolled, by what it is.
    LeftOut(&'static str),
    /// A record that is wrong; the next one can be read.
    Wrong {
        /// The line it begins on.
        line: u64,
        /// All that is wrong with it.
        why: Vec<String>,
    },
    /// Nothing can be read from here on.
    Broken {
        /// Where.
        line: u64,
        /// Why.
        why: String,
    },
}

/// A file of tokens, which is read as often as needed.
trait Source: Send + Sync {
    /// The file.
    fn path(&self) -> &Path;

    /// What it holds, from its beginning.
    fn entries(&self) -> Outcome<Box<dyn Iterator<Item = Entry<Fields>> + Send + '_>>;
}

/// The tokens of a file, each for the person it is assigned to.
fn read<'a>(
    source: &'a dyn Source,
    assignments: Option<&'a Assignments>,
) -> Outcome<impl Iterator<Item = Entry<Token>> + Send + 'a> {
    let assigned = move |mut fields: Fields| {
        if let Some(assignments) = assignments
            && fields.external_id.is_none()
        {
            match assignments.whose(fields.serial.as_deref().unwrap_or_default()) {
                Some(external_id) => fields.external_id = Some(external_id.to_owned()),
                None => return Entry::LeftOut("tokens that nobody is assigned"),
            }
        }
        let line = fields.line;
        Token::read(fields).map_or_else(|why| Entry::Wrong { line, why }, Entry::Token)
    };
    Ok(source.entries()?.map(move |entry| match entry {
        Entry::Token(fields) => assigned(fields),
        Entry::LeftOut(what) => Entry::LeftOut(what),
        Entry::Wrong { line, why } => Entry::Wrong { line, why },
        Entry::Broken { line, why } => Entry::Broken { line, why },
    }))
}

pub(super) async fn run(args: &Args, output: &Output) -> Outcome {
    match &args.command {
        Command::Csv(wanted) => import(&csv::CsvFile::new(&wanted.of)?, &wanted.with, output).await,
        Command::Pskc(wanted) => import(&pskc::PskcFile::new(&wanted.of)?, &wanted.with, output).await,
    }
}

async fn import(source: &dyn Source, with: &With, output: &Output) -> Outcome {
    let assignments = with.assignments.as_deref().map(Assignments::read).transpose()?;
    let assignments = assignments.as_ref();
    let plan = validate::run(source, assignments, MAX_TOKENS)?;
    if with.dry_run {
        output.answer(&plan.describe(), &plan.json());
        return Ok(());
    }
    let client = Arc::new(with.server.client()?);
    let report = send::run(&client, read(source, assignments)?, &plan, output).await?;
    output.answer(&report.describe(&plan), &report.json(&plan));
    Ok(())
}
