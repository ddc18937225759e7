use bson::oid::ObjectId;
use bson::{Bson, DateTime, Document};

use super::node::{Comparison, Node, Test as NodeTest};
use crate::number::Number;
use crate::path::array_index;

/// A condition on one path that a matching document fulfils.
#[derive(Clone, Debug, PartialEq)]
pub struct Predicate {
    /// The dotted path.
    pub path: String,
    /// What holds there.
    pub test: Test,
}

/// What holds of the keys a document has at a path (see [`crate::index_key::keys`]).
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// Some key equals this.
    Eq(Bson),
    /// Some key equals one of these; none of them means that nothing matches.
    In(Vec<Bson>),
    /// Some key lies in this range of the full BSON order. Bounds come with whether they are
    /// included and are already those of the operand's type.
    Range {
        /// The lower bound.
        lower: Option<(Bson, bool)>,
        /// The upper bound.
        upper: Option<(Bson, bool)>,
    },
    /// The path exists: a sparse index holds the document.
    Exists,
}

pub(super) fn of(node: &Node) -> Vec<Predicate> {
    let mut out = Vec::new();
    collect(node, &mut out);
    out
}

/// The predicates, when together they say all that the filter says of documents that have one key
/// at each of the paths.
pub(super) fn exact(node: &Node) -> Option<Vec<Predicate>> {
    let nodes = match node {
        Node::And(nodes) => nodes.as_slice(),
        Node::Always(true) => &[],
        node => std::slice::from_ref(node),
    };
    let exact = |node: &Node| match node {
        Node::Path { test: NodeTest::Compare(_, operand), .. } => is_plain(operand),
        Node::Path { test: NodeTest::In { values, patterns }, .. } => {
            patterns.is_empty() && values.iter().all(is_plain)
        }
        _ => false,
    };
    let predicates = of(node);
    (nodes.iter().all(exact) && predicates.len() == nodes.len()).then_some(predicates)
}

/// Whether what compares with the value is what has a key that does: not so for null, which a
/// missing path equals, nor for types that contain others.
fn is_plain(value: &Bson) -> bool {
    match value {
        Bson::String(_) | Bson::ObjectId(_) | Bson::Boolean(_) | Bson::DateTime(_) => true,
        number => Number::of(number).is_some_and(|number| !number.is_nan()),
    }
}

fn collect(node: &Node, out: &mut Vec<Predicate>) {
    match node {
        Node::And(nodes) => nodes.iter().for_each(|node| collect(node, out)),
        // A numeric part means a position or a name to a filter, but only one of them to a key.
        Node::Path { path, test }
            if !path.iter().any(|part| array_index(part).is_some() || part.is_empty()) =>
        {
            if let Some(test) = predicate(test) {
                out.push(Predicate { path: path.join("."), test });
            }
        }
        _ => {}
    }
}

fn predicate(test: &NodeTest) -> Option<Test> {
    match test {
        NodeTest::Compare(comparison, operand) => compared(*comparison, operand),
        NodeTest::In { values, patterns } if patterns.is_empty() => {
            Some(Test::In(values.iter().flat_map(equal_keys).collect()))
        }
        NodeTest::Exists => Some(Test::Exists),
        _ => None,
    }
}

/// The keys a document may have that holds something equal to `value`.
fn equal_keys(value: &Bson) -> Vec<Bson> {
    match value {
        Bson::Null => vec![Bson::Null, Bson::Undefined],
        // An array is indexed by its elements, an array in an array as a whole.
        Bson::Array(array) => {
            vec![array.first().cloned().unwrap_or(Bson::Undefined), value.clone()]
        }
        _ => vec![value.clone()],
    }
}

fn compared(comparison: Comparison, operand: &Bson) -> Option<Test> {
    let mut keys = equal_keys(operand);
    match comparison {
        Comparison::Equal if keys.len() == 1 => return keys.pop().map(Test::Eq),
        Comparison::Equal => return Some(Test::In(keys)),
        Comparison::Less | Comparison::Greater if matches!(operand, Bson::Null) => {
            return Some(Test::In(Vec::new()));
        }
        _ if matches!(operand, Bson::Null) => return Some(Test::In(keys)),
        _ => {}
    }
    if Number::of(operand).is_some_and(Number::is_nan) {
        let equal = matches!(comparison, Comparison::LessOrEqual | Comparison::GreaterOrEqual);
        return Some(Test::In(if equal { keys } else { Vec::new() }));
    }
    let (lowest, highest) = bracket(operand)?;
    let bound = |inclusive| Some((operand.clone(), inclusive));
    Some(match comparison {
        Comparison::Less => Test::Range { lower: lowest, upper: bound(false) },
        Comparison::LessOrEqual => Test::Range { lower: lowest, upper: bound(true) },
        Comparison::Greater => Test::Range { lower: bound(false), upper: highest },
        _ => Test::Range { lower: bound(true), upper: highest },
    })
}

type Bound = Option<(Bson, bool)>;

/// The range of a type's values; `None` for types whose order keys do not show.
fn bracket(operand: &Bson) -> Option<(Bound, Bound)> {
    let (lowest, highest) = match operand {
        Bson::String(_) | Bson::Symbol(_) => {
            (Bson::String(String::new()), (Bson::Document(Document::new()), false))
        }
        Bson::Document(_) => (Bson::Document(Document::new()), (Bson::Array(Vec::new()), false)),
        Bson::ObjectId(_) => {
            (ObjectId::from_bytes([0; 12]).into(), (ObjectId::from_bytes([0xff; 12]).into(), true))
        }
        Bson::Boolean(_) => (Bson::Boolean(false), (Bson::Boolean(true), true)),
        Bson::DateTime(_) => (DateTime::MIN.into(), (DateTime::MAX.into(), true)),
        number if Number::of(number).is_some() => {
            (Bson::Double(f64::NEG_INFINITY), (Bson::Double(f64::INFINITY), true))
        }
        _ => return None,
    };
    Some((Some((lowest, true)), Some(highest)))
}
