use bson::Bson;

/// The first `first` elements of an array, or the last when it is negative; with a length, so many
/// from position `first`, which counts from the end when it is negative.
pub(crate) fn slice_of(array: &[Bson], first: i64, length: Option<usize>) -> &[Bson] {
    let distance = usize::try_from(first.unsigned_abs()).unwrap_or(usize::MAX);
    let from_end = array.len().saturating_sub(distance);
    let from_start = distance.min(array.len());
    let (start, end) = match length {
        None if first < 0 => (from_end, array.len()),
        None => (0, from_start),
        Some(length) => {
            let start = if first < 0 { from_end } else { from_start };
            (start, start.saturating_add(length).min(array.len()))
        }
    };
    &array[start..end]
}
