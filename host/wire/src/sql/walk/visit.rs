//! The walk as a serde serialiser that writes nothing: it is how the tree types, which are generated, let themselves be
//! gone through without naming each of their two thousand fields.

use std::fmt;

use serde::Serialize;
use serde::ser::{self, Impossible, SerializeSeq, SerializeStruct, Serializer};

use super::Walk;

/// The tree is nested too deeply.
#[derive(Debug)]
pub(super) struct TooDeep;

impl fmt::Display for TooDeep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nested too deeply")
    }
}

impl std::error::Error for TooDeep {}

impl ser::Error for TooDeep {
    // The tree types report nothing of their own.
    fn custom<T: fmt::Display>(_message: T) -> Self {
        Self
    }
}

/// The fields of a struct, or the elements of a list.
pub(super) struct Inside<'w> {
    walk: &'w mut Walk,
    nodes: Nodes,
}

/// What the fields or elements are in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nodes {
    /// `Node`, which only wraps the enum of all nodes.
    Wrapper,
    /// A node.
    Level,
    List,
}

impl SerializeStruct for Inside<'_> {
    type Ok = ();
    type Error = TooDeep;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), TooDeep> {
        if self.nodes == Nodes::Wrapper {
            return value.serialize(&mut *self.walk);
        }
        self.walk.begin_field(key);
        value.serialize(&mut *self.walk)?;
        self.walk.end_field();
        Ok(())
    }

    fn end(self) -> Result<(), TooDeep> {
        self.walk.ascend();
        match self.nodes {
            Nodes::Level => self.walk.leave(),
            Nodes::Wrapper | Nodes::List => Ok(()),
        }
    }
}

impl SerializeSeq for Inside<'_> {
    type Ok = ();
    type Error = TooDeep;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), TooDeep> {
        value.serialize(&mut *self.walk)
    }

    fn end(self) -> Result<(), TooDeep> {
        Ok(())
    }
}

/// Values that mean nothing to the walk.
macro_rules! ignore {
    ($($method:ident($type:ty),)+) => {
        $(fn $method(self, _value: $type) -> Result<(), TooDeep> {
            Ok(())
        })+
    };
}

impl<'w> Serializer for &'w mut Walk {
    type Ok = ();
    type Error = TooDeep;
    type SerializeSeq = Inside<'w>;
    type SerializeStruct = Inside<'w>;
    // Shapes that the tree has none of.
    type SerializeTuple = Impossible<(), TooDeep>;
    type SerializeTupleStruct = Impossible<(), TooDeep>;
    type SerializeTupleVariant = Impossible<(), TooDeep>;
    type SerializeMap = Impossible<(), TooDeep>;
    type SerializeStructVariant = Impossible<(), TooDeep>;

    fn serialize_struct(self, kind: &'static str, _fields: usize) -> Result<Inside<'w>, TooDeep> {
        self.descend();
        if kind == "Node" {
            return Ok(Inside { walk: self, nodes: Nodes::Wrapper });
        }
        self.enter(kind);
        Ok(Inside { walk: self, nodes: Nodes::Level })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _enum: &'static str,
        _index: u32,
        _variant: &'static str,
        value: &T,
    ) -> Result<(), TooDeep> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), TooDeep> {
        value.serialize(self)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), TooDeep> {
        value.serialize(self)
    }

    fn serialize_seq(self, _length: Option<usize>) -> Result<Inside<'w>, TooDeep> {
        Ok(Inside { walk: self, nodes: Nodes::List })
    }

    fn serialize_str(self, value: &str) -> Result<(), TooDeep> {
        self.string(value);
        Ok(())
    }

    fn serialize_i32(self, value: i32) -> Result<(), TooDeep> {
        self.number(value);
        Ok(())
    }

    fn serialize_bool(self, value: bool) -> Result<(), TooDeep> {
        if value {
            self.flag();
        }
        Ok(())
    }

    ignore! {
        serialize_i8(i8),
        serialize_i16(i16),
        serialize_i64(i64),
        serialize_u8(u8),
        serialize_u16(u16),
        serialize_u32(u32),
        serialize_u64(u64),
        serialize_f32(f32),
        serialize_f64(f64),
        serialize_char(char),
        serialize_bytes(&[u8]),
        serialize_unit_struct(&'static str),
    }

    fn serialize_none(self) -> Result<(), TooDeep> {
        Ok(())
    }

    fn serialize_unit(self) -> Result<(), TooDeep> {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<(), TooDeep> {
        Ok(())
    }

    fn serialize_tuple(self, _length: usize) -> Result<Self::SerializeTuple, TooDeep> {
        Err(TooDeep)
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, TooDeep> {
        Err(TooDeep)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, TooDeep> {
        Err(TooDeep)
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<Self::SerializeMap, TooDeep> {
        Err(TooDeep)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, TooDeep> {
        Err(TooDeep)
    }
}
