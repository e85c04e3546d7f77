//! The charts, as SVG: bars for one workload, lines for growth.
//!
//! They are written for a phone's width and for light and dark pages: a card with its own background, colours that
//! follow what the reader prefers, and no text below 11 pixels at full width.

mod bars;
mod lines;
mod scale;
mod svg;

pub use self::bars::{bars, overview};
pub use self::lines::lines;
