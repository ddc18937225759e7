use bson::Bson;

use super::bits::Bits;
use crate::bson_type::TypeSet;
use crate::expression::Expression;
use crate::path::Leaf;
use crate::regex::Pattern;

/// A filter as a tree.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Always(bool),
    And(Vec<Node>),
    Or(Vec<Node>),
    Nor(Vec<Node>),
    Path { path: Vec<String>, test: Test },
    Expression(Box<Expression>),
}

/// What a value at a path must be like.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    Compare(Comparison, Bson),
    In { values: Vec<Bson>, patterns: Vec<Pattern> },
    Regex(Box<Pattern>),
    Mod { divisor: i64, remainder: i64 },
    Type(TypeSet),
    Exists,
    Size(usize),
    Bits(Bits),
    ElementMatches(Box<Node>),
    ElementPasses(Vec<Test>),
    All(Vec<Test>),
    Not(Box<Test>),
    Never,
}

/// How a value compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Node {
    /// Flattens conjunctions and unpacks lists of one, as MongoDB does before it runs a filter: an
    /// upsert takes its equalities from what is left.
    pub(super) fn simplify(self) -> Self {
        match self {
            Self::And(nodes) => {
                let mut flat = Vec::with_capacity(nodes.len());
                for node in nodes {
                    match node.simplify() {
                        Self::And(inner) => flat.extend(inner),
                        Self::Always(true) => {}
                        Self::Always(false) => return Self::Always(false),
                        other => flat.push(other),
                    }
                }
                // What can fail comes last, where it may not be reached.
                flat.sort_by_key(|node| matches!(node, Self::Expression(_)));
                single(flat, Self::And, true)
            }
            Self::Or(nodes) => {
                let nodes = nodes.into_iter().map(Self::simplify);
                single(nodes.filter(|node| !matches!(node, Self::Always(false))).collect(), Self::Or, false)
            }
            Self::Nor(nodes) => Self::Nor(nodes.into_iter().map(Self::simplify).collect()),
            Self::Path { path, test } => match test {
                Test::Never => Self::Always(false),
                Test::All(tests) => {
                    let each = tests.into_iter().map(|test| Self::Path { path: path.clone(), test });
                    Self::And(each.collect()).simplify()
                }
                Test::In { mut values, patterns } if values.len() == 1 && patterns.is_empty() => {
                    Self::Path { path, test: Test::Compare(Comparison::Equal, values.remove(0)) }
                }
                test => Self::Path { path, test },
            },
            other => other,
        }
    }
}

fn single(mut nodes: Vec<Node>, join: fn(Vec<Node>) -> Node, empty: bool) -> Node {
    match nodes.len() {
        0 => Node::Always(empty),
        1 => nodes.remove(0),
        _ => join(nodes),
    }
}

impl Test {
    /// Whether the test looks at the elements of an array too, or at the array alone.
    pub(super) fn leaf(&self) -> Leaf {
        match self {
            Self::Exists | Self::Size(_) | Self::ElementMatches(_) | Self::ElementPasses(_) => Leaf::Whole,
            _ => Leaf::Elements,
        }
    }
}
