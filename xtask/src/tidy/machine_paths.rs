//! No tracked file names a directory of the machine it was written on.

use crate::checkout::SourceFile;
use crate::finding::Finding;

/// Top-level directories that only exist on someone's machine, or whose content does.
const DIRECTORIES: [&str; 3] = ["root", "work", "home"];

pub(crate) fn check(file: &SourceFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        for directory in DIRECTORIES {
            let path = format!("/{directory}/");
            let absolute = line.match_indices(&path).any(|(start, _)| starts_a_path(&line[..start]));
            if absolute {
                let message = format!("{path} is a path of one machine; use a relative one");
                findings.push(Finding::at_line(&file.path, number, message));
            }
        }
    }
    findings
}

/// False where the slash continues a relative path or a URL: `docs/…`, `../…`, `example.com/…`, `{id}/…`.
fn starts_a_path(before: &str) -> bool {
    before.chars().last().is_none_or(|last| !last.is_alphanumeric() && !"._-~})>*".contains(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> usize {
        check(&SourceFile { path: "README.md".to_owned(), text: text.replace('@', "/") }).len()
    }

    #[test]
    fn an_absolute_path_of_a_machine_is_found_with_its_line() {
        let text = "fine\ncd @root@project\n".replace('@', "/");
        let found = check(&SourceFile { path: "run.sh".to_owned(), text });
        assert_eq!(found[0].place, "run.sh:2");
        assert_eq!(count("\"@work@target\""), 1);
        assert_eq!(count("file://@home@someone@x"), 1);
    }

    #[test]
    fn relative_paths_and_addresses_are_fine() {
        assert_eq!(count("see ..@work@notes, https:@@example.com@home@page and @v1@root"), 0);
    }
}
