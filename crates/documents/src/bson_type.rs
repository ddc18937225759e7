//! Names and numbers of BSON types, as `$type` takes and gives them.

use bson::Bson;
use bson::spec::ElementType;
use tandem_contract::Result;

use crate::error::invalid;
use crate::number::Number;

/// Types by number and by the name `$type` uses.
const TYPES: [(i32, &str, ElementType); 21] = [
    (1, "double", ElementType::Double),
    (2, "string", ElementType::String),
    (3, "object", ElementType::EmbeddedDocument),
    (4, "array", ElementType::Array),
    (5, "binData", ElementType::Binary),
    (6, "undefined", ElementType::Undefined),
    (7, "objectId", ElementType::ObjectId),
    (8, "bool", ElementType::Boolean),
    (9, "date", ElementType::DateTime),
    (10, "null", ElementType::Null),
    (11, "regex", ElementType::RegularExpression),
    (12, "dbPointer", ElementType::DbPointer),
    (13, "javascript", ElementType::JavaScriptCode),
    (14, "symbol", ElementType::Symbol),
    (15, "javascriptWithScope", ElementType::JavaScriptCodeWithScope),
    (16, "int", ElementType::Int32),
    (17, "timestamp", ElementType::Timestamp),
    (18, "long", ElementType::Int64),
    (19, "decimal", ElementType::Decimal128),
    (-1, "minKey", ElementType::MinKey),
    (127, "maxKey", ElementType::MaxKey),
];

/// A set of types.
#[derive(Clone, Debug, Default)]
pub(crate) struct TypeSet {
    types: Vec<ElementType>,
}

impl TypeSet {
    /// Parses a name, a number, or an array of them. `number` stands for the four numeric types.
    pub(crate) fn parse(argument: &Bson) -> Result<Self> {
        let mut set = Self::default();
        match argument {
            Bson::Array(array) if array.is_empty() => return Err(invalid("$type needs at least one type")),
            Bson::Array(array) => array.iter().try_for_each(|one| set.add(one))?,
            one => set.add(one)?,
        }
        Ok(set)
    }

    pub(crate) fn contains(&self, value: &Bson) -> bool {
        self.types.contains(&value.element_type())
    }

    fn add(&mut self, argument: &Bson) -> Result<()> {
        if argument.as_str() == Some("number") {
            let numbers =
                [ElementType::Double, ElementType::Int32, ElementType::Int64, ElementType::Decimal128];
            self.types.extend(numbers);
            return Ok(());
        }
        self.types.push(parse_type(argument)?);
        Ok(())
    }
}

/// Parses the name or number of one type.
pub(crate) fn parse_type(argument: &Bson) -> Result<ElementType> {
    let found = match argument {
        Bson::String(name) => TYPES.iter().find(|(_, known, _)| known == name),
        other => Number::of(other)
            .and_then(Number::to_exact_i64)
            .and_then(|number| TYPES.iter().find(|(known, _, _)| i64::from(*known) == number)),
    };
    found.map(|(_, _, kind)| *kind).ok_or_else(|| invalid(format!("There is no BSON type {argument}")))
}

/// The name of a value's type.
pub(crate) fn type_name(value: &Bson) -> &'static str {
    let kind = value.element_type();
    TYPES.iter().find(|(_, _, known)| *known == kind).map_or("missing", |(_, name, _)| name)
}
