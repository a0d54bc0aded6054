//! What a client is told: one sentence that says what and why.

use grille_sdk::{Action, Object};

use crate::rules::Cause;

/// How many objects a reason names; the others are counted.
const OBJECTS_NAMED_MAX: usize = 3;

/// The sentence for a client, without a full stop, with the operator's hint.
pub(crate) fn sentence(action: &Action, cause: Cause<'_>, hint: Option<&str>) -> String {
    let why = match cause {
        Cause::Feature(feature) => for_feature(action, feature),
        Cause::Kind => for_kind(action),
        Cause::Object(object) => for_object(object),
        Cause::Effect(effect) => for_effect(action, effect),
        Cause::UnknownEffect(effect) => {
            format!(
                "{} does something (`{effect}`) that this version of sql-guard cannot judge",
                command(action)
            )
        }
    };
    match hint {
        Some(hint) => format!("{why}; {hint}"),
        None => why,
    }
}

fn for_feature(action: &Action, feature: &str) -> String {
    match feature {
        "no-where" => without_where(action, "without WHERE"),
        "constant-where" => without_where(action, "with a WHERE that is the same for every row"),
        "truncate" => {
            format!("TRUNCATE would remove every row of {}", named(action, &["truncate", "delete"]))
        }
        "copy-program" => "COPY PROGRAM would run a command on the database server".into(),
        "copy-file" => "COPY with a file would read or write files of the database server".into(),
        "dangerous-function" => {
            format!("calling {} could reach files, other servers or large objects", named(action, &["call"]))
        }
        "set-role" => "changing the role would change what the statements after it may do".into(),
        "procedural" => unseen_code(action),
        other => format!("{} is refused for `{other}`", command(action)),
    }
}

/// A write in a CTE has the outer statement's kind, so the objects tell what it is.
fn without_where(action: &Action, how: &str) -> String {
    let has = |access: &str| action.objects.iter().any(|object| object.access == access);
    if has("delete") || action.has_effect("delete") {
        format!("DELETE {how} would remove every row of {}", named(action, &["delete"]))
    } else {
        format!("UPDATE {how} would change every row of {}", named(action, &["update"]))
    }
}

fn for_kind(action: &Action) -> String {
    if action.kind.starts_with("drop ") {
        return format!("{} would remove {} for good", command(action), named(action, &["drop"]));
    }
    if action.kind.starts_with("truncate") {
        return for_feature(action, "truncate");
    }
    format!("{} is not allowed here", command(action))
}

fn for_object(object: &Object) -> String {
    let name = &object.name;
    match object.access.as_str() {
        "read" => format!("reading {name} is restricted"),
        "insert" => format!("adding rows to {name} is restricted"),
        "update" => format!("changing rows of {name} is restricted"),
        "delete" => format!("removing rows of {name} is restricted"),
        "truncate" => format!("removing every row of {name} is restricted"),
        "define" => format!("creating or altering {name} is restricted"),
        "drop" => format!("dropping {name} is restricted"),
        "grant" => format!("changing privileges on {name} is restricted"),
        "call" => format!("calling {name} is restricted"),
        "lock" => format!("locking {name} is restricted"),
        "set" => format!("setting {name} is restricted"),
        other => format!("access to {name} (`{other}`) is restricted"),
    }
}

fn for_effect(action: &Action, effect: &str) -> String {
    let command = command(action);
    match effect {
        "grant" => format!("{command} would change who may do what"),
        "execute" => unseen_code(action),
        "define" => format!("{command} would change the structure of the database"),
        "maintain" => format!("{command} is server upkeep"),
        "insert" | "update" | "delete" => format!("{command} would {effect} rows, which is not allowed here"),
        other => format!("{command} has the effect `{other}`, which is not allowed here"),
    }
}

fn unseen_code(action: &Action) -> String {
    format!("{} would run code that cannot be judged beforehand", command(action))
}

/// The command as people write it.
fn command(action: &Action) -> String {
    action.kind.to_ascii_uppercase()
}

/// The objects that are touched in one of these ways.
fn named(action: &Action, access: &[&str]) -> String {
    let touched = |object: &&Object| access.contains(&object.access.as_str());
    let names: Vec<&str> = action.objects.iter().filter(touched).map(|object| object.name.as_str()).collect();
    match names.as_slice() {
        [] => "what it names".into(),
        few if few.len() <= OBJECTS_NAMED_MAX => few.join(", "),
        many => {
            let (first, rest) = many.split_at(OBJECTS_NAMED_MAX);
            format!("{} and {} more", first.join(", "), rest.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use grille_sdk::testing::action;

    use super::*;

    #[test]
    fn a_reason_says_what_and_why() {
        let check =
            |action: &Action, cause, expected: &str| assert_eq!(sentence(action, cause, None), expected);
        let delete = action("delete", &["delete"], &[("relation", "orders", "delete")], &["no-where"]);
        check(&delete, Cause::Feature("no-where"), "DELETE without WHERE would remove every row of orders");
        check(&delete, Cause::Object(&delete.objects[0]), "removing rows of orders is restricted");
        check(&delete, Cause::Effect("delete"), "DELETE would delete rows, which is not allowed here");
        check(&delete, Cause::Feature("cascade"), "DELETE is refused for `cascade`");

        let hidden = action("select", &["read", "update"], &[("relation", "a.b", "update")], &["no-where"]);
        check(&hidden, Cause::Feature("no-where"), "UPDATE without WHERE would change every row of a.b");
        let drop = action("drop table", &["define"], &[("relation", "orders", "drop")], &[]);
        check(&drop, Cause::Kind, "DROP TABLE would remove orders for good");
        let truncate = action("truncate table", &["delete"], &[("relation", "t", "truncate")], &["truncate"]);
        check(&truncate, Cause::Feature("truncate"), "TRUNCATE would remove every row of t");
        let function = action("select", &["read"], &[("function", "pg_read_file", "call")], &[]);
        let expected = "calling pg_read_file could reach files, other servers or large objects";
        check(&function, Cause::Feature("dangerous-function"), expected);
        let block = action("do", &["execute"], &[], &[]);
        check(&block, Cause::Effect("execute"), "DO would run code that cannot be judged beforehand");
    }

    #[test]
    fn many_objects_are_counted() {
        let objects: Vec<_> =
            ["a", "b", "c", "d", "e"].iter().map(|&name| ("relation", name, "drop")).collect();
        let drop = action("drop table", &["define"], &objects, &[]);
        assert_eq!(sentence(&drop, Cause::Kind, None), "DROP TABLE would remove a, b, c and 2 more for good");
    }
}
