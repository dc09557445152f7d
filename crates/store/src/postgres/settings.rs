//! How to reach the database.

use std::fmt;
use std::path::PathBuf;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, LoadBalanceHosts, SslMode, TargetSessionAttrs};
use zeroize::Zeroizing;

/// How to reach the database. Prints without the password.
#[derive(Clone)]
pub struct Settings {
    /// `postgres://user@host:port/database`, as libpq writes it; several hosts and `connect_timeout` are
    /// understood; `target_session_attrs` is always `read-write`. A password in it gives way to `password`.
    pub url: Zeroizing<String>,
    /// The password, from a file or the environment.
    pub password: Option<Zeroizing<String>>,
    /// Certificates (PEM) that may have signed the server's; without it those of the system.
    pub ca_file: Option<PathBuf>,
    /// Batches that may be in flight at the same time, each on a connection of its own.
    pub lanes: usize,
    /// Whether statements are prepared once per connection. A pooler in transaction mode needs `false`.
    pub prepared_statements: bool,
}

impl Settings {
    /// Settings for a URL, the rest as by default.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: Zeroizing::new(url.into()),
            password: None,
            ca_file: None,
            lanes: 2,
            prepared_statements: true,
        }
    }

    /// Whether the URL can be one.
    ///
    /// # Errors
    /// What is wrong with it, without quoting it: it may hold a password.
    pub fn check(&self) -> Result<(), String> {
        self.config().map(drop)
    }

    /// What the driver connects with, and how: TLS is required unless the host is this machine or the URL says
    /// otherwise.
    pub(super) fn config(&self) -> Result<Config, String> {
        let says_how = self.url.contains("sslmode=");
        // The driver knows no `verify-full`; here every certificate is verified in full.
        let url = Zeroizing::new(self.url.replace("sslmode=verify-full", "sslmode=require"));
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| told(&error))?;
        if config.get_hosts().is_empty() {
            return Err("it names no host".to_owned());
        }
        if config.get_dbname().is_none() {
            return Err("it names no database".to_owned());
        }
        if config.get_user().is_none() {
            return Err("it names no user".to_owned());
        }
        if !says_how {
            let local = config.get_hosts().iter().all(is_local);
            config.ssl_mode(if local { SslMode::Disable } else { SslMode::Require });
        }
        // A server that takes no writes is never the right one, and what it shows may be of the past.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        if config.get_hosts().len() > 1 {
            // One that takes connections and then says nothing must not keep everybody from the next.
            config.load_balance_hosts(LoadBalanceHosts::Random);
        }
        if let Some(password) = &self.password {
            config.password(password.as_bytes());
        }
        config.application_name("countersign");
        Ok(config)
    }
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            let loopback = name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
            loopback || name == "localhost"
        }
        Host::Unix(_) => true,
    }
}

/// An error of the driver with its cause, which it does not print itself.
pub(super) fn told(error: &tokio_postgres::Error) -> String {
    use std::error::Error as _;
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.url.rsplit('@').next().unwrap_or_default();
        write!(f, "Settings(…@{shown}, {} lanes)", self.lanes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_host_user_or_database_is_refused() {
        for wrong in
            ["", "postgres://", "postgres://u@/d", "postgres://u@h", "postgres://h/d", "mysql://u@h/d"]
        {
            assert!(Settings::new(wrong).check().is_err(), "{wrong}");
        }
        assert_eq!(Settings::new("postgres://u@h/d").check(), Ok(()));
    }

    #[test]
    fn a_password_stands_in_no_text() {
        let wrong = Settings::new("postgres://u:hunter2@h:port/d");
        assert!(!wrong.check().unwrap_err().contains("hunter2"));
        assert!(!format!("{wrong:?}").contains("hunter2"));
    }

    #[test]
    fn only_a_server_that_takes_writes_will_do_and_a_silent_one_is_not_always_asked_first() {
        let of = |url: &str| Settings::new(url).config().unwrap();
        let two = of("postgres://u@a.example,b.example/d?target_session_attrs=any");
        assert_eq!(two.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
        assert_eq!(two.get_load_balance_hosts(), LoadBalanceHosts::Random);
        assert_eq!(of("postgres://u@a.example/d").get_load_balance_hosts(), LoadBalanceHosts::Disable);
    }

    #[test]
    fn tls_is_required_unless_the_database_is_on_this_machine() {
        let mode = |url: &str| Settings::new(url).config().unwrap().get_ssl_mode();
        assert_eq!(mode("postgres://u@db.example/d"), SslMode::Require);
        assert_eq!(mode("postgres://u@127.0.0.1/d"), SslMode::Disable);
        assert_eq!(mode("postgres://u@localhost,db.example/d"), SslMode::Require);
        assert_eq!(mode("postgres://u@%2Frun%2Fpostgresql/d"), SslMode::Disable);
        assert_eq!(mode("postgres://u@127.0.0.1/d?sslmode=verify-full"), SslMode::Require);
        assert_eq!(mode("postgres://u@db.example/d?sslmode=disable"), SslMode::Disable);
    }
}
