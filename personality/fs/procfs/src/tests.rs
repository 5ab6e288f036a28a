//! Texts of made-up processes.
