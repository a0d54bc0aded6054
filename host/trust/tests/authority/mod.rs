//! A sigstore of one's own: certificate authority, certificate transparency log and transparency log, made anew for a test, and
//! the bundles that come of them. What real ones do is in RFC 5280 and 6962 and in <https://github.com/sigstore/protobuf-specs>.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SerialNumber, SigningKey,
    date_time_ymd,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// When everything is signed: in November 2023, in seconds since 1970.
pub(crate) const SIGNED_AT: u64 = 1_700_000_000;

/// Fulcio's number for who told it whom a certificate is for.
const FULCIO_ISSUER: [u64; 9] = [1, 3, 6, 1, 4, 1, 57_264, 1, 8];

/// RFC 6962, section 3.3.
const TIMESTAMP_LIST: [u64; 10] = [1, 3, 6, 1, 4, 1, 11_129, 2, 4, 2];

/// Who makes certificates, and who sees to it that everybody knows of them.
pub(crate) struct Authority {
    ca: KeyPair,
    ca_params: CertificateParams,
    ct_log: KeyPair,
    log: KeyPair,
}

fn key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()
}

fn spki(key: &KeyPair) -> Vec<u8> {
    key.subject_public_key_info()
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    BASE64_STANDARD.encode(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, "a test's authority");
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2040, 1, 1));
        Self { ca: key(), ca_params: params, ct_log: key(), log: key() }
    }

    /// What an operator supplies: a `trusted_root.json`.
    pub(crate) fn root(&self) -> Value {
        let started = json!({ "start": "2020-01-01T00:00:00Z" });
        let log = |key: &KeyPair| {
            json!({
                "baseUrl": "https://log.example",
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": base64(spki(key)),
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": started,
                },
                "logId": { "keyId": base64(sha256(&[&spki(key)])) },
            })
        };
        let certificate = self.ca_params.self_signed(&self.ca).unwrap();
        json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(&self.log)],
            "ctlogs": [log(&self.ct_log)],
            "certificateAuthorities": [{
                "subject": { "organization": "a test", "commonName": "a test's authority" },
                "uri": "https://ca.example",
                "certChain": { "certificates": [{ "rawBytes": base64(certificate.der()) }] },
                "validFor": started,
            }],
            "timestampAuthorities": [],
        })
    }

    /// What somebody who is known to the authority gets for signing these bytes.
    pub(crate) fn bundle(&self, component: &[u8], subject: &str, issuer: &str) -> Value {
        let signer = key();
        let certificate = self.certificate(&signer, subject, issuer);
        let signature = signer.sign(component).unwrap();
        let digest = sha256(&[component]);
        let body = json!({
            "apiVersion": "0.0.1",
            "kind": "hashedrekord",
            "spec": {
                "data": { "hash": { "algorithm": "sha256", "value": hex(&digest) } },
                "signature": {
                    "content": base64(&signature),
                    "publicKey": { "content": base64(pem(&certificate)) },
                },
            },
        });
        json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "certificate": { "rawBytes": base64(&certificate) },
                "tlogEntries": [self.log_entry(&body.to_string())],
            },
            "messageSignature": {
                "messageDigest": { "algorithm": "SHA2_256", "digest": base64(digest) },
                "signature": base64(signature),
            },
        })
    }

    /// A certificate with the transparency log's timestamp in it: made once without, so that there is something to stamp.
    fn certificate(&self, signer: &KeyPair, subject: &str, issuer: &str) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.serial_number = Some(SerialNumber::from(77_u64));
        (params.not_before, params.not_after) = (date_time_ymd(2023, 11, 14), date_time_ymd(2023, 11, 16));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        let name = subject.try_into().unwrap();
        params.subject_alt_names =
            vec![if subject.contains("://") { SanType::URI(name) } else { SanType::Rfc822Name(name) }];
        let issuer = der(0x0c, issuer.as_bytes());
        params.custom_extensions = vec![CustomExtension::from_oid_content(&FULCIO_ISSUER, issuer)];
        let ca = Issuer::from_params(&self.ca_params, &self.ca);
        let bare = params.signed_by(signer, &ca).unwrap();
        let stamps = der(0x04, &self.timestamp_list(to_be_signed(bare.der())));
        params.custom_extensions.push(CustomExtension::from_oid_content(&TIMESTAMP_LIST, stamps));
        params.signed_by(signer, &ca).unwrap().der().to_vec()
    }

    /// RFC 6962, sections 3.2 and 3.3.
    fn timestamp_list(&self, to_be_signed: &[u8]) -> Vec<u8> {
        let milliseconds = (SIGNED_AT * 1000).to_be_bytes();
        let length = u32::try_from(to_be_signed.len()).unwrap().to_be_bytes();
        let issuer = sha256(&[&spki(&self.ca)]);
        let stamped =
            [&[0, 0], &milliseconds[..], &[0, 1], &issuer, &length[1..], to_be_signed, &[0, 0]].concat();
        let signature = self.ct_log.sign(&stamped).unwrap();
        let log = sha256(&[&spki(&self.ct_log)]);
        let stamp = [&[0], &log[..], &milliseconds, &[0, 0, 4, 3], &with_length(&signature)].concat();
        with_length(&with_length(&stamp))
    }

    /// The only entry of the log, with the log's promise and the proof that it is in.
    fn log_entry(&self, body: &str) -> Value {
        let id = sha256(&[&spki(&self.log)]);
        let promised = format!(
            r#"{{"body":"{}","integratedTime":{SIGNED_AT},"logID":"{}","logIndex":0}}"#,
            base64(body),
            hex(&id)
        );
        let root = sha256(&[&[0], body.as_bytes()]);
        let checkpoint = format!("log.example\n1\n{}\n", base64(root));
        let signature = self.log.sign(checkpoint.as_bytes()).unwrap();
        let note =
            format!("{checkpoint}\n\u{2014} log.example {}\n", base64([&id[..4], &signature].concat()));
        json!({
            "logIndex": "0",
            "logId": { "keyId": base64(id) },
            "kindVersion": { "kind": "hashedrekord", "version": "0.0.1" },
            "integratedTime": SIGNED_AT.to_string(),
            "inclusionPromise": {
                "signedEntryTimestamp": base64(self.log.sign(promised.as_bytes()).unwrap()),
            },
            "inclusionProof": {
                "logIndex": "0",
                "rootHash": base64(root),
                "treeSize": "1",
                "hashes": [],
                "checkpoint": { "envelope": note },
            },
            "canonicalizedBody": base64(body),
        })
    }
}

/// Two bytes of length before it.
fn with_length(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap();
    [&length.to_be_bytes(), bytes].concat()
}

/// X.690: a value of up to 65,535 bytes.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let length: &[u8] = match content.len() {
        0..128 => &length[1..],
        128..256 => &[0x81, length[1]],
        _ => &[0x82, length[0], length[1]],
    };
    [&[tag], length, content].concat()
}

/// The first member of a certificate: what its issuer signed.
fn to_be_signed(certificate: &[u8]) -> &[u8] {
    let (header, _) = header(certificate);
    let rest = &certificate[header..];
    let (header, length) = self::header(rest);
    &rest[..header + length]
}

/// How long tag and length are, and what follows them.
fn header(value: &[u8]) -> (usize, usize) {
    match value[1] {
        0x81 => (3, value[2].into()),
        0x82 => (4, u16::from_be_bytes([value[2], value[3]]).into()),
        short => (2, short.into()),
    }
}

fn pem(certificate: &[u8]) -> String {
    let text = base64(certificate);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}
