//! Chromium and its driver. All tests of the process share one driver; each has a browser of its own.
#![allow(unreachable_pub, reason = "shared by the rooms of this test binary")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, Once, PoisonError, Weak};
use std::time::Duration;

use axum::http::Method;
use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{PATIENCE, Server, patiently};

/// What Chromium is called by those who package it.
const CHROMIUMS: [&str; 4] =
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Without a window, and without anything of its own on the network.
const FLAGS: [&str; 9] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// A `chromedriver` that this process has started.
struct Driver {
    port: u16,
    child: Child,
    /// Held open: a driver that cannot write ends.
    _said: BufReader<ChildStdout>,
}

/// The driver, for as long as a test uses it.
static RUNNING: Mutex<Weak<Driver>> = Mutex::new(Weak::new());

impl Driver {
    /// The one that runs, or else a new one; `None` where it is not installed.
    fn shared() -> Option<Arc<Self>> {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(driver) = running.upgrade() {
            return Some(driver);
        }
        let driver = Arc::new(Self::start()?);
        *running = Arc::downgrade(&driver);
        Some(driver)
    }

    fn start() -> Option<Self> {
        let mut command = Command::new(found("chromedriver")?);
        command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        // ChromeDriver was started successfully on port 41234.
        let port = loop {
            line.clear();
            assert!(said.read_line(&mut line).unwrap() > 0, "chromedriver ended before it served");
            // Before that it tells what it was asked for, which is port 0.
            let Some((_, port)) = line.trim().rsplit_once("successfully on port ") else {
                continue;
            };
            break port.trim_end_matches('.').parse().unwrap();
        };
        Some(Self { port, child, _said: said })
    }

    /// Asks it to end, with every browser that a failed test has left.
    fn shut_down(&self) -> std::io::Result<()> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream
            .write_all(b"GET /shutdown HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).map(|_| ())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.shut_down();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where a program is.
fn found(program: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// Says what is missing where everybody sees it: what a test prints is kept from them.
fn say_skipped() {
    static SAID: Once = Once::new();
    let missing = "the browser tests need chromium and chromedriver: install Debian's packages chromium and chromium-driver";
    assert!(std::env::var_os("CI").is_none(), "{missing}; no test may be skipped here");
    SAID.call_once(|| {
        let _ = writeln!(std::io::stderr(), "SKIPPED: {missing}");
    });
}

/// A browser that knows nothing yet.
pub struct Browser {
    pub client: Client,
    // In this order: the browser has left its folder, and then the driver may end.
    _profile: TempDir,
    _driver: Arc<Driver>,
}

/// A command that is Chromium's own: to its path, with this body.
#[derive(Debug)]
struct Own(&'static str, Value);

impl WebDriverCompatibleCommand for Own {
    fn endpoint(
        &self,
        base: &url::Url,
        session: Option<&str>,
    ) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.0))
    }

    fn method_and_body(&self, _: &url::Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.1.to_string()))
    }
}

impl Browser {
    /// Starts one; `None` where there is none to start.
    pub async fn start() -> Option<Self> {
        let chromium = CHROMIUMS.into_iter().find_map(found);
        let (Some(chromium), Some(driver)) = (chromium, Driver::shared()) else {
            say_skipped();
            return None;
        };
        let profile = TempDir::new().unwrap();
        let mut flags = FLAGS.map(str::to_owned).to_vec();
        flags.push(format!("--user-data-dir={}", profile.path().display()));
        flags.push("--window-size=1280,900".to_owned());
        let capabilities = json!({
            "browserName": "chrome",
            "goog:chromeOptions": {"binary": chromium, "args": flags},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        });
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities.as_object().unwrap().clone());
        let client = builder.connect(&format!("http://127.0.0.1:{}", driver.port)).await.unwrap();
        Some(Self { client, _profile: profile, _driver: driver })
    }

    /// Opens a page of the server.
    pub async fn open(&self, server: &Server, path: &str) {
        self.client.goto(&format!("http://{}{path}", server.address)).await.unwrap();
    }

    /// What an expression comes to.
    pub async fn value(&self, expression: &str) -> Value {
        self.client.execute(&format!("return ({expression});"), Vec::new()).await.unwrap()
    }

    /// What an expression comes to, as text.
    pub async fn text(&self, expression: &str) -> String {
        let value = self.value(expression).await;
        value.as_str().map_or_else(|| panic!("{expression} is {value}"), str::to_owned)
    }

    /// Waits until an expression is true, on whatever page is shown by then.
    pub async fn until(&self, condition: &str) {
        let script = format!("return Boolean({condition});");
        let met = async {
            // Between two pages there is nothing to ask.
            while self.client.execute(&script, Vec::new()).await.ok() != Some(Value::Bool(true)) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, met).await.is_err() {
            let page = self.client.execute("return document.body.innerText;", Vec::new()).await;
            panic!("waited too long for {condition} on {page:#?}");
        }
    }

    /// Waits for the row of the service `name` to be in this state.
    pub async fn until_row(&self, name: &str, status: &str) {
        let row = format!("{}?.dataset.status", row(name));
        self.until(&format!("{row} === {}", json!(status))).await;
    }

    /// Clicks on what a selector finds.
    pub async fn click(&self, selector: &str) {
        self.act_on(selector, async |found| found.click().await).await;
    }

    /// Types into what a selector finds.
    pub async fn type_into(&self, selector: &str, text: &str) {
        self.act_on(selector, async |found| found.send_keys(text).await).await;
    }

    /// Does something to what a selector finds, once it is there: a page that is live may put another in its place.
    async fn act_on(&self, selector: &str, act: impl AsyncFn(Element) -> Result<(), CmdError>) {
        let act_once = async || act(self.client.find(Locator::Css(selector)).await?).await;
        let done = async {
            let mut refused = act_once().await;
            while let Err(CmdError::Standard(_)) = refused {
                tokio::time::sleep(Duration::from_millis(20)).await;
                refused = act_once().await;
            }
            refused
        };
        patiently(selector, done).await.unwrap();
    }

    /// Presses keys wherever the focus is.
    pub async fn press(&self, keys: &str) {
        self.client.active_element().await.unwrap().send_keys(keys).await.unwrap();
    }

    /// A command of Chromium's DevTools protocol.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let body = json!({"cmd": command, "params": parameters});
        self.client.issue_cmd(Own("goog/cdp/execute", body)).await.unwrap()
    }

    /// Shows pages as wide as this, as somebody with these preferences sees them.
    pub async fn look_as(&self, width: u32, height: u32, preferences: &[(&str, &str)]) {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600
        });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
        let features =
            preferences.iter().map(|(name, value)| json!({"name": name, "value": value}));
        let media = json!({"features": features.collect::<Vec<_>>()});
        self.devtools("Emulation.setEmulatedMedia", media).await;
    }

    async fn log(&self, kind: &str) -> Vec<Value> {
        let log = self.client.issue_cmd(Own("se/log", json!({"type": kind}))).await.unwrap();
        log.as_array().unwrap().clone()
    }

    /// Ends a visit on which nothing but this server was asked for anything and nothing went wrong.
    pub async fn leave(self, server: &Server) {
        self.leave_after(server, &[]).await;
    }

    /// The same, where complaints with one of these words were to be expected.
    pub async fn leave_after(self, server: &Server, expected: &[&str]) {
        let complaints = self.log("browser").await.into_iter().filter_map(|entry| {
            let message = entry["message"].as_str()?.to_owned();
            let is_one = matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING"));
            (is_one && !expected.iter().any(|word| message.contains(word))).then_some(message)
        });
        assert_eq!(complaints.collect::<Vec<_>>(), [""; 0], "the console");
        let (mut asked, own) = (0, format!("http://{}/", server.address));
        for entry in self.log("performance").await {
            let message = entry["message"].as_str().unwrap();
            let message: Value = serde_json::from_str(message).unwrap();
            if message["message"]["method"] != "Network.requestWillBeSent" {
                continue;
            }
            let url = message["message"]["params"]["request"]["url"].as_str().unwrap().to_owned();
            let is_inside = url.starts_with("data:") || url.starts_with("chrome:");
            assert!(url.starts_with(&own) || is_inside, "{url} was asked for");
            asked += 1;
        }
        assert!(asked > 0, "the log of requests is kept");
        self.client.close().await.unwrap();
    }
}

/// The row of the service `name`, as an expression.
pub fn row(name: &str) -> String {
    format!(
        "Array.from(document.querySelectorAll('#rows > li')).find(row => row.dataset.name === {})",
        json!(name)
    )
}
