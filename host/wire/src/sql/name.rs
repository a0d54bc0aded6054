//! Names as the parser gives them, put together so that two different ones never look alike.

use pg_query::NodeEnum;
use pg_query::protobuf::{Node, ObjectWithArgs, RangeVar, RoleSpec, RoleSpecType, TypeName};

/// The parts with dots between them. A part that holds a dot or a quotation mark is quoted, as SQL would have it: the
/// table `"a.b"` is not the table `b` of the schema `a`.
pub(crate) fn qualified<'p>(parts: impl IntoIterator<Item = &'p str>) -> String {
    let mut name = String::new();
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        if !name.is_empty() {
            name.push('.');
        }
        push_part(&mut name, part);
    }
    name
}

fn push_part(name: &mut String, part: &str) {
    if part.contains(['.', '"']) {
        name.push('"');
        name.push_str(&part.replace('"', "\"\""));
        name.push('"');
    } else {
        name.push_str(part);
    }
}

/// The name of a relation.
pub(crate) fn relation(relation: &RangeVar) -> String {
    qualified([relation.catalogname.as_str(), &relation.schemaname, &relation.relname])
}

/// The strings of a list, such as the parts of a function's name.
pub(crate) fn strings(nodes: &[Node]) -> impl Iterator<Item = &str> {
    nodes.iter().filter_map(|node| match &node.node {
        Some(NodeEnum::String(string)) => Some(string.sval.as_str()),
        _ => None,
    })
}

/// The name a list of strings spells.
pub(crate) fn list(nodes: &[Node]) -> String {
    qualified(strings(nodes))
}

/// The name of a function or operator, without its arguments.
pub(crate) fn with_args(object: Option<&ObjectWithArgs>) -> String {
    object.map_or_else(String::new, |object| list(&object.objname))
}

/// The name of a type, without its modifiers.
pub(crate) fn type_name(name: Option<&TypeName>) -> String {
    name.map_or_else(String::new, |name| list(&name.names))
}

/// The name of whatever a DROP, COMMENT or ALTER points at. An unnamed thing, such as a cast, is given the names of its
/// parts with spaces between them.
pub(crate) fn object(node: &Node) -> String {
    match &node.node {
        Some(NodeEnum::String(string)) => qualified([string.sval.as_str()]),
        Some(NodeEnum::ObjectWithArgs(object)) => list(&object.objname),
        Some(NodeEnum::TypeName(name)) => list(&name.names),
        Some(NodeEnum::RangeVar(range)) => relation(range),
        Some(NodeEnum::RoleSpec(spec)) => role(Some(spec)),
        Some(NodeEnum::Integer(number)) => number.ival.to_string(),
        Some(NodeEnum::Float(number)) => number.fval.clone(),
        Some(NodeEnum::List(parts)) if strings(&parts.items).count() == parts.items.len() => {
            list(&parts.items)
        }
        Some(NodeEnum::List(parts)) => parts.items.iter().map(object).collect::<Vec<_>>().join(" "),
        _ => String::new(),
    }
}

/// The schemas that a publication publishes all tables of.
pub(crate) fn published_schemas(objects: &[Node]) -> impl Iterator<Item = String> {
    objects.iter().filter_map(|node| match &node.node {
        Some(NodeEnum::PublicationObjSpec(object)) => Some(qualified([object.name.as_str()])),
        _ => None,
    })
}

/// A role as the statement names it; the keywords stand for themselves.
pub(crate) fn role(spec: Option<&RoleSpec>) -> String {
    let Some(spec) = spec else { return String::new() };
    match RoleSpecType::try_from(spec.roletype) {
        Ok(RoleSpecType::RolespecCurrentRole) => "current_role".to_owned(),
        Ok(RoleSpecType::RolespecCurrentUser) => "current_user".to_owned(),
        Ok(RoleSpecType::RolespecSessionUser) => "session_user".to_owned(),
        Ok(RoleSpecType::RolespecPublic) => "public".to_owned(),
        Ok(RoleSpecType::RolespecCstring | RoleSpecType::Undefined) | Err(_) => {
            qualified([spec.rolename.as_str()])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_names_stay_different() {
        let check = |parts: &[&str], expected: &str| assert_eq!(qualified(parts.iter().copied()), expected);
        check(&["users"], "users");
        check(&["", "public", "users"], "public.users");
        check(&["a.b"], r#""a.b""#);
        check(&["a", "b"], "a.b");
        check(&[r#"a"b"#], r#""a""b""#);
        check(&["Mixed Case"], "Mixed Case");
        check(&[], "");
    }
}
