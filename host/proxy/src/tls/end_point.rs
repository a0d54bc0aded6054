//! `tls-server-end-point` (RFC 5929, section 4): the hash of a server's certificate that SCRAM binds a login to.
//!
//! Reads just enough DER to find the certificate's signature algorithm; no certificate is verified here.

use aws_lc_rs::digest::{self, Algorithm, SHA224, SHA256, SHA384, SHA512};

/// DER tags (X.690).
const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;
/// `[0] EXPLICIT`, the hash algorithm in RSASSA-PSS-params (RFC 4055, section 3.1).
const CONTEXT_0: u8 = 0xa0;

/// id-RSASSA-PSS, 1.2.840.113549.1.1.10.
const RSASSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];

/// Signature and hash algorithms as DER content octets, and the hash RFC 5929 asks for: MD5 and SHA-1 become SHA-256.
const HASHES: &[(&[u8], &Algorithm)] = &[
    // PKCS #1: md5, sha1, sha256, sha384, sha512, sha224 WithRSAEncryption.
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x04], &SHA256),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05], &SHA256),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b], &SHA256),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c], &SHA384),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d], &SHA512),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0e], &SHA224),
    // X9.62: ecdsa-with-SHA1, SHA224, SHA256, SHA384, SHA512.
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01], &SHA256),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x01], &SHA224),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02], &SHA256),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03], &SHA384),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04], &SHA512),
    // Plain hashes, as RSASSA-PSS parameters name them: SHA-256, SHA-384, SHA-512, SHA-224.
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01], &SHA256),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02], &SHA384),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03], &SHA512),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x04], &SHA224),
];

/// The channel binding data for a server's certificate in DER. None if its signature algorithm has no single hash
/// function (Ed25519), for which the RFC defines no value, or if the certificate is not DER.
pub fn server_end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let hash = signature_hash(certificate)?;
    Some(digest::digest(hash, certificate).as_ref().to_vec())
}

/// `Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm SEQUENCE { OID, parameters }, … }` (RFC 5280).
fn signature_hash(certificate: &[u8]) -> Option<&'static Algorithm> {
    let (fields, _) = element(certificate, SEQUENCE)?;
    let (_to_be_signed, after) = element(fields, SEQUENCE)?;
    let (identifier, _) = element(after, SEQUENCE)?;
    let (oid, parameters) = element(identifier, OBJECT_IDENTIFIER)?;
    if oid == RSASSA_PSS { pss_hash(parameters) } else { hash_of(oid) }
}

/// Without the optional field the hash is SHA-1, for which SHA-256 stands in.
fn pss_hash(parameters: &[u8]) -> Option<&'static Algorithm> {
    let (fields, _) = element(parameters, SEQUENCE)?;
    let Some((field, _)) = element(fields, CONTEXT_0) else { return Some(&SHA256) };
    let (identifier, _) = element(field, SEQUENCE)?;
    let (oid, _) = element(identifier, OBJECT_IDENTIFIER)?;
    hash_of(oid)
}

fn hash_of(oid: &[u8]) -> Option<&'static Algorithm> {
    HASHES.iter().find(|(known, _)| *known == oid).map(|(_, hash)| *hash)
}

/// Splits one element with the expected tag off `input`: its contents, and what follows it.
fn element(input: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = input.split_first()?;
    let (&first, rest) = rest.split_first()?;
    if found != tag {
        return None;
    }
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // Certificates are far below 16 MiB: three octets of length are enough.
        0x81..=0x83 => {
            let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (octets.iter().fold(0, |length, &octet| (length << 8) | usize::from(octet)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SignatureAlgorithm};

    use super::*;

    fn certificate(algorithm: &'static SignatureAlgorithm) -> Vec<u8> {
        let key = KeyPair::generate_for(algorithm).expect("a key");
        let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        params.self_signed(&key).expect("a certificate").der().to_vec()
    }

    #[test]
    fn the_hash_is_the_one_of_the_signature_algorithm() {
        let check = |algorithm, hash| {
            let der = certificate(algorithm);
            let expected = digest::digest(hash, &der).as_ref().to_vec();
            assert_eq!(server_end_point(&der), Some(expected), "{algorithm:?}");
        };
        check(&rcgen::PKCS_ECDSA_P256_SHA256, &SHA256);
        check(&rcgen::PKCS_ECDSA_P384_SHA384, &SHA384);
        check(&rcgen::PKCS_RSA_SHA256, &SHA256);
        check(&rcgen::PKCS_RSA_SHA512, &SHA512);
    }

    #[test]
    fn weak_hashes_become_sha_256() {
        let sha1_with_rsa = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05];
        assert_eq!(hash_of(&sha1_with_rsa), Some(&SHA256));
        // RSASSA-PSS with default parameters.
        assert_eq!(pss_hash(&[SEQUENCE, 0]), Some(&SHA256));
    }

    #[test]
    fn pss_parameters_name_the_hash() {
        let sha512 = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03];
        let mut parameters = vec![SEQUENCE, 15, CONTEXT_0, 13, SEQUENCE, 11, OBJECT_IDENTIFIER, 9];
        parameters.extend(sha512);
        assert_eq!(pss_hash(&parameters), Some(&SHA512));
    }

    #[test]
    fn ed25519_has_none() {
        assert_eq!(server_end_point(&certificate(&rcgen::PKCS_ED25519)), None);
    }

    #[test]
    fn a_cut_off_certificate_has_none_and_never_panics() {
        let der = certificate(&rcgen::PKCS_ECDSA_P256_SHA256);
        for end in 0..der.len() {
            assert_eq!(server_end_point(&der[..end]), None, "{end}");
        }
    }
}
