//! Measurements beside Linux.
