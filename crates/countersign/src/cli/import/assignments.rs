//! Whose token is which: a list beside a vendor's file, which knows serial numbers only.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::MAX_TOKENS;
use super::csv::table::{Column, Layout, Line, Table};
use super::source::LIMITS;
use super::token::shortened;
use super::validate::Mistakes;
use crate::problem::Outcome;

/// Who has which serial number.
#[derive(Debug, Default)]
pub(super) struct Assignments(HashMap<String, Assigned>);

#[derive(Debug)]
struct Assigned {
    external_id: String,
    line: u64,
    met: AtomicBool,
}

impl Assignments {
    /// Reads the list: a CSV file with the columns serial and external_id.
    pub(super) fn read(path: &Path) -> Outcome<Self> {
        let needed = [(Column::Serial, "serial"), (Column::ExternalId, "external_id")];
        let layout = Layout { columns: &[], skip_header: false, delimiter: b',', needed: &needed };
        let table = Table::new(path.to_owned(), &layout, LIMITS)?;
        let (mut all, mut mistakes) = (Self::default(), Mistakes::new(path));
        for (line, found) in table.lines()? {
            let cells = match found {
                Line::Cells(cells) => cells,
                Line::Wrong(why) | Line::Broken(why) => {
                    mistakes.add(line, &why);
                    continue;
                }
            };
            let of =
                |wanted: Column| cells.iter().find(|(column, _)| *column == wanted).map(|(_, text)| text);
            match (of(Column::Serial), of(Column::ExternalId)) {
                (Some(serial), Some(_)) if all.0.contains_key(serial) => {
                    mistakes.add(line, &format!("serial {:?} stands there twice", shortened(serial)));
                }
                (Some(_), Some(_)) if all.0.len() >= MAX_TOKENS => {
                    mistakes.add(line, &format!("one import takes at most {MAX_TOKENS} tokens"));
                    break;
                }
                (Some(serial), Some(external_id)) => {
                    let met = AtomicBool::new(false);
                    let assigned = Assigned { external_id: external_id.clone(), line, met };
                    all.0.insert(serial.clone(), assigned);
                }
                _ => mistakes.add(line, "serial or external_id is missing"),
            }
        }
        mistakes.none()?;
        Ok(all)
    }

    /// Who has this serial number.
    pub(super) fn whose(&self, serial: &str) -> Option<&str> {
        let assigned = self.0.get(serial)?;
        assigned.met.store(true, Ordering::Relaxed);
        Some(&assigned.external_id)
    }

    /// Serial numbers that no token had so far, with their lines: a mistake in one of the two files.
    pub(super) fn unmet(&self) -> impl Iterator<Item = (u64, &str)> {
        let unmet = self.0.iter().filter(|(_, assigned)| !assigned.met.load(Ordering::Relaxed));
        unmet.map(|(serial, assigned)| (assigned.line, serial.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Outcome<Assignments> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("who.csv");
        std::fs::write(&path, text).unwrap();
        Assignments::read(&path)
    }

    #[test]
    fn who_has_what_and_what_nobody_met() {
        let who = read("external_id,serial\nanna,1\nben,2\n").unwrap();
        assert_eq!((who.whose("2"), who.whose("3")), (Some("ben"), None));
        assert_eq!(who.unmet().collect::<Vec<_>>(), [(2, "1")]);
    }

    #[test]
    fn mistakes_are_told_by_line() {
        let problem = read("external_id,serial\nanna,1\nben,1\n,3\n").unwrap_err();
        assert!(problem.why.contains("line 3: serial \"1\" stands there twice"), "{}", problem.why);
        assert!(problem.why.contains("line 4: serial or external_id is missing"), "{}", problem.why);
        assert!(read("serial\n1\n").unwrap_err().why.contains("none is named external_id"));
    }
}
