//! How a server is set up.

/// What differs from the server for plain tests; see [`crate::Postgres::start_with`].
#[derive(Debug, Clone, Default)]
pub struct Settings {
    durable: bool,
    pub(super) tls: bool,
    parameters: Vec<(String, String)>,
}

impl Settings {
    /// The server of [`crate::Postgres::start`]: as PostgreSQL comes, for many connections, without `fsync`.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A commit is on the disk before it is acknowledged.
    #[must_use]
    pub fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// Takes no connection without TLS; see [`crate::Postgres::with_tls`].
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Sets a parameter as in `postgresql.conf`, for example `shared_buffers` to `512MB`.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.parameters.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The lines of `postgresql.conf`; the last line of a name counts.
    pub(super) fn configuration(&self) -> String {
        let durable = if self.durable { "on" } else { "off" };
        let mut lines = format!(
            "listen_addresses = '127.0.0.1'\n\
             max_connections = 200\n\
             fsync = {durable}\n\
             synchronous_commit = on\n\
             full_page_writes = {durable}\n\
             autovacuum = on\n\
             password_encryption = 'scram-sha-256'\n\
             log_line_prefix = '%m [%p] %d '\n\
             timezone = 'UTC'\n\
             # A standby notices soon that its primary is back.\n\
             wal_retrieve_retry_interval = '100ms'\n\
             # In the data directory: what a killed server leaves in /dev/shm would stay there.\n\
             dynamic_shared_memory_type = 'mmap'\n"
        );
        if self.tls {
            lines.push_str("ssl = on\n");
        }
        for (name, value) in &self.parameters {
            lines.push_str(&format!("{name} = '{}'\n", value.replace('\'', "''")));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_contain_quotes() {
        let lines = Settings::new().set("cluster_name", "it's").configuration();
        assert!(lines.ends_with("cluster_name = 'it''s'\n"), "{lines}");
    }
}
