//! Warnings reach a user who has no subscriber to `tracing`.

use ouroloop_core::EventLoop;

use crate::support::{pair, run_on, said_alone};

#[test]
fn warnings_of_streams_are_on_stderr_without_a_subscriber() {
    let said = said_alone(
        "stderr::warnings_of_streams_are_on_stderr_without_a_subscriber",
        || {
            let event_loop = EventLoop::builder().debug(true).build().unwrap();
            run_on(&event_loop, async {
                drop(pair().await);
                let (_reader, writer, _peer) = pair().await;
                writer.close();
                for _ in 0..6 {
                    let _ = writer.write(b"too late");
                }
            });
            event_loop.close().unwrap();
        },
    );
    let Some(said) = said else { return };
    let count = |text: &str| said.lines().filter(|line| line.contains(text)).count();
    assert_eq!(
        count("unclosed StreamWriter of <connection with 127.0.0.1:"),
        1,
        "{said}"
    );
    assert!(count("it goes nowhere") >= 1, "{said}");
}
