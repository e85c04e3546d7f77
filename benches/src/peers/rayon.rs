//! rayon's pool, awaited in tokio: no event loop, but a pool that one may have beside any.

use std::hint::black_box;

use rayon::ThreadPoolBuilder;
use tokio::sync::oneshot;

use super::tokio::LocalSet;
use crate::{Entry, Meter, Peer, Sample};

/// It has blocking calls only.
pub const RAYON: Entry = Entry {
    name: "rayon+tokio",
    sample: |workload, count, _| match workload {
        "blocking4" => Some(calls(count, 1000, Some(4))),
        "blocking_def" => Some(calls(count, 1000, None)),
        "blocking_one" => Some(calls(count, 1, None)),
        _ => None,
    },
};

fn calls(count: u64, at_once: u64, threads: Option<usize>) -> Sample {
    if let Some(threads) = threads {
        let builder = ThreadPoolBuilder::new().num_threads(threads);
        builder.build_global().expect("nobody has used it yet");
    }
    LocalSet::run(async move {
        round(1000).await;
        let meter = Meter::start();
        for _ in 0..count / at_once {
            round(at_once).await;
        }
        meter.stop(count)
    })
}

async fn round(at_once: u64) {
    let call = |value| {
        let (sender, receiver) = oneshot::channel();
        rayon::spawn(move || {
            let _ = sender.send(black_box(value));
        });
        receiver
    };
    let calls: Vec<_> = (0..at_once).map(call).collect();
    for call in calls {
        let _ = call.await;
    }
}
