//! Whom we trust when we call out: the authorities of the system, or those of a file.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio_rustls::TlsConnector;

use crate::config::ConfigProblem;

/// TLS 1.2 and 1.3 towards peers that the system trusts, or else the authorities in `ca_file`. `key` is the
/// configuration's reason for wanting TLS; a problem that is not the file's is told there.
pub(crate) fn client(key: &str, ca_file: Option<&Path>) -> Result<ClientConfig, ConfigProblem> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let no_tls = |problem: rustls::Error| {
        ConfigProblem::new(key, format!("cannot have TLS: {problem}"), "report this")
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(no_tls)?;
    let builder = match ca_file {
        None => builder.with_platform_verifier().map_err(no_tls)?,
        Some(path) => builder.with_root_certificates(authorities(path)?),
    };
    Ok(builder.with_no_client_auth())
}

/// TLS towards the peer of that name, as [`client`] has it.
pub(crate) fn towards(
    key: &str,
    host: &str,
    ca_file: Option<&Path>,
) -> Result<(TlsConnector, ServerName<'static>), ConfigProblem> {
    let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(name).map_err(|_| {
        ConfigProblem::new("host", "is no name a certificate could have", "write it like host.example.com")
    })?;
    Ok((TlsConnector::from(Arc::new(client(key, ca_file)?)), name))
}

fn authorities(path: &Path) -> Result<RootCertStore, ConfigProblem> {
    let unusable = |what: String| {
        let problem = format!("names the file {}, {what}", path.display());
        ConfigProblem::new("ca_file", problem, "give a PEM file with CERTIFICATE blocks")
    };
    let mut store = RootCertStore::empty();
    let blocks = CertificateDer::pem_file_iter(path)
        .map_err(|problem| unusable(format!("which cannot be read ({problem})")))?;
    for block in blocks {
        let certificate = block.map_err(|problem| unusable(format!("which is not PEM ({problem})")))?;
        store
            .add(certificate)
            .map_err(|problem| unusable(format!("which has a bad certificate ({problem})")))?;
    }
    if store.is_empty() { Err(unusable("which has no certificate".to_owned())) } else { Ok(store) }
}
