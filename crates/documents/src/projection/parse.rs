use bson::{Bson, Document, doc};
use tandem_contract::Result;

use super::find::FindPart;
use super::tree::{Branch, Tree};
use super::{Mode, Projection};
use crate::depth::check_depth;
use crate::error::{invalid, not_supported};
use crate::expression::{Expression, Names};
use crate::filter::Filter;
use crate::number::Number;
use crate::path::{check_path, split_path};

/// What is said about one path.
enum Item {
    Include,
    Exclude,
    Compute(Expression),
    ElementMatch(Filter),
    Find(FindPart),
}

pub(super) fn parse_find(projection: &Document) -> Result<Projection> {
    let mut parser = Parser { names: &Names::default(), find: true, items: Vec::new() };
    parser.level("", projection, 0)?;
    parser.finish()
}

pub(super) fn parse_stage(projection: &Document, names: &Names) -> Result<Projection> {
    if projection.is_empty() {
        return Err(invalid("$project needs at least one field"));
    }
    let mut parser = Parser { names, find: false, items: Vec::new() };
    parser.level("", projection, 0)?;
    parser.finish()
}

/// Parses the specification of `$addFields`: every value is computed.
pub(crate) fn parse_added_fields(fields: &Document, names: &Names) -> Result<Projection> {
    check_depth(fields)?;
    let mut tree = Tree::default();
    add_level("", fields, names, &mut tree)?;
    Ok(Projection { mode: Mode::Add, tree, find: Vec::new(), now: None })
}

fn add_level(prefix: &str, fields: &Document, names: &Names, tree: &mut Tree) -> Result<()> {
    for (name, value) in fields {
        let path = joined(prefix, name)?;
        if !prefix.is_empty() && name.contains('.') {
            return Err(invalid(format!("\"{name}\" inside \"{prefix}\" must not be a dotted path")));
        }
        match value {
            Bson::Document(inner) if !is_expression(inner) => {
                if inner.is_empty() {
                    return Err(invalid(format!("$addFields of \"{path}\" must not be an empty document")));
                }
                add_level(&path, inner, names, tree)?;
            }
            value => {
                tree.insert(&split_path(&path), Branch::Compute(Expression::parse(value, names)?))?;
            }
        }
    }
    Ok(())
}

pub(super) fn excluding(paths: &[String]) -> Result<Projection> {
    let mut tree = Tree::default();
    for path in paths {
        check_path(path)?;
        tree.insert(&split_path(path), Branch::Exclude)?;
    }
    Ok(Projection { mode: Mode::Exclude, tree, find: Vec::new(), now: None })
}

fn joined(prefix: &str, name: &str) -> Result<String> {
    check_path(name)?;
    Ok(if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") })
}

fn is_expression(document: &Document) -> bool {
    document.keys().next().is_some_and(|first| first.starts_with('$'))
}

struct Parser<'a> {
    names: &'a Names,
    find: bool,
    items: Vec<(String, Item)>,
}

impl Parser<'_> {
    fn level(&mut self, prefix: &str, fields: &Document, depth: usize) -> Result<()> {
        if depth == 0 {
            check_depth(fields)?;
        }
        for (name, value) in fields {
            if self.find && name.split('.').next_back() == Some("$") {
                self.positional(prefix, name, value)?;
                continue;
            }
            let path = joined(prefix, name)?;
            match value {
                Bson::Document(inner) if is_expression(inner) => {
                    let item = self.operator(&path, value, inner)?;
                    self.items.push((path, item));
                }
                Bson::Document(inner) if inner.is_empty() => {
                    return Err(invalid(format!("The projection of \"{path}\" must not be empty")));
                }
                Bson::Document(inner) => self.level(&path, inner, depth + 1)?,
                Bson::Boolean(include) => self.items.push((path, flag(*include))),
                value => match Number::of(value) {
                    Some(number) => self.items.push((path, flag(!number.is_zero()))),
                    None => {
                        let expression = Expression::parse(value, self.names)?;
                        self.items.push((path, Item::Compute(expression)));
                    }
                },
            }
        }
        Ok(())
    }

    fn positional(&mut self, prefix: &str, name: &str, value: &Bson) -> Result<()> {
        let path = name.strip_suffix(".$").unwrap_or_default();
        let on = Number::of(value).map_or(value == &Bson::Boolean(true), |number| !number.is_zero());
        if !prefix.is_empty() || !on {
            return Err(invalid(format!("Positional projection \"{name}\" takes 1 and stands at the top")));
        }
        check_path(path)?;
        let more = self.items.iter().any(|(_, item)| matches!(item, Item::Find(FindPart::Positional(_))));
        if more {
            return Err(invalid("A projection takes only one positional path"));
        }
        self.items.push((path.to_owned(), Item::Find(FindPart::Positional(split_path(path)))));
        Ok(())
    }

    fn operator(&self, path: &str, value: &Bson, operator: &Document) -> Result<Item> {
        match operator.iter().next() {
            Some((name, _)) if name == "$meta" => Err(not_supported("$meta")),
            Some((name, operand)) if self.find && name == "$slice" && operator.len() == 1 => {
                match FindPart::slice(path, operand)? {
                    Some(part) => Ok(Item::Find(part)),
                    None => Expression::parse(value, self.names).map(Item::Compute),
                }
            }
            Some((name, operand)) if self.find && name == "$elemMatch" && operator.len() == 1 => {
                if path.contains('.') {
                    return Err(invalid("$elemMatch in a projection takes a field, not a dotted path"));
                }
                let filter = Filter::parse(&doc! { path: { "$elemMatch": operand.clone() } })?;
                Ok(Item::ElementMatch(filter))
            }
            _ => Expression::parse(value, self.names).map(Item::Compute),
        }
    }

    fn finish(self) -> Result<Projection> {
        let mode = self.mode()?;
        let (mut tree, mut find) = (Tree::default(), Vec::new());
        let (mut id_given, mut paths) = (false, Tree::default());
        for (path, item) in self.items {
            id_given |= path == "_id" || path.starts_with("_id.");
            let parts = split_path(&path);
            paths.insert(&parts, Branch::Include)?;
            match item {
                Item::Include if mode == Mode::Exclude => {}
                Item::Exclude if mode == Mode::Include => {}
                Item::Include => tree.insert(&parts, Branch::Include)?,
                Item::Exclude => tree.insert(&parts, Branch::Exclude)?,
                Item::Compute(expression) => tree.insert(&parts, Branch::Compute(expression))?,
                Item::ElementMatch(filter) => tree.insert(&parts, Branch::ElementMatch(Box::new(filter)))?,
                Item::Find(part) => {
                    if mode == Mode::Include {
                        tree.insert(&parts, Branch::Include)?;
                    }
                    find.push(part);
                }
            }
        }
        if mode == Mode::Include && !id_given {
            tree.insert(&["_id".to_owned()], Branch::Include)?;
        }
        Ok(Projection { mode, tree, find, now: None })
    }

    /// Whether fields are included or excluded, which all but `_id` must agree on.
    fn mode(&self) -> Result<Mode> {
        let (mut mode, mut matches) = (None, false);
        for (path, item) in &self.items {
            let wanted = match item {
                Item::Include | Item::Exclude if path == "_id" => continue,
                Item::Find(FindPart::Slice { .. }) => continue,
                Item::ElementMatch(_) => {
                    matches = true;
                    continue;
                }
                Item::Exclude => Mode::Exclude,
                Item::Include | Item::Compute(_) | Item::Find(_) => Mode::Include,
            };
            if *mode.get_or_insert(wanted) != wanted {
                return Err(invalid(format!("A projection cannot both include and exclude (at \"{path}\")")));
            }
        }
        let id = self.items.iter().find(|(path, _)| path == "_id").map(|(_, item)| item);
        Ok(mode.unwrap_or(match id {
            Some(Item::Include) => Mode::Include,
            _ if matches && !self.items.iter().any(|(_, item)| matches!(item, Item::Find(_))) => {
                Mode::Include
            }
            _ => Mode::Exclude,
        }))
    }
}

fn flag(include: bool) -> Item {
    if include { Item::Include } else { Item::Exclude }
}
