//! One connection: how it is made, and how statements go over it.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, Row, SimpleQueryMessage, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::Failure;
use super::settings::Settings;
use super::sql::Sql;

/// A server that does not answer within this time is not there.
const CONNECT_TIME: Duration = Duration::from_secs(4);
/// What each connection of our own asks of the server. Look-ups always go by an index: a plan made while a table was
/// small must not scan it when it has grown. The server ends what hangs, and a dead node's transactions with it.
const SESSION: &str = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; \
     SET plan_cache_mode = force_generic_plan; SET jit = off; \
     SET statement_timeout = '10s'; SET lock_timeout = '8s'; SET idle_in_transaction_session_timeout = '10s'; \
     SET tcp_user_timeout = '10s'; SET client_connection_check_interval = '2s'";

/// A value that goes to the server.
pub(super) type Param<'a> = &'a (dyn ToSql + Sync);

/// Makes connections.
pub(super) struct Connector {
    config: Config,
    tls: MakeRustlsConnect,
    prepared_statements: bool,
}

impl Connector {
    pub(super) fn new(settings: &Settings) -> Result<Self, Failure> {
        let mut config = settings.config().map_err(Failure::Settings)?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIME);
        }
        config.keepalives_idle(Duration::from_secs(5));
        config.tcp_user_timeout(Duration::from_secs(10));
        let tls = MakeRustlsConnect::new(tls(settings)?);
        Ok(Self { config, tls, prepared_statements: settings.prepared_statements })
    }

    /// A connection without prepared statements, before the schema is known to be there.
    pub(super) async fn bare(&self) -> Result<Session, Failure> {
        let connecting = self.config.connect(self.tls.clone());
        let (client, connection) = tokio::time::timeout(CONNECT_TIME * 2, connecting)
            .await
            .map_err(|_| Failure::Unreachable("it takes too long to connect".to_owned()))?
            .map_err(|error| Failure::of_connecting(&error))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the database ended");
            }
        });
        Ok(Session { client, prepared: None })
    }

    /// A connection that is ready for every statement.
    pub(super) async fn session(&self) -> Result<Session, Failure> {
        let mut session = self.bare().await?;
        if self.prepared_statements {
            let prepared = tokio::time::timeout(CONNECT_TIME, prepare(&session.client)).await;
            let too_slow = |_| Failure::Unreachable("it takes too long to prepare statements".to_owned());
            session.prepared = Some(prepared.map_err(too_slow)??);
        }
        Ok(session)
    }
}

/// Sets up a connection of our own, and prepares every statement.
async fn prepare(client: &Client) -> Result<Vec<Statement>, Failure> {
    client.batch_execute(SESSION).await?;
    let preparing =
        Sql::ALL.iter().map(|sql| async move { client.prepare_typed(sql.text(), &sql.types()).await });
    Ok(futures_util::future::try_join_all(preparing).await?)
}

fn tls(settings: &Settings) -> Result<rustls::ClientConfig, Failure> {
    let unusable = |why: &dyn std::fmt::Display| Failure::Tls(format!("it cannot be set up: {why}"));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?;
    let builder = match &settings.ca_file {
        None => builder.with_platform_verifier().map_err(|error| unusable(&error))?,
        Some(path) => {
            let mut authorities = rustls::RootCertStore::empty();
            let blocks = CertificateDer::pem_file_iter(path)
                .map_err(|error| unusable(&format!("{} cannot be read: {error}", path.display())))?;
            for block in blocks {
                let block = block.map_err(|error| unusable(&format!("{}: {error}", path.display())))?;
                authorities.add(block).map_err(|error| unusable(&error))?;
            }
            builder.with_root_certificates(authorities)
        }
    };
    Ok(builder.with_no_client_auth())
}

/// A connection. Statements that are polled together are pipelined, in the order in which they are first polled.
pub(super) struct Session {
    client: Client,
    prepared: Option<Vec<Statement>>,
}

impl Session {
    /// The driver's own handle, for migrations.
    pub(super) fn client_mut(&mut self) -> &mut Client {
        &mut self.client
    }

    /// The driver's own handle, for what is no [`Sql`].
    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// The rows of a statement.
    pub(super) async fn query(&self, sql: Sql, params: &[Param<'_>]) -> Result<Vec<Row>, Failure> {
        Ok(match self.statement(sql) {
            Some(statement) => self.client.query(statement, params).await?,
            None => self.client.query_typed(sql.text(), &typed(sql, params)).await?,
        })
    }

    /// The first row of a statement.
    pub(super) async fn query_opt(&self, sql: Sql, params: &[Param<'_>]) -> Result<Option<Row>, Failure> {
        Ok(self.query(sql, params).await?.into_iter().next())
    }

    /// How many rows a statement changed.
    pub(super) async fn execute(&self, sql: Sql, params: &[Param<'_>]) -> Result<u64, Failure> {
        Ok(match self.statement(sql) {
            Some(statement) => self.client.execute(statement, params).await?,
            None => self.client.execute_typed(sql.text(), &typed(sql, params)).await?,
        })
    }

    /// `BEGIN`, `COMMIT`, `ROLLBACK`, and what has neither parameters nor rows.
    pub(super) async fn run(&self, text: &str) -> Result<(), Failure> {
        Ok(self.client.batch_execute(text).await?)
    }

    /// A text of the server's settings.
    pub(super) async fn show(&self, setting: &str) -> Result<String, Failure> {
        self.text(&format!("SHOW {setting}")).await
    }

    /// The number that a statement without parameters answers.
    pub(super) async fn scalar(&self, text: &str) -> Result<i64, Failure> {
        let number = self.text(text).await?;
        number.parse().map_err(|_| Failure::Corrupt(format!("`{number}` where a number belongs")))
    }

    async fn text(&self, text: &str) -> Result<String, Failure> {
        let messages = self.client.simple_query(text).await?;
        let shown = messages.into_iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        });
        Ok(shown.unwrap_or_default())
    }

    fn statement(&self, sql: Sql) -> Option<&Statement> {
        self.prepared.as_ref()?.get(sql as usize)
    }
}

/// Begins a transaction, whatever the role's default is.
pub(super) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

fn typed<'a>(sql: Sql, params: &[Param<'a>]) -> Vec<(Param<'a>, Type)> {
    params.iter().copied().zip(sql.types()).collect()
}
