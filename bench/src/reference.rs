//! What the machine can do without us: an empty handler on the same stack, and the disk's fsync rate.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::client::Client;

/// Serves a handler that does nothing, and prints its address.
pub(crate) async fn serve() -> anyhow::Result<()> {
    let app = axum::Router::new().route("/", axum::routing::post(|| async { "{}" }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

/// Requests per second of the empty handler, in a process of its own.
pub(crate) async fn requests_per_second(concurrency: usize, span: Duration) -> anyhow::Result<f64> {
    let own = std::env::current_exe()?;
    let mut child =
        Command::new(own).args(["--reference", "--server", "none"]).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
    let address: SocketAddr = line.trim().parse()?;
    let until = Instant::now() + span;
    let mut loops = Vec::new();
    for _ in 0..concurrency {
        loops.push(tokio::spawn(async move {
            let mut client = Client::connect(address, "Bearer none", "application/json").await?;
            let mut done = 0_u64;
            while Instant::now() < until {
                client
                    .post("/", Some("none"), "{\"to\":\"+48600100217\",\"channel\":\"sms\"}".to_owned())
                    .await?;
                done += 1;
            }
            anyhow::Ok(done)
        }));
    }
    let mut done = 0;
    for one in loops {
        done += one.await??;
    }
    child.kill()?;
    child.wait()?;
    Ok(done as f64 / span.as_secs_f64())
}

/// Writes of 4 KiB, each made durable, per second.
pub(crate) fn fsync_rate(directory: &Path) -> anyhow::Result<f64> {
    let mut file = std::fs::File::create(directory.join("fsync"))?;
    let start = Instant::now();
    let mut done = 0_u32;
    while start.elapsed() < Duration::from_secs(1) {
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        done += 1;
    }
    Ok(f64::from(done) / start.elapsed().as_secs_f64())
}
