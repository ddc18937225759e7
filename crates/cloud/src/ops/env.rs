//! `cloud.env`.

use std::sync::Arc;

use tandem_contract::{HostArgs, HostValue, Invocation, Result};

use super::Op;
use crate::cloud::Cloud;

pub(super) const OPS: &[Op] = &[Op::sync("env.get", get)];

fn get(cloud: &Cloud, _invocation: &Arc<Invocation>, _args: HostArgs) -> Result<HostValue> {
    Ok(HostValue::Json(cloud.env.clone()))
}
