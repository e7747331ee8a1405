//! What the process tells about itself: one line an event, on standard error.
//!
//! Never logged: facemaps, raw callbacks, names, user references, credentials, tokens, links, query strings.

use crate::config::{Log, LogFormat};
use model::{Clock as _, SystemClock, text::printable};
use std::fmt::{self, Write as _};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer,
    filter::Targets,
    fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields, format::Writer},
    layer::SubscriberExt as _,
    registry::LookupSpan,
    util::SubscriberInitExt as _,
};

/// Characters of one field at most.
const FIELD_CHARS: usize = 2000;

/// Starts logging for the whole process. A second call changes nothing.
pub(crate) fn start(log: &Log) {
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match log.format {
        LogFormat::Text => lines.event_format(Line).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    };
    // The configuration has refused every other form.
    let filter = log.filter.parse::<Targets>().unwrap_or_default();
    drop(tracing_subscriber::registry().with(lines.with_filter(filter)).try_init());
}

/// A path as it may be logged: without its query, without the token that is its last part on the public routes, and
/// without the person it is about.
pub(crate) fn loggable_path(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    for route in ["/callbacks/jumio/", "/r/"] {
        if path.starts_with(route) && path.len() > route.len() {
            return format!("{route}…");
        }
    }
    if let Some(about) = path.strip_prefix("/v1/users/") {
        let rest = about.find('/').map_or("", |end| &about[end..]);
        return format!("/v1/users/…{}", printable(rest, 200));
    }
    printable(path, 200)
}

/// A sentence that a person can read, with its fields behind it.
struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut to: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut text = Text::default();
        event.record(&mut text);
        context.visit_spans(|span| {
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
                text.fields.push(' ');
                text.fields.push_str(&printable(fields, FIELD_CHARS));
            }
            fmt::Result::Ok(())
        })?;
        let now = SystemClock.now();
        let (level, target) = (event.metadata().level(), event.metadata().target());
        writeln!(to, "{now:.3} {level:5} {target}: {}{}", text.message, text.fields)
    }
}

/// An event's message and other fields, each made fit for one line of a terminal.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = printable(&format!("{value:?}"), FIELD_CHARS);
        if field.name() == "message" {
            self.message = text;
        } else {
            // Unwrap safety: writing to a String cannot fail.
            write!(self.fields, " {}={text}", field.name()).expect("a String takes any text");
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::fmt::MakeWriter;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Sink {
        type Writer = Self;
        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    fn logged(run: impl FnOnce()) -> String {
        let sink = Sink::default();
        let layer = tracing_subscriber::fmt::layer().with_writer(sink.clone()).event_format(Line);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), run);
        let bytes = sink.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn text_from_outside_forges_no_line_and_moves_no_cursor() {
        let text = logged(|| {
            let span = tracing::info_span!("s", from = "x\ny\u{1b}[2J");
            let _inside = span.enter();
            tracing::info!(name = "a\nb\u{1b}[2J", id = 7, "first\nsecond");
        });
        assert_eq!(text.lines().count(), 1, "{text:?}");
        assert!(!text.contains('\u{1b}'));
        assert!(text.contains("first\\u{a}second name=a\\u{a}b\\u{1b}[2J id=7"), "{text:?}");
    }

    #[test]
    fn tokens_and_queries_of_a_path_are_not_logged() {
        assert_eq!(loggable_path("/callbacks/jumio/secret"), "/callbacks/jumio/…");
        assert_eq!(loggable_path("/r/secret?x=1"), "/r/…");
        assert_eq!(loggable_path("/v1/enrollments?userReference=anna"), "/v1/enrollments");
        assert_eq!(loggable_path("/callbacks/jumio"), "/callbacks/jumio");
        assert_eq!(loggable_path("/v1/users/anna/dossier"), "/v1/users/…/dossier");
        assert_eq!(loggable_path("/v1/users/anna"), "/v1/users/…");
    }
}
