//! Certificates for a server that speaks TLS.

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

/// All in PEM.
pub(super) struct Certificates {
    /// Of the authority; what a client trusts.
    pub(super) authority: String,
    pub(super) server: String,
    pub(super) server_key: String,
}

/// A fresh authority, and a certificate from it for `localhost` and `127.0.0.1`.
pub(super) fn make() -> Certificates {
    try_make().expect("rcgen makes certificates")
}

fn try_make() -> Result<Certificates, rcgen::Error> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.distinguished_name.push(DnType::CommonName, "Test authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let mut server = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    server.distinguished_name.push(DnType::CommonName, "localhost");
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate: Certificate = server.signed_by(&key, &authority)?;
    Ok(Certificates {
        authority: authority.pem(),
        server: certificate.pem(),
        server_key: key.serialize_pem(),
    })
}
