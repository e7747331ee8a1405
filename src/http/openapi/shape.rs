//! Short words for JSON schemas.

use serde_json::{Value, json};
use utoipa::openapi::{
    Array, ArrayBuilder, Object, ObjectBuilder, Ref, RefOr, Schema, SchemaFormat, Type,
    schema::{AdditionalProperties, KnownFormat, OneOfBuilder, SchemaType},
};

/// A schema, or the name of one.
pub(super) type Shape = RefOr<Schema>;

/// A field of an object.
pub(super) struct Field {
    name: &'static str,
    shape: Shape,
    required: bool,
}

/// A field that is always there.
pub(super) fn always(name: &'static str, shape: impl Into<Shape>) -> Field {
    Field { name, shape: shape.into(), required: true }
}

/// A field that is left out where there is nothing to say.
pub(super) fn maybe(name: &'static str, shape: impl Into<Shape>) -> Field {
    Field { name, shape: shape.into(), required: false }
}

/// An object with these fields.
pub(super) fn object(about: &str, fields: impl IntoIterator<Item = Field>) -> Shape {
    let mut object = ObjectBuilder::new().schema_type(Type::Object).description(Some(about));
    for Field { name, shape, required } in fields {
        object = object.property(name, shape);
        if required {
            object = object.required(name);
        }
    }
    object.into()
}

/// An object without further fields: for what a caller sends.
pub(super) fn closed(about: &str, fields: impl IntoIterator<Item = Field>) -> Shape {
    match object(about, fields) {
        RefOr::T(Schema::Object(mut object)) => {
            object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
            RefOr::T(Schema::Object(object))
        }
        other => other,
    }
}

/// An object whose names are not fixed, with values of one shape.
pub(super) fn map(about: &str, of: impl Into<Shape>) -> Shape {
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some(about))
        .additional_properties(Some(AdditionalProperties::RefOr(of.into())))
        .into()
}

/// An object with anything in it.
pub(super) fn anything(about: &str) -> Shape {
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some(about))
        .additional_properties(Some(AdditionalProperties::FreeForm(true)))
        .into()
}

/// A text.
pub(super) fn text(about: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(about))
}

/// A time, RFC 3339 in UTC.
pub(super) fn time(about: &str) -> ObjectBuilder {
    text(about).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
}

/// A reference of Jumio's, or an id of the vault's.
pub(super) fn uuid(about: &str) -> ObjectBuilder {
    text(about).format(Some(SchemaFormat::Custom("uuid".to_owned())))
}

/// So many hexadecimal digits.
pub(super) fn digits(about: &str, count: u32) -> ObjectBuilder {
    text(about).pattern(Some(format!("^[0-9a-f]{{{count}}}$")))
}

/// A whole number, not below zero.
pub(super) fn count(about: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer).description(Some(about)).minimum(Some(0))
}

/// A number of seconds.
pub(super) fn seconds(about: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Number).description(Some(about)).minimum(Some(0))
}

/// True or false.
pub(super) fn flag(about: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Boolean).description(Some(about))
}

/// One of these words.
pub(super) fn word(about: &str, words: impl IntoIterator<Item = impl Into<Value>>) -> ObjectBuilder {
    text(about).enum_values(Some(words))
}

/// A list.
pub(super) fn list(about: &str, of: impl Into<Shape>) -> Array {
    ArrayBuilder::new().items(of.into()).description(Some(about)).build()
}

/// The schema of this name.
pub(super) fn named(name: &str) -> Shape {
    Ref::from_schema_name(name).into()
}

/// The same, or null.
pub(super) fn or_null(shape: impl Into<Shape>) -> Shape {
    let null: Object = ObjectBuilder::new().schema_type(Type::Null).build();
    let shape: Shape = match shape.into() {
        RefOr::T(Schema::Object(mut object)) if object.enum_values.is_none() => {
            if let SchemaType::Type(only) = object.schema_type.clone() {
                object.schema_type = SchemaType::Array(vec![only, Type::Null]);
            }
            return RefOr::T(Schema::Object(object));
        }
        other => other,
    };
    OneOfBuilder::new().item(shape).item(Schema::Object(null)).into()
}

/// A page of a list.
pub(super) fn page(of: &str) -> Shape {
    page_of(named(of))
}

/// A page of a list of these.
pub(super) fn page_of(of: impl Into<Shape>) -> Shape {
    object(
        "A page.",
        [
            always("items", list("At most `limit`.", of)),
            always("nextCursor", or_null(text("Where the next page begins; null at the end."))),
        ],
    )
}

/// One of several.
pub(super) fn either(shapes: impl IntoIterator<Item = Shape>) -> Shape {
    shapes.into_iter().fold(OneOfBuilder::new(), OneOfBuilder::item).into()
}

/// A JWS in its compact form.
pub(super) fn jws(about: &str) -> ObjectBuilder {
    text(about).pattern(Some(r"^[\w-]+\.[\w-]+\.[\w-]+$"))
}

/// The words of a serialisable enumeration.
pub(super) fn spelled<T: serde::Serialize>(all: &[T]) -> Vec<Value> {
    all.iter().map(|word| json!(word)).collect()
}
