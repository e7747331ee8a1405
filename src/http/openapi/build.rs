//! Short words for operations.

use super::{
    refusal,
    shape::{Shape, named, uuid},
    words,
};
use serde_json::Value;
use utoipa::{
    IntoParams, PartialSchema,
    openapi::{
        Content, HttpMethod, Ref, Required,
        path::{Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn},
        request_body::{RequestBody, RequestBodyBuilder},
        response::{Response, ResponseBuilder},
        security::SecurityRequirement,
    },
};

const JSON: &str = "application/json";

/// Who may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum May {
    /// Anybody who reaches the listener.
    Anybody,
    /// The company's backend, operators, admins.
    App,
    /// Operators and admins.
    Operator,
    /// Operators, admins and auditors.
    Watch,
    /// Admins and auditors.
    Inspect,
    /// Admins.
    Admin,
}

impl May {
    const fn roles(self) -> &'static [&'static str] {
        match self {
            Self::Anybody => &[],
            Self::App => &["app"],
            Self::Operator => &["operator"],
            Self::Watch => &["operator", "auditor"],
            Self::Inspect => &["admin", "auditor"],
            Self::Admin => &["admin"],
        }
    }
}

/// A route in the making.
pub(super) struct Route {
    pub(super) method: HttpMethod,
    pub(super) path: &'static str,
    may: May,
    builder: OperationBuilder,
    answers: Vec<(u16, ResponseBuilder)>,
    problems: Vec<&'static str>,
    body: Option<RequestBody>,
    other_bodies: Vec<(String, Content)>,
    other_answers: Vec<(u16, String, Content)>,
}

pub(super) fn get(path: &'static str, id: &str, may: May) -> Route {
    Route::new(HttpMethod::Get, path, id, may)
}

pub(super) fn post(path: &'static str, id: &str, may: May) -> Route {
    let route = Route::new(HttpMethod::Post, path, id, may);
    let key = ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "Of the same request within 24 hours only the first is carried out; the others get its answer.",
        ))
        .schema(Some(super::shape::text("").pattern(Some("^[ -~]{1,255}$")).description(None::<&str>)));
    route.parameter(key.build()).problems(&[
        "idempotency-key-invalid",
        "idempotency-key-in-use",
        "idempotency-answer-not-kept",
        "idempotency-outcome-unknown",
        "idempotency-key-reused",
        "purged",
        "request-timeout",
        "too-large",
        "internal",
    ])
}

pub(super) fn put(path: &'static str, id: &str, may: May) -> Route {
    Route::new(HttpMethod::Put, path, id, may)
}

pub(super) fn delete(path: &'static str, id: &str, may: May) -> Route {
    Route::new(HttpMethod::Delete, path, id, may)
}

impl Route {
    fn new(method: HttpMethod, path: &'static str, id: &str, may: May) -> Self {
        let mut builder = OperationBuilder::new().operation_id(Some(id));
        let mut problems = vec!["starting", "keys-unavailable", "stopping"];
        if may != May::Anybody {
            builder = builder.security(SecurityRequirement::new("token", may.roles().iter().copied()));
            problems.extend(["unauthorized", "forbidden", "store-unavailable", "damaged", "in-progress"]);
        }
        let route = Self {
            method,
            path,
            may,
            builder,
            answers: Vec::new(),
            problems,
            body: None,
            other_bodies: Vec::new(),
            other_answers: Vec::new(),
        };
        path.split('/')
            .filter_map(placeholder)
            .fold(route, |route, name| route.parameter(path_parameter(path, name)))
    }

    /// What it does, in a line, and what else is to be known.
    pub(super) fn about(mut self, tag: &str, summary: &str, more: &str) -> Self {
        let roles = match self.may {
            May::Anybody => "No token is needed.".to_owned(),
            may => format!(
                "Role: {}.",
                may.roles().iter().map(|role| format!("`{role}`")).collect::<Vec<_>>().join(" or ")
            ),
        };
        let description = [more, roles.as_str()].join("\n\n");
        self.builder = self.builder.tag(tag).summary(Some(summary)).description(Some(description.trim()));
        self
    }

    pub(super) fn parameter(mut self, parameter: Parameter) -> Self {
        self.builder = self.builder.parameter(parameter);
        self
    }

    /// The query that this type reads.
    pub(super) fn query<Q: IntoParams>(self) -> Self {
        let parameters = Q::into_params(|| Some(ParameterIn::Query));
        parameters.into_iter().fold(self, Self::parameter).problems(&["invalid-request"])
    }

    /// The JSON body that this type reads.
    pub(super) fn body<B: PartialSchema>(self, example: &Value) -> Self {
        self.body_of(B::schema(), Required::True, example)
    }

    /// The same, that may be left out.
    pub(super) fn optional_body<B: PartialSchema>(self, example: &Value) -> Self {
        self.body_of(B::schema(), Required::False, example)
    }

    pub(super) fn body_of(mut self, shape: Shape, required: Required, example: &Value) -> Self {
        let mut content = Content::new(Some(shape));
        content.example = Some(example.clone());
        let body = RequestBodyBuilder::new().content(JSON, content).required(Some(required)).build();
        self.body = Some(body);
        self.problems(&["invalid-request", "unsupported-media-type", "too-large", "request-timeout"])
    }

    /// The same body in another type.
    pub(super) fn or_body(mut self, media_type: &str, shape: Shape) -> Self {
        self.other_bodies.push((media_type.to_owned(), Content::new(Some(shape))));
        self
    }

    /// The same answer in another type.
    pub(super) fn also(mut self, status: u16, media_type: &str, shape: impl Into<Shape>) -> Self {
        self.other_answers.push((status, media_type.to_owned(), Content::new(Some(shape.into()))));
        self
    }

    /// Bytes as the body.
    pub(super) fn bytes(mut self) -> Self {
        let shape = super::shape::text("The facemap, as it is.")
            .format(Some(utoipa::openapi::SchemaFormat::KnownFormat(utoipa::openapi::KnownFormat::Binary)));
        let content = Content::new(Some(Shape::from(shape)));
        let body = RequestBodyBuilder::new().content("application/octet-stream", content);
        self.body = Some(body.required(Some(Required::True)).build());
        self
    }

    /// An answer in JSON with the schema of this name.
    pub(super) fn answers(self, status: u16, about: &str, schema: &str, example: &Value) -> Self {
        self.answers_with(status, about, named(schema), example)
    }

    pub(super) fn answers_with(mut self, status: u16, about: &str, shape: Shape, example: &Value) -> Self {
        let mut content = Content::new(Some(shape));
        content.example = Some(example.clone());
        self.answers.push((status, ResponseBuilder::new().description(about).content(JSON, content)));
        self
    }

    /// An answer of another type.
    pub(super) fn answers_text(mut self, about: &str, media_type: &str, example: &str) -> Self {
        let mut content = Content::new(Some(Shape::from(super::shape::text(about))));
        content.example = Some(example.into());
        self.answers.push((200, ResponseBuilder::new().description(about).content(media_type, content)));
        self
    }

    /// An empty answer.
    pub(super) fn done(mut self, about: &str) -> Self {
        self.answers.push((204, ResponseBuilder::new().description(about)));
        self
    }

    /// The codes that it can be refused with.
    pub(super) fn problems(mut self, codes: &[&'static str]) -> Self {
        self.problems.extend(codes);
        self
    }

    /// It is never refused.
    pub(super) fn without_problems(mut self) -> Self {
        self.problems.clear();
        self
    }

    /// The codes that it names.
    #[cfg(test)]
    pub(super) fn codes(&self) -> &[&'static str] {
        &self.problems
    }

    /// Its refusals, by the names that it calls them by.
    pub(super) fn refusals(&self) -> impl Iterator<Item = (String, Response)> {
        refusal::of(&self.problems).into_values()
    }

    pub(super) fn into_operation(self) -> Operation {
        let mut builder = self.builder;
        if let Some(mut body) = self.body {
            body.content.extend(self.other_bodies);
            builder = builder.request_body(Some(body));
        }
        for (status, mut answer) in self.answers {
            for (_, media_type, content) in self.other_answers.iter().filter(|other| other.0 == status) {
                answer = answer.content(media_type, content.clone());
            }
            builder = builder.response(status.to_string(), answer);
        }
        for (status, (name, _)) in refusal::of(&self.problems) {
            builder = builder.response(status.to_string(), Ref::from_response_name(name));
        }
        builder.build()
    }
}

fn placeholder(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

fn path_parameter(path: &str, name: &str) -> Parameter {
    let (about, shape): (&str, Shape) = match name {
        "reference" => ("Jumio's reference of the onboarding.", words::EnrollmentReference::schema()),
        "user" => ("The company's reference of the user.", words::UserReference::schema()),
        _ if path.starts_with("/v1/authentications") => {
            ("The vault's id, or Jumio's reference.", uuid("").into())
        }
        _ if path.starts_with("/v1/links")
            || path.starts_with("/v1/callbacks")
            || path.starts_with("/v1/batches") =>
        {
            ("The vault's id.", uuid("").into())
        }
        _ if path.starts_with("/v1/purges") => ("The order's id.", super::shape::digits("", 32).into()),
        _ if path.starts_with("/v1/keys") => ("The key's id.", super::shape::digits("", 16).into()),
        _ => ("The id.", super::shape::text("").into()),
    };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some(about))
        .schema(Some(shape))
        .build()
}
