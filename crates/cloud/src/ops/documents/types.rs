use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bson::Decimal128;
use tandem_contract::{Error, ErrorKind, HostArgs, HostValue, Invocation, Result};

use crate::cloud::Cloud;

/// What new `ObjectId`s of an isolate have in common and where they start to count: five random
/// bytes and three of the first count, in hex.
pub(super) fn id_seed(cloud: &Cloud, _invocation: &Arc<Invocation>, _args: HostArgs) -> Result<HostValue> {
    let mut seed = [0; 8];
    cloud.entropy.fill(&mut seed)?;
    Ok(HostValue::Text(format!("{:016x}", u64::from_be_bytes(seed))))
}

/// The text of a Decimal128 in its canonical form.
pub(super) fn decimal(_cloud: &Cloud, _invocation: &Arc<Invocation>, args: HostArgs) -> Result<HostValue> {
    let number: Decimal128 = args.text.parse().map_err(|_| {
        let shown: String = args.text.chars().take(60).collect();
        Error::new(ErrorKind::InvalidArgument, format!("{shown:?} is not a Decimal128"))
    })?;
    Ok(HostValue::Text(number.to_string()))
}

pub(super) fn decode_base64(
    _cloud: &Cloud,
    _invocation: &Arc<Invocation>,
    args: HostArgs,
) -> Result<HostValue> {
    match STANDARD.decode(&args.text) {
        Ok(bytes) => Ok(HostValue::Bytes(bytes.into())),
        Err(error) => Err(Error::new(ErrorKind::InvalidArgument, format!("Not base64: {error}"))),
    }
}

pub(super) fn encode_base64(
    _cloud: &Cloud,
    _invocation: &Arc<Invocation>,
    args: HostArgs,
) -> Result<HostValue> {
    Ok(HostValue::Text(STANDARD.encode(args.bytes.unwrap_or_default())))
}
