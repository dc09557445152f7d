//! `cargo xtask bench`: builds the server and the load generator for release, and measures.

use std::ffi::OsString;

use anyhow::Result;

use crate::checkout::Checkout;
use crate::program;

/// Everything after `bench` goes to the load generator; `--help` there lists it. `--flow smpp` measures one SMPP bind
/// instead, and takes `--seconds`.
pub(crate) fn run(checkout: &Checkout, arguments: &[OsString]) -> Result<()> {
    if let [flow, smpp, rest @ ..] = arguments
        && flow == "--flow"
        && smpp == "smpp"
    {
        let mut measure = checkout.command("cargo");
        measure.args([
            "run",
            "--quiet",
            "--release",
            "--package",
            "countersign-smpp",
            "--example",
            "throughput",
        ]);
        return program::run(measure.arg("--").args(rest));
    }
    let build = ["build", "--release", "--package", "countersign", "--package", "countersign-bench"];
    program::run(checkout.command("cargo").args(build))?;
    let release = checkout.path("target/release");
    let mut measure = checkout.command(release.join("countersign-bench"));
    program::run(measure.arg("--server").arg(release.join("countersign")).args(arguments))
}
