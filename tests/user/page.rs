//! The page of a trained model in a browser.

use std::process::{Command, Stdio};

use crate::{jsonl, model, rows, succeed, text};

/// Names of the browser, as systems have it.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// The browser, or `None` where there is none; with `OSFT_REQUIRE_BROWSER`, that is a failure.
fn browser() -> Option<&'static str> {
    let runs = |name: &&&str| {
        let version = Command::new(name)
            .arg("--version")
            .stdout(Stdio::null())
            .status();
        version.is_ok_and(|status| status.success())
    };
    let found = BROWSERS.iter().find(runs).copied();
    let required = std::env::var_os("OSFT_REQUIRE_BROWSER").is_some();
    assert!(
        found.is_some() || !required,
        "a browser is required, and there is none"
    );
    if found.is_none() {
        eprintln!("skipped: no browser");
    }
    found
}

#[test]
fn the_page_opens_without_an_error_and_fetches_nothing() {
    let Some(browser) = browser() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let data = jsonl(folder, "rows.jsonl", &rows("tone", "train", 24));
    let out = folder.join("out");
    succeed(&[
        "finetune",
        "--model",
        &text(&model()),
        "--data",
        &data,
        "--out",
        &text(&out),
        "--epochs",
        "2",
        "--set",
        "calibration.base_rows=16",
        "--max-new-tokens",
        "6",
        "--effective-batch",
        "4",
    ]);
    let page = out.join("osft/report.html");
    let source = std::fs::read_to_string(&page).unwrap();
    for fetches in ["src=", "href=\"http", "@import", "url(", "<script"] {
        assert!(!source.contains(fetches), "{fetches}");
    }
    let screenshot = folder.join("page.png");
    let profile = folder.join("profile");
    // As wide as a phone; the log on standard error has every message of the page's console.
    let opened = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--hide-scrollbars",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        .args([
            "--enable-logging=stderr",
            "--window-size=412,2400",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", text(&profile)))
        .arg(format!("--screenshot={}", text(&screenshot)))
        .arg(format!("file://{}", text(&page)))
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&opened.stderr);
    assert!(opened.status.success(), "{log}");
    assert!(!log.contains("CONSOLE"), "{log}");
    let dom = String::from_utf8_lossy(&opened.stdout);
    for shown in [
        "What was gained and what was lost",
        "Loss of the steps",
        "<svg",
        "<table>",
    ] {
        assert!(dom.contains(shown), "{shown}: {dom}");
    }
    let picture = std::fs::read(&screenshot).unwrap();
    assert!(
        picture.starts_with(b"\x89PNG") && picture.len() > 20_000,
        "{} bytes",
        picture.len()
    );
    if let Some(kept) = std::env::var_os("OSFT_KEEP_SCREENSHOT") {
        std::fs::copy(&screenshot, kept).unwrap();
    }
}
