//! A real browser: Chromium without a window, driven by its WebDriver.
//!
//! Promise: what was started is gone when its [`Driver`] is dropped, also when the test failed.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How the reader likes the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// On a wide screen.
    Light,
    /// On a wide screen, with a dark scheme.
    Dark,
    /// On a telephone that is 390 px wide.
    Telephone,
}

/// The WebDriver, and the profiles of its browsers.
pub struct Driver {
    child: Child,
    url: String,
    profiles: TempDir,
}

impl Driver {
    /// Starts it; nothing when this machine has no browser, which a CI must have.
    pub fn start() -> Option<Driver> {
        let child = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        let mut child = match child {
            Ok(child) => child,
            Err(error) => {
                let reason = format!("no chromedriver ({error}): apt-get install chromium-driver");
                assert!(std::env::var_os("CI").is_none(), "{reason}");
                let _ = writeln!(std::io::stderr(), "skipped: {reason}");
                return None;
            }
        };
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.map_while(Result::ok).find_map(|line| {
            let port = line.split_once("started successfully on port ")?.1;
            port.trim_end_matches('.').parse::<u16>().ok()
        });
        let port = port.expect("chromedriver says its port");
        Some(Driver {
            child,
            url: format!("http://127.0.0.1:{port}"),
            profiles: tempfile::tempdir().unwrap(),
        })
    }

    /// Opens a browser.
    pub async fn open(&self, reader: Reader) -> Client {
        let profile = self.profiles.path().join(format!("{reader:?}"));
        let mut arguments = vec![
            "--headless".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-quic".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--no-proxy-server".to_owned(),
            "--hide-scrollbars".to_owned(),
            "--window-size=1100,900".to_owned(),
            format!("--user-data-dir={}", profile.display()),
        ];
        if reader == Reader::Dark {
            arguments.push("--blink-settings=preferredColorScheme=0".to_owned());
        }
        let mut options = json!({"args": arguments});
        if reader == Reader::Telephone {
            options["mobileEmulation"] =
                json!({"deviceMetrics": {"width": 390, "height": 844, "pixelRatio": 2.0}});
        }
        let Value::Object(capabilities) = json!({"goog:chromeOptions": options}) else {
            unreachable!("it is an object");
        };
        ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&self.url)
            .await
            .expect("a browser opens")
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // The browsers it started are known by their profiles, which nobody else uses.
        let profiles = self.profiles.path().to_string_lossy().into_owned();
        for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Ok(pid) = process.file_name().to_string_lossy().parse() else {
                continue;
            };
            let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            if String::from_utf8_lossy(&command).contains(&profiles) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }
}
