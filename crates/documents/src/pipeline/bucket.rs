use bson::{Bson, Document, doc};
use tandem_contract::Result;

use super::accumulator::Accumulator;
use super::group::Group;
use super::parse::field_name;
use super::run::Run;
use crate::compare::{compare, rank};
use crate::error::invalid;
use crate::expression::{Expression, Frame, Names};

/// `$bucket`: a group by ranges, sorted.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    by: Expression,
    boundaries: Vec<Bson>,
    default: Option<Bson>,
    group: Group,
}

/// The variable that tells the group which bucket a document is in.
const BUCKET: &str = "bucket";

impl Bucket {
    pub(super) fn parse(fields: &Document, names: &Names) -> Result<Self> {
        const PARAMETERS: [&str; 4] = ["groupBy", "boundaries", "default", "output"];
        if let Some(unknown) = fields.keys().find(|name| !PARAMETERS.contains(&name.as_str())) {
            return Err(invalid(format!("$bucket has no parameter \"{unknown}\"")));
        }
        let by = fields.get("groupBy").ok_or_else(|| invalid("$bucket needs \"groupBy\""))?;
        if !matches!(by, Bson::Document(_)) && !by.as_str().is_some_and(|path| path.starts_with('$')) {
            return Err(invalid(
                "$bucket needs a path that starts with \"$\" or an expression as \"groupBy\"",
            ));
        }
        let boundaries = match fields.get("boundaries") {
            Some(Bson::Array(boundaries)) => boundaries.iter().map(constant).collect::<Result<Vec<_>>>()?,
            _ => return Err(invalid("$bucket needs an array as \"boundaries\"")),
        };
        let ascending = boundaries
            .windows(2)
            .all(|pair| rank(&pair[0]) == rank(&pair[1]) && compare(&pair[0], &pair[1]).is_lt());
        if boundaries.len() < 2 || !ascending {
            return Err(invalid("$bucket needs two or more boundaries of one type, ascending"));
        }
        let default = fields.get("default").map(constant).transpose()?;
        if let Some(default) = &default
            && compare(default, &boundaries[0]).is_ge()
            && compare(default, &boundaries[boundaries.len() - 1]).is_lt()
        {
            return Err(invalid("The default of $bucket must lie outside of its boundaries"));
        }
        let count = doc! { "count": { "$sum": 1 } };
        let output = match fields.get("output") {
            None => &count,
            Some(Bson::Document(output)) => output,
            Some(_) => return Err(invalid("$bucket needs a document as \"output\"")),
        };
        let accumulators = output.iter().map(|(name, accumulator)| {
            let field = field_name("$bucket", &Bson::String(name.clone()))?;
            Ok((field, Accumulator::parse(name, accumulator, names)?))
        });
        let id = Expression::user_variable(BUCKET);
        let group = Group::new(id, accumulators.collect::<Result<_>>()?);
        Ok(Self { by: Expression::parse(by, names)?, boundaries, default, group })
    }

    pub(super) fn run(
        &self,
        run: &Run<'_>,
        input: &[Document],
        frame: Option<&Frame<'_>>,
    ) -> Result<Vec<Document>> {
        let mut buckets: Vec<(Bson, Vec<Document>)> = Vec::new();
        for document in input {
            let value = self.by.evaluate(&run.scope(document, frame))?.unwrap_or(Bson::Null);
            let bucket = self.bucket(&value)?;
            match buckets.iter_mut().find(|(known, _)| known == bucket) {
                Some((_, documents)) => documents.push(document.clone()),
                None => buckets.push((bucket.clone(), vec![document.clone()])),
            }
        }
        buckets.sort_by(|(left, _), (right, _)| compare(left, right));
        let mut output = Vec::with_capacity(buckets.len());
        for (bucket, documents) in buckets {
            let frame = Frame::new(BUCKET, Some(bucket), frame);
            output.extend(self.group.run(run, &documents, Some(&frame))?);
        }
        Ok(output)
    }

    /// The lower boundary of the bucket a value is in, or the default.
    fn bucket(&self, value: &Bson) -> Result<&Bson> {
        let above = self.boundaries.partition_point(|boundary| compare(boundary, value).is_le());
        if above > 0 && above < self.boundaries.len() {
            return Ok(&self.boundaries[above - 1]);
        }
        self.default
            .as_ref()
            .ok_or_else(|| invalid("A value lies outside of the boundaries of $bucket, which has no default"))
    }
}

/// A value that is the same for all documents.
fn constant(value: &Bson) -> Result<Bson> {
    match Expression::parse(value, &Names::default())? {
        Expression::Literal(value) => Ok(value),
        _ => Err(invalid("$bucket needs constant boundaries and a constant default")),
    }
}
