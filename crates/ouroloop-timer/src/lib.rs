//! The hierarchical timer wheel of Ouroloop: no clock, no I/O, no std
