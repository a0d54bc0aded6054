//! XML and JSON in expressions.

use pg_query::NodeEnum;
use pg_query::protobuf::{JsonAggConstructor, JsonKeyValue, JsonValueExpr, Node, XmlExpr};

use super::context::Traced;
use super::kind::Kind;
use super::scope::Scope;
use super::taint::{Cell, Value};
use super::tracer::{Author, Tracer};

impl<'t, 's: 't> Tracer<'_, 's, 't> {
    pub(super) fn xml(&mut self, xml: &'t XmlExpr, scope: &Scope<'_, 't>) -> Traced<Value<'t>> {
        let mut value = self.all(&xml.args, scope)?;
        for node in &xml.named_args {
            if let Some(NodeEnum::ResTarget(target)) = &node.node {
                value.absorb(&self.optional(target.val.as_deref(), scope)?);
            }
        }
        Ok(value.failing("xml"))
    }

    pub(super) fn json(&mut self, node: &'t NodeEnum, scope: &Scope<'_, 't>) -> Traced<Value<'t>> {
        match node {
            NodeEnum::JsonObjectConstructor(object) => {
                let mut value = Value::clean(Kind::Unknown);
                for node in &object.exprs {
                    if let Some(NodeEnum::JsonKeyValue(pair)) = &node.node {
                        value.absorb(&self.json_pair(Some(pair), scope)?);
                    }
                }
                Ok(value.failing("json_object"))
            }
            NodeEnum::JsonArrayConstructor(array) => {
                let mut value = Value::clean(Kind::Unknown);
                for node in &array.exprs {
                    value.absorb(&self.json_argument(node, scope)?);
                }
                Ok(value.failing("json_array"))
            }
            NodeEnum::JsonArrayQueryConstructor(array) => {
                let Some(node) = array.query.as_deref() else { return Ok(Value::unknown()) };
                let query = self.query(node, Some(scope))?;
                let mut value = Value::from(Cell::computed(query.columns.taint(), Kind::Unknown));
                value.cell.partial = query.partial;
                if self.author == Author::View {
                    value.cell.taint.absorb(&query.shaping);
                }
                Ok(value.failing("json_array"))
            }
            NodeEnum::JsonObjectAgg(aggregate) => {
                let value = self.json_pair(aggregate.arg.as_deref(), scope)?;
                self.json_aggregate(value, aggregate.constructor.as_deref(), scope)
            }
            NodeEnum::JsonArrayAgg(aggregate) => {
                let value = self.json_value(aggregate.arg.as_deref(), scope)?;
                self.json_aggregate(value, aggregate.constructor.as_deref(), scope)
            }
            NodeEnum::JsonFuncExpr(function) => {
                let mut value = self.json_value(function.context_item.as_deref(), scope)?;
                value.absorb(&self.optional(function.pathspec.as_deref(), scope)?);
                for node in &function.passing {
                    value.absorb(&self.json_argument(node, scope)?);
                }
                for behavior in [&function.on_empty, &function.on_error].into_iter().flatten() {
                    value.absorb(&self.optional(behavior.expr.as_deref(), scope)?);
                }
                Ok(value.failing("json"))
            }
            NodeEnum::JsonParseExpr(parse) => {
                Ok(self.json_value(parse.expr.as_deref(), scope)?.failing("json"))
            }
            NodeEnum::JsonScalarExpr(scalar) => {
                let value = self.optional(scalar.expr.as_deref(), scope)?;
                Ok(Value::computed([&value], Kind::Unknown))
            }
            NodeEnum::JsonSerializeExpr(serialize) => {
                Ok(self.json_value(serialize.expr.as_deref(), scope)?.failing("json_serialize"))
            }
            NodeEnum::JsonValueExpr(value) => self.json_value(Some(value), scope),
            // Whatever it is, nothing is known of it.
            _ => Ok(self.unresolved()),
        }
    }

    fn json_pair(&mut self, pair: Option<&'t JsonKeyValue>, scope: &Scope<'_, 't>) -> Traced<Value<'t>> {
        let Some(pair) = pair else { return Ok(Value::unknown()) };
        let key = self.optional(pair.key.as_deref(), scope)?;
        let value = self.json_value(pair.value.as_deref(), scope)?;
        Ok(Value::computed([&key, &value], Kind::Unknown))
    }

    pub(super) fn json_value(
        &mut self,
        value: Option<&'t JsonValueExpr>,
        scope: &Scope<'_, 't>,
    ) -> Traced<Value<'t>> {
        let value = self.optional(value.and_then(|value| value.raw_expr.as_deref()), scope)?;
        Ok(Value::computed([&value], Kind::Unknown))
    }

    pub(super) fn json_argument(&mut self, node: &'t Node, scope: &Scope<'_, 't>) -> Traced<Value<'t>> {
        match &node.node {
            Some(NodeEnum::JsonArgument(argument)) => self.json_value(argument.val.as_deref(), scope),
            Some(_) | None => self.value(node, scope),
        }
    }

    fn json_aggregate(
        &mut self,
        argument: Value<'t>,
        constructor: Option<&'t JsonAggConstructor>,
        scope: &Scope<'_, 't>,
    ) -> Traced<Value<'t>> {
        let mut value = Value::clean(Kind::Unknown);
        if let Some(constructor) = constructor {
            value.absorb(&self.optional(constructor.agg_filter.as_deref(), scope)?);
            value.absorb(&self.sort_keys(&constructor.agg_order, scope)?);
            if let Some(window) = constructor.over.as_deref() {
                self.window(window, scope)?;
            }
        }
        value.absorb_next(&argument);
        Ok(value.failing("json aggregate"))
    }
}
