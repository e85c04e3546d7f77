//! The attribute macros of Ouroloop: main and test
