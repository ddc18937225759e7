use futures_util::{StreamExt as _, stream};
use tandem_contract::{BlobBody, BlobListing, BlobMeta, BlobStore, Bucket, Condition, PutOptions, Result};

use super::{Outcome, Run};

/// Objects on their way at a time; each is streamed, never held whole.
const AT_ONCE: usize = 8;

impl Run<'_> {
    pub(super) async fn copy_bucket(&mut self, source: &Bucket, destination: &Bucket) -> Result<()> {
        let mut listing = BlobListing::default();
        loop {
            let page = self.from.blobs.list(source, listing.clone()).await?;
            let (from, to) = (&*self.from.blobs, &*self.to.blobs);
            let copies = page.blobs.into_iter().map(|blob| async move {
                let outcome = copy((from, source), (to, destination), &blob.key).await;
                (blob, outcome)
            });
            let mut copies = stream::iter(copies).buffer_unordered(AT_ONCE);
            while let Some((blob, outcome)) = copies.next().await {
                if matches!(outcome, Ok(Outcome::Copied)) {
                    self.report.object_bytes += blob.size;
                }
                let what = || format!("object {} of bucket {source}", blob.key);
                self.note(|report| &mut report.objects, what, outcome)?;
            }
            listing.cursor = page.next;
            if listing.cursor.is_none() {
                return Ok(());
            }
        }
    }
}

async fn copy(from: (&dyn BlobStore, &Bucket), to: (&dyn BlobStore, &Bucket), key: &str) -> Result<Outcome> {
    let held = to.0.head(to.1, key).await?;
    let Some(meta) = from.0.head(from.1, key).await? else { return Ok(Outcome::Unchanged) };
    if held.is_some_and(|held| is_same(&held, &meta)) {
        return Ok(Outcome::Unchanged);
    }
    let Some(read) = from.0.get(from.1, key, None).await? else { return Ok(Outcome::Unchanged) };
    let options = PutOptions {
        content_type: read.meta.content_type.clone(),
        metadata: read.meta.metadata.clone(),
        condition: Condition::None,
    };
    let body = BlobBody::Stream { stream: read.stream, length: Some(read.meta.size) };
    to.0.put(to.1, key, body, options).await.map(|_| Outcome::Copied)
}

/// Entity tags of different stores are made differently. An object that is as large, described the
/// same and was written after the source's is the copy: a write is whole or not at all.
fn is_same(held: &BlobMeta, source: &BlobMeta) -> bool {
    let described = held.size == source.size
        && held.content_type == source.content_type
        && held.metadata == source.metadata;
    described && (held.etag == source.etag || held.last_modified >= source.last_modified)
}
