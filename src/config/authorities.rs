//! `SSL_CERT_FILE`: certificate authorities that are trusted beside those that are compiled in, as companies have their
//! own.

use std::fs::File;
use std::io::Read as _;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::{ConfigError, Environment};
use crate::core::limits::AUTHORITIES_BYTES_MAX;

/// The variable, as other programs know it.
const VARIABLE: &str = "SSL_CERT_FILE";

/// The certificates of the file that the variable names, if it does. Those of a kind that is not understood are left
/// out, as system bundles hold some.
///
/// # Errors
/// [`ConfigError`]: the file cannot be read, or holds none.
pub fn read(environment: &Environment) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let Some(name) = environment.get(VARIABLE) else { return Ok(Vec::new()) };
    let wrong = |what: &str| ConfigError::one(format!("{VARIABLE} {name:?} {what}"));
    let mut pem = Vec::new();
    File::open(environment.folder.join(&name))
        .and_then(|file| file.take(AUTHORITIES_BYTES_MAX + 1).read_to_end(&mut pem))
        .map_err(|error| wrong(&format!("cannot be read: {error}")))?;
    if pem.len() as u64 > AUTHORITIES_BYTES_MAX {
        return Err(wrong(&format!("is over {AUTHORITIES_BYTES_MAX} bytes: use a smaller file")));
    }
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let mut found = found.map_err(|_| {
        wrong("is no right PEM: each -----BEGIN CERTIFICATE----- needs base64 and its -----END CERTIFICATE-----")
    })?;
    found.retain(|certificate| RootCertStore::empty().add(certificate.clone()).is_ok());
    if found.is_empty() {
        return Err(wrong(
            "holds no certificate: use a file in PEM, with -----BEGIN CERTIFICATE-----",
        ));
    }
    Ok(found)
}
