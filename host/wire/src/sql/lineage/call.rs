//! Functions and operators: which one a name can mean, and what that may do at worst.

use pg_query::NodeEnum;
use pg_query::protobuf::{FuncCall, Node};

use super::context::Traced;
use super::kind::{self, Kind};
use super::scope::Scope;
use super::taint::{Taint, Value};
use super::total::{self, Argument};
use super::tracer::Tracer;
use crate::sql::function::{self, Special};
use crate::sql::name;
use crate::sql::schema::{Collation, Function, Volatility};

/// What a function or operator may do at worst, in the order of badness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// Computes a result for any value.
    Total,
    /// Computes a result, or fails for some values.
    Computes,
    /// Reads what it likes.
    Reads,
    /// Does what it likes.
    Anything,
}

/// Functions and operators that take texts of any collation. Whatever else there is may search for a text in another.
const TAKE_LOOSE: [&str; 22] = [
    "=",
    "<>",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "nullif",
    "||",
    "concat",
    "concat_ws",
    "count",
    "greatest or least",
    "initcap",
    "left",
    "length",
    "lower",
    "max",
    "min",
    "right",
    "string_agg",
    "upper",
];

/// What a name of a function means.
struct Callee {
    reach: Reach,
    returns_set: bool,
    /// It is built in, and what it is given stays somewhere: in a setting, a sequence, a notification.
    keeps: bool,
}

impl From<Volatility> for Reach {
    fn from(volatility: Volatility) -> Self {
        match volatility {
            Volatility::Immutable => Self::Computes,
            Volatility::Stable => Self::Reads,
            Volatility::Volatile => Self::Anything,
        }
    }
}

impl<'t, 's: 't> Tracer<'_, 's, 't> {
    /// What comes out of a function or operator that is given the value.
    pub(super) fn conclude(&mut self, value: Value<'t>, reach: Reach, culprit: &'t str) -> Value<'t> {
        match reach {
            Reach::Total if !takes(culprit, value.cell.collated) => value.failing(culprit),
            // How what is not known is compared is not known either. That it fails by itself is not the client's doing.
            Reach::Total if value.cell.taint.unknown => value.perhaps_failing(culprit),
            Reach::Total => value,
            Reach::Computes => value.failing(culprit),
            Reach::Reads | Reach::Anything => {
                let mut value = value.failing(culprit);
                value.cell.taint.unknown = true;
                self.findings.touched.unknown = true;
                value
            }
        }
    }

    pub(super) fn call(&mut self, call: &'t FuncCall, scope: &Scope<'_, 't>) -> Traced<Value<'t>> {
        let values = self.each(&call.args, scope)?;
        let keys = self.sort_keys(&call.agg_order, scope)?;
        if let Some(window) = call.over.as_deref() {
            self.window(window, scope)?;
        }
        let parts: Vec<&'t str> = name::strings(&call.funcname).collect();
        let nodes: Vec<&'t Node> = call.args.iter().map(argument).collect();
        let arguments: Vec<Argument<'_, 't>> =
            nodes.iter().zip(&values).map(|(node, value)| Argument { node, cell: &value.cell }).collect();
        // FILTER decides for which rows the arguments are looked at.
        let mut value = match call.agg_filter.as_deref() {
            Some(filter) => Value::computed([&self.value(filter, scope)?], Kind::Unknown),
            None => Value::clean(Kind::Unknown),
        };
        let given = values.iter().chain([&keys]);
        if call.over.is_none() && self.takes_all(&parts, &arguments) {
            value.absorb_next(&Value::computed(given, Kind::Literal));
        } else {
            given.for_each(|part| value.absorb_next(part));
        }
        let value = self.call_named(&parts, &arguments, value);
        // What an array's elements are as arguments is not known.
        Ok(match parts.last() {
            Some(name) if call.func_variadic => value.failing(name),
            Some(_) | None => value,
        })
    }

    /// Whether all arguments are computed before the function is called, whatever they are. Of one written in SQL, the server
    /// may put the body in place of the call, which then computes an argument where the body refers to it.
    fn takes_all(&self, parts: &[&str], arguments: &[Argument<'_, 't>]) -> bool {
        let ([name] | ["pg_catalog", name]) = parts else { return false };
        total::function(name, arguments)
            && self.context.schema.functions_named(name).is_empty()
            && !self.context.is_uncertain("", name)
    }

    /// `x.f` where x has no field f: the same as `f(x)`.
    pub(super) fn call_on_row(&mut self, name: &'t str, row: Value<'t>) -> Traced<Value<'t>> {
        if !self.is_function(name) {
            return Ok(self.unresolved());
        }
        let value = Value::computed([&row], Kind::Unknown);
        let node = Node { node: None };
        Ok(self.call_named(&[name], &[Argument { node: &node, cell: &row.cell }], value))
    }

    pub(super) fn is_function(&self, name: &str) -> bool {
        let schema = self.context.schema;
        schema.builtin(name).is_some() || !schema.functions_named(name).is_empty()
    }

    fn call_named(
        &mut self,
        parts: &[&'t str],
        arguments: &[Argument<'_, 't>],
        value: Value<'t>,
    ) -> Value<'t> {
        let Some((name, _)) = parts.split_last() else { return self.unresolved() };
        let callee = self.callee(parts, arguments);
        let given = value.cell.taint.clone();
        if callee.returns_set {
            self.sets += 1;
            self.shape(&given, "a function that returns rows");
            // How many rows it gives depends on what it reads.
            if callee.reach == Reach::Reads {
                self.shape(&Taint::unknown(), "a function that returns rows");
            }
        }
        if callee.keeps {
            self.launder(&given, name);
        }
        let value = value.of_kind(total::result_kind(name, arguments));
        self.conclude(value, callee.reach, name)
    }

    fn callee(&mut self, parts: &[&'t str], arguments: &[Argument<'_, 't>]) -> Callee {
        let (schema, name) = match *parts {
            [name] => ("", name),
            [schema, name] | [_, schema, name] => (schema, name),
            [..] => ("", ""),
        };
        let mut callee = Callee { reach: Reach::Total, returns_set: false, keeps: false };
        let mut is_known = false;
        let of_builtin_types = arguments.iter().any(|argument| argument.cell.kind.is_builtin())
            && arguments
                .iter()
                .all(|argument| argument.cell.kind.is_builtin() || argument.cell.kind == Kind::Literal);
        let mut hides_others = false;
        if let ("" | "pg_catalog", Some(builtin)) = (schema, self.context.schema.builtin(name)) {
            is_known = true;
            callee.returns_set = builtin.returns_set;
            callee.keeps = builtin.volatility == Volatility::Volatile && !total::forgets(name);
            callee.reach = match function::special(name) {
                Some(Special::Dangerous) => Reach::Reads,
                None if function::shows_statement(name) => Reach::Reads,
                Some(Special::SetConfig | Special::Notify | Special::AdvisoryLock) | None => {
                    let gathers =
                        name == "array_agg" && arguments.iter().all(|one| self.is_no_array(one.cell));
                    if total::function(name, arguments) || gathers { Reach::Total } else { Reach::Computes }
                }
            };
            hides_others = (of_builtin_types || arguments.is_empty())
                && !self.context.schema.function_takes_builtin_types(name);
        }
        if !hides_others && schema != "pg_catalog" {
            for function in self.functions_meant(schema, name, arguments.len()) {
                is_known = true;
                callee.returns_set |= function.returns_set;
                callee.reach = callee.reach.max(self.reach_of(function));
            }
        }
        if !is_known || self.context.is_uncertain(schema, name) {
            callee.reach = Reach::Anything;
            callee.returns_set = true;
            self.unknown_function(&name::qualified(parts.iter().copied()), true);
        }
        callee
    }

    /// Functions outside `pg_catalog` that a call can mean.
    fn functions_meant(
        &self,
        schema: &str,
        name: &str,
        arguments: usize,
    ) -> impl Iterator<Item = &'s Function> + use<'s> {
        let path = self.path;
        let schema = schema.to_owned();
        let all: &'s [Function] = self.context.schema.functions_named(name);
        all.iter().filter(move |function| {
            let is_found = match (schema.as_str(), path) {
                ("", None) => true,
                ("", Some(path)) => path.contains(&function.schema),
                (schema, _) => *function.schema == *schema,
            };
            is_found && function.takes(arguments)
        })
    }

    /// What a function may do; one that the operator does not vouch for is reported.
    fn reach_of(&mut self, function: &Function) -> Reach {
        if self.context.protection.is_vouched_for(&function.schema, &function.name) {
            return Reach::Total;
        }
        let reach = Reach::from(function.volatility);
        if reach >= Reach::Reads {
            let name = name::qualified([&*function.schema, &*function.name]);
            self.unknown_function(&name, reach == Reach::Anything);
        }
        reach
    }

    /// Notes a function that something else than a call of the statement's names, whatever its arguments, and tells the worst
    /// that it can mean.
    pub(super) fn mention_function(&mut self, parts: &[&str]) -> Reach {
        let (schema, name) = match *parts {
            [name] => ("", name),
            [schema, name] | [_, schema, name] => (schema, name),
            [..] => return Reach::Anything,
        };
        let all: &'s [Function] = self.context.schema.functions_named(name);
        let mut reach = Reach::Computes;
        let mut is_known = matches!(schema, "" | "pg_catalog") && self.context.schema.builtin(name).is_some();
        for function in all.iter().filter(|function| schema.is_empty() || *function.schema == *schema) {
            is_known = true;
            reach = reach.max(self.reach_of(function));
        }
        if !is_known {
            self.unknown_function(&name::qualified(parts.iter().copied()), true);
            reach = Reach::Anything;
        }
        reach
    }

    /// What an operator does to values of such types; no left one for a prefix.
    pub(super) fn operator(
        &mut self,
        names: &[Node],
        operator: &str,
        left: Option<Kind>,
        right: Kind,
    ) -> Reach {
        let schema = qualifier(names);
        let builtin = match schema {
            None | Some("pg_catalog")
                if kind::operator_is_total(
                    operator,
                    left.map(|left| self.spoken(left)),
                    self.spoken(right),
                ) =>
            {
                Reach::Total
            }
            None | Some(_) => Reach::Computes,
        };
        builtin.max(self.user_operator(names, operator, left, right))
    }

    /// The type that the built-in operators see: that under a domain, if it is text.
    fn spoken(&self, kind: Kind) -> Kind {
        match kind.oid() {
            Some(oid) if self.context.schema.is_domain_over_text(oid) => Kind::of(kind::TEXT),
            Some(_) | None => kind,
        }
    }

    /// The same, of operators outside `pg_catalog` only.
    pub(super) fn user_operator(
        &mut self,
        names: &[Node],
        operator: &str,
        left: Option<Kind>,
        right: Kind,
    ) -> Reach {
        let schema = self.context.schema;
        let functions = schema.operators_named(operator);
        if functions.is_empty() || qualifier(names) == Some("pg_catalog") {
            return Reach::Total;
        }
        let is_builtin = |kind: Kind| kind.is_builtin() || kind == Kind::Literal;
        let some_builtin = right.is_builtin() || left.is_some_and(Kind::is_builtin);
        let all_builtin = is_builtin(right) && left.is_none_or(is_builtin);
        if some_builtin
            && all_builtin
            && qualifier(names).is_none()
            && !schema.operator_takes_builtin_types(operator)
        {
            return Reach::Total;
        }
        let mut reach = Reach::Total;
        for function in functions {
            reach = reach.max(self.reach_behind(function));
        }
        reach
    }

    fn reach_behind(&mut self, function: &str) -> Reach {
        let schema = self.context.schema;
        let candidates = schema.functions_named(function);
        if candidates.is_empty() {
            return match (schema.builtin(function), function::special(function)) {
                (Some(_), None) => Reach::Computes,
                (Some(_), Some(_)) => Reach::Reads,
                (None, _) => {
                    self.unknown_function(function, true);
                    Reach::Anything
                }
            };
        }
        candidates.iter().map(|candidate| self.reach_of(candidate)).max().unwrap_or(Reach::Anything)
    }
}

/// Whether a function or operator that gives a result for all values does so for texts compared in that way. Joining them
/// compares nothing.
fn takes(culprit: &str, collation: Collation) -> bool {
    match collation {
        Collation::Usual | Collation::Own(_) => true,
        Collation::Loose(_) => TAKE_LOOSE.contains(&culprit),
        Collation::Mixed => culprit == "||",
    }
}

/// The schema in `OPERATOR(schema.+)`.
fn qualifier(names: &[Node]) -> Option<&str> {
    let parts: Vec<&str> = name::strings(names).collect();
    match parts[..] {
        [schema, _] | [_, schema, _] => Some(schema),
        [..] => None,
    }
}

/// The expression of an argument, without the name it may be given by.
fn argument(node: &Node) -> &Node {
    match &node.node {
        Some(NodeEnum::NamedArgExpr(named)) => named.arg.as_deref().unwrap_or(node),
        _ => node,
    }
}
