//! The behaviour of the timer wheel, as its users see it.

/// Delays of all sizes become deadlines (H6).
mod durations;
/// What a key still means when its timer is gone.
mod keys;
/// What the allocator sees (H27).
mod memory;
/// A reference that is too simple to be wrong, and random programs for both (H5, H28).
mod model;
/// Cases of (deadline, age) that have gone wrong elsewhere (H5, H28).
mod order;
/// That the crate stays one without `std`.
mod source;
