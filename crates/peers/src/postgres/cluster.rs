//! The files of a new server.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use super::{Settings, append, certificates};
use crate::directory::Directory;

/// Who connects from this machine, and how: the superuser as it likes, others with their password.
const ACCESS: &str = "\
local all         all                   trust
host  all         postgres 127.0.0.1/32 trust
host  replication postgres 127.0.0.1/32 trust
host  all         all      127.0.0.1/32 scram-sha-256
";

/// Makes `data` in a directory for a server with these settings.
pub(super) fn make(directory: &Directory, programs: &Path, settings: &Settings) {
    // A copy takes a tenth of the time.
    static TEMPLATE: OnceLock<Directory> = OnceLock::new();
    let template = TEMPLATE.get_or_init(|| {
        let template = Directory::new();
        let mut initdb = template.command(&programs.join("initdb"));
        initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        run(initdb.arg("--pgdata=data"));
        template
    });
    let mut copy = directory.command(Path::new("cp"));
    run(copy.arg("-Rp").arg(template.join("data")).arg("data"));
    append(&directory.join("data/postgresql.conf"), &settings.configuration());
    let access = if settings.tls { ACCESS.replace("host ", "hostssl ") } else { ACCESS.to_owned() };
    directory.write("data/pg_hba.conf", &access);
    if settings.tls {
        let made = certificates::make();
        directory.write("data/ca.crt", &made.authority);
        directory.write("data/server.crt", &made.server);
        directory.write("data/server.key", &made.server_key);
    }
}

/// Runs a command that must succeed.
pub(super) fn run(command: &mut Command) {
    let output = command.output().expect("the program is there");
    let (program, complaint) = (command.get_program(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program:?} failed: {complaint}");
}
