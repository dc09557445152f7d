//! Mail through a relay (RFC 5321 submission).
//!
//! One exchange is MAIL, RCPT, DATA, message, on a connection that is kept for the next. The deadline covers
//! all of it, the connecting included. A relay that hangs up after the final dot and before its answer may
//! have taken the mail: that is reported as [`ErrorClass::ConnectionLost`] with `retry`, and the second copy
//! carries the same Message-ID.

mod config;
mod connect;
mod failure;
mod mail;
mod pool;

use std::time::Duration;

use lettre::address::Address;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands;
use lettre::transport::smtp::extension::{Extension, MailParameter};

pub use config::{Security, SmtpConfig};

use crate::config::{ConfigProblem, Secret};
use crate::provider::{Accepted, ErrorClass, Outgoing, Provider, ProviderError, ProviderFuture};
use connect::Connector;
use failure::Stage;
use mail::{Mail, Sender};
use pool::Pool;

/// A configured relay.
pub struct SmtpProvider {
    name: String,
    connector: Connector,
    login: Option<(String, Secret)>,
    sender: Sender,
    timeout: Duration,
    pool: Pool,
}

/// Where an exchange broke.
struct Broken {
    error: ProviderError,
    stage: Stage,
    /// The relay hung up, or says with 421 that it is about to.
    hung_up: bool,
}

impl Broken {
    fn new(stage: Stage, problem: &lettre::transport::smtp::Error) -> Self {
        let error = failure::classify(stage, problem);
        let lost = matches!(error.class, ErrorClass::ConnectionLost | ErrorClass::Protocol);
        let closing = problem.status().is_some_and(|code| code.to_string() == "421");
        Self { error, stage, hung_up: lost || closing }
    }

    /// Whether nothing of the message can have left us, so that another connection may try at once.
    fn is_stale_connection(&self) -> bool {
        self.hung_up && self.stage < Stage::Content
    }
}

impl SmtpProvider {
    /// Checks the configuration, reads the password and the authorities. Connects only when needed.
    ///
    /// # Errors
    /// The first problem of the configuration.
    pub fn new(name: impl Into<String>, config: &SmtpConfig) -> Result<Self, ConfigProblem> {
        if let Some(problem) = config.validate().into_iter().next() {
            return Err(problem);
        }
        let from = config::parse_mailbox(&config.from)
            .ok_or_else(|| ConfigProblem::new("from", "is not a mail address", "correct it"))?;
        let hello_name = config.hello_name.clone().unwrap_or_else(|| from.email.domain().to_owned());
        let login = match (&config.username, &config.password) {
            (Some(username), Some(password)) => Some((username.clone(), password.resolve("password")?)),
            _ => None,
        };
        let reply_to = config.reply_to.as_deref().and_then(config::parse_mailbox);
        Ok(Self {
            name: name.into(),
            connector: Connector::new(config, hello_name)?,
            login,
            sender: Sender { from, reply_to },
            timeout: Duration::from_secs(config.timeout_seconds),
            pool: Pool::new(config.max_connections),
        })
    }

    async fn deliver(&self, outgoing: &Outgoing) -> Result<Accepted, ProviderError> {
        if outgoing.channel != "email" {
            return Err(ProviderError::new(
                ErrorClass::Configuration,
                "a mail relay serves the channel email only",
            ));
        }
        let mail = mail::compose(&self.sender, outgoing)?;
        let _permit = self.pool.permit().await;
        if let Some(connection) = self.pool.take() {
            match self.exchange(connection, &mail).await {
                Err(broken) if broken.is_stale_connection() => self.pool.clear(),
                done => return done.map_err(|broken| broken.error),
            }
        }
        let connection = self.open().await?;
        self.exchange(connection, &mail).await.map_err(|broken| broken.error)
    }

    /// A new connection that is signed in.
    async fn open(&self) -> Result<AsyncSmtpConnection, ProviderError> {
        let mut connection = self.connector.open().await?;
        if let Some((username, password)) = &self.login {
            let credentials = Credentials::new(username.clone(), password.expose().to_owned());
            connection
                .auth(&[Mechanism::Plain, Mechanism::Login], &credentials)
                .await
                .map_err(|problem| failure::classify(Stage::Login, &problem))?;
        }
        Ok(connection)
    }

    async fn exchange(&self, mut connection: AsyncSmtpConnection, mail: &Mail) -> Result<Accepted, Broken> {
        match hand_over(&mut connection, self.sender.from.email.clone(), mail).await {
            Ok(()) => {
                self.pool.put_back(connection);
                Ok(Accepted { message_id: Some(mail.message_id.clone()) })
            }
            Err(broken) => {
                // A relay that refused in words goes on listening, unless it does not even take a reset.
                let answered =
                    !matches!(broken.error.class, ErrorClass::ConnectionLost | ErrorClass::Protocol);
                if answered && connection.command(commands::Rset).await.is_ok() {
                    self.pool.put_back(connection);
                }
                Err(broken)
            }
        }
    }

    /// Runs a step within the time there is.
    async fn within<T>(
        &self,
        limit: Duration,
        step: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        let limit = limit.min(self.timeout);
        tokio::time::timeout(limit, step).await.unwrap_or_else(|_| {
            Err(ProviderError::new(
                ErrorClass::Timeout,
                format!("the relay did not finish within {limit:.1?}"),
            ))
        })
    }
}

async fn hand_over(connection: &mut AsyncSmtpConnection, from: Address, mail: &Mail) -> Result<(), Broken> {
    let broken = |stage| move |problem| Broken::new(stage, &problem);
    let parameters = mail_parameters(connection, mail)?;
    connection.command(commands::Mail::new(Some(from), parameters)).await.map_err(broken(Stage::Sender))?;
    connection
        .command(commands::Rcpt::new(mail.to.clone(), vec![]))
        .await
        .map_err(broken(Stage::Recipient))?;
    connection.command(commands::Data).await.map_err(broken(Stage::Data))?;
    connection.message(&mail.bytes).await.map_err(broken(Stage::Content))?;
    Ok(())
}

/// An address with letters beyond ASCII travels as it is or not at all (RFC 6531).
fn mail_parameters(connection: &AsyncSmtpConnection, mail: &Mail) -> Result<Vec<MailParameter>, Broken> {
    let address: &str = mail.to.as_ref();
    if address.is_ascii() {
        return Ok(vec![]);
    }
    if connection.server_info().supports_feature(Extension::SmtpUtfEight) {
        return Ok(vec![MailParameter::SmtpUtfEight]);
    }
    let detail = "the address has letters beyond ASCII and the relay has no SMTPUTF8";
    let error = ProviderError::new(ErrorClass::MessageRejected, detail);
    Err(Broken { error, stage: Stage::Sender, hung_up: false })
}

impl Provider for SmtpProvider {
    fn name(&self) -> &str {
        &self.name
    }

    fn send<'a>(&'a self, message: &'a Outgoing) -> ProviderFuture<'a, Accepted> {
        Box::pin(self.within(message.deadline, self.deliver(message)))
    }

    fn verify(&self) -> ProviderFuture<'_, String> {
        let verify = async {
            let mut connection = self.open().await?;
            connection
                .command(commands::Noop)
                .await
                .map_err(|problem| failure::classify(Stage::Hello, &problem))?;
            self.pool.put_back(connection);
            let login = if self.login.is_some() { "signed in" } else { "no sign-in configured" };
            Ok(format!("{}, {login}", self.connector.describe()))
        };
        Box::pin(self.within(Duration::MAX, verify))
    }
}
