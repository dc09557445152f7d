//! The binary `countersign`: command line, configuration, wiring, lifecycle, and the only real clock and entropy.

mod cli;
mod client;
mod clock;
mod config;
mod control;
mod entropy;
mod files;
mod hardening;
mod lifecycle;
mod logging;
mod messages;
mod prices;
mod problem;
mod profile;
mod provision;
mod ring;
mod sandbox;
mod treasury;
mod wire;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    hardening::apply();
    cli::run()
}
