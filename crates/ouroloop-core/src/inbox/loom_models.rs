//! Loom models of the inbox.
