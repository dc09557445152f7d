//! placeholder

pub mod recipient;
