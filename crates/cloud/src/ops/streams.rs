//! Streams between a function and the host: objects and bodies that never are in memory as a
//! whole. Both ways a chunk is asked for or taken one at a time, so that the slower end decides.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use parking_lot::Mutex;
use tandem_contract::{Error, ErrorKind, HostArgs, HostValue, Invocation, Result};
use tokio::sync::mpsc;

use super::{Op, async_op};
use crate::cloud::Cloud;
use crate::resources::held;

pub(super) const OPS: &[Op] = &[
    async_op!("stream.read", read),
    Op::sync("stream.cancel", cancel),
    Op::sync("stream.open", open),
    async_op!("stream.write", write),
    Op::sync("stream.end", end),
];

/// Bytes given to a function at once.
const CHUNK: usize = 256 << 10;

/// Chunks on their way from a function to the host.
const IN_FLIGHT: usize = 1;

/// Pieces from or to the host.
pub(crate) type ByteStream = BoxStream<'static, Result<Bytes>>;

/// The streams of one invocation, by handle.
#[derive(Default)]
pub(crate) struct Held {
    incoming: Mutex<HashMap<u64, Incoming>>,
    outgoing: Mutex<HashMap<u64, Outgoing>>,
}

/// What a function reads.
struct Incoming {
    stream: ByteStream,
    /// The rest of a chunk that was too long.
    rest: Bytes,
}

/// What a function writes.
struct Outgoing {
    sender: mpsc::Sender<Bytes>,
    ended: Arc<AtomicBool>,
    /// Until an operation takes it.
    receiver: Option<mpsc::Receiver<Bytes>>,
}

/// Holds `stream` for the function to read; returns its handle.
pub(crate) fn hold_incoming(cloud: &Cloud, invocation: &Invocation, stream: ByteStream) -> Result<u64> {
    let handle = cloud.next_handle();
    held(invocation)?.streams.incoming.lock().insert(handle, Incoming { stream, rest: Bytes::new() });
    Ok(handle)
}

/// What the function writes to `handle`. A function that breaks off, or is over, makes it fail.
pub(crate) fn take_outgoing(invocation: &Invocation, handle: u64) -> Result<ByteStream> {
    let mut outgoing = held(invocation)?.streams.outgoing.lock();
    let entry = outgoing.get_mut(&handle).ok_or_else(unknown)?;
    let receiver = entry.receiver.take().ok_or_else(unknown)?;
    let ended = Arc::clone(&entry.ended);
    Ok(stream::unfold(Some((receiver, ended)), |state| async move {
        let (mut receiver, ended) = state?;
        match receiver.recv().await {
            Some(chunk) => Some((Ok(chunk), Some((receiver, ended)))),
            None if ended.load(Ordering::Acquire) => None,
            None => Some((Err(broken_off()), None)),
        }
    })
    .boxed())
}

/// Gives the next bytes, `undefined` at the end. A stream has one reader: while a read is under
/// way the handle is unknown.
async fn read(_: Arc<Cloud>, invocation: Arc<Invocation>, args: HostArgs) -> Result<HostValue> {
    let handle = parse(&args.text)?;
    let streams = &held(&invocation)?.streams;
    let mut incoming = streams.incoming.lock().remove(&handle).ok_or_else(unknown)?;
    while incoming.rest.is_empty() {
        match incoming.stream.next().await {
            Some(chunk) => incoming.rest = chunk?,
            None => return Ok(HostValue::Undefined),
        }
    }
    let chunk = incoming.rest.split_to(incoming.rest.len().min(CHUNK));
    streams.incoming.lock().insert(handle, incoming);
    Ok(HostValue::Bytes(chunk))
}

/// Forgets a stream of either kind; no error when it is gone already.
fn cancel(_: &Cloud, invocation: &Arc<Invocation>, args: HostArgs) -> Result<HostValue> {
    let handle = parse(&args.text)?;
    let streams = &held(invocation)?.streams;
    streams.incoming.lock().remove(&handle);
    streams.outgoing.lock().remove(&handle);
    Ok(HostValue::Undefined)
}

/// Gives the handle of a new stream from the function to the host.
fn open(cloud: &Cloud, invocation: &Arc<Invocation>, _: HostArgs) -> Result<HostValue> {
    let handle = cloud.next_handle();
    let (sender, receiver) = mpsc::channel(IN_FLIGHT);
    let entry = Outgoing { sender, ended: Arc::default(), receiver: Some(receiver) };
    held(invocation)?.streams.outgoing.lock().insert(handle, entry);
    Ok(HostValue::Json(handle.to_string().into()))
}

/// Settles when the bytes are taken; `false` when nobody takes any more.
async fn write(_: Arc<Cloud>, invocation: Arc<Invocation>, args: HostArgs) -> Result<HostValue> {
    let handle = parse(&args.text)?;
    let sender = held(&invocation)?.streams.outgoing.lock().get(&handle).map(|entry| entry.sender.clone());
    let Some(sender) = sender else { return Ok(HostValue::Bool(false)) };
    Ok(HostValue::Bool(sender.send(args.bytes.unwrap_or_default()).await.is_ok()))
}

/// Says that all was written.
fn end(_: &Cloud, invocation: &Arc<Invocation>, args: HostArgs) -> Result<HostValue> {
    let handle = parse(&args.text)?;
    if let Some(entry) = held(invocation)?.streams.outgoing.lock().remove(&handle) {
        entry.ended.store(true, Ordering::Release);
    }
    Ok(HostValue::Undefined)
}

fn parse(text: &str) -> Result<u64> {
    text.parse().map_err(|_| Error::internal("a stream's handle is a number"))
}

fn unknown() -> Error {
    Error::new(ErrorKind::Conflict, "The stream is closed, or being read already")
}

fn broken_off() -> Error {
    Error::new(ErrorKind::Conflict, "The stream was broken off before its end")
}
