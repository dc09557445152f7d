//! The programs do what the tests of other crates count on.

mod postgres;
