//! SQL through `psql`.

use std::io::Write as _;
use std::process::Stdio;
use std::sync::atomic::Ordering;

use super::Postgres;
use crate::url;

impl Postgres {
    /// Makes an empty database and answers its URL, `postgres://postgres@127.0.0.1:PORT/NAME`.
    pub fn create_database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.psql(&self.url("postgres"), &format!("CREATE DATABASE {name} TEMPLATE template0"));
        self.url(&name)
    }

    /// The URL of the superuser for a database that is there already, `postgres` for example.
    pub fn url(&self, name: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{name}", self.port())
    }

    /// Makes a role that owns the database and must show `password`, and answers the URL with both.
    pub fn with_password(&self, database_url: &str, password: &str) -> String {
        let database = url::database(database_url);
        let (role, quoted) = (format!("owner_of_{database}"), password.replace('\'', "''"));
        self.psql(
            &self.url("postgres"),
            &format!(
                "CREATE ROLE {role} LOGIN PASSWORD '{quoted}'; ALTER DATABASE {database} OWNER TO {role}"
            ),
        );
        url::with_credentials(database_url, &role, password)
    }

    /// Runs statements, each in a transaction of its own, and answers the rows: a line for each, columns
    /// separated by `|`. Panics with the server's message if one fails.
    #[track_caller]
    pub fn psql(&self, database_url: &str, sql: &str) -> String {
        self.try_psql(database_url, sql).unwrap_or_else(|error| panic!("{sql:?} failed: {error}"))
    }

    /// The same where failing is part of the test.
    ///
    /// # Errors
    ///
    /// What `psql` complained of, the server's message among it. Statements before the failing one are done.
    pub fn try_psql(&self, database_url: &str, sql: &str) -> Result<String, String> {
        let mut command = self.directory.command(&self.programs.join("psql"));
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-", "-d", database_url]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut psql = command.spawn().expect("psql starts");
        // It may have given up by now, and then its complaint tells why.
        let _ = psql.stdin.take().expect("stdin is piped").write_all(sql.as_bytes());
        let output = psql.wait_with_output().expect("psql ends");
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).trim_end().to_owned())
        }
    }
}
