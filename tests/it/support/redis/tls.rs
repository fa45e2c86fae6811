//! A private certificate authority, a server's and a client's certificate.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use redis::ClientTlsConfig;

/// PEM files in one directory.
pub(crate) struct TlsFiles {
    directory: PathBuf,
}

impl TlsFiles {
    pub(crate) fn write(directory: &Path) -> Self {
        let mut authority = CertificateParams::new([]).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "test authority");
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        fs::write(directory.join("ca.pem"), authority.pem()).unwrap();
        for name in ["server", "client"] {
            let key = KeyPair::generate().unwrap();
            let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
            let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
            fs::write(directory.join(format!("{name}.pem")), certificate.pem()).unwrap();
            fs::write(directory.join(format!("{name}.key")), key.serialize_pem()).unwrap();
        }
        Self { directory: directory.to_owned() }
    }

    fn path(&self, name: &str) -> String {
        self.directory.join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn server_arguments(&self) -> Vec<String> {
        let files = [
            ("--tls-cert-file", "server.pem"),
            ("--tls-key-file", "server.key"),
            ("--tls-ca-cert-file", "ca.pem"),
        ];
        files.into_iter().flat_map(|(option, file)| [option.to_owned(), self.path(file)]).collect()
    }

    /// What follows the `?` of a URL.
    pub(crate) fn query(&self) -> String {
        format!("ca={}&cert={}&key={}", self.path("ca.pem"), self.path("client.pem"), self.path("client.key"))
    }

    pub(crate) fn authority(&self) -> Vec<u8> {
        fs::read(self.path("ca.pem")).unwrap()
    }

    pub(crate) fn client(&self) -> ClientTlsConfig {
        ClientTlsConfig {
            client_cert: fs::read(self.path("client.pem")).unwrap(),
            client_key: fs::read(self.path("client.key")).unwrap(),
        }
    }
}
