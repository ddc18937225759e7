//! Randomness and digests.

use std::sync::Arc;

use sha1::{Digest, Sha1};
use sha2::{Sha256, Sha384, Sha512};
use tandem_contract::{Error, ErrorKind, HostArgs, HostValue, Invocation, Result};

use crate::cloud::Cloud;
use crate::ops::Op;

pub(in crate::ops) const OPS: &[Op] =
    &[Op::sync("crypto.random", random), Op::sync("crypto.uuid", uuid), Op::sync("crypto.digest", digest)];

/// Bytes of one call: <https://w3c.github.io/webcrypto/#Crypto-method-getRandomValues>.
const QUOTA: usize = 65_536;

/// The text is how many bytes.
fn random(cloud: &Cloud, _: &Arc<Invocation>, args: HostArgs) -> Result<HostValue> {
    let length = args.text.parse().ok().filter(|length| *length <= QUOTA);
    let mut bytes = vec![0; length.ok_or_else(|| Error::internal("crypto.random: bad length"))?];
    cloud.entropy.fill(&mut bytes)?;
    Ok(HostValue::Bytes(bytes.into()))
}

fn uuid(cloud: &Cloud, _: &Arc<Invocation>, _: HostArgs) -> Result<HostValue> {
    let mut bytes = [0; 16];
    cloud.entropy.fill(&mut bytes)?;
    Ok(HostValue::Text(uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()))
}

/// The text names the algorithm.
fn digest(_: &Cloud, _: &Arc<Invocation>, args: HostArgs) -> Result<HostValue> {
    let data = args.bytes.unwrap_or_default();
    hash(&args.text, &data).map(|hash| HostValue::Bytes(hash.into())).ok_or_else(|| {
        Error::new(ErrorKind::InvalidArgument, format!("There is no digest algorithm {:?}", args.text))
    })
}

fn hash(algorithm: &str, data: &[u8]) -> Option<Vec<u8>> {
    Some(match algorithm {
        "SHA-1" => Sha1::digest(data).to_vec(),
        "SHA-256" => Sha256::digest(data).to_vec(),
        "SHA-384" => Sha384::digest(data).to_vec(),
        "SHA-512" => Sha512::digest(data).to_vec(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::hash;

    /// `abc` and the empty message, from FIPS 180-4's example values.
    #[test]
    fn digests_of_known_messages() {
        for (algorithm, data, expected) in [
            ("SHA-1", "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            ("SHA-1", "", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            ("SHA-256", "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "SHA-384",
                "abc",
                "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
            ),
            (
                "SHA-512",
                "abc",
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd\
                 454d4423643ce80e2a9ac94fa54ca49f",
            ),
        ] {
            let hex: String =
                hash(algorithm, data.as_bytes()).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, expected, "{algorithm} of {data:?}");
        }
        assert_eq!(hash("MD5", b""), None);
    }
}
