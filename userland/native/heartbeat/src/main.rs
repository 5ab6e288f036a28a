//! A heartbeat: a line in the log every so many milliseconds, with its number and the time. Whoever looks at the log sees
//! whether native tasks went on meanwhile, and how late they were.
//!
//! Option `heartbeat_ms`: milliseconds between lines.
#![cfg_attr(target_os = "none", no_std, no_main)]

use rt::time::now_ns;

/// Milliseconds between lines where nothing else is said.
const DEFAULT_PERIOD_MS: u64 = 100;

rt::entry!(main);

fn main(env: &rt::Env) {
    let heartbeat_ms =
        env.option("heartbeat_ms").and_then(|text| text.parse().ok()).unwrap_or(DEFAULT_PERIOD_MS).max(1);
    let start_ns = now_ns();
    let mut number = 0u64;
    loop {
        let late_us = (now_ns() - start_ns).saturating_sub(number * heartbeat_ms * 1_000_000) / 1000;
        log::info!("beat {number} at {} ms, {late_us} us late", now_ns() / 1_000_000);
        number += 1;
        rt::thread::sleep_until(start_ns + number * heartbeat_ms * 1_000_000);
    }
}
