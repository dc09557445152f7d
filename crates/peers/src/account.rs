//! Whose account the programs run under: PostgreSQL refuses to run as root.

use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::OnceLock;

use rustix::process::geteuid;

/// Accounts that own nothing of value, best first.
const NAMES: [&str; 2] = ["postgres", "nobody"];

/// A user and its group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Account {
    pub(crate) user: u32,
    pub(crate) group: u32,
}

/// The account to switch to; `None` where the tests do not run as root and the programs run as they do.
pub(crate) fn unprivileged() -> Option<Account> {
    static FOUND: OnceLock<Account> = OnceLock::new();
    geteuid().is_root().then(|| {
        *FOUND.get_or_init(|| {
            let found = NAMES
                .iter()
                .find_map(|name| Some(Account { user: id_of("-u", name)?, group: id_of("-g", name)? }));
            found.expect("PostgreSQL does not run as root, and there is no user `postgres` or `nobody`")
        })
    })
}

/// Lets `command` run as that account.
pub(crate) fn lower(command: &mut Command) {
    if let Some(account) = unprivileged() {
        command.gid(account.group).uid(account.user);
    }
}

fn id_of(option: &str, name: &str) -> Option<u32> {
    let output = Command::new("id").arg(option).arg(name).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
