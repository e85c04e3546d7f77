//! What is logged meanwhile.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber, span};

/// A warning or an error that was logged; see [`logged`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogLine {
    level: Level,
    target: String,
    message: String,
}

impl LogLine {
    /// `WARN` or `ERROR`.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Crate and module: `ouroloop::net`, say.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The text.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// Calls `f`, and gives the warnings and errors that are logged in this thread meanwhile.
///
/// That is where a loop without an exception handler reports, and where its debug mode warns of
/// callbacks that hold it up. For the time of `f` it takes the place of the thread's subscriber to
/// `tracing`.
///
/// # Examples
///
/// ```
/// use ouroloop::{create_task, run, testkit};
///
/// let lines = testkit::logged(|| {
///     let main = async { drop(create_task(async { testkit::quiet_panic("lost") }).await) };
///     run(main).unwrap();
/// });
/// assert_eq!(lines, [], "its panic was read");
/// ```
pub fn logged(f: impl FnOnce()) -> Vec<LogLine> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    tracing::subscriber::with_default(Keep(lines.clone()), f);
    let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut *lines)
}

struct Keep(Arc<Mutex<Vec<LogLine>>>);

impl Subscriber for Keep {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
    }

    fn event(&self, event: &Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        let line = LogLine {
            level: *event.metadata().level(),
            target: event.metadata().target().to_owned(),
            message: message.0,
        };
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(line);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
