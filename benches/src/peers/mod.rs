//! The event loops, each with its adapter.

#[cfg(feature = "peers")]
mod compio;
#[cfg(feature = "peers")]
mod glommio;
#[cfg(feature = "peers")]
mod monoio;
mod ouroloop;
#[cfg(feature = "peers")]
mod rayon;
#[cfg(feature = "peers")]
mod smol;
#[cfg(feature = "peers")]
mod tokio;

use crate::Entry;

/// This project, on its streams and on bare callbacks.
pub const OURS: &[Entry] = &[
    Entry::of::<ouroloop::Ouroloop>(),
    ouroloop::WITH_SOCKET,
    ouroloop::CALLBACK,
];

/// All of them.
#[cfg(feature = "peers")]
pub const ALL: &[Entry] = &[
    Entry::of::<ouroloop::Ouroloop>(),
    ouroloop::WITH_SOCKET,
    ouroloop::CALLBACK,
    Entry::of::<tokio::LocalSet>(),
    Entry::of::<tokio::LocalRuntime>(),
    Entry::of::<smol::Smol>(),
    Entry::of::<monoio::Uring>(),
    Entry::of::<monoio::Epoll>(),
    Entry::of::<compio::Uring>(),
    Entry::of::<compio::Poll>(),
    Entry::of::<glommio::Glommio>(),
    rayon::RAYON,
];
