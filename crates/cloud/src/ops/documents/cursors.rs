use std::sync::Arc;

use bson::Bson;
use futures_util::StreamExt;
use tandem_contract::{
    Aggregate, DocumentStream, Error, Find, HostArgs, HostValue, Invocation, Result, Target,
};

use super::fields::Fields;
use super::held::Cursor;
use super::sort::sort;
use super::target::target;
use crate::cloud::Cloud;
use crate::resources::held;
use crate::values::{self, Batch};

/// Documents in a first batch, as MongoDB sends them: most functions read no more.
const FIRST_DOCUMENTS: usize = 101;

/// Documents in a later batch.
const LATER_DOCUMENTS: usize = 1000;

/// Bytes of text after which a first batch ends.
const FIRST_BYTES: usize = 1 << 20;

/// Bytes of text after which a later batch ends, or any batch of a reader who wants all.
const LATER_BYTES: usize = 4 << 20;

/// `{filter, options}`; `all` when the function wants every document at once.
pub(super) async fn find(
    cloud: Arc<Cloud>,
    invocation: Arc<Invocation>,
    args: HostArgs,
) -> Result<HostValue> {
    let mut request = Fields::parse("find", &args)?;
    let mut options = request.options()?;
    let target = target(&cloud, &invocation, &mut request, &mut options)?;
    let find = read_find(&mut request, &mut options)?;
    let reader = Reader::new(&mut request, &mut options)?;
    options.finish()?;
    let stream = cloud.documents.find(&target, find).await?;
    reader.start(&cloud, &invocation, stream).await
}

/// `{filter, options}`; gives the document or null.
pub(super) async fn find_one(
    cloud: Arc<Cloud>,
    invocation: Arc<Invocation>,
    args: HostArgs,
) -> Result<HostValue> {
    let mut request = Fields::parse("findOne", &args)?;
    let mut options = request.options()?;
    let target = target(&cloud, &invocation, &mut request, &mut options)?;
    let find = Find { limit: Some(1), ..read_find(&mut request, &mut options)? };
    options.take("batchSize");
    options.finish()?;
    let found = cloud.documents.find(&target, find).await?.next().await.transpose()?;
    values::reply(&found.map_or(Bson::Null, Bson::Document))
}

/// `{pipeline, options}`; `all` when the function wants every document at once.
pub(super) async fn aggregate(
    cloud: Arc<Cloud>,
    invocation: Arc<Invocation>,
    args: HostArgs,
) -> Result<HostValue> {
    let mut request = Fields::parse("aggregate", &args)?;
    let mut options = request.options()?;
    let target = target(&cloud, &invocation, &mut request, &mut options)?;
    let reader = Reader::new(&mut request, &mut options)?;
    options.take("cursor");
    options.finish()?;
    let pipeline = request.documents("pipeline")?;
    let stream = cloud.documents.aggregate(&target, Aggregate { pipeline }).await?;
    reader.start(&cloud, &invocation, stream).await
}

/// The text is a cursor's number; gives its next batch.
pub(super) async fn next(
    _cloud: Arc<Cloud>,
    invocation: Arc<Invocation>,
    args: HostArgs,
) -> Result<HostValue> {
    let handle = parse_handle(&args.text)?;
    let held = &held(&invocation)?.documents;
    let mut cursor = held.take_cursor(handle)?;
    let filled = fill(&mut cursor.stream, cursor.batch_size, LATER_BYTES).await;
    match filled {
        Ok((batch, false)) => {
            held.return_cursor(handle, cursor);
            batch.finish(Some(handle))
        }
        Ok((batch, true)) => {
            held.close_cursor(handle);
            batch.finish(None)
        }
        Err(error) => {
            held.close_cursor(handle);
            Err(error)
        }
    }
}

/// The text is a cursor's number. No error when it is closed already.
pub(super) async fn close(
    _cloud: Arc<Cloud>,
    invocation: Arc<Invocation>,
    args: HostArgs,
) -> Result<HostValue> {
    held(&invocation)?.documents.close_cursor(parse_handle(&args.text)?);
    Ok(HostValue::Undefined)
}

/// `{filter, options}`; gives the store's account of how it would run the query.
pub(super) async fn explain(
    cloud: Arc<Cloud>,
    invocation: Arc<Invocation>,
    args: HostArgs,
) -> Result<HostValue> {
    let mut request = Fields::parse("explain", &args)?;
    let mut options = request.options()?;
    let target: Target = target(&cloud, &invocation, &mut request, &mut options)?;
    let find = read_find(&mut request, &mut options)?;
    options.take("batchSize");
    options.finish()?;
    values::reply(&Bson::Document(cloud.documents.explain(&target, find).await?))
}

fn read_find(request: &mut Fields, options: &mut Fields) -> Result<Find> {
    Ok(Find {
        filter: request.document("filter")?.unwrap_or_default(),
        projection: options.document("projection")?.filter(|projection| !projection.is_empty()),
        sort: sort(options, "sort")?,
        skip: options.count("skip")?.unwrap_or(0),
        // MongoDB: 0 is no limit, and a negative one is a limit too.
        limit: options.integer("limit")?.map(i64::unsigned_abs).filter(|limit| *limit > 0),
    })
}

/// How much a function wants at a time.
struct Reader {
    all: bool,
    batch_size: Option<usize>,
}

impl Reader {
    fn new(request: &mut Fields, options: &mut Fields) -> Result<Self> {
        let all = request.flag("all")?.unwrap_or(false);
        let batch_size = options.count("batchSize")?.filter(|size| *size > 0);
        Ok(Self { all, batch_size: batch_size.map(|size| usize::try_from(size).unwrap_or(usize::MAX)) })
    }

    /// Gives the first batch and keeps the cursor open when there is more.
    async fn start(
        self,
        cloud: &Cloud,
        invocation: &Invocation,
        mut stream: DocumentStream,
    ) -> Result<HostValue> {
        let (first, later, bytes) = match (self.all, self.batch_size) {
            (true, _) => (usize::MAX, usize::MAX, LATER_BYTES),
            (false, Some(size)) => (size, size, FIRST_BYTES),
            (false, None) => (FIRST_DOCUMENTS, LATER_DOCUMENTS, FIRST_BYTES),
        };
        let (batch, done) = fill(&mut stream, first, bytes).await?;
        if done {
            return batch.finish(None);
        }
        let handle = cloud.next_handle();
        held(invocation)?.documents.keep_cursor(handle, Cursor { stream, batch_size: later })?;
        batch.finish(Some(handle))
    }
}

/// Fetches documents until there are `documents` of them or their text reaches `bytes`; the last
/// one may pass it. The flag tells that the stream has ended.
async fn fill(stream: &mut DocumentStream, documents: usize, bytes: usize) -> Result<(Batch, bool)> {
    let mut batch = Batch::new();
    while let Some(document) = stream.next().await {
        batch.push(&document?)?;
        if batch.documents() >= documents || batch.size() >= bytes {
            return Ok((batch, false));
        }
    }
    Ok((batch, true))
}

fn parse_handle(text: &str) -> Result<u64> {
    text.parse().map_err(|_| Error::internal("documents: malformed number of a cursor"))
}
