//! `[providers.<name>] type = "smtp"`.

use std::path::PathBuf;

use lettre::message::Mailbox;
use serde::Deserialize;

use crate::config::{ConfigProblem, SecretSource, check_numbers, default_timeout_seconds, is_loopback};

/// How the connection is encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// Starts in clear and must change to TLS before anything is said (RFC 3207); port 587.
    #[default]
    StartTls,
    /// TLS from the first byte (RFC 8314); port 465.
    Tls,
    /// No encryption; only to this machine, or with `insecure = true`; port 25.
    None,
}

/// A mail relay that takes messages for everyone.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpConfig {
    /// Name or address of the relay; its certificate must be for this name.
    pub host: String,
    /// Port; 587, 465 or 25 after `security` if absent.
    pub port: Option<u16>,
    /// `starttls` (default), `tls` or `none`.
    #[serde(default)]
    pub security: Security,
    /// Allows clear text to another machine, and a password over it.
    #[serde(default)]
    pub insecure: bool,
    /// PEM file with the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// User name, with `password`; absent for a relay that knows us by address.
    pub username: Option<String>,
    /// Password.
    pub password: Option<SecretSource>,
    /// Sender, `Acme <no-reply@acme.example>`. The display name gives way to the project's.
    pub from: String,
    /// Where answers go, if not to `from`.
    pub reply_to: Option<String>,
    /// What we call ourselves in EHLO; the domain of `from` if absent.
    pub hello_name: Option<String>,
    /// Time for one whole exchange, 1 to 300.
    #[serde(default = "default_timeout_seconds")]
    pub timeout_seconds: u64,
    /// Connections open at once, 1 to 256.
    #[serde(default = "default_connections")]
    pub max_connections: usize,
}

const fn default_connections() -> usize {
    4
}

impl SmtpConfig {
    /// The port to connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.security {
            Security::StartTls => 587,
            Security::Tls => 465,
            Security::None => 25,
        })
    }

    /// Everything that is wrong, without touching the network or reading a secret.
    #[must_use]
    pub fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = check_numbers(self.timeout_seconds, self.max_connections);
        problems.extend(self.check_addresses());
        problems.extend(self.check_safety());
        problems
    }

    fn check_addresses(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        let is_name =
            |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
        if !is_name(&self.host) {
            problems.push(ConfigProblem::new("host", "is not a host name", "write it like smtp.example.com"));
        }
        if self.port == Some(0) {
            problems.push(ConfigProblem::new("port", "is 0", "write 587, 465 or 25, or leave it out"));
        }
        let fix = "write it like Acme <no-reply@acme.example>";
        if parse_mailbox(&self.from).is_none() {
            problems.push(ConfigProblem::new("from", "is not a mail address", fix));
        }
        if self.reply_to.as_deref().is_some_and(|address| parse_mailbox(address).is_none()) {
            problems.push(ConfigProblem::new("reply_to", "is not a mail address", fix));
        }
        if self.hello_name.as_deref().is_some_and(|name| !is_name(name)) {
            problems.push(ConfigProblem::new(
                "hello_name",
                "is not a host name",
                "write it like mx.example.com",
            ));
        }
        problems
    }

    fn check_safety(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        let clear = self.security == Security::None && !self.insecure;
        if clear && !is_loopback(&self.host) {
            let fix = "use \"starttls\" or \"tls\", or set insecure = true";
            problems.push(ConfigProblem::new("security", "is \"none\" for another machine", fix));
        }
        if clear && self.username.is_some() {
            let fix = "use \"starttls\" or \"tls\", or set insecure = true";
            problems.push(ConfigProblem::new(
                "security",
                "is \"none\" and would send a password in clear",
                fix,
            ));
        }
        if self.username.is_some() != self.password.is_some() {
            let (there, missing) =
                if self.username.is_some() { ("username", "password") } else { ("password", "username") };
            let fix = format!("give both or none of them ({missing} is missing)");
            problems.push(ConfigProblem::new(there, "stands alone", fix));
        }
        if self.ca_file.is_some() && self.security == Security::None {
            problems.push(ConfigProblem::new(
                "ca_file",
                "has no use with security = \"none\"",
                "leave it out",
            ));
        }
        problems
    }
}

pub(super) fn parse_mailbox(text: &str) -> Option<Mailbox> {
    text.parse().ok().filter(|_| !text.contains(char::is_control))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "host = 'smtp.example.com'\nfrom = 'Acme <no-reply@acme.example>'\n";

    fn keys(more: &str) -> Vec<String> {
        let config: SmtpConfig = toml::from_str(&format!("{GOOD}{more}")).expect(more);
        config.validate().into_iter().map(|problem| problem.key).collect()
    }

    #[test]
    fn two_lines_are_enough() {
        let config: SmtpConfig = toml::from_str(GOOD).expect("a configuration");
        assert_eq!(config.validate(), []);
        assert_eq!((config.security, config.port()), (Security::StartTls, 587));
    }

    #[test]
    fn each_problem_names_its_key() {
        let cases = [
            ("port = 0", vec!["port"]),
            ("security = 'none'", vec!["security"]),
            ("security = 'none'\ninsecure = true", vec![]),
            ("security = 'tls'\nusername = 'u'\npassword = { env = 'X' }", vec![]),
            ("username = 'u'", vec!["username"]),
            ("password = { env = 'X' }", vec!["password"]),
            ("timeout_seconds = 0", vec!["timeout_seconds"]),
            ("timeout_seconds = 301", vec!["timeout_seconds"]),
            ("timeout_seconds = 300", vec![]),
            ("max_connections = 0", vec!["max_connections"]),
            ("max_connections = 257", vec!["max_connections"]),
            ("reply_to = 'nobody'", vec!["reply_to"]),
            ("hello_name = 'a b'", vec!["hello_name"]),
            ("security = 'none'\ninsecure = true\nca_file = '/x'", vec!["ca_file"]),
        ];
        for (more, expected) in cases {
            assert_eq!(keys(more), expected, "{more}");
        }
    }

    #[test]
    fn clear_text_stays_on_this_machine_and_takes_no_password() {
        let local = |more: &str| {
            let text = format!("host = '127.0.0.1'\nfrom = 'a@b.example'\nsecurity = 'none'\n{more}");
            toml::from_str::<SmtpConfig>(&text).expect("a configuration").validate().len()
        };
        assert_eq!(local(""), 0);
        assert_eq!(local("username = 'u'\npassword = { env = 'X' }"), 1);
        assert_eq!(local("username = 'u'\npassword = { env = 'X' }\ninsecure = true"), 0);
    }

    #[test]
    fn a_sender_cannot_carry_a_header() {
        for from in ["a@b.example\r\nBcc: c@d.example", "A\n <a@b.example>", "a@b.example, c@d.example", ""] {
            assert_eq!(parse_mailbox(from), None, "{from:?}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let problem = toml::from_str::<SmtpConfig>(&format!("{GOOD}pasword = 'x'")).expect_err("a refusal");
        assert!(problem.message().contains("pasword"), "{problem}");
    }
}
