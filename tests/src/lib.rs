//! What crosses crates: conformance with asyncio and end-to-end tests.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod conformance;

/// The example of the repository's README, which is run as it stands there.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// The pages of the guide, whose snippets are compiled and run as they stand there.
#[cfg(doctest)]
mod guide {
    #[doc = include_str!("../../docs/guide/src/index.md")]
    struct Index;

    #[doc = include_str!("../../docs/guide/src/run.md")]
    struct Run;

    #[doc = include_str!("../../docs/guide/src/coroutines.md")]
    struct Coroutines;

    #[doc = include_str!("../../docs/guide/src/create-task.md")]
    struct CreateTask;

    #[doc = include_str!("../../docs/guide/src/gather.md")]
    struct Gather;

    #[doc = include_str!("../../docs/guide/src/wait.md")]
    struct Wait;

    #[doc = include_str!("../../docs/guide/src/timeouts.md")]
    struct Timeouts;

    #[doc = include_str!("../../docs/guide/src/shield.md")]
    struct Shield;

    #[doc = include_str!("../../docs/guide/src/task-group.md")]
    struct TaskGroup;

    #[doc = include_str!("../../docs/guide/src/locks-and-queues.md")]
    struct LocksAndQueues;

    #[doc = include_str!("../../docs/guide/src/streams.md")]
    struct Streams;

    #[doc = include_str!("../../docs/guide/src/threads.md")]
    struct Threads;

    #[doc = include_str!("../../docs/guide/src/context-variables.md")]
    struct ContextVariables;

    #[doc = include_str!("../../docs/guide/src/event-loop.md")]
    struct EventLoop;

    #[doc = include_str!("../../docs/guide/src/cancellation.md")]
    struct Cancellation;

    #[doc = include_str!("../../docs/guide/src/pitfalls.md")]
    struct Pitfalls;

    #[doc = include_str!("../../docs/guide/src/debugging.md")]
    struct Debugging;

    #[doc = include_str!("../../docs/guide/src/why-nothing-goes-on.md")]
    struct WhyNothingGoesOn;

    #[doc = include_str!("../../docs/guide/src/testing.md")]
    struct Testing;

    #[doc = include_str!("../../docs/guide/src/from-tokio.md")]
    struct FromTokio;
}
